"""Settings from ``ROISTREAM_*`` variables and an optional TOML file. Reads them when asked."""

import json
import os
import re
import tomllib
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from metrics.attribution.conversion_credit import COHORT
from metrics.attribution.models import MODELS, AttributionRules
from metrics.budget.policy import Policies
from metrics.budget.policy import parse as parse_policies
from metrics.customers.calendar import CohortPeriod
from metrics.entities.report_overlaps import GrainRule, ReportRules
from metrics.kpis.compose import DECLARED
from metrics.kpis.rollups import DIMENSIONS
from metrics.records.kpi_reading import Dimension
from metrics.records.partition_keys import KeyRule
from metrics.records.reserved_names import ReservedNames
from metrics.values.errors import SettingError
from metrics.values.time import parse_duration, to_millis
from metrics.windows.panes import MINUTES, RETENTIONS
from streams.setting_changes import SETTING_CHANGES

#: No variable begins with this; ``load`` refuses unknown names before it.
_UNREAD = "ROISTREAM__UNREAD__"
_MIN_TOKEN_LENGTH = 16
GaugeWindow = Literal["5m", "1h", "24h", "7d", "today", "total"]


def _millis(value: Any) -> Any:
    return parse_duration(value) if isinstance(value, str) else value


def _instant(value: Any) -> Any:
    if not isinstance(value, str) or value.removesuffix("ms").lstrip("-").isdecimal():
        return value.removesuffix("ms") if isinstance(value, str) else value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no instant; write it like 2020-01-01T00:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError(f"{value!r} has no offset; write it like 2020-01-01T00:00:00Z")
    return to_millis(moment)


def _listed(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _table(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f'not a JSON object ({error}); write it like {{"preset": "careful"}}') from error


Millis = Annotated[int, BeforeValidator(_millis), Field(gt=0)]
Listed = BeforeValidator(_listed)


class Settings(BaseSettings):
    """All settings; durations in integer milliseconds."""

    model_config = SettingsConfigDict(
        env_prefix="ROISTREAM_", extra="forbid", frozen=True, enable_decoding=False
    )

    broker: str = "kafka://localhost:9092"
    broker_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    broker_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    broker_sasl_username: str | None = None
    broker_sasl_password: SecretStr | None = None
    broker_ssl_cafile: Path | None = None
    broker_wait: Millis = 60_000
    session_timeout: Millis = 30_000
    #: Secret, because it may hold a password.
    redis_url: SecretStr | None = None
    redis_ttl: Millis = 2 * 86_400_000
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65535)] = 6066
    board_host: str = "127.0.0.1"
    board_port: Annotated[int, Field(ge=0, le=65535)] = 6067
    board_token: SecretStr | None = None
    #: Names by which browsers reach the board, besides addresses, localhost and BOARD_HOST.
    board_hosts: Annotated[list[str], Listed] = []
    #: The Prometheus job of this deployment; alerts of another one are refused. None: alerts of any job are taken.
    board_job: str | None = None
    #: A TOML file of people with roles and tokens of their own.
    board_people: Path | None = None
    #: A TOML file of who is notified where, of what, in which language.
    board_notifications: Path | None = None
    #: The header in which a proxy at one of BOARD_PROXIES names who asks.
    board_identity_header: str | None = None
    board_proxies: Annotated[list[str], Listed] = []
    #: What somebody may do whom the proxy names and the file of people does not.
    board_identity_role: Literal["none", "look", "decide", "administer"] = "look"
    #: A TOML file of the site, its links and the webhooks that ``roistream collect`` takes.
    collect_file: Path | None = None
    collect_host: str = "127.0.0.1"
    collect_port: Annotated[int, Field(ge=0, le=65535)] = 6068
    #: Of /metrics, /healthz and /readyz, at HTTP_HOST: what is public shows no figure.
    collect_metrics_port: Annotated[int, Field(ge=0, le=65535)] = 6069
    #: Of /metrics, /healthz and /readyz of ``roistream apply --carry-out``, at HTTP_HOST; None: there is no page, so that one that takes
    #: over on the same machine finds no port taken.
    apply_metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    partitions: Annotated[int, Field(ge=1, le=1024)] = 4
    replication_factor: Annotated[int, Field(ge=1, le=32767)] = 1
    topic_prefix: str = ""
    group_id: str = "roistream"
    #: Under which a worker joins its group, the same after each start; None: the host's name and a number.
    instance_id: str | None = None
    grace: Millis = 60_000
    idle_after: Millis = 30_000
    max_future: Millis = 300_000
    #: Events before this are refused: from an old clock, or in another unit. Epoch milliseconds; 1990 begins then.
    earliest_event_time: Annotated[int, BeforeValidator(_instant)] = 631_152_000_000
    dedupe_window: Millis = 86_400_000
    dedupe_max_events: Annotated[int, Field(ge=1)] = 1_000_000
    order_retention: Millis = 400 * 86_400_000
    #: How long after its latest event a customer's account is kept; without it none is, and there are no KPIs of customers.
    customer_retention: Millis | None = None
    #: What cohorts of customers, and their figures by time, go by.
    customer_cohorts: CohortPeriod = "month"
    report_retention: Millis | None = None
    #: Which of several grains of one source's reports counts, where they overlap.
    report_grain: GrainRule = "finest"
    #: Sources that read one account, the preferred one first: ``airbyte-google>singer-google``.
    report_sources: Annotated[list[str], Listed] = []
    #: How long a source's figures take to be complete: ``google_ads=3h``.
    report_delays: Annotated[list[str], Listed] = []
    #: More spellings of the direct channel, and of a missing name; one with ! before it is taken out of the known ones.
    direct_names: Annotated[list[str], Listed] = []
    absent_names: Annotated[list[str], Listed] = []
    #: A TOML file of other spellings of campaign ids, each with the id that it stands for: ``"Spring%20Sale" = "spring-sale"``.
    campaign_aliases: Path | None = None
    publish_interval: Millis = 1_000
    max_publish_rate: Annotated[int, Field(ge=1)] = 5_000
    #: Past these the worker stops rather than diverting a source: refused in a row, and share of the last 2 000.
    dead_letters_in_a_row: Annotated[int, Field(ge=1)] = 1_000
    dead_letter_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    timezone: str = "UTC"
    reporting_currency: str = "EUR"
    attribution_models: Annotated[list[str], Listed] = []
    #: Those of them that say which campaign acquired a customer, beside what first orders declare.
    customer_models: Annotated[list[str], Listed] = []
    lookback: Millis = 30 * 86_400_000
    view_through_lookback: Millis = 86_400_000
    half_life: Millis = 7 * 86_400_000
    refit_interval: Millis = 3_600_000
    #: Which records' journeys are remembered on another partition than they came on.
    rekey: Literal["auto", "visitor", "off"] = "auto"
    #: What campaigns are rolled up by, and how many values of each have roll-ups of their own.
    rollups: Annotated[list[Dimension], Listed] = list(DIMENSIONS)
    max_rollup_values: Annotated[int, Field(ge=1)] = 50
    gauge_windows: Annotated[list[GaugeWindow], Listed] = ["1h", "24h", "total"]
    gauge_models: Annotated[list[str], Listed] = ["declared"]
    max_campaign_series: Annotated[int, Field(ge=1)] = 1_000
    state_dir: Path | None = None
    budget_mode: Literal["observe", "propose", "enforce"] = "observe"
    #: The ``[budget]`` table of the TOML file, or the same as JSON in the environment; see ``policies``.
    budget: Annotated[dict[str, Any], BeforeValidator(_table)] = {}
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("grace")
    @classmethod
    def _grace_is_kept(cls, value: int) -> int:
        if value > RETENTIONS[MINUTES]:
            raise ValueError("at most 2h, since the windows of a minute are kept that long")
        return value

    @field_validator("customer_retention")
    @classmethod
    def _customers_outlive_orders(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value < info.data.get("order_retention", 0):
            raise ValueError(
                "no shorter than ORDER_RETENTION, so that every refund finds the account it changes"
            )
        return value

    @field_validator("report_sources")
    @classmethod
    def _sources_are_grouped(cls, value: list[str]) -> list[str]:
        groups = [each.split(">") for each in value]
        names = [name.strip() for group in groups for name in group]
        if any(len(group) < 2 for group in groups) or not all(names):
            raise ValueError(
                "write the sources of one account as preferred>other, several accounts separated by commas"
            )
        if len(set(names)) < len(names):
            raise ValueError("a source may be named once")
        return value

    @field_validator("report_delays")
    @classmethod
    def _delays_are_durations(cls, value: list[str]) -> list[str]:
        for each in value:
            _delay_of(each)
        return value

    @field_validator("board_token")
    @classmethod
    def _token_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _MIN_TOKEN_LENGTH:
            raise ValueError(f"at least {_MIN_TOKEN_LENGTH} characters, so that it cannot be guessed")
        return value

    @field_validator("attribution_models")
    @classmethod
    def _models_exist(cls, value: list[str]) -> list[str]:
        for model in value:
            if model.removesuffix(COHORT) not in MODELS:
                raise ValueError(
                    f"{model!r} is no model; there are {', '.join(MODELS)}, each also with {COHORT} behind its name"
                )
        return list(dict.fromkeys(value))

    @field_validator("customer_models")
    @classmethod
    def _customer_models_are_computed(cls, value: list[str], info: ValidationInfo) -> list[str]:
        for model in value:
            if model.endswith(COHORT):
                raise ValueError(
                    f"{model!r} credits the campaigns that {model.removesuffix(COHORT)!r} credits; name that one"
                )
            if model == DECLARED:
                raise ValueError(f"{model!r} is always there")
            if model not in info.data.get("attribution_models", ()):
                raise ValueError(f"{model!r} is not computed; add it to ROISTREAM_ATTRIBUTION_MODELS")
        if value and info.data.get("customer_retention") is None:
            raise ValueError("there are no customers without ROISTREAM_CUSTOMER_RETENTION; set it, too")
        return list(dict.fromkeys(value))

    @field_validator("gauge_models")
    @classmethod
    def _gauge_models_are_computed(cls, value: list[str], info: ValidationInfo) -> list[str]:
        for model in value:
            if model not in (DECLARED, *info.data.get("attribution_models", ())):
                raise ValueError(f"{model!r} is not computed; add it to ROISTREAM_ATTRIBUTION_MODELS")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not an IANA time zone such as Europe/Paris") from error
        return value

    @field_validator("reporting_currency")
    @classmethod
    def _currency_is_code(cls, value: str) -> str:
        if re.fullmatch(r"[A-Z]{3}", value) is None:
            raise ValueError(f"{value!r} is not a three-letter currency code such as EUR")
        return value

    @field_validator("topic_prefix")
    @classmethod
    def _prefix_is_topic_name(cls, value: str) -> str:
        if re.fullmatch(r"[A-Za-z0-9._-]{0,200}", value) is None:
            raise ValueError(f"{value!r} may hold only letters, digits, '.', '_' and '-'")
        return value

    @field_validator("instance_id")
    @classmethod
    def _instance_is_named(cls, value: str | None) -> str | None:
        if value is not None and re.fullmatch(r"[A-Za-z0-9._-]{1,200}", value) is None:
            raise ValueError(
                f"{value!r} may hold only letters, digits, '.', '_' and '-', at most 200 of them"
            )
        return value

    @field_validator("broker")
    @classmethod
    def _broker_is_url(cls, value: str) -> str:
        if "@" in value:  # not quoted: what stands before it may be a password
            raise ValueError(
                "an address holds no user; write kafka://host:9092 and set ROISTREAM_BROKER_SASL_USERNAME and _PASSWORD"
            )
        if re.fullmatch(r"(kafka://)?[^/,\s:]+:\d+(,(kafka://)?[^/,\s:]+:\d+)*", value) is None:
            raise ValueError(f"{value!r} is not like kafka://host:9092 (several: separated by commas)")
        return value

    @field_validator("budget")
    @classmethod
    def _policies_are_right(cls, value: dict[str, Any]) -> dict[str, Any]:
        try:
            parse_policies(value)
        except SettingError as error:
            raise ValueError(str(error).removesuffix(".")) from error
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what ``load`` read from the file."""
        del dotenv_settings, file_secret_settings, settings_cls
        return env_settings, init_settings

    @cached_property
    def bootstrap(self) -> list[str]:
        """Broker addresses as ``host:port``."""
        return [part.removeprefix("kafka://") for part in self.broker.split(",")]

    @cached_property
    def policies(self) -> Policies:
        """What the budget controller may do."""
        return parse_policies(self.budget)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The time zone of ``today``."""
        return ZoneInfo(self.timezone)

    @cached_property
    def rules(self) -> AttributionRules:
        """What credits depend on besides the facts."""
        return AttributionRules(
            *(tuple(self.attribution_models), self.lookback, self.view_through_lookback, self.half_life),
            tuple(self.customer_models),
        )

    @cached_property
    def report_rules(self) -> ReportRules:
        """Which of several reports about one instant counts."""
        groups = tuple(tuple(name.strip() for name in each.split(">")) for each in self.report_sources)
        return ReportRules(self.report_grain, groups)

    @cached_property
    def reserved_names(self) -> ReservedNames:
        """Texts that stand for missing names, and spellings of the direct channel."""
        aliases = {} if self.campaign_aliases is None else _aliases(self.campaign_aliases)
        return ReservedNames(
            tuple(self.direct_names), tuple(self.absent_names), tuple(sorted(aliases.items()))
        )

    @property
    def delays_by_source(self) -> dict[str, int]:
        """How long the figures of sources take to be complete, in milliseconds."""
        return dict(map(_delay_of, self.report_delays))

    @property
    def key_rule(self) -> KeyRule:
        """What journeys make of keys."""
        is_on = self.rekey != "off" and self.attribution_models and self.partitions > 1
        return KeyRule(self.partitions if is_on else 0, trusts_keys=self.rekey == "auto")

    @property
    def kept_values(self) -> dict[str, Any]:
        """The settings that what is kept depends on, as JSON would have them."""
        names = {name for name, change in SETTING_CHANGES.items() if change.kind != "free"}
        return self.model_dump(mode="json", include=names)

    @property
    def group(self) -> str:
        """The workers' consumer group as Kafka has it."""
        return f"{self.topic_prefix}{self.group_id}"

    def topic(self, name: str) -> str:
        """Full name of a topic."""
        return self.topic_prefix + name


def _aliases(path: Path) -> dict[str, str]:
    """The aliases of a file.

    Raises:
        SettingError: when it is none, or an alias stands for another alias.
    """
    try:
        with path.open("rb") as file:
            found = tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"ROISTREAM_CAMPAIGN_ALIASES: {path} cannot be read as TOML ({error}).") from error
    for alias, campaign_id in found.items():
        if not isinstance(campaign_id, str) or not campaign_id or campaign_id in found:
            raise SettingError(
                f'ROISTREAM_CAMPAIGN_ALIASES: {alias!r} in {path} must stand for a campaign id that is no alias, as in "{alias}" = "spring-sale".'
            )
    return found


def _delay_of(text: str) -> tuple[str, int]:
    source, _, duration = text.rpartition("=")
    if not source.strip():
        raise ValueError(f"{text!r} is not like google_ads=3h")
    return source.strip(), parse_duration(duration.strip())


def load(overrides: dict[str, Any] | None = None) -> Settings:
    """Settings from the environment, over the TOML file named by ``ROISTREAM_CONFIG``, over defaults.

    Args:
        overrides: values that win over everything (command-line options).

    Raises:
        SettingError: one sentence that names the wrong setting.
    """
    config = os.environ.get("ROISTREAM_CONFIG")
    known = {f"ROISTREAM_{name.upper()}" for name in Settings.model_fields} | {"ROISTREAM_CONFIG"}
    for name in os.environ:
        if name.startswith("ROISTREAM_") and name not in known:
            raise SettingError(f"{name} is not a setting of roistream; unset it or correct its name.")
    values = _read_toml(Path(config)) if config else {}
    try:
        loaded = Settings(**values)
        if not overrides:
            return loaded
        # Without a prefix of its own the environment would be read again, and win.
        return Settings(**{**loaded.model_dump(), **overrides, "_env_prefix": _UNREAD})
    except ValidationError as error:
        first = error.errors()[0]
        name = "ROISTREAM_" + str(first["loc"][0] if first["loc"] else "").upper()
        raise SettingError(f"{name}: {first['msg'].removeprefix('Value error, ')}.") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return {name.lower(): value for name, value in tomllib.load(file).items()}
    except OSError as error:
        raise SettingError(f"ROISTREAM_CONFIG: {path} cannot be read ({error.strerror}).") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingError(f"ROISTREAM_CONFIG: {path} is not TOML ({error}).") from error

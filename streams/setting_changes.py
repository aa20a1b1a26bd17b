"""What happens to what is kept when a setting changes between two starts; each setting is of one of three classes.

Pure. The state keeps the values of the settings that it depends on (``streams.state.settings_table``).
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

#: ``free``: nothing that is kept depends on it. ``from now on``: what is kept stays as it was made, and the state says since when
#: the new value holds. ``refused``: figures before and after could not be added up, so a worker does not start.
SettingClass = Literal["free", "from now on", "refused"]


class SettingChange(NamedTuple):
    """The class of a setting, and what a change of it does."""

    kind: SettingClass
    effect: str
    #: The setting without which nothing depends on this one, and so a change of this one is free.
    only_with: str = ""
    #: As JSON text, what held in states that are older than the setting.
    before: str = ""


_FREE_CONNECTION = SettingChange("free", "how a process reaches others, or is reached")
_FREE_VIEW = SettingChange("free", "what is shown; it is made anew of what is kept")
_OFF = '"off"'
_NEW_PREFIX = "a change needs a new `ROISTREAM_TOPIC_PREFIX` and a replay"

#: By field of ``Settings``; a test holds that none is missing.
SETTING_CHANGES: dict[str, SettingChange] = {
    "broker": _FREE_CONNECTION,
    "broker_security_protocol": _FREE_CONNECTION,
    "broker_sasl_mechanism": _FREE_CONNECTION,
    "broker_sasl_username": _FREE_CONNECTION,
    "broker_sasl_password": _FREE_CONNECTION,
    "broker_ssl_cafile": _FREE_CONNECTION,
    "broker_wait": _FREE_CONNECTION,
    "session_timeout": SettingChange("free", "the next rebalance goes by it"),
    "redis_url": SettingChange("free", "another Redis is filled from the state"),
    "redis_ttl": _FREE_VIEW,
    "http_host": _FREE_CONNECTION,
    "http_port": _FREE_CONNECTION,
    "board_host": _FREE_CONNECTION,
    "board_port": _FREE_CONNECTION,
    "board_token": _FREE_CONNECTION,
    "board_hosts": _FREE_CONNECTION,
    "board_job": SettingChange("free", "whose alerts are taken from then on"),
    "board_people": _FREE_CONNECTION,
    "board_notifications": _FREE_CONNECTION,
    "board_identity_header": _FREE_CONNECTION,
    "board_proxies": _FREE_CONNECTION,
    "board_identity_role": _FREE_CONNECTION,
    "collect_file": _FREE_CONNECTION,
    "collect_host": _FREE_CONNECTION,
    "collect_port": _FREE_CONNECTION,
    "collect_metrics_port": _FREE_CONNECTION,
    "apply_metrics_port": _FREE_CONNECTION,
    "partitions": SettingChange("refused", f"records would be looked for where they are not; {_NEW_PREFIX}"),
    "replication_factor": SettingChange("free", "of topics that are created from then on"),
    "topic_prefix": SettingChange("free", "another prefix is another deployment, with a state of its own"),
    "group_id": SettingChange("free", "offsets are in the state, not in the group"),
    "instance_id": SettingChange("free", "the group sees another worker, and waits for the earlier one until its session ends"),
    "grace": SettingChange("from now on", "when windows become final; what is final stays final"),
    "idle_after": SettingChange("from now on", "when a silent partition no longer keeps windows open"),
    "max_future": SettingChange("from now on", "which records are refused; verdicts that were given stand"),
    "earliest_event_time": SettingChange("from now on", "which records are refused; verdicts that were given stand"),
    "dedupe_window": SettingChange("from now on", "how long ids are remembered; those that were forgotten stay so"),
    "dedupe_max_events": SettingChange("from now on", "how many ids are remembered; those that were forgotten stay so"),
    "order_retention": SettingChange("from now on", "how long orders wait; those that were forgotten stay so"),
    "customer_retention": SettingChange(
        "from now on",
        "how long accounts of customers are kept; without it they are forgotten, their cohorts are taken back (records with 0 customers), "
        "and they begin anew when it is set again ([customers.md](customers.md#customers-live))",
    ),
    "customer_cohorts": SettingChange(
        "refused",
        "cohorts of weeks and of months could not be added up; a start without `CUSTOMER_RETENTION` forgets all accounts, and the one after it may have another value",
        only_with="customer_retention",
        before='"month"',
    ),
    "report_retention": SettingChange("free", "reports are kept without a limit"),
    "report_grain": SettingChange("from now on", "reports are chosen anew; windows that are final stay as they were published"),
    "report_sources": SettingChange(
        "from now on", "reports are chosen anew; windows that are final stay as they were published"
    ),
    "report_delays": SettingChange("from now on", "what reports cover that are read from then on"),
    "direct_names": SettingChange("from now on", "the channels of touches that are read from then on"),
    "absent_names": SettingChange("from now on", "the names in records that are read from then on"),
    "campaign_aliases": SettingChange("from now on", "the campaigns of records that are read from then on"),
    "publish_interval": SettingChange("free", "how often readings are sent"),
    "max_publish_rate": SettingChange("free", "how often readings are sent"),
    "dead_letters_in_a_row": SettingChange("free", "when a worker stops because of refused records"),
    "dead_letter_share": SettingChange("free", "when a worker stops because of refused records"),
    "timezone": SettingChange(
        "from now on", "`today` is added up anew of quarters of an hour; months of customers, of what is read from then on"
    ),
    "reporting_currency": SettingChange("refused", f"sums of two currencies cannot be added; {_NEW_PREFIX}"),
    "attribution_models": SettingChange(
        "from now on", "a model that is added begins with the conversions that are kept: docs/attribution.md"
    ),
    "customer_models": SettingChange(
        "from now on",
        "in a model that is added, customers known so far are of `(none)` until their first order is credited anew, as orders that are "
        "kept are, a part at a time; of a model that is taken away the cohorts are taken back (records with 0 customers)",
    ),
    "lookback": SettingChange("from now on", "conversions that are kept are credited anew, a part at a time"),
    "view_through_lookback": SettingChange(
        "from now on", "conversions that are kept are credited anew, a part at a time"
    ),
    "half_life": SettingChange("from now on", "conversions that are kept are credited anew, a part at a time"),
    "refit_interval": SettingChange("free", "when the data-driven model is fitted next"),
    "rekey": SettingChange(
        "from now on",
        "where journeys are remembered of records that are read from then on. With several partitions a change to `off`, and one from "
        "`off` with `CUSTOMER_RETENTION`, is refused: customers would be new once more",
    ),
    "rollups": SettingChange("from now on", "a roll-up that is added begins with the windows that are kept"),
    "max_rollup_values": SettingChange("from now on", "which values of a roll-up stand apart"),
    "gauge_windows": _FREE_VIEW,
    "gauge_models": _FREE_VIEW,
    "max_campaign_series": _FREE_VIEW,
    "state_dir": SettingChange("free", "nothing is kept there"),
    "budget_mode": SettingChange("from now on", "what the controller may do; actions that were sent stand"),
    "budget": SettingChange("from now on", "how the controller decides; actions that were sent stand"),
    "log_level": _FREE_VIEW,
}  # fmt: skip


def is_refused(name: str, before: str, after: str, values: Mapping[str, str]) -> bool:
    """Whether figures before and after a change could not be added up.

    Args:
        name: of the setting.
        before: its value so far, as JSON text.
        after: another one.
        values: all settings that what is kept depends on, as JSON text.
    """
    if name == "rekey" and values.get("partitions") != "1":
        # Customers are known on their home partition, or where their orders come; only who is new moves to a home that is named.
        has_accounts = values.get("customer_retention") != "null"
        return after == _OFF or (before == _OFF and has_accounts)
    return SETTING_CHANGES[name].kind == "refused"


def table() -> str:
    """The classes of all settings in Markdown, for docs/operations.md."""
    rows = (
        f"| `{name.upper()}` | {change.kind} | {change.effect} |\n"
        for name, change in SETTING_CHANGES.items()
    )
    return "| setting | a change is | what it does |\n|---|---|---|\n" + "".join(rows)

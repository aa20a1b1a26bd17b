"""The shape of a mapping file (TOML) and its checks: which columns become which fields. Reads no data.

A mapping is judged whole before a row is read: an unknown key, topic or field stops with the sentence that
names it. What a field's text must become (money, time, count) follows from the contract's own structs.
"""

import tomllib
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from metrics import events
from metrics.errors import RoistreamError
from metrics.timeline import parse_duration
from streams import topics

#: The record of each topic that a mapping may write.
RECORDS: dict[str, type[msgspec.Struct]] = {
    topics.IMPRESSIONS: events.AdImpression,
    topics.CLICKS: events.AdClick,
    topics.REPORTS: events.AdReport,
    topics.LEADS: events.Lead,
    topics.ORDERS: events.Order,
    topics.CAMPAIGNS: events.Campaign,
    topics.FX_RATES: events.FxRate,
}
#: Field that identifies a record of a topic; derived when the mapping does not give it.
IDENTITY = dict.fromkeys(topics.EVENT_SOURCES, "event_id") | {topics.REPORTS: "report_id"}
#: Field whose time orders the replay; a report is known when its period has ended.
ORDERED_BY = dict.fromkeys(topics.EVENT_SOURCES, "occurred_at") | {topics.REPORTS: "period_end"}

Kind = Literal["text", "money", "count", "time", "flag"]
Columns = str | list[str]


class MappingError(RoistreamError):
    """A mapping cannot be used as it is; the text names the place and says what to do."""


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What every table of a mapping file shares: an unknown key is an error, never ignored."""


class Condition(Strict, frozen=True):
    """What one column's text must be; all that is given must hold.

    ``less_than`` and ``greater_than`` compare exact decimals and fail on text that is none.
    """

    column: str
    equals: str | None = None
    one_of: list[str] | None = None
    matches: str | None = None
    empty: bool | None = None
    less_than: str | None = None
    greater_than: str | None = None
    #: Turns the verdict round.
    negate: bool = False


class Skip(Strict, frozen=True):
    """Rows (or finished records, under ``having``) that are left out on purpose, counted under ``reason``."""

    reason: str
    when: list[Condition]


class ZoneOf(Strict, frozen=True):
    """A time zone that differs by row: the column, through lookups, and the zone where nothing is found."""

    column: str
    lookup: Columns = []
    default: str = "UTC"


class Field(Strict, frozen=True):
    """Where one field of a record comes from.

    Exactly one source: ``column`` (several: the first that is not empty), ``constant``, ``template``
    (``"shop-{country|slug}"``), ``product`` (exact product of columns) or ``total`` (exact sum of columns).
    """

    column: Columns | None = None
    constant: str | int | bool | None = None
    template: str | None = None
    product: list[str] | None = None
    total: list[str] | None = None
    #: Tables to go through, one after the other; text that a table does not hold becomes empty.
    lookup: Columns = []
    #: Put before a text that is not empty.
    prefix: str = ""
    #: Replaces texts; one that is not named becomes ``otherwise``, or an error without it.
    values: dict[str, str] | None = None
    otherwise: str | None = None
    #: Taken where the text is empty; a field without it is left out then.
    default: str | None = None
    unit: Literal["units", "cents", "micros"] = "units"
    negate: bool = False
    #: Decimals to round half-even to, for exports with more than the 6 that money may have.
    round: int | None = None
    #: How the rows of a group become one value; exact for sums.
    aggregate: Literal["first", "last", "sum", "min", "max", "count"] = "first"
    format: Columns = []
    timezone: str | ZoneOf | None = None
    #: Added to a time: ``1h`` exactly, or ``1 day`` on the calendar of ``day_zone`` (else ``timezone``).
    add: str | None = None
    day_zone: str | ZoneOf | None = None

    @property
    def columns(self) -> list[str]:
        """Every column that the field reads."""
        zones = [zone.column for zone in (self.timezone, self.day_zone) if isinstance(zone, ZoneOf)]
        slots = [slot for slot, _ in template_slots(self.template or "") if slot]
        return [*listed(self.column), *(self.product or []), *(self.total or []), *slots, *zones]


class Lookup(Strict, frozen=True):
    """A table from another file: ``key`` column to the first non-empty of ``value``, per key the row with the
    greatest ``latest_by`` text (else the last row)."""  # noqa: D205, D209 - one sentence, two lines

    files: list[str]
    key: str
    value: Columns
    latest_by: str | None = None
    when: list[Condition] = []
    values: dict[str, str] = {}


class Constant(Strict, frozen=True):
    """A record written as it stands in the mapping."""

    topic: str
    value: dict[str, Any]


class Output(Strict, frozen=True):
    """Records of one topic from the rows that match."""

    topic: str
    fields: dict[str, str | Field]
    files: list[str] = []
    when: list[Condition] = []
    skip: list[Skip] = []
    group_by: list[str] = []
    #: Judged on finished records, by their field names.
    having: list[Skip] = []
    #: Fields for the Kafka key, the first that is not empty.
    key: list[str] = []
    #: Columns that make the id; else the whole row (without a group) or the finished record (with one).
    id_from: list[str] = []

    @property
    def field_specs(self) -> dict[str, Field]:
        """Every field in its long form: a plain string names a column."""
        return {
            name: Field(column=spec) if isinstance(spec, str) else spec for name, spec in self.fields.items()
        }

    @property
    def columns(self) -> list[str]:
        """Every column that the output reads, conditions included."""
        conditions = [*self.when, *(condition for skip in self.skip for condition in skip.when)]
        fields = [column for spec in self.field_specs.values() for column in spec.columns]
        return [*self.group_by, *self.id_from, *(condition.column for condition in conditions), *fields]


class Mapping(Strict, frozen=True):
    """One mapping file."""

    description: str
    name: str = ""
    include: list[str] = []
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal_comma: bool = False
    #: Characters between thousands, dropped before a number is read.
    thousands: str = ""
    timezone: str = "UTC"
    date_formats: list[str] = []
    #: Columns that a file may lack; any other absent column is an error.
    optional_columns: list[str] = []
    skip: list[Skip] = []
    lookups: dict[str, Lookup] = {}
    records: list[Constant] = []
    output: list[Output] = []


def listed(value: Columns | None) -> list[str]:
    """A string or a list of them, as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def template_slots(template: str) -> Iterator[tuple[str, str]]:
    """(column, literal text before it) for each ``{column}``; the text after the last comes with column ``""``.

    >>> list(template_slots("a-{Country|slug}!"))
    [('Country|slug', 'a-'), ('', '!')]
    """
    rest = template
    while "{" in rest:
        literal, _, rest = rest.partition("{")
        slot, _, rest = rest.partition("}")
        yield slot, literal
    yield "", rest


@cache
def kinds(topic: str) -> dict[str, Kind]:
    """What each field of a topic's record is, read from its struct."""
    return {field.name: _kind(field.type) for field in msgspec.structs.fields(RECORDS[topic])}


def _kind(declared: Any) -> Kind:
    members = set(get_args(declared)) | {declared}
    members |= {inner for member in members for inner in get_args(member)}
    for kind, marker in (("time", datetime), ("money", Decimal), ("flag", bool), ("count", int)):
        if marker in members:
            return kind  # type: ignore[return-value]  # the literal table above
    return "text"


def builtin_names() -> list[str]:
    """Names of the mappings that come with roistream."""
    folder = resources.files("streams.replay") / "mappings"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load(mapping: Path | str) -> list[Mapping]:
    """A mapping and those it includes, checked.

    Args:
        mapping: a path, or the name of a built-in mapping.

    Raises:
        MappingError: the text names the file, the place and what to do.
    """
    name, text = _source(mapping)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise MappingError(f"mapping {name} is not TOML: {error}.") from error
    try:
        parsed = msgspec.convert({"name": name, **raw}, Mapping)
    except msgspec.ValidationError as error:
        raise MappingError(
            f"mapping {name}: {error}. See docs/replay.md for the keys it may have."
        ) from error
    check(parsed)
    included = [part for other in parsed.include for part in load(other)]
    return [*included, parsed] if parsed.output or parsed.records else included


def _source(mapping: Path | str) -> tuple[str, str]:
    path = Path(mapping)
    if isinstance(mapping, str) and mapping in builtin_names():
        resource = resources.files("streams.replay") / "mappings" / f"{mapping}.toml"
        return mapping, resource.read_text(encoding="utf-8")
    try:
        return path.stem, path.read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(builtin_names())
        raise MappingError(
            f"mapping {mapping} cannot be read ({error.strerror}); give a TOML file or one of: {known}."
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(f"mapping {mapping} is not UTF-8; save it as UTF-8.") from error


def check(mapping: Mapping) -> None:
    """Everything that can be wrong before a row is read.

    Raises:
        MappingError: the first thing found.
    """
    _check_zone(mapping.name, mapping.timezone)
    for constant in mapping.records:
        _check_topic(mapping.name, constant.topic)
    for output in mapping.output:
        _check_topic(mapping.name, output.topic)
        _check_keys(mapping, output)
        for name, spec in output.field_specs.items():
            _check_field(f"{mapping.name}: {output.topic}.{name}", mapping, output, name, spec)


def _check_topic(where: str, topic: str) -> None:
    if topic not in RECORDS:
        raise MappingError(f"mapping {where}: topic {topic!r} is none of {', '.join(sorted(RECORDS))}.")


def _check_keys(mapping: Mapping, output: Output) -> None:
    named = [*output.key, *(condition.column for skip in output.having for condition in skip.when)]
    for name in named:
        if name not in kinds(output.topic):
            raise MappingError(f"mapping {mapping.name}: {output.topic} has no field {name!r} (key, having).")


def _check_field(where: str, mapping: Mapping, output: Output, name: str, spec: Field) -> None:
    if name not in kinds(output.topic):
        known = ", ".join(kinds(output.topic))
        raise MappingError(f"mapping {where}: no such field; {output.topic} has {known}.")
    sources = [spec.column, spec.constant, spec.template, spec.product, spec.total]
    count_only = spec.aggregate == "count"
    if sum(source is not None for source in sources) != (0 if count_only else 1):
        raise MappingError(
            f"mapping {where}: give exactly one of column, constant, template, product, total."
        )
    if spec.aggregate not in {"first", "count"} and not output.group_by:
        raise MappingError(f"mapping {where}: aggregate {spec.aggregate!r} needs group_by.")
    if spec.aggregate == "sum" and kinds(output.topic)[name] not in {"money", "count"}:
        raise MappingError(f"mapping {where}: only money and counts can be summed.")
    _check_lookups(where, mapping, spec)
    _check_times(where, spec)


def _check_lookups(where: str, mapping: Mapping, spec: Field) -> None:
    zones = [zone for zone in (spec.timezone, spec.day_zone) if isinstance(zone, ZoneOf)]
    for name in [*listed(spec.lookup), *(name for zone in zones for name in listed(zone.lookup))]:
        if name not in mapping.lookups:
            raise MappingError(f"mapping {where}: lookup {name!r} is not defined under [lookups].")


def _check_times(where: str, spec: Field) -> None:
    for zone in (spec.timezone, spec.day_zone):
        if zone is not None:
            _check_zone(where, zone if isinstance(zone, str) else zone.default)
    if spec.add is not None and spec.add != "1 day":
        try:
            parse_duration(spec.add)
        except ValueError as error:
            raise MappingError(f"mapping {where}: add = {error}, or '1 day' on the calendar.") from error


def _check_zone(where: str, name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise MappingError(f"mapping {where}: {name!r} is not a time zone such as Europe/Paris.") from error

"""The shape of a mapping file (TOML): which columns become which fields. Reads nothing.

An unknown key is an error, never ignored. What a field's text must become (money, time, count) follows from
the contract's own structs.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, get_args

import msgspec

from metrics.records import events
from metrics.values.errors import RoistreamError
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
    """A table from another file: ``key`` column to the first non-empty of ``value``.

    Per key the row with the latest ``latest_by`` (compared as numbers or times where the cells are such), else the last row.
    """

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

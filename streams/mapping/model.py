"""The shape of a mapping file: a TOML header, and SQL for each topic. Reads nothing.

An unknown key is an error, never ignored.
"""

from typing import Annotated, Any, Literal

import msgspec

from metrics.values.errors import RoistreamError

ColumnType = Literal["text", "number", "count", "date", "time", "local", "flag"]


class MappingError(RoistreamError):
    """A mapping cannot be used as it is; the text names the place and says what to do."""


class Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """What every table of a mapping file shares: an unknown key is an error, never ignored."""


class Frame(Strict, frozen=True):
    """How a file is written; what is not said is found from the file itself."""

    encoding: str | None = None
    delimiter: str | None = None
    #: Line of the column names, from 1.
    header: int | None = None
    #: Decimal mark; the other of ``.`` and ``,`` then groups thousands, three digits each.
    decimal: Literal[".", ","] | None = None
    dates: Literal["day-first", "month-first"] | None = None
    #: Texts that stand for nothing, in place of the usual ones.
    nulls: list[str] | None = None
    sheet: str | None = None
    #: Dotted path to the list of rows in a JSON document.
    records: str | None = None
    #: Time zone of days and of times without an offset, in place of the mapping's.
    timezone: str | None = None
    #: The first and the last day of a file that names none, as ``2026-07-01..2026-07-31`` or one day; SQL has ``_first_day`` and ``_last_day``.
    days: str | None = None
    #: Code of the currency of amounts that name none; SQL has it as ``_currency``.
    currency: str | None = None
    #: Name of the shop, the system or the account that the rows are of, within which its ids are unique.
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None


class Column(Strict, frozen=True):
    """One column as SQL sees it: under which names files have it, and what its texts become.

    ``number`` is an exact decimal, ``count`` a whole number, ``date`` a calendar day, ``time`` an instant (in the
    mapping's time zone where the text has no offset), ``local`` a time of day in a zone that SQL gives.
    """

    #: Names in files, the first that a file has; ``*`` stands for any text.
    name: str | list[str] = []
    type: ColumnType = "text"
    #: Whether a file may lack it; the column is then null.
    optional: bool = False
    #: ``strptime`` formats, or ``epoch_s``, ``epoch_ms``; found from the column where absent.
    formats: list[str] = []
    #: The text that ``*`` stands for in the name of a column, such as the currency of ``Amount spent (EUR)``.
    from_header: str | list[str] = []


class Skip(Strict, frozen=True):
    """Rows that are left out on purpose: a condition in SQL, counted under ``reason``."""

    reason: str
    when: str


class Lookup(Strict, frozen=True):
    """A table from another file, by its name in SQL: for each ``key`` the latest value of each column."""

    files: list[str]
    columns: dict[str, Column | ColumnType]
    key: str
    #: Rows that count, as a condition in SQL.
    where: str = "true"
    #: Column (not a text) whose greatest value wins; else the last row.
    latest: str | None = None


class Constant(Strict, frozen=True):
    """A record written as it stands in the mapping."""

    topic: str
    value: dict[str, Any]


class Select(Strict, frozen=True):
    """Records of one topic: a SELECT over ``rows`` whose column names are the record's fields."""

    topic: str
    sql: str
    files: list[str] = []
    #: Columns of the SELECT for the Kafka key, the first that is not null.
    key: list[str] = []
    #: Columns of the SELECT that make the id; without: the whole row.
    id: list[str] = []


class Mapping(Strict, frozen=True):
    """One mapping file."""

    description: str
    name: str = ""
    #: Where units, periods and column names are documented.
    source: list[str] = []
    include: list[str] = []
    frame: Frame = Frame()
    #: Of days and of times without an offset; UTC where nobody says.
    timezone: str | None = None
    columns: dict[str, Column | ColumnType] = {}
    skip: list[Skip] = []
    lookups: dict[str, Lookup] = {}
    records: list[Constant] = []
    select: list[Select] = []

    @property
    def column_specs(self) -> dict[str, Column]:
        """Every declared column in its long form."""
        return long_form(self.columns)


def long_form(columns: dict[str, Column | ColumnType]) -> dict[str, Column]:
    """Columns in their long form: a plain text is a type, and a column without names has its own."""
    return {
        name: Column(type=spec, name=name)
        if isinstance(spec, str)
        else msgspec.structs.replace(spec, name=spec.name or ([] if spec.from_header else name))
        for name, spec in columns.items()
    }


def listed(value: str | list[str]) -> list[str]:
    """A text or a list of them, as a list."""
    return [value] if isinstance(value, str) else value


def merged(frame: Frame, said: Frame) -> Frame:
    """A mapping's frame with what is said outright in its place."""
    return Frame(
        **{
            name: getattr(said, name) if getattr(said, name) is not None else getattr(frame, name)
            for name in Frame.__struct_fields__
        }
    )

"""A field of a record in SQL: its JSON, and whether a worker is certain to take it. Pure text; runs nothing.

Certain is checked in SQL for all records; the few others are judged one by one as a worker would.
"""

from dataclasses import dataclass

from metrics.values.time import MAX_INSTANT, MIN_INSTANT
from streams import topics
from streams.mapping.cells import literal, quoted
from streams.mapping.contract import Kind, choices, kinds, required
from streams.mapping.model import MappingError

_INTEGERS = {
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}
_MOST = 10**12


@dataclass(frozen=True)
class FieldSql:
    """SQL of one field; ``value`` is null where the record has none."""

    name: str
    #: A text, a number or milliseconds.
    value: str
    #: ``"name":value`` or null.
    json: str
    is_certain: str


def field_sql(where: str, topic: str, name: str, declared: str, zone: str) -> FieldSql:
    """SQL of a field from the column of a SELECT.

    Args:
        where: mapping and topic, for errors.
        topic: without prefix.
        name: field and column.
        declared: DuckDB's type of the column.
        zone: time zone of days and local times.

    Raises:
        MappingError: where the column's type cannot become the field.
    """
    kind = kinds(topic)[name]
    column = quoted(name)
    if declared in {'"NULL"', "NULL"}:
        return FieldSql(name, "NULL", "NULL", "false" if name in required(topic) else "true")
    build = {"time": _time, "money": _amount, "count": _amount, "flag": _flag, "text": _text}[kind]
    value, shown, certain = build(where, topic, name, column, declared, zone, kind)
    tag = literal(f'"{name}":')
    absent = "" if name in required(topic) else f"({value}) IS NULL OR "
    present = f"({value}) IS NOT NULL AND " if name in required(topic) else ""
    return FieldSql(name, value, f"{tag} || {shown}", f"({absent}({present}{certain}))")


Parts = tuple[str, str, str]


def _wrong(where: str, name: str, declared: str, wanted: str) -> MappingError:
    return MappingError(f"mapping {where}: {name} is {declared}; {wanted}.")


def _time(where: str, topic: str, name: str, column: str, declared: str, zone: str, kind: Kind) -> Parts:
    del topic, kind
    if declared == "TIMESTAMP WITH TIME ZONE":
        millis = f"epoch_ms({column})"
    elif declared in {"DATE", "TIMESTAMP"}:
        local = f"CAST({column} AS TIMESTAMP)"
        millis = f"epoch_ms({local})" if zone == "UTC" else f"epoch_ms(in_zone({local}, {literal(zone)}))"
    elif declared in _INTEGERS:
        millis = f"CAST({column} AS BIGINT)"
    else:
        raise _wrong(where, name, declared, "declare its column as date or time under [columns]")
    return (
        millis,
        f"'\"' || {instant_text(millis)} || '\"'",
        f"{millis} BETWEEN {MIN_INSTANT} AND {MAX_INSTANT}",
    )


def instant_text(millis: str) -> str:
    """RFC 3339 of milliseconds, as ``metrics.values.time.format_instant`` writes it."""
    rest = f"((({millis}) % 1000) + 1000) % 1000"
    return (
        f"CASE WHEN {rest} = 0 THEN replace(CAST(make_timestamp_ms({millis}) AS VARCHAR), ' ', 'T') || 'Z' "
        f"ELSE strftime(make_timestamp_ms({millis}), '%Y-%m-%dT%H:%M:%S.%gZ') END"
    )


def _amount(where: str, topic: str, name: str, column: str, declared: str, zone: str, kind: Kind) -> Parts:
    del zone
    if declared in _INTEGERS:
        scale = 0
    elif declared.startswith("DECIMAL("):
        scale = int(declared.removesuffix(")").split(",")[1])
    elif declared in {"DOUBLE", "FLOAT"}:
        raise _wrong(
            where, name, declared, "it has lost its exact decimals; multiply (* 0.01) instead of dividing"
        )
    else:
        raise _wrong(where, name, declared, "declare its column as number or count under [columns]")
    text = f"CAST({column} AS VARCHAR)"
    shown = f"rtrim(rtrim({text}, '0'), '.')" if scale else text
    if kind == "count":
        return column, shown, f"{column} BETWEEN 0 AND {_MOST} AND {column} = trunc({column})"
    quoted_text = f"'\"' || {shown} || '\"'"
    if topic == topics.FX_RATES:
        return column, quoted_text, f"{column} > 0"
    exact = f" AND {column} = round({column}, 6)" if scale > 6 else ""
    return column, quoted_text, f"{column} >= 0 AND {column} < {_MOST}{exact}"


def _flag(where: str, topic: str, name: str, column: str, declared: str, zone: str, kind: Kind) -> Parts:
    del topic, zone, kind
    if declared != "BOOLEAN":
        raise _wrong(where, name, declared, "declare its column as flag under [columns]")
    return column, f"CAST({column} AS VARCHAR)", "true"


def _text(where: str, topic: str, name: str, column: str, declared: str, zone: str, kind: Kind) -> Parts:
    del where, zone, kind
    text = f"nullif({column}, '')" if declared == "VARCHAR" else f"CAST({column} AS VARCHAR)"
    certain = f"length({text}) <= 128"
    if name == "currency":
        certain = f"regexp_full_match({text}, '[A-Z]{{3}}')"
    elif options := choices(topic).get(name):
        certain = f"{text} IN ({', '.join(map(literal, options))})"
    return text, f"CAST(to_json({text}) AS VARCHAR)", certain

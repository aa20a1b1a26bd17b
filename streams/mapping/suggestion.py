"""A first mapping for a file, from its names and cells, with its doubts as comments."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from streams import catalogues, topics
from streams.mapping.cells import Cells, quoted
from streams.mapping.columns import Ambiguous, reading
from streams.mapping.headers import plain
from streams.mapping.model import Column, ColumnType, Frame, MappingError

#: Words in a column's name, by the field they suggest; the first that fits.
_WORDS: tuple[tuple[str, str], ...] = (
    ("campaign", r"campaign[ _]?(id|name)|^campaigns?$|campagne|kampagne|utm[ _]campaign"),
    ("impressions", r"impress|^impr\.?$|impressionen"),
    ("clicks", r"click|clics|klicks"),
    ("spend", r"spend|spent|^cost$|montant dépensé|ausgegeben"),
    ("currency", r"currency|devise|währung"),
    ("order_id", r"(order|opportunity|deal).*(id|number|no)|^order$|invoice|bestell"),
    ("revenue", r"^total$|revenue|amount|order total|umsatz|net value"),
    ("lead_id", r"(lead|contact|record).*id$"),
    ("customer_id", r"customer.*id|client.*id|^email$|e-mail"),
    ("time", r"created|^date$|^day$|date|^time|^at$|[_ ]at$|when|jour|tag$|datum"),
    ("time", r"week|semaine|woche"),
    ("time", r"month|^mois$|monat"),
)
#: What a period is as long as, by the name of the column in which it begins; else a day.
_PERIODS = (("WEEK", r"week|semaine|woche"), ("MONTH", r"month|^mois$|monat"))
_SHAPES = {
    topics.REPORTS: {"campaign", "spend", "impressions", "clicks", "time"},
    topics.ORDERS: {"order_id", "revenue", "time"},
    topics.LEADS: {"lead_id", "time"},
}
#: The types of which a column must be for a field; any other one would end in an error of the database.
_NEEDED: dict[str, tuple[ColumnType, ...]] = {
    "time": ("date", "time"),
    **dict.fromkeys(("impressions", "clicks", "spend", "revenue"), ("count", "number")),
}
_TYPES: tuple[ColumnType, ...] = ("count", "number", "date", "time", "flag")


def suggestion(database: Any, cells: Cells, found: Iterable[str], fitting: str | None) -> str:
    """The text of a mapping file.

    Args:
        database: holds the cells.
        cells: the file.
        found: how it is written.
        fitting: a built-in mapping that its header fits.
    """
    fields = _fields(cells.places)
    types, doubts = _types(database, cells, {fields.get("spend"), fields.get("revenue")})
    topic = max(_SHAPES, key=lambda name: len(_SHAPES[name] & fields.keys()) / len(_SHAPES[name]))
    text = catalogues.t(
        "A first mapping for {file}; check every line, then: roistream replay … --mapping … --print",
        file=cells.label,
    )
    lines = [f"# {text}"]
    if fitting is not None:
        text = catalogues.t(
            "The built-in mapping {name} reads this file: roistream mappings {name}", name=fitting
        )
        lines.append(f"# {text}")
    lines += ["# " + catalogues.t("found: {what}", what=part) for part in found]
    lines += [
        f'description = "{topic} from {cells.label}"',
        f"source = []  # {catalogues.t('where units and periods are documented')}",
    ]
    lines.append(f'timezone = "UTC"  # {_doubt(catalogues.t("in which zone are the times of this file?"))}')
    lines += ["", "[columns]"]
    for name in cells.places:
        doubt = (
            f"  # {_doubt(catalogues.said(doubts[name]))}"
            if name in doubts
            else "  # " + catalogues.t("as in {example}", example=repr(_example(database, cells, name)))
        )
        lines.append(f'{json.dumps(name, ensure_ascii=False)} = "{types.get(name, "text")}"{doubt}')
    lines += ["", *_selects(topic, fields, types)]
    return "\n".join(lines) + "\n"


def _doubt(text: str) -> str:
    return catalogues.t("doubt: {text}", text=text)


def _example(database: Any, cells: Cells, name: str) -> str:
    place = cells.places[name]
    row = database.execute(f"SELECT {place} FROM {cells.table} WHERE {place} IS NOT NULL LIMIT 1").fetchone()
    return (row[0] if row else "")[:40]


def _types(
    database: Any, cells: Cells, amounts: set[str | None]
) -> tuple[dict[str, ColumnType], dict[str, str]]:
    """The first type that reads every cell of a column, and what stands against it; ``amounts`` are no counts."""
    types: dict[str, ColumnType] = {}
    doubts: dict[str, str] = {}
    for name, place in cells.places.items():
        if re.search(r"(?i:\bid\b|_id$|number|phone|zip|postal)|I[dD]$", name):
            continue  # ids are texts, also where they look like numbers
        for kind in _TYPES[1:] if name in amounts else _TYPES:
            try:
                part = reading(database, cells, place, Column(type=kind), Frame(), "UTC")
            except Ambiguous as error:
                doubts[name], types[name] = str(error), kind
                break
            except MappingError:
                continue
            (good, bad) = database.execute(
                f"SELECT count({part.value}), count(*) FILTER ({part.fault}) FROM {cells.table}"
            ).fetchone()
            if good and not bad and not (kind == "count" and part.scale):
                types[name] = kind
                break
    return types, doubts


def _fields(names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, words in _WORDS:
        for name in names:
            if re.search(words, plain(name)) and name not in found.values():
                found.setdefault(field, name)
    return found


def _period(name: str) -> tuple[str, str]:
    """How long a period is that begins in a column of this name, and what to ask about it."""
    length = next((length for length, words in _PERIODS if re.search(words, plain(name))), "DAY")
    asked = {
        "DAY": catalogues.t("is the period a day?"),
        "WEEK": catalogues.t("is the period a week that begins on this day?"),
        "MONTH": catalogues.t("is the period a month?"),
    }
    return length, asked[length]


def _selects(topic: str, fields: dict[str, str], types: dict[str, ColumnType]) -> Iterator[str]:
    def column(field: str) -> str:
        name = fields.get(field)
        if name is not None and types.get(name, "text") in _NEEDED.get(field, ("text", *_TYPES)):
            return quoted(name)
        asked = (
            catalogues.t("which column is the {field}?", field=field)
            if name is None
            else catalogues.t(
                "is {name} the {field}? Its cells are not read as such; say its type and formats under [columns]",
                name=quoted(name).replace("*/", ""),
                field=field,
            )
        )
        # DuckDB adds no day to a NULL without a type, and sums none up.
        nothing = {"time": "CAST(NULL AS DATE)"}.get(
            field, "CAST(NULL AS DECIMAL)" if field in _NEEDED else "NULL"
        )
        return f"{nothing} /* {_doubt(asked)} */"

    if topic == topics.REPORTS:
        campaign = f"name_id('source', {column('campaign')})"
        yield from ("[[select]]", 'topic = "campaigns"', "sql = '''")
        yield f"SELECT {campaign} AS campaign_id, any_value({column('campaign')}) AS name, 'reports' AS cost_basis"
        yield from ("FROM rows GROUP BY ALL", "'''", "")
        yield from ("[[select]]", 'topic = "ad-reports"', "sql = '''")
        yield f"SELECT {campaign} AS campaign_id, 'source' AS source, {column('time')} AS period_start,"
        length, doubt = _period(fields.get("time", ""))
        yield f"  {column('time')} + INTERVAL 1 {length} AS period_end, -- {_doubt(doubt)}"
        sums = [
            f"sum({column(name)}) AS {name}" for name in ("impressions", "clicks", "spend") if name in fields
        ]
        yield "  " + ", ".join([*sums, f"upper({column('currency')}) AS currency"])
        yield from ("FROM rows GROUP BY ALL", "'''")
        return
    identity, extra = ("order_id", "revenue") if topic == topics.ORDERS else ("lead_id", "")
    keys = ["customer_id", identity] if topic == topics.ORDERS and "customer_id" in fields else [identity]
    yield from (
        "[[select]]",
        f'topic = "{topic}"',
        f"key = {json.dumps(keys)}",
        f'id = ["{identity}"]',
        "sql = '''",
    )
    yield f"SELECT {column(identity)} AS {identity}, {column('time')} AS occurred_at"
    others = [
        name for name in (extra, "currency", "customer_id") if name in fields and topic == topics.ORDERS
    ]
    yield from (f"  , {column(name)} AS {name}" for name in others)
    if "campaign" in fields:
        yield f"  , {column('campaign')} AS campaign_id"
    yield from ("FROM rows", "'''")

"""What is wrong or doubtful in records before any of them is written. Each finding names rows or values.

An error stops the replay; a warning is said, and stops it only with ``--strict``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from metrics.values.time import format_instant
from streams import catalogues, topics
from streams.mapping.cells import LINE_BITS, literal, quoted
from streams.mapping.contract import IDENTITY
from streams.mapping.engine import SKIPPED, Engine
from streams.mapping.shortened_ids import SHORTENED_ID

_SHOWN, _BATCH = 3, 10_000
_REPORTS = (
    "SELECT seq, value, json_extract_string(value, '$.source') AS source, json_extract_string(value, '$.campaign_id') "
    "AS campaign, coalesce(json_extract_string(value, '$.ad_id'), '') AS ad, at_ms AS ends, "
    "epoch_ms(CAST(json_extract_string(value, '$.period_start') AS TIMESTAMPTZ)) AS starts, "
    "coalesce(json_extract_string(value, '$.reported_at'), '') AS reported FROM records WHERE topic = 'ad-reports'"
)


@dataclass(frozen=True)
class LintFinding:
    """One thing that is wrong (``error``) or doubtful (``warning``)."""

    level: Literal["error", "warning"]
    text: str


def findings(engine: Engine, reporting_currency: str) -> Iterator[LintFinding]:
    """Everything that is found, errors first.

    Args:
        engine: with its records, after ``finish``.
        reporting_currency: the one that needs no rate.
    """
    found = [
        *_mixed(engine),
        *_two_rows_for_one_report(engine),
        *_overlapping(engine),
        *_colliding_ids(engine),
        *_shortened_ids(engine),
        *_colliding_campaigns(engine),
        *_doubled_rows(engine),
        *_unregistered(engine),
        *_without_spend(engine),
        *_without_key(engine),
        *_amounts(engine, reporting_currency),
        *_fed_by_two_files(engine),
        *_compared_as_text(engine),
        *_unused_currency(engine),
    ]
    yield from (finding for finding in found if finding.level == "error")
    yield from (finding for finding in found if finding.level == "warning")


def overlaps_with_earlier(
    engine: Engine, earlier: Iterable[tuple[str, str, str, int, int]]
) -> list[LintFinding]:
    """Reports whose period overlaps that of one on the topic without being the same: both would count.

    Args:
        engine: with its records.
        earlier: source, campaign, ad, start and end (epoch ms) of reports that were written before.
    """
    engine.database.execute(
        "CREATE OR REPLACE TEMP TABLE earlier (source VARCHAR, campaign VARCHAR, ad VARCHAR, starts BIGINT, ends BIGINT)"
    )
    coming = iter(earlier)
    while batch := list(islice(coming, _BATCH)):
        engine.database.executemany("INSERT INTO earlier VALUES (?, ?, ?, ?, ?)", batch)
    rows = _rows(
        engine,
        f"SELECT r.seq, r.campaign, any_value(e.starts), count(*) FROM ({_REPORTS}) r JOIN (SELECT DISTINCT * FROM earlier) e "
        "ON e.source = r.source AND e.campaign = r.campaign AND e.ad = r.ad AND e.starts <> r.starts "
        "AND e.starts < r.ends AND r.starts < e.ends GROUP BY r.seq, r.campaign ORDER BY 1 LIMIT 4",
    )
    if not rows:
        return []
    shown = [
        f"{engine.place(row)} ({campaign}, from {format_instant(starts)})"
        for row, campaign, starts, _ in rows
    ]
    return [
        LintFinding(
            "warning",
            f"periods of reports overlap those of other length that are on the topic already, so their figures count twice: "
            f"{_listed(shown)}. Replay the same periods as before; a report of the same start replaces the earlier one.",
        )
    ]


def ids_with_earlier(
    engine: Engine, topic: str, earlier: Iterable[tuple[str, str, str, str]]
) -> list[LintFinding]:
    """Orders or leads whose ids are on the topic already: of another system, or the same ones under another source.

    Args:
        engine: with its records.
        topic: orders or leads.
        earlier: number, kind or stage, source (empty: none) and event id of records that were written before.
    """
    engine.database.execute(
        "CREATE OR REPLACE TEMP TABLE earlier_ids (number VARCHAR, kind VARCHAR, source VARCHAR, event VARCHAR)"
    )
    coming = iter(earlier)
    while batch := list(islice(coming, _BATCH)):
        columns = [list(column) for column in zip(*batch, strict=True)]
        engine.database.execute(
            "INSERT INTO earlier_ids SELECT unnest(?), unnest(?), unnest(?), unnest(?)", columns
        )
    number, kind, usual = (
        ("order_id", "kind", "placed") if topic == topics.ORDERS else ("lead_id", "stage", "lead")
    )
    engine.database.execute(
        f"CREATE OR REPLACE TEMP TABLE named AS SELECT seq, id AS event, json_extract_string(value, '$.{number}') AS number, "
        f"coalesce(json_extract_string(value, '$.{kind}'), '{usual}') AS kind, "
        f"coalesce(json_extract_string(value, '$.source'), '') AS source FROM records WHERE topic = {literal(topic)}"
    )
    found = []
    for count, row, shown, source in _rows(
        engine,
        "SELECT count(DISTINCT n.event), min(n.seq), min_by(n.number, n.seq), min_by(e.source, n.seq) FROM named n "
        "JOIN earlier_ids e ON e.event = n.event AND e.source <> n.source WHERE NOT EXISTS (FROM earlier_ids s "
        "WHERE s.event = n.event AND s.source = n.source) HAVING count(*) > 0",
    ):
        found.append(
            LintFinding(
                "warning",
                f"{count} records of {topic} are on the topic already under another source (first {shown}, {engine.place(row)}, under "
                f"{source or '(none)'}): under this one they count once more. Replay them with the source that they had, or into an empty deployment.",
            )
        )
    for count, row, shown, source in _rows(
        engine,
        "SELECT count(DISTINCT n.event), min(n.seq), min_by(n.number, n.seq), min_by(n.source, n.seq) FROM named n "
        "JOIN earlier_ids e USING (number, kind, source) WHERE NOT EXISTS (FROM earlier_ids s WHERE s.event = n.event) "
        "HAVING count(*) > 0",
    ):
        found.append(
            LintFinding(
                "warning",
                f"{count} records of {topic} have numbers that are on the topic already from elsewhere under the source {source or '(none)'} "
                f"(first {shown}, {engine.place(row)}): they are taken for the same ones told again. If another system numbers alike, give "
                "this one a name: --frame source=NAME.",
            )
        )
    return found


def _rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = engine.database.execute(sql).fetchall()
    return rows


def _listed(texts: list[str], total: int | None = None) -> str:
    more = (len(texts) if total is None else total) - _SHOWN
    shown = ", ".join(texts[:_SHOWN])
    return catalogues.t("{names} and {count} more", names=shown, count=more) if more > 0 else shown


def _mixed(engine: Engine) -> Iterator[LintFinding]:
    for outcome in engine.outcomes:
        skipped = f" AND {SKIPPED} IS NULL" if SKIPPED in outcome.columns else ""
        for column, text in outcome.trace.mixed.items():
            rows = _rows(engine, f"SELECT _rows FROM {outcome.table} WHERE {column}{skipped} LIMIT 1")
            for (group,) in rows:
                places = _listed([engine.place(row) for row in group], len(group))
                yield LintFinding(
                    "error",
                    f"{outcome.where}: rows of one group have several values of {text} ({places}); group by it, or "
                    "leave the rows out with a [[skip]].",
                )


def _two_rows_for_one_report(engine: Engine) -> Iterator[LintFinding]:
    rows = _rows(
        engine,
        f"SELECT campaign, list(seq ORDER BY seq), count(*) FROM ({_REPORTS}) "
        "GROUP BY source, campaign, ad, starts, reported HAVING count(*) > 1 ORDER BY 2 LIMIT 4",
    )
    for campaign, group, count in rows[:_SHOWN]:
        places = _listed([engine.place(row) for row in group], count)
        yield LintFinding(
            "error",
            f"{count} rows are reports of one campaign ({campaign}) and period: {places}; the last would replace the "
            "others. Add them up (sum(…) and GROUP BY ALL), or read only one of the files.",
        )


def _overlapping(engine: Engine) -> Iterator[LintFinding]:
    rows = _rows(
        engine,
        "SELECT campaign, seq, before FROM (SELECT campaign, seq, starts, "
        "max(ends) OVER earlier AS reached, arg_max(seq, ends) OVER earlier AS before, "
        f"max(starts) OVER earlier AS began FROM ({_REPORTS}) "
        "WINDOW earlier AS (PARTITION BY source, campaign, ad ORDER BY starts, ends "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) WHERE starts < reached AND starts > began "
        "ORDER BY seq LIMIT 4",
    )
    if rows:
        shown = [
            f"{engine.place(one)} and {engine.place(other)} ({campaign})" for campaign, one, other in rows
        ]
        yield LintFinding(
            "warning",
            f"periods of reports overlap, so their figures count twice: {_listed(shown)}. Keep one of them.",
        )


def _colliding_ids(engine: Engine) -> Iterator[LintFinding]:
    rows = _rows(
        engine,
        "SELECT topic, id, list(seq ORDER BY seq)[1:4], count(*) FROM records JOIN (SELECT topic, id FROM records "
        "WHERE id IS NOT NULL GROUP BY ALL HAVING count(*) > 1) USING (topic, id) "
        "GROUP BY topic, id HAVING count(DISTINCT value) > 1 ORDER BY 3 LIMIT 4",
    )
    for topic, identity, group, count in rows[:_SHOWN]:
        places = _listed([engine.place(row) for row in group], count)
        yield LintFinding(
            "error",
            f"{count} different records of {topic} have one id ({identity}): {places}; all but one would be dropped as "
            "duplicates. Name more columns under id.",
        )


def _shortened_ids(engine: Engine) -> Iterator[LintFinding]:
    rows = _rows(
        engine,
        f"SELECT topic, count(*), min(seq), any_value(id) FROM (SELECT topic, seq, {SHORTENED_ID} AS id FROM records) "
        "WHERE id <> '' GROUP BY topic ORDER BY 1",
    )
    for topic, count, row, shown in rows:
        yield LintFinding(
            "error",
            f"ids of {count} records of {topic} were taken for numbers and shortened ({shown}, {engine.place(row)}), so several may "
            "be one: use the file as it was downloaded, or give the column the format Text before saving; have programs keep ids as texts.",
        )


def _colliding_campaigns(engine: Engine) -> Iterator[LintFinding]:
    for outcome in engine.outcomes:
        if outcome.select.topic != topics.CAMPAIGNS or "name" not in outcome.columns:
            continue
        rows = _rows(
            engine,
            f"SELECT campaign_id, list(DISTINCT name ORDER BY name)[1:4] FROM {outcome.table} WHERE name IS NOT NULL "
            "GROUP BY campaign_id HAVING count(DISTINCT name) > 1 LIMIT 4",
        )
        for campaign, names in rows[:_SHOWN]:
            shown = " and ".join(repr(name) for name in names)
            yield LintFinding(
                "warning",
                f"{outcome.where}: the id {campaign} stands for {shown}; if these are several campaigns their figures are "
                "added up. name_id('prefix', name) keeps names apart.",
            )


def _doubled_rows(engine: Engine) -> Iterator[LintFinding]:
    """A join that finds several partners makes several records of one row."""
    for outcome in engine.outcomes:
        if outcome.trace.kind != "row" or outcome.select.topic not in IDENTITY:
            continue
        rows = _rows(
            engine,
            f"SELECT _row, count(*) FROM {outcome.table} GROUP BY _row HAVING count(*) > 1 ORDER BY 1 LIMIT 4",
        )
        if rows and "UNION" not in outcome.trace.sql:
            places = _listed([engine.place(row) for row, _ in rows])
            yield LintFinding(
                "error",
                f"{outcome.where}: one row gives several records ({places}); a join finds several partners for it.",
            )


def _unregistered(engine: Engine) -> Iterator[LintFinding]:
    rows = _rows(
        engine,
        f"SELECT DISTINCT campaign FROM ({_REPORTS}) WHERE contains(value, '\"spend\"') AND campaign NOT IN "
        "(SELECT key FROM records WHERE topic = 'campaigns' AND key IS NOT NULL "
        "AND json_extract_string(value, '$.cost_basis') = 'reports') ORDER BY 1 LIMIT 100",
    )
    if rows:
        yield LintFinding(
            "warning",
            f"reports of campaigns that this replay does not register with cost_basis = 'reports': "
            f"{_listed([row[0] for row in rows])}. Unless they are registered, their spend counts as 0; add a [[select]] "
            "for the topic campaigns.",
        )


def _without_spend(engine: Engine) -> Iterator[LintFinding]:
    """Some reports of a source leave the spend out: nothing is known of it, or it was zero and is not written."""
    rows = _rows(
        engine,
        f"SELECT source, count(*) FILTER (silent), min(seq) FILTER (silent) FROM (SELECT source, seq, "
        f"NOT contains(value, '\"spend\":') AS silent FROM ({_REPORTS})) GROUP BY source HAVING count(DISTINCT silent) = 2 ORDER BY 1",
    )
    for source, count, row in rows:
        yield LintFinding(
            "warning",
            f"{count} reports of {source} tell no spend where others do (first {engine.place(row)}): it is what another report of "
            "the period tells, and not known where none does. Write coalesce(spend, 0) where nothing means zero.",
        )


def _without_key(engine: Engine) -> Iterator[LintFinding]:
    for topic, count, row in _rows(
        engine, "SELECT topic, count(*), min(seq) FROM records WHERE key IS NULL GROUP BY topic ORDER BY 1"
    ):
        yield LintFinding(
            "warning",
            f"{count} records of {topic} have no key (first {engine.place(row)}): they land on any partition, and what "
            "belongs to one person may be counted apart. Name columns under key.",
        )


def _amounts(engine: Engine, reporting: str) -> Iterator[LintFinding]:
    """Currencies without a rate, and amounts in yen with a fraction: in the wrong unit, or in another currency."""
    rows = _rows(
        engine,
        "SELECT currency, count(*), min(seq), decimals_of(currency), currency IN (SELECT json_extract_string(value, "
        "'$.currency') FROM records WHERE topic = 'fx-rates') FROM (SELECT seq, json_extract_string(value, '$.currency') AS "
        "currency FROM records WHERE topic <> 'fx-rates' AND contains(value, '\"currency\"')) "
        "WHERE currency IS NOT NULL GROUP BY currency ORDER BY currency",
    )
    ((count,),) = _rows(
        engine,
        "SELECT count(*) FROM records WHERE NOT contains(value, '\"currency\"') AND regexp_matches(value, "
        "'\"(revenue|spend|cost|budget)\"')",
    )
    if count:
        text = catalogues.t(
            "{count} records have amounts without a currency: {currency} is taken, the reporting currency",
            count=count,
            currency=reporting,
        )
        engine.notes.add(text)
    for currency, count, row, decimals, has_rate in rows:
        if currency != reporting and not has_rate:
            yield LintFinding(
                "warning",
                f"{count} records are in {currency} (first {engine.place(row)}) and the reporting currency is {reporting}: "
                f"without a rate for {currency} on fx-rates costs, orders and reports count as 0 until it comes. Replay rates first "
                f"(--mapping fx_rates), or set ROISTREAM_REPORTING_CURRENCY={currency}.",
            )
        if decimals == 0:
            yield from _finer_than(engine, currency)


def _finer_than(engine: Engine, currency: str) -> Iterator[LintFinding]:
    rows = _rows(
        engine,
        "SELECT count(*), min(seq), any_value(amount) FROM (SELECT seq, list_filter(json_extract_string(value, "
        "['$.revenue', '$.spend', '$.cost', '$.budget']), lambda x: contains(x, '.'))[1] AS amount FROM records WHERE topic <> "
        f"'fx-rates' AND json_extract_string(value, '$.currency') = {literal(currency)}) WHERE amount IS NOT NULL HAVING count(*) > 0",
    )
    for count, row, amount in rows:
        yield LintFinding(
            "warning",
            f"{count} amounts in {currency}, which has no smaller unit, have decimals ({amount}, {engine.place(row)}): "
            f"from_minor(amount, currency) knows the unit of each currency.",
        )


def _fed_by_two_files(engine: Engine) -> Iterator[LintFinding]:
    for outcome in engine.outcomes:
        if outcome.trace.kind != "rows" or outcome.select.topic not in IDENTITY:
            continue
        rows = _rows(
            engine,
            f"SELECT _rows[1], list_filter(_rows, lambda x: x >> {LINE_BITS} <> _rows[1] >> {LINE_BITS})[1] FROM {outcome.table} "
            f"WHERE list_min(_rows) >> {LINE_BITS} <> list_max(_rows) >> {LINE_BITS} LIMIT 4",
        )
        if rows:
            shown = [f"{engine.place(one)} and {engine.place(other)}" for one, other in rows]
            yield LintFinding(
                "warning",
                f"{outcome.where}: rows of two files make one record ({_listed(shown)}); if the files hold the same "
                "period twice, it counts twice.",
            )


def _compared_as_text(engine: Engine) -> Iterator[LintFinding]:
    for where, name, cells in engine.compared:
        place = cells.places[name]
        looks = (
            f"regexp_full_match({place}, '[+-]?[\\d.,]*\\d[\\d.,]*') OR "
            f"(TRY_CAST({place} AS TIMESTAMP) IS NULL AND regexp_full_match({place}, '\\d{{1,2}}[./-]\\d{{1,2}}[./-]\\d.*'))"
        )
        ((count, whole, example),) = _rows(
            engine, f"SELECT count(*) FILTER ({looks}), count({place}), max({place}) FROM {cells.table}"
        )
        if count and count == whole:
            yield LintFinding(
                "warning",
                f"{where}: {name} is compared as a text (as in {example}), where '9' is more than '10'; "
                f'declare it under [columns]: {name} = "number" (or date, time).',
            )


def _unused_currency(engine: Engine) -> Iterator[LintFinding]:
    for outcome in engine.outcomes:
        if not {"spend", "revenue", "cost"} & outcome.columns.keys():
            continue
        declared = {plain for spec in outcome.mapping.column_specs.values() for plain in [str(spec.name)]}
        for cells in outcome.files:
            for name, place in cells.places.items():
                if "currency" not in name.lower() or name in outcome.trace.columns or name in declared:
                    continue
                if "currency" in outcome.columns:
                    continue
                rows = _rows(
                    engine,
                    f"SELECT DISTINCT {place} FROM {cells.table} WHERE regexp_full_match({place}, '[A-Za-z]{{3}}') LIMIT 4",
                )
                if rows:
                    yield LintFinding(
                        "warning",
                        f"{outcome.where}: the SELECT gives no currency, and {cells.label} has one: {quoted(name)} "
                        f"({_listed([row[0] for row in rows])}). Without it amounts are in the reporting currency.",
                    )

"""What must hold after any sequence of faults: pure functions from what was read to what is wrong."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from streams import topics
from tests.faults.workload import Log, parsed
from tests.support.oracles import journeys, stream
from tests.support.oracles.cells import COST_FIELDS, FIELDS, LENGTHS, Expected, differences

Published = list[dict[str, Any]]
Ledger = Mapping[tuple[str, int], Mapping[str, int]]

#: They count what happened and never fall in a total.
HAPPENED = ("clicks", "impressions", "spend_micros")
GROWING = (*HAPPENED, "orders", "revenue_micros")
#: They are credited by the models.
CONVERSIONS = tuple(name for name in FIELDS if name not in COST_FIELDS)
_CLOSED = ("final", "correction")


def expected(log: Log, registered: Iterable[tuple[str, bytes | None, Any]]) -> Expected:
    """The oracle's sums of what the source topics hold."""
    return stream.expected(_records(log, registered))


def expected_credits(
    log: Log, registered: Iterable[tuple[str, bytes | None, Any]], views: Iterable[str], reach: journeys.Reach
) -> dict[str, Expected]:
    """The oracle's credits in each view; nothing of the data-driven model, of which only ``uncounted`` is known."""
    computed = [view for view in views if view.removesuffix(journeys.COHORT) in journeys.MODELS]
    return journeys.credited(_records(log, registered), computed, reach)


def _records(
    log: Log, registered: Iterable[tuple[str, bytes | None, Any]]
) -> list[tuple[str, dict[str, Any]]]:
    records: list[tuple[str, dict[str, Any]]] = [(topic, value) for topic, _, value in registered]
    for (topic, _), values in sorted(log.items()):
        records += [(topic, record) for record in map(parsed, values) if record is not None]
    return records


def wrong_figures(published: Published, wanted: Expected) -> list[str]:
    """Last revisions against the oracle, to the micro."""
    held = {key: {field: sums[field] for field in FIELDS} for key, sums in _last_sums(published).items()}
    return differences(wanted, held)


def wrong_credits(published: Published, wanted: Expected) -> list[str]:
    """Last revisions of one model against the oracle's credits: counts to the millionth, money to the micro."""
    held: Expected = {
        key: {name: round(sums[name] * _unit(name)) for name in CONVERSIONS}
        for key, sums in _last_sums(published).items()
    }
    return differences(wanted, held, CONVERSIONS)


def uncounted(published: Published, wanted: Expected) -> list[str]:
    """A model counts every conversion of every window once, whoever it credits: the oracle's sums over all campaigns."""
    held = _over_campaigns(_last_sums(published))
    found = []
    for window, whole in _over_campaigns(wanted).items():
        if held.get(window, {}) != whole and any(whole.values()):
            found.append(f"{window}: all campaigns have {held.get(window)}, should have {whole}")
    return found


def _over_campaigns(
    cells: Mapping[tuple[str, str, int | None], Mapping[str, Any]],
) -> dict[Any, dict[str, int]]:
    """Conversions of each window, counts in millionths."""
    found: dict[Any, dict[str, int]] = {}
    for (_, window, start), sums in cells.items():
        whole = found.setdefault((window, start), dict.fromkeys(CONVERSIONS, 0))
        for name in CONVERSIONS:
            whole[name] += round((sums[name] or 0) * _unit(name))
    return found


def _unit(name: str) -> int:
    """Money is in micros; counts have up to six decimals."""
    return 1 if name.endswith("_micros") else 1_000_000


def _last_sums(published: Published) -> dict[tuple[str, str, int | None], dict[str, Any]]:
    """Sums of the highest revision of each window."""
    last: dict[tuple[str, str, int | None], dict[str, Any]] = {}
    for record in published:
        key = window_of(record)
        if key not in last or record["revision"] >= last[key]["revision"]:
            last[key] = record
    return {key: record["sums"] for key, record in last.items()}


def falling_revisions(published: Published) -> list[str]:
    """Revisions of a window never fall on a partition."""
    last: dict[Any, int] = {}
    found = []
    for record in published:
        key, revision = window_of(record), record["revision"]
        if revision < last.get(key, revision):
            found.append(f"{key}: revision {revision} came after {last[key]}")
        last[key] = revision
    return found


def falling_totals(published: Published, fields: Iterable[str] = GROWING) -> list[str]:
    """Who follows the highest revision of one model never sees a total's counts, spend or revenue go down.

    Conversions of an attribution model may: a late touch corrects who is credited. What happened to the campaign itself,
    ``HAPPENED``, may not.
    """
    last: dict[str, dict[str, Any]] = {}
    found = []
    for record in published:
        campaign = record["campaign_id"]
        known = last.get(campaign)
        if record["window"] != "total" or (known is not None and record["revision"] < known["revision"]):
            continue
        for field in fields:
            before, after = (known or record)["sums"][field], record["sums"][field]
            if before is not None and (after is None or after < before):
                found.append(f"total of {campaign}: {field} fell from {before} to {after}")
        last[campaign] = record
    return found


def reopened(published: Published) -> list[str]:
    """After its final revision a window is only corrected."""
    closed: set[Any] = set()
    found = []
    for record in published:
        key = window_of(record)
        if record["stage"] in _CLOSED:
            closed.add(key)
        elif key in closed:
            found.append(f"{key}: an update (revision {record['revision']}) after the final")
    return found


def unclosed(published: Published, grace_ms: int, reached: int) -> list[str]:
    """Of each window that the watermark has passed by the grace, the last word is final or a correction."""
    last = {window_of(record): record for record in published}
    return [
        f"{(campaign, window, start)} is {record['stage']} at watermark {reached}, last said at {record['watermark']}"
        for (campaign, window, start), record in last.items()
        if start is not None
        and record["stage"] not in _CLOSED
        and start + LENGTHS[window] + grace_ms <= reached
    ]


def wrong_dead_letters(letters: Iterable[Mapping[str, Any]], log: Log) -> list[str]:
    """Each broken record of the log is in ``dead-letters``, and nothing else but what stands against an earlier record of its order."""
    wanted = {
        (topic, partition, offset)
        for (topic, partition), values in log.items()
        for offset, value in enumerate(values)
        if parsed(value) is None
    }
    held, conflicts = set[tuple[str, int, int]](), set[tuple[str, int, int]]()
    for letter in letters:
        place = letter["topic"].split("~")[-1], letter["partition"], letter["offset"]
        (conflicts if letter["reason"] == "conflict" else held).add(place)
    return (
        [f"no dead letter of {each}" for each in sorted(wanted - held)]
        + [f"a dead letter of {each}, which is not broken" for each in sorted(held - wanted)]
        + [
            f"a conflict of {each}, of whose order nothing was known"
            for each in sorted(conflicts - _told_again(log))
        ]
    )


def _told_again(log: Log) -> set[tuple[str, int, int]]:
    """The records of orders of which the same partition holds an earlier record."""
    found: set[tuple[str, int, int]] = set()
    known: set[tuple[int, str]] = set()
    for (topic, partition), values in log.items():
        for offset, value in enumerate(values if topic == topics.ORDERS else ()):
            record = parsed(value)
            if record is None:
                continue
            order = (partition, str(record["order_id"]))
            if order in known:
                found.add((topic, partition, offset))
            known.add(order)
    return found


def wrong_ledger(ledger: Ledger, log: Log) -> list[str]:
    """Outcomes add up to the records in the log; those refused are the broken ones; nothing is too late."""
    found = []
    for source, values in log.items():
        outcomes = ledger.get(source, {})
        broken = sum(parsed(value) is None for value in values)
        if sum(outcomes.values()) != len(values):
            found.append(f"ledger of {source}: {dict(outcomes)}, but the log holds {len(values)}")
        elif outcomes.get("rejected", 0) != broken or outcomes.get("too_late", 0):
            found.append(f"ledger of {source}: {dict(outcomes)}, but {broken} are broken and none too late")
        elif outcomes.get("duplicate", 0) != _duplicates(source[0], values):
            found.append(
                f"ledger of {source}: {dict(outcomes)}, but {_duplicates(source[0], values)} are repeats"
            )
    return found


def _duplicates(topic: str, values: list[bytes | None]) -> int:
    identity = "report_id" if topic == topics.REPORTS else "event_id"
    ids = [record[identity] for record in map(parsed, values) if record is not None]
    return len(ids) - len(set(ids))


def window_of(record: Mapping[str, Any]) -> tuple[str, str, int | None]:
    """Campaign, window and start in milliseconds."""
    start = record["window_start"]
    return record["campaign_id"], record["window"], None if start is None else _millis(start)


def _millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)

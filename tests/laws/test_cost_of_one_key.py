"""However much comes under one key, each further record costs no more: calls and bytes of the changelogs grow with the records.

Counted beyond the bounds of what is kept of one key, since up to a bound each record may cost as much as all before it weigh.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from metrics.entities.orders import MOST_REFUNDS
from metrics.values.time import MINUTE, format_instant
from streams import topics
from tests.bench.bench_controller import NOW as BOARD_NOW
from tests.bench.bench_controller import board_of
from tests.bench.costs import calls
from tests.laws.machine import INTAKE, MERGE, Machine

NOW = 1_795_000_000_000
#: So much more may twice as many records cost: a constant part, and what is merged now and then.
TOLERATED = 2.9
_AT_ONCE = 50

Record = tuple[str, dict[str, Any]]


def _refunds(count: int) -> Iterator[Record]:
    order = {"order_id": "o", "visitor_id": "v", "customer_id": "c"}
    yield topics.ORDERS, {**order, "event_id": "placed", "occurred_at": NOW, "revenue": 10**6}
    for n in range(count):
        at = NOW + n * MINUTE
        yield (
            topics.ORDERS,
            {**order, "event_id": f"r{n}", "kind": "refunded", "occurred_at": at, "revenue": 1},
        )


def _refunds_abroad(count: int) -> Iterator[Record]:
    """In a currency without a rate; each is valued again with those of before."""
    return ((topic, {**record, "currency": "USD"}) for topic, record in _refunds(count))


def _early_refunds(count: int) -> Iterator[Record]:
    """Refunds of an order that is not known yet."""
    yield from (record for record in _refunds(count) if record[1]["event_id"] != "placed")


def _orders_of_a_customer(count: int) -> Iterator[Record]:
    for n in range(count):
        order = {"order_id": f"o{n}", "customer_id": "c", "campaign_id": f"c{n % 7}", "revenue": 1}
        yield topics.ORDERS, {**order, "event_id": f"e{n}", "occurred_at": NOW + n * MINUTE}


def _orders_of_a_visitor(count: int) -> Iterator[Record]:
    """Each credited by the clicks between them."""
    for n in range(count):
        at = NOW + n * MINUTE
        yield topics.CLICKS, {"event_id": f"c{n}", "occurred_at": at, "campaign_id": "c", "visitor_id": "v"}
        order = {"order_id": f"o{n}", "visitor_id": "v", "revenue": 1}
        yield topics.ORDERS, {**order, "event_id": f"e{n}", "occurred_at": at + 1_000}


def _identities_of_a_customer(count: int) -> Iterator[Record]:
    for n in range(count):
        order = {
            "order_id": f"o{n}",
            "customer_id": "c",
            "visitor_id": f"v{n}",
            "lead_id": f"l{n}",
            "revenue": 1,
        }
        yield topics.ORDERS, {**order, "event_id": f"e{n}", "occurred_at": NOW + n}


def _clicks_of_a_visitor(count: int) -> Iterator[Record]:
    for n in range(count):
        yield (
            topics.CLICKS,
            {"event_id": f"c{n}", "occurred_at": NOW + n, "campaign_id": "c", "visitor_id": "v"},
        )


def _stages_of_a_lead(count: int) -> Iterator[Record]:
    for n in range(count):
        lead = {"lead_id": "l", "visitor_id": "v", "stage": ("lead", "mql", "sql")[n % 3]}
        yield topics.LEADS, {**lead, "event_id": f"e{n}", "occurred_at": NOW - n}


def _restatements_of_a_report(count: int) -> Iterator[Record]:
    for n in range(count):
        report = {
            "report_id": f"r{n}",
            "source": "s",
            "campaign_id": "c",
            "spend": n,
            "reported_at": NOW + n * MINUTE,
        }
        yield topics.REPORTS, {**report, "period_start": NOW - 86_400_000, "period_end": NOW + 86_400_000}


def _erasures_of_a_person(count: int) -> Iterator[Record]:
    for n in range(count):
        yield topics.ERASURES, {"visitor_id": "v", "requested_at": NOW + n}


def _cost(records: Iterator[Record]) -> tuple[int, int]:
    """Calls of both stages, and bytes of their changelogs and messages."""
    machine = Machine(partitions=1, rollups=())
    size = 0
    made = list(records)

    def work() -> None:
        nonlocal size
        for first in range(0, len(made), _AT_ONCE):
            for topic, record in made[first : first + _AT_ONCE]:
                machine.produce_to(0, topic, "v", record, record.get("occurred_at", NOW))
            for topic in topics.SOURCES:
                machine.read(topic, 0, _AT_ONCE)
            machine.now += 1_000
            for stage in (INTAKE, MERGE):
                if stage == MERGE:
                    machine.follow(0, 1_000_000)
                checkpoint = machine.stages[stage, 0].checkpoint(machine.now)
                size += sum(len(key) + len(value or b"") for key, value in checkpoint.entries)
                for output in checkpoint.outputs:
                    size += len(output.value) if output.topic == topics.PARTIALS else 0
                    machine._deliver(output)
                machine.stages[stage, 0].confirm(checkpoint.sequence)

    return calls(work), size


@pytest.mark.parametrize(
    ("records", "count"),
    [
        (_refunds, 2 * MOST_REFUNDS),
        (_refunds_abroad, 2 * MOST_REFUNDS),
        (_early_refunds, 2 * MOST_REFUNDS),
        (_orders_of_a_customer, 600),
        (_orders_of_a_visitor, 200),
        (_identities_of_a_customer, 400),
        (_clicks_of_a_visitor, 1_200),
        (_stages_of_a_lead, 300),
        (_restatements_of_a_report, 300),
        (_erasures_of_a_person, 300),
    ],
)
def test_twice_the_records_of_one_key_cost_twice_as_much(
    records: Callable[[int], Iterator[Record]], count: int
) -> None:
    _cost(records(_AT_ONCE))  # kernels are compiled
    (once, size), (twice, double) = _cost(records(count)), _cost(records(2 * count))
    assert twice <= TOLERATED * once, (once, twice)
    assert double <= TOLERATED * size, (size, double)


@pytest.mark.parametrize("topic", [topics.BUDGET_DECISIONS, topics.BUDGET_ALERTS])
def test_twice_the_words_on_one_campaign_cost_twice_as_much(topic: str) -> None:
    def cost(count: int) -> tuple[int, int]:
        store, size = board_of(1), 0

        def work() -> None:
            nonlocal size
            for first in range(0, count, _AT_ONCE):
                some = [_word(topic, number) for number in range(first, first + _AT_ONCE)]
                store.stage.take(topic, 0, some)
                made = store.checkpoint(BOARD_NOW)
                size += sum(len(key) + len(value or b"") for key, value in made.entries)

        return calls(work), size

    (once, size), (twice, double) = cost(400), cost(800)
    assert twice <= TOLERATED * once, (once, twice)
    assert double <= TOLERATED * size, (size, double)


def _word(topic: str, number: int) -> Any:
    at = format_instant(BOARD_NOW)
    if topic == topics.BUDGET_DECISIONS:
        verb = ("pause", "resume")[number % 2]
        word = {"decision_id": f"d{number}", "campaign_id": "c-0", "verb": verb, "occurred_at": at}
    else:
        word = {"alert_id": f"a{number}", "campaign_id": "c-0", "rule": f"R{number}", "status": "firing",
                "starts_at": at, "received_at": at}  # fmt: skip
    return SimpleNamespace(offset=number, key=b"c-0", value=msgspec.json.encode(word))


def test_an_order_that_is_refunded_without_end_says_so_and_what_was_counted_stays() -> None:
    machine = Machine(partitions=1)
    for topic, record in _refunds(MOST_REFUNDS + 20):
        machine.produce_to(0, topic, "v", record, record["occurred_at"])
    again = {
        "order_id": "o",
        "event_id": "same minute",
        "kind": "refunded",
        "occurred_at": NOW + 1,
        "revenue": 1,
    }
    machine.produce_to(0, topics.ORDERS, "v", again, NOW + MOST_REFUNDS * MINUTE)
    machine.settle()
    machine.check_books()
    letters = [letter for letter in machine.letters if letter["reason"] == "too_many"]
    assert len(letters) == 20
    assert "order_id" in letters[0]["detail"]
    total = machine.last()["(none)", "total", None]["sums"]
    assert total["refunds_micros"] == (MOST_REFUNDS + 1) * 10**6

"""How late a fact may come, and what becomes of it. T0 is midnight; the watermark stands at T0 + 40 d."""

import pytest

from metrics.values.time import DAY, HOUR, MINUTE, format_instant
from streams import topics
from tests.laws.facts import T0
from tests.laws.machine import Machine

NOW = T0 + 40 * DAY + 10 * HOUR + 30 * MINUTE + 7_000


@pytest.fixture
def machine():
    """All event topics have come to NOW, and every window before has closed."""
    made = Machine(1)
    common = {"event_id": "e", "occurred_at": NOW, "campaign_id": "other"}
    for topic in topics.EVENT_SOURCES:
        made.produce(topic, "v", {**common, "lead_id": "x", "order_id": "x", "revenue": 1}, NOW)
    made.settle()
    return made


def windows_of(machine):
    return {reading["window"]: reading["stage"] for (c, _, _), reading in machine.last().items() if c == "c"}


#  ◄ 36 d ─────── 7 d ─────── 2 h ─── grace ── watermark
@pytest.mark.parametrize(
    ("age", "windows"),
    [
        (0, {"1m": "update", "1h": "update", "1d": "update", "total": "update"}),
        (5 * MINUTE, {"1m": "correction", "1h": "update", "1d": "update", "total": "update"}),
        (3 * HOUR, {"1h": "correction", "1d": "update", "total": "update"}),
        (8 * DAY, {"1d": "correction", "total": "update"}),
    ],
)
def test_a_late_click_corrects_the_windows_within_their_retention(machine, age, windows):
    click = {"event_id": "late", "occurred_at": NOW - age, "campaign_id": "c"}
    machine.produce(topics.CLICKS, "v", click, NOW)
    machine.settle()
    assert windows_of(machine) == windows
    assert {reading["sums"]["clicks"] for (c, _, _), reading in machine.last().items() if c == "c"} == {1}


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        (topics.CLICKS, {}),
        (topics.IMPRESSIONS, {}),
        (topics.LEADS, {"lead_id": "l"}),
        (topics.ORDERS, {"order_id": "o", "revenue": "1"}),
    ],
)
def test_a_fact_older_than_every_window_is_a_dead_letter_and_counts_nowhere(machine, topic, fields):
    record = {"event_id": "late", "occurred_at": NOW - 37 * DAY, "campaign_id": "c", **fields}
    machine.produce(topic, "v", record, NOW)
    machine.settle()
    machine.check_books()
    assert [letter["reason"] for letter in machine.letters] == ["too_late"]
    assert machine.intake(0).ledger[topic].too_late == 1
    assert windows_of(machine) == {}


def test_refunds_and_cancellations_reach_the_total_however_late(machine):
    for n, (kind, age) in enumerate((("placed", 0), ("refunded", 37 * DAY), ("cancelled", 38 * DAY))):
        order = {"event_id": f"late{n}", "occurred_at": NOW - age, "campaign_id": "c", "order_id": "o"}
        machine.produce(topics.ORDERS, "v", {**order, "kind": kind, "revenue": 3 if n else 10}, NOW)
    machine.settle()
    total = machine.last()["c", "total", None]["sums"]
    assert (total["orders"], total["cancelled_orders"], total["refunds_micros"]) == (1, 1, 10_000_000)
    assert machine.letters == []


def test_one_fast_clock_neither_counts_nor_makes_honest_events_late(machine):
    fast = {"event_id": "fast", "occurred_at": NOW + 300_001, "campaign_id": "c"}
    near = {"event_id": "near", "occurred_at": NOW + 300_000, "campaign_id": "c"}
    machine.produce(topics.CLICKS, "v", fast, NOW)
    machine.produce(topics.CLICKS, "v", near, NOW)
    machine.settle()
    assert [letter["reason"] for letter in machine.letters] == ["future_timestamp"]
    assert machine.intake(0).clock.watermark == NOW
    minute = format_instant((NOW + 300_000) // MINUTE * MINUTE)
    assert machine.last()["c", "1m", minute]["stage"] == "update"


def test_a_repeated_fact_is_a_duplicate_in_the_books(machine):
    click = {"event_id": "e", "occurred_at": NOW, "campaign_id": "other"}
    machine.produce(topics.CLICKS, "v", click, NOW)
    machine.settle()
    assert machine.intake(0).ledger[topics.CLICKS].duplicate == 1

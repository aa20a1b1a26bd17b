"""Whatever lies on the controller's topics, the controller goes on: what it cannot take in is a dead letter, once."""

from collections import Counter
from types import SimpleNamespace

import msgspec
import pytest

from metrics.budget import machine
from metrics.records.dead_letters import dead_letter
from metrics.values.errors import Reason
from metrics.values.time import format_instant
from streams import topics
from streams.stages.budget import stage as module
from streams.stages.budget.stage import RefusedRecord
from tests.bench.bench_controller import NOW, board_of, records

DECISION = {"decision_id": "d", "campaign_id": "c-0", "verb": "pause", "occurred_at": format_instant(NOW)}
SIGNAL = {
    "alert_id": "a",
    "campaign_id": "c-0",
    "rule": "r",
    "status": "firing",
    "starts_at": NOW,
    "received_at": NOW,
}
READING = msgspec.json.decode(records([0], NOW, 0)[0].value)


def record(value, offset=0):
    raw = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return SimpleNamespace(offset=offset, key=b"c-0", value=raw)


def letters(checkpoint):
    found = [
        msgspec.json.decode(each.value) for each in checkpoint.outputs if each.topic == topics.DEAD_LETTERS
    ]
    return [(each["topic"], each["partition"], each["offset"], each["reason"]) for each in found]


@pytest.mark.parametrize(
    ("topic", "value", "reason"),
    [
        (topics.BUDGET_DECISIONS, b"{", "invalid_json"),
        (topics.BUDGET_DECISIONS, b"[" * 5_000, "invalid_json"),
        (topics.BUDGET_DECISIONS, DECISION | {"occurred_at": 10**30}, "invalid_field"),
        (topics.BUDGET_DECISIONS, DECISION | {"occurred_at": "2026-01-01T00:00:00"}, "invalid_field"),
        (topics.BUDGET_DECISIONS, DECISION | {"unknown": "x" * 20_000}, "oversized"),
        (topics.BUDGET_ALERTS, SIGNAL | {"starts_at": "soon"}, "invalid_field"),
        (topics.BUDGET_ALERTS, b"\xff", "invalid_json"),
        (topics.CAMPAIGN_KPIS, READING | {"watermark": "soon"}, "invalid_field"),
        (topics.CAMPAIGN_KPIS, READING | {"watermark": "0001-01-01T00:00:00+00:00"}, "invalid_field"),
        (topics.CAMPAIGN_KPIS, READING | {"published_at": "2026-01-01T00:00:00"}, "invalid_field"),
        (topics.CAMPAIGN_KPIS, READING | {"window": "1h", "window_start": ""}, "invalid_field"),
        (topics.CAMPAIGN_KPIS, READING | {"sums": 1}, "invalid_field"),
    ],
)
def test_a_record_that_cannot_be_read_is_a_dead_letter_and_the_next_one_counts(topic, value, reason):
    store = board_of(1)
    store.stage.take(topic, 3, [record(value, 5)])
    store.stage.take(topics.CAMPAIGN_KPIS, 0, records([0], NOW, 7))
    assert letters(store.checkpoint(NOW)) == [(topic, 3, 5, reason)]
    assert store.stage.board.campaigns["c-0"].latest is not None
    assert store.stage.offsets[topic, 3] == 6


@pytest.mark.parametrize("window", ["total", "1h"])
@pytest.mark.parametrize("figure", [2**64, 10**300, -(10**300)])
def test_absurd_sums_end_nothing(window, figure):
    store = board_of(1)
    start = None if window == "total" else format_instant(NOW)
    sums = READING["sums"] | dict.fromkeys(("spend_micros", "revenue_micros", "leads"), figure)
    absurd = READING | {"window": window, "window_start": start, "sums": sums, "revision": 1 << 70}
    store.stage.take(topics.CAMPAIGN_KPIS, 0, [record(absurd)])
    again = board_of(1)
    for at in (NOW, NOW + 3_600_000):
        made = store.checkpoint(at)
        again.restore(made.entries)
        store.confirm(made.sequence)
    again.take_over()


def test_a_record_at_which_a_step_fails_is_found_refused_and_the_others_count(monkeypatch):
    def failing(board, inputs, context, now):
        if any(each.campaign_id == "c-3" for each in inputs.readings):
            raise ZeroDivisionError("c-3")
        return machine.slices(board, inputs, context, now)

    monkeypatch.setattr(module, "slices", failing)
    monkeypatch.setattr(module, "step", lambda *a: list(failing(*a)))
    store = board_of(8)
    store.stage.take(topics.CAMPAIGN_KPIS, 0, records(range(8), NOW, 0))
    assert letters(store.checkpoint(NOW)) == [(topics.CAMPAIGN_KPIS, 0, 3, "invalid_field")]
    known = {name for name, state in store.stage.board.campaigns.items() if state.latest is not None}
    assert known == {f"c-{number}" for number in range(8)} - {"c-3"}


def test_a_refused_record_of_a_registry_is_said_once_whoever_reads_it_again():
    reasons = Counter()
    letter = dead_letter("campaigns", 0, 4, b"c", b"{", Reason.INVALID_JSON, "broken", NOW)
    refused = RefusedRecord(topics.CAMPAIGNS, 0, 4, letter)
    store = board_of(1)
    store.stage._reasons = reasons
    store.stage.refuse(refused)
    store.stage.refuse(refused)
    made = store.checkpoint(NOW)
    assert letters(made) == [("campaigns", 0, 4, "invalid_json")]
    again = board_of(1)
    again.restore(made.entries)
    again.take_over()
    again.stage.refuse(refused)
    assert letters(again.checkpoint(NOW)) == []
    assert reasons == {"invalid_json": 1}


def test_old_decisions_wait_in_limited_number_while_fresh_ones_still_find_room():
    store = board_of(1)
    store.stage.is_live = False
    old = format_instant(NOW - 3_600_000)
    words = [record(DECISION | {"decision_id": f"d{n}", "occurred_at": old}, n) for n in range(600)]
    store.stage.take(topics.BUDGET_DECISIONS, 0, words)
    store.stage.take(topics.BUDGET_DECISIONS, 0, [record(DECISION, 600)])
    made = store.checkpoint(NOW)
    assert len(store.stage.board.waiting) == 501
    assert len(letters(made)) == 100

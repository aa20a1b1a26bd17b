"""Each check finds the fault it is for, and is silent where there is none."""

import json
import random
from typing import Any

import pytest

from tests.faults import checks
from tests.faults.launcher import Trap
from tests.faults.sequence import plan_of
from tests.faults.words import words, wrong_actions
from tests.faults.workload import MINUTE_MS, Log, Shape, gaps, load_of, parsed
from tests.support.oracles.journeys import Reach

START = "2026-11-21T10:00:00Z"
START_MS = 1_795_255_200_000
GRACE_MS = 10_000


def reading(revision: int, stage: str = "update", window: str = "1m", **changes: Any) -> dict[str, Any]:
    sums = dict.fromkeys(checks.FIELDS, 0) | {"clicks": revision}
    record = {
        "campaign_id": "c",
        "window": window,
        "window_start": None if window == "total" else START,
        "revision": revision,
        "stage": stage,
        "sums": sums,
        "watermark": START,
    }
    return record | changes


def test_a_revision_that_falls_is_found() -> None:
    assert checks.falling_revisions([reading(1), reading(1), reading(2)]) == []
    assert checks.falling_revisions([reading(2), reading(1)])


def test_a_total_that_falls_is_found_unless_its_revision_is_old() -> None:
    fallen = reading(3, window="total", sums=reading(1)["sums"])
    assert checks.falling_totals([reading(1, window="total"), reading(2, window="total")]) == []
    assert checks.falling_totals([reading(2, window="total"), reading(1, window="total")]) == []
    assert checks.falling_totals([reading(2, window="total"), fallen])


def test_an_update_after_the_final_is_found() -> None:
    assert checks.reopened([reading(1), reading(2, "final"), reading(3, "correction")]) == []
    assert checks.reopened([reading(1, "final"), reading(2)])


@pytest.mark.parametrize(
    ("past_end_ms", "stage", "count"),
    [(9_999, "update", 0), (10_000, "update", 1), (10_000, "final", 0), (10_000, "correction", 0)],
)
def test_a_window_passed_by_the_grace_must_be_closed(past_end_ms: int, stage: str, count: int) -> None:
    records = [reading(1, stage), reading(2, window="total")]
    assert len(checks.unclosed(records, GRACE_MS, START_MS + MINUTE_MS + past_end_ms)) == count


def click(number: int, **changes: Any) -> bytes:
    record = {"event_id": f"e-{number}", "occurred_at": START_MS, "campaign_id": "c", "seq": number}
    return json.dumps(record | changes).encode()


def test_figures_that_differ_from_the_log_are_found() -> None:
    log = {("ad-clicks", 0): [click(1), click(2), click(2), b"{"]}
    wanted = checks.expected(log, [])
    records = [reading(2, window=window) for window in ("1m", "total")]
    records += [reading(2, window="1h"), reading(2, window="1d", window_start="2026-11-21T00:00:00Z")]
    assert checks.wrong_figures(records, wanted) == []
    assert checks.wrong_figures([*records, reading(3)], wanted)


def test_credits_that_differ_from_the_log_are_found() -> None:
    order = {"event_id": "o", "occurred_at": START_MS + 1, "order_id": "o", "visitor_id": "v", "revenue": "1"}
    log: Log = {("ad-clicks", 0): [click(1, visitor_id="v")], ("orders", 0): [json.dumps(order).encode()]}
    wanted = checks.expected_credits(log, [], ["linear", "markov"], Reach(1, 1, 1))
    assert list(wanted) == ["linear"]
    sums = dict.fromkeys(checks.FIELDS, 0) | {"orders": 1.0, "revenue_micros": 1_000_000}
    sums["new_customers"] = 1.0
    records = [reading(1, window=window, sums=sums) for window in ("1m", "1h", "total")]
    records.append(reading(1, window="1d", window_start="2026-11-21T00:00:00Z", sums=sums))
    assert checks.wrong_credits(records, wanted["linear"]) == []
    assert checks.wrong_credits([*records, reading(2, sums=sums | {"orders": 0.999999})], wanted["linear"])


def test_a_total_of_a_model_may_lose_a_conversion_and_no_click() -> None:
    held = dict.fromkeys(checks.FIELDS, 1)
    totals = [reading(1, window="total", sums=held), reading(2, window="total", sums=held | {"orders": 0.5})]
    assert checks.falling_totals(totals)
    assert checks.falling_totals(totals, checks.HAPPENED) == []
    fallen = reading(3, window="total", sums=held | {"clicks": 0})
    assert checks.falling_totals([*totals, fallen], checks.HAPPENED)


def test_a_missing_and_a_needless_dead_letter_are_found() -> None:
    log = {("ad-clicks", 0): [click(1), b"{"]}
    letter = {"topic": "ad-clicks", "partition": 0, "offset": 1, "reason": "invalid_json"}
    assert checks.wrong_dead_letters([letter, letter], log) == []
    assert checks.wrong_dead_letters([], log)
    assert checks.wrong_dead_letters([letter, letter | {"offset": 0}], log)


def test_a_conflict_of_an_order_of_which_nothing_was_known_is_found() -> None:
    order = json.dumps({"order_id": "o-1", "event_id": "e-1", "occurred_at": 1}).encode()
    log: dict[tuple[str, int], list[bytes | None]] = {("orders", 0): [order, order]}
    letter = {"topic": "orders", "partition": 0, "offset": 1, "reason": "conflict"}
    assert checks.wrong_dead_letters([letter], log) == []
    assert checks.wrong_dead_letters([letter | {"offset": 0}], log)


@pytest.mark.parametrize(
    ("outcomes", "count"),
    [
        ({"applied": 1, "duplicate": 1, "rejected": 1, "too_late": 0}, 0),
        ({"applied": 1, "duplicate": 1, "rejected": 0, "too_late": 0}, 1),
        ({"applied": 2, "duplicate": 0, "rejected": 1, "too_late": 0}, 1),
        ({"applied": 1, "duplicate": 0, "rejected": 1, "too_late": 1}, 1),
    ],
)
def test_a_ledger_that_tells_another_story_than_the_log_is_found(
    outcomes: dict[str, int], count: int
) -> None:
    log = {("ad-clicks", 0): [click(1), click(1), b"{"]}
    assert len(checks.wrong_ledger({("ad-clicks", 0): outcomes}, log)) == count


def test_a_record_that_the_broker_lost_is_found() -> None:
    load = [("ad-clicks", b"v", json.loads(click(number, key="v"))) for number in range(3)]
    values: list[bytes | None] = [json.dumps(value).encode() for _, _, value in load]
    assert gaps({("ad-clicks", 0): values}, load) == []
    assert len(gaps({("ad-clicks", 0): values[:-1]}, load)) == 1


def test_a_load_is_the_same_for_the_same_seed_and_holds_what_it_says() -> None:
    shape = Shape(2_000, 20 * MINUTE_MS, 10, 3, poison=50)
    one, other = (load_of(7, shape, 4, START_MS) for _ in range(2))
    assert one == other
    raw = [value if isinstance(value, bytes) else json.dumps(value).encode() for _, _, value in one]
    broken = sum(parsed(value) is None for value in raw)
    assert broken > 50
    sources = {"ad-clicks", "ad-impressions", "ad-reports", "leads", "orders"}
    assert {topic for topic, _, _ in one} == {*sources, "budget-decisions"}
    assert any("visitor_id" not in value for topic, _, value in one if topic == "leads" and "key" in value)


def test_an_action_that_is_lost_or_doubled_or_in_the_wrong_place_is_found() -> None:
    load = words(random.Random(1), START_MS)
    rule = {"rule": "operator:set_budget"}
    done = [
        {
            "action_id": word["decision_id"],
            "campaign_id": word["campaign_id"],
            "budget_to": word["budget"],
            **rule,
        }
        for _, _, word in load
    ]
    assert wrong_actions(done, load, is_complete=True) == []
    assert wrong_actions([*done, done[0]], load, is_complete=False)
    assert wrong_actions(done[1:], load, is_complete=False) == []
    assert wrong_actions(done[1:], load, is_complete=True)
    assert wrong_actions(done[::-1], load, is_complete=False)


@pytest.mark.parametrize("brokers", [1, 3])
def test_every_fault_comes_within_thirty_seeds(brokers: int) -> None:
    plans = [plan_of(seed, brokers) for seed in range(1, 31)]
    assert plans == [plan_of(seed, brokers) for seed in range(1, 31)]
    names = {fault.__name__ for plan in plans for _, fault in plan.faults}
    assert {"zombie", "trapped", "rolled", "broker_killed", "cut_off", "cache_lost"} <= names
    assert ("two_brokers_down" in names) == (brokers == 3)


def test_a_trap_springs_at_the_nth_pass_of_its_point_and_stage() -> None:
    trap = Trap("before-append:merge:2:fail")
    passes = [("before-append", "intake"), ("before-append", "merge"), ("after-append", "merge")]
    assert [trap.is_due(*each) for each in passes] == [False] * 3
    assert trap.is_due("before-append", "merge")
    assert not trap.is_due("before-append", "merge")

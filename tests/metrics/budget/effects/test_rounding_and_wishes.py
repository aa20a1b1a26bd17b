"""What an action asks of a platform, and that no rounding ever grants more than was decided."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from metrics.budget.effects.asked_parts import parts_of
from metrics.budget.effects.caps import Caps, free_at
from metrics.budget.effects.rounding import rounded_down, smallest_unit
from metrics.budget.records import BudgetAction
from metrics.values.currency import PARTS
from metrics.values.time import DAY, HOUR
from tests.support.examples import examples


@examples(3)
@given(
    micros=some.integers(0, 10**18),
    step=some.sampled_from([1, smallest_unit(2), smallest_unit(0), 5_000_000]),
    rate=some.integers(PARTS // 1_000, PARTS * 1_000),
)
def test_no_amount_is_worth_more_there_than_was_decided_and_less_by_a_step_at_most(micros, step, rate):
    rounded = rounded_down(micros, step, rate)
    assert rounded.micros % step == 0
    assert rounded.micros * rate <= micros * PARTS
    assert (rounded.micros + step) * rate > micros * PARTS
    assert 0 <= rounded.rounded_off < step


@examples(3)
@given(
    sent=some.lists(some.integers(0, 3 * DAY), max_size=12),
    caps=some.builds(Caps, some.integers(1, 3), some.integers(3, 6)),
)
def test_a_write_at_the_instant_that_is_free_keeps_both_caps_and_none_is_free_before(sent, caps):
    kept = []
    for at in sorted(sent):
        free = free_at(caps, kept, at)
        assert free >= at
        kept.append(free)
        for most, width in ((caps.per_hour, HOUR), (caps.per_day, DAY)):
            assert sum(each > free - width for each in kept) <= most


@pytest.mark.parametrize(
    ("verb", "column", "budget_to", "asked"),
    [
        ("pause", "hold", 1000.0, [("paused", None)]),
        ("resume", "test", 1000.0, [("running", None)]),
        ("resume", "test", 0.07, [(None, 70_000), ("running", None)]),
        ("move", "stopped", 900.1, [("paused", None), (None, 900_100_000)]),
        ("move", "scale", 1000.0, [("running", None)]),
        ("set_budget", None, 1000.0, [(None, 1_000_000_000)]),
        ("set_budget", None, None, []),
    ],
)
def test_a_spend_is_stopped_first_and_let_flow_last(verb, column, budget_to, asked):
    action = BudgetAction(
        action_id="a", campaign_id="c", verb=verb, column=column, budget_from=Decimal(1000), budget_to=None if budget_to is None else Decimal(str(budget_to)), currency="EUR",
        mode="enforce", rule="", reason="", evidence={}, hold=None, decided_at="2026-11-21T10:00:00Z",
    )  # fmt: skip
    assert [(part.status, part.wished_micros) for part in parts_of(action)] == asked

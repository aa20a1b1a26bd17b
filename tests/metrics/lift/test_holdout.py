"""Incremental results: levels that hold however often one looks, effects that are found, guards that speak."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.lift.arms import CONTROL, TREATMENT
from metrics.lift.holdout import LEAST_OF_AN_ARM, Converter, assignment, conversions, sums
from metrics.lift.sequences import interval_of_share, log_e_of_share, radius_of_sum
from tests.support.examples import examples

ALPHA = 0.05
UNIT = 1_000_000


def people(rng, number, holdout, lift=0.0, spread=1.0):
    """Who orders: with a lift the treatment arm is as much more frequent among them."""
    odds = (1 - holdout) / holdout * (1 + lift)
    treated = rng.random(number) < odds / (1 + odds)
    values = np.exp(rng.normal(3, spread, number)) * UNIT
    return [
        Converter(at, TREATMENT if arm else CONTROL, 1, int(value), int(value) // 2, is_over=True)
        for at, (arm, value) in enumerate(zip(treated, values, strict=True))
    ]


def test_without_an_effect_looking_after_every_person_claims_one_in_twenty_at_most():
    rng = np.random.default_rng(11)
    found = [conversions(people(rng, 3_000, holdout), holdout, ALPHA).found_at for holdout in (0.5, 0.1) * 60]
    assert sum(at is not None for at in found) <= 10  # of 120, expected 4


def test_an_effect_is_found_and_lies_in_its_intervals():
    rng = np.random.default_rng(12)
    orders = people(rng, 12_000, 0.2, lift=0.25)
    found = conversions(orders, 0.2, ALPHA)
    assert found.found_at is not None
    assert found.lift.low > 0
    assert found.lift.low < 0.25 < found.lift.high
    truth = found.treatment * (1 - 1 / 1.25)
    assert found.incremental.low < truth < found.incremental.high
    brought = sums(orders, 0.2, ALPHA)
    assert brought.orders.low < truth < brought.orders.high
    mean = np.exp(3.5) * UNIT
    assert brought.revenue.low < truth * mean < brought.revenue.high
    assert brought.revenue.estimate == pytest.approx(2 * brought.margin.estimate, rel=1e-3)


def test_what_the_control_arm_says_would_have_come_anyway_is_taken_off():
    arms = [TREATMENT] * 90 + [CONTROL] * 10
    orders = [
        Converter(at, arm, 2, 30 * UNIT, 10 * UNIT, is_over=True, attributed=1) for at, arm in enumerate(arms)
    ]
    brought = sums(orders, 0.2, ALPHA)
    assert brought.people == (90, 10)
    # 10 of a fifth are 40 of the other four fifths.
    assert brought.orders.estimate == pytest.approx(2 * (90 - 40))
    assert brought.revenue.estimate == pytest.approx(30 * UNIT * (90 - 40))
    assert brought.attributed == 90
    assert (brought.orders.low, brought.orders.high) == (None, None)  # ten people of an arm are too few


def test_windows_that_are_not_over_are_in_no_sum_and_count_as_conversions():
    rng = np.random.default_rng(5)
    orders = [order._replace(is_over=order.at % 2 == 0) for order in people(rng, 2_000, 0.5)]
    assert sum(sums(orders, 0.5, ALPHA).people) == 1_000
    found = conversions(orders, 0.5, ALPHA)
    assert found.treatment + found.control == 2_000


def test_nobody_is_no_figure():
    found = conversions([], 0.1, ALPHA)
    assert (found.lift.estimate, found.found_at, found.log_e) == (None, None, 0.0)
    assert sums([], 0.1, ALPHA).revenue.estimate is None
    assert assignment([], 3, 0.1).in_both == 3


def test_an_arm_without_orders_bounds_one_side_only():
    found = conversions([Converter(0, TREATMENT, 1, UNIT, UNIT, is_over=True)] * 5, 0.5, ALPHA)
    assert (found.lift.estimate, found.lift.high) == (None, None)
    assert found.incremental.high == 5
    other = conversions([Converter(0, CONTROL, 1, UNIT, UNIT, is_over=True)] * 5, 0.5, ALPHA)
    assert (other.lift.estimate, other.lift.low) == (-1.0, -1.0)
    assert other.incremental.low is None


def test_orders_worth_nothing_have_no_interval_of_money():
    free = [Converter(at, TREATMENT if at % 2 else CONTROL, 1, 0, 0, is_over=True) for at in range(1_000)]
    assert sums(free, 0.5, ALPHA).revenue.low is None
    assert sums(free, 0.5, ALPHA).orders.low is not None


def test_a_ratio_that_is_off_by_one_percent_is_caught_and_a_right_one_is_not():
    rng = np.random.default_rng(3)
    right = [assignment(rng.random(100_000) < 0.5, 0, 0.5).is_mismatched(0.001) for _ in range(20)]
    wrong = [assignment(rng.random(100_000) < 0.51, 0, 0.5).is_mismatched(0.001) for _ in range(20)]
    assert sum(right) == 0
    assert sum(wrong) >= 18


@given(st.integers(0, 3_000), st.integers(0, 3_000), st.floats(0.05, 0.95))
def test_what_is_in_the_interval_of_a_share_is_what_is_not_refuted(ones, zeros, assigned):
    low, high = interval_of_share(ones, zeros, assigned, ALPHA)
    assert 0 <= low <= high <= 1
    for chance in (low + 1e-6, (low + high) / 2, high - 1e-6):
        if low < chance < high:
            assert log_e_of_share(ones, zeros, chance, assigned) <= np.log(1 / ALPHA) + 1e-4
    for chance in (low - 1e-3, high + 1e-3):
        if 0 < chance < 1:
            assert log_e_of_share(ones, zeros, chance, assigned) >= np.log(1 / ALPHA) - 1e-4


@given(st.floats(0.01, 0.99), st.floats(0.05, 0.95))
def test_the_evidence_of_a_share_is_a_martingale(chance, assigned):
    def likelihood(ones, zeros):
        return np.exp(log_e_of_share(ones, zeros, chance, assigned))

    for ones, zeros in ((0, 0), (3, 1), (10, 40)):
        next_one = chance * likelihood(ones + 1, zeros) + (1 - chance) * likelihood(ones, zeros + 1)
        assert next_one == pytest.approx(likelihood(ones, zeros), rel=1e-9)


def test_intervals_of_a_sum_are_wider_for_more_squares_and_for_a_smaller_level():
    widths = radius_of_sum([1.0, 10.0, 100.0], 10.0, ALPHA)
    assert all(one < other for one, other in pairwise(widths))
    assert radius_of_sum(10.0, 10.0, 0.01) > widths[1]


@examples(0.2)
@given(st.permutations(range(40)), st.integers(0, 40))
def test_arms_that_are_renamed_turn_the_sign(order, treated):
    arms = np.array([position < treated for position in order])
    mine = [
        Converter(at, TREATMENT if arm else CONTROL, 1, UNIT, UNIT, is_over=True)
        for at, arm in enumerate(arms)
    ]
    theirs = [one._replace(arm=CONTROL if one.arm == TREATMENT else TREATMENT) for one in mine]
    assert sums(mine, 0.5, ALPHA).orders.estimate == -sums(theirs, 0.5, ALPHA).orders.estimate
    assert conversions(mine, 0.5, ALPHA).log_e == pytest.approx(conversions(theirs, 0.5, ALPHA).log_e)


def test_the_least_number_of_people_is_of_each_arm():
    lopsided = [
        Converter(at, TREATMENT if at % 50 else CONTROL, 1, UNIT, UNIT, is_over=True)
        for at in range(40 * LEAST_OF_AN_ARM)
    ]
    assert sums(lopsided, 0.02, ALPHA).orders.low is None
    assert sums(lopsided * 2, 0.02, ALPHA).orders.low is not None

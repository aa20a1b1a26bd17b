"""The scatter of order values as seen in sums: right however orders are bundled, and enough to keep the promise of ROAS."""

from math import exp

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.evidence import OrderValues, pooled
from tests.bench import watching

SEED, CAMPAIGNS = 20_261_122, 2_000


def seen(rng, sigma, increments, a_time, price=60.0):
    """What a campaign shows: increments of ``a_time`` log-normal orders each."""
    values = OrderValues()
    for _ in range(increments):
        values = values.then(a_time, float(price * rng.lognormal(0, sigma, a_time).sum()))
    return values


@pytest.mark.parametrize("a_time", [1, 7])
@pytest.mark.parametrize("sigma", [0.4, 0.8])
def test_it_is_found_however_many_orders_come_at_a_time_and_whatever_campaigns_charge(a_time, sigma):
    rng = np.random.default_rng(SEED)
    shops = [seen(rng, sigma, 400, a_time, price) for price in (5.0, 60.0, 900.0) * 4]
    assert pooled(shops) == pytest.approx(exp(sigma**2), rel=0.08)


def test_orders_that_are_worth_nothing_are_seen():
    rng = np.random.default_rng(SEED)
    values = OrderValues()
    for _ in range(4_000):
        values = values.then(1, float(rng.random() < 0.5) * 60.0 * rng.lognormal(-0.32, 0.8))
    # E[X²]/E[X]² of a half is twice that of the whole.
    assert pooled([values]) == pytest.approx(2 * exp(0.64), rel=0.1)


def test_a_campaign_whose_orders_are_all_worth_nothing_says_nothing_of_their_scatter():
    assert pooled([OrderValues().then(1, 0.0).then(1, 0.0)]) is None


def test_nothing_is_known_before_two_increments():
    assert pooled([OrderValues().then(3, 90.0)] * 5) is None
    assert pooled([]) is None


@given(st.lists(st.tuples(st.integers(-2_000_000, 50_000_000), st.integers(-5, 10**15)), max_size=40))
def test_it_is_never_below_1_whatever_sums_do(increments):
    values = OrderValues()
    for orders, revenue in increments:
        values = values.then(orders / 1e6, revenue)  # credit comes in millionths, money in micros
    found = pooled([values])
    assert found is None or found >= 1


@pytest.mark.parametrize("sigma", [1.0, 1.2])
def test_with_what_three_hundred_orders_of_the_board_show_the_promise_of_roas_holds_again(sigma):
    shown = watching.shown(SEED, CAMPAIGNS, sigma)
    on = watching.watch(SEED, CAMPAIGNS, 1.0, sigma)
    assert watching.by_own_values(on, 1.5).ever > 0.15
    assert watching.by_own_values(on, shown).ever <= 0.06
    assert watching.by_values(on, shown).ever <= 0.06

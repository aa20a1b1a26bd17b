"""An interval of what groups of customers bring holds it as often as it says, where customers are as the models say."""

import numpy as np
import pytest

from metrics.customers.lifetime_value import RepeatBuying, fitted
from metrics.customers.purchasing import Buying

pytestmark = pytest.mark.slow
CUSTOMERS, GROUPS, WEEKS, LATER = 3_000, 60, 52.0, 26.0


def a_shop(rng):
    """Purchases one by one: the summary of the first year, and what each customer spends in the half year after."""
    rows, micros, later = [], [], []
    rates, leaving = rng.gamma(0.6, 1 / 6, CUSTOMERS), rng.beta(0.9, 2.6, CUSTOMERS)
    for rate, chance in zip(rates, leaving, strict=True):
        of_spend = rng.gamma(3.7) / 15.0
        at, x, last, spent, to_come = 0.0, 0, 0.0, 0.0, 0.0
        while True:
            at += rng.exponential(1 / rate)
            if at > WEEKS + LATER:
                break
            price = rng.gamma(6.2) / of_spend
            if at <= WEEKS:
                x, last, spent = x + 1, at, spent + price
            else:
                to_come += price
            if rng.random() < chance:
                break
        rows.append((x, last, WEEKS))
        micros.append(round(spent * 1e6))
        later.append(to_come)
    columns = np.array(rows)
    return RepeatBuying(
        Buying(columns[:, 0].astype(np.int64), columns[:, 1], columns[:, 2]), micros
    ), np.array(later)


def test_80_percent_intervals_hold_what_comes_in_about_80_percent_of_groups():
    inside = []
    for seed in (1, 2, 3):
        rng = np.random.default_rng(seed)
        repeats, later = a_shop(rng)
        groups = np.arange(CUSTOMERS) % GROUPS
        forecast = fitted(repeats, margin_ratio=1.0).forecast(repeats, groups, GROUPS, LATER, rng, draws=300)
        real = np.append(np.bincount(groups, later, GROUPS), later.sum())
        inside += list((forecast.group_low <= real) & (real <= forecast.group_high))
    assert 0.72 <= np.mean(inside) <= 0.88

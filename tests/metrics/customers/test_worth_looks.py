"""A verdict on what customers are worth: refused while cohorts are young, one look a month, and hardly ever wrong over all looks."""

import numpy as np
import pytest

from metrics.customers.run_off import CohortRun
from metrics.customers.worth_looks import level_of, worth_verdict
from metrics.values.money import MICROS

YEAR, LOOKS, CAMPAIGNS = 12, 12, 150
#: Margin of a customer in the first twelve months under the law of ``lives``, by 200 000 customers.
EXPECTED = 60.74


def runs(lives, over):
    """Cohorts as they are known when so many months are over since the first."""
    return [
        CohortRun(size, [round(each * MICROS) for each in margins[: over - n]])
        for n, (size, margins) in enumerate(lives[:over])
    ]


def lives(rng, count, quality=1.0):
    """Cohorts with their margins by month; customers buy at rates that scatter, and leave."""
    found = []
    for size in rng.integers(40, 300, count):
        rate = rng.gamma(0.6, 0.5, size)
        stays = rng.geometric(0.08, size)
        orders = rng.poisson(quality * rate[:, None] * (np.arange(count) < stays[:, None]))
        margins = (orders * rng.lognormal(3, 0.7, orders.shape)).sum(axis=0)
        found.append((int(size), margins))
    return found


def worth(whole):
    """What customers have brought in twelve months, in the end."""
    return sum(margins[:YEAR].sum() for _, margins in whole) / sum(size for size, _ in whole)


def test_levels_of_all_looks_add_up_to_what_is_promised():
    assert sum(level_of(look) for look in range(1, 100_000)) == pytest.approx(0.05, abs=1e-6)


def test_young_cohorts_and_unknown_spend_get_no_verdict():
    old = CohortRun(10, [MICROS] * YEAR)
    assert worth_verdict([old, old], 1) is None
    assert worth_verdict([old, old, CohortRun(10, [MICROS] * (YEAR - 1))], 1) is None
    assert worth_verdict([old] * 3, None) is None
    assert worth_verdict([old] * 3, 0) is None
    assert worth_verdict([old, old, old, CohortRun(0, [])], 1) is not None


@pytest.mark.parametrize(("spend", "verdict"), [(119, "good"), (120, "good"), (121, "bad")])
def test_cohorts_that_bring_alike_are_judged_by_their_ratio(spend, verdict):
    """Each customer brings 1 in each of twelve months."""
    found = worth_verdict([CohortRun(10, [10 * MICROS] * YEAR)] * 4, 4 * spend * MICROS)
    assert found is not None
    assert (found.verdict, found.look) == (verdict, 1)


def test_a_look_is_that_of_the_month_however_often_somebody_looks():
    rng = np.random.default_rng(1)
    whole = lives(rng, 20)
    found = [worth_verdict(runs(whole, over), 10**9) for over in (14, 14, 15, 16)]
    assert [each.look for each in found] == [1, 1, 2, 3]
    assert found[0] == found[1]


@pytest.mark.verify
def test_looked_at_every_month_for_a_year_hardly_any_verdict_is_ever_wrong():
    """The target is what customers bring on average, where a verdict is wrong most easily."""
    rng = np.random.default_rng(20)
    wrong = {"good": 0, "bad": 0}
    for _ in range(CAMPAIGNS):
        whole, told = lives(rng, YEAR + 2 + LOOKS), set()
        for over in range(YEAR + 2, YEAR + 2 + LOOKS):
            acquired = whole[:over]
            spend = round(EXPECTED * sum(size for size, _ in acquired) * MICROS)
            found = worth_verdict(runs(whole, over), spend)
            is_met = worth(acquired) >= EXPECTED
            told |= {found.verdict} & {"bad" if is_met else "good"}
        for verdict in told:
            wrong[verdict] += 1
    assert max(wrong.values()) <= 0.05 * CAMPAIGNS


def test_customers_that_bring_a_third_less_than_they_cost_are_found():
    rng = np.random.default_rng(21)
    found, campaigns = 0, 20
    for _ in range(campaigns):
        whole = lives(rng, YEAR + 2 + LOOKS, quality=2 / 3)
        spend = round(EXPECTED * sum(size for size, _ in whole) * MICROS)
        found += worth_verdict(runs(whole, YEAR + 2 + LOOKS), spend).verdict == "bad"
    assert found >= 0.8 * campaigns

"""What young cohorts will have brought: exact where nothing is chance, refused where too little is known, and held as often as promised."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.calendar import month_name
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.funnel import Acquisition
from metrics.customers.run_off import CohortRun, expected_value
from metrics.customers.side_by_side import side_by_side
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi
from metrics.values.money import MICROS

FIRST = 2026 * 12


@given(
    st.lists(st.integers(1, 500), min_size=3, max_size=14),
    st.lists(st.integers(0, 50), min_size=14, max_size=14),
    st.integers(1, 10**9),
)
def test_cohorts_that_bring_alike_leave_no_doubt(customers, by_age, spend):
    """The n-th cohort is n + 1 months old, and each customer brings the same at each age."""
    cohorts = [
        CohortRun(count, [count * margin * MICROS for margin in by_age[: n + 1]])
        for n, count in enumerate(customers)
    ]
    found = expected_value(cohorts, spend)
    months = min(12, len(customers) - 2)
    if months < 2:
        assert found is None
        return
    assert found is not None
    assert (found.months, found.cohorts) == (months, len(customers) - months + 1)
    value = sum(by_age[:months])
    assert (found.value, found.low, found.high) == pytest.approx((value, value, value), abs=1e-4)
    cac = spend / MICROS / sum(customers)
    assert found.to_cac == pytest.approx(found.value / cac)


def test_too_few_cohorts_give_nothing_and_unknown_spend_no_ratio():
    old = CohortRun(10, [MICROS, MICROS])
    assert expected_value([old, old], 1) is None
    assert expected_value([old, old, CohortRun(10, [MICROS])], 1) is None
    found = expected_value([old, old, old, CohortRun(0, [])], None)
    assert found is not None
    assert (found.to_cac, found.to_cac_low, found.to_cac_high) == (None, None, None)


def test_intervals_hold_what_comes_about_as_often_as_they_say():
    """Customers buy at rates that scatter, and leave: months of one customer depend on each other."""
    rng = np.random.default_rng(20)
    held, trials, months = 0, 400, 12
    for _ in range(trials):
        runs, whole = [], 0.0
        sizes = rng.integers(40, 300, 16)
        for n, size in enumerate(sizes):
            rate = rng.gamma(0.6, 0.5, size)
            stays = rng.geometric(0.08, size)
            ages = np.arange(months)
            orders = rng.poisson(rate[:, None] * (ages < stays[:, None]))
            margin = (orders * rng.lognormal(3, 0.7, orders.shape)).sum(axis=0)
            whole += float(margin.sum())
            runs.append(CohortRun(int(size), [round(each * MICROS) for each in margin[: n + 1]]))
        found = expected_value(runs, None)
        assert found is not None
        assert found.months == months
        held += found.low <= whole / int(sizes.sum()) <= found.high
    assert 0.75 <= held / trials <= 0.87


def record(campaign: str, cohort: str, cohorts: dict[int, CohortSums], over: int) -> CustomerKpi:
    version = CustomerVersion(1, "EUR", None, "2026-07-02T00:00:00Z")
    return compose_customers(campaign, cohort, cohorts, over, Acquisition(50 * MICROS), version)


def test_the_matrix_of_all_campaigns_is_that_of_their_sums():
    over = FIRST + 3
    cohort = {FIRST: CohortSums(4, 2, {FIRST: CohortMonth(4, 0, 4, 40), FIRST + 1: CohortMonth(1, 1, 1, 10)})}
    other = {FIRST: CohortSums(6, 0, {FIRST: CohortMonth(6, 0, 6, 60)})}
    records = [
        record("a", ALL_COHORTS, cohort, over),
        record("b", ALL_COHORTS, other, over),
        record("gone", ALL_COHORTS, {}, over),
        record("a", month_name(FIRST), cohort, over),
        record("b", month_name(FIRST), other, over - 1),  # has not heard yet that a month is over
    ]
    shown = side_by_side(records, None, "declared")
    assert [(each.campaign_id, each.customers) for each in shown.campaigns] == [("b", 6), ("a", 4)]
    (line,) = shown.cohorts
    assert (line.cohort, line.customers, line.repeat_rate) == ("2026-01", 10, 0.2)
    assert line.retention == [1.0, 0.1, 0.0]
    (own,) = side_by_side(records, "a", "declared").cohorts
    assert (own.customers, own.retention) == (4, [1.0, 0.25, 0.0])


def test_records_of_before_it_was_published_say_it_by_their_cohorts_where_these_are_all_customers():
    cohorts = {FIRST + n: CohortSums(5, 0, {FIRST + n: CohortMonth(5, 0, 5, 5 * MICROS)}) for n in range(4)}
    of_months = [record("a", month_name(month), {month: each}, FIRST + 5) for month, each in cohorts.items()]
    total = msgspec.structs.replace(record("a", ALL_COHORTS, cohorts, FIRST + 5), worth=None)
    (known,) = side_by_side([total, *of_months], None, "declared").campaigns
    assert known.expected is not None
    assert known.expected.to_cac == pytest.approx(known.expected.value / 2.5)
    (partly,) = side_by_side([total, *of_months[:3]], None, "declared").campaigns
    assert partly.expected is None

"""Records of cohorts by week: figures keep their units, and a year is 52 of them."""

from zoneinfo import ZoneInfo

import pytest

from metrics.customers.calendar import MONTHS_OF, CustomerCalendar
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.engagement import Kind
from metrics.customers.funnel import Acquisition
from metrics.customers.run_off import CohortRun
from metrics.customers.side_by_side import side_by_side
from metrics.customers.worth_looks import worth_verdict
from metrics.records.customer_kpi import ALL_COHORTS
from metrics.values.money import MICROS

WEEKS = CustomerCalendar(ZoneInfo("UTC"), "week")
FIRST = WEEKS.of(1_785_700_000_000)
VERSION = CustomerVersion(1, "EUR", None, "2026-07-02T00:00:00Z")


def cohort(acquired: int, ages: int) -> CohortSums:
    """Ten customers who bring 100 in each week; a contract of 30 a month each, of which one in ten ends in a later week."""
    months = {acquired + age: CohortMonth(10, 0, 10, 100 * MICROS) for age in range(ages)}
    counts = {acquired: {Kind.CONTRACTS: 10, Kind.VALUED: 10, Kind.MONTHLY: 300 * MICROS, Kind.BILLED: 1}}
    counts[acquired + 1] = {Kind.ENDED: 1, Kind.VALUED: -1, Kind.MONTHLY: -30 * MICROS}
    return CohortSums(10, 0, months, counts)


def test_months_to_pay_back_and_the_life_of_a_contract_are_in_months():
    cohorts = {FIRST: cohort(FIRST, 9)}
    spent = Acquisition(900 * MICROS)
    record = compose_customers("c", ALL_COHORTS, cohorts, FIRST + 9, spent, VERSION, "week")
    assert record.period == "week"
    assert record.kpis["payback_months"] == pytest.approx(9 * MONTHS_OF["week"], abs=1e-6)
    assert record.kpis["mrr"] == 270.0
    # One of 10 + 9 · 7 contracts that ran when a week began has ended.
    assert record.kpis["contract_clv"] == pytest.approx(30 * MONTHS_OF["week"] * 73, abs=1e-3)
    assert [each.month for each in record.months] == [WEEKS.name(FIRST + age) for age in range(9)]
    by_month = compose_customers("c", ALL_COHORTS, cohorts, FIRST + 9, spent, VERSION)
    assert by_month.kpis["payback_months"] == 9
    assert by_month.kpis["contract_clv"] == 30.0 * 73


@pytest.mark.parametrize(("weeks", "is_judged"), [(53, False), (54, True)])
def test_a_verdict_comes_when_three_cohorts_have_lived_for_a_year_of_weeks(weeks, is_judged):
    cohorts = {FIRST + n: cohort(FIRST + n, weeks - n) for n in range(weeks)}
    over = FIRST + weeks
    records = [
        compose_customers("c", WEEKS.name(week), {week: each}, over, Acquisition(), VERSION, "week")
        for week, each in cohorts.items()
    ]
    spent = Acquisition(10 * MICROS)
    records.append(compose_customers("c", ALL_COHORTS, cohorts, over, spent, VERSION, "week"))
    shown = side_by_side(records, None, "declared")
    (campaign,) = shown.campaigns
    assert shown.period == "week"
    assert shown.cohorts[0].cohort == WEEKS.name(FIRST)
    assert campaign.expected is not None
    assert campaign.expected.months == min(52, weeks - 2)
    assert (campaign.judged is not None) == is_judged
    if campaign.judged is not None:
        assert (campaign.judged.look, campaign.judged.verdict) == (1, "good")


@pytest.mark.parametrize("newest", ["month", "week"])
def test_records_that_are_left_of_another_period_are_not_shown_beside_those_of_the_deployment(newest):
    """Views keep records for some days after accounts were forgotten and cohorts go by another period."""
    periods = {"month": CustomerCalendar(ZoneInfo("UTC")), "week": WEEKS}
    records = []
    for period, calendar in periods.items():
        acquired = calendar.of(1_785_700_000_000)
        version = VERSION._replace(published_at=f"2026-08-0{5 if period == newest else 4}T00:00:00Z")
        cohorts = {acquired: cohort(acquired, 3)}
        for campaign, name in (("both", calendar.name(acquired)), (period, ALL_COHORTS)):
            records.append(
                compose_customers(campaign, name, cohorts, acquired + 3, Acquisition(), version, period)
            )
    shown = side_by_side(records, None, "declared")
    assert shown.period == newest
    assert [each.campaign_id for each in shown.campaigns] == [newest]
    assert [each.cohort for each in shown.cohorts] == [
        periods[newest].name(periods[newest].of(1_785_700_000_000))
    ]


def test_a_year_of_months_is_too_young_for_a_verdict_on_weeks():
    runs = [CohortRun(10, [MICROS] * 14) for _ in range(5)]
    assert worth_verdict(runs, 5 * MICROS) is not None
    assert worth_verdict(runs, 5 * MICROS, period="week") is None

"""What is published of what customers are expected to bring is what their cohorts say, and a verdict that is not to be had has its reason."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from metrics.customers.calendar import CustomerCalendar
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.funnel import Acquisition
from metrics.customers.side_by_side import side_by_side
from metrics.customers.worth import WORTH_FIGURES
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi
from metrics.values.money import MICROS

VERSION = CustomerVersion(1, "EUR", None, "2026-07-02T00:00:00Z")
CALENDARS = {period: CustomerCalendar(ZoneInfo("UTC"), period) for period in ("month", "week")}
YEAR = {"month": 12, "week": 52}
FIRST = {period: calendar.of(1_785_700_000_000) for period, calendar in CALENDARS.items()}


def cohorts(
    first: int, over: int, bring: int = 10, customers: int = 10, **uncertain: int
) -> dict[int, CohortSums]:
    """A cohort in each month, each of whose customers brings so many units in every month that is over."""
    of_month = CohortMonth(customers, 0, customers, customers * bring * MICROS, **uncertain)
    return {
        acquired: CohortSums(customers, 0, dict.fromkeys(range(acquired, over), of_month))
        for acquired in range(first, over)
    }  # fmt: skip


def records(
    found: dict[int, CohortSums], over: int, acquisition: Acquisition, period: str
) -> list[CustomerKpi]:
    """Of all cohorts, first, and of each."""
    name = CALENDARS[period].name
    total = compose_customers("c", ALL_COHORTS, found, over, acquisition, VERSION, period)
    return [
        total,
        *(
            compose_customers("c", name(month), {month: sums}, over, Acquisition(), VERSION, period)
            for month, sums in found.items()
        ),
    ]


@given(
    st.sampled_from(["month", "week"]),
    st.integers(0, 60),
    st.data(),
    st.one_of(st.none(), st.integers(0, 10**12)),
)
def test_the_record_says_what_the_records_of_its_cohorts_say(period, lived, data, spend):
    first, over = FIRST[period], FIRST[period] + lived
    margins = st.integers(-(10**9), 10**10)
    found = {
        acquired: CohortSums(
            data.draw(st.integers(0, 50)),
            0,
            {month: CohortMonth(1, 0, 1, data.draw(margins)) for month in range(acquired, over + 1, 1 + lived // 7)},
        )
        for acquired in range(first, over + 1, 1 + lived // 9)
    }  # fmt: skip
    total, *others = records(found, over, Acquisition(spend), period)
    backwards = dict(reversed(found.items()))
    assert compose_customers("c", ALL_COHORTS, backwards, over, Acquisition(spend), VERSION, period) == total
    assert [each.worth for each in others] == [None] * len(others)
    assert all(each.kpis[name] is None for each in others for name in WORTH_FIGURES)
    if not total.sums.customers:
        return
    (published,) = side_by_side([total], None, "declared").campaigns
    (from_cohorts,) = side_by_side([replace(total, worth=None), *others], None, "declared").campaigns
    for said, made in (
        (published.expected, from_cohorts.expected),
        (published.judged, from_cohorts.judged),
    ):
        assert (said is None) == (made is None)
        if said is not None and made is not None:
            assert astuple(said) == tuple(
                pytest.approx(each, abs=1e-6, rel=1e-9) if isinstance(each, float) else each
                for each in astuple(made)
            )
    assert total.worth is not None
    assert (total.worth.expected_waits_for is None) == (total.kpis["clv_expected_to_cac"] is not None)
    assert (total.worth.waits_for is None) == (total.worth.verdict in {"good", "bad"})


@pytest.mark.parametrize("period", ["month", "week"])
def test_a_verdict_that_is_not_to_be_had_has_its_reason(period):
    def worth(lived: int, spend: int | None = 10 * MICROS, **more: int):
        first = FIRST[period]
        found = cohorts(first, first + lived, **more)
        return compose_customers(
            "c", ALL_COHORTS, found, first + lived, Acquisition(spend), VERSION, period
        ).worth

    year = YEAR[period]
    young = worth(3)
    assert (young.months, young.cohorts, young.expected_waits_for, young.verdict, young.waits_for) == (
        None,
        None,
        "cohorts",
        None,
        "year",
    )
    growing = worth(year + 1)
    assert (growing.months, growing.expected_waits_for, growing.verdict, growing.waits_for) == (
        year - 1,
        None,
        None,
        "year",
    )
    unknown = worth(year + 2, None)
    assert (unknown.expected_waits_for, unknown.verdict, unknown.waits_for) == ("spend", None, "spend")
    assert (worth(year + 2, uncertain=1).verdict, worth(year + 2, uncertain=1).waits_for) == (None, "rates")
    grown = worth(year + 3)
    assert (grown.verdict, grown.waits_for, grown.look) == ("good", None, 2)
    assert grown.low >= 1


def test_an_amount_of_the_campaign_that_is_worth_nobody_knows_what_leaves_no_verdict():
    first = FIRST["month"]
    found = cohorts(first, first + 14)
    known, unknown = (
        compose_customers("c", ALL_COHORTS, found, first + 14, Acquisition(10 * MICROS, is_uncertain=each), VERSION).worth
        for each in (False, True)
    )  # fmt: skip
    assert (known.verdict, unknown.verdict, unknown.waits_for) == ("good", None, "rates")
    # The month that goes on is in no verdict.
    found[first].months[first + 14] = CohortMonth(1, 0, 1, MICROS, uncertain=1)
    still = compose_customers("c", ALL_COHORTS, found, first + 14, Acquisition(10 * MICROS), VERSION)
    assert (still.worth.verdict, still.has_uncertain_amounts) == ("good", True)


@pytest.mark.parametrize(
    ("acquired", "verdict", "waits_for"),
    [(None, "bad", None), (140, "bad", None), (200, "bad", None), (400, "inconclusive", "customers")],
)
def test_customers_of_whom_accounts_know_nothing_may_bring_as_much_as_the_others(
    acquired, verdict, waits_for
):
    """Accounts were kept later than the campaign began: its spend has won 400 customers, and accounts hold 140."""
    first, over = FIRST["month"], FIRST["month"] + 14
    # Each of the 140 brings 120 in a year, and has cost 240; each of 400 has cost 84.
    spend = Acquisition(140 * 240 * MICROS, customers=acquired)
    found = compose_customers("c", ALL_COHORTS, cohorts(first, over), over, spend, VERSION).worth
    assert (found.verdict, found.waits_for) == (verdict, waits_for)
    assert found.low == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5 * max(140, acquired or 0) / 140)


def test_the_page_of_customers_has_every_kpi_of_what_is_expected():
    page = Path("docs/customers.md").read_text(encoding="utf-8")
    table = page.partition("<!-- worth-figures:begin -->")[2].partition("<!-- worth-figures:end -->")[0]
    lines = [line.strip("| ").split(" | ") for line in table.strip().splitlines()[2:]]
    shown = [(name.strip("`"), *others) for name, *others in lines]
    assert shown == [(name, each.formula, each.unit, each.undefined) for name, each in WORTH_FIGURES.items()]

"""The funnel in front of customers: steps divide as they are named, and make the whole way together."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.calendar import month_name
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.customers.composing import CustomerVersion, compose_customers
from metrics.customers.funnel import FUNNEL_FIGURES, Acquisition, FunnelReading, acquisition_of
from metrics.customers.side_by_side import side_by_side
from metrics.records.customer_kpi import ALL_COHORTS
from metrics.values.money import MICROS
from tests.support.exposed import reading

counts = st.integers(0, 10**6)
unknown = st.none()


@given(counts | unknown, counts | unknown, counts, st.integers(-(10**12), 10**12))
def test_a_rate_is_null_where_it_would_divide_by_nothing_known_and_nowhere_else(
    clicks, leads, customers, net
):
    funnel = FunnelReading(Acquisition(None, clicks, leads), customers, net)
    found = {name: figure.read(funnel) for name, figure in FUNNEL_FIGURES.items()}
    assert (found["lead_rate"] is None) == (not clicks or leads is None)
    assert (found["customer_rate"] is None) == (not leads)
    assert (found["acquisition_rate"] is None) == (not clicks)
    assert (found["revenue_per_click"] is None) == (not clicks)


@given(st.integers(1, 10**4), st.integers(1, 10**4), counts, st.integers(0, 10**12))
def test_steps_make_the_whole_way_and_a_customer_brings_what_the_clicks_before_did(
    clicks, leads, customers, net
):
    funnel = FunnelReading(Acquisition(None, clicks, leads), customers, net)
    whole = funnel.acquisition_rate
    # Rates are rounded to the sixth decimal.
    near = 1e-6 * (1 + funnel.lead_rate + funnel.customer_rate)
    assert whole == pytest.approx(funnel.lead_rate * funnel.customer_rate, abs=near)
    assert funnel.revenue_per_click * clicks == pytest.approx(net / MICROS, abs=1e-6 * clicks)


def test_a_campaign_has_a_funnel_and_the_cohort_of_a_month_what_follows_the_first_order():
    month = 2026 * 12
    sums = CohortSums(20, 5, {month: CohortMonth(20, 0, 25, 900 * MICROS, 100 * MICROS)})
    version = CustomerVersion(1, "EUR", None, "2026-07-02T00:00:00Z")
    total = compose_customers(
        "c", ALL_COHORTS, {month: sums}, month + 1, Acquisition(50 * MICROS, 400, 100), version
    )
    cohort = compose_customers("c", month_name(month), {month: sums}, month + 1, Acquisition(), version)
    assert (total.sums.clicks, total.sums.leads, total.sums.spend_micros) == (400, 100, 50 * MICROS)
    assert {name: total.kpis[name] for name in FUNNEL_FIGURES} == {
        "lead_rate": 0.25, "customer_rate": 0.2, "acquisition_rate": 0.05, "revenue_per_click": 2.0,
    }  # fmt: skip
    assert (cohort.sums.clicks, cohort.sums.leads) == (None, None)
    assert {cohort.kpis[name] for name in FUNNEL_FIGURES} == {None}
    assert cohort.kpis["repeat_rate"] == 0.25
    (shown,) = side_by_side([total, cohort], None, "declared").campaigns
    assert shown.funnel is not None
    assert (shown.funnel.clicks, shown.funnel.leads, shown.funnel.repeaters) == (400, 100, 5)
    assert (shown.funnel.kpis["customer_rate"], shown.funnel.kpis["repeat_rate"]) == (0.2, 0.25)


def test_the_page_has_a_row_for_every_figure_and_no_other():
    page = (Path(__file__).parents[3] / "docs/customers.md").read_text()
    table = page.partition("<!-- funnel-figures:begin -->")[2].partition("<!-- funnel-figures:end -->")[0]
    shown = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", table, flags=re.MULTILINE)
    assert shown == [(name, each.formula, each.unit, each.undefined) for name, each in FUNNEL_FIGURES.items()]


@pytest.mark.parametrize(
    ("model", "leads", "customers", "found"),
    [("declared", 4, 3, (4, 3)), ("linear", 4.25, 2.000001, (4.25, 3)), ("linear", 0, 0, (0, 0))],
)
def test_a_model_credits_parts_of_leads_and_may_have_won_whoever_it_is_credited_a_part_of(
    model, leads, customers, found
):
    total = reading("total", leads=leads, new_customers=customers)
    acquisition = acquisition_of(msgspec.structs.replace(total, model=model))
    assert (acquisition.leads, acquisition.customers) == found
    assert isinstance(acquisition.leads, type(found[0]))

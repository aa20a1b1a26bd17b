"""Each KPI by the worked examples of its definition, and its edges by name."""

import pytest

from metrics.kpis import formulas as kpis
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.kpi_reading import Sums
from metrics.values.time import DAY, MINUTE

EUR = 1_000_000


def sums(**figures):
    zero = dict.fromkeys(Sums.__struct_fields__, 0)
    return Sums(**{**zero, **figures})


def values(window, total=None, **more):
    return compute(KpiInputs(sums=window, total=total or window, **more))


def test_the_record_of_the_contract():
    window = sums(
        clicks=10,
        leads=2,
        orders=1,
        new_customers=1,
        spend_micros=3_700_000,
        revenue_micros=50 * EUR,
        cost_of_goods_micros=20 * EUR,
    )
    expected = {
        "ctr": None,
        "cpc": 0.37,
        "cpm": None,
        "cpl": 1.85,
        "cac": 3.7,
        "aov": 50.0,
        "roas": 13.513514,
        "lead_rate": 0.2,
        "customer_rate": 0.5,
        "roi_net_profit": 7.108108,
    }
    assert {key: values(window)[key] for key in expected} == expected


def test_thirty_thousand_euros_for_two_hundred_leads_are_150_each():
    assert values(sums(spend_micros=30_000 * EUR, leads=200))["cpl"] == 150.0


def test_one_campaign_has_three_returns_and_each_is_named():
    window = sums(
        spend_micros=200 * EUR, cost_of_goods_micros=600 * EUR, revenue_micros=1200 * EUR, new_customers=1
    )
    figures = values(window, baseline_micros_per_day=0, baseline_length_ms=MINUTE)
    assert figures["roi_net_profit"] == 2.0  # (1200 − 600 − 200) / 200
    assert figures["roi_incremental"] == 5.0  # (1200 − 200) / 200
    assert figures["roas"] == 6.0


def test_the_cost_of_a_campaign_counts_once_however_many_deals_it_wins():
    window = sums(spend_micros=1000 * EUR, revenue_micros=3000 * EUR, orders=3)
    assert values(window)["roi_net_profit"] == 2.0


def test_a_window_without_anything_has_no_figure_at_all():
    assert set(values(sums()).values()) == {None}


def test_spend_without_a_lead_is_never_a_cost_of_zero():
    assert values(sums(spend_micros=5 * EUR, clicks=3))["cpl"] is None


def test_unknown_cost_figures_silence_only_the_kpis_that_need_them():
    window = sums(
        impressions=None,
        clicks=None,
        spend_micros=None,
        leads=2,
        new_customers=1,
        orders=1,
        revenue_micros=EUR,
    )
    figures = values(window, baseline_micros_per_day=0, baseline_length_ms=1)
    assert {key for key, value in figures.items() if value is not None} == {"customer_rate", "aov"}


def test_full_acquisition_cost_adds_what_is_not_media():
    window = sums(spend_micros=6 * EUR, other_cost_micros=3 * EUR, new_customers=2)
    figures = values(window)
    assert (figures["cac"], figures["cac_full"]) == (3.0, 4.5)


def test_an_organic_campaign_has_no_return():
    figures = values(sums(revenue_micros=100 * EUR, leads=3, new_customers=1, orders=1))
    assert [figures[key] for key in figures if key.startswith("roi") or key == "roas"] == [None] * 5


def test_other_cost_alone_gives_a_net_return_but_no_roas():
    figures = values(sums(other_cost_micros=50 * EUR, revenue_micros=100 * EUR))
    assert figures["roi_net_profit"] == 1.0
    assert figures["roas"] is None


def test_a_return_falls_below_minus_one_when_refunds_exceed_revenue():
    window = sums(spend_micros=10 * EUR, refunds_micros=5 * EUR)
    assert values(window)["roi_net_profit"] == -1.5
    assert values(window)["roas"] == -0.5


def test_refunds_and_cancellations_lower_the_order_value():
    window = sums(orders=4, cancelled_orders=1, revenue_micros=200 * EUR, refunds_micros=50 * EUR)
    assert values(window)["aov"] == 50.0


def test_additional_revenue_takes_off_the_usual_of_those_days():
    window = sums(spend_micros=100 * EUR, revenue_micros=1000 * EUR)
    figures = values(window, baseline_micros_per_day=200 * EUR, baseline_length_ms=3 * DAY)
    assert figures["roi_incremental"] == 3.0  # (1000 − 600 − 100) / 100
    assert values(window, baseline_length_ms=DAY)["roi_incremental"] is None
    assert values(window, baseline_micros_per_day=1)["roi_incremental"] is None


def test_lead_value_and_conversion_rate_compare_now_with_the_whole_history():
    # History: 1 lead in 20 becomes a customer with a margin of 120, so a lead is worth 6.
    total = sums(leads=100, new_customers=5, revenue_micros=1000 * EUR, cost_of_goods_micros=400 * EUR)
    # Now: a lead costs 3; 2 of 10 became customers, 30 spent: a customer costs 15.
    window = sums(leads=10, new_customers=2, spend_micros=30 * EUR)
    figures = values(window, total)
    assert figures["roi_lead_value"] == 1.0  # 6 / 3 − 1
    assert figures["roi_conversion_rate"] == 7.0  # 120 / 15 − 1


def test_no_margin_at_all_is_a_return_of_minus_one_by_both_methods():
    window = sums(leads=4, new_customers=1, spend_micros=EUR)
    figures = values(window)
    assert (figures["roi_lead_value"], figures["roi_conversion_rate"]) == (-1.0, -1.0)


def test_cohorts_and_distinct_customers_count_once_they_are_known():
    window = sums(revenue_micros=90 * EUR)
    figures = values(window, cohort_mqls=4, cohort_sqls=3, distinct_customers=2)
    assert figures["mql_to_sql"] == 0.75
    assert figures["revenue_per_customer"] == 45.0
    assert values(window)["mql_to_sql"] is None
    assert values(window)["revenue_per_customer"] is None


def test_fractional_credit_is_taken_to_its_last_decimal():
    window = sums(leads=0.333333, spend_micros=EUR, new_customers=0.666666, orders=1.5)
    figures = values(window)
    assert figures["cpl"] == 3.000003
    assert figures["customer_rate"] == 2.0
    assert figures["cpa"] == 0.666667


@pytest.mark.parametrize(
    ("spend_micros", "clicks", "expected"),
    [(1, 2, 0.0), (3, 2, 0.000002), (5, 2, 0.000002), (5, 4, 0.000001), (7, 4, 0.000002)],
)
def test_halves_round_to_even_at_the_sixth_decimal(spend_micros, clicks, expected):
    assert kpis.cpc(spend_micros, clicks) == expected


def test_sums_far_beyond_floats_stay_exact():
    big = 10**24 + 1
    assert kpis.cpl(big * EUR, big) == 1.0
    assert kpis.millionths(4_503_599_627.370495) == 4_503_599_627_370_495
    assert kpis.millionths(8_589_934_591.999999) == 8_589_934_591_999_999
    assert kpis.millionths(576_460_752_305.0) == 576_460_752_305_000_000

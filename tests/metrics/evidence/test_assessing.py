"""The promises of evidence, by simulation with fixed seeds, and what a single assessment says."""

from math import exp, inf, lgamma, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.evidence import EvidenceOptions, assess, log_e_above, log_e_below
from metrics.evidence.martingale import value_interval
from metrics.records.kpi_reading import Sums
from metrics.values.money import MICROS
from tests.bench import watching

SEED, CAMPAIGNS = 20_261_122, 2_000


def sums(**more):
    nothing = dict.fromkeys(Sums.__struct_fields__, 0)
    return Sums(**(nothing | more))


@pytest.mark.slow
def test_at_most_6_percent_of_campaigns_on_target_are_ever_paused_and_the_usual_rule_pauses_half():
    paths = watching.watch(SEED, CAMPAIGNS, cost_ratio=1.0)
    assert 0.01 < watching.by_counts(paths).ever <= 0.06
    assert watching.by_threshold(paths).ever > 0.4


@pytest.mark.slow
def test_at_twice_the_target_the_median_pause_comes_by_25_times_and_95_percent_by_60_times():
    caught = watching.by_counts(watching.watch(SEED, CAMPAIGNS, cost_ratio=2.0))
    assert caught.median <= 25
    assert caught.p95 <= 60


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.4, 0.8, 1.2])
def test_the_same_holds_for_roas_with_log_normal_order_values_of_known_mean(sigma):
    on = watching.watch(SEED, CAMPAIGNS, cost_ratio=1.0, sigma=sigma)
    bad = watching.watch(SEED, CAMPAIGNS, cost_ratio=2.0, sigma=sigma)
    caught = watching.by_values(bad, exp(sigma**2))
    assert 0.01 < watching.by_values(on, exp(sigma**2)).ever <= 0.06
    assert caught.median <= 25
    assert caught.p95 <= 60
    assert watching.by_value_threshold(on).ever > 0.4


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "median", "share"), [(0.4, 25, 0.99), (0.8, 40, 0.9), (1.2, 80, 0.6)])
def test_with_its_own_mean_no_more_healthy_campaigns_are_paused_but_wide_values_cost_time(
    sigma, median, share
):
    on = watching.watch(SEED, CAMPAIGNS, cost_ratio=1.0, sigma=sigma)
    caught = watching.by_own_values(watching.watch(SEED, CAMPAIGNS, 2.0, sigma), exp(sigma**2))
    assert watching.by_own_values(on, exp(sigma**2)).ever <= 0.06
    assert caught.median <= median
    assert caught.ever >= share


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.8])
def test_orders_of_half_the_value_are_seen_as_soon(sigma):
    small = watching.watch(SEED, CAMPAIGNS, cost_ratio=1.0, sigma=sigma, value_ratio=0.5)
    caught = watching.by_values(small, exp(sigma**2))
    assert caught.median <= 25
    assert caught.p95 <= 60


def test_a_known_order_value_lets_missing_orders_speak():
    few = sums(spend_micros=400 * MICROS, orders=2, revenue_micros=120 * MICROS)
    wide = {"order_value_dispersion": 20.0}
    known = EvidenceOptions(order_value_micros=60 * MICROS, **wide)
    assert assess(few, {"roas": 3 * MICROS}, EvidenceOptions(**wide)) == {}
    assert assess(few, {"roas": 3 * MICROS}, known)["roas"].verdict == "bad"


@pytest.mark.slow
def test_values_that_scatter_wider_than_they_are_said_to_break_the_promise_as_the_documentation_says():
    on = watching.watch(SEED, CAMPAIGNS, cost_ratio=1.0, sigma=1.0)
    assert 0.1 < watching.by_values(on, 1.5).ever < 0.25
    assert watching.by_values(on, exp(1.0)).ever <= 0.06


@pytest.mark.parametrize(("count", "expected"), [(0, 1.0), (3, 10.0), (40, 60.0), (7, 7.0), (200, 190.0)])
def test_the_mixture_is_kummers_function(count, expected):
    # B(n + 2, 2) / B(2, 2) · 1F1(2; n + 4; Λ)
    term, total = 1.0, 1.0
    for k in range(2_000):
        term *= (2 + k) / (count + 4 + k) * expected / (k + 1)
        total += term
    closed = lgamma(count + 2) + lgamma(4) - lgamma(count + 4) - lgamma(2) + log(total)
    assert float(log_e_below(count, expected)) == pytest.approx(closed, abs=1e-6)


@pytest.mark.parametrize("expected", [0.5, 12.0, 60.0])
@pytest.mark.parametrize("log_e", [log_e_below, log_e_above])
def test_an_e_value_has_mean_1_under_its_hypothesis(log_e, expected):
    counts = np.arange(400.0)
    chances = counts * log(expected) - expected - np.array([lgamma(n + 1) for n in counts])
    found = np.exp(chances + log_e(counts, expected)).sum()
    assert found <= 1 + 1e-9
    assert log_e is log_e_above or found == pytest.approx(1.0)


def test_the_value_interval_holds_the_truth_at_all_times_together():
    sigma, missed = 0.8, 0
    paths = watching.watch(SEED, 60, cost_ratio=1.0, sigma=sigma)
    for spend, value in zip(paths.spend[:, 2::4], paths.value[:, 2::4], strict=True):
        seen = [(s, v) for s, v in zip(spend, value, strict=True) if s < inf]
        ends = [value_interval(v, s, exp(sigma**2)) for s, v in seen]
        missed += not all(low <= 1 <= high for low, high in ends)
    assert missed <= 3


@given(st.integers(0, 500), st.floats(0.1, 1e6), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_less_completeness_never_speaks_more_against_a_campaign(leads, spend, one, other):
    low, high = sorted((one, other))
    found = [
        assess(sums(leads=leads, spend_micros=round(spend * MICROS)), {"cpl": 5 * MICROS}, completeness=share)
        for share in (low, high)
    ]
    bad = [0.0 if not each else each["cpl"].probability_bad for each in found]
    assert bad[0] <= bad[1] + 1e-6
    if found[0] and found[0]["cpl"].verdict == "bad":
        assert found[1]["cpl"].verdict == "bad"


def test_spend_without_leads_is_bad_in_time_and_immature_spend_is_not():
    spent = sums(spend_micros=40 * MICROS)
    assert assess(spent, {"cpl": 2 * MICROS})["cpl"].verdict == "bad"
    assert assess(spent, {"cpl": 2 * MICROS}, completeness=0.2)["cpl"].verdict == "inconclusive"
    assert assess(spent, {"cpl": 2 * MICROS}, completeness=0.0) == {}


def test_no_interval_is_told_of_spend_whose_results_are_hardly_due():
    some = sums(spend_micros=40 * MICROS, leads=2)
    found = [assess(some, {"cpl": 2 * MICROS}, completeness=share)["cpl"] for share in (0.05, 0.5)]
    assert found[0].interval == (None, None)
    assert found[1].interval[0] < 40 * 0.5 / 2 < found[1].interval[1]


def test_a_good_campaign_is_called_good_and_its_interval_holds_its_figure():
    found = assess(sums(spend_micros=100 * MICROS, leads=100), {"cpl": 2 * MICROS})["cpl"]
    low, high = found.interval
    assert found.verdict == "good"
    assert low < 1.0 < high < 2.0
    assert found.probability_bad < 0.001


def test_moderate_margins_in_money_are_good_news_in_time():
    spent = {"spend_micros": 12_000 * MICROS, "orders": 800}
    found = [
        assess(sums(**spent, revenue_micros=round(margin * 36_000) * MICROS), {"roas": 3 * MICROS})[
            "roas"
        ].verdict
        for margin in (1.0, 1.05, 1.35)
    ]
    assert found == ["inconclusive", "inconclusive", "good"]


def test_roas_and_roi_are_judged_by_what_is_kept_of_the_orders():
    brought = sums(
        spend_micros=1_000 * MICROS,
        orders=40,
        revenue_micros=1_200 * MICROS,
        refunds_micros=100 * MICROS,
        cost_of_goods_micros=600 * MICROS,
    )
    found = assess(brought, {"roas": 3 * MICROS, "roi": 500_000}, EvidenceOptions())
    assert found["roas"].verdict == "bad"
    assert found["roi"].verdict == "bad"
    assert found["roas"].interval[0] < 1.1 < found["roas"].interval[1]
    assert found["roi"].interval[0] < -0.5 < found["roi"].interval[1]


def test_without_orders_roas_is_judged_only_where_an_order_value_is_known():
    nothing = sums(spend_micros=2_000 * MICROS)
    known = EvidenceOptions(order_value_micros=60 * MICROS)
    assert assess(nothing, {"roas": 3 * MICROS}) == {}
    assert assess(nothing, {"roas": 3 * MICROS}, known)["roas"].verdict == "bad"


def test_unknown_spend_says_nothing_and_completeness_beyond_1_is_refused():
    assert assess(sums(spend_micros=None, leads=3), {"cpl": MICROS}) == {}
    with pytest.raises(ValueError, match="not between 0 and 1"):
        assess(sums(), {}, completeness=1.5)

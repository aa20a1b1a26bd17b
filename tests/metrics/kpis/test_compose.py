"""Readings: the cost basis decides what counts, reports count where their periods fit, dates spread other cost."""

from zoneinfo import ZoneInfo

import pytest

from metrics.attribution.conversion_lag import ConversionLags, LagCounts
from metrics.entities.campaigns import CampaignFacts
from metrics.entities.reports import Report
from metrics.kpis.compose import ReadingVersion, baseline_length, compose, other_cost
from metrics.sums.tally import Tally
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, QUARTER
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL, horizon
from metrics.windows.window_kinds import Span, rolling_spans
from tests.support.one_campaign import OneCampaign

UTC = ZoneInfo("UTC")
STAMP = ReadingVersion(1, DAY, DAY, "EUR")
EVENTS = Tally(impressions=9, clicks=5, leads=2, spend_micros=50)
SPANS = {
    "1m": Span(0, MINUTE),
    "5m": Span(0, 5 * MINUTE),
    "1h": Span(0, HOUR),
    "today": Span(0, 15 * MINUTE),
    "24h": Span(0, DAY),
    "1d": Span(0, DAY),
    "total": None,
}


def reading(window, account, *, is_reported=True):
    facts = CampaignFacts("c", is_reported=is_reported)
    return compose(account, facts, window, SPANS[window], EVENTS, EVENTS, "update", STAMP)


def account_with(*periods):
    account = OneCampaign()
    for source, end in enumerate(periods):
        account.report(Report(str(source), None, 0, end, (0, 0, 0), 2400, 240, 24_000, 0))
    return account


# report [0, 24 h): it counts in days, in today (even in its first quarter) and in the total, nowhere shorter
@pytest.mark.parametrize(
    ("window", "clicks"),
    [("1m", None), ("5m", None), ("1h", None), ("today", 2), ("24h", 240), ("1d", 240), ("total", 240)],
)
def test_a_long_report_counts_in_long_windows(window, clicks):
    found = reading(window, account_with(DAY))
    assert found.sums.clicks == clicks
    assert (found.sums.leads, found.other_basis.clicks) == (2, 5)


@pytest.mark.parametrize(
    ("window", "clicks"),
    [("1m", None), ("5m", None), ("1h", 240), ("today", 60), ("1d", 240), ("total", 240)],
)
def test_a_report_of_an_hour_counts_in_the_hour_too(window, clicks):
    assert reading(window, account_with(HOUR)).sums.clicks == clicks


@pytest.mark.parametrize("window", SPANS)
def test_with_events_reports_are_for_comparison_only(window):
    found = reading(window, account_with(DAY), is_reported=False)
    assert (found.sums.clicks, found.sums.spend_micros) == (5, 50)
    assert found.other_basis.clicks == reading(window, account_with(DAY)).sums.clicks


@pytest.mark.parametrize(
    ("seen", "window", "share"),
    [
        (DAY, "1d", 0.0),
        (18 * HOUR, "1d", 0.25),
        (18 * HOUR, "1h", None),  # a report of so long a time says nothing of an hour
        (18 * HOUR, "total", 0.25),
        (HOUR, "1h", 0.0),
    ],
)
def test_results_of_a_time_of_which_no_report_has_told_are_marked(seen, window, share):
    assert reading(window, account_with(seen)).unreported_ratio == share


def test_a_campaign_without_any_report_has_no_spend_known_and_events_need_no_report():
    assert reading("24h", OneCampaign()).unreported_ratio == 1.0
    assert reading("24h", account_with(HOUR), is_reported=False).unreported_ratio is None


def total_of(spent, watermark=10 * DAY):
    """The reading of ``total`` of a campaign that spent so much at each instant; a lead comes within a minute or a day."""
    account = OneCampaign()
    for source, (at, micros) in enumerate(spent.items()):
        for resolution, width in ((MINUTES, MINUTE), (QUARTERS, QUARTER), (DAYS, DAY)):
            tally = Tally(spend_micros=micros)
            account.put(source, resolution, at // width * width, tally, horizon(watermark))
        account.put(source, TOTAL, 0, Tally(spend_micros=micros), horizon(watermark))
    account.slide(rolling_spans(watermark, UTC))
    leads = LagCounts()
    leads.count(30_000)
    leads.count(DAY - 1)
    stamp = ReadingVersion(1, watermark, watermark, "EUR", lags=ConversionLags(leads, LagCounts()))
    facts = CampaignFacts("c", targets_micros={"cpl": 2 * MICROS})
    return compose(account, facts, "total", None, account.total, account.total, "update", stamp)


def test_completeness_of_the_total_is_that_of_its_spend():
    watermark = 10 * DAY
    old = total_of({watermark - 8 * DAY: 100 * MICROS}).completeness
    young = total_of({watermark - 10 * MINUTE: 100 * MICROS}).completeness
    both = total_of({watermark - 8 * DAY: 300 * MICROS, watermark - 10 * MINUTE: 100 * MICROS}).completeness
    assert (old.leads, old.orders) == (1.0, None)
    assert 0.4 < young.leads < 0.6
    assert both.leads == pytest.approx((3 * old.leads + young.leads) / 4, abs=0.01)


def test_spend_whose_leads_are_still_to_come_does_not_speak_against_a_campaign():
    watermark = 10 * DAY
    assert total_of({watermark - 10 * MINUTE: 14 * MICROS}).evidence["cpl"].verdict == "inconclusive"
    assert total_of({watermark - 8 * DAY: 14 * MICROS}).evidence["cpl"].verdict == "bad"


def test_null_cost_makes_null_kpis_and_leaves_the_others():
    found = reading("1m", account_with(DAY))
    assert {found.kpis[name] for name in ("cpl", "cpc", "ctr", "roas", "lead_rate", "roi_net_profit")} == {
        None
    }


FACTS = CampaignFacts("c", starts_at=10, ends_at=20, other_cost_micros=1_000)


@pytest.mark.parametrize(
    ("span", "watermark", "micros"),
    [
        (None, None, 0),
        (None, 5, 0),
        (None, 15, 500),
        (None, 99, 1_000),
        (Span(0, 12), 99, 200),
        (Span(12, 18), 15, 300),
        (Span(18, 30), 15, 0),
    ],
)
def test_other_cost_is_spread_over_the_dates_up_to_the_watermark(span, watermark, micros):
    assert other_cost(FACTS, span, watermark) == micros


@pytest.mark.parametrize("ends_at", [None, 10, 5])
def test_other_cost_without_a_period_counts_in_the_total_only(ends_at):
    facts = FACTS._replace(ends_at=ends_at)
    assert (other_cost(facts, None, 15), other_cost(facts, Span(0, 99), 15)) == (1_000, 0)


@pytest.mark.parametrize(
    ("starts_at", "span", "watermark", "length"),
    [
        (None, None, 50, None),
        (10, None, None, None),
        (10, None, 50, 40),
        (10, Span(0, 30), 50, 20),
        (10, Span(20, 60), 50, 30),
        (90, Span(0, 30), 50, 0),
        (None, Span(0, 30), 50, 30),
    ],
)
def test_the_baseline_runs_from_the_start_to_the_watermark(starts_at, span, watermark, length):
    assert baseline_length(CampaignFacts("c", starts_at=starts_at), span, watermark) == length

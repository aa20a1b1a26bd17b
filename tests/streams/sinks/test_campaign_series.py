"""Campaigns beyond the limit of series: nobody is lost in the sums, and readings are kept of those who are shown."""

from zoneinfo import ZoneInfo

import msgspec
import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.reports import Report
from metrics.records.campaign_model import campaign_model
from metrics.records.events import Campaign
from metrics.sums.tally import Tally
from metrics.values.time import DAY, MINUTE, QUARTER
from metrics.windows.watermark import PartitionStatus
from streams.messages.pane_blocks import pack
from streams.messages.partials import Bundle
from streams.messages.source_records import Record
from streams.settings import Settings
from streams.sinks.campaign_series import CampaignSeries
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.state.codec import encode
from streams.state.store import StateStore

AT = 40 * DAY
CAMPAIGNS = 7


def write(log, series, now):
    """A checkpoint that is confirmed."""
    made = log.checkpoint(now)
    log.confirm(made.sequence)
    series.confirmed(0, made.views)


def page(log, series, now):
    """The choice of who has series, and then a page."""
    series.choose([log.stage], now)
    return series.snapshots([log.stage])


def feed(log, series, sequence, reports=(), uncertain=()):
    """Clicks and leads of every campaign: the n-th spends n euros; some of them by amounts without a rate."""
    panes = []
    for number in range(CAMPAIGNS):
        tally = Tally(clicks=number, leads=1, spend_micros=number * 1_000_000)
        tally.uncertain_amounts = int(number in uncertain)
        credit = Tally(leads=500_000)
        for resolution, start in enumerate((AT // MINUTE * MINUTE, AT // QUARTER * QUARTER, AT, 0)):
            panes += [
                (f"c{number}", resolution, start, tally),
                (campaign_model(f"c{number}", "linear"), resolution, start, credit),
            ]
    said = Bundle(0, 1, sequence, pack(panes), list(reports), PartitionStatus(AT, is_idle=False))
    log.stage.process([Record(log.stage.offset, 0, None, encode(said))])
    for second in range(12):
        write(log, series, AT + second * 10_000)


@pytest.fixture
def campaign_registry():
    found = CampaignRegistry("EUR")
    found.register("c0", Campaign("c0", cost_basis="reports"))
    found.register("c1", None)
    return found


def made(campaign_registry, limit, reports=(), uncertain=()):
    options = MergeOptions(1, 60_000, 1_000, ZoneInfo("UTC"), "EUR", ("linear",))
    log = StateStore(MergeStage(0, options, campaign_registry, Pace.of(10_000)), 0)
    settings = Settings(
        max_campaign_series=limit,
        gauge_models=["declared", "linear"],
        gauge_windows=["24h", "total"],
        attribution_models=["linear"],
    )
    series = CampaignSeries(settings, campaign_registry)
    feed(log, series, 1, reports, uncertain)
    return log, series


def shares(kept, folded, model, window, field):
    """What each campaign with series adds, and what the others do."""
    own = {each.campaign_id: getattr(each.readings[model, window].sums, field) for each in kept}
    return own, folded.sums.get((model, window, "EUR"), {}).get(field, 0)


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 100])
def test_series_and_sums_of_the_others_are_all_campaigns_that_are_not_archived(campaign_registry, limit):
    log, series = made(campaign_registry, limit)
    for scrape in range(3):  # what is newly shown has its readings by the next page
        kept, folded = page(log, series, AT + scrape)
        write(log, series, AT + 300_000 + scrape * 60_000)
    assert len(kept) + folded.count == CAMPAIGNS - 1
    assert len(kept) == min(limit, CAMPAIGNS - 1)
    for window in ("24h", "total"):
        for model, field, whole in (
            ("declared", "leads", 6),
            ("linear", "leads", 3.0),
            ("declared", "clicks", 20),
        ):
            own, others = shares(kept, folded, model, window, field)
            assert sum(value or 0 for value in own.values()) + others == whole
    assert {each.campaign_id for each in kept} == {f"c{n}" for n in (6, 5, 4, 3, 2, 0)[:limit]}
    assert {each.campaign_id: each.counters.clicks for each in kept if each.campaign_id != "c0"} == {
        f"c{n}": n for n in (6, 5, 4, 3, 2)[:limit]
    }


def test_what_reports_say_decides_who_is_shown_and_counts_in_the_sums(campaign_registry):
    report = Report("s", None, AT - DAY, AT, (1, 0, 0), 100, 50, 9_000_000, 0)
    log, series = made(campaign_registry, 1, [("c0", report)])
    for scrape in range(2):
        kept, folded = page(log, series, AT + scrape)
        write(log, series, AT + 300_000 + scrape * 60_000)
    assert [each.campaign_id for each in kept] == ["c0"]
    log, series = made(campaign_registry, 1)
    kept, folded = page(log, series, AT)
    assert folded.sums["declared", "total", "EUR"]["spend_micros"] == sum(range(2, 6)) * 1_000_000


@pytest.mark.parametrize("uncertain", [(), (6,), (2,), (2, 6)])
def test_sums_of_the_others_are_marked_where_one_of_them_is_uncertain(campaign_registry, uncertain):
    log, series = made(campaign_registry, 1, uncertain=uncertain)  # the sixth is the one that is shown
    for scrape in range(2):
        kept, folded = page(log, series, AT + scrape)
        write(log, series, AT + 300_000 + scrape * 60_000)
    views = {(model, window) for model in ("declared", "linear") for window in ("24h", "total")}
    assert folded.uncertain == (views if 2 in uncertain else set())
    (shown,) = kept
    assert {each.has_uncertain_amounts for each in shown.readings.values()} == {6 in uncertain}


def test_a_folded_campaign_that_counts_by_reports_marks_the_sums_too(campaign_registry):
    log, series = made(campaign_registry, 1)
    page(log, series, AT)
    write(log, series, AT + 300_000)
    latest = series.latest_of(0)
    latest.put(msgspec.structs.replace(latest["c0", "declared"]["total"], has_uncertain_amounts=True))
    _, folded = page(log, series, AT + 300_001)
    assert folded.uncertain == {("declared", "total")}


def test_readings_are_kept_of_those_who_are_shown(campaign_registry):
    log, series = made(campaign_registry, 2)
    assert len(series.latest_of(0)) == 4  # campaigns and their views, whoever came first
    for scrape in range(2):
        page(log, series, AT + scrape)
        write(log, series, AT + 300_000 + scrape * 60_000)
    shown = {"c6", "c5", "c0"}  # c0 has sums of its own
    assert set(series.latest_of(0)) == {(c, model) for c in shown for model in ("declared", "linear")}

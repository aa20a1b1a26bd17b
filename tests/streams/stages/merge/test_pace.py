"""The publish rate is one worker's, whatever number of partitions it has; a flip of meaning republishes."""

from zoneinfo import ZoneInfo

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.reports import Report
from metrics.kpis.compose import ReadingVersion
from metrics.records.events import Campaign
from metrics.sums.tally import Tally
from metrics.values.time import HOUR, QUARTER
from metrics.windows.watermark import PartitionStatus
from streams.messages.pane_blocks import pack
from streams.messages.partials import Bundle
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace

OPTIONS = MergeOptions(1, 60_000, 1_000, ZoneInfo("UTC"), "EUR")
STAMP = ReadingVersion(1, None, 0, "EUR")


def take(merge: MergeStage, bundle: Bundle) -> None:
    merge._take(bundle)


def test_partitions_of_one_worker_share_the_publish_rate():
    pace = Pace.of(10)
    merges = [MergeStage(p, OPTIONS, CampaignRegistry("EUR"), pace) for p in range(4)]
    for merge in merges:
        panes = [(f"c-{n}", 3, 0, Tally(clicks=1)) for n in range(8)]
        take(merge, Bundle(0, 1, 1, pack(panes), []))
    assert sum(len(merge.readings(STAMP, now=0)) for merge in merges) == 10
    assert sum(len(merge.readings(STAMP, now=500)) for merge in merges) == 5


def test_hours_that_were_null_are_published_again_when_the_first_short_report_comes():
    campaign_registry = CampaignRegistry("EUR")
    campaign_registry.register("c", Campaign("c", cost_basis="reports"))
    merge = MergeStage(0, OPTIONS, campaign_registry, Pace.of(1_000))
    take(
        merge,
        Bundle(0, 1, 1, pack([("c", 1, 4 * QUARTER, Tally(leads=1))]), [], PartitionStatus(9 * HOUR, False)),
    )
    first = {reading.window: reading for reading in merge.readings(STAMP, now=0)}
    assert first["1h"].sums.spend_micros is None
    report = Report("s", None, 5 * HOUR, 6 * HOUR, (1, 1, 0), 10, 5, 7_000_000, 0)
    take(merge, Bundle(0, 1, 2, [], [("c", report)]))
    again = [reading for reading in merge.readings(STAMP, now=60_000) if reading.window == "1h"]
    assert {reading.window_start: reading.sums.spend_micros for reading in again} == {
        "1970-01-01T01:00:00Z": 0,
        "1970-01-01T05:00:00Z": 7_000_000,
    }

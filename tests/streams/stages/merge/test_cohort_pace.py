"""Records of customers go out a bounded number at once, and by the hour only where spend is another than was said."""

from zoneinfo import ZoneInfo

import msgspec

from metrics.customers.calendar import month_of
from metrics.customers.cohort_sums import CohortMonth, CohortSums
from metrics.entities.campaigns import CampaignRegistry
from metrics.sums.tally import Tally
from metrics.values.time import DAY, HOUR
from metrics.windows.panes import TOTAL
from metrics.windows.watermark import PartitionStatus
from streams import topics
from streams.messages.pane_blocks import pack
from streams.messages.partials import Bundle
from streams.stages.merge.stage import _MOST_COHORTS, MergeOptions, MergeStage, Pace
from streams.state.store import StateStore

OPTIONS = MergeOptions(1, 60_000, 1_000, ZoneInfo("UTC"), "EUR", customer_retention=800 * DAY)
NOON = 20_000 * DAY + 12 * HOUR
MONTH = month_of(NOON, OPTIONS.zone)


class Merging:
    """A merge partition that reads bundles and writes checkpoints ten seconds apart."""

    def __init__(self) -> None:
        self.stage = MergeStage(0, OPTIONS, CampaignRegistry("EUR"), Pace.of(5_000))
        self.store, self.now, self.sequence = StateStore(self.stage, 0), 0, 0

    def take(self, at, cohorts=None, spent=()):
        """What a source says at an event time: cohorts, and campaigns that have spent so much in all."""
        self.sequence += 1
        blocks = pack([(name, TOTAL, 0, Tally(clicks=1, spend_micros=micros)) for name, micros in spent])
        bundle = Bundle(0, 1, self.sequence, blocks, [], PartitionStatus(at, False), cohorts=cohorts)
        self.stage._take(bundle)

    def checkpoint(self):
        """Records of customers as (campaign, cohort, spend)."""
        self.now += 10_000
        made = self.store.checkpoint(self.now)
        self.store.confirm(made.sequence)
        values = [
            msgspec.json.decode(each.value) for each in made.outputs if each.topic == topics.CUSTOMER_KPIS
        ]
        return [(each["campaign_id"], each["cohort"], each["sums"]["spend_micros"]) for each in values]

    def settle(self):
        """All of them, and the most of one checkpoint."""
        found = [self.checkpoint()]
        while self.store.is_dirty:
            found.append(self.checkpoint())
        return [each for some in found for each in some], max(map(len, found))


def customers(count, months):
    """So many campaigns with cohorts of so many months."""
    sums = CohortSums(2, 1, {MONTH: CohortMonth(active=2, orders=3, revenue=9)})
    return [(f"c-{n}", MONTH - age, sums) for n in range(count) for age in range(months)]


def test_an_hour_later_only_campaigns_that_have_spent_are_published_again():
    merging = Merging()
    merging.take(NOON, customers(3, 2), [("c-0", 5)])
    first, _ = merging.settle()
    assert len(first) == 9
    assert {each for each in first if each[1] == "total"} == {
        ("c-0", "total", 5), ("c-1", "total", 0), ("c-2", "total", 0),
    }  # fmt: skip
    merging.take(NOON + HOUR, spent=[("c-1", 7), ("nobody's", 8)])
    assert merging.settle()[0] == [("c-1", "total", 7)]
    merging.take(NOON + 2 * HOUR)
    assert merging.settle()[0] == []


def test_spend_within_an_hour_waits_for_the_next():
    merging = Merging()
    merging.take(NOON, customers(1, 1))
    merging.settle()
    merging.take(NOON + HOUR // 2, spent=[("c-0", 7)])
    assert merging.settle()[0] == []
    merging.take(NOON + HOUR)
    assert merging.settle()[0] == [("c-0", "total", 7)]


def test_a_new_month_publishes_every_cohort_a_bounded_number_at_once():
    merging = Merging()
    merging.take(NOON, customers(150, 2))
    first, most = merging.settle()
    assert len(first) == 450
    assert most <= _MOST_COHORTS
    merging.take(NOON + 31 * DAY)
    again, most = merging.settle()
    assert sorted(again) == sorted(first)
    assert most <= _MOST_COHORTS


def test_a_record_of_many_cohorts_counts_as_so_many():
    merging = Merging()
    merging.take(NOON, customers(100, 30))
    merging.settle()
    merging.take(NOON + HOUR, spent=[(f"c-{n}", 7) for n in range(100)])
    again, most = merging.settle()
    assert len(again) == 100
    assert most <= _MOST_COHORTS // 30 + 1


def test_the_oldest_change_that_waits_is_not_confirmed():
    merging = Merging()
    merging.take(NOON, customers(150, 2))
    merging.checkpoint()
    assert merging.stage.oldest() is not None
    merging.settle()
    assert merging.stage.oldest() is None

"""How long one step of the budget controller takes of a core, and how long it holds the event loop at a stretch (CPU time).

Run: python tests/bench/bench_controller.py [campaigns]
"""

import gc
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from metrics.budget.policy import parse
from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.values.money import MICROS
from metrics.values.time import HOUR, floor_to, format_instant
from streams import topics
from streams.stages.budget.stage import BudgetStage
from streams.state.store import StateStore

NOW = floor_to(1_800_000_000_000, HOUR)
NOTHING = dict.fromkeys(Sums.__struct_fields__, 0)
READINGS_A_FETCH = 2_000


def board_of(campaigns, mode="enforce"):
    """A board at the live edge, in its store."""
    campaign_registry = CampaignRegistry("EUR")
    for number in range(campaigns):
        record = {"campaign_id": f"c-{number}", "budget": 1_000, "targets": {"cpl": 2, "roas": 3}}
        campaign_registry.register(record["campaign_id"], msgspec.convert(record, Campaign))
    policies = parse({"mature_after": "0s"})
    store = StateStore(BudgetStage(policies, mode, "EUR", campaign_registry, 4, lambda: NOW), NOW)
    store.take_over()
    store.stage.is_live = True
    return store


def records(numbers, at, offset, spend=50, window="total"):
    """Readings of campaigns as they lie on the topic."""
    start = floor_to(at, HOUR)
    span = (None, None) if window == "total" else (format_instant(start), format_instant(start + HOUR))
    found = []
    for place, number in enumerate(numbers, offset):
        brought = {"spend_micros": spend * MICROS, "leads": spend // 2, "revenue_micros": 3 * spend * MICROS}
        reading = CampaignKpi(
            campaign_id=f"c-{number}", channel=None, model="declared", window=window, window_start=span[0],
            window_end=span[1], stage="update", revision=place + 1, currency="EUR",
            sums=Sums(**(NOTHING | brought | {"orders": spend // 10})),
            other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0), kpis={},
            watermark=format_instant(at), published_at=format_instant(at),
        )  # fmt: skip
        found.append(SimpleNamespace(offset=place, key=None, value=msgspec.json.encode(reading)))
    return found


class Course:
    """A course of steps, with the longest stretch of each."""

    def __init__(self, campaigns):
        self.log = board_of(campaigns)
        self.offset = 0

    def feed(self, count, at, window="total"):
        given = records(range(count), at, self.offset, spend=50 + self.offset // 10_000, window=window)
        self.offset += count
        for first in range(0, count, READINGS_A_FETCH):
            self.log.stage.take(topics.CAMPAIGN_KPIS, 0, given[first : first + READINGS_A_FETCH])

    def step(self, at):
        stretches, started = [], time.process_time()
        for _ in self.log.stage.work(at):
            stretches.append(time.process_time() - started)
            started = time.process_time()
        checkpoint = self.log.checkpoint(at)
        self.log.stage.columns()
        stretches.append(time.process_time() - started)
        self.log.confirm(checkpoint.sequence)
        return f"{1e3 * sum(stretches):7.0f} ms, longest stretch {1e3 * max(stretches):5.1f} ms"


def main():
    gc.set_threshold(100_000, 20, 20)  # as the worker does
    campaigns = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    course = Course(campaigns)
    for hour in range(48):
        at = NOW - (48 - hour) * HOUR
        course.feed(campaigns, at, "1h")
        course.step(at)
    for name, count in (("all of them", campaigns), ("a tenth", campaigns // 10), ("ten", 10)) * 2:
        at = NOW + course.offset
        course.feed(count, at)
        print(f"{campaigns} campaigns, readings of {name:12} {course.step(at)}")
    course.log.stage.policies = parse({"reallocate_every": "1ms", "mature_after": "0s"})
    for at in (NOW + 2 * HOUR, NOW + 3 * HOUR):
        course.feed(10, at)
        print(f"{campaigns} campaigns, a reallocation        {course.step(at)}")


if __name__ == "__main__":
    main()

"""A real day of an ad platform, minute by minute, as workers show it to Prometheus: while its reports are restated, and in hindsight.

Spend of each ad and hour comes from a connector's export. Each ad is a campaign with a behaviour of its own (on target, too dear, leads
that stop, ...), once for each way in which a platform reports a day that goes on. Clicks, leads and orders are drawn by seed, the same
for all ways. The stages and the budget controller are the product's; clocks and logs are lists.
"""

import csv
import random
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec

from metrics.budget.policy import parse
from metrics.exposition import SeriesLimit, render
from metrics.records.events import Campaign
from metrics.values.time import DAY, HOUR, MINUTE, SECOND
from streams import topics
from streams.runtime.partition_tasks import PartitionTasks
from streams.runtime.progress import Progress
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.sinks.metrics_snapshot import MetricsSnapshots
from streams.stages.budget.stage import BudgetStage
from streams.state.checkpoint import Output
from streams.state.store import StateStore
from tests.laws.machine import INTAKE, MERGE, Machine, Record

BEGIN = int(datetime(2021, 3, 29, 8, tzinfo=UTC).timestamp()) * SECOND
MIDNIGHT = int(datetime(2021, 3, 30, tzinfo=UTC).timestamp()) * SECOND
END = MIDNIGHT + DAY
#: Prometheus looks from here on.
SEEN_FROM = MIDNIGHT - 2 * HOUR
#: How often it looks.
STEP = 4 * MINUTE
#: Whose figures come hours later.
SLOW = 3 * HOUR

Curve = Callable[[int], int]


class Behaviour(NamedTuple):
    """What becomes of an ad; instants in epoch milliseconds, None: never.

    Attributes:
        cost_factor: cost per lead over the target.
        worth: revenue over spend.
        leads_until, clicks_until, spend_until: when they stop.
        pace: spend of the flight over its budget.
        starts_at, ends_at: of the flight.
        clicks: in a day.
    """

    name: str
    cost_factor: float = 1.0
    worth: float = 1.6
    leads_until: int | None = None
    clicks_until: int | None = None
    spend_until: int | None = None
    pace: float = 1.0
    starts_at: int = BEGIN
    ends_at: int = END + 8 * HOUR
    clicks: int = 600


BEHAVIOURS = (
    Behaviour("on-target"),
    Behaviour("too-dear", cost_factor=3),
    Behaviour("leads-stop", leads_until=MIDNIGHT - 8 * HOUR),
    Behaviour("worth-little", worth=0.4),
    Behaviour("too-fast", pace=1.7),
    Behaviour("too-slow", pace=0.5),
    Behaviour("clicks-stop", clicks_until=MIDNIGHT + 5 * HOUR),
    Behaviour("spend-stops", spend_until=MIDNIGHT + 2 * HOUR, clicks=3_000),
    Behaviour("one-day", starts_at=MIDNIGHT, ends_at=END),
)
_LEADS_A_DAY = 80
_ORDERS_PER_LEAD = 0.5


class Ad(NamedTuple):
    """An ad: what it does, and what it had spent by an instant, in micros."""

    behaviour: Behaviour
    spent: Curve

    def within(self, start: int, end: int) -> int:
        return self.spent(end) - self.spent(start)

    def clicks(self, start: int, end: int) -> float:
        """How many clicks are to be expected."""
        if self.behaviour.spend_until:
            return self.behaviour.clicks * (end - start) / DAY
        day = self.within(MIDNIGHT, END) or 4 * self.within(BEGIN, MIDNIGHT)
        return self.behaviour.clicks * self.within(start, end) / day

    def told(self, start: int, end: int, twentieths: int = 20) -> tuple[int, int]:
        """Spend and clicks as a platform tells them."""
        return self.within(start, end) * twentieths // 20, round(self.clicks(start, end) * twentieths / 20)


def ads_of(export: Path) -> list[Ad]:
    """The ads of Snapchat's hourly export (connector's columns) that spend most, each with a behaviour."""
    hours: dict[str, dict[int, int]] = defaultdict(dict)
    with export.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            at = int(datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp()) * SECOND
            hours[row["ad_id"]][at] = int(row["spend"])
    day = {ad: sum(spend for at, spend in own.items() if MIDNIGHT <= at < END) for ad, own in hours.items()}
    largest = sorted(day, key=lambda ad: (-day[ad], ad))[: len(BEHAVIOURS)]
    return [Ad(each, _curve(hours[ad], each)) for ad, each in zip(largest, BEHAVIOURS, strict=True)]


def _curve(hours: dict[int, int], behaviour: Behaviour) -> Curve:
    """Spend by an instant: what an hour spends lies evenly in it."""
    begin = BEGIN if behaviour.starts_at < MIDNIGHT else MIDNIGHT
    edges, sums = [begin], [0]
    for at in range(begin, END, HOUR):
        end = behaviour.spend_until
        edges.append(at + HOUR)
        sums.append(sums[-1] + (hours.get(at, 0) if end is None or at < end else 0))

    def spent(at: int) -> int:
        place = min(max(bisect_right(edges, at) - 1, 0), len(edges) - 2)
        within = min(max(at - edges[place], 0), HOUR)
        return sums[place] + (sums[place + 1] - sums[place]) * within // HOUR

    return spent


# --- what is reported, and when ------------------------------------------------------------------


class Report(NamedTuple):
    """A report as it arrives."""

    at: int
    start: int
    end: int
    reported_at: int
    spend: int
    clicks: int


def _day_so_far(ad: Ad, lag: int = 0) -> Iterator[Report]:
    """The day, restated five minutes past each hour, and once more when it is over."""
    for start in (MIDNIGHT - DAY, MIDNIGHT):
        for at in range(start + HOUR + 5 * MINUTE, start + DAY + HOUR + lag, HOUR):
            seen = min(at - lag, start + DAY)
            if at >= BEGIN and seen > start:
                yield Report(at, start, start + DAY, at, *ad.told(start, seen))


def _hours_restated(ad: Ad) -> Iterator[Report]:
    """Each hour at its quarters, five minutes past it, and two hours later with the twentieth that the platform finds then."""
    for start in range(BEGIN, END, HOUR):
        end = start + HOUR
        for at in range(start + 15 * MINUTE, end, 15 * MINUTE):
            yield Report(at, start, end, at, *ad.told(start, at, 19))
        yield Report(end + 5 * MINUTE, start, end, end + 5 * MINUTE, *ad.told(start, end, 19))
        yield Report(end + 125 * MINUTE, start, end, end + 125 * MINUTE, *ad.told(start, end))


def _both(ad: Ad) -> Iterator[Report]:
    yield from _hours_restated(ad)
    yield from _day_so_far(ad)


def _as_it_was(ad: Ad) -> Iterator[Report]:
    """What is known in hindsight: every five minutes of every hour as they were."""
    for start in range(BEGIN, END, HOUR):
        for at in range(start + 5 * MINUTE, start + HOUR + MINUTE, 5 * MINUTE):
            yield Report(at, start, start + HOUR, at, *ad.told(start, at))


WAYS: dict[str, Callable[[Ad], Iterator[Report]]] = {
    "day": _day_so_far,
    "hours-and-day": _both,
    "slow": lambda ad: _day_so_far(ad, SLOW),
}
HINDSIGHT: dict[str, Callable[[Ad], Iterator[Report]]] = {"hindsight": _as_it_was}

# --- what is written ----------------------------------------------------------------------------


class Written(NamedTuple):
    """A record and when it is written."""

    at: int
    topic: str
    key: str
    value: dict[str, Any]


def _records(ads: Sequence[Ad], ways: dict[str, Callable[[Ad], Iterator[Report]]]) -> list[Written]:
    """Everything that is written, in order of time."""
    found = list(_other_traffic())
    for ad in ads:
        events = list(_events(ad))
        for way, reports in ways.items():
            campaign = f"{ad.behaviour.name}|{way}"
            found += [
                Written(
                    at,
                    topic,
                    f"{way}-{key}",
                    value | {"campaign_id": campaign, "visitor_id": f"{way}-{key}"} | _ids(value, way),
                )
                for at, topic, key, value in events
            ]
            for each in reports(ad):
                value = {
                    "report_id": f"{campaign}-{each.start}-{each.end}", "source": way, "campaign_id": campaign,
                    "period_start": each.start, "period_end": each.end, "reported_at": each.reported_at,
                    "clicks": each.clicks,
                    "spend": f"{each.spend // 1_000_000}.{each.spend % 1_000_000:06d}",
                }  # fmt: skip
                found.append(Written(each.at, topics.REPORTS, campaign, value))
    return sorted(found, key=lambda each: each.at)


def _ids(value: dict[str, Any], way: str) -> dict[str, str]:
    return {name: f"{way}-{value[name]}" for name in ("event_id", "lead_id", "order_id") if name in value}


def _other_traffic() -> Iterator[Written]:
    """Clicks that no ad brought, which let time pass."""
    for at in range(BEGIN, END, 20 * SECOND):
        value = {"event_id": f"site-{at}", "occurred_at": at, "campaign_id": "site|", "visitor_id": "site"}
        yield Written(at, topics.CLICKS, "site", value)


def _events(ad: Ad) -> Iterator[Written]:
    """Clicks, leads and orders of an ad where it spends."""
    one, draw = ad.behaviour, random.Random(ad.behaviour.name)
    target, number = _target_of(ad), 0
    for start in range(BEGIN, END, HOUR):
        spend = ad.within(start, start + HOUR)
        clicks = ad.clicks(start, start + HOUR)
        for at in sorted(draw.randrange(start, start + HOUR) for _ in range(round(clicks))):
            number += 1
            if one.clicks_until is None or at < one.clicks_until:
                value = {"event_id": f"{one.name}-c{number}", "occurred_at": at}
                yield Written(at, topics.CLICKS, f"{one.name}-{number}", value)
        wanted = spend / (target * one.cost_factor)
        leads = int(wanted) + (draw.random() < wanted % 1)
        for at in sorted(draw.randrange(start, start + HOUR) for _ in range(leads)):
            number += 1
            if one.leads_until is not None and at >= one.leads_until:
                continue
            key = f"{one.name}-{number}"
            yield Written(at, topics.LEADS, key, {"event_id": f"{key}-l", "lead_id": key, "occurred_at": at})
            if draw.random() < _ORDERS_PER_LEAD:
                worth = one.worth * target * one.cost_factor / _ORDERS_PER_LEAD
                revenue = round(worth * draw.choice((0.5, 1.0, 1.5)) / 10_000) * 10_000
                order = {
                    "event_id": f"{key}-o",
                    "order_id": key,
                    "occurred_at": at,
                    "revenue": revenue / 1_000_000,
                }
                yield Written(at, topics.ORDERS, key, order)


def _target_of(ad: Ad) -> int:
    """What a lead may cost, in micros."""
    return max(10_000, (ad.within(MIDNIGHT, END) or 2 * ad.within(BEGIN, MIDNIGHT)) // _LEADS_A_DAY)


# --- what is shown ------------------------------------------------------------------------------


class _Deployment(Machine):
    """The pipeline with the budget controller behind it."""

    def __init__(self, ads: Sequence[Ad], ways: Sequence[str]) -> None:
        self.readings: list[bytes] = []
        # Of customers no rule asks, and what is told of them takes a tenth of the time.
        super().__init__(
            1, now=BEGIN, models=(), rollups=(), customer_retention=0, report_delays={"slow": SLOW}
        )
        for ad in ads:
            for way in ways:
                self._register(ad, f"{ad.behaviour.name}|{way}")
        # The ads bring what they bring from the first hour on; on so young a board nothing else could tell that.
        self.board = StateStore(
            BudgetStage(
                parse({"learning_phase": "0s"}), "observe", "EUR", self.campaign_registry, 1, lambda: self.now
            ),
            self.now,
        )
        self.board.take_over()
        self.board.stage.is_live = True
        processor = SimpleNamespace(
            held={}, campaign_registry=self.campaign_registry, board=self.board, is_ready=True, recovering=[],
            progress=Progress(),
        )  # fmt: skip
        self.page = MetricsSnapshots(Settings(), processor, Telemetry("test"), None, lambda: self.now)
        self.sinks.append(self.page)
        stages = self.stages[INTAKE, 0], self.stages[MERGE, 0]
        processor.held[0] = PartitionTasks(*stages, (), 0, {}, self.board)

    def _register(self, ad: Ad, campaign: str) -> None:
        one = ad.behaviour
        spend = ad.within(one.starts_at, min(one.ends_at, END))
        share = (min(one.ends_at, END) - one.starts_at) / (one.ends_at - one.starts_at)
        record = {
            "campaign_id": campaign, "cost_basis": "reports", "status": "active",
            "budget": round(spend / share / one.pace) / 1_000_000, "targets": {"cpl": _target_of(ad) / 1_000_000},
            "starts_at": one.starts_at, "ends_at": one.ends_at,
        }  # fmt: skip
        self.campaign_registry.register(campaign, msgspec.convert(record, Campaign, strict=False))

    def _deliver(self, output: Output) -> None:
        if output.topic == topics.CAMPAIGN_KPIS:
            self.readings.append(output.value)
        else:
            super()._deliver(output)

    def step(self, records: Sequence[Written], at: int) -> None:
        """Read what was written before an instant, and let every stage write what it has."""
        for each in records:
            self.produce_to(0, each.topic, each.key, each.value, each.at)
        written = {each.topic for each in records if each.at > at - 30 * SECOND}
        for wait in (30, 10):
            self.now = at - wait * SECOND
            self.be_idle(lambda topic, _: topic not in written)
            for topic, p in self.sources:
                self.read(topic, p, 100_000)
            self.tick(0)
        self.now = at
        offset = self.board.stage.offsets.get((topics.CAMPAIGN_KPIS, 0), 0)
        found, self.readings = self.readings, []
        made = [Record(offset + place, at, None, value) for place, value in enumerate(found)]
        self.board.stage.take(topics.CAMPAIGN_KPIS, 0, made)
        checkpoint = self.board.checkpoint(at)
        self.board.confirm(checkpoint.sequence)
        self.page.confirmed(checkpoint)


Series = dict[str, dict[int, str]]
_SAMPLE = re.compile(r'(\w+)\{(.*?campaign_id="([^"|]+)\|([^"]*)".*?)\} (\S+)')


def shown(
    ads: Sequence[Ad], ways: dict[str, Callable[[Ad], Iterator[Report]]], families: set[str], until: int = END
) -> Series:
    """Samples of some families by series and step, as pages say them; ``channel`` is the way of reporting.

    Instants are counted from ``SEEN_FROM``, since promtool's time begins at 0.
    """
    deployment, found = _Deployment(ads, list(ways)), defaultdict(dict)
    records, place, limit = _records(ads, ways), 0, SeriesLimit(1_000)
    deployment.page.choose_series()
    history = range(BEGIN + 10 * MINUTE, SEEN_FROM, 10 * MINUTE)
    for at in (*history, *range(SEEN_FROM, until + STEP, STEP)):
        first = place
        while place < len(records) and records[place].at < at:
            place += 1
        deployment.step(records[first:place], at)
        if at < SEEN_FROM:
            continue
        deployment.page.choose_series()
        page = render(deployment.page.snapshot(), limit, is_openmetrics=True).decode()
        for line in page.splitlines():
            if line[0] == "#" or line[: line.find("{")] not in families:
                continue
            sample = _SAMPLE.fullmatch(line)
            if sample is None or (series := _series(sample)) is None:
                continue
            value = sample[5]
            if sample[1].endswith("_timestamp_seconds"):
                value = str(float(value) - SEEN_FROM / SECOND)
            found[series][(at - SEEN_FROM) // STEP] = value
    return found


def _series(sample: re.Match[str]) -> str | None:
    family, labels, name, way = sample[1], sample[2], sample[3], sample[4]
    if not way or ('window="' in labels and 'model="declared"' not in labels):
        return None
    own = labels.replace(f'campaign_id="{name}|{way}"', f'campaign_id="{name}"').replace(
        'channel=""', f'channel="{way}"'
    )
    return f'{family}{{job="roistream",instance="w",{own}}}'

"""The demo's world: campaigns, people and what they do, in arrival order. Pure: seeded, and time is an argument.

The same seed gives the same stream, however it is cut into steps. Every campaign has luck of its own,
so that pausing one leaves the others' streams as they are (and a control arm meets the same people).
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from heapq import heappop, heappush
from itertools import count

from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, SECOND, floor_to, format_instant
from streams import topics
from streams.demo.ad_platform import AdPlatform
from streams.demo.campaign_profiles import CampaignProfile, choose
from streams.demo.customer_life import CustomerLife
from streams.demo.delivery import BROKEN_SHARE, Arrival, Fact, Record, deliver, spoil
from streams.demo.funnel import Funnel
from streams.demo.ground_truth import GroundTruth
from streams.demo.platform_reports import HISTORY_CADENCE_MS, LIVE_CADENCE_MS, PlatformReporter
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.story import Story, episode_text

#: Rates into EUR at the start of the history, and since one hour before going live.
RATES: dict[str, tuple[str, str]] = {"USD": ("0.91", "0.92"), "GBP": ("1.17", "1.16")}
#: A history of more clicks than this would keep the first figures waiting.
MAX_HISTORY_CLICKS = 6_000
#: How long a budget lasts at the live rate: a demo of five minutes spends a good part of it.
BUDGET_LASTS_MS = 15 * MINUTE
#: Share of a budget after which a campaign is registered with one more.
TOP_UP_AT = 0.8
_SPENDING = frozenset({topics.CLICKS, topics.IMPRESSIONS, topics.REPORTS})
#: No gap is drawn over more than this, because density and levels change meanwhile.
_LOOK_AHEAD_MS = 10 * SECOND
#: Hour of the day (UTC) at which a channel's visitors are busiest; the rhythm shares the clicks out.
_BUSIEST = {"search": 11, "email": 8, "social": 20, "display": 17, "affiliate": 15, "organic": 12}
_HOURS = 24


class DemoWorld:
    """Everything that happens in the demo.

    Args:
        seed: decides everything but the time.
        campaigns: how many; at least 1.
        rate: clicks per second while live, all campaigns together.
        clock: the course of simulated time.
        obeys: False for a control arm whose ad platform ignores budget actions.
        resumes_ms: the simulated instant at which an earlier run of this world goes on, with other people; None: it begins.
    """

    def __init__(
        self,
        seed: int,
        campaigns: int,
        rate: float,
        clock: SimulatedClock,
        *,
        obeys: bool = True,
        resumes_ms: int | None = None,
    ) -> None:
        starts_ms = clock.begins_ms if resumes_ms is None else resumes_ms
        self.seed, self.rate, self.clock = seed, rate, clock
        self.is_resumed = resumes_ms is not None
        self.profiles = choose(seed, campaigns)
        self.platform = AdPlatform({p.campaign_id: self._budget(p) for p in self.profiles}, obeys=obeys)
        #: What was handed out so far: ``sent``, each topic, each kind, and ``refunds``.
        self.counts: Counter[str] = Counter()
        #: What was spent and earned by the records handed out so far.
        self.ground_truth = GroundTruth({currency: float(pair[1]) for currency, pair in RATES.items()})
        self._spent_before: dict[str, float] = {}
        #: None before it has begun.
        self.story: Story | None = None
        #: The simulated instant up to which records were asked for.
        self.reached_ms = starts_ms
        self._heap: list[tuple[int, int, int, Arrival | _Source]] = []
        shares = _hourly_shares(self.profiles)
        thin = min(1.0, MAX_HISTORY_CLICKS / max(rate * clock.history_seconds(), 1e-9))
        for index, profile in enumerate(self.profiles):
            source = _Source(
                self, index, profile, [rate * share[index] for share in shares], thin, resumes_ms
            )
            heappush(self._heap, (starts_ms, index, source.serial(), source))

    def take_up(self, registered: Mapping[str, Decimal]) -> None:
        """Go on after earlier runs of the world: what they registered counts as spent, and each campaign gets one more budget.

        Args:
            registered: budgets as they were registered last, by campaign, in its currency.
        """
        for profile in self.profiles:
            before = registered.get(profile.campaign_id)
            if before:
                self.platform.accounts[profile.campaign_id].top_up(before)
                self._spent_before[profile.campaign_id] = float(before)

    def registrations(self) -> list[Arrival]:
        """Rates and campaigns, to be sent before anything else."""
        begins = self.clock.begins_ms
        rates = [
            {"currency": currency, "rate": rate, "valid_from": format_instant(valid_from)}
            for currency, pair in RATES.items()
            for rate, valid_from in zip(
                pair, (floor_to(begins, DAY) - DAY, self._second_rate_from()), strict=True
            )
        ]
        keyed = [(topics.FX_RATES, f"{r['currency']}|{r['valid_from']}", r) for r in rates]
        keyed += [(topics.CAMPAIGNS, p.campaign_id, self._campaign(p)) for p in self.profiles]
        return [Arrival(topic, key, record, begins, begins) for topic, key, record in keyed]

    def begin_story(self, at_ms: int) -> Story:
        """Let the episodes of the story happen from a simulated instant on; a comment on the campaign's card marks each."""
        self.story = story = Story(at_ms, self.clock.factor)
        names = {profile.campaign_id: profile.name for profile in self.profiles}
        for number, episode in enumerate(story.episodes):
            if episode.campaign_id in names:
                at = story.starts_ms(episode)
                comment = {
                    "decision_id": f"demo-story-{at_ms}-{number}",
                    "campaign_id": episode.campaign_id,
                    "verb": "comment",
                    "by": "demo",
                    "reason": episode_text(episode, names),
                    "occurred_at": format_instant(at),
                }
                arrival = Arrival(topics.BUDGET_DECISIONS, episode.campaign_id, comment, at, at)
                heappush(self._heap, (at, len(self.profiles), number, arrival))
        return story

    def advance(self, until_ms: int) -> Iterator[Arrival]:
        """The records that arrive up to ``until_ms`` (simulated), in order of arrival."""
        while self._heap and self._heap[0][0] <= until_ms:
            at, index, _, item = heappop(self._heap)
            if isinstance(item, Arrival):
                self.reached_ms = max(self.reached_ms, at)
                self._count(item)
                yield item
                yield from self._topped_up(index, item)
                continue
            for arrival in item.fire(at):
                heappush(self._heap, (arrival.arrives_at_ms, index, item.serial(), arrival))
            heappush(self._heap, (item.next_ms, index, item.serial(), item))
        self.reached_ms = max(self.reached_ms, until_ms)

    def _topped_up(self, index: int, arrival: Arrival) -> Iterator[Arrival]:
        """A campaign that has spent most of its budget is registered with one more: an account lives on."""
        if arrival.topic not in _SPENDING or self.profiles[index].charge == "free":
            return
        profile = self.profiles[index]
        account, one = self.platform.accounts[profile.campaign_id], self._budget(profile)
        rate = float(RATES[profile.currency][0]) if profile.currency in RATES else 1.0
        spent = self.ground_truth.spend_of[profile.campaign_id] / MICROS / rate
        left = float(account.budget) - self._spent_before.get(profile.campaign_id, 0.0) - spent
        if left >= float(one) * (1 - TOP_UP_AT):
            return
        account.top_up(one)
        at = arrival.arrives_at_ms
        yield Arrival(topics.CAMPAIGNS, profile.campaign_id, self._campaign(profile), at, at)

    def _count(self, arrival: Arrival) -> None:
        if arrival.topic == topics.BUDGET_DECISIONS:
            return
        self.counts.update(("sent", arrival.topic, arrival.kind))
        self.ground_truth.count(arrival)
        if arrival.record.get("kind") == "refunded":
            self.counts["refunds"] += 1

    def _second_rate_from(self) -> int:
        return floor_to(self.clock.live_ms - HOUR, HOUR)

    def _hourly_spend(self, profile: CampaignProfile) -> float:
        """Mean spend per hour of the history, in the campaign's currency."""
        seconds = self.clock.history_seconds()
        clicks = min(self.rate * seconds, MAX_HISTORY_CLICKS) / len(self.profiles)
        hours = max(self.clock.live_ms - self.clock.begins_ms, 1) / HOUR
        return clicks * profile.click_price * profile.share / hours

    def _budget(self, profile: CampaignProfile) -> Decimal:
        """What a campaign spends in ``BUDGET_LASTS_MS`` at the live rate, in round numbers."""
        if profile.charge == "free":
            return Decimal(0)
        spend = (
            self.rate / len(self.profiles) * profile.click_price * profile.share * BUDGET_LASTS_MS / SECOND
        )
        return Decimal(round(float(f"{max(20.0, spend):.2g}")))

    def _campaign(self, profile: CampaignProfile) -> Record:
        starts = floor_to(self.clock.begins_ms, HOUR)
        days = 14
        record: Record = {
            "campaign_id": profile.campaign_id,
            "name": profile.name,
            "channel": profile.channel,
            "target": profile.target,
            "offer": profile.offer,
            "objective": profile.objective,
            "starts_at": format_instant(starts),
            "ends_at": format_instant(starts + days * DAY),
            "budget": str(self.platform.accounts[profile.campaign_id].opening),
            "currency": profile.currency,
            "cost_basis": "reports" if profile.charge == "report" else "events",
            "status": "active",
        }
        if profile.charge != "free":
            record["targets"] = {"cpl": profile.target_cpl, **profile.more_targets}
        if profile.other_cost_share:
            hourly = self._hourly_spend(profile) * profile.other_cost_share
            record["other_cost"] = f"{hourly * days * _HOURS:.2f}"
        if profile.has_baseline:
            record["baseline_revenue_per_day"] = f"{profile.order_value * 40:.2f}"
        return record


class _Source:
    """One campaign's clicks, reports and everything that follows from them."""

    def __init__(
        self,
        world: DemoWorld,
        index: int,
        profile: CampaignProfile,
        rates: list[float],
        thin: float,
        resumes_ms: int | None,
    ) -> None:
        self._world, self._profile, self._rates, self._thin = world, profile, rates, thin
        luck = f"{world.seed}:{profile.campaign_id}"
        luck = luck if resumes_ms is None else f"{luck}:{resumes_ms}"
        self._rng = random.Random(luck)
        self._serial, self._ids = count(), count()
        starts_ms = world.clock.begins_ms if resumes_ms is None else resumes_ms
        # Of a world that is resumed nothing may have an id of before.
        self._tag = f"{index:02d}-{(world.clock.live_ms if resumes_ms is None else resumes_ms) // SECOND:x}"
        self._funnel = Funnel(
            profile, self._rng, self._next_id, CustomerLife(random.Random(f"{luck}:customers"))
        )
        self._reporter = (
            PlatformReporter(profile, self._rng, resumes_ms or 0) if profile.charge == "report" else None
        )
        self._report_ms = starts_ms
        self._click_ms: int | None = None
        self.next_ms = starts_ms

    def serial(self) -> int:
        """Breaks ties of the campaign's own records by the order in which they were made."""
        return next(self._serial)

    def _next_id(self, kind: str) -> str:
        return f"{kind}{self._tag}-{next(self._ids):x}"

    def fire(self, at_ms: int) -> Iterator[Arrival]:
        """What begins at ``at_ms``; sets ``next_ms``."""
        if self._click_ms == at_ms and self._world.platform.level(self._profile.campaign_id) > 0:
            yield from self._click(at_ms)
        if self._reporter is not None and at_ms >= self._report_ms:
            self._report_ms = _next_report(at_ms, self._world.clock.live_ms)
            yield from self._delivered(self._reporter.state(at_ms), at_ms)
        self._plan(at_ms)

    def _click(self, at_ms: int) -> Iterator[Arrival]:
        story = self._world.story
        self._funnel.profile = self._profile if story is None else story.profile(self._profile, at_ms)
        click, rest = self._funnel.click(at_ms)
        if self._reporter is not None:
            rest += self._reporter.count(at_ms)
        yield from self._delivered([click, *rest], at_ms)
        if self._rng.random() < BROKEN_SHARE:
            yield spoil(self._rng, click.key, click.record, at_ms, self._next_id("b"))

    def _delivered(self, facts: list[Fact], at_ms: int) -> Iterator[Arrival]:
        for fact in facts:
            yield from deliver(self._rng, fact, at_ms)

    def _plan(self, at_ms: int) -> None:
        """Draw the next click; the process has no memory, so looking again later changes no chance."""
        per_second = self._intensity(at_ms)
        gap_ms = self._rng.expovariate(per_second) * SECOND if per_second > 0 else _LOOK_AHEAD_MS
        clicks_soon = per_second > 0 and gap_ms < _LOOK_AHEAD_MS
        self.next_ms = at_ms + max(1, round(min(gap_ms, _LOOK_AHEAD_MS)))
        self._click_ms = self.next_ms if clicks_soon else None

    def _intensity(self, at_ms: int) -> float:
        clock = self._world.clock
        hour = at_ms % DAY // HOUR
        level = self._world.platform.level(self._profile.campaign_id) or 1.0
        thin = self._thin if at_ms < clock.live_ms else 1.0
        story = self._world.story
        visitors = 1.0 if story is None else story.visitors(self._profile.campaign_id, at_ms)
        return self._rates[hour] * clock.density(at_ms) * thin * level * visitors


def _next_report(at_ms: int, live_ms: int) -> int:
    """When the platform speaks next: every minute in the history, every few seconds from going live."""
    if at_ms >= live_ms:
        return floor_to(at_ms, LIVE_CADENCE_MS) + LIVE_CADENCE_MS
    return min(floor_to(at_ms, HISTORY_CADENCE_MS) + HISTORY_CADENCE_MS, live_ms)


def _hourly_shares(profiles: list[CampaignProfile]) -> list[list[float]]:
    """Each campaign's share of all clicks by hour of the day; every hour's shares add up to 1."""
    weights = [[p.share * _busyness(p.channel, hour) for p in profiles] for hour in range(_HOURS)]
    return [[weight / sum(row) for weight in row] for row in weights]


def _busyness(channel: str, hour: int) -> float:
    """1 at the channel's busiest hour, 0.4 at its quietest."""
    distance = abs(hour - _BUSIEST.get(channel, 12))
    return 1.0 - 0.6 * min(distance, _HOURS - distance) / (_HOURS / 2)

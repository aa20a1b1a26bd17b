"""The page of ``roistream apply``: how effects stand, how long they took, what was refused, what waits. No figure of a campaign."""

import asyncio
from collections import Counter as Counts
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from metrics.budget.effects.machine import millis
from metrics.budget.effects.records import BudgetEffect, EffectPart

#: Families of the page: gauges, counters without their suffix, and the histogram.
GAUGE = "roistream_apply_effects"
OPEN = "roistream_apply_open_seconds"
ROUND = "roistream_apply_seconds_since_round"
GAUGES = (GAUGE, OPEN, ROUND)
COUNTERS = ("roistream_apply_requests", "roistream_apply_refused", "roistream_apply_postponed")
HISTOGRAM = "roistream_apply_confirmation_seconds"
_SECONDS = (2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0)
#: A step that takes longer than this stands still: calls wait for half a minute each.
_STANDSTILL_S = 300.0


class ApplyMetrics:
    """Counts what changes from one record of an effect to the next; every family is there from the start."""

    def __init__(self, clock: Callable[[], float], now: Callable[[], int]) -> None:
        """Nothing is served here.

        Args:
            clock: seconds that only grow.
            now: epoch ms.
        """
        self._clock = clock
        self._now = now
        self._stepped_at = clock()
        self._effects: dict[str, BudgetEffect] = {}
        self._registry = registry = CollectorRegistry()
        registry.register(self)
        self._requests = Counter(
            COUNTERS[0],
            "Requests to change something that a platform was sent.",
            ["platform"],
            registry=registry,
        )
        self._refused = Counter(
            COUNTERS[1],
            "Parts of effects that were refused, by reason.",
            ["platform", "because"],
            registry=registry,
        )
        self._postponed = Counter(
            COUNTERS[2],
            "Times that a part had to wait: cap, rate_limited, credentials, unreachable.",
            ["platform", "because"],
            registry=registry,
        )
        self._seconds = Histogram(
            HISTOGRAM,
            "From the decision to the reading that shows that it was carried out.",
            ["platform"],
            buckets=_SECONDS,
            registry=registry,
        )

    def known(self, effects: Iterable[BudgetEffect]) -> None:
        """Take in effects of before the start, which count in no counter."""
        self._effects.update((each.action_id, each) for each in effects)

    def changed(self, effect: BudgetEffect) -> None:
        """Count what is new of an effect."""
        before = self._effects.get(effect.action_id)
        self._effects[effect.action_id] = effect
        earlier = before.parts if before is not None else effect.parts
        for old, new in zip(earlier, effect.parts, strict=True):
            if before is None or old != new:
                self._count(effect, None if before is None else old, new)

    def _count(self, effect: BudgetEffect, old: EffectPart | None, new: EffectPart) -> None:
        platform = effect.platform or ""
        sent = 0 if old is None else len(old.sent_at)
        self._requests.labels(platform).inc(max(0, len(new.sent_at) - sent))
        if new.stage == "refused" and (old is None or old.stage != "refused"):
            self._refused.labels(platform, new.because or "").inc()
        if new.stage == "requested" and new.retry_at is not None and new.because is not None:
            self._postponed.labels(platform, new.because).inc()
        was_open = old is None or old.stage in {"requested", "sent"}
        if new.stage == "confirmed" and new.because is None and was_open and new.settled_at is not None:
            took = millis(new.settled_at) - millis(effect.decided_at)
            self._seconds.labels(platform).observe(max(0, took) / 1_000)

    def stepped(self) -> None:
        """Note that the carrier has gone round once."""
        self._stepped_at = self._clock()

    def collect(self) -> Iterator[Metric]:
        """The gauges, as ``prometheus_client`` asks for them."""
        counted = Counts(
            (each.platform or "", each.stage, each.because or "") for each in self._effects.values()
        )
        family = GaugeMetricFamily(
            GAUGE, "Actions by how their effect stands.", labels=["platform", "stage", "because"]
        )
        for values, count in sorted(counted.items()):
            family.add_metric(values, float(count))
        yield family
        oldest: dict[tuple[str, str, str], int] = {}
        for each in self._effects.values():
            if each.stage in {"requested", "sent"}:
                key, decided = (each.platform or "", each.stage, each.because or ""), millis(each.decided_at)
                oldest[key] = min(decided, oldest.get(key, decided))
        family = GaugeMetricFamily(
            OPEN,
            "Since the decision on the oldest action that is neither carried out nor refused.",
            labels=["platform", "stage", "because"],
        )
        now = self._now()
        for waiting, decided in sorted(oldest.items()):
            family.add_metric(waiting, max(0, now - decided) / 1_000)
        yield family
        since = round(self._clock() - self._stepped_at, 1)
        yield GaugeMetricFamily(ROUND, "Since all actions were last gone through.", value=since)

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether it goes round, and how effects stand."""
        idle = self._clock() - self._stepped_at
        stages: Mapping[str, int] = Counts(each.stage for each in self._effects.values())
        return idle < _STANDSTILL_S, {"effects": dict(stages), "seconds_since_last_round": round(idle, 1)}

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type."""
        await asyncio.sleep(0)
        encoder, kind = choose_encoder(accept)
        return encoder(self._registry), kind

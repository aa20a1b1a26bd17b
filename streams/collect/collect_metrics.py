"""The collector's own ``/metrics``: what it took, what it refused and why, and how long the broker took. No figure of a campaign."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

from streams.mapping.engine import MappedRecord

#: Why a request was refused; each has a status of its own kind.
RefusalReason = Literal[
    "too_large",
    "too_slow",
    "too_often",
    "unreadable",
    "invalid_event",
    "not_accepted",
    "foreign_origin",
    "unsigned",
    "forged",
    "stale",
    "unlisted_host",
    "unknown_link",
    "broker",
    "busy",
]
#: Families of the page: counters without their suffix, gauges, and the histogram.
COUNTERS = ("roistream_collect_records", "roistream_collect_refused_requests", "roistream_collect_left_out")
GAUGES = (
    "roistream_collect_broker_up",
    "roistream_collect_waiting_requests",
    "roistream_collect_unregistered_campaigns",
)
HISTOGRAM = "roistream_collect_acknowledgement_seconds"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class CollectMetrics:
    """Counts; every family is there from the start."""

    def __init__(
        self,
        sources: Iterable[str],
        is_up: Callable[[], bool],
        waiting: Callable[[], int],
        unregistered: Callable[[], float],
    ) -> None:
        """Nothing is served here.

        Args:
            sources: ``site`` and the names of webhooks.
            is_up: whether the broker answers.
            waiting: requests that wait for it.
            unregistered: campaigns that records name and nobody has registered.
        """
        self._registry = registry = CollectorRegistry()
        self._records = Counter(
            COUNTERS[0],
            "Records that the broker has confirmed.",
            ["source", "topic"],
            registry=registry,
        )
        self._refused = Counter(
            COUNTERS[1],
            "Requests that were refused; nothing of them is written, but for reason broker, of which that is not known.",
            ["source", "reason"],
            registry=registry,
        )
        self._left = Counter(
            COUNTERS[2],
            "Events, documents and deliveries that counted nowhere: no_campaign, skipped, repeated.",
            ["source", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            HISTOGRAM,
            "From the whole request to the broker's confirmation of its records.",
            ["source"],
            buckets=_SECONDS,
            registry=registry,
        )
        up = Gauge(GAUGES[0], "Whether the broker answered when asked last.", registry=registry)
        up.set_function(lambda: float(is_up()))
        gauge = Gauge(GAUGES[1], "Requests that wait for the broker.", registry=registry)
        gauge.set_function(lambda: float(waiting()))
        gauge = Gauge(
            GAUGES[2],
            "Campaigns that written records name and nobody has registered; NaN while registrations cannot be read.",
            registry=registry,
        )
        gauge.set_function(unregistered)
        self._known: dict[tuple[str, str], Counter] = {}
        self._timers = {source: self._seconds.labels(source) for source in sources}

    def written(self, source: str, records: Iterable[MappedRecord]) -> None:
        """Count records that are confirmed."""
        for record in records:
            key = (source, record.topic)
            counter = self._known.get(key)
            if counter is None:
                counter = self._known[key] = self._records.labels(*key)
            counter.inc()

    def refused(self, source: str, reason: RefusalReason) -> None:
        """Count a request that was refused."""
        self._refused.labels(source, reason).inc()

    def left(self, source: str, reason: str, count: int = 1) -> None:
        """Count what was left out."""
        if count:
            self._left.labels(source, reason).inc(count)

    def took(self, source: str, seconds: float) -> None:
        """Note how long the broker took."""
        self._timers[source].observe(seconds)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type."""
        await asyncio.sleep(0)
        encoder, kind = choose_encoder(accept)
        return encoder(self._registry), kind

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
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class CollectMetrics:
    """Counts; every family is there from the start."""

    def __init__(self, sources: Iterable[str], is_up: Callable[[], bool], waiting: Callable[[], int]) -> None:
        """Nothing is served here.

        Args:
            sources: ``site`` and the names of webhooks.
            is_up: whether the broker answers.
            waiting: requests that wait for it.
        """
        self._registry = registry = CollectorRegistry()
        self._records = Counter(
            "roistream_collect_records",
            "Records that the broker has confirmed.",
            ["source", "topic"],
            registry=registry,
        )
        self._refused = Counter(
            "roistream_collect_refused_requests",
            "Requests that were refused; nothing of them is written, but for reason broker, of which that is not known.",
            ["source", "reason"],
            registry=registry,
        )
        self._left = Counter(
            "roistream_collect_left_out",
            "Events, documents and deliveries that counted nowhere: no_campaign, skipped, repeated.",
            ["source", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "roistream_collect_acknowledgement_seconds",
            "From the whole request to the broker's confirmation of its records.",
            ["source"],
            buckets=_SECONDS,
            registry=registry,
        )
        up = Gauge(
            "roistream_collect_broker_up", "Whether the broker answered when asked last.", registry=registry
        )
        up.set_function(lambda: float(is_up()))
        gauge = Gauge(
            "roistream_collect_waiting_requests", "Requests that wait for the broker.", registry=registry
        )
        gauge.set_function(lambda: float(waiting()))
        for source in sources:
            self._seconds.labels(source)

    def written(self, source: str, records: Iterable[MappedRecord]) -> None:
        """Count records that are confirmed."""
        for record in records:
            self._records.labels(source, record.topic).inc()

    def refused(self, source: str, reason: RefusalReason) -> None:
        """Count a request that was refused."""
        self._refused.labels(source, reason).inc()

    def left(self, source: str, reason: str, count: int = 1) -> None:
        """Count what was left out."""
        if count:
            self._left.labels(source, reason).inc(count)

    def took(self, source: str, seconds: float) -> None:
        """Note how long the broker took."""
        self._seconds.labels(source).observe(seconds)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type."""
        await asyncio.sleep(0)
        encoder, kind = choose_encoder(accept)
        return encoder(self._registry), kind

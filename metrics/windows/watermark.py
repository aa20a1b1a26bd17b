"""Watermarks: how far event time has come, on one source partition and for a campaign. Never back.

Stream time of a source topic-partition is the largest min(``occurred_at``, Kafka timestamp), so that
one fast clock cannot make honest events late. Whether a topic is idle is told from outside.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple


class PartitionClock:
    """Stream times of the event topics of one partition, and the watermark over them.

    >>> clock = PartitionClock(["clicks", "leads"])
    >>> clock.advance("clicks", 50); clock.advance_watermark(idle=set()) is None   # leads not yet statuses of
    True
    >>> clock.advance_watermark(idle={"leads"})
    50
    """

    def __init__(self, topics: Iterable[str]) -> None:
        self.stream_times: dict[str, int | None] = dict.fromkeys(topics)
        self.watermark: int | None = None

    def advance(self, topic: str, stream_time: int) -> None:
        """Raise the stream time of one topic."""
        known = self.stream_times[topic]
        if known is None or stream_time > known:
            self.stream_times[topic] = stream_time

    def advance_watermark(self, idle: Collection[str]) -> int | None:
        """The least stream time of the topics that are not idle; of all idle, the largest.

        A topic that is neither idle nor heard of holds the watermark where it is.
        """
        active = [time for topic, time in self.stream_times.items() if topic not in idle]
        if active:
            known = [time for time in active if time is not None]
            candidate = min(known) if len(known) == len(active) else None
        else:
            candidate = max((t for t in self.stream_times.values() if t is not None), default=None)
        self.watermark = _later(self.watermark, candidate)
        return self.watermark


class PartitionStatus(NamedTuple):
    """What one source partition last said of itself."""

    watermark: int | None
    is_idle: bool


class CampaignClock:
    """The watermark of the campaigns of one merge partition: the least over partitions not idle."""

    def __init__(self, partitions: int) -> None:
        self.statuses: list[PartitionStatus | None] = [None] * partitions
        self.watermark: int | None = None

    def update(self, partition: int, status: PartitionStatus) -> None:
        """Take in what a source partition says; its own watermark never goes back."""
        before = self.statuses[partition]
        if before is not None:
            status = PartitionStatus(_later(before.watermark, status.watermark), status.is_idle)
        self.statuses[partition] = status
        self.watermark = _later(self.watermark, self._candidate())

    def _candidate(self) -> int | None:
        if any(status is None for status in self.statuses):
            return None
        statuses = [status for status in self.statuses if status is not None]
        active = [status.watermark for status in statuses if not status.is_idle]
        if active:
            known = [mark for mark in active if mark is not None]
            return min(known) if len(known) == len(active) else None
        return max((s.watermark for s in statuses if s.watermark is not None), default=None)


def _later(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return max(one, other)

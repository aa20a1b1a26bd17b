"""Panes: the smallest buckets kept, at four resolutions, and how late a fact may still reach each.

A fact is folded into its minute, its quarter of an hour, its day and the total. What a pane is kept
for follows from the retention of the tumbling window it serves (CONTRACT 3): ``1m`` 2 h, ``1h`` 7 d,
``1d`` 35 d; the total is kept for good.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from metrics.tally import Tally
from metrics.timeline import DAY, HOUR, MINUTE, QUARTER, floor_to

#: Resolutions, finest first; integers because they are part of millions of keys.
MINUTES, QUARTERS, DAYS, TOTAL = range(4)
RESOLUTIONS = (MINUTES, QUARTERS, DAYS, TOTAL)
WIDTHS = (MINUTE, QUARTER, DAY)
#: The tumbling window that a pane's resolution serves, its length, and its retention.
WINDOW_LENGTHS = (MINUTE, HOUR, DAY)
RETENTIONS = (2 * HOUR, 7 * DAY, 35 * DAY)

PaneKey = tuple[str, int, int]


class Horizon(NamedTuple):
    """For each resolution the earliest pane start that still accepts facts; None accepts all."""

    minutes_from: int | None
    quarters_from: int | None
    days_from: int | None


def horizon(watermark: int | None) -> Horizon:
    """The panes that accept facts at a watermark: those whose window is within its retention.

    >>> horizon(None)
    Horizon(minutes_from=None, quarters_from=None, days_from=None)
    >>> horizon(35 * DAY).days_from
    0
    """
    if watermark is None:
        return Horizon(None, None, None)
    first = (
        floor_to(watermark - retention - length, length) + length
        for retention, length in zip(RETENTIONS, WINDOW_LENGTHS, strict=True)
    )
    return Horizon(*first)


def pane_starts(at: int) -> tuple[int, int, int]:
    """Starts of the minute, quarter and day panes that hold an instant."""
    return floor_to(at, MINUTE), floor_to(at, QUARTER), floor_to(at, DAY)


class ByStart:
    """Which campaigns have a pane at which start: expiry costs what expires, not what is kept.

    >>> index = ByStart(); index.add("c", MINUTES, 0); index.add("d", MINUTES, MINUTE)
    >>> list(index.take_before(MINUTES, MINUTE)), list(index.take_before(MINUTES, MINUTE))
    ([(0, ['c'])], [])
    """

    def __init__(self) -> None:
        self._campaigns: tuple[dict[int, list[str]], ...] = ({}, {}, {})

    def add(self, campaign: str, resolution: int, start: int) -> None:
        """Note a pane that was not there before."""
        self._campaigns[resolution].setdefault(start, []).append(campaign)

    def take_before(self, resolution: int, earliest: int) -> Iterator[tuple[int, list[str]]]:
        """Forget the panes that begin before ``earliest``; yield their starts and campaigns."""
        campaigns = self._campaigns[resolution]
        for start in [start for start in campaigns if start < earliest]:
            yield start, campaigns.pop(start)


class Panes:
    """The tallies of one source partition, with what changed since the last checkpoint."""

    def __init__(self) -> None:
        self.tallies: dict[PaneKey, Tally] = {}
        self.changed: set[PaneKey] = set()
        self._by_start = ByStart()

    def __iter__(self) -> Iterator[PaneKey]:
        return iter(self.tallies)

    def restore(self, key: PaneKey, tally: Tally) -> None:
        """Put back a pane read from the changelog."""
        self._enter(key)
        self.tallies[key] = tally

    def fold(self, campaign: str, at: int, delta: Tally, limits: Horizon) -> None:
        """Add ``delta`` to every pane of ``at`` that still accepts facts, and to the total."""
        for tally in self.opened(campaign, at, limits):
            tally.add(delta)

    def opened(self, campaign: str, at: int, limits: Horizon) -> list[Tally]:
        """The tallies of every pane of ``at`` that still accepts facts, and of the total, to be added to now."""
        tallies = [self.open((campaign, TOTAL, 0))]
        for resolution, (start, earliest) in enumerate(zip(pane_starts(at), limits, strict=True)):
            if earliest is None or start >= earliest:
                tallies.append(self.open((campaign, resolution, start)))
        return tallies

    def expire(self, limits: Horizon, unsent: Collection[PaneKey] = ()) -> list[PaneKey]:
        """Drop the panes that accept no more facts and return their keys.

        A pane changed since the last checkpoint, or among the ``unsent``, stays until its value has gone
        out (DESIGN 2.3).
        """
        dropped: list[PaneKey] = []
        for resolution, earliest in enumerate(limits):
            if earliest is not None:
                dropped.extend(self._drop_before(resolution, earliest, unsent))
        return dropped

    def open(self, key: PaneKey) -> Tally:
        """The tally of one pane, to be added to now; whether it still accepts facts is the caller's to know."""
        tally = self.tallies.get(key)
        if tally is None:
            self._enter(key)
            tally = self.tallies[key] = Tally()
        self.changed.add(key)
        return tally

    def _enter(self, key: PaneKey) -> None:
        campaign, resolution, start = key
        if resolution != TOTAL and key not in self.tallies:
            self._by_start.add(campaign, resolution, start)

    def _drop_before(self, resolution: int, earliest: int, unsent: Collection[PaneKey]) -> Iterable[PaneKey]:
        for start, campaigns in self._by_start.take_before(resolution, earliest):
            for campaign in campaigns:
                key = (campaign, resolution, start)
                if key in self.changed or key in unsent:
                    self._by_start.add(campaign, resolution, start)
                else:
                    del self.tallies[key]
                    yield key

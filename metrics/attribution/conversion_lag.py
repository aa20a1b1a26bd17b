"""How long conversions take, from the first touch of a path on, and what that says of young windows.

The figures of recent clicks are incomplete, since part of their conversions is still to come. Completeness of a window
is the share of the conversions that clicks of that age have usually brought by now. It is computed from the lags seen so
far, so a system younger than the lookback has not seen the long ones yet and takes its windows for more complete than they
are.
"""

from bisect import bisect_right

import msgspec

from metrics.values.time import DAY, HOUR, MINUTE

#: Kinds of conversions, the first letter of their keys.
LEAD, ORDER = "l", "o"
#: Upper ends of the buckets of lag, in milliseconds; the last bucket holds all above.
EDGES = (
    *(n * MINUTE for n in (1, 2, 5, 10, 20, 40)),
    *(n * HOUR for n in (1, 2, 4, 8, 16)),
    *(n * DAY for n in (1, 2, 3, 5, 7, 10, 14, 21, 30, 45, 60, 90)),
)


class LagCounts(msgspec.Struct, array_like=True):
    """Conversions by lag: one count per bucket of ``EDGES``, and one for what is longer."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(EDGES) + 1))

    def count(self, lag_ms: int, sign: int = 1) -> None:
        """Count a conversion, or take it back."""
        self.counts[bisect_right(EDGES, lag_ms)] += sign

    def add(self, other: "LagCounts", sign: int = 1) -> None:
        """Add the counts of others in place; lags of partitions add up."""
        self.counts = [mine + sign * theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]

    @property
    def total(self) -> int:
        """All conversions counted."""
        return sum(self.counts)


def arrived(lags: LagCounts, age_ms: float) -> float | None:
    """Share of conversions whose lag is at most ``age_ms``, straight lines between the edges; None without any.

    >>> lags = LagCounts(); lags.count(30_000); lags.count(90_000)
    >>> arrived(lags, 0), arrived(lags, 30_000), arrived(lags, 60_000), arrived(lags, 120_000)
    (0.0, 0.25, 0.5, 1.0)
    """
    total = lags.total
    if total <= 0:
        return None
    below, lower = 0, 0
    for edge, count in zip(EDGES, lags.counts, strict=False):
        if age_ms < edge:
            part = count * max(0.0, age_ms - lower) / (edge - lower)
            return min(1.0, max(0.0, (below + part) / total))
        below += count
        lower = edge
    # Nothing is known of how the longest lags lie; once all else has come they are counted as come.
    return 1.0 if age_ms >= 2 * lower else min(1.0, max(0.0, below / total))


def completeness(lags: LagCounts, start: int, end: int, watermark: int) -> float | None:
    """Share, 0 to 1 with 6 decimals, of the conversions of clicks in [start, end) that have usually come by now.

    The mean of ``arrived`` over the ages of the window's instants at the watermark, by the trapezoid rule on the edges
    that lie between; instants the watermark has not reached do not count. None without any conversion, or before the
    watermark reaches the window.

    >>> lags = LagCounts(); lags.count(30_000)
    >>> completeness(lags, 0, 60_000, 60_000), completeness(lags, 0, 60_000, 600_000), completeness(lags, 9, 99, 9)
    (0.5, 1.0, None)
    """
    youngest, oldest = max(0, watermark - end), watermark - start
    if oldest <= 0 or lags.total <= 0:
        return None
    ages = [youngest, *(edge for edge in EDGES if youngest < edge < oldest), oldest]
    shares = [arrived(lags, age) or 0.0 for age in ages]
    if oldest == youngest:
        return round(shares[0], 6)
    area = sum(
        (later - earlier) * (one + other) / 2
        for earlier, later, one, other in zip(ages, ages[1:], shares, shares[1:], strict=False)
    )
    return round(area / (oldest - youngest), 6)


class ConversionLags:
    """Lags of leads and of orders, as of one checkpoint; what is asked twice is computed once.

    >>> leads, orders = LagCounts(), LagCounts(); leads.count(30_000)
    >>> ConversionLags(leads, orders).of(0, 60_000, 600_000)
    (1.0, None)
    """

    def __init__(self, leads: LagCounts, orders: LagCounts) -> None:
        self._kinds = (leads, orders)
        self._known: dict[tuple[int, int, int], tuple[float | None, float | None]] = {}

    def of(self, start: int, end: int, watermark: int) -> tuple[float | None, float | None]:
        """Completeness of the leads and of the orders of clicks in [start, end)."""
        key = (start, end, watermark)
        if key not in self._known:
            leads, orders = (completeness(kind, start, end, watermark) for kind in self._kinds)
            self._known[key] = leads, orders
        return self._known[key]

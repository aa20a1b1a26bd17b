"""Sets of instants as sorted, disjoint, half-open intervals."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

Interval = tuple[int, int]


class IntervalSet:
    """A set of instants that grows by intervals.

    >>> some = IntervalSet()
    >>> some.add(0, 3); some.add(5, 9); some.add(3, 5)
    >>> list(some), some.covers(2, 8), some.covers(8, 10)
    ([(0, 9)], True, False)
    """

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[Interval]:
        return zip(self._starts, self._ends, strict=True)

    def __bool__(self) -> bool:
        return bool(self._starts)

    def add(self, start: int, end: int) -> None:
        """Add the instants of [start, end); intervals that touch become one."""
        if end <= start:
            return
        low, high = bisect_left(self._ends, start), bisect_right(self._starts, end)
        if low < high:
            start, end = min(start, self._starts[low]), max(end, self._ends[high - 1])
        self._starts[low:high] = [start]
        self._ends[low:high] = [end]

    def covers(self, start: int, end: int) -> bool:
        """Whether every instant of [start, end) is in the set."""
        if end <= start:
            return True
        place = bisect_right(self._starts, start) - 1
        return place >= 0 and self._ends[place] >= end

    def reaches(self, start: int) -> int:
        """The end of the instants that follow ``start`` without a gap; ``start`` itself where it is not in the set.

        >>> some = IntervalSet(); some.add(2, 4)
        >>> some.reaches(2), some.reaches(3), some.reaches(4)
        (4, 4, 4)
        """
        place = bisect_right(self._starts, start) - 1
        return max(start, self._ends[place]) if place >= 0 else start

    def outside(self, start: int, end: int) -> list[Interval]:
        """The parts of [start, end) that are not in the set.

        >>> some = IntervalSet(); some.add(2, 4)
        >>> some.outside(0, 9), some.outside(2, 3)
        ([(0, 2), (4, 9)], [])
        """
        found: list[Interval] = []
        place = bisect_right(self._ends, start)
        while start < end and place < len(self._starts) and self._starts[place] < end:
            if start < self._starts[place]:
                found.append((start, self._starts[place]))
            start = self._ends[place]
            place += 1
        if start < end:
            found.append((start, end))
        return found

"""Reports by time: which of them reach into a window, at the cost of those that do."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Generic, TypeVar

from metrics.values.intervals import Interval

K = TypeVar("K")


class _Grain:
    """Where the periods of one grain begin, in order, each with its place among what was added.

    The longest period says how far before a window a report may begin that reaches into it.
    """

    __slots__ = ("longest", "starts")

    def __init__(self) -> None:
        self.starts: list[tuple[int, int]] = []
        self.longest = 0


class ReportIndex(Generic[K]):
    """What stands for reports, in order of time; each grain for itself, since one month would make all hours its neighbours.

    >>> some = ReportIndex()
    >>> some.add("day", 1, (0, 24)); some.add("hour", 0, (22, 23)); some.add("next day", 1, (24, 48))
    >>> list(some.near(23, 25)), list(some.near(20, 24))
    (['day', 'next day', 'hour'], ['day', 'hour'])
    """

    def __init__(self) -> None:
        self._added: list[K] = []
        self._grains: dict[int, _Grain] = {}

    def add(self, item: K, grain: int, period: Interval) -> None:
        """Add what stands for a report of a period."""
        insort(self._grains.setdefault(grain, _Grain()).starts, (period[0], len(self._added)))
        self._added.append(item)
        self.stretch(grain, period[1] - period[0])

    def stretch(self, grain: int, length: int) -> None:
        """Reports of a grain may be so long from now on."""
        self._grains[grain].longest = max(self._grains[grain].longest, length)

    def near(self, start: int, end: int) -> Iterator[K]:
        """Each report that reaches into the window [start, end), and few that end before it."""
        for place in self._places(start, end):
            yield self._added[place]

    def near_in_order(self, start: int, end: int) -> list[K]:
        """The same, in the order in which they were added."""
        return [self._added[place] for place in sorted(self._places(start, end))]

    def _places(self, start: int, end: int) -> Iterator[int]:
        for grain in self._grains.values():
            low = bisect_left(grain.starts, (start - grain.longest,))
            for _, place in grain.starts[low : bisect_left(grain.starts, (end,))]:
                yield place

"""When a changed window is published: at most once per interval, oldest change first, within a rate.

Finals and corrections are exempt (CONTRACT 3). Pure: ``now`` is an argument, in milliseconds.
"""

from collections.abc import Callable, Hashable, Mapping
from heapq import heappop, heappush
from itertools import chain
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

#: Campaign (or campaign in a view), window name, window start (0 for ``total``).
WindowKey = tuple[str, str, int]

_BURST_MS = 1_000


class Allowance:
    """How many updates may go out: ``rate`` a second, saved up for at most one second.

    One is shared by all partitions of a worker.

    >>> allowance = Allowance(2); allowance.refill(0)
    >>> [allowance.take() for _ in range(3)]
    [True, True, False]
    >>> allowance.refill(500); allowance.take()
    True
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._left = float(rate)
        self._counted_at: int | None = None

    def refill(self, now: int) -> None:
        """Count the time since the last call."""
        elapsed = _BURST_MS if self._counted_at is None else max(0, now - self._counted_at)
        self._left = min(float(self._rate), self._left + self._rate * elapsed / 1_000)
        self._counted_at = now

    def take(self) -> bool:
        """Take one, if one is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Schedule:
    """The changed windows that wait, each with the checkpoint sequence that first held its change.

    Those that may go out wait in order of their change, the others in order of the instant at which they may; so
    whoever publishes can ask for the next such instant and need not look at what waits.

    >>> schedule = Schedule({"1m": 1000}, Allowance(10))
    >>> schedule.mark(("c", "1m", 0), sequence=1); schedule.due_at(), schedule.take(now=0)
    (0, [('c', '1m', 0)])
    >>> schedule.mark(("c", "1m", 0), sequence=2); schedule.due_at(), schedule.take(now=999), schedule.take(now=1000)
    (1000, [], [('c', '1m', 0)])
    """

    def __init__(
        self,
        intervals: Mapping[str, int],
        allowance: Allowance,
        slow_interval: Callable[[str], int | None] = lambda _name: None,
    ) -> None:
        self._intervals = intervals
        self._slow_interval = slow_interval
        self._allowance = allowance
        self._marks = 0
        #: Of what waits for its interval or the rate: the number of its mark, and the sequence.
        self._waiting: dict[WindowKey, tuple[int, int]] = {}
        self._urgent: dict[WindowKey, int] = {}
        #: How many of those that wait hold each sequence; there are far fewer sequences than windows.
        self._held: dict[int, int] = {}
        self._published: dict[WindowKey, int] = {}
        #: Heaps; an entry whose mark is no longer the one that waits is passed over.
        self._ready: list[tuple[int, WindowKey]] = []
        self._later: list[tuple[int, int, WindowKey]] = []
        self._taken_at: int | None = None

    def __len__(self) -> int:
        return len(self._waiting) + len(self._urgent)

    def mark(self, key: WindowKey, sequence: int) -> None:
        """A window changed; it waits for its interval."""
        if key in self._waiting or key in self._urgent:
            return
        self._marks += 1
        self._waiting[key] = (self._marks, sequence)
        self._held[sequence] = self._held.get(sequence, 0) + 1
        last = self._published.get(key)
        if last is None:
            heappush(self._ready, (self._marks, key))
        else:
            heappush(self._later, (last + self._interval(key), self._marks, key))

    def mark_urgent(self, key: WindowKey, sequence: int) -> None:
        """A closed window changed; it goes out next."""
        since = self._forget(key)
        self._urgent.setdefault(key, sequence if since is None else since)

    def take_urgent(self) -> list[WindowKey]:
        """Everything that is exempt from intervals and rate."""
        urgent, self._urgent = list(self._urgent), {}
        return urgent

    def take(self, now: int) -> list[WindowKey]:
        """What is due, oldest change first, within the rate."""
        self._allowance.refill(now)
        self._ripen(now)
        due: list[WindowKey] = []
        while self._is_ready() and self._allowance.take():
            _, key = heappop(self._ready)
            self._forget(key)
            self._published[key] = now
            due.append(key)
        return due

    def due_at(self) -> int | None:
        """From when on ``take`` finds something, the rate allowing; 0: already; None: nothing waits."""
        if self._urgent or self._is_ready():
            return 0
        while self._later and self._is_over(*self._later[0][1:]):
            heappop(self._later)
        return self._later[0][0] if self._later else None

    def close(self, key: WindowKey) -> None:
        """A window is final: it waits no more and its interval is forgotten."""
        self._forget(key)
        self._published.pop(key, None)

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        return min(chain(self._held, self._urgent.values()), default=None)

    def _ripen(self, now: int) -> None:
        """What may go out by now is ready; all of it when the clock was set back, else it would wait for that."""
        was_set_back = self._taken_at is not None and now < self._taken_at
        self._taken_at = now
        while self._later and (was_set_back or self._later[0][0] <= now):
            _, mark, key = heappop(self._later)
            heappush(self._ready, (mark, key))

    def _is_ready(self) -> bool:
        """Whether something may go out, the rate allowing."""
        while self._ready and self._is_over(*self._ready[0]):
            heappop(self._ready)
        return bool(self._ready)

    def _forget(self, key: WindowKey) -> int | None:
        """It waits no more; the sequence since which it did."""
        found = self._waiting.pop(key, None)
        if found is None:
            return None
        sequence = found[1]
        self._held[sequence] -= 1
        if not self._held[sequence]:
            del self._held[sequence]
        return sequence

    def _is_over(self, mark: int, key: WindowKey) -> bool:
        waiting = self._waiting.get(key)
        return waiting is None or waiting[0] != mark

    def _interval(self, key: WindowKey) -> int:
        """Of the subject where it has one of its own, else of the window."""
        return self._slow_interval(key[0]) or self._intervals[key[1]]


class Pacing(Generic[K]):
    """Changed keys, each given out at most once per interval of its own, without a rate: for what is few.

    >>> pacing = Pacing[str](lambda key: 1000); pacing.mark("a", 1); pacing.take(0), pacing.oldest()
    (['a'], None)
    >>> pacing.mark("a", 2); pacing.take(999), pacing.oldest(), pacing.take(999, lambda key: True)
    ([], 2, ['a'])
    """

    def __init__(self, interval_of: Callable[[K], int]) -> None:
        self._interval_of = interval_of
        self._waiting: dict[K, int] = {}
        self._given: dict[K, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def mark(self, key: K, sequence: int) -> None:
        """A key changed; it waits with the oldest sequence that holds its change."""
        self._waiting[key] = min(sequence, self._waiting.get(key, sequence))

    def take(self, now: int, is_urgent: Callable[[K], bool] = lambda _key: False) -> list[K]:
        """What is due; what is urgent does not wait for its interval, and its interval is forgotten."""
        due = []
        for key in self._waiting:
            if is_urgent(key):
                self._given.pop(key, None)
                due.append(key)
            elif key not in self._given or not 0 <= now - self._given[key] < self._interval_of(key):
                self._given[key] = now
                due.append(key)
        for key in due:
            del self._waiting[key]
        return due

    def forget(self, key: K) -> None:
        """A key will not change any more: it waits no more, and its interval is forgotten."""
        self._waiting.pop(key, None)
        self._given.pop(key, None)

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        return min(self._waiting.values(), default=None)


def stride(ending: Mapping[int, int], reached: int, most: int) -> int:
    """How far to close windows at once, at most up to ``reached``.

    Args:
        ending: how many windows end at an instant; all of one instant are closed together.
        reached: how far they may be closed.
        most: so many are closed at once, unless more end at the first instant.

    >>> stride({10: 3, 20: 3, 30: 1}, 35, most=6), stride({10: 3, 20: 3, 30: 1}, 35, most=7), stride({10: 9}, 35, most=6)
    (20, 35, 35)
    """
    count, through = 0, None
    for instant in sorted(ending):
        count += ending[instant]
        if count > most and through is not None:
            return through
        through = instant
    return reached

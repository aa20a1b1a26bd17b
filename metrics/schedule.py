"""When a changed window is published: at most once per interval, oldest change first, within a rate.

Finals and corrections are exempt (CONTRACT 3). Pure: ``now`` is an argument, in milliseconds.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

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

    >>> schedule = Schedule({"1m": 1000}, Allowance(10))
    >>> schedule.mark(("c", "1m", 0), sequence=1); list(schedule.take(now=0))
    [('c', '1m', 0)]
    >>> schedule.mark(("c", "1m", 0), sequence=2); list(schedule.take(now=999)), list(schedule.take(now=1000))
    ([], [('c', '1m', 0)])
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
        self._waiting: dict[WindowKey, int] = {}
        self._urgent: dict[WindowKey, int] = {}
        self._published: dict[WindowKey, int] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._urgent)

    def mark(self, key: WindowKey, sequence: int) -> None:
        """A window changed; it waits for its interval."""
        if key not in self._urgent:
            self._waiting.setdefault(key, sequence)

    def mark_urgent(self, key: WindowKey, sequence: int) -> None:
        """A closed window changed; it goes out next."""
        self._urgent.setdefault(key, self._waiting.pop(key, sequence))

    def take_urgent(self) -> list[WindowKey]:
        """Everything that is exempt from intervals and rate."""
        urgent, self._urgent = list(self._urgent), {}
        return urgent

    def take(self, now: int) -> Iterator[WindowKey]:
        """What is due, oldest change first, within the rate."""
        self._allowance.refill(now)
        due = []
        for key in self._waiting:
            last = self._published.get(key)
            if last is None or not 0 <= now - last < self._interval(key):
                if not self._allowance.take():
                    break
                due.append(key)
        for key in due:
            del self._waiting[key]
            self._published[key] = now
        yield from due

    def _interval(self, key: WindowKey) -> int:
        """Of the subject where it has one of its own, else of the window."""
        return self._slow_interval(key[0]) or self._intervals[key[1]]

    def close(self, key: WindowKey) -> None:
        """A window is final: it waits no more and its interval is forgotten."""
        self._waiting.pop(key, None)
        self._published.pop(key, None)

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        return min(chain(self._waiting.values(), self._urgent.values()), default=None)


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

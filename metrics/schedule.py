"""When a changed window is published: at most once per interval, oldest change first, within a rate.

Finals and corrections are exempt (CONTRACT 3). Pure: ``now`` is an argument, in milliseconds.
"""

from collections.abc import Iterator, Mapping
from itertools import chain

#: Campaign, window name, window start (0 for ``total``).
WindowKey = tuple[str, str, int]

_BURST_MS = 1_000


class Schedule:
    """The changed windows that wait, each with the checkpoint sequence that first held its change.

    >>> schedule = Schedule({"1m": 1000}, rate=10)
    >>> schedule.mark(("c", "1m", 0), sequence=1); list(schedule.take(now=0))
    [('c', '1m', 0)]
    >>> schedule.mark(("c", "1m", 0), sequence=2); list(schedule.take(now=999)), list(schedule.take(now=1000))
    ([], [('c', '1m', 0)])
    """

    def __init__(self, intervals: Mapping[str, int], rate: int) -> None:
        self._intervals = intervals
        self._rate = rate
        self._waiting: dict[WindowKey, int] = {}
        self._urgent: dict[WindowKey, int] = {}
        self._published: dict[WindowKey, int] = {}
        self._allowance = float(rate)
        self._counted_at: int | None = None

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
        self._refill(now)
        due = []
        for key in self._waiting:
            if self._allowance < 1:
                break
            last = self._published.get(key)
            if last is None or not 0 <= now - last < self._intervals[key[1]]:
                due.append(key)
                self._allowance -= 1
        for key in due:
            del self._waiting[key]
            self._published[key] = now
        yield from due

    def close(self, key: WindowKey) -> None:
        """A window is final: it waits no more and its interval is forgotten."""
        self._waiting.pop(key, None)
        self._published.pop(key, None)

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        return min(chain(self._waiting.values(), self._urgent.values()), default=None)

    def _refill(self, now: int) -> None:
        elapsed = _BURST_MS if self._counted_at is None else max(0, now - self._counted_at)
        self._allowance = min(float(self._rate), self._allowance + self._rate * elapsed / 1_000)
        self._counted_at = now

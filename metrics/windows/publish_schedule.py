"""When a changed window is published: at most once per interval, oldest change first, within a rate.

Finals and corrections are exempt (docs/contract.md). Pure: ``now`` is an argument, in milliseconds.
"""

from collections.abc import Callable, Hashable, Iterator, Mapping
from math import inf
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from metrics.sums.tally_columns import Codes, Integers, RowIndex, lengthened

K = TypeVar("K", bound=Hashable)

#: Campaign, window name, window start (0 for ``total``).
WindowKey = tuple[str, str, int]

_BURST_MS = 1_000
_NEVER = int(np.iinfo(np.int64).max)


class WindowCampaigns(NamedTuple):
    """One window of some campaigns, given by their codes."""

    window: str
    start: int
    codes: Codes


class PublishAllowance:
    """How many updates may go out: ``rate`` a second, saved up for at most one second.

    One is shared by all partitions of a worker.

    >>> allowance = PublishAllowance(2); allowance.refill(0)
    >>> allowance.take(3), allowance.take(1)
    (2, 0)
    >>> allowance.refill(500); allowance.take(1)
    1
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

    def take(self, wanted: int) -> int:
        """Take so many, or as many as are left; returns how many."""
        taken = min(wanted, int(self._left))
        self._left -= taken
        return taken


class _Window:
    """One window of all campaigns: since when each waits, and from when on it may go out."""

    __slots__ = ("_index", "count", "due_at", "due_first", "oldest", "since")

    def __init__(self) -> None:
        #: How many wait; the earliest instant at which one of them may go out; the sequence of the oldest of them.
        self.count, self.due_first, self.oldest = 0, _NEVER, _NEVER
        #: By row: the sequence of the change that waits, -1 where none does.
        self.since = np.full(0, -1, dtype=np.int64)
        #: By row: the instant from which it may go out, 0 where it never has.
        self.due_at = np.zeros(0, dtype=np.int64)
        self._index = RowIndex()

    def mark(self, codes: Codes, sequence: int) -> None:
        rows = self._index.rows(codes)
        if len(self.since) < self._index.room:
            known = len(self.since)
            self.since = lengthened(self.since, self._index.room)
            self.since[known:] = -1
            self.due_at = lengthened(self.due_at, self._index.room)
        fresh = rows[self.since[rows] < 0]
        if len(fresh):
            self.since[fresh] = sequence
            self.count += len(fresh)
            self.due_first = min(self.due_first, int(self.due_at[fresh].min()))
            self.oldest = min(self.oldest, sequence)

    def ready(self, now: int) -> Integers:
        """The rows that may go out."""
        if self.due_first > now:
            return np.empty(0, dtype=np.int64)
        return np.flatnonzero((self.since >= 0) & (self.due_at <= now))

    def codes(self, rows: Integers) -> Codes:
        return self._index.codes[rows]

    def give(self, rows: Integers, due_at: Integers) -> None:
        """Rows go out, and again from ``due_at`` on."""
        self.since[rows] = -1
        self.due_at[rows] = due_at
        are_waiting = self.since >= 0
        self.count -= len(rows)
        self.due_first = int(self.due_at[are_waiting].min(initial=_NEVER))
        self.oldest = int(self.since[are_waiting].min(initial=_NEVER))

    def forget_times(self) -> None:
        """Whatever waits may go out."""
        self.due_at[:] = 0
        self.due_first = 0 if self.count else _NEVER


class PublishSchedule:
    """The changed windows that wait, each with the checkpoint sequence that first held its change.

    Whoever publishes can ask for the next instant at which something may go out, and need not look at what waits.

    Args:
        interval: for a window and codes, how long each code's readings lie apart, in milliseconds.
        allowance: how many may go out.

    >>> schedule, codes = PublishSchedule(lambda window, codes: np.full(len(codes), 1000), PublishAllowance(10)), np.array([3], np.int32)
    >>> schedule.mark("1m", 0, codes, sequence=1); schedule.due_at(), schedule.take(now=0)
    (0, [WindowCampaigns(window='1m', start=0, codes=array([3], dtype=int32))])
    >>> schedule.mark("1m", 0, codes, sequence=2); schedule.due_at(), schedule.take(now=999), len(schedule.take(now=1000))
    (1000, [], 1)
    """

    def __init__(self, interval: Callable[[str, Codes], Integers], allowance: PublishAllowance) -> None:
        self._interval = interval
        self._allowance = allowance
        self._windows: dict[tuple[str, int], _Window] = {}
        #: Those in which something waits; and over all of them as of ``_Window``.
        self._waiting: dict[tuple[str, int], _Window] = {}
        self._count, self._due_first, self._oldest_mark = 0, _NEVER, _NEVER
        self._is_stale = False
        #: By window and code, the sequence of the oldest change that waits.
        self._urgent: dict[tuple[str, int], dict[int, int]] = {}
        self._taken_at: int | None = None

    def __len__(self) -> int:
        return self._count + sum(map(len, self._urgent.values()))

    def mark(self, window: str, start: int, codes: Codes, sequence: int) -> None:
        """A window of some campaigns changed; it waits for its interval."""
        key = window, start
        found = self._windows.get(key)
        if found is None:
            found = self._windows[key] = _Window()
        before = found.count
        found.mark(codes, sequence)
        if found.count > before:
            self._waiting[key] = found
            self._count += found.count - before
            self._due_first = min(self._due_first, found.due_first)
            self._oldest_mark = min(self._oldest_mark, found.oldest)

    def mark_urgent(self, window: str, start: int, codes: Codes, sequence: int) -> None:
        """A closed window changed; it goes out next."""
        waiting = self._urgent.setdefault((window, start), {})
        for code in codes.tolist():
            waiting[code] = min(sequence, waiting.get(code, sequence))

    def take_urgent(self) -> list[WindowCampaigns]:
        """Everything that is exempt from intervals and rate."""
        urgent, self._urgent = self._urgent, {}
        return [WindowCampaigns(*key, np.array(list(codes), dtype=np.int32)) for key, codes in urgent.items()]

    def take(self, now: int) -> list[WindowCampaigns]:
        """What is due, within the rate; the oldest changes where that does not let all of it go."""
        self._allowance.refill(now)
        if (
            self._taken_at is not None and now < self._taken_at
        ):  # the clock was set back: nobody waits for that
            for window in self._windows.values():
                window.forget_times()
        self._taken_at = now
        ready = [(key, rows) for key, window in self._waiting.items() if len(rows := window.ready(now))]
        wanted = sum(len(rows) for _, rows in ready)
        allowed = self._allowance.take(wanted)
        if allowed < wanted:
            ready = self._oldest(ready, allowed)
        given = [self._give(key, rows, now) for key, rows in ready if len(rows)]
        self._is_stale = True
        return given

    def due_at(self) -> int | None:
        """From when on ``take`` finds something, the rate allowing; 0: already; None: nothing waits."""
        if self._urgent:
            return 0
        self._look_again()
        return None if self._due_first == _NEVER else self._due_first

    def close(self, window: str, start: int) -> None:
        """A window is final: it waits no more and its interval is forgotten."""
        self._windows.pop((window, start), None)
        found = self._waiting.pop((window, start), None)
        if found is not None:
            self._count -= found.count
            self._is_stale = True

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        self._look_again()
        urgent = (sequence for codes in self._urgent.values() for sequence in codes.values())
        found = min((self._oldest_mark, *urgent))
        return None if found == _NEVER else found

    def _look_again(self) -> None:
        """Find what waits now, if anything has gone."""
        if not self._is_stale:
            return
        self._is_stale = False
        self._waiting = {key: window for key, window in self._waiting.items() if window.count}
        windows = self._waiting.values()
        self._due_first = min((window.due_first for window in windows), default=_NEVER)
        self._oldest_mark = min((window.oldest for window in windows), default=_NEVER)

    def _oldest(
        self, ready: list[tuple[tuple[str, int], Integers]], allowed: int
    ) -> list[tuple[tuple[str, int], Integers]]:
        since = np.concatenate([self._windows[key].since[rows] for key, rows in ready])
        is_chosen = np.zeros(len(since), dtype=np.bool_)
        is_chosen[np.argsort(since, kind="stable")[:allowed]] = True
        ends = np.cumsum([len(rows) for _, rows in ready])[:-1]
        return [
            (key, rows[chosen]) for (key, rows), chosen in zip(ready, np.split(is_chosen, ends), strict=True)
        ]

    def _give(self, key: tuple[str, int], rows: Integers, now: int) -> WindowCampaigns:
        window = self._windows[key]
        codes = window.codes(rows)
        self._count -= len(rows)
        window.give(rows, now + self._interval(key[0], codes))
        return WindowCampaigns(*key, codes)


#: Keys given out that are remembered before any is looked at again.
_FEW = 32


class KeyedSchedule(Generic[K]):
    """Changed keys, each given out at most once per interval of its own, the longest waiting first.

    What was given out is remembered until its interval has passed, so memory is bounded by what changes within an interval.

    >>> pacing = KeyedSchedule[str](lambda key: 1000); pacing.mark("a", 1); pacing.take(0), pacing.oldest()
    (['a'], None)
    >>> pacing.mark("a", 2); pacing.take(999), pacing.oldest(), pacing.take(999, lambda key: True)
    ([], 2, ['a'])
    >>> for key in "bc": pacing.mark(key, 3)
    >>> pacing.take(2000, most=1), pacing.take(2000, most=1), pacing.oldest()
    (['b'], ['c'], None)
    """

    def __init__(self, interval_of: Callable[[K], int]) -> None:
        self._interval_of = interval_of
        self._waiting: dict[K, int] = {}
        self._given: dict[K, int] = {}
        self._tidied_at_size = _FEW

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[K]:
        return iter(self._waiting)

    def mark(self, key: K, sequence: int) -> None:
        """A key changed; it waits with the oldest sequence that holds its change."""
        self._waiting[key] = min(sequence, self._waiting.get(key, sequence))

    def take(
        self,
        now: int,
        is_urgent: Callable[[K], bool] = lambda _key: False,
        most: float = inf,
        weight_of: Callable[[K], int] = lambda _key: 1,
    ) -> list[K]:
        """What is due, until it weighs ``most``; what is urgent does not wait for its interval, and its interval is forgotten."""
        due: list[K] = []
        weight = 0
        for key in self._waiting:
            if weight >= most:
                break
            if is_urgent(key):
                self._given.pop(key, None)
            elif key not in self._given or not 0 <= now - self._given[key] < self._interval_of(key):
                self._given[key] = now
            else:
                continue
            due.append(key)
            weight += weight_of(key)
        for key in due:
            del self._waiting[key]
        if len(self._given) > self._tidied_at_size:
            self._tidy(now)
        return due

    def _tidy(self, now: int) -> None:
        """Forget what was given out longer ago than its interval; twice as much comes before the next time."""
        self._given = {key: at for key, at in self._given.items() if 0 <= now - at < self._interval_of(key)}
        self._tidied_at_size = max(_FEW, 2 * len(self._given))

    def forget(self, key: K) -> None:
        """A key will not change any more: it waits no more, and its interval is forgotten."""
        self._waiting.pop(key, None)
        self._given.pop(key, None)

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        return min(self._waiting.values(), default=None)


def stride(ending: Mapping[int, int], watermark: int, most: int) -> int:
    """How far to close windows at once, at most up to ``watermark``.

    Args:
        ending: how many windows end at an instant; all of one instant are closed together.
        watermark: how far they may be closed.
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
    return watermark

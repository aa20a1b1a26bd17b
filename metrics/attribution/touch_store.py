"""The touches of visitors, a batch at a time: remembered in packed columns, found again by visitor. No clock, no I/O.

About 32 bytes a touch. Touches are kept in blocks, one per checkpoint, each with its largest event time, so that
they can be stored as they came, merged when small, and forgotten block by block, as event ids are
(``metrics.entities.dedupe``). To forget a person, the touches become nobody's and the blocks that hold them are stored anew.
"""

from bisect import bisect_right
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.attribution.touchpoints import Codes, Instants
from metrics.kernels import touches as kernels

Hashes = npt.NDArray[np.uint64]

_MIN_CAPACITY = 1 << 12
_GROWTH = 1.25
_MERGE = 16
_LARGEST_BLOCK = 1 << 17
#: A visitor's touches that are looked at: what has more is no person.
MAX_WALK = 10_000


class TouchColumns(NamedTuple):
    """A batch of touches: visitors (0 is nobody), event times in epoch milliseconds, and codes of touchpoints."""

    visitors: Hashes
    at: Instants
    touchpoints: Codes


class TouchBlock(NamedTuple):
    """Touches kept between two checkpoints; level grows as blocks are merged."""

    sequence: int
    level: int
    latest: int
    columns: TouchColumns


class TouchBlockChange(NamedTuple):
    """What a checkpoint must write: the blocks to store and the blocks to forget."""

    stored: list[TouchBlock]
    forgotten: list[int]


class _Span(NamedTuple):
    """Where a block lies in the ring: touches [start, end) by number."""

    sequence: int
    level: int
    latest: int
    start: int
    end: int


class TouchStore:
    """The touches of one kind and one partition, kept for ``keep_ms`` of event time.

    >>> store = TouchStore(keep_ms=100)
    >>> store.insert(TouchColumns(np.array([7, 9, 7], np.uint64), np.array([1, 2, 3]), np.array([0, 0, 1], np.int32)))
    >>> store.of(7, 0, 100), store.of(7, 2, 100), store.of(8, 0, 100)
    ([(3, 1), (1, 0)], [(3, 1)], [])
    """

    def __init__(self, keep_ms: int) -> None:
        self._keep_ms = keep_ms
        self._visitors: Hashes = np.zeros(_MIN_CAPACITY, np.uint64)
        self._at: Instants = np.zeros(_MIN_CAPACITY, np.int64)
        self._touchpoints: Codes = np.zeros(_MIN_CAPACITY, np.int32)
        self._back: npt.NDArray[np.uint32] = np.zeros(_MIN_CAPACITY, np.uint32)
        self._slots: Instants = np.full(2 * _MIN_CAPACITY, kernels.FREE, np.int64)
        self._marks: Instants = np.zeros(3, np.int64)
        self._blocks: list[_Span] = []
        self._rewritten: set[int] = set()
        self._begun = 0
        self._latest: int | None = None
        self._found_at: Instants = np.empty(MAX_WALK, np.int64)
        self._found_touchpoints: Codes = np.empty(MAX_WALK, np.int32)

    def __len__(self) -> int:
        return int(self._marks[kernels.NEXT] - self._marks[kernels.FIRST])

    @property
    def fresh(self) -> int:
        """Touches kept since the last checkpoint."""
        return int(self._marks[kernels.NEXT]) - self._begun

    @property
    def visitors(self) -> int:
        """How many visitors have touches."""
        return int(kernels.live(self._slots, self._marks))

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the columns and the index take."""
        return sum(array.nbytes for array in (*self._ring, self._slots))

    def insert(self, columns: TouchColumns) -> None:
        """Keep a batch of touches; those of nobody are passed over."""
        self._make_room(len(columns.visitors))
        kept = kernels.insert(*columns, *self._ring, self._slots, self._marks)
        if kept:
            latest = int(columns.at[columns.visitors != 0].max())
            self._latest = latest if self._latest is None else max(latest, self._latest)

    def of(self, visitor: int, since: int, until: int) -> list[tuple[int, int]]:
        """Event time and touchpoint of a visitor's touches in [since, until); the last to come are the first."""
        count = kernels.walk(
            np.uint64(visitor),
            since,
            until,
            *self._ring,
            self._slots,
            self._marks,
            self._found_at,
            self._found_touchpoints,
        )
        return list(
            zip(self._found_at[:count].tolist(), self._found_touchpoints[:count].tolist(), strict=True)
        )

    def of_all(self, visitors: Hashes, since: Instants, until: Instants) -> tuple[Instants, Instants, Codes]:
        """The touches of many visitors, each in its own [since, until): whose, by index, event times and touchpoints."""
        found: tuple[Instants, Instants, Codes]
        found = kernels.walk_all(visitors, since, until, MAX_WALK, *self._ring, self._slots, self._marks)
        return found

    def erase(self, visitor: int) -> int:
        """Forget a visitor; the blocks that held the touches are stored anew. Returns how many there were."""
        numbers = kernels.erase(np.uint64(visitor), self._visitors, self._back, self._slots, self._marks)
        starts = [block.start for block in self._blocks]
        for number in numbers.tolist():
            index = bisect_right(starts, number) - 1
            if index >= 0 and number < self._blocks[index].end:
                self._rewritten.add(self._blocks[index].sequence)
        return len(numbers)

    @property
    def span(self) -> tuple[int, int]:
        """The number of the first touch that is kept, and of the next one to come."""
        return int(self._marks[kernels.FIRST]), int(self._marks[kernels.NEXT])

    def find_followed(self, some: range, base: int, followed: npt.NDArray[np.bool_]) -> None:
        """Note which touches, from number ``base`` on, are followed by some others of the same visitor."""
        kernels.follow(self._back, self._marks, some.start, some.stop, base, followed)

    def count_steps(
        self,
        some: range,
        base: int,
        followed: npt.NDArray[np.bool_],
        campaigns: Codes,
        counts: Instants,
        watched: "ConvertedVisitors",
    ) -> None:
        """Count the steps of the paths that end in some touches; see ``metrics.attribution.markov_fit``."""
        columns = self._visitors, self._touchpoints, self._back, self._marks
        numbers = some.start, some.stop, base
        kernels.steps(*columns, *numbers, followed, campaigns, counts, watched.keys)

    # --- blocks ------------------------------------------------------------------------------------

    def restore(self, block: TouchBlock) -> None:
        """Put back a block read from the changelog; call in order of sequence."""
        start = int(self._marks[kernels.NEXT])
        self.insert(block.columns)
        end = self._begun = int(self._marks[kernels.NEXT])
        self._blocks.append(_Span(block.sequence, block.level, block.latest, start, end))
        self._latest = None

    def checkpoint(self, sequence: int, watermark: int | None) -> TouchBlockChange:
        """Close the present block under ``sequence``, merge small blocks, forget those older than is kept."""
        forgotten = self._forget(watermark)
        stored: list[_Span] = []
        if self._latest is not None:
            end = int(self._marks[kernels.NEXT])
            span, merged = self._merge(_Span(sequence, 0, self._latest, self._begun, end))
            self._blocks.append(span)
            self._begun, self._latest = end, None
            forgotten += merged
            stored.append(span)
        self._rewritten.difference_update(forgotten, [span.sequence for span in stored])
        stored += self._take_rewritten()
        return TouchBlockChange([self._packed(span) for span in stored], forgotten)

    @property
    def has_rewritten(self) -> bool:
        """Whether blocks of which somebody was erased wait to be stored anew."""
        return bool(self._rewritten)

    def _take_rewritten(self) -> list[_Span]:
        """Some of those, not more than a checkpoint holds."""
        spans: list[_Span] = []
        room = _LARGEST_BLOCK
        for span in self._blocks:
            if span.sequence in self._rewritten and (not spans or span.end - span.start <= room):
                room -= span.end - span.start
                spans.append(span)
        self._rewritten.difference_update(span.sequence for span in spans)
        return spans

    def _forget(self, watermark: int | None) -> list[int]:
        forgotten: list[int] = []
        while self._blocks and watermark is not None and self._blocks[0].latest < watermark - self._keep_ms:
            oldest = self._blocks.pop(0)
            self._marks[kernels.FIRST] = oldest.end
            forgotten.append(oldest.sequence)
        return forgotten

    def _merge(self, span: _Span) -> tuple[_Span, list[int]]:
        merged: list[int] = []
        while True:
            peers = self._blocks[1 - _MERGE :]
            alike = len(peers) == _MERGE - 1 and all(peer.level == span.level for peer in peers)
            if not alike or span.end - peers[0].start > _LARGEST_BLOCK:
                return span, merged
            del self._blocks[1 - _MERGE :]
            merged += [peer.sequence for peer in peers]
            latest = max(span.latest, *(peer.latest for peer in peers))
            span = _Span(span.sequence, span.level + 1, latest, peers[0].start, span.end)

    def _packed(self, span: _Span) -> TouchBlock:
        numbers = np.arange(span.start, span.end) % len(self._visitors)
        numbers = numbers[self._visitors[numbers] != 0]
        columns = TouchColumns(self._visitors[numbers], self._at[numbers], self._touchpoints[numbers])
        return TouchBlock(span.sequence, span.level, span.latest, columns)

    # --- room --------------------------------------------------------------------------------------

    @property
    def _ring(self) -> tuple[Hashes, Instants, Codes, npt.NDArray[np.uint32]]:
        return self._visitors, self._at, self._touchpoints, self._back

    def _make_room(self, count: int) -> None:
        """Room for so many touches more. Growth is done at once: at five million touches it takes some 0.2 s (D65)."""
        needed = len(self) + count
        if needed > len(self._visitors):
            self._grow_ring(int(needed * _GROWTH))
        if 2 * (int(self._marks[kernels.USED]) + count) > len(self._slots):
            self._rebuild_index(count)

    def _grow_ring(self, capacity: int) -> None:
        columns: list[npt.NDArray[Any]] = [*self._ring]
        grown = [np.zeros(capacity, column.dtype) for column in columns]
        start, end = self.span
        while start < end:  # in runs, as far as neither ring turns
            old, new = start % len(self._visitors), start % capacity
            length = min(end - start, len(self._visitors) - old, capacity - new)
            for before, after in zip(columns, grown, strict=True):
                after[new : new + length] = before[old : old + length]
            start += length
        self._visitors, self._at, self._touchpoints, self._back = grown

    def _rebuild_index(self, count: int) -> None:
        """Slots for the visitors whose touches are kept, with room for so many more."""
        size = 2 * _MIN_CAPACITY
        while size < 2.5 * (self.visitors + count):
            size *= 2
        slots, used = np.full(size, kernels.FREE, np.int64), np.zeros(1, np.int64)
        kernels.move(self._slots, self._visitors, slots, self._marks, used)
        self._slots, self._marks[kernels.USED] = slots, used[0]


class ConvertedVisitors:
    """Visitors of whom a conversion is remembered, each with the event time of the latest.

    >>> watched = ConvertedVisitors(); watched.note(np.array([7], np.uint64), np.array([50]))
    >>> watched.earlier(np.array([7, 7, 9], np.uint64), np.array([49, 50, 1])).tolist()
    [0]
    """

    def __init__(self) -> None:
        self._keys: Hashes = np.zeros(_MIN_CAPACITY, np.uint64)
        self._latest: Instants = np.zeros(_MIN_CAPACITY, np.int64)
        self._used = 0

    def note(self, visitors: Hashes, at: Instants) -> None:
        """Conversions are remembered, one of each visitor at an instant; a visitor may come more than once."""
        if 2 * (self._used + len(visitors)) >= len(self._keys):
            self._rebuild(-(1 << 62), len(visitors))
        self._used += int(kernels.note(self._keys, self._latest, visitors, at))

    def earlier(self, visitors: Hashes, at: Instants) -> Instants:
        """Indexes of the touches that came before the latest conversion of their visitor."""
        found = np.empty(len(visitors), np.int64)
        return found[: kernels.earlier(visitors, at, self._keys, self._latest, found)]

    @property
    def keys(self) -> Hashes:
        """The slots of those that are noted; 0 is free."""
        return self._keys

    def forget_before(self, since: int) -> None:
        """Forget those whose latest conversion is before an instant."""
        self._rebuild(since, 0)

    def _rebuild(self, since: int, more: int) -> None:
        """Slots for those that are kept, with room for some more."""
        kept = int(np.count_nonzero((self._keys != 0) & (self._latest >= since)))
        size = _MIN_CAPACITY
        while size < 3 * (kept + more + 1):
            size *= 2
        keys, latest = np.zeros(size, np.uint64), np.zeros(size, np.int64)
        self._used = int(kernels.renote(self._keys, self._latest, keys, latest, since))
        self._keys, self._latest = keys, latest

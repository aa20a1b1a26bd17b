"""Recent event ids, remembered as 64-bit hashes in an open-addressing table. No clock, no I/O.

A Python set costs 69 bytes an id; this table costs 11 to 22 and is asked for a whole batch at once (D10). Two different ids of one partition meet in one hash with probability n / 2^64 per event:
5e-14 at a million remembered ids. Hashes are kept in blocks, each with its largest event time, so that
they can be stored as they came, merged when small, and forgotten block by block.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt

from metrics.kernels import ids
from metrics.values.hashing import Hashes

_MIN_CAPACITY = 1 << 12
_MERGE = 16
_LARGEST_BLOCK = 1 << 17
#: So many ids at most are compared between tables.
_SAMPLED = 20_000


class IdBlock(NamedTuple):
    """Ids applied between two checkpoints: level grows as blocks are merged."""

    sequence: int
    level: int
    latest: int
    hashes: Hashes


class IdBlockChange(NamedTuple):
    """What a checkpoint must write: the block to store (if any) and the blocks to forget."""

    stored: IdBlock | None
    forgotten: list[int]


class _HashTable:
    """The set of ``metrics.kernels.ids``, made twice as large when it is three quarters full."""

    def __init__(self) -> None:
        self._slots: Hashes = np.zeros(_MIN_CAPACITY, dtype=np.uint64)
        self._count = 0

    def contains(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        return cast("npt.NDArray[np.bool_]", ids.contains(self._slots, hashes))

    def insert(self, hashes: Hashes) -> None:
        """Hold hashes."""
        self._make_room(len(hashes))
        self._count += ids.insert(self._slots, hashes)

    def admit(self, hashes: Hashes, is_late: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        """Judge hashes in order, and hold those that are fresh."""
        self._make_room(len(hashes))
        verdicts = np.empty(len(hashes), dtype=np.uint8)
        self._count += ids.admit(self._slots, hashes, is_late, verdicts)
        return verdicts

    def remove(self, hashes: Hashes) -> None:
        """Hold hashes no more."""
        self._count -= ids.remove(self._slots, hashes)

    def sample(self, bits: int) -> Hashes:
        """One in 2^bits of the hashes that are held, the same ones in every table."""
        highest = ((1 << bits) - 1) << (64 - bits)
        return self._slots[self._slots >= np.uint64(max(1, highest))]  # free slots are 0

    def _make_room(self, count: int) -> None:
        capacity = len(self._slots)
        while 4 * (self._count + count) > 3 * capacity:
            capacity *= 2
        if capacity > len(self._slots):
            slots = np.zeros(capacity, dtype=np.uint64)
            ids.insert(slots, self._slots[self._slots != 0])
            self._slots = slots


class SeenIds:
    """The ids applied within the last ``max_events`` events and ``window_ms`` of event time.

    Whole blocks are forgotten, so an id is remembered at least that long.
    """

    def __init__(self, max_events: int, window_ms: int) -> None:
        self._max_events = max_events
        self._window_ms = window_ms
        self._table = _HashTable()
        self._blocks: list[IdBlock] = []
        self._fresh: list[Hashes] = []
        self._fresh_latest: int | None = None
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def fresh(self) -> int:
        """Ids remembered since the last checkpoint."""
        return sum(map(len, self._fresh))

    def contains(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """For each hash, whether it is remembered."""
        return self._table.contains(hashes)

    def admit(
        self, hashes: Hashes, is_late: npt.NDArray[np.bool_], at: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        """Judge ids in order (``ids.FRESH``, ``DUPLICATE`` or ``LATE``) and remember the fresh ones.

        Args:
            hashes: of the ids.
            is_late: whether the event is too late to be applied; such an id is not remembered.
            at: event times.
        """
        verdicts = self._table.admit(hashes, is_late)
        is_fresh = verdicts == ids.FRESH
        if is_fresh.any():
            self._note(hashes[is_fresh], int(at[is_fresh].max()))
        return verdicts

    def sample(self, bits: int) -> Hashes:
        """One in 2^bits of the remembered ids, the same ones wherever they are remembered."""
        return self._table.sample(bits)

    def remember(self, hashes: Hashes, latest: int) -> None:
        """Remember hashes that are distinct and new; ``latest`` is their largest event time."""
        if not hashes.size:
            return
        self._table.insert(hashes)
        self._note(hashes, latest)

    def _note(self, hashes: Hashes, latest: int) -> None:
        self._fresh.append(hashes)
        self._count += len(hashes)
        self._fresh_latest = latest if self._fresh_latest is None else max(latest, self._fresh_latest)

    def restore(self, block: IdBlock) -> None:
        """Put back a block read from the changelog; call in order of sequence."""
        self._blocks.append(block)
        self._count += len(block.hashes)
        self._table.insert(block.hashes)

    def checkpoint(self, sequence: int, stream_time: int | None) -> IdBlockChange:
        """Close the present block under ``sequence``, merge small blocks, forget old ones."""
        forgotten = self._forget(stream_time)
        if self._fresh_latest is None:
            return IdBlockChange(None, forgotten)
        block = IdBlock(sequence, 0, self._fresh_latest, np.concatenate(self._fresh))
        self._fresh, self._fresh_latest = [], None
        block, merged = self._merge(block)
        self._blocks.append(block)
        return IdBlockChange(block, forgotten + merged)

    def _forget(self, stream_time: int | None) -> list[int]:
        forgotten: list[int] = []
        while self._blocks:
            oldest = self._blocks[0]
            crowded = self._count - len(oldest.hashes) >= self._max_events
            aged = stream_time is not None and oldest.latest < stream_time - self._window_ms
            if not (crowded or aged):
                break
            self._blocks.pop(0)
            self._count -= len(oldest.hashes)
            self._table.remove(oldest.hashes)
            forgotten.append(oldest.sequence)
        return forgotten

    def _merge(self, block: IdBlock) -> tuple[IdBlock, list[int]]:
        merged: list[int] = []
        while True:
            peers = self._blocks[1 - _MERGE :]
            size = len(block.hashes) + sum(len(peer.hashes) for peer in peers)
            alike = len(peers) == _MERGE - 1 and all(peer.level == block.level for peer in peers)
            if not alike or size > _LARGEST_BLOCK:
                return block, merged
            del self._blocks[1 - _MERGE :]
            merged += [peer.sequence for peer in peers]
            latest = max(block.latest, *(peer.latest for peer in peers))
            hashes = np.concatenate([*(peer.hashes for peer in peers), block.hashes])
            block = IdBlock(block.sequence, block.level + 1, latest, hashes)


def repeated(tables: Sequence[SeenIds]) -> int:
    """How many ids several tables remember, each once less than it is remembered; of many ids by a sample, so about.

    >>> one, other = SeenIds(10, 10), SeenIds(10, 10)
    >>> one.remember(np.array([5, 6], dtype=np.uint64), 0); other.remember(np.array([6, 7], dtype=np.uint64), 0)
    >>> repeated([one, other])
    1
    """
    bits = (sum(map(len, tables)) // _SAMPLED).bit_length()
    found = [table.sample(bits) for table in tables]
    if len(found) < 2:
        return 0
    together = np.concatenate(found)
    return (len(together) - len(np.unique(together))) << bits

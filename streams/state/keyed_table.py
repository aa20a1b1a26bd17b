"""A partitioned table of our own: entries packed in memory, changes collected for the next checkpoint.

Entries are kept as MessagePack bytes (a fifth of the memory of objects) and expire by their latest event
time, a day at a time. The changelog and its recovery are ours too (``streams.transport.checkpoint_writer``).
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from metrics.values.time import DAY
from streams.state.codec import IS_JSON, Entry, decoder, encode, read_key, state_key
from streams.state.table import Restored


class Dated(Protocol):
    """An entry that knows the latest event time it holds."""

    @property
    def latest(self) -> int:
        """Epoch milliseconds."""
        ...


E = TypeVar("E", bound=Dated)
#: Bytes of a changelog record besides its value and its id.
_OVERHEAD = 32
#: At most; counting them would cost more than it tells.
_BYTES_PER_CHARACTER = 4
#: So many are looked for one by one; more, by all long numbers that an entry may hold.
_FEW = 8
#: What may be a number of eight bytes in MessagePack: its mark, and what follows.
_LONG = re.compile(rb"(?=(\xcf.{8}))", re.DOTALL).findall
#: One less than the number of ids after which the length of a list is looked at; all its bits are set.
_LOOK_MASK = 1_023


class KeyedTable(Generic[E]):
    """Entries by id, of one kind and one partition.

    Args:
        kind: of the keys.
        shape: of an entry.
    """

    def __init__(self, kind: str, shape: type[E]) -> None:
        self.kind = kind
        #: Bytes that the table adds to the next checkpoint.
        self.weight = 0
        #: Called with each id and entry that is put back.
        self.on_restored: Callable[[str, E], object] | None = None
        self._decode = decoder(shape)
        self._packed: dict[str, bytes] = {}
        #: What each changed entry adds to the weight.
        self._changed: dict[str, int] = {}
        #: Lists take a third of the memory of sets at most. An id is repeated where an entry was put again; repeats go when a list has doubled.
        self._by_day: dict[int, list[str]] = {}
        #: How long the list of a day was without repeats when it was last rid of them.
        self._tidied: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._packed

    def ids(self) -> Iterator[str]:
        """Every id; nothing may be put while this runs."""
        return iter(self._packed)

    def items(self) -> Iterator[tuple[str, E]]:
        """Every id with its entry; nothing may be put while this runs."""
        for entry_id, packed in self._packed.items():
            yield entry_id, self._decode(packed)

    def days(self) -> Iterator[int]:
        """The days that hold the latest event time of an entry, in days since the epoch."""
        return iter(self._by_day)

    def ids_of_day(self, day: int) -> Iterator[str]:
        """The entries whose latest event time lies on a day, and some that were moved to another day or dropped since."""
        return iter(dict.fromkeys(self._by_day.get(day, ())))

    def ids_holding(self, numbers: Collection[int]) -> list[str]:
        """The ids of entries that hold one of some numbers from 2 ** 32 to 2 ** 64 - 1, in any field; perhaps of a few others."""
        wanted = {encode(number) for number in numbers}

        def holds(packed: bytes) -> bool:
            if len(wanted) <= _FEW:
                return any(each in packed for each in wanted)
            return not wanted.isdisjoint(_LONG(packed))

        return [
            entry_id for entry_id, packed in self._packed.items() if packed[:1] == IS_JSON or holds(packed)
        ]

    def get(self, entry_id: str) -> E | None:
        """The entry of an id."""
        packed = self._packed.get(entry_id)
        return None if packed is None else self._decode(packed)

    def put(self, entry_id: str, entry: E) -> None:
        """Keep an entry."""
        packed = self._packed[entry_id] = encode(entry)
        self._date(entry_id, entry)
        changed = self._changed  # as in ``_change``, whose call would be felt by every lead and order
        weight = len(packed) + _BYTES_PER_CHARACTER * len(entry_id) + _OVERHEAD
        self.weight += weight - changed.get(entry_id, 0)
        changed[entry_id] = weight

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back entries read from the changelog."""
        del confirmed
        for key, packed in entries:
            entry_id, entry = read_key(key)[1], self._decode(packed)
            self._packed[entry_id] = packed
            self._date(entry_id, entry)
            if self.on_restored is not None:
                self.on_restored(entry_id, entry)
        return ()

    def drop(self, entry_id: str) -> None:
        """Forget an entry; the next checkpoint writes its tombstone."""
        if self._packed.pop(entry_id, None) is not None:
            self._change(entry_id, 0)

    def expire(self, before: int) -> Iterator[E]:
        """Drop the entries whose latest event time is on a day that ended by ``before``; yield them."""
        for day in [day for day in self._by_day if (day + 1) * DAY <= before]:
            self._tidied.pop(day, None)
            for entry_id in self._by_day.pop(day):
                packed = self._packed.get(entry_id)
                if packed is None:
                    continue
                entry = self._decode(packed)
                if entry.latest // DAY <= day:
                    del self._packed[entry_id]
                    self._change(entry_id, 0)
                    yield entry

    def take_changes(self, sequence: int) -> list[Entry]:
        """Changelog records of what changed since the last call; dropped entries are tombstones."""
        del sequence
        changed, self._changed, self.weight = self._changed, {}, 0
        return [(state_key(self.kind, entry_id), self._packed.get(entry_id)) for entry_id in changed]

    def _change(self, entry_id: str, size: int) -> None:
        weight = size + _BYTES_PER_CHARACTER * len(entry_id) + _OVERHEAD
        self.weight += weight - self._changed.get(entry_id, 0)
        self._changed[entry_id] = weight

    def _date(self, entry_id: str, entry: E) -> None:
        day = entry.latest // DAY
        ids = self._by_day.get(day)
        if ids is None:
            ids = self._by_day[day] = []
        ids.append(entry_id)
        if not len(ids) & _LOOK_MASK:
            self._tidy(day, ids)

    def _tidy(self, day: int, ids: list[str]) -> None:
        """Take repeats out of a list that has doubled, so that each put costs the same however often an entry is put."""
        if len(ids) >= 2 * self._tidied.get(day, 0):
            ids[:] = dict.fromkeys(ids)
            self._tidied[day] = len(ids)

"""How many records a state has, and a checksum of them that does not depend on their order. Pure.

A checkpoint says both of the state after it. Who reads a changelog back computes them anew, so that a log that has lost
records, or holds older ones than it should, is told from a whole one. A record costs 21 to 43 bytes of memory.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from metrics.kernels import digests
from metrics.kernels.memory import PADDING
from metrics.values.hashing import seed_of
from streams.state.codec import Entry

_MIN_CAPACITY = 1 << 10
#: Entries that are packed at once.
_CHUNK = 50_000
#: The way from a list of bytes to an array that costs least.
_pack = msgspec.msgpack.Encoder().encode
_END = bytes(PADDING)
_SEED = np.uint64(seed_of("changelog"))


class StateDigest:
    """Count and checksum of the records that a changelog holds, kept up to date with each change.

    >>> one, other = StateDigest(), StateDigest()
    >>> one.change([(b"a", b"1"), (b"b", b"2")]); other.change([(b"b", b"0"), (b"c", b"3")])
    >>> other.change([(b"b", b"2"), (b"a", b"1"), (b"c", None)]); one.count, one.checksum == other.checksum
    (2, True)
    """

    def __init__(self) -> None:
        self._slots = np.zeros(_MIN_CAPACITY, np.uint64)
        self._digests = np.zeros(_MIN_CAPACITY, np.uint64)
        #: Sum of the digests, records, slots that are taken.
        self._totals = np.zeros(3, np.uint64)

    @property
    def count(self) -> int:
        """Records that are there."""
        return int(self._totals[1])

    @property
    def checksum(self) -> int:
        """64 bits."""
        return int(self._totals[0])

    def change(self, entries: Sequence[Entry]) -> None:
        """Put records in the place of those with the same key; a value of None removes."""
        for at in range(0, len(entries), _CHUNK):
            some = entries[at : at + _CHUNK]
            packed = np.frombuffer(_pack(some) + _END, np.uint8)
            self._make_room(len(some))
            digests.change(self._slots, self._digests, packed, len(some), _SEED, self._totals)

    def _make_room(self, count: int) -> None:
        if 4 * (int(self._totals[2]) + count) <= 3 * len(self._slots):
            return
        capacity = _MIN_CAPACITY
        while 4 * (self.count + count) > 2 * capacity:
            capacity *= 2
        slots, kept = np.zeros(capacity, np.uint64), np.zeros(capacity, np.uint64)
        digests.move(self._slots, self._digests, slots, kept)
        self._slots, self._digests, self._totals[2] = slots, kept, self._totals[1]

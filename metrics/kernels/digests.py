"""The digest of a set of records that changes record by record: each record's hash, by the hash of its key, and their sum.

Slots hold 0 or the hash of a key (``metrics.kernels.ids``); beside each stands the hash of its record, 0 where the record
is gone. Records come in MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md). The sum of all hashes wraps around at 64 bits and does not depend on the order of the changes.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined, kernel
from metrics.kernels.hashing import xxh64
from metrics.kernels.ids import find
from metrics.kernels.memory import address_of, byte_at

_NIL, _BIN8, _BIN16 = 0xC0, 0xC4, 0xC5


@inlined
def _skip_array(start: Any, at: Any) -> Any:
    """Behind the head of an array (fixarray, array 16 or array 32)."""
    head = byte_at(start, at)
    if head < 0xDC:
        return at + 1
    return at + 3 if head == 0xDC else at + 5


@inlined
def _bytes_at(start: Any, at: Any) -> Any:
    """Where the bytes of a MessagePack value begin, and how many there are; none of nil."""
    head = byte_at(start, at)
    if head == _NIL:
        return at + 1, 0
    width = 1 if head == _BIN8 else (2 if head == _BIN16 else 4)
    size = 0
    for index in range(width):
        size = (size << 8) | np.int64(byte_at(start, at + 1 + index))
    return at + 1 + width, size


@kernel
def change(slots: Any, digests: Any, packed: Any, count: int, seed: Any, totals: Any) -> None:
    """Let records take the place of those with the same key, in order.

    Args:
        slots: uint64, keys; room for all of them.
        digests: uint64, of the record at each slot.
        packed: uint8, an array of pairs of bytes in MessagePack, padded; a value of nil removes a record.
        count: of the pairs.
        seed: uint64, of the hashes.
        totals: uint64, changed in place: sum of the digests, records that are there, slots that are taken.
    """
    start = address_of(packed)
    at = _skip_array(start, 0)
    for _ in range(count):
        key_at, key_size = _bytes_at(start, _skip_array(start, at))
        value_at, value_size = _bytes_at(start, key_at + key_size)
        at = value_at + value_size
        hashed = xxh64(start, key_at, key_size, seed) | np.uint64(2)
        digest = np.uint64(0)
        if value_size > 0:
            digest = xxh64(start, value_at, value_size, hashed) | np.uint64(1)
        position = find(slots, hashed)
        if position < 0:
            position = -1 - position
            slots[position] = hashed
            totals[2] += np.uint64(1)
        totals[0] += digest - digests[position]
        totals[1] += np.uint64(digest != 0) - np.uint64(digests[position] != 0)
        digests[position] = digest


@kernel
def move(slots: Any, digests: Any, new_slots: Any, new_digests: Any) -> None:
    """Copy what is there to larger arrays."""
    for index in range(len(slots)):
        if digests[index] != 0:
            position = -1 - find(new_slots, slots[index])
            new_slots[position] = slots[index]
            new_digests[position] = digests[index]

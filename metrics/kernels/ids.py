"""A set of 64-bit hashes by open addressing with linear probing, as kernels over its slots.

Slots hold 0 or a hash, which is never 0; their number is a power of two and at least one is free, so that every probe
ends. A removed hash leaves no trace: those behind it move up (Knuth, TAOCP 3, 6.4, algorithm R).
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import borrowing, inlined, kernel

FRESH, DUPLICATE, LATE = 0, 1, 2

#: The low bits of a hash that are not asked: one of them is always set.
_SKIPPED_BITS = np.uint64(16)


@inlined
def home(hashed: Any, mask: Any) -> Any:
    """The slot where the search for a hash begins."""
    return (hashed >> _SKIPPED_BITS) & mask


@borrowing
def find(slots: Any, wanted: Any) -> int:
    """Where a hash is held, else -1 minus the free slot it would go to."""
    mask = np.uint64(len(slots) - 1)
    position = home(wanted, mask)
    while slots[position] != wanted:
        if slots[position] == 0:
            return -1 - np.int64(position)
        position = (position + np.uint64(1)) & mask
    return np.int64(position)


@kernel
def contains(slots: Any, hashes: Any) -> Any:
    """For each hash, whether it is held."""
    found = np.empty(len(hashes), dtype=np.bool_)
    for index in range(len(hashes)):
        found[index] = find(slots, hashes[index]) >= 0
    return found


@kernel
def insert(slots: Any, hashes: Any) -> int:
    """Hold the hashes, and say how many were not held before."""
    count = 0
    for index in range(len(hashes)):
        position = find(slots, hashes[index])
        if position < 0:
            slots[-1 - position] = hashes[index]
            count += 1
    return count


@kernel
def remove(slots: Any, hashes: Any) -> int:
    """Hold the hashes no more, and say how many were held."""
    mask, count = np.uint64(len(slots) - 1), 0
    for index in range(len(hashes)):
        position = find(slots, hashes[index])
        if position < 0:
            continue
        count += 1
        gap = following = np.uint64(position)
        while True:
            following = (following + np.uint64(1)) & mask
            if slots[following] == 0:
                break
            # Only a hash whose search would pass the gap may move into it.
            if (following - home(slots[following], mask)) & mask >= (following - gap) & mask:
                slots[gap] = slots[following]
                gap = following
        slots[gap] = 0
    return count


@kernel
def admit(slots: Any, hashes: Any, is_late: Any, verdicts: Any) -> int:
    """Judge hashes in order: held, late, or fresh and held from now on; say how many are fresh.

    Verdicts go in uint8: FRESH, DUPLICATE, LATE.
    """
    fresh = 0
    for index in range(len(hashes)):
        position = find(slots, hashes[index])
        if position >= 0:
            verdicts[index] = DUPLICATE
        elif is_late[index]:
            verdicts[index] = LATE
        else:
            verdicts[index] = FRESH
            slots[-1 - position] = hashes[index]
            fresh += 1
    return fresh

"""A set of 64-bit hashes by open addressing with linear probing, as kernels over its slots.

Slots hold 0 (never used), 1 (removed) or a hash, which is neither; their number is a power of two and at least one
is 0, so that every probe ends.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined, kernel

FRESH, DUPLICATE, LATE = 0, 1, 2


@inlined
def find(slots: Any, wanted: Any) -> int:
    """Where a hash is held, else -1 minus the free slot it would go to."""
    mask = np.uint64(len(slots) - 1)
    position = wanted & mask
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
        place = find(slots, hashes[index])
        if place < 0:
            slots[-1 - place] = hashes[index]
            count += 1
    return count


@kernel
def remove(slots: Any, hashes: Any) -> None:
    """Hold the hashes no more."""
    for index in range(len(hashes)):
        place = find(slots, hashes[index])
        if place >= 0:
            slots[place] = 1


@kernel
def admit(slots: Any, hashes: Any, is_late: Any, verdicts: Any) -> int:
    """Judge hashes in order: held, late, or fresh and held from now on; say how many are fresh.

    Verdicts go in uint8: FRESH, DUPLICATE, LATE.
    """
    fresh = 0
    for index in range(len(hashes)):
        place = find(slots, hashes[index])
        if place >= 0:
            verdicts[index] = DUPLICATE
        elif is_late[index]:
            verdicts[index] = LATE
        else:
            verdicts[index] = FRESH
            slots[-1 - place] = hashes[index]
            fresh += 1
    return fresh

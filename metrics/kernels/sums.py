"""Sums by campaign and period, and where a campaign's sums are kept."""

from typing import Any

import numpy as np

from metrics.kernels.compiling import borrowing, kernel

#: What a hash table multiplies by to spread its keys (2^64 / golden ratio; Knuth, TAOCP 3, 6.4).
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@kernel
def group(codes: Any, periods: Any, sums: Any) -> Any:
    """Sums of the columns that have code and period in common.

    Args:
        codes: int32.
        periods: int64.
        sums: int64, rows to add up.

    Returns:
        Codes, periods and sums of the groups, in the order in which they first come.
    """
    count = len(codes)
    capacity = 16
    while capacity < 2 * count:
        capacity *= 2
    mask = np.uint64(capacity - 1)
    slots = np.full(capacity, -1, dtype=np.int32)
    kept = np.empty(count, dtype=np.int64)
    rows = len(sums)
    added = np.empty((rows, count), dtype=np.int64)
    groups = 0
    for index in range(count):
        key = (np.uint64(codes[index]) * _SPREAD) ^ (np.uint64(periods[index]) * _SPREAD >> np.uint64(7))
        position = (key * _SPREAD >> np.uint64(32)) & mask
        found = slots[position]
        while found >= 0 and (codes[kept[found]] != codes[index] or periods[kept[found]] != periods[index]):
            position = (position + np.uint64(1)) & mask
            found = slots[position]
        if found < 0:
            found = groups
            slots[position] = found
            kept[found] = index
            for row in range(rows):
                added[row, found] = 0
            groups += 1
        for row in range(rows):
            added[row, found] += sums[row, index]
    return codes[kept[:groups]], periods[kept[:groups]], added[:, :groups].copy()


@borrowing
def _slot(slots: Any, row_codes: Any, mask: Any, code: Any) -> Any:
    """Where the row of a code stands in a hash table, or would stand."""
    position = (np.uint64(code) * _SPREAD >> np.uint64(32)) & mask
    while slots[position] >= 0 and row_codes[slots[position]] != code:
        position = (position + np.uint64(1)) & mask
    return position


@kernel
def find_rows(slots: Any, row_codes: Any, count: int, wanted: Any, rows: Any, done: int) -> Any:
    """The row of each code; a new code takes the next row.

    Args:
        slots: int32, rows by hash of their code, -1 where free; a power of two, at least twice the rows there is room for.
        row_codes: int32, the code of each row, as many as there is room for.
        count: rows in use.
        wanted: int32, the codes that are looked for.
        rows: int32, filled with their rows.
        done: so many of them are found already.

    Returns:
        How many are found, fewer than all where there is no more room; and rows in use.
    """
    mask = np.uint64(len(slots) - 1)
    for index in range(done, len(wanted)):
        position = _slot(slots, row_codes, mask, wanted[index])
        if slots[position] < 0:
            if count == len(row_codes):
                return index, count
            slots[position] = count
            row_codes[count] = wanted[index]
            count += 1
        rows[index] = slots[position]
    return len(wanted), count


@kernel
def find_known(slots: Any, row_codes: Any, wanted: Any, rows: Any) -> None:
    """The row of each code, -1 where it has none; arguments as of ``find_rows``."""
    mask = np.uint64(len(slots) - 1)
    for index in range(len(wanted)):
        rows[index] = slots[_slot(slots, row_codes, mask, wanted[index])]

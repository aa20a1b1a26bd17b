"""Kafka's record batches (magic 2) as columns: where each record's key and value lie, without an object for any.

Source: the record format of Apache Kafka, https://kafka.apache.org/documentation/#recordbatch.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined, kernel
from metrics.kernels.memory import address_of, byte_at


@inlined
def read_varint(memory: int, at: int, end: int) -> tuple[int, int]:
    """A zig-zag number of up to ten bytes and the position after it; -1 where it runs past the end."""
    value, shift = np.uint64(0), np.uint64(0)
    while at < end and shift < 70:
        byte = np.uint64(byte_at(memory, at))
        value |= (byte & np.uint64(0x7F)) << shift
        at += 1
        if byte < 0x80:
            return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), at
        shift += np.uint64(7)
    return np.int64(0), np.int64(-1)


@inlined
def read_blob(memory: int, at: int, end: int) -> tuple[int, int, int]:
    """Start and length (-1 for none) of bytes with their length before them, and the position after them."""
    length, at = read_varint(memory, at, end)
    if at < 0 or length < -1 or length > end - at:
        return np.int64(0), np.int64(-1), np.int64(-1)
    return at, length, at + max(length, 0)


@kernel
def unframe(
    data: Any,
    begin: int,
    end: int,
    base: Any,
    row: int,
    offsets: Any,
    timestamps: Any,
    keys: Any,
    values: Any,
) -> int:
    """Fill the columns from ``row`` on with the records of one batch; the row after them, or -1 when it is damaged.

    Args:
        data: uint8, padded.
        begin: where the batch's records begin, after its header.
        end: where they end.
        base: int64: base offset, first timestamp, timestamp of the append (-1: each has its own), count of records.
        row: the first row to fill.
        offsets: int64, out.
        timestamps: int64, out: epoch milliseconds.
        keys: int64 of two rows, out: starts and lengths (-1 for none).
        values: the same.
    """
    memory = address_of(data)
    at = begin
    for _ in range(base[3]):
        length, at = read_varint(memory, at, end)
        if at < 0 or length < 1 or length > end - at:
            return -1
        after = at + length
        later, at = read_varint(memory, at + 1, after)  # one byte of attributes, unused
        if at < 0:
            return -1
        delta, at = read_varint(memory, at, after)
        if at < 0:
            return -1
        keys[0, row], keys[1, row], at = read_blob(memory, at, after)
        if at < 0:
            return -1
        values[0, row], values[1, row], at = read_blob(memory, at, after)
        if at < 0:
            return -1
        offsets[row] = base[0] + delta
        timestamps[row] = base[1] + later if base[2] < 0 else base[2]
        row += 1
        at = after  # past the headers
    return row if at == end else -1

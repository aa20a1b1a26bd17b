"""MessagePack of many rows at once, byte for byte as msgspec writes it (https://github.com/msgpack/msgpack/blob/master/spec.md)."""

from typing import Any

from metrics.kernels.compiling import borrowing, kernel

#: An integer takes at most so many bytes.
LONGEST = 9

_SMALL, _U8, _U16, _U32, _U64, _I8, _I16, _I32, _I64 = 0x80, 0xCC, 0xCD, 0xCE, 0xCF, 0xD0, 0xD1, 0xD2, 0xD3
_ARRAY, _ARRAY16, _MAP, _MAP16 = 0x90, 0xDC, 0x80, 0xDE


@borrowing
def _put(out: Any, at: Any, value: Any, size: Any) -> Any:
    """The lowest bytes of an integer, the highest of them first."""
    for index in range(size):
        out[at + index] = (value >> (8 * (size - 1 - index))) & 0xFF
    return at + size


@borrowing
def _put_marked(out: Any, at: Any, mark: Any, value: Any, size: Any) -> Any:
    out[at] = mark
    return _put(out, at + 1, value, size)


@borrowing
def put_integer(out: Any, at: Any, value: Any) -> Any:
    """An int64 in the shortest form; returns where the next value goes."""
    if value >= 0:
        if value < _SMALL:
            return _put(out, at, value, 1)
        if value < 1 << 8:
            return _put_marked(out, at, _U8, value, 1)
        if value < 1 << 16:
            return _put_marked(out, at, _U16, value, 2)
        if value < 1 << 32:
            return _put_marked(out, at, _U32, value, 4)
        return _put_marked(out, at, _U64, value, 8)
    if value >= -32:
        return _put(out, at, value, 1)
    if value >= -(1 << 7):
        return _put_marked(out, at, _I8, value, 1)
    if value >= -(1 << 15):
        return _put_marked(out, at, _I16, value, 2)
    if value >= -(1 << 31):
        return _put_marked(out, at, _I32, value, 4)
    return _put_marked(out, at, _I64, value, 8)


@borrowing
def _length(sums: Any, row: Any) -> Any:
    """How many values of a row there are up to the last that is not 0."""
    length = sums.shape[0]
    while length > 0 and sums[length - 1, row] == 0:
        length -= 1
    return length


@borrowing
def _put_row(out: Any, at: Any, sums: Any, row: Any) -> Any:
    """The values of a row up to the last that is not 0, as an array."""
    length = _length(sums, row)
    at = _put(out, at, _ARRAY | length, 1) if length < 16 else _put_marked(out, at, _ARRAY16, length, 2)
    for field in range(length):
        at = put_integer(out, at, sums[field, row])
    return at


@kernel
def pack_keys(names: Any, ends: Any, codes: Any, before: Any, after: Any, out: Any, key_ends: Any) -> int:
    """Keys that differ by a text.

    Args:
        names: uint8, the packed texts one after the other.
        ends: int64, where each text ends.
        codes: int32, the text of each key.
        before: uint8, what each key begins with.
        after: uint8, what it ends with.
        out: uint8, with room for all.
        key_ends: int64, filled with where each key ends.

    Returns:
        Bytes written.
    """
    at = 0
    for row in range(len(codes)):
        code = codes[row]
        for index in range(len(before)):
            out[at] = before[index]
            at += 1
        first = ends[code - 1] if code > 0 else 0
        for index in range(first, ends[code]):
            out[at] = names[index]
            at += 1
        for index in range(len(after)):
            out[at] = after[index]
            at += 1
        key_ends[row] = at
    return at


@kernel
def pack_rows(sequence: Any, sums: Any, out: Any, row_ends: Any) -> int:
    """For each column of ``sums`` the pair of ``sequence`` and its values, which end with the last that is not 0.

    Args:
        sequence: int64.
        sums: int64, fields by rows, fewer than 2^16 fields.
        out: uint8, with room for all.
        row_ends: int64, filled with where each pair ends.

    Returns:
        Bytes written.
    """
    at = 0
    for row in range(sums.shape[1]):
        out[at] = _ARRAY | 2
        at = put_integer(out, at + 1, sequence)
        at = _put_row(out, at, sums, row)
        row_ends[row] = at
    return at


@kernel
def pack_parts(sequence: Any, sources: Any, sums: Any, out: Any, row_ends: Any) -> int:
    """For each row the pair of ``sequence`` and a map from sources to values, of the sources that have any but 0.

    Args:
        sequence: int64.
        sources: int64, at most 2^16 of them.
        sums: int64, sources by fields by rows, fewer than 2^16 fields.
        out: uint8, with room for all.
        row_ends: int64, filled with where each pair ends.

    Returns:
        Bytes written.
    """
    at = 0
    for row in range(sums.shape[2]):
        out[at] = _ARRAY | 2
        at = put_integer(out, at + 1, sequence)
        count = 0
        for position in range(len(sources)):
            if _length(sums[position], row) > 0:
                count += 1
        at = _put(out, at, _MAP | count, 1) if count < 16 else _put_marked(out, at, _MAP16, count, 2)
        for position in range(len(sources)):
            if _length(sums[position], row) > 0:
                at = put_integer(out, at, sources[position])
                at = _put_row(out, at, sums[position], row)
        row_ends[row] = at
    return at

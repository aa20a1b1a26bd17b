"""JSON tokens in an array of bytes. Each reader gives the position after its token, or -1 where it is not plain.

Plain strings are valid UTF-8 without escapes; plain numbers have no exponent. What is not plain may still be right:
the caller leaves it to a whole JSON decoder.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import borrowing, inlined
from metrics.kernels.memory import byte_at, trailing_zeros, word_at

_ONES = np.uint64(0x0101010101010101)
_HIGH_BITS, _SPACES = _ONES * np.uint64(0x80), _ONES * np.uint64(0x20)
_QUOTES, _BACKSLASHES = _ONES * np.uint64(0x22), _ONES * np.uint64(0x5C)
_QUOTE, _BACKSLASH, _POINT, _MINUS, _ZERO, _NINE = 0x22, 0x5C, 0x2E, 0x2D, 0x30, 0x39


@inlined
def skip_space(data: Any, at: int, end: int) -> int:
    """Past white space."""
    while at < end and (
        byte_at(data, at) == 0x20
        or byte_at(data, at) == 0x0A
        or byte_at(data, at) == 0x0D
        or byte_at(data, at) == 0x09
    ):
        at += 1
    return at


@borrowing
def is_same(data: Any, at: int, end: int, wanted: Any) -> bool:
    """Whether the bytes from ``at`` to ``end`` are the wanted ones."""
    if end - at != len(wanted):
        return False
    for index in range(len(wanted)):
        if byte_at(data, at + index) != wanted[index]:
            return False
    return True


@inlined
def is_continued(data: Any, at: int, end: int, count: int) -> bool:
    """Whether ``count`` continuation bytes of UTF-8 follow."""
    if at + count > end:
        return False
    for index in range(count):
        if byte_at(data, at + index) & 0xC0 != 0x80:
            return False
    return True


@inlined
def skip_character(data: Any, at: int, end: int) -> int:
    """Past one character of two to four bytes, as RFC 3629 allows it; -1 where it is wrong, or U+FFFF."""
    lead = byte_at(data, at)
    if lead < 0xC2 or lead > 0xF4 or at + 1 >= end:
        return -1
    count = 1 if lead < 0xE0 else (2 if lead < 0xF0 else 3)
    if not is_continued(data, at + 1, end, count):
        return -1
    second = byte_at(data, at + 1)
    is_wrong = (
        (lead == 0xE0 and second < 0xA0)  # overlong
        or (lead == 0xED and second > 0x9F)  # a surrogate
        or (lead == 0xF0 and second < 0x90)  # overlong
        or (lead == 0xF4 and second > 0x8F)  # above U+10FFFF
        or (lead == 0xEF and second == 0xBF and byte_at(data, at + 2) == 0xBF)  # U+FFFF, which no id may hold
    )
    return -1 if is_wrong else at + 1 + count


@inlined
def marked(word: Any, wanted: Any) -> Any:
    """The high bit of the lowest byte that is as wanted; above it, others may be marked too."""
    rest = word ^ wanted
    return (rest - _ONES) & ~rest


@inlined
def skip_string(data: Any, at: int, end: int) -> int:
    """From after the opening quote to the closing one; -1 where the string is not plain."""
    while at < end:
        word = word_at(data, at)
        special = marked(word, _QUOTES) | marked(word, _BACKSLASHES) | ((word - _SPACES) & ~word) | word
        special &= _HIGH_BITS
        if special == 0:
            at += 8
            continue
        at += trailing_zeros(special) >> 3
        if at >= end:
            return -1
        byte = byte_at(data, at)
        if byte == _QUOTE:
            return at
        if byte < 0x20 or byte == _BACKSLASH:
            return -1
        at = skip_character(data, at, end)
        if at < 0:
            return -1
    return -1


@inlined
def skip_digits(data: Any, at: int, end: int) -> int:
    """Past decimal digits."""
    while at < end and _ZERO <= byte_at(data, at) <= _NINE:
        at += 1
    return at


@inlined
def skip_number(data: Any, at: int, end: int) -> int:
    """Past a plain number."""
    if at < end and byte_at(data, at) == _MINUS:
        at += 1
    after = skip_digits(data, at, end)
    if after == at or (byte_at(data, at) == _ZERO and after > at + 1):
        return -1
    if after < end and byte_at(data, after) == _POINT:
        at = after + 1
        after = skip_digits(data, at, end)
        if after == at:
            return -1
    if after < end and (byte_at(data, after) == 0x65 or byte_at(data, after) == 0x45):
        return -1
    return after


@inlined
def read_integer(data: Any, at: int, end: int) -> int:
    """The number that the digits from ``at`` to ``end`` say; at most 18 of them."""
    value = np.int64(0)
    for index in range(at, end):
        value = value * 10 + np.int64(byte_at(data, index) - _ZERO)
    return value


@inlined
def read_whole(data: Any, at: int, end: int) -> int:
    """The integer from ``at`` to ``end``, 0 or more with at most 15 digits; -1 where it is not plain."""
    if end - at > 15 or skip_digits(data, at, end) != end:
        return -1
    return read_integer(data, at, end)


@inlined
def read_micros(data: Any, at: int, end: int) -> int:
    """Micros of the decimal number from ``at`` to ``end``: below 10^12, at most 6 decimals; -1 where it is not plain."""
    after = skip_digits(data, at, end)
    if after == at or after - at > 12 or (byte_at(data, at) == _ZERO and after > at + 1):
        return -1
    micros = read_integer(data, at, after) * 1_000_000
    if after == end:
        return micros
    if byte_at(data, after) != _POINT:
        return -1
    decimals = end - after - 1
    if decimals < 1 or decimals > 6 or skip_digits(data, after + 1, end) != end:
        return -1
    fraction = read_integer(data, after + 1, end)
    for _ in range(6 - decimals):
        fraction *= 10
    return micros + fraction

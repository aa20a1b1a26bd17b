"""RFC 3339 instants in an array of bytes."""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined
from metrics.kernels.memory import byte_at
from metrics.kernels.texts import read_integer, skip_digits

_MONTH_DAYS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
_DAY_MS, _MINUTE_MS = 86_400_000, 60_000


@inlined
def days_of(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar, of a year from 1970 on; years begin in March here."""
    if month <= 2:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719_469


@inlined
def has_digits(data: Any, at: int, count: int) -> bool:
    """Whether ``count`` digits follow."""
    return skip_digits(data, at, at + count) == at + count


@inlined
def read_zone(data: Any, at: int, end: int) -> int:
    """Minutes east of UTC of ``Z`` or ``±hh:mm``; 10 000 where it is neither."""
    if end - at == 1 and byte_at(data, at) == 0x5A:
        return 0
    if (
        end - at != 6
        or byte_at(data, at + 3) != 0x3A
        or not (has_digits(data, at + 1, 2) and has_digits(data, at + 4, 2))
    ):
        return 10_000
    hours, minutes = read_integer(data, at + 1, at + 3), read_integer(data, at + 4, at + 6)
    if hours > 23 or minutes > 59 or (byte_at(data, at) != 0x2B and byte_at(data, at) != 0x2D):
        return 10_000
    east = hours * 60 + minutes
    return east if byte_at(data, at) == 0x2B else -east


@inlined
def read_instant(data: Any, at: int, end: int) -> int:
    """Epoch milliseconds, rounded down, of a text from the year 1970 on; -1 where it is not plain."""
    if (
        end - at < 20
        or byte_at(data, at + 4) != 0x2D
        or byte_at(data, at + 7) != 0x2D
        or byte_at(data, at + 10) != 0x54
    ):
        return -1
    if byte_at(data, at + 13) != 0x3A or byte_at(data, at + 16) != 0x3A:
        return -1
    if not (has_digits(data, at, 4) and has_digits(data, at + 5, 2) and has_digits(data, at + 8, 2)):
        return -1
    if not (has_digits(data, at + 11, 2) and has_digits(data, at + 14, 2) and has_digits(data, at + 17, 2)):
        return -1
    year, month, day = (
        read_integer(data, at, at + 4),
        read_integer(data, at + 5, at + 7),
        read_integer(data, at + 8, at + 10),
    )
    hour, minute, second = (
        read_integer(data, at + 11, at + 13),
        read_integer(data, at + 14, at + 16),
        read_integer(data, at + 17, at + 19),
    )
    if year < 1970 or month < 1 or month > 12 or day < 1 or hour > 23 or minute > 59 or second > 59:
        return -1
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if day > _MONTH_DAYS[month - 1] + (1 if is_leap and month == 2 else 0):
        return -1
    millis, after = 0, at + 19
    if byte_at(data, after) == 0x2E:
        until = skip_digits(data, after + 1, end)
        decimals = until - after - 1
        if decimals < 1 or decimals > 6:
            return -1
        micros = read_integer(data, after + 1, until)
        for _ in range(6 - decimals):
            micros *= 10
        millis, after = micros // 1000, until
    east = read_zone(data, after, end)
    if east == 10_000:
        return -1
    found = (
        days_of(year, month, day) * _DAY_MS
        + (hour * 60 + minute - east) * _MINUTE_MS
        + second * 1000
        + millis
    )
    return found if found >= 0 else -1

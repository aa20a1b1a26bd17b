"""Instants and durations in integer milliseconds UTC. Reads no clock: time is an argument."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND = 1_000
MINUTE = 60 * SECOND
QUARTER = 15 * MINUTE
HOUR = 60 * MINUTE
DAY = 24 * HOUR

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_UNITS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")

#: Years 2 to 9998: RFC 3339 writes the years 1 to 9999, and the windows around an instant lie within them.
MIN_INSTANT = -62_104_060_800_000
MAX_INSTANT = 253_370_764_799_999


def parse_duration(text: str) -> int:
    """Milliseconds of a duration such as ``250ms``, ``90s``, ``5m``, ``24h``, ``7d``.

    Raises:
        ValueError: for anything else.

    >>> parse_duration("90s")
    90000
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration; write it like 250ms, 90s, 5m, 24h or 7d")
    return round(float(match[1]) * _UNITS[match[2]])


def format_duration(millis: int) -> str:
    """The shortest exact spelling of a duration.

    >>> format_duration(90_000), format_duration(604_800_000)
    ('90s', '7d')
    """
    for unit in ("d", "h", "m", "s"):
        if millis and millis % _UNITS[unit] == 0:
            return f"{millis // _UNITS[unit]}{unit}"
    return f"{millis}ms"


def to_millis(instant: datetime) -> int:
    """Milliseconds since the epoch of an aware datetime, rounded down.

    >>> to_millis(datetime(1970, 1, 1, 0, 0, 1, 999, tzinfo=UTC))
    1000
    """
    return (instant - EPOCH) // _MILLISECOND


@lru_cache(maxsize=4_096)
def format_instant(millis: int) -> str:
    """RFC 3339 with ``Z``, without a fraction where it is zero.

    >>> format_instant(0), format_instant(250)
    ('1970-01-01T00:00:00Z', '1970-01-01T00:00:00.250Z')
    """
    seconds, rest = divmod(millis, SECOND)
    whole = _format_second(seconds)
    return f"{whole}.{rest:03d}Z" if rest else f"{whole}Z"


@lru_cache(maxsize=4_096)
def _format_second(seconds: int) -> str:
    whole = (EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return whole.rjust(19, "0")  # glibc leaves years below 1000 unpadded


def floor_to(millis: int, width: int) -> int:
    """Start of the epoch-aligned interval of ``width`` that holds ``millis``."""
    return millis - millis % width


def local_midnight(millis: int, zone: ZoneInfo) -> int:
    """The instant at which the local day that holds ``millis`` began.

    Where a change to daylight saving skips midnight, the day begins with its first instant.

    >>> local_midnight(to_millis(datetime(2026, 7, 1, 10, tzinfo=UTC)), ZoneInfo("Europe/Paris"))
    1782856800000
    """
    local = (EPOCH + timedelta(milliseconds=millis)).astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    start = to_millis(midnight.astimezone(UTC))
    skipped = (EPOCH + timedelta(milliseconds=start)).astimezone(zone)
    if skipped.date() < local.date():  # midnight does not exist: the clock jumped over it
        start = _first_instant(start, millis, zone)
    return start


def _first_instant(before: int, inside: int, zone: ZoneInfo) -> int:
    """First minute of the local date of ``inside``, found by bisection; zones change on minutes."""
    day = (EPOCH + timedelta(milliseconds=inside)).astimezone(zone).date()
    low, high = before // MINUTE, inside // MINUTE
    while high - low > 1:
        middle = (low + high) // 2
        if (EPOCH + timedelta(milliseconds=middle * MINUTE)).astimezone(zone).date() < day:
            low = middle
        else:
            high = middle
    return high * MINUTE

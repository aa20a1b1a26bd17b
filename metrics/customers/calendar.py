"""Calendar months of a zone, as integers: year · 12 + month − 1."""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from metrics.values.time import EPOCH, to_millis


def local_time(at: int, zone: ZoneInfo) -> datetime:
    """An instant in epoch milliseconds as the zone's clocks show it."""
    return (EPOCH + timedelta(milliseconds=at)).astimezone(zone)


def month_of(at: int, zone: ZoneInfo) -> int:
    """The calendar month of an instant.

    >>> month_name(month_of(0, ZoneInfo("UTC"))), month_name(month_of(0, ZoneInfo("America/New_York")))
    ('1970-01', '1969-12')
    """
    local = local_time(at, zone)
    return local.year * 12 + local.month - 1


def month_name(month: int) -> str:
    """As ``YYYY-MM``."""
    return f"{month // 12:04}-{month % 12 + 1:02}"


@lru_cache(maxsize=4_096)
def month_start(month: int, zone: ZoneInfo) -> int:
    """The instant at which a month begins, epoch milliseconds."""
    local = datetime(month // 12, month % 12 + 1, 1, tzinfo=zone)
    return to_millis(local.astimezone(UTC))


def day_start(day: date, zone: ZoneInfo) -> int:
    """The instant at which a day begins, epoch milliseconds.

    >>> day_start(date(1970, 1, 1), ZoneInfo("Europe/Paris"))
    -3600000
    """
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return to_millis(local.astimezone(UTC))

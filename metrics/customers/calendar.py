"""Calendar months and weeks of a zone, as integers.

A month is year · 12 + month − 1. A week is that of ISO 8601, from Monday on, counted on from 200 000, so that no week has the number of
a month.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from metrics.values.time import DAY, EPOCH, to_millis

#: What cohorts of customers go by, and their figures by time.
CohortPeriod = Literal["month", "week"]
_DAYS_A_WEEK = 7
#: The week of 0001-01-01; months of all years that there are have lower numbers.
_FIRST_WEEK = 200_000
#: How many months of the mean Gregorian year each is.
MONTHS_OF: dict[CohortPeriod, float] = {"month": 1.0, "week": _DAYS_A_WEEK * 12 / 365.2425}


#: Months up to the last year that has an instant, and weeks.
_MONTHS, _WEEKS = range(12 * 10_000), range(_FIRST_WEEK, _FIRST_WEEK + date.max.toordinal() // _DAYS_A_WEEK)


def is_period(number: int) -> bool:
    """Whether there is such a month or week.

    >>> is_period(-1), is_period(2026 * 12), is_period(150_000), is_period(300_000)
    (False, True, False, True)
    """
    return number in _MONTHS or number in _WEEKS


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


def week_of(at: int, zone: ZoneInfo) -> int:
    """The calendar week of an instant.

    >>> week_name(week_of(0, ZoneInfo("UTC")))
    '1970-W01'
    """
    return _FIRST_WEEK + (local_time(at, zone).toordinal() - 1) // _DAYS_A_WEEK


def week_name(week: int) -> str:
    """As ``YYYY-Www``, of the year in which its Thursday lies."""
    year, number, _ = _monday(week).isocalendar()
    return f"{year:04}-W{number:02}"


@lru_cache(maxsize=4_096)
def week_start(week: int, zone: ZoneInfo) -> int:
    """The instant at which a week begins, epoch milliseconds."""
    return day_start(_monday(week), zone)


def _monday(week: int) -> date:
    return date.fromordinal((week - _FIRST_WEEK) * _DAYS_A_WEEK + 1)


class CustomerCalendar:
    """The calendar months, or weeks, of a zone; remembers each day that it was asked of.

    Args:
        zone: whose clocks.
        period: what is counted.

    >>> months = CustomerCalendar(ZoneInfo("UTC"))
    >>> months.of(0) - months.of(-1)
    1
    >>> weeks = CustomerCalendar(ZoneInfo("UTC"), "week")
    >>> weeks.name(weeks.of(4 * DAY - 1)), weeks.name(weeks.of(4 * DAY))
    ('1970-W01', '1970-W02')
    """

    def __init__(self, zone: ZoneInfo, period: CohortPeriod = "month") -> None:
        self.zone = zone
        self.period: CohortPeriod = period
        is_month = period == "month"
        self._of, self._start = (month_of, month_start) if is_month else (week_of, week_start)
        self._name = month_name if is_month else week_name
        #: Nothing lies before this period: January of the year 2.
        self.first = 24 if is_month else _FIRST_WEEK + 53
        #: By day since the epoch: its period at its begin, and when the next one begins.
        self._days: dict[int, tuple[int, int]] = {}

    def of(self, at: int) -> int:
        """The period of an instant in epoch milliseconds."""
        day = at // DAY
        known = self._days.get(day)
        if known is None:
            period = self._of(day * DAY, self.zone)
            known = self._days[day] = period, self.start(period + 1)
        return known[0] + (at >= known[1])

    def counts(self, period: int) -> bool:
        """Whether a number can be of this calendar: what is counted in months and in weeks is told apart by it.

        >>> CustomerCalendar(ZoneInfo("UTC")).counts(2026 * 12), CustomerCalendar(ZoneInfo("UTC"), "week").counts(2026 * 12)
        (True, False)
        """
        return (period < _FIRST_WEEK) == (self.period == "month")

    def start(self, period: int) -> int:
        """The instant at which a period begins, epoch milliseconds."""
        return self._start(period, self.zone)

    def name(self, period: int) -> str:
        """As ``YYYY-MM`` or ``YYYY-Www``."""
        return self._name(period)


def day_start(day: date, zone: ZoneInfo) -> int:
    """The instant at which a day begins, epoch milliseconds.

    >>> day_start(date(1970, 1, 1), ZoneInfo("Europe/Paris"))
    -3600000
    """
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return to_millis(local.astimezone(UTC))

"""Pacing: what a campaign will have spent by the end of its flight, and the band it should end in. Pure.

Spend that comes by reports is known up to what the reports have seen, which may be hours or a day behind the watermark.
Pace is judged at that instant: what nobody has said yet is no spend that is missing.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Literal, NamedTuple

from metrics.budget.state import CampaignState, Hour, KnownDay
from metrics.values.time import DAY, HOUR

#: Half the width of the band on the first day, as a share of the budget; it closes with the square root of what is left.
OPENING_BAND = 0.25


class Projection(NamedTuple):
    """Money in micros: spend at the end of the flight as projected, and the band around the budget."""

    total: int
    low: int
    high: int
    pace: Literal["behind", "on", "ahead"]


def known_day(state: CampaignState, *, is_reported: bool, watermark: int) -> KnownDay | None:
    """The last day of which a campaign's spend is known; None before a reading, or before the first report.

    Args:
        state: with its newest reading of ``total`` and its hours.
        is_reported: whether its spend comes by reports.
        watermark: up to which its events are complete, in epoch ms; 0: not known.
    """
    if state.latest is None or watermark <= 0:
        return None
    if is_reported:
        day = state.latest.known_day
        if day is None:
            return None
        ahead = max(0, day.until - watermark)
        return day._replace(since=day.since - ahead, until=day.until - ahead)
    return _day_of(state.hours, watermark, state.spent)


def known_hours(state: CampaignState, *, is_reported: bool) -> Sequence[Hour]:
    """The hours whose spend is known, oldest first; none where reports are longer than an hour."""
    if not is_reported:
        return state.hours
    day = None if state.latest is None else state.latest.known_day
    if day is None or not day.is_by_hour:
        return ()
    return [hour for hour in state.hours if hour.start + HOUR <= day.until]


def project(budget: int, day: KnownDay, flight: tuple[int, int]) -> Projection | None:
    """Where the spend goes if the last day goes on.

    Args:
        budget: of the whole flight, in micros.
        day: the last one of which the spend is known, with all that was spent before its end.
        flight: start and end in epoch ms; the projection stops at the end.

    Returns:
        None without a budget, or for a flight or a day that has no length.

    >>> project(200, KnownDay(0, 10 * HOUR, 100, 100), (0, 20 * HOUR)).total
    200
    """
    start, end = flight
    if budget <= 0 or end <= start or day.length <= 0:
        return None
    left = max(0, end - max(day.until, start))
    total = day.total + day.spend * left // day.length
    width = round(budget * band(left / (end - start)))
    low, high = budget - width, budget + width
    return Projection(total, low, high, "behind" if total < low else "ahead" if total > high else "on")


def catches_up(budget: int, spent: int, flight: tuple[int, int]) -> int:
    """When an even spend of the budget over the flight comes to what is spent; epoch ms, the end of the flight at most.

    >>> catches_up(budget=100, spent=25, flight=(0, 400))
    100
    """
    start, end = flight
    return start + min(spent, budget) * (end - start) // budget


def band(left: float) -> float:
    """Half the width of the band, as a share of the budget, with ``left`` (0..1) of the flight to go.

    >>> band(1.0), band(0.25), band(0.0)
    (0.25, 0.125, 0.0)
    """
    return OPENING_BAND * sqrt(min(1.0, max(0.0, left)))


def _day_of(hours: Sequence[Hour], until: int, total: int) -> KnownDay | None:
    """The last day of a campaign whose spend comes by events, in whole hours but for the last."""
    if not hours or hours[0].start >= until:
        return None
    since = max(hours[0].start, (until - DAY) // HOUR * HOUR)
    spend = sum(hour.spend for hour in hours if since <= hour.start < until)
    return KnownDay(since, until, spend, total)

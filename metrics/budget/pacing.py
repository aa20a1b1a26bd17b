"""Pacing: what a campaign will have spent by the end of its flight, and the band it should end in. Pure."""

from collections.abc import Sequence
from math import sqrt
from typing import Literal, NamedTuple

from metrics.budget.state import Hour
from metrics.values.time import HOUR

#: Half the width of the band on the first day, as a share of the budget; it closes with the square root of what is left.
OPENING_BAND = 0.25
#: The last day speaks for what comes; older hours tell of other budgets.
_LOOK_BACK = 24


class Projection(NamedTuple):
    """Money in micros: spend at the end of the flight as projected, and the band around the budget."""

    total: int
    low: int
    high: int
    pace: Literal["behind", "on", "ahead"]


def project(
    budget: int, spent: int, hours: Sequence[Hour], flight: tuple[int, int], now: int
) -> Projection | None:
    """Where the spend goes if the last hours go on.

    Args:
        budget: of the whole flight, in micros.
        spent: so far.
        hours: closed hours, oldest first.
        flight: start and end in epoch ms.
        now: epoch ms; the projection stops at the end of the flight.

    Returns:
        None without a budget, without a closed hour, or for a flight that has no length.

    >>> hours = [Hour(h * HOUR, 10, 0, 0, 0) for h in range(10)]
    >>> project(200, 100, hours, (0, 20 * HOUR), 10 * HOUR).total
    200
    """
    start, end = flight
    if budget <= 0 or not hours or end <= start:
        return None
    last = hours[-_LOOK_BACK:]
    span = max(HOUR, last[-1].start + HOUR - last[0].start)
    left = max(0, end - max(now, start))
    total = spent + sum(hour.spend for hour in last) * left // span
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

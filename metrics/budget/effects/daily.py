"""What a day of a campaign may cost, of what its whole flight may cost. Pure."""

from metrics.values.time import DAY


def daily_share(budget: int, spent: int, since: int, until: int) -> int:
    """What is left of a budget in equal parts over the days that are left, rounded down; a day that has begun counts as a whole.

    So money never lasts shorter than the flight, and what a day leaves unspent is spent by no later one.

    Args:
        budget: micros of the whole flight.
        spent: micros of it that are spent.
        since: epoch ms of the decision.
        until: epoch ms of the end of the flight, later than ``since``.

    Returns:
        Micros a day; 0 where nothing is left.

    >>> daily_share(1_000, 400, 0, 3 * DAY), daily_share(1_000, 400, 0, 2 * DAY + 1), daily_share(300, 400, 0, DAY)
    (200, 200, 0)
    """
    days = -(-(until - since) // DAY)
    return max(0, budget - spent) // days

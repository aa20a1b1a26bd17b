"""What a campaign brought before refunds and what was refunded, by periods of three days: sums led on, and what is held back.

The sums are one row of float64, a ring of ``PERIODS`` for each of both; ``metrics.evidence.refunds`` explains them.
"""

from typing import Any

from metrics.kernels.compiling import kernel

DAY_MS = 86_400_000
PERIOD_MS = 3 * DAY_MS
#: Periods that are kept, and periods after which no refund of an order is expected.
PERIODS, AGES = 30, 20
#: Layout of the row. ``SINCE`` is the last period that was not seen as it went by.
GROSS, REFUNDED, SINCE, SIZE = 0, PERIODS, 2 * PERIODS, 2 * PERIODS + 1
#: So many refunds of its own draw the share of a campaign away from that of the board by half.
_OWN_REFUNDS = 2.0


@kernel
def feed(row: Any, start: int, stop: int, gross: float, refunded: float) -> None:
    """Amounts that lie evenly between two instants; the row is changed.

    Args:
        row: float64, by the layout.
        start: epoch ms.
        stop: epoch ms, not before ``start``.
        gross: brought before refunds.
        refunded: of whatever age.
    """
    first, last = start // PERIOD_MS, stop // PERIOD_MS
    for period in range(max(first + 1, last - PERIODS + 1), last + 1):
        row[GROSS + period % PERIODS] = 0.0
        row[REFUNDED + period % PERIODS] = 0.0
    if stop == start:
        row[GROSS + last % PERIODS] += gross
        row[REFUNDED + last % PERIODS] += refunded
        return
    for period in range(max(first, last - PERIODS + 1), last + 1):
        share = (min(stop, (period + 1) * PERIOD_MS) - max(start, period * PERIOD_MS)) / (stop - start)
        row[GROSS + period % PERIODS] += share * gross
        row[REFUNDED + period % PERIODS] += share * refunded


@kernel
def held_back(row: Any, at: int, shares: Any, unit: float) -> float:
    """What of the sums is still to be refunded.

    Args:
        row: float64, by the layout.
        at: epoch ms up to which the row was led on.
        shares: by age in periods, of what is brought: what is refunded within that period.
        unit: mean value of an order; 0 where it is not known, then the campaign's own refunds say nothing.

    Returns:
        By the shares, times the campaign's own refunds over what they say was due of it, drawn to 1, where that is more.
    """
    period, due, refunded, later = at // PERIOD_MS, 0.0, 0.0, 0.0
    share = shares.sum()
    still = share
    for age in range(PERIODS):
        place = (period - age) % PERIODS
        if age < AGES:
            still -= shares[age] / 2
        gross = max(0.0, row[GROSS + place])
        later += gross * max(0.0, still)
        due += gross * (share - still)
        refunded += row[REFUNDED + place]
        if age < AGES:
            still -= shares[age] / 2
    own = 1.0
    if unit > 0:
        drawn = _OWN_REFUNDS * unit
        own = max(1.0, (drawn + refunded) / (drawn + due))
    return later * own

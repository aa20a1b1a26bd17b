"""What of the money that has come is still to be refunded, as a law of the board. Pure.

An order that is refunded three weeks later counts for three weeks as money kept. The share that is refunded at each age is learned from sums
alone: with g_p brought in period p before refunds, of which a share s_a is refunded a periods later, Σ_a s_a g_{p-a} is expected to be refunded
in period p. The shares are those of most likelihood under a Poisson law, found by the iteration of Richardson (*J. Opt. Soc. Am.* 62, 1972) and
Lucy (*Astron. J.* 79, 1974), which is expectation–maximization for such sums and takes no share below 0. Orders of which only the first ages have
gone by say nothing of later ones: that is how right truncation enters, as in the chain ladder of claims that are still to come
(Mack, *ASTIN Bull.* 23, 1993).

Of ages that the board has hardly seen nothing is known. As long as there are such ages within the time in which refunds come at most, a
share that the operator gives is taken to be refunded of all money before a campaign is said to be better than its target.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.kernels import refunds as kernels
from metrics.kernels.refunds import AGES, PERIODS
from metrics.values.time import DAY

Floats = NDArray[np.float64]

#: So many orders must have passed an age before it counts as seen.
_ORDERS_SEEN = 30.0
#: Orders that were not refunded, taken to have been seen at each age.
_CALM_ORDERS = 3.0
_ROUNDS = 200
#: Periods of which all is known that they may still bring refunds of, also of campaigns older than what is kept.
_RECENT = PERIODS - AGES

__all__ = [
    "NO_WINDOW",
    "RefundLaw",
    "RefundWindow",
    "cautiously_kept",
    "held_back",
    "learn_refunds",
    "led_on",
    "start_row",
]


class RefundWindow(NamedTuple):
    """What the operator says of refunds: they come within so many days, and take this share of all money; 0 days: none are expected."""

    days: float = 0.0
    share: float = 0.3


#: Nothing is expected that was not seen.
NO_WINDOW = RefundWindow()


class RefundLaw(NamedTuple):
    """What a board shows of refunds.

    Attributes:
        shares: of what is brought, what is refunded, by age in periods of three days; empty: no refund was seen.
        unseen: share of all money that may be refunded besides, as long as ages are left that the board has not seen; else 0.
    """

    shares: tuple[float, ...] = ()
    unseen: float = 0.0


def start_row(born: int, at: int, gross: float, refunded: float) -> Floats:
    """Sums of a campaign that was first seen at an instant.

    Args:
        born: epoch ms of its first spend.
        at: epoch ms.
        gross: brought until then before refunds; taken to lie evenly since ``born``, or in the time that is kept, if that is less.
        refunded: until then.
    """
    row = np.zeros(kernels.SIZE)
    row[kernels.SINCE] = (at if born < at else at - kernels.PERIOD_MS) // kernels.PERIOD_MS
    kernels.feed(row, max(born, at - (PERIODS - 1) * kernels.PERIOD_MS), at, gross, refunded)
    return row


def led_on(row: Floats, start: int, stop: int, gross: float, refunded: float) -> Floats:
    """The sums after more has come, evenly from ``start`` to ``stop`` (epoch ms)."""
    found = row.copy()
    kernels.feed(found, start, stop, gross, refunded)
    return found


def held_back(row: Floats, at: int, shares: Floats, unit: float) -> float:
    """What of the money is still to be refunded, in its unit.

    Args:
        row: sums of a campaign.
        at: epoch ms up to which they reach.
        shares: of the board, by age in periods.
        unit: mean value of an order; 0: not known.
    """
    return float(kernels.held_back(row, at, shares, unit)) if len(shares) else 0.0


def cautiously_kept(kept: float, refunded: float, share: float) -> float:
    """What is kept in the end if that share of all money is refunded, or what has been, if that is more.

    >>> cautiously_kept(100.0, 0.0, 0.3), cautiously_kept(60.0, 40.0, 0.3)
    (70.0, 60.0)
    """
    return min(kept, (1 - share) * (kept + refunded))


def learn_refunds(
    rows: Sequence[Floats],
    ats: Sequence[int],
    births: Sequence[int],
    units: Floats,
    window: "RefundWindow",
) -> RefundLaw:
    """What campaigns show together of refunds.

    Args:
        rows: sums of each campaign.
        ats: epoch ms up to which these reach.
        births: epoch ms of the first spend.
        units: mean value of an order of each.
        window: what the operator says of refunds.
    """
    needed = min(AGES, int(-(-window.days * DAY // kernels.PERIOD_MS)))
    if not rows:
        return RefundLaw((), window.share if needed else 0.0)
    due, refunded = _by_youth(np.array(rows), np.array(ats), np.array(births), units)
    orders = due.sum(axis=0)
    unseen = window.share if (orders[:needed] < _ORDERS_SEEN).any() else 0.0
    if not refunded.sum() > 0:
        return RefundLaw((), unseen)
    return RefundLaw(tuple(float(share) for share in _shares(due, refunded, orders)), unseen)


def _by_youth(
    rows: Floats, ats: NDArray[np.int64], births: NDArray[np.int64], units: Floats
) -> tuple[Floats, Floats]:
    """Orders by the age they have when a period goes by, (equations, ages), and orders refunded in it, (equations,).

    Campaigns of one age count together: periods of each age are one equation, so that a board of thousands has some hundreds of them.
    """
    period = ats // kernels.PERIOD_MS
    ago = np.arange(PERIODS)
    places = (period[:, None] - ago) % PERIODS
    gross, refunded = (
        np.maximum(0.0, np.take_along_axis(rows, places + first, axis=1)) / units[:, None]
        for first in (kernels.GROSS, kernels.REFUNDED)
    )
    old = np.minimum(period - births // kernels.PERIOD_MS, PERIODS)
    is_known = (period[:, None] - ago > rows[:, [kernels.SINCE]]) & (
        (ago < _RECENT) | (old < PERIODS)[:, None]
    )
    due = np.zeros((PERIODS + 1, PERIODS, AGES))
    for age in range(AGES):
        np.add.at(due[:, : PERIODS - age, age], old, (gross[:, age:] * is_known[:, : PERIODS - age]))
    came = np.zeros((PERIODS + 1, PERIODS))
    np.add.at(came, old, refunded * is_known)
    return due.reshape(-1, AGES), came.reshape(-1)


def _shares(due: Floats, refunded: Floats, orders: Floats) -> Floats:
    """The shares of most likelihood; refunds of which no order is known count for none."""
    is_due = due.sum(axis=1) > 0
    due, refunded = due[is_due], refunded[is_due]
    shares = np.full(AGES, min(1.0, refunded.sum() / due.sum()))
    for _ in range(_ROUNDS):
        expected = np.maximum(due @ shares, 1e-12)
        shares = shares * (due.T @ (refunded / expected)) / (orders + _CALM_ORDERS)
    return shares / max(1.0, float(shares.sum()))

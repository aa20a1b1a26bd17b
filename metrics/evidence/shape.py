"""What the campaigns of a board show together of lag, rhythm and scatter; each borrows it until it has shown its own. Pure.

Everything is a sum over ledgers, so it can be taken anew from them at any time. Until enough is seen, cautious priors hold.
"""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from math import inf, sqrt

import msgspec
import numpy as np

from metrics.evidence.ledger import (
    AGE_DUE,
    AGE_RESULTS,
    AGES,
    LAG_DUE,
    LAG_FITS,
    LAG_RESULTS,
    LAGS,
    MEANS,
    ORDER_SCATTER,
    PART_DUE,
    PART_RESULTS,
    PARTS,
    SCATTER,
    WEEKDAY_DUE,
    WEEKDAY_RESULTS,
    Floats,
    Ledger,
)
from metrics.evidence.refunds import NO_WINDOW, RefundLaw, RefundWindow, learn_refunds
from metrics.kernels import evidence as kernels

#: Prior of the laws of lag; results at once are likely, long lags are not ruled out.
_LAG_PRIOR = np.array([0.28] + [0.09] * (len(LAGS) - 1))
#: How much of what campaigns show together counts for one of them, and how far it may speak against a law in all (nats).
_LAG_TRUST, _LAG_FLOOR = 0.5, 8.0
#: Logarithm of the weight of a law that is not weighed.
_NEVER = -1e6
#: Results by which weekdays and parts of days are drawn to the mean.
_CALM = 30.0
#: Shares of its later results that the first day of a learning phase may bring, the weight of no learning phase, and how much
#: of what campaigns show together counts for one of them.
_RAMP_STARTS, _NO_RAMP, _YOUTH_TRUST = (0.2, 0.4, 0.6), 0.15, 1.0
#: Scatter that is assumed before any is seen, and how many days of the board it is worth.
_FIRST_SCATTER, _FIRST_DAYS = 1.5, 10.0
#: Drift counts as far as it is above so many standard errors; that there is none is worth so much.
_SURE, _STEADY = 1.0, 600.0
#: Few orders rarely show the tail they come from: their scatter is taken to be (1 + this / orders) times as wide.
_UNSEEN_TAIL = 75.0


class Shape(msgspec.Struct, frozen=True, array_like=True, dict=True):
    """What is known of results under one kind of target.

    Attributes:
        lags: logarithms of the weights of ``LAGS``.
        weekday: results per spend by weekday, Monday first, around 1.
        parts: of a day, around 1.
        ages: by the day since a campaign began, at most 1: a campaign that still learns brings less.
        scatter: variance over mean of the results of a day; for money in units of the mean value of an order.
        order_scatter: of the orders of a day, where results are money.
        refunds: share of the money that is refunded, by age of an order in periods of three days; empty: none was seen.
        unseen_refunds: share of the money that may be refunded besides, at ages that the board has not seen yet.
        drift: variance with which results per spend wander around their mean for days at a time.
    """

    lags: tuple[float, ...] = tuple(float(x) for x in np.log(_LAG_PRIOR))
    weekday: tuple[float, ...] = (1.0,) * 7
    parts: tuple[float, ...] = (1.0,) * PARTS
    ages: tuple[float, ...] = (1.0,) * AGES
    scatter: float = _FIRST_SCATTER
    order_scatter: float = _FIRST_SCATTER
    refunds: tuple[float, ...] = ()
    unseen_refunds: float = 0.0
    drift: float = 0.0

    @cached_property
    def refund_shares(self) -> Floats:
        """Shares of the money that is refunded, by age."""
        return np.array(self.refunds)

    @cached_property
    def log_chances(self) -> Floats:
        """Logarithms of the weights of the laws of lag."""
        return np.array(self.lags)

    @cached_property
    def chances(self) -> Floats:
        """Weights of the laws of lag."""
        found: Floats = np.exp(self.log_chances - self.log_chances.max())
        found /= found.sum()
        return found

    def within(self, days: float) -> "Shape":
        """The same without the laws of lag whose mean is longer."""
        return self if days >= LAGS[-1] else _within(self, days)

    @cached_property
    def packed(self) -> Floats:
        """All of it as one row, as ``metrics.kernels.evidence`` takes it."""
        rest = (*self.weekday, *self.parts, *self.ages, self.scatter, self.order_scatter, self.drift)
        return np.concatenate((self.chances, self.log_chances, np.array(rest)))


#: Of a campaign that knows nothing of others.
UNLEARNED = Shape()


@lru_cache(maxsize=64)
def unlearned(learning_days: float, window: RefundWindow = NO_WINDOW) -> Shape:
    """Of a campaign that knows nothing of others, on a board where campaigns learn for so many days and refunds come in such a window."""
    unseen = learn_refunds((), (), (), np.empty(0), window).unseen
    return Shape(ages=first_ages(learning_days), unseen_refunds=unseen)


@lru_cache(maxsize=64)
def _within(shape: Shape, days: float) -> Shape:
    """One object for one shape, so that its arrays are made once."""
    kept = (weight if lag <= days else _NEVER for lag, weight in zip(LAGS, shape.lags, strict=True))
    return msgspec.structs.replace(shape, lags=tuple(kept))


def first_ages(days: float) -> tuple[float, ...]:
    """Factors of ages that are assumed before any are seen, where campaigns learn for so many days; 0: they do not.

    >>> [round(factor, 2) for factor in first_ages(2.0)[:3]], first_ages(0.0)[:1]
    ([0.64, 0.85, 0.94], (1.0,))
    """
    if days <= 0:
        return (1.0,) * AGES
    ramps, log_prior = _ramps(days)
    return tuple(round(float(x), 6) for x in np.exp(log_prior) @ ramps)


@lru_cache(maxsize=64)
def _ramps(days: float) -> tuple[Floats, Floats]:
    """Courses that the factors of ages may take, (courses, ages), and the logarithms of their weights: none, and ramps."""
    age = np.arange(AGES) + 0.5
    found = [np.ones(AGES)]
    for length in (days / 2, days, 2 * days):
        found += [np.minimum(1.0, start + (1 - start) * age / length) for start in _RAMP_STARTS]
    weights = np.full(len(found), (1 - _NO_RAMP) / (len(found) - 1))
    weights[0] = _NO_RAMP
    return np.array(found), np.log(weights)


def learn(
    ledgers: Sequence[Ledger],
    *,
    is_money: bool,
    least_scatter: float = 1.0,
    learning_days: float = 0.0,
    window: RefundWindow = NO_WINDOW,
) -> Shape:
    """What ledgers of one kind of target show together.

    Args:
        ledgers: of all campaigns of the board that have the target.
        is_money: whether results are money.
        learning_days: so long campaigns learn, until they show otherwise; 0: they do not, and nothing of that is learned.
        least_scatter: below which the scatter is not taken to be.
        window: what the operator says of refunds of money.
    """
    if not ledgers:
        first = unlearned(learning_days, window if is_money else NO_WINDOW)
        return msgspec.structs.replace(first, scatter=max(_FIRST_SCATTER, least_scatter))
    numbers = np.array([each.sums for each in ledgers])
    # Where a report takes spend back, a part of a day may owe less than nothing; nothing is learned from that.
    learned = slice(LAG_DUE.start, kernels.WHOLE)
    np.maximum(numbers[:, learned], 0.0, out=numbers[:, learned])
    unit = _units(numbers) if is_money else np.ones(len(ledgers))
    scatter, order_scatter = (
        _pooled(numbers[:, part], size) for part, size in ((SCATTER, unit), (ORDER_SCATTER, None))
    )
    if is_money:
        scatter *= 1 + _UNSEEN_TAIL / max(1.0, float(numbers[:, ORDER_SCATTER.start + 2].sum()))
    lags = _lags(numbers, unit * scatter)
    chances = np.exp(lags - lags.max())
    chances /= chances.sum()
    # By the lag as it is known now: what was taken for likely when a day closed would pass for a weekday.
    of_weekdays = chances @ numbers[:, WEEKDAY_DUE].reshape(len(ledgers), len(LAGS), kernels.WEEK)
    # Beside a rate of the same days, of which as much less was due in youth: else youth would pass for a weekday.
    rates = numbers[:, WEEKDAY_RESULTS].sum(axis=1) / np.maximum(1e-9, of_weekdays.sum(axis=1))
    found = Shape(
        tuple(float(x) for x in lags),
        _weekly_shape(numbers[:, WEEKDAY_RESULTS], of_weekdays * rates[:, None], unit * scatter),
        _parts(numbers[:, PART_RESULTS], numbers[:, PART_DUE], unit * scatter),
        _ages(numbers, unit * scatter, learning_days) if learning_days > 0 else first_ages(0),
        max(scatter, least_scatter),
        max(1.0, order_scatter),
        *(_refunds(ledgers, unit, window) if is_money else RefundLaw()),
    )
    return msgspec.structs.replace(
        found, drift=_drift(ledgers, numbers, order_scatter if is_money else scatter, found)
    )


def _drift(ledgers: Sequence[Ledger], numbers: Floats, scale: float, shape: Shape) -> float:
    """Variance of the drift that is surely there, by the smaller of two: campaigns learn as the board has it, or do not."""
    births, least = np.array([each.born for each in ledgers]), inf
    for with_ages in (True, False):
        shown, worth = kernels.drift_of_blocks(numbers, shape.packed, MEANS, births, scale, with_ages)
        least = min(least, (shown - _SURE * sqrt(worth)) / (worth + _STEADY))
    return max(0.0, least)


def _refunds(ledgers: Sequence[Ledger], unit: Floats, window: RefundWindow) -> RefundLaw:
    known = [at for at, each in enumerate(ledgers) if each.refund_numbers]
    rows, ats, births = (
        [getattr(ledgers[at], name) for at in known] for name in ("refund_sums", "at", "born")
    )
    return learn_refunds(rows, ats, births, unit[known], window)


def _units(numbers: Floats) -> Floats:
    """Mean value of an order of each campaign; 1 where none is known, which then counts for nothing much."""
    orders, value = numbers[:, ORDER_SCATTER.start + 2], numbers[:, SCATTER.start + 2]
    return np.where((orders > 0) & (value > 0), value / np.maximum(orders, 1e-9), 1.0)


def _pooled(sums: Floats, unit: Floats | None) -> float:
    days, due, results, squares = sums.T
    is_known = (days >= 2) & (due > 0) & (results > 0)
    spread = squares[is_known] * due[is_known] / results[is_known] - results[is_known]
    if unit is not None:
        spread = spread / unit[is_known]
    freedom = float((days[is_known] - 1).sum())
    total = _FIRST_SCATTER * _FIRST_DAYS + float(np.maximum(0.0, spread).sum())
    return max(1.0, total / (_FIRST_DAYS + freedom))


def own_scatter(board: float, sums: Floats, unit: float, *, of_orders: bool = False) -> float:
    """The wider of the board's scatter and a campaign's own, drawn to it.

    Args:
        board: scatter that the board shows.
        sums: of the campaign's ledger.
        unit: mean value of an order; 1 for counts.
        of_orders: the scatter of orders, where results are money.
    """
    first = kernels.ORDER_SCATTER if of_orders else kernels.SCATTER
    return float(kernels.own_scatter(sums, board, first, unit))


def _lags(numbers: Floats, scale: Floats) -> Floats:
    """Likelihood of each law with a rate of its own for each campaign, on logarithms."""
    due = np.maximum(numbers[:, LAG_DUE], 1e-9)
    fits = (numbers[:, LAG_FITS] - numbers[:, LAG_RESULTS, None] * np.log(due)) / scale[:, None]
    total = fits.sum(axis=0)
    found: Floats = np.log(_LAG_PRIOR) + np.maximum(_LAG_TRUST * (total - total.max()), -_LAG_FLOOR)
    return found


def _weekly_shape(results: Floats, due: Floats, scale: Floats) -> tuple[float, ...]:
    came, owed = (results / scale[:, None]).sum(axis=0) + _CALM, (due / scale[:, None]).sum(axis=0) + _CALM
    factors = came / owed
    return tuple(float(x) for x in factors / factors.mean())


def _ages(numbers: Floats, scale: Floats, days: float) -> tuple[float, ...]:
    """Factors of ages beside a rate of each campaign: the mean of ramps, weighed by what all campaigns show."""
    results, due = (numbers[:, part] / scale[:, None] for part in (AGE_RESULTS, AGE_DUE))
    ramps, log_prior = _ramps(days)
    owed = np.maximum(due @ ramps.T, 1e-9)
    fits = (results @ np.log(ramps).T - results.sum(axis=1)[:, None] * np.log(owed)).sum(axis=0)
    weights = log_prior + _YOUTH_TRUST * (fits - fits.max())
    chances = np.exp(weights - weights.max())
    return tuple(float(x) for x in chances @ ramps / chances.sum())


def _parts(results: Floats, due: Floats, scale: Floats) -> tuple[float, ...]:
    rates = results.sum(axis=1) / np.maximum(1e-9, due.sum(axis=1))
    return _weekly_shape(results, due * rates[:, None], scale)

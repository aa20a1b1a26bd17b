"""From a ledger to evidence: one e-value against "the target is met", one for "it is exceeded". Pure.

**Missed.** For results by a Poisson process whose mean is ``m_k`` under the k-th law of lag if the target is met, and ρ times
that if it is missed, let ``fits_k`` be Σ results of a part of a day · log of what was due in it. Then

    E = Σ_k π_k Σ_i w_i exp((fits_k + n log ρ_i - ρ_i m_k) / s)  /  max_{ρ ≥ 1} Σ_k π_k exp((fits_k + n log ρ - ρ m_k) / s)

is at most a likelihood ratio of mixtures, hence of mean 1 while the target is met by a campaign whose law of lag is drawn from π, and
Ville's inequality holds: the chance that it ever reaches 1/α is at most α. Both sums share the laws of lag, so results that
come late are weighed as late before they are weighed as missing. ``s`` is the scale of compound results (the variance of a
day's results over their mean): by the argument of ``metrics.evidence.martingale`` counting results in units of ``s`` keeps the
inequality for compound Poisson sums of that size-biased mean.

**Missed since some day.** A campaign that was good for long speaks for itself for long. So part of the weight is on changes: see
``metrics.evidence.ledger``. Of the laws of lag that are not unlikely the one counts that speaks least. The e-value is the mean of both,
weighted, so that the chance that a campaign which meets its target all the time is ever called bad is at most α in all.

**Exceeded.** The mean of two e-values. One is what bettors have on average who stake shares of it on each round (``metrics.evidence.ledger``):
it holds for every law of values and days, and is the sharper one where orders are few or wide. The other compares the results that surely
belong to the spend with all of it, by the normal mixture of Robbins (*Ann. Math. Statist.* 41, 1970) with the variance s · max(results, due);
for sums it holds asymptotically (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, *Time-uniform central limit theory*, *Ann. Statist.* 52,
2024), and is the sharper one where many results come in a day. Both look at money that stays. Where the board has not seen long enough how much
is refunded, the smaller of two such means counts: as the board has learned, and with what may be refunded held back
(``metrics.evidence.refunds``). A bettor who owes, since more was refunded than is won, is taken to have lost as many rounds as that takes.
"""

from math import exp, log, log1p
from typing import NamedTuple

import numpy as np

from metrics.evidence.ledger import CAUTIOUS_WAGERS, MEANS, WAGERS, Floats, Ledger
from metrics.evidence.martingale import MODERATE_PRIOR, VALUE_PRIOR, mixture_of
from metrics.evidence.shape import Shape
from metrics.kernels import evidence as kernels

_MIXTURES = {
    prior: np.vstack((ratios, np.log(ratios), log_mass))
    for prior in (MODERATE_PRIOR, VALUE_PRIOR)
    for ratios, log_mass in (mixture_of(prior),)
}
#: Logarithms of the weights of "missed from the start" and of "missed since some day".
_FROM_START, _SINCE = log(0.8), log(0.2)
#: Variance, in units of scale, at which the test for "exceeded" is sharpest.
_SHARPEST = 30.0
#: Logarithms of what a bettor has left, by stake, after a round in which nothing came.
_LOST_ROUNDS = np.log1p(-np.array(kernels.STAKES))
#: Less was not due.
_NOTHING = 1e-9
_NO_SPEND = np.zeros(kernels.LAGS)


class Missed(NamedTuple):
    """The logarithm of the e-value against "the target is met"; what was due by now, as the laws fit and as the board has them."""

    log_e: float
    due: float
    expected: float


def log_e_missed(
    ledger: Ledger,
    results: float,
    scale: float,
    shape: Shape,
    prior: tuple[float, float],
    most: float,
    young: tuple[float, float] = (0.0, 0.0),
) -> Missed:
    """The e-value against "the target is met, and was all the time".

    Args:
        ledger: what was due and what came day by day.
        results: since the evidence began.
        scale: variance of a day's results over their mean, in units of results.
        shape: what the board has learned.
        prior: of the ratio, as in ``martingale``.
        most: no more than this was due by now, whatever the laws say.
        young: what the latest spend of the ledger is to bring, which does not speak yet, and over how many days it lies.
    """
    of_part, of_day = (
        max(0.0, ledger.results - before) for before in (ledger.part_results, ledger.day_results)
    )
    moment = np.array((ledger.at, ledger.born, results, of_part, of_day, scale, most), dtype=np.float64)
    missed, changed, due, expected = kernels.judge(
        ledger.sums, shape.packed, moment, _brought_of(*young), _MIXTURES[prior]
    )
    high, low = max(missed + _FROM_START, changed + _SINCE), min(missed + _FROM_START, changed + _SINCE)
    return Missed(high + log1p(exp(low - high)), due, expected)


def _brought_of(due: float, days: float) -> Floats:
    """What has come by each law of lag of spend that lay evenly over the last days.

    >>> [round(float(x), 2) for x in _brought_of(10.0, 1.0)[[0, 4, 8]]]
    [10.0, 3.68, 0.6]
    """
    if due <= 0 or days <= 0:
        return _NO_SPEND
    still = MEANS / days * -np.expm1(-days / np.maximum(MEANS, _NOTHING))
    came: Floats = due * (1 - still)
    return came


def log_e_exceeded(
    ledger: Ledger, results: float, due: float, scale: float, cautious: float | None = None
) -> float:
    """Log of the e-value against "at most the target is met".

    Args:
        ledger: with what the bettors have.
        results: that surely belong to the spend and stay, since the evidence began.
        due: of all the spend.
        scale: variance of a day's results over their mean, in units of results.
        cautious: the results that stay if as much is refunded as may be; None where the board knows what is.
    """
    sums = ledger.sums
    found = _log_e_exceeded(sums[WAGERS], sums[kernels.OWED], sums, (results, due, scale))
    if cautious is not None:
        owed = sums[kernels.CAUTIOUS_OWED]
        found = min(found, _log_e_exceeded(sums[CAUTIOUS_WAGERS], owed, sums, (cautious, due, scale)))
    return found


def _log_e_exceeded(wagers: Floats, owed: float, sums: Floats, above: tuple[float, float, float]) -> float:
    if owed > 0 and sums[kernels.SCATTER] > 0:
        a_day = max(sums[kernels.SCATTER + 1] / sums[kernels.SCATTER], _NOTHING)
        wagers = wagers + owed / a_day * _LOST_ROUNDS
    bets = float(np.logaddexp.reduce(wagers)) - log(len(wagers))
    return float(np.logaddexp(bets, log_e_above_due(*above))) - log(2)


def log_e_above_due(results: float, due: float, scale: float) -> float:
    """Log of the e-value against "at most ``due`` results were due"; 0 and below while no more have come.

    >>> log_e_above_due(80, 40, 1.0) > log(20), log_e_above_due(40, 40, 1.0) > 0
    (True, False)
    """
    more, variance = (results - due) / scale, max(results, due) / scale
    if more <= 0:
        return -0.5 * log(1 + variance / _SHARPEST)
    return -0.5 * log(1 + variance / _SHARPEST) + more * more / (2 * (variance + _SHARPEST))

"""From a ledger to evidence: one e-value against "the target is met", one for "it is exceeded". Pure.

**Missed.** For results by a Poisson process whose mean is ``m_k`` under the k-th law of lag if the target is met, and ρ times
that if it is missed, let ``fits_k`` be Σ results of a part of a day · log of what was due in it. Then

    E = Σ_k π_k Σ_i w_i exp((fits_k + n log ρ_i - ρ_i m_k) / s)  /  max_{ρ ≥ 1} Σ_k π_k exp((fits_k + n log ρ - ρ m_k) / s)

is at most a likelihood ratio of mixtures, hence of mean 1 while the target is met by a campaign whose law of lag is drawn from π, and
Ville's inequality holds: the chance that it ever reaches 1/α is at most α. Both sums share the laws of lag, so results that
come late are weighed as late before they are weighed as missing. ``s`` is the scale of compound results (the variance of a
day's results over their mean): by the argument of ``metrics.evidence.martingale`` counting results in units of ``s`` keeps the
inequality for compound Poisson sums of that size-biased mean.

**Exceeded.** The results that surely belong to the spend against all of it, by the normal mixture of Robbins
(*Ann. Math. Statist.* 41, 1970) with the variance s · max(results, due); for sums it holds asymptotically (Waudby-Smith,
Arbour, Sinha, Kennedy and Ramdas, *Time-uniform central limit theory*, *Ann. Statist.* 52, 2024).
"""

from math import log

import numpy as np

from metrics.evidence.ledger import Floats, Ledger, due_by_law
from metrics.evidence.martingale import MODERATE_PRIOR, VALUE_PRIOR, mixture_of
from metrics.evidence.shape import Shape

_MIXTURES = {
    prior: (ratios[:, None], np.log(ratios), log_mass)
    for prior in (MODERATE_PRIOR, VALUE_PRIOR)
    for ratios, log_mass in (mixture_of(prior),)
}
#: A campaign that meets its target may also exceed it, by these factors: a law of lag that is too slow then fits.
_BETTER = np.array([1.0, 1.1, 1.25, 1.5])
_LOG_BETTER = np.log(_BETTER)
_BETTER_ROWS = _BETTER[:, None]
#: Variance, in units of scale, at which the test for "exceeded" is sharpest.
_SHARPEST = 30.0


def log_e_missed(
    ledger: Ledger, results: float, scale: float, shape: Shape, prior: tuple[float, float], most: float
) -> tuple[float, float]:
    """Log of the e-value against "the target is met", and what was due by now.

    Args:
        ledger: what was due and what came day by day.
        results: since the evidence began.
        scale: variance of a day's results over their mean, in units of results.
        shape: what the board has learned.
        prior: of the ratio, as in ``martingale``.
        most: no more than this was due by now, whatever the laws say.
    """
    due, fits = due_by_law(ledger, shape)
    due = np.minimum(np.maximum(due, 0.0), most)
    if not due.max() > 0:
        return 0.0, 0.0
    ratios, log_ratios, log_mass = _MIXTURES[prior]
    base, scaled, count = fits / scale + shape.log_chances, due / scale, results / scale
    met = (count * _LOG_BETTER)[:, None] - _BETTER_ROWS * scaled + base
    missed = (count * log_ratios + log_mass)[:, None] - ratios * scaled + base
    found = _log_sum(missed) - _largest_log_sum(met)
    weights = base - count * np.log(np.maximum(due, 1e-12))
    chances = np.exp(weights - weights.max())
    return found, float(chances @ due / chances.sum())


def log_e_exceeded(results: float, due: float, scale: float) -> float:
    """Log of the e-value against "at most ``due`` results were due"; 0 and below while no more have come.

    >>> log_e_exceeded(80, 40, 1.0) > log(20), log_e_exceeded(40, 40, 1.0) > 0
    (True, False)
    """
    more, variance = (results - due) / scale, max(results, due) / scale
    if more <= 0:
        return -0.5 * log(1 + variance / _SHARPEST)
    return -0.5 * log(1 + variance / _SHARPEST) + more * more / (2 * (variance + _SHARPEST))


def _log_sum(terms: Floats) -> float:
    top = float(terms.max())
    return top + log(float(np.exp(terms - top).sum()))


def _largest_log_sum(rows: Floats) -> float:
    tops = rows.max(axis=1)
    sums = np.exp(rows - tops[:, None]).sum(axis=1)
    pairs: zip[tuple[float, float]] = zip(tops.tolist(), sums.tolist(), strict=True)
    return max(top + log(total) for top, total in pairs)

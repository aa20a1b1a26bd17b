"""Test martingales for what a spend brings: counts (leads, orders) and heavy-tailed values (revenue, margin).

**Counts.** If results come by a Poisson process of ``rate`` per unit of spend, then for any r > 0
``r**n * exp(rate * spend * (1 - r))`` is a martingale of mean 1, n being the results so far; so is its mixture over
r. A mixture over r < 1 grows when fewer results come than ``expected = rate * spend``. By Ville's inequality (Ville,
*Étude critique de la notion de collectif*, 1939) the chance that it **ever** reaches 1/α is at most α under the
hypothesis, so one may look after every click. The method is Robbins's (*Ann. Math. Statist.* 41, 1970); see Howard,
Ramdas, McAuliffe and Sekhon, *Time-uniform, nonparametric, nonasymptotic confidence sequences*, *Ann. Statist.* 49,
2021. With a Beta(a, b) density the mixture is B(n+a, b)/B(a, b) · 1F1(b; n+a+b; expected), Kummer's function. It is
computed as the mixture over the nodes of a Gauss–Legendre rule, which is a test martingale itself, whatever the rule
leaves out.

**Values.** Let each result be worth X ≥ 0 with E[X²]/E[X] ≤ ``scale``, and let ``target`` be what a unit of spend is
to bring. Of all such X the two-point law on {0, scale} has the largest E[exp(-λX)] (a parabola that touches exp(-λx)
at ``scale`` lies above it on x ≥ 0), so E exp(-λ·revenue) ≤ exp(-(target·spend/scale)·(1 - exp(-λ·scale))).
With r = exp(-λ·scale) that is the line above for n = revenue/scale and expected = target·spend/scale: **the test for
values is the test for counts with money counted in units of scale.** A lower tail needs no more than the second
moment however heavy the upper one is (Maurer, *J. Inequal. Pure Appl. Math.* 4(1), 2003). The Catoni-style
sequences of Wang and Ramdas (*Stochastic Process. Appl.* 163, 2023) bear heavy tails on both sides, but need every
single order; this one needs the sums that are kept anyway, and tests the side on which money is lost.

**Values whose mean is known.** Where an order is worth ``mean`` at most on average, a spend that is to bring ``due`` is
to bring due / mean orders at least, and the test for counts holds however widely the values scatter. It sees orders
that do not come, not orders that are too small; ``log_e_either`` is the mean of both e-values, which is one itself.

For the upper tail sums allow only a bound in the manner of Dubins and Savage (*Proc. Natl. Acad. Sci.* 53, 1965):
P(revenue ever exceeds its mean by a·variance + b) ≤ 1/(1 + ab). It holds for every law with that variance.
"""

from math import lgamma, log

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: Of the mixture over r; the mean of the prior, ½, is a campaign that costs twice its target.
PRIOR = (2.0, 2.0)
#: The same, sharpest between 1.25 and 2 × the target: the bad campaigns that are hard to tell.
MODERATE_PRIOR = (12.0, 9.0)
#: Of the mixture for values. Narrower, because the money of a few orders says little of any other ratio.
VALUE_PRIOR = (8.0, 8.0)
_NODES = 48
#: Slope of the Dubins–Savage line, in units of scale; at ½ it is sharpest where two to three times the target comes in.
_SLOPE = 0.5


def _mixture(prior: tuple[float, float]) -> tuple[Floats, Floats]:
    """Nodes in (0, 1) and the logarithms of their weights, which sum to 1."""
    a, b = prior
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    ratios = (points + 1) / 2
    density = lgamma(a + b) - lgamma(a) - lgamma(b) + (a - 1) * np.log(ratios) + (b - 1) * np.log1p(-ratios)
    mass = weights / 2 * np.exp(density)
    return ratios, np.log(mass / mass.sum())


_MIXTURES = {prior: _mixture(prior) for prior in (PRIOR, MODERATE_PRIOR, VALUE_PRIOR)}


def mixture_of(prior: tuple[float, float]) -> tuple[Floats, Floats]:
    """Nodes of a mixture over ratios below 1, and the logarithms of their weights."""
    return _MIXTURES[prior]


def log_e_below(results: ArrayLike, expected: ArrayLike, prior: tuple[float, float] = PRIOR) -> Floats:
    """Log of the e-value against "at least ``expected`` results have been due".

    Args:
        results: so many came, 0 or more; for values: revenue / scale. Any shape.
        expected: so many were due by the target, 0 or more; for values: target · spend / scale.
        prior: ``PRIOR`` for counts, ``VALUE_PRIOR`` for values.

    >>> bool(log_e_below(10, 40) > np.log(20)), bool(log_e_below(18, 20) > 0)
    (True, False)
    """
    ratios, log_mass = _MIXTURES[prior]
    return _log_mixture(results, expected, ratios, log_mass)


def log_e_either(orders: ArrayLike, orders_due: ArrayLike, results: ArrayLike, expected: ArrayLike) -> Floats:
    """Log of the e-value against "at least the target's value has been due", where the mean value is known.

    Args:
        orders: so many came.
        orders_due: so many were due: target · spend / mean value.
        results: revenue / scale, as in ``log_e_below``.
        expected: target · spend / scale.

    >>> few, small = log_e_either(10, 40, 5.0, 20.0), log_e_either(40, 40, 5.0, 20.0)
    >>> bool(few > small > np.log(20))
    True
    """
    counted = log_e_below(orders, orders_due)
    found: Floats = np.logaddexp(counted, log_e_below(results, expected, VALUE_PRIOR)) - log(2)
    return found


def log_e_above(results: ArrayLike, expected: ArrayLike) -> Floats:
    """Log of the e-value against "at most ``expected`` results have been due"; for counts only.

    The mixture is over 1/r, so it looks for campaigns that reach about twice what they must.

    >>> bool(log_e_above(80, 40) > np.log(20)), bool(log_e_above(40, 40) > 0)
    (True, False)
    """
    ratios, log_mass = _MIXTURES[PRIOR]
    return _log_mixture(results, expected, 1 / ratios, log_mass)


def _log_mixture(results: ArrayLike, expected: ArrayLike, ratios: Floats, log_mass: Floats) -> Floats:
    count = np.asarray(results, dtype=np.float64)[..., None]
    due = np.asarray(expected, dtype=np.float64)[..., None]
    terms = count * np.log(ratios) + due * (1 - ratios) + log_mass
    top = terms.max(axis=-1)
    found: Floats = top + np.log(np.exp(terms - top[..., None]).sum(axis=-1))
    return found


def value_interval(revenue: float, spend: float, scale: float, alpha: float = 0.05) -> tuple[float, float]:
    """A confidence sequence for what a unit of spend brings, at level 1 - ``alpha`` over all times together.

    Args:
        revenue: 0 or more.
        spend: above 0.
        scale: bound on E[X²]/E[X] of one result's value, above 0.
        alpha: half of it goes to each side.

    Returns:
        Lower end (Dubins–Savage) and upper end (the largest target that the mixture does not refute).

    >>> low, high = value_interval(revenue=300.0, spend=100.0, scale=1.0)
    >>> 1 < low < 3 < high < 4
    True
    """
    results, exposure = revenue / scale, spend / scale
    return value_floor(results, exposure, alpha / 2), _ceiling(results, alpha / 2) / exposure


def value_floor(results: float, exposure: float, alpha: float) -> float:
    """The lower end alone, at level 1 - ``alpha``; ``results`` and ``exposure`` in units of scale.

    >>> value_floor(100.0, 20.0, 0.05)
    2.066667
    """
    return round(max(0.0, results - (1 / alpha - 1) / _SLOPE) / (exposure * (1 + _SLOPE)), 6)


def _ceiling(results: float, alpha: float) -> float:
    """The largest expectation whose e-value stays under 1/alpha; above ``results`` the e-value only grows."""
    limit = -log(alpha)
    low, high = results, 2 * results + 10 * limit
    while log_e_below(results, high, VALUE_PRIOR) < limit:
        high *= 2
    while high - low > 1e-4 * high:
        middle = (low + high) / 2
        if log_e_below(results, middle, VALUE_PRIOR) < limit:
            low = middle
        else:
            high = middle
    return high

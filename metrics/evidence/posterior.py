"""What a person wants to hear: how probable it is that a target is missed, and between what a figure lies.

A Gamma posterior of the rate at which a spend brings results, with the prior of Jeffreys: shape n + ½. These are for
looking at, not for rules: unlike an e-value they are not valid under looking all day.
"""

from math import erfc, sqrt

#: Of the normal distribution: 95 % lie between.
_Z95 = 1.959964


def probability_below(results: float, expected: float) -> float:
    """P(true rate < target rate) after ``results`` came where ``expected`` were due by the target.

    By the cube-root approximation of Wilson and Hilferty (*Proc. Natl. Acad. Sci.* 17, 1931).

    >>> probability_below(10, 40) > 0.999, round(probability_below(30, 30), 1)
    (True, 0.5)
    """
    shape = results + 0.5
    ninth = 1 / (9 * shape)
    z = ((expected / shape) ** (1 / 3) - (1 - ninth)) / sqrt(ninth)
    return 0.5 * erfc(-z / sqrt(2))


def rate_interval(results: float, exposure: float) -> tuple[float, float]:
    """The middle 95 % of the posterior of the rate, per unit of ``exposure`` (above 0).

    >>> low, high = rate_interval(100, 50.0)
    >>> round(low, 1), round(high, 1)
    (1.6, 2.4)
    """
    return _quantile(results, -_Z95) / exposure, _quantile(results, _Z95) / exposure


def _quantile(results: float, z: float) -> float:
    shape = results + 0.5
    ninth = 1 / (9 * shape)
    return shape * max(0.0, 1 - ninth + z * sqrt(ninth)) ** 3

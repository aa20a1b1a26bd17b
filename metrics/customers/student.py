"""Quantiles of Student's t, without SciPy: a worker that needs no more of it would wait for its import between two records.

Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 1964, 26.7.3 and 26.7.4: sums that end, for whole degrees of freedom.
"""

from functools import lru_cache
from math import cos, pi, sin, sqrt, tan

#: Halvings of an angle of π / 2, down to the last bit.
_HALVINGS = 60


@lru_cache(maxsize=4_096)
def student_quantile(freedom: int, tail: float) -> float:
    """What a variable of Student's t exceeds with the chance ``tail``.

    Args:
        freedom: degrees of freedom, 1 or more.
        tail: above 0, at most 0.5.

    >>> round(student_quantile(2, 0.1), 4), round(student_quantile(5, 0.025), 4), student_quantile(7, 0.5) < 1e-15
    (1.8856, 2.5706, True)
    """
    low, high = 0.0, pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _within(freedom, middle) < 1 - 2 * tail:
            low = middle
        else:
            high = middle
    return sqrt(freedom) * tan(low)


def _within(freedom: int, angle: float) -> float:
    """The chance that the size of the variable is below √freedom · tan(angle)."""
    sine, cosine = sin(angle), cos(angle)
    is_odd = freedom % 2
    term, total = (cosine if is_odd else 1.0), 0.0
    for n in range(2 if is_odd else 1, freedom, 2):
        total += term
        term *= cosine * cosine * n / (n + 1)
    return 2 / pi * (angle + sine * total) if is_odd else sine * total

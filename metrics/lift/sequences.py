"""Confidence sequences of a holdout test: intervals that hold at all times at once, however often one looks.

**Shares.** Each person's arm is drawn by itself, whatever the person does. Where a campaign changes nothing, the arms of
those who convert, in the order in which they convert, are draws with the chance of the assignment. Under a chance q of each the likelihood
ratio of a Beta mixture against q is a martingale of mean 1, so by Ville's inequality the chance that it ever reaches 1/α is at most α (Robbins, *Ann.
Math. Statist.* 41, 1970; for counts of experiments and for mismatched assignments Lindon and Malek, *Anytime-Valid
Inference for Multinomial Count Data*, NeurIPS 2022). The chances that are not refuted are the interval. It is exact: it
needs no law for when or how often people convert.

**Sums.** What a person brings, weighted by 1 / the chance of the arm and with a minus in the control arm, has the person's effect as
its mean (Horvitz and Thompson, *J. Amer. Statist. Assoc.* 47, 1952). Of sums of such weighted values the interval is the asymptotic confidence sequence
of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (*Time-uniform central limit theory and asymptotic confidence
sequences*, *Ann. Statist.* 52 (6), 2024), whose level holds the better the more people there are. Its variance is the larger of two: of the
weighted values as they came, and of the same values had the arms been drawn anew. The first alone is too small while a small
control arm has not yet drawn one of the few who bring much.
"""

from math import log

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betaln

Floats = NDArray[np.float64]

#: How many draws the Beta mixture is worth; it is centred on the chance of the assignment.
_MIXTURE_DRAWS = 100.0
_SMALLEST = 1e-12


def log_e_of_share(ones: ArrayLike, zeros: ArrayLike, chance: float, assigned: float) -> Floats:
    """Logarithm of the evidence against draws of one with ``chance``; reaches log(1/α) with a chance of at most α if they are.

    Args:
        ones: draws of one so far.
        zeros: draws of zero so far.
        chance: the hypothesis, in (0, 1).
        assigned: where the mixture is centred, in (0, 1).

    >>> bool(log_e_of_share(560, 440, 0.5, 0.5) > np.log(20))
    True
    """
    ones, zeros = np.asarray(ones, float), np.asarray(zeros, float)
    a, b = _MIXTURE_DRAWS * assigned, _MIXTURE_DRAWS * (1 - assigned)
    likelihood = ones * log(chance) + zeros * np.log1p(-chance)
    result: Floats = betaln(a + ones, b + zeros) - betaln(a, b) - likelihood
    return result


def interval_of_share(ones: int, zeros: int, assigned: float, alpha: float) -> tuple[float, float]:
    """The chances of one that are not refuted: (low, high), within [0, 1].

    Args:
        ones: draws of one so far.
        zeros: draws of zero so far.
        assigned: where the mixture is centred, in (0, 1).
        alpha: the chance that the true one is ever outside.
    """
    centre = min(max((ones + _SMALLEST) / (ones + zeros + 2 * _SMALLEST), _SMALLEST), 1 - _SMALLEST)

    def above(chance: float) -> float:
        return float(log_e_of_share(ones, zeros, chance, assigned)) + log(alpha)

    if above(centre) >= 0:  # draws of one kind only: the likelihood has its peak at the edge
        return centre, centre
    low = 0.0 if above(_SMALLEST) < 0 else brentq(above, _SMALLEST, centre)
    high = 1.0 if above(1 - _SMALLEST) < 0 else brentq(above, centre, 1 - _SMALLEST)
    return float(low), float(high)


def radius_of_sum(squares: ArrayLike, squares_expected: float, alpha: float) -> Floats:
    """Half the width of the interval around a sum of independent values.

    Args:
        squares: sum of their squares so far (in the unit of the values, squared), which stands for their variance.
        squares_expected: the sum at which the interval is to be narrowest.
        alpha: the chance that the mean of the sum is ever outside.
    """
    squares = np.asarray(squares, float)
    ln = -2 * log(alpha)
    rho2 = (ln + log(ln) + 1) / squares_expected
    scaled = squares * rho2 + 1
    result: Floats = np.sqrt(2 * scaled / rho2 * (np.log(scaled) / 2 - log(alpha)))
    return result


def weights(assigned: float) -> tuple[float, float]:
    """What the value of a person counts in the sum: (in the treatment arm, in the control arm).

    Args:
        assigned: the chance of the treatment arm.

    >>> weights(0.5)
    (2.0, -2.0)
    """
    return 1 / assigned, -1 / (1 - assigned)

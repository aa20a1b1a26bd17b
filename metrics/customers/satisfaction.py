"""What customers answer when they are asked: the net promoter score and the share of the satisfied, with their intervals."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from metrics.values.money import ratio

#: 97.5 % of a normal distribution lie below: intervals are of 95 %.
_Z = 1.959963984540054
#: Halvings of a width of at most 2: the ends are right to 2^-40.
_STEPS = 41
#: Answers from here on are of promoters, and up to here of detractors, on the scale from 0 to 10.
_PROMOTER, _DETRACTOR = 9, 6
Group = Literal["promoter", "passive", "detractor"]


class ScoreInterval(NamedTuple):
    """Two ends, of which the first is not above the second."""

    low: float
    high: float


def nps_group(score: int) -> Group:
    """Who gives an answer from 0 to 10.

    Reichheld, The One Number You Need to Grow, *Harvard Business Review* 81 (12), 2003.

    >>> nps_group(9), nps_group(8), nps_group(6)
    ('promoter', 'passive', 'detractor')
    """
    if score >= _PROMOTER:
        return "promoter"
    return "passive" if score > _DETRACTOR else "detractor"


def is_satisfied(score: int, scale: int) -> bool:
    """Whether an answer from 1 to ``scale`` is one of the satisfied: three quarters of the way up, or more.

    That is 4 and 5 of 5, 6 and 7 of 7, 8 and above of 10.

    >>> [score for score in range(1, 6) if is_satisfied(score, 5)], is_satisfied(7, 10)
    ([4, 5], False)
    """
    return 4 * (score - 1) >= 3 * (scale - 1)


def net_promoter_score(promoters: int, passives: int, detractors: int) -> float | None:
    """(promoters − detractors) / answers, from −1 to 1; None without an answer.

    >>> net_promoter_score(6, 3, 1), net_promoter_score(0, 0, 0)
    (0.5, None)
    """
    return ratio(promoters - detractors, promoters + passives + detractors)


def net_promoter_interval(promoters: int, passives: int, detractors: int) -> ScoreInterval | None:
    """The score interval of 95 % of the net promoter score, for a sample of many; None without an answer.

    It holds each difference that the score test does not refuse, which never leaves −1 to 1, and says something where all
    answers are alike, where the variance of the answers is 0. Rocks, Interval Estimation for the "Net Promoter Score", *The
    American Statistician* 70 (4), 2016, finds it among the best; the variance under a difference is that of Tango, Equivalence
    Test and Confidence ScoreInterval for the Difference in Proportions for the Paired-Sample Design, *Statistics in Medicine* 17, 1998.

    >>> low, high = net_promoter_interval(6, 3, 1)
    >>> round(low, 2), round(high, 2)
    (-0.02, 0.79)
    """
    answers = promoters + passives + detractors
    if answers == 0:
        return None
    score = (promoters - detractors) / answers

    def is_refused(difference: float) -> bool:
        variance = _variance(promoters, detractors, answers, difference)
        return answers * (score - difference) ** 2 > _Z * _Z * variance

    return ScoreInterval(_end(score, -1.0, is_refused), _end(score, 1.0, is_refused))


def _variance(promoters: int, detractors: int, answers: int, difference: float) -> float:
    """Of one answer (1, 0 or −1), where the shares are the likeliest with this difference between promoters and detractors."""
    spread = difference * (1 - difference)
    linear = (2 * answers - promoters + detractors) * difference - promoters - detractors
    root = math.sqrt(max(0.0, linear * linear + 8 * answers * detractors * spread))
    share = min(max(0.0, (root - linear) / (4 * answers)), (1 - difference) / 2)
    share = max(share, -difference)
    return max(0.0, 2 * share + spread)


def _end(inside: float, outside: float, is_refused: Callable[[float], bool]) -> float:
    if not is_refused(outside):
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if is_refused(middle) else (middle, outside)
    return outside


def share_interval(part: int, whole: int) -> ScoreInterval | None:
    """The interval of 95 % of a share; None of nothing.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, *Journal of the American Statistical
    Association* 22, 1927.

    >>> low, high = share_interval(8, 10)
    >>> round(low, 3), round(high, 3), share_interval(0, 0)
    (0.49, 0.943, None)
    """
    if whole == 0:
        return None
    share, weight = part / whole, _Z * _Z / whole
    middle = share + weight / 2
    half = math.sqrt(share * (1 - share) * weight + weight * weight / 4)
    return ScoreInterval(max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight)))

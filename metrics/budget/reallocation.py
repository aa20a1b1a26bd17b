"""Moving cards from campaigns that do not pay to those that do, by the marginal return seen. Pure.

**Response.** Of each campaign the hours give margin ≈ a · spend ** b: diminishing returns for b < 1. Both are fitted on
logarithms by Bayesian linear regression with a known noise and the prior b ~ N(0.7, 0.15²), so that a campaign that
was always spent at one level still has a sensible elasticity. The marginal return of one more unit of spend is
a · b · spend ** (b - 1).

**Exploring.** The move is chosen by one draw from the posteriors (Thompson, *Biometrika* 25, 1933; see Russo et al.,
*A Tutorial on Thompson Sampling*, 2018), so that campaigns whose response is uncertain get a chance now and then. Its
gain is then judged by other draws, which did not choose it.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.budget.state import Hour
from metrics.values.money import MICROS

Floats = NDArray[np.float64]

#: Prior of the elasticity: mean and standard deviation.
_ELASTICITY = (0.7, 0.15)
#: Prior of log a: as good as none.
_SCALE_SD = 3.0
_LEAST_HOURS = 6
_DRAWS = 400
#: Campaigns fitted between two pauses.
_SLICE = 25


class ReallocationCandidate(NamedTuple):
    """A campaign as money can be moved to and from it; micros, bounds as the guards would have them."""

    budget: int
    floor: int
    ceiling: int
    step: int
    hours: Sequence[Hour]


class Move(NamedTuple):
    """One campaign's budget before and after, in micros."""

    campaign_id: str
    before: int
    after: int


class Reallocation(NamedTuple):
    """Moves that leave the sum as it is, with the profit an hour they are expected to bring, in micros."""

    moves: tuple[Move, ...]
    gain: int
    gain_sd: int
    probability_of_gain: float


class Response(NamedTuple):
    """Posterior of (log a, b) of a campaign, and its usual spend an hour in currency units."""

    mean: Floats
    covariance: Floats
    spend: float


def fit(hours: Sequence[Hour]) -> Response | None:
    """The response of a campaign; None with fewer than six hours that spent something.

    Margins of single hours are noisy and may be 0 or below, so hours are pooled by sixes.
    """
    spent = [hour for hour in hours if hour.spend > 0]
    if len(spent) < _LEAST_HOURS:
        return None
    groups = [spent[at : at + _LEAST_HOURS] for at in range(0, len(spent) - _LEAST_HOURS + 1, _LEAST_HOURS)]
    spend = np.array([sum(hour.spend for hour in group) / len(group) / MICROS for group in groups])
    margin = np.array(
        [
            sum(hour.kept_revenue - hour.cost_of_goods for hour in group) / len(group) / MICROS
            for group in groups
        ]
    )
    # A group without margin is as bad as one of a hundredth of its spend: logarithms know no zero.
    target = np.log(np.maximum(margin, spend / 100))
    design = np.column_stack([np.ones(len(groups)), np.log(spend)])
    noise = max(0.15, float(np.std(target))) ** 2
    precision = np.diag([1 / _SCALE_SD**2, 1 / _ELASTICITY[1] ** 2])
    prior = np.array(
        [float(np.mean(target)) - _ELASTICITY[0] * float(np.mean(np.log(spend))), _ELASTICITY[0]]
    )
    covariance = np.linalg.inv(precision + design.T @ design / noise)
    mean = covariance @ (precision @ prior + design.T @ target / noise)
    return Response(mean, covariance, float(spend[-4:].mean()))


def reallocate(
    candidates: Mapping[str, ReallocationCandidate], rng: np.random.Generator
) -> Reallocation | None:
    """The move of one step from the least to the most paying campaign; None where no draw finds one.

    Args:
        candidates: campaigns that may be touched, with what is known of them.
        rng: decides what is explored; the same generator gives the same move.

    Returns:
        A move within every floor, ceiling and step; the sum of the budgets stays.
    """
    work = reallocating(candidates, rng)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: Reallocation | None = end.value
            return found


def reallocating(
    candidates: Mapping[str, ReallocationCandidate], rng: np.random.Generator
) -> Generator[None, None, Reallocation | None]:
    """The same with a pause after each few campaigns: a fit takes some tenths of a millisecond."""
    fitted: dict[str, Response] = {}
    returns: dict[str, float] = {}
    for count, name in enumerate(sorted(candidates), 1):
        response = fit(candidates[name].hours)
        if response is not None:
            fitted[name] = response
            draw = rng.multivariate_normal(response.mean, response.covariance)
            returns[name] = _marginal(draw, response.spend)
        if count % _SLICE == 0:
            yield
    if len(fitted) < 2:
        return None
    receivers = [name for name in fitted if _room_above(candidates[name]) > 0]
    donors = [name for name in fitted if _room_below(candidates[name]) > 0]
    if not receivers or not donors:
        return None
    best, worst = max(receivers, key=returns.__getitem__), min(donors, key=returns.__getitem__)
    amount = min(_room_above(candidates[best]), _room_below(candidates[worst]))
    if best == worst or returns[best] <= returns[worst] or amount <= 0:
        return None
    moves = (
        Move(worst, candidates[worst].budget, candidates[worst].budget - amount),
        Move(best, candidates[best].budget, candidates[best].budget + amount),
    )
    gains = sum(_gain(fitted[move.campaign_id], move, rng) for move in moves)
    gains_array: Floats = np.asarray(gains) * MICROS
    return Reallocation(
        moves,
        round(float(gains_array.mean())),
        round(float(gains_array.std(ddof=1))),
        float((gains_array > 0).mean()),
    )


def _marginal(draw: Floats, spend: float) -> float:
    scale, elasticity = float(np.exp(draw[0])), float(np.clip(draw[1], 0.05, 1.0))
    return float(scale * elasticity * spend ** (elasticity - 1))


def _gain(response: Response, move: Move, rng: np.random.Generator) -> Floats:
    """Profit an hour after the move less before, in currency units, by draws of the posterior."""
    draws = rng.multivariate_normal(response.mean, response.covariance, _DRAWS)
    scale, elasticity = np.exp(draws[:, 0]), np.clip(draws[:, 1], 0.05, 1.0)
    later = response.spend * move.after / move.before
    found: Floats = scale * (later**elasticity - response.spend**elasticity) - (later - response.spend)
    return found


def _room_above(candidate: ReallocationCandidate) -> int:
    return min(candidate.step, candidate.ceiling - candidate.budget)


def _room_below(candidate: ReallocationCandidate) -> int:
    return min(candidate.step, candidate.budget - candidate.floor, candidate.budget - 1)

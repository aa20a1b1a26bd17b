"""Partial pooling: a figure of campaigns by what they share, as a hierarchical normal model of its logarithm.

The logarithm of a count (or of a value per order) of campaign i with spend s is

    y_i = β + b · log s_i + Σ_k u_k[attribute k of i] + e_i,   u_k ~ N(0, τ_k²),   e_i ~ N(0, σ² + v_i)

where k goes over the attributes (target, offer, support, objective), b < 1 are diminishing returns, σ is how campaigns scatter that share
everything, and v_i is what chance alone does to the count (1 / (count + ½), the delta method). A value of an attribute that many campaigns have is learned from
them; one that few have leans on all others, by as much as the campaigns themselves say (Gelman and Hill, *Data Analysis Using
Regression and Multilevel/Hierarchical Models*, 2007, ch. 12). Given the scales τ and σ everything is normal and solved exactly;
the scales have half-normal priors and are drawn by random-walk Metropolis, so that few campaigns give wide intervals.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Attributes = tuple[str | None, ...]

#: Standard deviation of the half-normal priors of τ and σ, in logarithms: a factor of two each way is usual.
_SCALE = 0.7
#: Of the intercept around the mean of all.
_INTERCEPT_SD = 3.0
_STEPS, _BURN_IN, _THIN = 900, 300, 4
_WALK = 0.35
#: A variance that keeps matrices regular.
_LEAST = 1e-6


@dataclass(frozen=True)
class Observations:
    """A figure of past campaigns.

    Attributes:
        logs: the logarithm of the figure, shape (n,).
        variances: what chance does to each, shape (n,).
        log_spend: the logarithm of the spend, shape (n,).
        attributes: of each campaign; None: not known.
        elasticity: mean and standard deviation of the prior of b.
    """

    logs: Floats
    variances: Floats
    log_spend: Floats
    attributes: Sequence[Attributes]
    elasticity: tuple[float, float]


@dataclass(frozen=True)
class PooledPrediction:
    """The logarithm of the figure of a campaign to come.

    Attributes:
        draws: of the posterior, with the scatter of campaigns that share everything, shape (m,).
        leaning: the share of each past campaign in the mean, shape (n,), adds up to 1.
    """

    draws: Floats
    leaning: Floats


def predict(
    seen: Observations,
    log_spend: float,
    attributes: Attributes,
    rng: np.random.Generator,
    draws_each: int = 40,
) -> PooledPrediction:
    """What the model says of a campaign to come.

    Args:
        seen: past campaigns, at least one.
        log_spend: of the campaign to come.
        attributes: of it; a value that no past campaign has leans on all of them.
        rng: for the scales and for the scatter.
        draws_each: how many draws each draw of the scales gives.
    """
    count = len(seen.logs)
    everyone = [*seen.attributes, attributes]
    shared = [_shared([each[k] for each in everyone]) for k in range(len(attributes))]
    mean_b, sd_b = seen.elasticity
    spend = np.append(seen.log_spend, log_spend) - seen.log_spend.mean()
    base = _INTERCEPT_SD**2 + sd_b**2 * np.outer(spend, spend)
    centred = seen.logs - mean_b * spend[:count]
    centre = float(centred.mean())
    residual = centred - centre
    chance = seen.variances + _LEAST

    def covariance(scales: Floats) -> Floats:
        matrix: Floats = base.copy()
        for tau, same in zip(scales[:-1], shared, strict=True):
            matrix += tau**2 * same
        return matrix

    def log_density(logs_of_scales: Floats) -> float:
        scales = np.exp(logs_of_scales)
        matrix = covariance(scales)[:count, :count] + np.diag(chance + scales[-1] ** 2)
        root = np.linalg.cholesky(matrix)
        solved = np.linalg.solve(root, residual)
        likelihood = -np.log(np.diag(root)).sum() - solved @ solved / 2
        prior = (-((scales / _SCALE) ** 2) / 2 + logs_of_scales).sum()  # half-normal, of the logarithm
        return float(likelihood + prior)

    found, leanings = [], []
    for scales in _walk(log_density, len(shared) + 1, rng):
        matrix = covariance(scales)
        known = matrix[:count, :count] + np.diag(chance + scales[-1] ** 2)
        towards = np.linalg.solve(known, matrix[:count, count])
        mean = centre + mean_b * spend[count] + towards @ residual
        variance = matrix[count, count] - towards @ matrix[:count, count] + scales[-1] ** 2
        found.append(rng.normal(mean, np.sqrt(max(variance, _LEAST)), draws_each))
        leanings.append(np.abs(towards))
    leaning = np.mean(leanings, axis=0)
    return PooledPrediction(np.concatenate(found), leaning / leaning.sum())


def _shared(values: Sequence[str | None]) -> Floats:
    """Which campaigns have the same value, as ones and zeros; one that is not known is nobody else's."""
    same = np.array([[one is not None and one == other for other in values] for one in values], float)
    np.fill_diagonal(same, 1.0)
    return same


def _walk(log_density: Callable[[Floats], float], size: int, rng: np.random.Generator) -> list[Floats]:
    """Draws of the scales."""
    at = np.log(np.full(size, 0.3))
    level = log_density(at)
    drawn = []
    for step in range(_STEPS):
        proposed = at + rng.normal(0.0, _WALK, size)
        its_level = log_density(proposed)
        if np.log(rng.random()) < its_level - level:
            at, level = proposed, its_level
        if step >= _BURN_IN and (step - _BURN_IN) % _THIN == 0:
            drawn.append(np.exp(at))
    return drawn

"""What campaigns bring in a world, hour by hour, as cumulative sums. Seeded numpy; no controller and no test is used.

Money is in units of what a result may cost on target, so spend is a number of targets; the mean value of an order is 1.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.budget.worlds.world import World

Floats = NDArray[np.float64]
_DAY = 24
#: A report says a day's spend so much too high before it is set right.
_RESTATED = 1.15


class Paths(NamedTuple):
    """Cumulative sums at the end of each hour, (campaigns, hours); ``spend`` as it is reported by then."""

    spend: Floats
    results: Floats
    value: Floats
    refunds: Floats


def make_paths(world: World, ratios: Floats, weekdays: NDArray[np.int64], rng: np.random.Generator) -> Paths:
    """Campaigns of a world.

    Args:
        world: what happens.
        ratios: of each campaign, its true cost per result over the target: 1 meets the target.
        weekdays: on which each begins, 0 for Monday.
        rng: all of the chance.
    """
    campaigns, hours = len(ratios), world.days * _DAY
    spend = np.full((campaigns, hours), world.results_per_day / _DAY)
    is_wide = rng.random(campaigns) < world.wide_share
    due = spend * _factors(world, ratios, weekdays, rng)
    clusters = np.where(is_wide & (world.wide_cluster > 0), world.wide_cluster, world.cluster_mean)
    counts = _clustered(due, clusters, rng)
    who, when = _each(counts)
    values = _values(world, is_wide[who], rng)
    come = when + _lags(world, len(when), rng)
    back = np.where(rng.random(len(come)) < world.refund_share, come + round(world.refund_days * _DAY), hours)
    return Paths(
        _reported(world, spend).cumsum(axis=1),
        _summed(who, come, np.ones(len(come)), counts.shape),
        _summed(who, come, values, counts.shape),
        _summed(who, back, values, counts.shape),
    )


def _factors(world: World, ratios: Floats, weekdays: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Results per target of spend, by campaign and hour."""
    campaigns, hours = len(ratios), world.days * _DAY
    at = np.arange(hours)
    found = np.ones((campaigns, hours))
    if world.turns_after:
        is_bad = (ratios > 1)[:, None] & (at * world.results_per_day / _DAY >= world.turns_after)
        found = np.where(
            is_bad, 1 / ratios[:, None], np.where(ratios[:, None] > 1, 1 / world.good_ratio, 1.0)
        )
    else:
        found /= ratios[:, None]
    if world.weekday:
        shape = np.asarray(world.weekday) / np.mean(world.weekday)
        found *= shape[(weekdays[:, None] + at // _DAY) % 7]
    if world.hours:
        found *= (np.asarray(world.hours) / np.mean(world.hours))[at % _DAY]
    if world.learning_days:
        found *= np.minimum(
            1.0, world.learning_start + (1 - world.learning_start) * at / (world.learning_days * _DAY)
        )
    if world.day_dispersion > 1:
        shape_of_day = world.results_per_day / (world.day_dispersion - 1)
        found *= rng.gamma(shape_of_day, 1 / shape_of_day, (campaigns, world.days)).repeat(_DAY, axis=1)
    if world.drift_sd:
        found *= _drift(world, campaigns, rng).repeat(_DAY, axis=1)
    return found / (1 - world.refund_share)


def _drift(world: World, campaigns: int, rng: np.random.Generator) -> Floats:
    """A stationary autoregression of the logarithm by days, with mean 1 of the factor itself."""
    keep = float(np.exp(-1 / world.drift_days))
    steps = rng.normal(0, world.drift_sd, (campaigns, world.days))
    for day in range(1, world.days):
        steps[:, day] = keep * steps[:, day - 1] + np.sqrt(1 - keep**2) * steps[:, day]
    found: Floats = np.exp(steps - world.drift_sd**2 / 2)
    return found


def _clustered(due: Floats, mean: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Poisson clusters of geometric size."""
    clusters = rng.poisson(due / mean[:, None])
    more = rng.negative_binomial(
        np.maximum(clusters, 1), np.broadcast_to((1 / mean)[:, None], clusters.shape)
    )
    return clusters + np.where(clusters > 0, more, 0)


def _each(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Campaign and hour of each result."""
    who, when = np.nonzero(counts)
    times = counts[who, when]
    return who.repeat(times), when.repeat(times)


def _lags(world: World, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if not world.lag_hours:
        return np.zeros(count, dtype=np.int64)
    return np.floor(rng.exponential(world.lag_hours, count) + rng.random(count)).astype(np.int64)


def _values(world: World, is_wide: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    count = len(is_wide)
    if world.values == "pareto":
        drawn = (rng.pareto(world.value_shape, count) + 1) * (world.value_shape - 1) / world.value_shape
    else:
        sigma = np.where(is_wide & (world.wide_shape > 0), world.wide_shape, world.value_shape)
        drawn = np.exp(rng.normal(0, 1, count) * sigma - sigma**2 / 2)
    if world.whale_share:
        is_whale = rng.random(count) < world.whale_share
        drawn *= np.where(is_whale, 20.0, 1.0) / (1 + 19 * world.whale_share)
    if world.zero_share:
        drawn = np.where(rng.random(count) < world.zero_share, 0.0, drawn / (1 - world.zero_share))
    return drawn


def _reported(world: World, spend: Floats) -> Floats:
    """Spend by the hour in which it is told."""
    if world.reports in ("live", "hourly"):
        return _later(spend, world.report_delay)
    days = spend.reshape(len(spend), world.days, _DAY).sum(axis=2)
    reported = np.zeros_like(spend)
    first = _RESTATED if world.reports == "restated" else 1.0
    reported[:, _DAY - 1 :: _DAY] += days * first
    if world.reports == "restated":
        reported[:, 2 * _DAY - 1 :: _DAY] += days[:, :-1] * (1 - first)
    return _later(reported, world.report_delay)


def _later(spend: Floats, hours: int) -> Floats:
    """The same by ``hours`` later; what then lies behind the end is left out."""
    found = np.zeros_like(spend)
    found[:, hours:] = spend[:, : spend.shape[1] - hours]
    return found


def _summed(
    who: NDArray[np.int64], when: NDArray[np.int64], amounts: Floats, shape: tuple[int, ...]
) -> Floats:
    """Amounts by campaign and hour, cumulative; what comes after the end is left out."""
    is_in = when < shape[1]
    flat = np.bincount(who[is_in] * shape[1] + when[is_in], amounts[is_in], minlength=shape[0] * shape[1])
    found: Floats = flat.reshape(shape).cumsum(axis=1)
    return found

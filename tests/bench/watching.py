"""Campaigns watched continuously until 100 × target is spent: who is paused by which rule, and when. Seeded.

Spend is in units of the target cost per result. Evidence that a target is missed grows while nothing comes, so its
largest values stand right before each result and at the end: looking there is looking always.
"""

from typing import NamedTuple

import numpy as np

from metrics.evidence.assessing import own_dispersion
from metrics.evidence.martingale import PRIOR, VALUE_PRIOR, log_e_below, log_e_either

HORIZON = 100.0


class Paths(NamedTuple):
    """Looks of many campaigns, (campaigns, looks): spend, results and their value just before; inf past the end."""

    spend: np.ndarray
    results: np.ndarray
    value: np.ndarray


class Caught(NamedTuple):
    """Share ever paused; median and 95th percentile of the spend before the pause."""

    ever: float
    median: float
    p95: float


def watch(seed, campaigns, cost_ratio, sigma=0.0, value_ratio=1.0):
    """Paths of campaigns whose results cost ``cost_ratio`` × target; values are log-normal of mean ``value_ratio``."""
    rng = np.random.default_rng(seed)
    looks = int(HORIZON / cost_ratio + 8 * np.sqrt(HORIZON / cost_ratio)) + 2
    at = rng.exponential(cost_ratio, (campaigns, looks)).cumsum(axis=1)
    values = value_ratio * np.exp(rng.normal(-(sigma**2) / 2, sigma, (campaigns, looks)))
    before = np.concatenate([np.zeros((campaigns, 1)), values.cumsum(axis=1)[:, :-1]], axis=1)
    counts = np.broadcast_to(np.arange(looks, dtype=float), at.shape)
    # The look at the horizon stands for the first result after it; the rest are over.
    over = np.concatenate([np.zeros((campaigns, 1), bool), at[:, :-1] >= HORIZON], axis=1)
    return Paths(np.where(over, np.inf, np.minimum(at, HORIZON)), counts, before)


def by_counts(paths, alpha=0.05):
    """Paused by the test for CPL, CPA and CAC."""
    return _caught(paths, lambda spend: log_e_below(paths.results, spend, PRIOR) >= -np.log(alpha))


def by_values(paths, dispersion, alpha=0.05):
    """Paused by the test for ROAS and ROI, where the mean order value is known to be 1."""
    scale = np.minimum(dispersion, _own_scale(paths, dispersion))

    def is_bad(spend):
        return log_e_either(paths.results, spend, paths.value / scale, spend / scale) >= -np.log(alpha)

    return _caught(paths, is_bad)


def by_own_values(paths, dispersion, alpha=0.05, least=5):
    """The same where the mean is the campaign's own, once it has ``least`` orders."""
    scale = _own_scale(paths, dispersion, least)

    def is_bad(spend):
        found = log_e_below(paths.value / scale, spend / scale, VALUE_PRIOR)
        return (paths.results >= least) & (found >= -np.log(alpha))

    return _caught(paths, is_bad)


def _own_scale(paths, dispersion, least=5):
    """The scale by the mean of the campaign's own orders; infinite before it has ``least`` of them."""
    count = np.maximum(paths.results, 1)
    scale = own_dispersion(dispersion, count) * paths.value / count
    return np.where(paths.results >= least, scale, np.inf)


def by_threshold(paths, factor=1.5, after=3.0):
    """Paused by the usual rule: cost per result above ``factor`` × target once ``after`` × target is spent."""
    return _caught(paths, lambda spend: (spend >= after) & (spend > factor * paths.results))


def by_value_threshold(paths, factor=1.5, after=3.0):
    """The usual rule for ROAS: below target / ``factor`` once ``after`` orders should have come."""
    return _caught(paths, lambda spend: (spend >= after) & (spend > factor * paths.value))


def _caught(paths, is_bad):
    is_over = np.isinf(paths.spend)
    hits = is_bad(np.where(is_over, 0.0, paths.spend)) & ~is_over
    ever = hits.any(axis=1)
    first = np.where(
        ever, np.take_along_axis(paths.spend, hits.argmax(axis=1)[:, None], axis=1)[:, 0], np.inf
    )
    ordered = np.sort(first)
    return Caught(float(ever.mean()), float(ordered[len(first) // 2]), float(ordered[int(len(first) * 0.95)]))

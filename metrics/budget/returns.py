"""What campaigns earn per unit of spend, learned together from their hours: a hierarchical Gamma-Poisson model. Pure.

**Margin.** The margin of a day at spend s an hour has the mean θ · usual · (s / usual) ** b an hour: θ is the margin per unit
of spend at the usual level, b < 1 the elasticity. A margin comes in lumps. Counted in units of its own variance over mean
φ (an order's value where all are alike, the usual quasi-Poisson device of McCullagh and Nelder, *Generalized Linear Models*,
1989, ch. 6) it is about Poisson.

**Pooling.** θ of the campaigns has a Gamma law of mean μ and shape a (Gelman and others, *Bayesian Data Analysis*, 2013, ch. 5),
so that θ of one campaign has a Gamma posterior. μ and a have a grid of values weighted by the negative binomial
likelihood of all campaigns. b has the prior N(0.7, 0.15²) on a grid, and days at other spends weigh it.

**Lumps.** φ is the variance over mean of the hours around their spend, times the factor by which days of all campaigns scatter
wider than their hours. A campaign that has no margin yet tells nothing of its lumps: they are drawn from those of the others,
weighted by the chance of having seen none.
"""

from collections.abc import Generator, Sequence
from math import lgamma
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.budget.state import HOURS_KEPT, Hour
from metrics.values.money import MICROS
from metrics.values.time import HOUR

Floats = NDArray[np.float64]

#: Prior of the elasticity: mean and standard deviation; and its grid.
_ELASTICITY = (0.7, 0.15)
_GRID = np.arange(0.35, 0.96, 0.1)
_GRID_STEP = 0.1
_LEAST_HOURS = 6
_DAY = 24
_DAYS = HOURS_KEPT // _DAY
#: Coefficients of variation of θ over campaigns, and points of its mean.
_VARIATIONS = np.geomspace(0.1, 2.0, 10)
_MEANS = 11
#: A lump is no smaller than this share of a usual hour's spend.
_LEAST_LUMP = 0.01
#: Points of the law of lumps of a campaign without a margin.
_LUMPS = 9


class CampaignDays(NamedTuple):
    """One campaign's week by days, the newest first; money in currency units.

    Attributes:
        usual: spend an hour of the last 24 hours that spent.
        usual_sd: its relative standard deviation around what the present budget brings about.
        hours, spend, margin: of each day: hours that spent, their spend, margin of all hours.
        hourly: variance over mean of an hour's margin around its spend; 0 without a margin.
        daily: the same of a day's; 0 without a margin or with one day.
    """

    usual: float
    usual_sd: float
    hours: Floats
    spend: Floats
    margin: Floats
    hourly: float
    daily: float


def days_of(hours: Sequence[Hour]) -> CampaignDays | None:
    """The days of a campaign; None with fewer than six hours that spent something."""
    if not hours:
        return None
    raw = np.array([(h.start, h.spend, h.kept_revenue - h.cost_of_goods) for h in hours], dtype=np.float64)
    spend, margin = raw[:, 1] / MICROS, raw[:, 2] / MICROS
    spent = spend > 0
    count = int(spent.sum())
    if count < _LEAST_HOURS:
        return None
    day = np.minimum(((raw[-1, 0] - raw[:, 0]) // (_DAY * HOUR)).astype(np.int64), _DAYS - 1)
    day_hours, day_spend, day_margin = (
        np.bincount(day, weights, _DAYS).astype(np.float64) for weights in (spent, spend, margin)
    )
    usual = float(spend[spent][-_DAY:].mean())
    # What is due by the spend, with the elasticity of the prior between days.
    level = (day_spend / np.maximum(day_hours, 1) / usual)[day]
    due = spend * np.where(level > 0, level, 1.0) ** (_ELASTICITY[0] - 1)
    hourly = daily = 0.0
    if margin.sum() > 0:
        due *= margin.sum() / due.sum()
        hourly = float(np.square(margin - due).sum() / due.sum()) * count / (count - 1)
        known = int((day_hours > 0).sum())
        if known > 1:
            of_days = day_margin - np.bincount(day, due, _DAYS)
            daily = float(np.square(of_days).sum() / due.sum()) * known / (known - 1)
    return CampaignDays(usual, _scatter(spend[spent]), day_hours, day_spend, day_margin, hourly, daily)


def _scatter(spend: Floats) -> float:
    """Relative standard deviation of the mean of the last 24 hours, by what differs from the day before: a rhythm does not."""
    last, before = spend[-_DAY:], spend[-2 * _DAY : -_DAY]
    if len(before) == len(last):
        both = last / last.mean() - before / before.mean()
        return float(both.std(ddof=1) / np.sqrt(2 * len(last)))
    return float(last.std(ddof=1) / last.mean() / np.sqrt(len(last)))


class Returns(NamedTuple):
    """Posterior of the returns of campaigns, (campaigns,) or (campaigns, elasticities).

    Attributes:
        usual, usual_sd: spend an hour in currency units, and its relative standard deviation.
        counts: margin so far, in lumps.
        exposure: what it came from, in lumps at θ = 1, by elasticity.
        elasticities: weights of the grid.
        shapes, rates, weights: values of the shape and rate of the law of θ over campaigns, with their weights.
        lumps: factors of φ by campaign, for those without a margin; 1 for others.
        lump_weights: weights of these.
    """

    usual: Floats
    usual_sd: Floats
    counts: Floats
    exposure: Floats
    elasticities: Floats
    shapes: Floats
    rates: Floats
    weights: Floats
    lumps: Floats
    lump_weights: Floats

    def draw_laws(self, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Places of laws over campaigns, drawn by their weights."""
        return rng.choice(len(self.weights), count, p=self.weights)


class Drawn(NamedTuple):
    """Draws of returns, (draws, campaigns): spend an hour at the present budget, θ at that spend, elasticity."""

    usual: Floats
    theta: Floats
    elasticity: Floats


def learn(known: Sequence[CampaignDays]) -> Generator[None, None, Returns]:
    """The posterior of the returns of campaigns, learned together; with pauses."""
    usual = np.array([each.usual for each in known])
    hours, spend, margin = (
        np.array([getattr(each, name) for each in known]) for name in ("hours", "spend", "margin")
    )
    yield
    total = np.maximum(0.0, margin.sum(axis=1))
    lump = _lumps(known, usual, total)
    yield
    level = np.where(hours > 0, spend / np.maximum(hours, 1), usual[:, None]) / usual[:, None]
    by_day = hours[:, None, :] * usual[:, None, None] * level[:, None, :] ** _GRID[None, :, None]
    exposure = by_day.sum(axis=2) / lump[:, None]
    counts = total / lump
    yield
    at_prior = exposure[:, np.argmin(abs(_GRID - _ELASTICITY[0]))]
    shapes, rates, weights = _hyper(counts, at_prior)
    yield
    shape, rate = float(weights @ shapes), float(weights @ rates)
    with np.errstate(divide="ignore"):
        fit = np.where(by_day > 0, np.log(np.maximum(by_day, 1e-300)), 0.0)
    fit = (fit * np.maximum(0.0, margin / lump[:, None])[:, None, :]).sum(axis=2)
    fit -= (shape + counts)[:, None] * np.log(rate + exposure)
    fit += -0.5 * ((_GRID - _ELASTICITY[0]) / _ELASTICITY[1]) ** 2
    elasticities = _normalised(fit)
    yield
    lumps, lump_weights = _unseen(total, lump, at_prior, shape, rate)
    usual_sd = np.array([each.usual_sd for each in known])
    return Returns(
        usual, usual_sd, counts, exposure, elasticities, shapes, rates, weights, lumps, lump_weights
    )


def draw(
    returns: Returns, which: NDArray[np.int64], laws: NDArray[np.int64], rng: np.random.Generator
) -> Drawn:
    """Draws of the returns of some campaigns, by their places; each row under a law over campaigns, by its place."""
    size = (len(laws), len(which))
    grid = _drawn(returns.elasticities[which], size, rng)
    elasticity = np.clip(_GRID[grid] + rng.uniform(-0.5, 0.5, size) * _GRID_STEP, 0.05, 0.98)
    lump = returns.lumps[which[None, :], _drawn(returns.lump_weights[which], size, rng)]
    shape, rate = returns.shapes[laws][:, None], returns.rates[laws][:, None]
    exposure = returns.exposure[which[None, :], grid] / lump
    # A campaign without a margin has none in lumps of any size.
    theta = rng.standard_gamma(shape + returns.counts[which][None, :], size) / (rate + exposure)
    level = np.exp(rng.standard_normal(size) * returns.usual_sd[which])
    return Drawn(returns.usual[which] * level, theta * level ** (elasticity - 1), elasticity)


def _drawn(weights: Floats, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.int64]:
    """Places on a grid, drawn by the weights of each campaign."""
    upto = weights.cumsum(axis=1)
    found: NDArray[np.int64] = (rng.random(size)[:, :, None] > upto[None, :, :-1]).sum(axis=2)
    return found


def _lumps(known: Sequence[CampaignDays], usual: Floats, total: Floats) -> Floats:
    """φ by campaign in currency units; of one without a margin the median of the others'."""
    hourly, daily = (np.array([getattr(each, name) for each in known]) for name in ("hourly", "daily"))
    both = (hourly > 0) & (daily > 0)
    ratios = daily[both] / hourly[both]
    # By what is beyond one standard error: a factor of at least 1 must not be one by chance.
    wider = max(1.0, float(ratios.mean() - ratios.std() / np.sqrt(len(ratios)))) if len(ratios) else 1.0
    found = np.maximum(hourly * wider, usual * _LEAST_LUMP)
    is_known = total > 0
    instead = np.median(found[is_known]) if is_known.any() else usual
    return np.where(is_known, found, instead)


def _hyper(counts: Floats, exposure: Floats) -> tuple[Floats, Floats, Floats]:
    """Shapes and rates of the law of θ, with their weights."""
    weight = exposure / (1 + exposure)
    centre = max(1e-3, float((weight * counts / exposure).sum() / weight.sum()))
    width = 3 / np.sqrt(len(counts))
    means = centre * np.exp(np.linspace(-width, width, _MEANS))
    fits = []
    for variation in _VARIATIONS:
        shape = variation**-2
        gammas = sum(map(lgamma, (shape + counts).tolist())) - len(counts) * lgamma(shape)
        for mean in means:
            rate = shape / mean
            fit = gammas + len(counts) * shape * np.log(rate)
            fit -= float(((shape + counts) * np.log(rate + exposure)).sum())
            # Half-normal in the variation, flat in the logarithm of the mean.
            fits.append((shape, rate, fit + np.log(variation) - variation**2 / 2))
    found = np.array(fits)
    return found[:, 0], found[:, 1], _normalised(found[None, :, 2])[0]


def _unseen(
    total: Floats, lump: Floats, exposure: Floats, shape: float, rate: float
) -> tuple[Floats, Floats]:
    """Factors of φ, and their weights, of campaigns without a margin."""
    factors, weights = np.ones((len(total), _LUMPS)), np.zeros((len(total), _LUMPS))
    weights[:, 0] = 1.0
    unknown, known = np.flatnonzero(total <= 0), lump[total > 0]
    if len(unknown) and len(known):
        points = np.quantile(known, (np.arange(_LUMPS) + 0.5) / _LUMPS)
        factors[unknown] = points[None, :] / lump[unknown][:, None]
        none = -shape * np.log1p(exposure[unknown][:, None] / factors[unknown] / rate)
        weights[unknown] = _normalised(none)
    return factors, weights


def _normalised(logarithms: Floats) -> Floats:
    """Weights along the last axis that sum to 1."""
    found = np.exp(logarithms - logarithms.max(axis=-1, keepdims=True))
    normal: Floats = found / found.sum(axis=-1, keepdims=True)
    return normal

"""Figures of a planned campaign from those of past ones, and how good such figures were."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from metrics.forecast.pooling import Attributes, Floats, Observations, predict
from metrics.values.errors import RoistreamError
from metrics.values.money import MICROS

#: What campaigns have in common; the support is the channel.
ATTRIBUTES = ("target", "offer", "channel", "objective")
#: How often an interval is to hold what comes.
COVERAGE = 0.8
#: With fewer past campaigns there is nothing to learn how much campaigns differ.
LEAST_CAMPAIGNS = 5
#: Of more campaigns than these the latest count: the sums of the model grow with the cube.
MOST_CAMPAIGNS = 300
#: Prior of the elasticity of counts in the spend of a day: returns diminish; and of the value of an order, which does not depend on it.
_OF_COUNTS, _OF_VALUES = (0.8, 0.2), (0.0, 0.1)
#: Standard deviation over mean of the values of single orders: that of a lognormal law whose logarithms spread by 1.
_VALUE_VARIATION = 1.3
#: Greatest logarithm of a count that is drawn from; a forecast beyond e^30 is no forecast.
_LARGEST_LOG = 30.0
_NAMED = 5


@dataclass(frozen=True)
class PastCampaign:
    """A campaign that is over; money in micros.

    Attributes:
        attributes: target, offer, channel and objective; None: not known.
        days: how long it ran.
        spend: media spend.
        other_cost: other cost.
        leads: None where leads are not counted, as are orders and new customers.
        revenue: net of refunds.
    """

    campaign_id: str
    attributes: Attributes
    days: float
    spend: int
    other_cost: int = 0
    leads: float | None = None
    orders: float | None = None
    new_customers: float | None = None
    revenue: int | None = None


@dataclass(frozen=True)
class Plan:
    """A campaign to come: attributes as of a past one, days, and what is to be spent in micros."""

    campaign_id: str
    attributes: Attributes
    days: float
    budget: int
    other_cost: int = 0


@dataclass(frozen=True)
class Figure:
    """The median of what is expected, and the interval that holds what comes 80 of 100 times."""

    estimate: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies in the interval."""
        return self.low <= value <= self.high


@dataclass(frozen=True)
class CampaignForecast:
    """What a planned campaign may bring.

    Attributes:
        figures: leads, orders, new_customers, revenue, cpl, cac, roi; those that past campaigns know. Money in currency units.
        leans_on: past campaigns that weigh most, with their share.
        unseen: attributes of the plan that no past campaign has.
        campaigns: how many past campaigns were learned from.
    """

    figures: dict[str, Figure]
    leans_on: dict[str, float] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()
    campaigns: int = 0


def forecast(plan: Plan, past: Sequence[PastCampaign], rng: np.random.Generator) -> CampaignForecast:
    """The figures of a plan.

    Args:
        plan: with a budget above 0.
        past: campaigns that are over, the latest last.
        rng: for draws of the posterior; the same gives the same.

    Raises:
        RoistreamError: with fewer than five past campaigns that spent.
    """
    known = [each for each in past if each.spend > 0 and each.days > 0][-MOST_CAMPAIGNS:]
    if len(known) < LEAST_CAMPAIGNS:
        raise RoistreamError(
            f"A forecast needs {LEAST_CAMPAIGNS} past campaigns that spent; there are {len(known)}."
        )
    budget, cost = plan.budget / MICROS, (plan.budget + plan.other_cost) / MICROS
    figures: dict[str, Figure] = {}
    leaning: dict[str, float] = {}
    counts = {}
    for name in ("leads", "orders", "new_customers"):
        counted = [(each, getattr(each, name)) for each in known if getattr(each, name) is not None]
        if len(counted) < LEAST_CAMPAIGNS or not any(count for _, count in counted):
            continue
        draws, weights = _counts(plan, counted, rng)
        counts[name] = draws
        figures[name] = _figure(draws)
        for (each, _), weight in zip(counted, weights, strict=True):
            leaning[each.campaign_id] = leaning.get(each.campaign_id, 0.0) + float(weight)
    for name, figure in (("cpl", "leads"), ("cac", "new_customers")):
        if figure in counts:
            figures[name] = _per(budget, counts[figure])
    if "orders" in counts:
        value = _values(plan, known, rng)
        if value is not None:
            revenue = counts["orders"] * value * _of_few_orders(counts["orders"], rng)
            figures["revenue"] = _figure(revenue)
            figures["roi"] = _figure((revenue - cost) / cost)
    if not figures:
        raise RoistreamError(
            "No past campaign has a lead, an order or a new customer, so none can be expected."
        )
    total = sum(leaning.values())
    most = sorted(leaning.items(), key=lambda item: (-item[1], item[0]))[:_NAMED]
    unseen = tuple(
        name
        for place, name in enumerate(ATTRIBUTES)
        if plan.attributes[place] is not None
        and all(each.attributes[place] != plan.attributes[place] for each in known)
    )
    return CampaignForecast(figures, {name: weight / total for name, weight in most}, unseen, len(known))


def _counts(
    plan: Plan, counted: Sequence[tuple[PastCampaign, float]], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Draws of a count of the whole plan, and how much each campaign weighs."""
    count = np.array([each for _, each in counted], float)
    days = np.array([each.days for each, _ in counted])
    seen = Observations(
        np.log(count + 0.5) - np.log(days),
        1 / (count + 0.5),
        _log_spend([each for each, _ in counted]),
        [each.attributes for each, _ in counted],
        _OF_COUNTS,
    )
    found = predict(seen, _planned(plan), plan.attributes, rng)
    rates = np.exp(np.minimum(found.draws + np.log(plan.days), _LARGEST_LOG))
    return rng.poisson(rates).astype(float), found.leaning


def _values(plan: Plan, known: Sequence[PastCampaign], rng: np.random.Generator) -> Floats | None:
    """Draws of the revenue of an order, in currency units."""
    sold = [each for each in known if each.orders and each.revenue is not None and each.revenue > 0]
    if len(sold) < LEAST_CAMPAIGNS:
        return None
    orders = np.array([each.orders for each in sold], float)
    revenue = np.array([each.revenue for each in sold], float) / MICROS
    seen = Observations(
        np.log(revenue / orders),
        _VALUE_VARIATION**2 / orders,
        _log_spend(sold),
        [each.attributes for each in sold],
        _OF_VALUES,
    )
    logs = predict(seen, _planned(plan), plan.attributes, rng).draws
    values: Floats = np.exp(np.minimum(logs, _LARGEST_LOG))
    return values


def _of_few_orders(orders: Floats, rng: np.random.Generator) -> Floats:
    """What chance does to the mean value of so many orders: factors of mean 1."""
    shape = np.maximum(orders, 1) / _VALUE_VARIATION**2
    factors: Floats = rng.gamma(shape, 1 / shape)
    return factors


def _log_spend(campaigns: Sequence[PastCampaign]) -> Floats:
    """Logarithms of the spend of a day, in currency units."""
    logs: Floats = np.log(np.array([each.spend / MICROS / each.days for each in campaigns]))
    return logs


def _planned(plan: Plan) -> float:
    return float(np.log(plan.budget / MICROS / plan.days))


def _figure(draws: Floats) -> Figure:
    outside = (1 - COVERAGE) / 2
    low, middle, high = np.quantile(draws, (outside, 0.5, 1 - outside))
    return Figure(float(middle), float(low), float(high))


def _per(money: float, counts: Floats) -> Figure:
    """Money by count; futures in which nobody came cost what half a person would."""
    return _figure(money / np.maximum(counts, 0.5))


def actual(campaign: PastCampaign) -> dict[str, float]:
    """What a campaign brought, by the names of ``CampaignForecast.figures``; what is not known or undefined is absent.

    >>> actual(PastCampaign("c", (None,) * 4, 10, 500_000_000, leads=20, orders=4, new_customers=0, revenue=900_000_000))
    {'leads': 20, 'orders': 4, 'new_customers': 0, 'revenue': 900.0, 'cpl': 25.0, 'roi': 0.8}
    """
    found: dict[str, float | None] = {
        "leads": campaign.leads,
        "orders": campaign.orders,
        "new_customers": campaign.new_customers,
        "revenue": None if campaign.revenue is None else campaign.revenue / MICROS,
        "cpl": campaign.spend / MICROS / campaign.leads if campaign.leads else None,
        "cac": campaign.spend / MICROS / campaign.new_customers if campaign.new_customers else None,
    }
    cost = campaign.spend + campaign.other_cost
    if campaign.revenue is not None and cost:
        found["roi"] = (campaign.revenue - cost) / cost
    return {name: value for name, value in found.items() if value is not None}


def as_planned(campaign: PastCampaign) -> Plan:
    """The plan of a campaign that spent exactly its budget."""
    return Plan(campaign.campaign_id, campaign.attributes, campaign.days, campaign.spend, campaign.other_cost)

"""The customers of campaigns for ``/metrics``: of each campaign as they are, cohorts of months as sums by channel.

A matrix of cohorts and months for each campaign would be more series than all others; sums of channels are what is compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from metrics.customers.engagement_figures import CHURN
from metrics.entities.campaigns import CampaignRegistry
from metrics.exposition import OTHER, CohortSnapshot, CustomerTotals
from metrics.kpis.compose import DECLARED
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi, CustomerSums
from streams.stages.merge.stage import MergeViews

#: Cohorts that gauges show: those of the newest month and of a year before it.
COHORTS_SHOWN = 13
#: What customers do beside ordering: sums of a campaign, and of a cohort.
ENGAGEMENT = (
    "promoters",
    "passives",
    "detractors",
    "ratings",
    "satisfied",
    "tickets",
    "tickets_responded",
    "tickets_resolved",
    "contracts",
    "terms_ended",
    "terms_renewed",
    "contracts_running",
    "contracts_valued",
    "activated",
    "referrers",
    "referrals",
)
_ENGAGED = ("activated", "referrers")
#: Months since the acquisition of which a campaign has a gauge of its own.
AGES_SHOWN = (1, 2, 3, 6, 12)


class _Cohort(NamedTuple):
    """What is kept of a record, whose lists would take kilobytes."""

    currency: str
    customers: int
    repeaters: int
    margin: int
    active: tuple[int, ...]
    engaged: tuple[int, ...]


class _Place(NamedTuple):
    """Whose sums are shown together."""

    channel: str
    model: str
    cohort: str
    currency: str
    partition: int


class CustomerSeries:
    """Keeps the latest records of cohorts, as last confirmed.

    Args:
        registry: says the channel of a campaign, also of one that is archived: its customers go on buying.
        most_channels: those that acquired fewest customers beyond it are one.
    """

    def __init__(self, registry: CampaignRegistry, most_channels: int) -> None:
        self._registry = registry
        self._most_channels = most_channels
        #: By merge partition: all customers of a campaign, and its cohorts by (model, cohort, campaign).
        self._totals: dict[int, dict[str, CustomerTotals]] = {}
        self._cohorts: dict[int, dict[tuple[str, str, str], _Cohort]] = {}

    def confirmed(self, partition: int, views: MergeViews) -> None:
        """Records were given out; those of models are for the topic and for Redis."""
        for record in views.customers:
            if record.model != DECLARED:
                continue
            if record.cohort == ALL_COHORTS:
                totals = self._totals.setdefault(partition, {})
                if record.sums.customers:
                    totals[record.campaign_id] = _totals(record)
                else:
                    totals.pop(record.campaign_id, None)
                continue
            cohorts = self._cohorts.setdefault(partition, {})
            key = record.model, record.cohort, record.campaign_id
            if record.sums.customers:
                cohorts[key] = _cohort(record)
            else:
                cohorts.pop(key, None)

    def released(self, partitions: Iterable[int]) -> None:
        """Partitions were given up."""
        for partition in partitions:
            self._totals.pop(partition, None)
            self._cohorts.pop(partition, None)

    def of(self, partition: int, campaign_id: str) -> CustomerTotals | None:
        """All customers of a campaign; None where nobody is known."""
        return self._totals.get(partition, {}).get(campaign_id)

    def cohorts(self) -> list[CohortSnapshot]:
        """The newest cohorts, summed up by channel and partition."""
        months = {cohort for kept in self._cohorts.values() for _, cohort, _ in kept}
        newest = frozenset(sorted(months)[-COHORTS_SHOWN:])
        sums: dict[_Place, list[_Cohort]] = {}
        for partition, kept in self._cohorts.items():
            for (model, cohort, campaign), each in kept.items():
                if cohort in newest:
                    channel = self._registry.facts(campaign).channel or ""
                    place = _Place(channel, model, cohort, each.currency, partition)
                    sums.setdefault(place, []).append(each)
        return [_snapshot(place, cohorts) for place, cohorts in self._folded(sums).items()]

    def _folded(self, sums: dict[_Place, list[_Cohort]]) -> dict[_Place, list[_Cohort]]:
        """The channels that acquired most, and the others as one."""
        customers: dict[str, int] = {}
        for place, cohorts in sums.items():
            of_place = sum(each.customers for each in cohorts)
            customers[place.channel] = customers.get(place.channel, 0) + of_place
        if len(customers) <= self._most_channels:
            return sums
        largest = sorted(customers, key=lambda channel: (-customers[channel], channel))
        others = frozenset(largest[self._most_channels :])
        found: dict[_Place, list[_Cohort]] = {}
        for place, cohorts in sums.items():
            shown = place._replace(channel=OTHER) if place.channel in others else place
            found.setdefault(shown, []).extend(cohorts)
        return found


def _snapshot(place: _Place, cohorts: list[_Cohort]) -> CohortSnapshot:
    return CohortSnapshot(
        **place._asdict(),
        customers=sum(each.customers for each in cohorts),
        repeaters=sum(each.repeaters for each in cohorts),
        margin_micros=sum(each.margin for each in cohorts),
        # A month that has just ended is shown when all records know of it.
        active=[sum(column) for column in zip(*(each.active for each in cohorts), strict=False)],
        engaged=_named(
            _ENGAGED, [sum(column) for column in zip(*(each.engaged for each in cohorts), strict=True)]
        ),
    )


def _totals(record: CustomerKpi) -> CustomerTotals:
    return CustomerTotals(
        customers=record.sums.customers,
        repeaters=record.sums.repeaters,
        margin_micros=_margin(record.sums),
        spend_micros=record.sums.spend_micros,
        clicks=record.sums.clicks,
        leads=None if record.sums.leads is None else int(record.sums.leads),
        currency=record.currency,
        model=record.model,
        kpis={**record.kpis, CHURN: record.months[-1].kpis.get(CHURN) if record.months else None},
        retention={
            each.age: each.retention
            for each in record.ages
            if each.age in AGES_SHOWN and each.retention is not None
        },
        engagement=_named(ENGAGEMENT, [getattr(record.sums, name) for name in ENGAGEMENT]),
        mrr_micros=None if record.kpis.get("mrr") is None else record.sums.mrr_micros,
        billed_micros=record.sums.billed_micros or None,
        worth=record.worth,
    )


def _cohort(record: CustomerKpi) -> _Cohort:
    sums = record.sums
    active = tuple(each.active for each in record.ages[:COHORTS_SHOWN])
    engaged = tuple(getattr(sums, name) for name in _ENGAGED)
    return _Cohort(record.currency, sums.customers, sums.repeaters, _margin(sums), active, engaged)


def _named(names: Sequence[str], numbers: Sequence[int]) -> Mapping[str, int]:
    """All of them, so that sums of several can be divided; nothing where all are 0."""
    return dict(zip(names, numbers, strict=True)) if any(numbers) else {}


def _margin(sums: CustomerSums) -> int:
    return sums.revenue_micros - sums.refunds_micros - sums.cost_of_goods_micros

"""Campaigns side by side by the customers they acquired, and the matrix of their cohorts: made of records of ``customer-kpis``."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Literal

import msgspec

from metrics.customers.calendar import CohortPeriod
from metrics.customers.engagement_figures import CHURN, COHORT_ENGAGEMENT
from metrics.customers.funnel import FUNNEL_FIGURES
from metrics.customers.run_off import A_YEAR, CohortRun, ExpectedValue, expected_value
from metrics.customers.worth import WORTH_FIGURES
from metrics.customers.worth_looks import BREAK_EVEN, WorthVerdict, worth_verdict
from metrics.records.customer_kpi import ALL_COHORTS, CustomerKpi, CustomerWorth
from metrics.records.kpi_reading import Credit
from metrics.values.money import MICROS, ratio

#: From step to step, and what a click brings.
_FUNNEL_KPIS = (*FUNNEL_FIGURES, "activation_rate", "repeat_rate", "referral_rate")


class CampaignEngagement(msgspec.Struct, frozen=True):
    """What customers of a campaign do beside ordering.

    Attributes:
        answers: to whether one would recommend.
        ratings: of how satisfied one is.
        tickets: that were opened.
        contracts: that were begun.
        running: contracts that ran when the newest month that is over ended.
        valued: those of them whose amount is known.
        kpis: by id, docs/customers.md; ``contract_churn_rate`` is that of the newest month that is over.
    """

    answers: int
    ratings: int
    tickets: int
    contracts: int
    running: int
    valued: int
    kpis: dict[str, float | None]


class CampaignFunnel(msgspec.Struct, frozen=True):
    """How many of a campaign took each step so far, from the click to the customer who brings others.

    Attributes:
        clicks: by the campaign's cost basis; None where unknown.
        leads: that are declared, or in a model credited; None where unknown.
        activated: customers who reached the step that the site calls activated.
        repeaters: customers with two orders or more.
        referrers: customers who brought somebody.
        kpis: by id, docs/customers.md: those of the funnel, and the rates of activation, repeat purchase and referral.
    """

    clicks: int | None
    leads: Credit | None
    activated: int
    repeaters: int
    referrers: int
    kpis: dict[str, float | None]


class CampaignCustomers(msgspec.Struct, frozen=True):
    """All customers of a campaign; KPIs as in the record.

    Attributes:
        expected: value of their first months, where cohorts are old enough to tell.
        engagement: what they do beside ordering; None where that is nothing.
        funnel: what stands before the first order, and what follows it.
        judged: whether twelve months bring what customers cost, where three cohorts have lived for so long.
        waits_for: what the verdict waits for, as in the record; None where it is known, and of a record that does not say.
    """

    campaign_id: str
    currency: str
    customers: int
    repeat_rate: float | None
    clv_historic: float | None
    spend_micros: int | None
    cac: float | None
    clv_to_cac: float | None
    payback_months: float | None
    has_uncertain_amounts: bool
    watermark: str | None
    expected: ExpectedValue | None
    engagement: CampaignEngagement | None = None
    judged: WorthVerdict | None = None
    funnel: CampaignFunnel | None = None
    waits_for: Literal["year", "spend", "rates", "customers", "looks"] | None = None


class CohortLine(msgspec.Struct, frozen=True):
    """The customers of one month, of one campaign or of all together.

    Attributes:
        cohort: the month of the acquisition, ``YYYY-MM``, or the week, ``YYYY-Www``.
        retention: by months since then, those that are over: share of the customers who ordered.
    """

    cohort: str
    customers: int
    repeat_rate: float | None
    clv_historic: float | None
    retention: list[float | None]


class CustomersShown(msgspec.Struct, frozen=True):
    """What a page of customers shows.

    Attributes:
        model: to whom customers are counted.
        campaigns: those that acquired most first.
        cohorts: in order of the months.
        period: what cohorts go by; of weeks all months here are weeks, but `payback_months`.
        models: that there are records of.
    """

    model: str
    campaigns: list[CampaignCustomers]
    cohorts: list[CohortLine]
    period: CohortPeriod = "month"
    models: list[str] = []


def side_by_side(
    records: Iterable[CustomerKpi], campaign_id: str | None, model: str, models: Sequence[str] = ()
) -> CustomersShown:
    """Put records side by side; those of nobody are left out, and those that are left of another period than the newest one's.

    Args:
        records: the newest of each campaign and cohort.
        campaign_id: whose cohorts; None: those of all campaigns together.
        model: of the records.
        models: of which there are others.
    """
    totals, by_campaign = [], dict[str, list[CustomerKpi]]()
    by_month = dict[str, list[CustomerKpi]]()
    known = [record for record in records if record.sums.customers]
    period = max(known, key=lambda record: record.published_at).period if known else "month"
    for record in known:
        if record.period != period:  # views keep it for some days after cohorts began to go by another one
            continue
        if record.cohort == ALL_COHORTS:
            totals.append(record)
            continue
        by_campaign.setdefault(record.campaign_id, []).append(record)
        if campaign_id is None or record.campaign_id == campaign_id:
            by_month.setdefault(record.cohort, []).append(record)
    totals.sort(key=lambda record: (-record.sums.customers, record.campaign_id))
    campaigns = [_campaign(record, by_campaign.get(record.campaign_id, [])) for record in totals]
    lines = [_line(month, by_month[month]) for month in sorted(by_month)]
    return CustomersShown(model, campaigns, lines, period, list(models))


def _campaign(total: CustomerKpi, cohorts: Sequence[CustomerKpi]) -> CampaignCustomers:
    kpis = total.kpis
    expected, judged = _found_here(total, cohorts) if total.worth is None else _published(total, total.worth)
    return CampaignCustomers(
        total.campaign_id,
        total.currency,
        total.sums.customers,
        kpis["repeat_rate"],
        kpis["clv_historic"],
        total.sums.spend_micros,
        kpis["cac"],
        kpis["clv_to_cac"],
        kpis["payback_months"],
        total.has_uncertain_amounts,
        total.watermark,
        expected,
        _engagement(total),
        judged,
        _funnel(total),
        None if total.worth is None else total.worth.waits_for,
    )


def _published(total: CustomerKpi, worth: CustomerWorth) -> tuple[ExpectedValue | None, WorthVerdict | None]:
    """What the record itself says."""
    value, low, high, *ratios = map(total.kpis.get, WORTH_FIGURES)
    expected = judged = None
    if not (worth.months is None or worth.cohorts is None or value is None or low is None or high is None):
        expected = ExpectedValue(worth.months, value, low, high, worth.cohorts, *ratios)
    verdict, look, level, low, high = worth.verdict, worth.look, worth.level, worth.low, worth.high
    if not (verdict is None or look is None or level is None or low is None or high is None):
        judged = WorthVerdict(verdict, BREAK_EVEN, look, level, low, high, worth.mean_low, worth.mean_high)
    return expected, judged


def _found_here(
    total: CustomerKpi, cohorts: Sequence[CustomerKpi]
) -> tuple[ExpectedValue | None, WorthVerdict | None]:
    """Of a record of before that was published: from the records of its cohorts."""
    runs = [CohortRun(each.sums.customers, [age.margin_micros for age in each.ages]) for each in cohorts]
    # Where records of one another are not of one time, the cohorts are not all customers whom the spend has acquired.
    if sum(run.customers for run in runs) != total.sums.customers:
        return None, None
    spend = total.sums.spend_micros
    return (
        expected_value(runs, spend, most=A_YEAR[total.period]),
        worth_verdict(runs, spend, period=total.period),
    )


def _funnel(total: CustomerKpi) -> CampaignFunnel:
    sums = total.sums
    # Records of before the funnel was counted lack its KPIs.
    kpis = {name: total.kpis.get(name) for name in _FUNNEL_KPIS}
    return CampaignFunnel(sums.clicks, sums.leads, sums.activated, sums.repeaters, sums.referrers, kpis)


def _engagement(total: CustomerKpi) -> CampaignEngagement | None:
    sums = total.sums
    answers = sums.promoters + sums.passives + sums.detractors
    if not any((answers, sums.ratings, sums.tickets, sums.contracts, sums.activated, sums.referrals)):
        return None
    kpis = {name: total.kpis.get(name) for name in COHORT_ENGAGEMENT}
    churn = total.months[-1].kpis.get(CHURN) if total.months else None
    return CampaignEngagement(
        answers,
        sums.ratings,
        sums.tickets,
        sums.contracts,
        sums.contracts_running,
        sums.contracts_valued,
        {**kpis, CHURN: churn},
    )


def _line(month: str, records: Sequence[CustomerKpi]) -> CohortLine:
    """Of several campaigns the sums, divided last; of an age, those of whom the month is over."""
    customers = sum(each.sums.customers for each in records)
    margin = sum(
        each.sums.revenue_micros - each.sums.refunds_micros - each.sums.cost_of_goods_micros
        for each in records
    )
    retention = []
    for ages in zip_longest(*(each.ages for each in records)):
        known = [age for age in ages if age is not None]
        retention.append(ratio(sum(age.active for age in known), sum(age.eligible for age in known)))
    repeaters = sum(each.sums.repeaters for each in records)
    return CohortLine(
        month, customers, ratio(repeaters, customers), ratio(margin, customers * MICROS), retention
    )

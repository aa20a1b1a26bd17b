"""Sums of cohorts become records of ``customer-kpis``."""

from collections.abc import Mapping
from typing import NamedTuple

from metrics.customers.calendar import MONTHS_OF, CohortPeriod, month_name, week_name
from metrics.customers.cohort_sums import (
    NO_CUSTOMER,
    CohortSums,
    added_up,
    cohort_reading,
    counts_by_month,
    month_readings,
)
from metrics.customers.cohorts import CustomerCohort, CustomerMonth
from metrics.customers.customer_figure import CustomerFigure
from metrics.customers.engagement import Kind
from metrics.customers.engagement_figures import (
    COHORT_ENGAGEMENT,
    EngagementReading,
    engagement_reading,
    month_engagement,
)
from metrics.customers.funnel import FUNNEL_FIGURES, Acquisition, FunnelReading
from metrics.customers.worth import NOTHING_EXPECTED, WORTH_FIGURES, WorthReading, worth_reading
from metrics.records.customer_kpi import (
    ALL_COHORTS,
    CohortAge,
    CustomerKpi,
    CustomerMonthKpi,
    CustomerSums,
    CustomerWorth,
)

_PLACES = 6
#: KPIs of a cohort, by id.
COHORT_FIGURES: dict[str, CustomerFigure] = {
    "repeat_rate": CustomerFigure(
        "Repeat purchase rate",
        "customers with two orders or more / customers",
        "ratio",
        "customers = 0",
        lambda cohort: cohort.repeat_rate,
    ),
    "average_basket": CustomerFigure(
        "Average basket",
        "(revenue − refunds) / orders",
        "currency",
        "orders = 0",
        lambda cohort: cohort.average_basket,
    ),
    "clv_historic": CustomerFigure(
        "Historical customer lifetime value",
        "(revenue − refunds − cost_of_goods) / customers",
        "currency",
        "customers = 0",
        lambda cohort: cohort.clv_historic,
    ),
    "cac": CustomerFigure(
        "Customer acquisition cost",
        "spend / customers",
        "currency",
        "customers = 0, or the spend is unknown",
        lambda cohort: cohort.cac,
    ),
    "clv_to_cac": CustomerFigure(
        "CLV : CAC",
        "(revenue − refunds − cost_of_goods) / spend",
        "ratio",
        "spend = 0 or unknown",
        lambda cohort: cohort.clv_to_cac,
    ),
    "payback_months": CustomerFigure(
        "Months to pay back",
        "the first n for which margin per customer of months 0 to n − 1 ≥ cac",
        "months",
        "not paid back yet, or the spend is unknown",
        lambda cohort: cohort.payback_months,
    ),
}
#: KPIs of a calendar month, by id.
MONTH_FIGURES: dict[str, CustomerFigure] = {
    "retention_rate": CustomerFigure(
        "Retention rate",
        "customers of the month before who ordered again / customers of the month before",
        "ratio",
        "nobody ordered in the month before, or nobody knows",
        lambda month: month.retention_rate,
    ),
    "retention_rate_period": CustomerFigure(
        "Retention rate of the period",
        "customers of the month / customers of it or of the month before",
        "ratio",
        "nobody ordered in either, or nobody knows",
        lambda month: month.retention_rate_period,
    ),
    "churn_rate": CustomerFigure(
        "Churn rate",
        "1 − retention_rate",
        "ratio",
        "as retention_rate",
        lambda month: month.churn_rate,
    ),
    "arpu": CustomerFigure(
        "Average revenue per user",
        "(revenue − refunds) / customers who ordered",
        "currency",
        "nobody ordered",
        lambda month: month.arpu,
    ),
    "average_basket": COHORT_FIGURES["average_basket"],
}


class CustomerVersion(NamedTuple):
    """What a record says of itself: times as RFC 3339."""

    revision: int
    currency: str
    watermark: str | None
    published_at: str


def compose_customers(
    campaign: str,
    cohort: str,
    cohorts: Mapping[int, CohortSums],
    over: int,
    acquisition: Acquisition,
    version: CustomerVersion,
    period: CohortPeriod = "month",
    model: str = "declared",
) -> CustomerKpi:
    """The record of a cohort, or of all cohorts of a campaign.

    Args:
        campaign: as orders name it.
        cohort: the month as ``YYYY-MM``, or ``ALL_COHORTS``.
        cohorts: by month of the acquisition, or ``NO_CUSTOMER``.
        over: the first calendar month that is not over.
        acquisition: what the campaign did to acquire them.
        version: what the record says of itself.
        period: what cohorts go by; where it is the week, all months here are weeks.
        model: that says which campaign acquired a customer.
    """
    known = {month: sums for month, sums in cohorts.items() if month != NO_CUSTOMER}
    reading = cohort_reading(cohort, known, over, acquisition.spend)
    funnel = FunnelReading(acquisition, reading.customers, reading.revenue - reading.refunds)
    everything = added_up(cohorts.values())
    engagement = engagement_reading(reading.customers, everything.counts, everything.persons, over, period)
    is_total = cohort == ALL_COHORTS
    months = _months(known, cohorts, over, period) if is_total else []
    worth = worth_reading(known, over, acquisition, period) if is_total else NOTHING_EXPECTED
    return CustomerKpi(
        campaign_id=campaign,
        model=model,
        cohort=cohort,
        revision=version.revision,
        currency=version.currency,
        sums=CustomerSums(
            customers=reading.customers,
            repeaters=reading.repeaters,
            orders=reading.orders,
            revenue_micros=reading.revenue,
            refunds_micros=reading.refunds,
            cost_of_goods_micros=reading.cost_of_goods,
            spend_micros=acquisition.spend,
            clicks=acquisition.clicks,
            leads=acquisition.leads,
            **_engagement_sums(engagement),
        ),
        has_uncertain_amounts=any(
            month.uncertain for sums in known.values() for month in sums.months.values()
        ),
        kpis={
            **{name: figure.read(reading) for name, figure in COHORT_FIGURES.items()},
            "payback_months": in_months(reading.payback_months, period),
            **{name: figure.read(funnel) for name, figure in FUNNEL_FIGURES.items()},
            **{name: figure.read(worth) for name, figure in WORTH_FIGURES.items()},
            **{name: figure.read(engagement) for name, figure in COHORT_ENGAGEMENT.items()},
        },
        period=period,
        worth=_worth(worth) if is_total else None,
        ages=_ages(reading),
        months=months,
        watermark=version.watermark,
        published_at=version.published_at,
    )


def _worth(reading: WorthReading) -> CustomerWorth:
    expected, judged = reading.expected, reading.judged
    return CustomerWorth(
        months=None if expected is None else expected.months,
        cohorts=None if expected is None else expected.cohorts,
        expected_waits_for=reading.expected_waits_for,
        verdict=None if judged is None else judged.verdict,
        waits_for=reading.waits_for,
        look=None if judged is None else judged.look,
        level=None if judged is None else judged.level,
        low=_rounded(None if judged is None else judged.low),
        high=_rounded(None if judged is None else judged.high),
        mean_low=_rounded(None if judged is None else judged.mean_low),
        mean_high=_rounded(None if judged is None else judged.mean_high),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _PLACES)


def in_months(periods: int | None, period: CohortPeriod) -> float | None:
    """So many months or weeks, in months."""
    return periods if periods is None or period == "month" else round(periods * MONTHS_OF[period], _PLACES)


def _ages(cohort: CustomerCohort) -> list[CohortAge]:
    columns = zip(cohort.eligible, cohort.active, cohort.margin_by_month, cohort.retention, strict=True)
    return [
        CohortAge(age=age, eligible=eligible, active=active, margin_micros=margin, retention=retention)
        for age, (eligible, active, margin, retention) in enumerate(columns)
    ]


def _engagement_sums(reading: EngagementReading) -> dict[str, int]:
    promoters, passives, detractors = reading.groups
    return {
        "promoters": promoters,
        "passives": passives,
        "detractors": detractors,
        "ratings": reading.number(Kind.RATINGS),
        "satisfied": reading.number(Kind.SATISFIED),
        "tickets": reading.number(Kind.TICKETS),
        "tickets_responded": reading.number(Kind.ANSWERED),
        "tickets_resolved": reading.number(Kind.RESOLVED),
        "contracts": reading.number(Kind.CONTRACTS),
        "terms_ended": reading.ended.get(Kind.TERMS, 0),
        "terms_renewed": reading.ended.get(Kind.RENEWALS, 0),
        "contracts_running": reading.running.number,
        "contracts_valued": reading.running.valued,
        "mrr_micros": reading.running.monthly,
        "billed_micros": reading.number(Kind.BILLED),
        "activated": reading.persons.get(Kind.ACTIVATIONS, 0),
        "referrers": reading.persons.get(Kind.REFERRALS, 0),
        "referrals": reading.number(Kind.REFERRALS),
    }


def _months(
    known: Mapping[int, CohortSums], cohorts: Mapping[int, CohortSums], over: int, period: CohortPeriod
) -> list[CustomerMonthKpi]:
    """The calendar months that are over, from the first acquisition on."""
    name = month_name if period == "month" else week_name
    readings = month_readings(known, over, name)
    customers = {each.name: each.customers for each in readings}
    engagement = month_engagement(customers, counts_by_month(cohorts.values()), over, name)
    return [_month(each, engagement[each.name]) for each in readings]


def _month(month: CustomerMonth, engagement: Mapping[str, float | None]) -> CustomerMonthKpi:
    return CustomerMonthKpi(
        month=month.name,
        customers=month.customers,
        new=month.new,
        before=month.before,
        stayed=month.stayed,
        orders=month.orders,
        revenue_micros=month.revenue,
        refunds_micros=month.refunds,
        kpis={
            **{name: figure.read(month) for name, figure in MONTH_FIGURES.items()},
            **engagement,
        },
    )

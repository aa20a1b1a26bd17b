"""Why a KPI is null, in words for a board or an operator. Computes no KPI.

Each KPI names what it needs, most telling first; the first need that is not met is the reason. A law
ties this to ``metrics.kpis.formulas``: there is a reason exactly where the value is null.
"""

from collections.abc import Callable
from typing import NamedTuple

from metrics.kpis.formulas import KpiInputs


class _Need(NamedTuple):
    is_missing: Callable[[KpiInputs], bool]
    reason: str


_UNREPORTED = "unknown here: the campaign's cost basis is its reports, and none can count in this window"
_SPEND = _Need(lambda i: i.sums.spend_micros is None, f"spend is {_UNREPORTED}")
_CLICKS = _Need(lambda i: i.sums.clicks is None, f"clicks are {_UNREPORTED}")
_IMPRESSIONS = _Need(lambda i: i.sums.impressions is None, f"impressions are {_UNREPORTED}")
_PAID = _Need(lambda i: i.sums.spend_micros == 0, "nothing was spent in this window")
_COST = _Need(
    lambda i: i.sums.spend_micros is not None and i.sums.spend_micros + i.sums.other_cost_micros == 0,
    "there is no cost in this window",
)
_ANY_CLICK = _Need(lambda i: i.sums.clicks == 0, "no click in this window")
_ANY_IMPRESSION = _Need(lambda i: i.sums.impressions == 0, "no impression in this window")
_ANY_LEAD = _Need(lambda i: i.sums.leads == 0, "no lead in this window")
_ANY_MQL = _Need(lambda i: i.sums.mqls == 0, "no marketing qualified lead in this window")
_ANY_SQL = _Need(lambda i: i.sums.sqls == 0, "no sales qualified lead in this window")
_ANY_ORDER = _Need(lambda i: i.sums.orders == 0, "no order in this window")
_ANY_CUSTOMER = _Need(lambda i: i.sums.new_customers == 0, "no new customer in this window")
_KEPT_ORDER = _Need(
    lambda i: i.sums.orders == i.sums.cancelled_orders,
    "no order in this window beyond as many cancellations",
)
_COHORT = _Need(lambda i: i.cohort_mqls is None or i.cohort_sqls is None, "cohorts of leads are not kept yet")
_COHORT_MQL = _Need(lambda i: i.cohort_mqls == 0, "no lead became MQL in this window")
_DISTINCT = _Need(
    lambda i: i.distinct_customers is None,
    "customers are counted apart in 1m, 1h, 1d and total of declared alone",
)
_ANY_DISTINCT = _Need(lambda i: i.distinct_customers == 0, "no customer in this window")
_BASELINE = _Need(
    lambda i: i.baseline_micros_per_day is None, "the campaign has no baseline_revenue_per_day; register one"
)
_LENGTH = _Need(
    lambda i: i.baseline_length_ms is None,
    "the baseline has no length yet: the campaign needs starts_at, and event time must have begun",
)
_EVER_LEAD = _Need(lambda i: i.total.leads == 0, "the campaign has never had a lead")
_EVER_CUSTOMER = _Need(lambda i: i.total.new_customers == 0, "the campaign has never won a customer")

_NEEDS: dict[str, tuple[_Need, ...]] = {
    "ctr": (_IMPRESSIONS, _CLICKS, _ANY_IMPRESSION),
    "cpc": (_SPEND, _CLICKS, _ANY_CLICK),
    "cpm": (_SPEND, _IMPRESSIONS, _ANY_IMPRESSION),
    "cpl": (_SPEND, _ANY_LEAD),
    "cost_per_mql": (_SPEND, _ANY_MQL),
    "cost_per_sql": (_SPEND, _ANY_SQL),
    "lead_rate": (_CLICKS, _ANY_CLICK),
    "mql_to_sql": (_COHORT, _COHORT_MQL),
    "customer_rate": (_ANY_LEAD,),
    "cpa": (_SPEND, _ANY_ORDER),
    "cac": (_SPEND, _ANY_CUSTOMER),
    "cac_full": (_SPEND, _ANY_CUSTOMER),
    "aov": (_KEPT_ORDER,),
    "revenue_per_customer": (_DISTINCT, _ANY_DISTINCT),
    "roas": (_SPEND, _PAID),
    "roi_net_profit": (_SPEND, _COST),
    "roi_incremental": (_SPEND, _COST, _BASELINE, _LENGTH),
    "roi_lead_value": (_SPEND, _PAID, _ANY_LEAD, _EVER_LEAD, _EVER_CUSTOMER),
    "roi_conversion_rate": (_SPEND, _PAID, _ANY_LEAD, _EVER_CUSTOMER),
}


def why_null(kpi_id: str, inputs: KpiInputs) -> str | None:
    """The reason for a null, as half a sentence; None where the KPI has a value.

    Raises:
        KeyError: for an id that is not in the catalogue.
    """
    for need in _NEEDS[kpi_id]:
        if need.is_missing(inputs):
            return need.reason
    return None

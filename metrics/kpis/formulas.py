"""One pure function per KPI: from sums to a figure, exact, rounded once (docs/kpis.md).

Money comes in integer micros, counts as integers or, in the attribution models, as floats with up to
6 decimals; both become integers here (a count in millionths), so that every value is one division of
integers, rounded half-even to 6 decimals. A KPI is None exactly when its denominator is 0 or a figure it
needs is None. Nothing is clamped. Knows no window and no clock: whoever asks has summed.
"""

from fractions import Fraction

import msgspec

from metrics.records.kpi_reading import Credit, Sums
from metrics.values.money import MICROS, ratio
from metrics.values.time import DAY

_EXACT_BELOW = 2**52


class KpiInputs(msgspec.Struct, kw_only=True):
    """What the KPIs of one window are computed from.

    Attributes:
        sums: of the window.
        total: of the campaign's whole history, of which only what conversions have brought counts.
        baseline_micros_per_day: revenue that would come without the campaign; None where unknown.
        baseline_length_ms: min(end, watermark) − max(start, starts_at); None where undefined.
        cohort_mqls: leads that became MQL in the window; None where cohorts are not kept.
        cohort_sqls: those of them that are SQL by now.
        distinct_customers: customers with an order in the window; None where they are not counted apart.
    """

    sums: Sums
    total: Sums
    baseline_micros_per_day: int | None = None
    baseline_length_ms: int | None = None
    cohort_mqls: int | None = None
    cohort_sqls: int | None = None
    distinct_customers: int | None = None


def millionths(credit: Credit) -> int:
    """A count in integer millionths; exact for 6 decimals as far as a float tells them apart (2^33).

    >>> millionths(3), millionths(0.333333)
    (3000000, 333333)
    """
    if isinstance(credit, int):
        return credit * MICROS
    scaled = credit * MICROS
    # Above 2^52 the product itself is rounded; only there is the slow way needed.
    return round(scaled) if abs(scaled) < _EXACT_BELOW else round(Fraction(credit) * MICROS)


# --- Acquisition and revenue ---------------------------------------------------------------------


def ctr(clicks: int | None, impressions: int | None) -> float | None:
    """Click-through rate: clicks / impressions, a ratio; None when impressions = 0.

    >>> ctr(5, 200), ctr(5, 0)
    (0.025, None)
    """
    if clicks is None or impressions is None:
        return None
    return ratio(clicks, impressions)


def cpc(spend_micros: int | None, clicks: int | None) -> float | None:
    """Cost per click: spend / clicks, in currency units; None when clicks = 0.

    >>> cpc(3_700_000, 10), cpc(3_700_000, 0)
    (0.37, None)
    """
    if spend_micros is None or clicks is None:
        return None
    return ratio(spend_micros, clicks * MICROS)


def cpm(spend_micros: int | None, impressions: int | None) -> float | None:
    """Cost per thousand impressions, in currency units; None when impressions = 0.

    >>> cpm(2_000_000, 4_000), cpm(0, 0)
    (0.5, None)
    """
    if spend_micros is None or impressions is None:
        return None
    return ratio(1000 * spend_micros, impressions * MICROS)


def cpl(spend_micros: int | None, leads: Credit) -> float | None:
    """Cost per lead: spend / leads, in currency units; None when leads = 0.

    >>> cpl(30_000_000_000, 200), cpl(30_000_000_000, 0)
    (150.0, None)
    """
    return _cost_per(spend_micros, leads)


def cost_per_mql(spend_micros: int | None, mqls: Credit) -> float | None:
    """Cost per marketing qualified lead: spend / mqls, in currency units; None when mqls = 0.

    >>> cost_per_mql(9_000_000, 4), cost_per_mql(9_000_000, 0)
    (2.25, None)
    """
    return _cost_per(spend_micros, mqls)


def cost_per_sql(spend_micros: int | None, sqls: Credit) -> float | None:
    """Cost per sales qualified lead: spend / sqls, in currency units; None when sqls = 0.

    >>> cost_per_sql(9_000_000, 1.5), cost_per_sql(9_000_000, 0)
    (6.0, None)
    """
    return _cost_per(spend_micros, sqls)


def lead_rate(leads: Credit, clicks: int | None) -> float | None:
    """Visitor to lead: leads / clicks, a ratio that may exceed 1; None when clicks = 0.

    >>> lead_rate(2, 10), lead_rate(2, 0)
    (0.2, None)
    """
    if clicks is None:
        return None
    return ratio(millionths(leads), clicks * MICROS)


def mql_to_sql(cohort_sqls: int | None, cohort_mqls: int | None) -> float | None:
    """Of the leads that became MQL in the window, the share that is SQL by now; None without an MQL.

    >>> mql_to_sql(1, 4), mql_to_sql(0, 0), mql_to_sql(None, None)
    (0.25, None, None)
    """
    if cohort_sqls is None or cohort_mqls is None:
        return None
    return ratio(cohort_sqls, cohort_mqls)


def customer_rate(new_customers: Credit, leads: Credit) -> float | None:
    """Lead to customer: new_customers / leads, a ratio; None when leads = 0.

    >>> customer_rate(1, 2), customer_rate(1, 0)
    (0.5, None)
    """
    return ratio(millionths(new_customers), millionths(leads))


def cpa(spend_micros: int | None, orders: Credit) -> float | None:
    """Cost per acquisition: spend / orders, in currency units; None when orders = 0.

    >>> cpa(3_700_000, 2), cpa(3_700_000, 0)
    (1.85, None)
    """
    return _cost_per(spend_micros, orders)


def cac(spend_micros: int | None, new_customers: Credit) -> float | None:
    """Media cost per new customer, in currency units; None when new_customers = 0.

    >>> cac(3_700_000, 1), cac(3_700_000, 0)
    (3.7, None)
    """
    return _cost_per(spend_micros, new_customers)


def cac_full(spend_micros: int | None, other_cost_micros: int, new_customers: Credit) -> float | None:
    """(spend + other_cost) / new_customers, in currency units; None when new_customers = 0.

    >>> cac_full(3_700_000, 300_000, 2), cac_full(3_700_000, 300_000, 0)
    (2.0, None)
    """
    return _cost_per(_cost(spend_micros, other_cost_micros), new_customers)


def aov(net_revenue_micros: int, orders: Credit, cancelled_orders: Credit) -> float | None:
    """Net revenue per order kept, in currency units; None when orders = cancelled_orders.

    Net revenue is revenue − refunds; orders kept are orders − cancelled_orders.

    >>> aov(150_000_000, 4, 1), aov(150_000_000, 1, 1)
    (50.0, None)
    """
    return ratio(net_revenue_micros, millionths(orders) - millionths(cancelled_orders))


def revenue_per_customer(net_revenue_micros: int, distinct_customers: int | None) -> float | None:
    """Net revenue per distinct customer, in currency units; None without one.

    >>> revenue_per_customer(150_000_000, 2), revenue_per_customer(0, 0), revenue_per_customer(0, None)
    (75.0, None, None)
    """
    if distinct_customers is None:
        return None
    return ratio(net_revenue_micros, distinct_customers * MICROS)


def roas(net_revenue_micros: int, spend_micros: int | None) -> float | None:
    """Return on ad spend: (revenue − refunds) / spend, a ratio; None when spend = 0.

    >>> roas(50_000_000, 3_700_000), roas(50_000_000, 0)
    (13.513514, None)
    """
    if spend_micros is None:
        return None
    return ratio(net_revenue_micros, spend_micros)


# --- ROI, four methods side by side --------------------------------------------------------------


def roi_net_profit(margin_micros: int, cost_micros: int | None) -> float | None:
    """ROI by net profit: (margin − cost) / cost, a ratio; None when cost = 0.

    Margin is revenue − refunds − cost_of_goods, cost is spend + other_cost.

    >>> roi_net_profit(600_000_000, 200_000_000), roi_net_profit(600_000_000, 0)
    (2.0, None)
    """
    if cost_micros is None:
        return None
    return ratio(margin_micros - cost_micros, cost_micros)


def roi_incremental(
    net_revenue_micros: int,
    cost_micros: int | None,
    baseline_micros_per_day: int | None,
    baseline_length_ms: int | None,
) -> float | None:
    """ROI by additional revenue: (ΔS − cost) / cost, a ratio; None when cost = 0 or without a baseline.

    ΔS is the net revenue above the baseline of so many days; cost is spend + other_cost.

    >>> roi_incremental(900_000_000, 200_000_000, 100_000_000, 3 * DAY)
    2.0
    >>> roi_incremental(900_000_000, 200_000_000, None, 3 * DAY), roi_incremental(0, 0, 0, 0)
    (None, None)
    """
    if cost_micros is None or baseline_micros_per_day is None or baseline_length_ms is None:
        return None
    usual = baseline_micros_per_day * baseline_length_ms
    return ratio((net_revenue_micros - cost_micros) * DAY - usual, cost_micros * DAY)


def roi_lead_value(spend_micros: int | None, leads: Credit, total: Sums) -> float | None:
    """ROI by lead value: customer_rate of total · m / cpl − 1, a ratio.

    m, the margin per new customer of ``total``, cancels against the rate: what is left is margin per
    lead. None when cpl is None or 0, and when ``total`` has no lead or no new customer.

    >>> history = Sums(impressions=0, clicks=0, leads=100, mqls=0, sqls=0, orders=5, new_customers=5,
    ...     cancelled_orders=0, spend_micros=0, other_cost_micros=0, revenue_micros=1_000_000_000,
    ...     refunds_micros=0, cost_of_goods_micros=400_000_000)
    >>> roi_lead_value(12_000_000, 4, history), roi_lead_value(12_000_000, 0, history)
    (1.0, None)
    """
    now, ever = millionths(leads), millionths(total.leads)
    if spend_micros is None or now == 0 or total.new_customers == 0:
        return None
    cost = spend_micros * ever
    return ratio(_margin(total) * now - cost, cost)


def roi_conversion_rate(
    spend_micros: int | None, leads: Credit, new_customers: Credit, total: Sums
) -> float | None:
    """ROI by conversion rate: customer_rate / (cpl / m) − 1, a ratio.

    The leads cancel: what is left is m · new_customers / spend − 1, which at m = 0 is −1 like
    ``roi_lead_value``. None when cpl is None or 0, and when ``total`` has no new customer.

    >>> history = Sums(impressions=0, clicks=0, leads=100, mqls=0, sqls=0, orders=5, new_customers=5,
    ...     cancelled_orders=0, spend_micros=0, other_cost_micros=0, revenue_micros=1_000_000_000,
    ...     refunds_micros=0, cost_of_goods_micros=400_000_000)
    >>> roi_conversion_rate(60_000_000, 4, 1, history), roi_conversion_rate(60_000_000, 0, 1, history)
    (1.0, None)
    """
    if spend_micros is None or leads == 0:
        return None
    cost = spend_micros * millionths(total.new_customers)
    return ratio(_margin(total) * millionths(new_customers) - cost, cost)


# --- All of them ---------------------------------------------------------------------------------


def compute(inputs: KpiInputs) -> dict[str, float | None]:
    """Every KPI of one window, in the order of ``metrics.kpis.catalogue.KPIS``.

    Args:
        inputs: sums of the window and of the campaign's history, in the same model and currency.
    """
    sums, total = inputs.sums, inputs.total
    spend, clicks, impressions = sums.spend_micros, sums.clicks, sums.impressions
    leads, customers = sums.leads, sums.new_customers
    net = sums.revenue_micros - sums.refunds_micros
    cost = _cost(spend, sums.other_cost_micros)
    return {
        "ctr": ctr(clicks, impressions),
        "cpc": cpc(spend, clicks),
        "cpm": cpm(spend, impressions),
        "cpl": cpl(spend, leads),
        "cost_per_mql": cost_per_mql(spend, sums.mqls),
        "cost_per_sql": cost_per_sql(spend, sums.sqls),
        "lead_rate": lead_rate(leads, clicks),
        "mql_to_sql": mql_to_sql(inputs.cohort_sqls, inputs.cohort_mqls),
        "customer_rate": customer_rate(customers, leads),
        "cpa": cpa(spend, sums.orders),
        "cac": cac(spend, customers),
        "cac_full": cac_full(spend, sums.other_cost_micros, customers),
        "aov": aov(net, sums.orders, sums.cancelled_orders),
        "revenue_per_customer": revenue_per_customer(net, inputs.distinct_customers),
        "roas": roas(net, spend),
        "roi_net_profit": roi_net_profit(net - sums.cost_of_goods_micros, cost),
        "roi_incremental": roi_incremental(
            net, cost, inputs.baseline_micros_per_day, inputs.baseline_length_ms
        ),
        "roi_lead_value": roi_lead_value(spend, leads, total),
        "roi_conversion_rate": roi_conversion_rate(spend, leads, customers, total),
    }


def _cost_per(micros: int | None, credit: Credit) -> float | None:
    """Currency units per one of a count: micros over millionths."""
    return None if micros is None or not credit else ratio(micros, millionths(credit))


def _cost(spend_micros: int | None, other_cost_micros: int) -> int | None:
    return None if spend_micros is None else spend_micros + other_cost_micros


def _margin(sums: Sums) -> int:
    return sums.revenue_micros - sums.refunds_micros - sums.cost_of_goods_micros

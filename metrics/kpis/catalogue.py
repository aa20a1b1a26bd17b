"""Every published figure by name: KPIs, sums and counters, shared by code, docs and exporter.

Holds words, not formulas: ``metrics.kpis.formulas`` computes, and a test ties each row here to its function, to
the table in the docs and to the Prometheus family. Knows no exporter and no topic.
"""

from dataclasses import dataclass
from typing import Literal

Unit = Literal["ratio", "currency"]


@dataclass(frozen=True)
class KpiSpec:
    """One KPI as people and Prometheus read it.

    Attributes:
        id: key in ``kpis`` of a ``campaign-kpis`` record.
        title: its name in a heading.
        formula: over the sums of one window, as in the docs.
        unit: ``ratio`` in units of 1 (0.25, never 25), or ``currency`` in currency units.
        undefined: when the value is null, in words that follow "null when".
        family: Prometheus family; None where the KPI is on the topic only.
        labels: labels of its own within the family, as (name, value) pairs.
        note: what a reader must know beyond the formula; may be empty.
    """

    id: str
    title: str
    formula: str
    unit: Unit
    undefined: str
    family: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    note: str = ""

    @property
    def is_money(self) -> bool:
        """Whether the value is an amount, and so carries a currency."""
        return self.unit == "currency"


@dataclass(frozen=True)
class SumFamily:
    """One additive sum as Prometheus reads it; micros are exported in currency units.

    Attributes:
        family: Prometheus name; counters carry their ``_total``.
        field: the sum it shows, as ``metrics.records.kpi_reading.Sums`` and ``metrics.sums.tally.Tally`` name it.
        help: its HELP text.
    """

    family: str
    field: str
    help: str

    @property
    def is_money(self) -> bool:
        """Whether the field is in micros, and its samples carry a currency."""
        return self.field.endswith("_micros")


class SumGauge(SumFamily):
    """A sum over a window, per model."""


class SumCounter(SumFamily):
    """A sum of the declared events (never of reports) since the state began."""


@dataclass(frozen=True)
class KpiFamily:
    """The KPIs of one Prometheus family, told apart by their own labels.

    Attributes:
        name: Prometheus family name.
        is_money: whether its samples carry a currency.
        help: its HELP text.
        kpis: one sample each per campaign, window and model.
    """

    name: str
    is_money: bool
    help: str
    kpis: tuple[KpiSpec, ...]


_NO_MARGIN = "`total` has no new customer"

#: In the order of the published record.
KPIS: tuple[KpiSpec, ...] = (
    KpiSpec(
        id="ctr",
        title="Click-through rate",
        formula="clicks / impressions",
        unit="ratio",
        undefined="impressions = 0",
        family="campaign_click_through_ratio",
    ),
    KpiSpec(
        id="cpc",
        title="Cost per click",
        formula="spend / clicks",
        unit="currency",
        undefined="clicks = 0",
        family="campaign_cost_per_click",
    ),
    KpiSpec(
        id="cpm",
        title="Cost per thousand impressions",
        formula="1000 · spend / impressions",
        unit="currency",
        undefined="impressions = 0",
    ),
    KpiSpec(
        id="cpl",
        title="Cost per lead",
        formula="spend / leads",
        unit="currency",
        undefined="leads = 0",
        family="campaign_cost_per_lead",
        note="Spend without a lead is shown by `campaign_spend_since_last_lead`, never by a CPL of 0.",
    ),
    KpiSpec(
        id="cost_per_mql",
        title="Cost per marketing qualified lead",
        formula="spend / mqls",
        unit="currency",
        undefined="mqls = 0",
    ),
    KpiSpec(
        id="cost_per_sql",
        title="Cost per sales qualified lead",
        formula="spend / sqls",
        unit="currency",
        undefined="sqls = 0",
    ),
    KpiSpec(
        id="lead_rate",
        title="Lead conversion rate",
        formula="leads / clicks",
        unit="ratio",
        undefined="clicks = 0",
        family="campaign_lead_conversion_ratio",
        note="From visitor to lead. May exceed 1 in short windows, where leads follow clicks of an earlier one.",
    ),
    KpiSpec(
        id="mql_to_sql",
        title="MQL to SQL rate",
        formula="leads that became MQL in the window and SQL by now / leads that became MQL in the window",
        unit="ratio",
        undefined="no lead became MQL in the window",
        note="A cohort, so it never exceeds 1.",
    ),
    KpiSpec(
        id="customer_rate",
        title="Customer conversion rate",
        formula="new_customers / leads",
        unit="ratio",
        undefined="leads = 0",
        family="campaign_customer_conversion_ratio",
        note="From lead to customer.",
    ),
    KpiSpec(
        id="cpa",
        title="Cost per acquisition",
        formula="spend / orders",
        unit="currency",
        undefined="orders = 0",
        family="campaign_cost_per_acquisition",
    ),
    KpiSpec(
        id="cac",
        title="Customer acquisition cost, media only",
        formula="spend / new_customers",
        unit="currency",
        undefined="new_customers = 0",
    ),
    KpiSpec(
        id="cac_full",
        title="Customer acquisition cost, full",
        formula="(spend + other_cost) / new_customers",
        unit="currency",
        undefined="new_customers = 0",
        note="With software and labour: `other_cost` is spread evenly over the campaign's dates.",
    ),
    KpiSpec(
        id="aov",
        title="Average order value",
        formula="(revenue − refunds) / (orders − cancelled_orders)",
        unit="currency",
        undefined="orders = cancelled_orders",
        family="campaign_average_order_value",
        note="Per order, not per customer.",
    ),
    KpiSpec(
        id="revenue_per_customer",
        title="Revenue per customer",
        formula="(revenue − refunds) / distinct customers",
        unit="currency",
        undefined="no customer ordered in the window; in rolling windows, in the attribution models and in roll-ups, where customers do not add up",
        note="A different figure from `aov`. A customer is a `customer_id`, else a `visitor_id`; an order that names nobody is somebody else's than all others.",
    ),
    KpiSpec(
        id="roas",
        title="Return on ad spend",
        formula="(revenue − refunds) / spend",
        unit="ratio",
        undefined="spend = 0",
        family="campaign_return_on_ad_spend_ratio",
        note="2 means that each unit spent on ads brought two units of sales.",
    ),
    KpiSpec(
        id="roi_net_profit",
        title="ROI by net profit",
        formula="(revenue − refunds − cost_of_goods − spend − other_cost) / (spend + other_cost)",
        unit="ratio",
        undefined="spend + other_cost = 0",
        family="campaign_roi_ratio",
        labels=(("method", "net_profit"),),
        note="The whole profit of the sales against the whole cost. 0 breaks even, −1 loses everything.",
    ),
    KpiSpec(
        id="roi_incremental",
        title="ROI by additional revenue",
        formula="(ΔS − spend − other_cost) / (spend + other_cost); "
        "ΔS = revenue − refunds − `baseline_revenue_per_day` · length in days; "
        "length = min(end, watermark) − max(start, `starts_at`)",
        unit="ratio",
        undefined="spend + other_cost = 0, no `baseline_revenue_per_day`, or a `total` without `starts_at`",
        family="campaign_roi_ratio",
        labels=(("method", "incremental"),),
        note="Counts only the sales above those that would have come anyway.",
    ),
    KpiSpec(
        id="roi_lead_value",
        title="ROI by lead value",
        formula="customer_rate of `total` · m / cpl − 1",
        unit="ratio",
        undefined=f"leads = 0, spend = 0, `total` has no lead, or {_NO_MARGIN}",
        family="campaign_roi_ratio",
        labels=(("method", "lead_value"),),
        note="What a lead is worth by the campaign's whole history against what it costs now.",
    ),
    KpiSpec(
        id="roi_conversion_rate",
        title="ROI by conversion rate",
        formula="customer_rate / (cpl / m) − 1 = m · new_customers / spend − 1",
        unit="ratio",
        undefined=f"leads = 0, spend = 0, or {_NO_MARGIN}",
        family="campaign_roi_ratio",
        labels=(("method", "conversion_rate"),),
        note="The rate reached now against the rate that would just pay. On `total` it equals `roi_lead_value`.",
    ),
)

#: What m stands for in the formulas.
MARGIN = (
    "m = (revenue − refunds − cost_of_goods) / new_customers of `total`: the mean margin per new customer."
)

BY_ID: dict[str, KpiSpec] = {kpi.id: kpi for kpi in KPIS}

#: KPIs that Prometheus sees.
KPI_GAUGES: tuple[KpiSpec, ...] = tuple(kpi for kpi in KPIS if kpi.family)

_SHARED_HELP = {"campaign_roi_ratio": "Return on investment in units of 1, by method; 0 breaks even."}


def _family(name: str) -> KpiFamily:
    """The rows of one family; several rows need a HELP of their own."""
    rows = tuple(kpi for kpi in KPI_GAUGES if kpi.family == name)
    first = rows[0]
    text = _SHARED_HELP.get(name, f"{first.title}: {first.formula}.")
    return KpiFamily(name, first.is_money, text, rows)


#: KPI gauges grouped by family, in the order of the catalogue.
KPI_FAMILIES: tuple[KpiFamily, ...] = tuple(
    _family(name) for name in dict.fromkeys(kpi.family for kpi in KPI_GAUGES) if name
)

SUM_GAUGES: tuple[SumGauge, ...] = (
    SumGauge("campaign_window_impressions", "impressions", "Ads shown in the window."),
    SumGauge("campaign_window_clicks", "clicks", "Clicks on ads in the window."),
    SumGauge("campaign_window_leads", "leads", "Leads credited in the window."),
    SumGauge(
        "campaign_window_orders", "orders", "Orders credited in the window; cancellations do not lower it."
    ),
    SumGauge(
        "campaign_window_new_customers",
        "new_customers",
        "New customers credited in the window; cancellations do not lower it.",
    ),
    SumGauge("campaign_window_spend", "spend_micros", "Media spend in the window, in currency units."),
    SumGauge(
        "campaign_window_revenue",
        "revenue_micros",
        "Revenue of the orders of the window before refunds, in currency units.",
    ),
    SumGauge(
        "campaign_window_refunds",
        "refunds_micros",
        "Refunds and cancellations in the window at their own time, in currency units.",
    ),
    SumGauge(
        "campaign_window_cost_of_goods",
        "cost_of_goods_micros",
        "Cost of the goods of the orders of the window, in currency units.",
    ),
    SumGauge(
        "campaign_window_other_cost",
        "other_cost_micros",
        "Share of the campaign's other cost (software, labour) in the window, in currency units.",
    ),
)

COUNTERS: tuple[SumCounter, ...] = (
    SumCounter("campaign_clicks_total", "clicks", "Click events applied."),
    SumCounter("campaign_leads_total", "leads", "Leads declared on the campaign."),
    SumCounter("campaign_orders_total", "orders", "Orders declared on the campaign."),
    SumCounter("campaign_spend_total", "spend_micros", "Cost of the events applied, in currency units."),
    SumCounter(
        "campaign_revenue_total",
        "revenue_micros",
        "Revenue of the orders declared on the campaign before refunds, in currency units.",
    ),
    SumCounter(
        "campaign_refunds_total",
        "refunds_micros",
        "Refunds and cancellations of those orders, in currency units.",
    ),
)

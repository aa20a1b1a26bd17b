"""Funnel: from the ad that was shown to the customer who comes back, and where people are lost on the way."""

from grafana import promql
from grafana.promql import SPEND, costed, each, fact, over, total
from grafana.spec import Dashboard, DashboardRow, Panel, Query
from metrics.kpis.catalogue import BY_ID

_OFF = "the repeat rate needs the setting `CUSTOMER_RETENTION`, which is off at first."
#: The steps in their order: what each is called, and its sum.
_STEPS = (
    ("impressions", "campaign_window_impressions"),
    ("clicks", "campaign_window_clicks"),
    ("leads", "campaign_window_leads"),
    ("orders", "campaign_window_orders"),
    ("new customers", "campaign_window_new_customers"),
)
_SUMS = dict(_STEPS)


def _formula(kpi_id: str) -> str:
    return f"{BY_ID[kpi_id].title}: {BY_ID[kpi_id].formula}."


def _rate(after: str, before: str, by: str = "") -> str:
    """A step as a share of the step before it; only campaigns that know both count, and sums are divided last."""
    numerator, denominator = each(_SUMS[after]), each(_SUMS[before])
    grouping = f" by ({by})" if by else ""
    return over(
        f"sum{grouping} ({numerator} and {denominator})", f"sum{grouping} ({denominator} and {numerator})"
    )


def _stat(title: str, about: str, expr: str, **more: object) -> Panel:
    return Panel("stat", title, about, (Query(expr),), unit="percentunit", width=6, height=4, **more)  # type: ignore[arg-type]


_REPEAT = over(f"sum({fact('campaign_repeat_customers')})", f"sum({fact('campaign_customers')})")
_WHOLE = (
    Panel(
        "bars",
        "The funnel",
        "Impressions, clicks, leads, orders and new customers of the chosen campaigns in the window, each step beside the one before.",
        tuple(Query(total(family), name) for name, family in _STEPS),
        width=12,
        height=8,
        decimals=0,
    ),
    Panel(
        "bars",
        "What a step costs ($currency)",
        "Spend / how many came so far, over the chosen campaigns whose spend is known: "
        + " ".join(_formula(kpi_id) for kpi_id in ("cpc", "cpl", "cpa", "cac")),
        tuple(Query(over(total("campaign_window_spend"), costed(family)), name) for name, family in _STEPS[1:]),
        width=12,
        height=8,
    ),
    _stat("Clicks of impressions", _formula("ctr"), _rate("clicks", "impressions")),
    _stat("Leads of clicks", _formula("lead_rate"), _rate("leads", "clicks")),
    _stat(
        "Orders of leads",
        "Orders / leads of the window. Orders follow leads by days, so that a short window of a young campaign says little.",
        _rate("orders", "leads"),
    ),
    _stat(
        "Customers who come back",
        "Customers with two orders or more / customers, over the whole history of the chosen campaigns.",
        _REPEAT,
        empty=_OFF,
    ),
)  # fmt: skip

_OVER_TIME = (
    Panel(
        "lines",
        "Steps over time",
        "Each step as a share of the step before it, sums of the chosen campaigns divided last.",
        (
            Query(_rate("clicks", "impressions"), "clicks of impressions"),
            Query(_rate("leads", "clicks"), "leads of clicks"),
            Query(_rate("orders", "leads"), "orders of leads"),
        ),
        unit="percentunit",
        width=24,
    ),
)


def _columns(by: str) -> tuple[Query, ...]:
    return (
        *(Query(f"sum by ({by}) ({each(family)})", name, decimals=0) for name, family in _STEPS),
        Query(f"sum by ({by}) ({SPEND})", "spend"),
        Query(_rate("clicks", "impressions", by), "CTR", unit="percentunit"),
        Query(_rate("leads", "clicks", by), "lead rate", unit="percentunit"),
        Query(_rate("new customers", "leads", by), "customer rate", unit="percentunit"),
    )


_EACH = (
    Panel(
        "table",
        "By channel ($currency)",
        "Sums of each channel's campaigns in the window, divided last. "
        + " ".join(map(_formula, ("ctr", "lead_rate", "customer_rate"))),
        _columns("channel"),
        width=24,
        sort_by="impressions",
        key="channel",
    ),
    Panel(
        "table",
        "By campaign ($currency)",
        "Every step of each chosen campaign in the window. "
        + " ".join(map(_formula, ("ctr", "lead_rate", "customer_rate"))),
        _columns("campaign_id"),
        width=24,
        height=10,
        sort_by="impressions",
    ),
)  # fmt: skip

BOARD = Dashboard(
    uid="roistream-funnel",
    title="Funnel",
    folder="Campaigns",
    about="From the ad that was shown to the customer who comes back: how many take each step, what it costs, and where people are lost.",
    variables=(
        *(promql.DEPLOYMENT, promql.CHANNEL, promql.CAMPAIGNS, promql.WINDOW, promql.MODEL, promql.CURRENCY),
    ),
    rows=(
        DashboardRow("All together", _WHOLE),
        DashboardRow("Over time", _OVER_TIME),
        DashboardRow("Each", _EACH),
    ),
)

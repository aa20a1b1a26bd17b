"""Funnel: from the ad that was shown to the customer who comes back, and where people are lost on the way."""

from grafana import promql
from grafana.promql import COHORT_PERIOD, SPEND, costed, each, engaged, fact, over, total
from grafana.spec import Dashboard, DashboardRow, Panel, Query
from metrics.customers.engagement_figures import COHORT_ENGAGEMENT
from metrics.customers.funnel import FUNNEL_FIGURES
from metrics.kpis.catalogue import BY_ID

_ACCOUNTS = "Needs the setting `CUSTOMER_RETENTION`, which is off at first."
_TOPICS = "Needs the setting `CUSTOMER_RETENTION`, which is off at first, and records of `activations` and `referrals`."
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
        needs=_ACCOUNTS,
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


def _share(title: str, kpi_id: str, kind: str, **more: object) -> Panel:
    """Of all customers of the chosen campaigns."""
    figure = COHORT_ENGAGEMENT[kpi_id]
    return Panel(
        "stat",
        title,
        f"{figure.title}: {figure.formula}. A ratio of sums over the chosen campaigns.",
        (Query(over(f"sum({engaged(kind)})", f"sum({fact('campaign_customers')} and {engaged(kind)})")),),
        width=4,
        height=4,
        needs=_TOPICS,
        **more,  # type: ignore[arg-type]
    )


def _of_cohorts(family: str, more: str = "") -> str:
    """Sums of cohorts by period: the highest of each partition, since a partition may move, and then the sum."""
    selector = f'{family}{{job="$deployment",channel=~"$channel"{more}}}'
    return f"sum by (cohort) (max by (channel, cohort, partition) ({selector}))"


_COHORT_CUSTOMERS = _of_cohorts("cohort_customers")


def _cohort_columns(name: str, some: str) -> tuple[Query, Query]:
    """How many of a cohort, and which share of all."""
    return (
        Query(some, name, decimals=0),
        Query(over(some, _COHORT_CUSTOMERS), f"{name}, share", unit="percentunit", decimals=0),
    )


_CUSTOMERS = (
    Panel(
        "bars",
        "From the click to who brings others",
        "The chosen campaigns over their whole history: clicks, leads, customers, those of them who reached the step that the site calls activated, those with two orders or more, and those who "
        "brought somebody.",
        (
            Query(f"sum({fact('campaign_acquisition_clicks')})", "clicks"),
            Query(f"sum({fact('campaign_acquisition_leads')})", "leads"),
            Query(f"sum({fact('campaign_customers')})", "customers"),
            Query(f"sum({engaged('activated')})", "activated"),
            Query(f"sum({fact('campaign_repeat_customers')})", "bought again"),
            Query(f"sum({engaged('referrers')})", "brought somebody"),
        ),
        width=12,
        height=8,
        decimals=0,
        needs=_TOPICS,
    ),
    _share("Activated", "activation_rate", "activated", unit="percentunit"),
    _share("Brought somebody", "referral_rate", "referrers", unit="percentunit"),
    _share("Persons brought by a customer", "k_factor", "referrals"),
    Panel(
        "table",
        "Each campaign from the click to who brings others ($currency)",
        " ".join(f"{figure.title}: {figure.formula}." for figure in (*FUNNEL_FIGURES.values(), *map(COHORT_ENGAGEMENT.__getitem__, ("activation_rate", "referral_rate", "k_factor")))),
        (
            Query(f"max by (campaign_id) ({fact('campaign_acquisition_clicks')})", "clicks", decimals=0),
            Query(f"max by (campaign_id) ({fact('campaign_acquisition_leads')})", "leads", decimals=0),
            Query(f"max by (campaign_id) ({fact('campaign_click_to_lead_ratio')})", "leads of clicks", unit="percentunit"),
            Query(f"max by (campaign_id) ({fact('campaign_customers')})", "customers", decimals=0),
            Query(f"max by (campaign_id) ({fact('campaign_lead_to_customer_ratio')})", "customers of leads", unit="percentunit"),
            Query(f"max by (campaign_id) ({fact('campaign_click_to_customer_ratio')})", "customers of clicks", unit="percentunit"),
            Query(f"max by (campaign_id) ({fact('campaign_activation_ratio')})", "activated", unit="percentunit"),
            Query(f"max by (campaign_id) ({fact('campaign_repeat_purchase_ratio')})", "bought again", unit="percentunit"),
            Query(f"max by (campaign_id) ({fact('campaign_referral_ratio')})", "brought somebody", unit="percentunit"),
            Query(f"max by (campaign_id) ({fact('campaign_viral_coefficient')})", "K"),
            Query(f"max by (campaign_id) ({fact('campaign_revenue_per_click')})", "revenue per click"),
        ),
        width=24,
        sort_by="customers",
        needs=_TOPICS,
    ),
    Panel(
        "table",
        "By cohort",
        f"Each row is a cohort, the customers who were acquired in one period: how many of them were activated, bought again and brought somebody since. Sums of the chosen channels, divided last. {COHORT_PERIOD}",
        (
            Query(_COHORT_CUSTOMERS, "customers", decimals=0),
            *_cohort_columns("activated", _of_cohorts("cohort_engaged_customers", ',kind="activated"')),
            *_cohort_columns("bought again", _of_cohorts("cohort_repeat_customers")),
            *_cohort_columns("brought somebody", _of_cohorts("cohort_engaged_customers", ',kind="referrers"')),
        ),
        width=24,
        key="cohort",
        needs=_TOPICS,
    ),
)  # fmt: skip


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
        DashboardRow("From the click to who brings others", _CUSTOMERS),
        DashboardRow("Each", _EACH),
    ),
)

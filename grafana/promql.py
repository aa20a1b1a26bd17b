"""Expressions that every board uses. Sums are divided last; two workers that show one campaign count once."""

from grafana.spec import Variable
from metrics.kpis.catalogue import KpiSpec

#: What the board's variables choose; what no campaign can claim is shown apart.
SCOPE = 'job="$deployment",campaign_id!="(none)",campaign_id=~"$campaign",channel=~"$channel"'
VIEW = f'{SCOPE},window="$window",model="$model"'

#: What cohorts go by; said wherever a panel counts from the acquisition on.
COHORT_PERIOD = "A period is a calendar month, or a week of ISO 8601 with `CUSTOMER_COHORTS=week`."
DEPLOYMENT = Variable(
    "deployment", "Deployment", "label_values(roistream_build_info, job)", preferred="roistream"
)
CHANNEL = Variable(
    "channel", "Channel", 'label_values(campaign_info{job="$deployment"}, channel)', is_multi=True
)
_CAMPAIGNS = 'query_result(group by (campaign_id) (campaign_info{job="$deployment", channel=~"$channel"}))'
#: By a query of this moment: over a time range, archived campaigns would stay in the list.
CAMPAIGNS = Variable("campaign", "Campaign", _CAMPAIGNS, regex='/campaign_id="([^"]+)"/', is_multi=True)
ONE_CAMPAIGN = Variable("campaign", "Campaign", _CAMPAIGNS, regex='/campaign_id="([^"]+)"/')
WINDOW = Variable(
    "window", "Window", 'label_values(campaign_window_clicks{job="$deployment"}, window)', preferred="24h"
)
MODEL = Variable(
    "model", "Model", 'label_values(campaign_window_clicks{job="$deployment"}, model)', preferred="declared"
)
CURRENCY = Variable(
    "currency", "Currency", 'label_values(campaign_window_spend{job="$deployment"}, currency)'
)


def each(family: str, more: str = "") -> str:
    """One value per campaign in the chosen window and model.

    >>> each("campaign_window_spend").startswith("max by (campaign_id, channel) (campaign_window_spend{job=")
    True
    """
    return f"max by (campaign_id, channel) ({family}{{{VIEW}{more}}})"


def fact(family: str, more: str = "") -> str:
    """One value per campaign of a figure without a window."""
    return f"max by (campaign_id, channel) ({family}{{{SCOPE}{more}}})"


def engaged(kind: str) -> str:
    """One value per campaign of what its customers did beside ordering."""
    return fact("campaign_customer_engagement", f',kind="{kind}"')


def total(family: str) -> str:
    """The sum over the chosen campaigns."""
    return f"sum({each(family)})"


def costed(family: str) -> str:
    """The sum over the chosen campaigns whose spend is known in the window: like with like."""
    return f"sum({each(family)} and {each('campaign_window_spend')})"


def over(numerator: str, denominator: str) -> str:
    """A ratio that is absent where its denominator is 0."""
    return f"({numerator}) / ({denominator} > 0)"


def own_labels(kpi: KpiSpec) -> str:
    """The labels that tell a KPI from others of its family, to be added to a selector.

    >>> from metrics.kpis.catalogue import BY_ID
    >>> own_labels(BY_ID["roi_incremental"]), own_labels(BY_ID["cpl"])
    (',method="incremental"', '')
    """
    return "".join(f',{name}="{value}"' for name, value in kpi.labels)


def kpi_of_each(kpi: KpiSpec) -> str:
    """A KPI's gauge, one value per campaign."""
    return each(str(kpi.family), own_labels(kpi))


SPEND = each("campaign_window_spend")
NET_REVENUE = f"({each('campaign_window_revenue')} - {each('campaign_window_refunds')})"
COST = f"({SPEND} + {each('campaign_window_other_cost')})"
PROFIT = f"({NET_REVENUE} - {each('campaign_window_cost_of_goods')} - {COST})"
AGE = f"(time() - {fact('campaign_watermark_timestamp_seconds')})"
CAC = over(SPEND, each("campaign_window_new_customers"))

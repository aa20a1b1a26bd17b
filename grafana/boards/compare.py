"""Compare: channels and campaigns side by side, like with like."""

from grafana import promql
from grafana.promql import CAC, SPEND, each, fact, kpi_of_each
from grafana.spec import BREAK_EVEN, OVER_ONE, Dashboard, DashboardRow, Panel, Query, Unit, Variable
from metrics.kpis.catalogue import BY_ID

_CHANNEL = 'job="$deployment",channel=~"$channel",window="$window",model="$model"'


def _of_channel(rule: str) -> str:
    return f"max by (channel) ({rule}{{{_CHANNEL}}})"


def _channel_lines(title: str, kpi_id: str, rule: str, unit: Unit = "short") -> Panel:
    kpi = BY_ID[kpi_id]
    about = f"{kpi.title}: {kpi.formula}, sums of the channel's campaigns divided last. Campaigns whose spend is unknown in the window stay out."
    return Panel("lines", title, about, (Query(_of_channel(rule), "{{channel}}"),), unit=unit, width=12)


def _campaign_lines(title: str, kpi_id: str, expr: str, unit: Unit = "short") -> Panel:
    kpi = BY_ID[kpi_id]
    return Panel(
        "lines", title, f"{kpi.title}: {kpi.formula}.", (Query(expr, "{{campaign_id}}"),), unit=unit, width=12
    )


_CHANNELS = (
    Panel(
        "table",
        "Channels ($currency)",
        "Sums of each channel's campaigns, divided last; never a mean of ratios. "
        + " ".join(f"{BY_ID[each_id].title}: {BY_ID[each_id].formula}." for each_id in ("cpl", "cac", "roas", "roi_net_profit")),
        (
            Query(_of_channel("channel:campaign_window_spend:sum"), "spend"),
            Query(_of_channel("channel:cost_per_lead:ratio"), "CPL"),
            Query(_of_channel("channel:customer_acquisition_cost:ratio"), "CAC"),
            Query(_of_channel("channel:return_on_ad_spend:ratio"), "ROAS"),
            Query(_of_channel("channel:roi_net_profit:ratio"), "ROI (net profit)", unit="percentunit", steps=BREAK_EVEN, decimals=0),
        ),
        width=14,
        sort_by="spend",
        key="channel",
    ),
    Panel(
        "lines",
        "Spend by channel ($currency)",
        "Media spend in the window, sums of each channel's campaigns.",
        (Query(_of_channel("channel:campaign_window_spend:sum"), "{{channel}}"),),
        width=10,
        is_stacked=True,
    ),
    _channel_lines("CPL by channel ($currency)", "cpl", "channel:cost_per_lead:ratio"),
    _channel_lines("CAC by channel ($currency)", "cac", "channel:customer_acquisition_cost:ratio"),
    _channel_lines("ROAS by channel", "roas", "channel:return_on_ad_spend:ratio"),
    _channel_lines("ROI by channel (net profit)", "roi_net_profit", "channel:roi_net_profit:ratio", "percentunit"),
)  # fmt: skip

_DIMENSION = Variable(
    "dimension",
    "Roll up by",
    'label_values(rollup_campaigns{job="$deployment"}, dimension)',
    preferred="channel",
)
_ROLLED_UP = 'job="$deployment",dimension="$dimension",window="$window",model="$model"'


def _of_value(family: str, more: str = "") -> str:
    """One value per roll-up; also of campaigns that have no series of their own."""
    return f"max by (value) (rollup_{family}{{{_ROLLED_UP}{more}}})"


_ROLL_UPS = (
    Panel(
        "table",
        "By $dimension ($currency)",
        "All campaigns that name the same value, also those without series of their own; sums divided last. Empty where a sum "
        "of one of them is unknown. " + " ".join(f"{BY_ID[name].title}: {BY_ID[name].formula}." for name in ("cpl", "roas", "roi_net_profit")),
        (
            Query('max by (value) (rollup_campaigns{job="$deployment",dimension="$dimension"})', "campaigns", decimals=0),
            Query(_of_value("window_spend"), "spend"),
            Query(_of_value("window_other_cost"), "other cost"),
            Query(_of_value("window_impressions"), "impressions"),
            Query(_of_value("window_clicks"), "clicks"),
            Query(_of_value("window_leads"), "leads"),
            Query(_of_value("window_orders"), "orders"),
            Query(_of_value("window_new_customers"), "new customers"),
            Query(_of_value("window_revenue"), "revenue"),
            Query(_of_value("window_refunds"), "refunds"),
            Query(_of_value("window_cost_of_goods"), "cost of goods"),
            Query(_of_value("click_through_ratio"), "CTR", unit="percentunit"),
            Query(_of_value("cost_per_click"), "CPC"),
            Query(_of_value("cost_per_lead"), "CPL"),
            Query(_of_value("cost_per_acquisition"), "CPA"),
            Query(_of_value("average_order_value"), "order value"),
            Query(_of_value("lead_conversion_ratio"), "lead rate", unit="percentunit"),
            Query(_of_value("customer_conversion_ratio"), "customer rate", unit="percentunit"),
            Query(_of_value("return_on_ad_spend_ratio"), "ROAS"),
            Query(_of_value("roi_ratio", ',method="net_profit"'), "ROI (net profit)", unit="percentunit", steps=BREAK_EVEN, decimals=0),
        ),
        width=24,
        sort_by="spend",
        key="value",
    ),
)  # fmt: skip

_CAMPAIGNS = (
    _campaign_lines("CPL ($currency)", "cpl", kpi_of_each(BY_ID["cpl"])),
    Panel(
        "bars",
        "CPL over its own target",
        f"{BY_ID['cpl'].formula}, divided by the campaign's own target: offers of different worth are comparable so.",
        (
            Query(
                f"{kpi_of_each(BY_ID['cpl'])} / ({fact('campaign_target_cost_per_lead')} > 0)",
                "{{campaign_id}}",
            ),
        ),
        steps=OVER_ONE,
        width=12,
    ),
    _campaign_lines("CAC ($currency)", "cac", CAC),
    _campaign_lines("ROAS", "roas", kpi_of_each(BY_ID["roas"])),
    _campaign_lines(
        "ROI (net profit)", "roi_net_profit", kpi_of_each(BY_ID["roi_net_profit"]), "percentunit"
    ),
    _campaign_lines("Lead rate", "lead_rate", kpi_of_each(BY_ID["lead_rate"]), "percentunit"),
    Panel(
        "bars",
        "Share of spend",
        "Each chosen campaign's share of the spend of all chosen campaigns in the window.",
        (Query(f"{SPEND} / on () group_left () (sum({SPEND}) > 0)", "{{campaign_id}}"),),
        unit="percentunit",
        width=12,
    ),
    Panel(
        "bars",
        "Share of leads",
        "Each chosen campaign's share of the leads of all chosen campaigns in the window; beside the share of spend.",
        (
            Query(
                f"{each('campaign_window_leads')} / on () group_left () (sum({each('campaign_window_leads')}) > 0)",
                "{{campaign_id}}",
            ),
        ),
        unit="percentunit",
        width=12,
    ),
)

BOARD = Dashboard(
    uid="roistream-compare",
    title="Compare",
    folder="Campaigns",
    about="Channels and campaigns side by side: the same window, the same model, campaigns whose spend is known.",
    variables=(
        promql.DEPLOYMENT,
        promql.CHANNEL,
        promql.CAMPAIGNS,
        promql.WINDOW,
        promql.MODEL,
        promql.CURRENCY,
        _DIMENSION,
    ),
    rows=(
        DashboardRow("Channels", _CHANNELS),
        DashboardRow("Roll-ups", _ROLL_UPS),
        DashboardRow("Campaigns", _CAMPAIGNS),
    ),
)

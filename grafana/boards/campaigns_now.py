"""Campaigns now: what an operator asks first. Who loses money, who could take more, can I trust it?"""

from grafana import promql
from grafana.promql import (
    AGE,
    CAC,
    COST,
    NET_REVENUE,
    PROFIT,
    SPEND,
    costed,
    each,
    fact,
    kpi_of_each,
    over,
    total,
)
from grafana.spec import BREAK_EVEN, OVER_ONE, Dashboard, DashboardRow, Panel, Query, Steps, Variable
from metrics.kpis.catalogue import BY_ID, KPIS

_STALE: Steps = ((None, "green"), (120.0, "yellow"), (600.0, "red"))
_PACE: Steps = ((None, "yellow"), (0.8, "green"), (1.2, "red"))
_EVIDENCE: Steps = ((None, "green"), (0.15, "yellow"), (1.0, "red"))
_ROI = tuple(kpi for kpi in KPIS if kpi.family == "campaign_roi_ratio")
#: Headings of a narrow column.
_SHORT = {
    "roi_net_profit": "ROI net profit",
    "roi_incremental": "ROI add. rev.",
    "roi_lead_value": "ROI lead value",
    "roi_conversion_rate": "ROI conv. rate",
}
_VIEW = f"{promql.SCOPE}"

_NET = kpi_of_each(BY_ID["roi_net_profit"])
_CPL, _CPL_TARGET = kpi_of_each(BY_ID["cpl"]), fact("campaign_target_cost_per_lead")
#: Above its floor, within its CPL target where it has one, on enough orders, and not ahead of its pace. Results without their spend
#: beside them make every ratio better than it is.
_COULD_TAKE_MORE = (
    f"({_NET} > ({fact('campaign_target_roi_ratio')} or 0 * {fact('campaign_info')}))"
    f" and ({each('campaign_window_orders')} >= 10)"
    f" unless ({_CPL} > {_CPL_TARGET})"
    f" unless ({fact('campaign:spend_pace:ratio')} > 1.2)"
    f" unless ({each('campaign_spend_unreported_ratio')} > 0.2)"
)


def column(name: str, expr: str, **more: object) -> Query:
    """A table's column: one value per campaign."""
    return Query(f"max by (campaign_id) ({expr})", name, **more)  # type: ignore[arg-type]


def _stat(title: str, about: str, expr: str, **more: object) -> Panel:
    return Panel("stat", title, about, (Query(expr),), width=3, height=4, **more)  # type: ignore[arg-type]


_HEADLINES = (
    _stat(
        "Spend ($currency)",
        "Media spend of the chosen campaigns in the window.",
        total("campaign_window_spend"),
    ),
    _stat("Leads", "Leads credited in the window.", total("campaign_window_leads"), decimals=0),
    _stat(
        "CPL ($currency)",
        f"{BY_ID['cpl'].title}: {BY_ID['cpl'].formula}, as a ratio of sums over the chosen campaigns.",
        over(total("campaign_window_spend"), costed("campaign_window_leads")),
    ),
    _stat(
        "CAC ($currency)",
        f"{BY_ID['cac'].title}: {BY_ID['cac'].formula}, as a ratio of sums over the chosen campaigns.",
        over(total("campaign_window_spend"), costed("campaign_window_new_customers")),
    ),
    _stat(
        "ROAS",
        f"{BY_ID['roas'].title}: {BY_ID['roas'].formula}, as a ratio of sums over the chosen campaigns.",
        over(f"sum({NET_REVENUE} and {SPEND})", total("campaign_window_spend")),
    ),
    _stat(
        "ROI (net profit)",
        f"{BY_ID['roi_net_profit'].title}: {BY_ID['roi_net_profit'].formula}, as a ratio of sums over the chosen campaigns.",
        over(f"sum({PROFIT})", f"sum({COST})"),
        unit="percentunit",
        decimals=0,
        steps=BREAK_EVEN,
    ),
    _stat(
        "Losing money",
        "How many campaigns have a net profit below 0 in the window: "
        "revenue − refunds − cost_of_goods − spend − other_cost.",
        f"count({PROFIT} < 0) or vector(0)",
        decimals=0,
        steps=((None, "green"), (1.0, "orange")),
    ),
    _stat(
        "Age of the figures",
        "Time since the oldest watermark of the chosen campaigns: figures are complete up to it.",
        f"max({AGE})",
        unit="s",
        decimals=0,
        steps=_STALE,
    ),
)

_DECISIONS = (
    Panel(
        "bars",
        "Who loses money ($currency)",
        "The ten largest losses in the window: −(revenue − refunds − cost_of_goods − spend − other_cost). "
        "Absent: a campaign that earns, or whose spend is unknown in the window.",
        (Query(f"topk(10, -({PROFIT} < 0))", "{{campaign_id}}"),),
        steps=((None, "red"),),
        empty="",
    ),
    Panel(
        "bars",
        "Who could take more (ROI, net profit)",
        "The ten highest ROI by net profit, of campaigns above their ROI target (0 where they have none), within their CPL "
        "target, not ahead of their pace, with 10 orders or more in the window, and with reports of at least four fifths of it. "
        f"{BY_ID['roi_net_profit'].formula}.",
        (Query(f"topk(10, {_COULD_TAKE_MORE})", "{{campaign_id}}"),),
        unit="percentunit",
        decimals=0,
        empty="while no campaign is above its floor and not ahead of its pace: budgets of the demo last a quarter of an hour.",
        steps=((None, "green"),),
    ),
    Panel(
        "table",
        "Alerts that fire",
        "Alerts on the chosen campaigns that fire now, as Prometheus sends them to the board.",
        (
            Query(
                f'max by (campaign_id, alertname) (ALERTS{{{_VIEW},alertstate="firing"}})',
                "firing",
                is_info=True,
            ),
        ),
        empty="while no alert fires.",
    ),
)

_TABLE = Panel(
    "table",
    "Campaigns ($currency)",
    "Per campaign in the window. CPL / target: the campaign's cost per lead over its own target. "
    f"CPL: {BY_ID['cpl'].formula}. CAC: {BY_ID['cac'].formula}. ROAS: {BY_ID['roas'].formula}. "
    + " ".join(f"{kpi.title}: {kpi.formula}." for kpi in _ROI),
    (
        Query(
            f"max by (campaign_id, channel, name, status) (campaign_info{{{promql.SCOPE}}})", is_info=True
        ),
        column("spend", SPEND),
        column("leads", each("campaign_window_leads"), decimals=0),
        column("CPL", _CPL),
        column("CPL / target", f"{_CPL} / ({_CPL_TARGET} > 0)", steps=OVER_ONE),
        column("CAC", CAC),
        column("ROAS", kpi_of_each(BY_ID["roas"])),
        *(
            column(_SHORT[kpi.id], kpi_of_each(kpi), unit="percentunit", steps=BREAK_EVEN, decimals=0)
            for kpi in _ROI
        ),
        column("pace", fact("campaign:spend_pace:ratio"), steps=_PACE),
        column("age", AGE, unit="s", steps=_STALE, decimals=0),
    ),
    width=24,
    height=11,
    sort_by="spend",
)  # fmt: skip

_BELOW = (
    Panel(
        "bars",
        "Funnel",
        "Sums over the chosen campaigns in the window: impressions, clicks, leads, orders, new customers.",
        tuple(
            Query(total(f"campaign_window_{name}"), name.replace("_", " "))
            for name in ("impressions", "clicks", "leads", "orders", "new_customers")
        ),
        decimals=0,
    ),
    Panel(
        "bars",
        "Pace of spend",
        "Spend / what an even flight had spent (budget · share of the flight), both up to when spend is known. 1 is on pace. "
        "Absent without a budget or without both dates.",
        (Query(fact("campaign:spend_pace:ratio"), "{{campaign_id}}"),),
        steps=_PACE,
    ),
    Panel(
        "bars",
        "Evidence that a target is missed",
        "E-value per target over what is needed before the controller pauses: from 1 on it is enough. It may be looked at all day. "
        "Little data has little evidence.",
        (
            Query(
                f"topk(12, max by (campaign_id, target) (campaign_evidence_e_value{{{promql.SCOPE}}}) / on (campaign_id) "
                f"group_left () max by (campaign_id) (campaign_evidence_needed_e_value{{{promql.SCOPE}}}))",
                "{{campaign_id}} {{target}}",
            ),
        ),
        steps=_EVIDENCE,
    ),
    Panel(
        "lines",
        "ROI by net profit",
        f"{BY_ID['roi_net_profit'].title}: {BY_ID['roi_net_profit'].formula}. {BY_ID['roi_net_profit'].note}",
        (Query(_NET, "{{campaign_id}}"),),
        unit="percentunit",
        decimals=0,
        width=12,
        height=9,
    ),
    Panel(
        "lines",
        "CPL over its own target",
        f"{BY_ID['cpl'].title} / the campaign's own target; {BY_ID['cpl'].formula}. 1 is on target.",
        (Query(f"{_CPL} / ({_CPL_TARGET} > 0)", "{{campaign_id}}"),),
        width=12,
        height=9,
        steps=OVER_ONE,
    ),
)

VARIABLES: tuple[Variable, ...] = (
    promql.DEPLOYMENT,
    promql.CHANNEL,
    promql.CAMPAIGNS,
    promql.WINDOW,
    promql.MODEL,
    promql.CURRENCY,
)

BOARD = Dashboard(
    uid="roistream-now",
    title="Campaigns now",
    folder="Campaigns",
    about="Who loses money, who could take more, and how far the figures can be trusted.",
    variables=VARIABLES,
    rows=(
        DashboardRow("All together", _HEADLINES),
        DashboardRow("Decide", _DECISIONS),
        DashboardRow("Each", (_TABLE,)),
        DashboardRow("Where it comes from", _BELOW),
    ),
)

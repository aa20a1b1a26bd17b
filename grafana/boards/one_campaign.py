"""One campaign: what it is for, every KPI over time against its targets, how mature the figures are."""

from grafana import promql
from grafana.promql import AGE, CAC, each, fact, kpi_of_each, own_labels
from grafana.spec import AxisMark, Dashboard, DashboardRow, Panel, Query, Unit
from metrics.kpis.catalogue import BY_ID, KPI_GAUGES, KpiSpec

#: The gauge of the target that a KPI is held against.
_TARGETS = {
    "cpl": "campaign_target_cost_per_lead",
    "roas": "campaign_target_return_on_ad_spend_ratio",
    "roi_net_profit": "campaign_target_roi_ratio",
}
_NOT_PERCENT = {"roas"}


def _unit(kpi: KpiSpec) -> Unit:
    return "short" if kpi.is_money or kpi.id in _NOT_PERCENT else "percentunit"


def _over_time(kpi: KpiSpec) -> Panel:
    """A KPI with its target, where the campaign may have one."""
    queries = [Query(kpi_of_each(kpi), kpi.title)]
    if kpi.id in _TARGETS:
        queries.append(Query(fact(_TARGETS[kpi.id]), "target"))
    money = " ($currency)" if kpi.is_money else ""
    about = f"{kpi.title}: {kpi.formula}. Absent when {kpi.undefined}. {kpi.note}".strip()
    reason = (
        "a campaign needs `baseline_revenue_per_day` for it."
        if own_labels(kpi) == ',method="incremental"'
        else ""
    )
    return Panel("lines", kpi.title + money, about, tuple(queries), unit=_unit(kpi), height=7, empty=reason)


def _dates(family: str, title: str, about: str) -> Panel:
    return Panel(
        "stat", title, about, (Query(f"1000 * {fact(family)}"),), unit="dateTimeFromNow", width=3, height=4, decimals=None
    )  # fmt: skip


_WHAT = (
    Panel(
        "table",
        "The campaign",
        "What is registered of it: name, channel (support), target, offer, objective, status.",
        (
            Query(
                f"max by (name, channel, target, offer, objective, status) (campaign_info{{{promql.SCOPE}}})",
                "registered",
                is_info=True,
            ),
        ),
        width=15,
        height=4,
    ),
    Panel(
        "stat",
        "Budget ($currency)",
        "Budget registered for the whole flight.",
        (Query(fact("campaign_budget")),),
        width=3,
        height=4,
    ),
    _dates("campaign_starts_timestamp_seconds", "Starts", "When the campaign begins to run."),
    _dates("campaign_ends_timestamp_seconds", "Ends", "When the campaign ends."),
)

_MONEY = (
    Panel(
        "lines",
        "Spend against plan ($currency)",
        "Spend of the whole campaign, and what an even flight had spent at the watermark: budget · share of the flight.",
        (
            Query(f'max by (campaign_id, channel) (campaign_window_spend{{{promql.SCOPE},window="total",model="$model"}})', "spend"),
            Query(fact("campaign:planned_spend:sum"), "plan"),
            Query(fact("campaign_budget"), "budget"),
        ),
        width=12,
    ),
    Panel(
        "lines",
        "Spend since the last lead ($currency)",
        "Spend since the campaign's last lead, and 10 times its CPL target, where an alert fires: a campaign on target "
        "comes so far once in 22 000 leads.",
        (
            Query(fact("campaign_spend_since_last_lead"), "since the last lead"),
            Query(f"10 * {fact('campaign_target_cost_per_lead')}", "10 targets"),
        ),
        width=12,
    ),
)  # fmt: skip

_BOARD = (
    Panel(
        "table",
        "Column of the budget board",
        "Where the campaign stands on the board of the budget controller.",
        (
            Query(
                f"max by (column) (campaign_budget_column{{{promql.SCOPE}}})",
                "column",
                is_info=True,
            ),
        ),
        width=6,
        height=4,
    ),
    Panel(
        "stat",
        "Hold ends",
        "When the hold of the campaign ends, by its owner. A hold without an end, which someone must resume, is not shown.",
        (
            Query(
                f"1000 * (max by (owner) (campaign_budget_hold_expires_timestamp_seconds{{{promql.SCOPE}}}) < +Inf)",
                "{{owner}}",
            ),
        ),
        unit="dateTimeFromNow",
        width=6,
        height=4,
        decimals=None,
        empty="while the campaign is not held.",
    ),
    Panel(
        "lines",
        "Budget actions",
        "Actions of the budget controller on the campaign so far; only those of mode enforce are obeyed.",
        (
            Query(
                f"max by (verb, mode) (campaign_budget_actions_total{{{promql.SCOPE}}}) > 0",
                "{{verb}} ({{mode}})",
            ),
        ),
        width=12,
        height=4,
        decimals=0,
        empty="before the first action.",
    ),
)

_OF_TARGET = "max by (campaign_id, channel, target)"

_MATURITY = (
    Panel(
        "lines",
        "Evidence that a target is missed",
        "E-value per target as the budget controller judges it, and what is needed before it pauses: on a board of many campaigns "
        "more than on a small one. It may be looked at all day.",
        (
            Query(f"{_OF_TARGET} (campaign_evidence_e_value{{{promql.SCOPE}}})", "{{target}}"),
            Query(f"max (campaign_evidence_needed_e_value{{{promql.SCOPE}}})", "needed"),
        ),
        width=12,
    ),
    Panel(
        "lines",
        "Probability that a target is missed",
        "Posterior probability per target over the campaign's whole history; for people, not for rules.",
        (Query(f"{_OF_TARGET} (campaign_evidence_probability_ratio{{{promql.SCOPE}}})", "{{target}}"),),
        unit="percentunit",
        width=12,
        decimals=0,
    ),
    Panel(
        "lines",
        "CLV : CAC of the first twelve months",
        "Ends of CLV : CAC of the customers so far, at the level of the look, and the target: the budget controller judges by them, widened by what is chance "
        "in these customers, once three cohorts have lived for a year.",
        (
            *(
                Query(fact("campaign_worth_bound_ratio", f',bound="{bound}"'), f"verdict, {bound} end")
                for bound in ("low", "high")
            ),
            Query(fact("campaign_target_lifetime_value_to_cost_ratio"), "target"),
        ),
        width=24,
        needs="Needs the setting `CUSTOMER_RETENTION`, which is off at first.",
        empty="until a campaign has got that verdict.",
    ),
    Panel(
        "lines",
        "Age of the figures",
        "Time since the campaign's watermark; figures are complete up to it, but for conversions still to come.",
        (Query(AGE, "age"),),
        unit="s",
        width=12,
    ),
    Panel(
        "lines",
        "Sums of the window",
        "Clicks, leads, orders and new customers in the window: small numbers make wide ratios.",
        tuple(
            Query(each(f"campaign_window_{name}"), name.replace("_", " "))
            for name in ("clicks", "leads", "orders", "new_customers")
        ),
        width=12,
        decimals=0,
    ),
    Panel(
        "lines",
        "Completeness",
        "Share of the leads and of the orders of clicks as old as the window that has usually come by now, by the lags "
        "between first touch and conversion seen so far.",
        (Query(each("campaign_completeness_ratio"), "{{conversion}}s"),),
        unit="percentunit",
        width=12,
        empty="while no attribution model is computed.",
    ),
    Panel(
        "lines",
        "Estimates and disagreements of reports",
        "Estimate: share of the window's spend that reports give for a longer time, taken to lie evenly in that time. "
        "Not reported yet: share of the window's time whose results have no spend beside them, so that ratios look better than they are. "
        "Disagreement: how far finer reports (hours, ads) differ from the coarser ones (days, the campaign) over the same "
        "time; a large one says that a connector leaves something out.",
        (
            Query(each("campaign_spend_spread_ratio"), "estimate"),
            Query(each("campaign_spend_unreported_ratio"), "not reported yet"),
            Query(fact("campaign_report_disagreement_ratio"), "disagreement"),
        ),
        unit="percentunit",
        width=12,
        empty="where the spend comes from clicks.",
    ),
    Panel(
        "lines",
        "Reports that do not count",
        "Reports that count nowhere or in part of their time, since other reports about the same time count.",
        (Query(fact("campaign_covered_reports"), "reports"),),
        width=12,
        decimals=0,
        empty="where the spend comes from clicks.",
    ),
    Panel(
        "lines",
        "Amounts without a rate",
        "1 while amounts count in the window whose worth is not known for sure: their currency has no rate in fx-rates, and they "
        "count as 0, or the rate came too late to divide what it changes.",
        (Query(each("campaign_has_uncertain_amounts"), "uncertain"),),
        width=12,
        decimals=0,
        empty="while every amount has its rate.",
    ),
)

_CAC = Panel(
    "lines",
    "Customer acquisition cost, media only ($currency)",
    f"{BY_ID['cac'].title}: {BY_ID['cac'].formula}. Absent when {BY_ID['cac'].undefined}.",
    (Query(CAC, "CAC"), Query(fact("campaign_target_acquisition_cost"), "target")),
    height=7,
)

NOTES = (
    AxisMark(
        "Budget changed",
        f"changes(campaign_budget{{{promql.SCOPE}}}[1m]) > 0",
        "The budget was changed to another amount",
        "blue",
    ),
    AxisMark(
        "Budget action",
        f"max by (campaign_id, verb, mode) (increase(campaign_budget_actions_total{{{promql.SCOPE}}}[1m])) > 0",
        "{{verb}} ({{mode}})",
        "purple",
    ),
    AxisMark(
        "Alert",
        f'max by (campaign_id, alertname) (ALERTS{{{promql.SCOPE},alertstate="firing"}})',
        "{{alertname}}",
        "red",
    ),
)

BOARD = Dashboard(
    uid="roistream-campaign",
    title="One campaign",
    folder="Campaigns",
    about="Every KPI of one campaign over time, against its own targets.",
    variables=(
        promql.DEPLOYMENT,
        promql.CHANNEL,
        promql.ONE_CAMPAIGN,
        promql.WINDOW,
        promql.MODEL,
        promql.CURRENCY,
    ),
    rows=(
        DashboardRow("What it is for", _WHAT),
        DashboardRow("Money", _MONEY),
        DashboardRow("On the budget board", _BOARD),
        DashboardRow("Every KPI", (*map(_over_time, KPI_GAUGES), _CAC)),
        DashboardRow("How far to trust it", _MATURITY),
    ),
    notes=NOTES,
)

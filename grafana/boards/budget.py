"""Budgets: money and its pace, and what the budget controller decided."""

from grafana import promql
from grafana.promql import fact
from grafana.spec import AxisMark, Dashboard, DashboardRow, Panel, Query, Steps

_TOTAL = f'{promql.SCOPE},window="total",model="$model"'
_SPENT = f"max by (campaign_id, channel) (campaign_window_spend{{{_TOTAL}}})"
_PACE: Steps = ((None, "yellow"), (0.8, "green"), (1.2, "red"))
_SHARE: Steps = ((None, "green"), (0.9, "yellow"), (1.0, "red"))
_BUDGET = fact("campaign_budget")

_MONEY = (
    Panel(
        "stat",
        "Budget ($currency)",
        "Sum of the registered budgets of the chosen campaigns.",
        (Query(f"sum({_BUDGET})"),),
        width=4,
        height=4,
    ),
    Panel(
        "stat",
        "Spent ($currency)",
        "Spend so far of the campaigns that have a budget.",
        (Query(f"sum({_SPENT} and ({_BUDGET} > 0))"),),
        width=4,
        height=4,
    ),
    Panel(
        "stat",
        "Left ($currency)",
        "Budget − spend so far, of the campaigns that have a budget.",
        (Query(f"sum(({_BUDGET} > 0) - {_SPENT})"),),
        width=4,
        height=4,
    ),
    Panel(
        "stat",
        "Ahead of pace",
        "Campaigns that have spent more than 1.2 times an even flight.",
        (Query(f"count({fact('campaign:spend_pace:ratio')} > 1.2) or vector(0)"),),
        width=4,
        height=4,
        decimals=0,
        steps=((None, "green"), (1.0, "orange")),
    ),
    Panel(
        "stat",
        "Behind pace",
        "Campaigns that have spent less than 0.8 of an even flight.",
        (Query(f"count({fact('campaign:spend_pace:ratio')} < 0.8) or vector(0)"),),
        width=4,
        height=4,
        decimals=0,
        steps=((None, "green"), (1.0, "orange")),
    ),
    Panel(
        "stat",
        "Alerts on budgets",
        "Alerts for overspend and underspend that fire now.",
        (Query(f'count(ALERTS{{{promql.SCOPE},alertname=~"Campaign(Over|Under)spend",alertstate="firing"}}) or vector(0)'),),
        width=4,
        height=4,
        decimals=0,
        steps=((None, "green"), (1.0, "red")),
    ),
    Panel(
        "table",
        "Budgets ($currency)",
        "Per campaign. Spent: spend / budget. Pace: spend / what an even flight had spent, both up to when spend is known.",
        (
            Query(f"max by (campaign_id, channel, name, status) (campaign_info{{{promql.SCOPE}}})", is_info=True),
            Query(f"max by (campaign_id) ({_BUDGET})", "budget"),
            Query(f"max by (campaign_id) ({_SPENT})", "spend"),
            Query(f"max by (campaign_id) ({_SPENT} / ({_BUDGET} > 0))", "spent", unit="percentunit", steps=_SHARE),
            Query(f"max by (campaign_id) ({fact('campaign:planned_spend:sum')})", "plan"),
            Query(f"max by (campaign_id) ({fact('campaign:spend_pace:ratio')})", "pace", steps=_PACE),
        ),
        width=12,
        height=10,
        sort_by="spend",
    ),
    Panel(
        "lines",
        "Pace of spend",
        "Spend / what an even flight had spent (budget · share of the flight), both up to when spend is known. 1 is on pace.",
        (Query(fact("campaign:spend_pace:ratio"), "{{campaign_id}}"),),
        width=12,
        height=10,
        steps=_PACE,
    ),
)  # fmt: skip

_JOB = 'job="$deployment"'
_OF_TARGET = "max by (campaign_id, channel, target)"
_CONTROL = (
    Panel(
        "stat",
        "Committed ($currency)",
        "Budgets of the campaigns that may spend, and what the others have spent.",
        (Query(f"max(roistream_board_committed_money{{{_JOB}}})"),),
        width=6,
        height=4,
    ),
    Panel(
        "stat",
        "At the live edge",
        "1 while the controller may act; 0 while a log is still being read.",
        (Query(f"max(roistream_board_live{{{_JOB}}})"),),
        width=6,
        height=4,
        decimals=0,
        steps=((None, "orange"), (1.0, "green")),
    ),
    Panel(
        "stat",
        "Circuit breaker",
        "1 while too many automatic actions in an hour have stopped them.",
        (Query(f"max(roistream_board_breaker_open{{{_JOB}}})"),),
        width=6,
        height=4,
        decimals=0,
        steps=((None, "green"), (1.0, "red")),
    ),
    Panel(
        "stat",
        "Actions",
        "Budget actions since the worker started, whatever their mode.",
        (Query(f"sum(roistream_budget_actions_total{{{_JOB}}}) or vector(0)"),),
        width=6,
        height=4,
        decimals=0,
    ),
    Panel(
        "bars",
        "Campaigns by column",
        "Where the campaigns stand on the board of cards.",
        (Query(f"max by (column) (roistream_board_campaigns{{{_JOB}}})", "{{column}}"),),
        width=12,
        height=8,
        decimals=0,
    ),
    Panel(
        "bars",
        "Cards in work ($currency)",
        "Money of the present cards, by column; the limits of columns are on it.",
        (Query(f"max by (column) (roistream_board_card_money{{{_JOB}}})", "{{column}}"),),
        width=12,
        height=8,
    ),
    Panel(
        "lines",
        "Evidence that a target is missed",
        "E-value per target over what is needed before the controller pauses, however often one looks: from 1 on it is enough.",
        (
            Query(
                f"{_OF_TARGET} (campaign_evidence_e_value{{{promql.SCOPE}}}) / on (campaign_id, channel) group_left () "
                f"max by (campaign_id, channel) (campaign_evidence_needed_e_value{{{promql.SCOPE}}})",
                "{{campaign_id}} {{target}}",
            ),
        ),
        width=12,
        height=10,
        steps=((None, "green"), (1.0, "red")),
    ),
    Panel(
        "lines",
        "Probability that a target is missed",
        "Posterior probability per target; for people, not for rules.",
        (
            Query(
                f"{_OF_TARGET} (campaign_evidence_probability_ratio{{{promql.SCOPE}}})",
                "{{campaign_id}} {{target}}",
            ),
        ),
        unit="percentunit",
        width=12,
        height=10,
    ),
)

BOARD = Dashboard(
    uid="roistream-budget",
    title="Budgets",
    folder="Campaigns",
    about="Budgets and their pace. Approving and moving is done on the page of `roistream board`.",
    variables=(
        promql.DEPLOYMENT,
        promql.CHANNEL,
        promql.CAMPAIGNS,
        promql.MODEL,
        promql.CURRENCY,
    ),
    rows=(DashboardRow("Money", _MONEY), DashboardRow("Control", _CONTROL)),
    notes=(
        AxisMark(
            "Budget action",
            f"sum by (verb, mode) (increase(roistream_budget_actions_total{{{_JOB}}}[1m])) > 0",
            "{{verb}} ({{mode}})",
            "purple",
        ),
        AxisMark(
            "Budget changed",
            f"changes(campaign_budget{{{promql.SCOPE}}}[1m]) > 0",
            "{{campaign_id}}: another budget",
            "blue",
        ),
    ),
)

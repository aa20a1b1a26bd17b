"""Customers: what those whom a campaign acquired are worth, who of them comes back, and when they have paid for themselves."""

from grafana import promql
from grafana.promql import COHORT_PERIOD, engaged, fact, over
from grafana.spec import Dashboard, DashboardRow, Panel, Query, Steps
from metrics.customers.composing import COHORT_FIGURES
from metrics.customers.engagement_figures import COHORT_ENGAGEMENT, MONTH_ENGAGEMENT
from metrics.customers.worth import WORTH_FIGURES

_ACCOUNTS = "Needs the setting `CUSTOMER_RETENTION`, which is off at first."
_TOPICS = "Needs the setting `CUSTOMER_RETENTION`, which is off at first, and records of `surveys`, `tickets` and `subscriptions`."
_NO_PERIOD = "until a period of cohorts after the first customers is over."
_TOO_YOUNG = "until three cohorts are two periods old."
_NO_VERDICT = "until a campaign has got that verdict."
_NO_AMOUNT = "until a period of cohorts is over in which a contract with an amount ran."
_NO_LIFE = "until contracts with an amount ran when a period of cohorts began, and some of them have ended."
_NO_TERM = "until a term of a contract and a period of cohorts after its start are over."
_BY_WEEK = "Where cohorts go by week, the newest week that is over counts; amounts stay those of a month."
_PAID_BACK = "Where cohorts go by week, months to pay back are found by weeks and told in months."
#: Below 1 customers have not paid for themselves yet; 3 is what shops commonly want of a whole life.
_WORTH: Steps = ((None, "red"), (1.0, "yellow"), (3.0, "green"))
#: Of a verdict: from 1 on customers bring in a year what they cost, for sure by the low end; below 1 for sure not by the high end.
_SURELY_PAYS: Steps = ((None, "text"), (1.0, "green"))
_SURELY_NOT: Steps = ((None, "red"), (1.0, "text"))
_SHARE: Steps = ((None, "blue"), (0.1, "yellow"), (0.25, "green"))
#: A net promoter score in points: below 0 more customers warn of a shop than recommend it.
_POINTS: Steps = ((None, "red"), (0.0, "yellow"), (30.0, "green"))
_AGES = range(13)

_CUSTOMERS, _REPEATERS = fact("campaign_customers"), fact("campaign_repeat_customers")
_MARGIN, _SPEND = fact("campaign_customer_margin"), fact("campaign_customer_spend")


def _formula(kpi_id: str) -> str:
    figure = (COHORT_FIGURES | WORTH_FIGURES | COHORT_ENGAGEMENT | MONTH_ENGAGEMENT)[kpi_id]
    return f"{figure.title}: {figure.formula}."


def _column(name: str, family: str, **more: object) -> Query:
    return Query(f"max by (campaign_id) ({fact(family)})", name, **more)  # type: ignore[arg-type]


def _retained(age: int) -> Query:
    retention = fact("campaign_retention_ratio", f',age="{age}"')
    return Query(f"max by (campaign_id) ({retention})", f"period {age}", unit="percentunit", decimals=0)


def _verdict(verdict: str) -> str:
    more = f',verdict="{verdict}"'
    return f"max by (campaign_id) ({fact('campaign_worth_verdict', more)})"


def _verdict_stat(verdict: str, title: str, about: str) -> Panel:
    expr = f"count({_verdict(verdict)})"
    return Panel(
        *("stat", title, about, (Query(expr),)),
        width=12,
        height=4,
        decimals=0,
        needs=_ACCOUNTS,
        empty=_NO_VERDICT,
    )


def _worth_end(name: str, family: str, bound: str, steps: Steps = ()) -> Query:
    more = f',bound="{bound}"'
    return Query(f"max by (campaign_id) ({fact(family, more)})", name, steps=steps)


def _stat(title: str, about: str, expr: str, **more: object) -> Panel:
    return Panel("stat", title, about, (Query(expr),), width=6, height=4, needs=_ACCOUNTS, **more)  # type: ignore[arg-type]


def _of_cohorts(by: str, family: str, more: str = "") -> str:
    """Sums of cohorts: the highest of each partition, since a partition may move, and then the sum."""
    selector = f'{family}{{job="$deployment",channel=~"$channel"{more}}}'
    return f"sum by ({by}) (max by (channel, cohort, partition) ({selector}))"


def _retention(by: str, age: int) -> str:
    """Of those for whom the period is over, by the sums of cohorts."""
    scope = 'job="$deployment",channel=~"$channel"'
    active = f'max by (channel, cohort, partition) (cohort_active_customers{{{scope},age="{age}"}})'
    everyone = f"max by (channel, cohort, partition) (cohort_customers{{{scope}}})"
    return over(f"sum by ({by}) ({active})", f"sum by ({by}) ({everyone} and {active})")


_HEADLINES = (
    _stat(
        "Customers",
        "Customers whom the chosen campaigns acquired, over their whole history.",
        f"sum({_CUSTOMERS})",
        decimals=0,
    ),
    _stat(
        "Repeat purchase rate",
        f"{_formula('repeat_rate')} A ratio of sums over the chosen campaigns.",
        over(f"sum({_REPEATERS})", f"sum({_CUSTOMERS})"),
        unit="percentunit",
    ),
    _stat(
        "Lifetime value so far ($currency)",
        f"{_formula('clv_historic')} A ratio of sums over the chosen campaigns.",
        over(f"sum({_MARGIN})", f"sum({_CUSTOMERS})"),
    ),
    _stat(
        "CLV : CAC",
        f"{_formula('clv_to_cac')} A ratio of sums over the chosen campaigns whose spend is known. What is still to come does not count: "
        "young customers have a low one.",
        over(f"sum({_MARGIN} and {_SPEND})", f"sum({_SPEND})"),
        steps=_WORTH,
    ),
)

_CAMPAIGNS = (
    Panel(
        "table",
        "Customers of each campaign ($currency)",
        " ".join(map(_formula, ("repeat_rate", "clv_historic", "clv_to_cac", "payback_months")))
        + f" Retention of period n: customers who ordered in the n-th period after their first / those for whom it is over. {COHORT_PERIOD} {_PAID_BACK}",
        (
            _column("customers", "campaign_customers", decimals=0),
            _column("spend", "campaign_customer_spend"),
            _column("repeat rate", "campaign_repeat_purchase_ratio", unit="percentunit"),
            _column("value so far", "campaign_customer_lifetime_value"),
            _column("CLV : CAC", "campaign_lifetime_value_to_cost_ratio", steps=_WORTH),
            _column("months to pay back", "campaign_payback_months", decimals=0),
            *(_retained(age) for age in (1, 3, 6, 12)),
        ),
        width=24,
        sort_by="customers",
        needs=_ACCOUNTS,
        empty=_NO_PERIOD,
    ),
    _verdict_stat(
        "good",
        "Campaigns whose customers surely pay",
        "Campaigns whose customers bring in their first year at least what they cost: the verdict of the board's page, which at most one campaign in "
        "twenty ever gets wrongly, however often somebody looks.",
    ),
    _verdict_stat(
        "bad",
        "Campaigns whose customers surely do not pay",
        "Campaigns whose customers bring in their first year less than they cost: the verdict of the board's page, which at most one campaign in "
        "twenty ever gets wrongly, however often somebody looks.",
    ),
    Panel(
        "table",
        "What customers of each campaign are expected to bring ($currency)",
        f"{_formula('clv_expected')} With the ends of an interval of prediction of 80 %, and with CLV : CAC. The last columns are the verdict, which may be looked at "
        "as often as one likes: CLV : CAC of the first twelve months, from when three cohorts have lived for so long. Green: customers surely bring what they cost; "
        f"red: they surely do not. {COHORT_PERIOD}",
        (
            _column("periods", "campaign_expected_lifetime_periods", decimals=0),
            _column("expected", "campaign_expected_lifetime_value"),
            *(_worth_end(f"expected, {bound} end", "campaign_expected_lifetime_value_bound", bound) for bound in ("low", "high")),
            _column("expected CLV : CAC", "campaign_expected_lifetime_value_to_cost_ratio"),
            *(
                _worth_end(f"CLV : CAC, {bound} end", "campaign_expected_lifetime_value_to_cost_bound_ratio", bound)
                for bound in ("low", "high")
            ),
            _column("target of CLV : CAC", "campaign_target_lifetime_value_to_cost_ratio"),
            _column("look", "campaign_worth_look", decimals=0),
            _worth_end("verdict, low end", "campaign_worth_bound_ratio", "low", _SURELY_PAYS),
            _worth_end("verdict, high end", "campaign_worth_bound_ratio", "high", _SURELY_NOT),
        ),
        width=24,
        sort_by="expected",
        needs=_ACCOUNTS,
        empty=_TOO_YOUNG,
    ),
    Panel(
        "bars",
        "CLV : CAC by campaign",
        f"{_formula('clv_to_cac')} The twenty highest; under 1 the customers have not paid back what they cost.",
        (Query(f"topk(20, {fact('campaign_lifetime_value_to_cost_ratio')})", "{{campaign_id}}"),),
        steps=_WORTH,
        width=12,
        needs=_ACCOUNTS,
    ),
    Panel(
        "bars",
        "Months to pay back, by campaign",
        f"{_formula('payback_months')} The twenty longest. Absent: not paid back yet, or the spend is unknown. {_PAID_BACK}",
        (Query(f"topk(20, {fact('campaign_payback_months')})", "{{campaign_id}}"),),
        decimals=0,
        width=12,
        needs=_ACCOUNTS,
        empty=_NO_PERIOD,
    ),
    Panel(
        "lines",
        "Lifetime value so far over time ($currency)",
        _formula("clv_historic"),
        (Query(fact("campaign_customer_lifetime_value"), "{{campaign_id}}"),),
        width=12,
        needs=_ACCOUNTS,
    ),
    Panel(
        "lines",
        "CLV : CAC over time",
        _formula("clv_to_cac"),
        (Query(fact("campaign_lifetime_value_to_cost_ratio"), "{{campaign_id}}"),),
        width=12,
        needs=_ACCOUNTS,
    ),
)  # fmt: skip


_GROUPS = ("promoters", "passives", "detractors")
_ANSWERS = " + ".join(f"sum({engaged(kind)})" for kind in _GROUPS)
_SCORE = f"sum({engaged('promoters')}) - sum({engaged('detractors')})"


def _share_stat(title: str, kpi_id: str, some: str, of: str, empty: str = "") -> Panel:
    """A share of all customers of the chosen campaigns."""
    return Panel(
        "stat",
        title,
        f"{_formula(kpi_id)} A ratio of sums over the chosen campaigns.",
        (Query(over(f"sum({engaged(some)})", f"sum({engaged(of)})")),),
        unit="percentunit",
        width=6,
        height=4,
        empty=empty,
        needs=_TOPICS,
    )


def _points(family: str, more: str = "") -> str:
    return f"100 * {fact(family, more)}"


def _points_column(name: str, family: str, more: str = "") -> Query:
    return Query(
        f"100 * max by (campaign_id) ({fact(family, more)})", name, unit="none", decimals=0, steps=_POINTS
    )


def _end_column(name: str, bound: str) -> Query:
    more = f',bound="{bound}"'
    ratio = fact("campaign_satisfaction_bound_ratio", more)
    return Query(f"max by (campaign_id) ({ratio})", name, unit="percentunit", decimals=0)


def _time_column(name: str, family: str, percentile: str) -> Query:
    more = f',percentile="{percentile}"'
    return Query(f"max by (campaign_id) ({fact(family, more)})", name, unit="s", decimals=0)


def _count_column(name: str, kind: str) -> Query:
    return Query(f"max by (campaign_id) ({engaged(kind)})", name, decimals=0)


def _life_end(name: str, bound: str) -> Query:
    more = f',bound="{bound}"'
    return Query(f"max by (campaign_id) ({fact('campaign_contract_lifetime_value_bound', more)})", name)


_ENGAGEMENT = (
    Panel(
        "stat",
        "Net promoter score",
        f"{_formula('nps')} In points, that is times 100: from −100 to 100. A ratio of sums over the chosen campaigns.",
        (Query(f"100 * {over(_SCORE, _ANSWERS)}"),),
        unit="none",
        width=6,
        height=4,
        decimals=0,
        steps=_POINTS,
        needs=_TOPICS,
    ),
    _share_stat("Satisfied customers", "csat", "satisfied", "ratings"),
    _share_stat("Resolved tickets", "resolution_rate", "tickets_resolved", "tickets"),
    _share_stat("Renewed terms", "renewal_rate", "terms_renewed", "terms_ended", _NO_TERM),
    Panel(
        "table",
        "Answers and contracts of each campaign",
        f"{_formula('nps')} In points, with the ends of its interval of 95 %: where they are far apart, few have answered. {_formula('csat')} "
        f"{_formula('renewal_rate')} {_formula('contract_churn_rate')} Churn is that of the newest period that is over. {COHORT_PERIOD}",
        (
            Query(" + ".join(f"max by (campaign_id) ({engaged(kind)})" for kind in _GROUPS), "answers", decimals=0),
            _points_column("NPS", "campaign_net_promoter_score"),
            _points_column("NPS, low end", "campaign_net_promoter_score_bound", ',bound="low"'),
            _points_column("NPS, high end", "campaign_net_promoter_score_bound", ',bound="high"'),
            _column("satisfied", "campaign_satisfaction_ratio", unit="percentunit", decimals=0),
            _end_column("satisfied, low end", "low"),
            _end_column("satisfied, high end", "high"),
            _column("renewed", "campaign_renewal_ratio", unit="percentunit", decimals=0),
            _column("churn of contracts", "campaign_contract_churn_ratio", unit="percentunit", decimals=0),
        ),
        width=24,
        sort_by="answers",
        empty=_NO_TERM,
        needs=_TOPICS,
    ),
    Panel(
        "table",
        "Service of each campaign's customers",
        " ".join(map(_formula, ("first_response_p50", "first_response_p90", "resolution_p50", "resolution_p90", "resolution_rate"))),
        (
            Query(f"max by (campaign_id) ({engaged('tickets')})", "tickets", decimals=0),
            _time_column("first response, median", "campaign_first_response_seconds", "50"),
            _time_column("first response, 90th percentile", "campaign_first_response_seconds", "90"),
            _time_column("resolution, median", "campaign_resolution_seconds", "50"),
            _time_column("resolution, 90th percentile", "campaign_resolution_seconds", "90"),
            _column("resolved", "campaign_ticket_resolution_ratio", unit="percentunit", decimals=0),
        ),
        width=24,
        sort_by="tickets",
        needs=_TOPICS,
    ),
    Panel(
        "stat",
        "Billed in contracts so far ($currency)",
        f"{_formula('contract_clv_historic')} Here the sum of the amounts, over the chosen campaigns. What is paid comes as orders, too, and is never added to it.",
        (Query(f"sum({fact('campaign_contract_revenue')})"),),
        width=12,
        height=4,
        needs=_TOPICS,
    ),
    Panel(
        "stat",
        "Monthly recurring revenue ($currency)",
        f"{_formula('mrr')} The sum over the chosen campaigns. {_BY_WEEK}",
        (Query(f"sum({fact('campaign_monthly_recurring_revenue')})"),),
        width=12,
        height=4,
        needs=_TOPICS,
        empty=_NO_AMOUNT,
    ),
    Panel(
        "table",
        "What contracts of each campaign bring ($currency)",
        " ".join(map(_formula, ("mrr", "contract_arpu", "contract_clv"))) + " With the ends of its interval of 95 %: where they are far apart, few contracts have ended. "
        f"Contracts without an amount, or with one in another currency, bring nothing here; how many have one stands beside how many run. {_BY_WEEK}",
        (
            _count_column("running", "contracts_running"),
            _count_column("with an amount", "contracts_valued"),
            _column("MRR", "campaign_monthly_recurring_revenue"),
            _column("per contract", "campaign_revenue_per_contract"),
            _column("lifetime value", "campaign_contract_lifetime_value"),
            *(_life_end(f"lifetime value, {bound} end", bound) for bound in ("low", "high")),
        ),
        width=24,
        sort_by="MRR",
        needs=_TOPICS,
        empty=_NO_LIFE,
    ),
    Panel(
        "lines",
        "Net promoter score over time",
        f"{_formula('nps')} In points, of all answers so far.",
        (Query(_points("campaign_net_promoter_score"), "{{campaign_id}}"),),
        unit="none",
        width=12,
        decimals=0,
        needs=_TOPICS,
    ),
    Panel(
        "lines",
        "First response over time, median",
        f"{_formula('first_response_p50')} Of all tickets so far.",
        (Query(fact("campaign_first_response_seconds", ',percentile="50"'), "{{campaign_id}}"),),
        unit="s",
        width=12,
        needs=_TOPICS,
    ),
)  # fmt: skip


def _worth(label: str) -> tuple[Query, ...]:
    """Customers, margin, and both by customer, for each value of a label of cohorts."""
    customers, margin = _of_cohorts(label, "cohort_customers"), _of_cohorts(label, "cohort_margin")
    return (
        Query(customers, "customers", decimals=0),
        Query(margin, "margin"),
        Query(
            over(_of_cohorts(label, "cohort_repeat_customers"), customers), "repeat rate", unit="percentunit"
        ),
        Query(over(margin, customers), "value so far"),
    )


_COHORTS = (
    Panel(
        "table",
        "Retention by cohort",
        "Each row is a cohort, the customers who were acquired in one period; each column says which share of them ordered in the n-th period "
        f"after it. Sums of the chosen channels, divided last; a period is shown when it is over. {COHORT_PERIOD}",
        tuple(
            Query(_retention("cohort", age), f"period {age}", unit="percentunit", decimals=0, steps=_SHARE) for age in _AGES
        ),
        width=24,
        height=10,
        key="cohort",
        needs=_ACCOUNTS,
        empty=_NO_PERIOD,
    ),
    Panel(
        "table",
        "What a cohort is worth ($currency)",
        f"{_formula('repeat_rate')} {_formula('clv_historic')} By cohort, sums of the chosen channels, divided last. {COHORT_PERIOD}",
        _worth("cohort"),
        width=12,
        key="cohort",
        needs=_ACCOUNTS,
    ),
    Panel(
        "table",
        "Channels ($currency)",
        f"{_formula('repeat_rate')} {_formula('clv_historic')} Of the newest 13 cohorts, sums of each channel's campaigns, divided last. {COHORT_PERIOD}",
        (
            *_worth("channel"),
            *(Query(_retention("channel", age), f"period {age}", unit="percentunit", decimals=0) for age in (1, 3)),
        ),
        width=12,
        key="channel",
        sort_by="customers",
        needs=_ACCOUNTS,
        empty=_NO_PERIOD,
    ),
)  # fmt: skip

BOARD = Dashboard(
    uid="roistream-customers",
    title="Customers",
    folder="Campaigns",
    about=f"What the customers are worth whom campaigns acquired: repeat purchases, lifetime value so far against what they cost, retention by cohort. {COHORT_PERIOD}",
    variables=(promql.DEPLOYMENT, promql.CHANNEL, promql.CAMPAIGNS, promql.CURRENCY),
    rows=(
        DashboardRow("All together", _HEADLINES),
        DashboardRow("Campaigns", _CAMPAIGNS),
        DashboardRow("Answers, service and contracts", _ENGAGEMENT),
        DashboardRow("Cohorts", _COHORTS),
    ),
    since="now-7d",
)

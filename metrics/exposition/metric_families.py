"""Every Prometheus family of a worker in one table: name, kind, labels, HELP.

Names and HELP of sums and KPIs come from ``metrics.kpis.catalogue``; all others stand here.
"""

from dataclasses import dataclass
from typing import Literal

from metrics.customers.composing import COHORT_FIGURES
from metrics.customers.engagement_figures import COHORT_ENGAGEMENT, MONTH_ENGAGEMENT
from metrics.customers.funnel import FUNNEL_FIGURES
from metrics.customers.worth import WORTH_FIGURES
from metrics.kpis.catalogue import COUNTERS, KPI_FAMILIES, SUM_GAUGES

Kind = Literal["gauge", "counter", "histogram"]

_CAMPAIGN = ("campaign_id", "channel")
_WINDOWED = (*_CAMPAIGN, "window", "model")
_ROLLUP = ("dimension", "value")
_MONEY = ("currency",)


@dataclass(frozen=True)
class MetricFamily:
    """One family.

    Attributes:
        name: in OpenMetrics; the samples of a counter add ``_total``.
        labels: label names of its samples.
        unit: OpenMetrics unit, which ends the name; empty for plain counts and money.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    unit: Literal["", "seconds", "bytes", "ratio"] = ""


def _ratio_unit(name: str) -> Literal["", "ratio"]:
    return "ratio" if name.endswith("_ratio") else ""


def rollup_name(name: str) -> str:
    """The family of roll-ups that shows what a family of campaigns shows.

    >>> rollup_name("campaign_window_spend")
    'rollup_window_spend'
    """
    return "rollup_" + name.removeprefix("campaign_")


def _sum_gauges() -> list[MetricFamily]:
    return [
        MetricFamily(row.family, "gauge", row.help, _WINDOWED + (_MONEY if row.is_money else ()))
        for row in SUM_GAUGES
    ]


def _kpi_gauges() -> list[MetricFamily]:
    table = []
    for row in KPI_FAMILIES:
        own = tuple(name for name, _ in row.kpis[0].labels)
        labels = _WINDOWED + own + (_MONEY if row.is_money else ())
        table.append(MetricFamily(row.name, "gauge", row.help, labels, _ratio_unit(row.name)))
    return table


def _rollup_gauges() -> list[MetricFamily]:
    """The same of roll-ups, each under the dimension and its value."""
    return [
        MetricFamily(
            rollup_name(row.name),
            "gauge",
            f"{row.help} Of all campaigns of a channel, target, offer or objective.",
            (*_ROLLUP, *(label for label in row.labels if label not in _CAMPAIGN)),
            row.unit,
        )
        for row in (*_sum_gauges(), *_kpi_gauges())
    ]


def _counters() -> list[MetricFamily]:
    return [
        MetricFamily(
            row.family.removesuffix("_total"),
            "counter",
            row.help,
            _CAMPAIGN + (_MONEY if row.is_money else ()),
        )
        for row in COUNTERS
    ]


INFO = MetricFamily(
    "campaign_info",
    "gauge",
    "What is registered of the campaign; always 1.",
    (*_CAMPAIGN, "name", "target", "offer", "objective", "status"),
)
BUDGET = MetricFamily(
    "campaign_budget",
    "gauge",
    "Budget registered for the campaign, in currency units.",
    _CAMPAIGN + _MONEY,
)
STARTS = MetricFamily(
    "campaign_starts_timestamp_seconds", "gauge", "When the campaign begins to run.", _CAMPAIGN, "seconds"
)
ENDS = MetricFamily(
    "campaign_ends_timestamp_seconds", "gauge", "When the campaign ends.", _CAMPAIGN, "seconds"
)
#: By the name of the target in the campaign's record.
TARGETS: dict[str, MetricFamily] = {
    "cpl": MetricFamily(
        "campaign_target_cost_per_lead",
        "gauge",
        "Highest cost per lead that the campaign is meant to have, in currency units.",
        _CAMPAIGN + _MONEY,
    ),
    "cac": MetricFamily(
        "campaign_target_acquisition_cost",
        "gauge",
        "Highest spend per new customer that the campaign is meant to have, in currency units.",
        _CAMPAIGN + _MONEY,
    ),
    "roas": MetricFamily(
        "campaign_target_return_on_ad_spend_ratio",
        "gauge",
        "Lowest return on ad spend that the campaign is meant to have.",
        _CAMPAIGN,
        "ratio",
    ),
    "roi": MetricFamily(
        "campaign_target_roi_ratio",
        "gauge",
        "Lowest return on investment that the campaign is meant to have.",
        _CAMPAIGN,
        "ratio",
    ),
    "clv_to_cac": MetricFamily(
        "campaign_target_lifetime_value_to_cost_ratio",
        "gauge",
        "Lowest CLV : CAC of their first twelve months that the customers of the campaign are meant to have.",
        _CAMPAIGN,
        "ratio",
    ),
}
SPEND_SINCE_LAST_LEAD = MetricFamily(
    "campaign_spend_since_last_lead",
    "gauge",
    "Spend since the last lead of the campaign, in currency units.",
    _CAMPAIGN + _MONEY,
)
WATERMARK = MetricFamily(
    "campaign_watermark_timestamp_seconds",
    "gauge",
    "Event time up to which the figures of the campaign are complete.",
    _CAMPAIGN,
    "seconds",
)
SPEND_COMPLETE = MetricFamily(
    "campaign_spend_complete_timestamp_seconds",
    "gauge",
    "Event time up to which the spend of the campaign is known: its watermark, or where reports count, what they have seen by then.",
    _CAMPAIGN,
    "seconds",
)
COMPLETE_SPEND = MetricFamily(
    "campaign_complete_spend",
    "gauge",
    "Spend of the campaign up to campaign_spend_complete_timestamp_seconds, in currency units: without what the quicker of several sources has said of later.",
    _CAMPAIGN + _MONEY,
)
ROLLUP_CAMPAIGNS = MetricFamily(
    "rollup_campaigns", "gauge", "Campaigns that count in the roll-up, over its whole history.", _ROLLUP
)
COMPLETENESS = MetricFamily(
    "campaign_completeness_ratio",
    "gauge",
    "Share of the conversions of clicks as old as the window that has usually come by now.",
    (*_WINDOWED, "conversion"),
    "ratio",
)
SPREAD = MetricFamily(
    "campaign_spend_spread_ratio",
    "gauge",
    "Share of the spend that is an estimate: money of reports on a longer time than the window, taken to lie evenly.",
    _WINDOWED,
    "ratio",
)
UNREPORTED = MetricFamily(
    "campaign_spend_unreported_ratio",
    "gauge",
    "Share of the window's time of which no report says yet what was spent: results of that time have no spend beside them.",
    _WINDOWED,
    "ratio",
)
UNCERTAIN_AMOUNTS = MetricFamily(
    "campaign_has_uncertain_amounts",
    "gauge",
    "1 where amounts count in the window whose worth is not known for sure; without a rate they count as 0. Absent where there are none.",
    _WINDOWED,
)
ROLLUP_UNCERTAIN_AMOUNTS = MetricFamily(
    rollup_name(UNCERTAIN_AMOUNTS.name),
    "gauge",
    f"{UNCERTAIN_AMOUNTS.help} Of all campaigns of a channel, target, offer or objective.",
    (*_ROLLUP, "window", "model"),
)
COVERED_REPORTS = MetricFamily(
    "campaign_covered_reports",
    "gauge",
    "Reports that count nowhere or in part, since other reports on the same time count.",
    _CAMPAIGN,
)
DISAGREEMENT = MetricFamily(
    "campaign_report_disagreement_ratio",
    "gauge",
    "How far finer reports differ from the coarser ones over the same time, as a share of the coarser ones' spend.",
    _CAMPAIGN,
    "ratio",
)

_CUSTOMERS = (*_CAMPAIGN, "model")
#: Campaigns of a channel lie on several partitions, and a partition moves: take the highest of each, and then the sum.
_COHORT = ("channel", "model", "cohort", "partition")


def _customer_kpi(name: str, kpi_id: str, labels: tuple[str, ...] = ()) -> MetricFamily:
    """A KPI of the customers of a campaign, with the formula of the catalogue."""
    figure = (COHORT_FIGURES | FUNNEL_FIGURES | WORTH_FIGURES)[kpi_id]
    shown = f"{figure.title}: {figure.formula}. Of all customers of the campaign."
    return MetricFamily(name, "gauge", shown, _CUSTOMERS + labels, _ratio_unit(name))


CUSTOMERS = MetricFamily(
    "campaign_customers", "gauge", "Customers whom the campaign acquired, over its whole history.", _CUSTOMERS
)
REPEAT_CUSTOMERS = MetricFamily(
    "campaign_repeat_customers",
    "gauge",
    "Customers of the campaign with two orders or more that were not cancelled.",
    _CUSTOMERS,
)
CUSTOMER_MARGIN = MetricFamily(
    "campaign_customer_margin",
    "gauge",
    "What all customers of the campaign have brought so far, less refunds and cost of goods, in currency units.",
    _CUSTOMERS + _MONEY,
)
CUSTOMER_SPEND = MetricFamily(
    "campaign_customer_spend",
    "gauge",
    "Media spend of the campaign so far, which its customers cost, in currency units; absent where it is unknown.",
    _CUSTOMERS + _MONEY,
)
ACQUISITION_CLICKS = MetricFamily(
    "campaign_acquisition_clicks",
    "gauge",
    "Clicks of the campaign so far, by its cost basis, from which its customers came; absent where they are unknown.",
    _CUSTOMERS,
)
ACQUISITION_LEADS = MetricFamily(
    "campaign_acquisition_leads",
    "gauge",
    "Leads of the campaign so far, from which its customers came; absent where they are unknown.",
    _CUSTOMERS,
)
#: By the id of the KPI.
CUSTOMER_KPIS: dict[str, MetricFamily] = {
    "repeat_rate": _customer_kpi("campaign_repeat_purchase_ratio", "repeat_rate"),
    "clv_historic": _customer_kpi("campaign_customer_lifetime_value", "clv_historic", _MONEY),
    "clv_to_cac": _customer_kpi("campaign_lifetime_value_to_cost_ratio", "clv_to_cac"),
    "payback_months": _customer_kpi("campaign_payback_months", "payback_months"),
    "lead_rate": _customer_kpi("campaign_click_to_lead_ratio", "lead_rate"),
    "customer_rate": _customer_kpi("campaign_lead_to_customer_ratio", "customer_rate"),
    "acquisition_rate": _customer_kpi("campaign_click_to_customer_ratio", "acquisition_rate"),
    "revenue_per_click": _customer_kpi("campaign_revenue_per_click", "revenue_per_click", _MONEY),
}
_EXPECTED_ENDS = MetricFamily(
    "campaign_expected_lifetime_value_bound",
    "gauge",
    "Ends of the interval of prediction of 80 % of campaign_expected_lifetime_value, low and high, in currency units.",
    (*_CUSTOMERS, *_MONEY, "bound"),
)
_EXPECTED_TO_COST_ENDS = MetricFamily(
    "campaign_expected_lifetime_value_to_cost_bound_ratio",
    "gauge",
    "Ends of the interval of prediction of 80 % of campaign_expected_lifetime_value_to_cost_ratio, low and high.",
    (*_CUSTOMERS, "bound"),
    "ratio",
)
#: By the id of the KPI, with the labels that tell it from others of its family.
WORTH_KPIS: dict[str, tuple[MetricFamily, dict[str, str]]] = {
    "clv_expected": (_customer_kpi("campaign_expected_lifetime_value", "clv_expected", _MONEY), {}),
    "clv_expected_low": (_EXPECTED_ENDS, {"bound": "low"}),
    "clv_expected_high": (_EXPECTED_ENDS, {"bound": "high"}),
    "clv_expected_to_cac": (
        _customer_kpi("campaign_expected_lifetime_value_to_cost_ratio", "clv_expected_to_cac"),
        {},
    ),
    "clv_expected_to_cac_low": (_EXPECTED_TO_COST_ENDS, {"bound": "low"}),
    "clv_expected_to_cac_high": (_EXPECTED_TO_COST_ENDS, {"bound": "high"}),
}
EXPECTED_PERIODS = MetricFamily(
    "campaign_expected_lifetime_periods",
    "gauge",
    "Months (weeks with CUSTOMER_COHORTS=week) that campaign_expected_lifetime_value covers.",
    _CUSTOMERS,
)
WORTH_VERDICT = MetricFamily(
    "campaign_worth_verdict",
    "gauge",
    "Whether customers of the campaign bring in twelve months what they cost: 1 with the verdict good, bad or inconclusive; absent before there is a look.",
    (*_CUSTOMERS, "verdict"),
)
WORTH_LOOK = MetricFamily(
    "campaign_worth_look",
    "gauge",
    "Number of the look that campaign_worth_verdict is of, from 1; one for each month (a week with CUSTOMER_COHORTS=week).",
    _CUSTOMERS,
)
WORTH_ENDS = MetricFamily(
    "campaign_worth_bound_ratio",
    "gauge",
    "Ends of CLV : CAC of the first twelve months at the level of the look, low and high: what campaign_worth_verdict is made of.",
    (*_CUSTOMERS, "bound"),
    "ratio",
)
CUSTOMER_RETENTION = MetricFamily(
    "campaign_retention_ratio",
    "gauge",
    "Share of the customers of the campaign who ordered in a calendar month (a week with CUSTOMER_COHORTS=week) after that of their acquisition, of those for whom it is over.",
    (*_CUSTOMERS, "age"),
    "ratio",
)
CONTRACT_MRR = MetricFamily(
    "campaign_monthly_recurring_revenue",
    "gauge",
    "What contracts of all customers of the campaign brought in a month when the newest calendar month (a week with CUSTOMER_COHORTS=week) that is over ended, in currency units, as far as amounts are known; absent where none is.",
    _CUSTOMERS + _MONEY,
)
CONTRACT_BILLED = MetricFamily(
    "campaign_contract_revenue",
    "gauge",
    "Amounts of all terms of contracts that customers of the campaign have started or renewed, in currency units, as far as they are known; absent where none is.",
    _CUSTOMERS + _MONEY,
)
CUSTOMER_ENGAGEMENT = MetricFamily(
    "campaign_customer_engagement",
    "gauge",
    "What all customers of the campaign did beside ordering, by kind, as sums of customer-kpis name it; absent where that is nothing.",
    (*_CUSTOMERS, "kind"),
)


def _engagement_kpi(name: str, kpi_id: str, unit: Literal["", "seconds", "ratio"] = "") -> MetricFamily:
    """A KPI of what the customers of a campaign do beside ordering."""
    figure = COHORT_ENGAGEMENT[kpi_id]
    shown = f"{figure.title}: {figure.formula}. Of all customers of the campaign."
    return MetricFamily(name, "gauge", shown, _CUSTOMERS, unit)


def _times(name: str, what: str) -> MetricFamily:
    shown = f"{what} of tickets of all customers of the campaign: the median (50) and the 90th percentile (90), to 1 % of itself."
    return MetricFamily(name, "gauge", shown, (*_CUSTOMERS, "percentile"), "seconds")


def _ends(name: str, what: str, unit: Literal["", "ratio"]) -> MetricFamily:
    shown = f"Ends of the interval of 95 % of {what}, low and high."
    return MetricFamily(name, "gauge", shown, (*_CUSTOMERS, "bound"), unit)


def _contract_kpi(name: str, kpi_id: str) -> MetricFamily:
    figure = COHORT_ENGAGEMENT[kpi_id]
    shown = f"{figure.title}: {figure.formula}. Of all customers of the campaign, in currency units."
    return MetricFamily(name, "gauge", shown, _CUSTOMERS + _MONEY)


_CONTRACT_CLV_ENDS = MetricFamily(
    "campaign_contract_lifetime_value_bound",
    "gauge",
    "Ends of the interval of campaign_contract_lifetime_value, low and high, in currency units.",
    (*_CUSTOMERS, *_MONEY, "bound"),
)

_NPS_ENDS = _ends("campaign_net_promoter_score_bound", "campaign_net_promoter_score", "")
_CSAT_ENDS = _ends("campaign_satisfaction_bound_ratio", "campaign_satisfaction_ratio", "ratio")
_FIRST_RESPONSE = _times("campaign_first_response_seconds", "Time to the first response")
_RESOLUTION = _times("campaign_resolution_seconds", "Time to the resolution")
_CHURN = MONTH_ENGAGEMENT["contract_churn_rate"]
#: By the id of the KPI, with the labels that tell it from others of its family.
ENGAGEMENT_KPIS: dict[str, tuple[MetricFamily, dict[str, str]]] = {
    "nps": (_engagement_kpi("campaign_net_promoter_score", "nps"), {}),
    "nps_low": (_NPS_ENDS, {"bound": "low"}),
    "nps_high": (_NPS_ENDS, {"bound": "high"}),
    "csat": (_engagement_kpi("campaign_satisfaction_ratio", "csat", "ratio"), {}),
    "csat_low": (_CSAT_ENDS, {"bound": "low"}),
    "csat_high": (_CSAT_ENDS, {"bound": "high"}),
    "first_response_p50": (_FIRST_RESPONSE, {"percentile": "50"}),
    "first_response_p90": (_FIRST_RESPONSE, {"percentile": "90"}),
    "resolution_p50": (_RESOLUTION, {"percentile": "50"}),
    "resolution_p90": (_RESOLUTION, {"percentile": "90"}),
    "resolution_rate": (_engagement_kpi("campaign_ticket_resolution_ratio", "resolution_rate", "ratio"), {}),
    "renewal_rate": (_engagement_kpi("campaign_renewal_ratio", "renewal_rate", "ratio"), {}),
    "contract_churn_rate": (
        MetricFamily(
            "campaign_contract_churn_ratio",
            "gauge",
            f"{_CHURN.title}: {_CHURN.formula}. Of all customers of the campaign, in the newest calendar month (a week with CUSTOMER_COHORTS=week) that is over.",
            _CUSTOMERS,
            "ratio",
        ),
        {},
    ),
    "contract_arpu": (_contract_kpi("campaign_revenue_per_contract", "contract_arpu"), {}),
    "contract_clv": (_contract_kpi("campaign_contract_lifetime_value", "contract_clv"), {}),
    "contract_clv_low": (_CONTRACT_CLV_ENDS, {"bound": "low"}),
    "contract_clv_high": (_CONTRACT_CLV_ENDS, {"bound": "high"}),
    "activation_rate": (_engagement_kpi("campaign_activation_ratio", "activation_rate", "ratio"), {}),
    "referral_rate": (_engagement_kpi("campaign_referral_ratio", "referral_rate", "ratio"), {}),
    "k_factor": (_engagement_kpi("campaign_viral_coefficient", "k_factor"), {}),
}
COHORT_CUSTOMERS = MetricFamily(
    "cohort_customers",
    "gauge",
    "Customers whom the campaigns of a channel acquired in a month, or a week with CUSTOMER_COHORTS=week.",
    _COHORT,
)
COHORT_REPEATERS = MetricFamily(
    "cohort_repeat_customers", "gauge", "Those of a cohort with two orders or more.", _COHORT
)
COHORT_MARGIN = MetricFamily(
    "cohort_margin",
    "gauge",
    "What a cohort has brought so far, less refunds and cost of goods, in currency units.",
    _COHORT + _MONEY,
)
COHORT_ACTIVE = MetricFamily(
    "cohort_active_customers",
    "gauge",
    "Those of a cohort who ordered in a calendar month, or week, after that of their acquisition (age 0: the same); absent until it is over.",
    (*_COHORT, "age"),
)

COHORT_ENGAGED = MetricFamily(
    "cohort_engaged_customers",
    "gauge",
    "Those of a cohort who reached the step that the site calls activated, and those who brought somebody (kind activated, referrers); absent where that is nobody.",
    (*_COHORT, "kind"),
)

BOARD_CAMPAIGNS = MetricFamily(
    "roistream_board_campaigns", "gauge", "Campaigns in a column of the budget board.", ("column",)
)
BOARD_CARDS = MetricFamily(
    "roistream_board_card_money",
    "gauge",
    "Money of the present cards in a column of the budget board, in currency units.",
    ("column", "currency"),
)
BOARD_COMMITTED = MetricFamily(
    "roistream_board_committed_money",
    "gauge",
    "Budgets of the campaigns that may spend and what the others have spent, in currency units.",
    ("currency",),
)
BOARD_LIVE = MetricFamily(
    "roistream_board_live", "gauge", "1 while the budget controller is at the live edge and may act, else 0."
)
BOARD_BREAKER = MetricFamily(
    "roistream_board_breaker_open",
    "gauge",
    "1 while the circuit breaker of automatic actions is open, else 0.",
)
BUDGET_ACTIONS = MetricFamily(
    "roistream_budget_actions", "counter", "Budget actions taken since the start.", ("verb", "mode")
)

CAMPAIGN_ACTIONS = MetricFamily(
    "campaign_budget_actions",
    "counter",
    "Budget actions on the campaign, also those that were only said or proposed.",
    (*_CAMPAIGN, "verb", "mode"),
)
CAMPAIGN_COLUMN = MetricFamily(
    "campaign_budget_column",
    "gauge",
    "Column of the budget board in which the campaign stands; always 1.",
    (*_CAMPAIGN, "column"),
)
CAMPAIGN_HOLD = MetricFamily(
    "campaign_budget_hold_expires_timestamp_seconds",
    "gauge",
    "When the hold of the campaign ends; +Inf where someone must resume it.",
    (*_CAMPAIGN, "owner"),
    "seconds",
)

E_VALUE = MetricFamily(
    "campaign_evidence_e_value",
    "gauge",
    "E-value against the hypothesis that the campaign meets a target, as the budget controller judges it, however often one looks.",
    (*_CAMPAIGN, "target"),
)
E_VALUE_NEEDED = MetricFamily(
    "campaign_evidence_needed_e_value",
    "gauge",
    "E-value from which on a target of the campaign counts as surely missed; on a board of many campaigns it is larger.",
    _CAMPAIGN,
)
MISSED = MetricFamily(
    "campaign_evidence_probability_ratio",
    "gauge",
    "Posterior probability that the campaign misses a target over its whole history; for people, not for rules.",
    (*_CAMPAIGN, "target"),
    "ratio",
)

BUILD = MetricFamily(
    "roistream_build_info",
    "gauge",
    "Version of the running worker, its Kafka cluster and the prefix of its topics; always 1.",
    ("version", "cluster", "topic_prefix"),
)
READY = MetricFamily("roistream_ready", "gauge", "1 while /readyz answers 200, else 0.")
CLOCK = MetricFamily(
    "roistream_clock_timestamp_seconds",
    "gauge",
    "Time of the worker's clock when the page was made: delays are counted from it, and Prometheus compares it with its own.",
    (),
    "seconds",
)
LEDGER = MetricFamily(
    "roistream_ledger_events",
    "gauge",
    "Records read since the start of the state, by verdict.",
    ("topic", "partition", "outcome"),
)
UNACCOUNTED = MetricFamily(
    "roistream_ledger_unaccounted_records",
    "gauge",
    "Records read that got no verdict; anything but 0 means that the ledger does not add up.",
    ("topic", "partition"),
)
LEDGER_DIFFERENCE = MetricFamily(
    "roistream_ledger_difference",
    "gauge",
    "What applied records must have added to the histories of campaigns, less what is in them, every 10 s; anything but 0 means "
    "that figures are not those of the ledger.",
    ("stage", "partition", "figure"),
)
REGISTRY_REFUSED = MetricFamily(
    "roistream_registry_refused_entries",
    "gauge",
    "Keys whose newest record was refused, by registry topic; what was known before stays in force.",
    ("registry",),
)
CAMPAIGNS = MetricFamily(
    "roistream_campaigns", "gauge", "Campaigns this worker exports, folded ones included."
)
FOLDED = MetricFamily(
    "roistream_folded_campaigns", "gauge", 'Campaigns shown only in the sums of campaign_id="(other)".'
)
LAG = MetricFamily(
    "roistream_consumer_lag_records",
    "gauge",
    "Records between the next to read and the end of the log.",
    ("topic", "partition"),
)
WATERMARK_DELAY = MetricFamily(
    "roistream_watermark_delay_seconds",
    "gauge",
    "How far the watermark of the partition is behind the present.",
    ("partition",),
    "seconds",
)
FIGURES_DELAY = MetricFamily(
    "roistream_figures_delay_seconds",
    "gauge",
    "How far the watermark of the campaigns of the partition, as last published, is behind the present.",
    ("partition",),
    "seconds",
)
STANDSTILL = MetricFamily(
    "roistream_stage_standstill_seconds",
    "gauge",
    "For how long work of the stage has waited without any of it being done; 0 while the stage gets on.",
    ("stage", "partition"),
    "seconds",
)
BATCH_RECORDS = MetricFamily("roistream_batch_records", "histogram", "Records in one batch.", ("stage",))
BATCH_SECONDS = MetricFamily(
    "roistream_batch_processing_seconds",
    "histogram",
    "Time from taking a batch to the end of its processing.",
    ("stage",),
    "seconds",
)
CHECKPOINT_SECONDS = MetricFamily(
    "roistream_checkpoint_duration_seconds",
    "histogram",
    "Time from encoding a checkpoint to its confirmation.",
    ("stage",),
    "seconds",
)
CHECKPOINT_BYTES = MetricFamily(
    "roistream_checkpoint_bytes", "counter", "Bytes appended by checkpoints.", ("stage",), "bytes"
)
CHECKPOINT_RECORDS = MetricFamily(
    "roistream_checkpoint_records", "counter", "Records appended by checkpoints.", ("stage",)
)
RECOVERY_SECONDS = MetricFamily(
    "roistream_recovery_duration_seconds",
    "gauge",
    "Time the last recovery from the changelog took.",
    ("stage",),
    "seconds",
)
RECOVERY_RECORDS = MetricFamily(
    "roistream_recovery_records", "gauge", "Records the last recovery read from the changelog.", ("stage",)
)
PUBLISHED = MetricFamily(
    "roistream_published_records", "counter", "Records the broker confirmed.", ("topic",)
)
PUBLISH_ERRORS = MetricFamily(
    "roistream_publish_errors", "counter", "Sends the broker did not confirm.", ("topic",)
)
DEAD_LETTERS = MetricFamily(
    "roistream_dead_letters", "counter", "Records sent to dead-letters, by reason.", ("reason",)
)
REKEYED = MetricFamily(
    "roistream_rekeyed_facts",
    "counter",
    "Touches, records of conversions and orders of customers sent on to their person's partition, since they came on another.",
    ("kind",),
)
SPLIT_IDENTITIES = MetricFamily(
    "roistream_split_identities",
    "gauge",
    "Orders whose records came on several partitions, so that edits and refunds did not find them; event ids that several partitions of this worker remember, and so counted several times.",
    ("kind",),
)
ALIKE_CAMPAIGNS = MetricFamily(
    "roistream_alike_campaigns",
    "gauge",
    "Campaign ids read here that differ from another one only in case, spaces, encoding or Unicode form.",
)
CHANGED = MetricFamily(
    "roistream_changed_records",
    "counter",
    "Records that change what an earlier record of their id says: edited orders, restated reports, leads told again with other content.",
    ("topic",),
)
KEYS = MetricFamily(
    "roistream_record_keys",
    "counter",
    "Records with a visitor and a key, by what the key is: the visitor's, another id of the record, or something else.",
    ("topic", "key"),
)
PENDING_CANCELLATIONS = MetricFamily(
    "roistream_pending_cancellations", "gauge", "Cancellations that wait for their order."
)
UNCERTAIN_COSTS = MetricFamily(
    "roistream_uncertain_costs",
    "gauge",
    "Costs whose worth is not known for sure: of clicks and impressions, as campaigns, currencies and times, and reports. A rate is missing in fx-rates, or came too late.",
)
UNCERTAIN_ORDERS = MetricFamily(
    "roistream_uncertain_orders",
    "gauge",
    "Orders with an amount, or a refund, in a currency of which fx-rates has no rate at the time; such an amount counts as 0.",
)
REGISTRY = MetricFamily(
    "roistream_registry_entries", "gauge", "Entries known, by registry topic.", ("registry",)
)
REDIS_UP = MetricFamily("roistream_redis_up", "gauge", "1 while the Redis views can be written, else 0.")
REDIS_PENDING = MetricFamily("roistream_redis_pending_values", "gauge", "Values not yet written to Redis.")
REDIS_WRITTEN = MetricFamily("roistream_redis_written_values", "counter", "Values written to Redis.")
REDIS_ERRORS = MetricFamily("roistream_redis_errors", "counter", "Failed exchanges with Redis.")

#: In the order of the page.
FAMILIES: tuple[MetricFamily, ...] = (
    *_sum_gauges(),
    *_kpi_gauges(),
    COMPLETENESS,
    SPREAD,
    UNREPORTED,
    UNCERTAIN_AMOUNTS,
    *_rollup_gauges(),
    ROLLUP_UNCERTAIN_AMOUNTS,
    ROLLUP_CAMPAIGNS,
    CUSTOMERS,
    REPEAT_CUSTOMERS,
    CUSTOMER_MARGIN,
    CUSTOMER_SPEND,
    ACQUISITION_CLICKS,
    ACQUISITION_LEADS,
    *CUSTOMER_KPIS.values(),
    CUSTOMER_RETENTION,
    CONTRACT_MRR,
    CONTRACT_BILLED,
    CUSTOMER_ENGAGEMENT,
    *dict.fromkeys(family for family, _ in WORTH_KPIS.values()),
    *dict.fromkeys(family for family, _ in ENGAGEMENT_KPIS.values()),
    EXPECTED_PERIODS,
    WORTH_VERDICT,
    WORTH_LOOK,
    WORTH_ENDS,
    COHORT_CUSTOMERS,
    COHORT_REPEATERS,
    COHORT_MARGIN,
    COHORT_ACTIVE,
    COHORT_ENGAGED,
    *_counters(),
    INFO,
    BUDGET,
    STARTS,
    ENDS,
    *TARGETS.values(),
    SPEND_SINCE_LAST_LEAD,
    COVERED_REPORTS,
    DISAGREEMENT,
    WATERMARK,
    SPEND_COMPLETE,
    COMPLETE_SPEND,
    BUILD,
    READY,
    CLOCK,
    LEDGER,
    UNACCOUNTED,
    LEDGER_DIFFERENCE,
    CAMPAIGNS,
    FOLDED,
    LAG,
    WATERMARK_DELAY,
    FIGURES_DELAY,
    STANDSTILL,
    BATCH_RECORDS,
    BATCH_SECONDS,
    CHECKPOINT_SECONDS,
    CHECKPOINT_BYTES,
    CHECKPOINT_RECORDS,
    RECOVERY_SECONDS,
    RECOVERY_RECORDS,
    PUBLISHED,
    PUBLISH_ERRORS,
    DEAD_LETTERS,
    REKEYED,
    SPLIT_IDENTITIES,
    ALIKE_CAMPAIGNS,
    CHANGED,
    KEYS,
    PENDING_CANCELLATIONS,
    UNCERTAIN_COSTS,
    UNCERTAIN_ORDERS,
    REGISTRY,
    REGISTRY_REFUSED,
    BOARD_CAMPAIGNS,
    BOARD_CARDS,
    BOARD_COMMITTED,
    BOARD_LIVE,
    BOARD_BREAKER,
    BUDGET_ACTIONS,
    CAMPAIGN_ACTIONS,
    CAMPAIGN_COLUMN,
    CAMPAIGN_HOLD,
    E_VALUE,
    E_VALUE_NEEDED,
    MISSED,
    REDIS_UP,
    REDIS_PENDING,
    REDIS_WRITTEN,
    REDIS_ERRORS,
)

BY_NAME: dict[str, MetricFamily] = {family.name: family for family in FAMILIES}

"""Pipeline health: is everything read, how late is it, what was refused, what would a restart cost?"""

from grafana import promql
from grafana.spec import ZERO_IS_GOOD, Dashboard, DashboardRow, Panel, Query, Steps, Unit

_JOB = 'job="$deployment"'
_LATE: Steps = ((None, "green"), (120.0, "yellow"), (900.0, "red"))
_RATE = "[$__rate_interval]"


def _stat(title: str, about: str, expr: str, steps: Steps, unit: Unit = "short") -> Panel:
    return Panel("stat", title, about, (Query(expr),), unit=unit, width=3, height=4, decimals=0, steps=steps)


def _lines(title: str, about: str, *queries: Query, unit: Unit = "short", empty: str = "") -> Panel:
    return Panel("lines", title, about, queries, unit=unit, width=12, height=7, empty=empty)


def _quantile(share: float, family: str) -> str:
    return f"histogram_quantile({share}, sum by (stage, le) (rate({family}_bucket{{{_JOB}}}{_RATE})))"


_NOW = (
    _stat(
        "Workers ready",
        "Workers whose /readyz says yes.",
        f"sum(roistream_ready{{{_JOB}}})",
        ((None, "red"), (1.0, "green")),
    ),
    _stat(
        "Workers down",
        "Scrape targets that are down.",
        f"count(up{{{_JOB}}} == 0) or vector(0)",
        ZERO_IS_GOOD,
    ),
    _stat(
        "Records waiting",
        "Records between the next to read and the end of the logs.",
        f"sum(roistream_consumer_lag_records{{{_JOB}}})",
        ((None, "green"), (10_000.0, "yellow"), (1_000_000.0, "red")),
    ),
    _stat(
        "Watermark delay",
        "How far the watermark of the slowest partition is behind the present.",
        f"max(roistream:watermark_delay_seconds:max{{{_JOB}}})",
        _LATE,
        "s",
    ),
    _stat(
        "Without verdict",
        "Records read − (applied + duplicate + rejected + too late + conflict). Anything but 0 is a fault.",
        f"sum(roistream_ledger_unaccounted_records{{{_JOB}}})",
        ZERO_IS_GOOD,
    ),
    _stat(
        "Not in figures",
        "What applied records must have counted, less what the histories of campaigns hold: records or micros. Anything but 0 is a fault.",
        f"sum(abs(roistream_ledger_difference{{{_JOB}}}))",
        ZERO_IS_GOOD,
    ),
    _stat(
        "Campaigns",
        "Campaigns that the workers show.",
        f"sum(roistream_campaigns{{{_JOB}}})",
        ((None, "blue"),),
    ),
    _stat(
        "Folded campaigns",
        'Campaigns shown only in the sums of "(other)", because a worker has more than MAX_CAMPAIGN_SERIES.',
        f"sum(roistream_folded_campaigns{{{_JOB}}})",
        ((None, "green"), (1.0, "yellow")),
    ),
    _stat(
        "Pipeline alerts",
        "Alerts of the kinds figures and operations that fire now.",
        f'count(ALERTS{{{_JOB},kind!="kpi",alertstate="firing"}}) or vector(0)',
        ZERO_IS_GOOD,
    ),
)

_READING = (
    _lines(
        "Records read per second",
        "Change of the ledger per second, by source topic; all verdicts together.",
        Query(f"sum by (topic) (deriv(roistream:ledger_records:sum{{{_JOB}}}[2m]))", "{{topic}}"),
        unit="reqps",
    ),
    _lines(
        "Records waiting, by topic",
        "Records between the next to read and the end of the log.",
        Query(f"sum by (topic) (roistream_consumer_lag_records{{{_JOB}}})", "{{topic}}"),
    ),
    _lines(
        "Watermark delay, by partition",
        "How far the watermark of each source partition is behind the present; an idle partition falls behind and holds nobody up.",
        Query(f"max by (partition) (roistream:watermark_delay_seconds:max{{{_JOB}}})", "partition {{partition}}"),
        unit="s",
    ),
    _lines(
        "Figures delay, by partition",
        "How far the watermark of the campaigns, as last published, is behind the present: through all stages.",
        Query(f"max by (partition) (roistream_figures_delay_seconds{{{_JOB}}})", "partition {{partition}}"),
        unit="s",
    ),
    _lines(
        "Standstill, by stage",
        "For how long work of a stage has waited without any of it being done; /readyz names it after 10 s.",
        Query(f"max by (stage) (roistream_stage_standstill_seconds{{{_JOB}}})", "{{stage}}"),
        unit="s",
    ),
    _lines(
        "Verdicts that are not applied, since the start of the state",
        "Duplicate, rejected and too late records of the ledger. Rejected and too late ones are in dead-letters.",
        Query(
            f'sum by (outcome) (roistream:ledger_events:max{{{_JOB},outcome!="applied"}})', "{{outcome}}"
        ),
    ),
    _lines(
        "Dead letters per minute, by reason",
        "Refused records since each worker began, per minute.",
        Query(f"60 * sum by (reason) (rate(roistream_dead_letters_total{{{_JOB}}}{_RATE}))", "{{reason}}"),
    ),
    _lines(
        "Cancellations that wait for their order",
        "Cancellations whose order has not been seen; they count when it comes.",
        Query(f"sum(roistream_pending_cancellations{{{_JOB}}})", "waiting"),
    ),
)  # fmt: skip

_STATE = (
    _lines(
        "Checkpoint time",
        "From encoding a checkpoint to its confirmation: median and 99th percentile, by stage.",
        Query(_quantile(0.5, "roistream_checkpoint_duration_seconds"), "{{stage}} p50"),
        Query(_quantile(0.99, "roistream_checkpoint_duration_seconds"), "{{stage}} p99"),
        unit="s",
    ),
    _lines(
        "Checkpoints written",
        "Bytes per second appended by checkpoints, by stage.",
        Query(f"sum by (stage) (rate(roistream_checkpoint_bytes_total{{{_JOB}}}{_RATE}))", "{{stage}}"),
        unit="Bps",
    ),
    _lines(
        "Batch time",
        "From taking a batch to the end of its processing: median and 99th percentile, by stage.",
        Query(_quantile(0.5, "roistream_batch_processing_seconds"), "{{stage}} p50"),
        Query(_quantile(0.99, "roistream_batch_processing_seconds"), "{{stage}} p99"),
        unit="s",
    ),
    _lines(
        "Records per batch",
        "Mean of the batches: sum / count, by stage.",
        Query(
            f"sum by (stage) (rate(roistream_batch_records_sum{{{_JOB}}}{_RATE})) / "
            f"(sum by (stage) (rate(roistream_batch_records_count{{{_JOB}}}{_RATE})) > 0)",
            "{{stage}}",
        ),
    ),
    _lines(
        "Last recovery",
        "Time that reading the state back took at the last takeover, by worker and stage.",
        Query(
            f"max by (instance, stage) (roistream_recovery_duration_seconds{{{_JOB}}})",
            "{{instance}} {{stage}}",
        ),
        unit="s",
    ),
    _lines(
        "Records of checkpoints and of recoveries",
        "Records per second appended by checkpoints, and records read by the last recovery.",
        Query(
            f"sum by (stage) (rate(roistream_checkpoint_records_total{{{_JOB}}}{_RATE}))",
            "{{stage}} appended/s",
        ),
        Query(f"sum by (stage) (roistream_recovery_records{{{_JOB}}})", "{{stage}} last recovery"),
    ),
)

_OUTPUT = (
    _lines(
        "Records published per second",
        "Records that the broker confirmed, by topic; and facts that came with another key than their person's and were sent on.",
        Query(f"sum by (topic) (rate(roistream_published_records_total{{{_JOB}}}{_RATE}))", "{{topic}}"),
        Query(f"sum by (kind) (rate(roistream_rekeyed_facts_total{{{_JOB}}}{_RATE}))", "re-keyed {{kind}}"),
        unit="reqps",
    ),
    _lines(
        "Whose keys records have",
        "Records per second by what their key is: the visitor's, another id of the record, or something else.",
        Query(
            f"sum by (topic, key) (rate(roistream_record_keys_total{{{_JOB}}}{_RATE}))", "{{topic}} {{key}}"
        ),
        unit="reqps",
        empty="while no record has a visitor.",
    ),
    _lines(
        "Orders and events on several partitions",
        "Orders whose records came on several partitions: their edits and refunds did not find them. Events that came again on another partition "
        "of the same worker: they count several times. Give all records of an order, and all repetitions of an event, one key.",
        Query(f"sum by (kind) (roistream_split_identities{{{_JOB}}})", "{{kind}}"),
    ),
    _lines(
        "Campaigns that are spelt alike",
        "Campaign ids that differ from another one only in case, spaces or encoding. They are counted apart; roistream doctor names them.",
        Query(f"max(roistream_alike_campaigns{{{_JOB}}})", "campaigns"),
    ),
    _lines(
        "Reports that do not count",
        "Reports that count nowhere or in part of their time, since other reports on the same time count: hours under their day, ads "
        "under their campaign. They are kept. A number that grows where a platform sends one grain says that two connectors read one account.",
        Query(
            f"sum(max by (campaign_id, channel) (campaign_covered_reports{{{_JOB}}}))",
            "reports",
        ),
        empty="while no campaign is paid by reports.",
    ),
    _lines(
        "Largest disagreement of reports",
        "How far finer reports differ from the coarser ones over the same time, as a share of their spend, of the five campaigns where that "
        "is most. A large one says that a connector leaves something out.",
        Query(
            f"topk(5, max by (campaign_id) (campaign_report_disagreement_ratio{{{_JOB}}}))",
            "{{campaign_id}}",
        ),
        unit="percentunit",
        empty="while no platform reports one time in two grains.",
    ),
    _lines(
        "Records that change earlier ones",
        "Edited orders and restated reports per second, by topic.",
        Query(f"sum by (topic) (rate(roistream_changed_records_total{{{_JOB}}}{_RATE}))", "{{topic}}"),
        unit="reqps",
        empty="while no order is edited and no report restated under its own id.",
    ),
    _lines(
        "Publish errors per minute",
        "Sends that the broker did not confirm; each ends its worker.",
        Query(f"60 * sum by (topic) (rate(roistream_publish_errors_total{{{_JOB}}}{_RATE}))", "{{topic}}"),
        empty="while the broker confirms everything: a worker ends at the first such error.",
    ),
    _lines(
        "Redis views",
        "1 while the views can be written, values waiting, and failed exchanges per minute.",
        Query(f"min(roistream_redis_up{{{_JOB}}})", "up"),
        Query(f"sum(roistream_redis_pending_values{{{_JOB}}})", "waiting"),
        Query(f"60 * sum(rate(roistream_redis_errors_total{{{_JOB}}}{_RATE}))", "errors/min"),
    ),
    _lines(
        "Values written to Redis per second",
        "Values of the Redis views.",
        Query(f"sum(rate(roistream_redis_written_values_total{{{_JOB}}}{_RATE}))", "written"),
        unit="reqps",
    ),
    _lines(
        "Entries known, by registry",
        "Campaigns and rates that the workers have read from the compacted topics.",
        Query(f"max by (registry) (roistream_registry_entries{{{_JOB}}})", "{{registry}}"),
        Query(f"max by (registry) (roistream_registry_refused_entries{{{_JOB}}})", "{{registry}}, refused"),
        Query(f"sum(roistream_uncertain_costs{{{_JOB}}})", "costs whose worth is not known for sure"),
        Query(f"sum(roistream_uncertain_orders{{{_JOB}}})", "orders with an amount without a rate"),
        Query(
            f"count(group by (dimension, value) (rollup_has_uncertain_amounts{{{_JOB}}})) or vector(0)",
            "roll-ups with such amounts",
        ),
    ),
    _lines(
        "Counted by workers",
        "Clicks, leads and orders applied per second, from the counters of declared events.",
        Query(f"sum(rate(campaign_clicks_total{{{_JOB}}}{_RATE}))", "clicks"),
        Query(f"sum(rate(campaign_leads_total{{{_JOB}}}{_RATE}))", "leads"),
        Query(f"sum(rate(campaign_orders_total{{{_JOB}}}{_RATE}))", "orders"),
        unit="reqps",
    ),
)

_BOARD = 'deployment="$deployment"'
_OF_THE_BOARD = (
    _lines(
        "What the board reaches",
        "1 while the broker took the last record and Redis was read as it should; below that decisions or cards stand still. Of several boards the worst.",
        Query(f"min(roistream_board_broker_up{{{_BOARD}}})", "broker"),
        Query(f"min(roistream_board_redis_up{{{_BOARD}}})", "Redis"),
    ),
    _lines(
        "Cards and open pages",
        "Cards that the board shows, and pages that follow it; of several boards the most cards, and all pages.",
        Query(f"max(roistream_board_cards{{{_BOARD}}})", "cards"),
        Query(f"sum(roistream_board_pages_open{{{_BOARD}}})", "pages"),
    ),
    _lines(
        "Decisions per hour, by kind",
        "Decisions and comments of people and machines that the broker confirmed, by what they ask for.",
        Query(f"sum by (verb) (increase(roistream_board_decisions_total{{{_BOARD}}}[1h]))", "{{verb}}"),
        empty="while nobody decides anything.",
    ),
    _lines(
        "Notifications",
        "Messages that a receiver confirmed and tries that failed, per hour and channel; and recipients whose last message was not delivered.",
        Query(f"sum by (channel) (increase(roistream_board_deliveries_total{{{_BOARD}}}[1h]))", "{{channel}} delivered"),
        Query(f"sum by (channel) (increase(roistream_board_delivery_failures_total{{{_BOARD}}}[1h]))", "{{channel}} failed"),
        Query(f"max(roistream_board_recipients_failing{{{_BOARD}}})", "recipients not reached"),
        empty="without BOARD_NOTIFICATIONS: nobody is notified.",
    ),
    _lines(
        "Actions on ad platforms, by what became of them",
        "Campaigns by what became of their latest action: sent and not confirmed yet, confirmed, refused, or changed there by somebody (drifted).",
        Query(f"sum by (stage) (max by (platform, stage, because) (roistream_board_effects{{{_BOARD}}}))", "{{stage}}"),
        empty="while roistream apply carries nothing out.",
    ),
)  # fmt: skip

_COLLECTED = 'deployment="$deployment"'
_NO_COLLECTOR = "without roistream collect: nothing is collected over HTTP."
_OVER_HTTP = (
    _lines(
        "Records collected per second",
        "Records that the broker has confirmed, by what sent them; those for dead-letters are among them.",
        Query(f"sum by (source, topic) (rate(roistream_collect_records_total{{{_COLLECTED}}}{_RATE}))", "{{source}} {{topic}}"),
        unit="reqps",
        empty=_NO_COLLECTOR,
    ),
    _lines(
        "Requests refused per minute, by reason",
        "Requests of which nothing is written; with reason broker that is not known, and they come again.",
        Query(f"60 * sum by (source, reason) (rate(roistream_collect_refused_requests_total{{{_COLLECTED}}}{_RATE}))", "{{source}} {{reason}}"),
        empty=_NO_COLLECTOR,
    ),
    _lines(
        "Left out per minute, by reason",
        "Events of no campaign, documents that a mapping leaves out, and deliveries that were written before.",
        Query(f"60 * sum by (source, reason) (rate(roistream_collect_left_out_total{{{_COLLECTED}}}{_RATE}))", "{{source}} {{reason}}"),
        empty=_NO_COLLECTOR,
    ),
    _lines(
        "Time to confirmation",
        "From the whole request to the confirmation of its records: median and 99th percentile, by source; and requests that wait now.",
        Query(f"histogram_quantile(0.5, sum by (source, le) (rate(roistream_collect_acknowledgement_seconds_bucket{{{_COLLECTED}}}{_RATE})))", "{{source}} p50"),
        Query(f"histogram_quantile(0.99, sum by (source, le) (rate(roistream_collect_acknowledgement_seconds_bucket{{{_COLLECTED}}}{_RATE})))", "{{source}} p99"),
        unit="s",
        empty=_NO_COLLECTOR,
    ),
    _lines(
        "What the collector reaches",
        "1 while the broker answers, requests that wait for it, and campaigns that records name and nobody registered; of several collectors the worst, and all requests.",
        Query(f"min(roistream_collect_broker_up{{{_COLLECTED}}})", "broker"),
        Query(f"sum(roistream_collect_waiting_requests{{{_COLLECTED}}})", "waiting"),
        Query(f"max(roistream_collect_unregistered_campaigns{{{_COLLECTED}}})", "campaigns not registered"),
        empty=_NO_COLLECTOR,
    ),
)  # fmt: skip

_NO_APPLIER = "without roistream apply: nothing is carried out on ad platforms."
_CARRIED_OUT = (
    _lines(
        "Actions by how they stand",
        "Actions by what became of them, those that later ones replaced and those of before the first start left out.",
        Query(f'sum by (platform, stage) (roistream_apply_effects{{{_BOARD},because!~"superseded|too_old"}})', "{{platform}} {{stage}}"),
        empty=_NO_APPLIER,
    ),
    _lines(
        "Not carried out, by reason",
        "Actions that were refused or that somebody changed on the platform, by reason; docs/apply.md says what each one means.",
        Query(f'sum by (platform, because) (roistream_apply_effects{{{_BOARD},stage=~"refused|drifted",because!~"superseded|too_old"}})', "{{platform}} {{because}}"),
        empty=_NO_APPLIER,
    ),
    _lines(
        "Oldest action that is open",
        "Since the decision on the oldest action that is neither carried out nor refused, by what it waits for.",
        Query(f"max by (platform, stage, because) (roistream_apply_open_seconds{{{_BOARD}}})", "{{platform}} {{stage}} {{because}}"),
        unit="s",
        empty=_NO_APPLIER,
    ),
    _lines(
        "From decision to confirmation",
        "From the decision to the reading that shows that it was carried out: median and 99th percentile, by platform.",
        Query(f"histogram_quantile(0.5, sum by (platform, le) (rate(roistream_apply_confirmation_seconds_bucket{{{_BOARD}}}{_RATE})))", "{{platform}} p50"),
        Query(f"histogram_quantile(0.99, sum by (platform, le) (rate(roistream_apply_confirmation_seconds_bucket{{{_BOARD}}}{_RATE})))", "{{platform}} p99"),
        unit="s",
        empty=_NO_APPLIER,
    ),
    _lines(
        "Requests to ad platforms per hour",
        "Requests to change something, parts that were refused, and times that one had to wait (cap, limit of the platform, token, connection).",
        Query(f"sum by (platform) (increase(roistream_apply_requests_total{{{_BOARD}}}[1h]))", "{{platform}} requests"),
        Query(f"sum by (platform, because) (increase(roistream_apply_refused_total{{{_BOARD}}}[1h]))", "{{platform}} refused {{because}}"),
        Query(f"sum by (platform, because) (increase(roistream_apply_postponed_total{{{_BOARD}}}[1h]))", "{{platform}} waited {{because}}"),
        empty=_NO_APPLIER,
    ),
    _lines(
        "Last round of roistream apply",
        "Since all actions were last gone through; /readyz says no after five minutes.",
        Query(f"max(roistream_apply_seconds_since_round{{{_BOARD}}})", "since the last round"),
        unit="s",
        empty=_NO_APPLIER,
    ),
)  # fmt: skip

BOARD = Dashboard(
    uid="roistream-pipeline",
    title="Pipeline health",
    folder="Pipeline",
    about="Is everything read, how late is it, what was refused, what would a restart cost?",
    variables=(promql.DEPLOYMENT,),
    rows=(
        DashboardRow("Now", _NOW),
        DashboardRow("Reading", _READING),
        DashboardRow("State", _STATE),
        DashboardRow("Output", _OUTPUT),
        DashboardRow("The budget board", _OF_THE_BOARD),
        DashboardRow("What comes in over HTTP", _OVER_HTTP),
        DashboardRow("What is carried out on ad platforms", _CARRIED_OUT),
    ),
    since="now-1h",
)

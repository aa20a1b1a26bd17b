"""The topics by name, partition count and configuration (docs/operations.md). Talks to no broker."""

from dataclasses import dataclass, field

IMPRESSIONS = "ad-impressions"
CLICKS = "ad-clicks"
REPORTS = "ad-reports"
LEADS = "leads"
ORDERS = "orders"
SURVEYS = "surveys"
TICKETS = "tickets"
SUBSCRIPTIONS = "subscriptions"
REFERRALS = "referrals"
ACTIVATIONS = "activations"
ERASURES = "erasures"
CAMPAIGNS = "campaigns"
FX_RATES = "fx-rates"
BUDGET_DECISIONS = "budget-decisions"
#: Internal: alerts as the board took them in, from the board to the budget controller.
BUDGET_ALERTS = "budget-alerts"
CAMPAIGN_KPIS = "campaign-kpis"
ROLLUP_KPIS = "rollup-kpis"
CUSTOMER_KPIS = "customer-kpis"
DEAD_LETTERS = "dead-letters"
#: Internal: where each connector stands, by connection, from ingest to ingest.
INGEST_STATE = "ingest-state"
BUDGET_ACTIONS = "budget-actions"
#: What became of actions on the ad platforms, by action.
BUDGET_EFFECTS = "budget-effects"
CAMPAIGN_ARCHIVE = "campaign-archive"
#: Internal: whole values of panes, from intake to merge, partitioned by campaign; of roll-ups, from merge to merge.
PARTIALS = "roistream-partials"
#: Internal: what journeys need of records whose visitor has another partition, from intake to intake.
REKEYED = "roistream-rekeyed"
#: Internal: the changelogs of the stages; one checkpoint is one record batch.
INTAKE_CHANGELOG = "roistream-intake-changelog"
MERGE_CHANGELOG = "roistream-merge-changelog"
CONTROLLER_CHANGELOG = "roistream-controller-changelog"
CHANGELOGS = (INTAKE_CHANGELOG, MERGE_CHANGELOG, CONTROLLER_CHANGELOG)

#: What customers do beside ordering. It comes hours and days later, so these topics neither move the watermark nor obey it.
CUSTOMER_SOURCES = (SURVEYS, TICKETS, SUBSCRIPTIONS, REFERRALS, ACTIVATIONS)
#: Topics whose records are counted in the ledger.
SOURCES = (IMPRESSIONS, CLICKS, REPORTS, LEADS, ORDERS, ERASURES, *CUSTOMER_SOURCES)
#: Everything that intake reads.
INTAKE_INPUTS = (*SOURCES, REKEYED)
#: Topics whose event times move the watermark; reports and erasures neither move nor obey it.
EVENT_SOURCES = (IMPRESSIONS, CLICKS, LEADS, ORDERS)
#: Topics whose records have an event time; an erasure holds for what all of them had when it was asked for.
DATED_SOURCES = (*EVENT_SOURCES, *CUSTOMER_SOURCES)
REGISTRIES = (CAMPAIGNS, FX_RATES)

WEEK_MS = 7 * 24 * 3600 * 1000
#: Ten years.
TOMBSTONES_KEPT_MS = 3_650 * 86_400_000
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
#: A log is compacted, and its old records are deleted, only in segments that are closed. At 13 MB a minute over four partitions one of
#: 64 MiB closes after 20 minutes, where Kafka's 1 GiB takes five hours; a quiet one closes after the time (D103).
STATE_SEGMENT = {"segment.bytes": str(64 * 1024 * 1024), "segment.ms": str(_HOUR_MS)}
KEPT_SEGMENT = {"segment.bytes": str(256 * 1024 * 1024), "segment.ms": str(_DAY_MS)}


@dataclass(frozen=True)
class TopicSpec:
    """What a topic must look like.

    Attributes:
        name: with prefix.
        partitions: how many.
        config: configuration.
        is_read_back: whether figures are wrong after the wrong cleanup of its log: a state is made of it, or read back from it.
    """

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)
    is_read_back: bool = False


def specs(prefix: str, partitions: int) -> list[TopicSpec]:
    """Every topic of one deployment, in the order they are created."""
    large = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
    appended = {"message.timestamp.type": "LogAppendTime"}
    compacted = {"cleanup.policy": "compact"}
    kept = {"cleanup.policy": "delete"}
    week = {**kept, **KEPT_SEGMENT, "retention.ms": str(WEEK_MS)}
    # What was replaced or erased is gone from the log after a day, also where too little changes for Kafka to compact by itself.
    state = {**compacted, **large, **STATE_SEGMENT, "max.compaction.lag.ms": str(_DAY_MS)}
    # Readings are JSON whose names repeat; every client reads gzip without a library of its own, and the broker packs.
    readings = {**week, "compression.type": "gzip"}
    # A key may name what was written under another key, so its tombstone must not go before that record does.
    registry = {**compacted, "delete.retention.ms": str(TOMBSTONES_KEPT_MS)}
    table: list[tuple[str, int, dict[str, str]]] = [
        *((name, partitions, {**appended, **kept}) for name in SOURCES if name != ERASURES),
        # They name whom they erase, so they do not stay either.
        (ERASURES, partitions, {**appended, **week}),
        *((name, 1, registry) for name in REGISTRIES),
        # Compaction would take an earlier word on a campaign away before the board has read it.
        (BUDGET_DECISIONS, partitions, {**appended, **kept}),
        (BUDGET_ALERTS, partitions, {**appended, **week}),
        (CAMPAIGN_KPIS, partitions, readings),
        (ROLLUP_KPIS, partitions, readings),
        (CUSTOMER_KPIS, partitions, readings),
        (DEAD_LETTERS, partitions, week),
        (INGEST_STATE, 1, {**compacted, **large}),
        (BUDGET_ACTIONS, partitions, {}),
        (BUDGET_EFFECTS, 1, compacted),
        (CAMPAIGN_ARCHIVE, 1, {**compacted, **large}),
        (PARTIALS, partitions, {**week, **large}),
        (REKEYED, partitions, {**week, **large}),
        (INTAKE_CHANGELOG, partitions, state),
        (MERGE_CHANGELOG, partitions, state),
        (CONTROLLER_CHANGELOG, partitions, state),
    ]
    read_back = {*INTAKE_INPUTS, *REGISTRIES, BUDGET_DECISIONS, PARTIALS, *CHANGELOGS}
    return [TopicSpec(prefix + name, count, dict(config), name in read_back) for name, count, config in table]

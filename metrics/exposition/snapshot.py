"""What the exporter is given: values frozen at one moment, read by another thread without locks."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from metrics.entities.report_history import Overlap
from metrics.records.customer_kpi import CustomerWorth
from metrics.records.kpi_reading import CampaignKpi, Evidence, RollupKpi
from metrics.sums.tally import Tally


class CustomerTotals(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The customers whom a campaign ever acquired; money in micros.

    Attributes:
        customers: how many they are.
        repeaters: those with two orders or more.
        margin_micros: what they brought, less refunds and cost of goods.
        spend_micros: of the campaign so far; None where it is unknown.
        clicks: of the campaign so far; None where they are unknown.
        leads: the same.
        kpis: of ``COHORT_FIGURES``, of ``FUNNEL_FIGURES`` and of what they do beside ordering, by id.
        retention: share of those for whom a month is over who ordered in it, by months since the acquisition.
        engagement: what they did beside ordering, by field of ``CustomerSums``; empty where that is nothing.
        mrr_micros: what their contracts bring in a month; None where no amount is known.
        billed_micros: amounts of all terms so far; None where none is known.
        worth: how far what is expected of them is known, and the verdict on what they cost; of a record of before it was published None.
    """

    customers: int
    repeaters: int
    margin_micros: int
    spend_micros: int | None
    currency: str
    model: str
    clicks: int | None = None
    leads: int | None = None
    kpis: Mapping[str, float | None] = {}
    retention: Mapping[int, float] = {}
    engagement: Mapping[str, int] = {}
    mrr_micros: int | None = None
    billed_micros: int | None = None
    worth: CustomerWorth | None = None


class CohortSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The customers whom the campaigns of a channel acquired in one month.

    Attributes:
        channel: ``(other)`` stands for several, empty for campaigns of none.
        cohort: the month, ``YYYY-MM``.
        partition: of merge; campaigns of one channel lie on several.
        active: customers who ordered in the month of that age, 0 the first; only months that are over.
        engaged: those who did something beside ordering, by field of ``CustomerSums``; empty where that is nobody.
    """

    channel: str
    cohort: str
    model: str
    currency: str
    customers: int
    repeaters: int
    margin_micros: int
    active: Sequence[int]
    partition: int
    engaged: Mapping[str, int] = {}


class CampaignSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign as it stands; nothing in it is changed after it is handed over.

    Attributes:
        channel: the support; None where nobody named it.
        budget_micros: in the reporting currency.
        counters: declared events (not reports) of the whole history.
        readings: by (model, window), for the windows and models that are to be gauges.
        spend_since_last_lead_micros: None where there never was anything to count from.
        spend_24h_micros: decides which campaigns keep series of their own.
        targets_micros: by name, in millionths of the reporting currency or of 1.
        starts_at_ms: when the campaign begins to run; ``ends_at_ms`` when it ends.
        overlap: how reports about the same time agree; None where the campaign has no reports.
        spend_complete_ms: event time up to which the spend is known: the watermark, or what reports have seen by then.
        complete_spend_micros: what was spent by then; None where that is not known.
        customers: whom it acquired; None where nobody is known.
    """

    campaign_id: str
    channel: str | None
    name: str | None
    target: str | None
    offer: str | None
    objective: str | None
    status: str | None
    budget_micros: int | None
    counters: Tally
    readings: Mapping[tuple[str, str], CampaignKpi]
    spend_since_last_lead_micros: int | None
    watermark_ms: int | None
    spend_24h_micros: int
    targets_micros: Mapping[str, int] = {}
    starts_at_ms: int | None = None
    ends_at_ms: int | None = None
    overlap: Overlap | None = None
    spend_complete_ms: int | None = None
    complete_spend_micros: int | None = None
    customers: CustomerTotals | None = None


class FoldedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Campaigns that are not told one by one.

    Attributes:
        count: how many there are.
        sums: fields of ``Sums`` by (model, window, currency); a field is absent where no campaign has it.
        customers: whom each of them acquired.
        uncertain: (model, window) in which an amount counts whose worth is not known for sure.
    """

    count: int = 0
    sums: Mapping[tuple[str, str, str], Mapping[str, int | float]] = {}
    customers: Sequence[CustomerTotals] = ()
    uncertain: frozenset[tuple[str, str]] = frozenset()


class RollupSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One roll-up as it stands.

    Attributes:
        readings: by (model, window), for the windows and models that are to be gauges.
    """

    dimension: str
    value: str
    readings: Mapping[tuple[str, str], RollupKpi]


class LedgerRow(msgspec.Struct, frozen=True):
    """Verdicts on the records of one source topic-partition since the start of the state (docs/contract.md, The ledger).

    ``unaccounted`` are records that were read and got no verdict: 0, or the ledger does not add up.
    """

    topic: str
    partition: int
    applied: int
    duplicate: int
    rejected: int
    too_late: int
    unaccounted: int = 0
    conflict: int = 0


class DifferenceRow(msgspec.Struct, frozen=True):
    """What a stage of a partition should have counted, less what it has: 0, or money is lost or doubled.

    Attributes:
        stage: ``intake``, which counts back to the ledger, or ``merge``, which counts back to intake.
        partition: of the stage.
        figure: a field of ``AppliedFigures``.
        value: the difference; of merge, the differences of all source partitions added up without their signs.
    """

    stage: str
    partition: int
    figure: str
    value: int


class HistogramSnapshot(msgspec.Struct, frozen=True):
    """Observations in buckets.

    Attributes:
        bounds: upper bounds, rising, without infinity.
        counts: observations in each bucket alone, one more than ``bounds``: the last is above them all.
        total: sum of the observed values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class CheckpointSnapshot(msgspec.Struct, frozen=True):
    """Checkpoints of one stage since the process began."""

    seconds: HistogramSnapshot
    written_bytes: int
    written_records: int


class RecoverySnapshot(msgspec.Struct, frozen=True):
    """The last recovery of one stage from its changelog."""

    seconds: float
    records: int


class RedisSnapshot(msgspec.Struct, frozen=True):
    """The Redis views since the process began."""

    is_up: bool
    pending: int
    written: int
    errors: int


class PipelineSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The pipeline's own health. Counts are since the process began, the ledger since the state began.

    Attributes:
        lag: records between the next to read and the end of the log, by (topic, partition).
        watermark_delays_ms: how far the watermark is behind the present, by partition.
        figures_delays_ms: how far the watermark of the campaigns is behind the present, by merge partition.
        standstills: seconds that work has waited without moving, by stage and its partition.
        batch_records: records per batch, by stage.
        batch_seconds: processing time per batch, by stage.
        published: records confirmed, by topic; ``publish_errors`` likewise.
        dead_letters: by reason.
        rekeyed: what was sent on to its person's partition, by kind.
        split_orders: orders whose records came on several partitions.
        split_events: event ids that several partitions of the worker remember.
        alike_campaigns: campaign ids that differ from another one in spelling alone.
        changed: records that change what an earlier one of their id says, by source topic.
        keys: records with a visitor, by source topic and by what their key is.
        pending_cancellations: cancellations that wait for their order.
        uncertain_costs: costs whose worth is not known for sure: campaigns, currencies and times, and reports.
        uncertain_orders: orders with an amount without a rate.
        registry_sizes: entries known, by registry topic.
        registry_refused: entries whose newest record was refused, by registry topic.
        differences: sums counted back to the ledger.
        redis: None where no Redis is configured.
        is_ready: what ``/readyz`` says.
        clock_ms: the present by the worker's clock, from which delays are counted; None where nobody says.
    """

    version: str
    cluster: str = ""
    topic_prefix: str = ""
    ledger: Sequence[LedgerRow] = ()
    differences: Sequence[DifferenceRow] = ()
    lag: Mapping[tuple[str, int], int] = {}
    watermark_delays_ms: Mapping[int, int] = {}
    figures_delays_ms: Mapping[int, int] = {}
    standstills: Mapping[tuple[str, int], float] = {}
    batch_records: Mapping[str, HistogramSnapshot] = {}
    batch_seconds: Mapping[str, HistogramSnapshot] = {}
    checkpoints: Mapping[str, CheckpointSnapshot] = {}
    recoveries: Mapping[str, RecoverySnapshot] = {}
    published: Mapping[str, int] = {}
    publish_errors: Mapping[str, int] = {}
    dead_letters: Mapping[str, int] = {}
    rekeyed: Mapping[str, int] = {}
    split_orders: int = 0
    split_events: int = 0
    alike_campaigns: int = 0
    changed: Mapping[str, int] = {}
    keys: Mapping[tuple[str, str], int] = {}
    registry_sizes: Mapping[str, int] = {}
    registry_refused: Mapping[str, int] = {}
    pending_cancellations: int = 0
    uncertain_costs: int = 0
    uncertain_orders: int = 0
    redis: RedisSnapshot | None = None
    is_ready: bool = False
    clock_ms: int | None = None


class CardSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One campaign on the budget board.

    Attributes:
        actions: taken on it since the board began, by (verb, mode).
        hold_owner: None where it is not held.
        hold_expires_ms: None where a hold has no end.
        evidence: on its targets, as the controller judges it.
        e_value_needed: from which on a target counts as surely missed.
    """

    campaign_id: str
    channel: str | None
    column: str
    actions: Mapping[tuple[str, str], int] = {}
    hold_owner: str | None = None
    hold_expires_ms: int | None = None
    evidence: Mapping[str, Evidence] = {}
    e_value_needed: float = 0.0


class BoardSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The budget board, on the worker that holds it; money in micros.

    Attributes:
        columns: campaigns and the money of their cards, by column.
        committed_micros: what is promised over all campaigns.
        actions: taken since the start of the process, by (verb, mode).
        is_live: whether it may act; ``is_breaker_open`` whether too many automatic actions have stopped it.
        cards: of the campaigns that have series of their own.
    """

    columns: Mapping[str, tuple[int, int]]
    committed_micros: int
    actions: Mapping[tuple[str, str], int]
    is_live: bool
    is_breaker_open: bool
    cards: Sequence[CardSnapshot] = ()


class WorkerSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one worker shows at one moment.

    Attributes:
        now_ms: the moment; folding regroups by its hour.
        currency: the reporting currency, in which all money outside the readings is.
        board: None where another worker holds it.
        rollups: those that belong to partitions of this worker.
        folded: campaigns that are in sums only.
        cohorts: customers by channel and month of acquisition.
    """

    now_ms: int
    currency: str
    campaigns: Sequence[CampaignSnapshot]
    pipeline: PipelineSnapshot
    board: BoardSnapshot | None = None
    rollups: Sequence[RollupSnapshot] = ()
    folded: FoldedSnapshot = FoldedSnapshot()
    cohorts: Sequence[CohortSnapshot] = ()


class SnapshotSource(Protocol):
    """Whoever can say how the worker stands."""

    def snapshot(self) -> WorkerSnapshot:
        """The worker at this moment; the caller may read it from any thread."""
        ...

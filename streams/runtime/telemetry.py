"""The pipeline's own figures: plain counters, touched once per batch or checkpoint, never per event.

Lives on the event loop's thread; ``snapshot`` freezes what the metrics page needs for another thread.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from metrics.exposition.snapshot import (
    CheckpointSnapshot,
    DifferenceRow,
    HistogramSnapshot,
    LedgerRow,
    PipelineSnapshot,
    RecoverySnapshot,
    RedisSnapshot,
)
from metrics.records.campaign_spellings import CampaignSpellings
from streams.stages.merge.stage import MergeViews
from streams.state.checkpoint import Checkpoint

#: Upper bounds in seconds: a batch takes milliseconds, a checkpoint up to the session timeout.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: Upper bounds in records.
RECORDS = (1.0, 10.0, 100.0, 500.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 50_000.0)


class Histogram:
    """Counts observations in fixed buckets.

    >>> seen = Histogram((1.0, 10.0)); seen.observe(1); seen.observe(11); seen.snapshot().counts
    (1, 0, 1)
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        """Take upper bounds, rising; one more bucket is above them all."""
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        """Add one observation; a bound belongs to its bucket."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def snapshot(self) -> HistogramSnapshot:
        """The counts as they stand."""
        return HistogramSnapshot(self._bounds, tuple(self._counts), self._total)


@dataclass
class StageTelemetry:
    """Figures of one stage (``intake``, ``merge``) since the process began."""

    batch_records: Histogram = field(default_factory=lambda: Histogram(RECORDS))
    batch_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    checkpoint_seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    checkpoint_bytes: int = 0
    checkpoint_records: int = 0
    recovery: RecoverySnapshot | None = None

    def batch(self, records: int, seconds: float) -> None:
        """One batch was processed."""
        self.batch_records.observe(records)
        self.batch_seconds.observe(seconds)

    def checkpoint(self, seconds: float, written_bytes: int, records: int) -> None:
        """One checkpoint was confirmed."""
        self.checkpoint_seconds.observe(seconds)
        self.checkpoint_bytes += written_bytes
        self.checkpoint_records += records

    def recovered(self, seconds: float, records: int) -> None:
        """The state was read back from the changelog."""
        self.recovery = RecoverySnapshot(seconds, records)


@dataclass
class Telemetry:
    """Figures of one worker; whoever does a thing adds to its counter.

    Attributes:
        cluster: id of the Kafka cluster; with the prefix of the topics it tells deployments apart.
        stages: made when first asked for, by name.
        lag: records still to read, by (topic, partition); revoked ones are deleted by ``released``.
        standstills: seconds that work has waited without moving, by stage and partition of the stage.
        watermarks_ms: watermark of the sources, by partition.
        figures_ms: watermark of the campaigns as last published, by merge partition.
        published: records confirmed, by topic; ``publish_errors`` likewise.
        dead_letters: by reason.
        rekeyed: what was sent on to its person's partition, by kind.
        split_orders: orders whose records came on several partitions, by partition.
        split_events: event ids that several partitions of this worker remember.
        spellings: campaign ids met here.
        changed: records that change what an earlier one of their id says, by source topic.
        keys: records with a visitor, by source topic and by what their key is.
        registry_sizes: entries known, by registry topic.
        registry_refused: entries whose newest record was refused, by registry topic.
        pending_cancellations: cancellations that wait for their order, by partition.
        uncertain_costs: costs whose worth is not known for sure, as campaigns, currencies and times, and reports, by partition.
        uncertain_orders: orders with an amount without a rate, by partition.
    """

    version: str
    cluster: str = ""
    topic_prefix: str = ""
    stages: defaultdict[str, StageTelemetry] = field(default_factory=lambda: defaultdict(StageTelemetry))
    lag: dict[tuple[str, int], int] = field(default_factory=dict)
    standstills: dict[tuple[str, int], float] = field(default_factory=dict)
    watermarks_ms: dict[int, int] = field(default_factory=dict)
    figures_ms: dict[int, int] = field(default_factory=dict)
    published: Counter[str] = field(default_factory=Counter)
    publish_errors: Counter[str] = field(default_factory=Counter)
    dead_letters: Counter[str] = field(default_factory=Counter)
    #: From 0 on, so that the first one is an increase, and a panel has a line.
    rekeyed: Counter[str] = field(default_factory=lambda: Counter(touch=0, conversion=0, purchase=0))
    split_orders: dict[int, int] = field(default_factory=dict)
    split_events: int = 0
    spellings: CampaignSpellings = field(default_factory=CampaignSpellings)
    changed: Counter[str] = field(default_factory=Counter)
    keys: Counter[tuple[str, str]] = field(default_factory=Counter)
    registry_sizes: dict[str, int] = field(default_factory=dict)
    registry_refused: dict[str, int] = field(default_factory=dict)
    pending_cancellations: dict[int, int] = field(default_factory=dict)
    uncertain_costs: dict[int, int] = field(default_factory=dict)
    uncertain_orders: dict[int, int] = field(default_factory=dict)

    def confirmed(self, checkpoint: Checkpoint) -> None:
        """Count the records that are published, and keep how far figures are complete."""
        views = checkpoint.views
        if isinstance(views, MergeViews) and views.watermark is not None:
            self.figures_ms[checkpoint.partition] = views.watermark
        for output in checkpoint.outputs:
            self.published[output.topic] += 1

    def released(self, partitions: Iterable[int]) -> None:
        """Forget what is shown of partitions that another worker has now."""
        gone = set(partitions)
        self.lag = {key: lag for key, lag in self.lag.items() if key[1] not in gone}
        self.standstills = {key: each for key, each in self.standstills.items() if key[1] not in gone}
        for partition in gone:
            self.figures_ms.pop(partition, None)
            self.watermarks_ms.pop(partition, None)
            self.pending_cancellations.pop(partition, None)
            self.split_orders.pop(partition, None)
            self.uncertain_costs.pop(partition, None)
            self.uncertain_orders.pop(partition, None)

    def snapshot(
        self,
        now_ms: int,
        ledger: Sequence[LedgerRow],
        redis: RedisSnapshot | None = None,
        *,
        is_ready: bool = False,
        differences: Sequence[DifferenceRow] = (),
    ) -> PipelineSnapshot:
        """Everything as it stands, copied.

        Args:
            now_ms: the present, from which the watermarks' delay is counted.
            ledger: rows of the partitions this worker has.
            redis: health of the views; None where no Redis is configured.
            is_ready: what ``/readyz`` says.
            differences: sums counted back to the ledger.
        """
        stages = self.stages
        return PipelineSnapshot(
            version=self.version,
            cluster=self.cluster,
            topic_prefix=self.topic_prefix,
            ledger=tuple(ledger),
            lag=dict(self.lag),
            standstills=dict(self.standstills),
            watermark_delays_ms=_delays(self.watermarks_ms, now_ms),
            figures_delays_ms=_delays(self.figures_ms, now_ms),
            batch_records={name: stage.batch_records.snapshot() for name, stage in stages.items()},
            batch_seconds={name: stage.batch_seconds.snapshot() for name, stage in stages.items()},
            checkpoints={name: _checkpoints(stage) for name, stage in stages.items()},
            recoveries={name: stage.recovery for name, stage in stages.items() if stage.recovery},
            published=dict(self.published),
            publish_errors=dict(self.publish_errors),
            dead_letters=dict(self.dead_letters),
            rekeyed=dict(self.rekeyed),
            alike_campaigns=self.spellings.count,
            changed=dict(self.changed),
            split_orders=sum(self.split_orders.values()),
            split_events=self.split_events,
            keys=dict(self.keys),
            registry_sizes=dict(self.registry_sizes),
            registry_refused=dict(self.registry_refused),
            differences=tuple(differences),
            pending_cancellations=sum(self.pending_cancellations.values()),
            uncertain_costs=sum(self.uncertain_costs.values()),
            uncertain_orders=sum(self.uncertain_orders.values()),
            redis=redis,
            is_ready=is_ready,
            clock_ms=now_ms,
        )


def _delays(watermarks_ms: Mapping[int, int], now_ms: int) -> Mapping[int, int]:
    """Milliseconds behind the present; a source whose clock is ahead is not behind at all."""
    return {partition: max(0, now_ms - at_ms) for partition, at_ms in watermarks_ms.items()}


def _checkpoints(stage: StageTelemetry) -> CheckpointSnapshot:
    return CheckpointSnapshot(
        stage.checkpoint_seconds.snapshot(), stage.checkpoint_bytes, stage.checkpoint_records
    )

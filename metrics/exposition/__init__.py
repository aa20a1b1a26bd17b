"""How the numbers are seen by Prometheus: the outermost ring of ``metrics``.

Takes an immutable snapshot and gives text; knows no clock, no network and no Faust, so that it may
run in a thread beside the event loop.
"""

from metrics.exposition.rendering import Exposition, prefers_openmetrics, render
from metrics.exposition.series_limit import OTHER, SeriesLimit
from metrics.exposition.snapshot import (
    BoardSnapshot,
    CampaignSnapshot,
    CardSnapshot,
    CheckpointSnapshot,
    CohortSnapshot,
    CustomerTotals,
    DifferenceRow,
    FoldedSnapshot,
    HistogramSnapshot,
    LedgerRow,
    PipelineSnapshot,
    RecoverySnapshot,
    RedisSnapshot,
    RollupSnapshot,
    SnapshotSource,
    WorkerSnapshot,
)

__all__ = [
    "OTHER",
    "BoardSnapshot",
    "CampaignSnapshot",
    "CardSnapshot",
    "CheckpointSnapshot",
    "CohortSnapshot",
    "CustomerTotals",
    "DifferenceRow",
    "Exposition",
    "FoldedSnapshot",
    "HistogramSnapshot",
    "LedgerRow",
    "PipelineSnapshot",
    "RecoverySnapshot",
    "RedisSnapshot",
    "RollupSnapshot",
    "SeriesLimit",
    "SnapshotSource",
    "WorkerSnapshot",
    "prefers_openmetrics",
    "render",
]

"""A partition as a worker holds it, and what the worker asks of the world."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from metrics.budget.records import BoardCard, ColumnView
from metrics.records.kpi_reading import CampaignKpi, RollupKpi
from streams.runtime.idleness import Idleness
from streams.runtime.task import Task
from streams.stages.budget.controller_log import ControllerLog
from streams.stages.intake.intake_log import IntakeLog
from streams.stages.merge.merge_log import MergeLog


@dataclass(frozen=True)
class Ports:
    """What the processor asks of the world: clocks, ends of logs, and who hears of its readings.

    ``answered`` differs after each answer of the broker about a topic's partition.
    """

    now: Callable[[], int]
    monotonic: Callable[[], float]
    highwater: Callable[[str, int], int | None]
    answered: Callable[[str, int], int | None]
    offer: Callable[[Sequence[CampaignKpi], int], None]
    fail: Callable[[BaseException], None]
    #: Cards and columns of the board, and the creation time of its state.
    offer_board: Callable[[Sequence[BoardCard], Mapping[str, ColumnView], int], None] = lambda *_: None
    offer_rollups: Callable[[Sequence[RollupKpi], int], None] = lambda *_: None


@dataclass
class PartitionTasks:
    """Both stages of one partition, and the board's where that is held with it."""

    intake: IntakeLog
    merge: MergeLog
    seats: tuple[Task, ...]
    generation: int
    listening: Mapping[str, Idleness]
    board: ControllerLog | None = None
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

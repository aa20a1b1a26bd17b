"""A partition as a worker holds it, and what the task manager asks of the world."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.runtime.idleness import Idleness
from streams.runtime.lineage import CONTROLLER, INTAKE, MERGE
from streams.runtime.task import Task
from streams.stages.budget.stage import BudgetStage, RefusedRecord
from streams.stages.intake.stage import IntakeStage
from streams.stages.merge.stage import MergeStage
from streams.state.store import StateStore


@dataclass(frozen=True)
class Ports:
    """What the task manager asks of the world: clocks, and the ends of logs.

    ``highwater`` is the end of a log by the last fetch of it, ``readable`` the end of its committed records as asked for
    beside all fetching; None: not known yet. ``answered`` differs after each answer of the broker about a topic's partition;
    ``fail`` ends the process; ``refused`` are the records of the registries that were refused.
    """

    now: Callable[[], int]
    monotonic: Callable[[], float]
    highwater: Callable[[str, int], int | None]
    readable: Callable[[str, int], int | None]
    answered: Callable[[str, int], int | None]
    fail: Callable[[BaseException], None]
    refused: Callable[[], Iterable[RefusedRecord]] = tuple


@dataclass
class PartitionTasks:
    """Both stages of one partition, and the board where the board is held with it.

    Attributes:
        intake: of the source partition.
        merge: of the merge partition.
        tasks: of intake, of merge, and of the board.
        generation: of the consumer group.
        idleness: by input topic.
        board: the budget stage.
        board_positions: the next offset that the budget stage reads, by full topic name and partition.
        running: what runs beside the feeding.
    """

    intake: StateStore[IntakeStage]
    merge: StateStore[MergeStage]
    tasks: tuple[Task, ...]
    generation: int
    idleness: Mapping[str, Idleness]
    board: StateStore[BudgetStage] | None = None
    board_positions: dict[tuple[str, int], int] = field(default_factory=dict)
    running: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def stores(self) -> dict[str, StateStore[Any]]:
        """By stage."""
        found: dict[str, StateStore[Any]] = {INTAKE: self.intake, MERGE: self.merge}
        return found if self.board is None else {**found, CONTROLLER: self.board}

"""The task manager: holds the tasks of the partitions assigned here and feeds them batches.

Order of a takeover (D4, D8b): fence, read back, compare states and logs, claim; only then Faust seeks. On revocation
every task checkpoints and is given up; state is read back when the partition returns. Any failure in between ends the
process: an unconfirmed write means no progress.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.dedupe import repeated
from metrics.records.campaign_model import split_campaign_model
from metrics.values.errors import StateError
from streams import topics
from streams.runtime.budget_inputs import follow
from streams.runtime.checkpoint_pacing import CheckpointPacing
from streams.runtime.idleness import Idleness
from streams.runtime.input_slices import check_gap, slices
from streams.runtime.key_watch import KeyWatch
from streams.runtime.lineage import adopt, compare, compare_shown, introduce, refuse
from streams.runtime.partition_tasks import PartitionTasks, Ports
from streams.runtime.progress import Progress, Stuck, Work
from streams.runtime.stage_factory import StageFactory
from streams.runtime.task import Task
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.stages.budget.stage import BOARD_PARTITION, BudgetStage, RefusedRecord
from streams.stages.stage import Stage
from streams.state.checkpoint import Checkpoint, Sink
from streams.state.lineage import registry_read
from streams.state.store import StateStore
from streams.transport.batch_consumer import FetchedBatch

log = logging.getLogger(__name__)

#: Least and longest rest between checkpoints, and the rest with a backlog, in publish intervals: of intake, merge, and the
#: board. Each is a step on the way of a click to its reading, which may take an interval and little more.
_PACINGS = (
    CheckpointPacing(0.05, 0.25, 1.0),
    CheckpointPacing(0.02, 0.5, 0.5),
    CheckpointPacing(1.0, 1.0, 1.0),
)
#: The tasks of a partition by name, in their order.
#: Comparing a million ids takes some milliseconds.
_IDS_COMPARED_EVERY_S = 60.0
_STAGES = ("intake", "merge", "controller")
#: Of a state that is read back, something comes within so many seconds; putting a large one together takes some, too.
_RECOVERY_MOVES_WITHIN_S = 45
#: So many unread records of a topic are a backlog: some seconds of the traffic that a partition bears.
_BACKLOG_RECORDS = 100_000


class TaskManager:
    """Takes over, feeds and releases partitions."""

    def __init__(
        self,
        settings: Settings,
        campaign_registry: CampaignRegistry,
        telemetry: Telemetry,
        ports: Ports,
        accept_dead_letters: int = 0,
    ) -> None:
        self.settings = settings
        self.campaign_registry = campaign_registry
        self.telemetry = telemetry
        #: They hear what is confirmed, in this order.
        self.sinks: list[Sink] = [telemetry]
        self.held: dict[int, PartitionTasks] = {}
        self.is_ready = False
        self.recovering: list[Task] = []
        self._ports = ports
        self._stages = StageFactory(settings, campaign_registry, telemetry, ports.now, accept_dead_letters)
        #: What each stage has to do, and for how long that has not moved.
        self.progress = Progress()
        #: The next offset of the registries to read, by full topic name and partition; set from outside, now and then.
        self.registry_positions: Mapping[tuple[str, int], int] = {}
        self._key_watch = KeyWatch()
        #: Birth and revision up to which views were shown a merge partition; None: unknown.
        self.shown: Callable[[int], tuple[int, int] | None] = lambda _: None
        #: Whether the views have been looked at; waits some seconds for them.
        self.has_looked: Callable[[], Awaitable[bool]] = _has_none
        self._uncompared: set[int] = set()
        #: How many campaign ids of each partition were looked at.
        self._campaigns_seen: dict[int, int] = {}
        #: When ids of partitions were compared last.
        self._ids_compared_at = -_IDS_COMPARED_EVERY_S
        self._taking: asyncio.Task[None] | None = None

    # --- taking over and giving up ------------------------------------------------------------------

    async def take_over(self, partitions: set[int], generation: int) -> None:
        """Recover the state of partitions; a revocation meanwhile cancels it."""
        await self.release()
        taking = self._taking = asyncio.create_task(self._take_over(partitions, generation))
        await asyncio.wait([taking])
        if taking.cancelled():
            log.info("Recovery was interrupted by a rebalance.")
        else:
            taking.result()

    async def release(self) -> None:
        """Checkpoint and let go of every partition.

        Raises:
            CheckpointError: when that was not confirmed; the process must end, which ``fail`` sees to,
                since on a revocation aiokafka would only log the error and go on.
        """
        self.is_ready = False
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.wait([self._taking])
        released, self.held = self.held, {}
        self.progress.forget()
        try:
            await asyncio.gather(*(task.close() for held in released.values() for task in held.tasks))
        except Exception as error:
            self._ports.fail(error)
            raise
        finally:  # not before: a checkpoint in flight must come to its end
            self._released(released)
            for held in released.values():
                for running in held.running:
                    running.cancel()

    def positions(self) -> Mapping[tuple[str, int], int]:
        """The next offset to apply of each partition held, by full topic name."""
        found: dict[tuple[str, int], int] = {}
        for partition, held in self.held.items():
            found[self.settings.topic(topics.PARTIALS), partition] = held.merge.stage.offset
            for topic, offset in held.intake.stage.offsets.items():
                found[self.settings.topic(topic), partition] = offset
        return found

    async def _take_over(self, partitions: set[int], generation: int) -> None:
        fresh = {partition: self._tasks_of(partition, generation) for partition in partitions}
        tasks = [task for held in fresh.values() for task in held.tasks]
        self.recovering = tasks
        try:
            await asyncio.gather(*(task.read() for task in tasks))
            await self._check_lineage(fresh)
            await asyncio.gather(*(task.claim() for task in tasks))
        except BaseException:
            await asyncio.gather(*(task.close() for task in tasks), return_exceptions=True)
            self._released(fresh)
            raise
        finally:
            self.recovering = []
        self.held = fresh
        for held in fresh.values():
            self._start(held)
        self.is_ready = bool(fresh)  # a worker beyond the number of partitions has nothing to be ready for

    def _tasks_of(self, partition: int, generation: int) -> PartitionTasks:
        intake, merge = self._stages.intake(partition), self._stages.merge(partition)
        tasks = (
            self._task(_STAGES[0], intake, topics.INTAKE_CHANGELOG, partition),
            self._task(_STAGES[1], merge, topics.MERGE_CHANGELOG, partition),
        )
        began = self._ports.monotonic()
        idleness = {topic: Idleness(began) for topic in topics.INTAKE_INPUTS}
        made = PartitionTasks(intake, merge, tasks, generation, idleness)
        if partition == BOARD_PARTITION:
            made.board = self._stages.board(self._merged_to)
            task = self._task(_STAGES[2], made.board, topics.CONTROLLER_CHANGELOG, partition)
            made.tasks = (*tasks, task)
        introduce(made.stores)
        return made

    def _task(self, name: str, store: StateStore[Stage], changelog: str, partition: int) -> Task:
        telemetry = self.telemetry.stages[name]
        return Task(
            self.settings, store, changelog, partition, self._ports.now, telemetry, self._on_confirmed
        )

    def _on_confirmed(self, checkpoint: Checkpoint) -> None:
        for sink in self.sinks:
            sink.confirmed(checkpoint)

    def _released(self, partitions: Iterable[int]) -> None:
        for sink in self.sinks:
            sink.released(partitions)

    def _start(self, held: PartitionTasks) -> None:
        interval = self.settings.publish_interval / 1000
        running = [
            task.run(pacing.over(interval), self._all_blocked)
            for task, pacing in zip(held.tasks, _PACINGS, strict=False)
        ]
        if held.board is not None:
            for refused in self._ports.refused():
                held.board.stage.refuse(refused)
            running.append(follow(self.settings, held.board.stage, held.board_positions))
        for each in running:
            started = asyncio.create_task(each)
            started.add_done_callback(self._watch)
            held.running.append(started)

    def _all_blocked(self) -> float:
        """For how long the latest checkpoints of all tasks blocked the event loop, in seconds."""
        return sum(task.blocked for held in self.held.values() for task in held.tasks)

    def _watch(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._ports.fail(task.exception())  # type: ignore[arg-type]

    async def _check_lineage(self, fresh: Mapping[int, PartitionTasks]) -> None:
        """Go on only where the states fit together and to their logs; a log that is new begins at its start."""
        restored = {partition: held.stores for partition, held in fresh.items()}
        found = await compare(self.settings, restored)
        self._uncompared = set() if await self.has_looked() else set(fresh)
        for partition, held in fresh.items():
            difference = compare_shown(self.settings, partition, held.merge, self.shown(partition))
            found.differences.extend([] if difference is None else [(partition, difference)])
        refuse(found)
        adopt(self.settings, restored, found.facts)

    def check_shown(self) -> None:
        """Compare what could not be compared at the takeover, since Redis did not answer then.

        Raises:
            StateError: when the broker holds an older backup.
        """
        waiting, self._uncompared = self._uncompared & self.held.keys(), set()
        for partition in waiting:
            shown = self.shown(partition)
            difference = compare_shown(self.settings, partition, self.held[partition].merge, shown)
            if difference is not None:
                raise StateError(difference.sentence)

    # --- feeding -----------------------------------------------------------------------------------

    async def take(self, topic: str, partition: int, generation: int, batch: FetchedBatch) -> None:
        """Feed one batch; batches of an earlier assignment are dropped, they will be read again.

        Raises:
            StateError: when records between the state and the batch are missing.
        """
        held = self.held.get(partition)
        if held is None or held.generation != generation:
            return
        name = topic.removeprefix(self.settings.topic_prefix)
        if name == topics.PARTIALS:
            await self._take_partials(held, batch)
        else:
            await self._take_source(held, name, batch)

    async def _take_source(self, held: PartitionTasks, topic: str, batch: FetchedBatch) -> None:
        task, intake = held.tasks[0], held.intake.stage
        check_gap(topic, intake.partition, intake.offsets[topic], batch)
        held.intake.marks.note(topic, batch.marks)
        telemetry, loop = self.telemetry.stages["intake"], asyncio.get_running_loop()
        for records in slices(topic, batch.records):
            if not task.is_open:
                return
            started = loop.time()
            intake.process(topic, records, self._ports.now())
            telemetry.batch(len(records), loop.time() - started)
            await task.relieve()
            await asyncio.sleep(0)
        if task.is_open:
            intake.advance(topic, batch.end)
            if batch.records:
                held.idleness[topic].read_on(self._ports.monotonic())

    async def _take_partials(self, held: PartitionTasks, batch: FetchedBatch) -> None:
        task, merge = held.tasks[1], held.merge.stage
        check_gap(topics.PARTIALS, merge.partition, merge.offset, batch)
        held.merge.marks.note(topics.PARTIALS, batch.marks)
        telemetry, loop = self.telemetry.stages["merge"], asyncio.get_running_loop()
        for record in batch.records:
            if not task.is_open:
                return
            started = loop.time()
            merge.process([record])
            telemetry.batch(1, loop.time() - started)
            task.wake()
            await task.relieve()
            await asyncio.sleep(0)
        if task.is_open:
            merge.advance(batch.end)

    def look_around(self) -> None:
        """Once a second: which topics are idle, how far behind each is, what waits and does not move.

        Where one partition has a backlog, all of merge here has one: partials go from each partition to each.
        """
        now = self._ports.monotonic()
        found: dict[Work, tuple[int, int]] = {}
        for partition, held in self.held.items():
            self._look_at_sources(partition, held, now)
            for task, name in zip(held.tasks, _STAGES, strict=False):
                found[Work(name, partition, None)] = (
                    task.store.sequence,
                    int(task.owes_checkpoint),
                )
            for name, positions in self._read_by(partition, held):
                found |= self._waiting(name, partition, positions)
                self._show_lag(positions)
        if self.held:
            found |= self._waiting("registry", 0, self.registry_positions)
        for held in self.held.values():
            held.tasks[1].is_behind = self.is_behind
        self.progress.look(found, now)
        self._look_at_campaigns()
        if now - self._ids_compared_at >= _IDS_COMPARED_EVERY_S:
            self._ids_compared_at = now
            self.telemetry.split_events = repeated([held.intake.stage.seen for held in self.held.values()])
        if self.settings.key_rule.trusts_keys:
            for sentence in self._key_watch.look(self.telemetry.keys):
                log.warning("%s", sentence)
        self.telemetry.standstills = {key: self.progress.seconds(*key) for key in self.progress.stages()}

    def _look_at_campaigns(self) -> None:
        """Campaign ids that are new here since the last look, and a word on those that are spelt like another one."""
        spellings, before = self.telemetry.spellings, self.telemetry.spellings.count
        spellings.note(self.campaign_registry.campaigns)
        for partition, held in self.held.items():
            names = held.intake.stage.panes.names
            seen = self._campaigns_seen.get(partition, 0)
            if len(names) != seen:
                new = names[seen if len(names) > seen else 0 :]
                spellings.note(split_campaign_model(name)[0] for name in new)
                self._campaigns_seen[partition] = len(names)
        if spellings.count > before:
            log.warning(
                "%d campaign ids differ from another one only in case, spaces or encoding, and are counted apart, such as %s; "
                "roistream doctor lists them, and ROISTREAM_CAMPAIGN_ALIASES joins them.",
                spellings.count,
                ", ".join(map(repr, spellings.alike()[0][:4])),
            )

    def logs(self) -> set[tuple[str, int]]:
        """All logs that a stage here reads, by full topic name and partition."""
        read = [self._read_by(partition, held) for partition, held in self.held.items()]
        return {log for each in read for _, positions in each for log in positions}

    def _look_at_sources(self, partition: int, held: PartitionTasks, now: float) -> None:
        intake = held.intake.stage
        idle, most = set(), 0
        for topic, offset in intake.offsets.items():
            name, idleness = self.settings.topic(topic), held.idleness[topic]
            end = self._ports.highwater(name, partition)
            idleness.answered(self._ports.answered(name, partition), now)
            most = max(most, (end or 0) - offset)
            is_silent = idleness.silence * 1000 >= self.settings.idle_after
            if end is not None and offset >= end and is_silent and topic in topics.DATED_SOURCES:
                idle.add(topic)
        held.tasks[0].is_behind = most > _BACKLOG_RECORDS
        intake.set_idle(idle)
        if intake.clock.watermark is not None:
            self.telemetry.watermarks_ms[partition] = intake.clock.watermark
        self.telemetry.split_orders[partition] = intake.attribution.customer_homes.split_orders
        self.telemetry.pending_cancellations[partition] = intake.conversions.waiting_cancellations
        reports = held.merge.stage.report_worth.uncertain
        self.telemetry.uncertain_costs[partition] = len(intake.foreign_spend.uncertain) + reports
        self.telemetry.uncertain_orders[partition] = len(intake.conversions.worth.uncertain)

    def _waiting(
        self, stage: str, partition: int, positions: Mapping[tuple[str, int], int]
    ) -> dict[Work, tuple[int, int]]:
        """The place in each log that a stage reads, and how many records wait behind it."""
        ends = {log: self._ports.readable(*log) or 0 for log in positions}
        return {
            Work(stage, partition, f"{topic}-{number}"): (offset, max(0, ends[topic, number] - offset))
            for (topic, number), offset in positions.items()
        }

    def _show_lag(self, positions: Mapping[tuple[str, int], int]) -> None:
        for (name, number), offset in positions.items():
            ends = self._ports.highwater(name, number), self._ports.readable(name, number)
            topic = name.removeprefix(self.settings.topic_prefix)
            self.telemetry.lag[topic, number] = max(0, *((end or 0) - offset for end in ends))

    def _read_by(
        self, partition: int, held: PartitionTasks
    ) -> list[tuple[str, Mapping[tuple[str, int], int]]]:
        """The next offset of each log that a stage reads, by the name of the stage."""
        offsets = held.intake.stage.offsets.items()
        read: list[tuple[str, Mapping[tuple[str, int], int]]] = [
            (_STAGES[0], {(self.settings.topic(topic), partition): offset for topic, offset in offsets}),
            (_STAGES[1], {(self.settings.topic(topics.PARTIALS), partition): held.merge.stage.offset}),
        ]
        return read if held.board is None else [*read, (_STAGES[2], held.board_positions)]

    @property
    def is_behind(self) -> bool:
        """Whether any partition has a backlog to read."""
        return any(held.tasks[0].is_behind for held in self.held.values())

    def stuck(self) -> list[Stuck]:
        """What has had work for a while and done none of it."""
        found = [Stuck(each.seconds, each.sentence) for each in self.progress.standstills()]
        if self.recovering:
            moved_at = max(task.moved_at for task in self.recovering)
            still = asyncio.get_running_loop().time() - moved_at
            if moved_at and still > _RECOVERY_MOVES_WITHIN_S:
                sentence = f"reading the state back stands still: nothing came for {still:.0f} s"
                # A broker that starts again may take so many seconds to answer; only the seconds beyond these count.
                found.append(Stuck(still - _RECOVERY_MOVES_WITHIN_S, sentence))
        return found

    # --- giving out --------------------------------------------------------------------------------

    def refresh(self, campaign_id: str) -> None:
        """A campaign's record changed."""
        for held in self.held.values():
            held.merge.stage.refresh(campaign_id)

    def registry_read(self, topic: str, offset: int) -> None:
        """A registry, by its short name, was read up to an offset: states that follow it know that from their next checkpoint on."""
        for held in self.held.values():
            held.merge.lineage.know(registry_read(topic, offset))

    def show_all(self) -> None:
        """Let the next checkpoints have all readings for views: Redis came back empty."""
        for held in self.held.values():
            held.merge.stage.show_all()

    @property
    def board(self) -> StateStore[BudgetStage] | None:
        """The board, where this worker holds it."""
        held = self.held.get(BOARD_PARTITION)
        return None if held is None else held.board

    def refuse(self, refused: RefusedRecord) -> None:
        """A record of a registry was refused; whoever has the board says so."""
        if self.board is not None:
            self.board.stage.refuse(refused)

    def show_board(self) -> None:
        """Let the next checkpoint have every card: Redis may have lost them."""
        if self.board is not None:
            self.board.stage.show_all()

    def _merged_to(self, partition: int) -> int | None:
        held = self.held.get(partition)
        return None if held is None else held.merge.stage.clock.watermark


async def _has_none() -> bool:
    """There are no views."""
    return True

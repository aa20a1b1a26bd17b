"""The processor: holds the seats of the partitions assigned here and feeds them batches.

Order of a takeover (D4, D8b): fence, read back, claim, check the offsets against the logs; only then
Faust seeks. On revocation every seat checkpoints and is given up; state is read back when it returns.
Any failure in between ends the process: an unconfirmed write means no progress.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.kpi_reading import CampaignKpi
from metrics.records.refusal_limit import Acceptance, RefusalLimit
from streams import topics
from streams.runtime.budget_inputs import follow
from streams.runtime.idleness import Idleness
from streams.runtime.input_slices import check_gap, first_offset, slices
from streams.runtime.partition_tasks import PartitionTasks, Ports
from streams.runtime.task import Rhythm, Task
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.stages.budget.controller_log import ControllerLog
from streams.stages.budget.stage import BOARD_PARTITION, BudgetStage
from streams.stages.intake.intake_log import IntakeLog
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.stages.merge.merge_log import MergeLog
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.state.checkpoint import Checkpoint
from streams.transport.batch_consumer import FetchedBatch
from streams.transport.checkpoint_writer import bounds

log = logging.getLogger(__name__)

#: Conversions are credited together, so many publish intervals apart; readings of models go out every tenth.
_CREDITED_EVERY = 2
#: Least and longest rest between checkpoints, and the rest with a backlog, in publish intervals: of intake, merge, and the
#: board. Each is a step on the way of a click to its reading, which may take an interval and little more.
_RHYTHMS = (Rhythm(0.05, 0.25, 1.0), Rhythm(0.02, 0.5, 0.5), Rhythm(1.0, 1.0, 1.0))
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
        self.held: dict[int, PartitionTasks] = {}
        self.is_ready = False
        self.recovering: list[Task] = []
        self._ports = ports
        self._offsets_moved: dict[tuple[str, int], tuple[int, float]] = {}
        self._taking: asyncio.Task[None] | None = None
        self._intake_options = IntakeOptions(
            settings.partitions,
            settings.max_future,
            settings.dedupe_window,
            settings.dedupe_max_events,
            settings.order_retention,
            rules=settings.rules,
            refit_interval=settings.refit_interval,
            credit_interval=_CREDITED_EVERY * settings.publish_interval,
            topic_prefix=settings.topic_prefix,
            key_rule=settings.key_rule,
            refusal_limit=RefusalLimit(settings.dead_letters_in_a_row, settings.dead_letter_share),
        )
        self._acceptance = Acceptance(accept_dead_letters)
        self._pace = Pace.of(settings.max_publish_rate)
        self._merge_options = MergeOptions(
            settings.partitions,
            settings.grace,
            settings.publish_interval,
            settings.zone,
            settings.reporting_currency,
            settings.rules.models,
            tuple(settings.rollups),
            settings.max_rollup_values,
            settings.max_campaign_series,
        )

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
        held, self.held = self.held, {}
        self._offsets_moved.clear()
        self.telemetry.revoked(set(held))
        try:
            await asyncio.gather(*(seat.close() for holding in held.values() for seat in holding.seats))
        except Exception as error:
            self._ports.fail(error)
            raise
        finally:  # not before: a checkpoint in flight must come to its end
            for holding in held.values():
                for task in holding.tasks:
                    task.cancel()

    def positions(self) -> Mapping[tuple[str, int], int]:
        """The next offset to apply of each partition held, by full topic name."""
        found: dict[tuple[str, int], int] = {}
        for partition, holding in self.held.items():
            found[self.settings.topic(topics.PARTIALS), partition] = holding.merge.merge.offset
            for topic, offset in holding.intake.intake.offsets.items():
                found[self.settings.topic(topic), partition] = offset
        return found

    async def _take_over(self, partitions: set[int], generation: int) -> None:
        fresh = {partition: self._holding(partition, generation) for partition in partitions}
        seats = [seat for holding in fresh.values() for seat in holding.seats]
        self.recovering = seats
        try:
            await asyncio.gather(*(seat.open() for seat in seats))
            await self._check_offsets(fresh)
        except BaseException:
            await asyncio.gather(*(seat.close() for seat in seats), return_exceptions=True)
            raise
        finally:
            self.recovering = []
        self.held = fresh
        for holding in fresh.values():
            self._start_timers(holding)
        self.is_ready = True

    def _holding(self, partition: int, generation: int) -> PartitionTasks:
        settings, now = self.settings, self._ports.now
        intake = IntakeLog(
            IntakeStage(partition, self._intake_options, self.campaign_registry, self._acceptance), now()
        )
        intake.intake.refusing.reasons = self.telemetry.dead_letters
        if intake.intake.rekeying is not None:
            intake.intake.rekeying.sent = self.telemetry.rekeyed
        merge = MergeLog(
            MergeStage(partition, self._merge_options, self.campaign_registry, self._pace), now()
        )
        stages = self.telemetry.stages
        seats = (
            Task(
                settings, intake, topics.INTAKE_CHANGELOG, partition, now, stages["intake"], self._count_sent
            ),
            Task(
                settings,
                merge,
                topics.MERGE_CHANGELOG,
                partition,
                now,
                stages["merge"],
                lambda checkpoint: self._publish(merge, checkpoint),
            ),
        )
        heard = self._ports.monotonic()
        listening = {topic: Idleness(heard) for topic in topics.INTAKE_INPUTS}
        holding = PartitionTasks(intake, merge, seats, generation, listening)
        if partition == BOARD_PARTITION:
            self._add_board(holding)
        return holding

    def _add_board(self, holding: PartitionTasks) -> None:
        settings, now = self.settings, self._ports.now
        controller = BudgetStage(
            settings.policies,
            settings.budget_mode,
            settings.reporting_currency,
            self.campaign_registry,
            settings.partitions,
            self._merged_to,
        )
        board = holding.board = ControllerLog(
            controller, settings.partitions, now, is_atomic=settings.transactions
        )
        seat = Task(
            settings,
            board,
            topics.CONTROLLER_CHANGELOG,
            BOARD_PARTITION,
            now,
            self.telemetry.stages["controller"],
            lambda checkpoint: self._show_board(board, checkpoint),
        )
        holding.seats = (*holding.seats, seat)

    def _start_timers(self, holding: PartitionTasks) -> None:
        interval = self.settings.publish_interval / 1000
        rhythms = [rhythm.over(interval) for rhythm in _RHYTHMS]
        running = [
            seat.run(rhythm, self._seats_held) for seat, rhythm in zip(holding.seats, rhythms, strict=False)
        ]
        if holding.board is not None:
            running.append(follow(self.settings, holding.board.controller))
        for each in running:
            task = asyncio.create_task(each)
            task.add_done_callback(self._watch)
            holding.tasks.append(task)

    def _seats_held(self) -> float:
        """For how long the last checkpoints of all seats have kept the event loop to themselves, in seconds."""
        return sum(seat.held for holding in self.held.values() for seat in holding.seats)

    def _watch(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._ports.fail(task.exception())  # type: ignore[arg-type]

    async def _check_offsets(self, fresh: Mapping[int, PartitionTasks]) -> None:
        """Start ≤ offset ≤ end for every source, or stop; an absent partition begins at the start."""
        names = (*topics.INTAKE_INPUTS, topics.PARTIALS)
        wanted = [(self.settings.topic(name), partition) for name in names for partition in fresh]
        for (topic, partition), (start, end) in (await bounds(self.settings, wanted)).items():
            holding = fresh[partition]
            name = topic.removeprefix(self.settings.topic_prefix)
            if name == topics.PARTIALS:
                merge = holding.merge.merge
                merge.offset = first_offset(topic, partition, merge.offset or None, start, end)
            else:
                offsets = holding.intake.intake.offsets
                offsets[name] = first_offset(topic, partition, offsets.get(name), start, end)

    # --- feeding -----------------------------------------------------------------------------------

    async def take(self, topic: str, partition: int, generation: int, batch: FetchedBatch) -> None:
        """Feed one batch; batches of an earlier assignment are dropped, they will be read again.

        Raises:
            StateError: when records between the state and the batch are missing.
        """
        holding = self.held.get(partition)
        if holding is None or holding.generation != generation:
            return
        name = topic.removeprefix(self.settings.topic_prefix)
        if name == topics.PARTIALS:
            await self._take_partials(holding, batch)
        else:
            await self._take_source(holding, name, batch)

    async def _take_source(self, holding: PartitionTasks, topic: str, batch: FetchedBatch) -> None:
        seat, intake = holding.seats[0], holding.intake.intake
        check_gap(topic, intake.partition, intake.offsets[topic], batch)
        telemetry, loop = self.telemetry.stages["intake"], asyncio.get_running_loop()
        for records in slices(topic, batch.records):
            if not seat.is_open:
                return
            started = loop.time()
            intake.process(topic, records, self._ports.now())
            telemetry.batch(len(records), loop.time() - started)
            await seat.relieve()
            await asyncio.sleep(0)
        if seat.is_open:
            intake.advance(topic, batch.end)
            if batch.records:
                holding.listening[topic].heard(self._ports.monotonic())

    async def _take_partials(self, holding: PartitionTasks, batch: FetchedBatch) -> None:
        seat, merge = holding.seats[1], holding.merge.merge
        check_gap(topics.PARTIALS, merge.partition, merge.offset, batch)
        telemetry, loop = self.telemetry.stages["merge"], asyncio.get_running_loop()
        for record in batch.records:
            if not seat.is_open:
                return
            started = loop.time()
            merge.process([record])
            telemetry.batch(1, loop.time() - started)
            seat.wake()
            await seat.relieve()
            await asyncio.sleep(0)
        if seat.is_open:
            merge.advance(batch.end)

    def look_around(self) -> None:
        """Once a second: which topics are idle, how far behind each is.

        Where one partition has a backlog, all of stage two here has one: partials go from each partition to each.
        """
        now = self._ports.monotonic()
        for partition, holding in self.held.items():
            intake = holding.intake.intake
            idle, most = set(), 0
            for topic, offset in intake.offsets.items():
                name, listening = self.settings.topic(topic), holding.listening[topic]
                end = self._ports.highwater(name, partition)
                listening.answered(self._ports.answered(name, partition), now)
                lag = self.telemetry.lag[topic, partition] = max(0, (end or 0) - offset)
                most = max(most, lag)
                self._note_offset((topic, partition), offset, now, has_lag=lag > 0)
                is_silent = listening.silence * 1000 >= self.settings.idle_after
                if end is not None and offset >= end and is_silent and topic in topics.EVENT_SOURCES:
                    idle.add(topic)
            holding.seats[0].is_behind = most > _BACKLOG_RECORDS
            intake.set_idle(idle)
            if intake.clock.watermark is not None:
                self.telemetry.watermarks_ms[partition] = intake.clock.watermark
            self.telemetry.pending_cancellations[partition] = intake.conversions.waiting_cancellations
        for holding in self.held.values():
            holding.seats[1].is_behind = self.is_behind

    @property
    def is_behind(self) -> bool:
        """Whether any partition has a backlog to read."""
        return any(holding.seats[0].is_behind for holding in self.held.values())

    def is_moving(self, limit_s: float) -> bool:
        """Whether all that has work to do has done some of it within the limit."""
        moments = [
            seat.moved_at for holding in self.held.values() for seat in holding.seats if seat.stage.is_dirty
        ]
        if self.recovering:
            moments.append(max(seat.moved_at for seat in self.recovering))
        now = asyncio.get_running_loop().time()
        stuck = any(now - at > limit_s for at in moments if at)
        behind = [at for key, (_, at) in self._offsets_moved.items() if key[1] in self.held]
        return not stuck and all(self._ports.monotonic() - at <= limit_s for at in behind)

    def _note_offset(self, key: tuple[str, int], offset: int, now: float, *, has_lag: bool) -> None:
        known = self._offsets_moved.get(key)
        if known is None or known[0] != offset or not has_lag:
            self._offsets_moved[key] = (offset, now)

    # --- giving out --------------------------------------------------------------------------------

    def refresh(self, campaign_id: str) -> None:
        """A campaign's record changed."""
        for holding in self.held.values():
            holding.merge.merge.refresh(campaign_id)

    def offer_all(self) -> None:
        """Offer every view again: Redis came back empty."""
        for holding in self.held.values():
            holding.merge.merge.offer_views()
            for rolled_up in holding.merge.merge.rollups.latest.values():
                self._ports.offer_rollups(list(rolled_up.values()), holding.merge.birth)

    @property
    def board(self) -> ControllerLog | None:
        """The board, where this worker holds it."""
        holding = self.held.get(BOARD_PARTITION)
        return None if holding is None else holding.board

    def _merged_to(self, partition: int) -> int | None:
        holding = self.held.get(partition)
        return None if holding is None else holding.merge.merge.clock.watermark

    def offer_board(self) -> None:
        """Offer every card again with the next checkpoint: Redis may have lost them."""
        if self.board is not None:
            self.board.show_all()

    def _show_board(self, board: ControllerLog, checkpoint: Checkpoint) -> None:
        self._count_sent(checkpoint)
        if board.cards:
            self._ports.offer_board(board.cards, board.controller.columns(), board.birth)

    def _publish(self, merge: MergeLog, checkpoint: Checkpoint) -> None:
        self._count_sent(checkpoint)
        self._offer(merge, merge.views)
        self._ports.offer_rollups(merge.rollup_views, merge.birth)

    def _offer(self, merge: MergeLog, readings: Sequence[CampaignKpi]) -> None:
        shown = [
            reading for reading in readings if reading.campaign_id not in self.campaign_registry.archived
        ]
        self._ports.offer(shown, merge.birth)

    def _count_sent(self, checkpoint: Checkpoint) -> None:
        for output in checkpoint.outputs:
            self.telemetry.published[output.topic] += 1

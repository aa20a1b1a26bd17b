"""Every task of a deployment in this process, on a real broker, with owners that die where a test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import aiokafka
import msgspec
from aiokafka import TopicPartition

from metrics.entities.campaigns import CampaignRegistry
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL
from streams import topics
from streams.messages.pane_blocks import unpack
from streams.messages.partials import PaneBlock, PanePartial, decode_bundle
from streams.messages.source_records import SourceRecord
from streams.runtime.partition_tasks import Ports
from streams.runtime.task import Task
from streams.runtime.task_manager import TaskManager
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.state.checkpoint import Checkpoint
from streams.state.codec import Entry
from streams.transport.checkpoint_writer import CheckpointError, CheckpointWriter
from streams.transport.client_options import aiokafka_options
from streams.transport.log_offsets import bounds
from streams.transport.log_reader import read_whole

INTAKE, MERGE = 0, 1
CHANGELOGS = (topics.INTAKE_CHANGELOG, topics.MERGE_CHANGELOG)

BEFORE_APPEND = "before the append"
UNSEEN = "after the append, before its confirmation is seen"
BEFORE_OUTPUTS = "after the append, before the outputs"
AMID_OUTPUTS = "amid the outputs"
BEFORE_COMMIT = "after the outputs, before the commit"
UNCONFIRMED = "after the commit, before the state hears of it"
POINTS = (BEFORE_APPEND, UNSEEN, BEFORE_OUTPUTS, AMID_OUTPUTS, BEFORE_COMMIT, UNCONFIRMED)

#: The present of these deployments: long after the events they hear of.
NOW_MS = 1_790_000_000_000
_SLICE_RECORDS = 60
_MAX_ROUNDS = 200


class Record(NamedTuple):
    """A source record as the transport hands it over."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def records_of(
    values: Iterable[bytes | None], offset: int = 0, timestamp: int = NOW_MS
) -> list[SourceRecord]:
    """Records with these values, one after the other."""
    return [Record(offset + number, timestamp, b"v", value) for number, value in enumerate(values)]


class Killed(Exception):
    """The owner of a task is no more."""


@dataclass
class Death:
    """Ends a writer at a point of its checkpoint number ``at``, or of the first after it that has the point.

    With ``stall`` the writer does not die but stands still until that is set; ``is_there`` tells when.
    """

    point: str
    at: int = 1
    stall: asyncio.Event | None = None
    writes: int = 0
    is_there: asyncio.Event = field(default_factory=asyncio.Event)

    async def reach(self, point: str) -> None:
        if point != self.point or self.writes < self.at or self.is_there.is_set():
            return
        self.is_there.set()
        if self.stall is None:
            raise Killed(point)
        await self.stall.wait()


class MortalProducer:
    """A real producer with an end in sight."""

    def __init__(self, producer: aiokafka.AIOKafkaProducer, death: Death) -> None:
        self._producer = producer
        self._death = death
        self._outputs = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._producer, name)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        if topic.endswith(CHANGELOGS):
            return await self._append(batch, topic, partition)
        self._outputs += 1
        if self._outputs == 1:
            await self._death.reach(BEFORE_OUTPUTS)
        if self._outputs == 2:
            await self._producer.flush()
            await self._death.reach(AMID_OUTPUTS)
        return await self._producer.send_batch(batch, topic, partition=partition)

    async def commit_transaction(self) -> None:
        await self._death.reach(BEFORE_COMMIT)
        await self._producer.commit_transaction()

    async def _append(self, batch: Any, topic: str, partition: int) -> Any:
        self._death.writes += 1
        self._outputs = 0
        await self._death.reach(BEFORE_APPEND)
        appended = await self._producer.send_batch(batch, topic, partition=partition)
        if self._death.point == UNSEEN:
            await asyncio.wait([appended])
            await self._death.reach(UNSEEN)
        return appended


class MortalWriter(CheckpointWriter):
    """Writes checkpoints until its death; what it leaves open stays open, as after a kill."""

    def __init__(self, settings: Settings, changelog: str, partition: int, death: Death) -> None:
        super().__init__(settings, changelog, partition)
        self.death = death

    async def start(self) -> None:
        await super().start()
        self._producer: Any = MortalProducer(self._producer, self.death)

    async def _write(self, checkpoint: Checkpoint) -> None:
        await super()._write(checkpoint)
        for point in (BEFORE_COMMIT, UNCONFIRMED):  # without transactions there is no commit
            await self.death.reach(point)


class Deployment:
    """Both stages of all partitions; ``deaths`` are those of the owners of a task, one after the other."""

    def __init__(
        self,
        settings: Settings,
        deaths: Mapping[tuple[int, int], list[Death]] | None = None,
        on_failure: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.settings = settings
        self.now = NOW_MS
        self.tasks: dict[tuple[int, int], Task] = {}
        self.deaths = {task: list(each) for task, each in (deaths or {}).items()}
        self.buried: list[Task] = []
        ports = Ports(lambda: self.now, lambda: 0.0, _nothing, _nothing, _nothing, on_failure or fail)
        self.processor = TaskManager(settings, CampaignRegistry("EUR"), Telemetry("test"), ports)
        self._consumer: Any = None
        self._sources: dict[TopicPartition, list[Any]] = {}

    async def start(self) -> None:
        consumer = aiokafka.AIOKafkaConsumer(
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=50,
            **aiokafka_options(self.settings),
        )
        partitions = range(self.settings.partitions)
        names = [self.settings.topic(name) for name in (*topics.INTAKE_INPUTS, topics.PARTIALS)]
        consumer.assign([TopicPartition(name, p) for name in names for p in partitions])
        await consumer.start()
        self._consumer = consumer
        for tp in consumer.assignment():
            if not tp.topic.endswith((topics.PARTIALS, topics.REKEYED)):
                self._sources[tp] = await self.rest(tp, 0)
        for stage in (INTAKE, MERGE):
            for p in partitions:
                await self.open(stage, p)

    async def stop(self) -> None:
        for task in [*self.tasks.values(), *self.buried]:
            await task._writer.stop()
        with contextlib.suppress(asyncio.CancelledError):  # aiokafka raises it when its broker is gone
            await self._consumer.stop()

    def task(self, stage: int, p: int) -> Task:
        """A new owner of a task, not yet open."""
        task = self.processor._tasks_of(p, 0).tasks[stage]
        deaths = self.deaths.get((stage, p), [])
        if deaths:
            task._writer = MortalWriter(self.settings, CHANGELOGS[stage], p, deaths.pop(0))
        return task

    async def open(self, stage: int, p: int) -> None:
        """The next owner takes it; those that die while they claim the partition are succeeded."""
        while True:
            self.tasks[stage, p] = self.task(stage, p)
            try:
                return await self.tasks[stage, p].open()
            except CheckpointError as error:
                self._bury(stage, p, error)

    async def checkpoint(self, stage: int, p: int) -> None:
        try:
            await self.tasks[stage, p].checkpoint()
        except CheckpointError as error:
            self._bury(stage, p, error)
            await self.open(stage, p)

    def _bury(self, stage: int, p: int, error: CheckpointError) -> None:
        if not isinstance(error.__cause__, Killed):
            raise error
        self.buried.append(self.tasks[stage, p])

    def intake(self, p: int) -> Any:
        return self.tasks[INTAKE, p].store.stage

    def merge(self, p: int) -> Any:
        return self.tasks[MERGE, p].store.stage

    async def settle(self) -> None:
        """Read everything in slices, fall silent, and write until nothing waits."""
        for _ in range(_MAX_ROUNDS):
            self.now += 1_000
            if not await self._round():
                return
        raise AssertionError("the deployment never comes to rest")

    async def _round(self) -> bool:
        is_behind = False
        for p in range(self.settings.partitions):
            is_behind |= self._read_sources(p)
            is_behind |= await self._read_rekeyed(p)
            await self.checkpoint(INTAKE, p)
        for p in range(self.settings.partitions):
            partials = TopicPartition(self.settings.topic(topics.PARTIALS), p)
            self.merge(p).process(await self.rest(partials, self.merge(p).offset))
            await self.checkpoint(MERGE, p)
        return is_behind or any(task.store.is_dirty for task in self.tasks.values())

    def _read_sources(self, p: int) -> bool:
        is_behind = False
        for topic in topics.SOURCES:
            offset = self.intake(p).offsets.get(topic, 0)
            log = self._sources[TopicPartition(self.settings.topic(topic), p)]
            records = [record for record in log if record.offset >= offset][:_SLICE_RECORDS]
            self.intake(p).process(topic, records, self.now)
            is_behind |= bool(records)
        if not is_behind:
            self.intake(p).set_idle(topics.EVENT_SOURCES)
        return is_behind

    async def _read_rekeyed(self, p: int) -> bool:
        topic = TopicPartition(self.settings.topic(topics.REKEYED), p)
        records = await self.rest(topic, self.intake(p).offsets.get(topics.REKEYED, 0))
        self.intake(p).process(topics.REKEYED, records, self.now)
        return bool(records)

    async def rest(self, tp: TopicPartition, offset: int) -> list[Any]:
        """The committed records from an offset on, which must be where a batch begins."""
        end = (await self._consumer.end_offsets([tp]))[tp]
        self._consumer.seek(tp, offset)
        found: list[Any] = []
        async with asyncio.timeout(60):
            while await self._consumer.position(tp) < end:
                found += (await self._consumer.getmany(tp, timeout_ms=500)).get(tp, [])
        return found

    def state(self) -> dict[str, Any]:
        """What the stages hold, without epochs and sequences."""
        return {
            f"{stage}-{p}": self._intake_state(p) if stage == INTAKE else self._merge_state(p)
            for stage, p in self.tasks
        }

    def _intake_state(self, p: int) -> Any:
        intake = self.intake(p)
        tables = [dict(table._packed) for table in (intake.leads, intake.orders, intake.customers)]
        clock = (intake.clock.stream_times, intake.clock.watermark)
        offsets = {topic: offset for topic, offset in intake.offsets.items() if offset}
        return offsets, intake.ledger, clock, intake.panes.tallies, tables

    def _merge_state(self, p: int) -> Any:
        merge = self.merge(p)
        merged_windows, names = merge.merged_windows, merge.campaign_codes.names
        keys = [(each, start) for each in (MINUTES, QUARTERS, DAYS) for start in merged_windows.starts(each)]
        panes = {key: merged_windows.pane(*key) for key in [*keys, (TOTAL, 0)]}
        said = {
            (*key, source): dict(zip([names[code] for code in pane.codes], part.as_list(), strict=True))
            for key, pane in panes.items()
            for source, part in pane.parts(pane.codes).items()
        }
        return said, merge.clock.watermark, merge.windows.through

    async def outcome(self) -> dict[str, Any]:
        """The state and everything that readers of the output topics end up with."""
        return {
            "state": self.state(),
            "partials": await folded_partials(self.settings),
            "kpis": await folded_kpis(self.settings),
            "letters": await folded_letters(self.settings),
        }


@asynccontextmanager
async def deployment(
    settings: Settings, deaths: Mapping[tuple[int, int], list[Death]] | None = None
) -> AsyncIterator[Deployment]:
    """All tasks taken; what is left open at the end is closed without a last checkpoint."""
    made = Deployment(settings, deaths)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def _nothing(_topic: str, _partition: int) -> None:
    """No log end and no answer is known."""


def fail(error: BaseException) -> None:
    raise error


async def entries_of(settings: Settings, topic: str, partition: int = 0) -> list[Entry]:
    """All committed keys and values of a topic's partition, when no transaction is open on it any more."""
    await _markers_written(settings, TopicPartition(settings.topic(topic), partition))
    return [entry async for entries in read_whole(settings, topic, partition) for entry in entries]


async def _markers_written(settings: Settings, tp: TopicPartition) -> None:
    """A commit returns before its markers are in the logs; only taking over waits for them."""
    consumer = aiokafka.AIOKafkaConsumer(isolation_level="read_committed", **aiokafka_options(settings))
    async with asyncio.timeout(60), consumer:
        ((_, end),) = (await bounds(settings, [(tp.topic, tp.partition)])).values()
        while (await consumer.end_offsets([tp]))[tp] < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # nothing tells when a marker comes


async def values_of(settings: Settings, topic: str) -> list[bytes]:
    """All committed values of a topic."""
    logs = [await entries_of(settings, topic, p) for p in range(settings.partitions)]
    return [value for log in logs for _, value in log if value is not None]


def singles(block: PaneBlock) -> Iterator[PanePartial]:
    """Each value of a block."""
    for campaign, tally in zip(block.campaigns, unpack(block).as_list(), strict=True):
        yield campaign, block.resolution, block.start, tally


async def folded_partials(settings: Settings) -> dict[Any, Any]:
    """The value of the highest version of each pane and source."""
    found: dict[Any, tuple[tuple[int, int], Any]] = {}
    for value in await values_of(settings, topics.PARTIALS):
        bundle = decode_bundle(value)
        for campaign, resolution, start, tally in chain.from_iterable(map(singles, bundle.blocks)):
            key, version = (bundle.source, campaign, resolution, start), (bundle.epoch, bundle.sequence)
            if key not in found or version >= found[key][0]:
                found[key] = (version, tally)
    return {key: tally for key, (_, tally) in found.items()}


async def folded_kpis(settings: Settings) -> dict[Any, Any]:
    """The reading of the highest revision of each window, without what tells when it was made."""
    found: dict[Any, dict[str, Any]] = {}
    for value in await values_of(settings, topics.CAMPAIGN_KPIS):
        record = msgspec.json.decode(value)
        key = (record["campaign_id"], record["model"], record["window"], record["window_start"])
        if key not in found or record["revision"] > found[key]["revision"]:
            found[key] = record
    for record in found.values():
        for name in ("revision", "watermark", "published_at"):
            del record[name]
        record["stage"] = "closed" if record["stage"] in ("final", "correction") else record["stage"]
    return found


async def folded_letters(settings: Settings) -> dict[Any, Any]:
    """Dead letters by the record they quote."""
    letters = [msgspec.json.decode(value) for value in await values_of(settings, topics.DEAD_LETTERS)]
    for letter in letters:
        del letter["failed_at"]
        letter["topic"] = letter["topic"].removeprefix(settings.topic_prefix)
    return {(letter["topic"], letter["partition"], letter["offset"]): letter for letter in letters}

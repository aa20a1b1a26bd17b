"""Batch transport: Faust's consumer with one message per partition and fetch (D8).

Faust makes four tasks for each message it reads; here a message is a batch of raw records, so that cost
is paid per fetch. Offsets live in our tables: the topics are read without acks, seeks go to the offsets of
the state, and partitions are given up only after a checkpoint. What of Faust this leans on is pinned by
``tests/streams/transport/test_faust_behaviour.py``.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, cast

import aiokafka
import faust
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    ConsumerStoppedError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from faust.tables.manager import TableManager
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Producer, Transport
from faust.types import TP, ConsumerMessage

from metrics.values.errors import StateError
from streams.messages.source_records import ADS, SourceRecord
from streams.settings import Settings
from streams.state.lineage import LogMark
from streams.topics import PARTIALS
from streams.transport.client_options import aiokafka_options
from streams.transport.client_stop import stop_client
from streams.transport.record_batches import keep_raw_records, unpack

#: A broker answers one fetch at a time: while it waits for records of quiet topics, busy ones wait with it.
_FETCH_WAIT_MS = 20
#: Of one partition, and so the most that one batch holds. Each fetch has its price (request, response, tasks, a tally per
#: campaign and pane), so a backlog is read twice as fast in batches of 4 MB as of 1 MB; live traffic comes in small ones.
_FETCH_BYTES = 4 * 1024 * 1024
#: Of all partitions together; an answer is held several times over while it is taken apart.
_ANSWER_BYTES = 2 * _FETCH_BYTES

#: Who leads its group without knowing the topics (cut off while it started) assigns nothing to anybody; the next
#: list of topics makes it assign again.
_METADATA_AGE_MS = 3_000
#: aiokafka leaves the group of who does not fetch for its interval, and does not come back. Faust does not fetch while
#: nothing is assigned, nor while a state is read back; who hangs is ended by the watchdog instead (D21).
_NEVER_MS = 100 * 365 * 24 * 3_600 * 1_000


class FetchedBatch(NamedTuple):
    """What one fetch gave for one partition.

    ``start`` and ``end`` bound all offsets read, control records and compacted ones included, so that
    the next batch starts where this one ends. ``marks`` tell its record batches from any others.
    """

    start: int
    end: int
    records: Sequence[SourceRecord]
    marks: Sequence[LogMark] = ()


#: Records by partition, the partitions that were active (None: all), and the consumer group's generation.
_Fetched = tuple[Mapping[TP, FetchedBatch], set[TP] | None, int]


class PartitionOwner(Protocol):
    """Who holds the state of the partitions."""

    def positions(self) -> Mapping[tuple[str, int], int]:
        """The next offset to apply of each partition held, by full topic name."""
        ...

    async def release(self) -> None:
        """Checkpoint and let go of every partition."""
        ...


class BatchApp(faust.App):
    """A Faust app over the batch transport."""

    owner: PartitionOwner
    settings: Settings

    def _create_directories(self) -> None:
        """Nothing is kept on disk; Faust would leave a folder where the worker was started."""

    def add_agent(self, name: str, topic: Any, consume: Callable[[Any], Awaitable[None]]) -> None:
        """Let a function consume a topic, as ``faust.App.agent`` does.

        That also makes the agent known to a search through modules, which a worker does not make (``autodiscover``), and looks
        through every module of the process for it.
        """
        agent = self.conf.Agent(consume, name=name, app=self, channel=topic, on_error=self._on_agent_error)
        self.agents[agent.name] = agent
        self.topics.beacon.add(agent)

    def _new_transport(self) -> "BatchTransport":
        return BatchTransport(self.conf.broker_consumer, self)


class NoTables(TableManager):
    """Faust's manager of tables without its wait of a second for tables to be declared: none are, state is ours (D9)."""

    async def on_start(self) -> None:
        """Let the consumer subscribe at once."""
        await self._update_channels()
        await self.recovery.start()


class BatchSchema(faust.Schema):
    """Hands batches through untouched."""

    def loads_key(self, app: Any, message: Any, **_: Any) -> Any:
        """The key of a batch: none."""
        del app
        return message.key

    def loads_value(self, app: Any, message: Any, **_: Any) -> Any:
        """The batch itself."""
        del app
        return message.value


class BatchConsumerThread(AIOKafkaConsumerThread):
    """The consumer thread: reads committed records, co-partitioned, without an object per record."""

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        del transport
        conf, settings = self.app.conf, self.app.settings
        self._assignor = RangePartitionAssignor
        keep_raw_records()
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=settings.instance_id,
            # Range over equal partition counts gives one worker the same partition of every topic.
            partition_assignment_strategy=[RangePartitionAssignor],
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_poll_interval_ms=_NEVER_MS,
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=_ANSWER_BYTES,
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            session_timeout_ms=settings.session_timeout,
            rebalance_timeout_ms=settings.session_timeout,
            heartbeat_interval_ms=settings.session_timeout // 3,
            isolation_level="read_committed",
            metadata_max_age_ms=_METADATA_AGE_MS,
            **aiokafka_options(settings),
        )

    async def on_thread_stop(self) -> None:
        """Who ends in order lets the others have the partitions at once."""
        if self._consumer is not None:
            # aiokafka lets no member leave that has an identity: the group would wait for it for a session timeout.
            self._consumer._coordinator._group_instance_id = None
        # What Faust does here, but that the consumer also ends where its broker is gone.
        await super(AIOKafkaConsumerThread, self).on_thread_stop()
        if self._consumer is not None:
            await stop_client(self._consumer)

    async def show_offsets(self, offsets: Mapping[TP, int]) -> None:
        """Commit offsets that nothing of ours depends on."""
        await self.call_thread(self._show_offsets, offsets)

    async def _show_offsets(self, offsets: Mapping[TP, int]) -> None:
        with contextlib.suppress(KafkaError):
            await self._ensure_consumer().commit(
                {aiokafka.TopicPartition(*tp): offset for tp, offset in offsets.items()}
            )

    async def _fetch_records(
        self,
        consumer: aiokafka.AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, FetchedBatch]:
        """Raw records of every active partition that has some."""
        del max_records
        if not self.consumer.flow_active:
            return {}
        fetcher, settings = consumer._fetcher, self.app.settings
        if consumer._closed or fetcher._closed:
            raise ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():
            drained = _drain(fetcher, active_partitions, settings)
            if not drained and timeout:
                waiter = fetcher._create_fetch_waiter()
                done, _ = await asyncio.wait([waiter], timeout=timeout)
                if not done:
                    waiter.cancel()
                    return {}
                waiter.result()
                drained = _drain(fetcher, active_partitions, settings)
            return drained


def _drain(fetcher: Any, active: set[TP], settings: Settings) -> dict[TP, FetchedBatch]:
    if fetcher._subscriptions.reassignment_in_progress:
        return {}
    drained: dict[TP, FetchedBatch] = {}
    # Partials are few and small, and no reading is fresher than they are: they do not wait behind a fetch of clicks.
    partials = settings.topic(PARTIALS)
    for tp in sorted(fetcher._records, key=lambda tp: tp.topic != partials):
        result = fetcher._records[tp]
        if tp not in active:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        is_result = type(result) is FetchResult
        batch = _batch(result, settings) if is_result else None
        if not is_result or not result.has_more():
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
        if not is_result:
            _raise(result)
        if batch is not None:
            drained[tp] = batch
    return drained


def _raise(error: Any) -> None:
    """Raise what a fetch failed with; a missing position only means that the seek had not come yet."""
    try:
        error.check_raise()
    except NoOffsetForPartitionError:
        return
    except OffsetOutOfRangeError as gone:
        ((tp, offset),) = list(gone.args[0].items())[:1]
        raise StateError(
            f"{tp.topic}-{tp.partition}: records from offset {offset} on are gone before they were read, as by a retention that is too "
            "short. Lengthen the topic's retention; a start says how many are lost and what to do."
        ) from gone


def _batch(result: Any, settings: Settings) -> FetchedBatch | None:
    """Everything one fetch gave for a partition, so that the next fetch may begin at once."""
    parsed = result._partition_records
    if parsed is None or not result.check_assignment(result._topic_partition):
        return None
    start = parsed.next_fetch_offset
    marks: list[LogMark] = []
    records = unpack(parsed, marks)
    topic = result._topic_partition.topic.removeprefix(settings.topic_prefix)
    if topic in ADS:
        # Here, on the consumer's thread: the kernel leaves the interpreter to the others.
        records.ads(topic, settings.key_rule)
    result._update_position()
    result._partition_records = None
    end = parsed.next_fetch_offset
    return FetchedBatch(start, end, records, marks) if end > start else None


class BatchConsumer(Consumer):
    """Yields one message per partition and fetch; seeks to the offsets of the state."""

    #: The next fetch, which is asked for before the last one is processed.
    _ahead: asyncio.Task[_Fetched] | None = None

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """One message per partition that has records; its offset is that of its last record.

        The consumer's thread takes the next fetch apart while these are processed.
        """
        if self._ahead is None or self._ahead.cancelled():
            self._ahead = asyncio.create_task(self._next_fetch(timeout))
        records, active, generation = await self._ahead
        self._ahead = asyncio.create_task(self._next_fetch(timeout))
        for tp, batch in records.items():
            if self.should_stop or not self.flow_active or self.app.consumer_generation_id != generation:
                return
            if active is None or tp in active or tp in self._buffered_partitions:
                yield tp, self._batch_message(tp, batch)

    async def _next_fetch(self, timeout: float) -> _Fetched:
        """Records, the partitions that were active, and the generation in which they were read.

        What was read before a rebalance is dropped, when it has come or when it is asked for: after it every partition
        is sought to the offset of its state, and read again from there.
        """
        records, active = await self._wait_next_records(timeout)
        if records is None or not self.flow_active:
            records = {}
        return records, active, self.app.consumer_generation_id

    async def on_stop(self) -> None:
        """Nothing is read ahead any more."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)
        await super().on_stop()

    def highwater_of(self, topic: str, partition: int) -> int | None:
        """End of a log as its last fetch told, None before the first fetch and of logs that are read elsewhere."""
        tp = TP(topic, partition)
        is_mine = tp in self._thread._ensure_consumer().assignment()
        return cast("int | None", self.highwater(tp)) if is_mine else None

    def answered_at(self, topic: str, partition: int) -> int | None:
        """When the broker last answered a fetch of a partition, in milliseconds of the wall clock; None before."""
        consumer = self._thread._ensure_consumer()
        tp = TP(topic, partition)
        is_mine = tp in consumer.assignment()
        return cast("int | None", consumer.last_poll_timestamp(tp)) if is_mine else None

    async def show_offsets(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit offsets to the group for lag monitors; nothing of ours reads them, so a failure is let be."""
        assigned = self.assignment()
        known = {TP(*tp): offset for tp, offset in offsets.items() if TP(*tp) in assigned}
        if known:
            await self._thread.show_offsets(known)

    @property
    def member_id(self) -> str:
        """Of this worker in the consumer group, as the broker gave it."""
        return str(self._thread._ensure_consumer()._coordinator.member_id)

    @property
    def group_generation(self) -> int:
        """Generation of the consumer group; a member that comes back under its identity does not change it."""
        return int(self._thread._ensure_consumer()._coordinator.generation)

    def _batch_message(self, tp: TP, batch: FetchedBatch) -> ConsumerMessage:
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            batch.end - 1,
            None,
            1,
            (),
            None,
            batch,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def perform_seek(self) -> None:
        """Seek every assigned partition to the next offset of its state."""
        positions = self.app.owner.positions()
        for tp in self.assignment():
            offset = positions.get((tp.topic, tp.partition))
            if offset is not None:
                self._thread.seek(tp, offset)
                self._read_offset[tp] = offset - 1 if offset else None
                self._committed_offset[tp] = offset or None

    async def wait_empty(self) -> None:
        """Nothing to wait for: offsets advance with the state, and a batch cut off is read again."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Checkpoint what is held before anyone else may own it, then let Faust clean up."""
        self.stop_flow()
        await self.app.owner.release()
        await super().on_partitions_revoked(revoked)


class SecuredProducer(Producer):
    """Faust's own producer, which nothing of ours sends with, but which must be let in when the app starts."""

    def _settings_auth(self) -> Mapping[str, Any]:
        """The security of the settings; Faust's credentials do not know every mechanism."""
        return aiokafka_options(self.app.settings)


class BatchTransport(Transport):
    """Faust's aiokafka transport with the batch consumer and the security of the settings."""

    Consumer = BatchConsumer
    Producer = SecuredProducer

"""What the batch transport leans on in Faust 0.15.3, so that an upgrade that breaks it says what.

`streams/transport/batch_consumer.py`, `streams/transport/faust_app.py` and `streams/transport/checkpoint_writer.py` override or read what is private there;
what they lean on in aiokafka alone stands in `test_aiokafka_behaviour.py`.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import aiokafka
import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import conductor
from faust.transport.consumer import ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams import topics
from streams.transport.batch_consumer import BatchConsumer, BatchConsumerThread, BatchTransport, FetchedBatch
from streams.transport.client_options import aiokafka_options
from streams.transport.faust_app import make_app
from streams.transport.topic_admin import ensure_topics
from tests.support.pinning import LIMIT_S, append, until


def parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(function).parameters)


# --- versions and shapes ----------------------------------------------------------------------------


def test_these_are_the_versions_that_were_read() -> None:
    assert version("faust-streaming").startswith("0.15.")
    assert version("aiokafka").startswith("0.14.")


@pytest.mark.parametrize(
    ("stock", "expected"),
    [
        (faust.App._new_transport, ["self"]),
        (driver.Consumer._new_consumer_thread, ["self"]),
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (
            driver.AIOKafkaConsumerThread._fetch_records,
            ["self", "consumer", "active_partitions", "timeout", "max_records"],
        ),
        (driver.AIOKafkaConsumerThread.seek, ["self", "partition", "offset"]),
        (driver.Consumer.getmany, ["self", "timeout"]),
        (driver.Consumer._wait_next_records, ["self", "timeout"]),
        (driver.Consumer.perform_seek, ["self"]),
        (driver.Consumer.wait_empty, ["self"]),
        (driver.Consumer.highwater, ["self", "tp"]),
        (faust.Schema.loads_key, ["self", "app", "message", "loads", "serializer"]),
        (faust.Schema.loads_value, ["self", "app", "message", "loads", "serializer"]),
        (Fetcher._create_fetch_waiter, ["self"]),
        (Fetcher._notify, ["self", "future"]),
        (FetchResult.check_assignment, ["self", "tp"]),
        (FetchResult._update_position, ["self"]),
        (FetchResult.has_more, ["self"]),
        (FetchError.check_raise, ["self"]),
        (PartitionRecords._consume_aborted_up_to, ["self", "batch_offset"]),
        (PartitionRecords._contains_abort_marker, ["self", "next_batch"]),
        (AIOKafkaProducer.create_batch, ["self"]),
        (AIOKafkaProducer.send_batch, ["self", "batch", "topic", "partition"]),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_what_is_overridden_or_called_takes_what_it_took(
    stock: Callable[..., Any], expected: list[str]
) -> None:
    assert parameters(stock) == expected


def test_the_revocation_hook_takes_the_revoked_partitions() -> None:
    # Wrapped by ``Service.transitions_to``, which hides its parameters.
    assert parameters(inspect.unwrap(driver.Consumer.on_partitions_revoked)) == ["self", "revoked"]


@pytest.mark.parametrize("name", ["_create_worker_consumer", "_fetch_records"])
def test_the_thread_is_where_faust_makes_and_asks_the_kafka_consumer(name: str) -> None:
    assert name in vars(driver.AIOKafkaConsumerThread)
    assert name in vars(BatchConsumerThread)
    # The source of a class is found by a tree of syntax, which Python 3.11 sometimes refuses while another thread makes one.
    methods = filter(inspect.isfunction, vars(driver.AIOKafkaConsumerThread).values())
    callers = "".join(map(inspect.getsource, methods))
    assert callers.count(f"self.{name}") == 1


def test_the_transport_makes_the_consumer_class_it_names() -> None:
    assert driver.Transport.Consumer is driver.Consumer
    assert BatchTransport.Consumer is BatchConsumer
    assert issubclass(driver.Consumer, ThreadDelegateConsumer)


def test_the_end_of_a_rebalance_is_signalled_before_the_seek() -> None:
    source = inspect.getsource(Recovery._resume_streams)
    assert source.index("on_rebalance_complete.send()") < source.index("perform_seek()")


def test_the_manager_of_tables_waits_a_second_for_what_we_do_not_have() -> None:
    source = inspect.getsource(inspect.unwrap(TableManager.on_start))
    assert [line.strip() for line in source.splitlines() if "await" in line] == [
        "await self.sleep(1.0)",
        "await self._update_channels()",
        "await self.recovery.start()",
    ]


def test_a_failed_revocation_is_only_logged() -> None:
    # So a checkpoint that fails there has to end the process itself.
    source = inspect.getsource(GroupCoordinator._on_join_prepare)
    assert "except Exception:" in source
    assert "log.exception" in source


def test_a_rebalance_clears_what_agents_have_queued() -> None:
    source = inspect.getsource(faust.App._on_partitions_revoked)
    order = [
        source.index(f"{call})()") for call in ("stop_flow", "flow_control.suspend", "flow_control.clear")
    ]
    assert order == sorted(order)


def test_messages_reach_agents_through_one_callback_per_partition() -> None:
    assert "get_callback_for_tp(message.tp)" in inspect.getsource(
        conductor.Conductor._compile_message_handler
    )


@pytest.fixture
def fresh(settings_for: Any) -> Callable[..., Any]:
    """Settings of a deployment of two partitions, with its topics."""

    def make(broker: Any) -> Any:
        settings = settings_for(broker, partitions=2)
        ensure_topics(settings, create=True)
        return settings

    return make


# --- a running app ----------------------------------------------------------------------------------


class Recorder:
    """Owner of partitions that notes what happens, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.taken: list[tuple[str, int, int, FetchedBatch]] = []
        self.assigned: list[tuple[set[int], int]] = []
        self.offsets: dict[tuple[str, int], int] = {}
        self.gate = asyncio.Event()
        self.gate.set()

    def positions(self) -> dict[tuple[str, int], int]:
        self.events.append("seek")
        return self.offsets

    async def release(self) -> None:
        self.events.append("release")

    async def take_over(self, partitions: set[int], generation: int) -> None:
        self.events.append("take over")
        self.assigned.append((partitions, generation))

    async def take(self, topic: str, partition: int, generation: int, batch: FetchedBatch) -> None:
        self.taken.append((topic, partition, generation, batch))
        await self.gate.wait()

    def begin(self, settings: Any) -> None:
        """Every partition is to be read from its start."""
        names = (*topics.INTAKE_INPUTS, topics.PARTIALS)
        self.offsets = {(settings.topic(name), p): 0 for name in names for p in range(settings.partitions)}


@asynccontextmanager
async def running(settings: Any, recorder: Recorder) -> AsyncIterator[Any]:
    app = make_app(settings, recorder, recorder.take, recorder.take_over)
    await app.start()
    try:
        yield app
    finally:
        recorder.gate.set()
        await asyncio.wait_for(app.stop(), LIMIT_S)


async def committed(settings: Any) -> list[int | None]:
    """What the group has committed of the clicks."""
    group = f"{settings.topic_prefix}{settings.group_id}"
    consumer = AIOKafkaConsumer(group_id=group, enable_auto_commit=False, **aiokafka_options(settings))
    tps = [TopicPartition(settings.topic(topics.CLICKS), p) for p in range(settings.partitions)]
    consumer.assign(tps)
    async with consumer:
        return [await consumer.committed(tp) for tp in tps]


def test_batches_flow_from_their_log_to_the_agent_one_message_each_in_order(broker, fresh) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        recorder.begin(settings)
        sizes = {0: [1, 8_000, 7], 1: [3] * 5}
        for partition, batches in sizes.items():
            await append(settings, topics.CLICKS, batches, partition)
        async with running(settings, recorder) as app:
            assert type(app.transport) is BatchTransport
            assert type(app.consumer) is BatchConsumer
            assert isinstance(app.consumer._thread, BatchConsumerThread)
            total = sum(map(sum, sizes.values()))
            await until(lambda: sum(len(batch.records) for *_, batch in recorder.taken) >= total)
            _are_whole_and_in_order(settings, recorder, sizes)
            assert recorder.events == ["release", "take over", "seek"]
            assert recorder.assigned == [({0, 1}, app.consumer_generation_id)]
            assert {generation for _, _, generation, _ in recorder.taken} == {app.consumer_generation_id}
            assert not app.topics.acks_enabled_for(settings.topic(topics.CLICKS))
            assert app.consumer.highwater_of(settings.topic(topics.CLICKS), 0) == sum(sizes[0])
            answer = app.consumer.answered_at(settings.topic(topics.ORDERS), 0)
            await until(lambda: app.consumer.answered_at(settings.topic(topics.ORDERS), 0) != answer)
            await app.consumer.commit()
        assert await committed(settings) == [None, None]

    settings = fresh(broker)
    asyncio.run(scenario())


def _are_whole_and_in_order(settings: Any, recorder: Recorder, sizes: dict[int, list[int]]) -> None:
    for partition, batches in sizes.items():
        mine = [batch for _, of, _, batch in recorder.taken if of == partition]
        assert [mine[0].start, *(batch.end for batch in mine[:-1])] == [batch.start for batch in mine]
        assert mine[-1].end == sum(batches)
        offsets = [record.offset for batch in mine for record in batch.records]
        assert offsets == list(range(sum(batches)))
    assert {topic for topic, *_ in recorder.taken} == {settings.topic(topics.CLICKS)}


def test_reading_begins_where_the_owner_says(broker, fresh) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        recorder.begin(settings)
        clicks = settings.topic(topics.CLICKS)
        recorder.offsets[clicks, 0] = 4
        await append(settings, topics.CLICKS, [10])
        async with running(settings, recorder) as app:
            await until(lambda: recorder.taken and recorder.taken[-1][3].end == 10)
            # A fetch holds the whole batch of a log; the parser leaves out what was not asked for.
            assert [record.offset for *_, batch in recorder.taken for record in batch.records] == [
                4,
                5,
                6,
                7,
                8,
                9,
            ]
            assert recorder.taken[0][3].start == 4
            assert app.consumer._committed_offset[TP(clicks, 0)] == 4

    settings = fresh(broker)
    asyncio.run(scenario())


def test_a_suspended_flow_drops_the_batches_that_are_queued(broker, fresh) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        recorder.begin(settings)
        recorder.gate.clear()
        clicks = settings.topic(topics.CLICKS)
        async with running(settings, recorder) as app:
            await append(settings, topics.CLICKS, [1])
            await until(lambda: recorder.taken)
            await append(settings, topics.CLICKS, [1, 1])
            (channel,) = app.topics._tp_index[TP(clicks, 0)]
            await until(lambda: not channel.queue.empty())
            app.consumer.stop_flow()
            app.flow_control.suspend()
            app.flow_control.clear()
            assert channel.queue.empty()
            recorder.gate.set()
            app.flow_control.resume()
            app.consumer.resume_flow()
            await append(settings, topics.CLICKS, [1])
            await until(lambda: recorder.taken[-1][3].end == 4)
            assert recorder.taken[1][3].start > 1, (
                "the queued batch is gone: nothing but a seek brings it back"
            )

    settings = fresh(broker)
    asyncio.run(scenario())


def test_an_error_while_taking_over_crashes_the_app_before_anything_is_read(broker, fresh) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        recorder.begin(settings)
        await append(settings, topics.CLICKS, [10])

        async def take_over(partitions: set[int], generation: int) -> None:
            raise RuntimeError("cannot be taken over")

        recorder.take_over = take_over  # type: ignore[method-assign]
        async with running(settings, recorder) as app:
            await until(lambda: app.crashed)
            assert str(app.crash_reason) == "cannot be taken over"
            assert recorder.taken == []
            assert "seek" not in recorder.events

    settings = fresh(broker)
    asyncio.run(scenario())


def test_the_aiokafka_consumer_is_told_what_the_design_wants(broker, fresh) -> None:
    async def scenario() -> None:
        recorder = Recorder()
        async with running(settings, recorder) as app:
            await until(lambda: recorder.assigned)
            consumer = app.consumer._thread._consumer
            assert type(consumer) is aiokafka.AIOKafkaConsumer
            fetcher = consumer._fetcher
            assert fetcher._isolation_level == 1, "read_committed"
            assert fetcher._default_reset_strategy == 0, "no automatic reset"
            assert consumer._coordinator._assignors == [RangePartitionAssignor]
            assert not consumer._enable_auto_commit

    settings = fresh(broker)
    asyncio.run(scenario())


def test_who_was_assigned_nothing_for_want_of_metadata_gets_its_partitions_soon(
    broker, fresh, monkeypatch
) -> None:
    # A worker that is cut off between its first word with a broker and the list of topics leads its group all the
    # same once it gets through, and assigns from a list that is empty (found by seed 48 on one broker).
    async def update(client: Any, metadata: Any, names: Any) -> bool:
        if assigned or not names:
            return await whole(client, metadata, names)
        metadata.failed_update(None)
        return False

    def assign(cluster: Any, members: Any) -> Any:
        assigned.append(len(cluster.topics()))
        return stock(cluster, members)

    async def scenario() -> None:
        recorder = Recorder()
        recorder.begin(settings)
        async with running(settings, recorder):
            await until(lambda: recorder.assigned and recorder.assigned[-1][0] == {0, 1}, 20)

    assigned: list[int] = []
    whole, stock = AIOKafkaClient._metadata_update, RangePartitionAssignor.assign
    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", update)
    monkeypatch.setattr(RangePartitionAssignor, "assign", assign)
    settings = fresh(broker)
    asyncio.run(scenario())
    assert assigned[0] == 0, "it led its group without knowing a topic"


def test_a_spare_worker_stays_in_its_group_however_long_it_has_nothing_to_read(broker, settings_for) -> None:
    # Faust does not fetch while nothing is assigned, and aiokafka leaves the group, for good, of who does not fetch
    # for max_poll_interval: after it a spare would never take over (found by seeds 48 and 67 on one broker).
    async def scenario() -> None:
        owner = AIOKafkaConsumer(
            *(settings.topic(name) for name in (*topics.INTAKE_INPUTS, topics.PARTIALS)),
            client_id="a",  # the assignor serves members in order of their ids
            group_id=f"{settings.topic_prefix}{settings.group_id}",
            partition_assignment_strategy=[RangePartitionAssignor],
            session_timeout_ms=settings.session_timeout,
            **aiokafka_options(settings),
        )
        recorder = Recorder()
        recorder.begin(settings)
        async with owner, running(settings, recorder) as app:
            await until(lambda: recorder.assigned == [(set(), app.consumer_generation_id)])
            coordinator = app.consumer._thread._consumer._coordinator
            coordinator._subscription._last_fetch_ended -= 24 * 3_600
            beats = heartbeats(coordinator)
            await until(lambda: len(beats) >= 3, 20)
            await owner.stop()
            await until(lambda: recorder.assigned[-1][0] == {0}, 20)

    def heartbeats(coordinator: Any) -> list[None]:
        async def beat() -> Any:
            beats.append(None)
            return await stock()

        beats: list[None] = []
        stock, coordinator._do_heartbeat = coordinator._do_heartbeat, beat
        return beats

    settings = settings_for(broker, partitions=1)
    ensure_topics(settings, create=True)
    asyncio.run(scenario())

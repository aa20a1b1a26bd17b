"""Reading state back on a real broker: whole changelogs, where logs begin and end, states that are refused."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic

from metrics.values.errors import StateError
from streams import topics
from streams.embedded.broker import embedded_broker
from streams.state.checkpoint import Checkpoint
from streams.state.codec import Entry
from streams.transport.checkpoint_writer import CheckpointWriter
from streams.transport.client_options import aiokafka_options, kafka_python_options
from streams.transport.log_offsets import bounds
from streams.transport.log_reader import read_whole
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import write
from tests.support.seating import INTAKE, MERGE, Deployment, deployment, entries_of
from tests.support.servers.worker import wait_for

T0 = 1_780_000_000_000


def fresh(settings_for: Any, broker: Any, **overrides: Any) -> Any:
    """Settings of a deployment of one partition, with its topics."""
    settings = settings_for(broker, **({"partitions": 1} | overrides))
    ensure_topics(settings, create=True)
    return settings


# --- changelogs -------------------------------------------------------------------------------------


def test_an_empty_changelog_is_read_at_once(broker, settings_for) -> None:
    settings = fresh(settings_for, broker)
    assert asyncio.run(asyncio.wait_for(entries_of(settings, topics.INTAKE_CHANGELOG), 5)) == []


@pytest.mark.parametrize("sizes", [[1], [1, 2_500, 3], [6_000], [400] * 10])
def test_every_record_of_every_checkpoint_is_read_back_in_order(broker, settings_for, sizes) -> None:
    async def scenario() -> list[Entry]:
        writer = CheckpointWriter(settings, topics.MERGE_CHANGELOG, 0)
        await writer.start()
        try:
            for number, entries in enumerate(checkpoints):
                await writer.write(Checkpoint(number, entries))
        finally:
            await writer.stop()
        return await entries_of(settings, topics.MERGE_CHANGELOG)

    settings = fresh(settings_for, broker)
    checkpoints = [
        [(b"%d-%d" % (number, at), b"v" * (at % 300) if at % 7 else None) for at in range(size)]
        for number, size in enumerate(sizes)
    ]
    assert asyncio.run(scenario()) == [entry for entries in checkpoints for entry in entries]


def test_who_takes_over_right_after_a_commit_reads_it_though_its_marker_was_still_to_come(
    broker, settings_for
) -> None:
    async def scenario() -> None:
        for number in range(15):
            writer = CheckpointWriter(settings, topics.INTAKE_CHANGELOG, 0)
            await writer.start()
            found = [entry async for some in read_whole(settings, *changelog) for entry in some]
            assert found == [(b"k%d" % earlier, b"v") for earlier in range(number)]
            await writer.write(Checkpoint(number, [(b"k%d" % number, b"v")]))
            await writer.stop()

    settings = fresh(settings_for, broker)
    changelog = (topics.INTAKE_CHANGELOG, 0)
    asyncio.run(scenario())


@pytest.mark.parametrize("outcomes", ["c", "a", "ca", "ac", "aaa", "caacaa"])
def test_a_changelog_that_ends_in_markers_is_read_to_its_end_without_what_was_aborted(
    broker, settings_for, outcomes
) -> None:
    async def scenario() -> list[bytes | None]:
        await transactions(settings, topics.INTAKE_CHANGELOG, outcomes)
        return [value for _, value in await entries_of(settings, topics.INTAKE_CHANGELOG)]

    settings = fresh(settings_for, broker)
    kept = [b"%d" % number for number, outcome in enumerate(outcomes) if outcome == "c"]
    assert asyncio.run(asyncio.wait_for(scenario(), 60)) == [value for value in kept for _ in range(2)]


async def transactions(settings: Any, topic: str, outcomes: str) -> None:
    """A transaction of two records for each letter: ``c`` is committed, ``a`` aborted."""
    options = {"transactional_id": settings.topic("writer"), **aiokafka_options(settings)}
    async with AIOKafkaProducer(**options) as producer:
        for number, outcome in enumerate(outcomes):
            await producer.begin_transaction()
            for _ in range(2):
                await producer.send_and_wait(settings.topic(topic), b"%d" % number, key=b"k", partition=0)
            await (producer.commit_transaction if outcome == "c" else producer.abort_transaction)()


@pytest.mark.verify
def test_a_compacted_changelog_gives_the_last_value_of_each_key(settings_for) -> None:
    with embedded_broker(properties={"log.cleaner.backoff.ms": "200"}) as own:
        settings = settings_for(own, partitions=1)
        _create_eagerly_compacted(settings, settings.topic(topics.INTAKE_CHANGELOG))
        written = asyncio.run(_write_over_and_over(settings))
        wait_for("the log is compacted", lambda: len(_raw_offsets(settings)) < len(written) // 2)
        read = asyncio.run(asyncio.wait_for(entries_of(settings, topics.INTAKE_CHANGELOG), 60))
    assert len(read) < len(written) // 2
    assert dict(read) == dict(written)


def _create_eagerly_compacted(settings: Any, name: str) -> None:
    eager = {"cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.01"}
    admin = KafkaAdminClient(**kafka_python_options(settings))
    with contextlib.closing(admin):
        admin.create_topics([NewTopic(name, 1, 1, topic_configs=eager)])


async def _write_over_and_over(settings: Any) -> list[Entry]:
    written: list[Entry] = []
    writer = CheckpointWriter(settings, topics.INTAKE_CHANGELOG, 0)
    await writer.start()
    try:
        for number in range(60):
            entries = [(b"k%d" % (at % 20), b"%d" % number * 1_000) for at in range(40)]
            await writer.write(Checkpoint(number, entries))
            written += entries
    finally:
        await writer.stop()
    return written


def _raw_offsets(settings: Any) -> list[int]:
    consumer = KafkaConsumer(
        settings.topic(topics.INTAKE_CHANGELOG),
        auto_offset_reset="earliest",
        consumer_timeout_ms=500,
        **kafka_python_options(settings),
    )
    with contextlib.closing(consumer):
        return [record.offset for record in consumer]


# --- where logs begin and end -----------------------------------------------------------------------


def test_bounds_are_the_first_record_and_one_past_the_last(broker, settings_for) -> None:
    settings = fresh(settings_for, broker, partitions=2)
    write(settings, [("orders", b"k", {"n": number}) for number in range(5)], partition=1)
    orders = settings.topic("orders")
    found = asyncio.run(bounds(settings, [(orders, 0), (orders, 1)]))
    assert found == {(orders, 0): (0, 0), (orders, 1): (0, 5)}


def test_bounds_of_a_log_that_was_cut_and_ends_in_a_marker(broker, settings_for) -> None:
    settings = fresh(settings_for, broker)
    asyncio.run(transactions(settings, "orders", "ca"))
    cut(settings, "orders", 1)
    assert asyncio.run(bounds(settings, [(settings.topic("orders"), 0)])) == {
        (settings.topic("orders"), 0): (1, 6)  # two records and a marker, twice
    }


def cut(settings: Any, topic: str, offset: int) -> None:
    """Drop the records of partition 0 before an offset, as retention would."""
    admin = KafkaAdminClient(**kafka_python_options(settings))
    with contextlib.closing(admin):
        admin.delete_records({TopicPartition(settings.topic(topic), 0): offset})


# --- states that are refused ------------------------------------------------------------------------


async def stored(settings: Any, change: Callable[[Deployment], None]) -> None:
    """A state on the broker, changed and checkpointed by both of its stages."""
    async with deployment(settings) as made:
        change(made)
        for stage in (INTAKE, MERGE):
            made.tasks[stage, 0].store._is_claimed = False
            await made.checkpoint(stage, 0)


async def refusal(settings: Any) -> str:
    """What a processor says that takes partition 0 over, and that nothing is held afterwards."""
    made = Deployment(settings)
    with pytest.raises(StateError) as refused:
        await made.processor.take_over({0}, 1)
    assert made.processor.held == {}
    assert not made.processor.is_ready
    return str(refused.value)


@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_a_state_of_another_number_of_partitions_is_refused(broker, settings_for, stage) -> None:
    async def scenario() -> None:
        async with deployment(settings):
            pass
        more = settings.model_copy(update={"partitions": 3})
        task = Deployment(more).task(stage, 0)
        with pytest.raises(StateError, match=r"made with 1 partitions.*says 3.*ROISTREAM_TOPIC_PREFIX"):
            await task.open()
        await task.close()

    settings = fresh(settings_for, broker)
    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("topic", "change"),
    [
        (topics.LEADS, lambda made: made.intake(0).advance(topics.LEADS, 8)),
        (topics.PARTIALS, lambda made: made.merge(0).advance(1_000)),
    ],
)
def test_an_offset_beyond_the_end_of_its_log_is_refused(broker, settings_for, topic, change) -> None:
    async def scenario() -> str:
        await stored(settings, change)
        return await refusal(settings)

    settings = fresh(settings_for, broker)
    write(settings, [("leads", b"k", {"n": number}) for number in range(5)], partition=0)
    said = asyncio.run(scenario())
    assert said.startswith(f"{settings.topic(topic)}-0: the state ends at ")
    assert "roistream recover --" in said


def test_an_offset_at_the_end_of_its_log_is_taken(broker, settings_for) -> None:
    async def scenario() -> dict[tuple[str, int], int]:
        await stored(settings, lambda made: made.intake(0).advance(topics.LEADS, 5))
        made = Deployment(settings)
        await made.processor.take_over({0}, 1)
        positions = dict(made.processor.positions())
        await made.processor.release()
        return positions

    settings = fresh(settings_for, broker)
    write(settings, [("leads", b"k", {"n": number}) for number in range(5)], partition=0)
    assert asyncio.run(scenario())[settings.topic("leads"), 0] == 5


def test_an_offset_before_the_start_of_its_log_is_refused_with_the_number_of_lost_records(
    broker, settings_for
) -> None:
    async def scenario() -> str:
        await stored(settings, lambda made: made.intake(0).advance(topics.ORDERS, 2))
        cut(settings, topics.ORDERS, 6)
        return await refusal(settings)

    settings = fresh(settings_for, broker)
    write(settings, [("orders", b"k", {"n": number}) for number in range(9)], partition=0)
    said = asyncio.run(scenario())
    assert (
        f"{settings.topic('orders')}-0: the log begins at 6, the state ends at 2: 4 records are lost" in said
    )


def test_a_partition_absent_from_the_state_begins_where_its_log_does(broker, settings_for) -> None:
    async def scenario() -> dict[tuple[str, int], int]:
        made = Deployment(settings)
        await made.processor.take_over({0}, 1)
        positions = dict(made.processor.positions())
        await made.processor.release()
        return positions

    settings = fresh(settings_for, broker)
    write(settings, [("orders", b"k", {"n": number}) for number in range(9)], partition=0)
    cut(settings, topics.ORDERS, 6)
    assert asyncio.run(scenario())[settings.topic("orders"), 0] == 6

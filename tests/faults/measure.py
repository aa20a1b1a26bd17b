"""``python -m tests.faults.measure failover|recovery``: how long it takes until figures are exact again.

``failover``: two workers, everything written, one is killed; until the last revisions equal the oracle.
``recovery``: a worker that holds the panes of 8 days is killed and started again; until it is ready. Its state
is made by a replay at full speed, one click per campaign and active quarter of an hour.
"""

import argparse
import asyncio
import json
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from aiokafka import AIOKafkaProducer

from streams import topics
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options
from streams.transport.log_offsets import bounds
from streams.transport.topic_admin import ensure_topics
from tests.faults import checks
from tests.faults.cluster import Cluster, running_cluster
from tests.faults.fleet import Fleet, Member, running_fleet
from tests.faults.sequence import GRACE_MS, PARTITIONS
from tests.faults.workload import MINUTE_MS, Shape, load_of, read_back, registered
from tests.support.outside import published, write

_QUARTER_MS = 15 * MINUTE_MS
_QUARTERS = 8 * 96
_BATCH = 5_000


def main() -> None:
    """Print one line per measurement."""
    options = _options()
    with running_cluster(1) as cluster, tempfile.TemporaryDirectory(prefix="measure-") as folder:
        if options.what == "failover":
            for session_ms in (6_000, 30_000):
                _failover(cluster, Path(folder), session_ms)
        else:
            _recovery(cluster, Path(folder), options.campaigns, options.every)


def _settings(cluster: Cluster, session_ms: int, partitions: int) -> Settings:
    return Settings(
        broker=cluster.url,
        topic_prefix=f"m{uuid.uuid4().hex[:6]}-",
        partitions=partitions,
        session_timeout=session_ms,
        grace=GRACE_MS,
        publish_interval=200,
    )


def _failover(cluster: Cluster, folder: Path, session_ms: int) -> None:
    settings = _settings(cluster, session_ms, PARTITIONS)
    ensure_topics(settings, create=True)
    load = load_of(1, Shape(3_000, 20 * MINUTE_MS, 1, None), PARTITIONS, int(time.time() * 1000))
    with running_fleet(settings, folder, cluster.proxied_url, print) as fleet:
        first, second = fleet.add(), fleet.add()
        write(settings, registered())
        assert fleet.wait("both ready", lambda: fleet.all_ready() and _shared(first, second), 120)
        write(settings, load)
        second.end()
        killed = time.monotonic()
        wanted = checks.expected(read_back(settings), registered())
        assert fleet.wait(
            "exact", lambda: not checks.wrong_figures(published(settings), wanted), 3 * session_ms / 1000 + 60
        )
        print(
            f"failover at a session timeout of {session_ms // 1000} s: {time.monotonic() - killed:.1f} s from SIGKILL"
        )


def _shared(one: Member, other: Member) -> bool:
    return bool(one.facts()["partitions"]) and bool(other.facts()["partitions"])


def _recovery(cluster: Cluster, folder: Path, campaigns: int, every: int) -> None:
    settings = _settings(cluster, 30_000, 1)
    ensure_topics(settings, create=True)
    count = asyncio.run(_write_clicks(settings, campaigns, every))
    with running_fleet(settings, folder, cluster.proxied_url, print) as fleet:
        worker = fleet.add()
        started = time.monotonic()
        assert fleet.wait("all read", lambda: _is_idle(fleet, worker, count), 900)
        print(f"replay of {count} clicks: {time.monotonic() - started:.0f} s, {_rss(worker)} MB")
        worker.end()
        print(f"changelogs: {asyncio.run(_changelog_sizes(settings))} records")
        started = time.monotonic()
        worker.start()
        assert fleet.wait("ready again", fleet.all_ready, 900)
        print(f"recovery: ready {time.monotonic() - started:.1f} s after the start, {_rss(worker)} MB")
        for line in worker.log.read_text().splitlines():
            if "read back" in line:
                print(f"  {line}")


def _is_idle(fleet: Fleet, worker: Member, count: int) -> bool:
    """Everything is read, and what was published has come to rest."""
    if not fleet.all_ready() or worker.ledger()["ad-clicks"].get("applied", 0) < count:
        topic = fleet.settings.topic("ad-clicks")
        if not worker.is_alive or worker.ledger().get(topic, {}).get("applied", 0) < count:
            time.sleep(5)  # a page of so many campaigns takes its time
            return False
    before = asyncio.run(_changelog_sizes(fleet.settings))
    time.sleep(3)
    return asyncio.run(_changelog_sizes(fleet.settings)) == before


async def _changelog_sizes(settings: Settings) -> dict[str, int]:
    names = (topics.INTAKE_CHANGELOG, topics.MERGE_CHANGELOG)
    found = await bounds(settings, [(settings.topic(name), 0) for name in names])
    return {topic: end for (topic, _), (_, end) in found.items()}


async def _write_clicks(settings: Settings, campaigns: int, every: int) -> int:
    end = int(time.time() * 1000) // _QUARTER_MS * _QUARTER_MS
    count = 0
    topic = settings.topic(topics.CLICKS)
    async with AIOKafkaProducer(acks="all", max_batch_size=4 << 20, **aiokafka_options(settings)) as producer:
        batch, size = producer.create_batch(), 0
        for event in _clicks(end - _QUARTERS * _QUARTER_MS, campaigns, every):
            batch.append(key=b"v", value=json.dumps(event).encode(), timestamp=None)
            count, size = count + 1, size + 1
            if size == _BATCH:
                await producer.send_batch(batch, topic, partition=0)
                batch, size = producer.create_batch(), 0
        await producer.send_batch(batch, topic, partition=0)
        await producer.flush()
    return count


def _clicks(start: int, campaigns: int, every: int) -> Iterator[dict[str, object]]:
    """Each campaign is active in one of ``every`` quarters of an hour."""
    for quarter in range(_QUARTERS):
        for campaign in range(quarter % every, campaigns, every):
            yield {
                "event_id": f"{quarter}-{campaign}",
                "occurred_at": start + quarter * _QUARTER_MS + campaign % 900_000,
                "campaign_id": f"c-{campaign}",
                "cost": "0.25",
            }


def _rss(worker: Member) -> int:
    status = Path(f"/proc/{worker.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) // 1024


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.measure", description=__doc__)
    parser.add_argument("what", choices=["failover", "recovery"])
    parser.add_argument("--campaigns", type=int, default=10_000)
    parser.add_argument("--every", type=int, default=8, help="one of so many quarters of an hour is active")
    return parser.parse_args()


if __name__ == "__main__":
    main()

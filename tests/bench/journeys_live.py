"""Many active visitors through a real broker and a real worker with every model: `python -m tests.bench.journeys_live`.

Fills a fresh deployment with the touches of all visitors, five each, spread over six hours (``--hours``), and with a lead
and an order of one visitor in a hundred. One worker reads it all, is killed with SIGKILL, and a second one recovers. Prints the
most memory each has had, and how long the recovery took, start of the process included.

The hours do not matter to what is remembered of visitors, all of it being within the lookback. They matter to the windows:
every minute of every campaign with a click becomes a final record in each view. Over twenty days five million clicks touch two
million of those, which a live worker publishes in twenty days, and this one would have to publish before it comes to its end.
"""

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from metrics.attribution.models import MODELS
from metrics.values.time import HOUR, MINUTE
from streams import topics
from streams.settings import Settings
from streams.state.codec import partition_of
from streams.transport.log_offsets import bounds
from streams.transport.topic_admin import ensure_topics
from tests.bench.bulk import Appender, ClickBatch, Columns
from tests.bench.clicks import PARTITIONS, Records, produce
from tests.bench.contenders import Broker, bench_settings
from tests.bench.machine import cpu_seconds, load_average, peak_memory_mb
from tests.bench.throughput import broker
from tests.support.servers.worker import WorkerProcess, wait_for

_BATCH = 4_000
_WITHIN_SECONDS = 600
#: One visitor in so many becomes a lead and orders.
_CONVERT = 100


def main() -> None:
    """Fill, read, kill, recover, print."""
    options = _options()
    with broker() as found, tempfile.TemporaryDirectory() as folder:
        settings = _settings(found)
        ensure_topics(settings, create=True)
        now = time.time_ns() // 1_000_000
        parts = _routes(options.visitors)
        conversions = _convert(found, settings, parts, now)
        asyncio.run(_fill(found, settings, parts, options, now))
        expected = options.visitors * options.touches + 2 * conversions
        print(f"{found.kind}: {expected:,} records; load {load_average():.1f}.", flush=True)
        first = _read(settings, Path(folder), expected)
        second = _recover(settings, Path(folder), expected)
    print(
        json.dumps(
            {
                "visitors": options.visitors,
                "campaigns": options.campaigns,
                "hours": options.hours,
                "read": first,
                "recovered": second,
            },
            indent=1,
        )
    )


def _read(settings: Settings, folder: Path, expected: int) -> dict[str, float]:
    """A worker from nothing to the last record, then SIGKILL."""
    with _worker(settings, folder, "first") as worker:
        started = time.monotonic()
        wait_for("every record is applied", lambda: _applied(worker) == expected, _WITHIN_SECONDS)
        took = time.monotonic() - started
        wait_for("every order is credited", lambda: _credited(worker), _WITHIN_SECONDS)
        return _figures(worker, took)


def _recover(settings: Settings, folder: Path, expected: int) -> dict[str, float]:
    """Another worker, until it is ready with everything that the first has had."""
    started = time.monotonic()
    with _worker(settings, folder, "second") as worker:
        wait_for("the worker is ready", worker.is_ready, _WITHIN_SECONDS)
        took = time.monotonic() - started
        wait_for("nothing is missing", lambda: _applied(worker) == expected, _WITHIN_SECONDS)
        return _figures(worker, took)


@contextlib.contextmanager
def _worker(settings: Settings, folder: Path, name: str) -> Iterator[WorkerProcess]:
    """A worker that ends by SIGKILL, and says what it said when it fails."""
    worker = WorkerProcess(settings, folder, name)
    try:
        yield worker
    except AssertionError:
        print(worker.tail(), flush=True)
        raise
    finally:
        if worker.process.poll() is None:
            worker.kill()


def _figures(worker: WorkerProcess, seconds: float) -> dict[str, float]:
    return {
        "seconds": round(seconds, 1),
        "peak_mb": round(peak_memory_mb(worker.process.pid)),
        "cpu_seconds": round(cpu_seconds(Path(f"/proc/{worker.process.pid}/stat")), 1),
    }


def _applied(worker: WorkerProcess) -> int:
    assert worker.process.poll() is None, "the worker ended"
    return sum(outcomes["applied"] for outcomes in worker.ledger().values())


def _credited(worker: WorkerProcess) -> bool:
    """Whether the gauges of a model show as many orders as there are declared."""
    orders = worker.samples()["campaign_window_orders"]
    sums = {
        model: sum(value for labels, value in orders.items() if dict(labels)["model"] == model)
        for model in ("declared", "linear")
    }
    return sums["declared"] > 0 and abs(sums["declared"] - sums["linear"]) < 1


def _settings(found: Broker) -> Settings:
    more = {
        "attribution_models": list(MODELS),
        "gauge_models": ["declared", "linear"],
        "gauge_windows": ["total"],
        "idle_after": 5_000,
    }
    return Settings(**{**bench_settings(found).model_dump(exclude_unset=True), **more})


def _routes(visitors: int) -> list[np.ndarray]:
    routes = np.array([partition_of(f"v-{number:06d}", PARTITIONS) for number in range(visitors)])
    return [np.flatnonzero(routes == partition) for partition in range(PARTITIONS)]


async def _fill(
    found: Broker, settings: Settings, parts: list[np.ndarray], options: argparse.Namespace, now: int
) -> None:
    """Each visitor's touches, one after the other over the hours, in order of time."""
    # Only partitions that have a leader know where they end.
    await bounds(settings, [(settings.topic(topics.CLICKS), partition) for partition in range(PARTITIONS)])
    rng, series = np.random.default_rng(7), 0
    touches = options.touches
    each = options.hours * HOUR // touches
    begins = now - 5 * MINUTE - touches * each
    async with Appender(found.address) as appender:
        for number in range(touches):
            for partition, mine in enumerate(parts):
                visitors = rng.permutation(mine)
                at = begins + number * each + np.sort(rng.integers(0, each, len(mine)))
                for start in range(0, len(mine), _BATCH):
                    some = slice(start, start + _BATCH)
                    size, series = len(visitors[some]), series + 1
                    campaigns, cents = rng.integers(0, options.campaigns, size), rng.integers(10, 200, size)
                    batch = ClickBatch(Columns(campaigns, visitors[some], cents))
                    await appender.append(
                        settings.topic(topics.CLICKS), [(partition, batch.stamp(series, at[some]))]
                    )


def _convert(found: Broker, settings: Settings, parts: list[np.ndarray], now: int) -> int:
    """A lead and an order of every hundredth visitor, minutes before now; how many visitors."""
    leads: list[Records] = [[] for _ in range(PARTITIONS)]
    orders: list[Records] = [[] for _ in range(PARTITIONS)]
    for partition, mine in enumerate(parts):
        for visitor in mine[::_CONVERT].tolist():
            name = f"v-{visitor:06d}"
            lead = {
                "event_id": f"l-{name}",
                "lead_id": name,
                "occurred_at": now - 2 * MINUTE,
                "visitor_id": name,
            }
            order = {
                "event_id": f"o-{name}",
                "order_id": name,
                "occurred_at": now - MINUTE,
                "lead_id": name,
                "revenue": "49.90",
                "customer_id": f"c-{name}",
            }
            leads[partition].append((name.encode(), msgspec.json.encode(lead)))
            orders[partition].append((name.encode(), msgspec.json.encode(order)))
    produce(found.address, settings.topic(topics.LEADS), leads)
    produce(found.address, settings.topic(topics.ORDERS), orders)
    return sum(map(len, leads))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.journeys_live", description=__doc__)
    parser.add_argument("--visitors", type=int, default=1_000_000, help="at most a million")
    parser.add_argument("--touches", type=int, default=5)
    parser.add_argument("--campaigns", type=int, default=100)
    parser.add_argument("--hours", type=int, default=6, help="over which the touches are spread")
    options = parser.parse_args()
    options.visitors = min(options.visitors, 1_000_000)
    return options


if __name__ == "__main__":
    main()

"""A backlog for workers that are warm: they join, stand still while it is written, and go on from the same instant.

Neither the start of a process nor a rebalance is in the figures, so they say what workers at work do. The clock runs from
a tenth to nine tenths of the clicks, by what was committed of each partition when; in between commits it is interpolated.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from kafka import KafkaAdminClient

from streams import topics
from streams.embedded.child_process import LOOPBACK, free_ports
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import ensure_topics
from tests.bench.bulk import Appender, ClickBatch, Columns, routed_visitors
from tests.bench.contenders import (
    BenchError,
    Broker,
    bench_settings,
    history,
    metric_total,
    running_contender,
    worker_variables,
)
from tests.bench.machine import CpuWatch, peak_memory_mb

#: Clicks of all partitions in one request, and of one partition in one batch, which a broker takes by default.
_SLOT_CLICKS, _MOST_IN_BATCH = 60_000, 5_000
#: Slots that are made; then they come again with new ids and times.
_SLOTS = 16
_WARM_CLICKS = 20_000
#: Workers may not stand still for longer than their session, which is 30 s.
_FILLED_WITHIN_S = 24
_READ_WITHIN_S, _POLL_S = 180, 0.5


class Load(NamedTuple):
    """Clicks, spread evenly over some event time up to now; a share ``hot`` of them in one campaign."""

    clicks: int
    campaigns: int = 200
    hot: float = 0.0
    partitions: int = 4
    span_ms: int = 120_000


class Drained(NamedTuple):
    """How a backlog was read: events in the middle of it, in seconds; cores of all workers, and of the broker."""

    events: int
    seconds: float
    cores: float
    broker_cores: float
    peak_mb: float
    #: Of it at most so much was no page of a file, such as a library's.
    anonymous_mb: float
    #: From the start of the processes to partitions held: with nothing stored, and once more with all that was.
    start_s: float
    restart_s: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def by_core(self) -> float:
        """Events a second of processor time of the workers."""
        return self.rate / self.cores


def drain(broker: Broker, load: Load, workers: int = 1) -> Drained:
    """Workers with default settings read a backlog in a deployment of their own.

    Raises:
        BenchError: when not every click was counted once, or a worker did not come to the end.
    """
    settings = bench_settings(broker, load.partitions)
    ensure_topics(settings, create=True)
    ports = free_ports(workers)
    try:
        with _running(broker, settings, ports) as running:
            began = time.monotonic()
            _wait(running, lambda: all(_owns(port, load.partitions // workers) for port in ports))
            start_s = time.monotonic() - began
            now = time.time_ns() // 1_000_000
            few = load._replace(clicks=_WARM_CLICKS, span_ms=1_000)
            warm = asyncio.run(_fill(broker, settings, few, 0, now - load.span_ms))
            _wait(running, lambda: _applied(ports) == warm)
            with _standing_still(running):
                count = warm + asyncio.run(_fill(broker, settings, load, 1_000_000, now))
            names = {f"worker {number}": process.pid for number, process in enumerate(running)}
            with CpuWatch({**names, "broker": broker.pid}).running() as watch:
                _wait(running, lambda: _applied(ports) == count)
            _wait(running, lambda: _counted(ports) == count)
            peak = max(peak_memory_mb(process.pid) for process in running)
        restart_s = _restarted(broker, settings, ports[0])
        began_at, ended_at = _middle(asyncio.run(history(settings)), warm, count)
    finally:
        delete_topics(settings)
    shares = {name: watch.share(name, began_at, ended_at) or 0.0 for name in watch.names}
    broker_cores = shares.pop("broker")
    anonymous = max(watch.anonymous_mb[name] for name in names)
    seconds = ended_at - began_at
    cores = sum(shares.values())
    return Drained(
        round(0.8 * (count - warm)), seconds, cores, broker_cores, peak, anonymous, start_s, restart_s
    )


def _restarted(broker: Broker, settings: Settings, port: int) -> float:
    """How long one worker takes from its start until it has read back all partitions."""
    began = time.monotonic()
    with _running(broker, settings, [port]) as running:
        _wait(running, lambda: _owns(port, settings.partitions))
        return time.monotonic() - began


@contextlib.contextmanager
def _running(broker: Broker, settings: Settings, ports: list[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "streams", "worker"]
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                running_contender(command, worker_variables(broker, settings, port), f"worker-{number}.log")
            )
            for number, port in enumerate(ports)
        ]


@contextlib.contextmanager
def _standing_still(running: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    began = time.monotonic()
    for process in running:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
        if time.monotonic() - began > _FILLED_WITHIN_S:
            raise BenchError(
                "Writing the backlog took longer than workers may stand still; ask for fewer events."
            )
    finally:
        for process in running:
            process.send_signal(signal.SIGCONT)


async def _fill(broker: Broker, settings: Settings, load: Load, series: int, last: int) -> int:
    """Append the clicks, the last of which occur at ``last``; how many they are."""
    rng = np.random.default_rng(7)
    visitors = routed_visitors(load.partitions)
    count = min(_MOST_IN_BATCH, max(1, min(_SLOT_CLICKS, load.clicks) // load.partitions))
    slots = max(1, round(load.clicks / (count * load.partitions)))

    def batch(partition: int) -> ClickBatch:
        campaigns = rng.integers(0, load.campaigns, count)
        campaigns[rng.random(count) < load.hot] = 0
        people = rng.choice(visitors[partition], count)
        return ClickBatch(Columns(campaigns, people, rng.integers(10, 200, count)))

    pool = [[batch(partition) for partition in range(load.partitions)] for _ in range(min(slots, _SLOTS))]
    async with Appender(broker.address) as appender:
        for slot in range(slots):
            at = last - load.span_ms + load.span_ms * (slot + 1) // slots
            stamped = [(p, each.stamp(series + slot, at)) for p, each in enumerate(pool[slot % len(pool)])]
            await appender.append(settings.topic(topics.CLICKS), stamped)
    return count * load.partitions * slots


def _middle(checkpoints: list[tuple[int, int, int]], before: int, count: int) -> tuple[float, float]:
    """When a tenth, and nine tenths, of the clicks after the first ``before`` were committed, in seconds."""
    curves: dict[int, tuple[list[int], list[int]]] = {}
    for at, partition, applied in sorted(checkpoints):
        instants, counts = curves.setdefault(partition, ([], []))
        instants.append(at)
        counts.append(applied)
    grid = np.arange(min(at for at, _, _ in checkpoints), max(at for at, _, _ in checkpoints) + 1, 10)
    total = np.sum([np.interp(grid, *curve) for curve in curves.values()], axis=0)
    tenth, most = (before + share * (count - before) for share in (0.1, 0.9))
    return tuple(float(grid[np.searchsorted(total, mark)]) / 1000 for mark in (tenth, most))  # type: ignore[return-value]


# --- what is asked of workers ---------------------------------------------------------------------------


def _owns(port: int, partitions: int) -> bool:
    """Whether a worker is ready and holds so many partitions."""
    with contextlib.suppress(OSError, ValueError):
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/readyz", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return answer.status == 200 and len(found["partitions"]) == partitions
    return False


def _applied(ports: list[int]) -> float:
    return _total(ports, "roistream_ledger_events", 'outcome="applied"')


def _counted(ports: list[int]) -> float:
    """Clicks of campaigns with series of their own, and of the others."""
    others = _total(
        ports, "campaign_window_clicks", 'campaign_id="(other)",channel="",model="declared",window="total"'
    )
    return _total(ports, "campaign_clicks_total") + others


def _total(ports: list[int], family: str, label: str = "") -> float:
    return sum(metric_total(f"http://{LOOPBACK}:{port}/metrics", family, label) for port in ports)


def _wait(running: list[subprocess.Popen[bytes]], is_done: Any) -> None:
    deadline = time.monotonic() + _READ_WITHIN_S
    while not is_done():
        if any(process.poll() is not None for process in running) or time.monotonic() > deadline:
            raise BenchError("The workers did not come to the end; their logs are .bench/worker-*.log.")
        time.sleep(_POLL_S)


def delete_topics(settings: Settings) -> None:
    """The deployment's topics: a row of eight million clicks takes more than a gigabyte."""
    with contextlib.closing(KafkaAdminClient(**kafka_python_options(settings))) as admin:
        names = [each["name"] for each in admin.describe_topics()]
        admin.delete_topics([name for name in names if name.startswith(settings.topic_prefix)])

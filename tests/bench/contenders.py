"""The three that are measured, each in a process of its own, and what one round of each says."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import aiokafka
import msgspec

from metrics.attribution.models import MODELS
from streams import topics
from streams.embedded.child_process import LOOPBACK, free_ports
from streams.settings import Settings
from streams.stages.intake.stage import IntakeHeader
from streams.state.codec import decode_as
from streams.state.store import HEADER_KEY, Header
from streams.topics import MAX_MESSAGE_BYTES
from streams.transport.topic_admin import ensure_topics
from tests.bench.clicks import PARTITIONS, Clicks, Conversions, produce
from tests.bench.machine import CpuWatch, peak_memory_mb

ROOT = Path(__file__).parents[2]
_POLL_SECONDS = 1.0
_WITHIN_SECONDS = 180.0
_SAMPLE = re.compile(r"^(\w+)\{(.*)\} (\S+)", re.MULTILINE)


class BenchError(Exception):
    """A round did not come to its end, or its figures are wrong."""


class Broker(NamedTuple):
    """The broker of the run."""

    kind: str
    url: str
    pid: int

    @property
    def address(self) -> str:
        return self.url.removeprefix("kafka://")


class Round(NamedTuple):
    """One measurement: events in seconds, cores in use by the contender and by the broker, the contender's memory."""

    events: int
    seconds: float
    cores: float | None
    broker_cores: float | None
    peak_mb: float | None = None

    @property
    def rate(self) -> float:
        return self.events / self.seconds


class Span(msgspec.Struct):
    """What a contender says of itself: wall times of its clock, events between them, sums where it has them."""

    began: float
    ended: float
    events: int
    clicks: int | None = None
    micros: int | None = None


def bench_settings(broker: Broker, partitions: int = PARTITIONS) -> Settings:
    """The settings of a new deployment."""
    return Settings(
        broker=broker.url,
        topic_prefix=f"bench-{uuid.uuid4().hex[:8]}-",
        partitions=partitions,
    )


def deploy(broker: Broker, clicks: Clicks, conversions: Conversions | None = None) -> Settings:
    """A deployment of its own whose topics hold all clicks and conversions."""
    settings = bench_settings(broker)
    ensure_topics(settings, create=True)
    produce(broker.address, settings.topic(topics.CLICKS), clicks.parts)
    if conversions is not None:
        produce(broker.address, settings.topic(topics.LEADS), conversions.leads)
        produce(broker.address, settings.topic(topics.ORDERS), conversions.orders)
    return settings


# --- the baselines -------------------------------------------------------------------------------------


def loop_round(broker: Broker, settings: Settings, clicks: Clicks, warm_up: int) -> Round:
    """The hand-written loop over one deployment's clicks."""
    arguments = [broker.address, settings.topic(topics.CLICKS), str(warm_up)]
    span, round_ = _baseline(broker, "tests.bench.baselines.loop", arguments)
    if (span.clicks, span.micros) != (clicks.count, clicks.micros):
        raise BenchError(f"The loop's sums are wrong: {span}.")
    return round_


def tutorial_round(broker: Broker, settings: Settings, clicks: Clicks, warm_up: int) -> Round:
    """Faust as in its tutorial over one deployment's clicks."""
    identity = f"{settings.topic_prefix}{uuid.uuid4().hex[:6]}"
    arguments = [broker.url, settings.topic(topics.CLICKS), identity, str(clicks.count), str(warm_up)]
    return _baseline(broker, "tests.bench.baselines.tutorial", arguments)[1]


def _baseline(broker: Broker, module: str, arguments: list[str]) -> tuple[Span, Round]:
    command = [sys.executable, "-m", module, *arguments]
    with (
        running_contender(command, {}, f"{module.rpartition('.')[2]}.log") as process,
        _watch(broker, process) as watch,
    ):
        line = _first_line(process)
    if not line:
        raise BenchError(f"{module} ended without a result; its log is in .bench/.")
    span = msgspec.json.decode(line, type=Span)
    return span, _round(span, watch)


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(b"{"):
            return line
    return b""


# --- the worker ----------------------------------------------------------------------------------------


def worker_round(
    broker: Broker,
    settings: Settings,
    clicks: Clicks,
    warm_up: int,
    beside: Callable[[int], object] | None = None,
    workers: int = 1,
    conversions: Conversions | None = None,
) -> Round:
    """roistream workers with their defaults, from an empty state through the whole backlog.

    `beside` is told the first worker's process id at its start, for a profiler. With conversions every attribution
    model is computed.
    """
    ports = free_ports(workers)
    count = clicks.count + (conversions.count if conversions is not None else 0)
    more = {} if conversions is None else {"ROISTREAM_ATTRIBUTION_MODELS": ",".join(MODELS)}
    urls = [f"http://{LOOPBACK}:{port}/metrics" for port in ports]
    command = [sys.executable, "-m", "streams", "worker"]
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(
                running_contender(
                    command, worker_variables(broker, settings, port) | more, f"worker-{number}.log"
                )
            )
            for number, port in enumerate(ports)
        ]
        watch = stack.enter_context(_watch(broker, *running))
        if beside is not None:
            beside(running[0].pid)

        def total(family: str, label: str = "") -> float:
            return sum(metric_total(url, family, label) for url in urls)

        _wait(running, lambda: total("roistream_ledger_events", 'outcome="applied"') == count)
        _wait(running, lambda: total("campaign_clicks_total") == clicks.count)
        micros = round(total("campaign_spend_total") * 1_000_000)
        peak_mb = max(peak_memory_mb(process.pid) for process in running)
    if micros != clicks.micros:
        raise BenchError(f"The spend is {micros}, it should be {clicks.micros}.")
    span = asyncio.run(_span(settings, count, warm_up))
    return _round(span, watch)._replace(peak_mb=peak_mb)


def worker_variables(broker: Broker, settings: Settings, port: int) -> dict[str, str]:
    """The environment of a worker with the defaults of its settings."""
    return {
        "ROISTREAM_BROKER": settings.broker,
        "ROISTREAM_TOPIC_PREFIX": settings.topic_prefix,
        "ROISTREAM_PARTITIONS": str(settings.partitions),
        "ROISTREAM_HTTP_PORT": str(port),
    }


def metric_total(url: str, family: str, label: str = "") -> float:
    """The sum of a family's samples on a metrics page; 0 while the worker does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
    except OSError:
        return 0
    return sum(
        float(value) for name, labels, value in _SAMPLE.findall(page) if name == family and label in labels
    )


def _wait(processes: list[subprocess.Popen[bytes]], is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _WITHIN_SECONDS
    while not is_done():
        if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            raise BenchError("The worker did not come to the end; its log is .bench/worker-0.log.")
        time.sleep(_POLL_SECONDS)


async def _span(settings: Settings, count: int, warm_up: int) -> Span:
    """From the checkpoint that passed the warm-up to the one that held everything, as the broker dated them."""
    applied = [0] * settings.partitions
    began, counted = 0.0, 0
    for timestamp, partition, events in sorted(await history(settings)):
        applied[partition] = events
        reached = sum(applied)
        if not began and reached >= warm_up:
            began, counted = timestamp / 1000, reached
        if reached == count:
            return Span(began, timestamp / 1000, count - counted)
    raise BenchError(f"The changelog holds {sum(applied)} of {count} events.")


async def history(settings: Settings) -> list[tuple[int, int, int]]:
    """Every confirmed checkpoint: when it was written, its partition, the events applied by then."""
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap,
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_MESSAGE_BYTES,
    )
    await consumer.start()
    try:
        name = settings.topic(topics.INTAKE_CHANGELOG)
        parts = [aiokafka.TopicPartition(name, number) for number in range(settings.partitions)]
        consumer.assign(parts)
        ends = await consumer.end_offsets(parts)
        history = []
        while any([await consumer.position(part) < ends[part] for part in parts]):
            for part, records in (await consumer.getmany(timeout_ms=1_000)).items():
                history += [
                    (
                        record.timestamp,
                        part.partition,
                        sum(
                            each.applied
                            for each in decode_as(Header[IntakeHeader], record.value).stage.ledger.values()
                        ),
                    )
                    for record in records
                    if record.key == HEADER_KEY
                ]
    finally:
        await consumer.stop()
    return history


# --- processes -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def running_contender(
    command: list[str], variables: dict[str, str], log: str, folder: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a folder that ends with the context; its stderr is kept in .bench/."""
    logs = ROOT / ".bench"
    logs.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROISTREAM_")}
    with (logs / log).open("wb") as stderr:
        process = subprocess.Popen(
            command,
            env=kept | variables,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()


@contextlib.contextmanager
def _watch(broker: Broker, *processes: subprocess.Popen[bytes]) -> Iterator[CpuWatch]:
    pids = {f"contender {number}": process.pid for number, process in enumerate(processes)}
    with CpuWatch({**pids, "broker": broker.pid}).running() as watch:
        yield watch


def _round(span: Span, watch: CpuWatch) -> Round:
    seconds = span.ended - span.began
    shares = {name: watch.share(name, span.began, span.ended) for name in watch.names}
    broker_cores = shares.pop("broker")
    cores = None if None in shares.values() else sum(share or 0.0 for share in shares.values())
    return Round(span.events, seconds, cores, broker_cores)

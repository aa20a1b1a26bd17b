"""The peers: what each needs, how it is started, and what it has counted as its topic of results says."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import aiokafka
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from streams import topics
from streams.embedded.child_process import LOOPBACK, free_ports
from tests.bench.clicks import PARTITIONS, Clicks, produce
from tests.bench.contenders import (
    BenchError,
    Broker,
    deploy,
    metric_total,
    running_contender,
    worker_variables,
)
from tests.bench.machine import cpu_seconds

_HERE = Path(__file__).parent
_WITHIN_SECONDS = 600.0
_POLL_SECONDS = 0.2

#: Of a record of results: which window, and its clicks and micros; None for one that takes a value back.
Counted = tuple[bytes, int, int]
Reader = Callable[[bytes, bytes], Counted | None]


def _text(key: bytes, value: bytes) -> Counted:
    clicks, micros = value.split(b",")
    return key, int(clicks), int(micros)


def _json(key: bytes, value: bytes) -> Counted:
    found = json.loads(value)
    return key, found["clicks"], found["micros"]


def _change(_: bytes, value: bytes) -> Counted | None:
    found = json.loads(value)
    if found["diff"] < 0:
        return None
    return f"{found['campaign_id']}|{found['minute']}".encode(), found["clicks"], found["micros"]


class Peer(NamedTuple):
    """A peer in one form.

    Attributes:
        name: of its class or script.
        share: of the events asked for, what it gets.
        reader: of its results.
        pom: of what it needs from Maven Central, for a job in Java.
        packages: what it needs from PyPI, for a job in Python.
        form: what it is told of its form.
    """

    name: str
    share: float
    reader: Reader = _text
    pom: str | None = None
    packages: tuple[str, ...] = ()
    form: str = ""


PEERS = {
    "Kafka Streams, usual": Peer("StreamsJob", 0.25, pom="kafka-streams", form="usual"),
    "Kafka Streams, tuned": Peer("StreamsJob", 1.0, pom="kafka-streams", form="tuned"),
    "Flink, DataStream": Peer("FlinkJob", 1.0, pom="flink"),
    "Flink, SQL": Peer("FlinkSqlJob", 1.0, _json, pom="flink"),
    "Bytewax": Peer(
        "bytewax_job", 0.25, packages=("bytewax==0.21.1", "confluent-kafka==2.16.1", "orjson==3.11.4")
    ),
    "Pathway": Peer("pathway_job", 0.25, _change, packages=("pathway==0.33.0",)),
    "Quix Streams": Peer("quix_job", 0.02, _json, packages=("quixstreams==3.28.1", "orjson==3.11.4")),
}
#: What Flink's classes need of a JVM beyond Java 16.
_OPEN = [
    f"--add-opens=java.base/{package}=ALL-UNNAMED"
    for package in ("java.lang", "java.util", "java.time", "java.nio")
]


class Spent(NamedTuple):
    """What a contender took from its start until its results held every click."""

    seconds: float
    processor_seconds: float


def run_peer(broker: Broker, peer: Peer, clicks: Clicks, folder: Path) -> Spent:
    """A peer from an empty state through the whole backlog.

    Raises:
        BenchError: when it does not come to the end, or its sums are wrong.
    """
    prefix = f"peers-{uuid.uuid4().hex[:8]}"
    source, target = f"{prefix}-clicks", f"{prefix}-sums"
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=broker.address)) as admin:
        admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in (source, target)])
    produce(broker.address, source, clicks.parts)
    command = [*_command(peer, folder), broker.address, source, target, peer.form or "-"]
    return _timed(
        [*command, tempfile.mkdtemp(dir=folder)], {}, peer.name, _until_counted(broker, target, clicks, peer)
    )


def run_roistream(broker: Broker, clicks: Clicks) -> Spent:
    """A worker with its defaults, likewise; its results are those on its page, which follow its checkpoints."""
    settings = deploy(broker, clicks)
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}/metrics"

    async def is_counted(process: subprocess.Popen[bytes]) -> None:
        ends = time.monotonic() + _WITHIN_SECONDS
        while metric_total(url, "campaign_clicks_total") != clicks.count:
            _still(process, "worker", ends)
            await asyncio.sleep(_POLL_SECONDS)
        if (micros := round(metric_total(url, "campaign_spend_total") * 1e6)) != clicks.micros:
            raise BenchError(f"The micros are {micros}, they should be {clicks.micros}.")

    command = [sys.executable, "-m", "streams", "worker"]
    return _timed(command, worker_variables(broker, settings, port), "worker", is_counted)


def run_loop(broker: Broker, clicks: Clicks) -> Spent:
    """The hand-written loop, likewise."""
    settings = deploy(broker, clicks)
    command = [
        sys.executable,
        "-m",
        "tests.bench.baselines.loop",
        broker.address,
        settings.topic(topics.CLICKS),
        "1",
    ]
    return _timed(command, {}, "loop", _a_line)


def run_tutorial(broker: Broker, clicks: Clicks) -> Spent:
    """Faust as in its tutorial, likewise."""
    settings = deploy(broker, clicks)
    command = [
        sys.executable,
        "-m",
        "tests.bench.baselines.tutorial",
        broker.url,
        settings.topic(topics.CLICKS),
    ]
    return _timed([*command, uuid.uuid4().hex, str(clicks.count), "1"], {}, "tutorial", _a_line)


def _timed(
    command: list[str],
    variables: dict[str, str],
    name: str,
    finished: Callable[[subprocess.Popen[bytes]], Awaitable[None]],
) -> Spent:
    began = time.monotonic()
    with running_contender(command, variables, f"{name}.log") as process:
        asyncio.run(finished(process))
        return Spent(time.monotonic() - began, cpu_seconds(Path(f"/proc/{process.pid}/stat")))


async def _a_line(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(b"{"):
            return
    raise BenchError("It ended without a result; its log is in .bench/.")


def _still(process: subprocess.Popen[bytes], name: str, ends: float) -> None:
    if process.poll() is not None or time.monotonic() > ends:
        raise BenchError(f"It did not come to the end; its log is .bench/{name}.log.")


def _until_counted(
    broker: Broker, target: str, clicks: Clicks, peer: Peer
) -> Callable[[subprocess.Popen[bytes]], Awaitable[None]]:
    async def is_counted(process: subprocess.Popen[bytes]) -> None:
        latest: dict[bytes, tuple[int, int]] = {}
        total = 0
        ends = time.monotonic() + _WITHIN_SECONDS
        async for key, value in _results(broker, target):
            _still(process, peer.name, ends)
            if value is None or (result := peer.reader(key, value)) is None:
                continue
            window, number, micros = result
            before = latest.get(window, (0, 0))[0]
            if number <= before:  # sums only grow; of records without a key the order is not known
                continue
            total += number - before
            latest[window] = number, micros
            if total > clicks.count:
                raise BenchError(f"It counts {total:,} of {clicks.count:,} clicks.")
            if total == clicks.count:
                spent = sum(micros for _, micros in latest.values())
                if spent != clicks.micros:
                    raise BenchError(f"The micros are {spent}, they should be {clicks.micros}.")
                return

    return is_counted


async def _results(broker: Broker, topic: str) -> AsyncIterator[tuple[bytes, bytes | None]]:
    """Committed records of a topic from its start; an empty one each moment without any."""
    consumer = aiokafka.AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.address,
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    async with consumer:
        while True:
            found = await consumer.getmany(timeout_ms=200)
            for records in found.values():
                for record in records:
                    yield record.key or b"", record.value
            if not found:
                yield b"", None


# --- what a peer needs ---------------------------------------------------------------------------------


def _command(peer: Peer, folder: Path) -> list[str]:
    if peer.pom is None:
        return [str(_python(peer.packages, folder)), str(_HERE / "python" / f"{peer.name}.py")]
    return ["java", "-XX:+UseParallelGC", "-Xmx2g", *_OPEN, "-cp", _classes(peer.pom, folder), peer.name]


@cache
def _python(packages: tuple[str, ...], folder: Path) -> Path:
    """A Python of its own with packages."""
    home = Path(tempfile.mkdtemp(dir=folder))
    _run([sys.executable, "-m", "venv", str(home)])
    python = home / "bin" / "python"
    _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
    return python


@cache
def _classes(pom: str, folder: Path) -> str:
    """A class path with what a pom names, and the jobs that it serves."""
    jars, classes = folder / pom, folder / f"{pom}-classes"
    _run(
        [
            *("mvn", "-q", "-f", str(_HERE / "jvm" / f"{pom}.pom.xml"), "dependency:copy-dependencies"),
            f"-DoutputDirectory={jars}",
        ]
    )
    jobs = ["StreamsJob"] if pom == "kafka-streams" else ["FlinkJob", "FlinkSqlJob"]
    sources = [str(_HERE / "jvm" / f"{name}.java") for name in ("Click", *jobs)]
    _run(["javac", "-d", str(classes), "-cp", f"{jars}/*", *sources])
    return f"{classes}{os.pathsep}{jars}/*"


def _run(command: list[str]) -> None:
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise BenchError(
            f"{command[0]} ended with {ended.returncode}: {(ended.stdout + ended.stderr)[-500:]}"
        )

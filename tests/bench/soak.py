"""One worker's life and one board's for an hour or more, with everything at work that only time brings: `make soak MINUTES=60`.

The world of the demo sends clicks, impressions, reports, leads and orders to an embedded Apache Kafka at a steady rate, in an event
time that runs ``--factor`` times as fast as the wall: days begin and end, panes, touches, orders and recent ids expire. Segments are
small, so that changelogs are compacted and old records are deleted meanwhile. Every quarter of a minute the resident memory of worker,
board and broker, the sizes of topics, the keys of Redis and the series of both pages of metrics are taken. Printed are the slopes of a line
fitted to the second half, and what must hold: the worker that began is the one that ends, every record of the sources is in the ledger,
the figures count back to it, and the worker's memory grows by less than ``MOST_MB_A_MINUTE``. Samples are kept in ``.bench/soak.jsonl``.
"""

import argparse
import contextlib
import json
import secrets
import shutil
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import redis
from pydantic import SecretStr

from streams import topics
from streams.demo import traffic
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld
from streams.embedded.broker import BrokerHandle, embedded_broker
from streams.embedded.cache import CacheHandle, embedded_cache
from streams.embedded.child_process import Command, Server, free_ports
from streams.process import now_ms
from streams.settings import Settings
from streams.topics import TopicSpec, specs
from streams.transport.topic_admin import ensure_topics
from tests.bench.machine import anonymous_memory_mb, describe, load_average, resident_memory_mb
from tests.support.operations import admin_of, ends_of, set_config
from tests.support.servers.traffic import world_traffic
from tests.support.servers.worker import WorkerProcess, variables, wait_for

MOST_MB_A_MINUTE = 1.0
#: Event time by wall time: fifteen days in forty minutes, so that panes, which are kept for seven, go before the second half begins.
FACTOR = 540
CAMPAIGNS, RATE = 8, 5.0
_SAMPLE_EVERY_S = 15.0
_READ_WITHIN_S = 300
_FOLDER = Path(".bench")
_MB = 1_000_000

#: Defaults, but for what goes by event time: a second of the wall, in which records of two topics may overtake each other, is nine
#: minutes of it, and what is kept for hours is dropped from the first minutes on. A topic with few records is not
#: silent for hours of it, and the session is longer, since a soak runs beside other work.
_SETTINGS: dict[str, Any] = {
    "attribution_models": ["linear"],
    "session_timeout": "180s",
    "grace": "2h",
    "idle_after": "120s",
    "dedupe_window": "6h",
    "lookback": "6h",
    "order_retention": "8h",
    "budget_mode": "propose",
}
#: What Redis keeps by default, which are as many days of event time.
_REDIS_DAYS = 2
#: Segments that are closed after a minute; the cleaner looks often, and closed files go soon. A checkpoint is one batch of records, which
#: must fit into a segment: in one of 1 MiB it did not, and the worker ended.
_SMALL = {"segment.bytes": str(topics.MAX_MESSAGE_BYTES), "segment.ms": "60000"}
_COMPACTED = {**_SMALL, "min.cleanable.dirty.ratio": "0.3"}
#: Of what is kept for a week at most so much stays, of each partition: what a worker that stands still for some minutes still finds.
_KEPT = {**_SMALL, "retention.bytes": str(16 << 20)}
_BROKER = {
    "log.cleaner.backoff.ms": "5000",
    "log.retention.check.interval.ms": "15000",
    "log.segment.delete.delay.ms": "5000",
}


class Sample(NamedTuple):
    """What was measured at one instant: seconds since the beginning, and figures by their names."""

    seconds: float
    figures: dict[str, float]


class Line(NamedTuple):
    """A straight line by least squares.

    Attributes:
        slope: of the unit a minute.
        error: standard error of the slope, as if deviations were independent, which neighbours in time are not: a lower bound.
        least: of the values.
        most: of the values.
    """

    slope: float
    error: float
    least: float
    most: float


def fitted(samples: Sequence[Sample], name: str) -> Line:
    """The line through a figure in the second half of the time.

    Args:
        samples: in order of time; the second half has at least three of them.
        name: of the figure; a sample without it is left out.

    Raises:
        ValueError: when there are fewer than three samples, through which no line has an error.
    """
    middle = (samples[0].seconds + samples[-1].seconds) / 2 if samples else 0.0
    later = [each for each in samples if each.seconds >= middle and name in each.figures]
    if len(later) < 3:
        raise ValueError(
            f"{len(later)} samples of {name} in the second half are too few for a line; soak for longer."
        )
    minutes = np.array([each.seconds for each in later]) / 60
    values = np.array([each.figures[name] for each in later])
    away = minutes - minutes.mean()
    slope = float(away @ values / (away @ away))
    rest = values - values.mean() - slope * away
    error = float(np.sqrt(rest @ rest / (len(later) - 2) / (away @ away)))
    return Line(slope, error, float(values.min()), float(values.max()))


def table(samples: Sequence[Sample]) -> str:
    """Markdown: each figure at the start, in the middle and at the end, and its line in the second half."""
    rows = [
        "| figure | first | half-way | last | second half, from | to | slope a minute | its standard error |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    half = samples[len(samples) // 2]
    for name in samples[-1].figures:
        line = fitted(samples, name)
        cells = [samples[0].figures.get(name, 0.0), half.figures.get(name, 0.0), samples[-1].figures[name]]
        cells += [line.least, line.most]
        rows.append(
            f"| {name} | {' | '.join(f'{each:,.1f}' for each in cells)} | {line.slope:+,.3f} | {line.error:,.3f} |"
        )
    return "\n".join(rows)


# --- the deployment -------------------------------------------------------------------------------------


def small_segments(settings: Settings) -> None:
    """Give every topic segments that close within a minute; what is kept for a while, a bound by bytes."""
    for spec in specs("", settings.partitions):
        for name, value in _small(spec).items():
            set_config(settings, spec.name, name, value)


def _small(spec: TopicSpec) -> Mapping[str, str]:
    if spec.config.get("cleanup.policy") == "compact":
        return _COMPACTED
    return _KEPT


class Soak:
    """One deployment under traffic, and what is taken of it.

    Args:
        settings: of the deployment.
        broker: its Kafka.
        cache: its Redis.
        worker: its only worker.
        board: its board.
        board_port: where the board's pages are.
    """

    def __init__(
        self,
        settings: Settings,
        broker: BrokerHandle,
        cache: CacheHandle,
        worker: WorkerProcess,
        board: Server,
        board_port: int,
    ) -> None:
        self._settings, self._broker, self._cache = settings, broker, cache
        self._worker, self._board, self._board_port = worker, board, board_port
        self._ever: dict[str, set[bytes]] = {"worker": set(), "board": set()}
        self._redis = redis.Redis.from_url(cache.url)

    def sample(self, seconds: float) -> Sample:
        """Every figure now."""
        found: dict[str, float] = {}
        for name, pid in {
            "worker": self._worker.process.pid,
            "board": self._board.pid,
            "broker": self._broker.pid,
        }.items():
            found[f"{name}, resident MB"] = resident_memory_mb(pid)
            found[f"{name}, anonymous MB"] = anonymous_memory_mb(pid)
        for name, port in {"worker": self._worker.port, "board": self._board_port}.items():
            page = _page(port)
            found[f"{name}, series on its page"] = len(page)
            self._ever[name] |= page
            found[f"{name}, series ever"] = len(self._ever[name])
        found["Redis, keys"] = float(self._redis.dbsize())
        found["Redis, fields of hashes"] = float(
            sum(self._redis.hlen(key) for key in self._redis.scan_iter(_type="hash"))
        )
        found["Redis, MB"] = self._redis.info("memory")["used_memory"] / _MB
        found.update({f"{name}, MB": size / _MB for name, size in topic_bytes(self._settings).items()})
        return Sample(seconds, found)

    def problems(self) -> list[str]:
        """What does not hold when all that was sent is read."""
        ledger = self._worker.ledger()
        written = {name: sum(ends_of(self._settings, name).values()) for name in topics.SOURCES}
        found = [
            f"{name}: {count} records were written, the ledger has {dict(ledger[name])}"
            for name, count in written.items()
            if sum(ledger[name].values()) != count
        ]
        pages = self._worker.samples()
        for name in ("roistream_ledger_difference", "roistream_ledger_unaccounted_records"):
            found += [f"{name} {dict(labels)} is {value}" for labels, value in pages[name].items() if value]
        return found

    def is_read(self) -> bool:
        """Whether every record of the sources has its verdict."""
        ledger = self._worker.ledger()
        return all(
            sum(ledger[name].values()) == sum(ends_of(self._settings, name).values())
            for name in topics.SOURCES
        )


def topic_bytes(settings: Settings) -> dict[str, int]:
    """Bytes of the log of each topic that holds any, all partitions together."""
    known = {spec.name for spec in specs(settings.topic_prefix, settings.partitions)}
    found: dict[str, int] = {}
    with admin_of(settings) as admin:
        for broker in admin.describe_log_dirs():
            for folder in broker["log_dirs"]:
                for topic in folder["topics"]:
                    if topic["name"] in known:
                        size = sum(each["partition_size"] for each in topic["partitions"])
                        found[topic["name"]] = found.get(topic["name"], 0) + size
    return dict(sorted(found.items()))


def _page(port: int) -> set[bytes]:
    """Names and labels of the samples of a page of metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        lines = answer.read().splitlines()
    return {line.rsplit(b" ", 1)[0] for line in lines if line and not line.startswith(b"#")}


def _told(sample: Sample, progress: traffic.TrafficProgress, factor: int) -> str:
    return (
        f"{sample.seconds / 60:6.2f} min: {progress.sent:,} records, {progress.behind_ms / 1000 / factor:.1f} s behind, worker "
        f"{sample.figures['worker, anonymous MB']:.0f} MB, board {sample.figures['board, anonymous MB']:.0f} MB, load {load_average():.1f}"
    )


def _answers(port: int) -> bool:
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer,
    ):
        return bool(answer.status == 200)
    return False


def soak(
    minutes: float,
    folder: Path,
    say: Callable[[str], None],
    factor: int = FACTOR,
    campaigns: int = CAMPAIGNS,
    rate: float = RATE,
) -> tuple[list[Sample], list[str]]:
    """Samples of a run, and what did not hold.

    Args:
        minutes: how long it is.
        folder: for the state and the logs of the processes.
        say: hears of each sample.
        factor: event time by wall time.
        campaigns: of the world.
        rate: clicks a second of the wall.
    """
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(embedded_broker(properties=_BROKER, heap_mb=256))
        cache = stack.enter_context(embedded_cache())
        settings = Settings(
            broker=broker.url,
            redis_url=SecretStr(cache.url),
            state_dir=folder / "state",
            redis_ttl=_REDIS_DAYS * 86_400_000 // factor,
            **_SETTINGS,
        )
        ensure_topics(settings, create=True)
        small_segments(settings)
        worker = WorkerProcess(settings, folder)
        stack.callback(worker.kill)
        port = free_ports(1)[0]
        own = variables(
            settings, ROISTREAM_BOARD_PORT=str(port), ROISTREAM_BOARD_TOKEN=secrets.token_urlsafe()
        )
        (folder / "board").mkdir()
        board = Server("board", Command([sys.executable, "-m", "streams", "board"], own), folder / "board")
        stack.callback(board.stop)
        worker.wait_ready()
        wait_for("the board is ready", lambda: _answers(port))
        here = Soak(settings, broker, cache, worker, board, port)
        clock = SimulatedClock.starting(now_ms(), lapse_seconds=60 * minutes, factor=factor)
        world = DemoWorld(7, campaigns, rate, clock)
        samples: list[Sample] = []
        _FOLDER.mkdir(exist_ok=True)
        with (_FOLDER / "soak.jsonl").open("w") as file, world_traffic(settings, world) as progress:
            began = time.monotonic()
            while (seconds := time.monotonic() - began) < 60 * minutes:
                try:
                    sample = here.sample(seconds)
                except OSError as error:
                    say(f"{seconds / 60:6.2f} min: no sample: {error}")
                else:
                    samples.append(sample)
                    file.write(json.dumps(sample._asdict()) + "\n")
                    file.flush()
                    say(_told(sample, progress, factor))
                assert worker.process.poll() is None, f"the worker has ended: {worker.tail()}"
                assert board.is_running, f"the board has ended: {board.log_tail()}"
                time.sleep(_SAMPLE_EVERY_S - (time.monotonic() - began) % _SAMPLE_EVERY_S)
        wait_for("every record is read", here.is_read, _READ_WITHIN_S)
        time.sleep(12)  # histories are counted every ten seconds
        problems = here.problems()
        days = (world.reached_ms - clock.live_ms) / 86_400_000
        verdicts = {name: dict(found) for name, found in worker.ledger().items()}
        say(f"{progress.sent:,} records over {days:.1f} days of event time; verdicts {json.dumps(verdicts)}")
        assert worker.process.poll() is None, f"the worker has ended: {worker.tail()}"
    line = fitted(samples, "worker, anonymous MB")
    if line.slope >= MOST_MB_A_MINUTE:
        problems.append(f"the worker's memory grows by {line.slope:.2f} MB a minute in the second half")
    return samples, problems


def main() -> int:
    """Soak, print the table, and say what did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument(
        "--factor", type=int, default=FACTOR, help="event time by wall time; panes go after 7 days of it"
    )
    parser.add_argument("--campaigns", type=int, default=CAMPAIGNS)
    parser.add_argument("--rate", type=float, default=RATE, help="clicks a second")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="roistream-soak-"))
    print(f"logs: {folder}", flush=True)
    samples, problems = soak(
        options.minutes,
        folder,
        lambda text: print(text, flush=True),
        options.factor,
        options.campaigns,
        options.rate,
    )
    print("\n" + table(samples))
    print("\n" + ", ".join(f"{key} {value}" for key, value in describe().items()))
    for problem in problems:
        print(f"WRONG: {problem}")
    if not problems:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

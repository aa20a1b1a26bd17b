"""`/metrics` of a live worker with thousands of campaigns under traffic: `python -m tests.bench.live_metrics`.

Campaigns are registered and clicked on at a steady rate, and the page is asked for as Prometheus would ask. Printed are the
time until the page is there, the worker's processor time for it (over what it takes without pages), the longest that
`/healthz` waited meanwhile (for so long the event loop was held), and after how many pages archived campaigns were gone.
"""

import argparse
import contextlib
import itertools
import json
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from kafka import KafkaProducer

from streams import topics
from streams.embedded.broker import embedded_broker
from streams.settings import Settings
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import ensure_topics
from tests.bench.machine import cpu_seconds, load_average
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

_OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}
_ARCHIVED = 50
_SLOT_S = 0.05
_READ_WITHIN_S = 300


class Page(NamedTuple):
    """One answer: seconds until it was there, the worker's processor seconds, and its text."""

    seconds: float
    processor: float
    text: str


def measure(settings: Settings, campaigns: int, rate: int, pages: int, folder: Path) -> dict[str, float]:
    """All figures of one worker; seconds, except ``bytes``, ``folded`` and ``pages_until_gone``."""
    ensure_topics(settings, create=True)
    with running_worker(settings, folder) as worker, _producer(settings) as producer:
        names = [f"c-{number:05d}" for number in range(campaigns)]
        for name in names:
            record = {"campaign_id": name, "channel": "search", "name": name, "targets": {"cpl": 5}}
            _send(producer, settings, topics.CAMPAIGNS, name, record)
        for number, name in enumerate(names):
            _click(producer, settings, f"first-{number}", name)
        producer.flush(60)
        wait_for(
            "all campaigns are known",
            lambda: _gauge(worker, "roistream_campaigns") == campaigns,
            _READ_WITHIN_S,
        )
        with _traffic(producer, settings, names, rate):
            idle = _processor_share(worker, 10)
            seen = [_page(worker) for _ in _every(2, pages)]
            with _waiting(lambda: worker.get("/healthz")) as waits:
                held = [_page(worker) for _ in _every(2, 3)]
            gone = _pages_until_gone(worker, producer, settings, names)
    took = [page.processor - idle * page.seconds for page in seen]
    return {
        "median_s": statistics.median(page.seconds for page in seen),
        "most_s": max(page.seconds for page in seen + held),
        "processor_s": statistics.median(took),
        "healthz_most_s": max(waits),
        "worker_share": idle,
        "bytes": len(seen[-1].text),
        "folded": _value(seen[-1].text, "roistream_folded_campaigns"),
        "pages_until_gone": gone,
    }


def _pages_until_gone(
    worker: WorkerProcess, producer: KafkaProducer, settings: Settings, names: list[str]
) -> int:
    """How many pages still show one of the campaigns that were archived, the largest among them."""
    text = _page(worker).text
    shown = [name for name in names if f'campaign_id="{name}"' in text][:_ARCHIVED]
    if not shown:
        raise AssertionError("The page shows none of the campaigns that are to be archived.")
    for name in shown:
        _send(producer, settings, topics.CAMPAIGNS, name, None)
    producer.flush(60)
    for number in itertools.count(1):
        time.sleep(2)
        text = _page(worker).text
        if not any(f'campaign_id="{name}"' in text for name in shown):
            return number - 1
    raise AssertionError("unreachable")


def _page(worker: WorkerProcess) -> Page:
    stat = Path(f"/proc/{worker.process.pid}/stat")
    began, before = time.perf_counter(), cpu_seconds(stat)
    request = urllib.request.Request(f"http://127.0.0.1:{worker.port}/metrics", headers=_OPENMETRICS)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read().decode()
    return Page(time.perf_counter() - began, cpu_seconds(stat) - before, text)


def _processor_share(worker: WorkerProcess, seconds: float) -> float:
    stat = Path(f"/proc/{worker.process.pid}/stat")
    began, before = time.perf_counter(), cpu_seconds(stat)
    time.sleep(seconds)
    return (cpu_seconds(stat) - before) / (time.perf_counter() - began)


def _every(seconds: float, count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(seconds)
        yield number


@contextlib.contextmanager
def _waiting(ask: Callable[[], object]) -> Iterator[list[float]]:
    """How long each question took that was asked, one after the other, while the context lasted."""
    waits: list[float] = []
    over = threading.Event()

    def keep_asking() -> None:
        while not over.wait(0.01):
            began = time.perf_counter()
            ask()
            waits.append(time.perf_counter() - began)

    asking = threading.Thread(target=keep_asking, daemon=True)
    asking.start()
    try:
        yield waits
    finally:
        over.set()
        asking.join(60)


@contextlib.contextmanager
def _traffic(producer: KafkaProducer, settings: Settings, names: list[str], rate: int) -> Iterator[None]:
    """So many clicks a second, on one campaign after the other."""
    over = threading.Event()

    def send() -> None:
        numbers = itertools.count()
        while not over.wait(_SLOT_S):
            for number in itertools.islice(numbers, int(rate * _SLOT_S)):
                _click(producer, settings, f"e-{number}", names[number % len(names)])

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    try:
        yield
    finally:
        over.set()
        sending.join(60)


@contextlib.contextmanager
def _producer(settings: Settings) -> Iterator[KafkaProducer]:
    with contextlib.closing(KafkaProducer(linger_ms=20, **kafka_python_options(settings))) as producer:
        yield producer


def _click(producer: KafkaProducer, settings: Settings, event_id: str, campaign_id: str) -> None:
    now = int(time.time() * 1000)
    value = {"event_id": event_id, "occurred_at": now, "campaign_id": campaign_id, "cost": "0.25"}
    _send(producer, settings, topics.CLICKS, event_id, value)


def _send(producer: KafkaProducer, settings: Settings, topic: str, key: str, value: object) -> None:
    raw = None if value is None else json.dumps(value).encode()
    producer.send(settings.topic(topic), raw, key.encode())


def _gauge(worker: WorkerProcess, name: str) -> float:
    return _value(worker.get("/metrics")[1], name)


def _value(text: str, name: str) -> float:
    """The sample of a family without labels; NaN where the page has none."""
    found = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(found[0].split()[1]) if found else float("nan")


def main() -> None:
    """Measure once and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.live_metrics", description=__doc__)
    parser.add_argument("--campaigns", type=int, default=5_000)
    parser.add_argument("--rate", type=int, default=500, help="clicks a second")
    parser.add_argument("--pages", type=int, default=10)
    options = parser.parse_args()
    with embedded_broker() as broker, tempfile.TemporaryDirectory() as folder:
        settings = Settings(broker=broker.url, broker_wait="30s", session_timeout="30s")
        figures = measure(settings, options.campaigns, options.rate, options.pages, Path(folder))
    print(f"{options.campaigns} campaigns, {options.rate} clicks/s, load average {load_average():.1f}")
    for name, value in figures.items():
        print(f"  {name:<18} {value:12,.3f}")


if __name__ == "__main__":
    main()

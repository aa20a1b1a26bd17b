"""Faulty traffic, restarts and kills: final sums equal the oracle, the ledger adds up, nothing doubles."""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.embedded.broker import BrokerHandle
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.faults.checks import uncounted
from tests.support.load import Load, as_oracle_input, generated, visitors
from tests.support.oracles import stream
from tests.support.outside import equals, last_revisions, ledgers, published, read_all, write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

WINDOWS = ("1m", "1h", "1d", "total")
SettingsFor = Callable[..., Settings]
HOUR_MS = 3_600_000


def _load(settings: Settings, seed: int, count: int, span_ms: int = HOUR_MS) -> Load:
    people = visitors(settings.partitions, idle_partition=settings.partitions - 1, count=300)
    start = (int(time.time()) - 600) * 1000 - span_ms
    return generated(seed, count, start, span_ms, people)


def _dead(settings: Settings) -> Counter[str]:
    return Counter(letter["reason"] for letter in published(settings, topics.DEAD_LETTERS))


def _outcomes(found: dict[tuple[str, int], dict[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for outcomes in found.values():
        total.update(outcomes)
    return total


def test_two_workers_with_disorder_duplicates_and_an_idle_partition_equal_the_oracle_twice(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    load = _load(settings, seed=1, count=20_000)
    expected = stream.expected(as_oracle_input(load))
    with running_worker(settings, tmp_path, "a") as a, running_worker(settings, tmp_path, "b") as b:
        wait_for("each worker has its share", lambda: _is_shared(a, b, settings))
        counts = write(settings, load)
        first = _outcomes(read_all([a, b], settings, counts))
        equals(settings, expected, WINDOWS)
        broken = sum(not isinstance(value, dict) or value["event_id"] == 1 for _, _, value in load)
        dead = _dead(settings)
        assert first["conflict"] == dead.pop("conflict") > 0  # orders that came again with other content
        assert first["rejected"] == broken == sum(dead.values())
        assert first["too_late"] == 0
        assert first["duplicate"] > 0
        again = write(settings, load)
        second = _outcomes(read_all([a, b], settings, counts + again))
        assert second["applied"] == first["applied"]
        equals(settings, expected, WINDOWS)


def _is_shared(a: WorkerProcess, b: WorkerProcess, settings: Settings) -> bool:
    if not (a.is_ready() and b.is_ready()):
        return False
    mine, theirs = set(a.facts()["partitions"]), set(b.facts()["partitions"])
    return bool(mine) and bool(theirs) and not mine & theirs and len(mine | theirs) == settings.partitions


def test_full_speed_and_live_pace_end_with_the_same_last_values(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    fast, slow = settings_for(broker), settings_for(broker)
    load = _load(fast, seed=2, count=2_000, span_ms=30 * 60_000)
    chunks = [load[at : at + 50] for at in range(0, len(load), 50)]
    for settings in (fast, slow):
        ensure_topics(settings, create=True)
    with running_worker(fast, tmp_path, "fast") as one, running_worker(slow, tmp_path, "slow") as other:
        counts = write(fast, load)
        paced: Counter[tuple[str, int]] = Counter()
        for chunk in chunks:
            paced += write(slow, chunk)
            read_all([other], slow, paced)
        read_all([one], fast, counts)
        expected = stream.expected(as_oracle_input(load))
        for settings in (fast, slow):
            equals(settings, expected, WINDOWS)


def test_a_restart_goes_on_where_it_stopped(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    load = _load(settings, seed=3, count=6_000)
    half = len(load) // 2
    with running_worker(settings, tmp_path, "before") as worker:
        counts = write(settings, load[:half])
        read_all([worker], settings, counts)
        equals(settings, stream.expected(as_oracle_input(load[:half])), WINDOWS)
        counters, ledger = _counters(worker), ledgers([worker])
        assert worker.terminate() == 0
    with running_worker(settings, tmp_path, "after") as worker:
        assert _counters(worker) == counters
        assert ledgers([worker]) == ledger
        counts += write(settings, load[half:])
        read_all([worker], settings, counts)
        equals(settings, stream.expected(as_oracle_input(load)), WINDOWS)
        assert all(value >= counters.get(key, 0) for key, value in _counters(worker).items())


def _counters(worker: WorkerProcess) -> dict[Any, float]:
    samples = worker.samples()
    names = [f"campaign_{name}_total" for name in ("clicks", "spend", "orders", "revenue")]
    return {(name, labels): value for name in names for labels, value in samples[name].items()}


@pytest.mark.smoke
def test_kills_in_the_middle_of_the_work_lose_and_double_nothing(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker, attribution_models=["linear", "last_touch"])
    ensure_topics(settings, create=True)
    load = _load(settings, seed=4, count=24_000)
    dice = random.Random(4)
    counts: Counter[tuple[str, int]] = Counter()
    parts = [load[at : at + 6_000] for at in range(0, len(load), 6_000)]
    for number, part in enumerate(parts):
        with running_worker(settings, tmp_path, f"killed-{number}") as worker:
            counts += write(settings, part)
            threshold = sum(counts.values()) * dice.uniform(0.3, 0.99)
            wait_for("the kill is due", lambda w=worker, t=threshold: _read(w) >= t)
            worker.kill()
    with running_worker(settings, tmp_path, "last") as worker:
        outcomes = _outcomes(read_all([worker], settings, counts))
        assert outcomes["too_late"] == 0
        expected = stream.expected(as_oracle_input(load))
        equals(settings, expected, WINDOWS)
        for model in settings.attribution_models:
            wait_for(
                f"{model} counts every conversion once",
                lambda m=model: not uncounted(published(settings, model=m), expected),
            )
        assert {record["campaign_id"] for record in published(settings, model="linear")} > {"(none)"}
        wait_for("windows become final", lambda: _finals(settings) > 100)


def _finals(settings: Settings) -> int:
    return sum(record["stage"] == "final" for record in last_revisions(published(settings)).values())


def _read(worker: WorkerProcess) -> int:
    return sum(_outcomes(ledgers([worker])).values())

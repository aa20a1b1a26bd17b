"""A real worker over logs with transaction markers and gaps, and through rebalances amid the load."""

import json
import time
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Any

from kafka import KafkaProducer

from streams.embedded.broker import embedded_broker
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import ensure_topics
from tests.support.load import Load, as_oracle_input, generated, visitors
from tests.support.oracles import stream
from tests.support.outside import equals, last_revisions, ledgers, published, read_all, write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

WINDOWS = ("1m", "1h", "1d", "total")
T0 = 1_780_000_000_000
HOUR_MS = 3_600_000


def fresh(settings_for: Any, broker: Any, **overrides: Any) -> Any:
    settings = settings_for(broker, **overrides)
    ensure_topics(settings, create=True)
    return settings


def load_of(seed: int, count: int, partitions: int) -> Load:
    people = visitors(partitions, idle_partition=-1, count=200)
    return [each for each in generated(seed, count, T0, HOUR_MS, people) if isinstance(each[2], dict)]


def write_in_transactions(settings: Any, load: Load, aborted: Iterable[int]) -> Counter[tuple[str, int]]:
    """Transactions of 40 records, those of the given numbers aborted; how many were committed, where."""
    producer = KafkaProducer(
        transactional_id=settings.topic("writer"), acks="all", linger_ms=5, **kafka_python_options(settings)
    )
    counts: Counter[tuple[str, int]] = Counter()
    drop = set(aborted)
    producer.init_transactions()
    for number, at in enumerate(range(0, len(load), 40)):
        producer.begin_transaction()
        sent = [
            (topic, producer.send(settings.topic(topic), _json(value), key))
            for topic, key, value in load[at : at + 40]
        ]
        producer.flush(30)
        if number in drop:
            producer.abort_transaction()
            continue
        producer.commit_transaction()
        counts.update((topic, future.get(10).partition) for topic, future in sent)
    producer.close()
    return counts


def kept(load: Load, aborted: Iterable[int]) -> Load:
    """The records of the transactions that were committed."""
    drop = set(aborted)
    return [each for at, each in enumerate(load) if at // 40 not in drop]


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_of_transactional_sources_every_committed_record_counts_once_and_no_aborted_one(
    broker, settings_for, tmp_path
) -> None:
    # sources  c a c c a … a a │ restart │ c a
    settings = fresh(settings_for, broker, partitions=2)
    load = load_of(11, 2_000, 2)
    last = len(load) // 40
    aborted = {*range(1, last, 3), last - 1, last}
    expected = stream.expected(as_oracle_input(kept(load, aborted)))
    counts = write_in_transactions(settings, load, aborted)
    with running_worker(settings, tmp_path, "first") as worker:
        read_all([worker], settings, counts)
        equals(settings, expected, WINDOWS)
        wait_for("the lag is gone: markers are behind it", lambda: _lag(worker) == 0)
        wait_for("the topics fall idle and close the windows", lambda: _finals(settings) > 10)
        assert worker.terminate() == 0
    more = [_renamed(each) for each in load_of(12, 200, 2)]
    counts += write_in_transactions(settings, more, {1, 3})
    with running_worker(settings, tmp_path, "second") as worker:
        read_all([worker], settings, counts)
        wait_for("the lag is gone again", lambda: _lag(worker) == 0)
        assert _total(ledgers([worker])) == sum(counts.values())
        everything = kept(load, aborted) + kept(more, {1, 3})
        equals(settings, stream.expected(as_oracle_input(everything)), ("total",))


def _renamed(each: tuple[str, bytes | None, Any]) -> tuple[str, bytes | None, Any]:
    """The record under ids of its own."""
    topic, key, value = each
    renamed = {name: f"again-{value[name]}" for name in ("event_id", "order_id", "lead_id") if name in value}
    return topic, key, value | renamed


def _lag(worker: WorkerProcess) -> float:
    return sum(worker.samples()["roistream_consumer_lag_records"].values())


def _finals(settings: Any) -> int:
    return sum(record["stage"] == "final" for record in last_revisions(published(settings)).values())


def _total(found: dict[Any, dict[str, int]]) -> int:
    return sum(sum(outcomes.values()) for outcomes in found.values())


def test_a_worker_started_on_logs_that_hold_nothing_but_markers_reads_what_comes_later(
    broker, settings_for, tmp_path
) -> None:
    settings = fresh(settings_for, broker, partitions=2)
    load = load_of(13, 120, 2)
    write_in_transactions(settings, load, range(100))
    with running_worker(settings, tmp_path) as worker:
        wait_for("the markers are read", lambda: _lag(worker) == 0)
        assert worker.terminate() == 0
    with running_worker(settings, tmp_path) as worker:
        counts = write(settings, load)
        read_all([worker], settings, counts)
        equals(settings, stream.expected(as_oracle_input(load)), WINDOWS)


def test_a_second_worker_that_comes_and_goes_amid_the_load_loses_and_doubles_nothing(
    broker, settings_for, tmp_path
) -> None:
    # load    ▁▂▃▄▅▆▇ parts ▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇▇
    # first   ────────────────────────────────────
    # second          joins ─────── SIGTERM
    settings = fresh(settings_for, broker)
    load = load_of(14, 12_000, settings.partitions)
    parts = [load[at : at + 150] for at in range(0, len(load), 150)]
    joining, leaving = iter(parts[: len(parts) // 2]), iter(parts[len(parts) // 2 :])
    counts: Counter[tuple[str, int]] = Counter()
    with running_worker(settings, tmp_path, "first") as first:
        counts += write(settings, next(joining))
        second = WorkerProcess(settings, tmp_path, "second")
        try:
            counts += _write_until(settings, joining, lambda: _is_shared(first, second))
            counts += write(settings, chain(*joining, next(leaving)))
            assert second.terminate() == 0
            counts += _write_until(settings, leaving, lambda: _holds_all(first, settings))
        finally:
            if second.process.poll() is None:
                second.kill()
        counts += write(settings, chain(*leaving))
        outcomes = read_all([first], settings, counts)
        assert sum(each.get("too_late", 0) for each in outcomes.values()) == 0
        equals(settings, stream.expected(as_oracle_input(load)), WINDOWS)


def _write_until(settings: Any, parts: Any, is_so: Any, limit_s: float = 60) -> Counter[tuple[str, int]]:
    """Keep the load coming until something is so, and leave the rest for later."""
    counts: Counter[tuple[str, int]] = Counter()
    ends = time.monotonic() + limit_s
    while not is_so():
        assert time.monotonic() < ends, f"not within {limit_s} s"
        part = next(parts, None)
        if part is not None:
            counts += write(settings, part)
    return counts


def _is_shared(a: WorkerProcess, b: WorkerProcess) -> bool:
    if not (a.is_ready() and b.get("/readyz")[0] == 200):
        return False
    mine, theirs = set(a.facts()["partitions"]), set(b.facts()["partitions"])
    return bool(mine) and bool(theirs) and not mine & theirs


def _holds_all(worker: WorkerProcess, settings: Any) -> bool:
    return worker.is_ready() and len(worker.facts()["partitions"]) == settings.partitions


def test_a_worker_with_nothing_to_write_stops_in_order_though_its_broker_is_gone(
    settings_for, tmp_path
) -> None:
    with embedded_broker() as handle:
        # No topic falls idle meanwhile, so nothing is written after what a new worker says first.
        settings = fresh(settings_for, handle, partitions=2, idle_after="1h")
        with running_worker(settings, tmp_path) as worker:
            wait_for("nothing is written any more", lambda: worker.is_quiet("intake", "merge", "controller"))
            handle.stop()
            wait_for("readyz tells of the broker", lambda: worker.get("/readyz")[0] == 503, 30)
            assert worker.terminate() == 0, worker.tail()
            assert "Traceback" not in worker.log.read_text()

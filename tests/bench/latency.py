"""From a click's append to the record and the gauge that count it: `python -m tests.bench.latency`.

A producer process sends clicks, made beforehand, at a steady rate, a batch for each partition every 20 ms. A reader follows
`campaign-kpis` (view `declared`, window `1m`) and another asks `/metrics` twice a second. A click has arrived with the
first record, or the first page, that counts it. Clicks of the first seconds are left out. Latency is measured from the
moment at which a click's batch was due to be sent.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import statistics
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiokafka
import msgspec
import numpy as np

from streams import topics
from streams.embedded.child_process import LOOPBACK, free_ports
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.bench.bulk import Appender, ClickBatch, Columns, routed_visitors
from tests.bench.clicks import PARTITIONS
from tests.bench.contenders import (
    ROOT,
    BenchError,
    Broker,
    bench_settings,
    running_contender,
    worker_variables,
)
from tests.bench.machine import CpuWatch, describe, load_average
from tests.bench.throughput import broker

CAMPAIGNS = 200
_SLOT_MS = 20
#: So many slots are made beforehand; then they come again with new ids and times.
_SLOTS = 50
_WARM_UP_S, _MEASURED_S = 6, 12
#: The producer makes its clicks before the first is due: about so many in a second.
_LEAD_MS, _MADE_PER_MS = 4_000, 100
#: A producer this late does not send at the rate asked for; less is part of the latency.
_MOST_LATE_S = 1.0
_POLL_S = 0.5
_CLICKS = re.compile(r'^campaign_clicks_total\{[^}]*campaign_id="([^"]+)"[^}]*\} (\S+)', re.MULTILINE)
_READY_WITHIN_S = 60


class Reading(msgspec.Struct):
    """What of a `campaign-kpis` record counts here."""

    campaign_id: str
    window: str
    model: str
    window_start: str | None
    sums: dict[str, float]


class Arrival(NamedTuple):
    """When so many clicks of a campaign (and minute) were seen."""

    at: float
    clicks: int


class Plan(NamedTuple):
    """Which clicks are sent when: the campaigns of each slot, on each partition, again and again."""

    campaigns: list[list[np.ndarray]]
    first_ms: int

    @classmethod
    def of(cls, rate: float, seed: int, first_ms: int) -> "Plan":
        """A steady rate of clicks."""
        rng = np.random.default_rng(seed)
        share = rate * _SLOT_MS / 1000 / PARTITIONS
        slots = [
            [rng.integers(0, CAMPAIGNS, max(1, round(share))) for _ in range(PARTITIONS)]
            for _ in range(_SLOTS)
        ]
        return cls(slots, first_ms)

    @property
    def slots(self) -> int:
        """How many slots there are to send."""
        return (_WARM_UP_S + _MEASURED_S) * 1000 // _SLOT_MS

    def starts(self) -> np.ndarray:
        """When each slot begins, and its clicks are said to have occurred."""
        return self.first_ms + np.arange(self.slots) * _SLOT_MS

    def counts(self) -> np.ndarray:
        """Clicks of each campaign in each slot."""
        pool = [np.bincount(np.concatenate(parts), minlength=CAMPAIGNS) for parts in self.campaigns]
        return np.array([pool[slot % _SLOTS] for slot in range(self.slots)])


def send(address: str, topic: str, rate: float, seed: int, first_ms: int, lateness: Any) -> None:
    """The producer process: make all batches, then send each when its time has come; says how late it was at most."""
    lateness.value = asyncio.run(_send(address, topic, Plan.of(rate, seed, first_ms), seed))


async def _send(address: str, topic: str, plan: Plan, seed: int) -> float:
    rng, visitors, late = np.random.default_rng(seed), routed_visitors(PARTITIONS), 0.0

    def batch(partition: int, campaigns: np.ndarray) -> ClickBatch:
        people = rng.choice(visitors[partition], len(campaigns))
        return ClickBatch(Columns(campaigns, people, rng.integers(10, 200, len(campaigns))))

    pool = [[batch(*each) for each in enumerate(parts)] for parts in plan.campaigns]
    async with Appender(address) as appender:
        for slot, start in enumerate(plan.starts().tolist()):
            stamped = [(p, each.stamp(slot, start)) for p, each in enumerate(pool[slot % _SLOTS])]
            due = (start + _SLOT_MS) / 1000
            await asyncio.sleep(max(0, due - time.time()))
            if slot * _SLOT_MS >= _WARM_UP_S * 1000:
                late = max(late, time.time() - due)
            await appender.append(topic, stamped)
    return late


async def _follow(
    settings: Settings, seen: dict[tuple[str, str], list[Arrival]], until: asyncio.Event
) -> None:
    decode = msgspec.json.Decoder(Reading).decode
    consumer = aiokafka.AIOKafkaConsumer(
        settings.topic(topics.CAMPAIGN_KPIS),
        bootstrap_servers=settings.bootstrap,
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=20,
    )
    async with consumer:
        while not until.is_set():
            for records in (await consumer.getmany(timeout_ms=200)).values():
                at = time.time()
                for record in records:
                    reading = decode(record.value)
                    if (reading.window, reading.model) == ("1m", "declared"):
                        arrival = Arrival(at, int(reading.sums["clicks"]))
                        seen[reading.campaign_id, reading.window_start or ""].append(arrival)


def _watch_page(url: str, seen: dict[str, list[Arrival]], is_over: Callable[[], bool]) -> None:
    while not is_over():
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                page = answer.read().decode()
        except OSError:
            page = ""
        at = time.time()
        for campaign, clicks in _CLICKS.findall(page):
            seen[campaign].append(Arrival(at, int(float(clicks))))
        time.sleep(_POLL_S)


def _waits(due: np.ndarray, counts: np.ndarray, arrivals: list[Arrival]) -> np.ndarray:
    """For each click, how long until a count that holds it was seen.

    ``due`` and ``counts`` tell when the clicks of each slot were due and how many there were.
    """
    seen = np.maximum.accumulate([arrival.clicks for arrival in arrivals] or [0])
    numbers = np.arange(1, counts.sum() + 1)
    index = np.searchsorted(seen, numbers)
    if len(index) and index[-1] == len(seen):
        raise BenchError(f"Of {len(numbers)} clicks only {seen[-1]} arrived.")
    waits: np.ndarray = np.array([arrival.at for arrival in arrivals])[index] - np.repeat(due, counts)
    return waits


async def measure(found: Broker, rate: float, interval: str) -> dict[str, float]:
    """One rate: percentiles in milliseconds, to the record and to the gauge."""
    settings = bench_settings(found)
    await asyncio.to_thread(ensure_topics, settings, create=True)
    (port,) = free_ports(1)
    url = f"http://{LOOPBACK}:{port}"
    variables = worker_variables(found, settings, port) | {"ROISTREAM_PUBLISH_INTERVAL": interval}
    records: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
    pages: dict[str, list[Arrival]] = defaultdict(list)
    stop = asyncio.Event()
    with running_contender(
        [sys.executable, "-m", "streams", "worker"], variables, "latency-worker.log"
    ) as worker:
        await asyncio.to_thread(_wait_ready, url)
        context = multiprocessing.get_context("spawn")
        plan = Plan.of(rate, 7, int(time.time() * 1000) + _LEAD_MS + int(rate) // _MADE_PER_MS)
        lateness = context.Value("d", 1e9)
        arguments = (found.address, settings.topic(topics.CLICKS), rate, 7, plan.first_ms, lateness)
        sender = context.Process(target=send, args=arguments)
        sender.start()
        following = asyncio.create_task(_follow(settings, records, stop))
        watching = asyncio.create_task(asyncio.to_thread(_watch_page, f"{url}/metrics", pages, stop.is_set))
        from_s = plan.first_ms / 1000 + _WARM_UP_S
        end_s = from_s + _MEASURED_S
        with CpuWatch({"worker": worker.pid, "broker": found.pid}).running() as watch:
            await asyncio.sleep(max(0, end_s - time.time()))
        count = int(plan.counts().sum())
        while time.time() < end_s + 30 and not (_is_all(count, pages) and _is_all(count, records)):  # noqa: ASYNC110 - another thread fills them
            await asyncio.sleep(0.2)
        checkpoints = await asyncio.to_thread(_checkpoints, f"{url}/metrics")
        stop.set()
        await asyncio.gather(following, watching)
        sender.join(10)
    if lateness.value > _MOST_LATE_S:
        raise BenchError(
            f"The producer was {lateness.value:.1f} s late: this machine does not send {rate:,.0f}/s now."
        )
    shares = {f"{name}_cores": watch.share(name, from_s, end_s) or 0.0 for name in watch.names}
    return (
        _figures(plan, records, pages)
        | checkpoints
        | shares
        | {"rate": rate, "late_ms": lateness.value * 1000}
    )


_CHECKPOINTS = re.compile(
    r'^roistream_checkpoint_duration_seconds_(sum|count)\{[^}]*stage="(\w+)"[^}]*\} (\S+)', re.MULTILINE
)


def _checkpoints(url: str) -> dict[str, float]:
    """How many checkpoints each stage has made, and their mean milliseconds."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = {
            (stage, kind): float(value) for kind, stage, value in _CHECKPOINTS.findall(answer.read().decode())
        }
    figures: dict[str, float] = {}
    for stage in ("intake", "merge"):
        count = found.get((stage, "count"), 0.0)
        figures[f"{stage}_checkpoints"] = count
        figures[f"{stage}_checkpoint_ms"] = 1000 * found.get((stage, "sum"), 0.0) / max(1.0, count)
    return figures


def _wait_ready(url: str) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise BenchError("The worker was not ready in time; its log is .bench/latency-worker.log.")


def _is_all(count: int, seen: Mapping[Any, list[Arrival]]) -> bool:
    return sum(arrivals[-1].clicks for arrivals in list(seen.values())) >= count


def _figures(
    plan: Plan, records: dict[tuple[str, str], list[Arrival]], pages: dict[str, list[Arrival]]
) -> dict[str, float]:
    starts, counts = plan.starts(), plan.counts()
    due = (starts + _SLOT_MS) / 1000
    # Of a slot of the warm-up, the clicks are counted but not timed.
    due[starts < plan.first_ms + _WARM_UP_S * 1000] = np.nan
    minutes = starts // 60_000 * 60
    to_record, to_gauge = [], []
    for campaign in range(CAMPAIGNS):
        name, mine = f"c-{campaign:06d}", counts[:, campaign]
        to_gauge.append(_waits(due, mine, pages[name]))
        for minute in np.unique(minutes):
            key = (name, time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(int(minute))))
            within = minutes == minute
            to_record.append(_waits(due[within], mine[within], records[key]))
    figures: dict[str, float] = {}
    for name, waits in (("record", np.concatenate(to_record)), ("gauge", np.concatenate(to_gauge))):
        for share in (50, 99, 100):
            figures[f"{name}_p{share}_ms"] = round(float(np.nanpercentile(waits, share)) * 1000)
    return figures


def main() -> None:
    """Measure each rate in each round, and print the figures and their medians."""
    options = _options()
    peak = options.peak or _last_peak()
    print(f"peak {peak:,.0f} events/s, PUBLISH_INTERVAL {options.interval}, {CAMPAIGNS} campaigns")
    rows: list[dict[str, float]] = []
    failed: list[int] = []
    # Round by round: what the machine does in one minute meets all rates alike.
    shares = options.rounds * [int(share) for share in options.shares.split(",")]
    with broker() as found:
        for share in shares:
            try:
                row = asyncio.run(measure(found, peak * share / 100, options.interval)) | {"share": share}
            except BenchError as error:  # the other shares still say something
                print(f"{share:3} % ({peak * share / 100:,.0f}/s): not measured. {error}", flush=True)
                failed.append(share)
                continue
            rows.append(row)
            print(_line(row), flush=True)
    print(_medians(rows))
    result = {
        "interval": options.interval,
        "load_average": load_average(),
        "machine": describe(),
        "rows": rows,
        "not_measured": failed,
    }
    (ROOT / ".bench" / f"latency-{options.interval}.json").write_text(json.dumps(result, indent=2))
    if failed:
        sys.exit(1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.latency", description=__doc__)
    parser.add_argument(
        "--peak", type=float, help="events/s; else that of the last run of tests.bench.throughput"
    )
    parser.add_argument("--shares", default="25,50,75", help="percents of the peak")
    parser.add_argument("--interval", default="1s", help="ROISTREAM_PUBLISH_INTERVAL")
    parser.add_argument("--rounds", type=int, default=1)
    return parser.parse_args()


def _medians(rows: list[dict[str, float]]) -> str:
    """A table of each rate: the median of its rounds, and the lowest and highest."""
    names = [f"{kind}_p{share}_ms" for kind in ("record", "gauge") for share in (50, 99, 100)]
    lines = [
        "| of the peak | clicks/s | rounds | to the record: median, ms | 99 % | most | to the gauge: median | 99 % | most |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for share in sorted({row["share"] for row in rows}):
        mine = [row for row in rows if row["share"] == share]
        cells = []
        for name in names:
            found = [row[name] for row in mine]
            cells.append(f"{statistics.median(found):,.0f} ({min(found):,.0f} to {max(found):,.0f})")
        lines.append(f"| {share:.0f} % | {mine[0]['rate']:,.0f} | {len(mine)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _line(row: dict[str, float]) -> str:
    return (
        f"{row['share']:3.0f} % ({row['rate']:,.0f}/s): record p50 {row['record_p50_ms']:.0f}, p99 {row['record_p99_ms']:.0f}, "
        f"most {row['record_p100_ms']:.0f} ms; gauge p50 {row['gauge_p50_ms']:.0f}, p99 {row['gauge_p99_ms']:.0f} ms; "
        f"checkpoints {row['intake_checkpoints']:.0f} of {row['intake_checkpoint_ms']:.1f} ms (intake), "
        f"{row['merge_checkpoints']:.0f} of {row['merge_checkpoint_ms']:.1f} ms (merge); "
        f"cores: worker {row['worker_cores']:.2f}, broker {row['broker_cores']:.2f}; producer late by {row['late_ms']:.0f} ms at most"
    )


def _last_peak() -> float:
    try:
        return float(json.loads(Path(ROOT / ".bench" / "throughput.json").read_text())["medians"]["worker"])
    except (OSError, KeyError, ValueError):
        sys.exit("Run python -m tests.bench.throughput first, or give --peak.")


if __name__ == "__main__":
    main()

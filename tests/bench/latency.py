"""From a click's append to the record and the gauge that count it: `python -m tests.bench.latency`.

A producer process sends clicks, made beforehand, at a steady rate; each click is meant to be sent when it says that it
occurred. A reader follows `campaign-kpis` (view `declared`, window `1m`) and another asks `/metrics` ten times a
second. A click has arrived with the first record, or the first page, that counts it. Clicks of the first seconds are
left out. Latency is measured from the moment at which a click's batch was handed to the producer.
"""

import argparse
import asyncio
import json
import multiprocessing
import random
import re
import sys
import time
import urllib.request
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiokafka
import msgspec
import numpy as np

from streams import topics
from streams.administration import ensure_topics
from streams.embedded.process import LOOPBACK, free_ports
from streams.settings import Settings
from tests.bench.clicks import PARTITIONS
from tests.bench.contenders import (
    ROOT,
    BenchError,
    Broker,
    bench_settings,
    running_contender,
    worker_variables,
)
from tests.bench.machine import describe, load_average
from tests.bench.throughput import broker

CAMPAIGNS = 200
_BATCH_MS = 20
_WARM_UP_S, _MEASURED_S = 6, 12
#: The producer makes its clicks before the first is due: about so many in a second.
_LEAD_MS, _MADE_PER_MS = 8_000, 40
#: A producer this late does not send at the rate asked for.
_MOST_LATE_S = 0.25
_POLL_S = 0.1
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
    """Which click is sent when: campaign numbers and offsets in milliseconds, in order of time."""

    campaigns: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, rate: float, seed: int) -> "Plan":
        """A steady rate of clicks for the warm-up and the measured time."""
        count = int(rate * (_WARM_UP_S + _MEASURED_S))
        rng = np.random.default_rng(seed)
        return cls(rng.integers(0, CAMPAIGNS, count), (np.arange(count) / rate * 1000).astype(np.int64))


def send(address: str, topic: str, rate: float, seed: int, first: int, lateness: Any) -> None:
    """The producer process: make all batches, then send each when its time has come; says how late it was at most."""
    lateness.value = asyncio.run(_send(address, topic, Plan.of(rate, seed), first))


async def _send(address: str, topic: str, plan: Plan, first: int) -> float:
    rng = random.Random(1)
    async with aiokafka.AIOKafkaProducer(
        bootstrap_servers=address, acks=1, max_batch_size=1 << 20
    ) as producer:
        slots: dict[int, list[bytes]] = defaultdict(list)
        for number, (campaign, offset) in enumerate(
            zip(plan.campaigns.tolist(), plan.offsets.tolist(), strict=True)
        ):
            slots[offset // _BATCH_MS].append(
                b'{"event_id":"l-%d-%d","occurred_at":%d,"campaign_id":"c-%04d","visitor_id":"v-%06d","cost":"0.%02d","channel":"search"}'
                % (first, number, first + offset, campaign, rng.randrange(100_000), number % 100)
            )
        late = 0.0
        await producer.partitions_for(topic)
        for slot in sorted(slots):
            due = (first + (slot + 1) * _BATCH_MS) / 1000
            await asyncio.sleep(max(0, due - time.time()))
            if slot * _BATCH_MS >= _WARM_UP_S * 1000:
                late = max(late, time.time() - due)
            for partition in range(PARTITIONS):
                batch = producer.create_batch()
                for value in slots[slot][partition::PARTITIONS]:
                    batch.append(key=b"k", value=value, timestamp=None)
                batch.close()
                await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
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


def _waits(sent: list[float], arrivals: list[Arrival], from_: float) -> list[float]:
    """For each click, in order, how long until a count that holds it was seen."""
    counts = [arrival.clicks for arrival in arrivals]
    found = []
    for number, at in enumerate(sent, start=1):
        if at < from_:
            continue
        index = bisect_left(counts, number)
        if index == len(arrivals):
            raise BenchError(f"Click {number} of {len(sent)} never arrived.")
        found.append(arrivals[index].at - at)
    return found


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
    with running_contender([sys.executable, "-m", "streams", "worker"], variables, "latency-worker.log"):
        await asyncio.to_thread(_wait_ready, url)
        context, plan = multiprocessing.get_context("spawn"), Plan.of(rate, 7)
        first = int(time.time() * 1000) + _LEAD_MS + len(plan.offsets) // _MADE_PER_MS
        lateness = context.Value("d", 1e9)
        sender = context.Process(
            target=send, args=(found.address, settings.topic(topics.CLICKS), rate, 7, first, lateness)
        )
        sender.start()
        following = asyncio.create_task(_follow(settings, records, stop))
        watching = asyncio.create_task(asyncio.to_thread(_watch_page, f"{url}/metrics", pages, stop.is_set))
        end_s = first / 1000 + _WARM_UP_S + _MEASURED_S
        await asyncio.sleep(max(0, end_s - time.time()))
        while time.time() < end_s + 60 and not (_is_all(plan, pages) and _is_all(plan, records)):  # noqa: ASYNC110 - another thread fills them
            await asyncio.sleep(0.2)
        stop.set()
        await asyncio.gather(following, watching)
        sender.join(10)
    if lateness.value > _MOST_LATE_S:
        raise BenchError(
            f"The producer was {lateness.value:.1f} s late: this machine does not send {rate:,.0f}/s now."
        )
    return _figures(plan, first, records, pages) | {"rate": rate}


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


def _is_all(plan: Plan, seen: Mapping[Any, list[Arrival]]) -> bool:
    return sum(arrivals[-1].clicks for arrivals in list(seen.values())) >= len(plan.campaigns)


def _figures(
    plan: Plan, first: int, records: dict[tuple[str, str], list[Arrival]], pages: dict[str, list[Arrival]]
) -> dict[str, float]:
    from_ = first / 1000 + _WARM_UP_S
    by_minute: dict[tuple[str, str], list[float]] = defaultdict(list)
    by_campaign: dict[str, list[float]] = defaultdict(list)
    for campaign, offset in zip(plan.campaigns.tolist(), plan.offsets.tolist(), strict=True):
        name, millis = f"c-{campaign:04d}", first + offset
        minute = time.strftime("%Y-%m-%dT%H:%M:00Z", time.gmtime(millis // 60_000 * 60))
        # Its batch goes out at the end of its slot.
        sent = (first + (offset // _BATCH_MS + 1) * _BATCH_MS) / 1000
        by_minute[name, minute].append(sent)
        by_campaign[name].append(sent)
    to_record = [wait for key, sent in by_minute.items() for wait in _waits(sent, records[key], from_)]
    to_gauge = [wait for key, sent in by_campaign.items() for wait in _waits(sent, pages[key], from_)]
    figures: dict[str, float] = {}
    for name, waits in (("record", to_record), ("gauge", to_gauge)):
        for share in (50, 99, 100):
            figures[f"{name}_p{share}_ms"] = round(float(np.percentile(waits, share)) * 1000)
    return figures


def main() -> None:
    """Measure each rate and print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.latency", description=__doc__)
    parser.add_argument(
        "--peak", type=float, help="events/s; else that of the last run of tests.bench.throughput"
    )
    parser.add_argument("--shares", default="25,50,75", help="percents of the peak")
    parser.add_argument("--interval", default="1s", help="ROISTREAM_PUBLISH_INTERVAL")
    options = parser.parse_args()
    peak = options.peak or _last_peak()
    print(f"peak {peak:,.0f} events/s, PUBLISH_INTERVAL {options.interval}, {CAMPAIGNS} campaigns")
    rows = []
    with broker() as found:
        for share in map(int, options.shares.split(",")):
            row = asyncio.run(measure(found, peak * share / 100, options.interval)) | {"share": share}
            rows.append(row)
            print(
                f"{share:3} % ({row['rate']:,.0f}/s): record p50 {row['record_p50_ms']:.0f}, p99 {row['record_p99_ms']:.0f}, "
                f"most {row['record_p100_ms']:.0f} ms; gauge p50 {row['gauge_p50_ms']:.0f}, p99 {row['gauge_p99_ms']:.0f} ms",
                flush=True,
            )
    result = {
        "interval": options.interval,
        "load_average": load_average(),
        "machine": describe(),
        "rows": rows,
    }
    (ROOT / ".bench" / f"latency-{options.interval}.json").write_text(json.dumps(result, indent=2))


def _last_peak() -> float:
    try:
        return float(json.loads(Path(ROOT / ".bench" / "throughput.json").read_text())["medians"]["worker"])
    except (OSError, KeyError, ValueError):
        sys.exit("Run python -m tests.bench.throughput first, or give --peak.")


if __name__ == "__main__":
    main()

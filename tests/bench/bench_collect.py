"""The collector beside a hand-written handler on the same server: `python -m tests.bench.bench_collect`.

Both are processes of aiohttp and aiokafka that answer after ``acks=all`` on the same topic of the same broker. The handler by hand takes the
body as it is, checks nothing, and sends it; the collector reads the event, finds its campaign, honours consent and writes a record. They are
asked in turn, by the same senders with kept connections; what counts is the ratio within a pair, of answers a second and of processor
time an answer, which says more where the machine does other work. Then the collector gets half of its own peak,
evenly spaced, and the time to the answer is said.
"""

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from streams import topics
from streams.embedded.broker import embedded_broker
from streams.runtime.process_tuning import new_event_loop
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.bench.machine import cpu_seconds, describe, load_average
from tests.conftest import fresh_settings
from tests.streams.collect.test_kills import collector
from tests.support.collect_serving import write_files

_WARM_S, _SENDERS = 1.0, 64


def _by_hand(bootstrap: str, topic: str) -> None:
    """The handler by hand, as a process of its own."""
    from aiohttp import web  # noqa: PLC0415
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415

    async def serve() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
        await producer.start()

        async def post(request: web.Request) -> web.Response:
            body = await request.read()
            await producer.send_and_wait(topic, body)
            return web.json_response({"written": 1})

        application = web.Application()
        application.add_routes([web.post("/events", post)])
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=new_event_loop) as runner_of_loop:  # the collector's own
        runner_of_loop.run(serve())


@contextlib.contextmanager
def _handler(settings: Settings) -> Iterator[tuple[int, str]]:
    command = [sys.executable, "-m", "tests.bench.bench_collect", "--by-hand", settings.bootstrap[0]]
    process = subprocess.Popen([*command, settings.topic(topics.CLICKS)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def _request(number: int) -> bytes:
    event = {"type": "click", "event_id": f"e-{number}", "consent": True}
    body = json.dumps(
        {**event, "url": f"https://shop.example/?gclid=G{number}&utm_id={number % 12}&utm_medium=cpc"}
    ).encode()
    head = f"POST /events HTTP/1.1\r\nHost: collect\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    writer.write(_request(number))
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise AssertionError(head.decode())
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None
    await reader.readexactly(int(length[1]))


class _Peak(NamedTuple):
    """Answers a second, and microseconds of processor time an answer."""

    rate: float
    cost_us: float


async def _peak(address: str, pid: int, seconds: float) -> _Peak:
    """What a server reaches, with as many senders as keep it busy."""
    host, port = address.removeprefix("http://").split(":")
    counts: list[int] = []
    asked = 0
    stat = Path(f"/proc/{pid}/stat")
    before = cpu_seconds(stat)
    end = time.monotonic() + _WARM_S + seconds

    async def sender(number: int) -> None:
        nonlocal asked
        reader, writer = await asyncio.open_connection(host, int(port))
        count = 0
        while (now := time.monotonic()) < end:
            await _ask(reader, writer, number)
            number += _SENDERS
            asked += 1
            count += now >= end - seconds
        counts.append(count)
        writer.close()

    await asyncio.gather(*map(sender, range(_SENDERS)))
    return _Peak(sum(counts) / seconds, 1e6 * (cpu_seconds(stat) - before) / asked)


async def _latency(address: str, rate: float, seconds: float) -> list[float]:
    """Milliseconds to the answer, from when each request was due, at an even rate."""
    host, port = address.removeprefix("http://").split(":")
    connections: asyncio.Queue[Any] = asyncio.Queue()
    for _ in range(4 * _SENDERS):
        connections.put_nowait(await asyncio.open_connection(host, int(port)))
    took: list[float] = []

    async def one(number: int, due: float) -> None:
        connection = await connections.get()
        await _ask(*connection, number)
        took.append(1_000 * (time.monotonic() - due))
        connections.put_nowait(connection)

    began = time.monotonic()
    tasks = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(one(10**9 + number, due)))
    await asyncio.gather(*tasks)
    return sorted(took)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--by-hand", nargs=2)
    said = parser.parse_args()
    if said.by_hand:
        _by_hand(*said.by_hand)
        return
    print(describe(), f"load {load_average():.1f}")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(embedded_broker(heap_mb=512))
        settings = fresh_settings(broker)
        ensure_topics(settings, create=True)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = write_files(folder)
        path.write_text(path.read_text().replace("rate = 1000", "rate = 100000"))
        process, address = stack.enter_context(collector(settings, path))
        ours, by_hand = (process.pid, address), stack.enter_context(_handler(settings))
        ratios, costs, peaks = [], [], []
        for number in range(said.rounds):
            found = {}
            for each in (ours, by_hand) if number % 2 else (by_hand, ours):
                found[each] = asyncio.run(_peak(each[1], each[0], said.seconds))
            peaks.append(found[ours].rate)
            ratios.append(found[ours].rate / found[by_hand].rate)
            costs.append(found[by_hand].cost_us / found[ours].cost_us)
            texts = [
                f"{peak.rate:.0f}/s with {peak.cost_us:.0f} µs" for peak in (found[ours], found[by_hand])
            ]
            print(
                f"collector {texts[0]}, by hand {texts[1]}: {ratios[-1]:.2f}, of processor time {costs[-1]:.2f}",
                flush=True,
            )
        for name, values in (("answers a second", ratios), ("processor time", costs)):
            print(f"{name}: median {statistics.median(values):.2f}, {min(values):.2f} to {max(values):.2f}")
        rate = statistics.median(peaks) / 2
        took = asyncio.run(_latency(address, rate, said.seconds))
        shares = {
            name: took[int(share * (len(took) - 1))]
            for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))
        }
        print(f"at {rate:.0f}/s: " + ", ".join(f"{name} {value:.0f} ms" for name, value in shares.items()))


if __name__ == "__main__":
    main()

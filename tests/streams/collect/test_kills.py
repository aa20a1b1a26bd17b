"""Kills at random requests: what was answered is on the topic, what was not answered is sent again, and every record has one id."""

import asyncio
import contextlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from aiohttp import ClientConnectionError, ClientSession, ClientTimeout

from streams import topics
from streams.collect.server import run
from streams.embedded.child_process import free_ports, is_listening
from streams.transport.topic_admin import ensure_topics
from tests.support.collect_serving import SECRET, write_files, written
from tests.support.servers.forked import ForkedProcess

COUNT, SENDERS, KILLS = 400, 8, 4


def environment_of(settings, path):
    return os.environ | {
        "ROISTREAM_BROKER": settings.broker,
        "ROISTREAM_TOPIC_PREFIX": settings.topic_prefix,
        "ROISTREAM_PARTITIONS": str(settings.partitions),
        "ROISTREAM_COLLECT_FILE": str(path),
        "ROISTREAM_COLLECT_PORT": "0",
        "ROISTREAM_COLLECT_METRICS_PORT": "0",
    }


@contextlib.contextmanager
def collector(settings, path):
    """A collector in a process of its own: the process and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "streams", "collect"],
        env=environment_of(settings, path),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr:
            if found := re.search(r"Collecting at (http://\S+)/,", line):
                yield process, found[1]
                break
        else:
            raise AssertionError("it did not start")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@contextlib.contextmanager
def forked_collector(settings, path):
    """As ``collector``, forked from a process that has imported all: it and its address, once it answers."""
    port, metrics_port = free_ports(2)
    own = {"collect_file": path, "collect_port": port, "collect_metrics_port": metrics_port}
    process = ForkedProcess(run, settings.model_copy(update=own))
    try:
        ends_at = time.monotonic() + 300
        while not is_listening(port):
            assert process.is_running() and time.monotonic() < ends_at, "it did not start"  # noqa: PT018
            time.sleep(0.02)
        yield process, f"http://127.0.0.1:{port}"
    finally:
        if process.is_running():
            process.kill()


async def send(session, number):
    """Whether an item was answered: every third is a delivery of a webhook, the others are events."""
    if number % 3 == 0:
        body, address = {"id": f"w-{number}", "at": "2026-06-01T00:00:00Z"}, f"/in/crm?token={SECRET}"
    else:
        body, address = (
            {"type": "lead", "lead_id": f"e-{number}", "occurred_at": "2026-06-01T00:00:00Z"},
            "/events",
        )
    try:
        async with session.post(address, json=body) as answer:
            await answer.read()
            return answer.status == 200
    except (ClientConnectionError, TimeoutError):
        return False


def name_of(number):
    return f"w-{number}" if number % 3 == 0 else f"e-{number}"


async def feed(address, open_items, answered, *, until_answered):
    """Send items from several senders until so many more are answered, or the collector is gone."""
    goal = len(answered) + until_answered
    async with ClientSession(address, timeout=ClientTimeout(total=20)) as session:

        async def sender():
            while open_items and len(answered) < goal:
                number = open_items.pop()
                if await send(session, number):
                    answered.add(number)
                else:
                    open_items.insert(0, number)
                    return

        await asyncio.gather(*(sender() for _ in range(SENDERS)))


async def feed_and_kill(address, process, open_items, answered, after):
    feeding = asyncio.create_task(feed(address, open_items, answered, until_answered=COUNT))
    while len(answered) < after and not feeding.done():  # noqa: ASYNC110 - answers of another process
        await asyncio.sleep(0.001)
    process.kill()
    await feeding


def killed_at_random(settings, folder, seed):
    """The law for one seed: four kills."""
    rng, path = random.Random(seed), write_files(folder)
    open_items, answered = list(range(COUNT)), set()
    rng.shuffle(open_items)
    for _ in range(KILLS):
        with forked_collector(settings, path) as (process, address):
            after = len(answered) + rng.randrange(COUNT // KILLS)
            asyncio.run(feed_and_kill(address, process, open_items, answered, after))
        found = {value["lead_id"] for _, value in written(settings, topics.LEADS)}
        assert {name_of(number) for number in answered} <= found, "an answer without its record"
    with forked_collector(settings, path) as (_, address):
        asyncio.run(feed(address, open_items, answered, until_answered=COUNT))
    assert len(answered) == COUNT
    records = [value for _, value in written(settings, topics.LEADS)]
    assert {value["lead_id"] for value in records} == set(map(name_of, range(COUNT)))
    by_lead = {(value["lead_id"], value["event_id"]) for value in records}
    assert len(by_lead) == COUNT, "a record that came twice has its id"
    return len(records) - COUNT


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_request_it_loses_nothing_and_doubles_no_id(broker, settings_for, tmp_path, seed):
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    killed_at_random(settings, tmp_path, seed)


def test_its_end_says_nothing_but_its_own_lines(broker, settings_for, tmp_path):
    settings, path = settings_for(broker), write_files(tmp_path)
    ensure_topics(settings, create=True)
    with collector(settings, path) as (process, address):
        asyncio.run(feed(address, list(range(6)), set(), until_answered=6))
        process.terminate()
        said = process.stderr.read().splitlines()
        assert process.wait() == 0
    assert [line for line in said if not re.match(r"\d{4}-\d\d-\d\d ", line)] == []


def main(seeds):
    """More seeds: `python -m tests.streams.collect.test_kills FIRST LAST`."""
    from streams.embedded.broker import embedded_broker  # noqa: PLC0415
    from tests.conftest import fresh_settings  # noqa: PLC0415

    with embedded_broker(heap_mb=512) as broker, tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            settings = fresh_settings(broker)
            ensure_topics(settings, create=True)
            again = killed_at_random(settings, Path(folder), seed)
            print(
                f"seed {seed}: {KILLS} kills, {COUNT} records, {again} came again under their ids", flush=True
            )


if __name__ == "__main__":
    main(range(int(sys.argv[1]), int(sys.argv[2]) + 1))

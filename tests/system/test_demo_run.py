"""The demo at its edges: real servers, its own worker and ones that fail, real signals."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from metrics.values.errors import RoistreamError
from streams import topics
from streams.demo import traffic
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld
from streams.process import now_ms
from streams.transport.client_options import aiokafka_options
from streams.transport.topic_admin import ensure_topics

ROOT = Path(__file__).parents[2]
#: Runs the demo: seconds (0: without end), then the arguments of another worker than its own.
DEMO = """
import sys
from streams.demo.run import run
from streams.demo.options import DemoOptions
from streams.demo.worker_process import WORKER_COMMAND
worker = [sys.executable, *sys.argv[2:]] if sys.argv[2:] else WORKER_COMMAND
sys.exit(run(DemoOptions(seconds=float(sys.argv[1]) or None, port=0), worker))
"""
#: Runs the demo in a folder that is kept: seconds, folder.
KEPT_DEMO = """
import sys
from pathlib import Path
from streams.demo.run import run
from streams.demo.options import DemoOptions
sys.exit(run(DemoOptions(seconds=float(sys.argv[1]), port=0, keep=Path(sys.argv[2]))))
"""
#: A worker that is ready, and ends at the third question.
SHORT_LIVED = """
import http.server, os
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
address = ("127.0.0.1", int(os.environ["ROISTREAM_HTTP_PORT"]))
server = http.server.HTTPServer(address, Page)
for _ in range(3):
    server.handle_request()
raise SystemExit("three questions are enough")
"""


# --- traffic ----------------------------------------------------------------------------------------


async def produce(settings, topic: str, key: str, record: dict) -> None:
    async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
        await producer.send_and_wait(settings.topic(topic), msgspec.json.encode(record), key=key.encode())


async def until(claim, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, "not within the bound"
        await asyncio.sleep(0.02)


async def count_of(settings, topic: str, expected: int) -> int:
    """Records in a topic, read until there are as many as expected and then a moment longer."""
    found = 0
    async with traffic.reader(settings, topic, from_beginning=True) as consumer:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            records = await consumer.getmany(timeout_ms=500)
            found += sum(map(len, records.values()))
            if found >= expected and not records:
                break
    return found


@pytest.fixture
def world() -> DemoWorld:
    return DemoWorld(7, 12, 20, SimulatedClock.starting(now_ms()))


@pytest.fixture
def deployment(broker, settings_for):
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    return settings


def test_what_the_world_counts_is_what_the_topics_hold(deployment, world) -> None:
    async def scenario() -> tuple[dict[str, int], dict[str, int]]:
        await traffic.run(deployment, world, seconds=3, stop=asyncio.Event())
        found = {name: await count_of(deployment, name, world.counts[name]) for name in topics.SOURCES}
        registered = {name: await count_of(deployment, name, 1) for name in topics.REGISTRIES}
        return found, registered

    found, registered = asyncio.run(scenario())
    assert found == {name: world.counts[name] for name in topics.SOURCES}
    assert sum(registered.values()) == len(world.registrations())


def test_the_platform_obeys_actions_from_the_topic_and_survives_rubbish(deployment, world) -> None:
    campaign = world.profiles[1].campaign_id
    pause = {"action_id": "a-1", "campaign_id": campaign, "verb": "pause", "mode": "enforce"}

    async def scenario() -> None:
        stop, progress = asyncio.Event(), traffic.TrafficProgress()
        running = asyncio.create_task(traffic.run(deployment, world, stop=stop, progress=progress))
        await produce(deployment, topics.BUDGET_ACTIONS, campaign, {"action_id": [1]})
        await produce(deployment, topics.BUDGET_ACTIONS, campaign, pause)
        await until(lambda: running.done() or progress.actions_obeyed == 1)
        stop.set()
        await running

    asyncio.run(scenario())
    assert world.platform.level(campaign) == 0.0


def test_without_a_broker_the_traffic_says_which_it_missed(settings_for, world) -> None:
    class Nowhere:
        url = "kafka://127.0.0.1:9"

    with pytest.raises(RoistreamError, match=r"127\.0\.0\.1:9 alive"):
        asyncio.run(traffic.run(settings_for(Nowhere), world, seconds=1, stop=asyncio.Event()))


# --- the command ------------------------------------------------------------------------------------


def start(seconds: float, *arguments: object, program: str = DEMO) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ROISTREAM_")}
    return subprocess.Popen(
        [sys.executable, "-c", program, str(seconds), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
    )


def finished(demo: subprocess.Popen) -> tuple[int, str]:
    try:
        output, _ = demo.communicate(timeout=120)
    finally:
        demo.kill()
    return demo.returncode, output


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@pytest.mark.smoke
def test_the_demo_shows_figures_that_move_agrees_with_the_ledger_and_ends_by_itself() -> None:
    code, output = finished(start(20))
    assert code == 0, output
    shown = re.findall(r"  Spring sale – social .*\| CPL (\d\S*) / ", output)
    assert len(set(shown)) >= 2, output  # the CPL moves
    assert "12 of 12 campaigns show CPL and ROI" in output
    assert re.search(r"board +http://127\.0\.0\.1:\d+/#token=\S{20,}", output)
    for line in ("records sent / read", "sent twice / duplicates", "sent broken / rejected"):
        assert re.search(rf"{line} .* agree", output)


def test_a_kept_demo_goes_on_with_its_figures_and_reads_every_record_of_both_runs_once(tmp_path) -> None:
    def totals(output: str) -> tuple[int, int]:
        sent, read = re.search(r"records sent / read +(\S+) / (\S+) +agree", output).groups()
        return int(sent.replace(",", "")), int(read.replace(",", ""))

    folder = tmp_path / "kept"
    runs = [finished(start(6, folder, program=KEPT_DEMO)) for _ in range(2)]
    assert [code for code, _ in runs] == [0, 0], runs
    (first, _), (second, read) = (totals(output) for _, output in runs)
    assert second == read > first
    assert f"({first:,} records were sent by earlier demos" in runs[1][1]
    assert "12 of 12 campaigns show CPL and ROI" in runs[1][1]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_ends_the_demo_cleanly_and_leaves_no_process_behind() -> None:
    demo = start(0)
    seen = []
    for line in demo.stdout:
        seen.append(line)
        if line.startswith("[seed"):
            break
    started = children(demo.pid)
    demo.send_signal(signal.SIGINT)
    code, output = finished(demo)
    assert code == 0, "".join(seen) + output
    assert len(started) >= 4, "broker, cache, worker and board ran"
    assert not any(map(is_alive, started))
    assert "Traceback" not in output


def test_a_worker_that_dies_ends_the_demo_with_the_end_of_its_log() -> None:
    code, output = finished(start(30, "-c", SHORT_LIVED))
    assert code == 1
    assert "The worker ended by itself" in output
    assert "three questions are enough" in output
    assert "Traceback" not in output


def test_a_worker_that_cannot_start_ends_the_demo_at_once() -> None:
    code, output = finished(start(30, "-c", "raise SystemExit('no such luck')"))
    assert code == 1
    assert "no such luck" in output

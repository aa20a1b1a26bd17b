"""How long a deployment of one worker is without figures when the worker is ended and started again at once.

``python -m tests.bench.restarts [TREE ...]`` compares builds: this one with those checked out in other folders, in turns on one
broker, each with the Python of its own ``.venv`` where it has one. A round ends the worker (SIGKILL, or in order with
``--in-order``), sends a click for each campaign, starts the worker, and takes the seconds and the processor time until
``/readyz`` answers 200, the seconds until every click is counted, and the memory of the worker then.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import NamedTuple

from streams import topics
from streams.embedded.broker import embedded_broker
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.bench.machine import anonymous_memory_mb, cpu_seconds, resident_memory_mb
from tests.conftest import REPOSITORY, fresh_settings
from tests.support.outside import write
from tests.support.servers.worker import variables, wait_for

CAMPAIGNS = 1_000
_LIMIT_S = 600
_LOOK_S = 0.02


class Restart(NamedTuple):
    """What a round says of a build.

    Attributes:
        ready_s: from the start of the process to the answer 200 of `/readyz`.
        cpu_s: processor time of the worker until then, all threads.
        exact_s: from the start of the process until every click is counted.
        resident_mb: memory in main memory then.
        anonymous_mb: the same without pages of files.
    """

    ready_s: float
    cpu_s: float
    exact_s: float
    resident_mb: float
    anonymous_mb: float


class Build:
    """One checked out build with a deployment of its own, whose worker has the default session timeout."""

    def __init__(self, tree: Path, settings: Settings, folder: Path) -> None:
        self.tree, self.settings = tree, settings
        self._folder, self._sent, self._port = folder, 0, free_ports(1)[0]
        ensure_topics(settings, create=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the worker and return at once."""
        environment = variables(self.settings, ROISTREAM_HTTP_PORT=str(self._port))
        with (self._folder / f"{self.settings.topic_prefix}worker.log").open("ab") as log:
            own = self.tree / ".venv" / "bin" / "python"
            command = [str(own) if own.exists() else sys.executable, "-m", "streams", "worker"]
            self._process = subprocess.Popen(command, env=environment, cwd=self.tree, stdout=log, stderr=log)

    def send(self) -> None:
        """A click for each campaign."""
        now = int(time.time() * 1000)
        write(
            self.settings,
            [
                (
                    topics.CLICKS,
                    b"v-%d" % number,
                    {
                        "event_id": f"{now}-{number}",
                        "occurred_at": now,
                        "campaign_id": f"c-{number}",
                        "cost": 1,
                    },
                )
                for number in range(CAMPAIGNS)
            ],
        )
        self._sent += CAMPAIGNS

    def is_ready(self) -> bool:
        return self._get("/readyz") is not None

    def is_exact(self) -> bool:
        page = self._get("/metrics") or ""
        clicks = (line for line in page.splitlines() if line.startswith("campaign_clicks_total{"))
        return sum(float(line.rsplit(" ", 1)[1]) for line in clicks) == self._sent

    def end(self, by: signal.Signals) -> None:
        """End the worker by a signal, and wait for its end."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, by)
            self._process.wait()

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def restart(self, by: signal.Signals) -> Restart:
        """End the worker by a signal, start it again, and look at it until it is exact."""
        self.end(by)
        self.send()
        began = time.monotonic()
        self.start()
        assert self._process is not None
        while not self.is_ready():
            assert self._process.poll() is None, "the worker has ended"
            assert time.monotonic() - began < _LIMIT_S, "the worker is not ready"
            time.sleep(_LOOK_S)
        ready_s = time.monotonic() - began
        pid = self._process.pid
        cpu_s = cpu_seconds(Path(f"/proc/{pid}/stat"))
        wait_for("exact", self.is_exact, _LIMIT_S)
        exact_s = time.monotonic() - began
        return Restart(ready_s, cpu_s, exact_s, resident_memory_mb(pid), anonymous_memory_mb(pid))


def main() -> None:
    """Print each round, and the medians by build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--session", default="30s", help="On a busy machine a start takes longer than the default."
    )
    parser.add_argument("--in-order", action="store_true", help="End workers by SIGTERM instead of SIGKILL.")
    given = parser.parse_args()
    by = signal.SIGTERM if given.in_order else signal.SIGKILL
    with embedded_broker(heap_mb=512) as broker:
        folder = Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108 - logs to look at
        trees = [REPOSITORY, *given.trees]
        builds = [Build(tree, _settings(broker, given.session), folder) for tree in trees]
        try:
            _measure(builds, given.rounds, by)
        finally:
            for each in builds:
                each.end(signal.SIGKILL)


def _measure(builds: list[Build], rounds: int, by: signal.Signals) -> None:
    for each in builds:
        each.start()
        wait_for("the first start", each.is_ready, _LIMIT_S)
        each.send()
        wait_for("the first figures", each.is_exact, _LIMIT_S)
    took: dict[Path, list[Restart]] = {each.tree: [] for each in builds}
    for number in range(rounds):
        for each in builds if number % 2 == 0 else reversed(builds):
            took[each.tree].append(each.restart(by))
            print(f"{each.tree}: {_said(took[each.tree][-1])}", flush=True)
    ours = took[builds[0].tree]
    for tree, restarts in took.items():
        middle = Restart(*(median(each) for each in zip(*restarts, strict=True)))
        ratios = Restart(*(
            median(one / other for one, other in zip(our, their, strict=True))
            for our, their in zip(zip(*ours, strict=True), zip(*restarts, strict=True), strict=True)
        ))  # fmt: skip
        print(f"{tree}: medians {_said(middle)}\n  this tree by it: {_said(ratios, digits=2, units=False)}")


def _said(restart: Restart, digits: int = 1, *, units: bool = True) -> str:
    s, mb = (" s", " MB") if units else ("", "")
    return (
        f"ready {restart.ready_s:.{digits}f}{s}, processor {restart.cpu_s:.2f}{s}, exact {restart.exact_s:.{digits}f}{s}, "
        f"resident {restart.resident_mb:.{digits}f}{mb}, anonymous {restart.anonymous_mb:.{digits}f}{mb}"
    )


def _settings(broker: object, session: str) -> Settings:
    return fresh_settings(
        broker, session_timeout=session, publish_interval="1s", idle_after="30s", partitions=4
    )


if __name__ == "__main__":
    main()

"""How long a deployment of one worker is without figures when the worker is killed and started again at once.

``python -m tests.bench.restarts [TREE ...]`` compares builds: this one with those checked out in other folders, in turns on one
broker. A round kills the worker, sends a click for each campaign, starts the worker, and takes the seconds until ``/readyz``
answers 200 and until every click is counted.
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

from streams import topics
from streams.embedded.broker import embedded_broker
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.conftest import REPOSITORY, fresh_settings
from tests.support.outside import write
from tests.support.servers.worker import variables, wait_for

CAMPAIGNS = 1_000
_LIMIT_S = 600


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
            command = [sys.executable, "-m", "streams", "worker"]
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

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            return None

    def restart(self) -> tuple[float, float]:
        """Seconds until ready, and until exact."""
        self.kill()
        self.send()
        began = time.monotonic()
        self.start()
        wait_for("ready", self.is_ready, _LIMIT_S)
        ready = time.monotonic() - began
        wait_for("exact", self.is_exact, _LIMIT_S)
        return ready, time.monotonic() - began


def main() -> None:
    """Print each round, and the medians by build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trees", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--session", default="30s", help="On a busy machine a start takes longer than the default."
    )
    given = parser.parse_args()
    with embedded_broker(heap_mb=512) as broker:
        folder = Path(os.environ.get("TMPDIR", "/tmp"))  # noqa: S108 - logs to look at
        trees = [REPOSITORY, *given.trees]
        builds = [Build(tree, _settings(broker, given.session), folder) for tree in trees]
        try:
            _measure(builds, given.rounds)
        finally:
            for each in builds:
                each.kill()


def _measure(builds: list[Build], rounds: int) -> None:
    for each in builds:
        each.start()
        wait_for("the first start", each.is_ready, _LIMIT_S)
        each.send()
        wait_for("the first figures", each.is_exact, _LIMIT_S)
    took: dict[Path, list[tuple[float, float]]] = {each.tree: [] for each in builds}
    for _ in range(rounds):
        for each in builds:
            took[each.tree].append(each.restart())
            print(f"{each.tree}: ready {took[each.tree][-1][0]:.1f} s, exact {took[each.tree][-1][1]:.1f} s")
    for tree, restarts in took.items():
        ready, exact = (median(each) for each in zip(*restarts, strict=True))
        print(f"{tree}: median ready {ready:.1f} s, exact {exact:.1f} s")


def _settings(broker: object, session: str) -> Settings:
    return fresh_settings(
        broker, session_timeout=session, publish_interval="1s", idle_after="30s", partitions=4
    )


if __name__ == "__main__":
    main()

"""The workers of one sequence, with a supervisor that starts again whoever ended by itself."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from streams.embedded.child_process import free_ports
from streams.settings import Settings
from tests.faults.patience import Deadline
from tests.support.servers.worker import WorkerProcess, variables

ROOT = Path(__file__).parents[2]
_RESTART_AFTER_S = 0.5
_READY_WITHIN_S = 120


class Member(WorkerProcess):
    """A worker under the launcher; a clock file of its own, and a trap until it springs."""

    def __init__(self, settings: Settings, folder: Path, name: str, url: str) -> None:
        self.name = name
        self.port = free_ports(1)[0]
        self.log = folder / f"{name}.log"
        self.is_wanted = True
        self.is_stopped = False
        self.is_trapped = False
        self.clock = folder / f"{name}.clock"
        self.clock.write_text("0")
        self._environment = variables(
            settings,
            ROISTREAM_HTTP_PORT=str(self.port),
            ROISTREAM_BROKER=url,
            PYTHONPATH=str(ROOT),
            FAULTS_CLOCK=str(self.clock),
        )

    def start(self, trap: str | None = None) -> None:
        """Start the process; the trap holds for this one start."""
        environment = self._environment | ({"FAULTS_TRAP": trap} if trap else {})
        self.is_wanted, self.is_stopped, self.is_trapped = True, False, trap is not None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.launcher"],
                env=environment,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
            )

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def answers_ready(self) -> bool:
        """Whether /readyz says so; unlike ``is_ready`` it takes an ended process as an answer."""
        return self.is_alive and not self.is_stopped and self.get("/readyz")[0] == 200

    def send(self, number: signal.Signals) -> None:
        if self.is_alive:
            os.kill(self.process.pid, number)

    def end(self) -> None:
        """For certain, also when stopped."""
        self.is_wanted = False
        if self.is_alive:
            self.kill()


class Fleet:
    """Members by name; `say` hears what happens to them."""

    def __init__(
        self, settings: Settings, folder: Path, proxied_url: str, say: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.members: list[Member] = []
        self.deaths: list[str] = []
        self._folder = folder
        self._proxied_url = proxied_url
        self._say = say
        self._due: dict[str, float] = {}

    def add(self, *, is_proxied: bool = False, trap: str | None = None) -> Member:
        """One more worker."""
        url = self._proxied_url if is_proxied else self.settings.broker
        member = Member(self.settings, self._folder, f"w{len(self.members) + 1}", url)
        self.members.append(member)
        member.start(trap)
        return member

    @property
    def living(self) -> list[Member]:
        """Those that run and are meant to."""
        return [member for member in self.members if member.is_wanted and member.is_alive]

    def supervise(self) -> None:
        """Start again those that ended and were not asked to."""
        now = time.monotonic()
        for member in self.members:
            if not member.is_wanted or member.is_alive:
                continue
            if member.name not in self._due:
                self._due[member.name] = now + _RESTART_AFTER_S
                self._note_death(member)
            elif now >= self._due[member.name]:
                del self._due[member.name]
                member.start()

    def _note_death(self, member: Member) -> None:
        code = member.process.returncode
        why = "the trap" if code == -signal.SIGKILL else _last_words(member.log)
        self.deaths.append(f"{member.name}: {why}")
        self._say(f"{member.name} ended by itself ({code}): {why}")

    def all_ready(self) -> bool:
        return bool(self.living) and all(
            member.answers_ready() for member in self.members if member.is_wanted
        )

    def wait(self, what: str, condition: Callable[[], Any], within_s: float) -> bool:
        """Supervise until the condition holds; False when it does not in time, which is longer on a busy machine."""
        deadline = Deadline(within_s)
        while not deadline.is_over():
            self.supervise()
            if condition():
                return True
            time.sleep(0.1)
        self._say(f"not within {within_s:g} s: {what}")
        return False

    def end(self) -> None:
        for member in self.members:
            with contextlib.suppress(OSError):
                member.end()


@contextlib.contextmanager
def running_fleet(
    settings: Settings, folder: Path, proxied_url: str, say: Callable[[str], None]
) -> Iterator[Fleet]:
    """A fleet that is ended with the context."""
    fleet = Fleet(settings, folder, proxied_url, say)
    try:
        yield fleet
    finally:
        fleet.end()


def _last_words(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if " CRITICAL " in line]
    if not lines:
        return "(no last word) " + "".join(log.read_text(errors="replace").splitlines()[-1:])
    return lines[-1].split(" CRITICAL ", 1)[1][:300]

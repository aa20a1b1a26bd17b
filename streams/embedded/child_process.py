"""A server as a child process: started on free ports, waited for, ended by its pid. Knows no protocol."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from metrics.values.errors import RoistreamError

LOOPBACK = "127.0.0.1"
_LAUNCHER = Path(__file__).with_name("child_launcher.py")
_POLL_S = 0.02
#: Above the well-known services, below what Linux gives to outgoing connections.
_PORTS = range(15_000, 32_000)
#: Ports between the stretches of neighbouring processes; no divisor of the number of ports.
_STRIDE = 331
_steps = itertools.count()


class ServerError(RoistreamError):
    """A server did not start; the text holds the end of its log."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on now, all different.

    A port is bound only seconds after it was chosen. So each process walks a stretch of its own, below the ports
    that the system gives to outgoing connections: what starts at the same time elsewhere chooses others.
    """
    begins = os.getpid() * _STRIDE
    tried = (_PORTS[(begins + step) % len(_PORTS)] for step in _steps)
    return list(itertools.islice(filter(_is_free, tried), count))


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
        with contextlib.suppress(OSError):
            tried.bind((LOOPBACK, port))
            return True
    return False


def is_listening(port: int, host: str = LOOPBACK) -> bool:
    """Whether something accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
        return True
    return False


@dataclass(frozen=True)
class Command:
    """What to run: program and arguments, and the whole environment it sees.

    The environment is not inherited, so that a variable of the user's shell cannot bend a server.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


class Server:
    """A running child process with its folder. It dies with the *thread* that started it (Linux)."""

    def __init__(self, name: str, command: Command, folder: Path) -> None:
        self.name = name
        self.log = folder / "server.log"
        self._command, self._folder = command, folder
        self._process = self._begun()

    def _begun(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), *self._command.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self._command.environment),
                cwd=self._folder,
                # Ctrl-C is for us: the servers must outlive the worker's last checkpoint.
                start_new_session=True,
            )

    def start_again(self) -> None:
        """Run the same command once more, in the same folder, after it has ended."""
        assert not self.is_running, "ended"
        self._process = self._begun()

    @property
    def pid(self) -> int:
        """Process id, also after the end."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """What it ended with: a code, or less than 0 for a signal; None while it lives."""
        return self._process.poll()

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process.poll() is None

    def wait_until(self, is_ready: Callable[[], bool], within_s: float) -> None:
        """Return when ``is_ready`` says so.

        Raises:
            ServerError: when the process ends before, or the time is over; the process is then ended.
        """
        deadline = time.monotonic() + within_s
        while self.is_running and time.monotonic() < deadline:
            if is_ready():
                return
            time.sleep(_POLL_S)
        what = f"was not ready within {within_s:g} s" if self.is_running else "ended at once"
        self.stop()
        raise ServerError(f"The {self.name} {what}. The end of its log:\n{self.log_tail()}")

    def log_tail(self, size: int = 2_000) -> str:
        """The last characters it wrote."""
        try:
            return self.log.read_text(errors="replace")[-size:]
        except OSError:
            return "(the log is gone)"

    def stop(self, within_s: float = 10) -> None:
        """End it: politely, then for certain. Does nothing when it has ended."""
        if self.is_running:
            self._process.terminate()
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it without a chance to tidy up, as a crash would."""
        if self.is_running:
            self._process.kill()
        self._process.wait()


def start_server(
    name: str,
    command_at: Callable[[int], Command],
    is_ready_at: Callable[[int], bool],
    folder: Path,
    within_s: float = 20,
) -> tuple[Server, int]:
    """Start a server on a free port; another port is tried when someone was faster to take it.

    Args:
        name: what messages call it.
        command_at: what to run for a port.
        is_ready_at: whether the server at that port answers a real request.
        folder: an existing folder for its files and log.
        within_s: how long one attempt may take.

    Raises:
        ServerError: when it does not answer in time, three times over.
    """
    for attempt in range(3):
        (port,) = free_ports(1)
        server = Server(name, command_at(port), folder)
        try:
            server.wait_until(lambda port=port: is_ready_at(port), within_s)  # type: ignore[misc]
        except ServerError:
            if attempt == 2:
                raise
        else:
            return server, port
    raise AssertionError("unreachable: the third attempt returns or raises")


@contextlib.contextmanager
def server_folder(name: str) -> Iterator[Path]:
    """A fresh folder for a server's files; it goes when the context ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"roistream-{name}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Processes that are killed again and again: forked from one that has imported all, so that a start costs no imports."""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Any

#: What the processes run; a module that is not among them is imported by each of them anew.
_IMPORTED = [
    "streams.apply.run",
    "streams.collect.server",
    "streams.ingest.run",
    "tests.streams.apply.killed_process",
]


class ForkedProcess:
    """A call in a process of its own, whose result is the exit code; what it prints is dropped. Threads may share it."""

    def __init__(self, call: Callable[..., int], *arguments: Any) -> None:
        """Start it; call and arguments are pickled."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED)
        self._process = context.Process(target=_silently, args=(call, arguments))
        self._process.start()

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return not wait([self._process.sentinel], 0)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        assert self._process.pid is not None, "started"
        os.kill(self._process.pid, signal.SIGKILL)
        assert wait([self._process.sentinel], 60), "a killed process is still there"

    def wait(self, limit_s: float) -> int | None:
        """Its exit code when it has ended by itself, minus the signal when it was killed, None when it still runs. For one thread."""
        self._process.join(limit_s)
        return self._process.exitcode


def _silently(call: Callable[..., int], arguments: tuple[Any, ...]) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    raise SystemExit(call(*arguments))

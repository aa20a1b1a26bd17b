"""The demo's worker: a process of its own, as in production, with a log file; waited for, ended by its pid."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp

from metrics.values.errors import RoistreamError
from streams import catalogues
from streams.demo.kpi_follower import readiness
from streams.embedded.child_process import Command, Server

#: What is run; whoever embeds the demo elsewhere may run another program that answers ``/readyz``.
WORKER_COMMAND = (sys.executable, "-m", "streams", "worker")
_SAY_EVERY_S = 3.0
_LOOK_EVERY_S = 0.1


class WorkerDiedError(RoistreamError):
    """The worker ended while the demo ran, or was never ready; the text holds the end of its log."""


class WorkerProcess:
    """The worker's process; it sees the environment of this one.

    Args:
        folder: where its log goes.
        pages: ``http://host:port`` of its pages.
        command: what to run.
    """

    def __init__(self, folder: Path, pages: str, command: Sequence[str] = WORKER_COMMAND) -> None:
        self.pages = pages
        self._server = Server("worker", Command(list(command), dict(os.environ)), folder)

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._server.log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._server.pid

    def check(self) -> None:
        """Return while it lives.

        Raises:
            WorkerDiedError: when it does not.
        """
        if not self._server.is_running:
            raise WorkerDiedError(self._report(catalogues.t("The worker ended by itself.")))

    async def until_ready(
        self, session: aiohttp.ClientSession, stop: asyncio.Event, say: Callable[[str], None], within_s: float
    ) -> bool:
        """Wait until ``/readyz`` says yes; False when ``stop`` was set before.

        Raises:
            WorkerDiedError: when it ends before, or is not ready in time.
        """
        said, deadline = time.monotonic(), time.monotonic() + within_s
        while not stop.is_set():
            self.check()
            is_ready, answer = await readiness(session, f"{self.pages}/readyz")
            if is_ready:
                return True
            if time.monotonic() > deadline:
                what = catalogues.t(
                    "The worker was not ready within {seconds} s ({answer}).",
                    seconds=f"{within_s:g}",
                    answer=answer,
                )
                raise WorkerDiedError(self._report(what))
            if time.monotonic() - said > _SAY_EVERY_S:
                said = time.monotonic()
                say("  " + catalogues.t("waiting for the worker: {answer}", answer=answer[:160]))
            await asyncio.sleep(_LOOK_EVERY_S)
        return False

    def stop(self) -> None:
        """End it: it checkpoints before it goes; for certain after a while."""
        self._server.stop(within_s=15)

    def _report(self, what: str) -> str:
        return catalogues.t(
            "{what} Its log: {path}\nThe end of it:\n{lines}",
            what=what,
            path=self.log,
            lines=self._server.log_tail(),
        )

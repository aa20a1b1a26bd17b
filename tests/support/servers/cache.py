"""Caches as deployments have them: with a password, with users, behind TLS. One process each, on loopback."""

import asyncio
import contextlib
import shutil
import ssl
import threading
from collections.abc import Iterator

import redis

from streams.embedded.cache import cache_program
from streams.embedded.child_process import (
    LOOPBACK,
    Command,
    ServerError,
    is_listening,
    server_folder,
    start_server,
)
from tests.support.servers.certificates import Certificate


class CacheUnavailableError(Exception):
    """This machine has no such server; the text says what is missing."""


@contextlib.contextmanager
def start_cache(password: str, *flags: str) -> Iterator[int]:
    """Valkey from the wheel that wants a password; its port."""
    kept = ["--bind", LOOPBACK, "--save", "", "--appendonly", "no", "--requirepass", password]
    with server_folder("cache") as folder:
        server, port = start_server(
            "cache",
            lambda port: Command([cache_program(), *kept, "--port", str(port), *flags]),
            lambda port: _answers(port, password),
            folder,
        )
        try:
            yield port
        finally:
            server.stop()


@contextlib.contextmanager
def start_redis_with_tls(password: str, certificate: Certificate) -> Iterator[int]:
    """Debian's Redis with TLS of its own, as an operator would configure it; its port."""
    program = shutil.which("redis-server")
    if program is None:
        raise CacheUnavailableError("redis-server is not installed (Debian: redis-server)")
    tls = ["--tls-cert-file", str(certificate.certificate), "--tls-key-file", str(certificate.key)]
    tls += ["--tls-ca-cert-file", str(certificate.certificate), "--tls-auth-clients", "no", "--port", "0"]
    kept = ["--bind", LOOPBACK, "--save", "", "--appendonly", "no", "--requirepass", password]
    with server_folder("redis") as folder:
        try:
            server, port = start_server(
                "redis",
                lambda port: Command([program, *kept, *tls, "--tls-port", str(port)]),
                is_listening,
                folder,
            )
        except ServerError as error:
            raise CacheUnavailableError(f"redis-server does not start with TLS: {error}") from error
        try:
            yield port
        finally:
            server.stop()


@contextlib.contextmanager
def start_cache_behind_tls(password: str, certificate: Certificate) -> Iterator[int]:
    """Valkey behind a relay that ends TLS, as many a hosted cache is; the relay's port."""
    with start_cache(password) as inner:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        relay = _Relay(inner, certificate)
        try:
            yield asyncio.run_coroutine_threadsafe(relay.start(), loop).result(10)
        finally:
            asyncio.run_coroutine_threadsafe(relay.stop(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()


class _Relay:
    """Bytes in both directions, until either side ends."""

    def __init__(self, inner: int, certificate: Certificate) -> None:
        self._inner = inner
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0, ssl=self._context)
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        back, onward = await asyncio.open_connection(LOOPBACK, self._inner)
        ways = [asyncio.create_task(_copy(reader, onward)), asyncio.create_task(_copy(back, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            writer.close()
            onward.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()


def _answers(port: int, password: str) -> bool:
    if not is_listening(port):
        return False
    try:
        with contextlib.closing(redis.Redis(LOOPBACK, port, password=password, socket_timeout=1)) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False

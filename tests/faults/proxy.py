"""A TCP proxy between one worker and Kafka that can be cut or stalled. One thread, one event loop."""

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any

from streams.embedded.child_process import LOOPBACK

_CHUNK = 64 * 1024


class Proxy:
    """Forwards each listening port to its target; `cut` and `stall` hold until `mend`."""

    def __init__(self, routes: Mapping[int, int]) -> None:
        self._routes = routes
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._servers: list[asyncio.Server] = []

    def cut(self) -> None:
        """Reset every connection and refuse new ones."""
        self._do(self._cut())

    def stall(self) -> None:
        """Connections stay open, but nothing passes; what was sent meanwhile passes after `mend`."""
        self._do(self._set(is_cut=False, is_flowing=False))

    def mend(self) -> None:
        self._do(self._set(is_cut=False, is_flowing=True))

    def _do(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(10)

    async def _cut(self) -> None:
        self._is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    async def _set(self, *, is_cut: bool, is_flowing: bool) -> None:
        self._is_cut = is_cut
        (self._flowing.set if is_flowing else self._flowing.clear)()

    async def _listen(self) -> None:
        self._flowing.set()
        for port, target in self._routes.items():

            async def accept(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int = target
            ) -> None:
                await self._accept(reader, writer, target)

            self._servers.append(await asyncio.start_server(accept, LOOPBACK, port))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: int) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            behind, onward = await asyncio.open_connection(LOOPBACK, target)
        except OSError:  # the broker is down
            writer.transport.abort()
            return
        both = {writer, onward}
        self._writers |= both
        await asyncio.gather(self._pump(reader, onward), self._pump(behind, writer))
        self._writers -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()

    async def _close(self) -> None:
        await self._cut()
        for server in self._servers:
            server.close()
        self._loop.stop()


@contextlib.contextmanager
def running_proxy(routes: Mapping[int, int]) -> Iterator[Proxy]:
    """A proxy for as long as the context lasts."""
    proxy = Proxy(routes)
    thread = threading.Thread(target=proxy._loop.run_forever, name="proxy", daemon=True)
    thread.start()
    proxy._do(proxy._listen())
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(proxy._close(), proxy._loop)
        thread.join(10)

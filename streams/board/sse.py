"""The wire of server-sent events: framing, packing, and a bound on a client that does not read."""

import asyncio
import zlib
from collections.abc import Sequence

from aiohttp import web

from streams.board.broadcast import Event

_WRITE_WITHIN_S = 30.0


class EventStream:
    """An event stream, packed where the client takes it: each event is flushed, so nothing waits in the packer.

    Cards resemble each other and their earlier selves: 500 of them shrink to a tenth or less.
    """

    def __init__(self, response: web.StreamResponse, *, is_packed: bool) -> None:
        self.response = response
        self._packer = zlib.compressobj(6, zlib.DEFLATED, 31) if is_packed else None

    @classmethod
    async def open(cls, request: web.Request) -> "EventStream":
        """Begin the answer to a request; packed where the client takes it."""
        is_packed = "gzip" in request.headers.get("Accept-Encoding", "")
        headers = {
            "Content-Type": "text/event-stream",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            **({"Content-Encoding": "gzip"} if is_packed else {}),
        }
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        return cls(response, is_packed=is_packed)

    async def send(self, events: Sequence[Event]) -> None:
        """Write events.

        Raises:
            TimeoutError: when the client does not read for half a minute.
        """
        text = b"".join(b"event: %s\ndata: %s\n\n" % (name.encode(), data) for name, data in events)
        await self._write(text)

    async def close(self) -> None:
        """The last byte."""
        if self._packer is not None:
            await self.response.write(self._packer.flush(zlib.Z_FINISH))

    async def _write(self, data: bytes) -> None:
        if self._packer is not None:
            data = self._packer.compress(data) + self._packer.flush(zlib.Z_SYNC_FLUSH)
        async with asyncio.timeout(_WRITE_WITHIN_S):
            await self.response.write(data)

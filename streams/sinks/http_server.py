"""The worker's HTTP endpoints: ``/metrics``, ``/healthz``, ``/readyz`` (docs/contract.md, HTTP). Shows, never changes."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from metrics.values.errors import RoistreamError
from streams.process import port_refusal

#: Given an Accept header: the page and its content type.
Metrics = Callable[[str], Awaitable[tuple[bytes, str]]]
#: Whether the worker is ready, and what a person must know of it, as JSON.
Ready = Callable[[], tuple[bool, dict[str, Any]]]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: A request here is one short line and the headers of a scraper.
MAX_HEADER_BYTES = 8_190
_MAX_HEADERS = 64
#: Scrapers keep one connection each. Whoever comes above this takes the place of the connection that has waited longest
#: without a whole request, so that half-sent requests never keep a probe out.
MAX_CONNECTIONS = 64
_BACKLOG = 64
#: From a connection, or the last answer on it, to the end of the next request. No usual scrape interval is
#: just as long, so a kept connection is not closed in the moment in which a scraper asks again.
_REQUEST_SECONDS = 40.0
#: From the end of a request until its answer is with the system; longer than a scraper waits.
_ANSWER_SECONDS = 60.0
#: A body is never wanted; one that is sent all the same is read that long, for a polite end.
_LINGER_SECONDS = 2.0
#: Above this, aiohttp compresses in a thread instead of on the event loop.
_COMPRESS_ASIDE_BYTES = 16_384
_STOP_SECONDS = 2

_logger = logging.getLogger(__name__)


class HttpServer:
    """Serves from ``start`` to ``stop``; keeps nothing between requests."""

    def __init__(
        self,
        host: str,
        port: int,
        metrics: Metrics,
        ready: Ready,
        *,
        request_seconds: float = _REQUEST_SECONDS,
        answer_seconds: float = _ANSWER_SECONDS,
        setting: str = "ROISTREAM_HTTP",
    ) -> None:
        """Nothing is bound before ``start``.

        Args:
            host: address to listen on.
            port: 0 takes a free one.
            metrics: renders the page; one scrape runs at a time, others wait for it.
            ready: asked on the event loop at each ``/readyz``.
            request_seconds: a client that takes longer for a request, however steadily, is cut off.
            answer_seconds: one that takes longer to read the answer as well.
            setting: the prefix of the settings of host and port.
        """
        self._host = host
        self._setting = setting
        self._port = port
        self._metrics = metrics
        self._ready = ready
        self._rendering = asyncio.Lock()
        self._request_seconds = request_seconds
        self._answer_seconds = answer_seconds
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is bound, or asked for while none is."""
        sockets = self._server.sockets if self._server is not None else ()
        return int(sockets[0].getsockname()[1]) if sockets else self._port

    @property
    def connections(self) -> int:
        """How many there are now."""
        server = self._runner.server if self._runner is not None else None
        return len(server.connections) if server is not None else 0

    async def start(self) -> None:
        """Listen.

        Raises:
            RoistreamError: when the address cannot be had; one sentence that names the setting.
        """
        application = web.Application(client_max_size=1_024, middlewares=[self._in_time])
        application.add_routes(
            [
                web.get("/metrics", self._get_metrics),
                web.get("/healthz", _get_healthz),
                web.get("/readyz", self._get_readyz),
            ]
        )
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_STOP_SECONDS,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
            keepalive_timeout=self._request_seconds,
            lingering_time=_LINGER_SECONDS,
        )
        await runner.setup()
        try:
            self._server = await listen(
                runner, self._host, self._port, MAX_CONNECTIONS, answer_seconds=self._answer_seconds
            )
        except OSError as error:
            await runner.cleanup()
            raise RoistreamError(port_refusal(error, self._host, self._port, self._setting)) from error
        self._runner = runner

    async def stop(self) -> None:
        """Finish the requests in hand, shortly, and close the port."""
        server, self._server = self._server, None
        runner, self._runner = self._runner, None
        if server is not None:
            server.close()
        if runner is not None:
            await runner.cleanup()

    @web.middleware
    async def _in_time(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer within bounds, and quietly drop who is gone; aiohttp itself waits for ever for a client to read."""
        response: web.StreamResponse = web.Response(status=503)
        try:
            async with asyncio.timeout(self._answer_seconds):
                response = await handler(request)
                await response.prepare(request)
                await response.write_eof()
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        return response

    async def _get_metrics(self, request: web.Request) -> web.Response:
        async with self._rendering:
            body, kind = await self._metrics(request.headers.get("Accept", ""))
        response = web.Response(
            body=body, headers={"Content-Type": kind}, zlib_executor_size=_COMPRESS_ASIDE_BYTES
        )
        response.headers["Vary"] = "Accept, Accept-Encoding"
        response.enable_compression()
        return response

    async def _get_readyz(self, request: web.Request) -> web.Response:
        del request
        is_ready, detail = self._ready()
        return web.json_response(detail, status=200 if is_ready else 503)


async def listen(
    runner: web.AppRunner, host: str, port: int, most: int, *, answer_seconds: float
) -> asyncio.Server:
    """Listen with a bounded number of connections.

    Whoever comes above it takes the place of the connection that has waited longest without a whole request.

    Args:
        runner: set up.
        host: address to listen on.
        port: 0 takes a free one.
        most: connections at a time.
        answer_seconds: a client that takes longer to read an answer is cut off.

    Raises:
        OSError: when the address cannot be had.
    """
    handlers = runner.server
    assert handlers is not None, "set up"
    #: Connections in the order in which they were opened.
    opened: dict[RequestHandler, None] = {}

    def protocol() -> asyncio.BaseProtocol:
        connected = handlers.connections
        if len(connected) >= most:
            for each in [each for each in opened if each not in connected]:
                del opened[each]
            waiting = next((each for each in opened if not _is_answering(each)), None)
            if waiting is None:
                return _Full()
            waiting.force_close()
            if waiting.transport is not None:
                waiting.transport.abort()
        elif len(opened) > 2 * most:
            for each in [each for each in opened if each not in connected]:
                del opened[each]
        handler = handlers()
        opened[handler] = None
        return handler

    loop = asyncio.get_running_loop()
    backlog = max(_BACKLOG, most)
    server = await loop.create_server(protocol, host, port, backlog=backlog, reuse_address=True)
    for each in server.sockets:
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: ends connections whose client never reads
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(answer_seconds * 1000))
    return server


def _is_answering(connection: RequestHandler) -> bool:
    """Whether a whole request has come and is being answered."""
    return bool(connection._request_in_progress)  # noqa: SLF001 - aiohttp tells it nowhere else; a test holds it


class _Full(asyncio.Protocol):
    """Sends a client away."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say why, and close."""
        assert isinstance(transport, asyncio.Transport), "of a stream"
        transport.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        transport.close()


async def _get_healthz(request: web.Request) -> web.Response:
    """The process lives and its event loop turns: that is all this says."""
    del request
    return web.Response(text="ok\n")

"""The worker's HTTP endpoints: ``/metrics``, ``/healthz``, ``/readyz`` (CONTRACT 8). Shows, never changes."""

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from metrics.errors import RoistreamError

#: Given an Accept header: the page and its content type.
Metrics = Callable[[str], Awaitable[tuple[bytes, str]]]
#: Whether the worker is ready, and what a person must know of it, as JSON.
Ready = Callable[[], tuple[bool, dict[str, Any]]]

#: A request here is one short line and the headers of a scraper.
MAX_HEADER_BYTES = 8_190
#: Above this, aiohttp compresses in a thread instead of on the event loop.
_COMPRESS_ASIDE_BYTES = 16_384
_STOP_SECONDS = 2

_logger = logging.getLogger(__name__)


class HttpServer:
    """Serves from ``start`` to ``stop``; keeps nothing between requests."""

    def __init__(self, host: str, port: int, metrics: Metrics, ready: Ready) -> None:
        """Nothing is bound before ``start``.

        Args:
            host: address to listen on.
            port: 0 takes a free one.
            metrics: renders the page; one scrape runs at a time, others wait for it.
            ready: asked on the event loop at each ``/readyz``.
        """
        self._host = host
        self._port = port
        self._metrics = metrics
        self._ready = ready
        self._rendering = asyncio.Lock()
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is bound, or asked for while none is."""
        addresses = self._runner.addresses if self._runner is not None else []
        return int(addresses[0][1]) if addresses else self._port

    async def start(self) -> None:
        """Listen.

        Raises:
            RoistreamError: when the address cannot be had; one sentence that names the setting.
        """
        application = web.Application(client_max_size=1_024)
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
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port).start()
        except OSError as error:
            await runner.cleanup()
            raise RoistreamError(self._refusal(error)) from error
        self._runner = runner

    async def stop(self) -> None:
        """Finish the requests in hand, shortly, and close the port."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def _refusal(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return (
                f"Port {self._port} on {self._host} is taken; stop who holds it, "
                "or set ROISTREAM_HTTP_PORT to another (0 takes a free one)."
            )
        return (
            f"{self._host}:{self._port} cannot be listened on ({error.strerror or error}); "
            "correct ROISTREAM_HTTP_HOST or ROISTREAM_HTTP_PORT."
        )

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


async def _get_healthz(request: web.Request) -> web.Response:
    """The process lives and its event loop turns: that is all this says."""
    del request
    return web.Response(text="ok\n")

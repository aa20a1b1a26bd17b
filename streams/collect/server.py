"""``roistream collect``: composition of the collector's parts, from start to stop."""

import asyncio
import gc
import logging
from collections.abc import Callable

from aiohttp import web

from metrics.values.errors import RoistreamError, SettingError
from streams.collect.collect_file import read_collect_file
from streams.collect.record_gateway import RecordGateway
from streams.collect.routes import MAX_BODY_BYTES, CollectRoutes
from streams.process import end_tasks, log_to_stderr, now_ms, port_refusal, stop_signals
from streams.runtime.process_tuning import new_event_loop
from streams.settings import Settings
from streams.sinks.http_server import MAX_HEADER_BYTES, HttpServer, listen

MAX_CONNECTIONS = 2_000
_KEEP_S = 75.0
_ANSWER_S = 30.0
_STOP_SECONDS = 7

_logger = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises:
        RoistreamError: when it cannot start; one sentence that says what to do.
    """
    log_to_stderr(settings.log_level, ("aiokafka",))
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    collector = CollectServer(settings, now_ms)
    await collector.start()
    gc.collect()
    gc.freeze()  # what is loaded by now stays: the collector of garbage need not look at it again
    stop = asyncio.Event()
    with stop_signals(stop.set):
        _logger.info(
            "Collecting at http://%s:%d/, metrics at port %d",
            settings.collect_host,
            collector.port,
            collector.metrics_port,
        )
        try:
            await collector.until(stop)
        finally:
            await collector.stop()
            gc.unfreeze()  # else DuckDB lists at the end of the process what was never collected, as leaks
    return 0


class CollectServer:
    """One collector: it keeps nothing that a restart could lose, since it answers when the broker has the records."""

    def __init__(self, settings: Settings, now_ms: Callable[[], int]) -> None:
        """Nothing is connected before ``start``.

        Args:
            settings: all of them.
            now_ms: wall clock in epoch milliseconds.

        Raises:
            SettingError: without a file, or where something is wrong in it.
        """
        if settings.collect_file is None:
            raise SettingError(
                "ROISTREAM_COLLECT_FILE: name a TOML file of what is collected; docs/collect.md shows one."
            )
        self._settings = settings
        self.file = read_collect_file(settings.collect_file)
        self._gateway = RecordGateway(settings)
        self.routes = CollectRoutes(settings, self.file, self._gateway, now_ms)
        self._pages = HttpServer(
            settings.http_host,
            settings.collect_metrics_port,
            self.routes.metrics.page,
            self.routes.ready,
            setting="ROISTREAM_COLLECT_METRICS",
        )
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """The public port."""
        assert self._server is not None, "started"
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def metrics_port(self) -> int:
        """The port of the metrics."""
        return self._pages.port

    async def start(self) -> None:
        """Connect and listen.

        Raises:
            RoistreamError: without a broker, with a mapping that does not fit, or when an address cannot be had.
        """
        await self._gateway.start()
        try:
            await self.routes.mapper.start(list(self.file.webhooks.values()))
            await self._pages.start()
            await self._listen()
        except BaseException:
            await self.stop()
            raise
        self._tasks = [
            asyncio.create_task(self.routes.mapper.run(), name="collect-mapper"),
            asyncio.create_task(self._gateway.watch(), name="collect-broker"),
            asyncio.create_task(self._gateway.sweep(), name="collect-waits"),
            asyncio.create_task(self.routes.campaigns.run(), name="collect-campaigns"),
        ]

    async def _listen(self) -> None:
        application = web.Application(client_max_size=MAX_BODY_BYTES)
        application.add_routes(self.routes.routes())
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,  # a signature is over the bytes that came, and nothing grows here
            handle_signals=False,
            shutdown_timeout=_STOP_SECONDS,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            keepalive_timeout=_KEEP_S,
            lingering_time=2.0,
        )
        await self._runner.setup()
        host, port = self._settings.collect_host, self._settings.collect_port
        try:
            self._server = await listen(self._runner, host, port, MAX_CONNECTIONS, answer_seconds=_ANSWER_S)
        except OSError as error:
            raise RoistreamError(port_refusal(error, host, port, "ROISTREAM_COLLECT")) from error

    async def until(self, stop: asyncio.Event) -> None:
        """Return when told to stop.

        Raises:
            Exception: what ended one of the tasks, which end only with an error.
        """
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([waiting, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        for task in done - {waiting}:
            task.result()

    async def stop(self) -> None:
        """Take nothing new, finish what is in hand, disconnect."""
        if self._server is not None:
            self._server.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await end_tasks(self._tasks)
        await self._pages.stop()
        await self.routes.mapper.stop()
        await self._gateway.stop()

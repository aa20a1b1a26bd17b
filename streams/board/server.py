"""The board's server: composition of its parts, from start to stop."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from functools import partial

from aiohttp import web
from redis.asyncio import Redis

from metrics.values.errors import RoistreamError, SettingError
from streams.board import static_files as pages
from streams.board.alert_notes import AlertNotes
from streams.board.archive_routes import ArchiveRoutes
from streams.board.archive_store import ArchiveStore
from streams.board.audit_trail import AuditTrail
from streams.board.auth import TokenAuth
from streams.board.broadcast import Broadcast
from streams.board.card_store import CardStore
from streams.board.effect_store import EffectStore
from streams.board.kafka_gateway import KafkaGateway
from streams.board.metrics_page import BoardMetrics
from streams.board.middleware import AuthMiddleware, guarded, on_prepare
from streams.board.notifications.notifier import BoardState, Notifier, Pauses
from streams.board.notifications.recipients import RecipientsFile, read_recipients
from streams.board.people import identity_header, read_people
from streams.board.redis_subscriber import RedisSubscriber, client
from streams.board.routes import MAX_BODY_BYTES, BoardRoutes
from streams.board.simulation import Simulator
from streams.process import end_tasks, log_to_stderr, now_ms, port_refusal, stop_signals
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.sinks.worker_watch import WorkerWatch
from streams.transport.topic_admin import cluster_id

_MAX_HEADER_BYTES = 8_190
_KEEP_S = 75.0
_STOP_SECONDS = 2

_logger = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; the exit code.

    Raises:
        RoistreamError: when it cannot start; one sentence that says what to do.
    """
    log_to_stderr(settings.log_level, ("aiokafka",))
    return asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    board = BoardServer(settings, now_ms)
    await board.start()
    # Not before: until then a signal ends the process at once, also while it waits for a broker.
    stop = asyncio.Event()
    with stop_signals(stop.set):
        _logger.info("The board is at http://%s:%d/", settings.board_host, board.port)
        try:
            await board.until(stop)
        finally:
            await board.stop()
    return 0


class BoardServer:
    """One board: its state, its tasks, its pages."""

    def __init__(self, settings: Settings, now_ms: Callable[[], int], pauses: Pauses | None = None) -> None:
        """Nothing is connected before ``start``.

        Args:
            settings: all of them.
            now_ms: wall clock in epoch milliseconds.
            pauses: between looks for what there is to notify of, and between tries.

        Raises:
            SettingError: without a token or a Redis.
        """
        self.settings = settings
        self._redis = _redis(settings)
        self.cards, self.audit_trail, self.broadcast = CardStore(), AuditTrail(), Broadcast()
        self.effects, self.archive = EffectStore(), ArchiveStore()
        hosts = (*settings.board_hosts, settings.board_host)
        new_id = partial(secrets.token_urlsafe, 12)
        people, role = read_people(settings.board_people, _token(settings)), settings.board_identity_role
        self.auth = AuthMiddleware(
            TokenAuth(_token(settings), people),
            now_ms,
            hosts,
            new_id,
            identity=identity_header(settings.board_identity_header, settings.board_proxies),
            people=people,
            unknown_role=None if role == "none" else role,
        )
        self.notes = AlertNotes()
        self.workers = WorkerWatch(settings.partitions, time.monotonic())
        self.redis_subscriber = RedisSubscriber(
            *(self._redis, self.cards, self.auth.ended, self.workers, self.notes, self.broadcast.publish),
            names=RedisNames(settings.topic_prefix),
        )
        self.kafka_gateway = KafkaGateway(
            settings, self.audit_trail, self.effects, self.archive, self.broadcast.publish
        )
        self.archive_routes = ArchiveRoutes(self.archive, settings.reporting_currency)
        self.board_routes = BoardRoutes(
            self.cards,
            self.audit_trail,
            self.effects,
            self.broadcast,
            self.redis_subscriber,
            self.kafka_gateway,
            self.workers,
            self.notes,
            self._redis,
            self.auth,
            Simulator(settings),
            frozenset(alias for alias, _ in settings.reserved_names.aliases),
            now_ms,
            job=settings.board_job,
        )
        self.notifier = self._notifier(now_ms, pauses)
        self.board_routes.named = [*people, *self.notifier.recipients]
        self._runner: web.AppRunner | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def _notifier(self, now_ms: Callable[[], int], pauses: Pauses | None) -> Notifier:
        path = self.settings.board_notifications
        state = BoardState(
            self.cards,
            self.audit_trail,
            self.notes,
            lambda: self.board_routes.figures.age_ms,
            lambda: self.board_routes.people,
            lambda: self.redis_subscriber.is_up and self.kafka_gateway.is_read,
        )
        file = RecipientsFile() if path is None else read_recipients(path)
        board_id, note = secrets.token_hex(8), self.board_routes.note
        names = RedisNames(self.settings.topic_prefix)
        return Notifier(file, self.settings.zone, state, self._redis, board_id, note, now_ms, pauses, names)

    @property
    def port(self) -> int:
        """The port that is bound."""
        assert self._runner is not None, "started"
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Connect and listen.

        Raises:
            RoistreamError: without a broker, or when the address cannot be had.
        """
        await self.kafka_gateway.start()
        owner = await asyncio.to_thread(cluster_id, self.settings)
        self.redis_subscriber.names = RedisNames(self.settings.topic_prefix, owner)
        try:
            await self._listen()
        except OSError as error:
            await self.stop()
            host, port = self.settings.board_host, self.settings.board_port
            raise RoistreamError(port_refusal(error, host, port, "ROISTREAM_BOARD")) from error
        self._tasks = [
            asyncio.create_task(self.redis_subscriber.run(), name="board-mirror"),
            asyncio.create_task(self.kafka_gateway.follow(), name="board-journal"),
            *(
                [asyncio.create_task(self.notifier.run(), name="board-notifier")]
                if self.notifier.has_recipients
                else []
            ),
        ]

    async def _listen(self) -> None:
        application = web.Application(
            client_max_size=MAX_BODY_BYTES, middlewares=[guarded, self.auth.middleware]
        )
        application.on_response_prepare.append(on_prepare)
        application.add_routes(
            [
                *pages.routes(),
                *self.board_routes.routes(),
                *self.archive_routes.routes(),
                *BoardMetrics(self.board_routes, self.notifier.counts).routes(),
            ]
        )
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_STOP_SECONDS,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            keepalive_timeout=_KEEP_S,
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self.settings.board_host, self.settings.board_port).start()

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
        """Let the pages go, stop the tasks, disconnect."""
        self.broadcast.end()
        await end_tasks(self._tasks)
        if self._runner is not None:
            await self._runner.cleanup()
        await self.kafka_gateway.stop()
        await self._redis.aclose()


def _token(settings: Settings) -> str:
    if settings.board_token is None:
        raise SettingError(
            "ROISTREAM_BOARD_TOKEN: the board needs a token that its users and Alertmanager know; make one with "
            "python3 -c 'import secrets; print(secrets.token_urlsafe(24))'."
        )
    return settings.board_token.get_secret_value()


def _redis(settings: Settings) -> Redis:
    if settings.redis_url is None:
        raise SettingError(
            "ROISTREAM_REDIS_URL: the board reads the cards there; set it to the Redis that the workers write to."
        )
    return client(settings.redis_url.get_secret_value())

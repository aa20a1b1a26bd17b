"""One worker: settings, registries, Redis, HTTP and the Faust app put together, run until a signal."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import time
from collections.abc import Iterable
from importlib.metadata import version
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from metrics.entities.campaigns import CampaignRegistry
from metrics.exposition import Exposition
from metrics.kernels.compiling import is_complete
from metrics.records.campaign_spellings import CampaignSpellings
from metrics.values.errors import RoistreamError, StateError
from streams.process import log_to_stderr, now_ms, stop_signals
from streams.runtime.kernel_warmup import warm_up
from streams.runtime.partition_tasks import Ports
from streams.runtime.process_tuning import give_back, tune
from streams.runtime.progress import Work
from streams.runtime.registry import Registry
from streams.runtime.task_manager import TaskManager
from streams.runtime.telemetry import Telemetry
from streams.runtime.watchdog import Watchdog
from streams.settings import Settings
from streams.sinks.http_server import HttpServer
from streams.sinks.metrics_snapshot import MetricsSnapshots
from streams.sinks.redis_names import RedisNames
from streams.stages.budget.stage import RefusedRecord
from streams.transport.checkpoint_writer import CheckpointError
from streams.transport.cluster_view import view_cluster
from streams.transport.faust_app import make_app
from streams.transport.instance_identity import claimed
from streams.transport.log_offsets import LogEnds
from streams.transport.topic_differences import why_no_start
from streams.transport.transactions import why_no_transactions

if TYPE_CHECKING:
    # A worker without Redis does not import its client, which takes as long as all of a checkpoint's code.
    from streams.sinks.redis_board import BoardViews
    from streams.sinks.redis_readings import RedisViews
    from streams.sinks.redis_status import WorkerStatus, WorkerStatusViews

log = logging.getLogger(__name__)

_EXIT_FAILED = 1
#: The campaigns with series are chosen every so many looks around, which are a second apart.
_SERIES_CHOSEN_EVERY = 5
_STALLED_AFTER_S = 60
#: Who is asked to end while it starts has so long to complete the start.
_STARTS_WITHIN_S = 10
#: So long after a backlog its memory is given back.
_SETTLED_AFTER_S = 10
_BROKER_ASKED_EVERY_S = 3
_BROKER_ANSWERS_WITHIN_S = 5
_LEFT_WITHIN_S = 5


def die(error: BaseException) -> NoReturn:
    """End the process at once: after an unconfirmed write nothing may be written (D4)."""
    after = "" if _is_refusal(error) else "; started again it goes on from the last checkpoint"
    log.critical("%s The worker ends%s.", error, after)
    _leave(_EXIT_FAILED)


def _is_refusal(error: BaseException) -> bool:
    """Whether a new start would end in the same way: somebody has to do something first."""
    return isinstance(error, StateError) and not isinstance(error, CheckpointError)


def _leave(code: int) -> NoReturn:
    """End without waiting for threads and connections."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def run(settings: Settings, accept_dead_letters: int = 0) -> int:
    """Run a worker until SIGTERM or SIGINT; the exit code.

    Args:
        settings: all of them.
        accept_dead_letters: so many records may be refused past the limit of dead letters.

    Raises:
        RoistreamError: when it cannot start; one sentence that says what to do.
    """
    log_to_stderr(settings.log_level, ("aiokafka", "faust", "mode", "kafka", "numba"))
    settings = claimed(settings)
    cluster = prepare_topics(settings)
    refusal = asyncio.run(why_no_transactions(settings, settings.broker_wait))
    if refusal is not None:
        raise RoistreamError(refusal)
    if not is_complete():
        warm_up()
    tune()
    return asyncio.run(Worker(settings, accept_dead_letters, cluster).run())


def prepare_topics(settings: Settings) -> str:
    """Create missing topics, and warn of those that could be better; the id of the cluster.

    Raises:
        RoistreamError: when a topic is so that figures would be wrong, or no worker could run.
    """
    view = asyncio.run(view_cluster(settings))
    if view is None or view.is_incomplete(settings):
        from streams.transport import topic_admin  # noqa: PLC0415 - the first start of a deployment needs it

        differences, cluster = (
            topic_admin.ensure_topics(settings, create=True),
            topic_admin.cluster_id(settings),
        )
    else:
        differences, cluster = view.differences(settings), view.cluster_id
    refusal = why_no_start(differences)
    if refusal is not None:
        raise RoistreamError(refusal)
    for difference in differences:
        log.warning("%s", difference.sentence)
    return cluster


class Worker:
    """The composition root of one process."""

    def __init__(self, settings: Settings, accept_dead_letters: int, cluster: str = "") -> None:
        self.settings = settings
        self.names = RedisNames(settings.topic_prefix, cluster)
        self.campaign_registry = CampaignRegistry(settings.reporting_currency)
        self.telemetry = Telemetry(version("roistream"), cluster, settings.topic_prefix)
        self.telemetry.spellings = CampaignSpellings(alias for alias, _ in settings.reserved_names.aliases)
        self.views = self._redis()
        self.board_views = self._board_redis()
        self.status_views = self._status_redis()
        self.app: Any = None
        self._watching: list[asyncio.Task[None]] = []
        self.failure: str | None = None
        self.processor = TaskManager(
            settings,
            self.campaign_registry,
            self.telemetry,
            Ports(
                now_ms, time.monotonic, self._highwater, self._readable, self._answered, die, self._refused
            ),
            accept_dead_letters,
        )
        self.stall_limit_s = max(_STALLED_AFTER_S, 3 * settings.session_timeout / 1000)
        self.watchdog = Watchdog(self.stall_limit_s, time.monotonic, die, log.warning)
        self.log_ends = LogEnds(settings)
        self.registry = Registry(
            *(settings, self.campaign_registry, self._on_campaign),
            *(self.processor.refuse, self.processor.registry_read),
        )
        self.source = MetricsSnapshots(settings, self.processor, self.telemetry, self.views, now_ms)
        self.processor.sinks += [
            sink for sink in (self.source, self.views, self.board_views) if sink is not None
        ]
        if self.views is not None:
            self.processor.shown, self.processor.has_looked = self.views.shown_up_to, self.views.has_looked
        self.exposition = Exposition(self.source, settings.max_campaign_series)
        self.http = HttpServer(settings.http_host, settings.http_port, self._metrics, self._readiness)

    async def run(self) -> int:
        """Start everything in order, wait for a signal, stop everything in reverse."""
        stop = asyncio.Event()
        with stop_signals(stop.set):
            starting, asked = asyncio.create_task(self._start()), asyncio.create_task(stop.wait())
            await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
            # With a broker that answers a start takes seconds, and then the group is left in order.
            await asyncio.wait([starting], timeout=_STARTS_WITHIN_S)
            if not starting.done():
                log.info("Stopping before the start is complete.")
                await self._release_or_die()
                _leave(0)  # what waits for a broker that does not answer cannot be ended in order
            starting.result()
            await self._until(asked)
            self.watchdog.stop()
            log.info("Stopping: the last checkpoint is being written.")
            await self._release_or_die()
            for task in self._watching:
                task.cancel()
            await self._stop()
        return 0

    async def _start(self) -> None:
        """Start everything in order; waits as long as a broker does not answer."""
        await self.http.start()
        log.info("HTTP on http://%s:%d", self.settings.http_host, self.http.port)
        if self.views is not None:
            await self.views.start()
        if self.board_views is not None:
            await self.board_views.start()
        if self.status_views is not None:
            await self.status_views.start()
        await self.registry.start()
        following = self.registry.follow()
        following.add_done_callback(_fail_with_task)
        await self.log_ends.start()
        self.app = make_app(self.settings, self.processor, self._take, self._take_over)
        await self.app.start()
        self._watching = [asyncio.create_task(self._look_around()), asyncio.create_task(self._ask_broker())]
        for task in self._watching:
            task.add_done_callback(_fail_with_task)
        self.watchdog.start()

    async def _until(self, asked: asyncio.Task[Literal[True]]) -> None:
        while not asked.done():
            await asyncio.wait([asked], timeout=0.5)
            if self.app.crashed:
                die(self.app.crash_reason or RoistreamError("The Faust app crashed."))

    async def _stop(self) -> None:
        """Everything durable is written; what is left is courtesy and may not take long."""
        for part in (self.registry.stop, self.log_ends.stop, self.app.stop, self.http.stop):
            # aiokafka's consumer ends a stop without its broker with a CancelledError.
            with contextlib.suppress(Exception, asyncio.CancelledError):
                await asyncio.wait_for(part(), 10)
        if self.views is not None:
            await self.views.stop()
        if self.board_views is not None:
            await self.board_views.stop()
        if self.status_views is not None:
            await self.status_views.stop()

    async def _take(self, topic: str, partition: int, generation: int, batch: Any) -> None:
        try:
            await self.processor.take(topic, partition, generation, batch)
        except RoistreamError as error:
            await self._die_outside_group(error)
        except Exception as error:
            log.exception("%s-%d could not be processed", topic, partition)
            die(error)

    async def _take_over(self, partitions: set[int], generation: int) -> None:
        try:
            await self.processor.take_over(partitions, generation)
        except RoistreamError as error:
            await self._die_outside_group(error)
        except Exception as error:
            log.exception("Partitions %s could not be taken over", sorted(partitions))
            die(error)

    async def _die_outside_group(self, error: RoistreamError) -> NoReturn:
        """End; who refuses to go on leaves the group first, so that what mends the matter need not wait for the session's end."""
        if _is_refusal(error):
            from streams.transport.group_admin import leave_group  # noqa: PLC0415 - few workers end so

            with contextlib.suppress(Exception):
                await asyncio.wait_for(
                    asyncio.to_thread(leave_group, self.settings, self.app.consumer.member_id),
                    _LEFT_WITHIN_S,
                )
        die(error)

    async def _release_or_die(self) -> None:
        try:
            await self.processor.release()
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing may be written after it
            die(error)

    async def _look_around(self) -> None:
        settling_s = 0
        stuck: set[Work] = set()
        for look in count():
            await asyncio.sleep(1)
            self.processor.look_around()
            self.telemetry.registry_refused = dict(self.registry.refused_entries)
            if look % _SERIES_CHOSEN_EVERY == 0:
                self.source.choose_series()
            if self.processor.is_behind:
                settling_s = _SETTLED_AFTER_S
            elif settling_s:
                settling_s -= 1
                if not settling_s:
                    await asyncio.to_thread(give_back)
            stuck = self._say_what_is_stuck(stuck)
            self.watchdog.turned(self.processor.stuck())

    def _say_what_is_stuck(self, said: set[Work]) -> set[Work]:
        """Log what has come to a standstill since the last look, and what moves again."""
        found = {each.work: each for each in self.processor.progress.standstills()}
        for work in found.keys() - said:
            log.warning("%s. The worker ends when that lasts.", _capitalized(found[work].sentence))
        for work in said - found.keys():
            log.info(
                "Stage %s of partition %d gets on with %s.",
                work.stage,
                work.partition,
                work.log or "its checkpoints",
            )
        return set(found)

    async def _ask_broker(self) -> None:
        showing: asyncio.Task[None] | None = None
        while True:
            registry = await self.registry.positions()
            logs = self.processor.logs() | registry.keys()
            is_reachable = await self.log_ends.ask(logs, _BROKER_ANSWERS_WITHIN_S)
            self.processor.registry_positions = registry
            self.source.is_broker_reachable = is_reachable
            if is_reachable and self.processor.is_ready and (showing is None or showing.done()):
                # Not awaited: a broker that falls silent now would keep this loop from saying so.
                showing = asyncio.create_task(self.app.consumer.show_offsets(self.processor.positions()))
                showing.add_done_callback(_fail_with_task)
            await asyncio.sleep(_BROKER_ASKED_EVERY_S)

    def _redis(self) -> "RedisViews | None":
        settings = self.settings
        if settings.redis_url is None:
            return None
        from streams.sinks.redis_readings import RedisViews  # noqa: PLC0415

        url = settings.redis_url.get_secret_value()
        return RedisViews(url, settings.redis_ttl, self._show_all, names=self.names)

    def _board_redis(self) -> "BoardViews | None":
        settings = self.settings
        if settings.redis_url is None:
            return None
        from streams.sinks.redis_board import BoardViews  # noqa: PLC0415

        url = settings.redis_url.get_secret_value()
        return BoardViews(url, settings.redis_ttl, self._show_board, names=self.names)

    def _status_redis(self) -> "WorkerStatusViews | None":
        settings = self.settings
        if settings.redis_url is None:
            return None
        from streams.sinks.redis_status import WorkerStatusViews  # noqa: PLC0415

        return WorkerStatusViews(settings.redis_url.get_secret_value(), self._status, names=self.names)

    def _status(self) -> "WorkerStatus | None":
        from streams.sinks.redis_status import WorkerStatus  # noqa: PLC0415 - asked for by its own sink alone

        if self.views is not None and self.views.refusal is not None:
            return None  # the board that listens there is another deployment's
        _, facts = self.source.readiness()
        name = f"{socket.gethostname()}:{self.http.port}"
        telemetry = self.telemetry
        return WorkerStatus(
            name,
            facts["partitions"],
            dict(telemetry.figures_ms),
            facts["reasons"],
            sum(telemetry.split_orders.values()),
            telemetry.split_events,
        )

    def _show_all(self) -> None:
        try:
            self.processor.check_shown()
        except RoistreamError as error:
            die(error)
        self.processor.show_all()

    def _show_board(self) -> None:
        self.processor.show_board()

    def _on_campaign(self, campaign_id: str) -> None:
        self.processor.refresh(campaign_id)
        if self.views is not None:
            is_known = campaign_id in self.campaign_registry.campaigns
            (self.views.restore if is_known else self.views.remove)(campaign_id)

    def _refused(self) -> Iterable[RefusedRecord]:
        return self.registry.refused

    def _highwater(self, topic: str, partition: int) -> int | None:
        end: int | None = self.app.consumer.highwater_of(topic, partition)
        return end

    def _readable(self, topic: str, partition: int) -> int | None:
        return self.log_ends.known.get((topic, partition))

    def _answered(self, topic: str, partition: int) -> int | None:
        moment: int | None = self.app.consumer.answered_at(topic, partition)
        return moment

    async def _metrics(self, accept: str) -> tuple[bytes, str]:
        snapshot = self.source.snapshot()
        return await asyncio.to_thread(self.exposition.render_snapshot, snapshot, accept)

    def _readiness(self) -> tuple[bool, dict[str, Any]]:
        return self.source.readiness()


def _capitalized(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _fail_with_task(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        die(task.exception() or RoistreamError("A task ended."))

"""``roistream demo``: the whole product on one machine, started in order, shown, ended in order.

Everything here is an edge: servers, the worker's process, signals, the clock, the terminal.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from rich.console import Console

from metrics.values.errors import RoistreamError
from metrics.values.time import format_instant
from streams import catalogues
from streams import settings as settings_module
from streams.demo import traffic
from streams.demo.board_process import BoardProcess, address_variables
from streams.demo.display import display, save_picture
from streams.demo.ground_truth import verdict
from streams.demo.kept import KEEP_NEEDS_EMBEDDED, Beginning, begin_or_resume, broker_folder
from streams.demo.kpi_follower import follow_readings, read_ledger
from streams.demo.options import DemoOptions, environment
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.story import StoryLine, acted, lines
from streams.demo.summary import summary
from streams.demo.table_state import TableState, facts
from streams.demo.worker_process import WORKER_COMMAND, WorkerDiedError, WorkerProcess
from streams.demo.world import DemoWorld
from streams.embedded.broker import embedded_broker
from streams.embedded.cache import embedded_cache
from streams.embedded.child_process import free_ports, is_listening
from streams.process import now_ms, stop_signals
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics

_READY_WITHIN_S = 90.0
_SETTLE_WITHIN_S = 8.0
_REFRESH_S = 0.5


def run(options: DemoOptions, worker_command: Sequence[str] = WORKER_COMMAND) -> int:
    """Run the demo to its end.

    Args:
        options: what is asked for.
        worker_command: what to start as the worker.

    Returns:
        The exit code: 0 also after Ctrl-C; 1 when the worker died or too few campaigns showed figures.

    Raises:
        RoistreamError: when an option is wrong or a part cannot be started; the text says what to do.
    """
    options.check()
    console = Console(highlight=False)
    try:
        with contextlib.ExitStack() as stack:
            return _run(options, worker_command, console, stack)
    except WorkerDiedError as error:
        console.print(catalogues.said(str(error)), style="red", markup=False, soft_wrap=True)
        return 1
    except KeyboardInterrupt:  # before the demo listens to signals itself
        return 0


def _run(
    options: DemoOptions, worker_command: Sequence[str], console: Console, stack: contextlib.ExitStack
) -> int:
    started = time.monotonic()
    # Stays: it holds the worker's log.
    folder = (
        Path(tempfile.mkdtemp(prefix="roistream-demo-")) if options.keep is None else options.keep.resolve()
    )
    has_own_broker = not os.environ.get("ROISTREAM_BROKER")
    if options.keep is not None and not has_own_broker:
        raise RoistreamError(KEEP_NEEDS_EMBEDDED)
    console.print(catalogues.t("Starting broker and cache …"))
    settings = _settings(stack, options, folder)
    ensure_topics(settings, create=True)
    beginning = Beginning(options.seed, options.campaigns, options.rate, _clock(options))
    clock, resumes_ms = begin_or_resume(options.keep, beginning, now_ms())
    world = _world(options, clock, resumes_ms)
    demo = Demo(
        options,
        settings,
        world,
        console,
        folder,
        started,
        has_own_broker,
        worker_command,
        resumes_ms=resumes_ms,
    )
    stack.callback(demo.stop_processes)
    try:
        return asyncio.run(demo.main())
    except BaseExceptionGroup as group:
        raise _cause(group) from None


def _cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error to tell: the worker's end before what followed from it, else the first, else the whole group."""
    for kind in (WorkerDiedError, RoistreamError):
        error: BaseException | None = group.subgroup(kind)
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if error is not None:
            return error
    return group


def _clock(options: DemoOptions) -> SimulatedClock:
    return SimulatedClock.starting(now_ms(), lapse_seconds=options.lapse_seconds, factor=options.timelapse)


def _world(
    options: DemoOptions, clock: SimulatedClock, resumes_ms: int | None, *, obeys: bool = True
) -> DemoWorld:
    return DemoWorld(options.seed, options.campaigns, options.rate, clock, obeys=obeys, resumes_ms=resumes_ms)


def _settings(stack: contextlib.ExitStack, options: DemoOptions, folder: Path) -> Settings:
    """Settings of demo and worker, with the servers they name running."""
    port = free_ports(1)[0] if options.port == 0 else options.port
    broker = (
        None
        if os.environ.get("ROISTREAM_BROKER")
        else stack.enter_context(embedded_broker(broker_folder(options.keep))).url
    )
    redis = None if os.environ.get("ROISTREAM_REDIS_URL") else stack.enter_context(embedded_cache()).url
    variables = environment(
        os.environ, broker=broker, redis=redis, port=port, state_dir=str(folder / "state")
    )
    stack.enter_context(_environment(variables))
    settings = settings_module.load()
    if is_listening(settings.http_port, settings.http_host):
        raise RoistreamError(
            f"Port {settings.http_port} is taken; give another with --port, or any free one with --port 0."
        )
    return settings


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these variables: it is how a worker is configured, and ours is the same."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass
class Demo:
    """One run: the world, its traffic, the worker, the table."""

    options: DemoOptions
    settings: Settings
    world: DemoWorld
    console: Console
    folder: Path
    started: float
    has_own_broker: bool
    worker_command: Sequence[str] = WORKER_COMMAND
    worker: WorkerProcess | None = None
    board: BoardProcess | None = None
    first_figures_s: float | None = None
    interrupts: int = 0
    #: The simulated instant at which an earlier demo is taken up again.
    resumes_ms: int | None = None
    progress: traffic.TrafficProgress = field(default_factory=traffic.TrafficProgress)
    #: The same people, in a world where nobody acts.
    control: DemoWorld | None = None
    _story_s: float = -1.0

    def __post_init__(self) -> None:
        self.control = _world(self.options, self.world.clock, self.resumes_ms, obeys=False)
        self.state = TableState(facts(self.world), self._links())
        self.state.has_own_ledger = self.has_own_broker

    @property
    def _pages(self) -> str:
        return f"http://{self.settings.http_host}:{self.settings.http_port}"

    def _links(self) -> dict[str, str]:
        return {
            "metrics": f"{self._pages}/metrics",
            "health": f"{self._pages}/readyz",
            "broker": self.settings.bootstrap[0],
            "redis": _without_secrets(
                self.settings.redis_url.get_secret_value() if self.settings.redis_url else ""
            ),
            "seed": str(self.options.seed),
        }

    async def main(self) -> int:
        """Traffic, worker, table, summary."""
        stop, traffic_stop = asyncio.Event(), asyncio.Event()
        with self._on_signals(stop):
            await self._run(stop, traffic_stop)
        return self._conclude()

    async def _run(self, stop: asyncio.Event, traffic_stop: asyncio.Event) -> None:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(traffic_stop))
            eyes = [
                group.create_task(follow_readings(self.settings, self.state, now_ms)),
                group.create_task(self._read_ledger(session)),
            ]
            try:
                await self._wait(self.progress.registered, stop)
                worker = None if stop.is_set() else await self._start_worker(session, stop)
                if worker is not None:
                    await self._show(worker, stop)
            finally:
                traffic_stop.set()
            await sending
            if worker is not None:
                await self._settle(worker)
            for task in eyes:
                task.cancel()

    def _on_signals(self, stop: asyncio.Event) -> contextlib.AbstractContextManager[None]:
        def interrupt() -> None:
            self.interrupts += 1
            stop.set()

        return stop_signals(interrupt)

    async def _send(self, stop: asyncio.Event) -> None:
        if self.resumes_ms is not None:
            self.state.sent_before = await traffic.records_in_sources(self.settings)
        await traffic.run(
            self.settings,
            self.world,
            stop=stop,
            progress=self.progress,
            obey_from_beginning=self.has_own_broker,
            on_action=self._on_action,
        )

    def _on_action(self, action: Mapping[str, Any]) -> None:
        """An action joins the story; one of before it began does not."""
        story = self.world.story
        decided = str(action.get("decided_at", ""))
        if story is not None and decided >= format_instant(story.begins_ms):
            at_s = story.seconds(self.world.reached_ms)
            self.state.story.append(StoryLine(at_s, acted(action, self.state.names)))

    def _tell(self) -> None:
        """The episodes that have begun since the last look."""
        story = self.world.story
        if story is None:
            return
        reached_s = story.seconds(self.world.clock.simulated(now_ms()))
        self.state.story.extend(lines(story, self.state.names, self._story_s, reached_s))
        self._story_s = max(self._story_s, reached_s)
        self.state.touched = story.touched(self.world.reached_ms)

    async def _read_ledger(self, session: aiohttp.ClientSession) -> None:
        """Keep the ledger and the counts of what was sent up to date, until cancelled."""
        while True:
            ledger = await read_ledger(session, f"{self._pages}/metrics") if self.worker else None
            if ledger is not None:
                self.state.ledger = ledger
            self._count()
            await asyncio.sleep(_REFRESH_S)

    def _count(self) -> None:
        counts, state = self.world.counts, self.state
        state.sent, state.sent_twice = counts["sent"], counts["duplicate"]
        state.sent_broken, state.sent_late = counts["broken"], counts["late"]
        state.behind_ms, state.now_ms = self.progress.behind_ms, now_ms()
        self._tell()
        if self.first_figures_s is None and state.campaigns_with_figures:
            self.first_figures_s = time.monotonic() - self.started

    async def _wait(self, event: asyncio.Event, stop: asyncio.Event) -> None:
        """Return when one of both is set; a task that fails meanwhile ends this one."""
        waiting = [asyncio.ensure_future(each.wait()) for each in (event, stop)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _start_worker(
        self, session: aiohttp.ClientSession, stop: asyncio.Event
    ) -> WorkerProcess | None:
        """The worker, ready; None when the user was faster."""
        self.worker = worker = WorkerProcess(self.folder, self._pages, self.worker_command)
        self._say(catalogues.t("Starting the worker; its log: {path}", path=worker.log))
        self.board = self._start_board()
        if not await worker.until_ready(session, stop, self._say, _READY_WITHIN_S):
            return None
        took = catalogues.number(time.monotonic() - self.started, 1)
        self._say(catalogues.t("The worker is ready after {seconds} s.", seconds=took))
        await self._show_board(session, stop)
        for name, link in self.state.links.items():
            self._say(f"  {name:<8} {link}")
        begins_ms = self.world.clock.simulated(now_ms())
        for world in filter(None, (self.world, self.control)):
            world.begin_story(begins_ms)
        return worker

    def _start_board(self) -> BoardProcess:
        variables = address_variables(self.settings, any_port=self.options.port == 0)
        return BoardProcess(self.folder / "board", self.settings.board_host, variables)

    async def _show_board(self, session: aiohttp.ClientSession, stop: asyncio.Event) -> None:
        """Tell where the board is; without it the demo goes on, and says where to look."""
        assert self.board is not None, "started"
        if await self.board.until_ready(session, stop):
            self.state.links["board"] = self.board.link
        elif not stop.is_set():
            self._say(catalogues.t("The board did not start; its log: {path}", path=self.board.log))

    async def _show(self, worker: WorkerProcess, stop: asyncio.Event) -> None:
        """Show the table until the time is over, or the user stops it."""
        seconds = self.options.seconds
        deadline = None if seconds is None else time.monotonic() + seconds
        with display(self.console, self.state) as show:
            while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
                worker.check()
                self.state.phase = self._phase(deadline)
                show()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), _REFRESH_S)

    def _phase(self, deadline: float | None) -> str:
        left = catalogues.t("Ctrl-C ends it")
        if deadline is not None:
            left = catalogues.t("{seconds} s left", seconds=f"{max(0, deadline - time.monotonic()):.0f}")
        rate = f"{self.options.rate:g}"
        return catalogues.t(
            "seed {seed} · {rate} clicks/s · {left}", seed=self.options.seed, rate=rate, left=left
        )

    async def _settle(self, worker: WorkerProcess) -> None:
        """Wait until the worker has read what was sent, so that its ledger can be compared.

        Gives up after a bound, and at a second Ctrl-C.
        """
        deadline = time.monotonic() + _SETTLE_WITHIN_S
        sent = self.state.sent_before + self.world.counts["sent"]
        while self.state.ledger.read < sent and time.monotonic() < deadline:
            worker.check()
            if self.interrupts > 1:
                return
            await asyncio.sleep(0.1)

    def _conclude(self) -> int:
        self._count()
        for line in summary(self.state, self.first_figures_s):
            self._say(line)
        self._say(self._against_control())
        text = catalogues.t(
            "Metrics were at {address}; the worker's log: {path}",
            address=f"{self._pages}/metrics",
            path=self.folder / "server.log",
        )
        self._say(text)
        if self.options.picture is not None:
            save_picture(self.state, self.options.picture)
        enough = self.options.is_success(self.state.campaigns_with_figures, interrupted=self.interrupts > 0)
        if not enough:
            text = catalogues.t(
                "Too few campaigns showed CPL and ROI; look at the worker's log, or give more --seconds."
            )
            self._say(text)
        return 0 if enough else 1

    def _against_control(self) -> str:
        """Bring the control arm to the instant that the traffic has reached, and compare."""
        assert self.control is not None, "made with the demo"
        for _ in self.control.advance(self.world.reached_ms):
            pass
        return verdict(self.control.ground_truth, self.world.ground_truth, self.progress.actions_obeyed)

    def _say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def stop_processes(self) -> None:
        """End board and worker by their processes; the worker checkpoints before it goes."""
        if self.board is not None:
            self.board.stop()
        if self.worker is not None:
            self.worker.stop()


def _without_secrets(url: str) -> str:
    """Host and port of an address, without user and password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or 6379}" if parts.hostname else url

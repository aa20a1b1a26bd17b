"""``python -m streams.stack``: broker, cache, workers, board, Prometheus, Alertmanager and the demo's traffic."""

import asyncio
import contextlib
import logging
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metrics.values.errors import RoistreamError
from streams import settings as settings_module
from streams.catalogues import said
from streams.demo import traffic
from streams.demo.kept import KEEP_NEEDS_EMBEDDED, Beginning, begin_or_resume, broker_folder
from streams.demo.options import environment
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld
from streams.embedded.broker import embedded_broker
from streams.embedded.cache import embedded_cache
from streams.embedded.child_process import Command, Server
from streams.process import now_ms, stop_signals
from streams.settings import Settings
from streams.stack import monitoring
from streams.stack.supervision import Supervised
from streams.transport.topic_admin import ensure_topics

_READY_WITHIN_S = 120
_LOOK_EVERY_S = 0.5
_TRAFFIC_PAUSE_S = 5.0
_EXIT_REFUSED = 2


@dataclass(frozen=True)
class StackOptions:
    """What is asked for."""

    source: Path
    workers: int
    rate: float
    campaigns: int
    seed: int
    seconds: float | None
    keep: Path | None


def main(
    source: Annotated[Path, typer.Option(help="The folder grafana/prometheus.")] = Path("grafana/prometheus"),
    workers: Annotated[int, typer.Option(help="How many workers.", min=1, max=4)] = 2,
    rate: Annotated[float, typer.Option(help="Clicks per second, all campaigns together.")] = 50.0,
    campaigns: Annotated[int, typer.Option(help="How many campaigns.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 7,
    seconds: Annotated[float | None, typer.Option(help="Stop by itself; else at Ctrl-C.")] = None,
    keep: Annotated[Path | None, typer.Option(help="A folder in which the stack goes on next time.")] = None,
) -> None:
    """Run the product with its monitoring until Ctrl-C."""
    console = Console(highlight=False)
    try:
        code = run(StackOptions(source, workers, rate, campaigns, seed, seconds, keep), console)
    except RoistreamError as error:
        console.print(f"roistream: {said(str(error))}", style="red", markup=False, soft_wrap=True)
        code = _EXIT_REFUSED
    except KeyboardInterrupt:
        code = 0
    raise typer.Exit(code)


def run(options: StackOptions, console: Console) -> int:
    """Start everything in order, print where it is, end it in reverse; the exit code.

    Raises:
        RoistreamError: when a part is missing or does not start; the text says what to do.
    """
    if not (options.source / "prometheus.yml").is_file():
        raise RoistreamError(
            f"{options.source} has no prometheus.yml; run it in the repository, or give --source."
        )
    monitoring.program(monitoring.PROMETHEUS)
    monitoring.program(*monitoring.ALERTMANAGERS)
    if options.keep is not None and os.environ.get("ROISTREAM_BROKER"):
        raise RoistreamError(KEEP_NEEDS_EMBEDDED)
    keep = None if options.keep is None else options.keep.resolve()
    folder = Path(tempfile.mkdtemp(prefix="roistream-stack-")) if keep is None else keep
    folder.mkdir(parents=True, exist_ok=True)
    # What the clients of the traffic have to say, line by line, while a broker is gone.
    logging.basicConfig(
        filename=folder / "traffic.log", level=logging.WARNING, format="%(asctime)s %(name)s %(message)s"
    )
    with contextlib.ExitStack() as stack:
        console.print("Starting broker and cache …")
        servers, variables = _embedded(stack, folder, keep)
        settings = _settings(variables)
        ensure_topics(settings, create=True)
        world = _world(options, keep)
        token, (board_at, *pages) = secrets.token_urlsafe(), monitoring.addresses(options.workers + 1)
        console.print(f"Starting {options.workers} workers, the board, Prometheus and Alertmanager …")
        workers = [
            stack.enter_context(_child(f"worker-{number}", "worker", folder, _at(variables, page)))
            for number, page in enumerate(pages, 1)
        ]
        host, port = board_at.split(":")
        own = {"ROISTREAM_BOARD_HOST": host, "ROISTREAM_BOARD_PORT": port, "ROISTREAM_BOARD_TOKEN": token}
        board = stack.enter_context(_child("board", "board", folder, {**variables, **own}))
        alertmanager = stack.enter_context(
            monitoring.alertmanager(options.source, f"http://{board_at}/alerts", token)
        )
        prometheus = stack.enter_context(
            monitoring.prometheus(
                options.source,
                {"roistream": pages},
                alertmanager.url.removeprefix("http://"),
                board=board_at,
            )
        )
        for server, page in zip(workers, pages, strict=True):
            server.wait_until(lambda page=page: monitoring.answers(f"http://{page}/readyz"), _READY_WITHIN_S)  # type: ignore[misc]
        links = {
            "Prometheus": prometheus.url,
            "Alertmanager": alertmanager.url,
            "board": f"http://{board_at}/   token {token}",
            **{f"worker {number}": f"http://{page}/metrics" for number, page in enumerate(pages, 1)},
            "broker": settings.bootstrap[0],
            "logs": str(folder),
        }
        for name, link in links.items():
            console.print(f"  {name:<13} {link}", markup=False, soft_wrap=True)
        servers += [*workers, board, alertmanager.server, prometheus.server]
        return asyncio.run(_turn(options, settings, world, servers, console))


def _embedded(
    stack: contextlib.ExitStack, folder: Path, keep: Path | None
) -> tuple[list[Server], dict[str, str]]:
    """The servers that the user named none for, and the environment of every part."""
    broker = redis = None
    servers = []
    if not os.environ.get("ROISTREAM_BROKER"):
        handle = stack.enter_context(embedded_broker(broker_folder(keep)))
        broker = handle.url
        servers.append(handle.server)
    if not os.environ.get("ROISTREAM_REDIS_URL"):
        cache = stack.enter_context(embedded_cache())
        redis = cache.url
        servers.append(cache.server)
    own = environment(os.environ, broker=broker, redis=redis, port=None, state_dir=str(folder / "state"))
    return servers, {**os.environ, **own}


def _world(options: StackOptions, keep: Path | None) -> DemoWorld:
    now = now_ms()
    wanted = Beginning(options.seed, options.campaigns, options.rate, SimulatedClock.starting(now))
    clock, resumes_ms = begin_or_resume(keep, wanted, now)
    return DemoWorld(options.seed, options.campaigns, options.rate, clock, resumes_ms=resumes_ms)


def _settings(variables: Mapping[str, str]) -> Settings:
    os.environ.update(variables)  # this process is one of the parts: it sends the traffic
    return settings_module.load()


def _at(variables: Mapping[str, str], page: str) -> dict[str, str]:
    host, port = page.split(":")
    return {**variables, "ROISTREAM_HTTP_HOST": host, "ROISTREAM_HTTP_PORT": port}


@contextlib.contextmanager
def _child(name: str, command: str, folder: Path, variables: Mapping[str, str]) -> Iterator[Server]:
    """One of our own commands as a process, with its log in a folder of its name."""
    own = folder / name
    own.mkdir(exist_ok=True)
    server = Server(name, Command([sys.executable, "-m", "streams", command], variables), own)
    try:
        yield server
    finally:
        server.stop(within_s=15)


async def _turn(
    options: StackOptions, settings: Settings, world: DemoWorld, servers: list[Server], console: Console
) -> int:
    """Send traffic until the time is over or a signal comes; what ends by itself meanwhile is started again."""

    def say(line: str) -> None:
        console.print(line, style="yellow", markup=False, soft_wrap=True)

    stop = asyncio.Event()
    progress = traffic.TrafficProgress()
    with stop_signals(stop.set):
        console.print("Traffic runs; Ctrl-C ends everything.")
        parts = [Supervised(server, time.monotonic()) for server in servers]
        sending = asyncio.create_task(_send(options, settings, world, stop, progress, say))
        while not sending.done():
            await asyncio.wait([sending], timeout=_LOOK_EVERY_S)
            for part in [] if stop.is_set() else parts:
                if (line := part.look(time.monotonic())) is not None:
                    say(line)
        await sending
    console.print(f"{progress.sent:,} records sent. Stopping.")
    return 0


async def _send(
    options: StackOptions,
    settings: Settings,
    world: DemoWorld,
    stop: asyncio.Event,
    progress: traffic.TrafficProgress,
    say: Callable[[str], None],
) -> None:
    """The world's traffic; without a broker it waits and goes on, for its world does."""
    ends = None if options.seconds is None else time.monotonic() + options.seconds
    while not stop.is_set():
        left = None if ends is None else ends - time.monotonic()
        try:
            await traffic.run(settings, world, seconds=left, stop=stop, progress=progress)
        except RoistreamError as error:
            say(f"{said(str(error))} It goes on in {_TRAFFIC_PAUSE_S:g} s.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TRAFFIC_PAUSE_S)
        else:
            return


if __name__ == "__main__":
    typer.run(main)

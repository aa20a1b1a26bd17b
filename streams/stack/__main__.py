"""``python -m streams.stack``: broker, cache, workers, board, Prometheus, Alertmanager and the demo's traffic."""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from metrics.values.errors import RoistreamError
from streams import settings as settings_module
from streams.demo import traffic
from streams.demo.options import environment
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld
from streams.embedded.broker import embedded_broker
from streams.embedded.cache import embedded_cache
from streams.embedded.child_process import Command, Server
from streams.settings import Settings
from streams.stack import monitoring
from streams.transport.topic_admin import ensure_topics

_READY_WITHIN_S = 120
_LOOK_EVERY_S = 1.0
_EXIT_REFUSED = 2
#: A fetch from the embedded broker costs it more the more batches its partition holds, and this runs for long.
_CALM = {"ROISTREAM_PUBLISH_INTERVAL": "1s"}


@dataclass(frozen=True)
class StackOptions:
    """What is asked for."""

    source: Path
    workers: int
    rate: float
    campaigns: int
    seed: int
    seconds: float | None


def main(
    source: Annotated[Path, typer.Option(help="The folder grafana/prometheus.")] = Path("grafana/prometheus"),
    workers: Annotated[int, typer.Option(help="How many workers.", min=1, max=4)] = 2,
    rate: Annotated[float, typer.Option(help="Clicks per second, all campaigns together.")] = 50.0,
    campaigns: Annotated[int, typer.Option(help="How many campaigns.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed makes the same world.")] = 7,
    seconds: Annotated[float | None, typer.Option(help="Stop by itself; else at Ctrl-C.")] = None,
) -> None:
    """Run the product with its monitoring until Ctrl-C."""
    console = Console(highlight=False)
    try:
        code = run(StackOptions(source, workers, rate, campaigns, seed, seconds), console)
    except RoistreamError as error:
        console.print(f"roistream: {error}", style="red", markup=False, soft_wrap=True)
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
    folder = Path(tempfile.mkdtemp(prefix="roistream-stack-"))
    with contextlib.ExitStack() as stack:
        console.print("Starting broker and cache …")
        variables = _variables(stack, folder)
        settings = _settings(variables)
        ensure_topics(settings, create=True)
        token, (board_at, *pages) = secrets.token_urlsafe(), monitoring.addresses(options.workers + 1)
        console.print(f"Starting {options.workers} workers, the board, Prometheus and Alertmanager …")
        servers = [
            stack.enter_context(_child(f"worker-{number}", "worker", folder, _at(variables, page)))
            for number, page in enumerate(pages, 1)
        ]
        host, port = board_at.split(":")
        own = {"ROISTREAM_BOARD_HOST": host, "ROISTREAM_BOARD_PORT": port, "ROISTREAM_BOARD_TOKEN": token}
        servers.append(stack.enter_context(_child("board", "board", folder, {**variables, **own})))
        alertmanager = stack.enter_context(
            monitoring.alertmanager(options.source, f"http://{board_at}/alerts", token)
        )
        prometheus = stack.enter_context(
            monitoring.prometheus(
                options.source, {"roistream": pages}, alertmanager.url.removeprefix("http://")
            )
        )
        servers += [alertmanager.server, prometheus.server]
        for server, page in zip(servers, pages, strict=False):
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
        return asyncio.run(_turn(options, settings, servers, console))


def _variables(stack: contextlib.ExitStack, folder: Path) -> dict[str, str]:
    """The environment of every part, with the servers it names running."""
    broker = None if os.environ.get("ROISTREAM_BROKER") else stack.enter_context(embedded_broker()).url
    redis = None if os.environ.get("ROISTREAM_REDIS_URL") else stack.enter_context(embedded_cache()).url
    own = environment(
        {**_CALM, **os.environ}, broker=broker, redis=redis, port=None, state_dir=str(folder / "state")
    )
    return {**os.environ, **own}


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
    own.mkdir()
    server = Server(name, Command([sys.executable, "-m", "streams", command], variables), own)
    try:
        yield server
    finally:
        server.stop(within_s=15)


async def _turn(options: StackOptions, settings: Settings, servers: list[Server], console: Console) -> int:
    """Send traffic until the time is over, a signal comes, or a part ends by itself."""
    stop, clock = asyncio.Event(), SimulatedClock.starting(traffic.real_now())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    world = DemoWorld(options.seed, options.campaigns, options.rate, clock)
    console.print("Traffic runs; Ctrl-C ends everything.")
    sending = asyncio.create_task(traffic.run(settings, world, seconds=options.seconds, stop=stop))
    while not sending.done():
        await asyncio.wait([sending], timeout=_LOOK_EVERY_S)
        ended = [server for server in servers if not server.is_running]
        if ended and not stop.is_set():
            stop.set()
            await sending
            tails = "\n".join(
                f"{each.name} ended by itself; {each.log}:\n{each.log_tail()}" for each in ended
            )
            console.print(tails, style="red", markup=False, soft_wrap=True)
            return 1
    console.print(f"{(await sending).sent:,} records sent. Stopping.")
    return 0


if __name__ == "__main__":
    typer.run(main)

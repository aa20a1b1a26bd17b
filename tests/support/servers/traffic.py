"""The demo's traffic in a thread of its own, for tests that look at what it leads to."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from streams.demo import traffic
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld
from streams.process import now_ms
from streams.settings import Settings


@contextlib.contextmanager
def demo_traffic(settings: Settings, campaigns: int = 12, rate: float = 40.0) -> Iterator[DemoWorld]:
    """Sends the demo's world until the context ends; an error of its own is raised then."""
    world = DemoWorld(7, campaigns, rate, SimulatedClock.starting(now_ms()))
    with world_traffic(settings, world):
        yield world


@contextlib.contextmanager
def world_traffic(settings: Settings, world: DemoWorld) -> Iterator[traffic.TrafficProgress]:
    """The same of any world; how far it has come."""
    loop, stop, progress = asyncio.new_event_loop(), asyncio.Event(), traffic.TrafficProgress()
    failures: list[BaseException] = []

    def send() -> None:
        try:
            loop.run_until_complete(traffic.run(settings, world, stop=stop, progress=progress))
        except BaseException as error:  # noqa: BLE001 - handed on
            failures.append(error)
        finally:
            loop.close()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield progress
    finally:
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

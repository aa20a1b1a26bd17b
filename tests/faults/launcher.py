"""The real worker with one trap in it and a clock that can be moved: ``python -m tests.faults.launcher``.

FAULTS_TRAP is ``point:stage:nth:action``: when that point is passed for the nth time by that stage
(``any`` for all), the process kills itself with SIGKILL (``kill``), the client raises (``fail``), or the
call never returns (``hang``). FAULTS_CLOCK names a file with the milliseconds the wall clock is wrong by.
Production code knows nothing of this: methods are wrapped before the worker starts.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import aiokafka
from aiokafka.errors import KafkaError

import streams.runtime.task
import streams.transport.checkpoint_writer
import streams.worker
from streams.__main__ import main

AT_CHECKPOINT = (
    "before-append",
    "after-append",
    "before-output",
    "after-output",
    "before-commit",
    "amid-commit",
    "after-commit",
)
AT_TAKEOVER = ("fenced", "recovering", "recovered", "claiming", "claimed")
AT_RELEASE = ("revoking", "revoked")
POINTS = AT_CHECKPOINT + AT_TAKEOVER + AT_RELEASE
STAGES = ("intake", "merge", "controller")
#: Where the client may fail or hang instead of the process being killed.
CLIENT_POINTS = ("before-append", "before-output", "before-commit")


class Trap:
    """Springs at the nth pass of one point."""

    def __init__(self, text: str) -> None:
        self._point, self._stage, nth, self._action = text.split(":")
        self._left = int(nth)

    def is_due(self, point: str, stage: str) -> bool:
        if point != self._point or self._stage not in {stage, "any"}:
            return False
        self._left -= 1
        return self._left == 0

    def spring(self) -> None:
        """Kill the process, or raise as a client would."""
        if self._action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise KafkaError("The trap raised.")

    def passes(self, point: str, stage: str) -> None:
        if self.is_due(point, stage):
            self.spring()

    async def reach(self, point: str, stage: str) -> None:
        if self.is_due(point, stage):
            if self._action == "hang":
                await asyncio.Event().wait()
            self.spring()


def _stage(name: str) -> str:
    return next((stage for stage in STAGES if f"{stage}-changelog" in name), "")


def _producer_of(trap: Trap) -> type[aiokafka.AIOKafkaProducer]:
    class TrappedProducer(aiokafka.AIOKafkaProducer):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self._stage = _stage(options.get("transactional_id", ""))

        async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
            name = "append" if topic.endswith("-changelog") else "output"
            await trap.reach(f"before-{name}", self._stage)
            confirmed = await super().send_batch(batch, topic, partition=partition)
            confirmed.add_done_callback(lambda _: trap.passes(f"after-{name}", self._stage))
            return confirmed

        async def commit_transaction(self) -> None:
            await trap.reach("before-commit", self._stage)
            if trap.is_due("amid-commit", self._stage):
                asyncio.get_running_loop().call_later(0.001, trap.spring)
            await super().commit_transaction()
            await trap.reach("after-commit", self._stage)

    return TrappedProducer


def _around(owner: Any, name: str, before: Callable[[Any], Any], after: Callable[[Any], Any]) -> None:
    """Wrap an asynchronous method."""
    inner = getattr(owner, name)

    async def wrapped(self: Any, *args: Any) -> Any:
        before(self)
        found = await inner(self, *args)
        after(self)
        return found

    setattr(owner, name, wrapped)


def set_trap(trap: Trap) -> None:
    """Wrap what a checkpoint, a takeover and a release go through."""
    streams.transport.checkpoint_writer.aiokafka = SimpleNamespace(  # type: ignore[attr-defined]
        AIOKafkaProducer=_producer_of(trap), AIOKafkaConsumer=aiokafka.AIOKafkaConsumer
    )
    read_whole = streams.runtime.task.read_whole

    async def reading(settings: Any, changelog: str, *args: Any) -> AsyncIterator[Any]:
        async for entries in read_whole(settings, changelog, *args):
            trap.passes("recovering", _stage(changelog))
            yield entries
        trap.passes("recovered", _stage(changelog))

    streams.runtime.task.read_whole = reading
    claimed: WeakSet[Any] = WeakSet()

    def on_write(writer: Any) -> None:
        if writer not in claimed:
            trap.passes("claiming", _stage(writer._changelog))

    def on_written(writer: Any) -> None:
        if writer not in claimed:
            claimed.add(writer)
            trap.passes("claimed", _stage(writer._changelog))

    writer = streams.transport.checkpoint_writer.CheckpointWriter
    _around(writer, "start", lambda _: None, lambda each: trap.passes("fenced", _stage(each._changelog)))
    _around(writer, "write", on_write, on_written)
    _around(
        streams.runtime.task.Task,
        "close",
        lambda seat: trap.passes("revoking", _stage(seat._changelog)),
        lambda seat: trap.passes("revoked", _stage(seat._changelog)),
    )


def move_clock(path: Path) -> None:
    """The worker's wall clock is wrong by what the file says."""

    def now_ms() -> int:
        return time.time_ns() // 1_000_000 + int(path.read_text() or 0)

    assert callable(streams.worker.now_ms)
    streams.worker.now_ms = now_ms


if __name__ == "__main__":
    if "FAULTS_TRAP" in os.environ:
        set_trap(Trap(os.environ["FAULTS_TRAP"]))
    if "FAULTS_CLOCK" in os.environ:
        move_clock(Path(os.environ["FAULTS_CLOCK"]))
    sys.argv = ["roistream", "worker"]
    main()

"""A task: one stage of one partition as held by this process, from taking it over to giving it up."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from metrics.values.errors import StateError
from streams.runtime.checkpoint_pacing import CheckpointPacing
from streams.runtime.telemetry import StageTelemetry
from streams.settings import Settings
from streams.state.checkpoint import Checkpoint
from streams.state.store import StateStore, epoch_of
from streams.transport.checkpoint_writer import CheckpointError, CheckpointWriter
from streams.transport.log_reader import read_whole

log = logging.getLogger(__name__)

#: A checkpoint is written before it grows past this (D1).
HEAVY_BYTES = 4 * 1024 * 1024


class Task:
    """Recovers a stage's state, checkpoints it when that is due, and gives it up in order."""

    def __init__(
        self,
        settings: Settings,
        store: StateStore[Any],
        changelog: str,
        partition: int,
        now: Callable[[], int],
        telemetry: StageTelemetry,
        on_confirmed: Callable[[Checkpoint], None],
    ) -> None:
        self.store = store
        self.is_open = False
        #: Whether there is a backlog to be read.
        self.is_behind = False
        self._failure: BaseException | None = None
        self._settings = settings
        self._changelog = changelog
        self._partition = partition
        self._now = now
        self._telemetry = telemetry
        self._on_confirmed = on_confirmed
        self._writer = CheckpointWriter(settings, changelog, partition)
        self._lock = asyncio.Lock()
        self._woken = asyncio.Event()
        #: When something was last confirmed or read back, by the event loop's clock.
        self.moved_at = 0.0
        #: Until when it rests between checkpoints at the longest, by the event loop's clock.
        self._rests_until = 0.0
        #: How long the latest checkpoint blocked the event loop, in seconds.
        self.blocked = 0.0
        #: Offsets read back of the changelog, and its end.
        self.recovery = (0, 0)
        self._began_at = 0.0
        self._records_read = 0

    async def open(self) -> None:
        """Take the partition over: fence, read the changelog to its end, claim a new epoch (D3, D8b)."""
        await self.read()
        await self.claim()

    async def read(self) -> None:
        """Fence the partition's old owner, and read the changelog to its end.

        Raises:
            StateError: when the state cannot be gone on with; nothing is written then.
        """
        self._began_at = asyncio.get_running_loop().time()
        await self._writer.start()
        latest, self._records_read = await self._read_back()
        try:
            self.store.restore(latest.items())
        except StateError as error:
            name = f"{self._settings.topic(self._changelog)}-{self._partition}"
            raise type(error)(f"{name}: {error}") from error

    async def claim(self) -> None:
        """Write the first checkpoint of a new epoch."""
        self.store.take_over()
        await self._write()
        seconds = asyncio.get_running_loop().time() - self._began_at
        self._telemetry.recovered(seconds, self._records_read)
        log.info(
            "%s-%d: epoch %d, %d records read back in %.1f s",
            *(self._changelog, self._partition, self.store.epoch, self._records_read, seconds),
        )
        self.is_open = True

    async def _read_back(self) -> tuple[dict[bytes, bytes | None], int]:
        """The newest value of each key, and how many records were read.

        A checkpoint of an epoch that had been succeeded when it was appended is left out. Transactions let none
        happen; states of builds that did without them may hold some (D23).
        """
        latest: dict[bytes, bytes | None] = {}
        newest = count = 0
        async for entries in read_whole(self._settings, self._changelog, self._partition, self._has_read_to):
            count += len(entries)
            epoch = epoch_of(entries)
            if epoch is not None and epoch < newest:
                name = f"{self._changelog}-{self._partition}"
                log.warning(
                    "%s: a checkpoint of epoch %d came after epoch %d; it is ignored.", name, epoch, newest
                )
                continue
            newest = newest if epoch is None else epoch
            latest.update(entries)
        return latest, count

    def _has_read_to(self, offset: int, end: int) -> None:
        self.recovery = (offset, end)
        self.moved_at = asyncio.get_running_loop().time()

    async def run(self, pacing: CheckpointPacing, all_blocked: Callable[[], float]) -> None:
        """Checkpoint whenever something is due, and what has merely changed after the longest rest.

        Args:
            pacing: of its rests.
            all_blocked: for how long the latest checkpoints of all tasks blocked the event loop.
        """
        loop = asyncio.get_running_loop()
        took = 0.0
        while True:
            ended = loop.time()
            rest = pacing.rest(took, self.blocked, all_blocked(), is_behind=self.is_behind)
            self._rests_until = ended + max(rest, pacing.longest)
            await asyncio.sleep(rest)
            await self._until_due(self._rests_until)
            started = loop.time()
            await self.checkpoint()
            took = loop.time() - started

    @property
    def owes_checkpoint(self) -> bool:
        """Whether something waits for a checkpoint that is due: before that the task rests, however long its pace is."""
        if not self.is_open or not self.store.is_dirty:
            return False
        return asyncio.get_running_loop().time() >= self._rests_until

    def wake(self) -> None:
        """The stage has taken something in; it may be due earlier."""
        self._woken.set()

    async def _until_due(self, latest: float) -> None:
        """Wait until the stage is due, at most until ``latest`` by the event loop's clock."""
        loop = asyncio.get_running_loop()
        while (left := latest - loop.time()) > 0:
            due_at = self.store.stage.due_at
            wait = left if due_at is None else min(left, (due_at - self._now()) / 1000)
            if wait <= 0:
                return
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def checkpoint(self) -> None:
        """Write what has changed, unless the task is given up."""
        async with self._lock:
            if self.is_open and self.store.is_dirty:
                await self._write()
            else:
                self.blocked = 0.0

    async def write(self) -> None:
        """Write a checkpoint, whether anything has changed or not."""
        async with self._lock:
            await self._write()

    async def relieve(self) -> None:
        """Checkpoint when what has changed has grown heavy."""
        if self.store.weight > HEAVY_BYTES:
            await self.checkpoint()

    async def close(self) -> None:
        """Write the last checkpoint and let go of the partition."""
        async with self._lock:
            was_open, self.is_open = self.is_open, False
            if was_open and self.store.is_dirty and self._failure is None:
                await self._write()
        await self._writer.stop()

    async def _write(self) -> None:
        """Write a checkpoint; one that was taken but not confirmed leaves the task unusable."""
        if self._failure is not None:
            name = f"{self._changelog}-{self._partition}"
            raise CheckpointError(
                f"{name}: an earlier checkpoint is open. {self._failure}"
            ) from self._failure
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._failure = CheckpointError("A checkpoint has not come to its end.")
        try:
            checkpoint = await self._taken()
            await self._writer.write(checkpoint)
        except Exception as error:
            self._failure = error
            raise
        self._failure = None
        self.store.confirm(checkpoint.sequence)
        self.moved_at = loop.time()
        size = sum(len(key) + len(value or b"") for key, value in checkpoint.entries)
        self._telemetry.checkpoint(loop.time() - started, size, len(checkpoint.entries))
        self._on_confirmed(checkpoint)

    async def _taken(self) -> Checkpoint:
        """The next checkpoint of the stage; notes for how long nothing else could be done."""
        loop, now, blocked = asyncio.get_running_loop(), self._now(), 0.0
        began = loop.time()
        for work in self.store.stage.work(now):
            blocked += loop.time() - began
            await (asyncio.sleep(0) if work is None else asyncio.to_thread(work))
            began = loop.time()
        checkpoint = self.store.checkpoint(now)
        self.blocked = blocked + loop.time() - began
        return checkpoint

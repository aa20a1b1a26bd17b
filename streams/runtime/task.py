"""A seat: one stage of one partition as held by this process, from taking it over to giving it up."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from streams.runtime.telemetry import StageTelemetry
from streams.settings import Settings
from streams.state.checkpoint import Checkpoint
from streams.state.codec import Entry, epoch_of
from streams.transport.checkpoint_writer import CheckpointError, CheckpointWriter
from streams.transport.log_reader import read_whole

log = logging.getLogger(__name__)

#: A checkpoint is written before it grows past this (D1).
HEAVY_BYTES = 4 * 1024 * 1024


#: All seats of a worker together hold the event loop at most a fifth of the time for checkpoints that are made more often than
#: they need to be, others half of it; with a backlog a checkpoint takes at most a quarter.
_SPARING, _LEAST_SPARING, _SPARING_BEHIND = 4, 1, 3


class Rhythm(NamedTuple):
    """How long a seat rests after a checkpoint before the next one, in seconds.

    ``least`` where the stage has something due, unless checkpoints cost much; ``longest`` where it only has changes;
    ``behind`` while there is a backlog, whose age no reader notices.

    >>> rhythm = Rhythm(0.1, 0.25, 1.0); [rhythm.rest(0.03, 0.001, together) for together in (0.008, 0.04, 0.08, 0.4)]
    [0.1, 0.16, 0.25, 0.4]
    >>> [rhythm.rest(took, 0.001, 0.008) for took in (0.05, 0.15, 2.0)]
    [0.1, 0.15, 0.25]
    >>> rhythm.rest(3.5, held=3.0, together=3.1)  # one heavy checkpoint among light ones
    3.1
    >>> rhythm.rest(2.0, 0.5, 4.0, is_behind=True), rhythm.rest(2.0, 0.01, 0.08, is_behind=True)
    (1.5, 1.0)
    """

    least: float
    longest: float
    behind: float

    def over(self, interval: float) -> "Rhythm":
        """The rhythm whose rests are these numbers of intervals."""
        return Rhythm(*(interval * share for share in self))

    def rest(self, took: float, held: float, together: float, *, is_behind: bool = False) -> float:
        """The rest after a checkpoint.

        Waiting for the broker costs nobody anything: what it adds to the rest is bounded. A busy event loop makes that
        wait seem long, and a rest in proportion to it would leave a whole backlog that is read unwritten for seconds.

        Args:
            took: seconds from its beginning to its confirmation.
            held: seconds of that in which nothing else could be done.
            together: the same of the last checkpoints of all seats, this one among them.
            is_behind: whether there is a backlog.
        """
        if is_behind:
            return max(self.behind, _SPARING_BEHIND * held)
        return max(self.least, min(self.longest, max(took, _SPARING * together)), _LEAST_SPARING * together)


class StageLog(Protocol):
    """A stage's state with its place in its changelog."""

    epoch: int

    @property
    def is_dirty(self) -> bool:
        """Whether a checkpoint has anything to write."""
        ...

    @property
    def due_at(self) -> int | None:
        """The instant from which the next checkpoint has work that waits for it; 0: now; None: no such instant."""
        ...

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        ...

    def restore(self, entries: list[Entry]) -> None:
        """Fill the state."""
        ...

    def take_over(self) -> None:
        """Begin a new epoch."""
        ...

    def slices(self, now: int) -> Iterable[Callable[[], object] | None]:
        """Work of the next checkpoint that takes so long that the event loop must breathe in between.

        A call that is given is done on another thread before the next slice.
        """
        ...

    def checkpoint(self, now: int) -> Checkpoint:
        """What is to be written now."""
        ...

    def confirm(self, sequence: int) -> None:
        """It is written."""
        ...


class Task:
    """Recovers a stage's state, checkpoints it when that is due, and gives it up in order."""

    def __init__(
        self,
        settings: Settings,
        stage: StageLog,
        changelog: str,
        partition: int,
        now: Callable[[], int],
        telemetry: StageTelemetry,
        on_confirmed: Callable[[Checkpoint], None],
    ) -> None:
        self.stage = stage
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
        #: How long the latest checkpoint kept the event loop to itself, in seconds.
        self.held = 0.0
        #: Offsets read back of the changelog, and its end.
        self.recovery = (0, 0)

    async def open(self) -> None:
        """Take the partition over: fence, read the changelog to its end, claim a new epoch (D3, D8b)."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        await self._writer.start()
        latest, count = await self._read_back()
        self.stage.restore(list(latest.items()))
        self.stage.take_over()
        await self._write()
        self._telemetry.recovered(loop.time() - started, count)
        log.info(
            "%s-%d: epoch %d, %d records read back in %.1f s",
            *(self._changelog, self._partition, self.stage.epoch, count, loop.time() - started),
        )
        self.is_open = True

    async def _read_back(self) -> tuple[dict[bytes, bytes | None], int]:
        """The newest value of each key, and how many records were read.

        A checkpoint of an epoch that had been succeeded when it was appended is left out: without transactions
        nothing keeps an owner that was stopped for long from one more append (D23).
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

    async def run(self, rhythm: Rhythm, together: Callable[[], float]) -> None:
        """Checkpoint whenever something is due, and what has merely changed after the longest rest.

        Args:
            rhythm: of its rests.
            together: what the last checkpoints of all seats have ``held``.
        """
        loop = asyncio.get_running_loop()
        took = 0.0
        while True:
            ended = loop.time()
            rest = rhythm.rest(took, self.held, together(), is_behind=self.is_behind)
            await asyncio.sleep(rest)
            await self._until_due(ended + max(rest, rhythm.longest))
            started = loop.time()
            await self.checkpoint()
            took = loop.time() - started

    def wake(self) -> None:
        """The stage has taken something in; it may be due earlier."""
        self._woken.set()

    async def _until_due(self, latest: float) -> None:
        """Wait until the stage is due, at most until ``latest`` by the event loop's clock."""
        loop = asyncio.get_running_loop()
        while (left := latest - loop.time()) > 0:
            due_at = self.stage.due_at
            wait = left if due_at is None else min(left, (due_at - self._now()) / 1000)
            if wait <= 0:
                return
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._woken.wait()

    async def checkpoint(self) -> None:
        """Write what has changed, unless the seat is given up."""
        async with self._lock:
            if self.is_open and self.stage.is_dirty:
                await self._write()
            else:
                self.held = 0.0

    async def relieve(self) -> None:
        """Checkpoint when what has changed has grown heavy."""
        if self.stage.weight > HEAVY_BYTES:
            await self.checkpoint()

    async def close(self) -> None:
        """Write the last checkpoint and let go of the partition."""
        async with self._lock:
            was_open, self.is_open = self.is_open, False
            if was_open and self.stage.is_dirty and self._failure is None:
                await self._write()
        await self._writer.stop()

    async def _write(self) -> None:
        """Write a checkpoint; one that was taken but not confirmed leaves the seat unusable."""
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
        self.stage.confirm(checkpoint.sequence)
        self.moved_at = loop.time()
        size = sum(len(key) + len(value or b"") for key, value in checkpoint.entries)
        self._telemetry.checkpoint(loop.time() - started, size, len(checkpoint.entries))
        self._on_confirmed(checkpoint)

    async def _taken(self) -> Checkpoint:
        """The next checkpoint of the stage; notes for how long nothing else could be done."""
        loop, now, held = asyncio.get_running_loop(), self._now(), 0.0
        began = loop.time()
        for work in self.stage.slices(now):
            held += loop.time() - began
            await (asyncio.sleep(0) if work is None else asyncio.to_thread(work))
            began = loop.time()
        checkpoint = self.stage.checkpoint(now)
        self.held = held + loop.time() - began
        return checkpoint

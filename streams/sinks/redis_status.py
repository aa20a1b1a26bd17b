"""What a worker says of itself to boards, every two seconds, on the channel ``roistream:workers`` of Redis.

Nothing of it is kept: who listens knows by its own clock when it last heard a worker, so that no two clocks are compared, and a
worker that hangs or is gone is noticed by its silence.
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
from redis.exceptions import RedisError

from streams.sinks.redis_names import RedisNames
from streams.sinks.redis_readings import client_of

EVERY_S = 2.0
_encode = msgspec.json.Encoder().encode


class WorkerStatus(msgspec.Struct, frozen=True):
    """How a worker is.

    Attributes:
        worker: its name, the same until it ends.
        partitions: those it holds.
        figures_ms: the watermark of the campaigns as last published, by merge partition, in epoch ms.
        reasons: why it is not ready, in sentences; none: it is.
        split_orders: orders whose records came on several partitions, as far as it knows.
        split_events: event ids that several of its partitions have applied.
    """

    worker: str
    partitions: list[int]
    figures_ms: dict[int, int]
    reasons: list[str]
    split_orders: int = 0
    split_events: int = 0


class WorkerStatusViews:
    """Says it behind the caller's back; start, stop."""

    def __init__(
        self,
        url: str,
        status: Callable[[], WorkerStatus | None],
        *,
        names: RedisNames = RedisNames(),  # noqa: B008 - immutable
        every_s: float = EVERY_S,
    ) -> None:
        """Nothing is connected before ``start``.

        Args:
            url: of a Redis.
            status: asked on the event loop each time; None: say nothing.
            names: of the deployment, since several may share a Redis.
            every_s: how often.
        """
        self._client = client_of(url)
        self._status = status
        self._channel = names.workers
        self._every_s = every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to say it; an absent Redis is no error."""
        self._task = asyncio.create_task(self._run(), name="worker-status")

    async def stop(self) -> None:
        """Say nothing any more, and disconnect."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._client.aclose()

    async def _run(self) -> None:
        while True:
            status = self._status()
            if status is not None:
                with contextlib.suppress(RedisError, OSError):  # the views of readings log that Redis is gone
                    await self._client.publish(self._channel, _encode(status))
            await asyncio.sleep(self._every_s)

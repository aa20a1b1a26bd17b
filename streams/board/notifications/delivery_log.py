"""What was delivered to whom, in Redis, where all boards see it and a board that starts again finds it.

A lease keeps two boards from delivering at once. A board that dies between a delivery and its record delivers again after the
lease: at least once, and once in all other cases.
"""

from collections.abc import Collection
from typing import Any

from redis.asyncio import Redis

from streams.sinks.redis_names import RedisNames

#: Since when a recipient is known; what was done before is no news.
SINCE = "since"
LEASE_MS = 120_000
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class DeliveryLog:
    """The deliveries to one recipient; what Redis has lost while the board ran is written again."""

    def __init__(self, redis: Redis, names: RedisNames, recipient: str, board_id: str) -> None:
        self._redis = redis
        self._names = names
        self._recipient = recipient
        self._board_id = board_id
        self.delivered: dict[str, int] = {}

    async def begin(self, now_ms: int) -> None:
        """Read what is known.

        Raises:
            RedisError, OSError: when Redis does not answer.
        """
        await self._redis.hsetnx(self._key, SINCE, str(now_ms))
        await self.read()

    async def read(self) -> None:
        """Read what any board has delivered.

        Raises:
            RedisError, OSError: when Redis does not answer.
        """
        found: dict[Any, Any] = await self._redis.hgetall(self._key)
        stored = {name.decode(errors="replace"): int(at) for name, at in found.items() if at.isdigit()}
        lost = self.delivered.keys() - stored.keys()
        if lost:
            await self._redis.hset(self._key, mapping={name: str(self.delivered[name]) for name in lost})
        self.delivered |= stored

    async def claim(self) -> bool:
        """Whether this board may deliver now.

        Raises:
            RedisError, OSError: when Redis does not answer.
        """
        return bool(await self._redis.set(self._lease, self._board_id, nx=True, px=LEASE_MS))

    async def release(self) -> None:
        """Let another board deliver.

        Raises:
            RedisError, OSError: when Redis does not answer; the lease then ends by itself.
        """
        await self._redis.eval(_RELEASE, 1, self._lease, self._board_id)

    async def record(self, notice_ids: Collection[str], now_ms: int) -> None:
        """Write down what was delivered; known here at once, whatever Redis says.

        Raises:
            RedisError, OSError: when Redis does not answer.
        """
        self.delivered |= dict.fromkeys(notice_ids, now_ms)
        await self._redis.hset(self._key, mapping=dict.fromkeys(notice_ids, str(now_ms)))

    async def forget(self, before_ms: int, kept: Collection[str]) -> None:
        """Forget what was delivered before an instant, but for what is still to be known.

        Raises:
            RedisError, OSError: when Redis does not answer.
        """
        old = [
            name
            for name, at in self.delivered.items()
            if at < before_ms and name != SINCE and name not in kept
        ]
        if old:
            await self._redis.hdel(self._key, *old)
        for name in old:
            del self.delivered[name]

    @property
    def _key(self) -> str:
        """Ids of notices with the instants at which they were delivered, and ``SINCE``."""
        return self._names.name(f"board:delivered:{self._recipient}")

    @property
    def _lease(self) -> str:
        return self._names.name(f"board:delivering:{self._recipient}")

"""The board's view of Redis: cards and columns as the controller writes them, kept up to date.

The channel makes it quick, a look at the whole hash every few seconds makes it right: a message may be
lost, and a card that goes is not announced. A message that is no card asks for such a look at once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from metrics.values.errors import UNREADABLE, SettingError
from streams.board.alert_notes import KEPT_MS, AlertNote, AlertNotes
from streams.board.auth import SESSION_MS, EndedSessions, Session
from streams.board.card_store import CardStore
from streams.sinks.redis_names import OWNER, ForeignOwnerError, RedisNames
from streams.sinks.worker_watch import WorkerWatch

#: Messages handed on at once; between two such batches the event loop breathes.
_BATCH = 200
_POLL_S = 0.25
_LOOK_EVERY_S = 2.5
_RETRY_EVERY_S = 1.0

_logger = logging.getLogger(__name__)


def client(url: str) -> Redis:
    """A client that gives up soon: waiting and trying again is done here, in one place.

    Raises:
        SettingError: when the URL is none.
    """
    try:
        return Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0))
    except (ValueError, TypeError):
        raise SettingError(
            "ROISTREAM_REDIS_URL: this is no address of a Redis; write it like redis://:password@host:6379/0."
        ) from None  # the cause may quote the password


async def tell_ended(redis: Redis, names: RedisNames, session: Session) -> None:
    """Tell other boards, and this one when it starts again, that a session has ended.

    Raises:
        RedisError, OSError: when Redis does not answer.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        pipeline.hset(names.board_ended, session.session_id, str(session.expires_at))
        pipeline.pexpire(names.board_ended, SESSION_MS)
        await pipeline.execute()


async def tell_notes(
    redis: Redis, names: RedisNames, firing: Sequence[AlertNote], resolved: Sequence[str]
) -> None:
    """Tell other boards, and this one when it starts again, which alerts on the pipeline fire.

    Raises:
        RedisError, OSError: when Redis does not answer.
    """
    async with redis.pipeline(transaction=False) as pipeline:
        for note in firing:
            pipeline.hset(names.board_notes, note.note_id, msgspec.json.encode(note))
        if resolved:
            pipeline.hdel(names.board_notes, *resolved)
        pipeline.pexpire(names.board_notes, KEPT_MS)
        await pipeline.execute()


class RedisSubscriber:
    """Follows Redis into ``cards`` until stopped.

    Attributes:
        is_up: whether Redis was read as it should; False before the first look.
        names: of the deployment; the owner is known once the board has asked the broker.
        refusal: why Redis is not read, where its keys belong to another deployment; else None.
    """

    def __init__(
        self,
        redis: Redis,
        cards: CardStore,
        ended: EndedSessions,
        workers: WorkerWatch,
        notes: AlertNotes,
        publish: Callable[..., None],
        *,
        names: RedisNames = RedisNames(),  # noqa: B008 - immutable
        look_every_s: float = _LOOK_EVERY_S,
        retry_every_s: float = _RETRY_EVERY_S,
    ) -> None:
        """Nothing is connected before ``run``.

        Args:
            redis: a client without decoding.
            cards: kept up to date.
            ended: kept up to date with sessions that other boards have ended.
            workers: kept up to date with what workers say of themselves.
            notes: kept up to date with the alerts that fire.
            publish: hears ``changed``, ``removed`` and ``columns`` (see ``Listener.notify``), and ``notice``.
            names: of the deployment, since several may share a Redis.
            look_every_s: how often the whole hash is read.
            retry_every_s: how long to wait for a Redis that does not answer.
        """
        self._redis = redis
        self._cards = cards
        self._ended = ended
        self._workers = workers
        self._notes = notes
        self._publish = publish
        self._look_every_s = look_every_s
        self._retry_every_s = retry_every_s
        self.names = names
        self.is_up = False
        self.refusal: str | None = None

    async def run(self) -> None:
        """Follow until cancelled; a Redis that is gone is waited for."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as channel:
                    await channel.subscribe(self.names.board, self.names.workers)
                    self._workers.not_listening(asyncio.get_running_loop().time())
                    await self._follow(channel)
            except ForeignOwnerError as error:
                self._refuse(error)
            except (RedisError, OSError) as error:
                self._lost(error)
            await asyncio.sleep(self._retry_every_s)

    async def _follow(self, channel: Any) -> None:
        loop = asyncio.get_running_loop()
        looked_at = -self._look_every_s
        while True:
            if loop.time() - looked_at >= self._look_every_s:
                await self._look()
                looked_at = loop.time()
            changed, is_more = await self._listen(channel)
            if is_more:
                looked_at = -self._look_every_s
            if changed:
                columns = self._cards.replace_columns(await self._hash(self.names.board_columns))
                self._publish(changed=changed, columns=columns)

    async def _listen(self, channel: Any) -> tuple[set[str], bool]:
        """Campaigns whose cards came by the channel, and whether something else came, which asks for a look.

        Waits a moment for the first message, then takes what is there.
        """
        changed: set[str] = set()
        is_more = False
        for number in range(_BATCH):
            message = await channel.get_message(timeout=0.0 if number else _POLL_S)
            if message is None:
                break
            if message["channel"] == self.names.workers.encode():
                with contextlib.suppress(*UNREADABLE):
                    self._workers.take(message["data"], asyncio.get_running_loop().time())
                continue
            try:
                campaign_id = self._cards.offer(message["data"])
            except UNREADABLE:
                is_more = True
                continue
            changed |= {campaign_id} if campaign_id is not None else set()
        return changed, is_more

    async def _look(self) -> None:
        """The whole of it. Messages that came before are older than what it says, later ones are newer."""
        owner = await self._hash_field(self.names.views, OWNER)
        self.names.check(owner)
        self.refusal = None
        changes = self._cards.replace(await self._hash(self.names.board))
        columns = self._cards.replace_columns(await self._hash(self.names.board_columns))
        ended = await self._hash(self.names.board_ended)
        self._ended.restore({name: int(at) for name, at in ended.items() if at.isdigit()})
        self._notes.replace(await self._hash(self.names.board_notes))
        if changes.changed or changes.removed or columns:
            self._publish(changed=changes.changed, removed=changes.removed, columns=columns)
        if not self.is_up:
            self.is_up = True
            _logger.info("Redis is read: %d cards.", len(self._cards.cards))
            self._publish(notice={"redis": True})

    async def _hash(self, name: str) -> dict[str, bytes]:
        found: dict[Any, Any] = await self._redis.hgetall(name)
        return {key.decode(errors="replace"): value for key, value in found.items()}

    async def _hash_field(self, name: str, field: str) -> str | None:
        asked: Any = self._redis.hget(name, field)
        found: bytes | None = await asked
        return None if found is None else found.decode(errors="replace")

    def _refuse(self, error: ForeignOwnerError) -> None:
        if self.refusal is None:
            _logger.error("%s The board shows nothing of it.", error)
            self._publish(notice={"redis": False})
        self.is_up, self.refusal = False, str(error)

    def _lost(self, error: Exception) -> None:
        if self.is_up:
            self._publish(notice={"redis": False})
            _logger.warning(
                "Redis does not answer (%s); the board shows what it last said. Check ROISTREAM_REDIS_URL.",
                type(error).__name__,
            )
        self.is_up = False

"""The board in Redis: a card per campaign and the columns, never in the caller's way.

``roistream:board`` holds the cards, ``roistream:board:columns`` the columns; each card that changed is also sent on
the channel ``roistream:board``. A card is written only over an older one: its version is kept beside it in
``roistream:board:revisions``. Losing Redis loses nothing: everything is offered again after each reconnect, and now
and then, since Redis may have been emptied without a word.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec
from redis.exceptions import RedisError

from metrics.budget.records import BoardCard, ColumnView
from streams.sinks import redis_scripts
from streams.sinks.redis_names import ForeignOwnerError, RedisNames
from streams.sinks.redis_readings import client_of, version
from streams.stages.budget.stage import BudgetViews
from streams.state.checkpoint import Checkpoint

_CHUNK = 200
_OFFER_AGAIN_S = 30.0
_RETRY_S = 1.0

_logger = logging.getLogger(__name__)


class _Waiting(NamedTuple):
    version: str
    card: BoardCard


class BoardViews:
    """Writes cards behind the caller's back; start, offer, stop."""

    def __init__(
        self,
        url: str,
        ttl_ms: int,
        on_refill: Callable[[], None],
        *,
        names: RedisNames = RedisNames(),  # noqa: B008 - immutable
        again_s: float = _OFFER_AGAIN_S,
    ) -> None:
        """Nothing is connected before ``start``.

        Args:
            url: of a Redis.
            ttl_ms: the keys expire that long after the last change.
            on_refill: offers every card again.
            names: of the deployment, since several may share a Redis.
            again_s: how often that is done without a reason.
        """
        self._client = client_of(url)
        self._ttl_ms = ttl_ms
        self._on_refill = on_refill
        self._again_s = again_s
        self._names = names
        self._write = self._client.register_script(redis_scripts.WRITE)
        self._set_fields = self._client.register_script(redis_scripts.SET_FIELDS)
        self._encode = msgspec.json.Encoder().encode
        self._cards: dict[str, _Waiting] = {}
        self._columns: dict[str, bytes] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    def offer(self, cards: Sequence[BoardCard], columns: Mapping[str, ColumnView], birth: int) -> None:
        """Take cards and all columns; returns at once. Of one campaign the newest card waits."""
        for card in cards:
            offered = _Waiting(version(birth, card.revision), card)
            held = self._cards.get(card.campaign_id)
            if held is None or held.version <= offered.version:
                self._cards[card.campaign_id] = offered
        self._columns = {name: self._encode(view) for name, view in columns.items()}
        self._wake.set()

    def confirmed(self, checkpoint: Checkpoint) -> None:
        """Take the cards of a step."""
        views = checkpoint.views
        if isinstance(views, BudgetViews) and views.cards:
            self.offer(views.cards, views.columns, checkpoint.birth)

    def released(self, partitions: Iterable[int]) -> None:
        """Nothing: the next owner writes newer cards over these."""

    async def start(self) -> None:
        """Begin to write; an absent Redis is no error."""
        self._task = asyncio.create_task(self._run(), name="board-views")

    async def stop(self, deadline_s: float = 2) -> None:
        """Write what waits if Redis answers in time, and disconnect."""
        self._is_stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=deadline_s)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._client.aclose()

    async def _run(self) -> None:
        is_up = True
        while True:
            is_last = self._is_stopping
            try:
                await self._flush()
                is_up = True
            except ForeignOwnerError:  # the views of readings log it; a later look may find the keys given up
                self._cards.clear()
            except (RedisError, OSError) as error:
                if is_up:
                    _logger.warning(
                        "The board is not written to Redis (%s); nothing is lost.", type(error).__name__
                    )
                is_up = False
                await asyncio.sleep(_RETRY_S)
                self._on_refill()
            if is_last:
                return
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(self._again_s):
                await self._wake.wait()
        except TimeoutError:
            self._on_refill()
        self._wake.clear()

    async def _flush(self) -> None:
        columns, self._columns = self._columns, {}
        names = self._names
        keys = [names.board, names.name("board:revisions"), names.name("board:views"), names.views]
        while self._cards:
            chunk = list(islice(self._cards.values(), _CHUNK))
            arguments: list[str | int | bytes] = [names.owner, "board", self._ttl_ms, names.board]
            for waiting in chunk:
                arguments += (waiting.card.campaign_id, waiting.version, self._encode(waiting.card))
            _check_taken(await self._write(keys=keys, args=arguments))
            for waiting in chunk:
                if self._cards.get(waiting.card.campaign_id) is waiting:
                    del self._cards[waiting.card.campaign_id]
        if columns:
            fields = [part for each in columns.items() for part in each]
            arguments = [names.owner, self._ttl_ms, *fields]
            _check_taken(await self._set_fields(keys=[names.board_columns, names.views], args=arguments))


def _check_taken(answer: int) -> None:
    if answer < 0:
        raise ForeignOwnerError("The keys belong to another deployment; nothing was written.")

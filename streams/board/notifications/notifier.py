"""Follows the board for each recipient and delivers what is due: beside the board, with back-off, at least once (D108)."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import ClientSession
from redis.asyncio import Redis
from redis.exceptions import RedisError

from metrics.values.time import DAY, HOUR, format_instant
from streams.board.alert_notes import AlertNote, AlertNotes
from streams.board.audit_trail import AuditTrail
from streams.board.card_store import CardStore
from streams.board.notifications.deliveries import DeliveryError, Parcel, deliver, parcel_id_of
from streams.board.notifications.delivery_log import SINCE, DeliveryLog
from streams.board.notifications.notices import (
    NEWS_MS,
    Mention,
    Notice,
    digest_of,
    digest_since,
    done,
    due_digest,
    mentions,
    waiting,
)
from streams.board.notifications.recipients import Recipient, RecipientsFile
from streams.board.notifications.wording import Wording
from streams.process import end_tasks
from streams.sinks.redis_names import RedisNames

_LOOK_EVERY_S = 2.0
#: After a delivery: what comes in a burst is one message.
_REST_S = 10.0
_FIRST_RETRY_S, _LAST_RETRY_S = 5.0, 900.0
_KEPT_MS = 8 * DAY
_TIDY_EVERY_MS = HOUR
_DIGEST = "digest|"

_logger = logging.getLogger(__name__)


class BoardState(NamedTuple):
    """What the board knows, as a notifier asks for it."""

    cards: CardStore
    audit_trail: AuditTrail
    notes: AlertNotes
    figures_age_ms: Callable[[], int | None]
    #: Names that a comment can mention.
    people: Callable[[], Sequence[str]]
    #: Whether cards and trail have been read up to now: before, what is missing proves nothing.
    is_read: Callable[[], bool]


class Pauses(NamedTuple):
    """How long to wait, in seconds: between two looks, after a delivery, after the first failure and at most."""

    look_s: float = _LOOK_EVERY_S
    rest_s: float = _REST_S
    first_retry_s: float = _FIRST_RETRY_S
    last_retry_s: float = _LAST_RETRY_S

    def after(self, failures: int) -> float:
        """The pause after so many failures in a row.

        >>> [Pauses().after(count) for count in (1, 2, 3, 20)]
        [5.0, 10.0, 20.0, 900.0]
        """
        return min(self.last_retry_s, self.first_retry_s * 2.0 ** min(failures - 1, 20))


class DeliveryCounts:
    """What was delivered and what failed, by channel, for ``/metrics``."""

    def __init__(self) -> None:
        self.delivered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        #: By recipient: since when deliveries fail, in epoch ms.
        self.failing: dict[str, int] = {}


class Notifier:
    """All recipients of a board.

    Args:
        file: the recipients.
        zone: of recipients that name none.
        state: what the board knows.
        redis: where deliveries are recorded.
        board_id: of this process, unlike that of any other.
        note: shows notes on every board: those that begin, and ids of those that are over.
        now_ms: wall clock in epoch milliseconds.
        names: of keys in Redis.
    """

    def __init__(
        self,
        file: RecipientsFile,
        zone: ZoneInfo,
        state: BoardState,
        redis: Redis,
        board_id: str,
        note: Callable[[Sequence[AlertNote], Sequence[str]], Awaitable[int]],
        now_ms: Callable[[], int],
        pauses: Pauses | None = None,
        names: RedisNames = RedisNames(),  # noqa: B008 - immutable
    ) -> None:
        self._file = file
        self._zone = zone
        self._state = state
        self._redis = redis
        self._board_id = board_id
        self._note = note
        self._now_ms = now_ms
        self._pauses = pauses or Pauses()
        self._names = names
        self.counts = DeliveryCounts()

    @property
    def recipients(self) -> Sequence[str]:
        """Names of those who are notified."""
        return list(self._file.recipients)

    @property
    def has_recipients(self) -> bool:
        """Whether there is anybody to notify."""
        return bool(self._file.recipients)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with ClientSession() as http:
            tasks = [
                asyncio.create_task(self._follow(name, recipient, http), name=f"board-notify-{name}")
                for name, recipient in self._file.recipients.items()
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await end_tasks(tasks)
                await self._release()

    async def _release(self) -> None:
        """Leave no lease behind: one that was asked for as the board stopped would hold the next board up until its end."""
        for name in self._file.recipients:
            with contextlib.suppress(RedisError, OSError):
                await DeliveryLog(self._redis, self._names, name, self._board_id).release()

    async def _follow(self, name: str, recipient: Recipient, http: ClientSession) -> None:
        wording = Wording(recipient.language, self._zone_of(recipient), self._file.board)
        log = DeliveryLog(self._redis, self._names, name, self._board_id)
        failures, is_proved, is_begun = 0, False, False
        tidied_ms = self._now_ms()
        while True:
            pause = self._pauses.look_s
            try:
                if not is_begun:
                    await log.begin(self._now_ms())
                    is_begun = True
                if self._state.is_read() and await self._deliver(name, recipient, wording, log, http):
                    if failures or not is_proved:  # a note may be left of before the board started
                        await self._well_again(name, failures)
                    pause, failures, is_proved = self._pauses.rest_s, 0, True
                if self._now_ms() - tidied_ms >= _TIDY_EVERY_MS:
                    tidied_ms = self._now_ms()
                    await log.forget(tidied_ms - _KEPT_MS, [each.notice_id for each in self._waiting()])
            except DeliveryError as error:
                failures += 1
                pause = self._pauses.after(failures)
                await self._failed(name, recipient, failures, pause, error)
            except (RedisError, OSError) as error:
                # Without the record of deliveries nothing is sent, so that nothing is sent twice.
                _logger.debug("Deliveries to %s wait for Redis (%s).", name, type(error).__name__)
            except Exception:
                # A fault of ours in one recipient's messages must not end the board; no value of a message is logged.
                failures += 1
                pause = self._pauses.after(failures)
                self.counts.failed[recipient.channel] += 1
                _logger.exception("Messages to %s cannot be made; trying again in %.0f s.", name, pause)
            await asyncio.sleep(pause)

    async def _deliver(
        self, name: str, recipient: Recipient, wording: Wording, log: DeliveryLog, http: ClientSession
    ) -> bool:
        """Deliver what is due; whether something was.

        Raises:
            DeliveryError: when the receiver did not confirm.
            RedisError, OSError: when Redis does not answer.
        """
        if not self._due(name, recipient, log) or not await log.claim():
            return False
        try:
            await log.read()  # another board may have been quicker
            is_delivered = False
            for ids, parcel in self._parcels(name, recipient, wording, log):
                await deliver(parcel, recipient, self._file.smtp, http)
                self.counts.delivered[recipient.channel] += 1
                is_delivered = True
                await log.record(ids, self._now_ms())
        finally:
            with contextlib.suppress(RedisError, OSError):
                await log.release()
        return is_delivered

    def _due(self, name: str, recipient: Recipient, log: DeliveryLog) -> bool:
        is_news = self._notices(recipient, log) or self._mentions(name, recipient, log)
        return bool(is_news) or self._digest_id(recipient, log) is not None

    def _mentions(self, name: str, recipient: Recipient, log: DeliveryLog) -> list[Mention]:
        if "mentioned" not in recipient.about:
            return []
        after = max(log.delivered[SINCE], self._now_ms() - NEWS_MS)
        found = mentions(self._state.audit_trail.after(after), name, self._state.people(), after)
        return [each for each in found if each.notice_id not in log.delivered]

    def _notices(self, recipient: Recipient, log: DeliveryLog) -> list[Notice]:
        after = max(log.delivered[SINCE], self._now_ms() - NEWS_MS)
        found = self._waiting() if "waiting" in recipient.about else []
        found += done(self._state.audit_trail.after(after), after) if "done" in recipient.about else []
        return [each for each in found if each.notice_id not in log.delivered]

    def _waiting(self) -> list[Notice]:
        return waiting(self._state.cards.cards.values())

    def _digest_id(self, recipient: Recipient, log: DeliveryLog) -> str | None:
        at = recipient.digest_at
        found = None if at is None else due_digest(at, self._zone_of(recipient), self._now_ms())
        return None if found in log.delivered else found

    def _parcels(
        self, name: str, recipient: Recipient, wording: Wording, log: DeliveryLog
    ) -> list[tuple[list[str], Parcel]]:
        """What is due, each with the ids that it delivers."""
        now, cards = self._now_ms(), self._state.cards.cards
        found = []
        notices, comments = self._notices(recipient, log), self._mentions(name, recipient, log)
        if notices or comments:
            ids = [*(each.notice_id for each in notices), *(each.notice_id for each in comments)]
            message = wording.notices(notices, cards, now, comments)
            parcel = Parcel(parcel_id_of(name, ids), message, notices, recipient.language, now, comments)
            found.append((ids, parcel))
        digest_id, at = self._digest_id(recipient, log), recipient.digest_at
        if digest_id is not None and at is not None:
            last = max((each for key, each in log.delivered.items() if key.startswith(_DIGEST)), default=None)
            since = digest_since(last, at, self._zone_of(recipient), now)
            digest = digest_of(digest_id, since, cards, self._state.audit_trail.after(since), now)
            message = wording.digest(
                digest, cards, self._state.figures_age_ms(), self._state.notes.now(now), now
            )
            contents = [*digest.waiting, *digest.done]
            found.append(
                (
                    [digest_id],
                    Parcel(parcel_id_of(name, [digest_id]), message, contents, recipient.language, now),
                )
            )
        return found

    def _zone_of(self, recipient: Recipient) -> ZoneInfo:
        return self._zone if recipient.timezone is None else ZoneInfo(recipient.timezone)

    async def _failed(
        self, name: str, recipient: Recipient, failures: int, pause: float, error: DeliveryError
    ) -> None:
        self.counts.failed[recipient.channel] += 1
        begun = format_instant(self.counts.failing.setdefault(name, self._now_ms()))
        _logger.warning(
            "%s was not notified by %s: %s; trying again in %.0f s.", name, recipient.channel, error, pause
        )
        summary = f"{name} is not notified by {recipient.channel}: {error}; {failures} tries so far"
        await self._note(
            [AlertNote(f"notify|{name}", "NotificationsFail", "warning", summary, begun, self._now_ms())], []
        )

    async def _well_again(self, name: str, failures: int) -> None:
        """Take back the note of failures."""
        self.counts.failing.pop(name, None)
        if failures:
            _logger.info("%s is notified again.", name)
        await self._note([], [f"notify|{name}"])

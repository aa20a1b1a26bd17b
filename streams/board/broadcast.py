"""News for open pages: one subscriber per page, each with what it has not been sent yet. Knows no HTTP and no Redis.

A subscriber holds names, not values: a page that is slow gets the newest value of each card once, and costs
no more memory than one name per campaign and a bounded list of trail entries.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from metrics.budget.effects.records import BudgetEffect
from streams.board.audit_trail import AuditEntry
from streams.board.card_store import CardStore

#: A page shows the newest entries; older ones it asks for.
_ENTRIES = 200

Event = tuple[str, bytes]
_encode = msgspec.json.Encoder().encode


class Subscriber:
    """What one page has not been sent yet."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.is_ended = False
        self._is_new = True
        self._changed: set[str] = set()
        self._removed: set[str] = set()
        self._has_columns = False
        self._entries: deque[AuditEntry] = deque(maxlen=_ENTRIES)
        self._effects: dict[str, BudgetEffect] = {}
        self._notice: dict[str, Any] | None = None

    def notify(
        self,
        changed: Iterable[str] = (),
        removed: Iterable[str] = (),
        *,
        columns: bool = False,
        entries: Iterable[AuditEntry] = (),
        effects: Mapping[str, BudgetEffect] | None = None,
        notice: dict[str, Any] | None = None,
    ) -> None:
        """Take in what is news."""
        self._changed.update(changed)
        self._removed.update(removed)
        self._has_columns |= columns
        self._entries.extend(entries)
        self._effects.update(effects or {})
        self._notice = notice or self._notice
        self.wake.set()

    def take(self, cards: CardStore) -> list[Event]:
        """Everything to be told now; the first time the whole board."""
        self.wake.clear()
        is_new, self._is_new = self._is_new, False
        changed, self._changed = self._changed, set()
        removed, self._removed = self._removed, set()
        has_columns, self._has_columns = self._has_columns or is_new, False
        events = []
        if is_new or changed or removed or has_columns:
            sent = cards.encoded.keys() if is_new else changed & cards.encoded.keys()
            board: dict[str, Any] = {"cards": [cards.encoded[each] for each in sent]}
            board["removed"] = sorted(removed - cards.encoded.keys())
            if is_new:
                board["full"] = True
            if has_columns:
                board["columns"] = cards.columns
            events.append(("board", _encode(board)))
        if self._entries:
            events.append(("trail", _encode(list(self._entries))))
            self._entries.clear()
        if self._effects:
            events.append(("effects", _encode(list(self._effects.values()))))
            self._effects = {}
        if self._notice is not None:
            events.append(("health", _encode(self._notice)))
            self._notice = None
        return events


class Broadcast:
    """All listeners."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()

    def __len__(self) -> int:
        return len(self._subscribers)

    @contextlib.contextmanager
    def subscription(self) -> Iterator[Subscriber]:
        """A listener for as long as the context lasts."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def publish(self, **news: Any) -> None:
        """Every listener hears it; the words are those of ``Subscriber.notify``."""
        for subscriber in self._subscribers:
            subscriber.notify(**news)

    def end(self) -> None:
        """Let every page go."""
        for subscriber in self._subscribers:
            subscriber.is_ended = True
            subscriber.wake.set()

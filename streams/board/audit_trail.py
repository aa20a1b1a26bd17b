"""The audit trail: every decision, alert and action, newest last, once each. Pure; knows no topic's reader."""

import bisect
from datetime import datetime
from typing import Any, Literal, NamedTuple

import msgspec

from metrics.budget.records import AlertSignal, BudgetAction, BudgetDecision
from metrics.records.validation import instant
from metrics.values.errors import UNREADABLE, Rejection
from metrics.values.time import format_instant, to_millis

Kind = Literal["decision", "alert", "action"]
_DECODERS: dict[Kind, Any] = {
    "decision": msgspec.json.Decoder(BudgetDecision),
    "alert": msgspec.json.Decoder(AlertSignal),
    "action": msgspec.json.Decoder(BudgetAction),
}


class AuditEntry(msgspec.Struct, frozen=True):
    """One line of the trail; ``record`` is what stands on the topic."""

    kind: Kind
    id: str
    campaign_id: str
    at: str
    record: BudgetDecision | AlertSignal | BudgetAction


class _TimedEntry(NamedTuple):
    at_ms: int
    entry: AuditEntry


def entry_of(kind: Kind, value: bytes) -> AuditEntry:
    """The entry of a record.

    Raises:
        Rejection: when its time is none.
        msgspec.DecodeError: when it is no such record.
    """
    record = _DECODERS[kind].decode(value)
    if isinstance(record, BudgetDecision):
        at, name = format_instant(instant(record.occurred_at, "occurred_at")), record.decision_id
    elif isinstance(record, AlertSignal):
        at, name = format_instant(instant(record.received_at, "received_at")), record.alert_id
    else:
        at, name = record.decided_at, record.action_id
    return AuditEntry(kind, name, record.campaign_id, at, record)


class AuditTrail:
    """The newest entries, at most ``limit``; a record that is delivered again is not told again.

    Partitions are read at once, so entries come in another order than they were written in: they are
    kept by their time.
    """

    def __init__(self, limit: int = 20_000) -> None:
        self._limit = limit
        self._known: dict[tuple[Kind, str], AuditEntry] = {}
        self._entries: list[_TimedEntry] = []
        self._last: dict[str, _TimedEntry] = {}

    def offer(self, kind: Kind, value: bytes) -> AuditEntry | None:
        """Take in a record of a topic; its entry when it is news. What is no record is passed over."""
        try:
            entry = entry_of(kind, value)
            at_ms = to_millis(msgspec.convert(entry.at, type=datetime))
        except (*UNREADABLE, Rejection, TypeError):
            return None
        except (ArithmeticError, ValueError):  # numbers no decimal can hold
            return None
        if (kind, entry.id) in self._known:
            return None
        self._known[kind, entry.id] = entry
        self._insert(_TimedEntry(at_ms, entry))
        if isinstance(entry.record, BudgetDecision) and entry.record.verb != "comment":
            last = self._last.get(entry.campaign_id)
            if last is None or last.at_ms <= at_ms:
                self._last[entry.campaign_id] = _TimedEntry(at_ms, entry)
        return entry

    def decision(self, decision_id: str) -> BudgetDecision | None:
        """The decision of that id, where the trail still holds it."""
        entry = self._known.get(("decision", decision_id))
        return entry.record if entry is not None and isinstance(entry.record, BudgetDecision) else None

    def last_decision(self, campaign_id: str) -> BudgetDecision | None:
        """The last decision on a campaign that is no comment, also where its entry is forgotten."""
        last = self._last.get(campaign_id)
        return (
            last.entry.record if last is not None and isinstance(last.entry.record, BudgetDecision) else None
        )

    @property
    def people(self) -> set[str]:
        """Who decided or said something that the trail still holds."""
        records = (place.entry.record for place in self._entries)
        return {each.by for each in records if isinstance(each, BudgetDecision) and each.by}

    def newest(self, campaign_id: str | None = None, limit: int = 200) -> list[AuditEntry]:
        """Entries of one campaign or of all, the newest first."""
        found: list[AuditEntry] = []
        for place in reversed(self._entries):
            if len(found) >= limit:
                break
            if campaign_id in {None, place.entry.campaign_id}:
                found.append(place.entry)
        return found

    def after(self, at_ms: int) -> list[AuditEntry]:
        """Entries of later instants, the oldest first."""
        return [place.entry for place in self._entries[bisect.bisect_right(self._entries, at_ms, key=_at) :]]

    def _insert(self, place: _TimedEntry) -> None:
        bisect.insort(self._entries, place, key=_at)
        if len(self._entries) > self._limit:
            forgotten = self._entries.pop(0).entry
            self._known.pop((forgotten.kind, forgotten.id), None)


def _at(place: _TimedEntry) -> int:
    return place.at_ms

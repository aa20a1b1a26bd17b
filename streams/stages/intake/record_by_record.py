"""The way of sources whose records are few: each is judged, admitted and applied by itself."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, final

import msgspec

from metrics.records.reserved_names import ReservedNames
from metrics.sums.contribution import Contribution
from metrics.values.errors import Rejection
from metrics.windows.panes import Horizon, Panes
from streams.messages.decoding import DECODERS, decode_slice
from streams.messages.source_records import SourceRecord, SourceRecords
from streams.stages.intake.admission import Admission


class Applied(msgspec.Struct, frozen=True, gc=False):
    """What a judged record is, and does.

    Attributes:
        contributions: what it adds to sums.
        verdict: whether it counts as a fact of its own or as a change of one, says nothing new, or contradicts another
            record of its id.
        detail: of a conflict, for whoever mends the source.
    """

    contributions: Sequence[Contribution] = ()
    verdict: Literal["applied", "changed", "duplicate", "conflict"] = "applied"
    detail: str = ""


#: Says nothing new.
REPEATED = Applied(verdict="duplicate")


@final
class Judged(msgspec.Struct, frozen=True, gc=False):
    """A record that stands.

    Attributes:
        identity: the id by which the record is told from its repetitions.
        apply: applies it; given which panes accept facts, and for ``identity`` and each of ``others`` whether a record with it was
            applied before. None when the record is older than every window that could hold it. Raises a ``Rejection``, and changes
            nothing, when what the record belongs to holds as much as may be kept of one key.
        others: further ids that are remembered with it.
        notes_change: whether the last of those is remembered only where the record is a change of an earlier one.
    """

    identity: str
    apply: Callable[[Horizon, Sequence[bool]], Applied | None]
    others: tuple[str, ...] = ()
    notes_change: bool = False


#: Before every event time.
NEVER = -(1 << 62)


#: As ``Judged``, of a source whose repetitions say nothing new: the id, and what a record adds (None when it is too late).
Plain = tuple[str, Callable[[Horizon], Sequence[Contribution] | None]]


def _judged(plain: Plain) -> Judged:
    identity, add = plain

    def apply(limits: Horizon, known: Sequence[bool]) -> Applied | None:
        if known[0]:
            return REPEATED
        added = add(limits)
        return None if added is None else Applied(added)

    return Judged(identity, apply)


class RecordSource(Protocol):
    """What differs between such sources."""

    def homes(self, records: Sequence[SourceRecord], events: Sequence[Any]) -> Sequence[int | None]:
        """The partition of each record's person; None where nothing says."""
        ...

    def judge(self, record: SourceRecord, event: Any, home: int | None) -> Judged | Plain:
        """How a record applies.

        Raises:
            Rejection: when the record is wrong.
        """
        ...

    def finish(self, limits: Horizon) -> None:
        """All records of a slice were applied."""
        ...


class RecordByRecord:
    """The handler of one such source topic.

    Args:
        admission: verdicts.
        source: judges and applies.
        panes: where contributions are added.
        names: texts that stand for missing names.
    """

    def __init__(
        self, admission: Admission, source: RecordSource, panes: Panes, names: ReservedNames
    ) -> None:
        self._admission = admission
        self._source = source
        self._panes = panes
        self._names = names
        self._decoder = DECODERS[admission.topic]

    def take(self, source_records: SourceRecords, limits: Horizon, now: int) -> None:
        """Judge all records of a slice, then apply those that are new."""
        admission = self._admission
        judged = self._judge(list(source_records), now)
        identities = [identity for _, each in judged for identity in (each.identity, *each.others)]
        hashes = admission.hashes(identities)
        seen = admission.seen(hashes)
        values, place = hashes.tolist(), 0
        fresh: list[int] = []
        found: list[Contribution] = []
        latest = NEVER
        for record, each in judged:
            begin, place = place, place + 1 + (len(each.others) if each.others else 0)
            mine = values[begin:place]
            try:
                applied = each.apply(limits, [hashed in seen for hashed in mine])
            except Rejection as rejection:
                admission.refuse(record, rejection, now)
                continue
            if applied is None:
                admission.refuse_late(record, now)
                continue
            admission.note(record, applied.verdict, applied.detail, now)
            if applied.verdict == "duplicate":
                continue
            found += applied.contributions
            if each.notes_change and applied.verdict != "changed":
                mine.pop()
            for hashed in mine:
                if hashed not in seen:
                    seen.add(hashed)
                    fresh.append(hashed)
            latest = max(latest, record.timestamp)
        self._panes.fold(found, limits)
        self._source.finish(limits)
        admission.remember(fresh, latest)

    def _judge(self, records: Sequence[SourceRecord], now: int) -> list[tuple[SourceRecord, Judged]]:
        """The records that stand, each with how it applies; the others are refused. A call in here is felt by every lead."""
        source, found = self._source, list[tuple[SourceRecord, Judged]]()
        events = self._cleared(decode_slice(self._decoder, records))
        homes = source.homes(records, events)
        for record, event, home in zip(records, events, homes, strict=True):
            try:
                if type(event) is Rejection:
                    raise event
                each = source.judge(record, event, home)
            except Rejection as rejection:
                self._admission.refuse(record, rejection, now)
                continue
            found.append((record, each if type(each) is Judged else _judged(each)))
        return found

    def _cleared(self, events: Sequence[Any]) -> list[Any]:
        """Events without the texts that stand for missing names, and why each of the others is none."""
        cleared, found = self._names.cleared, list(events)
        for place, event in enumerate(found):
            if type(event) is not Rejection:
                try:
                    found[place] = cleared(event)
                except Rejection as rejection:
                    found[place] = rejection
        return found

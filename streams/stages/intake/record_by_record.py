"""The way of sources whose records are few: each is judged, admitted and applied by itself."""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Literal, Protocol

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


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A record that stands.

    Attributes:
        identity: the id by which the record is told from its repetitions.
        apply: applies it; given which panes accept facts, and for ``identity`` and each of ``others`` whether a record with it was
            applied before. None when the record is older than every window that could hold it. Raises a ``Rejection``, and changes
            nothing, when what the record belongs to holds as much as may be kept of one key.
        others: further ids that are remembered with it.
    """

    identity: str
    apply: Callable[[Horizon, Sequence[bool]], Applied | None]
    others: tuple[str, ...] = ()


#: Before every event time.
NEVER = -(1 << 62)


#: As ``Judged``, of a source whose repetitions say nothing new: the id, and what a record adds (None when it is too late).
Plain = tuple[str, Callable[[Horizon], Sequence[Contribution] | None]]


def _judged(judged: Judged | Plain) -> Judged:
    if isinstance(judged, Judged):
        return judged
    identity, add = judged

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
        admission, records = self._admission, list(source_records)
        events = list(map(self._cleared, decode_slice(self._decoder, records)))
        homes = self._source.homes(records, events)
        judged: list[tuple[SourceRecord, Judged]] = []
        identities: list[str] = []
        for record, event, home in zip(records, events, homes, strict=True):
            try:
                if isinstance(event, Rejection):
                    raise event
                each = _judged(self._source.judge(record, event, home))
            except Rejection as rejection:
                admission.refuse(record, rejection, now)
                continue
            judged.append((record, each))
            identities.append(each.identity)
            identities += each.others
        hashes = admission.hashes(identities)
        seen = admission.seen(hashes)
        remaining = iter(hashes.tolist())
        fresh: list[int] = []
        found: list[Contribution] = []
        latest = NEVER
        for record, each in judged:
            mine = [next(remaining), *islice(remaining, len(each.others))]
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
            for hashed in mine:
                if hashed not in seen:
                    seen.add(hashed)
                    fresh.append(hashed)
            latest = max(latest, record.timestamp)
        self._panes.fold(found, limits)
        self._source.finish(limits)
        admission.remember(fresh, latest)

    def _cleared(self, event: Any) -> Any:
        if isinstance(event, Rejection):
            return event
        try:
            return self._names.cleared(event)
        except Rejection as rejection:
            return rejection

"""The way of sources whose records are few: each is judged, admitted and applied by itself."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from metrics.records.reserved_names import ReservedNames
from metrics.sums.contribution import Contribution
from metrics.values.errors import Rejection
from metrics.windows.panes import Horizon, Panes
from streams.messages.decoding import DECODERS, decode_slice
from streams.messages.source_records import SourceRecord, SourceRecords
from streams.stages.intake.admission import Admission

#: Applies a judged record; None when it is older than every window that could hold it.
Apply = Callable[[Horizon], list[Contribution] | None]
#: Before every event time.
NEVER = -(1 << 62)


class RecordSource(Protocol):
    """What differs between such sources."""

    def homes(self, records: Sequence[SourceRecord], events: Sequence[Any]) -> Sequence[int | None]:
        """The partition of each record's person; None where nothing says."""
        ...

    def judge(self, record: SourceRecord, event: Any, home: int | None) -> tuple[str, Apply]:
        """The id by which a record is told from its repetitions, and how it applies.

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
        judged: list[tuple[SourceRecord, str, Apply]] = []
        for record, event, home in zip(records, events, homes, strict=True):
            try:
                if isinstance(event, Rejection):
                    raise event
                judged.append((record, *self._source.judge(record, event, home)))
            except Rejection as rejection:
                admission.refuse(record, rejection, now)
        hashes = admission.hashes([identity for _, identity, _ in judged])
        seen = admission.seen(hashes)
        fresh: list[int] = []
        found: list[Contribution] = []
        latest = NEVER
        for (record, _, apply), hashed in zip(judged, hashes.tolist(), strict=True):
            if hashed in seen:
                admission.counts.duplicate += 1
                continue
            contributions = apply(limits)
            if contributions is None:
                admission.refuse_late(record, now)
                continue
            found += contributions
            seen.add(hashed)
            fresh.append(hashed)
            latest = max(latest, record.timestamp)
            admission.counts.applied += 1
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

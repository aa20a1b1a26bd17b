"""Lines of a connector into records, refusals and states: a state is written when all before it is confirmed.

A connector's rows come one by one, and nothing says when those of one report are complete. So a mapping that adds rows
up is refused here: a group cut in two would be a report with a part of its money.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from metrics.records.dead_letters import dead_letter
from metrics.values.errors import Reason
from streams import topics
from streams.ingest.protocols import ConnectorState, RecordLine, StateLine, read_line
from streams.mapping.contract import IDENTITY
from streams.mapping.documents import Refusal, map_documents
from streams.mapping.engine import MappedRecord
from streams.mapping.headers import matches
from streams.mapping.model import Frame, Mapping, MappingError
from streams.mapping.provenance import traced
from streams.replay.file_readers import flat
from streams.replay.registrations import RegistrationCompletion, Standing, campaign_named

#: Lines that are mapped at once: a call of the database takes tens of milliseconds whatever their number.
BATCH = 2_000
_SKIPPED = "skipped: "
_NO_MESSAGE, _NOT_READ, _REFUSED = "not a message of the protocol", "a stream that is not read", "refused"
#: Campaigns that are remembered to be compared with what is registered.
_NAMED = 10_000
#: What a row has beside its own columns where it was deleted at its source: Singer taps, Airbyte connectors.
_DELETION_MARKS = ("_sdc_deleted_at", "_ab_cdc_deleted_at")
_DELETED = "deleted at its source, which the mapping does not read; cancel what the row has told, or read the mark as a column"
#: Why a line gave no record, besides what a mapping says.
REASONS = (_NO_MESSAGE, _NOT_READ, _REFUSED, _DELETED)


class IngestSink(Protocol):
    """Where records go."""

    def send(self, record: MappedRecord) -> None:
        """Hand over one record."""

    def confirm(self) -> None:
        """Return when everything handed over is written; raise when it is not."""


def check(database: Any, mappings: Sequence[Mapping]) -> None:
    """Refuse mappings that need more than one row for a record.

    Raises:
        MappingError: with what to do.
    """
    for mapping in mappings:
        if mapping.lookups:
            raise MappingError(
                f"mapping {mapping.name} looks up files, which a connector or a webhook does not bring; write one without [lookups]."
            )
        for select in mapping.select:
            where = f"{mapping.name}: {select.topic}"
            if (
                select.topic in IDENTITY
                and traced(database, where, select.sql, with_hash=False).kind == "rows"
            ):
                raise MappingError(
                    f"mapping {where}: rows are added up, and the rows of a connector or a webhook come one by one, so a report could hold a part "
                    "of them. Give each row a record of its own (reports of ads: with ad_id), without GROUP BY."
                )


@dataclass
class Ingestion:
    """One run of a connector."""

    database: Any
    mappings: Sequence[Mapping]
    sink: IngestSink
    state: ConnectorState
    connection: str
    #: Epoch milliseconds.
    now: Callable[[], int]
    #: Streams that are read; empty: all that a mapping takes.
    streams: frozenset[str] = frozenset()
    frame: Frame = field(default_factory=Frame)
    registered: RegistrationCompletion = field(default_factory=Standing)
    lines: int = 0
    written: Counter[str] = field(default_factory=Counter)
    #: Records by the campaign that they name, registrations left out.
    named: Counter[str] = field(default_factory=Counter)
    #: Rows without a record, by stream and reason.
    left: Counter[str] = field(default_factory=Counter)
    #: What people should know, such as a zone that nothing says.
    notes: set[str] = field(default_factory=set)
    states: int = 0
    _waiting: list[tuple[int, bytes, RecordLine]] = field(default_factory=list)
    _has_state: bool = False
    _registries: dict[tuple[str, str | None], bytes] = field(default_factory=dict)

    @property
    def is_waiting(self) -> bool:
        """Whether lines were taken in that are not written yet."""
        return bool(self._waiting) or self._has_state

    @property
    def refused(self) -> int:
        """Rows that went to the dead letters."""
        return sum(count for reason, count in self.left.items() if _SKIPPED not in reason)

    def take(self, line: bytes) -> None:
        """Take in a line; writes when many have come together."""
        self.lines += 1
        if not line.strip():
            return
        try:
            said = read_line(self.state.protocol, line)
            if isinstance(said, StateLine):
                self.state.take(said)
                self._has_state = True
        except ValueError as error:
            self.left[_NO_MESSAGE] += 1
            self._send_letter("", self.lines, line, Reason.INVALID_JSON, str(error))
            return
        if isinstance(said, RecordLine):
            self._waiting.append((self.lines, line, said))
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write the records that have come, and the last state once the broker has confirmed all of them."""
        by_stream: dict[str, list[tuple[int, bytes, RecordLine]]] = {}
        for entry in self._waiting:
            by_stream.setdefault(entry[2].stream, []).append(entry)
        for stream, entries in by_stream.items():
            self._map(stream, entries)
        self._waiting = []
        self.sink.confirm()
        kept = self.state.to_hand_back()
        if self._has_state and kept is not None:
            self.sink.send(MappedRecord(topics.INGEST_STATE, self.connection, kept, None))
            self.sink.confirm()
            self.states += 1
        self._has_state = False

    def _map(self, stream: str, entries: list[tuple[int, bytes, RecordLine]]) -> None:
        takers = [mapping for mapping in self.mappings if self._takes(mapping, stream)]
        if not takers:
            self.left[f"{stream}: {_SKIPPED}{_NOT_READ}"] += len(entries)
            return
        rows = [(entry, flat(entry[2].document)) for entry in entries]
        for mapping in takers:
            deleted = {
                place: mark for place, (_, row) in enumerate(rows) if (mark := _unread_deletion(row, mapping))
            }
            taken = [each for place, each in enumerate(rows) if place not in deleted]
            if deleted:
                gone = [Refusal(place, _DELETED, mark) for place, mark in deleted.items()]
                self._refuse_each(stream, entries, gone)
            if taken:
                self._map_rows(stream, mapping, taken)

    def _map_rows(
        self,
        stream: str,
        mapping: Mapping,
        rows: list[tuple[tuple[int, bytes, RecordLine], dict[str, str | None]]],
    ) -> None:
        try:
            records, refusals = map_documents(
                self.database, mapping, [row for _, row in rows], stream, self.frame, self.notes
            )
        except MappingError as error:
            records, refusals = [], [Refusal(place, _REFUSED, str(error)) for place in range(len(rows))]
        for record in records:
            self._write(record)
        self._refuse_each(stream, [entry for entry, _ in rows], refusals)

    def _refuse_each(
        self, stream: str, entries: list[tuple[int, bytes, RecordLine]], refusals: list[Refusal]
    ) -> None:
        """One letter a row, with every reason; what was left out on purpose is only counted."""
        by_place: dict[int, list[Refusal]] = {}
        for refusal in refusals:
            by_place.setdefault(refusal.place, []).append(refusal)
        for place, found in by_place.items():
            wrong = [part for part in found if not part.reason.startswith(_SKIPPED)]
            self.left[f"{stream}: {(wrong or found)[0].reason}"] += 1
            if wrong:
                number, line, _ = entries[place]
                shown = dict.fromkeys(
                    f"{part.reason} ({part.found})" if part.found else part.reason for part in wrong
                )
                self._send_letter(stream, number, line, Reason.INVALID_FIELD, "; ".join(shown))

    def _takes(self, mapping: Mapping, stream: str) -> bool:
        if self.streams and stream not in self.streams:
            return False
        return any(not select.files or matches(stream, select.files) for select in mapping.select)

    def _write(self, record: MappedRecord) -> None:
        if record.topic in topics.REGISTRIES:
            name = (record.topic, record.key)
            if self._registries.get(name) == record.value:
                return  # a connector names a campaign with each of its rows
            self._registries[name] = record.value
        else:
            campaign_id = campaign_named(record)
            if campaign_id is not None and (campaign_id in self.named or len(self.named) < _NAMED):
                self.named[campaign_id] += 1
        for each in self.registered.completed(record) if record.topic == topics.CAMPAIGNS else (record,):
            self.sink.send(each)
            self.written[each.topic] += 1

    def _send_letter(self, stream: str, number: int, line: bytes, reason: Reason, detail: str) -> None:
        source = f"ingest/{self.connection}/{stream}" if stream else f"ingest/{self.connection}"
        letter = dead_letter(source, 0, number, None, line.rstrip(b"\r\n"), reason, detail, self.now())
        self.sink.send(MappedRecord(topics.DEAD_LETTERS, source, msgspec.json.encode(letter), None))


def _unread_deletion(row: dict[str, str | None], mapping: Mapping) -> str | None:
    """The mark by which a row says that it was deleted, where no SQL of the mapping names that column."""
    texts = [*(select.sql for select in mapping.select), *(skip.when for skip in mapping.skip)]
    return next(
        (mark for mark in _DELETION_MARKS if row.get(mark) and not any(mark in text for text in texts)), None
    )

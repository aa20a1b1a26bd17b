"""The changelogged state of one stage: reading it back, and the one order in which a checkpoint is made. Pure.

A changelog holds the records of a stage's tables, by kind, and a header under a key of its own. The header ends each
checkpoint: a checkpoint is one append, so tables, offsets and clocks can never disagree.

``FORMAT`` is what is written; it goes up whenever a build before it could not read what is written, or would read something else. In
format 2 the rows of evidence on the board were shorter. A header is a map, so that a later format may add to it; that of format 1 was an
array without a number of a format, in an order of each stage's own. All earlier ones are read, and replaced by the first checkpoint.

A header counts the records of its state and holds their checksum, so that a log that has lost some of them is refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from metrics.values.errors import StateError
from streams.state.checkpoint import Checkpoint, Emitted, Version
from streams.state.codec import Entry, decode_as, encode, kind_of, state_key
from streams.state.digest import StateDigest
from streams.state.lineage import LineageTable, LogMark, Marks, Reached
from streams.state.table import Restored, Table

FORMAT = 6
#: What to do about a state that is not whole.
ANEW = "Figures made of it would be wrong: stop all workers and run: roistream recover --rebuild (docs/operations.md)."
#: The first format whose header says it.
_FIRST_SAID = 2
#: What an error of a record says that is none of this version's.
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, LookupError)
#: Of the record that ends each checkpoint.
HEADER_KEY = state_key("@")
#: Obsolete records that one checkpoint removes, so that it does not grow with what is removed.
_REMOVED_AT_ONCE = 20_000

H = TypeVar("H")


class LostRecordsError(StateError):
    """A changelog does not hold the records of its last checkpoint; the text says what to do."""


class Header(msgspec.Struct, Generic[H]):
    """What a checkpoint says of itself and of its stage.

    Attributes:
        format: of the state.
        epoch: counts the owners; a checkpoint of an epoch that was succeeded is ignored.
        sequence: counts the checkpoints.
        confirmed: the sequence up to which every change has gone out for sure.
        partitions: of the deployment.
        birth: creation time of the state, in epoch ms.
        stage: the stage's own: offsets, clocks.
        records: how many records the state has, headers apart; None in a header of a build that did not count.
        checksum: of these records.
        marks: by topic, the record batch up to which it was read (``streams.state.lineage``).
        others: by stage, what was confirmed of the others of the partition.
        written: when the checkpoint was made, in epoch ms; 0 of a build that did not say.
    """

    format: int
    epoch: int
    sequence: int
    confirmed: int
    partitions: int
    birth: int
    stage: H
    records: int | None = None
    checksum: int = 0
    marks: dict[str, LogMark] = {}
    others: dict[str, Reached] = {}
    written: int = 0


class _Owner(msgspec.Struct):
    """What any header of format 2 or later has."""

    format: int
    epoch: int


class Stateful(Protocol):
    """What the store asks of a stage."""

    @property
    def partition(self) -> int:
        """The stage's own."""
        ...

    @property
    def partitions(self) -> int:
        """How many the deployment has."""
        ...

    @property
    def tables(self) -> Sequence[Table]:
        """They are restored, and written, in this order."""
        ...

    @property
    def header_type(self) -> type[Any]:
        """The type of the stage's part of the header."""
        ...

    @property
    def format_1(self) -> Sequence[int | None]:
        """Where a header of format 1 had epoch, sequence, confirmed, partitions and birth; the rest was the stage's part."""
        ...

    @property
    def positions(self) -> Mapping[str, int]:
        """The next offset to read of each topic that is read in order, by short name."""
        ...

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to write or to give out."""
        ...

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes besides its tables."""
        ...

    def header(self) -> Any:
        """The stage's part of the header."""
        ...

    def restore(self, header: Header[Any]) -> None:
        """Put back what the header says; the tables follow."""
        ...

    def restored(self) -> None:
        """All tables are put back."""
        ...

    def take_over(self) -> None:
        """A new owner begins: what views show is emitted again, since it may have been lost."""
        ...

    def emit(self, version: Version, now: int) -> Emitted:
        """What goes out with the next checkpoint; the tables give their changes afterwards."""
        ...

    def confirm(self) -> None:
        """The append and the outputs of the last checkpoint are confirmed by the broker."""
        ...


S_co = TypeVar("S_co", bound=Stateful, covariant=True)


class StateStore(Generic[S_co]):
    """One stage with its place in its changelog.

    Args:
        stage: what is stored.
        now: epoch ms; the birth of a state that begins.
        settings: the table of the settings that the state is made with.
    """

    def __init__(self, stage: S_co, now: int, settings: Table | None = None) -> None:
        self.stage = stage
        self.lineage = LineageTable()
        self._tables: tuple[Table, ...] = (
            *(() if settings is None else (settings,)),
            *stage.tables,
            self.lineage,
        )
        self.epoch = 0
        self.sequence = 0
        self.confirmed = 0
        self.birth = now
        self._is_claimed = False
        self._digest = StateDigest()
        #: The newest checkpoint that is confirmed; None: of none.
        self.reached: Reached | None = None
        #: The stores of the partition's other stages, by name.
        self.beside: Mapping[str, StateStore[Any]] = {}
        #: What the header that was read back says of them, and when it was written, in epoch ms.
        self.others: dict[str, Reached] = {}
        self.written = 0
        self.marks = Marks()
        #: Keys of records that no table uses, in the order of their removal.
        self._obsolete: dict[bytes, None] = {}

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to write or to give out."""
        return not self._is_claimed or self.stage.is_dirty or len(self._obsolete) > 0

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        return self.stage.weight + sum([table.weight for table in self._tables])

    def restore(self, entries: Iterable[Entry]) -> None:
        """Fill the state from changelog records in order of offset.

        Raises:
            LostRecordsError: when the changelog is not whole.
            StateError: when the state has another format, or belongs to another number of partitions.
        """
        latest = dict(entries)
        value = latest.pop(HEADER_KEY, None)
        if value is None:
            if any(kept is not None for kept in latest.values()):
                raise LostRecordsError(
                    f"The changelog has records and no header: it has lost its newest ones. {ANEW}"
                )
            return
        header = self._header(value)
        self._digest.change(list(latest.items()))
        self._check_whole(header)
        self.epoch, self.sequence, self.confirmed = header.epoch, header.sequence, header.confirmed
        self.birth = header.birth
        self.reached = Reached(self.birth, self.epoch, self.sequence)
        self.others, self.written = header.others, header.written
        self.marks.restore(header.marks)
        self.stage.restore(header)
        self._restore_tables(latest)
        self.stage.restored()

    def _restore_tables(self, latest: Mapping[bytes, bytes | None]) -> None:
        by_kind: dict[str, list[Restored]] = {}
        for key, kept in latest.items():
            if kept is not None:
                by_kind.setdefault(kind_of(key), []).append((key, kept))
        for table in self._tables:
            found = by_kind.pop(table.kind, [])
            try:
                self._obsolete.update(dict.fromkeys(table.restore(found, self.confirmed)))
            except _UNREADABLE as error:
                raise _unreadable(table.kind, error) from error
        for found in by_kind.values():
            self._obsolete.update(dict.fromkeys(key for key, _ in found))

    def rise(self, epoch: int) -> None:
        """Let the next epoch be above the given one, so that revisions order above all of it."""
        self.epoch = max(self.epoch, epoch)

    def take_over(self) -> None:
        """Begin a new epoch: the next checkpoint claims the partition and sends again what may be unsent."""
        self.epoch += 1
        self._is_claimed = False
        self.stage.take_over()

    def checkpoint(self, now: int) -> Checkpoint:
        """What has changed, as one append, and what goes out after it.

        Everything is encoded in one go, so that nothing can change half-way.
        """
        self.sequence += 1
        emitted = self.stage.emit(Version(self.epoch, self.sequence), now)
        entries = [entry for table in self._tables for entry in table.take_changes(self.sequence)]
        entries += self._removed(entries)
        self._digest.change(entries)
        confirmed = self.confirmed if emitted.confirmed is None else emitted.confirmed
        header = Header(
            *(FORMAT, self.epoch, self.sequence, confirmed, self.stage.partitions, self.birth),
            self.stage.header(),
            *(self._digest.count, self._digest.checksum),
            self.marks.at(self.stage.positions),
            {name: other.reached for name, other in self.beside.items() if other.reached is not None},
            now,
        )
        entries.append((HEADER_KEY, encode(header)))
        self._is_claimed = True
        return Checkpoint(
            *(
                self.sequence,
                entries,
                emitted.outputs,
                emitted.views,
                self.stage.partition,
                self.birth,
                self.epoch,
            )
        )

    def confirm(self, sequence: int) -> None:
        """The append and the outputs of a checkpoint are confirmed by the broker."""
        self.confirmed = sequence
        self.reached = Reached(self.birth, self.epoch, sequence)
        self.stage.confirm()

    def _header(self, value: bytes) -> Header[Any]:
        if _is_format_1(value):
            header = self._of_format_1(value)
        else:
            found = decode_as(_Owner, value).format
            if not _FIRST_SAID <= found <= FORMAT:
                raise StateError(
                    f"The state has format {found}, this version of roistream reads formats 1 to {FORMAT}; run the version "
                    "that wrote the state, or start anew with another ROISTREAM_TOPIC_PREFIX and a replay."
                )
            try:
                header = decode_as(Header[self.stage.header_type], value)  # type: ignore[name-defined]
            except _UNREADABLE as error:
                raise _unreadable(kind_of(HEADER_KEY), error) from error
        if header.partitions != self.stage.partitions:
            raise StateError(
                f"The state was made with {header.partitions} partitions, ROISTREAM_PARTITIONS says "
                f"{self.stage.partitions}; a change needs a new ROISTREAM_TOPIC_PREFIX and a replay."
            )
        return header

    def _check_whole(self, header: Header[Any]) -> None:
        if header.records is None:
            return
        found = self._digest.count
        if found != header.records:
            raise LostRecordsError(
                f"The changelog holds {found} records where its last checkpoint counts {header.records}: it has lost some, as "
                f"by a cleanup policy of delete or by records that were deleted. {ANEW}"
            )
        if self._digest.checksum != header.checksum:
            raise LostRecordsError(
                f"The {found} records of the changelog are not those of its last checkpoint: newer ones of them are lost. {ANEW}"
            )

    def _of_format_1(self, value: bytes) -> Header[Any]:
        values, positions = decode_as(list[Any], value), self.stage.format_1
        epoch, sequence, confirmed, partitions, birth = (
            0 if position is None else values[position] for position in positions
        )
        rest = [each for position, each in enumerate(values) if position not in positions]
        stage = msgspec.convert(rest, self.stage.header_type, str_keys=value[:1] == _IS_JSON)
        return Header(1, epoch, sequence, confirmed, partitions, birth, stage)

    def _removed(self, written: Iterable[Entry]) -> list[Entry]:
        """Tombstones of some obsolete records, without those that are written anew."""
        if not self._obsolete:
            return []
        for key, _ in written:
            self._obsolete.pop(key, None)
        some = list(self._obsolete)[:_REMOVED_AT_ONCE]
        for key in some:
            del self._obsolete[key]
        return [(key, None) for key in some]


class KnownHeader(msgspec.Struct):
    """What any stage's header of format 2 says of its checkpoint and of the other stages."""

    epoch: int
    written: int = 0
    others: dict[str, Reached] = {}


def read_header(entries: Sequence[Entry]) -> KnownHeader | None:
    """What a checkpoint's header says; None where there is none."""
    epoch = epoch_of(entries)
    value = dict(entries).get(HEADER_KEY)
    if epoch is None or value is None or _is_format_1(value):
        return None if epoch is None else KnownHeader(epoch)
    return decode_as(KnownHeader, value)


def epoch_of(entries: Sequence[Entry]) -> int | None:
    """The epoch of a checkpoint; None where compaction has left no header of it."""
    for key, value in reversed(entries):
        if key == HEADER_KEY and value is not None:
            if _is_format_1(value):
                epoch: int = decode_as(list[Any], value)[0]
                return epoch
            return decode_as(_Owner, value).epoch
    return None


def _unreadable(kind: str, error: Exception) -> StateError:
    return StateError(
        f"Records of kind {kind} of the state are none of format {FORMAT} ({error}): another version of roistream wrote them. Run the "
        "version that wrote the state, or start anew with another ROISTREAM_TOPIC_PREFIX and a replay."
    )


_IS_JSON = b"\xc1"
#: First bytes of arrays in MessagePack.
_ARRAYS = (*range(0x90, 0xA0), 0xDC, 0xDD)


def _is_format_1(value: bytes) -> bool:
    return value[1:2] == b"[" if value[:1] == _IS_JSON else value[0] in _ARRAYS

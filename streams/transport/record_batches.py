"""From the bytes of a fetch to its committed records.

aiokafka parses record batches in C but makes an object of each record and keeps the bytes to itself. Here it still
reads a batch's header; its records are found by ``streams.transport.record_batch_kernel``, in the bytes of the fetch itself
where they are not compressed.
"""

import struct
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, NamedTuple

import aiokafka.consumer.fetcher
import numpy as np
from aiokafka import codec
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords

from metrics.kernels.checksums import crc32c
from metrics.kernels.memory import PADDING
from streams.messages.source_records import SourceRecord, SourceRecords
from streams.state.lineage import LogMark
from streams.transport.record_batch_kernel import unframe

_LENGTH = struct.Struct(">i")
_COUNT = struct.Struct(">i")
#: First offset, (length), leader epoch, (format), CRC-32C (https://kafka.apache.org/documentation/#recordbatch).
_MARK = struct.Struct(">q4xixI")
_CHECKSUM = struct.Struct(">I")
#: Where in a batch its length, its format, its checksum, what that covers, the count of its records, and the records stand.
_LENGTH_AT, _LENGTH_END, _MAGIC_AT, _CHECKSUM_AT, _COVERED_AT, _COUNT_AT, _RECORDS_AT = (
    8,
    12,
    16,
    17,
    21,
    57,
    61,
)
#: Of batches since Kafka 0.11; before it a batch was a set of messages.
_FORMAT = 2
_LOG_APPEND_TIME = 1
_CODECS: dict[int, tuple[str, Callable[[], bool], Callable[[bytes], bytes]]] = {
    1: ("gzip", codec.has_gzip, codec.gzip_decode),
    2: ("snappy", codec.has_snappy, codec.snappy_decode),
    3: ("lz4", codec.has_lz4, codec.lz4_decode),
    4: ("zstd", codec.has_zstd, codec.zstd_decode),
}


class RawBatch(NamedTuple):
    """A batch as aiokafka has it, and where it stands in the bytes of its fetch."""

    parsed: Any
    data: bytes
    begin: int
    end: int

    @property
    def is_old(self) -> bool:
        """Whether it is of a format from before Kafka 0.11."""
        return self.data[self.begin + _MAGIC_AT] < _FORMAT

    @property
    def mark(self) -> LogMark:
        """What tells a batch that is not old from any other."""
        return LogMark(*_MARK.unpack_from(self.data, self.begin))

    @property
    def is_whole(self) -> bool:
        """Whether the bytes are those that were sent."""
        if self.is_old:
            return bool(self.parsed.validate_crc())
        bits = np.frombuffer(self.data, dtype=np.uint8)
        (sent,) = _CHECKSUM.unpack_from(self.data, self.begin + _CHECKSUM_AT)
        return bool(crc32c(bits, self.begin + _COVERED_AT, self.end) == sent)


class UnpackedBatch(NamedTuple):
    """Where the records of one batch stand, unpacked, and what they count from.

    Attributes:
        base_offset: what offsets count from.
        first_timestamp: what timestamps count from.
        appended_at: the timestamp of every record; -1: each has its own.
        size: how many records there are.
        data: the bytes that hold them.
        begin: where they begin.
        end: where they end.
    """

    base_offset: int
    first_timestamp: int
    appended_at: int
    size: int
    data: bytes
    begin: int
    end: int


class RawRecords:
    """aiokafka's records of a fetch, with their bytes beside them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._parsed = MemoryRecords(data)
        self._at = 0

    def has_next(self) -> bool:
        """Whether a whole batch follows."""
        return bool(self._parsed.has_next())

    def size_in_bytes(self) -> int:
        """Bytes of the fetch."""
        return int(self._parsed.size_in_bytes())

    def next_batch(self) -> Any:
        """The next batch, as aiokafka has it."""
        return self.next_raw().parsed

    def next_raw(self) -> RawBatch:
        """The next batch and its bytes."""
        batch, begin = self._parsed.next_batch(), self._at
        self._at += _LENGTH.unpack_from(self._data, begin + _LENGTH_AT)[0] + _LENGTH_END
        return RawBatch(batch, self._data, begin, self._at)


def keep_raw_records() -> None:
    """Have every consumer of this process keep the bytes of its fetches; again does nothing more."""
    aiokafka.consumer.fetcher.MemoryRecords = RawRecords


def mark_of(parsed: Any) -> LogMark | None:
    """What tells the first batch of a fetch, committed or not, from any other; None of an older format, or of no batch."""
    parsed._records_iterator = None
    if not parsed._records.has_next():
        return None
    raw = parsed._records.next_raw()
    return None if raw.is_old else raw.mark


def unpack(parsed: Any, marks: list[LogMark] | None = None) -> SourceRecords:
    """All committed records of a fetch, from the position asked for on; moves the position behind them.

    Args:
        parsed: a fetch of one partition, as aiokafka holds it.
        marks: gets the mark of each batch.

    Raises:
        CorruptRecordException: when a batch is damaged.
        UnsupportedCodecError: when a batch is compressed in a way that no installed library reads.
    """
    sections: list[UnpackedBatch] = []
    old: list[SourceRecord] = []
    first = parsed.next_fetch_offset
    for raw in _shown(parsed):
        if raw.is_old:
            old += raw.parsed
        else:
            sections.append(_section(raw))
            if marks is not None:
                marks.append(raw.mark)
    source_records = (
        _source_records(sections) if not old else SourceRecords.of([*old, *_source_records(sections)])
    )
    return (
        source_records
        if not len(source_records) or source_records.offsets[0] >= first
        else source_records[int(np.searchsorted(source_records.offsets, first)) :]
    )


def unpack_each(parsed: Any) -> Iterator[SourceRecords]:
    """As ``unpack``, from the start of a batch on, and source records for each record batch.

    Raises:
        CorruptRecordException: when a batch is damaged.
        UnsupportedCodecError: when a batch is compressed in a way that no installed library reads.
    """
    for raw in _shown(parsed):
        yield SourceRecords.of(raw.parsed) if raw.is_old else _source_records([_section(raw)])


def _shown(parsed: Any) -> Iterator[RawBatch]:
    """The batches of committed records; the position moves behind each."""
    # aiokafka's own iterator refers to what holds it: the bytes would stay until the collector looks, which is rarely (D22).
    parsed._records_iterator = None
    while parsed._records.has_next():
        raw = parsed._records.next_raw()
        if not raw.is_whole:
            raise CorruptRecordException(f"A record batch of {parsed._tp} is damaged.")
        if _is_shown(parsed, raw.parsed):
            yield raw
        parsed.next_fetch_offset = raw.parsed.next_offset


def _is_shown(parsed: Any, batch: Any) -> bool:
    """Whether a batch holds committed records; keeps account of aborted producers."""
    if batch.producer_id is not None:
        parsed._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch:
        if parsed._contains_abort_marker(batch):
            parsed._aborted_producers.discard(batch.producer_id)
        return False
    return not (batch.is_transactional and batch.producer_id in parsed._aborted_producers)


def _section(raw: RawBatch) -> UnpackedBatch:
    batch = raw.parsed
    appended_at = batch.max_timestamp if batch.timestamp_type == _LOG_APPEND_TIME else -1
    count = _COUNT.unpack_from(raw.data, raw.begin + _COUNT_AT)[0]
    where = raw.data, raw.begin + _RECORDS_AT, raw.end
    if batch.compression_type:
        data = _unpacked(raw.data[where[1] : raw.end], batch.compression_type)
        where = data, 0, len(data)
    return UnpackedBatch(batch.base_offset, batch.first_timestamp, appended_at, count, *where)


def _unpacked(packed: bytes, kind: int) -> bytes:
    name, is_there, decode = _CODECS.get(kind, (f"number {kind}", lambda: False, bytes))
    if not is_there():
        raise UnsupportedCodecError(f"The records are compressed with {name}, which no library here reads.")
    return decode(packed)


def _together(sections: list[UnpackedBatch]) -> tuple[bytes, list[int]]:
    """Bytes that hold all records, padded, and where those of each section begin.

    A fetch of a backlog ends with a part of another batch: what is not compressed stays where it is.
    """
    if sections and all(
        each.data is sections[0].data and each.end + PADDING <= len(each.data) for each in sections
    ):
        return sections[0].data, [each.begin for each in sections]
    pieces = [memoryview(each.data)[each.begin : each.end] for each in sections]
    ends = list(accumulate(map(len, pieces)))
    return b"".join([*pieces, bytes(PADDING)]), [0, *ends[:-1]]


def _source_records(sections: list[UnpackedBatch]) -> SourceRecords:
    data, begins = _together(sections)
    total = sum(section.size for section in sections)
    offsets, timestamps = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    keys, values = np.empty((2, total), dtype=np.int64), np.empty((2, total), dtype=np.int64)
    bits = np.frombuffer(data, dtype=np.uint8)
    row = 0
    for section, at in zip(sections, begins, strict=False):
        end = at + section.end - section.begin
        base = np.array(section[:4], dtype=np.int64)
        row = unframe(bits, at, end, base, row, offsets, timestamps, keys, values)
        if row < 0:
            raise CorruptRecordException(f"The record batch at offset {section.base_offset} is damaged.")
    return SourceRecords(data, offsets, timestamps, keys, values)

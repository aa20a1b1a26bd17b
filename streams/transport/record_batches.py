"""From the bytes of a fetch to its committed records.

aiokafka parses record batches in C but makes an object of each record and keeps the bytes to itself. Here it still
checks a batch's checksum and reads its header; its records are found by ``streams.transport.record_batch_kernel``.
"""

import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import aiokafka.consumer.fetcher
import numpy as np
from aiokafka import codec
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.memory_records import MemoryRecords

from metrics.kernels.memory import PADDING
from streams.messages.source_records import SourceRecord, SourceRecords
from streams.state.lineage import LogMark
from streams.transport.record_batch_kernel import unframe

_LENGTH = struct.Struct(">i")
_COUNT = struct.Struct(">i")
#: First offset, (length), leader epoch, (format), CRC-32C (https://kafka.apache.org/documentation/#recordbatch).
_MARK = struct.Struct(">q4xixI")
#: Where in a batch its length, its format, the count of its records, and the records stand.
_LENGTH_AT, _LENGTH_END, _MAGIC_AT, _COUNT_AT, _RECORDS_AT = 8, 12, 16, 57, 61
#: Of batches since Kafka 0.11; before it a batch was a set of messages.
_FORMAT = 2
_LOG_APPEND_TIME = 1
_CODECS: dict[int, tuple[str, Callable[[], bool], Callable[[bytes], bytes]]] = {
    1: ("gzip", codec.has_gzip, codec.gzip_decode),
    2: ("snappy", codec.has_snappy, codec.snappy_decode),
    3: ("lz4", codec.has_lz4, codec.lz4_decode),
    4: ("zstd", codec.has_zstd, codec.zstd_decode),
}


class UnpackedBatch(NamedTuple):
    """The records of one batch, unpacked, and what they count from; ``appended_at`` -1: each has its own time; ``size``: their number."""

    base_offset: int
    first_timestamp: int
    appended_at: int
    size: int
    records: memoryview | bytes


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
        return self.next_raw()[0]

    def next_raw(self) -> tuple[Any, memoryview]:
        """The next batch and its bytes."""
        batch = self._parsed.next_batch()
        size = _LENGTH.unpack_from(self._data, self._at + _LENGTH_AT)[0] + _LENGTH_END
        raw = memoryview(self._data)[self._at : self._at + size]
        self._at += size
        return batch, raw


def keep_raw_records() -> None:
    """Have every consumer of this process keep the bytes of its fetches; again does nothing more."""
    aiokafka.consumer.fetcher.MemoryRecords = RawRecords


def mark_of(parsed: Any) -> LogMark | None:
    """What tells the first batch of a fetch, committed or not, from any other; None of an older format, or of no batch."""
    parsed._records_iterator = None
    if not parsed._records.has_next():
        return None
    return _mark(parsed._records.next_raw()[1])


def _mark(raw: memoryview) -> LogMark | None:
    return None if raw[_MAGIC_AT] < _FORMAT else LogMark(*_MARK.unpack_from(raw))


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
    for batch, raw in _shown(parsed):
        if raw[_MAGIC_AT] < _FORMAT:
            old += batch
        else:
            sections.append(_section(batch, raw))
            if marks is not None:
                marks.append(LogMark(*_MARK.unpack_from(raw)))
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
    for batch, raw in _shown(parsed):
        yield SourceRecords.of(batch) if raw[_MAGIC_AT] < _FORMAT else _source_records([_section(batch, raw)])


def _shown(parsed: Any) -> Iterator[tuple[Any, memoryview]]:
    """The batches of committed records and their bytes; the position moves behind each."""
    # aiokafka's own iterator refers to what holds it: the bytes would stay until the collector looks, which is rarely (D22).
    parsed._records_iterator = None
    while parsed._records.has_next():
        batch, raw = parsed._records.next_raw()
        if not batch.validate_crc():
            raise CorruptRecordException(f"A record batch of {parsed._tp} is damaged.")
        if _is_shown(parsed, batch):
            yield batch, raw
        parsed.next_fetch_offset = batch.next_offset


def _is_shown(parsed: Any, batch: Any) -> bool:
    """Whether a batch holds committed records; keeps account of aborted producers."""
    if batch.producer_id is not None:
        parsed._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch:
        if parsed._contains_abort_marker(batch):
            parsed._aborted_producers.discard(batch.producer_id)
        return False
    return not (batch.is_transactional and batch.producer_id in parsed._aborted_producers)


def _section(batch: Any, raw: memoryview) -> UnpackedBatch:
    appended_at = batch.max_timestamp if batch.timestamp_type == _LOG_APPEND_TIME else -1
    count = _COUNT.unpack_from(raw, _COUNT_AT)[0]
    return UnpackedBatch(batch.base_offset, batch.first_timestamp, appended_at, count, _unpacked(batch, raw))


def _unpacked(batch: Any, raw: memoryview) -> memoryview | bytes:
    packed, kind = raw[_RECORDS_AT:], batch.compression_type
    if not kind:
        return packed
    name, is_there, decode = _CODECS.get(kind, (f"number {kind}", lambda: False, bytes))
    if not is_there():
        raise UnsupportedCodecError(f"The records are compressed with {name}, which no library here reads.")
    return decode(packed.tobytes())


def _source_records(sections: list[UnpackedBatch]) -> SourceRecords:
    data = b"".join([*(section.records for section in sections), bytes(PADDING)])
    total = sum(section.size for section in sections)
    offsets, timestamps = np.empty(total, dtype=np.int64), np.empty(total, dtype=np.int64)
    keys, values = np.empty((2, total), dtype=np.int64), np.empty((2, total), dtype=np.int64)
    bits = np.frombuffer(data, dtype=np.uint8)
    at = row = 0
    for section in sections:
        end = at + len(section.records)
        base = np.array(section[:4], dtype=np.int64)
        row = unframe(bits, at, end, base, row, offsets, timestamps, keys, values)
        if row < 0:
            raise CorruptRecordException(f"The record batch at offset {section.base_offset} is damaged.")
        at = end
    return SourceRecords(data, offsets, timestamps, keys, values)

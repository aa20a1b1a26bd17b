"""What must hold of any bytes that come as records of a source topic, from the record batch to the ledger."""

import hashlib
import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.refusal_limit import RefusalLimit
from streams import topics
from streams.messages.partials import decode_bundle
from streams.messages.source_records import ADS, SourceRecords
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.state.store import StateStore
from streams.transport.record_batches import RawRecords, unpack
from tests.metrics.kernels.test_kernel_laws import meaning, row_of

NOW = 1_795_000_000_000
#: Between the records of one input.
SEPARATOR = b"\x1e"
#: Stands for a record without a value.
TOMBSTONE = b"\x00"
_TIMES = (NOW, 0, 1, 253_402_300_799_999, NOW - 40 * 86_400_000)
_HEAD = struct.Struct(">qiibIhiqqqhii")
_CRC_FROM = 21
_RAW, _FRAMES = 0, 1
_OPTIONS = IntakeOptions(
    partitions=2,
    max_future=300_000,
    dedupe_window=86_400_000,
    dedupe_max_events=1_000,
    order_retention=400 * 86_400_000,
    refusal_limit=RefusalLimit(in_a_row=1 << 40, share=1.0),
)


def written(topic: str, values: list[bytes | None], *, time: int = 0) -> bytes:
    """An input that stands for these records."""
    blobs = [TOMBSTONE if value is None else value for value in values]
    return bytes([topics.SOURCES.index(topic), time, _RAW]) + SEPARATOR.join(blobs)


def check(data: bytes) -> str:
    """Hold one input to the law; what came of it, in short.

    The first byte says the topic, the second when Kafka appended the records, the third whether the rest are records,
    or the inside of a record batch.
    """
    if len(data) < 3:
        return "short"
    topic, appended_at = topics.SOURCES[data[0] % len(topics.SOURCES)], _TIMES[data[1] % len(_TIMES)]
    try:
        slab = unpack(_parsed(_batch(data[3:], data[1], appended_at, is_framed=data[2] == _FRAMES)))
    except CorruptRecordException:
        assert data[2] == _FRAMES, "a batch that is as it should be was refused"
        return "corrupt"
    if topic in ADS:
        _plain_is_right(topic, slab)
    return _in_the_books(topic, slab)


def _batch(body: bytes, second: int, appended_at: int, *, is_framed: bool) -> bytes:
    if is_framed:
        return _framed(body, count=second % 8, appended_at=appended_at)
    builder = DefaultRecordBatchBuilder(2, second % 2, 0, -1, -1, -1, 1 << 30)
    for number, value in enumerate(body.split(SEPARATOR)):
        key = None if number % 3 else value[:40]
        assert builder.append(number, appended_at, key, None if value == TOMBSTONE else value, [])
    return bytes(builder.build())


def _framed(body: bytes, count: int, appended_at: int) -> bytes:
    """A record batch with a right checksum around bytes that may be anything."""
    length = _HEAD.size + len(body) - 12
    fields = (0, max(0, count - 1), appended_at, appended_at, -1, -1, -1, count)
    bare = _HEAD.pack(0, length, 0, 2, 0, *fields) + body
    return bare[:17] + calc_crc32c(bare[_CRC_FROM:]).to_bytes(4, "big") + bare[_CRC_FROM:]


def _parsed(data: bytes) -> Any:
    """What aiokafka's fetcher hands over, as far as ``unpack`` looks at it."""
    return SimpleNamespace(
        _tp="fuzz-0",
        _records=RawRecords(data),
        next_fetch_offset=0,
        _aborted_producers=set(),
        _consume_aborted_up_to=lambda _offset: None,
        _contains_abort_marker=lambda _batch: False,
    )


def _plain_is_right(topic: str, slab: SourceRecords) -> None:
    """What the kernels read of a record is what the whole decoder reads."""
    ads = slab.ads(topic)
    for row in np.flatnonzero(ads.plain).tolist():
        assert row_of(ads, row) == meaning(topic, slab[row].value), slab[row]


def _in_the_books(topic: str, slab: SourceRecords) -> str:
    """Each record has one outcome, and one dead letter where it is refused; again it changes nothing."""
    intake = IntakeStage(0, _OPTIONS, CampaignRegistry("EUR"))
    log = StateStore(intake, NOW)
    log.take_over()
    offsets = slab.offsets.tolist()
    intake.process(topic, slab, NOW)
    intake.process(topic, slab, NOW)
    counts, dead = intake.ledger[topic], list(intake.dead_letters.dead)
    if offsets == sorted(set(offsets)) and offsets and offsets[0] >= 0:
        assert counts.read == len(slab), counts
        assert len({letter.offset for letter in dead}) == len(dead)
        assert {letter.offset for letter in dead} <= set(offsets)
    assert counts.rejected + counts.too_late + counts.conflict == len(dead)
    assert intake.unaccounted(topic) == 0
    _is_stored(log)
    details = ",".join(f"{letter.reason}:{letter.detail}" for letter in dead)
    return f"{topic} {counts.applied > 0} {counts.duplicate > 0} {counts.too_late > 0} {_shape_of(details)}"


def _is_stored(log: StateStore[IntakeStage]) -> None:
    """A checkpoint can be written and read back, and says the same again."""
    entries = log.checkpoint(NOW).entries
    again = StateStore(IntakeStage(0, _OPTIONS, CampaignRegistry("EUR")), NOW)
    again.restore(entries)
    assert again.stage.ledger == log.stage.ledger
    assert again.stage.panes.tallies == log.stage.panes.tallies
    for output in again.checkpoint(NOW).outputs:
        if output.topic == topics.PARTIALS:
            decode_bundle(output.value)


def _shape_of(text: str) -> str:
    """A detail without the numbers and the texts that it quotes, so that there are not too many of them."""
    shape = "".join(char for char in text if char.isalpha() or char in ":,")[:400]
    return hashlib.sha256(shape.encode()).hexdigest()[:2]

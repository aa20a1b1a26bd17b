"""A slab holds what aiokafka makes of the same bytes."""

import gc
import weakref
from types import SimpleNamespace

import pytest
from aiokafka import codec
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from streams.messages.source_records import SourceRecords
from streams.transport.record_batches import RawRecords, unpack
from tests.support.examples import examples

records = st.lists(
    st.tuples(
        st.one_of(st.none(), st.binary(max_size=20)),
        st.one_of(st.none(), st.binary(max_size=300)),
        st.lists(st.tuples(st.text(max_size=3), st.binary(max_size=3)), max_size=2),
    ),
    min_size=1,
    max_size=20,
)
CODECS = [0, 1] + [
    kind for kind, is_there in ((2, codec.has_snappy), (3, codec.has_lz4), (4, codec.has_zstd)) if is_there()
]


def batch_of(found, base=0, compression=0):
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1 << 20)
    for number, (key, value, headers) in enumerate(found):
        assert builder.append(number, 1_000 + number * 7, key, value, headers) is not None
    data = bytearray(builder.build())
    data[:8] = base.to_bytes(8, "big")  # as a broker does; not part of the checksum
    return bytes(data)


def parsed_of(data, first=0):
    """What aiokafka's fetcher hands over, as far as unpack looks at it."""
    return SimpleNamespace(
        _tp="ad-clicks-0",
        _records=RawRecords(data),
        next_fetch_offset=first,
        _aborted_producers=set(),
        _consume_aborted_up_to=lambda _offset: None,
        _contains_abort_marker=lambda _batch: False,
    )


def as_tuples(found):
    return [(each.offset, each.timestamp, each.key, each.value) for each in found]


@examples(1)
@given(
    st.lists(st.tuples(records, st.sampled_from(CODECS)), min_size=1, max_size=3),
    st.integers(0, 25),
    st.integers(0, 70),
)
def test_a_slab_holds_what_aiokafka_makes_of_the_same_bytes(drawn, first, cut):
    base, batches = 0, []
    for found, compression in drawn:
        batches.append(batch_of(found, base, compression))
        base += len(found)
    expected = [each for data in batches for each in as_tuples(DefaultRecordBatch(bytearray(data)))]
    batches.append(batch_of([(None, b"v" * 100, [])], base)[:cut])  # a fetch may end with a part of a batch
    parsed = parsed_of(b"".join(batches), min(first, base))
    slab = unpack(parsed)
    assert as_tuples(slab) == [each for each in expected if each[0] >= min(first, base)]
    assert parsed.next_fetch_offset == base
    assert as_tuples(slab[1:3]) == as_tuples(slab)[1:3]


def test_offsets_that_compaction_has_left_out_are_passed():
    one, three = batch_of([(None, b"a", [])], base=0), batch_of([(None, b"c", []), (None, b"d", [])], base=2)
    parsed = parsed_of(one + three)
    assert [each.offset for each in unpack(parsed)] == [0, 2, 3]
    assert parsed.next_fetch_offset == 4


def test_the_timestamp_of_the_append_is_that_of_every_record():
    data = bytearray(batch_of([(b"k", b"v", []), (b"k", b"w", [])]))
    builder = DefaultRecordBatch(data)
    assert [each.timestamp for each in unpack(parsed_of(bytes(data)))] == [1_000, 1_007]
    assert builder.timestamp_type == 0


def test_a_damaged_batch_is_refused():
    data = bytearray(batch_of([(b"k", b"v" * 50, [])]))
    data[-10] ^= 1
    with pytest.raises(CorruptRecordException, match="ad-clicks-0"):
        unpack(parsed_of(bytes(data)))


def test_records_of_an_old_format_are_read_too():
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=1 << 16)
    builder.append(0, 5, b"k", b"v")
    builder.append(1, 6, None, b"w")
    assert as_tuples(unpack(parsed_of(bytes(builder.build())))) == [(0, 5, b"k", b"v"), (1, 6, None, b"w")]


def test_a_slab_of_objects_gives_them_back():
    slab = SourceRecords.of(unpack(parsed_of(batch_of([(None, b"v", []), (b"", None, [])]))))
    assert as_tuples(slab) == [(0, 1_000, None, b"v"), (1, 1_007, b"", None)]
    assert len(SourceRecords.of([])) == 0


def test_the_bytes_of_a_fetch_are_freed_with_it_and_not_when_the_collector_looks():
    raw = RawRecords(batch_of([(b"k", b"v", [])]))
    freed = weakref.ref(raw)
    parsed = PartitionRecords("ad-clicks-0", raw, [], 0, None, None, False, 0)
    gc.disable()
    try:
        assert len(unpack(parsed)) == 1
        del raw, parsed
        assert freed() is None
    finally:
        gc.enable()

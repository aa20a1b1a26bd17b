"""Records as columns are the records that they were made of."""

from hypothesis import given
from hypothesis import strategies as st

from streams.messages.source_records import Record, SourceRecords

blobs = st.none() | st.binary(max_size=9)


@given(entries=st.lists(st.tuples(blobs, blobs), max_size=6))
def test_records_that_are_gone_through_are_those_that_are_asked_for(entries):
    records = [Record(7 + number, 1_000 * number, *entry) for number, entry in enumerate(entries)]
    columns = SourceRecords.of(records)
    assert list(columns) == records == [columns[number] for number in range(len(entries))]
    assert list(columns[1:]) == records[1:]

"""Batches on their way into a stage: where reading begins, that nothing is missing between, and in what parts."""

from collections.abc import Iterator, Sequence

import numpy as np

from metrics.values.errors import StateError
from streams.messages.source_records import ADS, SourceRecord, SourceRecords
from streams.transport.batch_consumer import FetchedBatch

_SLICE_RECORDS = 2_000
#: Clicks and impressions are columns: a slice of them takes as long as one of the others.
_SLICE_ADS = 20_000
_SLICE_BYTES = 4 * 1024 * 1024


def slices(topic: str, records: Sequence[SourceRecord]) -> Iterator[SourceRecords]:
    """Parts small enough that the event loop breathes between them and a checkpoint holds them."""
    source_records = records if isinstance(records, SourceRecords) else SourceRecords.of(records)
    ends = np.cumsum(np.maximum(source_records.sizes, 0))
    most = _SLICE_ADS if topic in ADS else _SLICE_RECORDS
    at = 0
    while at < len(source_records):
        before = ends[at - 1] if at else 0
        end = int(np.searchsorted(ends, before + _SLICE_BYTES)) + 1
        end = min(end, at + most, len(source_records))
        yield source_records[at:end]
        at = end


def check_gap(topic: str, partition: int, offset: int, batch: FetchedBatch) -> None:
    """A batch joins the state that goes on at ``offset``.

    Raises:
        StateError: when records between the two are missing.
    """
    if batch.start > offset:
        raise StateError(
            f"{topic}-{partition}: records {offset} to {batch.start - 1} were not read; the state goes on at "
            f"{offset} but the broker gave {batch.start}. Restart the worker to read them."
        )

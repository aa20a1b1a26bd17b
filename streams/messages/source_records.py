"""Records of one fetch as columns over its bytes; an object is made only of a record that is asked for."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol, overload

import numpy as np

from metrics.entities.ad_columns import AdColumns, Integers, read_ads
from metrics.kernels.memory import PADDING
from metrics.records.partition_keys import KeyRule
from metrics.values.hashing import seed_of
from streams import topics

ADS = (topics.CLICKS, topics.IMPRESSIONS)
#: Of the hashes of event ids, by topic.
ID_SEEDS = {topic: seed_of(topic) for topic in topics.SOURCES}


class SourceRecord(Protocol):
    """A record as the transport hands it over; the timestamp in epoch milliseconds."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """When Kafka appended it."""
        ...

    @property
    def key(self) -> bytes | None:
        """Its key."""
        ...

    @property
    def value(self) -> bytes | None:
        """Its value."""
        ...


class Record(NamedTuple):
    """One of the records."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class SourceRecords(Sequence[SourceRecord]):
    """Records in order of offset.

    Args:
        data: the bytes that hold keys and values, padded.
        offsets: of each record.
        timestamps: epoch milliseconds.
        keys: two rows, starts in ``data`` and lengths; -1 for no key.
        values: the same.
        ads: the records as clicks or impressions, where that is known already.
    """

    def __init__(
        self,
        data: bytes,
        offsets: Integers,
        timestamps: Integers,
        keys: Integers,
        values: Integers,
        ads: AdColumns | None = None,
    ) -> None:
        self.offsets = offsets
        self.timestamps = timestamps
        self._data = data
        self._keys = keys
        self._values = values
        self._ads = ads

    @classmethod
    def of(cls, records: Iterable[SourceRecord]) -> "SourceRecords":
        """Source records of records that are objects."""
        found = list(records)
        blobs = [record.key for record in found] + [record.value for record in found]
        sizes = np.array([-1 if blob is None else len(blob) for blob in blobs], dtype=np.int64)
        starts = np.cumsum(np.maximum(sizes, 0)) - np.maximum(sizes, 0)
        spans = np.stack((starts, sizes)).reshape(2, 2, len(found))
        return cls(
            b"".join(blob or b"" for blob in blobs) + bytes(PADDING),
            np.array([record.offset for record in found], dtype=np.int64),
            np.array([record.timestamp for record in found], dtype=np.int64),
            np.ascontiguousarray(spans[:, 0]),
            np.ascontiguousarray(spans[:, 1]),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    def __iter__(self) -> Iterator[Record]:
        rows = zip(self.offsets.tolist(), self.timestamps.tolist(), self.entries(), strict=True)
        return (Record(offset, timestamp, key, value) for offset, timestamp, (key, value) in rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> "SourceRecords": ...
    def __getitem__(self, index: int | slice) -> "Record | SourceRecords":
        if isinstance(index, slice):
            ads = None if self._ads is None else self._ads.part(index)
            rows = self.offsets[index], self.timestamps[index], self._keys[:, index], self._values[:, index]
            return SourceRecords(self._data, *rows, ads)
        return Record(
            int(self.offsets[index]),
            int(self.timestamps[index]),
            self._blob(self._keys, index),
            self._blob(self._values, index),
        )

    @property
    def sizes(self) -> Integers:
        """Bytes of each value; -1 for none."""
        sizes: Integers = self._values[1]
        return sizes

    def ads(self, topic: str, rule: KeyRule = KeyRule()) -> AdColumns:  # noqa: B008 - it cannot change
        """The records as clicks or impressions, which one of the two ``topic`` says; the rule is that of their keys."""
        if self._ads is None:
            is_click = topic == topics.CLICKS
            starts, sizes = self._values
            seed, keys = ID_SEEDS[topic], self._keys if rule.partitions else None
            self._ads = read_ads(self._data, starts, sizes, seed, is_click=is_click, keys=keys, rule=rule)
        return self._ads

    def entries(self) -> list[tuple[bytes | None, bytes | None]]:
        """Key and value of every record."""
        data = self._data
        return [
            (
                None if key_size < 0 else data[key : key + key_size],
                None if size < 0 else data[value : value + size],
            )
            for key, key_size, value, size in zip(*self._keys.tolist(), *self._values.tolist(), strict=True)
        ]

    def _blob(self, spans: Integers, index: int) -> bytes | None:
        start, size = spans[0, index], spans[1, index]
        return None if size < 0 else self._data[start : start + size]

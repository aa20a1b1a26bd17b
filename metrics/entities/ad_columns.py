"""Clicks and impressions of one slice as columns; a row is a record."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.kernels import ads as kernels
from metrics.records.partition_keys import KeyRule
from metrics.records.validation import MAX_RECORD_BYTES
from metrics.values.hashing import VISITOR_SEED, Hashes
from metrics.values.text_codes import TextCodes

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

CAMPAIGN, CURRENCY, CHANNEL = range(3)


class AdColumns(NamedTuple):
    """What of each record the sums, the dedupe and the journeys need.

    Attributes:
        plain: of which rows the other columns are right; the others wait to be judged one by one.
        at: event time, epoch milliseconds.
        micros: cost in the record's own currency; -1 for none.
        ids: hash of ``event_id``.
        visitors: hash of ``visitor_id``; 0 for none.
        codes: for CAMPAIGN, CURRENCY and CHANNEL a row of indexes into ``texts``; -1 for none.
        texts: the different campaigns, currencies and channels.
        homes: the partition where the visitor's journey is remembered; -1 for none, or where it was not asked.
        kinds: what the key is to the record, as an index into ``partition_keys.KEY_KINDS``, where homes were asked.
    """

    plain: Booleans
    at: Integers
    micros: Integers
    ids: Hashes
    visitors: Hashes
    codes: npt.NDArray[np.int32]
    texts: tuple[TextCodes, TextCodes, TextCodes]
    homes: npt.NDArray[np.int32]
    kinds: npt.NDArray[np.uint8]

    def copied(self) -> "AdColumns":
        """Columns that can be changed alone; the texts stay common."""
        return AdColumns._make(
            [*(column.copy() for column in self[:6]), self.texts, self.homes.copy(), self.kinds.copy()]
        )

    def campaign(self, row: int) -> str:
        """The campaign of a row."""
        return self.texts[CAMPAIGN][int(self.codes[CAMPAIGN, row])]

    def part(self, rows: slice) -> "AdColumns":
        """Some of the rows, which are not copied."""
        codes, homes, kinds = self.codes[:, rows], self.homes[rows], self.kinds[rows]
        return AdColumns._make([*(column[rows] for column in self[:5]), codes, self.texts, homes, kinds])


def read_ads(
    data: bytes,
    starts: Integers,
    sizes: Integers,
    id_seed: int,
    *,
    is_click: bool,
    keys: Integers | None = None,
    rule: KeyRule = KeyRule(),  # noqa: B008 - it cannot change
) -> AdColumns:
    """The columns of JSON records.

    Args:
        data: the bytes that hold them, with ``PADDING`` behind.
        starts: where each begins.
        sizes: its length; -1 for none.
        id_seed: of the hash of ``event_id``.
        is_click: clicks have fields that impressions do not have.
        keys: where each record's key begins, and its length; asked for with a rule that has partitions.
        rule: how the visitors' homes are found.
    """
    count = len(starts)
    columns = AdColumns(
        np.zeros(count, dtype=np.bool_),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.int64),
        np.zeros(count, dtype=np.uint64),
        np.zeros(count, dtype=np.uint64),
        np.full((3, count), -1, dtype=np.int32),
        (TextCodes(), TextCodes(), TextCodes()),
        np.full(count, -1, dtype=np.int32),
        np.zeros(count, dtype=np.uint8),
    )
    tables = (_table(count), _table(count), _table(count))
    bits = np.frombuffer(data, dtype=np.uint8)
    seeds = np.uint64(id_seed), np.uint64(VISITOR_SEED)
    shared = rule.partitions if keys is not None else 0
    spans = np.zeros((2, 0), dtype=np.int64) if keys is None else np.ascontiguousarray(keys)
    found = *columns[:6], tables, spans, columns.homes, columns.kinds
    kernels.scan(bits, starts, sizes, MAX_RECORD_BYTES, is_click, shared, rule.trusts_keys, *seeds, *found)
    for texts, (_, found_at, lengths) in zip(columns.texts, tables, strict=True):
        met = int(lengths[-1])
        lying = zip(found_at[:met].tolist(), lengths[:met].tolist(), strict=True)
        texts += [data[at : at + length].decode() for at, length in lying]
    return columns


def _table(count: int) -> tuple[npt.NDArray[np.int32], Integers, Integers]:
    """An empty table of texts, as ``kernels.intern`` wants it."""
    slots = np.full(2 << count.bit_length(), -1, dtype=np.int32)
    return slots, np.empty(count, dtype=np.int64), np.zeros(count + 1, dtype=np.int64)

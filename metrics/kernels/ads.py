"""Clicks and impressions as columns, straight from the bytes of a fetch.

One pass over each JSON object finds the fields that the sums, the dedupe and the journeys need, and checks the others.
A record is *plain* when it is certain to decode to the same values that a whole JSON decoder and the rules of
``metrics.records.validation`` would give; every other record, right or wrong, is left to those.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import borrowing, inlined, kernel
from metrics.kernels.hashing import xxh64
from metrics.kernels.instants import read_instant
from metrics.kernels.memory import address_of, byte_at, word_at
from metrics.kernels.murmur import partition_at
from metrics.kernels.texts import is_same, read_micros, read_whole, skip_number, skip_space, skip_string

_QUOTE, _COMMA, _COLON, _OPEN, _CLOSE, _NINE = 0x22, 0x2C, 0x3A, 0x7B, 0x7D, 0x39
_MAX_ID_BYTES = 128
#: A longer label is judged one by one: the limit is in characters.
_MAX_LABEL_BYTES = 500
#: In the year 9892: what is later may lie outside of what an instant may be.
_LATEST = 250_000_000_000_000


def _name(text: str) -> Any:
    return np.frombuffer(text.encode(), dtype=np.uint8)


_EVENT_ID, _OCCURRED_AT, _CAMPAIGN_ID = _name("event_id"), _name("occurred_at"), _name("campaign_id")
_VISITOR_ID, _CHANNEL, _AD_ID = _name("visitor_id"), _name("channel"), _name("ad_id")
_COST, _CURRENCY, _OFFER, _SEGMENT = _name("cost"), _name("currency"), _name("offer"), _name("segment")
_NULL, _TRUE, _FALSE = _name("null"), _name("true"), _name("false")

#: Fields by number: the first three must be there; the last two are fields of clicks only.
_UNKNOWN, _REQUIRED, _CLICKS_ONLY, _COUNT = -1, 3, 8, 10
#: What a key is to its record.
_VISITORS, _OWN_ID, _OTHER = 1, 2, 3
#: The fields whose texts get codes: campaign, currency, channel.
_TEXT_FIELDS = (2, 7, 4)


@borrowing
def field_of(data: Any, at: int, end: int) -> int:
    """The number of the field whose name stands from ``at`` to ``end``."""
    length = end - at
    if length == 8:
        return (
            0 if is_same(data, at, end, _EVENT_ID) else (7 if is_same(data, at, end, _CURRENCY) else _UNKNOWN)
        )
    if length == 11:
        return (
            1
            if is_same(data, at, end, _OCCURRED_AT)
            else (2 if is_same(data, at, end, _CAMPAIGN_ID) else _UNKNOWN)
        )
    if length == 10:
        return 3 if is_same(data, at, end, _VISITOR_ID) else _UNKNOWN
    if length == 7:
        return (
            4 if is_same(data, at, end, _CHANNEL) else (9 if is_same(data, at, end, _SEGMENT) else _UNKNOWN)
        )
    if length == 5:
        return 5 if is_same(data, at, end, _AD_ID) else (8 if is_same(data, at, end, _OFFER) else _UNKNOWN)
    if length == 4:
        return 6 if is_same(data, at, end, _COST) else _UNKNOWN
    return _UNKNOWN


@borrowing
def skip_literal(data: Any, at: int, end: int) -> int:
    """Past ``null``, ``true`` or ``false``."""
    if at + 4 <= end and (is_same(data, at, at + 4, _NULL) or is_same(data, at, at + 4, _TRUE)):
        return at + 4
    if at + 5 <= end and is_same(data, at, at + 5, _FALSE):
        return at + 5
    return -1


@borrowing
def intern(data: Any, at: int, length: int, slots: Any, text_starts: Any, lengths: Any) -> int:
    """The code of a text: how many different ones were seen before it. ``lengths[-1]`` counts them."""
    mask = len(slots) - 1
    position = np.int64(xxh64(data, at, length, np.uint64(0)) & np.uint64(mask))
    while slots[position] >= 0:
        code = slots[position]
        if lengths[code] == length:
            known, index = text_starts[code], 0
            while index < length and byte_at(data, known + index) == byte_at(data, at + index):
                index += 1
            if index == length:
                return code
        position = (position + 1) & mask
    code = lengths[-1]
    slots[position] = code
    text_starts[code], lengths[code] = at, length
    lengths[-1] = code + 1
    return code


@borrowing
def code_of(memory: int, froms: Any, ends: Any, field: int, texts: Any, row: int) -> int:
    """The code of the text of a field, -1 where the field is not there."""
    if froms[field] < 0:
        return -1
    slots, text_starts, lengths = texts[row]
    return intern(memory, froms[field], ends[field] - froms[field], slots, text_starts, lengths)


@borrowing
def read_object(memory: int, at: int, end: int, is_click: bool, froms: Any, ends: Any) -> int:
    """Where the fields of the object lie, in ``froms`` (-1 absent, -2 null) and ``ends``; its event time, or -1."""
    froms[:] = -1
    instant = np.int64(-1)
    if byte_at(memory, at) != _OPEN:
        return -1
    at = skip_space(memory, at + 1, end)
    while at < end and byte_at(memory, at) == _QUOTE:
        after = skip_string(memory, at + 1, end)
        if after < 0:
            return -1
        field = field_of(memory, at + 1, after)
        if field >= _CLICKS_ONLY and not is_click:
            field = _UNKNOWN
        if field >= 0 and froms[field] != -1:
            return -1  # given twice
        at = skip_space(memory, after + 1, end)
        if at >= end or byte_at(memory, at) != _COLON:
            return -1
        at = skip_space(memory, at + 1, end)
        if at >= end:
            return -1
        begin, until, after = read_value(memory, at, end, field)
        if after < 0:
            return -1
        if field >= 0:
            froms[field], ends[field] = begin, until
        if field == 1:
            instant = read_instant(memory, begin, until) if begin > at else read_whole(memory, begin, until)
            if instant < 0:
                return -1
        at = skip_space(memory, after, end)
        if at >= end:
            return -1
        if byte_at(memory, at) == _CLOSE:
            return instant if skip_space(memory, at + 1, end) == end else -1
        if byte_at(memory, at) != _COMMA:
            return -1
        at = skip_space(memory, at + 1, end)
    return -1


@borrowing
def read_value(memory: int, at: int, end: int, field: int) -> tuple[int, int, int]:
    """Where the value of a field begins and ends (-2 for null), and the position after it; -1 where it is not plain."""
    if byte_at(memory, at) == _QUOTE:
        after = skip_string(memory, at + 1, end)
        return at + 1, after, (after + 1 if after > 0 else -1)
    if byte_at(memory, at) <= _NINE:
        after = skip_number(memory, at, end) if field < 0 or field == 1 or field == 6 else -1
        return at, after, after
    after = skip_literal(memory, at, end)
    is_null = byte_at(memory, at) == _NULL[0]
    if field >= 0 and (field < _REQUIRED or not is_null):
        after = -1
    return -2, -2, after


@borrowing
def are_ids(froms: Any, ends: Any) -> bool:
    """Whether every id that is there has the length of one, and every other text that of a label."""
    for field in (0, 2, 3, 5):
        size = ends[field] - froms[field]
        if froms[field] >= 0 and (size < 1 or size > _MAX_ID_BYTES):
            return False
    for field in (4, 7, 8, 9):
        if froms[field] >= 0 and ends[field] - froms[field] > _MAX_LABEL_BYTES:
            return False
    return True


@inlined
def are_alike(memory: int, one: int, other: int, size: int) -> bool:
    """Whether as many bytes are the same at two places."""
    index = 0
    while index + 8 <= size:
        if word_at(memory, one + index) != word_at(memory, other + index):
            return False
        index += 8
    while index < size:
        if byte_at(memory, one + index) != byte_at(memory, other + index):
            return False
        index += 1
    return True


@borrowing
def is_own_id(memory: int, at: int, size: int, froms: Any, ends: Any) -> bool:
    """Whether the bytes of a key are one of the ids of its record that are not the visitor's."""
    for field in (0, 2, 5):
        begin = froms[field]
        if begin >= 0 and ends[field] - begin == size and are_alike(memory, at, begin, size):
            return True
    return False


@inlined
def is_framed_visitor(memory: int, key: int, length: int, visitor: int, size: int) -> bool:
    """Whether a key is the visitor's id as a JSON string, or behind the header of a schema registry."""
    ahead = length - size
    if ahead == 2:
        quotes = byte_at(memory, key) == _QUOTE and byte_at(memory, key + length - 1) == _QUOTE
        return quotes and are_alike(memory, key + 1, visitor, size)
    if (ahead != 5 and ahead != 6 and ahead != 9 and ahead != 10) or byte_at(memory, key) != 0:
        return False
    header = ahead if ahead == 5 or ahead == 9 else ahead - 1
    is_numbered = False
    for index in range(1, header):
        is_numbered |= byte_at(memory, key + index) != 0
    if not is_numbered or (header < ahead and (size >= 64 or byte_at(memory, key + header) != 2 * size)):
        return False
    return are_alike(memory, key + ahead, visitor, size)


@inlined
def may_be_framed(memory: int, key: int, length: int, visitor: int) -> bool:
    """Whether a key may say something else than its bytes: JSON, a schema registry's header, an integer."""
    first = byte_at(memory, key)
    if first == _QUOTE or first < 0x20:
        return True
    if first == _OPEN:
        return True
    return (length == 4 or length == 8) and byte_at(memory, visitor) <= _NINE


@kernel
def scan(
    data: Any,
    starts: Any,
    sizes: Any,
    most_bytes: int,
    is_click: bool,
    partitions: int,
    trusts_keys: bool,
    id_seed: Any,
    visitor_seed: Any,
    plain: Any,
    at: Any,
    micros: Any,
    ids: Any,
    visitors: Any,
    codes: Any,
    texts: Any,
    keys: Any,
    homes: Any,
    kinds: Any,
) -> None:
    """Fill the columns of every record; ``plain`` says of which they are right.

    Args:
        data: uint8, the bytes that hold all records, padded.
        starts: int64, where each record's value begins.
        sizes: int64, its length; below 0 for none.
        most_bytes: longer records are not plain.
        is_click: whether ``offer`` and ``segment`` are fields.
        partitions: how many there are; 0: ``homes`` is left alone.
        trusts_keys: as ``metrics.records.partition_keys.KeyRule`` says.
        id_seed: of the hash of ``event_id``.
        visitor_seed: of the hash of ``visitor_id``.
        plain: bool, out.
        at: int64, out: event time in epoch milliseconds.
        micros: int64, out: cost in its own currency; -1 for none.
        ids: uint64, out.
        visitors: uint64, out; 0 for none.
        codes: int32 of three rows, out: of campaign, currency and channel; -1 for none.
        texts: for each row of codes (slots, text_starts, lengths) as ``intern`` wants them.
        keys: int64 of two rows: where each record's key begins, and its length.
        homes: int32, out: where each visitor's journey is remembered.
        kinds: uint8, out: what each key is to its record, as an index into ``partition_keys.KEY_KINDS``.
    """
    memory = address_of(data)
    froms, ends = np.empty(_COUNT, dtype=np.int64), np.empty(_COUNT, dtype=np.int64)
    for index in range(len(starts)):
        plain[index] = False
        if sizes[index] < 2 or sizes[index] > most_bytes:
            continue
        begin = starts[index]
        instant = read_object(memory, begin, begin + sizes[index], is_click, froms, ends)
        if instant < 0 or instant > _LATEST or froms[0] < 0 or froms[2] < 0 or not are_ids(froms, ends):
            continue
        cost = np.int64(-1)
        if froms[6] >= 0:
            cost = read_micros(memory, froms[6], ends[6])
            if cost < 0:
                continue
        plain[index], at[index], micros[index] = True, instant, cost
        ids[index] = xxh64(memory, froms[0], ends[0] - froms[0], id_seed) | np.uint64(2)
        visitors[index] = np.uint64(0)
        if froms[3] >= 0:
            visitors[index] = xxh64(memory, froms[3], ends[3] - froms[3], visitor_seed) | np.uint64(2)
            if partitions > 0:
                home_key, size = froms[3], ends[3] - froms[3]
                key, length = keys[0, index], keys[1, index]
                if length > 0:
                    kinds[index] = _VISITORS
                    if length != size or not are_alike(memory, key, home_key, size):
                        if is_own_id(memory, key, length, froms, ends):
                            kinds[index] = _OWN_ID
                        elif not is_framed_visitor(memory, key, length, home_key, size):
                            if may_be_framed(memory, key, length, home_key):
                                plain[index] = False
                                continue
                            kinds[index] = _OTHER
                            if trusts_keys:
                                home_key, size = key, length
                homes[index] = partition_at(memory, home_key, size, partitions)
        for row in range(3):
            codes[row, index] = code_of(memory, froms, ends, _TEXT_FIELDS[row], texts, row)

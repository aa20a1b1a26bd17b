"""Decoding a slice of records at once; one by one only to find the bad ones (DESIGN 5).

The values are joined by newlines, which JSON strings cannot hold raw; each value begins with ``{`` and
ends with ``}``, and ``}`` newline ``{`` is valid only between two values. So no value can run into the
next, and as many events as records means each record is one event.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from metrics.errors import Rejection
from metrics.judging import MAX_RECORD_BYTES, decode

E = TypeVar("E")


class SourceRecord(Protocol):
    """A record as the transport hands it over; the timestamp in epoch milliseconds."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def decode_slice(
    decoder: msgspec.json.Decoder[E], records: Sequence[SourceRecord]
) -> Sequence[E | Rejection]:
    """For each record its event, or why it is none."""
    values = [record.value for record in records]
    if all(map(_is_plain, values)):
        try:
            events = decoder.decode_lines(b"\n".join(values))  # type: ignore[arg-type]
        except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
            pass  # one of them is bad: find it below
        else:
            if len(events) == len(values):
                return events
    return list(map(partial(_decode_one, decoder), values))


def _is_plain(value: bytes | None) -> bool:
    return bool(value) and value[0] == 0x7B and value[-1] == 0x7D and len(value) <= MAX_RECORD_BYTES  # type: ignore[index,arg-type]


def _decode_one(decoder: msgspec.json.Decoder[E], value: bytes | None) -> E | Rejection:
    try:
        event: E = decode(decoder, value)
    except Rejection as rejection:
        return rejection
    return event

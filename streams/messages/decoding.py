"""Decoding a slice of records at once; one by one only to find the bad ones.

The values are joined by newlines, which JSON strings cannot hold raw; each value begins with ``{`` and
ends with ``}``, and ``}`` newline ``{`` is valid only between two values. So no value can run into the
next, and as many events as records means each record is one event.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec

from metrics.records.events import (
    Activation,
    AdClick,
    AdImpression,
    AdReport,
    Erasure,
    Lead,
    Order,
    Referral,
    Subscription,
    Survey,
    Ticket,
)
from metrics.records.validation import MAX_RECORD_BYTES, decode, may_part_digits
from metrics.values.errors import Rejection
from streams import topics
from streams.messages.source_records import SourceRecord

E = TypeVar("E")


#: What the records of a source are.
_SHAPES: dict[str, type[Any]] = {
    topics.IMPRESSIONS: AdImpression,
    topics.CLICKS: AdClick,
    topics.REPORTS: AdReport,
    topics.LEADS: Lead,
    topics.ORDERS: Order,
    topics.SURVEYS: Survey,
    topics.TICKETS: Ticket,
    topics.SUBSCRIPTIONS: Subscription,
    topics.REFERRALS: Referral,
    topics.ACTIVATIONS: Activation,
    topics.ERASURES: Erasure,
}
DECODERS = {topic: msgspec.json.Decoder(shape) for topic, shape in _SHAPES.items()}


def decode_slice(
    decoder: msgspec.json.Decoder[E], records: Sequence[SourceRecord]
) -> Sequence[E | Rejection]:
    """For each record its event, or why it is none."""
    values = [record.value for record in records]
    if _are_plain(values):
        try:
            joined = b"\n".join(values)  # type: ignore[arg-type]
            events = decoder.decode_lines(joined)
        except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError):
            pass  # one of them is bad: find it below
        else:
            if len(events) == len(values) and not may_part_digits(joined):
                return events
    return list(map(partial(_decode_one, decoder), values))


def _are_plain(values: list[bytes | None]) -> bool:
    for value in values:  # a call for each would double the cost
        if not value or value[0] != 0x7B or value[-1] != 0x7D or len(value) > MAX_RECORD_BYTES:
            return False
    return True


def _decode_one(decoder: msgspec.json.Decoder[E], value: bytes | None) -> E | Rejection:
    try:
        event: E = decode(decoder, value)
    except Rejection as rejection:
        return rejection
    return event

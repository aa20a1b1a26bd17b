"""Judging one record: decoding, and what its fields must satisfy. Every input gives an event or a Rejection."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from metrics.values.errors import Reason, Rejection
from metrics.values.time import MAX_INSTANT, MIN_INSTANT, format_instant, to_millis

#: A record above this size is refused unread.
MAX_RECORD_BYTES = 256 * 1024

E = TypeVar("E")

#: What the decoder says of an id that its pattern refuses.
_NONCHARACTER = "matching regex"


def decode(decoder: msgspec.json.Decoder[E], value: bytes | None) -> E:
    """The event in a record's value.

    Raises:
        Rejection: ``oversized``, ``invalid_json``, ``missing_field`` or ``invalid_field``.
    """
    if not value:
        raise Rejection(Reason.INVALID_JSON, "the record has no value")
    if len(value) > MAX_RECORD_BYTES:
        raise Rejection(Reason.OVERSIZED, f"{len(value)} bytes; at most {MAX_RECORD_BYTES} are read")
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        _is_json(value)  # the decoder stops at the first wrong field; what follows may not even be JSON
        text = str(error)
        if _NONCHARACTER in text:
            where = text.rpartition("$.")[2].rstrip("`") or "an id"
            text = f"{where} holds U+FFFF, which Unicode keeps out of interchange; send the id without it"
        missing = "missing required field" in text
        raise Rejection(Reason.MISSING_FIELD if missing else Reason.INVALID_FIELD, text) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejection(Reason.INVALID_JSON, str(error)) from error
    except (ArithmeticError, ValueError) as error:  # numbers no decimal can hold
        raise Rejection(Reason.INVALID_FIELD, str(error)) from error


def _is_json(value: bytes) -> None:
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejection(Reason.INVALID_JSON, str(error)) from error
    except (ArithmeticError, ValueError):
        return  # JSON with a number too large for Python


def instant(value: datetime | int, name: str) -> int:
    """Epoch milliseconds of a time field.

    Raises:
        Rejection: ``invalid_field`` without an offset, or outside the years 2 to 9998.
    """
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise Rejection(Reason.INVALID_FIELD, f"{name} has no offset; write it like 2026-11-21T10:00:00Z")
        millis = to_millis(value)
    else:
        millis = value
    if not MIN_INSTANT <= millis <= MAX_INSTANT:
        raise Rejection(
            Reason.INVALID_FIELD,
            f"{name} {value} is not an instant (epoch milliseconds) of the years 2 to 9998",
        )
    return millis


def not_in_future(at: int, appended_at: int, max_future_ms: int) -> None:
    """Refuse an event time too far ahead of the record's Kafka timestamp.

    Raises:
        Rejection: ``future_timestamp``.
    """
    if at > appended_at + max_future_ms:
        raise Rejection(
            Reason.FUTURE_TIMESTAMP,
            f"occurred_at {format_instant(at)} is ahead of the record's Kafka timestamp "
            f"{format_instant(appended_at)} by more than {max_future_ms} ms",
        )


def required(value: Any, name: str) -> Any:
    """The value of a field that this kind of record needs.

    Raises:
        Rejection: ``missing_field``.
    """
    if value is None:
        raise Rejection(Reason.MISSING_FIELD, f"Object missing required field `{name}`")
    return value

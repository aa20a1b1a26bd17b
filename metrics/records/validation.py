"""Judging one record: decoding, and what its fields must satisfy. Every input gives an event or a Rejection."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from metrics.records.events import AdReport
from metrics.values.errors import Reason, Rejection
from metrics.values.time import MAX_INSTANT, MIN_INSTANT, format_instant, to_millis

#: A record above this size is refused unread.
MAX_RECORD_BYTES = 256 * 1024

#: A JSON string that is an RFC 3339 instant of a second 60: minute, and offset.
_SECOND_60 = re.compile(rb'"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d):60(?:\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"')
#: Two times so near to each other may be one, in another unit.
_NEAR_MS = 400 * 86_400_000
_Y2000, _Y2100 = 946_684_800_000, 4_102_444_800_000

#: An underscore with no letter behind it but e; quick to look for, and rare behind the one in a field's name.
_AFTER_UNDERSCORE = re.compile(rb"_[eE]?[^a-zA-Z]")
#: A text that stands for a value, with an underscore and no letters but e; any character may be an escape.
#: Possessive repetition looks at no byte twice: a text of underscores would take time by the square of its length otherwise.
_PARTED_DIGITS = re.compile(
    rb':\s*"(?:[^"\\_a-df-zA-DF-Z]++|\\(?!u005[fF])(?:u[0-9a-fA-F]{4}|.))*+(?:_|\\u005[fF])'
    rb'(?:[^"\\a-df-zA-DF-Z]++|\\(?:u[0-9a-fA-F]{4}|.))*+"'
)

E = TypeVar("E")

#: Numbers as text, since which number it is does not matter, and one beyond a float's range is none that fails.
_as_written = msgspec.json.Decoder(float_hook=str)

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
        event = decoder.decode(value)
    except msgspec.ValidationError as error:
        plain = _without_leap_seconds(value)
        if plain != value:
            return decode(decoder, plain)
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
    refuse_parted_digits(event, value)
    return event


def may_part_digits(value: bytes) -> bool:
    """Whether any text in JSON looks like a number whose digits underscores part; ids may look so too."""
    is_likely = _AFTER_UNDERSCORE.search(value) is not None or b"\\u005" in value
    return is_likely and _PARTED_DIGITS.search(value) is not None


def refuse_parted_digits(event: Any, value: bytes) -> None:
    """Refuse an amount like ``"1_000"``, which Python takes for 1000 and people and other programs may not.

    Args:
        event: what was decoded.
        value: the JSON that it was decoded from.

    Raises:
        Rejection: ``invalid_field``.
    """
    if not may_part_digits(value):
        return
    try:
        said = _as_written.decode(value)
    except (
        msgspec.DecodeError,
        ArithmeticError,
        ValueError,
        RecursionError,
    ) as error:  # in a field that was left out
        raise Rejection(Reason.INVALID_FIELD, str(error)) from error
    _compare_amounts(event, said)


def _compare_amounts(event: Any, said: Any) -> None:
    if not isinstance(event, msgspec.Struct) or not isinstance(said, dict):
        return
    for name, field in zip(event.__struct_fields__, event.__struct_encode_fields__, strict=True):
        found, text = getattr(event, name), said.get(field)
        if isinstance(found, Decimal) and isinstance(text, str) and "_" in text:
            raise Rejection(
                Reason.INVALID_FIELD, f"{field} {text!r} is no number; write it with digits and a point only"
            )
        _compare_amounts(found, text)


def _without_leap_seconds(value: bytes) -> bytes:
    """The record with each leap second as the last millisecond of its minute, which is that of the same day and window.

    RFC 3339 writes one as second 60, where the minute is 23:59 in UTC. No other second 60 exists.
    """
    return _SECOND_60.sub(_last_millisecond, value)


def _last_millisecond(found: re.Match[bytes]) -> bytes:
    minute, offset = found[1].decode(), found[2].decode()
    try:
        moment = datetime.fromisoformat(
            f"{minute}:59.999{'+00:00' if offset in 'Zz' else offset}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return found[0]
    return f'"{minute}:59.999{offset}"'.encode() if (moment.hour, moment.minute) == (23, 59) else found[0]


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
        hint = next(
            (
                f"; read as {unit}, it is {format_instant(millis // each)}: send milliseconds"
                for unit, each in (("microseconds", 1_000), ("nanoseconds", 1_000_000))
                if _Y2000 <= millis // each <= _Y2100
            ),
            "",
        )
        raise Rejection(
            Reason.INVALID_FIELD,
            f"{name} {value} is not an instant (epoch milliseconds) of the years 2 to 9998{hint}",
        )
    return millis


def not_too_early(at: int, appended_at: int, earliest: int, name: str = "occurred_at") -> None:
    """Refuse a time before the earliest that events may have; says where it is that of seconds sent as milliseconds.

    Args:
        at: the time, epoch milliseconds.
        appended_at: the record's Kafka timestamp.
        earliest: the setting ``EARLIEST_EVENT_TIME``, epoch milliseconds.
        name: of the field.

    Raises:
        Rejection: ``invalid_field``.
    """
    if at < earliest:
        hint = ""
        if abs(at * 1_000 - appended_at) < _NEAR_MS:
            hint = f"; read as seconds, {at} is {format_instant(at * 1_000)}: send milliseconds"
        raise Rejection(
            Reason.INVALID_FIELD,
            f"{name} {format_instant(at)} is before EARLIEST_EVENT_TIME {format_instant(earliest)}{hint}",
        )


def says_a_figure(report: AdReport) -> None:
    """Refuse a report without any figure, which says nothing: taken for zeros it would take back what an earlier one said.

    Raises:
        Rejection: ``missing_field``.
    """
    if (report.impressions, report.clicks, report.spend, report.conversions) == (None, None, None, None):
        raise Rejection(
            Reason.MISSING_FIELD,
            "a report with none of impressions, clicks, spend and conversions says nothing; where nothing means zero, say 0",
        )


def not_in_future(at: int, appended_at: int, max_future_ms: int, name: str = "occurred_at") -> None:
    """Refuse a time too far ahead of the record's Kafka timestamp.

    Raises:
        Rejection: ``future_timestamp``.
    """
    if at > appended_at + max_future_ms:
        raise Rejection(
            Reason.FUTURE_TIMESTAMP,
            f"{name} {format_instant(at)} is ahead of the record's Kafka timestamp "
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

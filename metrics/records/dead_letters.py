"""Records that roistream writes besides readings: dead letters. Knows no producer."""

import base64
import hashlib

import msgspec

from metrics.values.errors import Reason
from metrics.values.time import format_instant

#: A dead letter quotes at most this many bytes of the original record.
MAX_QUOTED_BYTES = 64 * 1024
#: What a refused value says of itself may be as long as the record.
_MAX_DETAIL = 500


class Base64(msgspec.Struct, frozen=True):
    """Bytes that are not UTF-8, as JSON can carry them."""

    base64: str


class DeadLetter(msgspec.Struct, kw_only=True, frozen=True):
    """A record that counts nowhere, with why; topic ``dead-letters``, keyed by the source topic.

    ``truncated``, ``length`` (bytes) and ``sha256`` (hex) describe the original value, and are absent
    where ``value`` is all of it.
    """

    topic: str
    partition: int
    offset: int
    key: str | Base64 | None
    value: str | Base64 | None
    reason: Reason
    detail: str
    failed_at: str
    truncated: bool | msgspec.UnsetType = msgspec.UNSET
    length: int | msgspec.UnsetType = msgspec.UNSET
    sha256: str | msgspec.UnsetType = msgspec.UNSET


def dead_letter(
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    reason: Reason,
    detail: str,
    failed_at_ms: int,
) -> DeadLetter:
    """The dead letter of one record, whatever its bytes are.

    Args:
        topic: where the record came from, with ``partition`` and ``offset``.
        partition: of the record.
        offset: of the record.
        key: Kafka key as read; a key longer than 64 KiB is cut like the value, without a mark.
        value: Kafka value as read; None for a tombstone.
        reason: why it was refused.
        detail: what to mend, for whoever owns the source.
        failed_at_ms: processing time in epoch milliseconds.

    >>> dead_letter("leads", 0, 7, None, b"{", Reason.INVALID_JSON, "truncated", 0).value
    '{'
    """
    whole = value is None or len(value) <= MAX_QUOTED_BYTES
    return DeadLetter(
        topic=topic,
        partition=partition,
        offset=offset,
        key=_quoted(key),
        value=_quoted(value),
        reason=reason,
        detail=detail if len(detail) <= _MAX_DETAIL else detail[:_MAX_DETAIL] + "…",
        failed_at=format_instant(failed_at_ms),
        truncated=msgspec.UNSET if whole else True,
        length=msgspec.UNSET if value is None or whole else len(value),
        sha256=msgspec.UNSET if value is None or whole else hashlib.sha256(value).hexdigest(),
    )


def _quoted(raw: bytes | None) -> str | Base64 | None:
    """The first 64 KiB as text where all of ``raw`` is UTF-8, else in base64.

    A character that the cut would split is left out whole.
    """
    if raw is None:
        return None
    head = raw[:MAX_QUOTED_BYTES]
    try:
        raw.decode()
    except UnicodeDecodeError:
        return Base64(base64.b64encode(head).decode())
    return head.decode(errors="ignore")

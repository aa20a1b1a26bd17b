"""Errors a person can act on, and the reasons a record is refused for. Knows nothing else."""

from enum import StrEnum

import msgspec


class RoistreamError(Exception):
    """Base of every error roistream raises on purpose; its text says what to do."""


class SettingError(RoistreamError):
    """A setting is wrong; the text is one sentence that names it."""


class StateError(RoistreamError):
    """Stored state and the world disagree; going on would publish wrong figures."""


class Reason(StrEnum):
    """Why a record went to ``dead-letters``."""

    INVALID_JSON = "invalid_json"
    MISSING_FIELD = "missing_field"
    INVALID_FIELD = "invalid_field"
    OVERSIZED = "oversized"
    UNKNOWN_CURRENCY = "unknown_currency"
    FUTURE_TIMESTAMP = "future_timestamp"
    TOO_LATE = "too_late"
    CONFLICT = "conflict"
    TOO_MANY = "too_many"


class Rejection(RoistreamError):
    """One record is refused: its reason, and a detail for whoever mends the source."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


#: What a decoder may raise at bytes that anyone may write: broken text, records nested without end, absurd decimals.
UNREADABLE = (
    msgspec.DecodeError,
    UnicodeDecodeError,
    RecursionError,
    ArithmeticError,
)

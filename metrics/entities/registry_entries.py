"""Records of a compacted topic by what they mean, whatever their keys are spelt like."""

from collections.abc import Hashable
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import msgspec

from metrics.records.validation import instant
from metrics.values.errors import Rejection

M = TypeVar("M", bound=Hashable)
V = TypeVar("V")


class _Entry(NamedTuple):
    """The newest record of a key: when it came, and its value; None where the key was withdrawn."""

    order: int
    value: object


class RegistryEntries(Generic[M, V]):
    """Which value holds for each meaning: that of the newest record, of all keys that name the meaning.

    What compaction removes changes nothing: of each key the newest record alone counts.

    >>> rates = RegistryEntries[str, int]()
    >>> rates.put(b"USD|0", "USD", 1), rates.put(b"USD|00", "USD", 2), rates.value("USD")
    ({'USD'}, {'USD'}, 2)
    >>> rates.withdraw(b"USD|0", {"USD"}), rates.value("USD")
    ({'USD'}, None)
    """

    def __init__(self) -> None:
        self._count = 0
        #: The meanings that the newest record of a key names.
        self._named: dict[bytes, set[M]] = {}
        self._by_meaning: dict[M, dict[bytes, _Entry]] = {}

    def put(self, key: bytes, meaning: M, value: V) -> set[M]:
        """Take in a record; returns the meanings whose value may have changed."""
        return self._take(key, {meaning}, value)

    def withdraw(self, key: bytes, named: set[M]) -> set[M]:
        """Take in a tombstone: withdraws what the key named, and ``named``, which the key itself says."""
        return self._take(key, named, None)

    def value(self, meaning: M) -> V | None:
        """The value that holds; None where none does."""
        entries = self._by_meaning.get(meaning)
        if not entries:
            return None
        found: V | None = max(entries.values(), key=lambda each: each.order).value  # type: ignore[assignment]
        return found

    def _take(self, key: bytes, named: set[M], value: V | None) -> set[M]:
        self._count += 1
        before = self._named.get(key, set())
        for meaning in before - named:
            del self._by_meaning[meaning][key]
        for meaning in named:
            self._by_meaning.setdefault(meaning, {})[key] = _Entry(self._count, value)
        self._named[key] = named
        return before | named


def named_and_instant(key: bytes) -> tuple[str, int] | None:
    """What a key ``name|instant`` says; the instant is RFC 3339 or epoch milliseconds. None for other keys.

    >>> named_and_instant(b"USD|1970-01-01T01:00:00+01:00"), named_and_instant(b"USD|0"), named_and_instant(b"USD")
    (('USD', 0), ('USD', 0), None)
    """
    name, _, text = key.decode(errors="replace").rpartition("|")
    if not name:
        return None
    try:
        at = int(text) if text.lstrip("-").isdecimal() else msgspec.convert(text, datetime)
        return name, instant(at, "key")
    except (msgspec.ValidationError, Rejection, ValueError):
        return None

"""Whose a Kafka key is: on which partition the journey of a record's person is remembered."""

from collections.abc import Iterable
from typing import NamedTuple


class KeyRule(NamedTuple):
    """What is made of keys.

    Attributes:
        partitions: how many there are; 0: journeys stay where their records came.
        trusts_keys: whether a key that is no id of the record itself is its person's, as the ``visitor_id`` by which
            a person of two devices was first known; else the record's own ``visitor_id`` always is.
    """

    partitions: int = 0
    trusts_keys: bool = True

    def person(self, key: bytes | None, visitor: str | None, others: Iterable[str | None]) -> bytes | None:
        """The text whose partition is the person's; None where nothing tells.

        Args:
            key: the record's.
            visitor: its ``visitor_id``.
            others: its other ids, which are no person's.

        >>> KeyRule(4).person(b"v-1", "v-2", ["c-1"]), KeyRule(4).person(b"c-1", "v-2", ["c-1"])
        (b'v-1', b'v-2')
        >>> KeyRule(4, trusts_keys=False).person(b"v-1", "v-2", ["c-1"]), KeyRule(4).person(b"o", None, ["o"])
        (b'v-2', None)
        """
        is_asked = bool(key) and (visitor is None or (self.trusts_keys and key != visitor.encode()))
        if is_asked and all(text is None or text.encode() != key for text in others):
            return key
        return None if visitor is None else visitor.encode()

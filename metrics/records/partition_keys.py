"""Whose a Kafka key is: on which partition the journey of a record's person is remembered.

Producers frame one text in many ways: as it is, as a JSON string, with the header of a schema registry, as an integer. Keys are
compared by what they say, not by their bytes.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

import msgspec

#: What a key is to its record.
KeyKind = Literal["visitor", "own_id", "other", "none"]
KEY_KINDS: tuple[KeyKind, ...] = ("none", "visitor", "own_id", "other")

#: Confluent's header: a zero byte and the schema's id in four bytes. Apicurio's older default: an id of eight.
_HEADERS = (5, 9)


@lru_cache(maxsize=1 << 12)
def texts_of(key: bytes) -> tuple[str, ...]:
    """What a key may say, the likeliest first; none where it says nothing that is text or a whole number.

    Confluent's and Apicurio's framing, with a payload of text, JSON, an Avro string or whole number, or a Protobuf message
    of one string; JSON strings and numbers, Kafka Connect's JSON with a schema, and objects of one member; big-endian
    integers of four and eight bytes.

    >>> texts_of(b"q10"), texts_of(b'"q10"'), texts_of(b'{"id": "q0"}')
    (('q10',), ('q10', '"q10"'), ('q0', '{"id": "q0"}'))
    >>> texts_of(bytes([0, 0, 0, 0, 7, 6]) + b"q10"), texts_of((42).to_bytes(8, "big"))
    (('q10',), ('42',))
    """
    return tuple(dict.fromkeys(_texts(key)))


def _texts(key: bytes) -> Iterator[str]:
    yield from _plain(key)
    if key[:1] == b"\0":
        for header in _HEADERS:
            if len(key) > header and any(key[1:header]):
                yield from _payload(key[header:])
    if len(key) in (4, 8):
        yield str(int.from_bytes(key, "big", signed=True))


def _plain(key: bytes) -> Iterator[str]:
    """What a key says that is text."""
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return
    if not text.isprintable() or not text:
        return
    if text[0] in '"{':
        said = _of_json(key)
        if said is not None:
            yield said
    yield text


def _of_json(key: bytes) -> str | None:
    try:
        said = msgspec.json.decode(key)
    except (msgspec.DecodeError, RecursionError, ArithmeticError, ValueError):
        return None
    if isinstance(said, dict):
        if set(said) == {"schema", "payload"}:
            said = said["payload"]
        if isinstance(said, dict) and len(said) == 1:
            (said,) = said.values()
    if isinstance(said, str):
        return said
    return str(said) if isinstance(said, int) and not isinstance(said, bool) else None


def _payload(payload: bytes) -> Iterator[str]:
    """What stands behind the header of a schema registry."""
    number, length = _zigzag(payload)
    if length and number == len(payload) - length:
        yield from _plain(payload[length:])
    if payload[:2] == b"\0\n" and len(payload) > 3 and payload[2] == len(payload) - 3:
        yield from _plain(payload[3:])
    yield from _plain(payload)
    if length == len(payload):
        yield str(number)


def _zigzag(payload: bytes) -> tuple[int, int]:
    """A whole number as Avro writes it, and its length in bytes; 0 bytes where there is none."""
    value = 0
    for index, byte in enumerate(payload[:10]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), index + 1
    return 0, 0


class KeyRule(NamedTuple):
    """What is made of keys.

    Attributes:
        partitions: how many there are; 0: journeys stay where their records came.
        trusts_keys: whether a key that is no id of the record itself is its person's, as the ``visitor_id`` by which
            a person of two devices was first known; else the record's own ``visitor_id`` always is.
    """

    partitions: int = 0
    trusts_keys: bool = True

    def kind(self, key: bytes | None, visitor: str | None, others: Iterable[str | None]) -> KeyKind:
        """What a key is to its record; arguments as of ``person``.

        >>> KeyRule().kind(b'"v"', "v", ["c"]), KeyRule().kind(b"c", "v", ["c"]), KeyRule().kind(b"s", "v", ["c"])
        ('visitor', 'own_id', 'other')
        """
        if not key:
            return "none"
        if visitor is not None and key == visitor.encode():
            return "visitor"
        said = texts_of(key)
        if visitor in said:
            return "visitor"
        return "own_id" if any(text in said for text in others if text is not None) else "other"

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
        >>> KeyRule(4).person(b'"v-2"', "v-2", ["c-1"]), KeyRule(4).person(b'"v-1"', None, [])
        (b'v-2', b'v-1')
        """
        if key and (visitor is None or self.trusts_keys) and self.kind(key, visitor, others) == "other":
            said = texts_of(key)
            return said[0].encode() if said else key
        return None if visitor is None else visitor.encode()

"""Keys and values of the changelogs, and of messages between the stages: MessagePack."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from metrics.values.hashing import partitions_of

T = TypeVar("T")

#: A changelog record, or one of an output: key and value, None for a tombstone.
Entry = tuple[bytes, bytes | None]

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode
#: The one byte that never begins MessagePack marks JSON, which has no largest integer.
IS_JSON = b"\xc1"


def encode(value: Any) -> bytes:
    """MessagePack; JSON after a mark where a sum has outgrown MessagePack's 64 bits."""
    try:
        return _pack(value)
    except OverflowError:
        return IS_JSON + msgspec.json.encode(value)


def decoder(shape: type[T]) -> Callable[[bytes], T]:
    """The inverse of ``encode`` for values of one shape."""
    packed, text = msgspec.msgpack.Decoder(shape).decode, msgspec.json.Decoder(shape).decode

    def decode(value: bytes) -> T:
        return text(value[1:]) if value[:1] == IS_JSON else packed(value)

    return decode


def state_key(kind: str, *parts: Any) -> bytes:
    """The changelog key of a piece of state."""
    return encode((kind, *parts))


def read_key(key: bytes) -> list[Any]:
    """Kind and parts of a changelog key."""
    found: list[Any] = _unpack(key)
    return found


def kind_of(key: bytes) -> str:
    """The kind of a changelog key, which is a short array that begins with a short text.

    >>> kind_of(state_key("jc", "L|1"))
    'jc'
    """
    return key[2 : 2 + (key[1] & 0x1F)].decode()


def decode_as(shape: type[T], value: bytes) -> T:
    """A changelog value as the shape it was written in."""
    return decoder(shape)(value) if value[:1] == IS_JSON else msgspec.msgpack.decode(value, type=shape)


def partition_of(key: str, partitions: int) -> int:
    """The partition Kafka's default partitioner gives a text key."""
    return int(partitions_of((key.encode(),), partitions)[0])

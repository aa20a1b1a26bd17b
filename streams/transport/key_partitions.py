"""The partition of a key as Kafka's default partitioner chooses it, one key at a time and without the kernels of a worker."""

import random
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct

_SEED, _MIXER, _LOW = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


@lru_cache(maxsize=1_024)
def _words(length: int) -> Struct:
    return Struct(f"<{length // 4}I")


def murmur2(key: bytes) -> int:
    """MurmurHash2 with the seed of Apache Kafka, 32 bits (`Utils.murmur2`); by words, so in half the time of aiokafka's by bytes.

    >>> murmur2(b"foobar") - 2**32, murmur2(b"21") - 2**32
    (-790332482, -973932308)
    """
    length = len(key)
    value = _SEED ^ length
    for part in _words(length).unpack_from(key):
        word = part * _MIXER & _LOW
        value = (value * _MIXER & _LOW) ^ ((word ^ word >> 24) * _MIXER & _LOW)
    rest = key[length & ~3 :]
    if rest:
        value = (value ^ int.from_bytes(rest, "little")) * _MIXER & _LOW
    value = (value ^ value >> 13) * _MIXER & _LOW
    return value ^ value >> 15


def choose_partition(key: bytes | None, partitions: Sequence[int], available: Sequence[int]) -> int:
    """A partitioner of aiokafka: the same choice as its default one.

    Args:
        key: of a record; None: any partition will do.
        partitions: all of the topic, in order.
        available: those that have a leader.
    """
    if key is None:
        return random.choice(available or partitions)  # noqa: S311 - to spread, not to hide
    return partitions[(murmur2(key) & 0x7FFFFFFF) % len(partitions)]

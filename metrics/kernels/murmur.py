"""The hash by which Kafka's default partitioner chooses a partition.

MurmurHash2 (A. Appleby, public domain) with the seed that Apache Kafka gives it: `Utils.murmur2`,
https://github.com/apache/kafka/blob/trunk/clients/src/main/java/org/apache/kafka/common/utils/Utils.java.
"""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined, kernel
from metrics.kernels.memory import address_of, byte_at, half_at

_SEED, _MIXER, _LOW = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


@inlined
def partition_at(data: Any, at: int, length: int, partitions: int) -> int:
    """The partition of a key of ``length`` bytes that lies ``at`` bytes behind an address; padded."""
    mixer, low = np.uint64(_MIXER), np.uint64(_LOW)
    value = np.uint64(_SEED) ^ np.uint64(length)
    end = at + length
    while at + 4 <= end:
        word = np.uint64(half_at(data, at)) * mixer & low
        word = (word ^ (word >> np.uint64(24))) * mixer & low
        value = (value * mixer & low) ^ word
        at += 4
    left = end - at
    if left > 0:
        for index in range(left - 1, -1, -1):
            value ^= np.uint64(byte_at(data, at + index)) << np.uint64(8 * index)
        value = value * mixer & low
    value = (value ^ (value >> np.uint64(13))) * mixer & low
    value ^= value >> np.uint64(15)
    return np.int64(value & np.uint64(0x7FFFFFFF)) % partitions


@kernel
def choose(data: Any, starts: Any, sizes: Any, partitions: int, found: Any) -> None:
    """The partition of each of many keys.

    Args:
        data: uint8, padded.
        starts: int64, where each key begins.
        sizes: int64, its length; below 0 for none.
        partitions: how many there are.
        found: int32, out; -1 where there is no key.
    """
    memory = address_of(data)
    for index in range(len(starts)):
        found[index] = -1
        if sizes[index] >= 0:
            found[index] = partition_at(memory, starts[index], sizes[index], partitions)


@kernel
def choose_one(data: Any, size: int, partitions: int) -> int:
    """The partition of the key that is the first ``size`` bytes of ``data`` (uint8, padded)."""
    return partition_at(address_of(data), 0, size, partitions)

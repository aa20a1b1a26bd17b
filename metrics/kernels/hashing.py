"""XXH64 over bytes in an array (Y. Collet, https://github.com/Cyan4973/xxHash, doc/xxhash_spec.md)."""

from typing import Any

import numpy as np

from metrics.kernels.compiling import inlined
from metrics.kernels.memory import byte_at, half_at, word_at

P1 = np.uint64(0x9E3779B185EBCA87)
P2 = np.uint64(0xC2B2AE3D27D4EB4F)
P3 = np.uint64(0x165667B19E3779F9)
P4 = np.uint64(0x85EBCA77C2B2AE63)
P5 = np.uint64(0x27D4EB2F165667C5)


@inlined
def rotate(value: Any, count: int) -> Any:
    """Bits rotated to the left."""
    return (value << np.uint64(count)) | (value >> np.uint64(64 - count))


@inlined
def mix(accumulator: Any, lane: Any) -> Any:
    """One lane folded into an accumulator."""
    return rotate(accumulator + lane * P2, 31) * P1


@inlined
def merge(value: Any, accumulator: Any) -> Any:
    """One of the four accumulators folded into the result."""
    return (value ^ mix(np.uint64(0), accumulator)) * P1 + P4


@inlined
def xxh64(data: Any, at: int, length: int, seed: Any) -> Any:
    """The hash of ``length`` bytes of a uint8 array from ``at`` on; uint64. The array is padded."""
    end = at + length
    if length >= 32:
        first, second = seed + P1 + P2, seed + P2
        third, fourth = seed + np.uint64(0), seed - P1
        while at + 32 <= end:
            first = mix(first, word_at(data, at))
            second = mix(second, word_at(data, at + 8))
            third = mix(third, word_at(data, at + 16))
            fourth = mix(fourth, word_at(data, at + 24))
            at += 32
        value = rotate(first, 1) + rotate(second, 7) + rotate(third, 12) + rotate(fourth, 18)
        value = merge(merge(merge(merge(value, first), second), third), fourth)
    else:
        value = seed + P5
    value += np.uint64(length)
    while at + 8 <= end:
        value = rotate(value ^ mix(np.uint64(0), word_at(data, at)), 27) * P1 + P4
        at += 8
    if at + 4 <= end:
        value = rotate(value ^ (np.uint64(half_at(data, at)) * P1), 23) * P2 + P3
        at += 4
    while at < end:
        value = rotate(value ^ (np.uint64(byte_at(data, at)) * P5), 11) * P1
        at += 1
    value = (value ^ (value >> np.uint64(33))) * P2
    value = (value ^ (value >> np.uint64(29))) * P3
    return value ^ (value >> np.uint64(32))

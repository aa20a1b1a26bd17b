"""The kernels as plain Python: each read of memory is checked, and each branch is seen by who measures coverage."""

import os
from typing import Any

import numpy as np


def install() -> None:
    """Before any kernel is imported."""
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    np.seterr(over="ignore")  # integers wrap around in kernels
    from metrics.kernels import memory  # noqa: PLC0415 - numba reads the environment when it is imported

    memory.address_of = _address_of
    memory.byte_at = _byte_at
    memory.half_at = _half_at
    memory.word_at = _word_at
    memory.trailing_zeros = _trailing_zeros


def _address_of(data: Any) -> bytes:
    return bytes(data)


def _read(data: bytes, at: int, size: int) -> int:
    if not 0 <= at <= len(data) - size:
        raise IndexError(f"{size} bytes at {at} of {len(data)}")
    return int.from_bytes(data[at : at + size], "little")


def _byte_at(data: bytes, at: int) -> int:
    return _read(data, at, 1)


def _half_at(data: bytes, at: int) -> int:
    return _read(data, at, 4)


def _word_at(data: bytes, at: int) -> Any:
    return np.uint64(_read(data, at, 8))


def _trailing_zeros(word: Any) -> int:
    value = int(word)
    return (value & -value).bit_length() - 1 if value else 64

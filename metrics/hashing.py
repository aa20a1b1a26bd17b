"""64-bit hashes (XXH64) of ids. Two different ids meet in one hash with probability 2^-64."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import xxhash

Hashes = npt.NDArray[np.uint64]


def seed_of(domain: str) -> int:
    """The seed that keeps ids of one domain (a topic, a kind of person) apart from those of the others.

    Seeds are hashes themselves: XXH64 adds a seed before it mixes, so seeds that differ in a few bits only would let
    short ids of two domains meet.
    """
    return xxhash.xxh64_intdigest(domain.encode())


def hash_id(text: str, seed: int) -> int:
    """The hash of an id; never 0, which marks free slots of tables."""
    return xxhash.xxh64_intdigest(text.encode(), seed) | 2


def hash_ids(texts: Iterable[str], seed: int) -> Hashes:
    """``hash_id`` of each."""
    digest = xxhash.xxh64_intdigest
    return np.array([digest(text.encode(), seed) for text in texts], dtype=np.uint64) | np.uint64(2)


#: Of ``visitor_id``.
VISITOR_SEED = seed_of("visitor")

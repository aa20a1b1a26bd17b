"""Ids of different topics and partitions must not meet in one hash; a meeting drops an event silently."""

import string
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from metrics.values.hashing import hash_id, hash_ids, partition_of, partitions_of
from streams.messages.source_records import ID_SEEDS
from streams.topics import SOURCES


def test_short_ids_of_different_topics_do_not_meet():
    letters = string.ascii_lowercase[:6] + string.digits + "-_"
    ids = ["".join(parts) for length in (1, 2, 3) for parts in product(letters, repeat=length)]
    ids += [f"e-{number}" for number in range(20_000)]
    hashes = {hash_id(text, ID_SEEDS[topic]) for topic in SOURCES for text in ids}
    assert len(hashes) == len(SOURCES) * len(set(ids))


def test_a_hash_never_looks_like_a_free_slot():
    assert all(hash_id(str(number), ID_SEEDS["leads"]) > 1 for number in range(10_000))


def test_many_ids_are_hashed_as_each_alone():
    ids = ["", "e-1", "é", "x" * 128]
    assert hash_ids(ids, ID_SEEDS["leads"]).tolist() == [hash_id(text, ID_SEEDS["leads"]) for text in ids]


@given(keys=st.lists(st.binary(max_size=40), max_size=8), partitions=st.integers(1, 1_000))
def test_many_keys_have_the_partition_of_each_alone(keys, partitions):
    assert partitions_of(keys, partitions).tolist() == [partition_of(key, partitions) for key in keys]

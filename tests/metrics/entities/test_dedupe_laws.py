"""Remembered ids behave like a set within their window, in blocks that may be stored, merged and restored."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.entities import dedupe
from metrics.entities.dedupe import IdBlock, SeenIds, repeated
from metrics.values.hashing import hash_id, seed_of
from tests.support.examples import examples

bounded = examples(0.6)
numbers = st.integers(0, 300)
batches = st.lists(st.lists(numbers, max_size=30), max_size=80)


def hashes_of(found):
    return np.array([hash_id(f"e-{n}", seed_of("clicks")) for n in found], dtype=np.uint64)


def take(seen, batch, at=0):
    """Apply a batch as intake does; return which of it were new."""
    distinct = list(dict.fromkeys(batch))
    hashes = hashes_of(distinct)
    known = seen.contains(hashes)
    seen.remember(hashes[~known], at)
    return [n for n, is_known in zip(distinct, known, strict=True) if not is_known]


class Changelog:
    """Blocks as the changelog keeps them."""

    def __init__(self):
        self.blocks: dict[int, IdBlock] = {}

    def write(self, change):
        for sequence in change.forgotten:
            del self.blocks[sequence]
        if change.stored is not None:
            self.blocks[change.stored.sequence] = change.stored

    def restored(self, *limits):
        seen = SeenIds(*limits)
        for sequence in sorted(self.blocks):
            seen.restore(self.blocks[sequence])
        return seen


@bounded
@given(batches)
def test_within_the_window_it_is_a_set_and_merging_loses_nothing(drawn):
    seen, reference, changelog = SeenIds(1_000_000, 10**9), set(), Changelog()
    for sequence, batch in enumerate(drawn):
        assert take(seen, batch) == [n for n in dict.fromkeys(batch) if n not in reference]
        reference |= set(batch)
        changelog.write(seen.checkpoint(sequence, 0))
    stored = [int(h) for block in changelog.blocks.values() for h in block.hashes]
    assert sorted(stored) == sorted(int(h) for h in hashes_of(reference))
    assert len(seen) == len(reference)


@bounded
@given(batches, st.integers(0, 79), st.integers(5, 60))
def test_restored_anywhere_it_equals_the_run_without(drawn, crash_after, most):
    seen, changelog = SeenIds(most, 10**9), Changelog()
    other, other_log = SeenIds(most, 10**9), Changelog()
    for sequence, batch in enumerate(drawn):
        assert take(seen, batch, sequence) == take(other, batch, sequence)
        changelog.write(seen.checkpoint(sequence, sequence))
        other_log.write(other.checkpoint(sequence, sequence))
        if sequence == crash_after:
            seen = changelog.restored(most, 10**9)
        assert len(seen) == len(other)
    assert set(changelog.blocks) == set(other_log.blocks)


@bounded
@given(batches, st.integers(1, 50))
def test_the_last_max_events_are_remembered_and_little_more(drawn, most):
    seen, applied, largest = SeenIds(most, 10**9), [], 0
    for sequence, batch in enumerate(drawn):
        applied += take(seen, batch)
        seen.checkpoint(sequence, 0)
        largest = max(largest, len(batch))
        assert seen.contains(hashes_of(applied[-most:])).all()
        assert len(seen) <= most + 16 * 16 * largest


@bounded
@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=60), st.integers(1, 300))
def test_an_id_is_remembered_for_the_window_of_event_time(times, window):
    seen, stream_time = SeenIds(1_000_000, window), 0
    for n, at in enumerate(times):
        stream_time = max(stream_time, at)
        seen.remember(hashes_of([n]), at)
        seen.checkpoint(n, stream_time)
        young = [m for m, when in enumerate(times[: n + 1]) if when >= stream_time - window]
        assert seen.contains(hashes_of(young)).all()


def test_blocks_age_away_when_all_are_older_than_the_window():
    seen = SeenIds(1_000_000, 100)
    for n in range(200):
        seen.remember(hashes_of([n]), 0)
        seen.checkpoint(n, 0)
    change = seen.checkpoint(200, 101)
    assert (len(seen), change.stored, seen.contains(hashes_of(range(200))).any()) == (0, None, False)


def test_tables_grow_forget_and_find_across_many_rebuilds():
    seen = SeenIds(20_000, 10**9)
    for sequence in range(40):
        drawn = range(5_000 * sequence, 5_000 * (sequence + 1))
        assert take(seen, drawn) == list(drawn)
        assert take(seen, drawn) == []
        seen.checkpoint(sequence, 0)
    assert seen.contains(hashes_of(range(180_000, 200_000))).all()
    assert not seen.contains(hashes_of(range(50_000))).any()


def test_ids_of_two_topics_that_are_spelt_alike_differ():
    alike = [
        (hash_id(f"e-{n}", seed_of("leads")), hash_id(f"e-{n}", seed_of("orders"))) for n in range(10_000)
    ]
    assert len({h for pair in alike for h in pair}) == 20_000


@bounded
@given(st.lists(st.sets(numbers, max_size=60), max_size=4))
def test_ids_that_several_tables_remember_are_counted(sets):
    tables = []
    for some in sets:
        tables.append(SeenIds(1_000, 1_000))
        take(tables[-1], sorted(some))
    assert repeated(tables) == sum(map(len, sets)) - len(set().union(*sets))


def test_of_many_ids_a_sample_says_about_how_many_are_remembered_twice(monkeypatch):
    monkeypatch.setattr(dedupe, "_SAMPLED", 2_000)
    one, other = SeenIds(100_000, 1_000), SeenIds(100_000, 1_000)
    take(one, range(20_000))
    take(other, range(10_000, 30_000))
    assert 8_000 < repeated([one, other]) < 12_000

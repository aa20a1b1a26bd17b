"""The packed store of touches behaves like a list of them, in blocks that may be stored, merged and restored."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.attribution.identity_graph import visitor_hash
from metrics.attribution.touch_store import ConvertedVisitors, TouchColumns, TouchStore
from tests.support.examples import examples

bounded = examples(0.6)
PEOPLE = [0, *(visitor_hash(f"v{n}") for n in range(5))]
touches = st.tuples(st.sampled_from(PEOPLE), st.integers(0, 200), st.integers(0, 9))
batches = st.lists(st.lists(touches, max_size=25), max_size=40)


def columns(batch):
    visitors, at, places = zip(*batch, strict=True) if batch else ((), (), ())
    return TouchColumns(np.array(visitors, np.uint64), np.array(at, np.int64), np.array(places, np.int32))


class Changelog:
    def __init__(self):
        self.blocks = {}

    def write(self, change):
        for sequence in change.forgotten:
            del self.blocks[sequence]
        self.blocks |= {block.sequence: block for block in change.stored}

    def restored(self, keep):
        store = TouchStore(keep)
        for sequence in sorted(self.blocks):
            store.restore(self.blocks[sequence])
        return store


def expected(batch, visitor, since, until):
    return Counter((at, place) for who, at, place in batch if who == visitor and since <= at < until)


def held(store, since=0, until=1_000):
    return {who: Counter(store.of(who, since, until)) for who in PEOPLE[1:]}


@bounded
@given(batches, st.integers(0, 200), st.integers(0, 200))
def test_it_finds_what_a_list_would(drawn, since, until):
    store, reference = TouchStore(10**9), []
    for sequence, batch in enumerate(drawn):
        store.insert(columns(batch))
        store.checkpoint(sequence, 0)
        reference += batch
    for visitor in PEOPLE[1:]:
        assert Counter(store.of(visitor, since, until)) == expected(reference, visitor, since, until)
    assert store.visitors == len({who for who, _, _ in reference} - {0})


@bounded
@given(batches, st.integers(0, 39), st.integers(0, 40))
def test_restored_anywhere_it_equals_the_run_without(drawn, crash_after, keep):
    store, other, log, other_log = TouchStore(keep), TouchStore(keep), Changelog(), Changelog()
    for sequence, batch in enumerate(drawn):
        for each, its in ((store, log), (other, other_log)):
            each.insert(columns(batch))
            its.write(each.checkpoint(sequence, 5 * sequence))
        if sequence == crash_after:
            store = log.restored(keep)
        assert held(store) == held(other)
    assert set(log.blocks) == set(other_log.blocks)


@bounded
@given(batches, st.integers(1, 60))
def test_a_touch_is_kept_for_as_long_as_is_asked(drawn, keep):
    store, reference = TouchStore(keep), []
    for sequence, batch in enumerate(drawn):
        store.insert(columns(batch))
        reference += batch
        store.checkpoint(sequence, 4 * sequence)
        since = 4 * sequence - keep
        for visitor in PEOPLE[1:]:
            assert Counter(store.of(visitor, since, 1_000)) == expected(reference, visitor, since, 1_000)


@bounded
@given(batches, st.sampled_from(PEOPLE[1:]), st.integers(0, 39))
def test_an_erased_visitor_leaves_no_touch_in_memory_or_in_any_block(drawn, gone, when):
    store, log, reference = TouchStore(10**9), Changelog(), []
    for sequence, batch in enumerate(drawn):
        store.insert(columns(batch))
        reference += batch
        if sequence == when:
            count = store.erase(gone)
            assert count == sum(who == gone for who, _, _ in reference)
            reference = [touch for touch in reference if touch[0] != gone]
        log.write(store.checkpoint(sequence, 0))
        if sequence == when:
            assert not any(gone in block.columns.visitors for block in log.blocks.values())
        for each in (store, log.restored(10**9)):
            for visitor in PEOPLE[1:]:
                assert Counter(each.of(visitor, 0, 1_000)) == expected(reference, visitor, 0, 1_000)


def test_blocks_of_an_erased_visitor_are_stored_anew_over_several_checkpoints():
    store, log = TouchStore(10**9), Changelog()
    for sequence in range(3):
        visitors = np.full(100_000, PEOPLE[2], np.uint64)
        visitors[0] = PEOPLE[1]
        store.insert(TouchColumns(visitors, np.zeros(100_000, np.int64), np.zeros(100_000, np.int32)))
        log.write(store.checkpoint(sequence, 0))
    assert store.erase(PEOPLE[1]) == 3
    sizes = []
    while store.has_rewritten:
        change = store.checkpoint(3 + len(sizes), 0)
        sizes.append(sum(len(block.columns.visitors) for block in change.stored))
        log.write(change)
    assert sizes == [99_999] * 3
    assert not any(PEOPLE[1] in block.columns.visitors for block in log.blocks.values())


def test_it_grows_forgets_and_finds_across_many_turns_of_the_ring():
    rng, store = np.random.default_rng(1), TouchStore(3_000)
    everyone = rng.integers(1, 1 << 63, 3_000, dtype=np.uint64)
    reference: list[tuple[int, int, int]] = []
    for sequence in range(60):
        visitors = rng.choice(everyone, 2_000)
        at = np.full(2_000, 100 * sequence) + rng.integers(0, 50, 2_000)
        store.insert(TouchColumns(visitors, at, np.full(2_000, sequence, np.int32)))
        reference += zip(visitors.tolist(), at.tolist(), [sequence] * 2_000, strict=True)
        store.checkpoint(sequence, 100 * sequence)
    for visitor in everyone[:50].tolist():
        assert Counter(store.of(visitor, 3_000, 10_000)) == expected(reference, visitor, 3_000, 10_000)
    assert len(store) < 45 * 2_000
    assert store.nbytes < 60 * len(store)


@pytest.mark.parametrize("size", [7, 400, 9_000])
@pytest.mark.parametrize("keep_ms", [30, 1 << 40])
def test_touches_are_found_while_the_room_for_them_grows_whoever_is_erased_meanwhile(size, keep_ms):
    store, rng, reference = TouchStore(keep_ms), np.random.default_rng(size), []
    people = rng.integers(2, 1 << 63, 30_000, dtype=np.uint64)
    capacities = set()
    for sequence in range(1, 60_000 // size // 2 if size > 7 else 1_500):
        who = rng.choice(people, size)
        store.insert(TouchColumns(who, np.full(size, sequence), np.full(size, sequence, np.int32)))
        reference += [(each, sequence) for each in who.tolist()]
        capacities.add((len(store._visitors), len(store._slots)))
        if sequence % 3 == 0:
            gone = int(rng.choice(who))
            assert store.erase(gone) == len([1 for each, _ in reference if each == gone]) or keep_ms == 30
            reference = [each for each in reference if each[0] != gone]
        store.checkpoint(sequence, sequence)
    by_person = {}
    for each, at in reference:
        by_person.setdefault(each, []).append(at)
    first = sequence - keep_ms
    for each in people[:2_000].tolist():
        found = [at for at, _ in store.of(each, first, 1 << 40)]
        assert sorted(found) == [at for at in by_person.get(each, []) if at >= first]
    assert store.visitors >= len([1 for times in by_person.values() if times[-1] >= first])
    assert len(capacities) > 1 or keep_ms == 30


@bounded
@given(
    st.lists(st.tuples(st.sampled_from(PEOPLE[1:]), st.integers(0, 50)), max_size=20),
    st.lists(touches, max_size=20),
)
def test_the_watchlist_names_touches_before_the_latest_conversion_of_their_visitor(noted, batch):
    watched, latest = ConvertedVisitors(), {}
    for who, at in noted:
        watched.note(np.array([who], np.uint64), np.array([at]))
        latest[who] = max(at, latest.get(who, at))
    found = watched.earlier(*columns(batch)[:2]).tolist()
    assert found == [n for n, (who, at, _) in enumerate(batch) if who and at < latest.get(who, -1)]
    watched.forget_before(25)
    found = watched.earlier(*columns(batch)[:2]).tolist()
    kept = {who: at for who, at in latest.items() if at >= 25}
    assert found == [n for n, (who, at, _) in enumerate(batch) if who and at < kept.get(who, -1)]


def test_a_watchlist_of_many_finds_each():
    rng, watched = np.random.default_rng(2), ConvertedVisitors()
    keys = np.unique(rng.integers(1, 1 << 63, 20_000, dtype=np.uint64))
    for some in np.array_split(keys, 500):
        watched.note(some, np.full(len(some), 10))
    assert len(watched.earlier(keys, np.zeros(len(keys), np.int64))) == len(keys)
    assert len(watched.earlier(keys, np.full(len(keys), 10))) == 0

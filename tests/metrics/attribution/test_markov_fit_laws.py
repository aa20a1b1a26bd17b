"""Laws of a fit that is made in parts: whatever comes in between, it is that of the touches there were when it began."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.attribution.markov_chain import TransitionCounts, fit_steps
from metrics.attribution.markov_fit import MarkovFitter, PathTransitions
from metrics.attribution.touch_store import ConvertedVisitors, TouchColumns, TouchStore
from tests.support.examples import examples

bounded = examples(0.6)
PEOPLE = np.array([0, 3, 5, 1 << 63, 12], np.uint64)
SIZE = 3
touches = st.lists(st.tuples(st.integers(0, 4), st.integers(0, SIZE - 1)), max_size=40)
CAMPAIGNS = np.arange(SIZE, dtype=np.int32)


def insert(store, batch):
    people = PEOPLE[[who for who, _ in batch]] if batch else PEOPLE[:0]
    at = np.arange(len(batch))
    store.insert(TouchColumns(people, at, np.array([place for _, place in batch], np.int32)))


def steps_of(batch, left_out):
    """The same, by hand: of every path at most a hundred touches."""
    steps = TransitionCounts()
    for who in range(1, 5):
        path = [str(place) for each, place in batch if each == who][-100:]
        if who not in left_out:
            steps.count(path, 1)
    return steps.square([str(place) for place in range(SIZE)])


@bounded
@given(touches, st.lists(touches, max_size=30), st.integers(1, 9), st.sets(st.integers(1, 4)))
def test_steps_counted_in_parts_are_those_of_the_beginning_whatever_comes_in_between(
    before, between, most, converting
):
    store, watched = TouchStore(1 << 40), ConvertedVisitors()
    insert(store, before)
    keys = PEOPLE[sorted(converting)]
    watched.note(keys, np.zeros(len(keys), np.int64))
    steps = PathTransitions(store, CAMPAIGNS, SIZE)
    later = iter(between)
    while not steps.go_on(watched, most):
        insert(store, next(later, []))
    assert steps.counts.tolist() == steps_of(before, converting).tolist()


def test_steps_are_counted_right_while_the_ring_grows_and_old_touches_go():
    store, rng = TouchStore(100), np.random.default_rng(1)
    gone = [(1, 0)] * 3_000
    insert(store, gone)
    store.checkpoint(1, None)
    kept = [(int(who), int(place)) for who, place in rng.integers(0, [5, SIZE], (4_000, 2))]
    insert(store, kept)
    store.checkpoint(2, 5_000)  # of the third block none
    steps = PathTransitions(store, CAMPAIGNS, SIZE)
    while not steps.go_on(ConvertedVisitors(), 500):
        insert(store, [(2, 1)] * 1_000)
    assert steps.counts.tolist() == steps_of(kept, ()).tolist()


def test_a_large_fit_leaves_its_matrix_to_whoever_takes_it_and_ends_the_same():
    names = [f"c{n:03}" for n in range(200)]
    rng = np.random.default_rng(3)
    converted = TransitionCounts()
    for path in rng.integers(0, 200, (500, 3)).tolist():
        converted.count([names[code] for code in path], 1)
    wanted = fit_steps(names, converted, np.zeros((201, 201), np.int64), 7)
    for is_taken in (True, False):
        others = PathTransitions(TouchStore(1), np.arange(200, dtype=np.int32), 200)
        fitting = MarkovFitter(names, converted.square(names), others, 7)
        assert fitting.work is None
        assert fitting.go_on(ConvertedVisitors()) is None
        if is_taken:
            fitting.work()
            assert fitting.work is None
        assert fitting.go_on(ConvertedVisitors()) == wanted

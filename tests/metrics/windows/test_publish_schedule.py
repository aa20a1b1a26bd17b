"""When changed windows go out: after their interval, the oldest first, corrections at once."""

import gc
import weakref

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.windows.publish_schedule import KeyedSchedule, PublishAllowance, PublishSchedule
from tests.support.examples import examples

ONE, TWO, BOTH = (np.array(codes, np.int32) for codes in ([0], [1], [0, 1]))


def schedule_of(rate, intervals=None):
    every = intervals or {"1m": 1_000}
    return PublishSchedule(lambda window, codes: np.full(len(codes), every[window]), PublishAllowance(rate))


def keys(waiting):
    return [(int(code), window, start) for window, start, codes in waiting for code in codes]


def test_the_oldest_change_counts_though_it_was_marked_later():
    schedule = schedule_of(10)
    schedule.mark("1m", 0, ONE, 9)
    schedule.mark("1m", 0, TWO, 3)
    assert schedule.oldest() == 3


def test_corrections_are_exempt_from_interval_and_rate_and_closing_forgets():
    schedule = schedule_of(1)
    for start in range(9):
        schedule.mark_urgent("1m", start, BOTH, 1)
        schedule.mark_urgent("1m", start, ONE, 2)
    assert (len(schedule), schedule.due_at(), schedule.oldest()) == (18, 0, 1)
    assert keys(schedule.take_urgent()) == [(code, "1m", start) for start in range(9) for code in (0, 1)]
    schedule.mark("1m", 0, ONE, 3)
    schedule.close("1m", 0)
    assert (len(schedule), schedule.take(5_000), schedule.due_at(), schedule.oldest()) == (0, [], None, None)


def test_a_change_is_due_exactly_an_interval_after_the_last_publication():
    schedule = schedule_of(10)
    assert schedule.due_at() is None
    schedule.mark("1m", 0, ONE, 1)
    assert (schedule.due_at(), keys(schedule.take(40))) == (0, [(0, "1m", 0)])
    schedule.mark("1m", 0, ONE, 2)
    assert (schedule.due_at(), schedule.take(1_039), keys(schedule.take(1_040))) == (
        1_040,
        [],
        [(0, "1m", 0)],
    )
    assert schedule.due_at() is None


def test_the_rate_lets_the_oldest_changes_go_whatever_their_window():
    schedule = schedule_of(2, {"1m": 1_000, "1h": 5_000})
    schedule.mark("1m", 0, ONE, 3)
    schedule.mark("1h", 0, BOTH, 2)
    schedule.mark("1m", 60_000, TWO, 1)
    assert sorted(keys(schedule.take(0))) == [(0, "1h", 0), (1, "1m", 60_000)]
    assert (len(schedule), schedule.oldest(), schedule.due_at()) == (2, 2, 0)
    assert sorted(keys(schedule.take(1_000))) == [(0, "1m", 0), (1, "1h", 0)]


def test_a_clock_that_is_set_back_holds_nothing_up():
    schedule = schedule_of(10)
    schedule.mark("1m", 0, ONE, 1)
    schedule.take(3_600_000)
    schedule.mark("1m", 0, ONE, 2)
    assert keys(schedule.take(0)) == [(0, "1m", 0)]


class Key:
    """A key that can be seen to be gone."""


def test_what_was_given_out_is_remembered_for_its_interval_only():
    """Windows end, and nobody says so of each: those of last year must not be kept."""
    schedule = KeyedSchedule[Key](lambda _key: 1_000)
    living: weakref.WeakSet[Key] = weakref.WeakSet()
    for second in range(2_000):
        key = Key()
        living.add(key)
        schedule.mark(key, second)
        assert schedule.take(second * 1_000) == [key]
    gc.collect()
    assert len(living) < 100


def _interval(key: int) -> int:
    return 100 * key


class Remembering:
    """What a schedule does that forgets nothing."""

    def __init__(self) -> None:
        self.waiting: dict[int, None] = {}
        self.given: dict[int, int] = {}

    def take(self, now: int) -> list[int]:
        due = [
            key
            for key in self.waiting
            if key not in self.given or not 0 <= now - self.given[key] < _interval(key)
        ]
        for key in due:
            del self.waiting[key]
            self.given[key] = now
        return due


@examples(0.5)
@given(st.lists(st.tuples(st.lists(st.integers(0, 60), max_size=60), st.integers(0, 2_000)), max_size=40))
def test_forgetting_makes_nothing_due_earlier_or_later(steps):
    schedule, remembering, now = KeyedSchedule[int](_interval), Remembering(), 0
    for sequence, (changed, later) in enumerate(steps):
        now += later
        for key in changed:
            schedule.mark(key, sequence)
            remembering.waiting.setdefault(key)
        assert schedule.take(now) == remembering.take(now)

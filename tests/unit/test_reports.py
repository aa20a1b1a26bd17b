"""Reports: the latest word about a period counts, and a wrong period is refused."""

from decimal import Decimal

import pytest

from metrics.contribution import Contribution, difference
from metrics.errors import Reason, Rejection
from metrics.events import AdReport
from metrics.reports import Report, Shelf
from metrics.schedule import Allowance, Schedule
from metrics.tally import Tally
from metrics.timeline import DAY, HOUR
from streams.reporting import judge_report


def report(version, clicks, end=HOUR, start=0):
    return Report("s", None, start, end, version, 0, clicks, 0, 0)


def test_the_highest_reported_at_then_offset_replaces():
    shelf = Shelf()
    assert shelf.put(report((2, 1, 0), 5)) is not None
    assert shelf.put(report((1, 9, 0), 6)) is None
    assert shelf.put(report((2, 1, 0), 7)) is None
    assert shelf.put(report((2, 2, 0), 8)) is not None
    assert (len(shelf), shelf.total.clicks, shelf.former_ends) == (1, 8, {})


def test_a_replacement_with_another_end_remembers_how_far_the_former_reached():
    shelf = Shelf()
    for version, end in enumerate((3 * DAY, DAY, HOUR)):
        shelf.put(report((version, 0, 0), 5, end))
    assert shelf.former_ends == {("s", None, 0): {3 * DAY, DAY}}
    assert shelf.has_short


def judged(**fields):
    event = AdReport("r", "s", "c", 0, HOUR, **fields)
    return judge_report(event, 7, 3, lambda amount, *_: int(amount * 1_000_000))


def test_an_undated_report_is_older_than_any_dated_one():
    assert judged().version < judged(reported_at=-(10**13)).version
    assert judged(reported_at=5).version == (5, 7, 3)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (1, 0), (0, 3_660 * DAY + 1)])
def test_an_empty_or_endless_period_is_refused(start, end):
    with pytest.raises(Rejection, match="period") as refused:
        judge_report(AdReport("r", "s", "c", start, end), 0, 0, lambda *_: 0)
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize("conversions", ["-1", "NaN", "1e12"])
def test_wrong_conversions_are_refused(conversions):
    with pytest.raises(Rejection, match="conversions"):
        judged(conversions=Decimal(conversions))


def test_the_difference_takes_back_what_no_longer_counts_and_no_more():
    one, other = Contribution("c", 0, Tally(leads=1)), Contribution("d", 0, Tally(leads=1))
    assert difference([one, one], [one, other]) == [Contribution("c", 0, Tally(leads=-1)), other]
    assert difference([one, other], [other, one]) == []


def test_the_oldest_change_counts_though_it_was_marked_later():
    schedule = Schedule({"1m": 1_000}, Allowance(10))
    schedule.mark(("a", "1m", 0), 9)
    schedule.mark(("b", "1m", 0), 3)
    assert schedule.oldest() == 3


def test_corrections_are_exempt_from_interval_and_rate_and_closing_forgets():
    schedule = Schedule({"1m": 1_000}, Allowance(1))
    keys = [("c", "1m", n) for n in range(9)]
    for key in keys:
        schedule.mark_urgent(key, 1)
        schedule.mark(key, 2)
    assert (schedule.take_urgent(), list(schedule.take(0))) == (keys, [])
    schedule.mark(keys[0], 3)
    schedule.close(keys[0])
    assert (len(schedule), list(schedule.take(5_000))) == (0, [])


def test_a_change_is_due_exactly_an_interval_after_the_last_publication():
    schedule, key = Schedule({"1m": 1_000}, Allowance(10)), ("c", "1m", 0)
    assert schedule.due_at() is None
    schedule.mark(key, 1)
    assert (schedule.due_at(), schedule.take(40)) == (0, [key])
    schedule.mark(key, 2)
    assert (schedule.due_at(), schedule.take(1_039), schedule.take(1_040)) == (1_040, [], [key])
    assert schedule.due_at() is None


def test_a_closed_window_is_due_at_once_and_one_that_is_over_never():
    schedule, keys = Schedule({"1m": 1_000}, Allowance(10)), [("c", "1m", n) for n in range(2)]
    for key in keys:
        schedule.mark(key, 1)
    schedule.take(0)
    for key in keys:
        schedule.mark(key, 2)
    schedule.mark_urgent(keys[0], 3)
    assert (schedule.due_at(), schedule.take_urgent(), schedule.oldest()) == (0, [keys[0]], 2)
    schedule.close(keys[1])
    assert (schedule.due_at(), schedule.oldest()) == (None, None)


def test_a_clock_that_is_set_back_holds_nothing_up():
    schedule, key = Schedule({"1m": 1_000}, Allowance(10)), ("c", "1m", 0)
    schedule.mark(key, 1)
    schedule.take(3_600_000)
    schedule.mark(key, 2)
    assert schedule.take(0) == [key]

"""Reports: the latest word about a period counts, and a wrong period is refused."""

from decimal import Decimal

import pytest

from metrics.entities.reports import Report, ReportHistory
from metrics.records.events import AdReport
from metrics.sums.contribution import Contribution, difference
from metrics.sums.tally import Tally
from metrics.values.errors import Reason, Rejection
from metrics.values.time import DAY, HOUR
from streams.stages.intake.reports import judge_report


def report(version, clicks, end=HOUR, start=0):
    return Report("s", None, start, end, version, 0, clicks, 0, 0)


def test_the_highest_reported_at_then_offset_replaces():
    report_history = ReportHistory()
    assert report_history.put(report((2, 1, 0), 5)) is not None
    assert report_history.put(report((1, 9, 0), 6)) is None
    assert report_history.put(report((2, 1, 0), 7)) is None
    assert report_history.put(report((2, 2, 0), 8)) is not None
    assert (len(report_history), report_history.total.clicks, report_history.former_ends) == (1, 8, {})


def test_a_replacement_with_another_end_remembers_how_far_the_former_reached():
    report_history = ReportHistory()
    for version, end in enumerate((3 * DAY, DAY, HOUR)):
        report_history.put(report((version, 0, 0), 5, end))
    assert report_history.former_ends == {("s", None, 0): {3 * DAY, DAY}}
    assert report_history.has_short


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

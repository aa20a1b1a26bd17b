"""Reports: the latest word about a period counts, and a wrong period is refused."""

from decimal import Decimal

import pytest

from metrics.entities.report_history import ReportHistory
from metrics.entities.reports import Report
from metrics.records.events import AdReport
from metrics.sums.contribution import Contribution, difference
from metrics.sums.tally import Tally
from metrics.values.errors import Reason, Rejection
from metrics.values.time import DAY, HOUR
from streams.messages.source_records import Record
from streams.stages.intake.reports import judge_report


def report(version, clicks, end=HOUR, start=0):
    return Report("s", None, start, end, version, 0, clicks, 0, 0)


def test_the_highest_reported_at_then_offset_replaces():
    history = ReportHistory()
    puts = [
        history.put(report(*each))
        for each in (((2, 1, 0), 5), ((1, 9, 0), 6), ((2, 1, 0), 7), ((2, 2, 0), 8))
    ]
    assert puts == [True, False, False, True]
    assert (len(history), history.total.clicks) == (1, 8)


def judged(**fields):
    event = AdReport("r", "s", "c", 0, HOUR, **{"clicks": 1, **fields})
    return judge_report(event, record(), 3)


def record(at=2 * HOUR):
    return Record(7, at, None, b"{}")


def test_an_undated_report_is_older_than_any_dated_one():
    assert judged().version < judged(reported_at=-(10**13)).version
    assert judged(reported_at=5).version == (5, 7, 3)


def test_an_undated_figure_from_before_its_period_is_older_than_any_undated_report_of_it():
    event = AdReport("r", "s", "c", 10 * HOUR, 20 * HOUR, spend=Decimal(9))
    plan, first = (judge_report(event, record(at * HOUR), 0) for at in (10, 11))
    assert plan.version < first.version < judged(reported_at=-(10**13)).version
    history = ReportHistory()
    for each in (first._replace(spend_micros=2), plan):
        history.put(each)
    assert history.total.spend_micros == 2


@pytest.mark.parametrize(
    ("reported_at", "appended_at", "delay", "covered"),
    [
        (8 * HOUR, 9 * HOUR, 0, 8 * HOUR),
        (8 * HOUR, 9 * HOUR, 3 * HOUR, 5 * HOUR),
        (HOUR, 9 * HOUR, 3 * HOUR, HOUR),
        (DAY, DAY, 0, None),
        (None, 9 * HOUR, 0, 9 * HOUR),
        (None, 2 * DAY, 0, None),
        (-HOUR, 0, 0, None),
    ],
)
def test_a_report_covers_what_its_platform_can_have_seen(reported_at, appended_at, delay, covered):
    event = AdReport("r", "s", "c", 0, DAY, reported_at=reported_at, spend=Decimal(0))
    assert judge_report(event, record(appended_at), 0, delay).covered_end == covered


@pytest.mark.parametrize(("start", "end"), [(0, 0), (1, 0), (0, 3_660 * DAY + 1)])
def test_an_empty_or_endless_period_is_refused(start, end):
    with pytest.raises(Rejection, match="period") as refused:
        judge_report(AdReport("r", "s", "c", start, end, clicks=1), record(), 0)
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    "said", [{"impressions": 0}, {"clicks": 0}, {"spend": Decimal(0)}, {"conversions": Decimal(0)}]
)
def test_a_report_without_any_figure_says_nothing_and_one_of_zeros_says_zero(said):
    figures = dict.fromkeys(("impressions", "clicks", "spend", "conversions"))
    with pytest.raises(
        Rejection, match=r"none of impressions, clicks, spend and conversions .* say 0$"
    ) as refused:
        judged(**figures)
    assert refused.value.reason is Reason.MISSING_FIELD
    zero = judged(**{**figures, **said})
    assert (zero.impressions, zero.clicks, zero.spend_micros) == (0, 0, 0)


@pytest.mark.parametrize("conversions", ["-1", "NaN", "1e12"])
def test_wrong_conversions_are_refused(conversions):
    with pytest.raises(Rejection, match="conversions"):
        judged(conversions=Decimal(conversions))


def test_the_difference_takes_back_what_no_longer_counts_and_no_more():
    one, other = Contribution("c", 0, Tally(leads=1)), Contribution("d", 0, Tally(leads=1))
    assert difference([one, one], [one, other]) == [Contribution("c", 0, Tally(leads=-1)), other]
    assert difference([one, other], [other, one]) == []

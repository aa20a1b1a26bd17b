"""Reports of several grains that leave figures out: of each figure the finest reports count that tell it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.report_figures import FIGURES, IMPRESSIONS, SPEND, left_out
from metrics.entities.report_history import Overlap, ReportHistory
from metrics.entities.report_overlaps import ReportRules
from metrics.entities.reports import UNDATED, Report, covered_end
from metrics.values.time import DAY, HOUR, MINUTE
from tests.support.examples import examples
from tests.support.report_windows import assert_changes_are_touched, put_back, taken

CELL = 30 * MINUTE
bounded = examples(3)


def report(start, end, figures, *, ad=None, source="s", seen=None, made=None, number=0):
    """A report of [start, end), and the figures that it leaves out: those that are None."""
    covered = covered_end(start, end, seen)
    made = (covered or end) if made is None else made
    values = [each or 0 for each in figures]
    return Report(source, ad, start, end, (made, number, 0), *values, 0, covered), left_out(figures)


def history(versions, rules=None):
    kept = ReportHistory(rules or ReportRules())
    for each, omitted in versions:
        kept.put(each, None, omitted)
    return kept


def hours(figures, until=24, **rest):
    return [report(hour * HOUR, (hour + 1) * HOUR, figures, **rest) for hour in range(until)]


def by_hour(kept, figure):
    return [kept.share(hour * HOUR, (hour + 1) * HOUR, short_only=False)[figure] for hour in range(24)]


def test_what_hours_leave_out_is_taken_from_the_day_over_them():
    versions = [*hours((None, None, 1)), report(0, DAY, (2_400, 48, 25))]
    for kept in (history(versions), history(versions[::-1]), put_back(history(versions))):
        assert kept.total[:3] == (2_400, 48, 24)
        assert kept.share(0, DAY, short_only=False) == (2_400, 48, 24, 0, 0)
        assert by_hour(kept, IMPRESSIONS) == [100] * 24
        assert by_hour(kept, SPEND) == [1] * 24
        assert kept.overlap == Overlap(covered=1, compared_micros=25, difference_micros=1)


def test_each_figure_has_the_grain_that_leaves_no_gap_in_it():
    """Twelve hours tell impressions and all tell spend; three tell clicks that the day does not tell."""
    versions = [
        *hours((7, None, 1), 12),
        *[report(hour * HOUR, (hour + 1) * HOUR, (None, None, 1)) for hour in range(12, 24)],
        report(0, HOUR, (None, 5, None), made=2 * DAY),
        report(0, DAY, (2_400, None, 48)),
    ]
    kept = history(versions)
    assert kept.total[:3] == (2_400, 5, 24)
    assert (by_hour(kept, 0), by_hour(kept, 1)) == ([100] * 24, [5] + [0] * 23)


def test_a_day_that_goes_on_counts_behind_the_hours_of_each_figure():
    noon = 12 * HOUR
    versions = [*hours((None, None, 1), 12), report(0, DAY, (1_250, 0, 13), seen=noon + HOUR // 2)]
    kept = history(versions)
    assert kept.total[:3] == (1_250, 0, 13)
    assert by_hour(kept, SPEND) == [1] * 13 + [0] * 11
    assert by_hour(kept, IMPRESSIONS) == [100] * 12 + [50] + [0] * 11


def test_of_hours_without_spend_no_window_of_an_hour_holds_spend():
    kept = history([*hours((100, None, None)), report(0, DAY, (None, None, 24))])
    assert kept.short_figures == (True, False, False)
    assert kept.total[:3] == (2_400, 0, 24)
    kept.put(report(0, HOUR, (None, None, 1), number=1)[0], None, left_out((None, None, 1)))
    for each in (kept, put_back(kept)):
        assert each.short_figures == (True, False, True)


@pytest.mark.parametrize("clicks", [7, 9])
def test_ads_count_under_their_campaign_for_each_figure_that_they_tell_all_of(clicks):
    """Ads do not tell spend; they tell all impressions, and all of the clicks or not."""
    ads = [report(0, DAY, (500, each, None), ad=ad) for ad, each in (("x", 4), ("y", clicks - 5))]
    kept = history([*ads, report(0, DAY, (1_000, 8, 30), made=2 * DAY)])
    assert kept.total[:3] == (1_000, max(clicks - 1, 8), 30)
    assert kept.overlap.compared_micros == 0


#: The reports of each law begin anywhere and are of few periods: those of one start and grain have one period.
LENGTHS = (2, 48, 7 * 48)


@st.composite
def versions_of_several(draw):
    """Versions of several reports that go on or are over, plans and undated ones too; each leaves out a figure at least."""
    found = {}
    for number in range(draw(st.integers(1, 14))):
        length = draw(st.sampled_from(LENGTHS))
        start = draw(st.sampled_from([0, 48] if length == LENGTHS[-1] else [0, 0, 2, 3, 46, 47, 48, 94]))
        step = 8 if length == LENGTHS[-1] else 1  # what is remembered of a week is remembered by 4 hours
        seen = draw(st.one_of(st.none(), st.integers(1, length // step)))
        begin, end = start * CELL, (start + length) * CELL
        covered = covered_end(begin, end, None if seen is None else begin + seen * step * CELL)
        dated = draw(st.integers(0, 3)) * 7 * DAY, number, 0
        made = (UNDATED + (covered or end) - begin, number, 0) if draw(st.booleans()) else dated
        figures = list(draw(st.tuples(*[st.one_of(st.none(), st.integers(0, 300))] * 3)))
        figures[draw(st.sampled_from(FIGURES))] = None
        source, ad = draw(st.sampled_from("aab")), draw(st.sampled_from([None, None, "x"]))
        values = [each or 0 for each in figures]
        found[made] = Report(source, ad, begin, end, made, *values, 0, covered), left_out(figures)
    return list(found.values())


rules = st.builds(
    ReportRules, st.sampled_from(["finest", "coarsest"]), st.sampled_from([(), (("a", "b"),), (("b", "a"),)])
)


def of_figure(found, figure):
    """What windows take of one figure: with the estimated part and the parts without a rate, where that is spend."""
    days, short, total, overlap = found
    places = slice(SPEND, None) if figure == SPEND else slice(figure, figure + 1)
    compared = overlap[1:] if figure == SPEND else ()
    return [each[places] for each in (*days, *short, total)], compared


@bounded
@given(versions_of_several(), rules, st.randoms(use_true_random=False))
def test_each_figure_is_as_if_only_the_reports_and_versions_that_tell_it_had_come(versions, rules, random):
    shuffled = random.sample(versions, len(versions))
    whole = taken(history(versions, rules))
    for figure in FIGURES:
        others = sum(1 << each for each in FIGURES if each != figure)
        stated = [(each, others) for each, omitted in shuffled if not omitted >> figure & 1]
        assert of_figure(whole, figure) == of_figure(taken(history(stated, rules)), figure)


@bounded
@given(versions_of_several(), rules, st.integers(0, 14))
def test_asked_after_each_version_stored_and_put_back_anywhere_a_history_says_the_same(versions, rules, cut):
    kept = ReportHistory(rules)
    for place, (each, omitted) in enumerate(versions, 1):
        if place == cut:
            kept = put_back(kept)
        kept.put(each, None, omitted)
        assert taken(kept) == taken(history(versions[:place], rules))


@bounded
@given(versions_of_several(), rules)
def test_whatever_a_version_changes_lies_where_it_is_said_to_touch(versions, rules):
    assert_changes_are_touched(rules, versions)


@bounded
@given(versions_of_several(), rules)
def test_the_days_add_up_to_the_total_of_each_figure(versions, rules):
    kept = history(versions, rules)
    days = [kept.share(day * DAY, (day + 1) * DAY, short_only=False) for day in range(10)]
    assert [sum(each[figure] for each in days) for figure in FIGURES] == list(kept.total[:3])


def test_a_day_whose_earlier_end_tells_a_figure_is_compared_with_the_hours_under_it():
    """The newest version of the day ends earlier and leaves impressions out; the one before tells them, and of a longer time."""
    versions = [
        report(0, HOUR // 2, (None, 4, None)),
        report(0, HOUR, (None, None, 3), number=1),
        report(0, 15 * HOUR, (30, 9, 45), number=2),
        report(0, 15 * HOUR, (None, 8, None), seen=HOUR // 2, made=DAY, number=3),
    ]
    for kept in (history(versions), history(versions[::-1]), put_back(history(versions))):
        assert (
            kept.total[SPEND]
            == taken(history([(each, 3) for each, omitted in versions if not omitted & 4]))[2].spend_micros
        )

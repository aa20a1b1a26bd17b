"""Figures that some versions of a report leave out: each is what it would be if only the versions that tell it had come."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.report_figures import left_out
from metrics.entities.report_history import ReportHistory
from metrics.entities.report_overlaps import ReportRules
from metrics.entities.report_spend import ReportedSpend
from metrics.entities.reports import UNDATED, Report, covered_end
from metrics.values.time import DAY, HOUR, MINUTE
from tests.support.examples import examples
from tests.support.report_windows import assert_changes_are_touched, put_back, taken

CELL = 30 * MINUTE
bounded = examples(3)
#: As many figures as windows take: impressions, clicks, spend.
FIGURES = range(3)


def version(at, figures, *, end=DAY, made=None, number=0, source="s"):
    """A version of the report of a day that has seen it up to ``at``, and the figures that it leaves out: those that are None."""
    made = at if made is None else made
    covered = covered_end(0, end, at)
    values = [each or 0 for each in figures]
    return Report(source, None, 0, end, (made, number, 0), *values, 0, covered), left_out(figures)


def history(versions, rules=None):
    kept = ReportHistory(rules or ReportRules())
    for report, omitted in versions:
        kept.put(report, None, omitted)
    return kept


def totals(kept):
    return kept.total[:3]


def by_hour(kept, figure):
    return [kept.share(hour * HOUR, (hour + 1) * HOUR, short_only=False)[figure] for hour in range(24)]


@pytest.mark.parametrize("figures", list(permutations([(1_000, 20, 10), (None, None, 12), (None, 25, None)])))
def test_a_restatement_takes_back_no_figure_that_it_does_not_tell(figures):
    """By when they were made: all, then spend, then clicks; the last two come in any order after or before the first."""
    made = {(1_000, 20, 10): DAY, (None, None, 12): 2 * DAY, (None, 25, None): 3 * DAY}
    kept = history([version(DAY, each, made=made[each]) for each in figures])
    assert totals(kept) == totals(put_back(kept)) == (1_000, 25, 12)
    assert kept.share(0, DAY, short_only=False)[:3] == (1_000, 25, 12)


def test_spend_is_known_up_to_where_it_was_told():
    """Spend of the first half of the day, then the clicks of all of it; another source never tells any spend."""
    noon = 12 * HOUR
    clicks = version(DAY, (None, 3, None)), version(3 * DAY, (None, 3, None), end=3 * DAY, source="other")
    assert (history(clicks).seen_until, history(clicks).begin, history(clicks).last_day) == (None, None, None)
    kept = history([version(noon, (None, 1, 10)), *clicks])
    for each in (kept, put_back(kept)):
        assert (each.seen_until, each.begin, each.last_day) == (noon, 0, (0, noon))
        assert each.before(2 * DAY)[1:3] == (5, 10)
    kept.put(version(DAY, (None, 3, 12), made=2 * DAY)[0])
    assert kept.seen_until == DAY


def test_zero_is_told():
    kept = history([version(DAY, (1_000, 20, 10)), version(DAY, (0, 0, 12), made=2 * DAY)])
    assert totals(kept) == (0, 0, 12)


def test_a_figure_that_nobody_has_told_is_zero_until_an_older_report_tells_it():
    versions = [version(DAY, (None, 2, 12), made=2 * DAY), version(DAY, (70, 1, 10))]
    kept = history(versions[:1])
    assert totals(kept) == (0, 2, 12)
    kept.put(*versions[1][:1], None, versions[1][1])
    assert totals(kept) == totals(put_back(kept)) == (70, 2, 12)


def test_a_report_that_goes_on_leaves_a_figure_where_it_was_seen():
    """Half of the day with impressions, then all of it without; and the other way round."""
    noon = 12 * HOUR
    kept = history([version(noon, (1_200, 0, 12)), version(DAY, (None, 0, 24))])
    assert by_hour(kept, 0) == [100] * 12 + [0] * 12
    assert by_hour(kept, 2) == [1] * 24
    kept = history([version(noon, (None, 0, 12)), version(DAY, (2_400, 0, 36))])
    assert by_hour(kept, 0) == [100] * 24
    assert by_hour(kept, 2) == [1] * 12 + [2] * 12


def test_a_later_report_that_reaches_less_far_keeps_what_the_earlier_one_tells_of_a_figure_evenly():
    kept = history([version(DAY, (2_400, 0, 24)), version(12 * HOUR, (None, 0, 12), made=2 * DAY)])
    assert by_hour(kept, 0) == [100] * 24
    assert totals(kept) == totals(put_back(kept)) == (2_400, 0, 24)
    (newest,) = kept.reports.values()
    assert (newest.impressions, newest.end) == (1_200, 12 * HOUR)


def test_spend_that_is_left_out_is_worth_what_the_rate_of_the_earlier_report_says():
    first, second = version(DAY, (10, 0, 8)), version(DAY, (11, 0, None), made=2 * DAY)
    kept = ReportHistory()
    kept.put(second[0], None, second[1])
    kept.put(first[0]._replace(spend_micros=0), ReportedSpend("USD", 8, is_certain=False), first[1])
    (key,) = kept.reports
    assert (totals(kept), kept.uncertain) == ((11, 0, 0), {key})
    assert kept.revalue(key, lambda spend, _known, _at: (4, spend._replace(is_certain=True)))
    assert (totals(kept), kept.uncertain) == ((11, 0, 4), set())
    restored = put_back(kept)
    restored.restore_spent(key, dict(kept.spent(key)))
    assert restored.spent(key) == kept.spent(key)
    assert restored.revalue(key, lambda spend, _known, _at: (5, spend))
    assert totals(restored) == (11, 0, 5)


def test_what_is_told_of_another_version_than_the_one_that_is_kept_is_not_put_back():
    kept = history([version(DAY, (1, 1, 1)), version(DAY, (None, 1, 2), made=2 * DAY)])
    ((key, newest),) = kept.reports.items()
    restored = ReportHistory()
    later = newest._replace(version=(3 * DAY, 0, 0), impressions=7)
    restored.restore(later, ())
    assert not restored.restore_stated(key, newest.version, kept.stated(key))
    assert totals(restored) == (7, 1, 2)


def test_when_every_version_that_is_kept_tells_a_figure_nothing_more_is_kept_of_it():
    kept = history([version(DAY, (None, 1, 2)), version(DAY, (5, 1, 2), made=2 * DAY)])
    (key,) = kept.reports
    assert kept.stated(key) == {}
    assert history([version(DAY, (5, 1, 2))]).stated(key) is None


@st.composite
def versions_of_one(draw, last=48):
    """Versions of one report in the order in which they come, made when what they cover was over, each with a number of its own."""
    found = []
    for number in range(draw(st.integers(1, 8))):
        at = draw(st.integers(1, last)) * CELL
        figures = draw(st.tuples(*[st.one_of(st.none(), st.integers(0, 300))] * 3))
        made = max(at, draw(st.integers(0, 60)) * CELL)
        found.append(version(at, figures, end=last * CELL, made=made, number=number))
    return found


@bounded
@given(versions_of_one(), st.integers(0, 47))
def test_each_figure_is_as_if_only_the_versions_that_tell_it_had_come(versions, first):
    kept = history(versions)
    windows = [(first * CELL, (first + 1) * CELL), (0, first * CELL), (0, 2 * DAY)]
    for figure in FIGURES:
        stated = history([(report, 0) for report, omitted in versions if not omitted >> figure & 1])
        for window in windows:
            found = kept.share(*window, short_only=False)
            assert found[figure] == stated.share(*window, short_only=False)[figure]
        assert kept.total[figure] == stated.total[figure]


@bounded
@given(versions_of_one(), st.randoms(use_true_random=False))
def test_of_a_period_that_is_over_the_newest_report_that_tells_a_figure_counts(versions, random):
    """The oracle: by figure, the value of the highest version that told it."""
    versions = [(report._replace(covered_end=None), omitted) for report, omitted in versions]
    shuffled = random.sample(versions, len(versions))
    expected = [
        max(
            ((each.version, each[5 + n]) for each, omitted in versions if not omitted >> n & 1),
            default=(0, 0),
        )[1]
        for n in FIGURES
    ]
    kept = history([*shuffled, *random.sample(versions, len(versions) // 2)])
    assert list(totals(kept)) == list(totals(put_back(kept))) == expected
    assert (kept.seen_until, kept.begin) == (put_back(kept).seen_until, put_back(kept).begin)


@st.composite
def loose_versions(draw):
    """Versions of several reports of two sources and two ads, plans and undated ones too, that end and begin anywhere."""
    found = {}
    for number in range(draw(st.integers(1, 10))):
        start = draw(st.sampled_from([0, 0, 1, 47, 48]))
        length = draw(st.sampled_from([1, 2, 2, 30, 48, 48, 50, 200, 7 * 48]))
        seen = draw(st.one_of(st.none(), st.integers(1, length)))
        begin, end = start * CELL, (start + length) * CELL
        covered = covered_end(begin, end, None if seen is None else begin + seen * CELL)
        dated = draw(st.integers(0, 3)) * 7 * DAY, number, 0
        made = (UNDATED + (covered or end) - begin, number, 0) if draw(st.booleans()) else dated
        figures = draw(st.tuples(*[st.one_of(st.none(), st.integers(0, 300))] * 3))
        source, ad = draw(st.sampled_from("aab")), draw(st.sampled_from([None, None, "x"]))
        values = [each or 0 for each in figures]
        found[made] = Report(source, ad, begin, end, made, *values, 0, covered), left_out(figures)
    return list(found.values())


def everything(kept):
    """All that windows take, and the newest versions."""
    return *taken(kept), kept.reports


rules = st.builds(
    ReportRules, st.sampled_from(["finest", "coarsest"]), st.sampled_from([(), (("a", "b"),), (("b", "a"),)])
)


@bounded
@given(loose_versions(), rules, st.randoms(use_true_random=False))
def test_versions_in_any_order_and_repetition_give_the_same_figures(versions, rules, random):
    shuffled = versions + random.sample(versions, len(versions) // 2)
    random.shuffle(shuffled)
    assert everything(history(versions, rules)) == everything(history(shuffled, rules))


@bounded
@given(loose_versions(), rules, st.integers(0, 10))
def test_stored_and_put_back_anywhere_a_history_is_the_same(versions, rules, cut):
    restored = put_back(history(versions[:cut], rules))
    for report, omitted in versions[cut:]:
        restored.put(report, None, omitted)
    assert everything(restored) == everything(history(versions, rules))


@bounded
@given(loose_versions(), rules)
def test_the_days_add_up_to_the_total(versions, rules):
    kept = history(versions, rules)
    days = [kept.share(day * DAY, (day + 1) * DAY, short_only=False) for day in range(40)]
    assert [sum(each[figure] for each in days) for figure in FIGURES] == list(totals(kept))
    assert all(0 <= each.spread_micros <= each.spend_micros for each in days)


@bounded
@given(loose_versions(), rules)
def test_whatever_a_version_changes_lies_where_it_is_said_to_touch(versions, rules):
    assert_changes_are_touched(rules, versions)

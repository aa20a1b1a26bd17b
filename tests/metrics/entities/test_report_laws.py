"""Laws of reports: the same money counts once, whatever reports speak of it and in whatever order they come."""

from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.report_history import ReportHistory
from metrics.entities.report_overlaps import ReportRules
from metrics.entities.reports import Report, covered_end
from metrics.values.time import DAY, HOUR, MINUTE
from tests.support.examples import examples
from tests.support.report_windows import assert_changes_are_touched, taken

CELL = 30 * MINUTE
bounded = examples(3)
lengths = st.sampled_from([1, 1, 2, 2, 4, 48, 48, 96, 7 * 48])


@st.composite
def reports(draw, sources=("a",), ads=(None,), rates=(1,)):
    """A report on a grid of half hours that spends ``rate`` in each half hour that it covers."""
    length = draw(lengths)
    start = draw(st.integers(0, 12)) * min(length, 48)
    seen = draw(st.one_of(st.none(), st.integers(1, length)))
    end = length if seen is None else seen
    made_at = (draw(st.integers(0, 3)) * 1_000 + start + end) * CELL
    version = (made_at, draw(st.integers(0, 10**6)), 0)
    covered = covered_end(
        start * CELL, (start + length) * CELL, None if seen is None else (start + seen) * CELL
    )
    spend = draw(st.sampled_from(rates)) * end
    source, ad = draw(st.sampled_from(sources)), draw(st.sampled_from(ads))
    return Report(source, ad, start * CELL, (start + length) * CELL, version, 0, 0, spend, 0, covered)


@st.composite
def loose_reports(draw):
    """The same without any order in where periods begin, and with versions that end earlier or later than those before."""
    start = draw(st.sampled_from([0, 1, 3, 47, 48, 50, 95]))
    length = draw(st.sampled_from([1, 2, 2, 3, 30, 48, 48, 50, 96, 200, 7 * 48]))
    seen = draw(st.one_of(st.none(), st.integers(1, length)))
    version = (draw(st.integers(0, 3)) * 7 * DAY, draw(st.integers(0, 10**6)), 0)
    begin, end = start * CELL, (start + length) * CELL
    covered = covered_end(begin, end, None if seen is None else begin + seen * CELL)
    source, ad = draw(st.sampled_from("aab")), draw(st.sampled_from([None, None, "x", "y"]))
    return Report(source, ad, begin, end, version, 0, 0, draw(st.integers(0, 300)), 0, covered)


def unlike(drawn):
    """One report of each version number, so that versions are ordered, and one of each key."""
    return list({each.key: each for each in {each.version: each for each in drawn}.values()}.values())


def history(drawn, rules):
    kept = ReportHistory(rules)
    for each in drawn:
        kept.put(each)
    return kept


def cells(report):
    return set(range(report.period_start // CELL, report.end // CELL))


def length_of(report):
    return report.period_end - report.period_start


def counting_cells(drawn, rule):
    """By definition, the cells at which each report of one source counts; of one ad, or of the campaign as a whole."""
    active = {}
    for report in drawn:
        finer = [
            each for each in drawn if length_of(each) < length_of(report) and cells(each) & cells(report)
        ]
        below = set().union(*map(cells, finer))
        left = sorted(cells(report) - below)
        first_gap = left[0] if left else report.end // CELL
        rest = report.end - first_gap * CELL
        if rule == "coarsest":
            active[report.key] = cells(report)
        elif not left:
            active[report.key] = set()
        elif report.covered_end is not None and rest <= max(map(length_of, finer), default=0):
            active[report.key] = {cell for cell in cells(report) if cell >= first_gap}
        else:
            active[report.key] = cells(report)
    rank = {report.key: (length_of(report), report.version) for report in drawn}
    return {
        key: {c for c in mine if not any(c in other and rank[k] > rank[key] for k, other in active.items())}
        for key, mine in active.items()
    }


rules_of_grain = st.sampled_from([ReportRules("finest"), ReportRules("coarsest")])


@bounded
@given(st.lists(reports(rates=(0, 1, 3)), max_size=14).map(unlike), rules_of_grain, st.integers(0, 600))
def test_of_each_instant_one_grain_counts(drawn, rules, first):
    kept, counting = history(drawn, rules), counting_cells(drawn, rules.grain)
    rate = {each.key: each.spend_micros // len(cells(each)) for each in drawn}
    window = set(range(first, first + 48))
    found = kept.share(first * CELL, (first + 48) * CELL, short_only=False).spend_micros
    assert found == sum(rate[key] * len(mine & window) for key, mine in counting.items())
    assert kept.total.spend_micros == sum(rate[key] * len(mine) for key, mine in counting.items())


@bounded
@given(st.lists(reports(), max_size=14).map(unlike), rules_of_grain)
def test_a_constant_rate_is_the_same_money_in_every_mixture_of_grains(drawn, rules):
    everywhere = set().union(*map(cells, drawn))
    assert history(drawn, rules).total.spend_micros == len(everywhere)


@st.composite
def periods(draw, rates=(1,)):
    """A report of whole periods of one source that begins at one of few instants, and is made when it is over or later."""
    start = draw(st.sampled_from([0, 0, 48, 96]))
    length = draw(st.sampled_from([2, 4, 48, 96, 144, 4 * 48, 5 * 48, 7 * 48, 7 * 48, 20 * 48, 30 * 48]))
    version = ((start + length + draw(st.integers(0, 40 * 48))) * CELL, draw(st.integers(0, 10**6)), 0)
    spend = draw(st.sampled_from(rates)) * length
    return Report("a", None, start * CELL, (start + length) * CELL, version, 0, 0, spend, 0)


restatements = st.lists(periods(), max_size=10).map(
    lambda drawn: list({each.version: each for each in drawn}.values())
)


@bounded
@given(restatements, rules_of_grain)
def test_a_constant_rate_is_the_same_money_however_many_days_a_later_report_leaves_out(drawn, rules):
    kept = history(drawn, rules)
    everywhere = set().union(*map(cells, drawn))
    assert kept.total.spend_micros == len(everywhere)
    for day in range(35):
        found = kept.share(day * DAY, (day + 1) * DAY, short_only=False).spend_micros
        assert found == len(everywhere & set(range(day * 48, (day + 1) * 48)))


@bounded
@given(
    st.lists(periods((0, 1, 2, 5)), min_size=1, max_size=8).map(
        lambda drawn: list({each.version: each._replace(period_start=0) for each in drawn}.values())
    )
)
def test_a_later_report_of_one_start_and_grain_takes_no_money_that_it_does_not_tell_of(drawn):
    drawn = [each for each in drawn if each.grain == drawn[0].grain]
    kept, newest = history(drawn, ReportRules()), max(drawn, key=lambda each: each.version)
    further = [each for each in drawn if each.end > newest.end]
    last = max(further, key=lambda each: each.version, default=newest)
    assert kept.share(0, newest.end, short_only=False).spend_micros == newest.spend_micros
    assert kept.total.spend_micros >= max(newest.spend_micros, last.spend_micros)
    if all(each.end <= last.end for each in further):
        assert kept.total.spend_micros == max(newest.spend_micros, last.spend_micros)


mixtures = st.lists(reports(("a", "b", "c"), (None, None, "x", "y"), (0, 1, 2, 3)), max_size=16)
rules_of_all = st.builds(
    ReportRules,
    st.sampled_from(["finest", "coarsest"]),
    st.sampled_from([(), (("a", "b"),), (("c", "a", "b"),)]),
)


@bounded
@given(mixtures, rules_of_all, st.randoms(use_true_random=False))
def test_reports_in_any_order_and_repetition_give_the_same_money(drawn, rules, random):
    drawn = list({each.version: each for each in drawn}.values())
    shuffled = drawn + random.sample(drawn, len(drawn) // 2)
    random.shuffle(shuffled)
    one, other = history(drawn, rules), history(shuffled, rules)
    windows = [(day * DAY, (day + 1) * DAY) for day in range(16)]
    for short_only in (False, True):
        assert [one.share(*each, short_only=short_only) for each in windows] == [
            other.share(*each, short_only=short_only) for each in windows
        ]
    assert (one.total, one.overlap) == (other.total, other.overlap)


@bounded
@given(mixtures, rules_of_all)
def test_the_days_add_up_to_the_total_and_the_hours_to_the_day(drawn, rules):
    kept = history(drawn, rules)
    days = [kept.share(day * DAY, (day + 1) * DAY, short_only=False) for day in range(40)]
    assert sum(each.spend_micros for each in days) == kept.total.spend_micros
    hours = [kept.share(hour * HOUR, (hour + 1) * HOUR, short_only=False) for hour in range(24)]
    assert sum(each.spend_micros for each in hours) == days[0].spend_micros
    assert all(0 <= each.spread_micros <= each.spend_micros for each in (*days, *hours))


loose = st.lists(loose_reports(), max_size=10).map(
    lambda drawn: list({each.version: each for each in drawn}.values())
)


@bounded
@given(loose, rules_of_all)
def test_asked_after_each_report_a_history_says_what_one_says_that_was_asked_once(drawn, rules):
    kept = ReportHistory(rules)
    for place, each in enumerate(drawn, 1):
        kept.put(each)
        assert taken(kept) == taken(history(drawn[:place], rules))


@bounded
@given(loose, rules_of_all)
def test_whatever_changes_lies_where_a_report_is_said_to_touch_though_periods_begin_anywhere(drawn, rules):
    assert_changes_are_touched(rules, [(each, 0) for each in drawn])


@bounded
@given(mixtures, rules_of_all, st.integers(0, 16))
def test_stored_and_put_back_anywhere_a_history_is_the_same(drawn, rules, cut):
    whole, first = history(drawn, rules), history(drawn[:cut], rules)
    restored = ReportHistory(rules)
    for key, report in first.reports.items():
        restored.restore(report, first.snapshots(key))
    for each in drawn[cut:]:
        restored.put(each)
    assert (restored.total, restored.overlap, restored.reports) == (whole.total, whole.overlap, whole.reports)
    assert restored.begin == whole.begin
    assert [restored.share(day * DAY, (day + 1) * DAY, short_only=False) for day in range(16)] == [
        whole.share(day * DAY, (day + 1) * DAY, short_only=False) for day in range(16)
    ]


@bounded
@given(mixtures, rules_of_all)
def test_whatever_a_report_changes_lies_where_it_is_said_to_touch(drawn, rules):
    kept = ReportHistory(rules)
    days = range(40)
    for each in drawn:
        before = [kept.share(day * DAY, (day + 1) * DAY, short_only=False) for day in days]
        has_changed = kept.put(each)
        start, end = kept.touched_by(each)
        for day in days:
            after = kept.share(day * DAY, (day + 1) * DAY, short_only=False)
            if after != before[day]:
                assert has_changed
                assert start < (day + 1) * DAY
                assert end > day * DAY

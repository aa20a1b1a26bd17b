"""Reports of one campaign: unfinished periods, and several reports about the same money."""

from itertools import permutations

import pytest

from metrics.entities.report_history import ReportHistory
from metrics.entities.report_overlaps import ReportRules
from metrics.entities.reports import Report, covered_end
from metrics.values.time import DAY, HOUR, MINUTE

MICROS = 1_000_000


def report(start, end, spend, at=None, *, source="ads", ad=None, clicks=0):
    """A report of [start, end) that was made at ``at``, by default when the period was over."""
    made = end if at is None else at
    return Report(source, ad, start, end, (made, 0, 0), 0, clicks, spend, 0, covered_end(start, end, made))


def hours(first, last, spend=10, **more):
    return [report(hour * HOUR, (hour + 1) * HOUR, spend, **more) for hour in range(first, last)]


def history(*reports, rules=None):
    kept = ReportHistory(rules or ReportRules())
    for each in reports:
        kept.put(each)
    return kept


def spend(kept, start, end, *, short_only=False):
    return kept.share(start, end, short_only=short_only).spend_micros


# --- unfinished periods -----------------------------------------------------------------------------


def test_a_day_that_goes_on_counts_up_to_when_it_was_reported():
    kept = history(report(0, DAY, 100, at=8 * HOUR))
    assert spend(kept, 0, DAY) == spend(kept, 0, 8 * HOUR) == kept.total.spend_micros == 100
    assert spend(kept, 8 * HOUR, DAY) == 0
    assert spend(kept, 0, 2 * HOUR) == 25


def test_spend_is_known_up_to_what_the_source_that_is_furthest_behind_has_seen():
    assert history().seen_until is None
    day = [report(0, DAY, 10, at=at * HOUR) for at in (8, 10, 9)]
    assert history(*day).seen_until == 10 * HOUR
    assert history(*day, *hours(0, 9, source="other")).seen_until == 9 * HOUR
    assert history(*hours(0, 1, source="left"), *hours(30, 31)).seen_until == 31 * HOUR
    assert history(report(0, DAY, 10, at=8 * HOUR), *hours(8, 9)).seen_until == 9 * HOUR


def test_the_last_day_that_is_known_begins_no_earlier_than_the_first_report_in_any_order():
    assert history().last_day is None
    reports = [report(DAY + 2 * HOUR, 2 * DAY, 50, at=DAY + at * HOUR) for at in (3, 8)]
    for order in permutations(reports):
        assert history(*order).last_day == (DAY + 2 * HOUR, DAY + 8 * HOUR)
    for order in permutations([*reports, report(0, DAY, 30)]):
        assert history(*order).last_day == (8 * HOUR, DAY + 8 * HOUR)


def test_before_an_instant_lies_what_no_source_tells_of_later():
    assert history().before(DAY).spend_micros == 0
    day = report(0, DAY, 240, source="daily")
    assert [history(day).before(at).spend_micros for at in (6 * HOUR, DAY, 2 * DAY)] == [60, 240, 240]
    two = history(day, *hours(0, 30, source="hourly"))
    assert (two.before(two.seen_until).spend_micros, two.total.spend_micros) == (480, 540)
    assert spend(two, 0, DAY) == 480


def test_money_that_was_seen_stays_where_it_was_seen():
    kept = history(report(0, DAY, 100, at=8 * HOUR), report(0, DAY, 130, at=10 * HOUR))
    assert spend(kept, 0, 8 * HOUR) == 100
    assert spend(kept, 8 * HOUR, 10 * HOUR) == 30
    kept.put(report(0, DAY, 200))
    assert [spend(kept, *each) for each in ((0, 8 * HOUR), (8 * HOUR, 10 * HOUR), (10 * HOUR, DAY))] == [
        100,
        30,
        70,
    ]


def test_what_is_taken_back_is_taken_from_the_latest_money_first():
    kept = history(
        report(0, DAY, 100, at=8 * HOUR), report(0, DAY, 130, at=10 * HOUR), report(0, DAY, 110, at=12 * HOUR)
    )
    assert [spend(kept, *each) for each in ((0, 8 * HOUR), (8 * HOUR, 10 * HOUR), (10 * HOUR, DAY))] == [
        100,
        10,
        0,
    ]


def test_a_period_whose_end_moves_with_its_reports_is_one_period():
    kept = history(report(0, 8 * HOUR, 100), report(0, 10 * HOUR, 130))
    assert kept.total.spend_micros == 130
    assert spend(kept, 0, 8 * HOUR) == 100


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_versions_in_any_order_give_the_same_curve(order):
    versions = [report(0, DAY, value, at=at * HOUR) for at, value in ((3, 40), (8, 100), (20, 90), (24, 200))]
    kept = history(*(versions[each] for each in order))
    windows = [(hour * HOUR, (hour + 1) * HOUR) for hour in range(24)]
    expected = history(*versions)
    assert [spend(kept, *each) for each in windows] == [spend(expected, *each) for each in windows]
    assert sum(spend(kept, *each) for each in windows) == 200


def test_a_share_says_how_much_of_it_is_an_estimate():
    kept = history(report(0, DAY, 240), report(DAY, 2 * DAY, 100, at=DAY + 4 * HOUR))
    assert kept.share(0, 2 * DAY, short_only=False).spread_micros == 0
    rolling = kept.share(4 * HOUR, DAY + 4 * HOUR, short_only=False)
    assert (rolling.spend_micros, rolling.spread_micros) == (300, 200)


def test_a_figure_from_before_its_period_is_spread_over_all_of_it():
    assert spend(history(report(DAY, 2 * DAY, 240, at=0)), DAY, DAY + HOUR) == 10


# --- a later report of fewer days -------------------------------------------------------------------


WEEK = report(0, 7 * DAY, 70)


def by_day(kept, days=7):
    return [spend(kept, day * DAY, (day + 1) * DAY) for day in range(days)]


@pytest.mark.parametrize(("said", "rest"), [(50, 10), (30, 20), (60, 5), (70, 0), (90, 0)])
@pytest.mark.parametrize("turn", [1, -1])
def test_days_that_a_later_report_leaves_out_keep_what_the_earlier_one_tells_beyond_it(said, rest, turn):
    kept = history(*[WEEK, report(0, 5 * DAY, said, at=9 * DAY, clicks=4)][::turn])
    assert by_day(kept) == [said // 5] * 5 + [rest] * 2
    assert kept.total == (0, 4, said + 2 * rest, 0, 0)
    assert (kept.seen_until, kept.overlap) == (7 * DAY, (0, 0, 0))


def test_what_is_left_of_an_earlier_report_is_an_estimate():
    kept = history(WEEK, report(0, 5 * DAY, 50, at=9 * DAY))
    assert kept.share(0, 5 * DAY, short_only=False).spread_micros == 0
    assert kept.share(5 * DAY, 7 * DAY, short_only=False).spread_micros == 20
    assert kept.share(0, 7 * DAY, short_only=False).spread_micros == 20
    assert kept.total.spread_micros == 0


def test_one_day_that_a_later_report_leaves_out_keeps_its_money():
    kept = history(report(0, 2 * DAY, 25), report(0, DAY, 12, at=9 * DAY))
    assert by_day(kept, 2) == [12, 13]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_of_what_earlier_reports_tell_beyond_it_the_newer_holds(order):
    versions = [
        report(0, 6 * DAY, 90, at=8 * DAY),
        report(0, 7 * DAY, 70, at=9 * DAY),
        report(0, 6 * DAY, 64, at=10 * DAY),
        report(0, 5 * DAY, 50, at=11 * DAY),
    ]
    kept = history(*(versions[each] for each in order))
    assert by_day(kept) == [10] * 5 + [14, 6]
    assert kept.total.spend_micros == 70


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_day_that_is_told_by_itself_takes_the_place_of_what_was_left_of_a_week(order):
    reports = [WEEK, report(0, 5 * DAY, 50, at=9 * DAY), report(5 * DAY, 6 * DAY, 17, at=9 * DAY)]
    kept = history(*(reports[each] for each in order))
    assert by_day(kept) == [10] * 5 + [17, 10]
    assert kept.total.spend_micros == 77
    assert kept.touched_by(reports[order[-1]])[1] == 7 * DAY


def test_the_rest_comes_back_whole_with_a_longer_report_and_gives_way_to_it():
    kept = history(WEEK, report(0, 5 * DAY, 50, at=9 * DAY))
    assert kept.total.spend_micros == 70
    kept.put(report(0, 7 * DAY, 63, at=10 * DAY))
    assert (kept.total.spend_micros, by_day(kept)) == (63, [10] * 5 + [6, 7])


def test_a_plan_counts_until_the_first_report_of_its_period():
    kept = history(report(0, DAY, 240, at=0), report(0, DAY, 10, at=HOUR))
    assert kept.total.spend_micros == spend(kept, 0, HOUR) == 10


def test_what_is_left_of_a_campaigns_report_gives_way_to_its_ads_and_an_ads_rest_to_the_campaign():
    shorter = report(0, 5 * DAY, 50, at=9 * DAY)
    ads = [report(5 * DAY, 6 * DAY, 3, ad="x"), report(5 * DAY, 6 * DAY, 4, ad="y")]
    kept = history(WEEK, shorter, *ads)
    assert by_day(kept) == [10] * 5 + [7, 10]
    of_ads = [each._replace(ad_id=ad) for ad in "xy" for each in (WEEK, shorter)]
    assert history(*of_ads).total.spend_micros == 140
    assert by_day(history(*of_ads, report(5 * DAY, 7 * DAY, 22))) == [20] * 5 + [11] * 2
    both = history(WEEK, shorter, *(each._replace(spend_micros=2) for each in of_ads[:2]))
    assert by_day(both) == [10] * 7


def test_what_is_left_of_a_report_gives_way_to_another_connector_of_the_account():
    rules = ReportRules(same_account=(("a", "b"),))
    week, shorter = WEEK._replace(source="a"), report(0, 5 * DAY, 50, at=9 * DAY, source="a")
    other = report(5 * DAY, 6 * DAY, 13, source="b")
    assert by_day(history(week, shorter, other, rules=rules)) == [10] * 5 + [13, 10]
    rests = [each._replace(source="b", spend_micros=each.spend_micros * 2) for each in (week, shorter)]
    kept = history(*rests, week, shorter, rules=rules)
    assert (kept.total.spend_micros, by_day(kept)) == (70, [10] * 7)


def test_put_back_a_report_keeps_what_is_left_of_an_earlier_one():
    kept = history(WEEK, report(0, 5 * DAY, 50, at=9 * DAY))
    (newest,) = kept.reports.values()
    restored = ReportHistory()
    restored.restore(newest, kept.snapshots(newest.key))
    assert (restored.total, restored.seen_until) == (kept.total, kept.seen_until)
    assert by_day(restored) == by_day(kept)


# --- grains -----------------------------------------------------------------------------------------


def test_hours_count_where_they_leave_no_gap_in_the_day():
    kept = history(*hours(0, 24), report(0, DAY, 250))
    assert kept.total.spend_micros == spend(kept, 0, DAY) == 240
    assert kept.overlap == (1, 250, 10)


def test_the_day_counts_where_an_hour_is_missing():
    kept = history(*hours(0, 5), *hours(6, 24), report(0, DAY, 250))
    assert kept.total.spend_micros == spend(kept, 0, DAY) == 250
    assert kept.overlap == (23, 0, 0)
    assert spend(kept, HOUR, 2 * HOUR, short_only=True) == 10
    kept.put(report(5 * HOUR, 6 * HOUR, 10))
    assert kept.total.spend_micros == 240


def test_an_hour_and_the_day_that_begin_together_are_two_reports():
    kept = history(report(0, HOUR, 10), report(0, DAY, 250))
    assert len(kept) == 2
    assert kept.total.spend_micros == 250


def test_days_count_under_their_week_and_the_week_where_a_day_is_missing():
    days = [report(day * DAY, (day + 1) * DAY, 10) for day in range(7)]
    week = report(0, 7 * DAY, 75)
    assert history(week, *days).total.spend_micros == 70
    partly = history(week, *days[:3], *days[4:])
    assert (
        partly.total.spend_micros == sum(spend(partly, day * DAY, (day + 1) * DAY) for day in range(7)) == 75
    )


def test_a_week_over_two_months_leaves_the_rest_of_each_month():
    month, week = report(0, 30 * DAY, 300), report(28 * DAY, 35 * DAY, 70)
    kept = history(month, week)
    assert spend(kept, 0, 30 * DAY) == 300
    assert kept.total.spend_micros == 350


def test_hours_and_a_day_that_both_go_on_are_not_counted_twice():
    kept = history(*hours(0, 10), report(0, DAY, 103, at=10 * HOUR + 30 * MINUTE))
    assert spend(kept, 0, 10 * HOUR) == 100
    assert 0 < spend(kept, 10 * HOUR, DAY) < 10


def test_the_coarsest_grain_counts_where_it_is_asked_for():
    kept = history(*hours(0, 24), report(0, DAY, 250), rules=ReportRules("coarsest"))
    assert kept.total.spend_micros == 250


# --- ads, and connectors ----------------------------------------------------------------------------


def test_ads_of_one_period_add_up():
    kept = history(report(0, DAY, 60, ad="a"), report(0, DAY, 40, ad="b"))
    assert (kept.total.spend_micros, kept.overlap.covered) == (100, 0)


def test_ads_in_their_own_days_add_up():
    kept = history(report(0, DAY, 60, ad="a"), report(HOUR, DAY + HOUR, 40, ad="b"), *hours(0, 24, ad="c"))
    assert kept.total.spend_micros == 340


@pytest.mark.parametrize("campaign", [100, 99])
def test_ads_count_where_they_hold_all_money_of_the_campaign(campaign):
    kept = history(report(0, DAY, 60, ad="a"), report(0, DAY, 40, ad="b"), report(0, DAY, campaign))
    assert (kept.total.spend_micros, kept.overlap.covered) == (100, 1)


def test_the_campaign_counts_where_its_ads_hold_less():
    kept = history(report(0, DAY, 60, ad="a"), report(0, DAY, 100))
    assert (kept.total.spend_micros, kept.overlap) == (100, (1, 100, 40))


def test_hours_of_ads_under_days_of_their_campaign():
    kept = history(*hours(0, 24, 5, ad="a"), *hours(0, 24, 5, ad="b"), report(0, DAY, 240))
    assert kept.total.spend_micros == 240
    assert spend(kept, 0, HOUR, short_only=True) == 10


def test_sources_are_platforms_of_their_own_unless_they_read_one_account():
    one, other = report(0, DAY, 100, source="airbyte"), report(0, DAY, 101, source="singer")
    assert history(one, other).total.spend_micros == 201
    rules = ReportRules(same_account=(("singer", "airbyte"),))
    kept = history(one, other, report(DAY, 2 * DAY, 7, source="airbyte"), rules=rules)
    assert kept.total.spend_micros == 108


# --- what changes where ------------------------------------------------------------------------------


def test_the_last_day_of_a_week_changes_the_whole_week():
    days = [report(day * DAY, (day + 1) * DAY, 10) for day in range(7)]
    kept = history(report(0, 7 * DAY, 75), *days[:6])
    kept.put(days[6])
    assert kept.touched_by(days[6]) == (0, 7 * DAY)


def test_a_shorter_replacement_still_reaches_where_the_former_did():
    kept = history(report(0, 20 * HOUR, 5, at=20 * HOUR), report(0, 10 * HOUR, 5, at=21 * HOUR))
    assert [each.end for each in kept.versions(report(0, 10 * HOUR, 5))] == [10 * HOUR, 20 * HOUR]
    assert kept.overlaps(15 * HOUR, 16 * HOUR, short_only=False)
    assert spend(kept, 0, DAY) == 5


# --- what is asked between two reports ----------------------------------------------------------------


def test_a_period_that_becomes_shorter_gives_its_neighbour_back_what_it_took():
    kept = history(report(0, 25 * HOUR, 250), report(DAY, 2 * DAY, 240))
    assert kept.total.spend_micros == 480
    kept.put(report(0, DAY, 240, at=3 * DAY))
    assert spend(kept, DAY, 2 * DAY) == 240
    assert kept.total.spend_micros == 480


def test_an_earlier_version_that_comes_late_is_heard_where_ads_are_compared_with_their_campaign():
    early, late = report(0, 4 * DAY, 30, at=2 * DAY, ad="x"), report(0, 4 * DAY, 40, ad="x")
    campaign = report(2 * DAY, 3 * DAY, 10)
    kept = history(late, campaign)
    assert spend(kept, 2 * DAY, 3 * DAY) == 10
    kept.put(early)
    whole = history(early, late, campaign)
    assert (kept.total, kept.overlap) == (whole.total, whole.overlap)


def test_a_report_of_an_ad_touches_the_campaigns_report_that_it_decides_of():
    noon, end = 4 * DAY + 12 * HOUR, 5 * DAY + 12 * HOUR
    kept = history(report(noon, end, 20), report(5 * DAY, end, 15, ad="x"))
    assert spend(kept, 5 * DAY, 6 * DAY) == 10
    last = report(0, 5 * DAY, 100, ad="y")
    kept.put(last)
    assert spend(kept, 5 * DAY, 6 * DAY) == 15
    assert kept.touched_by(last) == (0, end)


def test_hours_that_begin_at_half_past_touch_both_hours_they_lie_in():
    half = 30 * MINUTE
    kept = history(report(half, 3 * half, 20), report(half, 2 * half, 15, ad="x"))
    assert spend(kept, 0, HOUR, short_only=True) == 10
    last = report(2 * half, 3 * half, 5, ad="x")
    kept.put(last)
    assert spend(kept, 0, HOUR, short_only=True) == 15
    assert kept.touched_by(last, short_only=True) == (half, 3 * half)


def test_a_version_that_ended_in_the_next_day_is_remembered_there():
    start = 45 * MINUTE
    long, short = report(start, DAY + 10 * MINUTE, 10), report(start, DAY - 5 * MINUTE, 10, at=2 * DAY)
    kept = history(long, short)
    assert kept.overlaps(DAY, 2 * DAY, short_only=False)
    assert kept.touched_by(short)[1] > DAY


def test_a_day_of_which_an_earlier_version_had_seen_minutes_is_no_short_report():
    day = report(0, DAY, 10, at=50 * MINUTE)
    kept = history(day, day._replace(version=(70 * MINUTE, 0, 0), covered_end=10 * MINUTE))
    assert kept.overlaps(0, HOUR, short_only=False)
    assert not kept.overlaps(30 * MINUTE, HOUR, short_only=True)

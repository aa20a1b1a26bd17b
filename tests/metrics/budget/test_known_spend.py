"""Pace where spend comes by reports: judged at the instant up to which they say what was spent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from metrics.budget.pacing import known_day
from metrics.budget.state import KnownDay
from metrics.budget.views import card_of
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import KnownSpend
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, format_instant
from tests.metrics.budget.test_holds import START, Play, reading

#: A flight of ten days; 240 a day is its even pace.
FLIGHT = CampaignFacts(
    "c", budget_micros=2_400 * MICROS, starts_at=START, ends_at=START + 10 * DAY, is_reported=True
)


def reported(at, until, an_hour, *, hourly=True, more=0):
    """A reading of an even spend that reports know up to an instant; ``more`` is what one of several sources knows beyond."""
    spent = an_hour * (until - START) / HOUR
    since = max(START, until - DAY)
    known = KnownSpend(
        until=format_instant(until),
        since=format_instant(since),
        spend_micros=round(MICROS * an_hour * (until - since) / HOUR),
        total_micros=round(MICROS * spent),
        is_by_hour=hourly,
    )
    return replace(reading("c", at, spent + more), known_spend=known)


def pace_of(play, facts=FLIGHT):
    return card_of(play["c"], facts, "propose", "EUR").pace


@pytest.mark.parametrize("hourly", [True, False], ids=["reports of hours", "reports of days"])
@pytest.mark.parametrize("lag", [MINUTE, 3 * HOUR, DAY], ids=["a minute", "three hours", "a day"])
def test_a_campaign_that_spends_evenly_is_on_its_pace_whatever_the_lag_of_its_reports(lag, hourly):
    play, until = Play(facts=[FLIGHT]), START + 8 * DAY
    play.step(reported(until + lag, until, 10, hourly=hourly), at=until + lag)
    found = pace_of(play)
    assert (found.pace, found.projected_micros) == ("on", FLIGHT.budget_micros)
    assert found.known_until == format_instant(until)
    assert play["c"].hold is None


def test_between_two_reports_a_campaign_falls_behind_no_plan():
    play, until = Play(facts=[FLIGHT]), START + 9 * DAY
    play.step(reported(until, until, 10), at=until)
    first = pace_of(play)
    for hours in range(1, 20):
        now = until + hours * HOUR
        play.step(reported(now, until, 10), at=now)  # leads came, and no report
        assert pace_of(play) == first


def test_what_the_quicker_of_two_platforms_has_told_meanwhile_is_no_runaway():
    play, until = Play(facts=[FLIGHT]), START + 2 * DAY
    now = until + 20 * HOUR
    assert play.step(reported(now, until, 10, more=150), at=now) == []
    assert pace_of(play).projected_micros == FLIGHT.budget_micros
    assert play["c"].spent == 630 * MICROS


def test_a_campaign_that_spends_too_fast_is_found_however_old_its_reports_are():
    for lag in (MINUTE, 15 * HOUR):
        play, until = Play(facts=[FLIGHT]), START + 3 * DAY
        now = until + lag
        # 1,440 are spent of 720: three days ahead, of which a day is the longest rest.
        assert play.step(reported(now, until, 20), at=now) == [("pause", "pace", "enforce")]
        assert play["c"].hold.expires_at == now + DAY


def test_what_a_rest_has_brought_about_is_seen_before_there_is_another():
    play, until = Play(facts=[FLIGHT]), START + 3 * DAY
    play.step(reported(until + HOUR, until, 20), at=until + HOUR)
    back = until + HOUR + DAY
    assert play.step(reported(back, until, 20), at=back) == [("resume", "hold expired", "enforce")]
    later = back + 6 * HOUR
    assert play.step(reported(later, until, 20), at=later) == []
    seen = later + MINUTE
    found = play.step(reported(seen, seen, 20), at=seen)
    assert found == [("pause", "pace", "enforce")]


def test_a_campaign_whose_platform_has_said_nothing_has_no_pace():
    play = Play(facts=[FLIGHT])
    at = START + 3 * DAY
    play.step(reading("c", at, 0), reading("c", at, 0, start=at - HOUR), at=at)
    shown = card_of(play["c"], FLIGHT, "propose", "EUR")
    assert (shown.pace, shown.known_spend) == (None, None)


def test_an_hour_that_no_report_has_seen_is_no_hour_without_spend():
    play, until = Play(facts=[FLIGHT]), START + 2 * DAY
    hours = [reading("c", until + HOUR, 10, start=until + ago * HOUR) for ago in (-2, -1, 0)]
    play.step(*hours, reported(until + HOUR, until, 10), at=until + HOUR)
    shown = card_of(play["c"], FLIGHT, "propose", "EUR")
    assert [point.spend_micros for point in shown.sparkline] == [10 * MICROS, 10 * MICROS, None]
    play.step(reported(until + HOUR + MINUTE, until, 10, hourly=False), at=until + HOUR + MINUTE)
    shown = card_of(play["c"], FLIGHT, "propose", "EUR")
    assert {point.spend_micros for point in shown.sparkline} == {None}
    assert shown.known_spend.spend_micros == 240 * MICROS


def test_spend_of_events_is_known_up_to_the_watermark_also_where_nothing_is_spent_any_more():
    facts = FLIGHT._replace(is_reported=False)
    play = Play(facts=[facts])
    play.spend_evenly(48, 10)
    assert pace_of(play, facts).projected_micros == 2_400 * MICROS
    state = play["c"]
    silent = known_day(state, is_reported=False, watermark=START + 4 * DAY)
    assert (silent.spend, silent.until) == (0, START + 4 * DAY)


def test_a_watermark_behind_the_reports_is_what_pace_is_judged_at():
    play, until = Play(facts=[FLIGHT]), START + 2 * DAY
    play.step(reported(until - HOUR, until, 10), at=until)
    found = known_day(play["c"], is_reported=True, watermark=until - HOUR)
    assert found == KnownDay(until - HOUR - DAY, until - HOUR, 240 * MICROS, 480 * MICROS)


@given(
    until=st.integers(1, 9 * 24),
    lag=st.integers(0, 24 * 60),
    later=st.lists(st.integers(1, 600), max_size=6),
    an_hour=st.integers(1, 40),
)
def test_a_report_that_says_the_same_again_moves_no_pace(until, lag, later, an_hour):
    """However often a platform says it again, and whatever else comes meanwhile."""
    play, until = Play("observe", facts=[FLIGHT]), START + until * HOUR
    now = until + lag * MINUTE
    play.step(reported(now, until, an_hour), at=now)
    first = pace_of(play)
    for minutes in later:
        now += minutes * MINUTE
        play.step(reported(now, until, an_hour), at=now)
        found = pace_of(play)
        assert found == first or (found is None and now >= FLIGHT.ends_at)

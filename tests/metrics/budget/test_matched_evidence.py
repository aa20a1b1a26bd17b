"""Evidence where spend comes by reports: results count up to the instant that reports have seen, whenever the reports come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from metrics.budget.campaign_updates import EvidenceContext, apply_reading
from metrics.budget.policy import preset
from metrics.budget.state import CampaignState
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import KnownSpend, MatchedSums
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, QUARTER, format_instant
from tests.metrics.budget.test_holds import START, Play, reading

#: A lead may cost 1; nothing is said of lag, so that it is told fast.
FACTS = CampaignFacts("c", targets_micros={"cpl": MICROS}, starts_at=START, is_reported=True)
POLICY = preset("bold").of("c")


def reported(now, until, *, leads, spend, leads_by_now=None):
    """A reading whose reports reach to an instant, with all leads of by then and of by now."""
    sums = reading("c", now, spend, leads).sums
    since = max(START, until - DAY)
    known = KnownSpend(
        until=format_instant(until),
        since=format_instant(since),
        spend_micros=round(spend * MICROS * (until - since) / (until - START)),
        total_micros=round(spend * MICROS),
        is_by_hour=False,
    )
    return replace(
        reading("c", now, spend, leads if leads_by_now is None else leads_by_now),
        known_spend=known,
        matched_sums=MatchedSums(until=format_instant(until), sums=sums),
    )


def verdict(play, target="cpl"):
    return play["c"].evidence[target].verdict


def days_of(play, days, *, a_day, leads_a_day, lag):
    """Reports of days that come so much later, looked at each hour, while leads go on coming."""
    for hour in range(24, days * 24 + lag // HOUR):
        now, until = START + hour * HOUR, START + (hour - lag // HOUR) // 24 * DAY
        seen = (until - START) // DAY
        play.step(
            reported(
                now,
                until,
                leads=leads_a_day * seen,
                spend=a_day * seen,
                leads_by_now=leads_a_day * hour // 24,
            )
            if seen > 0
            else reading("c", now, 0, leads_a_day * hour // 24),
            at=now,
        )


@pytest.mark.parametrize("lag", [0, 12 * HOUR, 36 * HOUR], ids=["at once", "half a day", "a day and a half"])
def test_a_campaign_on_its_target_is_not_praised_for_leads_whose_spend_is_not_known_yet(lag):
    play = Play("observe", facts=[FACTS])
    days_of(play, 5, a_day=30, leads_a_day=30, lag=lag)
    assert verdict(play) == "inconclusive"
    assert play["c"].latest.evidence_sums.leads == 120 < play["c"].latest.sums.leads


def test_the_same_leads_beside_spend_that_lags_would_have_been_praise():
    """What the test before is worth: as if spend were known up to now, it is twice as many leads as are due."""
    play = Play("observe", facts=[FACTS._replace(is_reported=False)])
    days_of(play, 5, a_day=30, leads_a_day=30, lag=36 * HOUR)
    assert verdict(play) == "good"


@pytest.mark.parametrize("lag", [0, 12 * HOUR, 36 * HOUR], ids=["at once", "half a day", "a day and a half"])
def test_a_campaign_that_misses_its_target_is_found_with_the_same_report_however_late_it_comes(lag):
    play = Play("observe", facts=[FACTS])
    days_of(play, 6, a_day=30, leads_a_day=12, lag=lag)
    assert verdict(play) == "bad"
    first = Play("observe", facts=[FACTS])
    days_of(first, 6, a_day=30, leads_a_day=12, lag=0)
    assert play["c"].evidence == first["c"].evidence


def test_evidence_that_begins_anew_goes_on_where_the_spend_is_known_to():
    play = Play("enforce", facts=[FACTS], hold_for="10d")
    days_of(play, 6, a_day=30, leads_a_day=12, lag=12 * HOUR)
    held = play["c"]
    assert (held.column, held.baseline) == ("hold", None)
    resumed = held.hold.expires_at
    until = START + 5 * DAY
    again = reported(resumed, until, leads=60, spend=150, leads_by_now=75)
    assert play.step(again, at=resumed) == [("resume", "hold expired", "enforce")]
    assert (play["c"].baseline.leads, play["c"].baseline.spend_micros) == (60, 150 * MICROS)


def test_a_decision_says_up_to_when_its_figures_are_known():
    play = Play("observe", facts=[FACTS])
    days_of(play, 6, a_day=30, leads_a_day=12, lag=12 * HOUR)
    figures = play["c"].proposal.evidence
    assert (figures["judged_until"], figures["judged_spent"]) == (format_instant(START + 4 * DAY), "120")
    assert figures["leads"] == 48


def test_where_reports_reach_back_to_before_what_was_judged_the_verdict_stands():
    play = Play("observe", facts=[FACTS])
    days_of(play, 6, a_day=30, leads_a_day=12, lag=0)
    before, now = play["c"], play.now + HOUR
    second = reported(now, START + 2 * DAY, leads=24, spend=60, leads_by_now=80)  # of a source that is new
    for later in (second, replace(second, matched_sums=None, revision=second.revision + 1)):
        play.step(later, at=now)
        assert (play["c"].evidence, play["c"].ledgers) == (before.evidence, before.ledgers)
        assert play["c"].latest.sums.leads == 80


history = st.lists(
    st.tuples(st.integers(1, 200), st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=12
)


@given(
    history,
    st.lists(
        st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 50)), min_size=1, max_size=3), min_size=12
    ),
)
def test_when_reports_come_does_not_change_the_verdict_of_an_instant_that_they_have_seen(steps, arrivals):
    """Later, several times, with any number of leads meanwhile: ledgers and evidence are those of reports that come at once."""

    def judged(delays):
        state, until, now, spend, leads = CampaignState(campaign_id="c"), START, START, 0, 0
        found = []
        for (quarters, more_spend, more_leads), later in zip(steps, delays, strict=False):
            until, spend, leads = until + quarters * QUARTER, spend + more_spend, leads + more_leads
            for minutes, others in later:
                now = max(now + 1, until + minutes * MINUTE)
                told = reported(now, until, leads=leads, spend=spend, leads_by_now=leads + others)
                state = apply_reading(state, told, FACTS, POLICY, EvidenceContext())
            found.append((state.evidence, state.ledgers, state.trail))
        return found

    assert judged(arrivals) == judged([[(0, 0)]] * len(steps))

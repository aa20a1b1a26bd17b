"""Where spend comes by reports the controller judges results and spend of the same time, and no healthy campaign pays for it."""

from types import MappingProxyType

import numpy as np
import pytest
from msgspec.structs import replace

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse, preset
from metrics.budget.state import Board
from metrics.budget.worlds import WORLDS, Trial, run_trial
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import KnownSpend, MatchedSums
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, SECOND, format_instant
from tests.metrics.budget.test_holds import START, Play, reading

SEED = 20_261_129
TARGET = 20
#: A Monday.
MONDAY = 1_799_020_800_000
PER_CAMPAIGN = {"alpha_of": "campaign"}
AT_ONCE = {"learning_phase": "0s"}


def matched(name, now, until, *, spend, leads, leads_until):
    """A reading whose reports have told of the spend up to an instant."""
    found = reading(name, now, spend, leads)
    known = KnownSpend(
        until=format_instant(until),
        since=format_instant(until - DAY),
        spend_micros=0,
        total_micros=round(spend * MICROS),
        is_by_hour=False,
    )
    sums = replace(found.sums, leads=leads_until)
    return replace(found, known_spend=known, matched_sums=MatchedSums(until=known.until, sums=sums))


@pytest.mark.parametrize("name", ["daily reports, 12 h late", "ROAS, daily reports, 12 h late"])
def test_a_board_of_daily_reports_half_a_day_late_finds_its_bad_campaigns(name):
    found = run_trial(WORLDS[name], preset("bold"), Trial(boards=1, size=10, bad_share=0.5))
    assert (found.caught, found.paused) == (1.0, 0.0)


class Reported:
    """A young board from Monday at 8:00 UTC on, with 80 results a day, whose campaigns report at different pace.

    Args:
        policy: settings.
        lag: mean of the lag of a result, in hours.
        delays: of reports, in hours, by campaign in turn.
        period: of reports, in hours.
        hours: that are played.
        bad: every so many campaigns, one costs twice the target; 0: none.
    """

    SIZE, A_DAY, BEGIN = 27, 80, 8
    IS_REPORTED = True

    def __init__(self, policy, *, lag, delays, period, hours, bad=0, seed=0):
        rng = np.random.default_rng([SEED, seed])
        self.start, self.delays, self.period = MONDAY + self.BEGIN * HOUR, delays, period
        self.names = [f"c{number}" for number in range(self.SIZE)]
        self.bad = {name for number, name in enumerate(self.names) if bad and number % bad == bad - 1}
        self.came = {name: self._leads(rng, hours, lag, name in self.bad) for name in self.names}
        facts = {
            name: CampaignFacts(
                name,
                starts_at=self.start,
                targets_micros=MappingProxyType({"cpl": TARGET * MICROS}),
                is_reported=self.IS_REPORTED,
            )
            for name in self.names
        }
        now = self.start
        context = Context(parse(policy), "enforce", True, "EUR", facts, reached=lambda _: now)
        self.board, self.paused = Board(), set()
        for hour in range(1, hours):
            now = self.start + hour * HOUR
            self.board, actions = step(self.board, Inputs(list(self._readings(hour))), context, now)
            self.paused |= {each.campaign_id for each in actions if each.rule.startswith("evidence:")}

    def _leads(self, rng, hours, lag, is_bad):
        counts = rng.poisson(self.A_DAY / 24 / (1 + is_bad), hours)
        come = np.arange(hours).repeat(counts) + rng.exponential(lag or 1e-9, counts.sum())
        return np.bincount(np.floor(come[come < hours]).astype(int), minlength=hours).cumsum()

    def _readings(self, hour):
        for number, name in enumerate(self.names):
            since_midnight = hour - self.delays[number % len(self.delays)] + self.BEGIN
            known = since_midnight // self.period * self.period - self.BEGIN
            if known > 0:
                now, until = (self.start + each * HOUR for each in (hour, known))
                leads = self.came[name]
                spend = known * self.A_DAY / 24 * TARGET
                told = {"leads": int(leads[hour - 1]), "leads_until": int(leads[known - 1])}
                yield matched(name, now, until, spend=spend, **told)

    @property
    def weekdays(self):
        return self.board.learned["cpl"].weekday


HOURLY = {"delays": (0, 0, 3), "period": 1, "hours": 72}
DAILY = {"delays": (0, 12), "period": 24, "hours": 90}


@pytest.mark.parametrize(
    ("policy", "lag", "reports"),
    [
        ({"preset": "bold"}, 3.0, HOURLY),
        ({"preset": "bold"} | AT_ONCE, 0.0, HOURLY),
        ({"preset": "bold"}, 12.0, DAILY),
        ({"preset": "bold"} | AT_ONCE, 12.0, DAILY),
        ({"preset": "careful"} | PER_CAMPAIGN | AT_ONCE, 36.0, DAILY),
        ({"preset": "careful"}, 36.0, HOURLY),
    ],
)
def test_on_a_young_board_no_healthy_campaign_is_paused_however_late_reports_and_results_are(
    policy, lag, reports
):
    assert Reported(policy, lag=lag, **reports).paused == set()


@pytest.mark.parametrize("reports", [HOURLY, DAILY], ids=["hourly reports", "daily reports"])
def test_on_a_young_board_of_prompt_results_campaigns_at_twice_their_target_are_found_within_days(reports):
    found = Reported({"preset": "bold"} | AT_ONCE, lag=0.0, bad=3, **reports)
    assert found.paused == found.bad


def test_a_board_that_has_seen_one_weekday_does_not_take_its_lag_for_a_rhythm():
    found = Reported({"preset": "bold"} | AT_ONCE, lag=12.0, delays=(0, 3, 12), period=1, hours=40)
    assert found.weekdays == pytest.approx([1.0] * 7, abs=0.15)


# --- what is compared --------------------------------------------------------------------------------

FACTS = CampaignFacts(
    "c", starts_at=START, targets_micros=MappingProxyType({"cpl": TARGET * MICROS}), is_reported=True
)


def play(**policy):
    return Play(facts=[FACTS], learning_phase="0s", **policy)


def days_of(first, last, *, leads_a_day, later=10_000):
    """Readings of daily reports half a day late at 200 a day; ``later`` leads have come since the last report."""
    for day in range(first, last + 1):
        until, leads = START + day * DAY, leads_a_day * day
        now = until + DAY // 2
        yield now, matched("c", now, until, spend=200.0 * day, leads=leads + later, leads_until=leads)


def test_results_that_no_report_has_told_the_spend_of_hide_nothing():
    board = play()
    found = [board.step(each, at=now) for now, each in days_of(1, 20, leads_a_day=4)]
    assert ("pause", "evidence:cpl", "enforce") in [action for actions in found for action in actions]


def test_and_they_speak_for_nothing():
    board = play()
    found = [board.step(each, at=now) for now, each in days_of(1, 20, leads_a_day=10)]
    assert not any(found)
    assert board["c"].evidence["cpl"].verdict == "inconclusive"


def test_evidence_that_begins_anew_counts_from_the_instant_up_to_which_spend_was_known():
    board = play()
    for now, each in days_of(1, 20, leads_a_day=4):
        if board.step(each, at=now):
            break
    before = board["c"].latest
    board.say("resume")
    assert board["c"].baseline == before.matched != before.sums


def test_where_reports_lie_too_far_back_for_matched_sums_nothing_is_judged():
    board = play()
    for now, each in days_of(1, 3, leads_a_day=10):
        board.step(each, at=now)
    ledgers = board["c"].ledgers
    later = replace(each, revision=each.revision + 1, matched_sums=None)
    board.step(later, at=now)
    assert (board["c"].ledgers, board["c"].evidence) == (ledgers, {})


def test_a_reading_of_a_build_before_matched_sums_is_judged_as_it_stands():
    board = play()
    for now, each in days_of(1, 2, leads_a_day=10, later=0):
        board.step(replace(each, known_spend=None, matched_sums=None), at=now)
    assert board["c"].ledgers["cpl"].results == 20


def test_a_board_that_was_judged_by_sums_of_now_goes_on_with_matched_ones_and_comes_to_the_same():
    old, new = play(), play()
    for day, (now, each) in enumerate(days_of(1, 12, leads_a_day=10, later=5)):
        new.step(each, at=now)
        old.step(each if day > 4 else replace(each, known_spend=None, matched_sums=None), at=now)
    ledgers = old["c"].ledgers["cpl"], new["c"].ledgers["cpl"]
    assert [(one.at, one.cost, one.results) for one in ledgers] == [
        (START + 12 * DAY, 2_400 * MICROS, 120.0)
    ] * 2
    assert old["c"].evidence["cpl"].verdict == "inconclusive"


def test_a_reading_before_the_first_report_does_not_hold_off_what_reports_tell():
    """Reports tell of the time before that reading; its point on the trail lay after theirs, so no spend was ripe."""
    found = []
    for begins_before_reports in (True, False):
        board = play(mature_after="10s")
        at = START + HOUR + 395 * SECOND
        if begins_before_reports:
            board.step(reading("c", at, 0, 0), at=at)
        for quarter in range(3, 6):
            until, spend = START + (quarter + 1) * 15 * MINUTE, 180.0 if quarter == 3 else 2_400.0
            if quarter < 5:
                now = max(until, at) + 10 * SECOND
                board.step(matched("c", now, until, spend=spend, leads=quarter, leads_until=quarter), at=now)
        found.append(board["c"].evidence["cpl"])
    after, alone = found
    assert after == alone


def test_spend_younger_than_maturity_does_not_speak():
    """Nothing has come of three days of spend whose results are said to need a day."""
    found = []
    for mature_after in ("0s", "24h"):
        board = play(mature_after=mature_after)
        for now, each in days_of(1, 3, leads_a_day=0, later=0):
            board.step(each, at=now)
        found.append(board["c"].evidence["cpl"])
    hasty, patient = found
    assert patient.e_value < hasty.e_value
    assert patient.completeness < 0.75 * hasty.completeness

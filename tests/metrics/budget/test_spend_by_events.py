"""Where spend comes by events the controller learns lag from spend and results of the same time, whatever ``mature_after`` is."""

import numpy as np
import pytest
from msgspec.structs import replace

from metrics.budget.policy import preset
from metrics.budget.worlds import WORLDS, Trial, run_trial
from metrics.evidence.ledger import LAG_FITS, WEEKDAY_DUE, WHOLE, due_by_law
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE, format_instant
from tests.metrics.budget.test_holds import FACTS as FLIGHT
from tests.metrics.budget.test_holds import START, Play, reading
from tests.metrics.budget.test_matched_sums import AT_ONCE, PER_CAMPAIGN, TARGET, Reported


class Told(Reported):
    """The same young board, of events.

    Args:
        policy, lag, hours, bad: as they are there.
        every: hours between two readings.
        behind: minutes by which the watermark lies behind when a reading is published.
    """

    IS_REPORTED = False

    def __init__(self, policy, *, lag, hours, every=1, behind=0, bad=0):
        self.every, self.behind = every, behind
        super().__init__(policy, lag=lag, delays=(0,), period=1, hours=hours, bad=bad)

    def _readings(self, hour):
        for name in self.names if hour % self.every == 0 else ():
            now, spend = self.start + hour * HOUR, hour * self.A_DAY / 24 * TARGET
            found = reading(name, now, spend, int(self.came[name][hour - 1]))
            yield replace(found, watermark=format_instant(now - self.behind * MINUTE))


#: Of the campaign that is played by itself: results due a day, and what is spent for them in an hour.
A_DAY = 80
AN_HOUR = A_DAY * TARGET / 24

CAREFUL = {"preset": "careful"}
AT_RISK = CAREFUL | PER_CAMPAIGN | AT_ONCE


@pytest.mark.parametrize(
    ("policy", "lag", "told"),
    [
        (AT_RISK, 36.0, {"hours": 72}),
        (CAREFUL, 36.0, {"hours": 72}),
        (AT_RISK, 12.0, {"hours": 72}),
        (AT_RISK | {"mature_after": "24h"}, 36.0, {"hours": 120}),
        (AT_RISK, 36.0, {"hours": 72, "behind": 5}),
        (AT_RISK, 36.0, {"hours": 120, "behind": 5, "every": 12}),
    ],
)
def test_on_a_young_board_no_healthy_campaign_is_paused_however_late_its_results_are(policy, lag, told):
    assert Told(policy, lag=lag, **told).paused == set()


def test_what_a_board_learns_of_lag_does_not_depend_on_when_spend_may_speak():
    first, *others = (
        Told(AT_RISK | {"mature_after": each}, lag=12.0, hours=40).board.learned["cpl"]
        for each in ("0s", "1h", "6h", "24h")
    )
    assert all(each == first for each in others)


@pytest.mark.parametrize("behind", [0, 5], ids=["read at once", "read five minutes later"])
def test_campaigns_at_twice_their_target_are_found_within_days_though_their_spend_must_be_ripe(behind):
    found = Told(AT_RISK, lag=0.0, hours=72, bad=3, behind=behind)
    assert found.paused == found.bad


def test_a_board_that_has_seen_one_weekday_does_not_take_youth_for_a_rhythm():
    found = Told({"preset": "bold"}, lag=0.0, hours=40)
    assert found.weekdays == pytest.approx([1.0] * 7, abs=0.1)


def test_on_a_young_board_whose_campaigns_learn_as_they_are_said_to_no_healthy_one_is_paused():
    found = run_trial(WORLDS["young board that learns, 25 a day"], preset("bold"), Trial(boards=1, size=20))
    assert (found.paused, found.caught) == (0.0, 1.0)


def events(**policy):
    facts = FLIGHT._replace(
        budget_micros=10**6 * MICROS, ends_at=None, targets_micros={"cpl": TARGET * MICROS}
    )
    return Play(facts=[facts], **AT_ONCE, **policy)


def told(at, watermark, spend, leads):
    return replace(reading("c", at, spend, leads), watermark=format_instant(watermark))


def test_a_ledger_takes_in_the_spend_up_to_which_all_topics_have_been_read():
    board = events(mature_after="6h")
    for minute in range(1, 200):
        now = START + minute * MINUTE
        board.step(told(now, now - 2 * MINUTE, 10.0 * minute, 0), at=now)
    ledger = board["c"].ledgers["cpl"]
    assert ledger.at == now - 2 * MINUTE
    assert 10.0 * 194 <= ledger.cost / MICROS <= 10.0 * 197


def test_of_rare_readings_spend_up_to_the_watermark_lies_evenly():
    board = events(mature_after="6h")
    for day in range(1, 4):
        now = START + day * DAY
        board.step(told(now, now - HOUR, 240.0 * day, 0), at=now)
    ledger = board["c"].ledgers["cpl"]
    assert (ledger.at, ledger.cost) == (now - HOUR, 710 * MICROS)


# --- rows of builds that led results ahead of their spend ------------------------------------------------


def of_an_earlier_build(board, ahead):
    """As earlier builds left a healthy campaign of four days: what its ledger has lies ``ahead`` behind the results that it has."""
    for hour in range(1, 4 * 24 + 1):
        now, ripe = START + hour * HOUR, hour - ahead // HOUR
        if ripe > 0:
            board.step(reading("c", now - ahead, AN_HOUR * ripe, A_DAY * hour // 24), at=now - ahead)
    state = board["c"]
    sums = replace(state.latest.sums, spend_micros=round(AN_HOUR * hour * MICROS))
    latest = replace(state.latest, watermark=now, sums=sums, revision=now - START + 1)
    board.board = replace(board.board, campaigns={"c": replace(state, latest=latest, settled=sums)})
    return now


@pytest.mark.parametrize("ahead", [HOUR, 6 * HOUR, DAY], ids=["an hour", "six hours", "a day"])
@pytest.mark.parametrize(
    ("leads_a_day", "then"), [(A_DAY, []), (A_DAY // 4, [("pause", "evidence:cpl", "enforce")])]
)
def test_an_upgrade_pauses_no_healthy_campaign_and_those_that_turn_bad_are_found(ahead, leads_a_day, then):
    board = events(mature_after=f"{ahead // HOUR}h", longest_lag="12h", **PER_CAMPAIGN)
    now = of_an_earlier_build(board, ahead)
    found = []
    for hour in range(1, 10 * 24):
        at = now + hour * HOUR
        leads = 4 * A_DAY + leads_a_day * hour // 24
        found += board.step(reading("c", at, AN_HOUR * (at - START) / HOUR, leads), at=at)
        if found:
            break
    assert found == then


def test_rows_in_which_results_are_an_hour_ahead_go_on_as_they_are():
    board = events(mature_after="1h", **PER_CAMPAIGN)
    at = of_an_earlier_build(board, HOUR) + HOUR
    known = board["c"].ledgers["cpl"].sums
    board.step(reading("c", at, AN_HOUR * (at - START) / HOUR, 4 * A_DAY), at=at)
    ledger = board["c"].ledgers["cpl"]
    assert ledger.at == at
    assert (ledger.sums[LAG_FITS] >= known[LAG_FITS]).all()
    assert known[LAG_FITS].all()


def test_what_rows_of_earlier_builds_say_of_lag_and_rhythm_is_forgotten_and_what_came_in_all_is_kept():
    board = events(mature_after="24h", **PER_CAMPAIGN)
    at = of_an_earlier_build(board, DAY) + HOUR
    board.step(reading("c", at, AN_HOUR * (at - START) / HOUR, 4 * A_DAY), at=at)
    ledger = board["c"].ledgers["cpl"]
    sums = ledger.sums
    assert (ledger.at, ledger.cost, ledger.results) == (at, board["c"].latest.sums.spend_micros, 4.0 * A_DAY)
    assert sums[WHOLE] == pytest.approx(ledger.cost / MICROS / TARGET)
    assert not sums[LAG_FITS.start : WEEKDAY_DUE.stop].any()
    due, fits = due_by_law(ledger, board.board.learned["cpl"])
    assert fits - 4 * A_DAY * np.log(due) == pytest.approx(0, abs=1e-6)

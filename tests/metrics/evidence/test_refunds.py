"""Money that is still to be refunded: learned from sums alone, held back from good news, never from bad news."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.budget.policy import parse, preset
from metrics.budget.worlds import WORLDS, Trial, run_trial
from metrics.evidence import RefundWindow
from metrics.evidence.ledger import CAUTIOUS_WAGERS, Seen, advanced, begin
from metrics.evidence.refunds import held_back, learn_refunds, led_on, start_row
from metrics.evidence.shape import Shape, learn, unlearned
from metrics.evidence.verdicts import log_e_exceeded
from metrics.kernels.refunds import GROSS, PERIODS, REFUNDED
from metrics.values.errors import SettingError
from metrics.values.time import DAY
from tests.metrics.evidence.earlier_rows import of_format_3

START = 1_800_000_000_000 // DAY * DAY
SEED = 20_261_130
MONTH = RefundWindow(days=30.0, share=0.3)
moments = st.lists(
    st.tuples(st.integers(0, 20 * DAY), st.integers(0, 50), st.integers(0, 9)), min_size=1, max_size=12
)


def campaign(rng, days, *, share=0.3, after=21, a_day=5, start=START):
    """Sums of a campaign whose orders, each worth 1, are refunded after so many days, and the instant up to which they reach."""
    orders = rng.poisson(a_day, days)
    refunds = np.zeros(days)
    refunds[after:] = rng.binomial(orders, share)[: max(0, days - after)]
    row = start_row(start, start, 0.0, 0.0)
    for day in range(days):
        row = led_on(row, start + day * DAY, start + (day + 1) * DAY, orders[day], refunds[day])
    return row, start + days * DAY


def board(rng, days, **said):
    """A board on which a campaign has begun on each of the first 28 days."""
    starts = [START + day * DAY for day in range(min(28, days - 1))]
    found = [campaign(rng, days - at, start=start, **said) for at, start in enumerate(starts)]
    return [row for row, _ in found], [at for _, at in found], starts, np.ones(len(starts))


@given(moments)
def test_every_amount_of_the_last_three_months_is_in_the_sums_once(moments):
    row, at, came = start_row(START, START, 0.0, 0.0), START, []
    for wait, gross, refunded in moments:
        row = led_on(row, at, at + wait, gross, refunded)
        at += wait
        came.append((at, gross, refunded))
    if at - START < (PERIODS - 1) * 3 * DAY:
        assert row[GROSS : GROSS + PERIODS].sum() == pytest.approx(sum(gross for _, gross, _ in came))
        assert row[REFUNDED : REFUNDED + PERIODS].sum() == pytest.approx(sum(back for *_, back in came))
    else:
        assert row[GROSS : GROSS + PERIODS].sum() <= sum(gross for _, gross, _ in came) + 1e-6


@given(st.integers(1, 40), st.integers(1, 30))
def test_how_often_a_campaign_is_read_changes_nothing(days, parts):
    once = led_on(start_row(START, START, 0.0, 0.0), START, START + days * DAY, 60.0, 6.0)
    often, at = start_row(START, START, 0.0, 0.0), START
    for part in range(1, parts + 1):
        then = START + days * DAY * part // parts
        often = led_on(often, at, then, 60.0 * (then - at) / (days * DAY), 6.0 * (then - at) / (days * DAY))
        at = then
    assert often == pytest.approx(once)


@pytest.mark.parametrize(("share", "after"), [(0.1, 21), (0.3, 21), (0.5, 7), (0.3, 45)])
def test_share_and_age_of_refunds_are_found_from_sums(share, after):
    law = learn_refunds(*board(np.random.default_rng(SEED), 75, share=share, after=after), MONTH)
    shares = np.array(law.shares)
    assert shares.sum() == pytest.approx(share, rel=0.15)
    assert (shares @ (np.arange(len(shares)) * 3 + 1.5)) / shares.sum() == pytest.approx(after, abs=4)
    assert law.unseen == 0.0


def test_a_board_that_is_younger_than_the_refund_window_knows_that_it_has_not_seen_refunds():
    young = board(np.random.default_rng(SEED), 20)
    assert learn_refunds(*young, MONTH) == ((), 0.3)
    assert learn_refunds(*young, RefundWindow(days=12.0)) == ((), 0.0)
    assert learn_refunds(*young, RefundWindow(days=0.0)) == ((), 0.0)
    assert unlearned(7.0, MONTH).unseen_refunds == 0.3
    assert unlearned(7.0).unseen_refunds == 0.0


def test_what_is_held_back_is_what_will_be_refunded():
    rng = np.random.default_rng(SEED)
    shares = np.array(learn_refunds(*board(rng, 75), MONTH).shares)
    held, owed = 0.0, 0.0
    for _ in range(200):
        row, at = campaign(rng, 40)
        held += held_back(row, at, shares, 0.0)
        owed += 0.3 * 21 * 5
    assert held == pytest.approx(owed, rel=0.15)


def test_a_campaign_that_is_refunded_more_than_others_holds_back_more():
    rng = np.random.default_rng(SEED)
    shares = np.array(learn_refunds(*board(rng, 75, share=0.1), MONTH).shares)
    row, at = campaign(rng, 60, share=0.4)
    known, unknown = held_back(row, at, shares, 1.0), held_back(row, at, shares, 0.0)
    assert known > 2.5 * unknown
    row, at = campaign(rng, 60, share=0.0)
    assert held_back(row, at, shares, 1.0) == held_back(row, at, shares, 0.0)


def test_history_that_was_not_seen_as_it_went_by_teaches_nothing():
    rows = [start_row(START, START + 80 * DAY, 400.0, 100.0)] * 20
    law = learn_refunds(rows, [START + 80 * DAY] * 20, [START] * 20, np.ones(20), MONTH)
    assert law == ((), 0.3)


def led(gross, refunds, shape, due=5.0):
    """A ledger of a campaign read once a day, with what comes and is refunded on each, and its e-value day by day."""
    ledger, found = begin(Seen(START, 0.0, 0.0, 0.0, 0.0, 0.0), START, shape), []
    for day in range(1, len(gross) + 1):
        came, back = float(gross[:day].sum()), float(refunds[:day].sum())
        seen = Seen(START + day * DAY, day, due, came - back, came, back)
        ledger = advanced(ledger, seen, shape, 1.0)
        # So wide a scatter silences the e-value that is not of bets.
        cautious = 0.0 if shape.unseen_refunds else None
        found.append(log_e_exceeded(ledger, 0.0, 0.0, 1e9, cautious) + np.log(2))
    return ledger, found


def test_bets_are_won_with_money_that_stays():
    rng = np.random.default_rng(SEED)
    law = learn_refunds(*board(rng, 75), MONTH)
    known = Shape(refunds=law.shares)
    gross, refunds = np.full(60, 5 / 0.7), np.zeros(60)
    refunds[21:] = 5 / 0.7 * 0.3
    assert max(led(gross, refunds, Shape())[1]) >= np.log(20)
    assert max(led(gross, refunds, known)[1]) < np.log(4)
    assert max(led(gross, refunds, unlearned(0.0, MONTH))[1]) < np.log(4)
    assert max(led(1.6 * gross, 1.6 * refunds, known)[1]) >= np.log(20)
    assert max(led(1.6 * gross, 1.6 * refunds, unlearned(0.0, MONTH))[1]) >= np.log(20)


def test_a_board_that_learns_of_refunds_takes_back_what_was_won_before_it_knew():
    shares = tuple(0.3 if age == 7 else 0.0 for age in range(20))
    gross, refunds = np.full(22, 10.0), np.zeros(22)
    ledger, found = led(gross, refunds, Shape(), due=7.0)
    again = Seen(START + 23 * DAY, 23.0, 7.0, 220.0 + 7.0, 230.0, 3.0)
    after = advanced(ledger, again, Shape(refunds=shares), 1.0)
    assert log_e_exceeded(after, 0.0, 0.0, 1e9) + np.log(2) < found[-1] - 2


def test_a_ledger_of_an_earlier_build_goes_on_beside_newer_ones():
    gross = np.full(40, 6.0)
    ledger, _ = led(gross, gross * 0.1, Shape())
    old = msgspec.structs.replace(
        of_format_3(ledger, CAUTIOUS_WAGERS.start), refunded=0.0, refund_numbers=b""
    )
    learn([old, ledger], is_money=True, window=MONTH)
    seen = Seen(START + 41 * DAY, 41.0, 5.0, 41 * 5.4, 41 * 6.0, 41 * 0.6)
    after = advanced(old, seen, Shape(), 1.0)
    assert after.refunded == pytest.approx(24.6)
    assert after.refund_sums[GROSS : GROSS + PERIODS].sum() == pytest.approx(41 * 6.0)
    assert learn([after], is_money=True, window=MONTH).refunds == ()


def test_a_window_longer_than_what_is_kept_is_refused():
    assert parse({"refund_window": "60d", "refund_share": 0.5}).common.refunds == (60.0, 0.5)
    with pytest.raises(SettingError, match="refund_window"):
        parse({"refund_window": "61d"})


def test_where_three_tenths_are_refunded_after_three_weeks_campaigns_on_target_are_not_called_better():
    world = msgspec.structs.replace(WORLDS["ROAS, 30 % refunds"], is_young_board=True, horizon=150.0)
    trial = Trial(boards=1, size=20, bad_share=0.5, bad_ratio=1 / 2, looks=1)
    found = run_trial(world, preset("bold"), trial)
    assert (found.healthy, found.better) == (10, 10)
    assert found.praised == 0.0
    assert found.recognised >= 0.8
    naive = run_trial(world, parse({"preset": "bold", "refund_window": "0s"}), trial)
    assert naive.praised >= 0.2  # it is the window that holds back the praise before any refund has come

"""Results per spend that wander for days at a time: what a board learns of it, and what that makes of evidence."""

import msgspec
import numpy as np
import pytest

from metrics.evidence.ledger import Seen, advanced, begin, drifted, renewed
from metrics.evidence.shape import Shape, learn
from metrics.kernels import evidence as kernels
from metrics.values.time import DAY
from tests.metrics.evidence.earlier_rows import of_format_3

START = 1_800_000_000_000 // DAY * DAY
SEED = 20_261_129
CALM = Shape()
A_DAY = 5.0


def led(results, orders=None, refunded=None):
    """A ledger that is read once a day, with results by day."""
    nothing = None if orders is None else 0.0
    ledger = begin(Seen(START, 0.0, 0.0, 0.0, 0.0, nothing), START, CALM)
    for day in range(1, len(results) + 1):
        came, ordered, back = (
            None if by_day is None else float(by_day[:day].sum()) for by_day in (results, orders, refunded)
        )
        seen = Seen(START + day * DAY, day * A_DAY, A_DAY, came - (back or 0.0), ordered or 0.0, back)
        ledger = advanced(ledger, seen, CALM)
    return ledger


def drifting(rng, days, sd, memory=kernels.DRIFT_DAYS):
    """Factors by day with mean 1, an autoregression of their logarithms."""
    keep, steps = np.exp(-1 / memory), rng.normal(0, sd, days)
    for day in range(1, days):
        steps[day] = keep * steps[day - 1] + np.sqrt(1 - keep**2) * steps[day]
    return np.exp(steps - sd**2 / 2)


def board(days, campaigns, rates):
    rng = np.random.default_rng(SEED)
    return [led(rng.poisson(A_DAY * rates(rng, days))) for _ in range(campaigns)]


@pytest.mark.parametrize(("sd", "low", "high"), [(0.2, 0.02, 0.06), (0.5, 0.15, 0.4)])
def test_a_board_learns_how_far_results_per_spend_wander(sd, low, high):
    ledgers = board(45, 60, lambda rng, days: drifting(rng, days, sd))
    assert low <= learn(ledgers, is_money=False).drift <= high  # the variance of a factor: 0.04 and 0.28


def test_days_that_scatter_by_themselves_are_no_drift():
    def scattered(rng, days):
        return rng.gamma(A_DAY / 3, 3 / A_DAY, days)

    assert learn(board(27, 60, scattered), is_money=False).drift < 0.01


def test_campaigns_that_learn_or_miss_their_target_do_not_drift():
    def learning(rng, days):
        return rng.choice([0.5, 1.0]) * np.minimum(1.0, 0.4 + 0.6 * np.arange(days) / 7)

    assert learn(board(27, 60, learning), is_money=False, learning_days=7.0).drift < 0.01


def test_refunds_and_values_do_not_drift():
    rng, ledgers = np.random.default_rng(SEED), []
    for _ in range(60):
        orders = rng.poisson(A_DAY, 45)
        money = np.array([rng.lognormal(0, 1.0, number).sum() for number in orders])
        refunded = np.concatenate((np.zeros(21), 0.3 * money[:-21]))
        ledgers.append(led(money, orders, refunded))
    assert learn(ledgers, is_money=True).drift < 0.01


def test_days_of_a_gap_are_guessed_and_say_nothing_of_drift():
    few = led(np.array([9, 1, 9, 1, 9]))
    after = advanced(few, Seen(START + 25 * DAY, 25 * A_DAY, 20 * A_DAY, 29.0, 29.0), CALM)
    assert (after.sums[kernels.BLOCK_SPENT :] > 0).sum() == (few.sums[kernels.BLOCK_SPENT :] > 0).sum()


def test_what_a_campaign_has_shown_of_drift_stays_when_its_evidence_begins_anew():
    ledger = led(np.random.default_rng(SEED).poisson(A_DAY, 40))
    assert ledger.sums[kernels.DRIFT_WORTH] > 0
    assert (renewed(ledger).sums[kernels.DRIFT :] == ledger.sums[kernels.DRIFT :]).all()


def test_a_ledger_of_a_build_that_knew_no_drift_keeps_its_bets_and_begins_to_look_for_it():
    ledger = led(np.random.default_rng(SEED).poisson(A_DAY, 40))
    before = of_format_3(ledger, kernels.DRIFT)
    kept = slice(kernels.PART_RESULTS, kernels.DRIFT)
    assert (before.sums[kept] == ledger.sums[kept]).all()
    seen = Seen(START + 41 * DAY, 41 * A_DAY, A_DAY, ledger.results + 5, ledger.results + 5)
    after = advanced(before, seen, CALM)
    assert (after.sums[kernels.BLOCK_SPENT : kernels.BLOCK_RESULTS] > 0).sum() == 1


@pytest.mark.parametrize("days", [5, 20, 60])
def test_a_sum_of_days_that_drift_scatters_as_much_as_is_reckoned_with(days):
    rng, sd = np.random.default_rng(SEED), 0.3
    sums = np.array([rng.poisson(A_DAY * drifting(rng, days, sd)).sum() for _ in range(4_000)])
    shape = msgspec.structs.replace(CALM, drift=float(np.exp(sd**2) - 1))
    assert 1 + drifted(led(np.full(days, A_DAY)), shape) == pytest.approx(sums.var() / sums.mean(), rel=0.15)


def test_where_nothing_drifts_nothing_is_wider():
    assert drifted(led(np.full(3, 5)), CALM) == 0.0

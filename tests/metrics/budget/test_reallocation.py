"""Moving money by the returns seen: the sum stays, bounds hold, what is moved earns most, and what is stated comes true."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.reallocation import ReallocationCandidate, fill, reallocate
from metrics.budget.records import BudgetDecision
from metrics.budget.returns import Drawn, days_of, draw, learn
from metrics.budget.state import Board, CampaignState, Hour, Latest
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import Sums
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR


def hours(scale, elasticity, seed, spend=20.0, count=96):
    """Hours whose spend varies, with margin = scale · spend ** elasticity and noise of a fifth."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        level = spend * float(rng.uniform(0.5, 1.5))
        margin = scale * level**elasticity * float(rng.lognormal(-0.02, 0.2))
        found.append(Hour(index * HOUR, round(level * MICROS), 0, round(margin * MICROS), 0))
    return tuple(found)


def candidate(history, budget=1_000, least=800, most=1_200):
    return ReallocationCandidate(*(round(each * MICROS) for each in (budget, least, most)), history)


def ordered(value, rate, seed, spend=20.0, count=168):
    """Hours whose margin is orders of one value, so many an hour."""
    rng = np.random.default_rng(seed)
    return tuple(
        Hour(at * HOUR, round(spend * MICROS), 0, round(value * brought * MICROS), 0)
        for at, brought in enumerate(rng.poisson(rate, count))
    )


def learned(histories):
    """Mean and standard deviation of the drawn returns at the usual spend, by campaign."""
    work = learn([days_of(each) for each in histories])
    while True:
        try:
            next(work)
        except StopIteration as end:
            returns = end.value
            break
    rng = np.random.default_rng(11)
    drawn = draw(returns, np.arange(len(histories)), returns.draw_laws(4_000, rng), rng)
    return drawn.theta.mean(axis=0), drawn.theta.std(axis=0)


def test_what_is_well_known_is_believed_and_what_is_not_is_drawn_to_the_others():
    good = [ordered(5.0, 8.0, seed) for seed in range(8)]  # 2 of margin per unit of spend
    # Three large orders: 3 of margin per unit of spend.
    lucky = tuple(
        replace(hour, kept_revenue=2_000 * MICROS) if at in (20, 50, 90) else hour
        for at, hour in enumerate(ordered(0.0, 0.0, 3, count=100))
    )
    mean, sd = learned([*good, lucky])
    assert np.allclose(mean[:8], 2.0, rtol=0.1)
    assert 2.0 < mean[8] < 2.9
    assert sd[8] > 3 * sd[:8].max()


def test_orders_that_have_not_come_are_held_against_a_campaign_by_the_size_of_orders():
    small, large = ([ordered(value, 40 / value, seed) for seed in range(8)] for value in (20.0, 1_000.0))
    nothing = ordered(20.0, 0.0, 1)
    (of_small, _), (of_large, _) = learned([*small, nothing]), learned([*large, nothing])
    assert of_small[8] < 0.2
    assert of_large[8] > 0.5


@pytest.mark.parametrize(("value", "theta"), [(20.0, 0.5), (20.0, 3.0), (400.0, 1.2)])
def test_the_stated_spread_of_a_return_is_that_of_the_truth(value, theta):
    """Of campaigns whose returns have one law, the truth lies within two standard deviations as often as it should."""
    rng = np.random.default_rng(5)
    truth = theta * rng.gamma(4.0, 0.25, 200)
    mean, sd = learned([ordered(value, 20 * each / value, at) for at, each in enumerate(truth)])
    assert 0.9 <= float((abs(truth - mean) < 2 * sd).mean()) <= 0.99


def test_money_goes_from_what_does_not_pay_to_what_does():
    candidates = {
        "good": candidate(hours(8.0, 0.8, 1)),
        "fair": candidate(hours(4.0, 0.7, 2)),
        "poor": candidate(hours(1.0, 0.5, 3)),
    }
    found = reallocate(candidates, np.random.default_rng(7))
    assert [(move.campaign_id, move.after - move.before) for move in found.moves] == [
        ("poor", -200 * MICROS),
        ("good", 200 * MICROS),
    ]
    assert found.probability_of_gain > 0.95
    # What the moves truly bring in an hour, by the laws that made the hours.
    truth = 8.0 * (24.0**0.8 - 20.0**0.8) + 1.0 * (16.0**0.5 - 20.0**0.5)
    assert abs(found.gain / MICROS - truth) < 3 * found.gain_sd / MICROS + 0.5 * truth


def test_where_campaigns_are_alike_chance_explores_both_ways():
    candidates = {"one": candidate(hours(3.0, 0.7, 1)), "other": candidate(hours(3.0, 0.7, 2))}
    found = [reallocate(candidates, np.random.default_rng(seed)) for seed in range(40)]
    winners = {each.moves[1].campaign_id for each in found if each is not None}
    assert winners == {"one", "other"}


def test_too_little_history_moves_nothing():
    short = hours(3.0, 0.7, 1, count=5)
    assert days_of(short) is None
    assert days_of(()) is None
    assert reallocate({"a": candidate(short), "b": candidate(short)}, np.random.default_rng(1)) is None


def test_the_board_proposes_a_move_and_waits_for_both_approvals():
    names = {"good": hours(8.0, 0.8, 1), "poor": hours(1.0, 0.5, 3)}
    start = 96 * HOUR
    facts = {name: CampaignFacts(name, budget_micros=4_000 * MICROS) for name in names}
    campaigns = {
        name: CampaignState(
            campaign_id=name, column="test", registered=4_000 * MICROS, budget=4_000 * MICROS, card=400 * MICROS,
            hours=each, latest=Latest(1, start, Sums(**dict.fromkeys(Sums.__struct_fields__, 0))),
        )
        for name, each in names.items()
    }  # fmt: skip
    told = Context(
        parse({"reallocate_every": "6h"}), "enforce", True, "EUR", facts, reached=lambda _: start + DAY
    )
    board, none = step(Board(campaigns=campaigns), Inputs(), told, start)
    board, proposed = step(board, Inputs(), told, start + 7 * HOUR)
    assert none == []
    assert [(a.campaign_id, a.mode, a.rule, a.budget_to) for a in proposed] == [
        ("poor", "propose", "reallocation", 2_800.0),
        ("good", "propose", "reallocation", 5_200.0),
    ]
    assert "profit an hour expected" in proposed[0].reason
    at = start + 7 * HOUR
    words = [
        BudgetDecision(decision_id=name, campaign_id=name, verb="approve", by="ada", occurred_at=at)
        for name in ("poor", "good")
    ]
    board, done = step(board, Inputs(decisions=words), told, at)
    assert [(a.mode, a.budget_to) for a in done] == [("enforce", 2_800.0), ("enforce", 5_200.0)]
    assert board.committed == 8_000 * MICROS


def test_the_gain_of_a_larger_board_comes_from_many_moves_at_once():
    names = {f"c{number:02}": candidate(hours(2.0 + number / 2, 0.7, number)) for number in range(20)}
    found = reallocate(names, np.random.default_rng(7))
    changes = {move.campaign_id: move.after - move.before for move in found.moves}
    assert len(changes) >= 12
    assert [changes[name] < 0 for name in ("c00", "c01", "c18", "c19")] == [True, True, False, False]
    assert found.probability_of_gain > 0.95


def test_no_more_campaigns_are_touched_than_a_person_is_to_be_asked_about():
    names = {f"c{number:02}": candidate(hours(2.0 + number / 2, 0.7, number)) for number in range(20)}
    found = reallocate(names, np.random.default_rng(7), most_moves=6)
    changes = {move.campaign_id: move.after - move.before for move in found.moves}
    assert len(changes) == 6
    assert sum(change < 0 for change in changes.values()) == 3
    assert sum(changes.values()) == 0


def test_the_same_board_decides_the_same():
    names = {f"c{number}": candidate(hours(2.0 + number, 0.7, number)) for number in range(4)}
    swapped = dict(reversed(names.items()))
    assert reallocate(names, np.random.default_rng(3)) == reallocate(swapped, np.random.default_rng(3))


amounts = st.integers(0, 3_000)


@given(
    st.lists(
        st.tuples(st.integers(1, 2_000), amounts, amounts, st.sampled_from([0.0, 0.5, 1.0, 4.0])),
        min_size=2,
        max_size=6,
    ),
    st.integers(0, 1_000),
)
def test_all_moves_keep_the_sum_and_the_bounds(campaigns, seed):
    candidates = {
        f"c{number}": candidate(
            hours(scale, 0.6, number, count=24), budget, max(0, budget - less), budget + more
        )
        for number, (budget, less, more, scale) in enumerate(campaigns)
    }
    found = reallocate(candidates, np.random.default_rng(seed))
    if found is None:
        return
    assert sum(move.after - move.before for move in found.moves) == 0
    changes = [move.after - move.before for move in found.moves]
    assert changes == sorted(changes, key=lambda change: change > 0)
    for move in found.moves:
        known = candidates[move.campaign_id]
        assert move.before == known.budget
        assert known.least <= move.after <= known.most
        assert abs(move.after - move.before) >= 0.01 * known.budget


@given(st.integers(0, 10_000), st.integers(2, 8))
def test_no_other_split_of_the_money_earns_more(seed, size):
    rng = np.random.default_rng(seed)
    budget = rng.uniform(100, 2_000, size)
    bounds = np.array([budget, budget * rng.uniform(0.1, 1, size), budget * rng.uniform(1, 3, size)])
    usual, theta = rng.uniform(1, 50, size), rng.gamma(2.0, 0.6, size)
    elasticity = rng.uniform(0.3, 0.95, size)

    def profit(split):
        level = split / budget
        return float((usual * (theta * level**elasticity - level)).sum())

    found = fill(bounds, Drawn(usual, theta, elasticity))
    assert found.sum() == pytest.approx(budget.sum())
    assert (found >= bounds[1] * (1 - 1e-9)).all()
    assert (found <= bounds[2] * (1 + 1e-9)).all()
    best = profit(found)
    for giver, taker in itertools.permutations(range(size), 2):
        amount = min(1.0, found[giver] - bounds[1][giver], bounds[2][taker] - found[taker])
        if amount > 1e-6:
            other = found.copy()
            other[giver] -= amount
            other[taker] += amount
            assert profit(other) <= best + 1e-9 * abs(best)

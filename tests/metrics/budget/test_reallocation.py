"""Moving money by marginal return: the sum stays, bounds hold, and the expected gain is what comes true."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.reallocation import ReallocationCandidate, fit, reallocate
from metrics.budget.records import BudgetDecision
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


def candidate(history, budget=1_000, floor=100, ceiling=2_000, step=200):
    return ReallocationCandidate(*(round(each * MICROS) for each in (budget, floor, ceiling, step)), history)


def test_the_fit_finds_the_marginal_return():
    found = fit(hours(6.0, 0.6, seed=1))
    scale, elasticity = np.exp(found.mean[0]), found.mean[1]
    marginal = scale * elasticity * found.spend ** (elasticity - 1)
    truth = 6.0 * 0.6 * found.spend ** (0.6 - 1)
    assert abs(marginal / truth - 1) < 0.3


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
    # What the move truly brings in an hour, by the laws that made the hours.
    truth = 8.0 * (24.0**0.8 - 20.0**0.8) + 1.0 * (16.0**0.5 - 20.0**0.5)
    assert abs(found.gain / MICROS - truth) < 3 * found.gain_sd / MICROS + 0.5 * truth


def test_where_campaigns_are_alike_chance_explores_both_ways():
    candidates = {"one": candidate(hours(3.0, 0.7, 1)), "other": candidate(hours(3.0, 0.7, 2))}
    found = [reallocate(candidates, np.random.default_rng(seed)) for seed in range(40)]
    winners = {each.moves[1].campaign_id for each in found if each is not None}
    assert winners == {"one", "other"}


def test_too_little_history_moves_nothing():
    short = hours(3.0, 0.7, 1, count=5)
    assert fit(short) is None
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


@given(
    st.lists(
        st.tuples(st.integers(1, 2_000), st.integers(0, 500), st.integers(0, 3_000), st.integers(0, 900)),
        min_size=2,
        max_size=4,
    ),
    st.integers(0, 1_000),
)
def test_every_move_keeps_the_sum_the_floors_the_ceilings_and_the_steps(bounds, seed):
    candidates = {
        f"c{number}": candidate(
            hours(1.0 + number, 0.6, number, count=24), budget, min(floor, budget), ceiling, step
        )
        for number, (budget, floor, ceiling, step) in enumerate(bounds)
    }
    found = reallocate(candidates, np.random.default_rng(seed))
    if found is None:
        return
    assert sum(move.after - move.before for move in found.moves) == 0
    for move in found.moves:
        known = candidates[move.campaign_id]
        assert abs(move.after - move.before) <= known.step
        assert move.after >= min(known.floor, known.budget)
        assert move.after <= max(known.ceiling, known.budget)

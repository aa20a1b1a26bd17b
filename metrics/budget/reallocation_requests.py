"""From the board to what reallocation looks at, and from its moves to requests. Pure."""

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from metrics.budget.guards import REALLOCATION, ActionRequest
from metrics.budget.policy import Policies
from metrics.budget.reallocation import Reallocation, ReallocationCandidate, reallocating
from metrics.budget.state import Board, CampaignState
from metrics.values.money import MICROS


class RequestedMove(NamedTuple):
    """A request of a reallocation, and the board it is to be judged on: what is given up before counts as free."""

    request: ActionRequest
    board: Board


def plan_reallocation(
    board: Board, policies: Policies, now: int, every: int
) -> Generator[None, None, Reallocation | None]:
    """The reallocation at ``now``, with pauses; the same within the same interval of ``every`` ms."""
    candidates = {
        name: _candidate(state, policies)
        for name, state in board.campaigns.items()
        if state.is_spending
        and state.budget > 0
        and state.proposal is None
        and state.rejected.get(f"set_budget|{REALLOCATION}", 0) <= now
    }
    return (yield from reallocating(candidates, np.random.default_rng(now // every)))


def requests_of(board: Board, found: Reallocation | None) -> Iterator[RequestedMove]:
    """What a reallocation proposes."""
    if found is None:
        return
    reason = _reason(found)
    for move in found.moves:
        yield RequestedMove(
            ActionRequest(move.campaign_id, "set_budget", "rule", REALLOCATION, reason, budget=move.after),
            board,
        )
        moved = replace(board.campaigns[move.campaign_id], budget=move.after)
        board = replace(board, campaigns={**board.campaigns, move.campaign_id: moved})


def _candidate(state: CampaignState, policies: Policies) -> ReallocationCandidate:
    policy = policies.of(state.campaign_id)
    ceiling = 2**62 if policy.ceiling is None else round(policy.ceiling * MICROS)
    floor = max(round(policy.floor * MICROS), state.spent + state.card)
    return ReallocationCandidate(
        state.budget, floor, ceiling, int(state.budget * policy.max_step), state.hours
    )


def _reason(found: Reallocation) -> str:
    giver, taker = found.moves
    amount = (taker.after - taker.before) / MICROS
    return (
        f"{amount:,.2f} from {giver.campaign_id} to {taker.campaign_id}: {found.gain / MICROS:+,.2f} profit an hour "
        f"expected (± {found.gain_sd / MICROS:,.2f}; {found.probability_of_gain:.0%} likely a gain)"
    )

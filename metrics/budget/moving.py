"""From the board to what reallocation looks at, and from its moves to wishes. Pure."""

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace

from metrics.budget.guards import REALLOCATION, Wish
from metrics.budget.policy import Policies
from metrics.budget.reallocation import Place, Reallocation, reallocating
from metrics.budget.state import Board, CampaignState
from metrics.values.money import MICROS


class Moving(NamedTuple):
    """A wish of a reallocation, and the board it is to be judged on: what is given up before counts as free."""

    wish: Wish
    board: Board


def weigh(
    board: Board, policies: Policies, now: int, every: int
) -> Generator[None, None, Reallocation | None]:
    """The reallocation at ``now``, with pauses; the same within the same interval of ``every`` ms."""
    places = {
        name: _place(state, policies)
        for name, state in board.campaigns.items()
        if state.is_spending
        and state.budget > 0
        and state.proposal is None
        and state.rejected.get(f"set_budget|{REALLOCATION}", 0) <= now
    }
    return (yield from reallocating(places, np.random.default_rng(now // every)))


def moves(board: Board, found: Reallocation | None) -> Iterator[Moving]:
    """What a reallocation proposes."""
    if found is None:
        return
    reason = _reason(found)
    for move in found.moves:
        yield Moving(
            Wish(move.campaign_id, "set_budget", "rule", REALLOCATION, reason, budget=move.after), board
        )
        moved = replace(board.campaigns[move.campaign_id], budget=move.after)
        board = replace(board, campaigns={**board.campaigns, move.campaign_id: moved})


def _place(state: CampaignState, policies: Policies) -> Place:
    policy = policies.of(state.campaign_id)
    ceiling = 2**62 if policy.ceiling is None else round(policy.ceiling * MICROS)
    floor = max(round(policy.floor * MICROS), state.spent + state.card)
    return Place(state.budget, floor, ceiling, int(state.budget * policy.max_step), state.hours)


def _reason(found: Reallocation) -> str:
    giver, taker = found.moves
    amount = (taker.after - taker.before) / MICROS
    return (
        f"{amount:,.2f} from {giver.campaign_id} to {taker.campaign_id}: {found.gain / MICROS:+,.2f} profit an hour "
        f"expected (± {found.gain_sd / MICROS:,.2f}; {found.probability_of_gain:.0%} likely a gain)"
    )

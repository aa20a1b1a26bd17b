"""From the board to what reallocation looks at, and from its moves to requests. Pure."""

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

import numpy as np

from metrics.budget.guards import REALLOCATION, ActionRequest, Admitted, GuardContext, admit
from metrics.budget.pacing import known_hours
from metrics.budget.reallocation import Move, Reallocation, ReallocationCandidate, reallocating
from metrics.budget.state import Board, CampaignState
from metrics.entities.campaigns import CampaignFacts
from metrics.values.money import MICROS

#: Campaigns looked at between two pauses.
_SLICE = 100
#: More than any budget, in micros.
_ALL_MONEY = 1 << 62


class RequestedMove(NamedTuple):
    """A request of a reallocation, and the micros that the moves before it have freed: they count as room."""

    request: ActionRequest
    freed: int


def plan_reallocation(
    board: Board,
    facts: Callable[[str], CampaignFacts],
    gate: Callable[[str, int], GuardContext],
    seed: int,
    most_moves: int,
) -> Generator[None, None, Reallocation | None]:
    """The reallocation of a board, with pauses; the same for the same seed and board.

    Args:
        board: as it is.
        facts: a campaign as registered.
        gate: what the gate looks at for a campaign, and the micros that count as room besides.
        seed: of what is explored, at least 0.
        most_moves: campaigns that are touched at most.
    """
    candidates = {}
    for count, (name, state) in enumerate(board.campaigns.items(), 1):
        found = _candidate(state, facts(name), gate(name, _ALL_MONEY))
        if found is not None:
            candidates[name] = found
        if count % _SLICE == 0:
            yield
    return (yield from reallocating(candidates, np.random.default_rng(seed), most_moves))


def requests_of(found: Reallocation | None) -> Iterator[RequestedMove]:
    """What a reallocation proposes, those that give first."""
    if found is None:
        return
    freed = 0
    for move in found.moves:
        yield RequestedMove(_request(move.campaign_id, move.after, _reason(move, found)), freed)
        freed += move.before - move.after


def _candidate(
    state: CampaignState, facts: CampaignFacts, guard_context: GuardContext
) -> ReallocationCandidate | None:
    """A campaign within the bounds that the gate would have it keep; None for one that it would not let be touched."""
    rejected_until = state.rejected.get(f"set_budget|{REALLOCATION}", 0)
    if (
        not state.is_spending
        or state.budget <= 0
        or state.proposal is not None
        or rejected_until > guard_context.now
    ):
        return None
    least, most = (
        _admitted(_request(state.campaign_id, budget), state, guard_context) for budget in (0, _ALL_MONEY)
    )
    if least is None and most is None:
        return None
    # A card that is pulled is to be spent.
    floor = max(least or state.budget, min(state.budget, state.spent + state.card))
    hours = known_hours(state, is_reported=facts.is_reported)
    return ReallocationCandidate(state.budget, floor, most or state.budget, hours)


def _admitted(request: ActionRequest, state: CampaignState, guard_context: GuardContext) -> int | None:
    found = admit(request, state, guard_context)
    return found.request.budget if isinstance(found, Admitted) else None


def _request(campaign_id: str, budget: int, reason: str = "") -> ActionRequest:
    return ActionRequest(campaign_id, "set_budget", "rule", REALLOCATION, reason, budget=budget)


def _reason(move: Move, found: Reallocation) -> str:
    moved = sum(max(0, each.after - each.before) for each in found.moves) / MICROS
    return (
        f"{(move.after - move.before) / MICROS:+,.2f}, of {moved:,.2f} moved between {len(found.moves)} campaigns: "
        f"{found.gain / MICROS:+,.2f} profit an hour expected of all moves together "
        f"(± {found.gain_sd / MICROS:,.2f}; {found.probability_of_gain:.0%} likely a gain)"
    )

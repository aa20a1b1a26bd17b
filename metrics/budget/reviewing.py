"""The rules look at every campaign, and now and then at the board as a whole. Pure."""

from collections.abc import Generator

from msgspec.structs import replace

from metrics.budget.desk import SLICE, Desk
from metrics.budget.guards import REALLOCATION, room_reason
from metrics.budget.moving import moves, weigh
from metrics.budget.rules import Case, wish_for
from metrics.budget.state import WIP, CampaignState


def review(desk: Desk) -> Generator[None]:
    """Let the rules look at all campaigns, in the order of their names, with pauses."""
    for count, campaign_id in enumerate(sorted(desk.board.campaigns), 1):
        if campaign_id in desk.context.facts:
            _judge(desk, campaign_id)
            _forget_brief(desk, campaign_id)
        if count % SLICE == 0:
            yield
    yield from _reallocate(desk)


def _judge(desk: Desk, campaign_id: str) -> None:
    state = _expire(desk, desk.board.campaigns[campaign_id])
    policies = desk.context.policies
    waits = state.waits or (state.hold is not None and state.hold.owner == WIP)
    full = room_reason("test", state.card, desk.board, policies) if waits else None
    wish = wish_for(Case(state, policies.of(campaign_id), desk.facts(campaign_id), desk.now, full))
    if wish is not None:
        desk.attempt(wish)
    elif state.said and (state.proposal is None or state.proposal.rule != REALLOCATION):
        desk.put(state, replace(state, said="", proposal=None))  # what was proposed has passed


def _expire(desk: Desk, state: CampaignState) -> CampaignState:
    """Drop a proposal nobody has answered: its figures are old, and what is still wished is proposed anew."""
    proposal = state.proposal
    if proposal is None or desk.now < state.proposed_until:
        return state
    reason = f"{proposal.rule} was not answered in time"
    desk.put(state, replace(state, proposal=None, said="", reason=reason))
    return desk.board.campaigns[state.campaign_id]


def _forget_brief(desk: Desk, campaign_id: str) -> None:
    """An alert that came and went has been judged; where nothing could be done, the card says so."""
    brief = desk.brief.get(campaign_id)
    if brief is None:
        return
    state = desk.board.campaigns[campaign_id]
    left = {rule: at for rule, at in state.firing.items() if rule not in brief}
    more = f"; {', '.join(sorted(brief))} has resolved since" if brief and state.may_spend else ""
    desk.put(state, replace(state, firing=left, reason=state.reason + more))


def _reallocate(desk: Desk) -> Generator[None]:
    """Now and then propose to move money between campaigns; the first interval begins with the board."""
    policies = desk.context.policies
    every, last = policies.common.reallocate_every, desk.board.reallocated_at
    # A clock that was ahead and has been set right must not hold this back for as long.
    if not every or (last is not None and 0 <= desk.now - last < every):
        return
    desk.board = replace(desk.board, reallocated_at=desk.now)
    if last is not None:
        found = yield from weigh(desk.board, policies, desk.now, every)
        for wish, board in moves(desk.board, found):
            desk.attempt(wish, board)

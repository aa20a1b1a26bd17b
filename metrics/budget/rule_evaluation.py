"""The rules look at every campaign, and now and then at the board as a whole. Pure."""

from collections.abc import Generator

from msgspec.structs import replace

from metrics.budget.board_step import SLICE, BoardStep
from metrics.budget.guards import REALLOCATION, room_reason
from metrics.budget.reallocation_requests import plan_reallocation, requests_of
from metrics.budget.rules import RuleContext, requested_action
from metrics.budget.state import WIP, CampaignState


def evaluate_rules(board_step: BoardStep) -> Generator[None]:
    """Let the rules look at all campaigns, in the order of their names, with pauses."""
    for count, campaign_id in enumerate(sorted(board_step.board.campaigns), 1):
        if campaign_id in board_step.context.facts:
            _judge(board_step, campaign_id)
            _drop_resolved_alerts(board_step, campaign_id)
        if count % SLICE == 0:
            yield
    yield from _reallocate(board_step)


def _judge(board_step: BoardStep, campaign_id: str) -> None:
    state = _expire(board_step, board_step.board.campaigns[campaign_id])
    policies = board_step.context.policies
    waits = state.waits or (state.hold is not None and state.hold.owner == WIP)
    full = room_reason("test", state.card, board_step.board, policies) if waits else None
    request = requested_action(
        RuleContext(
            state,
            policies.of(campaign_id),
            board_step.facts(campaign_id),
            board_step.now,
            full,
            board_step.context.reached(campaign_id),
        )
    )
    if request is not None:
        board_step.attempt(request)
    elif state.said and (state.proposal is None or state.proposal.rule != REALLOCATION):
        board_step.put(state, replace(state, said="", proposal=None))  # what was proposed has passed


def _expire(board_step: BoardStep, state: CampaignState) -> CampaignState:
    """Drop a proposal nobody has answered: its figures are old, and what is still requested is proposed anew."""
    proposal = state.proposal
    if proposal is None or board_step.now < state.proposed_until:
        return state
    reason = f"{proposal.rule} was not answered in time"
    board_step.put(state, replace(state, proposal=None, said="", reason=reason))
    return board_step.board.campaigns[state.campaign_id]


def _drop_resolved_alerts(board_step: BoardStep, campaign_id: str) -> None:
    """An alert that came and went has been judged; where nothing could be done, the card says so."""
    brief = board_step.resolved.get(campaign_id)
    if brief is None:
        return
    state = board_step.board.campaigns[campaign_id]
    left = {rule: at for rule, at in state.firing.items() if rule not in brief}
    more = f"; {', '.join(sorted(brief))} has resolved since" if brief and state.may_spend else ""
    board_step.put(state, replace(state, firing=left, reason=state.reason + more))


def _reallocate(board_step: BoardStep) -> Generator[None]:
    """Now and then propose to move money between campaigns; the first interval begins with the board."""
    policies = board_step.context.policies
    every, last = policies.common.reallocate_every, board_step.board.reallocated_at
    # A clock that was ahead and has been set right must not hold this back for as long.
    if not every or (last is not None and 0 <= board_step.now - last < every):
        return
    board_step.board = replace(board_step.board, reallocated_at=board_step.now)
    if last is not None:
        # The seed is of the board as it is stored, so that a restart decides the same.
        # A person is asked for no more at once than may be done by itself in an hour.
        most_moves = policies.common.actions_per_hour
        found = yield from plan_reallocation(
            board_step.board, board_step.facts, board_step.gate, abs(last), most_moves
        )
        for request, freed in requests_of(found):
            board_step.attempt(request, freed)

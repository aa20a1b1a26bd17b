"""Operators' decisions, applied in their order; those that come before their campaign is registered wait for that. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from metrics.budget.board_step import BoardStep
from metrics.budget.campaign_updates import remember
from metrics.budget.decision_requests import approved_request, request_of, who
from metrics.budget.records import BudgetDecision
from metrics.budget.state import CampaignState, proposal_key
from metrics.records.validation import instant

#: Decisions that may wait for the registration of their campaigns.
_EARLY = 100


def queue_decisions(board_step: BoardStep, decisions: Sequence[BudgetDecision]) -> None:
    """Let decisions wait until something may be done; a comment is for people, and asks for nothing."""
    asked = [each for each in decisions if each.verb != "comment"]
    board_step.board = replace(board_step.board, waiting=(*board_step.board.waiting, *asked))


def apply_decisions(board_step: BoardStep) -> None:
    """Apply the decisions that wait."""
    known: list[BudgetDecision] = []
    early: list[BudgetDecision] = []
    for decision in board_step.board.waiting:
        (known if decision.campaign_id in board_step.board.campaigns else early).append(decision)
    early = [each for each in early if board_step.is_recent(instant(each.occurred_at, "occurred_at"))]
    board_step.board = replace(board_step.board, waiting=tuple(early[-_EARLY:]))
    for decision in known:
        state = board_step.board.campaigns[decision.campaign_id]
        if decision.decision_id in state.seen:
            continue
        board_step.put(state, remember(state, decision.decision_id))
        reason = _why_not(board_step, decision)
        if reason is None:
            _apply(board_step, decision)
        else:
            board_step.explain(decision.campaign_id, f"{reason}: {decision.verb} by {who(decision)}")


def _why_not(board_step: BoardStep, decision: BudgetDecision) -> str | None:
    if decision.campaign_id not in board_step.context.facts:
        return "the campaign is not registered any more"
    expected, last = decision.expected_action_id, board_step.board.campaigns[decision.campaign_id].last_action
    if expected is not None and expected != last:
        return "something was done since"
    said_at = instant(decision.occurred_at, "occurred_at")
    if board_step.is_recent(said_at):
        return None
    return (
        "too old to be done" if said_at < board_step.now else "said in the future, by a clock that is wrong"
    )


def _apply(board_step: BoardStep, decision: BudgetDecision) -> None:
    state = board_step.board.campaigns[decision.campaign_id]
    if decision.verb in ("approve", "reject"):
        _settle(board_step, state, decision)
        return
    request = request_of(decision, state)
    if isinstance(request, str):
        board_step.explain(decision.campaign_id, request)
    else:
        board_step.attempt(request)


def _settle(board_step: BoardStep, state: CampaignState, decision: BudgetDecision) -> None:
    proposal = state.proposal
    if proposal is None:
        board_step.explain(state.campaign_id, "there is no proposal to approve or to reject")
    elif decision.verb == "reject":
        until = board_step.now + board_step.context.policies.of(state.campaign_id).propose_for
        still = {key: at for key, at in state.rejected.items() if at > board_step.now}
        rejected = {**still, proposal_key(proposal): until}
        reason = f"{proposal.rule} was rejected by {who(decision)}"
        board_step.put(state, replace(state, proposal=None, said="", reason=reason, rejected=rejected))
    else:
        board_step.attempt(approved_request(proposal, state, decision, board_step.now))

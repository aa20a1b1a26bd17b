"""Operators' words, done in their order; those that come before their campaign is registered wait for that. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from metrics.budget.absorbing import remember
from metrics.budget.desk import Desk
from metrics.budget.records import BudgetDecision
from metrics.budget.state import CampaignState, proposal_key
from metrics.budget.words import who, wish_again, wish_of
from metrics.records.validation import instant

#: Words that may wait for the registration of their campaigns.
_EARLY = 100


def collect(desk: Desk, decisions: Sequence[BudgetDecision]) -> None:
    """Let words wait until something may be done."""
    desk.board = replace(desk.board, waiting=(*desk.board.waiting, *decisions))


def apply_waiting(desk: Desk) -> None:
    """Do the words that wait."""
    known: list[BudgetDecision] = []
    early: list[BudgetDecision] = []
    for decision in desk.board.waiting:
        (known if decision.campaign_id in desk.board.campaigns else early).append(decision)
    early = [each for each in early if desk.is_recent(instant(each.occurred_at, "occurred_at"))]
    desk.board = replace(desk.board, waiting=tuple(early[-_EARLY:]))
    for decision in known:
        state = desk.board.campaigns[decision.campaign_id]
        if decision.decision_id in state.seen:
            continue
        desk.put(state, remember(state, decision.decision_id))
        reason = _why_not(desk, decision)
        if reason is None:
            _apply(desk, decision)
        else:
            desk.explain(decision.campaign_id, f"{reason}: {decision.verb} by {who(decision)}")


def _why_not(desk: Desk, decision: BudgetDecision) -> str | None:
    if decision.campaign_id not in desk.context.facts:
        return "the campaign is not registered any more"
    said_at = instant(decision.occurred_at, "occurred_at")
    if desk.is_recent(said_at):
        return None
    return "too old to be done" if said_at < desk.now else "said in the future, by a clock that is wrong"


def _apply(desk: Desk, decision: BudgetDecision) -> None:
    state = desk.board.campaigns[decision.campaign_id]
    if decision.verb in ("approve", "reject"):
        _settle(desk, state, decision)
        return
    wish = wish_of(decision, state)
    if isinstance(wish, str):
        desk.explain(decision.campaign_id, wish)
    else:
        desk.attempt(wish)


def _settle(desk: Desk, state: CampaignState, decision: BudgetDecision) -> None:
    proposal = state.proposal
    if proposal is None:
        desk.explain(state.campaign_id, "there is no proposal to approve or to reject")
    elif decision.verb == "reject":
        until = desk.now + desk.context.policies.of(state.campaign_id).propose_for
        still = {key: at for key, at in state.rejected.items() if at > desk.now}
        rejected = {**still, proposal_key(proposal): until}
        reason = f"{proposal.rule} was rejected by {who(decision)}"
        desk.put(state, replace(state, proposal=None, said="", reason=reason, rejected=rejected))
    else:
        desk.attempt(wish_again(proposal, state, decision, desk.now))

"""What an operator's decision requests. The gate decides whether it may be. Pure."""

from datetime import datetime

from metrics.budget.guards import ActionRequest
from metrics.budget.records import BudgetAction, BudgetDecision
from metrics.budget.state import CampaignState, Hold
from metrics.records.validation import instant
from metrics.values.money import to_micros


def request_of(decision: BudgetDecision, state: CampaignState) -> ActionRequest | str:
    """The request, or why there is none."""
    speaker = who(decision)
    until = None if decision.until is None else instant(decision.until, "until")
    if until is not None and until <= instant(decision.occurred_at, "occurred_at"):
        return "the hold would end before it begins"
    reason = decision.reason or f"{decision.verb} by {speaker}"
    request = ActionRequest(state.campaign_id, "move", "operator", f"operator:{decision.verb}", reason)
    hold = Hold(speaker, reason, until)
    if decision.verb == "pause":
        return request._replace(verb="pause", hold=hold)
    if decision.verb == "resume":
        return request._replace(verb="resume", column="test")
    if decision.verb == "set_budget":
        return _with_budget(request, decision)
    if decision.column is None:
        return "a move needs a column"
    return request._replace(column=decision.column, hold=hold if decision.column == "hold" else None)


def _with_budget(request: ActionRequest, decision: BudgetDecision) -> ActionRequest | str:
    if decision.budget is None:
        return "set_budget needs a budget"
    try:
        return request._replace(verb="set_budget", budget=to_micros(decision.budget))
    except ValueError as error:
        return f"the budget cannot be set: {error}"


def approved_request(
    proposal: BudgetAction, state: CampaignState, decision: BudgetDecision, now: int
) -> ActionRequest:
    """The request behind a proposal, now with an operator's approval."""
    budget = None if proposal.budget_to is None else to_micros(proposal.budget_to)
    hold = None
    if proposal.verb == "pause":
        owner = proposal.hold.owner if proposal.hold else who(decision)
        expires = proposal.hold.expires_at if proposal.hold else None
        hold = Hold(owner, proposal.reason, None if expires is None else now + _length(proposal))
    return ActionRequest(
        state.campaign_id,
        proposal.verb,
        "operator",
        proposal.rule,
        f"{proposal.reason}; approved by {who(decision)}",
        proposal.column if proposal.verb != "pause" else None,
        budget if budget != state.budget else None,
        hold,
        is_approved=True,
    )


def _length(proposal: BudgetAction) -> int:
    """How long the hold of a proposal was to last, in ms; it begins with the approval."""
    assert proposal.hold is not None, "of a pause"
    assert proposal.hold.expires_at is not None, "one that ends"
    return max(0, _millis(proposal.hold.expires_at) - _millis(proposal.decided_at))


def _millis(text: str) -> int:
    return instant(datetime.fromisoformat(text), "hold")


def who(decision: BudgetDecision) -> str:
    """Who speaks."""
    return decision.by or "an operator"

"""What would take back the last decision of a person on a campaign, or why nothing can. Pure; the controller judges it like any other.

The action that followed a decision says what was before it: the column in its evidence, the budget it began with.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import get_args

import msgspec

from metrics.budget.records import BoardCard, BudgetAction, BudgetDecision, Column
from metrics.records.events import Money
from metrics.records.validation import instant
from metrics.values.money import to_micros
from metrics.values.time import to_millis
from streams.board.audit_trail import AuditEntry

#: What the controller writes behind the reason of a proposal that a person approved.
_APPROVED = "; approved by "
_COLUMNS: frozenset[str] = frozenset(get_args(Column))


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that restores what was before ``decision_id``; either ``column`` or ``budget`` is given.

    ``until`` is the end that the earlier hold had, where one comes back; ``expected_action_id`` is the action that the last
    decision led to: the controller takes nothing back once another one was done.
    """

    decision_id: str
    expected_action_id: str
    by: str | None
    column: Column | None = None
    budget: Money | None = None
    until: str | None = None


class NoUndo(msgspec.Struct, frozen=True):
    """Why nothing can be taken back."""

    refused: str


def undo_of(card: BoardCard, entries: Sequence[AuditEntry], now_ms: int) -> Undo | NoUndo:
    """What would take back the last decision.

    Args:
        card: of the campaign, as it is now.
        entries: of the campaign, the newest first.
        now_ms: wall clock in epoch milliseconds.
    """
    said = (each.record for each in entries if isinstance(each.record, BudgetDecision))
    decision = next((each for each in said if each.verb != "comment"), None)
    if decision is None:
        return NoUndo("Nobody has decided anything on this campaign that is still known.")
    if decision.verb == "reject":
        return NoUndo(
            "A rejection cannot be taken back: the proposal is gone. The same is proposed again when the figures still say so."
        )
    action = next(
        (each.record for each in entries if isinstance(each.record, BudgetAction) and _is_done(each.record)),
        None,
    )
    if action is not None and not _follows(action, decision) and _done_at(action) > _said_at(decision):
        return NoUndo(
            f"Something was done since: {action.verb} by {action.rule} at {action.decided_at}. Decide anew."
        )
    if action is None or not _follows(action, decision):
        return NoUndo("The controller has not acted on the last decision; its reason is on the card.")
    if not _stands(card, action):
        return NoUndo("The card is not as the last decision left it; something happened since. Decide anew.")
    return _restored(decision, action, entries, now_ms)


def _is_done(action: BudgetAction) -> bool:
    """Whether an action changed the board, and was not only proposed or observed."""
    return action.mode == "enforce" or action.rule.startswith("operator:") or _APPROVED in action.reason


def _follows(action: BudgetAction, decision: BudgetDecision) -> bool:
    """Whether an action is what the controller made of a decision."""
    if decision.verb == "approve":
        return action.reason.endswith(f"{_APPROVED}{decision.by or 'an operator'}")
    return (
        _done_at(action) >= _said_at(decision)
        and action.rule == f"operator:{decision.verb}"
        and decision.reason in {action.reason, None}
    )


def _done_at(action: BudgetAction) -> int:
    return to_millis(datetime.fromisoformat(action.decided_at))


def _said_at(decision: BudgetDecision) -> int:
    return instant(decision.occurred_at, "occurred_at")


def _stands(card: BoardCard, action: BudgetAction) -> bool:
    budget = 0 if action.budget_to is None else to_micros(action.budget_to)
    return action.column in {None, card.column} and budget == card.budget_micros


def _restored(
    decision: BudgetDecision, action: BudgetAction, entries: Sequence[AuditEntry], now_ms: int
) -> Undo | NoUndo:
    before = action.evidence.get("column")
    undo = partial(
        Undo,
        decision_id=decision.decision_id,
        expected_action_id=action.action_id,
        by=decision.by,
    )
    is_moved = action.column is not None and before != action.column
    has_budget = action.budget_from != action.budget_to
    if is_moved and has_budget:
        return NoUndo(
            "The last decision changed column and budget at once; take them back one after the other."
        )
    if has_budget:
        if action.budget_from is None:
            return NoUndo("There was no budget before the last decision, and none cannot be set.")
        return undo(budget=action.budget_from)
    if not is_moved or before not in _COLUMNS:
        return NoUndo("The last decision changed nothing that can be taken back.")
    column: Column = msgspec.convert(before, Column)
    until = _end_of_hold(entries, action, now_ms) if column == "hold" else None
    return undo(column=column, until=until)


def _end_of_hold(entries: Sequence[AuditEntry], action: BudgetAction, now_ms: int) -> str | None:
    """When the hold before an action was to end; None: it had no end, or that has passed."""
    held = next(
        (
            each.record.hold
            for each in entries
            if isinstance(each.record, BudgetAction)
            and each.id != action.action_id
            and each.record.hold is not None
        ),
        None,
    )
    if held is None or held.expires_at is None:
        return None
    return held.expires_at if to_millis(datetime.fromisoformat(held.expires_at)) > now_ms else None


def undo_id(decision_id: str) -> str:
    """The id of the decision that takes another back: whoever asks twice says it once."""
    return f"undo-{hashlib.sha256(decision_id.encode()).hexdigest()[:32]}"

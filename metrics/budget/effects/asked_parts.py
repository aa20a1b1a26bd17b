"""What an action asks of an ad platform (docs/budget.md, Cards). Pure."""

from decimal import Decimal

from metrics.budget.effects.records import EffectPart
from metrics.budget.records import BudgetAction
from metrics.budget.state import SPENDING
from metrics.values.money import to_micros


def parts_of(action: BudgetAction) -> tuple[EffectPart, ...]:
    """The parts of an action in the order in which they are carried out: what stops a spend first, what lets money flow last."""
    status = _status(action)
    budget = _budget(action)
    parts = [
        status if status is not None and status.status == "paused" else None,
        budget,
        status if status is not None and status.status == "running" else None,
    ]
    return tuple(part for part in parts if part is not None)


def _status(action: BudgetAction) -> EffectPart | None:
    if action.verb == "set_budget":
        return None
    is_running = action.verb == "resume" or (action.verb == "move" and action.column in SPENDING)
    return EffectPart(aspect="status", status="running" if is_running else "paused")


def _budget(action: BudgetAction) -> EffectPart | None:
    """A budget that the action changes; the records carry the present one with every verb."""
    if action.budget_to is None or (action.verb != "set_budget" and action.budget_to == action.budget_from):
        return None
    return EffectPart(aspect="budget", wished_micros=to_micros(action.budget_to), spent_micros=_spent(action))


def _spent(action: BudgetAction) -> int | None:
    """What the evidence of an action says of its campaign's spend; None where it says nothing that is an amount."""
    said = action.evidence.get("spent")
    try:
        return to_micros(Decimal(said)) if isinstance(said, str) else None
    except (ArithmeticError, ValueError):
        return None

"""The simulated ad platform: which campaigns spend, and how much. It obeys budget actions. Pure state.

It holds a campaign's budget as the level of its delivery: at twice the registered budget it buys twice the
clicks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

#: Columns of the board in which a campaign does not spend.
RESTING_COLUMNS = frozenset({"backlog", "hold", "stopped", "archived"})
#: No advertiser's platform multiplies a campaign without end.
MAX_LEVEL = 20.0


@dataclass
class AdAccount:
    """The spending state of one campaign; budgets in the campaign's currency.

    Attributes:
        opening: what was registered so far.
        budget: what it may spend; the controller changes it.
        is_active: whether it spends.
    """

    opening: Decimal
    budget: Decimal
    is_active: bool = True

    def top_up(self, amount: Decimal) -> None:
        """Register more money: the budget grows by as much, as on the board."""
        self.opening += amount
        self.budget += amount


class AdPlatform:
    """Spending states of all campaigns.

    Args:
        budgets: opening budget of each campaign.
        obeys: False makes a control arm: the same world, in which nobody acts.

    >>> platform = AdPlatform({"c-1": Decimal(100)})
    >>> platform.apply({"action_id": "a", "campaign_id": "c-1", "verb": "pause", "mode": "enforce"})
    True
    >>> platform.level("c-1")
    0.0
    """

    def __init__(self, budgets: Mapping[str, Decimal], *, obeys: bool = True) -> None:
        self.obeys = obeys
        self.accounts = {name: AdAccount(budget, budget) for name, budget in budgets.items()}
        self._seen: set[str] = set()

    def apply(self, action: Mapping[str, Any]) -> bool:
        """Obey one ``budget-action/2`` record; True when it changed how a campaign spends.

        Only ``enforce`` is an order; ``observe`` and ``propose`` are words. An ``action_id`` that
        was obeyed is not obeyed again, and what the platform does not understand changes nothing.
        """
        account = self.accounts.get(str(action.get("campaign_id")))
        action_id = str(action.get("action_id"))
        if not self.obeys or account is None or action.get("mode") != "enforce" or action_id in self._seen:
            return False
        self._seen.add(action_id)
        before = (account.is_active, account.budget)
        _obey(account, action)
        return (account.is_active, account.budget) != before

    def level(self, campaign_id: str) -> float:
        """Delivery of a campaign as a multiple of its opening level; 0 when it is paused."""
        account = self.accounts[campaign_id]
        if not account.is_active:
            return 0.0
        if account.opening == 0:  # nothing is paid for, so no budget can change it
            return 1.0
        return min(float(account.budget / account.opening), MAX_LEVEL)


def _obey(account: AdAccount, action: Mapping[str, Any]) -> None:
    verb = action.get("verb")
    if verb == "pause":
        account.is_active = False
    elif verb == "resume":
        account.is_active = True
    elif verb in {"set_budget", "move"}:
        account.budget = _budget(action.get("budget_to"), account.budget)
    if verb == "move" and action.get("column") is not None:
        account.is_active = action["column"] not in RESTING_COLUMNS


def _budget(value: Any, present: Decimal) -> Decimal:
    """The budget named by an action, or the present one where it names none that makes sense."""
    try:
        budget = Decimal(str(value))
    except InvalidOperation:
        return present
    return budget if budget.is_finite() and budget >= 0 else present

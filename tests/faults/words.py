"""What operators say on the board during the faults, and what must have come of it: each word done once."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

from metrics.values.time import format_instant
from streams import topics
from tests.support.load import Load

#: Campaigns with a budget. Each word lowers it by one unit, which needs no figures and no room.
BUDGETED = ("c-0", "c-1", "c-2", "c-3")
BUDGET = 1_000_000
_WORDS = 30


def words(dice: random.Random, now: int) -> Load:
    """Words of operators in their order; each of a campaign sets a lower budget."""
    left = dict.fromkeys(BUDGETED, BUDGET)
    found: Load = []
    for number in range(_WORDS):
        campaign = dice.choice(BUDGETED)
        left[campaign] -= 1
        word = {"decision_id": f"d-{number}", "campaign_id": campaign, "verb": "set_budget"}
        whole = {**word, "budget": left[campaign], "by": "operator", "occurred_at": format_instant(now)}
        found.append((topics.BUDGET_DECISIONS, campaign.encode(), whole))
    return found


def wrong_actions(actions: Iterable[Mapping[str, Any]], load: Load, *, is_complete: bool) -> list[str]:
    """Each word has one action, in the order of the words; no action comes twice.

    Args:
        actions: in the order of their partitions.
        load: with the words.
        is_complete: whether every word is to be done; a worker whose clock is wrong leaves out what looks old.
    """
    ids: set[str] = set()
    found: list[str] = []
    done: dict[str, list[int]] = {campaign: [] for campaign in BUDGETED}
    for action in actions:
        if action["action_id"] in ids:
            found.append(f"the action {action['action_id']} on {action['campaign_id']} came twice")
        ids.add(action["action_id"])
        if action["rule"] == "operator:set_budget":
            done[action["campaign_id"]].append(round(float(action["budget_to"])))
    for campaign, budgets in done.items():
        said = [value["budget"] for topic, _, value in load if _is_word(topic, value, campaign)]
        wanted = said if is_complete else [budget for budget in said if budget in budgets]
        if budgets != wanted:
            found.append(f"budgets of {campaign} were set to {budgets}, but should be to {wanted}")
    return found


def _is_word(topic: str, value: Any, campaign: str) -> bool:
    return topic == topics.BUDGET_DECISIONS and value["campaign_id"] == campaign

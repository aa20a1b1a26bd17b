"""What became of the latest action on each campaign on its ad platform. Pure; knows no topic's reader."""

import msgspec

from metrics.budget.effects.machine import millis
from metrics.budget.effects.records import BudgetEffect
from metrics.values.errors import UNREADABLE

_decode = msgspec.json.Decoder(BudgetEffect).decode


class EffectStore:
    """Of each campaign the effect of its latest action.

    Attributes:
        effects: by campaign.
    """

    def __init__(self) -> None:
        self.effects: dict[str, BudgetEffect] = {}

    def offer(self, value: bytes) -> BudgetEffect | None:
        """Take in a record of ``budget-effects``; the effect when it is what is shown of its campaign now."""
        try:
            effect = _decode(value)
            known = self.effects.get(effect.campaign_id)
            if known is not None and _when(known) > _when(effect):
                return None
        except (*UNREADABLE, ValueError):
            return None
        self.effects[effect.campaign_id] = effect
        return effect


def _when(effect: BudgetEffect) -> tuple[int, int]:
    return millis(effect.decided_at), effect.position

"""All effects that are known, by campaign: which part is next, what is superseded, whose pause it is, what is watched. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from metrics.budget.effects.asked_parts import parts_of
from metrics.budget.effects.machine import millis, settled
from metrics.budget.effects.records import Aspect, BudgetEffect, EffectPart, Stage
from metrics.budget.records import BudgetAction
from metrics.values.time import format_instant

#: The least settled first.
_ORDER: tuple[Stage, ...] = ("sent", "requested", "drifted", "refused", "confirmed")
#: Rules that are a person's word begin so (``metrics.budget.decision_requests``).
_OPERATOR = "operator:"


class PartPlace(NamedTuple):
    """One part of one effect."""

    action_id: str
    number: int


class EffectIndex:
    """Effects by action, and their order by campaign."""

    def __init__(self) -> None:
        self.effects: dict[str, BudgetEffect] = {}
        self._by_campaign: dict[str, list[str]] = {}
        #: Campaigns with effects that are not settled, and those whose effects may drift.
        self.open: dict[str, None] = {}
        self.watched: dict[str, None] = {}

    def __contains__(self, action_id: str) -> bool:
        return action_id in self.effects

    def put(self, effect: BudgetEffect) -> None:
        """Take in an effect, new or changed."""
        is_new = effect.action_id not in self.effects
        self.effects[effect.action_id] = effect
        if is_new:
            order = self._by_campaign.setdefault(effect.campaign_id, [])
            order.append(effect.action_id)
            order.sort(key=self._when)
        campaign_id = effect.campaign_id
        stages = {part.stage for each in self.of(campaign_id) for part in each.parts}
        for kept, wanted in ((self.open, {"requested", "sent"}), (self.watched, {"confirmed", "drifted"})):
            if stages & wanted:
                kept[campaign_id] = None
            else:
                kept.pop(campaign_id, None)

    def _when(self, action_id: str) -> tuple[int, int]:
        effect = self.effects[action_id]
        return millis(effect.decided_at), effect.position

    def of(self, campaign_id: str) -> list[BudgetEffect]:
        """The effects of a campaign in the order of their actions."""
        return [self.effects[action_id] for action_id in self._by_campaign.get(campaign_id, ())]

    def part(self, place: PartPlace) -> EffectPart:
        """The part at a place."""
        return self.effects[place.action_id].parts[place.number]

    def next_of(self, campaign_id: str) -> PartPlace | None:
        """The part of a campaign to go on with: what was sent, else what stops its spend, else the oldest."""
        waiting = [
            place for place in self._places(campaign_id) if self.part(place).stage in {"requested", "sent"}
        ]
        for wanted in ("sent", "paused"):
            for place in waiting:
                part = self.part(place)
                if wanted in {part.stage, part.status}:
                    return place
        return waiting[0] if waiting else None

    def superseded(self, campaign_id: str) -> list[PartPlace]:
        """Parts that were not sent yet, and that a later action asks otherwise of."""
        found: list[PartPlace] = []
        later: set[Aspect] = set()
        for place in reversed(list(self._places(campaign_id))):
            part = self.part(place)
            if part.stage == "requested" and part.aspect in later:
                found.append(place)
            later.add(part.aspect)
        return found

    def owns_pause(self, campaign_id: str) -> bool:
        """Whether the campaign stands paused by an effect, and nobody resumed it there since."""
        for place in reversed(list(self._places(campaign_id))):
            part = self.part(place)
            if part.aspect == "status" and (
                part.stage in {"confirmed", "drifted"} or part.because == "no_effect"
            ):
                return part.is_ours and part.stage == "confirmed"
        return False

    def watched_of(self, campaign_id: str) -> list[PartPlace]:
        """Of each aspect the part that holds now: the latest one, where it was confirmed or has drifted."""
        found: list[PartPlace] = []
        seen: set[Aspect] = set()
        for place in reversed(list(self._places(campaign_id))):
            part = self.part(place)
            if part.aspect in seen or (part.stage == "refused" and part.because == "superseded"):
                continue
            seen.add(part.aspect)
            if part.stage in {"confirmed", "drifted"}:
                found.append(place)
        return found

    def sent_times(self) -> list[int]:
        """When something was sent, over all effects."""
        return [at for effect in self.effects.values() for at in self.sent_times_of(effect)]

    @staticmethod
    def sent_times_of(effect: BudgetEffect) -> list[int]:
        """When parts of an effect were sent."""
        return [millis(at) for part in effect.parts for at in part.sent_at]

    def _places(self, campaign_id: str) -> Iterator[PartPlace]:
        for effect in self.of(campaign_id):
            for index in range(len(effect.parts)):
                yield PartPlace(effect.action_id, index)


def requested(action: BudgetAction, position: int, now: int) -> BudgetEffect | None:
    """The effect of an action that was just read; None for one that is no order, or asks nothing of a platform."""
    parts = parts_of(action) if action.mode == "enforce" else ()
    if not parts:
        return None
    return BudgetEffect(
        action_id=action.action_id,
        campaign_id=action.campaign_id,
        verb=action.verb,
        rule=action.rule,
        currency=action.currency,
        decided_at=action.decided_at,
        position=position,
        stage="requested",
        parts=parts,
        changed_at=format_instant(now),
    )


def with_part(effect: BudgetEffect, index: int, part: EffectPart, now: int) -> BudgetEffect:
    """An effect after one of its parts changed."""
    parts = (*effect.parts[:index], part, *effect.parts[index + 1 :])
    shown = min(parts, key=lambda each: _ORDER.index(each.stage))
    return replace(
        effect,
        parts=parts,
        stage=shown.stage,
        because=shown.because,
        detail=shown.detail,
        changed_at=format_instant(now),
    )


def superseded(part: EffectPart, now: int) -> EffectPart:
    """A part that a later action replaces before it was sent."""
    return settled(part, "refused", "superseded", "a later action asks for something else", now)


def is_exempt(effect: BudgetEffect, part: EffectPart) -> bool:
    """Whether no cap holds a part back: a person stops a spend."""
    return part.status == "paused" and effect.rule.startswith(_OPERATOR)

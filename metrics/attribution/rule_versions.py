"""With which views and rules decisions were made, and what a remembered conversion counts by its own.

Credits are not stored with a conversion, so a change of the models or of the half-life must not change what is taken
back: the rules of each generation are remembered instead.
"""

import msgspec

from metrics.attribution.batch_credit import ComputedModels, RuleVersion, is_large, shares_of
from metrics.attribution.conversion_credit import (
    Conversion,
    CreditDecision,
    contributions,
    decisions,
    subject,
)
from metrics.attribution.models import AttributionRules
from metrics.attribution.touchpoints import Touchpoints
from metrics.sums.contribution import Contribution


class RuleHistory(msgspec.Struct, array_like=True, frozen=True):
    """With which views and rules the state was made.

    Attributes:
        generation: grows with every change of the set of views, or of the half-life.
        since: each view, with the generation in which it was switched on: older decisions of that name mean nothing.
        half_lives: that of each generation, in milliseconds; credits of older decisions are computed with theirs.
    """

    generation: int
    since: dict[str, int]
    half_lives: dict[int, int]

    @classmethod
    def by(cls, rules: AttributionRules) -> "RuleHistory":
        """A state that begins with some rules."""
        return cls(0, dict.fromkeys(rules.models, 0), {0: rules.half_life})

    def changed_to(self, rules: AttributionRules) -> "RuleHistory":
        """The same for a worker of other rules.

        >>> made = RuleHistory(3, {"linear": 1, "markov": 2}, {3: 7})
        >>> made.changed_to(AttributionRules(models=("linear", "last_touch"), half_life=8))
        RuleHistory(generation=4, since={'linear': 1, 'last_touch': 4}, half_lives={3: 7, 4: 8})
        """
        if set(rules.models) == set(self.since) and self.half_lives[self.generation] == rules.half_life:
            return self
        generation = self.generation + 1
        since = {view: self.since.get(view, generation) for view in rules.models}
        return RuleHistory(generation, since, {**self.half_lives, generation: rules.half_life})


class RuleVersions:
    """The rules in force, and those of older decisions.

    Args:
        made: the views, the generation, and the half-lives so far.
        rules: those in force.
        touchpoints: codes of the touches in remembered paths.
    """

    def __init__(self, made: RuleHistory, rules: AttributionRules, touchpoints: Touchpoints) -> None:
        self.made = made
        self.views = ComputedModels(made.since)
        self._rules = rules
        self._touchpoints = touchpoints

    def decided(self, generation: int) -> RuleVersion:
        """The rules of a generation, as a sheet needs them."""
        return RuleVersion(generation, self.made.half_lives[generation])

    def decisions(self, conversion: Conversion) -> dict[str, CreditDecision]:
        """Who is credited for a conversion by what it remembers, in the views that were decided."""
        generation = conversion.generation
        if generation is None:
            return {}
        views = [view for view, since in self.made.since.items() if since <= generation]
        if conversion.kept is not None:
            return {view: conversion.kept[view] for view in views if view in conversion.kept}
        rules = msgspec.structs.replace(self._rules, half_life=self.made.half_lives[generation])
        # Without effects: of paths that they divide, the conversion remembers the shares.
        return decisions(self._touchpoints.path(conversion.path), views, rules, {}, shares_of(conversion))

    def counted(self, conversion: Conversion) -> list[Contribution]:
        """What a decided conversion counts in every view, one at a time."""
        return [
            change._replace(campaign=subject(change.campaign, view))
            for view, decision in self.decisions(conversion).items()
            for change in contributions(conversion.counted, decision)
        ]


def is_apart(conversion: Conversion) -> bool:
    """Whether a decided conversion is counted by itself, not on a sheet."""
    return conversion.kept is not None or is_large(conversion.counted)

"""Versions of the attribution rules, and what a remembered conversion counts by its own version.

A conversion keeps its path, not its credits. To take credits back they are computed again, by the rules of the version
with which the conversion was credited; models and half-life of each version are kept for that (D67, D69).
"""

import msgspec

from metrics.attribution.batch_credit import ComputedModels, RuleVersion, is_large, shares_of
from metrics.attribution.conversion_credit import (
    Conversion,
    CreditDecision,
    contributions,
    decisions,
)
from metrics.attribution.models import AttributionRules
from metrics.attribution.touchpoints import Touchpoints
from metrics.records.campaign_model import campaign_model
from metrics.sums.contribution import Contribution


class RuleHistory(msgspec.Struct, array_like=True, frozen=True):
    """The rule versions of a state.

    Attributes:
        generation: number of the present version; it grows with every change of the models, or of the half-life.
        since: each model, with the version in which it was switched on: older decisions of that name mean nothing.
        half_lives: that of each version, in milliseconds; credits of older decisions are computed with theirs.
        customers_since: each model whose greatest parts customers hear of, with the version from which on they do.
    """

    generation: int
    since: dict[str, int]
    half_lives: dict[int, int]
    customers_since: dict[str, int] = {}

    @classmethod
    def by(cls, rules: AttributionRules) -> "RuleHistory":
        """A state that begins with some rules."""
        return cls(
            0, dict.fromkeys(rules.models, 0), {0: rules.half_life}, dict.fromkeys(rules.customer_models, 0)
        )

    def oldest(self, *, is_order: bool) -> int:
        """The version before which a conversion is to be credited anew."""
        versions: list[int] = [*self.since.values(), *(self.customers_since.values() if is_order else ())]
        return max(versions)

    def changed_to(self, rules: AttributionRules) -> "RuleHistory":
        """The same for a worker of other rules.

        >>> rule_history = RuleHistory(3, {"linear": 1, "markov": 2}, {3: 7})
        >>> rule_history.changed_to(AttributionRules(models=("linear", "last_touch"), half_life=8))
        RuleHistory(generation=4, since={'linear': 1, 'last_touch': 4}, half_lives={3: 7, 4: 8}, customers_since={})
        """
        are_same = set(rules.models) == set(self.since) and set(rules.customer_models) == set(
            self.customers_since
        )
        if are_same and self.half_lives[self.generation] == rules.half_life:
            return self
        generation = self.generation + 1
        since = {model: self.since.get(model, generation) for model in rules.models}
        customers_since = {
            model: self.customers_since.get(model, generation) for model in rules.customer_models
        }
        return RuleHistory(
            generation, since, {**self.half_lives, generation: rules.half_life}, customers_since
        )


class RuleVersions:
    """The rules in force, and those of older decisions.

    Args:
        rule_history: the versions so far.
        rules: those in force.
        touchpoints: codes of the touches in remembered paths.
    """

    def __init__(self, rule_history: RuleHistory, rules: AttributionRules, touchpoints: Touchpoints) -> None:
        self.rule_history = rule_history
        self.models = ComputedModels(rule_history.since)
        self._rules = rules
        self._touchpoints = touchpoints

    def version_of(self, generation: int) -> RuleVersion:
        """The rules of a version, as a credit batch needs them."""
        return RuleVersion(generation, self.rule_history.half_lives[generation])

    def decisions(self, conversion: Conversion) -> dict[str, CreditDecision]:
        """Who is credited for a conversion by what it remembers, in the models that were computed then."""
        generation = conversion.generation
        if generation is None:
            return {}
        models = [model for model, since in self.rule_history.since.items() if since <= generation]
        if conversion.kept is not None:
            return {model: conversion.kept[model] for model in models if model in conversion.kept}
        rules = msgspec.structs.replace(self._rules, half_life=self.rule_history.half_lives[generation])
        # Without effects: of paths that they divide, the conversion remembers the shares.
        return decisions(self._touchpoints.path(conversion.path), models, rules, {}, shares_of(conversion))

    def counted(self, conversion: Conversion) -> list[Contribution]:
        """What a credited conversion counts in every model, one at a time."""
        return [
            change._replace(campaign=campaign_model(change.campaign, model))
            for model, decision in self.decisions(conversion).items()
            for change in contributions(conversion.counted, decision)
        ]


def is_apart(conversion: Conversion) -> bool:
    """Whether a credited conversion is counted by itself, and not in a credit batch."""
    return conversion.kept is not None or is_large(conversion.counted)

"""Removal effects against chains worked out by hand and against simulated walks."""

import itertools
import random

import pytest

from metrics.attribution.markov_chain import PathCount, fit
from metrics.attribution.models import MARKOV, AttributionRules, Touch, credit


def test_the_worked_chain():
    # start -> a 2/3, b 1/3; a -> b 1/2, null 1/2; b -> converted 1/2, null 1/2
    walks = [PathCount(["a", "b"], 1, 0), PathCount(["a"], 0, 1), PathCount(["b"], 0, 1)]
    found = fit(walks, 7)
    assert found.effects == {"a": pytest.approx(0.5), "b": pytest.approx(1.0)}
    assert (found.fitted_at, found.conversions) == (7, 1)


def test_what_never_converts_has_no_effect():
    found = fit([PathCount(["a"], 3, 1), PathCount(["b"], 0, 9)], 0)
    assert found.effects == {"a": pytest.approx(1.0), "b": 0.0}


def test_nothing_observed_gives_no_effects():
    assert fit([], 0).effects == {}
    assert fit([PathCount(["a"], 0, 4), PathCount([], 3, 3)], 0).effects == {}


def test_touching_the_same_campaign_again_changes_nothing():
    once = fit([PathCount(["a", "b"], 2, 1), PathCount(["b"], 1, 5)], 0)
    again = fit([PathCount(["a", "a", "a", "b", "b"], 2, 1), PathCount(["b", "b"], 1, 5)], 0)
    assert again.effects == pytest.approx(once.effects)


def test_effects_divide_each_journey_among_its_own_campaigns():
    """Five journeys of docs/sources.md: ChannelAttribution divides all ten conversions, and gives email 0.41."""
    journeys = [
        PathCount(["search", "social"], 4, 6),
        PathCount(["social"], 2, 3),
        PathCount(["search"], 1, 9),
        PathCount(["search", "search", "social"], 1, 2),
        PathCount(["email", "search"], 2, 0),
    ]
    effects = fit(journeys, 0).effects
    assert effects == pytest.approx({"search": 0.80556, "social": 0.7, "email": 0.06444}, abs=1e-5)
    earned = dict.fromkeys(effects, 0.0)
    for journey in journeys:
        path = tuple(Touch(at, True, campaign) for at, campaign in enumerate(journey.campaigns))
        for campaign, part in credit(MARKOV, path, AttributionRules(), effects):
            earned[campaign] += journey.conversions * part / 1e6
    alone = 0.06444 / (0.06444 + 0.80556)
    both = 0.7 / (0.7 + 0.80556)
    assert earned == pytest.approx(
        {"email": 2 * alone, "social": 2 + 5 * both, "search": 1 + 2 * (1 - alone) + 5 * (1 - both)}, abs=1e-3
    )


def test_simulated_removal_agrees():
    rng = random.Random(3)
    names = "abcd"
    walks = [
        PathCount([rng.choice(names) for _ in range(rng.randint(1, 5))], rng.randint(0, 3), rng.randint(0, 5))
        for _ in range(60)
    ]
    steps: dict[str, list[tuple[str, int]]] = {}
    for walk in walks:
        total, path = walk.conversions + walk.nulls, ["(start)", *walk.campaigns]
        for before, after in itertools.pairwise(path):
            steps.setdefault(before, []).append((after, total))
        steps.setdefault(path[-1], []).extend([("(converted)", walk.conversions), ("(null)", walk.nulls)])
    tables = {name: tuple(zip(*each, strict=True)) for name, each in steps.items()}

    def converted(removed: str | None) -> float:
        hits, runs = 0, 20_000
        for _ in range(runs):
            state = "(start)"
            while state in tables and state != removed:
                state = rng.choices(*tables[state])[0]
            hits += state == "(converted)"
        return hits / runs

    whole = converted(None)
    for name, effect in fit(walks, 0).effects.items():
        assert effect == pytest.approx(1 - converted(name) / whole, abs=0.04)

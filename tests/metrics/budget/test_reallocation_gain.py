"""Reallocation through the controller against an oracle: its share of what could be gained, and whether it says the truth."""

import numpy as np
import pytest

from tests.bench import reallocations

SEEDS = range(20)


@pytest.mark.slow
@pytest.mark.parametrize("margin", reallocations.MARGINS)
def test_most_of_an_oracles_gain_is_earned_and_the_stated_chance_is_the_true_one(margin):
    courses = [reallocations.run(margin, seed) for seed in SEEDS]
    assert sum(each.gain for each in courses) >= 0.7 * sum(each.oracle for each in courses)
    assert min(each.share for each in courses) >= 0.3
    stated, true = np.array([plan for each in courses for plan in each.plans]).T
    assert len(stated) > 200
    assert abs(stated.mean() - (true > 0).mean()) <= 0.05

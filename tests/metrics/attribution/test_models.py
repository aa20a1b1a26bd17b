"""What each model gives to paths of one, two and more touches, worked out by hand."""

import pytest

from metrics.attribution.models import (
    MAX_PATH,
    MODELS,
    UNCREDITED,
    AttributionRules,
    Touch,
    credit,
    credited_from,
    path_of,
)
from metrics.values.time import DAY, HOUR

RULES = AttributionRules(models=MODELS, lookback=30 * DAY, view_lookback=DAY, half_life=7 * DAY)
DAYS = [Touch(day * DAY, True, campaign) for day, campaign in ((0, "a"), (7, "b"), (14, "c"))]


@pytest.mark.parametrize("model", MODELS)
def test_a_path_of_one_campaign_is_credited_alike_by_all(model):
    once = (Touch(1, True, "a", "direct"),)
    assert credit(model, once, RULES, {}) == (("a", 1_000_000),)
    assert credit(model, once * 3, RULES, {"b": 1.0}) == (("a", 1_000_000),)
    assert credit(model, (), RULES, {}) == UNCREDITED


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("last_touch", {"c": 1_000_000}),
        ("first_touch", {"a": 1_000_000}),
        ("linear", {"a": 333_334, "b": 333_333, "c": 333_333}),
        ("position_based", {"a": 400_000, "b": 200_000, "c": 400_000}),
        ("time_decay", {"a": 142_857, "b": 285_714, "c": 571_429}),  # 1 : 2 : 4
        ("last_non_direct", {"c": 1_000_000}),
        ("markov", {"a": 250_000, "c": 750_000}),
    ],
)
def test_three_touches_a_half_life_apart(model, expected):
    assert dict(credit(model, tuple(DAYS), RULES, {"a": 0.2, "c": 0.6, "z": 1.0})) == expected


def test_two_touches_share_a_position_based_credit():
    assert credit("position_based", tuple(DAYS[:2]), RULES, {}) == (("a", 500_000), ("b", 500_000))


def test_direct_is_passed_over_unless_all_is_direct():
    path = (Touch(1, True, "a", "search"), Touch(2, True, "own", "Direct"))
    assert credit("last_non_direct", path, RULES, {}) == (("a", 1_000_000),)
    assert credit("last_touch", path, RULES, {}) == (("own", 1_000_000),)
    direct = (Touch(1, True, "x", "direct"), Touch(2, True, "own", "direct"))
    assert credit("last_non_direct", direct, RULES, {}) == (("own", 1_000_000),)


def test_a_campaign_without_a_known_effect_earns_nothing_unless_none_is_known():
    assert credit("markov", tuple(DAYS), RULES, {"b": 0.01}) == (("b", 1_000_000),)
    assert dict(credit("markov", tuple(DAYS), RULES, {})) == {"a": 333_334, "b": 333_333, "c": 333_333}


def test_the_path_ends_before_the_conversion_and_begins_with_the_lookback_of_its_kind():
    at = 40 * DAY
    inside = [Touch(10 * DAY, True, "a"), Touch(39 * DAY, False, "b"), Touch(at - 1, True, "c")]
    outside = [
        Touch(10 * DAY - 1, True, "x"),
        Touch(39 * DAY - 1, False, "x"),
        Touch(at, True, "x"),
        Touch(at + 1, True, "x"),
    ]
    assert path_of(outside + inside[::-1], at, RULES) == tuple(inside)


def test_at_one_instant_an_impression_comes_before_a_click():
    both = [Touch(5, True, "a"), Touch(5, False, "b")]
    assert [touch.campaign for touch in path_of(both, 6, RULES)] == ["b", "a"]


def test_a_path_too_long_for_a_person_keeps_its_first_touch_and_its_last_ones():
    path = path_of([Touch(n, True, f"c{n}") for n in range(1_000)], 2_000, RULES)
    assert len(path) == MAX_PATH
    assert (path[0].at, path[1].at, path[-1].at) == (0, 1_001 - MAX_PATH, 999)


def test_the_cohort_is_the_time_of_the_first_touch_that_earns_credit():
    path = tuple(DAYS)
    assert credited_from("last_touch", path, RULES, {}) == 14 * DAY
    assert credited_from("linear", path, RULES, {}) == 0
    assert credited_from("markov", path, RULES, {"b": 1.0}) == 7 * DAY
    assert credited_from("linear", (), RULES, {}) is None


def test_a_half_life_of_an_hour_forgets_a_week_but_stays_whole():
    short = AttributionRules(models=MODELS, half_life=HOUR)
    assert credit("time_decay", tuple(DAYS), short, {}) == (("c", 1_000_000),)

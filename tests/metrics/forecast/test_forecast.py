"""Forecasts: intervals that hold, errors below those of the usual guesses, and what is said where nothing can be."""

from dataclasses import replace

import numpy as np
import pytest

from metrics.forecast.outcomes import PastCampaign, Plan, actual, as_planned, forecast
from metrics.forecast.pooling import Observations, predict
from metrics.values.errors import RoistreamError
from tests.bench.bench_forecast import compared
from tests.support.past_campaigns import archive

UNIT = 1_000_000


@pytest.mark.slow
@pytest.mark.verify
def test_intervals_hold_as_often_as_they_say_and_pooling_beats_the_usual_guesses():
    held, errors = compared(200)
    assert 0.76 <= np.mean([one for each in held.values() for one in each]) <= 0.84
    for name, each in errors.items():
        pooled, everyone, alike = np.mean(each, axis=0)
        assert pooled < min(everyone, alike), name


@pytest.mark.slow
def test_a_value_with_many_campaigns_is_learned_and_one_with_few_leans_on_all():
    rng = np.random.default_rng(2)
    names = ["often"] * 12 + ["other"] * 12 + ["once"]
    logs = np.array([5.0] * 12 + [4.0] * 12 + [6.5]) + rng.normal(0, 0.1, 25)
    seen = Observations(
        logs, np.full(25, 0.01), rng.normal(0, 0.1, 25), [(name,) for name in names], (0.8, 0.2)
    )

    def middle(name):
        return float(np.median(predict(seen, 0.0, (name,), np.random.default_rng(3)).draws))

    assert middle("often") == pytest.approx(5.0, abs=0.15)
    assert 4.5 < middle("once") < 6.5
    assert 4.0 < middle("nobody has it") < 6.0
    leaning = predict(seen, 0.0, ("often",), np.random.default_rng(3)).leaning
    assert leaning.sum() == pytest.approx(1)
    assert leaning[:12].sum() > 0.9


@pytest.mark.slow
def test_a_campaign_that_nobody_was_like_has_a_wider_interval():
    *past, last = archive(np.random.default_rng(7))
    known = forecast(as_planned(last), past, np.random.default_rng(1))
    strange = replace(as_planned(last), attributes=("t", "o", "c", "b"))
    unknown = forecast(strange, past, np.random.default_rng(1))
    assert unknown.unseen == ("target", "offer", "channel", "objective")
    assert known.unseen == ()
    widths = [np.log(each.figures["leads"].high / each.figures["leads"].low) for each in (known, unknown)]
    assert widths[1] > widths[0]


@pytest.mark.slow
def test_twice_the_budget_brings_less_than_twice_the_leads_and_the_same_seed_gives_the_same():
    *past, last = archive(np.random.default_rng(9))
    plan = as_planned(last)
    once = forecast(plan, past, np.random.default_rng(1))
    twice = forecast(replace(plan, budget=2 * plan.budget), past, np.random.default_rng(1))
    ratio = twice.figures["leads"].estimate / once.figures["leads"].estimate
    assert 1.2 < ratio < 2.0
    assert twice.figures["cpl"].estimate > once.figures["cpl"].estimate
    assert forecast(plan, past, np.random.default_rng(1)) == once


def plain(number, **known):
    return PastCampaign(f"c{number}", (None,) * 4, 10, 100 * UNIT, **known)


@pytest.mark.slow
def test_what_past_campaigns_do_not_know_is_not_forecast():
    plan = Plan("next", (None,) * 4, 10, 100 * UNIT)
    made = forecast(plan, [plain(number, leads=20 + number) for number in range(6)], np.random.default_rng(1))
    assert set(made.figures) == {"leads", "cpl"}
    assert made.figures["leads"].low < 23 < made.figures["leads"].high
    assert made.campaigns == 6
    assert sum(made.leans_on.values()) < 1.0001


@pytest.mark.parametrize(
    ("past", "said"),
    [
        ([plain(number, leads=3) for number in range(4)], "needs 5 past campaigns that spent; there are 4"),
        ([replace(plain(number, leads=3), spend=0) for number in range(9)], "there are 0"),
        ([plain(number, leads=0, orders=0) for number in range(9)], "No past campaign has a lead"),
    ],
)
def test_where_nothing_can_be_said_that_is_said(past, said):
    with pytest.raises(RoistreamError, match=said):
        forecast(Plan("next", (None,) * 4, 10, UNIT), past, np.random.default_rng(1))


def test_what_came_has_the_names_of_what_was_expected():
    came = actual(plain(1, leads=10, orders=2, new_customers=1, revenue=150 * UNIT))
    assert came == {
        "leads": 10,
        "orders": 2,
        "new_customers": 1,
        "revenue": 150.0,
        "cpl": 10.0,
        "cac": 100.0,
        "roi": 0.5,
    }
    assert actual(plain(1)) == {}

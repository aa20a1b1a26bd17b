"""Worlds to try a policy in: what campaigns bring there is what the world says, and the trial goes through the controller."""

import json

import numpy as np
import pytest

from metrics.budget.policy import preset
from metrics.budget.worlds import WORLDS, Trial, World, run_trial
from metrics.budget.worlds.paths import make_paths
from metrics.values.errors import RoistreamError
from streams.commands import worlds as command

SEED = 20_261_129
#: Their mean is not the target's within the horizon: results lag or learn, or the mean of the law is hardly ever seen.
_SHORT = {
    "learning phase",
    "young board that learns, 25 a day",
    "lag of 3 days, 25 a day",
    "ROAS, Pareto 1.5",
    "turns bad after 300",
}


@pytest.mark.parametrize(
    "world", [w for w in WORLDS.values() if w.name not in _SHORT], ids=lambda world: world.name
)
def test_in_every_world_a_healthy_campaign_meets_its_target_in_the_long_run(world):
    rng = np.random.default_rng(SEED)
    paths = make_paths(world, np.ones(400), rng.integers(0, 7, 400), rng)
    brought = paths.results if world.target == "cpl" else paths.value - paths.refunds
    # What a lag, a month of refunds and the last report hold back is in neither end of this.
    first, last = (paths.spend.shape[1] * part // 8 // 168 * 168 - 1 for part in (5, 8))
    first, last = max(first, 23), max(last, 47)
    ratio = (brought[:, last] - brought[:, first]).sum() / (
        paths.spend[:, last] - paths.spend[:, first]
    ).sum()
    assert ratio == pytest.approx(1, abs=0.1)


def test_a_day_scatters_as_much_as_the_world_says():
    rng = np.random.default_rng(SEED)
    for name, dispersion in (
        ("plain", 1.0),
        ("scatter by day 2", 2.0),
        ("scatter by day 4", 4.0),
        ("clusters of 2", 3.0),
    ):
        paths = make_paths(WORLDS[name], np.ones(2_000), np.zeros(2_000, dtype=np.int64), rng)
        days = np.diff(paths.results[:, 23::24], axis=1)
        assert days.var() / days.mean() == pytest.approx(dispersion, rel=0.1)


def test_a_campaign_that_turns_bad_was_good_before():
    rng = np.random.default_rng(SEED)
    paths = make_paths(WORLDS["turns bad after 300"], np.full(300, 2.0), np.zeros(300, dtype=np.int64), rng)
    turn = int(300 / 5 * 24) - 1
    assert paths.results[:, turn].mean() == pytest.approx(300, rel=0.05)
    assert (paths.results[:, -1] - paths.results[:, turn]).mean() == pytest.approx(100, rel=0.05)


@pytest.mark.slow
def test_a_trial_says_what_became_of_each_kind_and_the_same_seed_says_the_same():
    found = [run_trial(WORLDS["plain"], preset("bold"), Trial(boards=1, looks=4)) for _ in range(2)]
    assert found[0] == found[1]
    assert (found[0].healthy, found[0].bad) == (40, 10)
    assert found[0].caught >= 0.8
    assert found[0].median < found[0].p95


def test_campaigns_better_than_their_target_are_recognised_and_count_as_neither_healthy_nor_bad():
    world = World(name="better", horizon=200.0)
    found = run_trial(world, preset("bold"), Trial(boards=1, size=10, bad_share=0.5, bad_ratio=0.5, looks=1))
    assert (found.healthy, found.bad, found.better) == (5, 0, 5)
    assert found.recognised == 1.0
    assert 20 <= found.praise_median <= 100


def test_a_board_with_a_history_counts_the_campaigns_that_come_after_it():
    world = World(name="known", has_history=True, horizon=20.0)
    found = run_trial(world, preset("standard"), Trial(boards=1, size=10, looks=1))
    assert (found.healthy, found.bad) == (8, 2)


def test_a_person_who_renews_a_campaign_pauses_and_resumes_it():
    short = World(name="renewed", renewed_days=2, horizon=40.0)
    found = run_trial(short, preset("standard"), Trial(boards=1, size=10, looks=2))
    assert found.healthy == 8


def test_the_command_prints_a_row_for_each_world_that_was_asked_for(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    assert command.run(preset("standard"), Trial(boards=1, size=10, looks=2), ["plain"]) == 0
    assert "plain" in capsys.readouterr().out
    command.run(preset("standard"), Trial(boards=1, size=10, looks=2), ["plain"], as_json=True)
    assert [each["world"] for each in json.loads(capsys.readouterr().out)] == ["plain"]
    with pytest.raises(RoistreamError, match="no world"):
        command.run(preset("standard"), Trial(boards=1), ["nowhere"])

"""The simulated ad platform obeys orders, once, and nothing else."""

from decimal import Decimal

import pytest

from metrics.values.time import MINUTE, SECOND
from streams import topics
from streams.demo.ad_platform import MAX_LEVEL, AdPlatform
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld

NOW = 1_795_294_803_333
SOCIAL = "spring-sale-social"


def action(verb: str, number: int = 1, **fields) -> dict:
    return {"action_id": f"a-{number}", "campaign_id": "c-1", "verb": verb, "mode": "enforce", **fields}


@pytest.fixture
def platform() -> AdPlatform:
    return AdPlatform({"c-1": Decimal(100), "c-2": Decimal(50)})


def test_pause_stops_and_resume_restores(platform) -> None:
    assert platform.apply(action("pause", 1))
    assert (platform.level("c-1"), platform.level("c-2")) == (0.0, 1.0)
    assert platform.apply(action("resume", 2))
    assert platform.level("c-1") == 1.0


@pytest.mark.parametrize(("budget", "level"), [(50, 0.5), ("250.00", 2.5), (0, 0.0), (10**9, MAX_LEVEL)])
def test_a_budget_is_the_level_of_delivery(platform, budget, level) -> None:
    platform.apply(action("set_budget", budget_to=budget))
    assert platform.level("c-1") == level


@pytest.mark.parametrize("budget", [None, "much", -1, "NaN", "Infinity"])
def test_a_budget_that_makes_no_sense_changes_nothing(platform, budget) -> None:
    assert not platform.apply(action("set_budget", budget_to=budget))
    assert platform.level("c-1") == 1.0


def test_a_move_takes_budget_and_column(platform) -> None:
    assert platform.apply(action("move", 1, column="scale", budget_to=200))
    assert platform.level("c-1") == 2.0
    assert platform.apply(action("move", 2, column="hold"))
    assert platform.level("c-1") == 0.0
    assert platform.apply(action("move", 3, column="test"))
    assert platform.level("c-1") == 2.0


@pytest.mark.parametrize("mode", ["observe", "propose", None])
def test_only_enforced_actions_are_orders(platform, mode) -> None:
    assert not platform.apply(action("pause", mode=mode))
    assert platform.level("c-1") == 1.0


def test_an_action_is_obeyed_once(platform) -> None:
    platform.apply(action("pause", 1))
    platform.apply(action("resume", 2))
    assert not platform.apply(action("pause", 1))
    assert platform.level("c-1") == 1.0


@pytest.mark.parametrize(
    "record", [{}, {"campaign_id": "c-9"}, action("dance"), action("pause", campaign_id=None)]
)
def test_what_is_not_understood_changes_nothing(platform, record) -> None:
    assert not platform.apply(record)


def test_a_control_arm_ignores_every_action() -> None:
    control = AdPlatform({"c-1": Decimal(100)}, obeys=False)
    assert not control.apply(action("pause"))
    assert control.level("c-1") == 1.0


def test_an_organic_campaign_is_paused_but_not_scaled() -> None:
    platform = AdPlatform({"c-1": Decimal(0)})
    platform.apply(action("set_budget", budget_to=100))
    assert platform.level("c-1") == 1.0


def ad_traffic(world: DemoWorld, until_ms: int) -> int:
    """New clicks and impressions of the social campaign; late copies of old ones do not count."""
    start = world.clock.live_ms
    return sum(
        a.record.get("campaign_id") == SOCIAL
        and a.topic in {topics.CLICKS, topics.IMPRESSIONS}
        and a.occurred_at_ms > start
        for a in world.advance(until_ms)
    )


@pytest.mark.slow
def test_a_paused_campaign_sends_no_more_ad_traffic_and_a_resumed_one_does() -> None:
    world = DemoWorld(7, 12, 100, SimulatedClock.starting(NOW))
    list(world.advance(NOW))
    world.platform.apply(action("pause", 1, campaign_id=SOCIAL))
    assert ad_traffic(world, NOW + MINUTE) == 0
    world.platform.apply(action("resume", 2, campaign_id=SOCIAL))
    assert ad_traffic(world, NOW + 2 * MINUTE) > 100


@pytest.mark.slow
def test_a_doubled_budget_doubles_the_clicks() -> None:
    world = DemoWorld(7, 12, 100, SimulatedClock.starting(NOW))
    list(world.advance(NOW + 10 * SECOND))
    opening = world.platform.accounts[SOCIAL].opening

    def clicks(seconds: int) -> int:
        last = NOW + seconds * SECOND
        return sum(
            a.record.get("campaign_id") == SOCIAL and a.topic == topics.CLICKS for a in world.advance(last)
        )

    before = clicks(70)
    world.platform.apply(action("set_budget", campaign_id=SOCIAL, budget_to=str(opening * 2)))
    clicks(80)
    assert 1.7 < clicks(140) / before < 2.3

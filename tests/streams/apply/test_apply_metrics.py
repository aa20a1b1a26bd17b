"""The page says how effects stand, and counts each step of theirs once."""

import asyncio

from prometheus_client.parser import text_string_to_metric_families

from metrics.budget.effects.caps import Caps
from metrics.budget.effects.machine import Patience
from streams.apply.apply_metrics import COUNTERS, GAUGE, HISTOGRAM, OPEN, ROUND, ApplyMetrics
from streams.apply.carrier import Carrier
from tests.streams.apply.model_platform import ModelPlatform, World, finished
from tests.streams.apply.test_carrier_laws import action_of


class Watched(World):
    """A world that tells the page of each effect, as ``roistream apply`` does."""

    def __init__(self, there, metrics):
        super().__init__(there)
        self._metrics = metrics

    async def keep(self, effects):
        effects = list(effects)
        await super().keep(effects)
        for effect in effects:
            self._metrics.changed(effect)


def shown(metrics):
    text, kind = asyncio.run(metrics.page("text/plain"))
    assert kind.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
        if not sample.name.endswith(("_created", "_bucket"))
    }


def steps(world, carrier, count=6):
    for _ in range(count):
        finished(carrier.go_on())
        world.at += 40_000


def test_requests_waits_refusals_and_the_time_to_confirmation_are_counted_once():
    there, metrics = ModelPlatform(), ApplyMetrics(lambda: 0.0, lambda: 0)
    world = Watched(there, metrics)
    carrier = Carrier(world, Caps(), Patience())
    there.fates = ["throttled", "done", "refused"]
    decided = world.at
    finished(carrier.take([(action_of(0, "pause", decided), 0)]))
    steps(world, carrier)
    finished(carrier.take([(action_of(1, "set_budget", world.at, 900.0), 1)]))
    steps(world, carrier)
    found = shown(metrics)
    requests, refused, postponed = (f"{name}_total" for name in COUNTERS)
    assert found[postponed, frozenset({"meta", "rate_limited"})] == 1
    # The request that was not taken is counted, too: the platform was asked.
    assert found[requests, frozenset({"meta"})] == 3
    assert found[refused, frozenset({"meta", "refused_there"})] == 1
    assert found[f"{HISTOGRAM}_count", frozenset({"meta"})] == 1
    assert 30 < found[f"{HISTOGRAM}_sum", frozenset({"meta"})] < 200
    assert found[GAUGE, frozenset({"meta", "confirmed", ""})] == 1
    assert found[GAUGE, frozenset({"meta", "refused", "refused_there"})] == 1
    again = ApplyMetrics(lambda: 0.0, lambda: 0)
    again.known(world.log.values())
    assert {key: value for key, value in shown(again).items() if value} == {
        key: value for key, value in found.items() if key[0] == GAUGE
    }


def test_it_says_how_long_the_oldest_action_is_open_and_what_it_waits_for():
    there = ModelPlatform()
    metrics = ApplyMetrics(lambda: 7.0, lambda: world.at)
    world = Watched(there, metrics)
    carrier = Carrier(world, Caps(), Patience())
    there.fates = ["throttled"] * 3
    finished(carrier.take([(action_of(0, "pause", world.at - 20_000), 0)]))
    finished(carrier.go_on())
    world.at += 5_000
    found = shown(metrics)
    assert {key: value for key, value in found.items() if key[0] == OPEN} == {
        (OPEN, frozenset({"meta", "requested", "rate_limited"})): 25.0
    }
    assert found[ROUND, frozenset()] == 0.0
    there.fates = []
    steps(world, carrier)
    assert [key for key in shown(metrics) if key[0] == OPEN] == []


def test_it_is_ready_while_it_goes_round():
    at = [0.0]
    metrics = ApplyMetrics(lambda: at[0], lambda: 0)
    assert metrics.ready() == (True, {"effects": {}, "seconds_since_last_round": 0.0})
    at[0] = 301.0
    assert metrics.ready()[0] is False
    metrics.stepped()
    assert metrics.ready()[0] is True

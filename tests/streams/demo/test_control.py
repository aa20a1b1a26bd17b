"""The closed loop of the demo: its policy, on its world, pauses in forty seconds what surely misses its target, and that pays."""

import json
from collections import Counter, defaultdict
from datetime import datetime
from decimal import Decimal

import msgspec
import pytest

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.state import Board
from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.records.kpi_reading import CampaignKpi, OtherBasis, Sums
from metrics.values.money import MICROS
from metrics.values.time import SECOND, format_instant, to_millis
from streams import topics
from streams.demo.options import environment
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld

NOW = 1_800_000_000_000
NOTHING = dict.fromkeys(Sums.__struct_fields__, 0)
EUR = {"USD": 0.92, "GBP": 1.16}


class Totals:
    """``total`` of each campaign that is paid by its events, in the reporting currency."""

    def __init__(self) -> None:
        self.cost: Counter[str] = Counter()
        self.leads: dict[str, set[str]] = defaultdict(set)

    def add(self, arrival) -> None:
        record, name = arrival.record, arrival.record.get("campaign_id")
        if name is None or arrival.kind in ("duplicate", "broken"):
            return
        if arrival.topic in (topics.CLICKS, topics.IMPRESSIONS):
            self.cost[name] += float(record.get("cost") or 0) * EUR.get(str(record.get("currency")), 1.0)
        elif arrival.topic == topics.LEADS:
            self.leads[name].add(record["lead_id"])

    def readings(self, at: int, read_to: int) -> list[CampaignKpi]:
        return [
            CampaignKpi(
                campaign_id=name, channel=None, model="declared", window="total", window_start=None, window_end=None,
                stage="update", revision=at, currency="EUR",
                sums=Sums(**NOTHING | {"spend_micros": round(cost * MICROS), "leads": len(self.leads[name])}),
                other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0), kpis={},
                watermark=format_instant(read_to), published_at=format_instant(at),
            )
            for name, cost in self.cost.items()
            if cost
        ]  # fmt: skip


def registry_of(world: DemoWorld) -> CampaignRegistry:
    registry = CampaignRegistry("EUR")
    for arrival in world.registrations():
        if arrival.topic == topics.CAMPAIGNS:
            registry.register(arrival.key, msgspec.convert(arrival.record, Campaign, strict=False))
        else:
            rate = arrival.record
            registry.set_rate(
                rate["currency"], to_millis(datetime.fromisoformat(rate["valid_from"])), Decimal(rate["rate"])
            )
    return registry


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8, 9])
def test_in_forty_seconds_the_demo_pauses_a_bad_campaign_and_gains_over_the_arm_in_which_nobody_acts(seed):
    given = environment({}, broker="b:1", redis="redis://r", port=None, state_dir="s")
    policies = parse(json.loads(given["ROISTREAM_BUDGET"]))
    clock = SimulatedClock.starting(NOW)
    obeying, control = (DemoWorld(seed, 12, 50.0, clock, obeys=obeys) for obeys in (True, False))
    facts = registry_of(obeying).campaigns
    board, totals, paused = Board(), Totals(), set()
    for seconds in range(0, 41, 5):  # a total moves every five seconds
        at = NOW + seconds * SECOND
        for arrival in obeying.advance(at):
            totals.add(arrival)
        assert list(control.advance(at))
        read_to = at - 5 * SECOND
        context = Context(
            policies, "enforce", is_live=True, currency="EUR", facts=facts, reached=lambda _, to=read_to: to
        )
        board, actions = step(board, Inputs(totals.readings(at, read_to)), context, at)
        for action in actions:
            obeying.platform.apply(msgspec.to_builtins(action))
            paused |= {action.campaign_id} if action.rule.startswith("evidence:") else set()
    truth = {
        profile.campaign_id: profile.expected_cpl / profile.target_cpl
        for profile in obeying.profiles
        if profile.target_cpl
    }
    assert paused
    assert all(truth[name] > 1.4 for name in paused)
    assert obeying.ground_truth.profit > control.ground_truth.profit

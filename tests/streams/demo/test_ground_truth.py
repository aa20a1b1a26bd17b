"""The demo's two arms: what a world has spent and earned, and that the control arm meets the same people."""

from streams import topics
from streams.demo.delivery import Arrival
from streams.demo.ground_truth import GroundTruth, verdict
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld

NOW = 1_800_000_000_000


def arrival(topic, record, kind="plain"):
    return Arrival(topic, "v", record, NOW, NOW, kind)


def test_spend_revenue_refunds_and_cancellations_are_counted_once():
    ground_truth = GroundTruth({"USD": 0.5})
    report = {"campaign_id": "c", "period_start": NOW}
    placed = {"order_id": "o1", "revenue": "50", "cost_of_goods": "20"}
    for each in (
        arrival(topics.CLICKS, {"cost": 2}),
        arrival(topics.CLICKS, {"cost": 2}, "duplicate"),
        arrival(topics.CLICKS, {"cost": 4, "currency": "USD"}),
        arrival(topics.REPORTS, report | {"spend": 5}),
        arrival(topics.REPORTS, report | {"spend": 6}),
        arrival(topics.ORDERS, placed),
        arrival(topics.ORDERS, placed | {"order_id": "o2"}),
        arrival(topics.ORDERS, {"order_id": "o1", "kind": "refunded", "revenue": "10"}),
        arrival(topics.ORDERS, {"order_id": "o2", "kind": "cancelled"}),
    ):
        ground_truth.count(each)
    assert ground_truth.spend == 10_000_000
    assert ground_truth.profit == (50 - 10 - 20 - 10) * 1_000_000
    assert ground_truth.roi == 1.0


def test_without_actions_both_arms_take_the_same():
    clock = SimulatedClock.starting(NOW)
    arms = [DemoWorld(7, 4, 20.0, clock, obeys=obeys) for obeys in (True, False)]
    for world in arms:
        assert list(world.advance(NOW + 5_000))
    assert arms[0].ground_truth.spend == arms[1].ground_truth.spend > 0
    assert arms[0].ground_truth.profit == arms[1].ground_truth.profit
    assert "profit +0.00" in verdict(arms[1].ground_truth, arms[0].ground_truth, 1)


def test_where_nothing_was_obeyed_no_gain_is_claimed_and_what_actions_wait_for_is_said():
    truth = GroundTruth({})
    truth.count(Arrival(topics.CLICKS, "v", {"cost": 1.0, "campaign_id": "c-1"}, 0, 0))
    told = verdict(truth, truth, 0)
    assert "no action was obeyed" in told
    assert "wait for a person on the board" in told

"""Figures of a day that goes on: what its reports have seen counts in every window that holds it, and no more."""

from metrics.entities.campaigns import Campaign, CampaignRegistry
from metrics.values.time import DAY, HOUR, MINUTE
from streams import topics
from tests.laws.cases import play, read_case
from tests.laws.facts import T0
from tests.laws.machine import Machine

NOW = T0 + 8 * HOUR + 15 * MINUTE


def machine_with(*reports, orders=1):
    machine = Machine(1)
    machine.campaign_registry.register("c", Campaign("c", cost_basis="reports"))
    for number, (start, end, reported_at, spend) in enumerate(reports):
        period = {"period_start": start, "period_end": end, "reported_at": reported_at}
        value = {"report_id": f"r{number}", "source": "ads", "campaign_id": "c", **period, "spend": spend}
        machine.produce(topics.REPORTS, "c", value)
    for number in range(orders):
        order = {
            "event_id": f"o{number}",
            "order_id": f"o{number}",
            "occurred_at": NOW - MINUTE,
            "campaign_id": "c",
        }
        machine.produce(topics.ORDERS, "v", {**order, "revenue": 20})
    machine.settle()
    return machine


def readings(machine):
    return machine.views.declared["c"]


def test_every_window_that_holds_what_the_report_has_seen_shows_all_of_its_money():
    machine = machine_with((T0, T0 + DAY, NOW - MINUTE, 10))
    for window in ("24h", "7d", "today", "total"):
        reading = readings(machine)[window]
        assert (reading.sums.spend_micros, reading.kpis["roas"]) == (10_000_000, 2.0)
        assert reading.spread_ratio == 0
    assert machine.last()["c", "1d", "2026-11-18T00:00:00Z"]["sums"]["spend_micros"] == 10_000_000


def test_a_total_says_how_far_its_reports_reach_and_what_the_day_before_cost():
    machine = machine_with((T0 - DAY, T0, T0, 24), (T0, T0 + DAY, T0 + 6 * HOUR, 10))
    known = readings(machine)["total"].known_spend
    assert (known.since, known.until) == ("2026-11-17T06:00:00Z", "2026-11-18T06:00:00Z")
    assert (known.spend_micros, known.is_by_hour) == (28_000_000, False)  # 18 of yesterday's 24 hours
    assert known.total_micros == 34_000_000
    assert readings(machine)["24h"].known_spend is None


def test_a_report_that_says_the_same_again_later_is_told_and_one_that_came_twice_moves_nothing():
    machine = machine_with((T0, T0 + DAY, T0 + 6 * HOUR, 10), (T0, T0 + DAY, T0 + 8 * HOUR, 10))
    known = readings(machine)["total"].known_spend
    assert (known.until, known.spend_micros) == ("2026-11-18T08:00:00Z", 10_000_000)
    again = machine_with(*[(T0, T0 + DAY, at, 10) for at in (T0 + 8 * HOUR, T0 + 6 * HOUR, T0 + 8 * HOUR)])
    assert readings(again)["total"].known_spend == known


def test_the_case_of_a_report_of_a_day_that_goes_on(shared):
    registration, *written = read_case(shared / "cases/events/01-intraday-day-report.jsonl")
    registry = CampaignRegistry("EUR")
    registry.register("n1", Campaign(**registration["value"]))
    machine = play(written, registry)
    for window in ("24h", "7d", "today", "total"):
        reading = machine.views.declared["n1"][window]
        assert (reading.sums.spend_micros, reading.kpis["roas"]) == (10_000_000, 2.0)


def test_yesterday_in_a_rolling_day_is_said_to_be_an_estimate():
    machine = machine_with((T0 - DAY, T0, T0, 24), (T0, T0 + DAY, NOW - MINUTE, 10))
    day = readings(machine)["24h"]
    assert day.sums.spend_micros == 25_750_000  # 15¾ of yesterday's 24 hours
    assert day.spread_ratio == round(15.75 / 25.75, 6)
    assert readings(machine)["total"].spread_ratio == 0


def test_hours_and_their_day_are_the_same_money():
    hours = [(T0 + hour * HOUR, T0 + (hour + 1) * HOUR, T0 + (hour + 1) * HOUR, 1) for hour in range(8)]
    machine = machine_with(*hours, (T0, T0 + DAY, T0 + 8 * HOUR, 9))
    assert readings(machine)["total"].sums.spend_micros == 8_000_000
    assert readings(machine)["today"].sums.spend_micros == 8_000_000


def test_spend_that_is_no_reports_is_no_estimate():
    machine = Machine(1)
    click = {"event_id": "e", "occurred_at": NOW, "campaign_id": "c", "cost": 1}
    machine.produce(topics.CLICKS, "v", click)
    machine.settle()
    assert readings(machine)["24h"].spread_ratio is None
    assert readings(machine)["total"].known_spend is None

"""Figures of a day that goes on: what its reports have seen counts in every window that holds it, and no more."""

from decimal import Decimal

import pytest

from metrics.entities.campaigns import Campaign, CampaignRegistry
from metrics.records.events import Targets
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


def matched(machine):
    found = readings(machine)["total"].matched_sums
    return None if found is None else (found.until, found.sums.spend_micros, found.sums.orders)


def test_results_stand_beside_the_spend_of_their_time_whenever_its_report_came():
    def told(*made_at):
        machine = machine_with(orders=0)
        for number, minutes in enumerate(range(0, 8 * 60, 10)):  # an order each ten minutes
            order = {"event_id": f"e{number}", "order_id": f"e{number}", "occurred_at": T0 + minutes * MINUTE}
            machine.produce(topics.ORDERS, "v", {**order, "campaign_id": "c", "revenue": 20})
        for number, (at, spend) in enumerate(made_at):
            period = {"period_start": T0, "period_end": T0 + DAY, "reported_at": at}
            value = {"report_id": f"r{number}", "source": "ads", "campaign_id": "c", **period, "spend": spend}
            machine.produce(topics.REPORTS, "c", value)
        machine.settle()
        return machine

    first = ("2026-11-18T06:00:00Z", 12_000_000, 36)
    assert matched(told((T0 + 6 * HOUR, 12))) == first
    total = readings(told((T0 + 6 * HOUR, 12)))["total"]
    assert (total.sums.orders, total.kpis["roas"]) == (48, 80.0)  # of all orders, with the spend of six hours
    # A later report moves the instant, and what it tells of before is what it was.
    assert matched(told((T0 + 6 * HOUR, 12), (T0 + 7 * HOUR, 20))) == ("2026-11-18T07:00:00Z", 20_000_000, 42)
    # To the minute of the last two hours, before that to the quarter of an hour, as evenly as spend is known.
    assert matched(told((T0 + 6 * HOUR + 7 * MINUTE, 367))) == ("2026-11-18T06:07:00Z", 367_000_000, 37)
    assert matched(told((T0 + 5 * HOUR + 7 * MINUTE, 307))) == ("2026-11-18T05:00:00Z", 300_000_000, 30)
    # A report that is ahead of all events counts as far as they are known to be complete.
    ahead = told((T0 + 12 * HOUR, 24))
    assert matched(ahead) == ("2026-11-18T07:50:00Z", 15_666_666, 47)
    assert matched(told()) is None


@pytest.mark.parametrize("first", ["report", "orders"])
def test_of_a_campaign_that_begins_in_the_middle_of_a_day_no_spend_is_compared_with_results_of_before(first):
    """A unit is spent and an order comes each minute from 07:00 on; at 07:08 a report tells of the day since midnight."""
    machine = machine_with(orders=0)
    report = {
        "report_id": "r",
        "source": "ads",
        "campaign_id": "c",
        "reported_at": T0 + 7 * HOUR + 8 * MINUTE,
    }
    report |= {"period_start": T0, "period_end": T0 + DAY, "spend": 8}
    if first == "report":
        machine.produce(topics.REPORTS, "c", report)
    for minute in range(20):
        at = T0 + 7 * HOUR + minute * MINUTE
        order = {"event_id": f"e{minute}", "order_id": f"e{minute}", "occurred_at": at, "campaign_id": "c"}
        machine.produce(topics.ORDERS, "v", {**order, "revenue": 1})
    if first == "orders":
        machine.produce(topics.REPORTS, "c", report)
    machine.settle()
    assert matched(machine) == ("2026-11-18T07:08:00Z", 8_000_000, 8)


def test_each_campaign_is_matched_where_its_own_reports_reach_to():
    machine = Machine(1)
    for name, hours in (("a", 2), ("b", 3), ("c", 3)):
        machine.campaign_registry.register(name, Campaign(name, cost_basis="reports"))
        value = {
            "report_id": name,
            "source": "ads",
            "campaign_id": name,
            "period_start": T0,
            "period_end": T0 + DAY,
        }
        made = {"reported_at": T0 + hours * HOUR, "spend": hours}
        if name != "c":
            machine.produce(topics.REPORTS, name, value | made)
    for number in range(40):
        for name in "abc":
            when = T0 + number * 10 * MINUTE
            lead = {"event_id": f"{name}{number}", "lead_id": f"{name}{number}", "occurred_at": when}
            machine.produce(topics.LEADS, f"v{number}", {**lead, "campaign_id": name})
    machine.settle()
    found = {name: machine.views.declared[name]["total"].matched_sums for name in "abc"}
    assert (found["a"].sums.leads, found["a"].sums.spend_micros) == (12, 2_000_000)
    assert (found["b"].sums.leads, found["b"].sums.spend_micros) == (18, 3_000_000)
    assert found["c"] is None


def test_a_window_says_of_how_much_of_its_time_no_report_says_what_it_cost():
    """An order at 08:14, which is the watermark; reports reach from 02:00 to 06:00, or a day further back."""
    machine = machine_with((T0 + 2 * HOUR, T0 + DAY, T0 + 6 * HOUR, 10))
    since, now = 2 * HOUR, 8 * HOUR + 14 * MINUTE
    young = round((now - 6 * HOUR) / (now - since), 6)
    found = {window: each.unreported_ratio for window, each in readings(machine).items()}
    assert found == {"5m": None, "1h": None, "24h": young, "7d": young, "today": young, "total": young}
    old = machine_with(
        (T0 - 2 * DAY, T0 - DAY, T0 - DAY, 9), (T0 - DAY, T0, T0, 9), (T0, T0 + DAY, T0 + 6 * HOUR, 10)
    )
    assert readings(old)["24h"].unreported_ratio == pytest.approx((now - 6 * HOUR) / DAY, abs=0.001)
    assert readings(old)["today"].unreported_ratio == round((now - 6 * HOUR) / now, 6)
    assert {each.unreported_ratio for each in readings(machine_with()).values()} == {None, 1.0}


def test_evidence_on_a_total_compares_results_with_the_spend_of_their_time():
    """Half as many leads as were due in the four hours that reports have seen, and as many again since."""
    machine = Machine(1)
    machine.campaign_registry.register(
        "c", Campaign("c", cost_basis="reports", targets=Targets(cpl=Decimal(1)))
    )
    value = {
        "report_id": "r",
        "source": "ads",
        "campaign_id": "c",
        "period_start": T0,
        "period_end": T0 + DAY,
    }
    machine.produce(topics.REPORTS, "c", {**value, "reported_at": T0 + 4 * HOUR, "spend": 60})
    for number in range(60):
        lead = {"event_id": f"e{number}", "lead_id": f"l{number}", "occurred_at": T0 + number * 8 * MINUTE}
        machine.produce(topics.LEADS, "v", {**lead, "campaign_id": "c"})
    machine.settle()
    total = readings(machine)["total"]
    assert (total.matched_sums.sums.leads, total.sums.leads) == (30, 60)
    assert total.evidence["cpl"].verdict == "bad"


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


def test_days_that_a_later_report_leaves_out_keep_their_money_and_are_said_to_be_estimates():
    """A connector that reads the first days of a range again, after it had read all of it."""
    whole = (T0 - 7 * DAY, T0, T0 + HOUR, 70)
    again = (T0 - 7 * DAY, T0 - 2 * DAY, T0 + 2 * HOUR, 52)
    for reports in ((whole, again), (again, whole)):
        machine = machine_with(*reports)
        assert readings(machine)["total"].sums.spend_micros == 70_000_000
        last = machine.last()["c", "1d", "2026-11-17T00:00:00Z"]
        assert last["sums"]["spend_micros"] == 9_000_000
        assert (last["spread_ratio"], last["unreported_ratio"]) == (1.0, 0.0)
    machine = machine_with(whole, again, (T0 - 2 * DAY, T0 - DAY, T0 + 2 * HOUR, 7))
    assert readings(machine)["total"].sums.spend_micros == 68_000_000


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
    assert readings(machine)["24h"].unreported_ratio is None
    assert readings(machine)["total"].known_spend is None

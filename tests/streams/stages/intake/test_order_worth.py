"""What orders are worth when rates and registrations change: as much at once as a checkpoint takes, and nothing for nothing."""

from decimal import Decimal

import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.values.time import DAY, MINUTE
from streams import topics
from streams.stages.intake import order_worth
from streams.state.keyed_table import KeyedTable
from tests.laws.machine import INTAKE, Machine

NOW = 1_795_000_000_000


def machine_of(*orders, **options):
    """One partition that has read and published orders of a campaign."""
    machine = Machine(1, CampaignRegistry("EUR"), models=(), rollups=(), customer_retention=0, **options)
    produce(machine, *orders)
    machine.settle()
    return machine


def produce(machine, *orders):
    for order in orders:
        number = len(machine.sources[topics.ORDERS, 0])
        value = {"event_id": f"e{number}", "order_id": f"o{number}", "occurred_at": NOW, "campaign_id": "c"}
        value |= {"visitor_id": "v", "revenue": "10", **order}
        machine.produce(topics.ORDERS, "v", value, max(NOW, value["occurred_at"]))


def of_total(machine, name):
    return machine.last()["c", "total", None]["sums"][name]


def revenue(machine):
    machine.settle()
    return of_total(machine, "revenue_micros")


def is_uncertain(machine):
    return machine.last()["c", "total", None]["has_uncertain_amounts"]


USD = {"currency": "USD"}


def test_so_many_orders_are_valued_anew_with_one_checkpoint_and_all_in_the_end(monkeypatch):
    monkeypatch.setattr(order_worth, "_MOST_LOOKED_AT", 3)
    machine = machine_of(*[USD] * 10)
    assert (of_total(machine, "orders"), revenue(machine), is_uncertain(machine)) == (10, 0, True)
    assert len(machine.intake(0).conversions.worth.uncertain) == 10
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.tick()
    assert len(machine.intake(0).conversions.worth.uncertain) == 7
    machine.open(INTAKE, 0)  # a successor finds them all
    assert (revenue(machine), is_uncertain(machine)) == (50_000_000, False)
    assert not machine.intake(0).conversions.worth.uncertain


def test_as_many_bytes_as_a_checkpoint_takes_are_valued_anew_with_it(monkeypatch):
    monkeypatch.setattr(order_worth, "_MOST_BYTES", 1)
    machine = machine_of(*[USD] * 3)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.tick()
    assert len(machine.intake(0).conversions.worth.uncertain) == 2
    assert revenue(machine) == 15_000_000


def read_while(monkeypatch, machine, change):
    """How many orders are looked at because of a change."""
    looked_at, get = [], KeyedTable.get

    def counted(table, key):
        looked_at.append(key)
        return get(table, key)

    with monkeypatch.context() as patched:
        patched.setattr(KeyedTable, "get", counted)
        change(machine.campaign_registry)
        machine.settle()
    return len(looked_at)


@pytest.mark.parametrize(
    ("change", "count"),
    [
        # a rate that begins with the third day is about the orders that are kept of it and later
        (lambda registry: registry.set_rate("USD", NOW + 2 * DAY, Decimal(2)), 2),
        # a rate that is known already
        (lambda registry: registry.set_rate("USD", 0, Decimal("0.5")), 0),
        # a rate of a currency in which no order came
        (lambda registry: registry.set_rate("GBP", 0, Decimal(2)), 0),
        # a campaign that is paid in the currency of the reports
        (lambda registry: registry.register("c", Campaign("c", channel="search")), 0),
        (lambda registry: registry.register("c", Campaign("c", currency="USD")), 4),
    ],
)
def test_a_change_looks_at_the_orders_that_it_may_be_about(monkeypatch, change, count):
    machine = machine_of(*[{**USD, "occurred_at": NOW + day * DAY} for day in range(4)])
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.settle()
    assert read_while(monkeypatch, machine, change) == count


def test_a_rate_whose_withdrawal_is_gone_from_the_log_too_is_withdrawn():
    machine = machine_of(USD)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    assert revenue(machine) == 5_000_000
    machine.campaign_registry = CampaignRegistry("EUR")
    machine.open(INTAKE, 0)
    assert (revenue(machine), is_uncertain(machine)) == (0, True)


def test_orders_that_name_no_currency_follow_the_registrations_of_their_campaign():
    machine = machine_of({}, {"occurred_at": NOW + MINUTE})
    registry = machine.campaign_registry
    registry.set_rate("USD", 0, Decimal("0.5"))
    assert revenue(machine) == 20_000_000
    registry.set_records("c", [Campaign("c", currency="USD", valid_from=NOW + MINUTE)])
    assert revenue(machine) == 15_000_000
    machine.open(INTAKE, 0)
    registry.set_records("c", [Campaign("c", currency="USD")])
    assert revenue(machine) == 10_000_000
    registry.set_records("c", [Campaign("c", currency="EUR")])
    assert revenue(machine) == 20_000_000


def test_edits_are_worth_what_the_rate_of_the_placement_says_and_refunds_what_that_of_their_own_time_says():
    edit = {**USD, "order_id": "o", "revenue": "20", "occurred_at": NOW + DAY}
    refund = {**USD, "order_id": "o", "kind": "refunded", "revenue": "1", "occurred_at": NOW + DAY}
    machine = machine_of({**USD, "order_id": "o"}, edit, refund)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.campaign_registry.set_rate("USD", NOW + DAY, Decimal(3))
    assert revenue(machine) == 10_000_000
    assert of_total(machine, "refunds_micros") == 3_000_000


def test_a_repetition_is_one_whatever_the_amounts_are_worth_by_then():
    machine = machine_of({**USD, "event_id": "e", "order_id": "o"})
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    produce(machine, {**USD, "event_id": "e", "order_id": "o"})
    assert revenue(machine) == 5_000_000
    counts = machine.intake(0).ledger[topics.ORDERS]
    assert (counts.applied, counts.duplicate) == (1, 1)


def test_refunds_of_one_minute_and_currency_are_rounded_as_one():
    refunds = [
        {**USD, "order_id": "o", "kind": "refunded", "revenue": "0.000001", "occurred_at": NOW + n}
        for n in range(3)
    ]
    machine = machine_of({"order_id": "o"}, *refunds)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    machine.settle()
    assert of_total(machine, "refunds_micros") == 2  # of 1.5


def test_what_is_kept_no_more_is_uncertain_no_more():
    machine = machine_of(USD, order_retention=DAY)
    worth = machine.intake(0).conversions.worth
    assert len(worth.uncertain) == 1
    for topic in topics.EVENT_SOURCES:
        later = {"event_id": "late", "occurred_at": NOW + 9 * DAY, "campaign_id": "c", "lead_id": "l"}
        machine.produce(
            topic, "v", {**later, "order_id": "new", "visitor_id": "v", "revenue": "1"}, NOW + 9 * DAY
        )
    machine.settle()
    assert not worth.uncertain


def test_models_mark_the_campaigns_that_an_uncertain_order_is_credited_to():
    machine = Machine(1, CampaignRegistry("EUR"), models=("linear",), rollups=())
    for n, campaign in enumerate(("a", "b")):
        click = {"event_id": f"k{n}", "occurred_at": NOW - MINUTE, "campaign_id": campaign, "visitor_id": "v"}
        machine.produce(topics.CLICKS, "v", click, NOW)
    other = {"event_id": "k9", "occurred_at": NOW - MINUTE, "campaign_id": "other", "visitor_id": "w"}
    machine.produce(topics.CLICKS, "w", other, NOW)
    produce(machine, {**USD, "campaign_id": None})

    def marked():
        machine.settle()
        readings = machine.last("linear").items()
        return {key[0] for key, each in readings if key[1] == "total" and each["has_uncertain_amounts"]}

    # Where it is declared it is marked in models too: costs and orders are not told apart there.
    assert marked() == {"a", "b", "(none)"}
    machine.open(INTAKE, 0)
    machine.campaign_registry.set_rate("USD", 0, Decimal("0.5"))
    assert marked() == set()
    assert machine.last("linear")["a", "total", None]["sums"]["revenue_micros"] == 2_500_000

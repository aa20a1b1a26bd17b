"""New and distinct customers are those of the facts, whatever partitions the orders came on."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.orders import FirstOrder, Purchase
from streams import topics
from streams.stages.intake.customer_homes import home_of
from tests.laws.cases import NOW, at, click, order, play, read_case, totals
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, Machine

MODEL = "last_touch"


def bought(n, seconds, device, customer="cust-1", partition=None, campaign="ad", **more):
    return order(n, seconds, device, None, partition, customer_id=customer, campaign_id=campaign, **more)


def test_the_case_of_two_devices_of_one_customer(shared):
    machine = play(read_case(shared / "cases/events/10-two-devices-one-customer.jsonl"))
    assert totals(machine, "new_customers") == {"n10": 1}
    assert machine.last()["n10", "total", None]["kpis"]["cac"] == 10


@pytest.mark.parametrize("models", [(), (MODEL,)])
def test_a_customer_on_four_partitions_is_new_once_and_at_the_first_order(models):
    made = [bought(str(n), -60 + n, f"device-{n}", partition=n, campaign=f"ad{n}") for n in range(4)]
    for placed in (made, made[::-1]):
        machine = play(placed, models=models)
        assert totals(machine, "new_customers") == {"ad0": 1}
        assert per_customer(machine) == {f"ad{n}": 10 for n in range(4)}
        assert totals(machine, "orders") == {f"ad{n}": 1 for n in range(4)}


def test_an_earlier_order_that_comes_last_on_another_partition_moves_the_count():
    machine = play([bought("1", -60, "phone", partition=0, campaign="a")])
    machine.produce_to(3, topics.ORDERS, "laptop", bought("0", -120, "laptop", campaign="b")["value"])
    machine.settle()
    assert totals(machine, "new_customers") == {"b": 1}


def test_an_order_that_says_itself_who_is_new_keeps_its_word_on_any_partition():
    made = [
        bought("1", -60, "phone", partition=0, is_new_customer=True),
        bought("2", -50, "laptop", partition=1),
        bought("3", -40, "tablet", partition=2, is_new_customer=False),
    ]
    assert totals(play(made), "new_customers") == {"ad": 1}


def test_first_orders_are_credited_apart_where_the_order_is_counted_elsewhere():
    """The customer's home says back to the partition of the order which one is the first."""
    home = home_of("c|cust-1", 4)
    phone, laptop = (
        next(f"d-{n}" for n in range(99) if home_of(f"v|d-{n}", 4) == (home + k) % 4) for k in (1, 2)
    )
    made = [click("1", -90, "x", phone), click("2", -90, "y", laptop)]
    made += [bought("1", -50, phone, campaign=None), bought("2", -60, laptop, campaign=None)]
    machine = play(made, models=(MODEL,))
    assert totals(machine, "orders", MODEL) == {"x": 1, "y": 1}
    assert totals(machine, "new_customers", MODEL) == {"y": 1}


def test_an_edited_order_of_another_partition_makes_no_second_customer():
    made = [bought("1", -60, "phone", partition=0, order_id="1001", revenue="10")]
    made += [bought("2", -50, "phone", partition=0, order_id="1001", revenue="12")]
    machine = play(made)
    assert totals(machine, "new_customers") == {"ad": 1}
    assert per_customer(machine) == {"ad": 12}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_placement_of_orders_on_partitions_gives_the_same_customers(data):
    count = data.draw(st.integers(1, 8))
    facts = [
        {
            "n": str(n),
            "seconds": data.draw(st.integers(-7_200, -1)),
            "device": f"device-{n}",
            "customer": data.draw(st.sampled_from([None, "c1", "c2", "c3"])),
            "campaign": data.draw(st.sampled_from(["a", "b", None])),
            "is_new_customer": data.draw(st.sampled_from([None, None, None, True, False])),
        }
        for n in range(count)
    ]
    models = data.draw(st.sampled_from([(), (MODEL,)]))
    here = play([bought(**fact, partition=0) for fact in facts], models=models)
    order_of_arrival = data.draw(st.permutations(facts))
    there = play(
        [bought(**fact, partition=data.draw(st.integers(0, 3))) for fact in order_of_arrival], models=models
    )
    for name in ("new_customers", "orders"):
        assert windows(there, name) == windows(here, name)
    kpis = [{key: each["kpis"] for key, each in machine.last().items()} for machine in (here, there)]
    assert kpis[0] == kpis[1]


def per_customer(machine):
    """Revenue of a customer, by campaign, in total."""
    found = {
        key[0]: each["kpis"]["revenue_per_customer"]
        for key, each in machine.last().items()
        if key[1] == "total"
    }
    return {campaign: value for campaign, value in found.items() if value is not None}


def windows(machine, name):
    return {key: sums[name] for key, sums in machine.last_sums().items() if sums[name]}


@pytest.mark.parametrize("crash", [BEFORE_APPEND, 0, 1, BEFORE_CONFIRM])
def test_wherever_a_partition_dies_each_customer_counts_once(crash):
    machine = Machine(4, CampaignRegistry("EUR"), now=NOW, models=())
    for n in range(4):
        machine.produce_to(n, topics.ORDERS, "k", bought(str(n), -60 + n, f"d{n}")["value"])
        machine.read(topics.ORDERS, n, 9)
    for n in range(4):
        machine.checkpoint(INTAKE, n, crash)
    for n in range(4):
        machine.read(topics.REKEYED, n, 9)
        machine.checkpoint(INTAKE, n, crash)
    machine.deliver_late()
    machine.settle()
    machine.check_books()
    assert totals(machine, "new_customers") == {"ad": 1}


def test_an_order_whose_refund_comes_on_another_partition_is_counted_as_split():
    made = [bought("1", -60, "phone", partition=0), bought("2", -60, "phone", partition=0)]
    made.append(bought("3", -50, "laptop", partition=2, kind="refunded", order_id="o1", revenue="4"))
    made.append(bought("4", -40, "phone", partition=0, kind="refunded", order_id="o2", revenue="4"))
    made.append(bought("5", -30, "tablet", partition=3, kind="refunded", order_id="o1", revenue="4"))
    machine = play(made)
    assert sum(machine.intake(p).attribution.customer_homes.split_orders for p in range(4)) == 1
    assert totals(machine, "refunds_micros") == {"ad": 12_000_000}


def test_customers_of_an_earlier_state_are_moved_home_and_counted_once():
    """Two partitions remember one customer, who was counted on both; a third customer is only known away from home."""
    machine = Machine(4, CampaignRegistry("EUR"), now=NOW, models=())
    home = home_of("c|cust-1", 4)
    away = [p for p in range(4) if p != home]
    stored = {away[0]: ("cust-1", -600), away[1]: ("cust-1", -300)}
    stayed = next(f"old-{n}" for n in range(99) if home_of(f"c|old-{n}", 4) != away[2])
    stored[away[2]] = (stayed, -900)
    for p, (customer, seconds) in stored.items():
        first = FirstOrder(
            at(seconds), f"o{p}", "ad", False, at(seconds), (Purchase("ad", at(seconds) // 60_000 * 60_000),)
        )
        remember(machine, p, f"c|{customer}", first)
    for p in range(4):
        machine.open(INTAKE, p)
    machine.settle()
    held = {p: sorted(machine.intake(p).customers.ids()) for p in range(4)}
    assert sorted(name for names in held.values() for name in names) == sorted({"c|cust-1", f"c|{stayed}"})
    assert all(home_of(name, 4) == p for p, names in held.items() for name in names)
    assert machine.intake(home).customers.get("c|cust-1").at == at(-600)
    # Both were counted when they were read; the later one is taken back, and nobody is new who was known anywhere.
    assert totals(machine, "new_customers") == {"ad": -1}
    machine.produce(topics.ORDERS, "x", bought("9", -10, "x", customer=stayed)["value"])
    machine.settle()
    assert totals(machine, "new_customers") == {"ad": -1}


def remember(machine, p, customer, first):
    """Put a customer into the state of a partition, as an earlier version did."""
    machine.stages[INTAKE, p].stage.customers.put(customer, first)
    machine.checkpoint(INTAKE, p)

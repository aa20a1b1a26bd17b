"""Laws of which campaign acquired a customer in a model: the one with the greatest part of the first order, by the final credits."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.attribution.models import AttributionRules, Path, parts_of
from metrics.customers.histories import histories
from metrics.records.events import NO_CAMPAIGN, Order
from metrics.values.time import DAY, HOUR, format_instant
from streams import topics
from streams.stages.intake.repartition import counted_on
from tests.laws.facts import T0, campaign_registry
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine
from tests.laws.test_customer_account_laws import deaths, die, holds, published
from tests.support.examples import examples

bounded = examples(0.5, HealthCheck.too_slow, HealthCheck.data_too_large)
MODELS = ("linear", "first_touch", "position_based")
TOLD = ("position_based", "linear")
APPENDED = T0 + 200 * DAY
VISITORS = ("v1", "v2", "v3", "v4", "v5")
#: Who placed each order, and on which device.
BUYERS = (
    ("ann", "v1"),
    ("ann", "v2"),
    ("ann", None),
    ("bob", "v3"),
    ("bob", "v3"),
    (None, "v4"),
    ("cyd", "v5"),
)

clicks = st.fixed_dictionaries(
    {
        "visitor_id": st.sampled_from(VISITORS),
        "campaign_id": st.sampled_from(["a", "b", "c"]),
        "hour": st.integers(0, 24 * 20),
        "is_keyed": st.booleans(),
    }
)
placed = st.fixed_dictionaries(
    {
        "number": st.integers(0, len(BUYERS) - 1),
        "hour": st.integers(0, 24 * 100),
        "kind": st.sampled_from(["placed", "placed", "placed", "refunded", "cancelled"]),
        "revenue": st.integers(0, 90),
        "campaign_id": st.sampled_from(["a", None]),
        "is_named": st.booleans(),
    }
)
written = st.lists(st.one_of(clicks, clicks, placed), max_size=24)


def order_of(n: int, record: dict) -> Order:
    """A record of an order; one that is not named says its customer and no device, so that a later record may move its journey."""
    customer, visitor = BUYERS[record["number"]]
    return Order(
        event_id=f"e{n}",
        occurred_at=T0 + record["hour"] * HOUR,
        order_id=f"o{record['number']}",
        kind=record["kind"],
        revenue=Decimal(record["revenue"]),
        customer_id=customer,
        visitor_id=visitor if record["is_named"] or customer is None else None,
        campaign_id=record["campaign_id"],
    )


def produce(machine: Machine, n: int, record: dict) -> Order | None:
    if "visitor_id" in record:
        event = {"event_id": f"c{n}", "occurred_at": T0 + record["hour"] * HOUR}
        event |= {name: record[name] for name in ("visitor_id", "campaign_id")}
        key = record["visitor_id"] if record["is_keyed"] else event["event_id"]
        machine.produce(topics.CLICKS, key, event, APPENDED)
        return None
    order = order_of(n, record)
    machine.produce(topics.ORDERS, order.order_id, msgspec.json.encode(order), APPENDED)
    return order


def greatest(path: Path, model: str) -> str:
    """Added up by a dictionary, in the order of the touches: of equal sums the first."""
    sums: dict[str, int] = {}
    for touch, part in zip(path, parts_of(model, path, AttributionRules(), {}), strict=True):
        sums[touch.campaign] = sums.get(touch.campaign, 0) + part
    return max(sums, key=sums.__getitem__) if sums else NO_CAMPAIGN


def final_campaigns(machine: Machine, model: str) -> dict[str, str]:
    """The campaign of each order, by the paths with which orders were credited last."""
    found = {}
    for p in range(machine.partitions):
        journeys = machine.intake(p).attribution.journeys
        for key, conversion in journeys.conversions.items():
            partition, own = counted_on(key)
            if conversion.parts and own.startswith("o|"):
                assert own not in found, partition
                found[own[2:]] = greatest(journeys.touchpoints.path(conversion.path), model)
    return found


def holds_in(machine: Machine, orders: list[Order], model: str) -> None:
    campaigns = final_campaigns(machine, model)
    as_credited = [
        msgspec.structs.replace(order, campaign_id=campaigns.get(order.order_id, NO_CAMPAIGN))
        for order in orders
    ]
    holds(machine, histories(as_credited), model=model)


def added_up(machine: Machine, model: str) -> dict[str, dict[str, int]]:
    """Customers and money over all campaigns, by cohort."""
    found: dict[str, dict[str, int]] = {}
    for (_, cohort), record in published(machine, model).items():
        sums = found.setdefault(cohort, {})
        for name in ("customers", "repeaters", "orders", "revenue_micros", "refunds_micros"):
            sums[name] = sums.get(name, 0) + record["sums"][name]
    return {cohort: sums for cohort, sums in found.items() if sums["customers"]}


def machine_of(partitions: int, told: tuple[str, ...] = TOLD, **more) -> Machine:
    return Machine(
        partitions, campaign_registry(), zone="Europe/Paris", models=MODELS, customer_models=told, **more
    )


@bounded
@given(written, st.integers(1, 3), deaths)
def test_customers_of_a_model_are_those_of_the_final_credits_wherever_workers_die(
    records, partitions, crashes
):
    machine = machine_of(partitions)
    orders = []
    for n, record in enumerate(records):
        orders.append(produce(machine, n, record))
        die(machine, n, crashes)
        if n % 3 == 0:
            machine.run()
    machine.deliver_late()
    machine.settle()
    told = [order for order in orders if order is not None]
    holds(machine, histories(told))
    for model in TOLD:
        holds_in(machine, told, model)
        assert added_up(machine, model) == added_up(machine, "declared")
    assert {record["model"] for record in machine.customers} <= {"declared", *TOLD}
    machine.check_books()


several = st.sampled_from([(), ("linear",), ("position_based",), TOLD])


@bounded
@given(
    st.lists(st.tuples(st.lists(st.one_of(clicks, placed), max_size=8), several), min_size=1, max_size=4),
    st.integers(1, 3),
    st.sampled_from([None, BEFORE_APPEND, 0, 1, BEFORE_CONFIRM]),
)
def test_models_of_customers_that_are_switched_on_and_off_are_whole_or_gone(phases, partitions, where):
    machine = machine_of(partitions, ())
    orders: list[Order] = []
    n = 0
    for records, models in phases:
        for record in records:
            n += 1
            made = produce(machine, n, record)
            orders += [] if made is None else [made]
        machine.run()
        change_models(machine, models, where)
    machine.deliver_late()
    machine.settle()
    holds(machine, histories(orders))
    kept = phases[-1][1]
    for model in TOLD:
        if model in kept:
            holds_in(machine, orders, model)
            assert added_up(machine, model) == added_up(machine, "declared")
        else:
            assert all(not each["sums"]["customers"] for each in published(machine, model).values())
    left = [key for log in machine.changelogs.values() for key, value in log.items() if value is not None]
    for model in {*TOLD} - {*kept}:
        assert not [key for key in left if key[2:4] == b"km" and model.encode() in key]


def change_models(machine: Machine, models: tuple[str, ...], where: int | None = None) -> None:
    """Every stage is opened again by a worker of other settings, whose first checkpoint may be cut."""
    rules = msgspec.structs.replace(machine.intake_options.rules, customer_models=models)
    machine.intake_options = msgspec.structs.replace(machine.intake_options, rules=rules)
    machine.merge_options = msgspec.structs.replace(machine.merge_options, customer_models=models)
    for stage in (INTAKE, MERGE):
        for p in range(machine.partitions):
            machine.open(stage, p, where)


@bounded
@given(st.lists(st.one_of(clicks, placed), max_size=20), st.integers(1, 3), st.sampled_from(["ann", "bob"]))
def test_who_is_erased_counts_in_no_model_any_more(records, partitions, gone):
    machine = machine_of(partitions)
    orders = [order for n, record in enumerate(records) if (order := produce(machine, n, record)) is not None]
    machine.settle()
    request = {"requested_at": format_instant(APPENDED), "customer_id": gone}
    for p in range(partitions):
        machine.produce_to(p, topics.ERASURES, None, request, APPENDED)
    machine.settle()
    rest = [each for each in orders if each.customer_id != gone]
    for n, visitor in enumerate(VISITORS):  # late touches of whom nobody is to be credited with any more
        late = {"hour": 0, "visitor_id": visitor, "campaign_id": "c", "is_keyed": True}
        produce(machine, 1_000 + n, late)
    machine.settle()
    holds(machine, histories(rest))
    for model in TOLD:
        holds_in(machine, rest, model)
        assert added_up(machine, model) == added_up(machine, "declared")


def shop(told: tuple[str, ...] = TOLD, partitions: int = 2) -> Machine:
    """A customer who clicks twice and orders, of orders that declare nothing."""
    machine = machine_of(partitions, told)
    for n, (hour, campaign) in enumerate(((1, "b"), (2, "a"))):
        produce(machine, n, {"hour": hour, "visitor_id": "v1", "campaign_id": campaign, "is_keyed": True})
    buy(machine, 10, 0, 30)
    machine.settle()
    return machine


def buy(machine: Machine, n: int, number: int, hour: int, **more) -> None:
    record = {"number": number, "hour": hour, "kind": "placed", "revenue": 10, "campaign_id": None}
    produce(machine, n, record | {"is_named": True} | more)


def totals(machine: Machine, model: str) -> dict[str, int]:
    return {
        campaign: record["sums"]["customers"]
        for (campaign, cohort), record in published(machine, model).items()
        if cohort == "total" and record["sums"]["customers"]
    }


def test_of_equal_parts_the_campaign_that_was_touched_first_has_acquired_the_customer():
    machine = shop()
    assert totals(machine, "declared") == {NO_CAMPAIGN: 1}
    assert totals(machine, "linear") == totals(machine, "position_based") == {"b": 1}


@pytest.mark.parametrize("partitions", [1, 2, 3])
def test_a_late_touch_and_an_earlier_order_move_the_customer(partitions):
    machine = shop(partitions=partitions)
    produce(machine, 20, {"hour": 3, "visitor_id": "v1", "campaign_id": "a", "is_keyed": True})
    machine.settle()
    assert totals(machine, "linear") == {"a": 1}
    buy(machine, 21, 1, 2, is_named=False)  # earlier, on no known device
    machine.settle()
    assert totals(machine, "declared") == {NO_CAMPAIGN: 1}
    assert totals(machine, "linear") in ({NO_CAMPAIGN: 1}, {"b": 1})
    assert totals(machine, "linear") == {final_campaigns(machine, "linear")["o1"]: 1}


def test_a_partition_that_credits_an_order_no_more_is_not_listened_to():
    machine = shop(partitions=3)
    (reader,) = [each for each in map(machine.intake, range(3)) if each.orders.get("o0") is not None]
    (home,) = [p for p in range(3) if reader.attribution.is_credited_on(p, "o|o0")]
    for p in {*range(3)} - {home}:
        reader.conversions.tell_greatest(p, [("o|o0", {"linear": "c"})])
    machine.settle()
    assert totals(machine, "linear") == {"b": 1}
    reader.conversions.tell_greatest(home, [("o|o0", {"linear": "c"})])
    machine.settle()
    assert totals(machine, "linear") == {"c": 1}


def test_the_cost_of_a_customer_is_that_of_the_campaign_in_the_model():
    machine = Machine(1, campaign_registry(), models=("linear",), customer_models=("linear",))
    click = {"event_id": "c", "occurred_at": T0, "campaign_id": "a", "visitor_id": "v1", "cost": "4"}
    machine.produce(topics.CLICKS, "v1", click, APPENDED)
    lead = {"event_id": "l", "occurred_at": T0 + HOUR, "lead_id": "l", "visitor_id": "v1"}
    machine.produce(topics.LEADS, "v1", lead, APPENDED)
    buy(machine, 1, 0, 30)
    machine.settle()
    record = published(machine, "linear")["a", "total"]
    assert (record["sums"]["spend_micros"], record["sums"]["clicks"], record["sums"]["leads"]) == (
        4_000_000,
        1,
        1,
    )
    assert record["kpis"]["cac"] == 4
    assert record["kpis"]["clv_to_cac"] == 2.5
    assert record["kpis"]["customer_rate"] == 1
    declared = published(machine)[NO_CAMPAIGN, "total"]
    assert declared["kpis"]["cac"] in (None, 0)

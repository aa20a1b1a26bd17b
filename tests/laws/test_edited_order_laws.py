"""New customers of orders that are edited: in every model as many as are declared, and those of the orders as placed.

An edit may name a visitor, or another; then the journey of the order moves to another partition, and what it counts with it.
"""

from collections import Counter
from datetime import datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.entities.campaigns import CampaignRegistry
from metrics.values.time import MINUTE, to_millis
from streams import topics
from streams.stages.intake.customer_homes import home_of
from streams.state.codec import partition_of
from tests.laws.cases import NOW, at, totals
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine
from tests.laws.test_pipeline_journeys import by_window
from tests.laws.test_pipeline_laws import drive
from tests.support.examples import examples

PLAIN = ("linear", "last_touch")
#: The last counts at the time of the touch.
MODELS = (*PLAIN, "last_touch_cohort")
PARTITIONS = 3
VISITORS = [
    next(f"v{p}-{n}" for n in range(99) if partition_of(f"v{p}-{n}", PARTITIONS) == p) for p in (0, 1, 2)
]


def machine_of(**options):
    return Machine(PARTITIONS, CampaignRegistry("EUR"), now=NOW, models=MODELS, **options)


def bought(n, seconds, order_id, **more):
    """A record of an order; what is None is left out."""
    value = {"event_id": f"e{n}", "occurred_at": at(seconds), "order_id": order_id, "revenue": "10"} | more
    return {name: each for name, each in value.items() if each is not None}


def write(machine, p, value, key=None):
    machine.produce_to(p, topics.ORDERS, key, value)


def click(machine, n, seconds, visitor):
    value = {
        "event_id": f"c{n}",
        "occurred_at": at(seconds),
        "campaign_id": f"of-{visitor}",
        "visitor_id": visitor,
    }
    machine.produce(topics.CLICKS, visitor, value)


@pytest.mark.parametrize("customer_home", [0, 2])
@pytest.mark.parametrize("is_settled_between", [True, False])
@pytest.mark.parametrize("moves_to", range(PARTITIONS))
@pytest.mark.parametrize("key", [None, VISITORS[1]])
def test_a_first_order_stays_one_when_an_edit_names_its_visitor(
    customer_home, is_settled_between, moves_to, key
):
    customer = next(f"k{n}" for n in range(99) if home_of(f"c|k{n}", PARTITIONS) == customer_home)
    visitor = VISITORS[moves_to]
    machine = machine_of(trusts_keys=False)
    click(machine, 1, -300, visitor)
    write(machine, 0, bought(1, -200, "o", customer_id=customer), key)
    if is_settled_between:
        machine.settle()
        assert totals(machine, "new_customers", "linear") == {"(none)": 1}
    write(machine, 0, bought(2, -100, "o", customer_id=customer, visitor_id=visitor, revenue="12"), key)
    machine.settle()
    machine.check_books()
    assert totals(machine, "new_customers") == {"(none)": 1}
    for model in MODELS:
        assert totals(machine, "new_customers", model) == {f"of-{visitor}": 1}
        assert totals(machine, "revenue_micros", model) == {f"of-{visitor}": 12_000_000}


def test_the_same_order_on_two_partitions_is_the_first_where_it_is_the_earlier_one():
    """Partitions do not find each other's orders: the second is an order of its own, and the customer's first."""
    customer = "k"
    machine = machine_of()
    for p, visitor in ((0, VISITORS[0]), (1, VISITORS[1])):
        click(machine, p, -300, visitor)
        placed = bought(p, -100 - 90 * p, "o", customer_id=customer, visitor_id=visitor)
        write(machine, p, placed)
        machine.settle()
    for model in PLAIN:
        assert by_minute(machine.last_credits(model)) == by_minute(machine.last_sums())
        assert totals(machine, "new_customers", model) == {f"of-{VISITORS[1]}": 1}


@st.composite
def order_records(draw):
    """Records of orders with the partition and the key of each; no two are of one instant."""
    written = []
    for n in range(draw(st.integers(1, 12))):
        value = bought(
            n,
            draw(st.integers(-7_200, -1)) + n / 1_000,
            f"o{draw(st.integers(0, 3))}",
            kind=draw(st.sampled_from(["placed", "placed", "placed", "refunded", "cancelled"])),
            visitor_id=draw(st.sampled_from([None, *VISITORS])),
            customer_id=draw(st.sampled_from([None, "k1", "k2"])),
            revenue=draw(st.sampled_from(["10", "12", "0"])),
            is_new_customer=draw(st.sampled_from([None, None, None, None, True, False])),
        )
        written.append((draw(places), draw(st.sampled_from([None, None, *VISITORS])), value))
    return written


places = st.integers(0, PARTITIONS - 1)
crashes = st.sampled_from([None, None, BEFORE_APPEND, 0, 1, BEFORE_CONFIRM])
read_topics = st.sampled_from([topics.ORDERS, topics.ORDERS, topics.CLICKS, topics.REKEYED, topics.ERASURES])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), read_topics, places, st.integers(1, 4)),
        st.tuples(st.just("checkpoint"), st.sampled_from([INTAKE, MERGE]), places, crashes),
        st.tuples(st.just("tick"), st.integers(1_000, 20_000)),
        st.tuples(st.just("settle")),
        st.tuples(st.just("late")),
    ),
    max_size=40,
)
persons = st.sampled_from([{"customer_id": "k1"}, {"visitor_id": VISITORS[0]}])


def buyer_of(value):
    """Who orders, by the id that counts."""
    named = ((name, value.get(name)) for name in ("customer_id", "visitor_id"))
    return next((each for each in named if each[1] is not None), None)


def placements(written):
    """What counts as the placement of each order; another buyer's order under the same id is another order."""
    found = {}
    for p, _, value in written:
        if value["kind"] == "placed":
            whole = found.setdefault((p, value["order_id"]), {})
            buyer, first = buyer_of(value), next(iter(whole), None)
            is_other = bool(whole) and None not in (buyer, first) and buyer[0] == first[0] and buyer != first
            whole.setdefault(buyer if is_other or not whole else first, value)
    return [value for whole in found.values() for value in whole.values()]


def new_customers(written):
    """How many customers are new in each minute: an order says so itself, or is the earliest of its customer."""
    placed = placements(written)
    first = {}
    for value in sorted(placed, key=lambda each: each["occurred_at"]):
        first.setdefault(buyer_of(value), value)
    new = [
        value
        for value in placed
        if value.get("is_new_customer", buyer_of(value) is not None and first[buyer_of(value)] is value)
    ]
    return Counter(value["occurred_at"] // MINUTE for value in new)


def by_minute(sums):
    found = Counter()
    for (_, window, start), each in sums.items():
        if window == "1m" and each["new_customers"]:
            found[to_millis(datetime.fromisoformat(start)) // MINUTE] += each["new_customers"]
    return found


@examples(2, HealthCheck.too_slow, HealthCheck.data_too_large)
@given(order_records(), steps, st.lists(persons, max_size=1))
def test_each_model_counts_the_new_customers_that_the_orders_tell_however_they_are_edited(
    written, steps, erased
):
    machine = machine_of(trusts_keys=False, credit_interval=5_000)
    for n, visitor in enumerate(VISITORS):
        click(machine, n, -7_300, visitor)
    for p, key, value in written:
        write(machine, p, value, key)
    for person in erased:
        for p in range(PARTITIONS):
            machine.produce_to(p, topics.ERASURES, None, {"requested_at": at(-1), **person})
    drive(machine, steps)
    machine.settle()
    machine.deliver_late()
    machine.settle()
    machine.check_books()
    declared = machine.last_sums()
    if not erased:  # else it depends on what was read before the erasure
        assert by_minute(declared) == new_customers(written)
    for model in PLAIN:
        assert by_window(machine.last_credits(model)) == by_window(declared)
    new = sum(totals(machine, "new_customers").values())
    assert [round(sum(totals(machine, "new_customers", model).values()), 6) for model in MODELS] == [new] * 3

"""Laws of distinct customers: in any order of arrival, over any partitions, each counts once in a window."""

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.values.time import DAY, HOUR, MINUTE, format_instant
from streams import topics
from tests.laws.facts import T0, campaign_registry
from tests.laws.machine import INTAKE, MERGE, Machine
from tests.laws.test_pipeline_laws import APPENDED
from tests.support.examples import examples

bounded = examples(0.4, HealthCheck.too_slow)
LENGTHS = {"1m": MINUTE, "1h": HOUR, "1d": DAY}
placings = st.tuples(
    st.sampled_from(["ann", "bob", None]),
    st.sampled_from(["a", "b"]),
    st.integers(0, 100).map(lambda quarter_minutes: T0 + quarter_minutes * MINUTE),
)


def order(machine, n, customer, campaign, at, **more):
    record = {"event_id": f"e{n}", "occurred_at": at, "order_id": f"o{n}", "campaign_id": campaign}
    machine.produce(
        topics.ORDERS, customer or "x", record | {"revenue": "6", "customer_id": customer} | more, APPENDED
    )


def figures(machine):
    """Revenue per customer by campaign, window and start."""
    return {key: reading["kpis"]["revenue_per_customer"] for key, reading in machine.last().items()}


def by_hand(placed):
    people, revenue = {}, {}
    for n, (customer, campaign, at) in enumerate(placed):
        starts = {window: at // length * length for window, length in LENGTHS.items()} | {"total": None}
        for window, start in starts.items():
            key = campaign, window, start
            people.setdefault(key, set()).add(customer or n)
            revenue[key] = revenue.get(key, 0) + 6
    return {key: round(revenue[key] / len(each), 6) for key, each in people.items()}


@bounded
@given(st.lists(placings, max_size=12), st.integers(0, 12))
def test_revenue_per_customer_divides_by_the_customers_of_each_window_also_after_a_crash(placed, crash_at):
    machine = Machine(2, campaign_registry(), models=("linear",))
    for n, (customer, campaign, at) in enumerate(placed):
        if n == crash_at:
            machine.settle()
            for stage in (INTAKE, MERGE):
                machine.checkpoint(stage, 0, crash=0)
        order(machine, n, customer, campaign, at)
        order(machine, n, customer, campaign, at)  # a duplicate is nobody
    machine.settle()
    expected = by_hand(placed)
    found = figures(machine)
    for (campaign, window, start), value in expected.items():
        text = None if start is None else format_instant(start)
        assert found[campaign, window, text] == value
    assert not any(
        reading["kpis"]["revenue_per_customer"] is not None
        for reading in (*machine.credited, *machine.rolled_up)
    )


def test_rolling_windows_do_not_add_customers_up():
    machine = Machine(1, campaign_registry(), models=())
    order(machine, 1, "ann", "a", T0)
    machine.settle()
    views = machine.views.declared["a"]
    assert {name: view.kpis["revenue_per_customer"] for name, view in views.items()} == {
        **dict.fromkeys(("5m", "1h", "24h", "7d", "today")),
        "total": 6.0,
    }

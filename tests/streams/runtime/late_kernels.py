"""Prints each kernel that a partition's life needs and ``warm_up`` has not compiled: ``python -m tests.streams.runtime.late_kernels``."""

import gc

from numba.core.dispatcher import Dispatcher

from metrics.evidence import Course, EvidenceOptions, Shape, assess_course, course_of
from metrics.records.kpi_reading import Sums
from metrics.values.time import DAY, MINUTE
from streams import topics
from streams.runtime.kernel_warmup import warm_up
from tests.laws.facts import T0, campaign_registry
from tests.laws.machine import INTAKE, MERGE, Machine


def compiled() -> set[tuple[str, str]]:
    """Kernels, each with the types it has been called with."""
    kernels = [each for each in gc.get_objects() if isinstance(each, Dispatcher)]
    return {(each.py_func.__name__, str(types)) for each in kernels for types in each.signatures}


def live() -> None:
    """Traffic of some people on two partitions, with a change of owners and an erasure."""
    machine = Machine(2, campaign_registry(), models=("linear", "last_touch", "markov", "time_decay"))
    for number in range(60):
        person, at = f"v{number % 7}", T0 + number * 30_000
        common = {"event_id": f"{number}", "occurred_at": at, "visitor_id": person}
        ad = common | {"campaign_id": "abc"[number % 3], "channel": "direct", "currency": "USD"}
        machine.produce(topics.CLICKS, person, ad | {"cost": "0.5"}, T0 + DAY)
        machine.produce(topics.IMPRESSIONS, person, ad | {"cost": "999999999999.999999"}, T0 + DAY)
        machine.produce(topics.ORDERS, person, common | {"order_id": f"{number}", "revenue": "9"}, T0 + DAY)
    machine.produce(topics.CLICKS, "v", b"{", T0 + DAY)
    machine.run()
    be_alone(machine, "nobody")
    be_alone(machine, "one", touches=1)
    for partition in range(2):
        machine.open(INTAKE, partition)
        machine.open(MERGE, partition)
    machine.settle()
    later = {"event_id": "later", "occurred_at": T0 + 40 * DAY, "campaign_id": "b", "visitor_id": "v1"}
    machine.produce(topics.CLICKS, "v1", later, T0 + 40 * DAY + MINUTE)
    machine.produce(topics.ERASURES, "v1", {"visitor_id": "v1", "requested_at": T0}, T0 + 40 * DAY)
    machine.settle()
    judge()


def judge() -> None:
    """A campaign that is judged by leads and by money, on a board that knows refunds."""
    shape, options = Shape(refunds=(0.01,) * 20), EvidenceOptions(order_value_micros=1_000_000)
    nothing = dict.fromkeys(Sums.__struct_fields__, 0)
    for name, target in (("cpl", 1_000_000), ("roas", 1_000_000)):
        ledger = None
        for day in range(1, 5):
            money = day * 1_000_000
            came = {
                "spend_micros": money,
                "revenue_micros": money,
                "refunds_micros": 1,
                "orders": day,
                "leads": day,
            }
            total = Sums(**nothing | came)
            ledger = course_of(name, target, total, (1.0, T0 + day * DAY), ledger, shape, T0, options)
            course = Course(total, total, total, 1.0, 20.0, 20.0)
            assess_course(name, target, ledger, course, shape, options)


def be_alone(machine: Machine, person: str, touches: int = 0) -> None:
    """An order that no other is credited with: columns of one row, or of none, are of other types if one is careless."""
    for number in range(touches):
        ad = {
            "event_id": f"{person}-{number}",
            "occurred_at": T0 + DAY,
            "campaign_id": "a",
            "visitor_id": person,
        }
        machine.produce(topics.CLICKS, person, ad, T0 + DAY)
    order = {
        "event_id": person,
        "occurred_at": T0 + DAY + 1,
        "visitor_id": person,
        "order_id": person,
        "revenue": 1,
    }
    machine.produce(topics.ORDERS, person, order, T0 + DAY)
    machine.settle()


if __name__ == "__main__":
    warm_up()
    before = compiled()
    live()
    for name, types in sorted(compiled() - before):
        print(name, types)

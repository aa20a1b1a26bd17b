"""Laws of customers' accounts: whatever crashes, what is published of customers is what a batch computation makes of all orders."""

from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.customers.accounts import AccountChange, AccountMonth, PlacedFirst
from metrics.customers.calendar import CustomerCalendar, month_of, month_start
from metrics.customers.cohort_sums import CohortKey, CohortSums
from metrics.customers.cohorts import CustomerCohort, by_campaign, by_month_and_campaign, cohorts, months
from metrics.customers.histories import CustomerBase, histories
from metrics.customers.run_off import CohortRun, expected_value
from metrics.customers.worth import WORTH_FIGURES
from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Order
from metrics.values.time import DAY, HOUR, format_instant
from streams import topics
from tests.laws.facts import T0, campaign_registry
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine
from tests.support.examples import examples
from tests.support.replaying import replayed

ZONE = ZoneInfo("Europe/Paris")
bounded = examples(0.5, HealthCheck.too_slow, HealthCheck.data_too_large)

records = st.fixed_dictionaries(
    {
        "number": st.integers(0, 7),
        "hour": st.integers(0, 24 * 100),
        "kind": st.sampled_from(["placed", "placed", "placed", "refunded", "cancelled"]),
        "campaign_id": st.sampled_from(["a", "b", None]),
        "revenue": st.integers(0, 90),
        "is_new_customer": st.sampled_from([None, None, None, False]),
    }
)
#: After which order workers of a stage die, and where in their checkpoint.
deaths = st.lists(
    st.tuples(
        st.integers(0, 15),
        st.sampled_from([INTAKE, MERGE]),
        st.sampled_from([BEFORE_APPEND, 0, 1, 2, BEFORE_CONFIRM]),
    ),
    max_size=3,
)
#: Who placed each order.
BUYERS = ("ann", "ann", "ann", "bob", "bob", "cyd", "cyd", None)


def order_of(n: int, record: dict) -> Order:
    number = record["number"]
    return Order(
        event_id=f"e{n}",
        occurred_at=T0 + record["hour"] * HOUR,
        order_id=f"o{number}",
        kind=record["kind"],
        revenue=Decimal(record["revenue"]),
        customer_id=BUYERS[number],
        campaign_id=record["campaign_id"],
        is_new_customer=record["is_new_customer"],
    )


def produce(machine: Machine, order: Order) -> None:
    """An order's records have one key, which is no customer's: a customer's orders lie on several partitions."""
    machine.produce(topics.ORDERS, order.order_id, msgspec.json.encode(order), T0 + 200 * DAY)


def die(machine: Machine, n: int, crashes: list[tuple[int, str, int]]) -> None:
    """Let the owners of every partition die whose turn it is after the order ``n``."""
    for at, stage, where in crashes:
        if at == n:
            machine.run()
            for p in range(machine.partitions):
                machine.checkpoint(stage, p, crash=where)


def published(machine: Machine, model: str = "declared") -> dict[tuple[str, str], dict]:
    """The record with the highest revision by campaign and cohort."""
    found: dict[tuple[str, str], dict] = {}
    for record in machine.customers:
        if record["model"] != model:
            continue
        key = record["campaign_id"], record["cohort"]
        if key not in found or record["revision"] > found[key]["revision"]:
            found[key] = record
    return found


#: Of a record of customers.
FIGURES = ("sums", "kpis", "ages", "months", "worth")


def sums_of(cohort: CustomerCohort) -> dict:
    return {
        "customers": cohort.customers,
        "repeaters": cohort.repeaters,
        "orders": cohort.orders,
        "revenue_micros": cohort.revenue,
        "refunds_micros": cohort.refunds,
        "cost_of_goods_micros": cohort.cost_of_goods,
    }


def holds(
    machine: Machine,
    base: CustomerBase,
    zone: ZoneInfo = ZONE,
    until: int = T0 + 300 * DAY,
    model: str = "declared",
) -> None:
    """Every record of a model says what the batch computation says, up to the last month that is over."""
    watermark = machine.merge(0).clock.watermark
    calendar = CustomerCalendar(zone)
    over = None if watermark is None else month_of(watermark, zone)
    found = {key: each for key, each in published(machine, model).items() if each["sums"]["customers"]}
    by_cohort = {each.name: each for each in cohorts(base.customers, by_month_and_campaign, calendar, until)}
    by = {each.name: each for each in cohorts(base.customers, by_campaign, calendar, until)}
    expected = {
        **{(name[8:], name[:7]): each for name, each in by_cohort.items()},
        **{(name, "total"): each for name, each in by.items()},
    }
    assert found.keys() == expected.keys()
    shown = machine.views.customers_in.get(model, {})
    views = {key: msgspec.to_builtins(each) for key, each in shown.items()}
    assert {key for key, each in views.items() if each["sums"]["customers"]} == found.keys()
    for key, each in found.items():
        assert views[key]["revision"] >= each["revision"]
        assert [views[key][name] for name in FIGURES] == [each[name] for name in FIGURES]
    for key, each in expected.items():
        record = found[key]
        expected_sums = sums_of(each)
        assert {name: record["sums"][name] for name in expected_sums} == expected_sums
        assert record["kpis"]["clv_historic"] == each.clv_historic
        assert record["kpis"]["repeat_rate"] == each.repeat_rate
    if over is None:
        return
    for each in cohorts(base.customers, by_campaign, calendar, month_start(over, zone)):
        ages = found[each.name, "total"]["ages"]
        assert [age["eligible"] for age in ages] == each.eligible
        assert [age["active"] for age in ages] == each.active
        assert [age["margin_micros"] for age in ages] == each.margin_by_month
    of_months = cohorts(base.customers, by_month_and_campaign, calendar, month_start(over, zone))
    for campaign in by:
        runs = [
            CohortRun(each.customers, each.margin_by_month) for each in of_months if each.name[8:] == campaign
        ]
        young = found[campaign, "total"]["sums"]["customers"] - sum(run.customers for run in runs)
        said = found[campaign, "total"]
        foreseen = expected_value([*runs, CohortRun(young, [])], said["sums"]["spend_micros"])
        if foreseen is None:
            assert (said["kpis"]["clv_expected"], said["worth"]["expected_waits_for"]) == (None, "cohorts")
        else:
            assert said["worth"]["months"] == foreseen.months
            assert [said["kpis"][name] for name in WORTH_FIGURES] == [
                value if value is None else pytest.approx(value, abs=2e-6)
                for value in msgspec.structs.astuple(foreseen)[1:4] + msgspec.structs.astuple(foreseen)[5:]
            ]
    for campaign in by:
        theirs = [history for history in base.customers if history.first.campaign == campaign]
        whole = [each for each in months(theirs, calendar, until) if each.name < _name(over)]
        record = found[campaign, "total"]
        assert [each["month"] for each in record["months"]] == [each.name for each in whole]
        assert [(each["customers"], each["stayed"]) for each in record["months"]] == [
            (each.customers, each.stayed) for each in whole
        ]


def _name(month: int) -> str:
    return f"{month // 12:04}-{month % 12 + 1:02}"


@bounded
@given(
    st.lists(records, max_size=16),
    st.integers(1, 3),
    deaths,
    st.booleans(),
)
def test_customers_are_those_of_a_batch_computation_wherever_workers_die(
    written, partitions, crashes, has_models
):
    machine = Machine(
        partitions, campaign_registry(), zone="Europe/Paris", models=("linear",) if has_models else ()
    )
    orders = [order_of(n, record) for n, record in enumerate(written)]
    for n, order in enumerate(orders):
        produce(machine, order)
        die(machine, n, crashes)
        if n % 5 == 0:
            produce(machine, order)  # a duplicate changes nothing
        if n % 3 == 0:
            machine.run()
    machine.deliver_late()
    machine.settle()
    holds(machine, histories(orders))
    machine.check_books()


@pytest.mark.parametrize("reported_at", [None, T0 + 2 * HOUR])
def test_an_order_names_nobody_after_its_customer_is_erased_however_its_versions_are_dated(reported_at):
    machine = Machine(1, campaign_registry(), zone="Europe/Paris")
    record = {
        "number": 0,
        "hour": 0,
        "kind": "placed",
        "campaign_id": "a",
        "revenue": 5,
        "is_new_customer": None,
    }
    order = msgspec.structs.replace(order_of(0, record), reported_at=reported_at)
    produce(machine, order)
    machine.run()
    request = {"requested_at": format_instant(T0 + 200 * DAY), "customer_id": order.customer_id}
    machine.produce_to(0, topics.ERASURES, None, request, T0 + 200 * DAY)
    machine.settle()
    ((_, entry),) = machine.intake(0).orders.items()
    assert (entry.customer, entry.said) == (0, () if reported_at is None else (reported_at,))


@bounded
@given(
    st.lists(records, max_size=12),
    st.integers(0, 12),
    st.integers(1, 3),
    st.sampled_from(["ann", "bob"]),
    st.booleans(),
)
def test_who_is_erased_counts_no_more_and_campaigns_keep_their_sums(
    written, cut, partitions, gone, has_models
):
    models = ("linear",) if has_models else ()
    erased, plain = (
        Machine(partitions, campaign_registry(), zone="Europe/Paris", models=models) for _ in range(2)
    )
    orders = [order_of(n, record) for n, record in enumerate(written)]
    before = [order for order in orders[:cut] if order.kind == "placed"]
    placed = {order.order_id for order in before}
    # What comes after the erasure follows an order from before it: a new order makes a customer again.
    after = [order for order in orders[cut:] if order.kind != "placed" and order.order_id in placed]
    for machine in (erased, plain):
        for order in before:
            produce(machine, order)
        machine.run()
    request = {"requested_at": format_instant(T0 + 200 * DAY), "customer_id": gone}
    for p in range(partitions):
        erased.produce_to(p, topics.ERASURES, None, request, T0 + 200 * DAY)
    for machine in (erased, plain):
        machine.run()
        for order in after:
            produce(machine, order)
        machine.settle()
    others = [order for order in (*before, *after) if order.customer_id != gone]
    holds(erased, histories(others))
    assert erased.last_sums() == plain.last_sums()
    hashes = {entry.customer for p in range(partitions) for _, entry in erased.intake(p).orders.items()}
    theirs = {entry.customer for p in range(partitions) for _, entry in plain.intake(p).orders.items()}
    assert len(theirs - hashes) == any(order.customer_id == gone for order in before)


def weeks_of(orders: list[Order]) -> dict[tuple[str, str], dict]:
    """Of each campaign and week of acquisition: customers, who was active by age in weeks, and the margin; by Python's calendar."""
    found: dict[tuple[str, str], dict] = {}

    def local(at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, ZONE)

    def age(at: int, since: datetime) -> int:
        mondays = [day.date() - timedelta(days=day.weekday()) for day in (since, local(at))]
        return (mondays[1] - mondays[0]).days // 7

    for history in histories(orders).customers:
        first = local(history.first.at)
        cohort = found.setdefault(
            (history.first.campaign, first.strftime("%G-W%V")),
            {"customers": 0, "active": Counter(), "margin": 0},
        )
        cohort["customers"] += 1
        cohort["margin"] += sum(change.margin for change in history.money)
        cohort["active"].update({age(order.at, first) for order in history.purchases})
    return found


@bounded
@given(
    st.lists(records, max_size=16),
    st.integers(1, 3),
    deaths,
)
def test_cohorts_of_weeks_are_those_of_a_batch_computation_wherever_workers_die(written, partitions, crashes):
    machine = Machine(
        partitions, campaign_registry(), zone="Europe/Paris", models=(), customer_cohorts="week"
    )
    orders = [order_of(n, record) for n, record in enumerate(written)]
    for n, order in enumerate(orders):
        produce(machine, order)
        die(machine, n, crashes)
    machine.deliver_late()
    machine.settle()
    found = {key: each for key, each in published(machine).items() if each["sums"]["customers"]}
    expected = weeks_of(orders)
    assert {key for key in found if key[1] != "total"} == expected.keys()
    for key, each in expected.items():
        sums, ages = found[key]["sums"], found[key]["ages"]
        margin = sums["revenue_micros"] - sums["refunds_micros"] - sums["cost_of_goods_micros"]
        assert (found[key]["period"], sums["customers"], margin) == (
            "week",
            each["customers"],
            each["margin"],
        )
        # Weeks that are not over have no line.
        assert [age["active"] for age in ages] == [each["active"][age] for age in range(len(ages))]
        assert {age["eligible"] for age in ages} <= {each["customers"]}
    for (campaign, cohort), record in found.items():
        if cohort == "total":
            assert record["sums"]["customers"] == sum(
                each["customers"] for (of, _), each in expected.items() if of == campaign
            )
            assert all("-W" in month["month"] for month in record["months"])
    machine.check_books()


def test_accounts_of_months_are_never_read_as_those_of_weeks():
    machine = Machine(1, campaign_registry(), zone="UTC", models=())
    record = {"number": 0, "hour": 1, "kind": "placed"} | NOTHING_SAID
    produce(machine, order_of(1, record))
    machine.settle()
    cohorts_of = CustomerCalendar(ZoneInfo("UTC")).of(T0)
    assert machine.intake(0).accounts.cohorts.change(CohortKey("a", cohorts_of)).customers == 1
    for options in ("intake_options", "merge_options"):
        changed = msgspec.structs.replace(getattr(machine, options), customer_cohorts="week")
        setattr(machine, options, changed)
    for stage in (INTAKE, MERGE):  # as a worker that is started with the other period
        machine.open(stage, 0)
    in_flight = AccountChange(1 << 63, T0, (AccountMonth(cohorts_of, 1, 5),), PlacedFirst(T0, "o", "a", None))
    machine.intake(0).accounts.receive([in_flight])
    machine.merge(0).cohorts.take(0, [("a", cohorts_of, CohortSums(1))], 1)
    assert list(machine.intake(0).accounts.cohorts.items()) == []
    assert machine.merge(0).cohorts.of(CohortKey("a", cohorts_of)) == {}
    produce(machine, order_of(2, record | {"number": 3, "hour": 30}))
    machine.settle()
    kept = [key.month for key, sums in machine.intake(0).accounts.cohorts.items() if sums]
    assert kept
    assert all(map(CustomerCalendar(ZoneInfo("UTC"), "week").counts, kept))
    left = [
        key
        for stage in (INTAKE, MERGE)
        for key, value in machine.changelogs[stage, 0].items()
        if value is not None
    ]
    assert not any(key[2:3] == b"k" for key in left)


def test_accounts_and_cohorts_expire_and_what_they_counted_stays_until_the_cohort_does():
    machine = Machine(2, campaign_registry(), zone="UTC", models=(), customer_retention=60 * DAY)

    def turn(day: int) -> None:
        for p in range(2):
            at = T0 + day * DAY
            value = {"event_id": f"x{day}-{p}", "occurred_at": at, "order_id": f"x{day}-{p}", "revenue": "1"}
            machine.produce_to(p, topics.ORDERS, None, value, at)
        machine.settle()

    for n, day in enumerate((0, 1, 50)):
        record = {"number": n % 2 * 3, "hour": day * 24, "kind": "placed", "campaign_id": "a"}
        at = T0 + day * DAY
        order = msgspec.structs.replace(
            order_of(n, record | {"revenue": 5, "is_new_customer": None}), order_id=f"p{n}"
        )
        machine.produce(topics.ORDERS, order.order_id, msgspec.json.encode(order), at)
        machine.settle()
    turn(90)
    accounts = [machine.intake(p).accounts.accounts for p in range(2)]
    assert sum(map(len, accounts)) == 1  # bob, who ordered once, has expired; ann has not
    assert published(machine)["a", "total"]["sums"]["customers"] == 2
    turn(150)
    assert sum(map(len, accounts)) == 0
    assert all(not list(machine.intake(p).accounts.cohorts.items()) for p in range(2))
    assert {each.sums.customers for each in machine.views.customers.values()} == {0}  # views hear of it
    for p in range(2):
        keys = [key for key, value in machine.changelogs[MERGE, p].items() if value is not None]
        assert not any(key.startswith(b"\x93\xa1k") for key in keys)


def test_without_the_setting_nothing_is_kept_of_customers():
    machine = Machine(2, campaign_registry(), models=(), customer_retention=0)
    produce(machine, order_of(1, {"number": 1, "hour": 1, "kind": "placed"} | NOTHING_SAID))
    machine.settle()
    assert machine.customers == []
    assert [entry.customer for p in range(2) for _, entry in machine.intake(p).orders.items()] == [0]


@pytest.mark.parametrize("crash", [None, BEFORE_APPEND, 0, 1, BEFORE_CONFIRM])
@pytest.mark.parametrize("period", ["month", "week"])
def test_cohorts_that_are_forgotten_are_taken_back_on_the_topic_and_in_views(crash, period):
    """Else whoever adds up cohorts would have everybody twice who comes back after accounts are kept again."""
    machine = Machine(2, campaign_registry(), zone="UTC", models=())

    def start(retention: int, cohorts: str, crash: int | None = None) -> None:
        for options in ("intake_options", "merge_options"):
            found = getattr(machine, options)
            changed = msgspec.structs.replace(found, customer_retention=retention, customer_cohorts=cohorts)
            setattr(machine, options, changed)
        for stage in (INTAKE, MERGE):
            for p in range(2):
                machine.open(stage, p, crash)

    def order(number: int, campaign: str) -> None:
        record = NOTHING_SAID | {"number": number, "hour": number, "kind": "placed", "campaign_id": campaign}
        produce(machine, order_of(number, record))
        machine.settle()

    retention = machine.merge_options.customer_retention
    order(2, "a")
    order(3, "b")
    before = published(machine)
    assert {each["sums"]["customers"] for each in before.values()} == {1}
    start(0, "month", crash)
    machine.deliver_late()
    machine.settle()
    taken_back = published(machine)
    assert taken_back.keys() == before.keys()
    assert {each["sums"]["customers"] for each in taken_back.values()} == {0}
    assert {each.sums.customers for each in machine.views.customers.values()} == {0}
    for p in range(2):
        keys = [key for key, value in machine.changelogs[MERGE, p].items() if value is not None]
        assert not any(key.startswith(b"\x93\xa1k") for key in keys)
    start(retention, period)
    order(1, "a")  # of the same person as the first
    kept = {key: each for key, each in published(machine).items() if each["sums"]["customers"]}
    assert {key[0] for key in kept} == {"a"}
    assert sum(each["sums"]["customers"] for (_, cohort), each in kept.items() if cohort != "total") == 1
    assert {each["period"] for each in kept.values()} == {period}


def test_the_total_of_a_campaign_that_is_kept_by_weeks_stays_where_its_months_are_taken_back():
    machine = Machine(1, campaign_registry(), zone="UTC", models=())
    record = {"number": 0, "hour": 1, "kind": "placed"} | NOTHING_SAID
    produce(machine, order_of(1, record))
    machine.settle()
    for options in ("intake_options", "merge_options"):
        changed = msgspec.structs.replace(getattr(machine, options), customer_cohorts="week")
        setattr(machine, options, changed)
    for stage in (INTAKE, MERGE):
        machine.open(stage, 0)
    produce(machine, order_of(2, record | {"number": 3, "hour": 30}))
    machine.settle()
    shown = {cohort: each["sums"]["customers"] for (_, cohort), each in published(machine).items()}
    assert shown.pop("total") == 1
    assert sorted(shown.values()) == [0, 1]


NOTHING_SAID = {"campaign_id": "a", "revenue": 1, "is_new_customer": None}


@pytest.mark.verify
def test_a_year_of_a_wholesaler_is_that_of_the_batch_computation_to_the_micro_also_after_kills(shared):
    path = shared / "data/online_retail/online_retail_2010_2011.parquet"
    records = [
        record
        for record in replayed([path], "online_retail", currency="GBP").records
        if record.topic == topics.ORDERS
    ]
    machine = Machine(2, CampaignRegistry("GBP"), zone="Europe/London", models=(), rollups=())
    timestamp = 1_330_000_000_000
    # One after each five thousand orders: a recovery reads the windows of a whole year back.
    kills = iter(((INTAKE, 0), (MERGE, 1), (INTAKE, BEFORE_CONFIRM), (MERGE, BEFORE_APPEND)))
    for n, record in enumerate(records):
        machine.produce(topics.ORDERS, record.key or b"", record.value, timestamp)
        if n % 5_000 == 4_999:
            machine.run()
            stage, where = next(kills)
            for p in range(2):
                machine.checkpoint(stage, p, crash=where)
    assert next(kills, None) is None
    machine.deliver_late()
    machine.settle()
    base = histories(msgspec.json.decode(record.value, type=Order) for record in records)
    assert len(base.customers) == 4_338
    holds(machine, base, ZoneInfo("Europe/London"), timestamp)
    before = published(machine)
    for record in records[:5_000]:  # a replay changes nothing
        machine.produce(topics.ORDERS, record.key or b"", record.value, timestamp)
    machine.settle()
    assert [each["sums"] for each in published(machine).values()] == [
        each["sums"] for each in before.values()
    ]


steps = st.lists(
    st.tuples(
        st.sampled_from([topics.CLICKS, topics.LEADS, topics.ORDERS]),
        st.integers(0, 3),
        st.sampled_from(["a", "b"]),
    ),
    max_size=20,
)


@bounded
@given(steps, st.integers(1, 3), st.integers(0, 20), st.sampled_from([BEFORE_APPEND, 0, 1, BEFORE_CONFIRM]))
def test_the_funnel_of_a_campaign_is_that_of_its_whole_history_wherever_a_worker_dies(
    written, partitions, cut, where
):
    machine = Machine(partitions, campaign_registry(), zone="UTC", models=())
    for n, (topic, person, campaign) in enumerate(written):
        event = {"event_id": f"e{n}", "occurred_at": T0 + n * HOUR, "campaign_id": campaign}
        own = {
            topics.CLICKS: {"visitor_id": f"v{person}"},
            topics.LEADS: {"lead_id": f"l{n}"},
            topics.ORDERS: {"order_id": f"o{n}", "customer_id": f"u{person}", "revenue": "10"},
        }
        machine.produce(topic, f"u{person}", event | own[topic], T0 + 200 * DAY)
        if n == cut:
            machine.run()
            for p in range(partitions):
                machine.checkpoint(MERGE, p, crash=where)
    machine.settle()
    for p in range(partitions):  # an hour later every campaign is looked at
        late = {"event_id": f"t{p}", "occurred_at": T0 + 60 * DAY, "campaign_id": "late"}
        machine.produce_to(p, topics.CLICKS, None, late, T0 + 200 * DAY)
    machine.settle()
    found = {
        campaign: each["sums"] for (campaign, cohort), each in published(machine).items() if cohort == "total"
    }
    first = {}
    for topic, person, campaign in written:  # in order of time
        if topic == topics.ORDERS:
            first.setdefault(person, campaign)
    acquired = Counter(first.values())
    assert {campaign: sums["customers"] for campaign, sums in found.items()} == acquired
    for campaign, sums in found.items():
        counted = {
            name: sum((each, of) == (topic, campaign) for each, _, of in written)
            for name, topic in (("clicks", topics.CLICKS), ("leads", topics.LEADS))
        }
        assert {name: sums[name] for name in counted} == counted

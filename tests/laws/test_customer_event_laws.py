"""Laws of what customers do beside ordering: whatever crashes, and whatever order topics are read in, each customer counts once."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.customers.accounts import customer_hash
from metrics.customers.calendar import CustomerCalendar, month_name
from metrics.customers.customer_events import CustomerEventCounts
from metrics.customers.quantile_sketch import RELATIVE_ERROR
from metrics.records.events import Order
from metrics.values.time import DAY, HOUR, format_instant
from streams import topics
from streams.messages.decoding import DECODERS
from tests.laws.facts import T0, campaign_registry
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine
from tests.laws.test_customer_account_laws import published
from tests.support.examples import examples
from tests.support.oracles.customer_events import CustomerSumsExpected

ZONE = ZoneInfo("Europe/Paris")
MONTHS = CustomerCalendar(ZONE)
APPENDED = T0 + 400 * DAY
bounded = examples(0.4, HealthCheck.too_slow, HealthCheck.data_too_large)

customers = st.sampled_from(["ann", "bob", "cyd"])
hours = st.integers(0, 24 * 100)
orders = st.tuples(
    st.just(topics.ORDERS),
    hours,
    st.builds(
        lambda buyer, campaign: {"customer_id": buyer, "campaign_id": campaign, "revenue": 5},
        customers,
        st.sampled_from(["a", "b"]),
    ),
)
surveys = st.tuples(
    st.just(topics.SURVEYS),
    hours,
    st.one_of(
        st.builds(lambda score, who: {"score": score, "customer_id": who}, st.integers(0, 10), customers),
        st.builds(
            lambda score, who: {"score": score, "kind": "csat", "customer_id": who},
            st.integers(1, 5),
            customers,
        ),
        st.builds(lambda score: {"score": score, "campaign_id": "a"}, st.integers(0, 10)),
    ),
)
tickets = st.tuples(
    st.just(topics.TICKETS),
    hours,
    st.builds(
        lambda number, stage: {
            "ticket_id": f"t{number}",
            "stage": stage,
            "customer_id": ("ann", "bob", "cyd")[number],
        },
        st.integers(0, 2),
        st.sampled_from(["opened", "responded", "resolved"]),
    ),
)
subscriptions = st.tuples(
    st.just(topics.SUBSCRIPTIONS),
    hours,
    st.builds(
        lambda number, kind, amount: {
            "subscription_id": f"s{number}",
            "kind": kind,
            "term": "P1M",
            "amount": amount,
            "customer_id": ("ann", "bob", "cyd")[number],
        },
        st.integers(0, 2),
        st.sampled_from(["started", "renewed", "renewed", "cancelled"]),
        st.sampled_from(["9.90", "12"]),
    ),
)
referrals = st.tuples(
    st.just(topics.REFERRALS),
    hours,
    st.builds(
        lambda who, brought: {"referrer_id": who, "visitor_id": brought},
        customers,
        st.sampled_from(["x", "y"]),
    ),
)
activations = st.tuples(
    st.just(topics.ACTIVATIONS), hours, st.builds(lambda who: {"customer_id": who}, customers)
)
events = st.lists(
    st.one_of(orders, surveys, tickets, subscriptions, referrals, activations), min_size=1, max_size=18
)


def record_of(n: int, event: tuple) -> tuple[str, str, dict]:
    """Topic, key and value. Tickets and the like have a key of their own, which is no customer's."""
    topic, hour, fields = event
    value = {"event_id": f"e{n}", "occurred_at": T0 + hour * HOUR, **fields}
    if topic == topics.ORDERS:
        value["order_id"] = f"o{n}"
    key = next(
        (
            fields[name]
            for name in ("ticket_id", "subscription_id", "visitor_id", "customer_id", "campaign_id")
            if name in fields
        ),
    )
    return topic, key, value


def hold(expected: CustomerSumsExpected, machine: Machine) -> None:
    found = published(machine)
    for key, sums in expected.sums.items():
        assert {name: found[key]["sums"][name] for name in sums} == sums, key
    shown = {key for key, each in found.items() if each["sums"]["customers"]}
    assert shown == {key for key, sums in expected.sums.items() if sums.get("customers")}
    for campaign, times in expected.times.items():
        median = sorted(times)[(len(times) - 1) // 2]
        shown_ms = found[campaign, "total"]["kpis"]["first_response_p50"] * 1_000
        assert abs(shown_ms - max(1, median)) <= RELATIVE_ERROR * max(1, median) + 1e-3


@bounded
@given(
    events,
    st.integers(1, 3),
    st.lists(
        st.tuples(
            st.integers(0, 17),
            st.sampled_from([INTAKE, MERGE]),
            st.sampled_from([BEFORE_APPEND, 0, 1, BEFORE_CONFIRM]),
        ),
        max_size=3,
    ),
)
def test_what_customers_do_counts_once_wherever_workers_die(written, partitions, crashes):
    machine = Machine(partitions, campaign_registry(), zone="Europe/Paris", models=())
    records = [record_of(n, event) for n, event in enumerate(written)]
    for n, (topic, key, value) in enumerate(records):
        machine.produce(topic, key, value, APPENDED)
        for at, stage, where in crashes:
            if at == n:
                machine.run()
                for p in range(partitions):
                    machine.checkpoint(stage, p, crash=where)
        if n % 4 == 0:
            machine.produce(topic, key, value, APPENDED)  # a duplicate changes nothing
        if n % 3 == 0:
            machine.run()
    machine.deliver_late()
    machine.settle()
    hold(CustomerSumsExpected(records, MONTHS), machine)
    machine.check_books()
    counted = CustomerEventCounts(MONTHS, "EUR")
    for topic, _, value in records:
        if topic != topics.ORDERS:
            counted.take(DECODERS[topic].decode(msgspec.json.encode(value)))
    accounts = [machine.intake(p).accounts.accounts for p in range(partitions)]
    kept = {int(name, 16): account.counts for each in accounts for name, account in each.items()}
    assert {who: counts for who, counts in kept.items() if counts} == counted.of_customers()


@bounded
@given(events, st.integers(1, 3), st.sampled_from(["ann", "bob"]), st.booleans())
def test_who_is_erased_is_in_no_figure_also_where_records_from_before_are_read_after(
    written, partitions, gone, is_read_after
):
    machine = Machine(partitions, campaign_registry(), zone="Europe/Paris", models=())
    records = [record_of(n, event) for n, event in enumerate(written)]
    request = {"requested_at": format_instant(APPENDED), "customer_id": gone}
    if not is_read_after:
        for topic, key, value in records:
            machine.produce(topic, key, value, APPENDED)
        machine.run()
    for p in range(partitions):
        machine.produce_to(p, topics.ERASURES, None, request, APPENDED)
    if is_read_after:
        for p in range(partitions):
            machine.read(topics.ERASURES, p, 1)
        for topic, key, value in records:
            machine.produce(topic, key, value, APPENDED)
    machine.settle()
    hold(CustomerSumsExpected(records, MONTHS, gone), machine)
    for p in range(partitions):
        accounts = machine.intake(p).accounts
        held = [each for table in accounts._held for _, each in table.items()]
        theirs = {each.customer for each in held}
        assert customer_hash(gone, None) not in theirs
    # What follows of their tickets touches no account any more.
    follow = {"event_id": "later", "occurred_at": APPENDED, "ticket_id": "t0", "stage": "resolved"}
    machine.produce(topics.TICKETS, "t0", follow | {"customer_id": "ann"}, APPENDED)
    machine.settle()
    if gone == "ann" and any(value.get("ticket_id") == "t0" for _, _, value in records):
        hold(CustomerSumsExpected(records, MONTHS, gone), machine)


def test_an_answer_that_names_a_campaign_alone_counts_in_all_its_customers_and_in_no_cohort():
    machine = Machine(2, campaign_registry(), zone="UTC", models=())
    answer = {"event_id": "1", "occurred_at": T0, "score": 10, "campaign_id": "c"}
    machine.produce(topics.SURVEYS, "c", answer, APPENDED)
    machine.settle()
    assert {key: each["sums"]["promoters"] for key, each in published(machine).items()} == {("c", "total"): 1}
    assert published(machine)["c", "total"]["kpis"]["nps"] == 1.0
    order = Order("2", T0, "o", revenue=Decimal(1), customer_id="ann", campaign_id="c")
    machine.produce(topics.ORDERS, "ann", msgspec.json.encode(order), APPENDED)
    machine.settle()
    shown = {
        key[1]: (each["sums"]["customers"], each["sums"]["promoters"])
        for key, each in published(machine).items()
    }
    assert shown == {"total": (1, 1), month_name(MONTHS.of(T0)): (1, 0)}


def test_records_that_cannot_be_are_refused_with_what_to_do():
    machine = Machine(1, campaign_registry(), models=())
    common = {"occurred_at": T0, "customer_id": "ann"}
    wrong = [
        (topics.SURVEYS, common | {"score": 11}, "a score of nps is from 0 to 10, not 11"),
        (topics.SURVEYS, common | {"score": 0, "kind": "csat"}, "a score of csat is from 1 to 5, not 0"),
        (topics.SURVEYS, {"occurred_at": T0, "score": 1}, "a survey needs a customer_id, a visitor_id or a campaign_id"),
        (topics.TICKETS, {"occurred_at": T0, "ticket_id": "t"}, "a ticket that is opened needs a customer_id or a visitor_id"),
        (topics.SUBSCRIPTIONS, common | {"subscription_id": "s"}, "Object missing required field `term`"),
        (topics.SUBSCRIPTIONS, {"occurred_at": T0, "subscription_id": "s", "term": "P1M"}, "a subscription that is started needs a customer_id or a visitor_id"),
        (topics.SUBSCRIPTIONS, common | {"subscription_id": "s", "term": "P1M", "currency": "euro", "amount": 1}, "'euro' is no code of a currency such as EUR (three capital letters)"),
        (topics.REFERRALS, {"occurred_at": T0, "referrer_id": "ann"}, "a referral needs a customer_id or a visitor_id"),
        (topics.REFERRALS, common | {"referrer_id": "ann"}, "referrer_id is the customer_id: nobody brings themselves"),
        (topics.ACTIVATIONS, {"occurred_at": T0, "customer_id": "guest"}, "an activation needs a customer_id or a visitor_id"),
    ]  # fmt: skip
    for n, (topic, value, _) in enumerate(wrong):
        machine.produce(topic, "k", value | {"event_id": f"e{n}"}, APPENDED)
    machine.settle()
    details = [letter["detail"] for letter in machine.letters]
    assert sorted(details) == sorted(detail for _, _, detail in wrong)
    machine.check_books()


def test_a_subscription_takes_so_many_renewals_and_no_more():
    machine = Machine(1, campaign_registry(), models=())
    common = {"subscription_id": "s", "term": "P1D", "customer_id": "ann"}
    for n in range(202):
        kind = "renewed" if n else "started"
        value = common | {"event_id": f"e{n}", "occurred_at": T0 + n * DAY, "kind": kind}
        machine.produce(topics.SUBSCRIPTIONS, "s", value, APPENDED)
    machine.settle()
    assert [letter["reason"] for letter in machine.letters] == ["too_many"]


def test_without_accounts_these_topics_are_judged_and_nothing_is_kept():
    machine = Machine(2, campaign_registry(), models=(), customer_retention=0)
    records = [
        (topics.SURVEYS, {"score": 9, "campaign_id": "a"}),
        (topics.TICKETS, {"ticket_id": "t", "customer_id": "ann"}),
        (topics.SUBSCRIPTIONS, {"subscription_id": "s", "term": "P1M", "customer_id": "ann"}),
        (topics.REFERRALS, {"referrer_id": "ann", "customer_id": "bob"}),
        (topics.ACTIVATIONS, {"customer_id": "ann"}),
        (topics.ACTIVATIONS, {}),
    ]
    for n, (topic, value) in enumerate(records):
        machine.produce(topic, "k", value | {"event_id": f"e{n}", "occurred_at": T0}, APPENDED)
    machine.settle()
    assert machine.customers == []
    applied = [
        sum(machine.intake(p).ledger[topic].applied for p in range(2)) for topic in topics.CUSTOMER_SOURCES
    ]
    assert applied == [1] * 5
    assert [letter["topic"] for letter in machine.letters] == [topics.ACTIVATIONS]
    assert all(not machine.intake(p).accounts.tables for p in range(2))


def test_amounts_of_contracts_that_outgrow_64_bits_end_nobody_and_stay_exact():
    """The largest amounts there may be, each day anew: their sum by the month is beyond 64 bits."""
    machine = Machine(2, campaign_registry(), zone="UTC", models=())
    largest, people = 10**12 - 1, [f"p{n}" for n in range(5)]
    for n, who in enumerate(people):
        order = {
            "event_id": f"o{n}",
            "occurred_at": T0,
            "order_id": f"o{n}",
            "customer_id": who,
            "campaign_id": "a",
        }
        contract = {"event_id": f"s{n}", "occurred_at": T0, "subscription_id": who, "customer_id": who}
        machine.produce(topics.ORDERS, who, order | {"revenue": 1}, APPENDED)
        machine.produce(topics.SUBSCRIPTIONS, who, contract | {"term": "P1D", "amount": largest}, APPENDED)
        for day in range(1, 60):
            renewal = {
                "event_id": f"r{n}-{day}",
                "occurred_at": T0 + day * DAY,
                "kind": "renewed",
                "term": "P1D",
            }
            machine.produce(topics.SUBSCRIPTIONS, who, contract | renewal, APPENDED)
    machine.settle()
    for p in range(2):
        machine.open(INTAKE, p)
        machine.open(MERGE, p)
    machine.settle()
    sums = published(machine)["a", "total"]["sums"]
    assert sums["billed_micros"] == 5 * 60 * largest * 1_000_000 > 1 << 64
    assert not machine.letters

"""Re-keying, case by case: what is sent, what a crash does to it, and who hears of what comes after."""

import itertools

import msgspec
import pytest

from metrics.attribution.models import AttributionRules
from metrics.records.partition_keys import KeyRule
from metrics.values.time import DAY, HOUR, MINUTE
from streams import topics
from streams.stages.intake.repartition import decode_rekeyed
from streams.stages.intake.stage import IntakeHeader, IntakeStage
from streams.state.codec import decode_as, encode, partition_of
from streams.state.store import HEADER_KEY, Header, StateStore
from tests.laws.facts import T0, campaign_registry
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, Machine
from tests.laws.test_pipeline_journeys import click, order, visitor_hash
from tests.laws.test_pipeline_laws import APPENDED

HOME = partition_of("v", 2)
AWAY = 1 - HOME
#: Its partition is not that of the visitor.
STRANGE = next(key for key in map(str, itertools.count()) if partition_of(key, 2) == AWAY)


def machine_of(**options):
    return Machine(2, campaign_registry(), **{"models": ("linear",)} | options)


def write(machine, topic, value, key=None, p=AWAY):
    machine.produce_to(p, topic, key, value, APPENDED)


def lead(n, at, visitor, **more):
    return {"event_id": f"l{n}", "occurred_at": at, "lead_id": "l1", "visitor_id": visitor, **more}


def totals(machine, name, model="linear"):
    """A sum of each campaign's total."""
    found = {key[0]: each[name] for key, each in machine.last_credits(model).items() if key[1] == "total"}
    return {campaign: value for campaign, value in found.items() if value}


def sent(machine):
    """Touches and conversions of every message."""
    messages = [decode_rekeyed(record.value) for p in (0, 1) for record in machine.sources[topics.REKEYED, p]]
    return [each for message in messages for each in (*message.touches, *message.conversions)]


@pytest.mark.parametrize("crash", [BEFORE_APPEND, 0, 2, 4, BEFORE_CONFIRM, None])
@pytest.mark.parametrize("receiver", [BEFORE_APPEND, BEFORE_CONFIRM, None])
def test_wherever_the_sender_or_the_receiver_dies_each_fact_counts_once(crash, receiver):
    machine = machine_of()
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    write(machine, topics.CLICKS, click(2, T0 + 1_000, "b", "v"), p=HOME)
    write(machine, topics.ORDERS, order(1, T0 + MINUTE, "v"))
    for topic in (topics.CLICKS, topics.ORDERS):
        machine.read(topic, AWAY, 9)
    machine.checkpoint(INTAKE, AWAY, crash)
    machine.read(topics.REKEYED, HOME, 9)
    machine.checkpoint(INTAKE, HOME, receiver)
    machine.checkpoint(INTAKE, AWAY, crash)
    machine.deliver_late()
    machine.settle()
    machine.check_books()
    assert totals(machine, "orders") == {"a": 0.5, "b": 0.5}
    assert totals(machine, "revenue_micros") == {"a": 4_500_000, "b": 4_500_000}
    assert len(sent(machine)) >= 2


def test_refunds_cancellations_and_late_touches_move_what_another_partition_counts():
    machine = machine_of()
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    write(machine, topics.ORDERS, order(1, T0 + MINUTE, "v"))
    machine.settle()
    for p in (AWAY, HOME):
        machine.open(INTAKE, p)
    back = order(2, T0 + 2 * MINUTE, None, order_id="o1", kind="refunded", revenue="4")
    write(machine, topics.ORDERS, back)
    machine.settle()
    assert totals(machine, "refunds_micros") == {"a": 4_000_000}
    write(machine, topics.CLICKS, click(2, T0 + 1_000, "b", "v"))
    write(machine, topics.ORDERS, order(3, T0 + 3 * MINUTE, None, order_id="o1", kind="cancelled"))
    machine.settle()
    assert totals(machine, "orders") == {"a": 0.5, "b": 0.5}
    assert totals(machine, "cancelled_orders") == {"a": 0.5, "b": 0.5}
    assert totals(machine, "refunds_micros") == {"a": 4_500_000, "b": 4_500_000}
    assert machine.intake(HOME).ledger[topics.ORDERS].applied == 0


@pytest.mark.parametrize("key", [None, STRANGE])
def test_a_lead_moves_to_its_visitor_when_a_later_stage_names_one(key):
    machine = machine_of(trusts_keys=False)
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    write(machine, topics.LEADS, lead(1, T0 + 1_000, None), key, p=HOME if key else AWAY)
    machine.settle()
    assert totals(machine, "leads") == {"(none)": 1}
    write(machine, topics.LEADS, lead(2, T0 + 2_000, "v", stage="mql"), key, p=HOME if key else AWAY)
    machine.settle()
    assert (totals(machine, "leads"), totals(machine, "mqls")) == ({"a": 1}, {"a": 1})
    machine.open(INTAKE, AWAY)
    machine.open(INTAKE, HOME)
    third = lead(3, T0 + 3_000, "w", stage="sql")  # the first who is named stays
    write(machine, topics.LEADS, third, key, p=HOME if key else AWAY)
    machine.settle()
    assert (totals(machine, "leads"), totals(machine, "sqls")) == ({"a": 1}, {"a": 1})


def test_a_refund_before_its_order_moves_with_it():
    machine = machine_of()
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    back = order(1, T0 + 2 * MINUTE, None, order_id="o2", kind="refunded", revenue="4")
    write(machine, topics.ORDERS, back)
    machine.settle()
    assert totals(machine, "refunds_micros") == {"(none)": 4_000_000}
    write(machine, topics.ORDERS, order(2, T0 + MINUTE, "v"))
    machine.settle()
    assert totals(machine, "refunds_micros") == {"a": 4_000_000}
    assert totals(machine, "orders") == {"a": 1}


def test_who_is_new_follows_the_first_order_of_a_customer_that_another_partition_counts():
    machine = machine_of()
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    write(machine, topics.CLICKS, click(2, T0 + MINUTE, "b", "v"))
    write(machine, topics.ORDERS, order(1, T0 + 2 * MINUTE, "v", customer_id="k"))
    machine.settle()
    assert totals(machine, "new_customers") == {"a": 0.5, "b": 0.5}
    write(machine, topics.ORDERS, order(2, T0 + MINUTE, "v", customer_id="k"))
    machine.settle()
    assert totals(machine, "new_customers") == {"a": 1}
    assert totals(machine, "orders") == {"a": 1.5, "b": 0.5}


def test_a_conversion_waits_for_the_clicks_of_every_partition_to_reach_its_time():
    machine = machine_of()
    write(machine, topics.ORDERS, order(1, T0 + MINUTE, "v"), "v", HOME)
    write(machine, topics.CLICKS, click(1, T0 + HOUR, "z", None), p=HOME)
    write(machine, topics.CLICKS, click(2, T0, "z", None))
    for _ in range(3):
        machine.run()
        machine.tick(20_000)
    assert totals(machine, "orders") == {}
    write(machine, topics.CLICKS, click(3, T0 + 30_000, "a", "v"))
    write(machine, topics.CLICKS, click(4, T0 + HOUR, "z", None))
    for _ in range(3):
        machine.run()
        machine.tick(20_000)
    assert totals(machine, "orders") == {"a": 1}
    assert all(each["sums"]["orders"] == 0 for each in machine.credited if each["campaign_id"] == "(none)")


def test_what_waits_for_other_partitions_is_credited_when_they_fall_silent_before_its_turn():
    machine = machine_of(credit_interval=5_000)
    write(machine, topics.CLICKS, click(1, T0, "z", None))
    write(machine, topics.LEADS, lead(1, T0 + 1, None), "v", HOME)
    machine.be_idle(lambda topic, p: not machine.sources[topic, p])
    machine.settle()
    assert totals(machine, "leads") == {"(none)": 1}


def test_a_person_of_two_devices_under_one_key_is_one_where_keys_are_trusted():
    for trusts_keys, wanted in ((True, {"a": 0.5, "b": 0.5}), (False, {"b": 1})):
        machine = machine_of(trusts_keys=trusts_keys)
        machine.produce(topics.CLICKS, STRANGE, click(1, T0, "a", STRANGE), APPENDED)
        machine.produce(topics.CLICKS, STRANGE, click(2, T0 + 1_000, "b", "v"), APPENDED)
        machine.produce(topics.LEADS, STRANGE, lead(1, T0 + 2_000, STRANGE), APPENDED)
        bought = order(1, T0 + MINUTE, "v", lead_id="l1")
        machine.produce(topics.ORDERS, STRANGE, bought, APPENDED)
        machine.settle()
        assert totals(machine, "orders") == wanted


def test_records_with_the_right_keys_send_nothing_of_themselves():
    machine = machine_of()
    machine.produce(topics.CLICKS, "v", click(1, T0, "a", "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, T0 + MINUTE, "v"), APPENDED)
    machine.settle()
    assert totals(machine, "orders") == {"a": 1}
    assert sent(machine) == []
    assert not machine.intake(HOME).attribution.repartitioner.sent
    write(machine, topics.CLICKS, click(2, T0 + 1_000, "b", "v"))
    write(machine, topics.ORDERS, order(2, T0 + MINUTE, "v", is_new_customer=False))
    machine.settle()
    assert machine.intake(AWAY).attribution.repartitioner.sent == {"touch": 1, "conversion": 1}
    assert machine.sources[topics.REKEYED, HOME]  # how far the other has come


@pytest.mark.parametrize("are_sent_home", [True, False])
def test_without_models_nothing_but_customers_is_sent(are_sent_home):
    machine = machine_of(models=(), are_customers_sent_home=are_sent_home)
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    write(machine, topics.ORDERS, order(1, T0 + MINUTE, "v"))
    machine.settle()
    sent = [decode_rekeyed(each.value) for p in (0, 1) for each in machine.sources[topics.REKEYED, p]]
    assert all(not each.touches and not each.conversions and each.progress is None for each in sent)
    assert sum(len(each.customers.purchases) for each in sent) == int(are_sent_home)


def test_switched_off_journeys_stay_where_records_came_and_what_was_sent_is_taken_once():
    machine = machine_of()
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    machine.read(topics.CLICKS, AWAY, 9)
    machine.checkpoint(INTAKE, AWAY, crash=BEFORE_CONFIRM)  # its successor sends it again
    machine.intake_options = msgspec.structs.replace(machine.intake_options, key_rule=KeyRule())
    for p in (AWAY, HOME):
        machine.open(INTAKE, p)
    write(machine, topics.CLICKS, click(2, T0 + 1_000, "b", "v"))
    write(machine, topics.ORDERS, order(1, T0 + MINUTE, "v"))
    write(machine, topics.ORDERS, order(2, T0 + MINUTE, "v"), p=HOME)
    machine.settle()
    assert totals(machine, "orders") == {"a": 1, "b": 1}
    assert len(machine.intake(HOME).attribution.journeys.touches[True]) == 1


def traces(machine, visitor):
    """Keys of the changelogs of both partitions that still know a visitor."""
    hashed = visitor_hash(visitor)
    known = hashed.to_bytes(8, "little"), hashed.to_bytes(8, "big"), f"v|{visitor}".encode()
    entries = [entry for p in (0, 1) for entry in machine.changelogs[INTAKE, p].items()]
    return [key for key, value in entries if value is not None and any(each in key + value for each in known)]


@pytest.mark.parametrize("is_read_before", [False, True])
def test_an_erasure_forgets_also_what_comes_from_another_partition_after_it(is_read_before):
    machine = machine_of()
    write(machine, topics.CLICKS, click(1, T0, "a", "v"))
    write(machine, topics.ORDERS, order(1, T0 + 1_000, "v"))
    for p in (0, 1):
        write(machine, topics.ERASURES, {"visitor_id": "v", "requested_at": T0 + 30_000}, p=p)
    if is_read_before:
        machine.be_idle(lambda _topic, p: p == HOME)
        machine.read(topics.ERASURES, HOME, 9)
        machine.checkpoint(INTAKE, HOME)
    machine.settle()
    machine.settle()
    assert traces(machine, "v") == []
    assert sum(totals(machine, "orders").values()) == 1
    machine.check_books()


def test_a_state_from_before_re_keying_goes_on_at_its_own_watermark():
    machine = machine_of()
    for topic in topics.EVENT_SOURCES:
        value = click(1, T0 + HOUR, "a", "v") | {"lead_id": "l", "order_id": "o", "revenue": "1"}
        machine.produce(topic, "v", value, APPENDED)
    machine.run()
    kept = machine.changelogs[INTAKE, HOME]
    header = decode_as(Header[IntakeHeader], kept[HEADER_KEY])
    stage = header.stage
    assert (stage.watermark, stage.joint) == (T0 + HOUR, None)  # the other has said nothing of any time
    common = header.epoch, header.sequence, header.confirmed, header.partitions, header.birth
    of_format_1 = stage.__struct_fields__.index("joint")
    older = encode((*common, *msgspec.structs.astuple(stage)[:of_format_1]))
    watermarks = []
    for value in (older, kept[HEADER_KEY]):
        store = StateStore(IntakeStage(HOME, machine.intake_options, campaign_registry()), APPENDED)
        store.restore(list({**kept, HEADER_KEY: value}.items()))
        watermarks.append(store.stage.watermark)
    assert watermarks == [T0 + HOUR, None]


def test_models_are_switched_off_while_another_partition_lags_behind():
    # HOME has come 40 days further than AWAY; without models it no longer waits, and its old panes expire at once
    machine = machine_of()
    for day in (0, 40):
        for topic in topics.EVENT_SOURCES:
            value = click(day, T0 + day * DAY, "a", "v") | {"lead_id": "l", "order_id": "o", "revenue": "1"}
            machine.produce_to(HOME, topic, "v", value, T0 + day * DAY)
        machine.run()
    machine.tick()
    assert machine.intake(HOME).watermark is None
    rule = KeyRule(0)
    machine.intake_options = msgspec.structs.replace(
        machine.intake_options, rules=AttributionRules(), key_rule=rule
    )
    machine.open(INTAKE, HOME)
    assert machine.intake(HOME).watermark == T0 + 40 * DAY
    assert all(
        start >= T0 + DAY for _, resolution, start in machine.intake(HOME).panes.tallies if resolution == 0
    )

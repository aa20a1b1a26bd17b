"""A person is one whatever frames the key of their records, and a source with other keys is counted."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.entities.dedupe import repeated
from streams import topics
from tests.laws.cases import click, order, play, read_case, totals
from tests.metrics.records.test_partition_keys import apicurio, confluent, encodings, varint

MODEL = "last_touch"


def bytes_key(line, key):
    """The same line with a key of bytes."""
    return {**line, "key": key}


def test_the_case_of_keys_in_json_quotes(shared):
    machine = play(read_case(shared / "cases/events/07-key-in-json-quotes.jsonl"), models=(MODEL,))
    assert totals(machine, "orders", MODEL) == {"n7": 4}


@pytest.mark.parametrize(
    "framed",
    [
        lambda text: json.dumps(text).encode(),
        lambda text: confluent(7, varint(len(text)) + text.encode()),
        lambda text: confluent(7, json.dumps(text).encode()),
        lambda text: apicurio(7, varint(len(text)) + text.encode()),
        lambda text: json.dumps({"schema": {"type": "string"}, "payload": text}).encode(),
    ],
    ids=["json", "confluent avro", "confluent json", "apicurio avro", "connect"],
)
def test_clicks_with_framed_keys_meet_the_orders_of_their_visitors(framed):
    made = []
    for n in range(8):
        visitor = f"visitor-{n}"
        made += [bytes_key(click(str(n), -60, "ad", visitor), framed(visitor)), order(str(n), -30, visitor)]
    machine = play(made, models=(MODEL,))
    assert totals(machine, "orders", MODEL) == {"ad": 8}


def test_integer_keys_meet_the_decimal_ids_of_their_visitors():
    made = []
    for n in range(8):
        visitor = str(1_000 + n)
        key = (1_000 + n).to_bytes(8 if n % 2 else 4, "big")
        made += [bytes_key(click(str(n), -60, "ad", visitor), key), order(str(n), -30, visitor)]
    assert totals(play(made, models=(MODEL,)), "orders", MODEL) == {"ad": 8}


def test_a_framed_key_of_the_first_device_joins_the_second_one():
    """The key of both records is the first device's, framed in one of them."""
    made = [
        bytes_key(click("1", -60, "ad", "phone-1"), b'"phone-1"'),
        order("1", -30, "laptop-1", key="phone-1"),
    ]
    made.append(bytes_key(click("2", -50, "other", "laptop-1"), confluent(9, varint(7) + b"phone-1")))
    machine = play(made, models=("linear",))
    assert totals(machine, "orders", "linear") == {"other": 1}
    made.append(order("2", -20, "phone-1", key="phone-1"))
    assert totals(play(made, models=("first_touch",)), "orders", "first_touch") == {"ad": 1, "other": 1}


def test_the_framed_order_id_of_an_order_is_not_its_person():
    made = [click("1", -60, "ad", "v1"), bytes_key(order("1", -30, "v1"), b'"o1"')]
    assert totals(play(made, models=(MODEL,)), "orders", MODEL) == {"ad": 1}


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_encodings_of_their_keys_give_the_same_credits(data):
    made, plain = [], []
    for n in range(4):
        visitor = data.draw(st.sampled_from([f"v-{n}", f"{10**9 + n}", f"été-{n}"]))
        pair = [click(str(n), -60, f"ad{n}", visitor), order(str(n), -30, visitor)]
        plain += pair
        made += [bytes_key(each, data.draw(st.sampled_from(encodings(visitor, 5)))) for each in pair]
    expected = totals(play(plain, models=(MODEL,)), "orders", MODEL)
    assert totals(play(made, models=(MODEL,)), "orders", MODEL) == expected == {f"ad{n}": 1 for n in range(4)}


def test_records_that_are_sent_on_to_their_person_are_no_repetitions():
    made = [click(str(n), -60, "ad", f"v{n}", f"session-{n}") for n in range(20)]
    made += [order(str(n), -30, f"v{n}", f"session-{n}") for n in range(20)]
    machine = play(made, models=(MODEL,), trusts_keys=False)
    assert totals(machine, "orders", MODEL) == {"ad": 20}
    assert repeated([machine.intake(p).seen for p in range(4)]) == 0


def test_what_keys_are_to_their_records_is_counted():
    made = [
        click("1", -60, "ad", "v1"),
        bytes_key(click("2", -60, "ad", "v2"), b'"v2"'),
        click("3", -60, "ad", "v3", key="session-9"),
        click("4", -60, "ad", "v4", key="ad"),
        order("1", -30, "v1", key="session-9"),
    ]
    machine = play(made, models=(MODEL,))
    counted = sum(
        (machine.intake(p).keys.found for p in range(4)), start=type(machine.intake(0).keys.found)()
    )
    assert counted == {
        (topics.CLICKS, "visitor"): 2,
        (topics.CLICKS, "other"): 1,
        (topics.CLICKS, "own_id"): 1,
        (topics.ORDERS, "other"): 1,
    }

"""What a key says, whatever frames it, and whose partition that is."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.records.partition_keys import KeyRule, texts_of

ids = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=40)
schema_ids = st.integers(1, 2**31 - 1)


def varint(number):
    """A whole number of 0 or more as Avro writes it."""
    number, found = number << 1, b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def confluent(schema, payload):
    return b"\0" + schema.to_bytes(4, "big") + payload


def apicurio(schema, payload):
    return b"\0" + schema.to_bytes(8, "big") + payload


def encodings(text, schema):
    """One id as producers write it."""
    raw = text.encode()
    quoted = json.dumps(text).encode()
    avro = varint(len(raw)) + raw
    found = [raw, quoted, json.dumps(text, ensure_ascii=False).encode()]
    for header in (confluent, apicurio):
        found += [header(schema, payload) for payload in (raw, quoted, avro)]
    if len(raw) < 128:
        found.append(confluent(schema, b"\0\n" + bytes([len(raw)]) + raw))  # Protobuf: first message, field 1
    connect = {"schema": {"type": "string", "optional": False}, "payload": text}
    return [*found, json.dumps(connect).encode(), json.dumps({"visitor_id": text}).encode()]


@given(ids, schema_ids)
def test_every_encoding_of_one_key_is_one_person(text, schema):
    rule = KeyRule(7)
    for key in encodings(text, schema):
        assert text in texts_of(key)
        assert rule.kind(key, text, ["c-1"]) == "visitor"
        assert rule.person(key, text, ["c-1"]) == text.encode()


@pytest.mark.parametrize("text", ["v-1", "b6f0e2f4-4c41-4d5c-9d1b-2a0a7b6a9d3e", "été"])
def test_a_framed_key_of_another_device_is_the_person_of_the_plain_one(text):
    rule = KeyRule(7)
    for key in encodings(text, 12):
        assert rule.person(key, "another-device", ["c-1"]) == text.encode()
        assert rule.person(key, None, ["o-1"]) == text.encode()


@given(st.integers(0, 2**63 - 1), st.sampled_from([4, 8]))
def test_an_integer_key_is_the_decimal_id(number, size):
    number %= 2 ** (8 * size - 1)
    text = str(number)
    assert KeyRule(7).person(number.to_bytes(size, "big"), text, []) == text.encode()
    assert KeyRule(7).kind(number.to_bytes(size, "big"), text, []) == "visitor"


def test_a_framed_id_of_the_record_itself_is_no_persons_key():
    rule = KeyRule(7)
    assert rule.person(b'"o-1"', "v-1", ["e-1", "o-1"]) == b"v-1"
    assert rule.person(confluent(3, varint(3) + b"o-1"), None, ["o-1"]) is None


@pytest.mark.parametrize(
    "key", [b'"', b'"unclosed', b"{", b"{}", b"[1]", b"\0", b"\0" * 9, b"\xff\xfe", b"\x01\x02\x03"]
)
def test_a_key_that_says_nothing_is_taken_as_it_is(key):
    assert KeyRule(7).person(key, "v-1", ["e-1"]) in (key, *(text.encode() for text in texts_of(key)))


@given(st.binary(max_size=40), st.one_of(st.none(), ids))
def test_any_bytes_give_a_person_or_none(key, visitor):
    assert isinstance(KeyRule(7).person(key, visitor, ["e-1"]), bytes | None)

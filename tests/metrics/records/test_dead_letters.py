"""A dead letter quotes any bytes at all, and says so where it quotes only their beginning."""

import base64
import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.records.dead_letters import MAX_QUOTED_BYTES, Base64, DeadLetter, dead_letter
from metrics.values.errors import Reason

TWO_MEGABYTES = 2 * 1024 * 1024


def letter(value, key=b"v-1"):
    return dead_letter("ad-clicks", 3, 42, key, value, Reason.INVALID_JSON, "no closing brace", 1_250)


def on_the_wire(record):
    return msgspec.json.decode(msgspec.json.encode(record))


def test_a_short_text_is_quoted_whole_without_marks():
    assert on_the_wire(letter(b'{"event_id": 1')) == {
        "topic": "ad-clicks",
        "partition": 3,
        "offset": 42,
        "key": "v-1",
        "value": '{"event_id": 1',
        "reason": "invalid_json",
        "detail": "no closing brace",
        "failed_at": "1970-01-01T00:00:01.250Z",
    }


def test_a_tombstone_and_a_record_without_key_are_null():
    record = on_the_wire(letter(None, key=None))
    assert record["value"] is None
    assert record["key"] is None
    assert "truncated" not in record


def test_bytes_that_are_not_utf8_are_base64():
    record = on_the_wire(letter(b"\xff\xfe{", key=b"\x80"))
    assert record["value"] == {"base64": base64.b64encode(b"\xff\xfe{").decode()}
    assert record["key"] == {"base64": "gA=="}


@pytest.mark.parametrize("shift", [0, 1, 2, 3])
def test_a_character_that_the_cut_would_split_is_left_out_whole(shift):
    value = b"x" * shift + "🙂".encode() * 20_000
    record = letter(value)
    assert isinstance(record.value, str)
    assert value.startswith(record.value.encode())
    assert MAX_QUOTED_BYTES - 4 < len(record.value.encode()) <= MAX_QUOTED_BYTES
    assert record.truncated is True


def test_two_megabytes_are_cut_and_described():
    value = b"a" * TWO_MEGABYTES
    record = on_the_wire(letter(value))
    assert record["value"] == "a" * MAX_QUOTED_BYTES
    assert record["truncated"] is True
    assert record["length"] == TWO_MEGABYTES
    assert record["sha256"] == hashlib.sha256(value).hexdigest()


def test_a_bad_byte_past_the_cut_makes_it_base64_too():
    record = letter(b"a" * TWO_MEGABYTES + b"\xff")
    assert record.value == Base64(base64.b64encode(b"a" * MAX_QUOTED_BYTES).decode())
    assert record.length == TWO_MEGABYTES + 1


def test_exactly_the_limit_is_not_truncated():
    record = letter(b"a" * MAX_QUOTED_BYTES)
    assert record.truncated is msgspec.UNSET
    assert letter(b"a" * (MAX_QUOTED_BYTES + 1)).truncated is True


@given(st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_short_values_survive_the_wire_byte_for_byte(value):
    record = msgspec.json.decode(msgspec.json.encode(letter(value)), type=DeadLetter)
    quoted = record.value
    assert (base64.b64decode(quoted.base64) if isinstance(quoted, Base64) else quoted.encode()) == value

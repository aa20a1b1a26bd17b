"""Lines of connectors: numbers as they are written, states as they came, and what is no message."""

import json

import pytest

from streams.ingest.protocols import ConnectorState, RecordLine, StateLine, read_line

AMOUNT = "123456789012.100000000000000001"


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        (
            "singer",
            '{"type":"RECORD","stream":"deals","record":{"amount":%s,"id":12345678901234567890},"time_extracted":"x"}',
        ),
        (
            "airbyte",
            '{"type":"RECORD","record":{"stream":"deals","namespace":null,"data":{"amount":%s,"id":12345678901234567890},"emitted_at":1}}',
        ),
    ],
)
def test_a_number_keeps_its_digits(protocol, line):
    said = read_line(protocol, (line % AMOUNT).encode())
    assert said == RecordLine("deals", {"amount": AMOUNT, "id": "12345678901234567890"})


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("singer", '{"type":"SCHEMA","stream":"s","schema":{},"key_properties":[]}'),
        ("singer", '{"type":"ACTIVATE_VERSION","stream":"s","version":1}'),
        ("airbyte", '{"type":"LOG","log":{"level":"INFO","message":"x"}}'),
        ("airbyte", '{"type":"TRACE","trace":{}}'),
        ("airbyte", '{"type":"CATALOG","catalog":{}}'),
    ],
)
def test_what_says_nothing_of_records_is_passed_over(protocol, line):
    assert read_line(protocol, line.encode()) is None


@pytest.mark.parametrize(
    ("protocol", "line"),
    [
        ("singer", "INFO starting"),
        ("singer", '{"type":"RECORD","stream":"s","record":[1]}'),
        ("singer", '{"type":"RECORD","stream":"s"}'),
        ("singer", '{"type":"BATCH","stream":"s","manifest":[]}'),
        ("singer", '{"type":"RECORD","stream":"s","record":{"a":1'),
        ("airbyte", '{"type":"RECORD","record":{"data":{}}}'),
        ("airbyte", '["RECORD"]'),
        ("airbyte", "\udcff"),
    ],
)
def test_what_is_no_message_says_so(protocol, line):
    with pytest.raises(ValueError, match=r"\w"):
        read_line(protocol, line.encode(errors="surrogateescape"))


def states(protocol, *lines):
    state = ConnectorState(protocol)
    for line in lines:
        said = read_line(protocol, json.dumps(line).encode())
        assert isinstance(said, StateLine)
        state.take(said)
    return state


def test_of_singer_the_last_state_is_handed_back():
    state = states(
        "singer", {"type": "STATE", "value": {"a": 1}}, {"type": "STATE", "value": {"b": 2.50, "c": None}}
    )
    assert json.loads(state.to_hand_back()) == {"b": 2.5, "c": None}
    assert ConnectorState.of("singer", state.to_hand_back()).to_hand_back() == state.to_hand_back()
    assert ConnectorState.of("singer", None).to_hand_back() is None


def stream_state(name, at):
    inner = {
        "type": "STREAM",
        "stream": {"stream_descriptor": {"name": name}, "stream_state": {"at": at}},
        "sourceStats": {"recordCount": 1.0},
    }
    return {"type": "STATE", "state": inner}


def test_of_airbyte_the_last_state_of_each_stream_is_handed_back_also_of_runs_before():
    state = states("airbyte", stream_state("a", 1), stream_state("b", 1), stream_state("a", 2))
    kept = json.loads(state.to_hand_back())
    assert [
        (part["stream"]["stream_descriptor"]["name"], part["stream"]["stream_state"]["at"]) for part in kept
    ] == [("a", 2), ("b", 1)]
    later = ConnectorState.of("airbyte", state.to_hand_back())
    later.take(read_line("airbyte", json.dumps(stream_state("b", 9)).encode()))
    assert [part["stream"]["stream_state"]["at"] for part in json.loads(later.to_hand_back())] == [2, 9]


def test_one_state_of_all_streams_takes_the_place_of_the_others():
    whole = {
        "type": "STATE",
        "state": {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []}},
    }
    state = states("airbyte", stream_state("a", 1), whole)
    assert [part["type"] for part in json.loads(state.to_hand_back())] == ["GLOBAL"]

"""Whatever the bytes, each record gets one verdict: an event or a Rejection, never another exception."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from metrics.records.validation import MAX_RECORD_BYTES, decode
from metrics.values.errors import Reason, Rejection
from streams import topics
from streams.messages.decoding import DECODERS, decode_slice
from tests.laws.machine import Machine, Record, rejection_of
from tests.support.examples import examples

bounded = examples(1.5)
GOOD = b'{"event_id":"a","occurred_at":1,"campaign_id":"c","lead_id":"l","order_id":"o"}'
sources = st.sampled_from(topics.SOURCES)
#: Values whose bytes try to run into each other when they are joined.
NASTY = [
    b'{"a":1},{"b":2}',
    GOOD + GOOD,
    GOOD + b"\n" + GOOD,
    b'{"x":"}',
    b'{"}',
    b'{"event_id":"a","x":"}',
    b'{"x":{"y":1}',
    b'{"x":[{}',
    b"{}",
    b"{{}}",
    b"}{",
    b'{"x":1}\r\n\r\n{}',
    b"\n",
    b" " + GOOD,
    GOOD + b" ",
    b'{"event_id":"\\ud800","occurred_at":1,"campaign_id":"c"}',
    b'{"event_id":"\\u0000","occurred_at":1,"campaign_id":"c","lead_id":"\\u0000","order_id":"o"}',
    b'{"event_id":"a","occurred_at":1,"campaign_id":"c","cost":"NaN","revenue":"sNaN","order_id":"o"}',
    b'{"event_id":"a","occurred_at":1,"campaign_id":"c","cost":1e400,"revenue":"Infinity","order_id":"o"}',
    b'{"event_id":"a","occurred_at":1,"campaign_id":"c","cost":1e-400,"revenue":"1e-999999999","order_id":"o"}',
    b'{"event_id":"a","occurred_at":' + b"9" * 5_000 + b',"campaign_id":"c"}',
    b'{"event_id":"a","occurred_at":"9999-12-31T23:59:59-10:00","campaign_id":"c","lead_id":"l"}',
    b'{"event_id":"a","occurred_at":"0001-01-01T00:00:00+10:00","campaign_id":"c","lead_id":"l"}',
    b'{"event_id":"a","occurred_at":-62135596800000,"campaign_id":"c","lead_id":"l"}',
    b'{"event_id":"a","occurred_at":253402300799999,"campaign_id":"c","lead_id":"l"}',
    b'{"event_id":"a","occurred_at":-1,"campaign_id":"c","lead_id":"l","order_id":"o","revenue":0}',
    b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    b'{"event_id":"a","occurred_at":1,"campaign_id":"c","x":"' + b"y" * 300_000 + b'"}',
    b'{"report_id":"r","source":"s","campaign_id":"c","period_start":0,"period_end":253402300799999}',
    b'{"report_id":"r","source":"s","campaign_id":"c","period_start":0,"period_end":1,"clicks":1000000000001}',
    b'{"event_id":"a","occurred_at":1,"campaign_id":"c","cost":"1_000","revenue":"1_000","order_id":"o"}',
    b'{"event_id":"a","occurred_at":1,"campaign_id":"c","cost":"1_\\u0030","revenue":"1_\\u0030","order_id":"o"}',
    b'{"event_id":"a","occurred_at":1,"campaign_id":"c","x":"' + b"_" * 250_000 + b'y"}',
    b'{"event_id":"1_000","occurred_at":1,"campaign_id":"1_0","lead_id":"2_0","order_id":"3_0"}',
    b'{"report_id":"r","source":"s","campaign_id":"c","period_start":0,"period_end":1,"spend":"1_000"}',
    None,
    b"",
]
mutated = st.builds(
    lambda at, end, put: GOOD[:at] + put + GOOD[max(at, end) :],
    st.integers(0, len(GOOD)),
    st.integers(0, len(GOOD)),
    st.one_of(st.binary(max_size=4), st.sampled_from([b"\n", b'"', b"}", b"{", b"null", b"1e999", b"-"])),
)
values = st.one_of(st.just(GOOD), st.sampled_from(NASTY), mutated, st.binary(max_size=60), st.none())


def records_of(drawn):
    return [Record(offset, 10**12, b"k", value) for offset, value in enumerate(drawn)]


def verdict(decoder, value):
    try:
        return decode(decoder, value)
    except Rejection as rejection:
        return rejection.reason


@bounded
@given(sources, st.lists(values, max_size=8))
@example(topics.CLICKS, [GOOD + GOOD, b'{"x":"}', b'{"}'])
@example(topics.CLICKS, [GOOD, GOOD + b"\n" + GOOD, b'{"x":{"y":1}', b'{"z":1}}'])
def test_a_slice_judges_each_record_as_if_it_were_alone(topic, drawn):
    together = decode_slice(DECODERS[topic], records_of(drawn))
    verdicts = [each.reason if isinstance(each, Rejection) else each for each in together]
    # As text, since NaN is not itself.
    assert repr(verdicts) == repr([verdict(DECODERS[topic], value) for value in drawn])


@bounded
@given(sources, st.lists(values, min_size=1, max_size=8))
def test_whatever_is_read_is_in_the_books_and_published(topic, drawn):
    machine = Machine(1)
    for value in drawn:
        machine.produce(topic, "k", value)
    machine.settle()
    machine.check_books()


@pytest.mark.parametrize("topic", topics.SOURCES)
def test_every_nasty_value_is_in_the_books(topic):
    machine = Machine(1)
    for value in NASTY:
        machine.produce(topic, "k", value)
    machine.settle()
    machine.check_books()


@bounded
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_arbitrary_keys_and_values_make_dead_letters_that_are_json(drawn):
    machine = Machine(1)
    log = machine.sources[topics.LEADS, 0]
    for value in drawn:
        log.write(value, machine.now, key=value)
    machine.settle()
    assert len(machine.letters) == len(drawn)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.INVALID_JSON),
        (b"", Reason.INVALID_JSON),
        (b"[]", Reason.INVALID_FIELD),
        (b"{", Reason.INVALID_JSON),
        (b'{"event_id":"a","occurred_at":1}', Reason.MISSING_FIELD),
        (b'{"event_id":"","occurred_at":1,"campaign_id":"c"}', Reason.INVALID_FIELD),
        (b'{"event_id":"' + b"x" * 129 + b'","occurred_at":1,"campaign_id":"c"}', Reason.INVALID_FIELD),
        (b"{" + b" " * MAX_RECORD_BYTES + b"}", Reason.OVERSIZED),
    ],
)
def test_reasons_of_records_that_cannot_be_read(value, reason):
    rejection = rejection_of(lambda: decode(DECODERS[topics.CLICKS], value))
    assert rejection is not None
    assert rejection.reason is reason


def test_the_largest_record_is_read():
    value = GOOD[:-1] + b" " * (MAX_RECORD_BYTES - len(GOOD)) + b"}"
    assert decode(DECODERS[topics.CLICKS], value) == msgspec.json.decode(
        GOOD, type=DECODERS[topics.CLICKS].type
    )


def test_a_long_wrong_amount_is_quoted_in_short():
    machine = Machine(1)
    value = b'{"event_id":"a","occurred_at":1,"campaign_id":"c","cost":"0.' + b"1" * 200_000 + b'"}'
    machine.produce(topics.CLICKS, "k", value)
    machine.settle()
    (letter,) = machine.letters
    assert (letter["reason"], len(letter["detail"]) <= 501) == ("invalid_field", True)

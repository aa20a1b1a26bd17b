"""The law of the fuzzer, on what Hypothesis makes: whatever is in a record batch ends in the ledger, or is refused whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import topics
from tests.fuzz.law import check, written
from tests.fuzz.seeds import inputs
from tests.streams.messages.test_decoding_laws import values
from tests.support.examples import examples

bounded = examples(1.5)


@bounded
@given(st.sampled_from(topics.SOURCES), st.integers(0, 4), st.lists(values, min_size=1, max_size=6))
def test_records_of_any_bytes_end_in_the_ledger(topic, time, drawn):
    assert check(written(topic, drawn, time=time)).startswith(topic)


@bounded
@given(st.integers(0, 4), st.integers(0, 255), st.binary(max_size=80))
def test_a_batch_of_any_bytes_is_read_or_refused_whole(topic, second, body):
    assert check(bytes([topic, second, 1]) + body)


@pytest.mark.slow
def test_the_seeds_of_the_fuzzer_hold_the_law():
    assert {check(data) for data in inputs()}.isdisjoint({"short", "corrupt"})

"""How long a machine takes decides over no law: not by the profile, and not by settings that a law has of its own."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples


@pytest.mark.parametrize("bounds", [lambda law: law, examples(1)], ids=["of the profile", "of its own"])
def test_no_law_fails_because_the_machine_is_busy(monkeypatch, bounds):
    seconds = itertools.count(step=10)
    monkeypatch.setattr("time.perf_counter", lambda: float(next(seconds)))
    seen = []

    @bounds
    @given(st.integers())
    def law(number):
        seen.append(number)

    law()
    assert seen

"""`make bench` finds its measurements, and the rate of a backlog is that of what was committed."""

import pytest

from tests.bench.__main__ import STEPS
from tests.bench.backlog import _middle
from tests.bench.flames import command_of


def test_every_measurement_of_the_door_exists():
    assert [command_of(step.name, [])[-1] for step in STEPS] == [f"tests.bench.{step.name}" for step in STEPS]


def test_a_measurement_that_is_none_is_refused_with_those_there_are():
    with pytest.raises(SystemExit, match=r"no measurement wheel; there are .*scaling.*throughput"):
        command_of("wheel", [])


def test_the_clock_of_a_backlog_runs_from_a_tenth_to_nine_tenths_of_what_was_committed():
    # Two partitions of 500 clicks each after 10 that were there before; one is read in 1 s, the other in 2 s.
    checkpoints = [(1_000, 0, 5), (2_000, 0, 505), (1_000, 1, 5), (3_000, 1, 505)]
    began, ended = _middle(checkpoints, 10, 1_010)
    # 750 a second together, then 250: the 100th click after 133 ms, the 900th 600 ms after the first partition's end.
    assert (began, ended) == pytest.approx((1.133, 2.6), abs=0.011)

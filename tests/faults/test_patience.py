"""A limit is used up by what a machine can do in it, not by the wall."""

import pytest

from tests.faults.patience import Deadline, slowness


@pytest.mark.parametrize(("slow", "lasts_s"), [(1.0, 60), (4.0, 240)])
def test_a_second_of_a_busy_machine_counts_for_less(slow: float, lasts_s: int) -> None:
    looks = iter(range(1_000))
    deadline = Deadline(60.0, lambda: float(next(looks)), lambda: slow)
    assert next(second for second in range(1, 1_000) if deadline.is_over()) == lasts_s


def test_a_limit_is_never_shorter_than_it_says() -> None:
    assert slowness() >= 1.0

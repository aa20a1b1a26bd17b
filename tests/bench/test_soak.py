"""The line of a soak is that of its second half, and a soak that is too short for one says so."""

import numpy as np
import pytest

from tests.bench.soak import Sample, fitted, table


def _samples(values: list[float]) -> list[Sample]:
    return [Sample(15.0 * number, {"MB": value}) for number, value in enumerate(values)]


def test_only_the_second_half_counts():
    grows, rests = np.linspace(0, 100, 50), [100.0] * 51
    assert fitted(_samples([*grows, *rests]), "MB").slope == pytest.approx(0)


def test_the_slope_is_a_minutes():
    line = fitted(_samples([0.5 * number for number in range(41)]), "MB")
    assert line.slope == pytest.approx(2)  # four samples a minute
    assert line.error == pytest.approx(0, abs=1e-9)
    assert (line.least, line.most) == (10, 20)


def test_deviations_widen_the_error_by_the_textbook():
    rng = np.random.default_rng(3)
    slopes = [fitted(_samples(list(rng.normal(0, 1, 80))), "MB") for _ in range(400)]
    spread = float(np.std([each.slope for each in slopes]))
    assert np.mean([each.error for each in slopes]) == pytest.approx(spread, rel=0.1)


def test_a_figure_that_came_late_is_fitted_where_it_is():
    samples = [Sample(0, {"MB": 1}), *(Sample(60.0 * at, {"MB": 1, "new": at}) for at in range(1, 11))]
    assert fitted(samples, "new").slope == pytest.approx(1)
    assert "| new | 0.0 | 5.0 | 10.0 | 5.0 | 10.0 | +1.000 |" in table(samples)


def test_a_short_soak_has_no_line():
    with pytest.raises(ValueError, match="soak for longer"):
        fitted(_samples([1, 2, 3]), "MB")

"""Quantiles of Student's t are those of SciPy, far into the tail."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.special import stdtrit

from metrics.customers.student import student_quantile


@given(st.integers(1, 200), st.floats(1e-7, 0.4))
@example(2, 0.05 / (400 * 401))
def test_quantiles_are_those_of_scipy(freedom, tail):
    # SciPy takes the chance below, of which a small tail is a rounded difference to 1.
    assert student_quantile(freedom, tail) == pytest.approx(-stdtrit(freedom, tail), rel=1e-6)

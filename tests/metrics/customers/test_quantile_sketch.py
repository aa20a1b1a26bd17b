"""Quantiles of times from buckets: never further off than the sketch says, and the same of parts as of the whole."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.quantile_sketch import LONGEST, RELATIVE_ERROR, bucket_of, quantile, time_in

SHARES = (0.0, 0.01, 0.25, 0.5, 0.9, 0.99, 1.0)
#: Of floating point, beside the error of the sketch.
_ROUNDING = 1e-9


@pytest.mark.parametrize("spread", [0.3, 2.0, 5.0])
def test_of_a_million_times_every_quantile_is_within_the_error(spread):
    drawn = np.random.default_rng(7).lognormal(11, spread, 1_000_000)
    times = np.clip(drawn, 1, LONGEST).astype(np.int64)
    values, numbers = np.unique(times, return_counts=True)
    counts: Counter[int] = Counter()
    for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
        counts[bucket_of(value)] += number
    ordered = np.sort(times)
    for share in SHARES:
        true = ordered[int(np.floor(share * (len(times) - 1)))]
        assert abs(quantile(counts, share) - true) <= RELATIVE_ERROR * true * (1 + _ROUNDING)
    assert len(counts) <= 1_200


@given(st.integers(1, LONGEST))
def test_a_time_is_within_the_error_of_what_stands_for_its_bucket(duration):
    assert abs(time_in(bucket_of(duration)) - duration) <= RELATIVE_ERROR * duration * (1 + _ROUNDING)


@given(
    st.lists(st.integers(0, 2 * LONGEST), max_size=30),
    st.lists(st.integers(0, 2 * LONGEST), max_size=30),
    st.sampled_from(SHARES),
)
def test_the_union_of_two_sketches_is_the_sketch_of_all_times(some, others, share):
    one, two = Counter(map(bucket_of, some)), Counter(map(bucket_of, others))
    union = Counter(map(bucket_of, some + others))
    assert quantile(one + two, share) == quantile(union, share)
    union.subtract(two)  # and what was counted can be taken back
    assert quantile(+union, share) == quantile(one, share)


@given(st.integers(0, LONGEST), st.integers(0, LONGEST))
def test_longer_times_are_in_no_earlier_bucket(one, other):
    low, high = sorted((one, other))
    assert bucket_of(low) <= bucket_of(high)

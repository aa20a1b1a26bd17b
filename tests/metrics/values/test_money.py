"""Money enters exactly or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.values.money import divide_half_even, ratio, to_micros


@pytest.mark.parametrize(
    ("amount", "micros"),
    [
        ("0", 0),
        ("-0", 0),
        ("0.000001", 1),
        ("1.10000000000000000000000000000000000000000", 1_100_000),
        ("1E+3", 1_000_000_000),
        ("0E-200000", 0),
        ("999999999999.999999", 10**18 - 1),
    ],
)
def test_amounts_of_up_to_six_decimals_are_exact(amount, micros):
    assert to_micros(Decimal(amount)) == micros


@pytest.mark.parametrize(
    ("amount", "rule"),
    [
        ("NaN", "not an amount"),
        ("sNaN", "not an amount"),
        ("Infinity", "not an amount"),
        ("-0.000001", "negative"),
        ("-1E+400", "negative"),
        ("1000000000000", "below"),
        ("1E+400", "below"),
        ("0.0000001", "decimals"),
        ("1.00000000000000000000000000001", "decimals"),
        ("1E-400", "decimals"),
        ("1E-99999999", "decimals"),
        ("999999999999.99999999999999999999999999999999999999", "decimals"),
    ],
)
def test_anything_else_names_the_rule_it_breaks(amount, rule):
    with pytest.raises(ValueError, match=rule):
        to_micros(Decimal(amount))


@given(st.integers(-(10**30), 10**30), st.integers(-(10**20), 10**20).filter(bool))
def test_division_is_nearest_with_ties_to_even(numerator, denominator):
    quotient = divide_half_even(numerator, denominator)
    doubled = 2 * abs(numerator - quotient * denominator)
    assert doubled < abs(denominator) or (doubled == abs(denominator) and quotient % 2 == 0)


@given(st.integers(0, 10**24))
def test_a_ratio_is_null_exactly_where_its_denominator_is_zero(denominator):
    assert (ratio(7, denominator) is None) == (denominator == 0)

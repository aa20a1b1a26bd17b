"""The rule by hash: the same in every language, with the share that was stated, and another one for each test."""

import hashlib
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from metrics.lift.arms import CONTROL, arm_by_hash


@given(st.text(), st.text(), st.fractions(Fraction(1, 1000), Fraction(999, 1000)))
def test_the_rule_is_the_first_sixteen_hexadecimal_digits_as_a_share(salt, person, holdout):
    digits = hashlib.sha256((salt + ":" + person).encode("utf-8", "surrogatepass")).hexdigest()[:16]
    assert (arm_by_hash(salt, person, holdout) == CONTROL) == (Fraction(int(digits, 16), 16**16) < holdout)


def test_the_share_is_what_was_stated_and_tests_hold_out_other_people():
    people = [f"v{number}" for number in range(20_000)]
    first = {person for person in people if arm_by_hash("spring", person, Fraction(1, 10)) == CONTROL}
    second = {person for person in people if arm_by_hash("autumn", person, Fraction(1, 10)) == CONTROL}
    assert abs(len(first) - 2_000) < 150
    assert abs(len(first & second) - 200) < 60

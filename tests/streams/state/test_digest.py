"""A state knows how many records it has and what they are, whatever their order; a log that has lost some is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.values.errors import StateError
from streams.state.digest import StateDigest
from streams.state.store import HEADER_KEY, StateStore
from tests.laws.machine import INTAKE, MERGE
from tests.streams.state.test_store import busy_machine

KEYS = st.integers(0, 40).map(lambda number: b"key-%d" % number)
CHANGES = st.lists(st.tuples(KEYS, st.none() | st.binary(min_size=1, max_size=70)), max_size=200)


def digest_of(entries):
    found = StateDigest()
    found.change(list(entries))
    return found.count, found.checksum


@given(changes=CHANGES, size=st.integers(1, 50))
def test_the_digest_is_that_of_the_records_that_are_left_whatever_led_to_them(changes, size):
    by_and_by = StateDigest()
    for at in range(0, len(changes), size):
        by_and_by.change(changes[at : at + size])
    left = {key: value for key, value in dict(changes).items() if value is not None}
    assert (by_and_by.count, by_and_by.checksum) == digest_of(sorted(left.items(), reverse=True))
    assert by_and_by.count == len(left)


def test_values_and_lists_of_any_size_are_told_apart():
    values = {b"%d" % size: bytes([size % 251 or 1]) * size for size in (1, 31, 32, 255, 256, 65_535, 65_536)}
    many = {**values, **{b"n%d" % n: b"%d" % n for n in range(70_000)}}
    for some in (dict(list(values.items())[:3]), values, many):
        one_by_one = StateDigest()
        for entry in some.items():
            one_by_one.change([entry])
        assert (one_by_one.count, one_by_one.checksum) == digest_of(some.items())
        for key in values.keys() & some.keys():
            assert digest_of({**some, key: some[key][:-1] + b"."}.items())[1] != one_by_one.checksum


@given(changes=CHANGES.filter(dict), data=st.data())
def test_a_record_that_is_lost_or_older_changes_the_digest(changes, data):
    left = {key: value for key, value in dict(changes).items() if value is not None}
    if not left:
        return
    key = data.draw(st.sampled_from(sorted(left)))
    lost = {other: value for other, value in left.items() if other != key}
    assert digest_of(lost.items()) != digest_of(left.items())
    assert digest_of({**left, key: left[key] + b"."}.items())[1] != digest_of(left.items())[1]


def test_a_digest_that_grows_past_its_room_and_shrinks_again_stays_right():
    digest = StateDigest()
    for first in range(0, 60_000, 7_000):
        digest.change([(b"%d" % number, b"v") for number in range(first, first + 7_000)])
        digest.change([(b"%d" % number, None) for number in range(first, first + 6_000)])
    left = [
        (b"%d" % n, b"v") for first in range(0, 60_000, 7_000) for n in range(first + 6_000, first + 7_000)
    ]
    assert (digest.count, digest.checksum) == digest_of(left)


@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_a_changelog_that_has_lost_any_of_its_records_is_refused(stage):
    machine = busy_machine()
    machine.settle()
    log = {key: value for key, value in machine.changelogs[stage, 0].items() if value is not None}
    machine.open(stage, 0)  # whole, it is read
    for key in log:
        if key == HEADER_KEY:
            continue
        rest = {other: value for other, value in log.items() if other != key}
        with pytest.raises(
            StateError, match=f"holds {len(rest) - 1} records where its last checkpoint counts {len(rest)}"
        ):
            StateStore(_fresh(machine, stage), 0).restore(rest.items())


@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_a_changelog_whose_newest_records_are_older_ones_is_refused(stage):
    machine = busy_machine()
    machine.settle()
    log = {key: value for key, value in machine.changelogs[stage, 0].items() if value is not None}
    key = next(key for key in log if key != HEADER_KEY)
    with pytest.raises(StateError, match="are not those of its last checkpoint"):
        StateStore(_fresh(machine, stage), 0).restore([*log.items(), (key, log[key][:-1])])
    with pytest.raises(StateError, match="records and no header"):
        StateStore(_fresh(machine, stage), 0).restore([(key, log[key])])


def _fresh(machine, stage):
    return type(machine)(2, models=("linear", "markov"), trusts_keys=False).stages[stage, 0].stage

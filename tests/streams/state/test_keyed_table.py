"""Entries of a table expire by the day of their latest event time, however often each is put."""

import sys

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from metrics.values.time import DAY
from streams.state.keyed_table import KeyedTable


class Seen(msgspec.Struct, array_like=True, frozen=True):
    """The least that an entry is."""

    latest: int


def entry(day: int) -> Seen:
    return Seen(day * DAY)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("put"), st.sampled_from("abcdef"), st.integers(0, 9)),
            st.tuples(st.just("drop"), st.sampled_from("abcdef"), st.just(0)),
            st.tuples(st.just("expire"), st.just(""), st.integers(0, 9)),
        ),
        max_size=60,
    )
)
def test_a_table_holds_what_was_put_and_neither_dropped_nor_over(steps):
    table, kept = KeyedTable("o", Seen), dict[str, int]()
    for what, entry_id, day in steps:
        if what == "put":
            table.put(entry_id, entry(day))
            kept[entry_id] = day
        elif what == "drop":
            table.drop(entry_id)
            kept.pop(entry_id, None)
        else:
            over = sorted(each.latest // DAY for each in table.expire(day * DAY))
            assert over == sorted(each for each in kept.values() if each < day)
            kept = {key: each for key, each in kept.items() if each >= day}
        assert {key: each.latest // DAY for key, each in table.items()} == kept
        for each in range(10):
            found = list(table.ids_of_day(each))
            assert len(found) == len(set(found))
            assert {key for key, of in kept.items() if of == each} <= set(found)


class Named(msgspec.Struct, array_like=True, frozen=True):
    """An entry with a number that is not its last field."""

    latest: int
    who: int
    more: tuple[int, ...] = ()


@given(
    st.lists(
        st.tuples(st.integers(2**62, 2**62 + 30), st.lists(st.integers(0, 2**40), max_size=3)), max_size=40
    ),
    st.sets(st.integers(2**62, 2**62 + 30), min_size=1),
)
def test_entries_are_found_by_a_number_in_any_of_their_fields_however_many_are_looked_for(entries, wanted):
    table = KeyedTable("o", Named)
    for at, (who, more) in enumerate(entries):
        table.put(str(at), Named(DAY, who, tuple(more)))
    found = table.ids_holding(wanted)
    assert [int(each) for each in found] == [at for at, (who, _) in enumerate(entries) if who in wanted]


def test_entries_that_are_put_again_and_again_take_no_more_memory():
    table = KeyedTable("o", Seen)
    for _ in range(200):
        for number in range(100):
            table.put(str(number), entry(5))
    assert sys.getsizeof(table._by_day[5]) < 30_000
    assert len(list(table.ids_of_day(5))) == 100

"""A pane on its merge partition is what each source last said of it, whatever the size of the numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.sums.tally import Tally
from metrics.sums.tally_columns import as_tallies
from metrics.values.time import DAY, MINUTE
from metrics.windows.campaign_codes import CampaignCodes
from metrics.windows.campaign_windows import MergedWindows
from metrics.windows.merged_panes import MergedPane
from metrics.windows.panes import DAYS, MINUTES, horizon
from metrics.windows.window_kinds import BY_NAME, ROLLING, Span
from streams.state.codec import decode_as, read_key
from streams.state.pane_table import PackedNames, parts_entries

NAMES = [f"c-{number}" for number in range(20)]
values = st.sampled_from([0, 1, -1, 2**40, 2**60, -(2**60), 2**61, 2**62, 2**63, 10**30]) | st.integers(-9, 9)
tallies = st.builds(Tally, clicks=values, spend_micros=values, customers=values)
puts = st.lists(
    st.tuples(st.integers(0, 2), st.dictionaries(st.integers(0, 19), tallies, min_size=1, max_size=20)),
    max_size=12,
)


def columns(said):
    return np.array(list(said), np.int32), as_tallies(list(said.values()))


def added(tallies):
    total = Tally()
    for tally in tallies:
        total.add(tally)
    return total


def filled(steps):
    pane, last = MergedPane(), {}
    for source, said in steps:
        before = {code: added(last.get(code, {}).values()) for code in said}
        changed = pane.put(source, *columns(said))
        for code, tally in said.items():
            last.setdefault(code, {})[source] = tally
        after = [added(last[code].values()) for code in said]
        for tally, known, now in zip(changed.added.as_list(), before.values(), after, strict=True):
            known.add(tally)
            assert known == now
    return pane, last


@given(puts)
def test_sums_are_those_of_the_last_values_of_each_source(steps):
    pane, last = filled(steps)
    everyone = np.arange(20, dtype=np.int32)
    wanted = [added(last.get(code, {}).values()) for code in range(20)]
    assert pane.sums(everyone).as_list() == wanted
    assert pane.sums(everyone).total() == added(wanted)
    assert pane.has(everyone).tolist() == [code in last for code in range(20)]
    for source, part in pane.parts(everyone).items():
        assert part.as_list() == [last.get(code, {}).get(source, Tally()) for code in range(20)]


@given(puts)
def test_what_goes_into_the_changelog_makes_the_same_pane(steps):
    pane, last = filled(steps)
    codes = pane.codes
    read: dict[int, dict[int, Tally]] = {}
    for key, value in parts_entries(PackedNames(NAMES), 1, -900_000, codes, pane.parts(codes), 7):
        assert read_key(key)[0:1] + read_key(key)[2:] == ["p", 1, -900_000]
        sequence, read[NAMES.index(read_key(key)[1])] = decode_as(tuple[int, dict[int, Tally]], value)
        assert sequence == 7
    assert read == {
        code: {source: tally for source, tally in parts.items() if tally != Tally()}
        for code, parts in last.items()
    }


@given(puts)
def test_windows_over_huge_values_are_exact_and_leave_nothing_behind(steps):
    subjects = CampaignCodes([])
    subjects.codes(NAMES)
    accounts, last = MergedWindows(subjects), {}
    everywhere = tuple(Span(-DAY, DAY) for _ in ROLLING)
    accounts.slide(everywhere)
    for number, (source, said) in enumerate(steps):
        start = number % 4 * MINUTE
        accounts.put(source, MINUTES, start, *columns(said), horizon(None))
        for code, tally in said.items():
            last[source, start, code] = tally
    wanted = [added(tally for key, tally in last.items() if key[2] == code) for code in range(20)]
    assert accounts.rolling(0, subjects.everyone).as_list() == wanted
    for start in range(0, 4 * MINUTE, MINUTE):
        mine = [added(tally for key, tally in last.items() if key[1:] == (start, code)) for code in range(20)]
        assert accounts.tumbling(BY_NAME["1m"], start, subjects.everyone).as_list() == mine
    accounts.slide(tuple(Span(-DAY, 0) for _ in ROLLING))
    accounts.slide(tuple(Span(DAY, 2 * DAY) for _ in ROLLING))
    assert accounts.rolling(0, subjects.everyone).as_list() == [Tally()] * 20
    assert accounts.starts(DAYS) == []

"""Panes: a fact counts in every pane that still accepts facts, and always in the total."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.values.time import DAY, HOUR, MINUTE
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL, Panes, horizon, pane_starts

NOW = 100 * DAY + 30 * MINUTE
ONE = Tally(clicks=1)


#   watermark − age ────────────────────────────────────────── watermark
#   total │ …35 d… days │ …7 d… quarters │ …2 h… minutes │
@pytest.mark.parametrize(
    ("age", "resolutions"),
    [
        (0, {MINUTES, QUARTERS, DAYS, TOTAL}),
        (2 * HOUR, {MINUTES, QUARTERS, DAYS, TOTAL}),
        (2 * HOUR + 2 * MINUTE, {QUARTERS, DAYS, TOTAL}),
        (7 * DAY, {QUARTERS, DAYS, TOTAL}),
        (7 * DAY + 2 * HOUR, {DAYS, TOTAL}),
        (35 * DAY, {DAYS, TOTAL}),
        (37 * DAY, {TOTAL}),
        (-5 * MINUTE, {MINUTES, QUARTERS, DAYS, TOTAL}),
    ],
)
def test_a_fact_reaches_the_windows_that_are_within_their_retention(age, resolutions):
    panes = Panes()
    panes.fold([Contribution("c", NOW - age, ONE)], horizon(NOW))
    assert {resolution for _, resolution, _ in panes.tallies} == resolutions


def test_no_quarter_of_an_hour_is_dropped_before_the_hour():
    earliest = horizon(NOW).quarters_from
    assert earliest is not None
    assert earliest % HOUR == 0
    assert earliest + HOUR + 7 * DAY > NOW


def keys(panes, dropped):
    return sorted((panes.names[code], r, start) for r, start, codes in dropped for code in codes.tolist())


def test_only_sent_panes_that_accept_no_more_facts_are_dropped():
    panes = Panes()
    panes.fold([Contribution("old", 0, ONE), Contribution("new", NOW, ONE)], horizon(None))
    assert panes.expire(horizon(NOW)) == []  # all have changed
    panes.take_changes()
    panes.fold([Contribution("late", 0, ONE)], horizon(None)._replace(minutes_from=1))
    assert keys(panes, panes.expire(horizon(NOW))) == [("old", MINUTES, 0)]
    panes.take_changes()
    assert keys(panes, panes.expire(horizon(NOW))) == [(c, r, 0) for c in ("late", "old") for r in (1, 2)]
    assert {campaign for campaign, resolution, _ in panes.tallies if resolution != TOTAL} == {"new"}


def test_restored_panes_expire_like_folded_ones():
    panes = Panes()
    panes.restore(DAYS, 0, [("c", Tally(clicks=3))])
    panes.restore(TOTAL, 0, [("c", Tally(clicks=3))])
    assert keys(panes, panes.expire(horizon(NOW))) == [("c", DAYS, 0)]
    assert panes.tallies == {("c", TOTAL, 0): Tally(clicks=3)}


def test_restored_sums_that_may_not_have_gone_out_are_changes():
    panes = Panes()
    rows = panes.restore(TOTAL, 0, [("sent", ONE), ("unsent", Tally(spend_micros=10**30))])
    panes.mark(TOTAL, 0, rows[1:])
    ((resolution, start, changes),) = panes.take_changes()
    assert (resolution, start, [panes.names[code] for code in changes.codes]) == (TOTAL, 0, ["unsent"])
    assert changes.sums.beyond == {0: Tally(spend_micros=10**30)}
    assert panes.take_changes() == []


def test_a_tally_taken_back_leaves_zeros():
    panes = Panes()
    panes.fold([Contribution("c", 0, ONE)], horizon(None))
    panes.fold([Contribution("c", 0, Tally(clicks=-1))], horizon(None))
    assert set(map(repr, panes.tallies.values())) == {repr(Tally())}


sums = st.integers(-(10**9), 10**9) | st.integers(-(10**19), 10**19) | st.sampled_from([2**45, 2**60, 2**61])
facts = st.lists(
    st.builds(
        Contribution,
        st.sampled_from("abcdefghijkl"),
        st.integers(-2 * DAY, 2 * DAY),
        st.builds(Tally, clicks=sums, spend_micros=sums),
    ),
    max_size=30,
)


@given(st.lists(facts, max_size=4), st.none() | st.integers(0, 40 * DAY))
def test_panes_hold_what_a_dictionary_of_sums_holds(batches, watermark):
    limits, panes, expected = horizon(watermark), Panes(), {}
    for batch in batches:
        panes.fold(batch, limits)
        for campaign, at, tally in batch:
            starts = (*enumerate(pane_starts(at)), (TOTAL, 0))
            for (resolution, start), earliest in zip(starts, (*limits, None), strict=True):
                if earliest is None or start >= earliest:
                    expected.setdefault((campaign, resolution, start), Tally()).add(tally)
    assert panes.tallies == expected
    told = {
        (panes.names[code], resolution, start): tally
        for resolution, start, changes in panes.take_changes()
        for code, tally in zip(changes.codes.tolist(), changes.sums.as_list(), strict=True)
    }
    assert told == expected


def test_a_column_that_is_nearly_full_makes_room():
    panes = Panes()
    for _ in range(20):
        panes.fold([Contribution("c", 0, Tally(clicks=2**45))] * 2**14, horizon(None))
        panes.fold([Contribution("d", 0, Tally(clicks=-1))], horizon(None))
    assert panes.tallies["c", TOTAL, 0].clicks == 20 * 2**59
    assert panes.tallies["d", TOTAL, 0].clicks == -20

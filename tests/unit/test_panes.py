"""Panes: a fact counts in every pane that still accepts facts, and always in the total."""

import pytest

from metrics.panes import DAYS, MINUTES, QUARTERS, TOTAL, Panes, horizon
from metrics.tally import Tally
from metrics.timeline import DAY, HOUR, MINUTE

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
    panes.fold("c", NOW - age, ONE, horizon(NOW))
    assert {resolution for _, resolution, _ in panes} == resolutions


def test_no_quarter_of_an_hour_is_dropped_before_the_hour():
    earliest = horizon(NOW).quarters_from
    assert earliest is not None
    assert earliest % HOUR == 0
    assert earliest + HOUR + 7 * DAY > NOW


def test_only_sent_panes_that_accept_no_more_facts_are_dropped():
    panes = Panes()
    panes.fold("old", 0, ONE, horizon(None))
    panes.fold("unsent", 0, ONE, horizon(None))
    panes.fold("new", NOW, ONE, horizon(None))
    assert panes.expire(horizon(NOW)) == []  # all have changed
    panes.changed.clear()
    unsent = {("unsent", MINUTES, 0)}
    dropped = panes.expire(horizon(NOW), unsent)
    assert sorted(dropped) == [
        (c, r, 0) for c in ("old", "unsent") for r in (0, 1, 2) if (c, r, 0) not in unsent
    ]
    assert panes.expire(horizon(NOW)) == [("unsent", MINUTES, 0)]
    assert {campaign for campaign, resolution, _ in panes if resolution != TOTAL} == {"new"}


def test_restored_panes_expire_like_folded_ones():
    panes = Panes()
    panes.restore(("c", DAYS, 0), Tally(clicks=3))
    panes.restore(("c", TOTAL, 0), Tally(clicks=3))
    assert panes.expire(horizon(NOW)) == [("c", DAYS, 0)]
    assert panes.tallies == {("c", TOTAL, 0): Tally(clicks=3)}


def test_a_tally_taken_back_leaves_zeros():
    panes = Panes()
    panes.fold("c", 0, ONE, horizon(None))
    panes.fold("c", 0, Tally(clicks=-1), horizon(None))
    assert set(map(repr, panes.tallies.values())) == {repr(Tally())}

"""Completeness by age, against counts worked out by hand."""

from metrics.attribution.conversion_lag import EDGES, LagCounts, arrived, completeness
from metrics.values.time import DAY, HOUR, MINUTE


def lags_of(*each):
    made = LagCounts()
    for lag in each:
        made.count(lag)
    return made


def test_without_conversions_nothing_is_known():
    assert arrived(LagCounts(), DAY) is None
    assert completeness(LagCounts(), 0, DAY, 30 * DAY) is None


def test_a_window_grows_complete_as_it_ages():
    lags = lags_of(*([30 * MINUTE] * 3), 2 * DAY)
    seen = [completeness(lags, 0, HOUR, at) for at in (10 * MINUTE, HOUR, 4 * HOUR, DAY, 3 * DAY, 30 * DAY)]
    assert seen == sorted(seen)
    assert seen[0] < 0.2
    assert seen[3] == 0.75  # the three quick ones, and not yet the slow one
    assert seen[-1] == 1.0


def test_what_is_taken_back_leaves_no_trace():
    lags = lags_of(HOUR, DAY)
    lags.count(5 * DAY)
    lags.count(5 * DAY, -1)
    assert lags == lags_of(HOUR, DAY)
    other = lags_of(MINUTE)
    lags.add(other)
    lags.add(other, -1)
    assert lags == lags_of(HOUR, DAY)


def test_lags_beyond_the_last_edge_are_counted_as_come_once_all_else_has():
    lags = lags_of(HOUR, EDGES[-1] + DAY)
    assert (arrived(lags, EDGES[-1]), arrived(lags, 2 * EDGES[-1])) == (0.5, 1.0)

"""Leads: each counts once a stage, at the earliest record that has it or a later one."""

from collections import Counter
from itertools import permutations

import pytest

from metrics.entities.leads import StageMark, observe


def counted(records):
    """What the sums hold after records (event_id, at, stage, campaign), as {(campaign, at, stage): 1}."""
    entry, sums = None, Counter()
    for event_id, at, stage, campaign in records:
        entry, changes = observe(entry, stage, StageMark(at, event_id, campaign))
        for change in changes:
            for name in ("leads", "mqls", "sqls"):
                sums[change.campaign, change.at, name] += getattr(change.tally, name)
    return {key: n for key, n in sums.items() if n}


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        # lead@1
        ([("a", 1, "lead", "c")], {("c", 1, "leads"): 1}),
        # sql@5 seen alone counts the earlier stages with it
        ([("a", 5, "sql", "c")], {("c", 5, "leads"): 1, ("c", 5, "mqls"): 1, ("c", 5, "sqls"): 1}),
        # lead@1 ─ mql@3 ─ lead@4 (back: nothing)
        (
            [("a", 1, "lead", "c"), ("b", 3, "mql", "c"), ("d", 4, "lead", "c")],
            {("c", 1, "leads"): 1, ("c", 3, "mqls"): 1},
        ),
        # the record names no campaign: that of the earliest that names one
        (
            [("a", 1, "lead", None), ("b", 3, "mql", "late"), ("d", 2, "lead", "early")],
            {("early", 1, "leads"): 1, ("late", 3, "mqls"): 1},
        ),
        # nobody names one
        ([("a", 1, "lead", None)], {("(none)", 1, "leads"): 1}),
        # two at one time: the smaller event_id
        ([("b", 1, "lead", "d"), ("a", 1, "lead", "c")], {("c", 1, "leads"): 1}),
    ],
)
def test_any_order_of_the_same_records_ends_with_the_same_counts(records, wanted):
    for order in permutations(records):
        assert counted(order) == wanted
        assert counted([*order, *order]) == wanted


def test_an_mql_that_becomes_an_sql_later_is_counted_so_at_its_own_time():
    first, _ = observe(None, "mql", StageMark(1, "a", "c"))
    _, changes = observe(first, "sql", StageMark(9, "b", "d"))
    moved = Counter()
    for change in changes:
        for name in ("mqls", "mqls_now_sql", "sqls"):
            moved[change.campaign, change.at, name] += getattr(change.tally, name)
    assert {key: n for key, n in moved.items() if n} == {("c", 1, "mqls_now_sql"): 1, ("d", 9, "sqls"): 1}

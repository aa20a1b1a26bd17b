"""Orders, refunds, cancellations, new customers: event in, sums out, in whatever order they come."""

from collections import Counter
from itertools import permutations

import pytest

from metrics.entities.orders import (
    MOST_REFUNDS,
    Cancellation,
    OrderEntry,
    Placement,
    Refund,
    cancel,
    changes,
    meet,
    place,
    refund,
)
from metrics.values.errors import Rejection
from metrics.values.time import MINUTE

FIELDS = (
    "orders",
    "new_customers",
    "cancelled_orders",
    "revenue_micros",
    "refunds_micros",
    "cost_of_goods_micros",
)
PLACED = ("placed", 10, "c", 100, 40)


def apply(entry, word):
    kind, minute, *rest = word
    at = minute * MINUTE
    if kind == "placed":
        campaign, revenue, goods = rest
        return place(entry, Placement(at, "e", campaign, revenue, goods, is_new_customer=None))
    if kind == "refunded":
        return refund(entry, Refund(at, *rest))
    return cancel(entry, Cancellation(at, *rest))


def summed(words):
    entry, sums = None, Counter()
    for word in words:
        after = apply(entry, word)
        for change in changes(entry, after):
            for name in FIELDS:
                sums[change.campaign, change.at // MINUTE, name] += getattr(change.tally, name)
        entry = after
    return {key: n for key, n in sums.items() if n}


ORDER = {("c", 10, "orders"): 1, ("c", 10, "revenue_micros"): 100, ("c", 10, "cost_of_goods_micros"): 40}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        # placed@10
        ([PLACED], ORDER),
        # placed@10 ─ refund@12 (names another campaign: the order's counts)
        ([PLACED, ("refunded", 12, "other", 30)], {**ORDER, ("c", 12, "refunds_micros"): 30}),
        # refund@12 alone
        ([("refunded", 12, "other", 30)], {("other", 12, "refunds_micros"): 30}),
        ([("refunded", 12, None, 30)], {("(none)", 12, "refunds_micros"): 30}),
        # cancelled@15 alone waits
        ([("cancelled", 15, "x")], {}),
        # placed@10 ─ refund@12 ─ cancelled@15: what is not refunded, and the goods come back
        (
            [PLACED, ("refunded", 12, "c", 30), ("cancelled", 15, "x")],
            {
                **ORDER,
                ("c", 12, "refunds_micros"): 30,
                ("c", 15, "refunds_micros"): 70,
                ("c", 15, "cancelled_orders"): 1,
                ("c", 15, "cost_of_goods_micros"): -40,
            },
        ),
        # refunded beyond the revenue: the cancellation adds nothing more
        (
            [PLACED, ("refunded", 12, "c", 90), ("refunded", 13, "c", 90), ("cancelled", 15, "x")],
            {
                **ORDER,
                ("c", 12, "refunds_micros"): 90,
                ("c", 13, "refunds_micros"): 90,
                ("c", 15, "cancelled_orders"): 1,
                ("c", 15, "cost_of_goods_micros"): -40,
            },
        ),
        # cancelled twice: the earlier word
        (
            [PLACED, ("cancelled", 15, "x"), ("cancelled", 14, "y")],
            {
                **ORDER,
                ("c", 14, "refunds_micros"): 100,
                ("c", 14, "cancelled_orders"): 1,
                ("c", 14, "cost_of_goods_micros"): -40,
            },
        ),
    ],
)
def test_any_order_of_the_same_words_ends_with_the_same_sums(words, wanted):
    for order in permutations(words):
        assert summed(order) == wanted


def test_the_first_placement_taken_counts_so_that_orders_never_fall():
    assert summed([PLACED, ("placed", 5, "d", 1, 1)]) == ORDER


def test_a_cancellation_waits_until_its_order_is_known():
    waiting = cancel(None, Cancellation(15, "x"))
    assert waiting.is_waiting
    assert not place(waiting, Placement(10, "e", "c", 1, 0, is_new_customer=None)).is_waiting


def test_an_entry_expires_by_the_latest_time_it_holds():
    entry = refund(cancel(OrderEntry(), Cancellation(15, "x")), Refund(99, None, 1))
    assert entry.latest == 99


@pytest.mark.parametrize(
    ("placements", "wanted"),
    [
        # o1@10 ─ o2@20: the first is the new customer's
        ([("o1", 10, "c", None), ("o2", 20, "d", None)], {("c", 10): 1}),
        # two at one time: the smaller order_id
        ([("o2", 10, "d", None), ("o1", 10, "c", None)], {("c", 10): 1}),
        # the first says itself who is new: nothing is counted here
        ([("o1", 10, "c", False), ("o2", 20, "d", None)], {}),
        ([("o1", 10, "c", None), ("o2", 20, "d", True)], {("c", 10): 1}),
    ],
)
def test_any_order_of_a_customers_orders_ends_with_the_same_first(placements, wanted):
    for order in permutations(placements):
        first, sums = None, Counter()
        for order_id, at, campaign, is_new in order:
            first, found = meet(first, order_id, Placement(at, "e", campaign, 1, 0, is_new))
            for change in found:
                sums[change.campaign, change.at] += change.tally.new_customers
        assert {key: n for key, n in sums.items() if n} == wanted
        assert first is not None
        assert first.latest == max(at for _, at, _, _ in placements)


def test_refunds_of_one_minute_are_kept_as_one_and_too_many_of_different_minutes_are_refused():
    entry = None
    for number in range(MOST_REFUNDS):
        for second in (0, 30_000):
            entry = refund(entry, Refund(number * MINUTE + second, None, 5))
    assert len(entry.refunds) == MOST_REFUNDS
    assert {given.amount_micros for given in entry.refunds} == {10}
    with pytest.raises(Rejection, match="too_many"):
        refund(entry, Refund(MOST_REFUNDS * MINUTE, None, 5))
    assert refund(entry, Refund(1, None, 1)).refunds[0].amount_micros == 11

"""Histories and cohorts of small shops, and the laws of their sums."""

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.calendar import CustomerCalendar
from metrics.customers.cohorts import (
    Spend,
    all_together,
    by_campaign,
    by_month,
    by_month_and_campaign,
    cohorts,
    months,
    spend_by_cohort,
)
from metrics.customers.histories import OrderHistories, histories
from metrics.records.events import Order
from metrics.values.errors import Rejection

MONTHS = CustomerCalendar(ZoneInfo("UTC"))
WEEKS = CustomerCalendar(ZoneInfo("UTC"), "week")


def at(day):
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


def order(number, day, revenue="10", customer="ada", campaign="spring", kind="placed", **more):
    return Order(
        f"{kind}-{number}-{day}-{revenue}",
        at(day),
        f"o{number}",
        kind,
        None if revenue is None else Decimal(revenue),
        customer_id=customer,
        campaign_id=campaign,
        **more,
    )


SHOP = [
    order(1, "2026-01-05", "100"),
    order(2, "2026-01-20", "50", "bob"),
    order(3, "2026-01-25", "30", "cyd", "autumn"),
    order(4, "2026-02-03", "20", cost_of_goods=Decimal(5)),
    order(2, "2026-02-10", "10", "bob", kind="refunded"),
    order(5, "2026-02-11", "60", "dan"),
    order(6, "2026-03-01", "40", "bob"),
    order(6, "2026-03-04", None, "bob", kind="cancelled"),
    order(7, "2026-03-09", "70", "dan"),
    order(8, "2026-04-02", "80"),
]
UNTIL = at("2026-04-15")


def test_a_matrix_of_months_counts_who_ordered_again():
    january, february = cohorts(histories(SHOP).customers, by_month, MONTHS, UNTIL)
    assert (january.name, january.customers, january.repeaters, january.orders) == ("2026-01", 3, 1, 5)
    # The cancelled order of March counts nowhere, and April is not over.
    assert (january.eligible, january.active) == ([3, 3, 3], [3, 1, 0])
    assert january.retention == [1.0, 0.333333, 0.0]
    assert (february.active, february.retention) == ([1, 1], [1.0, 1.0])


def test_what_customers_have_brought_is_net_of_refunds_cancellations_and_goods():
    january, february = cohorts(histories(SHOP).customers, by_month, MONTHS, UNTIL)
    assert (january.revenue, january.refunds, january.cost_of_goods) == (320_000_000, 50_000_000, 5_000_000)
    assert january.margin_by_month == [180_000_000, 5_000_000, 0]
    assert january.clv_historic == 88.333333
    assert (january.average_basket, february.average_basket) == (54.0, 65.0)
    assert january.repeat_rate == 0.333333


@pytest.mark.parametrize(
    ("spend", "months_to_pay_back", "clv_to_cac"),
    [(180, 1, 1.472222), (181, 2, 1.464088), (185, 2, 1.432432), (186, None, 1.424731), (0, 1, None)],
)
def test_acquisition_is_paid_back_in_the_month_in_which_margins_reach_its_cost(
    spend, months_to_pay_back, clv_to_cac
):
    (january, _) = cohorts(histories(SHOP).customers, by_month, MONTHS, UNTIL, {"2026-01": spend * 1_000_000})
    assert january.payback_months == months_to_pay_back
    assert january.clv_to_cac == clv_to_cac


def test_without_spend_there_is_no_cost_and_no_payback():
    (january, _) = cohorts(histories(SHOP).customers, by_month, MONTHS, UNTIL, {"2026-02": 1})
    assert (january.cac, january.clv_to_cac, january.payback_months) == (None, None, None)


def test_calendar_months_say_who_stayed_and_who_was_seen():
    january, february, march = months(histories(SHOP).customers, MONTHS, UNTIL)
    assert (january.retention_rate, january.retention_rate_period, january.churn_rate) == (None, None, None)
    assert (february.customers, february.new, february.before, february.stayed) == (2, 1, 3, 1)
    assert (february.retention_rate, february.churn_rate) == (0.333333, 0.666667)
    assert february.retention_rate_period == 0.5
    assert (february.arpu, february.average_basket) == (35.0, 35.0)
    assert (march.customers, march.orders, march.refunds) == (1, 1, 40_000_000)


def test_a_month_without_customers_before_has_no_retention_rate():
    base = histories([order(1, "2026-01-05"), order(2, "2026-03-05")])
    _, february, march = months(base.customers, MONTHS, at("2026-04-01"))
    assert (february.retention_rate, february.arpu, february.average_basket) == (0.0, None, None)
    assert (march.before, march.retention_rate) == (0, None)


def test_a_customer_whose_first_order_says_so_was_known_before_and_is_in_no_cohort():
    base = histories(
        [
            order(1, "2026-01-05", is_new_customer=False),
            order(2, "2026-02-05", is_new_customer=True),
            order(3, "2026-02-05", customer="bob"),
        ]
    )
    assert [history.customer[1] for history in base.customers] == ["bob"]
    assert [history.customer[1] for history in base.known_before] == ["ada"]


def test_money_of_nobody_and_of_customers_without_an_order_is_kept_apart():
    base = histories(
        [
            order(1, "2026-01-05", customer=None),
            order(2, "2026-01-06", "3", "bob", kind="refunded"),
            order(3, "2026-01-06", None, "bob", kind="cancelled"),
        ]
    )
    assert base.customers == []
    assert [change.revenue for change in base.of_nobody] == [10_000_000]
    assert [change.refunds for change in base.without_order] == [3_000_000]
    assert base.waiting == 1


def test_a_refund_without_its_order_lowers_the_value_of_its_customer():
    base = histories([order(1, "2026-01-05"), order("c1", "2026-01-09", "4", kind="refunded")])
    (cohort,) = cohorts(base.customers, by_month, MONTHS, UNTIL)
    assert (cohort.margin, cohort.orders) == (6_000_000, 1)


@pytest.mark.parametrize("others", [[], [order(9, "2026-02-01", customer="bob")]])
def test_a_refund_before_the_first_order_counts_when_the_month_of_that_order_is_over(others):
    base = histories([order(1, "2026-04-05"), order("c1", "2026-03-09", "4", kind="refunded"), *others])
    (cohort,) = cohorts(base.customers, by_campaign, MONTHS, UNTIL)
    assert cohort.margin_by_month == ([10_000_000, 0] if others else [])
    (cohort,) = cohorts(base.customers, by_campaign, MONTHS, at("2026-05-02"))
    assert cohort.margin_by_month[0] == (16_000_000 if others else 6_000_000)


def test_repeated_records_edits_and_foreign_ids_are_told_apart():
    taken = OrderHistories()
    first = order(1, "2026-01-05", "10")
    for record in (first, first, order(1, "2026-01-06", "12"), order(1, "2026-01-07", "99", "bob")):
        taken.take(record)
    base = taken.base()
    assert (base.duplicates, base.edits, base.conflicts) == (1, 1, 1)
    (ada,) = base.customers
    assert sum(change.margin for change in ada.money) == 12_000_000


def test_every_version_of_an_order_counts_that_comes_under_one_event_id():
    """As connectors write a deal that is edited: under its id, and at the time at which it was won."""
    first = order(1, "2026-01-05", "10")
    raised, told = (
        msgspec.structs.replace(first, revenue=Decimal(revenue), reported_at=at(day))
        for revenue, day in (("99", "2026-01-06"), ("10", "2026-01-07"))
    )
    for records, worth, counts in (
        ((first, raised, told), 10, (0, 2, 0)),
        ((first, told, raised), 10, (1, 1, 0)),
        ((first, msgspec.structs.replace(first, revenue=Decimal(99)), first), 99, (0, 1, 1)),
    ):
        base = histories(records)
        assert (base.duplicates, base.edits, base.conflicts) == counts
        (ada,) = base.customers
        assert sum(change.margin for change in ada.money) == worth * 1_000_000


def test_a_record_that_is_refused_changes_nothing():
    taken = OrderHistories()
    with pytest.raises(Rejection, match="revenue is missing"):
        taken.take(order(1, "2026-01-05", None))
    assert taken.base().customers == []


def test_spend_of_a_report_is_spread_over_months_and_ends_with_the_orders():
    reports = [Spend("spring", at("2026-01-22"), at("2026-02-11"), 20_000_000)]
    assert spend_by_cohort(reports, by_month, MONTHS, UNTIL) == {"2026-01": 10_000_000, "2026-02": 10_000_000}
    assert spend_by_cohort(reports, by_campaign, MONTHS, at("2026-01-27")) == {"spring": 5_000_000}


@st.composite
def shops(draw):
    """Orders, refunds and cancellations of a few customers within a year."""
    records = []
    for number in range(draw(st.integers(0, 25))):
        day = draw(st.integers(0, 364))
        customer, campaign = draw(st.sampled_from("abcde")), draw(st.sampled_from(["x", "y"]))
        start = at("2026-01-01") + day * 86_400_000
        cents = draw(st.integers(0, 5_000))
        records.append(Order(f"p{number}", start, f"o{number}", "placed", Decimal(cents) / 100, customer_id=customer, campaign_id=campaign))  # fmt: skip
        kind = draw(st.sampled_from(["placed", "refunded", "cancelled"]))
        if kind != "placed":
            later = start + draw(st.integers(0, 90)) * 86_400_000
            back = Decimal(draw(st.integers(0, cents))) / 100 if kind == "refunded" else None
            records.append(Order(f"b{number}", later, f"o{number}", kind, back, customer_id=customer))
    return records


SUMS = ("customers", "repeaters", "orders", "revenue", "refunds", "cost_of_goods", "margin")


@given(shops(), st.integers(0, 400))
def test_cohorts_add_up_to_all_customers_however_they_are_cut(records, days):
    customers = histories(records).customers
    until = at("2026-01-01") + days * 86_400_000
    whole = cohorts(customers, all_together, MONTHS, until)
    for naming in (by_month, by_campaign, by_month_and_campaign):
        parts = cohorts(customers, naming, MONTHS, until)
        for name in SUMS:
            assert sum(getattr(part, name) for part in parts) == sum(getattr(part, name) for part in whole)
        for column in ("eligible", "active", "margin_by_month"):
            for month in range(14):
                added = sum(sum(getattr(part, column)[month : month + 1]) for part in parts)
                assert added == sum(sum(getattr(part, column)[month : month + 1]) for part in whole)


@given(shops(), st.randoms())
def test_histories_depend_on_the_set_of_records_and_on_no_order(records, random):
    shuffled = records[:]
    random.shuffle(shuffled)
    assert histories(shuffled) == histories(records)
    assert histories(records + records).customers == histories(records).customers


@given(shops())
def test_every_micro_is_in_one_cohort_or_said_to_be_in_none(records):
    base = histories(records)
    found = cohorts(base.customers, all_together, MONTHS, at("2030-01-01"))
    apart = sum(change.margin for change in base.of_nobody + base.without_order)
    placed = sum(int(record.revenue * 10**6) for record in records if record.kind == "placed")
    cancelled = {record.order_id for record in records if record.kind == "cancelled"}
    back = sum(
        int(record.revenue * 10**6)
        for record in records
        if record.kind == "refunded" or (record.kind == "placed" and record.order_id in cancelled)
    )
    assert sum(cohort.margin for cohort in found) + apart == placed - back

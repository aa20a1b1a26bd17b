"""The oracles themselves, on streams small enough to work out by hand."""

import random
from itertools import pairwise

import pytest

from tests.support.oracles.cells import differences, micros
from tests.support.oracles.reports import Standing, Version
from tests.support.oracles.stream import expected

DAY = 86_400_000
HOUR = 3_600_000
MINUTE = 60_000


def total(records, campaign, *fields, currency="EUR"):
    sums = expected(records, currency).get((campaign, "total", None), {})
    return tuple(sums.get(field, 0) for field in fields)


def order(event_id, at, **rest):
    return ("orders", {"event_id": event_id, "occurred_at": at, "order_id": "o", "campaign_id": "c", **rest})


def lead(event_id, at, stage="lead", **rest):
    return ("leads", {"event_id": event_id, "occurred_at": at, "lead_id": "l", "stage": stage, **rest})


def test_money_is_exact_whether_it_comes_as_text_or_number():
    assert [micros(value) for value in ("0.37", 0.37, 1, "12.000001")] == [
        370_000,
        370_000,
        1_000_000,
        12_000_001,
    ]


def test_a_click_counts_once_in_each_of_its_windows():
    click = {"event_id": "e", "occurred_at": "1970-01-02T01:01:30Z", "campaign_id": "c", "cost": "0.37"}
    cells = expected([("ad-clicks", click), ("ad-clicks", click)])
    at = DAY + HOUR + MINUTE
    assert set(cells) == {("c", "1m", at), ("c", "1h", DAY + HOUR), ("c", "1d", DAY), ("c", "total", None)}
    assert all((sums["clicks"], sums["spend_micros"]) == (1, 370_000) for sums in cells.values())


@pytest.mark.parametrize(("length", "in_hour"), [(HOUR, 7), (DAY, None)])
def test_hours_of_a_campaign_whose_reports_are_all_longer_are_unknown(length, in_hour):
    report = {"source": "s", "campaign_id": "c", "period_start": 0, "period_end": length, "clicks": 7}
    basis = ("campaigns", {"campaign_id": "c", "cost_basis": "reports"})
    cells = expected([basis, ("ad-reports", report), order("e", MINUTE)])
    assert (cells["c", "1h", 0]["clicks"], cells["c", "1d", 0]["clicks"]) == (in_hour, 7)
    assert (cells["c", "1h", 0]["orders"], cells["c", "1m", MINUTE]["clicks"]) == (1, None)


def test_the_same_event_id_on_two_topics_is_two_events():
    event = {"event_id": "e", "occurred_at": 0, "campaign_id": "c"}
    assert total([("ad-clicks", event), ("ad-impressions", event)], "c", "clicks", "impressions") == (1, 1)


def test_a_later_stage_seen_first_counts_the_earlier_ones_with_it_at_its_time():
    cells = expected([lead("b", DAY, "sql", campaign_id="c"), lead("a", 2 * DAY, "lead", campaign_id="d")])
    stages = ("leads", "mqls", "sqls")
    assert tuple(cells["c", "1d", DAY][stage] for stage in stages) == (1, 1, 1)
    assert ("d", "total", None) not in cells


def test_each_stage_counts_at_its_own_record_on_the_campaign_it_names_else_the_leads_first():
    cells = expected(
        [
            lead("a", 0),
            lead("b", HOUR, "mql"),
            lead("c", DAY, "sql", campaign_id="late"),
            lead("d", 2 * DAY, "mql", campaign_id="never"),
        ]
    )
    assert cells["late", "1d", 0]["leads"] == 1
    assert cells["late", "1d", 0]["mqls"] == 1
    assert cells["late", "1d", DAY]["sqls"] == 1
    assert ("never", "total", None) not in cells
    assert total([lead("a", 0)], "(none)", "leads") == (1,)


def test_of_repeated_orders_the_first_in_the_log_counts():
    records = [order("b", 5, revenue=7), order("a", 5, revenue=3), order("c", 1, revenue=1)]
    assert total(records, "c", "orders", "revenue_micros") == (1, 7_000_000)


def test_a_refund_counts_on_the_campaign_of_its_order_at_its_own_time():
    refund = order("r", DAY, kind="refunded", revenue=4, campaign_id="other")
    cells = expected([refund, order("p", 0, revenue=10)])
    assert cells["c", "1d", DAY]["refunds_micros"] == 4_000_000
    assert cells["c", "total", None]["revenue_micros"] == 10_000_000
    assert total([refund], "other", "refunds_micros", "orders") == (4_000_000, 0)


def test_a_cancellation_adds_what_is_not_yet_refunded_and_takes_back_the_goods():
    placed = order("p", 0, revenue=10, cost_of_goods=6)
    cancelled = [order(name, at, kind="cancelled") for name, at in (("x", 2 * DAY), ("y", DAY))]
    late_refund = order("r", 3 * DAY, kind="refunded", revenue=4)
    cells = expected([placed, *cancelled, late_refund])
    taken_back = cells["c", "1d", DAY]
    assert (taken_back["cancelled_orders"], taken_back["refunds_micros"]) == (1, 6_000_000)
    assert taken_back["cost_of_goods_micros"] == -6_000_000
    assert cells["c", "total", None]["refunds_micros"] == 10_000_000
    assert cells["c", "total", None]["cost_of_goods_micros"] == 0
    assert total(cancelled, "c", "cancelled_orders") == (0,)


def test_refunds_above_the_revenue_leave_nothing_for_the_cancellation():
    records = [
        order("p", 0, revenue=10),
        order("r", 1, kind="refunded", revenue=12),
        order("x", 2, kind="cancelled"),
    ]
    assert total(records, "c", "refunds_micros", "cancelled_orders") == (12_000_000, 1)


def test_an_order_is_new_when_it_is_the_customers_first_flagged_ones_included():
    def placed(order_id, at, **rest):
        return order(f"e-{order_id}", at, order_id=order_id, revenue=1, **rest)

    records = [
        placed("b", 5, customer_id="x"),
        placed("a", 5, customer_id="x"),  # the first by order_id
        placed("d", 7, customer_id="y"),  # not y's first: the flagged one is
        placed("c", 6, customer_id="y", is_new_customer=False),
        placed("e", 0, customer_id="z", is_new_customer=True),
        placed("f", 1, customer_id="z", is_new_customer=True),  # told so, so counted
        placed("g", 0),  # nobody
        placed("h", 3, visitor_id="v"),
    ]
    cells = expected(records)
    assert cells["c", "total", None]["new_customers"] == 4
    assert cells["c", "total", None]["orders"] == 8


def report(report_id, **rest):
    base = {"report_id": report_id, "source": "s", "campaign_id": "c", "period_start": 0, "period_end": DAY}
    return ("ad-reports", base | rest)


BY_REPORTS = ("campaigns", {"campaign_id": "c", "cost_basis": "reports"})


def test_a_report_is_replaced_by_the_one_reported_later_and_a_tie_by_the_next_in_the_log():
    records = [
        BY_REPORTS,
        report("1", reported_at=5, spend=1),
        report("2", reported_at=9, spend=2),
        report("3", reported_at=9, spend=3),
        report("4", reported_at=7, spend=4),
        report("3", reported_at=9, spend=3),  # a duplicate
        report("3", reported_at=10, spend=8),  # restated under its own id
        report("5", source="t", spend=10),  # of another platform
    ]
    assert total(records, "c", "spend_micros") == (18_000_000,)


def test_a_report_is_shared_out_by_the_floor_of_what_has_passed():
    period = {"period_start": DAY - HOUR, "period_end": 2 * DAY - HOUR}
    cells = expected([BY_REPORTS, report("1", clicks=100, **period)])
    assert cells["c", "1d", 0]["clicks"] == 4  # 100 / 24 = 4.17
    assert cells["c", "1d", DAY]["clicks"] == 96
    assert not any(window in {"1m", "1h"} for _, window, _ in cells)


def test_a_report_of_an_hour_counts_in_hours_and_is_null_in_minutes():
    placed = order("p", 30 * MINUTE, revenue=1)
    period = {"period_start": 0, "period_end": HOUR}
    cells = expected([BY_REPORTS, report("1", clicks=5, **period), placed])
    assert cells["c", "1h", 0]["clicks"] == 5
    assert cells["c", "1m", 30 * MINUTE]["clicks"] is None
    assert cells["c", "1m", 30 * MINUTE]["orders"] == 1


def test_the_basis_that_a_campaign_does_not_use_counts_nothing():
    click = ("ad-clicks", {"event_id": "e", "occurred_at": 0, "campaign_id": "c", "cost": 1})
    assert total([click, report("1", clicks=5)], "c", "clicks") == (1,)
    assert total([BY_REPORTS, click, report("1", clicks=5)], "c", "clicks", "spend_micros") == (5, 0)


def test_amounts_are_converted_at_the_rate_of_their_time_rounded_half_even_once():
    rates = [
        ("fx-rates", {"currency": "USD", "rate": "0.5", "valid_from": 0}),
        ("fx-rates", {"currency": "USD", "rate": "2", "valid_from": DAY}),
    ]
    records = [
        order("a", 0, order_id="1", revenue="0.000003", currency="USD"),  # 1.5 → 2
        order("b", 0, order_id="2", revenue="0.000001", currency="USD"),  # 0.5 → 0
        order("c", DAY, order_id="3", revenue=1, currency="USD"),
        order("d", DAY, order_id="4", revenue=1, currency="XXX"),  # no rate: worth nothing
    ]
    assert total([*rates, *records], "c", "orders", "revenue_micros") == (4, 2_000_002)


@pytest.mark.parametrize("value", [0, 1, 7, 1_000_003])
def test_shares_of_a_period_add_up_whatever_the_cuts(value):
    cuts = sorted({0, 1000, *random.Random(value).sample(range(1000), 10)})
    versions = [Version("s", 0, 1000, (at,), at, {"clicks": value * at // 2000}) for at in (300, 700)]
    report = Standing([*versions, Version("s", 0, 1000, (1000,), 1000, {"clicks": value})])
    shares = [report.by("clicks", b) - report.by("clicks", a) for a, b in pairwise(cuts)]
    assert sum(shares) == value


def test_any_order_of_the_records_gives_the_same_cells():
    records = [
        lead("a", 0, campaign_id="c"),
        lead("b", HOUR, "sql"),
        order("p", 5, revenue=10, customer_id="x"),
        order("q", 4, order_id="o2", revenue=10, customer_id="x"),
        order("r", 9, kind="refunded", revenue=4),
        order("x", 8, kind="cancelled"),
    ]
    wanted = expected(records)
    for seed in range(10):
        shuffled = random.Random(seed).sample(records, len(records))
        assert differences(wanted, expected(shuffled)) == []


def test_differences_are_named_and_a_missing_cell_is_all_zeros():
    key = ("c", "1d", 0)
    assert differences({key: {"clicks": 0}}, {}) == []
    assert differences({key: {"clicks": None}}, {}) == []
    assert differences({key: {"clicks": None}}, {key: {"clicks": 0}}) == [
        "('c', '1d', 0) clicks: expected None, got 0"
    ]
    assert differences({}, {key: {"clicks": 2}}) == ["('c', '1d', 0) clicks: expected 0, got 2"]

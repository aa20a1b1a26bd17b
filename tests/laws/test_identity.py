"""An id is unique within its source: a second record of an id is an edit, a restatement or a conflict, never lost in silence."""

from decimal import Decimal
from itertools import permutations

import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.orders import MOST_EDITS
from metrics.records.events import Campaign
from metrics.values.time import DAY
from streams import topics
from tests.laws.cases import NOW, at, click, line, order, play, read_case, totals

EURO = 1_000_000


def verdicts(machine, topic):
    """The ledger of a topic over all partitions, without what is 0."""
    rows = [machine.intake(p).ledger[topic] for p in range(machine.partitions)]
    names = ("applied", "duplicate", "rejected", "too_late", "conflict")
    found = {name: sum(getattr(row, name) for row in rows) for name in names}
    return {name: count for name, count in found.items() if count}


def placed(n, seconds, revenue, *, customer="cust-1", order_id="1001", **more):
    return order(
        n,
        seconds,
        "v1",
        order_id=order_id,
        revenue=str(revenue),
        customer_id=customer,
        campaign_id="ad",
        **more,
    )


def refunded(n, seconds, amount, **more):
    return placed(n, seconds, amount, kind="refunded", **more)


def money(machine, campaign="ad"):
    """Revenue and refunds of a campaign's total, in units, and its orders."""
    found = {
        name: totals(machine, name).get(campaign, 0)
        for name in ("revenue_micros", "refunds_micros", "orders", "cost_of_goods_micros")
    }
    return (
        found["revenue_micros"] / EURO,
        found["refunds_micros"] / EURO,
        found["orders"],
        found["cost_of_goods_micros"] / EURO,
    )


def test_the_case_of_an_order_number_of_two_shops(shared):
    machine = play(read_case(shared / "cases/events/05-order-number-of-two-shops.jsonl"))
    assert totals(machine, "revenue_micros") == {"n5": 147 * EURO}
    assert totals(machine, "orders") == totals(machine, "new_customers") == {"n5": 3}
    assert verdicts(machine, topics.ORDERS) == {"applied": 2, "conflict": 1}
    (letter,) = machine.letters
    assert letter["reason"] == "conflict"
    assert "another buyer" in letter["detail"]


def test_orders_of_named_shops_are_apart_without_a_conflict():
    made = [placed("1", -60, 100, source="shop-a"), placed("2", -50, 40, customer="cust-2", source="shop-b")]
    made += [refunded("3", -40, 10, source="shop-b"), placed("1", -60, 100, source="shop-c")]
    machine = play(made)
    assert money(machine) == (240, 10, 3, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 4}


def test_a_repeated_placement_with_another_event_id_is_a_duplicate():
    machine = play([placed("1", -60, 100), placed("2", -60, 100)])
    assert money(machine) == (100, 0, 1, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 1, "duplicate": 1}


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        # placed 100 ─ edited to 140
        ([placed("1", -60, 100), placed("2", -30, 140)], (140, 0, 1, 0)),
        # … under the same event_id
        ([placed("1", -60, 100), placed("1", -30, 140)], (140, 0, 1, 0)),
        # placed 100 ─ edited to 70: as a return
        ([placed("1", -60, 100), placed("2", -30, 70)], (100, 30, 1, 0)),
        # … and the refund that is given for the edit is the same money
        ([placed("1", -60, 100), placed("2", -30, 70), refunded("3", -20, 30)], (100, 30, 1, 0)),
        ([placed("1", -60, 100), refunded("3", -40, 30), placed("2", -30, 70)], (100, 30, 1, 0)),
        # a refund of more than the edit took away
        ([placed("1", -60, 100), placed("2", -30, 70), refunded("3", -20, 50)], (100, 50, 1, 0)),
        # fully refunded, then edited: no more is given back than was paid
        ([placed("1", -60, 100), refunded("3", -40, 100), placed("2", -30, 80)], (100, 100, 1, 0)),
        # down and up again: a return and a sale
        ([placed("1", -60, 100), placed("2", -50, 70), placed("3", -40, 100)], (130, 30, 1, 0)),
        # the older version comes last and changes nothing
        ([placed("2", -30, 140), placed("1", -60, 100)], (140, 0, 1, 0)),
        # edited, then cancelled: everything goes back, once
        (
            [placed("1", -60, 100), placed("2", -40, 140), placed("3", -20, 1, kind="cancelled")],
            (140, 140, 1, 0),
        ),
        # the cost of goods follows the edit, and comes back with the cancellation
        (
            [placed("1", -60, 100, cost_of_goods="40"), placed("2", -40, 140, cost_of_goods="60")],
            (140, 0, 1, 60),
        ),
    ],
)
@pytest.mark.parametrize("source", [None, "shop"])
def test_an_edited_order_is_worth_what_its_last_version_says(records, wanted, source):
    made = [
        {**each, "value": each["value"] | ({} if source is None else {"source": source})} for each in records
    ]
    machine = play(made)
    assert money(machine) == wanted
    assert "conflict" not in verdicts(machine, topics.ORDERS)


def test_an_edit_counts_at_its_own_time():
    machine = play([placed("1", -7_200, 100), placed("2", -60, 140)])
    by_hour = {
        key[2]: sums["revenue_micros"] / EURO
        for key, sums in machine.last_sums().items()
        if key[:2] == ("ad", "1h") and sums["revenue_micros"]
    }
    assert sorted(by_hour.values()) == [40, 100]
    assert len(by_hour) == 2


def test_an_edit_in_another_currency_moves_no_money_by_the_rate_alone():
    """The amount is the same; only the rate has changed between the placement and the edit."""
    registry = CampaignRegistry("EUR")
    registry.set_rate("USD", NOW - DAY, Decimal("0.9"))
    registry.set_rate("USD", at(-300), Decimal("0.8"))
    made = [placed("1", -600, 100, currency="USD"), placed("2", -30, 100, currency="USD")]
    machine = play(made, registry)
    assert money(machine) == (90, 0, 1, 0)


def version(n, revenue, made, seconds=-600):
    """A CRM's deal: each version under one id and one time of closing."""
    return placed(n, seconds, revenue, reported_at=at(made))


@pytest.mark.parametrize("source", [None, "crm"])
@pytest.mark.parametrize(
    ("said", "worth"),
    [
        # a slip of the pen, and back again
        ([(100, -50), (1000, -40), (100, -30)], 100),
        ([(100, -50), (70, -40), (100, -30)], 100),
        # back again, and once more touched without a change
        ([(100, -50), (1000, -40), (100, -30), (100, -20)], 100),
        ([(100, -50), (1000, -40), (1000, -30), (90, -35)], 1000),
    ],
)
def test_the_version_that_was_made_last_counts_in_whatever_order_they_come(said, worth, source):
    """A delivery that failed comes again after younger ones, and every version has the instant at which the deal was won."""
    made = [version("1", revenue, at_) for revenue, at_ in said]
    made = [
        {**each, "value": each["value"] | ({} if source is None else {"source": source})} for each in made
    ]
    for order_ in permutations(made):
        machine = play([*order_, *made])  # all of them are delivered once more
        revenue, refunds, orders, _ = money(machine)
        assert (revenue - refunds, orders) == (worth, 1)
        assert "conflict" not in verdicts(machine, topics.ORDERS)


def test_a_version_that_moves_the_order_back_in_time_takes_the_place_of_the_one_before():
    """A deal's day of closing is corrected: to a later one, and to an earlier one than the first."""
    made = [
        version("1", 100, -50, seconds=-300),
        version("1", 80, -40, seconds=-120),
        version("1", 60, -30, seconds=-600),
    ]
    for order_ in permutations(made):
        revenue, refunds, orders, _ = money(play(list(order_)))
        assert (revenue - refunds, orders) == (60, 1)


def test_an_undated_version_that_says_again_what_it_said_before_is_never_passed_over_in_silence():
    """It may be a delivery that came twice, or take back the edit between: nothing tells."""
    machine = play([placed("1", -60, 100), placed("1", -60, 1000), placed("1", -60, 100)])
    assert money(machine) == (1000, 0, 1, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 2, "conflict": 1}
    (letter,) = machine.letters
    assert "reported_at" in letter["detail"]


def test_an_edit_with_a_time_of_its_own_needs_no_other():
    machine = play([placed("1", -60, 100), placed("1", -50, 1000), placed("1", -60, 100)])
    assert money(machine) == (1000, 0, 1, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 2, "duplicate": 1}


def test_a_version_from_the_future_is_refused_since_it_would_hide_all_later_ones():
    machine = play([version("1", 100, 3_600), version("1", 80, -10)])
    assert money(machine) == (80, 0, 1, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 1, "rejected": 1}


def test_an_edit_that_moves_the_order_to_another_campaign_is_said():
    moved = placed("2", -30, 140)
    moved["value"]["campaign_id"] = "other"
    machine = play([placed("1", -60, 100), moved])
    assert money(machine) == (140, 0, 1, 0)
    assert totals(machine, "orders") == {"ad": 1}
    assert verdicts(machine, topics.ORDERS) == {"applied": 1, "conflict": 1}
    assert "campaign_id 'other'" in machine.letters[0]["detail"]


def test_each_buyer_of_one_order_number_is_edited_and_refunded_apart():
    made = [placed("1", -60, 100), placed("2", -50, 40, customer="cust-2")]
    made += [
        placed("3", -40, 45, customer="cust-2"),
        refunded("4", -30, 5, customer="cust-2"),
        refunded("5", -20, 7),
    ]
    made += [placed("2", -50, 40, customer="cust-2")]
    machine = play(made)
    assert money(machine) == (145, 12, 2, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 4, "duplicate": 1, "conflict": 1}


def test_the_same_customer_on_two_devices_edits_one_order():
    second = placed("2", -50, 120)
    second["value"]["visitor_id"] = "another-device"
    assert money(play([placed("1", -60, 100), second])) == (120, 0, 1, 0)


def test_an_event_id_of_two_orders_hides_none_of_them():
    made = [placed("1", -60, 100), placed("1", -50, 40, order_id="1002")]
    machine = play(made)
    assert money(machine) == (140, 0, 2, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 1, "conflict": 1}


def test_an_event_id_of_two_refunds_counts_one_and_says_so():
    machine = play(
        [placed("1", -60, 100), refunded("2", -50, 10), refunded("2", -40, 20), refunded("2", -50, 10)]
    )
    assert money(machine) == (100, 10, 1, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": 2, "duplicate": 1, "conflict": 1}


@pytest.mark.parametrize(
    ("records", "wanted"),
    [
        # one refund, told by two systems under an id each
        ([placed("1", -60, 100), refunded("2", -50, 80), refunded("9", -49, 80)], (100, 160, 1, 0)),
        # … before the order is known
        ([refunded("2", -50, 80), refunded("9", -49, 80), placed("1", -60, 100)], (100, 160, 1, 0)),
        # of an order that was edited upwards once
        ([placed("1", -60, 100), placed("3", -55, 120), refunded("2", -50, 130)], (120, 130, 1, 0)),
        ([placed("1", -60, 100, currency="USD"), refunded("2", -50, 101, currency="USD")], (50, 50.5, 1, 0)),
    ],
)
def test_refunds_of_more_than_an_order_was_worth_count_and_are_said(records, wanted):
    registry = CampaignRegistry("EUR")
    registry.set_rate("USD", NOW - DAY, Decimal("0.5"))
    machine = play(records, registry)
    assert money(machine) == wanted
    (letter,) = machine.letters
    assert letter["reason"] == "conflict"
    assert "at most; all of them count" in letter["detail"]


def test_refunds_of_more_than_a_large_order_are_said_to_the_cent():
    records = [placed("1", -60, 1234567.89), refunded("2", -50, 1234567), refunded("3", -40, 0.99)]
    (letter,) = play(records, CampaignRegistry("EUR")).letters
    assert "add up to 1234567.99, and it was worth 1234567.89 at most" in letter["detail"]


@pytest.mark.parametrize(
    "records",
    [
        [placed("1", -60, 100), refunded("2", -50, 60), refunded("3", -40, 40)],
        # edited upwards, and then given back
        [placed("1", -60, 100), placed("4", -55, 120), refunded("2", -50, 120)],
        # edited downwards, given back as it was paid
        [placed("1", -60, 100), placed("4", -55, 70), refunded("2", -50, 100)],
        # another currency: what a refund is worth then depends on the rates
        [placed("1", -60, 100), refunded("2", -50, 150, currency="USD")],
        [refunded("2", -50, 150)],
    ],
)
def test_refunds_within_what_an_order_was_worth_are_no_conflict(records):
    registry = CampaignRegistry("EUR")
    registry.set_rate("USD", NOW - DAY, Decimal("0.5"))
    assert play(records, registry).letters == []


def lead(n, seconds, lead_id="L1", **more):
    value = {"event_id": f"l{n}", "occurred_at": at(seconds), "lead_id": lead_id, "campaign_id": "ad"}
    return line(topics.LEADS, "v1", **value | more)


def test_leads_of_two_systems_are_two_leads_where_the_systems_are_named():
    made = [
        lead("1", -60, source="crm-a"),
        lead("1", -60, source="crm-b"),
        lead("2", -30, source="crm-b", stage="sql"),
    ]
    machine = play(made)
    assert totals(machine, "leads") == {"ad": 2}
    assert totals(machine, "sqls") == {"ad": 1}


def changed(machine, topic):
    return sum(machine.intake(p).dead_letters.changed[topic] for p in range(machine.partitions))


def test_a_second_record_of_a_lead_and_stage_is_counted_as_a_change():
    """Two systems that both have a lead 101 look so, and so does a CRM that moves a lead to another campaign."""
    made = [lead("1", -60), lead("2", -50, campaign_id="other"), lead("3", -40, stage="mql")]
    made += [lead("4", -30, stage="mql"), lead("5", -20)]
    machine = play(made)
    assert (totals(machine, "leads"), totals(machine, "mqls")) == ({"ad": 1}, {"ad": 1})
    assert verdicts(machine, topics.LEADS) == {"applied": 5}
    assert changed(machine, topics.LEADS) == 3


def test_a_stage_that_an_earlier_stage_comes_after_is_no_change():
    machine = play([lead("2", -40, stage="sql"), lead("1", -60), lead("3", -50, stage="mql")])
    assert totals(machine, "sqls") == {"ad": 1}
    assert changed(machine, topics.LEADS) == 0


def test_a_lead_that_is_read_again_is_a_duplicate_when_its_event_id_is_forgotten():
    """A connector reads its leads anew each night; the dedupe remembers an hour of them."""
    made = [lead("1", -7_200), *[lead(f"n{n}", -60, f"M{n}") for n in range(2)], lead("1", -7_200)]
    machine = play(made, dedupe_max_events=1)
    assert totals(machine, "leads") == {"ad": 3}
    assert verdicts(machine, topics.LEADS) == {"applied": 3, "duplicate": 1}


def test_an_event_id_of_two_records_of_a_lead_is_said():
    machine = play([lead("1", -60), lead("1", -60), lead("1", -30, stage="mql")])
    assert totals(machine, "leads") == {"ad": 1}
    assert totals(machine, "mqls") == {}
    assert verdicts(machine, topics.LEADS) == {"applied": 1, "duplicate": 1, "conflict": 1}


def report(report_id, spend, hour=0, campaign="ad", reported=-60, **more):
    day = NOW // DAY * DAY
    start = day + hour * 3_600_000
    value = {"report_id": report_id, "source": "ads", "campaign_id": campaign, "period_start": start}
    value |= {
        "period_end": start + 3_600_000,
        "reported_at": None if reported is None else at(reported),
        "spend": None if spend is None else str(spend),
    }
    return line(topics.REPORTS, campaign, **value | more)


def spend(made):
    registry = CampaignRegistry("EUR")
    registry.register("ad", Campaign("ad", cost_basis="reports"))
    machine = play(made, registry)
    return totals(machine, "spend_micros").get("ad", 0) / EURO, machine


def test_a_report_of_one_id_with_other_figures_restates_the_one_before():
    spent, machine = spend([report("r1", 10), report("r1", 12, reported=-30), report("r1", 12, reported=-30)])
    assert spent == 12
    assert verdicts(machine, topics.REPORTS) == {"applied": 2, "duplicate": 1}


def test_an_older_restatement_that_comes_last_changes_nothing():
    assert spend([report("r1", 12, reported=-30), report("r1", 10)])[0] == 12


@pytest.mark.parametrize("reported", [-30, None])
def test_a_report_without_any_figure_takes_nothing_back_and_is_said(reported):
    """A connector's row of nulls is no word about its period; one of zeros is."""
    told, silent = report("r1", 10, reported=reported), report("r1", 0, reported=reported)
    del silent["value"]["spend"]
    for made in ([told, silent], [silent, told], [silent, told, silent]):
        spent, machine = spend(made)
        assert spent == 10
        assert verdicts(machine, topics.REPORTS) == {"applied": 1, "rejected": len(made) - 1}
        assert {each["reason"] for each in machine.letters} == {"missing_field"}
        assert "none of impressions, clicks, spend and conversions" in machine.letters[0]["detail"]
    # Nor does it say that nothing was spent: what was spent in its time is still to be told.
    machine = spend([silent])[1]
    assert totals(machine, "spend_micros") == {}
    silent["value"] |= {"spend": 0, "reported_at": at(-10)}
    assert spend([told, silent])[0] == 0


@pytest.mark.parametrize("ids", ["111", "121", "123"])
def test_an_undated_report_that_says_again_what_it_had_said_before_a_restatement_counts(ids):
    """A connector reads 10, by mistake nothing, and 10 again; with ids of periods, of contents, or of readings."""
    told = [report(f"r{n}", figure, reported=None) for n, figure in zip(ids, (10, 0, 10), strict=True)]
    spent, machine = spend(told)
    assert spent == 10
    assert verdicts(machine, topics.REPORTS) == {"applied": 3}
    assert spend(told[:2])[0] == 0
    # What was never restated is a duplicate, however often it is read.
    again, machine = spend([told[0]] * 3)
    assert (again, verdicts(machine, topics.REPORTS)) == (10, {"applied": 1, "duplicate": 2})


def test_an_undated_report_of_fewer_days_takes_no_money_of_the_others_away():
    """A file of two days, then one of the first of them, which is no later word about the second; then the second."""
    days = [report(f"r{n}", figure, reported=None) for n, figure in enumerate((25, 11, "14.5"))]
    for made, (begin, end) in zip(days, ((0, 2), (0, 1), (1, 2)), strict=True):
        start = NOW // DAY * DAY - 10 * DAY
        made["value"] |= {"period_start": start + begin * DAY, "period_end": start + end * DAY}
    assert [spend(made)[0] for made in (days[:1], days[:2], days[1::-1], days)] == [25, 25, 25, 25]


def test_one_report_id_for_two_hours_counts_both_and_is_said():
    spent, machine = spend([report("r1", 10), report("r1", 5, hour=1), report("r1", 5, hour=1)])
    assert spent == 15
    assert verdicts(machine, topics.REPORTS) == {"applied": 1, "duplicate": 1, "conflict": 1}


def test_one_report_id_of_two_sources_is_two_reports():
    spent, machine = spend([report("r1", 10), report("r1", 5, source="other ads")])
    assert spent == 15
    assert verdicts(machine, topics.REPORTS) == {"applied": 2}


def test_an_order_that_is_edited_without_end_is_refused_and_keeps_what_it_was_worth():
    made = [placed(str(n), -900 + n, 100 + n) for n in range(MOST_EDITS + 3)]
    machine = play(made)
    assert money(machine) == (100 + MOST_EDITS, 0, 1, 0)
    assert verdicts(machine, topics.ORDERS) == {"applied": MOST_EDITS + 1, "rejected": 2}


def test_the_order_of_a_named_shop_is_credited_at_the_home_of_its_visitor():
    """Its key has the shop in it, and travels to another partition with the credits."""
    sale = order("1", -30, "v1", key="o1", source="shop", order_id="1001")
    other = order("2", -20, "v2", key="o2", order_id="1001", customer_id="cust-2")
    machine = play(
        [click("1", -60, "ad", "v1"), click("2", -60, "ad", "v2"), sale, other], models=("last_touch",)
    )
    assert totals(machine, "orders", "last_touch") == {"ad": 2}
    assert machine.letters == []


def test_a_restatement_that_leaves_out_a_figure_takes_nothing_of_it_back_in_any_order():
    """Spend and impressions; later the spend alone; later still the impressions alone, in a report without the spend."""
    made = [
        report("a", 10, impressions=1_000, clicks=7),
        report("a", 12, reported=-50),
        report("a", None, reported=-40, impressions=1_100),
    ]
    for some in permutations(made):
        _, machine = spend(some)
        sums = machine.last()["ad", "total", None]["sums"]
        assert (sums["impressions"], sums["clicks"], sums["spend_micros"]) == (1_100, 7, 12_000_000)

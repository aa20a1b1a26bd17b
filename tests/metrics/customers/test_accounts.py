"""Accounts and sums of cohorts, kept up order by order, are what a batch computation makes of all records."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.accounts import (
    AccountChange,
    CustomerAccount,
    OrderCredit,
    PlacedFirst,
    changed_account,
    changes_of,
    credited_account,
    customer_of,
    whose,
)
from metrics.customers.calendar import CustomerCalendar, month_name, month_of
from metrics.customers.cohort_sums import (
    CohortKey,
    CohortSums,
    added_up,
    cohort_keys,
    cohort_reading,
    month_readings,
)
from metrics.customers.cohorts import by_campaign, by_month_and_campaign, cohorts, months
from metrics.customers.histories import OrderHistories
from metrics.entities.orders import changes
from metrics.records.events import Order
from tests.support.examples import examples

ZONE = ZoneInfo("Europe/Paris")
DAY0 = datetime(2025, 12, 20, tzinfo=UTC)
UNTIL = datetime(2026, 6, 10, tzinfo=UTC)


class Books:
    """Accounts of several homes, and the sums of cohorts of each."""

    def __init__(self, homes: int) -> None:
        self.calendar = CustomerCalendar(ZONE)
        self.accounts: list[dict[int, CustomerAccount]] = [{} for _ in range(homes)]
        self.sums: list[dict[CohortKey, CohortSums]] = [defaultdict(CohortSums) for _ in range(homes)]
        self.taken = OrderHistories()

    def take(self, order: Order) -> None:
        key = order.source, order.order_id
        known = self.taken._orders.get(key)
        before = known.entry if known is not None else None
        self.taken.take(order)
        facts = self.taken._orders.get(key)
        if facts is None or facts.entry is before:
            return
        customer = whose(before, facts.entry, customer_of(order))
        after = facts.entry = msgspec.structs.replace(facts.entry, customer=customer)
        for change in changes_of(before, after, order.order_id, changes(before, after), self.calendar):
            self.change(msgspec.msgpack.decode(msgspec.msgpack.encode(change), type=AccountChange))

    def change(self, change: AccountChange) -> None:
        home = change.customer % len(self.accounts)
        before = self.accounts[home].get(change.customer)
        after = changed_account(before, change)
        self.accounts[home][change.customer] = after
        if before is not None and before.first is after.first:
            for key in cohort_keys(after, self.calendar, {}):
                self.sums[home][key].change_account(before, after)
            return
        if before is not None:
            self.count(home, before, -1)
        self.count(home, after, 1)

    def erase(self, customer: int) -> None:
        home = customer % len(self.accounts)
        account = self.accounts[home].pop(customer, None)
        if account is not None:
            self.count(home, account, -1)

    def count(self, home: int, account: CustomerAccount, sign: int) -> None:
        for key in cohort_keys(account, self.calendar, {}):
            self.sums[home][key].add_account(account, sign)
            if not self.sums[home][key]:
                del self.sums[home][key]

    def known(self) -> dict[int, tuple[object, object]]:
        accounts = {customer: each for home in self.accounts for customer, each in home.items()}
        return {
            customer: (each.first, each.months)
            for customer, each in accounts.items()
            if each.first is not None or each.months
        }

    def cohorts(self) -> dict[CohortKey, CohortSums]:
        keys = {key for sums in self.sums for key in sums}
        return {key: added_up(sums[key] for sums in self.sums if key in sums) for key in keys}


def by_acquiring_campaign(sums: dict[CohortKey, CohortSums]) -> dict[str, dict[int, CohortSums]]:
    found: dict[str, dict[int, CohortSums]] = defaultdict(dict)
    for key, each in sums.items():
        found[key.campaign][key.month] = each
    return found


kinds = st.sampled_from(["placed", "placed", "placed", "refunded", "cancelled"])
records = st.builds(
    lambda number, day, kind, who, campaign, revenue, cost, flag, event: Order(
        event_id=f"e{event}",
        occurred_at=DAY0 + timedelta(hours=day),
        order_id=f"o{number}",
        kind=kind,
        revenue=Decimal(revenue),
        # An order is one buyer's: who it is follows from its number, whatever the record.
        customer_id=None if who[number] is None else f"c{who[number]}",
        visitor_id=f"v{number % 3}" if number % 2 else None,
        campaign_id=campaign,
        cost_of_goods=None if cost is None else Decimal(cost),
        is_new_customer=flag,
    ),
    number=st.integers(0, 9),
    day=st.integers(0, 24 * 160),
    kind=kinds,
    who=st.just((0, 0, 0, 1, 1, 2, 2, None, None, 3)),
    campaign=st.sampled_from(["spring", "autumn", None]),
    revenue=st.integers(0, 90),
    cost=st.sampled_from([None, 0, 7]),
    flag=st.sampled_from([None, None, None, True, False]),
    event=st.integers(0, 60),
)
written = st.lists(records, max_size=30)


def same_figures(books: Books) -> None:
    base = books.taken.base()
    until = int(UNTIL.timestamp() * 1000)
    over = month_of(until, ZONE)
    found = books.cohorts()
    expected = cohorts(base.customers, by_month_and_campaign, CustomerCalendar(ZONE), until)
    readings = [
        cohort_reading(f"{month_name(key.month)} {key.campaign}", {key.month: each}, over)
        for key, each in found.items()
    ]
    assert sorted(readings, key=lambda each: each.name) == expected
    by = by_acquiring_campaign(found)
    readings = [cohort_reading(campaign, by[campaign], over, spend=9_000_000) for campaign in sorted(by)]
    spend = dict.fromkeys(by, 9_000_000)
    assert readings == cohorts(base.customers, by_campaign, CustomerCalendar(ZONE), until, spend)
    for campaign, each in by.items():
        theirs = [history for history in base.customers if history.first.campaign == campaign]
        assert month_readings(each, over) == months(theirs, CustomerCalendar(ZONE), until)


@examples(2)
@given(written, st.integers(1, 3))
def test_sums_of_cohorts_are_those_of_a_batch_computation(orders, homes):
    books = Books(homes)
    for order in orders:
        books.take(order)
    same_figures(books)


@examples(1)
@given(written, st.randoms(use_true_random=False))
def test_any_order_of_one_placement_for_each_order_ends_with_the_same_sums(orders, shuffle):
    # Which of two placements is an edit is told by the log; of one each, nothing depends on the order of arrival.
    placed: set[str] = set()
    once = []
    for order in orders:
        if order.kind == "placed" and order.order_id in placed:
            continue
        placed |= {order.order_id} if order.kind == "placed" else set()
        once.append(msgspec.structs.replace(order, event_id=f"{order.event_id}-{len(once)}"))
    one, other = Books(2), Books(2)
    for order in once:
        one.take(order)
    shuffle.shuffle(once)
    for order in once:
        other.take(order)
    assert one.cohorts() == other.cohorts()
    assert one.known() == other.known()


@examples(1)
@given(written, st.integers(0, 2))
def test_who_is_erased_is_in_no_sum_any_more_and_all_others_are(orders, number):
    everyone, others = Books(2), Books(2)
    gone = customer_of(Order("e", 0, "o", customer_id=f"c{number}"))
    for number_of_it, each in enumerate(orders):
        order = msgspec.structs.replace(each, event_id=f"e{number_of_it}")
        everyone.take(order)
        if customer_of(order) != gone:
            others.take(order)
    everyone.erase(gone)
    assert everyone.cohorts() == others.cohorts()


@examples(1)
@given(st.integers(-62 * 24 * 4, 3_000 * 24 * 4))
def test_months_that_are_remembered_by_day_are_those_of_the_calendar(quarters):
    at = quarters * 900_000
    for name in ("UTC", "Europe/Paris", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"):
        calendar = CustomerCalendar(ZoneInfo(name))
        assert calendar.of(at) == calendar.of(at) == month_of(at, calendar.zone)


def test_of_two_first_orders_at_one_instant_the_lower_id_acquires():
    early = AccountChange(1, 5, (), PlacedFirst(5, "b", "spring", None))
    other = AccountChange(1, 5, (), PlacedFirst(5, "a", "autumn", None))
    for changes_ in ((early, other), (other, early)):
        account = None
        for change in changes_:
            account = changed_account(account, change)
        assert account.first.campaign == "autumn"


@pytest.mark.parametrize(("at", "campaigns"), [(4, {}), (6, {8: "b"})])
def test_what_models_say_of_the_first_order_is_not_said_of_an_earlier_one(at, campaigns):
    first, other = PlacedFirst(5, "o", "c", None), PlacedFirst(at, "p", "c", None)
    known = credited_account(
        CustomerAccount(first, 5, ()), OrderCredit(5, "o", {"linear": "b"}), {"linear": 8}
    )
    assert changed_account(known, AccountChange(1, at, (), other)).campaigns == campaigns

"""Sums of a cohort, the customers whom one campaign acquired in one month, kept up to date customer by customer.

Sums of several partitions add up, because each customer lives on one. A reading costs nothing per customer or order.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from metrics.customers.accounts import AccountMonth, CustomerAccount
from metrics.customers.calendar import CustomerCalendar, month_name
from metrics.customers.cohorts import CustomerCohort, CustomerMonth
from metrics.customers.engagement import OF_PERSONS, Count, Counts, difference
from metrics.records.campaign_model import campaign_model
from metrics.records.events import NO_CAMPAIGN

#: In place of the month of a cohort: what is known of a campaign and of no customer, such as an answer that names the campaign alone.
NO_CUSTOMER = -2


class CohortKey(NamedTuple):
    """A campaign as orders name it, or in a model (``campaign_model``); and the month of the first order, or ``NO_CUSTOMER``."""

    campaign: str
    month: int


class CohortMonth(msgspec.Struct, array_like=True, gc=False):
    """What a calendar month brought of a cohort; money in micros.

    Attributes:
        active: customers with an order that was not cancelled.
        stayed: those of them who ordered in the month before, too.
        orders: as of ``AccountMonth``, and so the others.
        revenue: what came in.
        refunds: what was given back.
        cost_of_goods: less what was taken back.
        uncertain: amounts whose worth is not known for sure.
    """

    active: int = 0
    stayed: int = 0
    orders: int = 0
    revenue: int = 0
    refunds: int = 0
    cost_of_goods: int = 0
    uncertain: int = 0

    def add(self, other: "CohortMonth", sign: int = 1) -> None:
        """Add ``sign`` times ``other`` in place."""
        self.active += sign * other.active
        self.stayed += sign * other.stayed
        self.orders += sign * other.orders
        self.revenue += sign * other.revenue
        self.refunds += sign * other.refunds
        self.cost_of_goods += sign * other.cost_of_goods
        self.uncertain += sign * other.uncertain

    def __bool__(self) -> bool:
        return any(msgspec.structs.astuple(self))


class CohortSums(msgspec.Struct, array_like=True):
    """A cohort.

    Attributes:
        customers: all of them.
        repeaters: those with two orders or more that were not cancelled.
        months: by calendar month; refunds may lie before that of the first order.
        counts: what they do beside ordering, by calendar month and kind.
        persons: customers who have any, by kind of ``OF_PERSONS``.
    """

    customers: int = 0
    repeaters: int = 0
    months: dict[int, CohortMonth] = {}
    counts: dict[int, dict[int, int]] = {}
    persons: dict[int, int] = {}

    def __bool__(self) -> bool:
        return bool(self.customers or self.repeaters or self.months or self.counts or self.persons)

    @property
    def latest(self) -> int:
        """The last month in which anything happened, or is known to end."""
        return max(max(self.months, default=0), max(self.counts, default=0))

    @property
    def size(self) -> int:
        """How many numbers they are, about."""
        return 10 * (1 + len(self.months)) + 2 * sum(map(len, self.counts.values()))

    def add(self, other: "CohortSums", sign: int = 1) -> None:
        """Add ``sign`` times ``other`` in place."""
        self.customers += sign * other.customers
        self.repeaters += sign * other.repeaters
        for month, sums in other.months.items():
            self._add_month(month, sums, sign)
        for month, counts in other.counts.items():
            self.add_counts((Count(month, kind, number) for kind, number in counts.items()), sign)
        for kind, number in other.persons.items():
            self._add_persons(kind, sign * number)

    def add_account(self, account: CustomerAccount, sign: int = 1) -> None:
        """Count a customer ``sign`` times, 1 or −1."""
        self.customers += sign
        self.repeaters += sign * (account.orders > 1)
        self._add_account_months(account.months, sign, 0)
        if account.counts:
            self.add_counts(account.counts, sign)
            for kind in OF_PERSONS:
                self._add_persons(kind, sign * account.has(kind))

    def change_account(self, before: CustomerAccount, after: CustomerAccount) -> None:
        """Count a customer of the cohort as it is now, who is counted as before: months in which nothing changed are passed over."""
        self.repeaters += (after.orders > 1) - (before.orders > 1)
        old, new = before.months, after.months
        same, most = 0, min(len(old), len(new))
        while same < most and old[same] == new[same]:
            same += 1
        self._add_account_months(old, -1, same)
        self._add_account_months(new, 1, same)
        if before.counts != after.counts:
            self.add_counts(difference(_places(before), _places(after)))
            for kind in OF_PERSONS:
                self._add_persons(kind, after.has(kind) - before.has(kind))

    def add_counts(self, counts: Iterable[Count], sign: int = 1) -> None:
        """Add ``sign`` times counts in place."""
        for month, kind, number in counts:
            known = self.counts.setdefault(month, {})
            known[kind] = known.get(kind, 0) + sign * number
            if not known[kind]:
                del known[kind]
            if not known:
                del self.counts[month]

    def _add_persons(self, kind: int, number: int) -> None:
        known = self.persons.get(kind, 0) + number
        if known:
            self.persons[kind] = known
        else:
            self.persons.pop(kind, None)

    def _add_account_months(self, months: tuple[AccountMonth, ...], sign: int, start: int) -> None:
        known = self.months
        for place in range(start, len(months)):
            month, orders, revenue, refunds, cost_of_goods, uncertain = months[place]
            sums = known.get(month)
            if sums is None:
                sums = known[month] = CohortMonth()
            if orders > 0:
                sums.active += sign
                if place and months[place - 1].month == month - 1 and months[place - 1].orders > 0:
                    sums.stayed += sign
            sums.orders += sign * orders
            sums.revenue += sign * revenue
            sums.refunds += sign * refunds
            sums.cost_of_goods += sign * cost_of_goods
            sums.uncertain += sign * uncertain
            if sign < 0 and not sums:
                del known[month]

    def _add_month(self, month: int, sums: CohortMonth, sign: int) -> None:
        known = self.months.setdefault(month, CohortMonth())
        known.add(sums, sign)
        if not known:
            del self.months[month]


def _places(account: CustomerAccount) -> Counts:
    return {(month, kind): number for month, kind, number in account.counts}


def counts_by_month(cohorts: Iterable[CohortSums]) -> dict[int, Counter[int]]:
    """What customers of several cohorts do beside ordering, by calendar month and kind."""
    found: dict[int, Counter[int]] = {}
    for sums in cohorts:
        for month, counts in sums.counts.items():
            found.setdefault(month, Counter()).update(counts)
    return found


def cohort_keys(
    account: CustomerAccount, calendar: CustomerCalendar, models: Mapping[str, int]
) -> list[CohortKey]:
    """The cohorts of a customer, as the first order declares and in each model; none for those who are in none.

    Args:
        account: of the customer.
        calendar: whose months.
        models: with the numbers under which accounts hold campaigns.
    """
    acquired = account.acquired
    if acquired is None:
        return []
    month = calendar.of(acquired.at)
    keys = [CohortKey(acquired.campaign, month)]
    for model, number in models.items():
        campaign = account.campaigns.get(number, NO_CAMPAIGN)
        keys.append(CohortKey(campaign_model(campaign, model), month))
    return keys


def added_up(several: Iterable[CohortSums]) -> CohortSums:
    """The sum of several, as of all partitions."""
    total = CohortSums()
    for each in several:
        total.add(each)
    return total


def cohort_reading(
    name: str, cohorts: Mapping[int, CohortSums], over: int, spend: int | None = None
) -> CustomerCohort:
    """The figures of several cohorts together, as ``metrics.customers.cohorts.cohorts`` makes them of histories.

    Args:
        name: of all together.
        cohorts: by month of the acquisition.
        over: the first calendar month that is not over.
        spend: micros that the acquisition of all of them cost; None where unknown.
    """
    found = CustomerCohort(name, spend=spend)
    for acquired, sums in cohorts.items():
        found.customers += sums.customers
        found.repeaters += sums.repeaters
        for column in (found.eligible, found.active, found.margin_by_month):
            column.extend([0] * (over - acquired - len(column)))
        for age in range(over - acquired):
            found.eligible[age] += sums.customers
        for month, each in sums.months.items():
            found.orders += each.orders
            found.revenue += each.revenue
            found.refunds += each.refunds
            found.cost_of_goods += each.cost_of_goods
            age = max(0, month - acquired)
            if month < over and acquired < over:
                found.active[age] += each.active
                found.margin_by_month[age] += each.revenue - each.refunds - each.cost_of_goods
    return found


def month_readings(
    cohorts: Mapping[int, CohortSums], over: int, name: Callable[[int], str] = month_name
) -> list[CustomerMonth]:
    """The calendar months from the first acquisition on that are over, in order; as ``metrics.customers.cohorts.months``.

    Args:
        cohorts: by month of the acquisition.
        over: the first calendar month that is not over.
        name: of a month; of weeks they are made alike.
    """
    first = min(cohorts, default=over)
    sums: dict[int, CohortMonth] = {}
    for each in cohorts.values():
        for month, more in each.months.items():
            sums.setdefault(month, CohortMonth()).add(more)
    nothing = CohortMonth()
    found = []
    for month in range(first, over):
        of_month, before = sums.get(month, nothing), sums.get(month - 1, nothing)
        new = cohorts[month].customers if month in cohorts else 0
        found.append(
            CustomerMonth(
                name(month),
                of_month.active,
                new,
                None if month == first else before.active,
                of_month.stayed,
                of_month.orders,
                of_month.revenue,
                of_month.refunds,
            )
        )
    return found

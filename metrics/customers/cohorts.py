"""Customers by when and by what they were acquired: retention, repeat purchases, value so far, and what they cost.

Sums are integers, counts are counts, and each figure is one division at the end. A figure of a month is given when the
month is over, so that no figure falls and rises while its month runs. Where the calendar is one of weeks, every month here is a week.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from metrics.customers.calendar import CustomerCalendar
from metrics.customers.histories import CustomerHistory
from metrics.values.apportion import share
from metrics.values.money import MICROS, ratio

#: The name of the cohort of who was acquired in a month (``YYYY-MM``) or week (``YYYY-Www``) by a campaign.
Naming = Callable[[str, str], str]


@dataclass
class CustomerCohort:
    """Customers who were acquired alike; money in micros, indexes of months from that of the acquisition, 0.

    Attributes:
        name: the month, the campaign, or both.
        customers: all of them.
        repeaters: those with two orders or more that were not cancelled.
        orders: that were not cancelled.
        eligible: customers for whom the month is over, by month.
        active: those of them who ordered in it; cancelled orders do not count.
        margin_by_month: revenue − refunds − cost of goods of those of them; what was refunded before the first order counts in month 0.
        spend: what the acquisition of all of them cost; None where unknown.
    """

    name: str
    customers: int = 0
    repeaters: int = 0
    orders: int = 0
    revenue: int = 0
    refunds: int = 0
    cost_of_goods: int = 0
    eligible: list[int] = field(default_factory=list)
    active: list[int] = field(default_factory=list)
    margin_by_month: list[int] = field(default_factory=list)
    spend: int | None = None

    @property
    def margin(self) -> int:
        """Revenue − refunds − cost of goods, up to the end of the observation."""
        return self.revenue - self.refunds - self.cost_of_goods

    @property
    def retention(self) -> list[float | None]:
        """By month after the acquisition: active / eligible customers; None where the month is over for nobody."""
        return [ratio(active, eligible) for active, eligible in zip(self.active, self.eligible, strict=True)]

    @property
    def repeat_rate(self) -> float | None:
        """Customers with two orders or more / customers."""
        return ratio(self.repeaters, self.customers)

    @property
    def average_basket(self) -> float | None:
        """(Revenue − refunds) / orders, in currency units."""
        return ratio(self.revenue - self.refunds, self.orders * MICROS)

    @property
    def clv_historic(self) -> float | None:
        """Margin so far per customer, in currency units."""
        return ratio(self.margin, self.customers * MICROS)

    @property
    def cac(self) -> float | None:
        """Spend per customer, in currency units; None without spend."""
        return None if self.spend is None else ratio(self.spend, self.customers * MICROS)

    @property
    def clv_to_cac(self) -> float | None:
        """Margin so far / spend; None where the spend is unknown or 0."""
        return None if self.spend is None else ratio(self.margin, self.spend)

    @property
    def payback_months(self) -> int | None:
        """Months until the margin of a customer has paid for the acquisition: 1 is the month of the acquisition itself.

        None while it has not, and where the spend is unknown or nobody was acquired.
        """
        if self.spend is None or not self.customers:
            return None
        cost, earned = Fraction(self.spend, self.customers), Fraction(0)
        for month, (margin, eligible) in enumerate(zip(self.margin_by_month, self.eligible, strict=True), 1):
            if not eligible:
                break
            earned += Fraction(margin, eligible)
            if earned >= cost:
                return month
        return None


def by_month(month: str, campaign: str) -> str:
    """Cohorts of the calendar month of the first order."""
    del campaign
    return month


def by_campaign(month: str, campaign: str) -> str:
    """Cohorts of the campaign of the first order, as the order names it."""
    del month
    return campaign


def by_month_and_campaign(month: str, campaign: str) -> str:
    """Cohorts of both."""
    return f"{month} {campaign}"


def all_together(month: str, campaign: str) -> str:
    """One cohort."""
    del month, campaign
    return "all"


def cohorts(
    customers: Iterable[CustomerHistory],
    naming: Naming,
    calendar: CustomerCalendar,
    until: int,
    spend: Mapping[str, int] | None = None,
) -> list[CustomerCohort]:
    """The cohorts, by name.

    Args:
        customers: with an order each.
        naming: what a cohort is by.
        calendar: whose months or weeks.
        until: up to when the orders are complete, exclusive; what comes later is not looked at.
        spend: micros by name of the cohort; a cohort without an entry has an unknown spend.
    """
    found: dict[str, CustomerCohort] = {}
    over = calendar.of(until)  # the first month that is not over
    for history in customers:
        if history.first.at >= until:
            continue
        name = cohort_name(history, naming, calendar)
        cohort = found.setdefault(name, CustomerCohort(name))
        _add(cohort, history, calendar, until, over)
    for cohort in found.values():
        cohort.spend = None if spend is None else spend.get(cohort.name)
    return [found[name] for name in sorted(found)]


def cohort_name(history: CustomerHistory, naming: Naming, calendar: CustomerCalendar) -> str:
    """The cohort of a customer."""
    return naming(calendar.name(calendar.of(history.first.at)), history.first.campaign)


def _add(
    cohort: CustomerCohort, history: CustomerHistory, calendar: CustomerCalendar, until: int, over: int
) -> None:
    acquired = calendar.of(history.first.at)
    purchases = [order for order in history.purchases if order.at < until]
    money = [change for change in history.money if change.at < until]
    cohort.customers += 1
    cohort.repeaters += len(purchases) > 1
    cohort.orders += len(purchases)
    cohort.revenue += sum(change.revenue for change in money)
    cohort.refunds += sum(change.refunds for change in money)
    cohort.cost_of_goods += sum(change.cost_of_goods for change in money)
    for column in (cohort.eligible, cohort.active, cohort.margin_by_month):
        column.extend([0] * (over - acquired - len(column)))
    for month in range(over - acquired):
        cohort.eligible[month] += 1
    for month in {calendar.of(order.at) for order in purchases}:
        if month < over:
            cohort.active[month - acquired] += 1
    for change in money:
        month = calendar.of(change.at)
        if (
            month < over and acquired < over
        ):  # what was refunded before an order of a month that is not over waits with it
            cohort.margin_by_month[max(0, month - acquired)] += change.margin


@dataclass
class CustomerMonth:
    """A calendar month: who ordered in it, and what it brought; money in micros.

    Attributes:
        name: ``YYYY-MM``.
        customers: who ordered; cancelled orders do not count.
        new: those whose first order of all lies in it.
        before: who ordered in the month before; None in the first month, of which nobody knows.
        stayed: those who ordered in both.
        orders: that were not cancelled.
    """

    name: str
    customers: int
    new: int
    before: int | None
    stayed: int
    orders: int
    revenue: int
    refunds: int

    @property
    def retention_rate(self) -> float | None:
        """Customers of the month before who ordered again / customers of the month before."""
        return None if self.before is None else ratio(self.stayed, self.before)

    @property
    def churn_rate(self) -> float | None:
        """1 − ``retention_rate``, as one division."""
        return None if self.before is None else ratio(self.before - self.stayed, self.before)

    @property
    def retention_rate_period(self) -> float | None:
        """Customers of the month / customers of it or of the month before.

        >>> month = CustomerMonth("2026-07", customers=130, new=50, before=100, stayed=80, orders=0, revenue=0, refunds=0)
        >>> month.retention_rate, month.retention_rate_period
        (0.8, 0.866667)
        """
        if self.before is None:
            return None
        return ratio(self.customers, self.customers + self.before - self.stayed)

    @property
    def arpu(self) -> float | None:
        """(Revenue − refunds) / customers, in currency units."""
        return ratio(self.revenue - self.refunds, self.customers * MICROS)

    @property
    def average_basket(self) -> float | None:
        """(Revenue − refunds) / orders, in currency units."""
        return ratio(self.revenue - self.refunds, self.orders * MICROS)


def months(
    customers: Iterable[CustomerHistory], calendar: CustomerCalendar, until: int
) -> list[CustomerMonth]:
    """The calendar months from the first order on that are over at ``until``, in order.

    Args:
        customers: with an order each.
        calendar: whose months or weeks.
        until: up to when the orders are complete, exclusive.
    """
    who: defaultdict[int, set[int]] = defaultdict(set)
    new: defaultdict[int, int] = defaultdict(int)
    sums: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0, 0])
    first = over = calendar.of(until)
    for number, history in enumerate(customers):
        acquired = calendar.of(history.first.at)
        first = min(first, acquired)
        new[acquired] += 1
        for order in history.purchases:
            month = calendar.of(order.at)
            who[month].add(number)
            sums[month][0] += 1
        for change in history.money:
            month_sums = sums[calendar.of(change.at)]
            month_sums[1] += change.revenue
            month_sums[2] += change.refunds
    return [
        CustomerMonth(
            calendar.name(month),
            len(who[month]),
            new[month],
            None if month == first else len(who[month - 1]),
            len(who[month] & who[month - 1]),
            *sums[month],
        )
        for month in range(first, over)
    ]


class Spend(NamedTuple):
    """What a campaign spent in a period, in micros."""

    campaign: str
    start: int
    end: int
    micros: int


def spend_by_cohort(
    reports: Iterable[Spend], naming: Naming, calendar: CustomerCalendar, until: int
) -> dict[str, int]:
    """Micros of spend by name of the cohort, each report's spread evenly over its period; what comes later is left out.

    Args:
        reports: that do not overlap within a campaign.
        naming: as of the cohorts.
        calendar: whose months or weeks.
        until: up to when the orders are complete, exclusive.
    """
    found: defaultdict[str, int] = defaultdict(int)
    for report in reports:
        for month in range(calendar.of(report.start), calendar.of(report.end - 1) + 1):
            window = calendar.start(month), min(until, calendar.start(month + 1))
            if window[0] < window[1]:
                part = share(report.micros, (report.start, report.end), window)
                found[naming(calendar.name(month), report.campaign)] += part
    return dict(found)

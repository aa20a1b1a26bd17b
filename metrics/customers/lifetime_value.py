"""What customers are still expected to bring, with an interval: BG/NBD and gamma-gamma together.

The expected value of a customer is expected purchases · expected spend of one · the share of revenue that is kept as
margin. The interval is one of prediction, by parametric simulation: each draw takes parameters from the asymptotic normal
of their logarithms (the inverse of the observed information), and lets every customer buy and spend by them once. So it
holds both what is unknown of the parameters and what is chance in customers.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from metrics.customers import purchasing, spending
from metrics.customers.calendar import local_time
from metrics.customers.fitting import Floats
from metrics.customers.histories import CustomerHistory, MoneyChange
from metrics.customers.purchasing import Buying, Counts
from metrics.values.money import MICROS, ratio

DAYS_OF_A_WEEK = 7


@dataclass(frozen=True)
class RepeatBuying:
    """The recency-frequency summary of customers, in the order in which they were given.

    Purchases of one day are one purchase, as in the papers.

    Attributes:
        buying: frequency, recency and age in weeks.
        repeat_micros: revenue of the repeat purchases of each customer.
    """

    buying: Buying
    repeat_micros: list[int]

    @property
    def mean_spend(self) -> Floats:
        """Revenue of a repeat purchase, in currency units; 0 without one."""
        return np.array(
            [
                micros / MICROS / max(int(repeats), 1)
                for micros, repeats in zip(self.repeat_micros, self.buying.frequency, strict=True)
            ],
            np.float64,
        )


def repeat_buying(customers: Iterable[CustomerHistory], zone: ZoneInfo, until: int) -> RepeatBuying:
    """The summary of customers who have a purchase before ``until``; the others must be left out before.

    Args:
        customers: each with an order that was not cancelled before ``until``.
        zone: whose days.
        until: up to when the orders are complete, exclusive, epoch milliseconds.
    """
    last_day = local_time(until - 1, zone).date()
    rows: list[tuple[int, int, int]] = []
    repeat_micros = []
    for history in customers:
        days = sorted({local_time(order.at, zone).date() for order in history.purchases if order.at < until})
        first = days[0]
        rows.append((len(days) - 1, (days[-1] - first).days, (last_day - first).days))
        repeat_micros.append(_revenue_after(first, history.money, zone, until))
    columns = np.array(rows, np.int64).reshape(-1, 3)
    buying = Buying(columns[:, 0], columns[:, 1] / DAYS_OF_A_WEEK, columns[:, 2] / DAYS_OF_A_WEEK)
    return RepeatBuying(buying, repeat_micros)


def _revenue_after(day: date, money: Sequence[MoneyChange], zone: ZoneInfo, until: int) -> int:
    return sum(
        change.revenue for change in money if change.at < until and local_time(change.at, zone).date() > day
    )


@dataclass(frozen=True)
class ValueForecast:
    """What customers bring from the end of the observation on, for a while.

    Attributes:
        purchases: expected of each customer.
        values: expected margin of each customer, in currency units.
        group_expected: the same, added up by group; the last is all groups together.
        group_low: the lower end of the interval of the sum of each group.
        group_high: the upper end.
    """

    purchases: Floats
    values: Floats
    group_expected: Floats
    group_low: Floats
    group_high: Floats


@dataclass(frozen=True)
class ValueModel:
    """Both fits, and the share of revenue that is kept as margin."""

    purchasing: purchasing.PurchasingFit
    spending: spending.SpendingFit
    margin_ratio: float

    def forecast(
        self,
        repeats: RepeatBuying,
        groups: Counts,
        size: int,
        weeks: float,
        rng: np.random.Generator,
        *,
        coverage: float = 0.8,
        draws: int = 1_000,
        progress: Callable[[int], None] = lambda _: None,
    ) -> ValueForecast:
        """The margin of the next ``weeks``.

        Args:
            repeats: the summary of all customers.
            groups: of each customer the number of the group, from 0.
            size: how many groups there are; one may be empty.
            weeks: how long.
            rng: where randomness comes from; the same gives the same interval.
            coverage: how often the interval is to hold what comes.
            draws: of parameters and customers.
            progress: hears the number of draws that are done.
        """
        buying, mean = repeats.buying, repeats.mean_spend
        paid = np.where(mean > 0, buying.frequency, 0)
        purchases = self.purchasing.model.expected_purchases(buying, weeks)
        values = purchases * self.spending.model.expected_spend(paid, mean) * self.margin_ratio
        sums = np.empty((draws, size + 1))
        both = zip(
            self.purchasing.estimate.draws(rng, draws),
            self.spending.estimate.draws(rng, draws),
            strict=True,
        )
        for number, (of_purchases, of_spending) in enumerate(both):
            wanted = purchasing.model_of(of_purchases).simulated_purchases(buying, weeks, rng)
            spent = spending.model_of(of_spending).simulated_spend(paid, mean, wanted, rng)
            sums[number, :size] = np.bincount(groups, spent * self.margin_ratio, size)
            sums[number, size] = sums[number, :size].sum()
            progress(number + 1)
        tail = (1 - coverage) / 2
        low, high = np.quantile(sums, [tail, 1 - tail], axis=0)
        expected: Floats = np.append(np.bincount(groups, values, size), values.sum()).astype(np.float64)
        return ValueForecast(purchases, values, expected, low, high)


def fitted(repeats: RepeatBuying, margin_ratio: float) -> ValueModel:
    """Both models, fitted to the same customers.

    Raises:
        FitError: where the customers do not determine a model.
    """
    return ValueModel(
        purchasing.fit(repeats.buying),
        spending.fit(repeats.buying.frequency, repeats.mean_spend),
        margin_ratio,
    )


def margin_ratio(money: Iterable[MoneyChange]) -> float | None:
    """Margin / revenue of all changes; None without revenue.

    >>> margin_ratio([MoneyChange(0, 100, 5, 0), MoneyChange(9, 0, 15, 30)])
    0.5
    """
    changes = list(money)
    return ratio(sum(change.margin for change in changes), sum(change.revenue for change in changes))

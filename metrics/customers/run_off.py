"""What young cohorts will have brought by a given age, by what older cohorts of the same kind brought after theirs.

A run-off by exposure, as in loss reserving: what a customer brings after an age is estimated by the cohorts that are old enough
(their sums divided by their customers), and scatters from cohort to cohort in proportion to the number of customers. That needs
no orders of single customers and no law of buying, so it works on the sums that are published. What it takes for granted: cohorts
are of one kind and bring alike at the same age. The interval is one of prediction by Student's t: it holds what is unknown of the
mean and what is chance in the young cohorts, and is no confidence sequence: looked at every day it misses more often than once.

Source: the additive method of loss reserving with its mean squared error, as in Merz and Wüthrich, Stochastic Claims Reserving
Methods in Insurance, 2008, with tails taken whole, so that months of one cohort may depend on each other.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from metrics.customers.calendar import CohortPeriod
from metrics.customers.student import student_quantile
from metrics.values.money import MICROS

Floats = NDArray[np.float64]

#: Older cohorts that are needed to tell a mean and its scatter.
FEWEST_COHORTS = 3
#: The months of a customer's life that are looked at, at most, and at least.
MOST_MONTHS, FEWEST_MONTHS = 12, 2
#: How many make a year, by what cohorts go by.
A_YEAR: dict[CohortPeriod, int] = {"month": MOST_MONTHS, "week": 52}


class CohortRun(NamedTuple):
    """One cohort: its customers, and its margin in micros by months since the acquisition, of months that are over."""

    customers: int
    margins: Sequence[int]


class ExpectedValue(msgspec.Struct, frozen=True):
    """Margin of a customer in the first months, in currency units.

    Attributes:
        months: how many months, or weeks of cohorts by week; that of the acquisition is the first.
        value: known and expected, per customer of all cohorts.
        low: lower end of the interval.
        high: upper end.
        cohorts: older cohorts that it is learned from.
        to_cac: ``value`` / CAC; None where the spend is unknown or 0.
        to_cac_low: the same of ``low``.
        to_cac_high: the same of ``high``.
    """

    months: int
    value: float
    low: float
    high: float
    cohorts: int
    to_cac: float | None
    to_cac_low: float | None
    to_cac_high: float | None


class RunOff(NamedTuple):
    """What customers bring in their first months, before it is said how sure that is; in currency units.

    Attributes:
        months: how many months, or weeks of cohorts by week.
        customers: of all cohorts.
        value: known and expected, per customer.
        error: standard deviation of what is expected, per customer.
        cohorts: older cohorts that it is learned from.
        mean_error: standard deviation of the mean of older cohorts: of what further customers would bring.
    """

    months: int
    customers: int
    value: float
    error: float
    cohorts: int
    mean_error: float

    def ends(self, tail: float) -> tuple[float, float]:
        """Ends of the interval that what comes lies beyond with the chance ``tail`` on either side."""
        return self._around(self.error, tail)

    def mean_ends(self, tail: float) -> tuple[float, float]:
        """The same of the mean that customers of the campaign come from: those that it has, are chance too."""
        return self._around(max(self.error, self.mean_error), tail)

    def _around(self, error: float, tail: float) -> tuple[float, float]:
        half = student_quantile(self.cohorts - 1, tail) * error
        return self.value - half, self.value + half


def run_off(cohorts: Sequence[CohortRun], most: int = MOST_MONTHS) -> RunOff | None:
    """The value of a customer in as many first months as at least three cohorts have lived.

    Args:
        cohorts: of one kind, such as those of one campaign.
        most: months that are looked at, at most; of cohorts by week they are weeks.

    Returns:
        None where fewer than three cohorts are two months old.
    """
    cohorts = [each for each in cohorts if each.customers > 0]
    ages = sorted((len(each.margins) for each in cohorts), reverse=True)
    months = min(most, ages[FEWEST_COHORTS - 1]) if len(ages) >= FEWEST_COHORTS else 0
    if months < FEWEST_MONTHS:
        return None
    old = [each for each in cohorts if len(each.margins) >= months]
    young = [each for each in cohorts if len(each.margins) < months]
    customers = sum(each.customers for each in cohorts)
    known = sum(sum(each.margins[:months]) for each in cohorts) / MICROS
    expected, variance = _to_come(old, young, months)
    return RunOff(
        *(months, customers, (known + expected) / customers, variance**0.5 / customers),
        *(len(old), _mean_error(old, months)),
    )


def expected_value(
    cohorts: Sequence[CohortRun], spend: int | None, coverage: float = 0.8, most: int = MOST_MONTHS
) -> ExpectedValue | None:
    """The value of a customer in as many first months as at least three cohorts have lived, twelve at most.

    Args:
        cohorts: of one kind, such as those of one campaign.
        spend: micros that all of them cost; None where unknown.
        coverage: how often the interval is to hold what comes.
        most: months that are looked at, at most; of cohorts by week they are weeks.

    Returns:
        None where fewer than three cohorts are two months old.
    """
    found = run_off(cohorts, most)
    return None if found is None else expected_of(found, spend, coverage)


def expected_of(found: RunOff, spend: int | None, coverage: float = 0.8) -> ExpectedValue:
    """The same of what is worked out already."""
    low, high = found.ends((1 - coverage) / 2)
    cac = spend / MICROS / found.customers if spend else None
    ratios = [None if cac is None else each / cac for each in (found.value, low, high)]
    return ExpectedValue(found.months, found.value, low, high, found.cohorts, *ratios)


def _to_come(old: Sequence[CohortRun], young: Sequence[CohortRun], months: int) -> tuple[float, float]:
    """Sum of what young cohorts will bring up to that age, and the variance of its error, in currency units."""
    sizes = np.array([one.customers for one in old], dtype=float)
    #: By old cohort: what a customer had brought by each age.
    brought = np.array([list(accumulate(one.margins[:months], initial=0)) for one in old], dtype=float)
    brought /= MICROS * sizes[:, None]
    #: By old and by young cohort: what a customer of the young one will bring, if it is as one of the old one was.
    tails = brought[:, [months]] - brought[:, [len(each.margins) for each in young]]
    young_sizes = np.array([each.customers for each in young], dtype=float)
    #: By old cohort: what all young cohorts together would bring, if each customer brought what one of the old cohort did.
    as_old = (tails * young_sizes).sum(axis=1)
    process = float((young_sizes * _scatter(sizes, tails)).sum())
    mean, scatter = _mean(sizes, as_old[:, None]), _scatter(sizes, as_old[:, None])
    return float(mean[0]), process + float(scatter[0]) / float(sizes.sum())


def _mean_error(old: Sequence[CohortRun], months: int) -> float:
    """Of what customers bring by that age, by how means of cohorts scatter."""
    sizes = np.array([one.customers for one in old], dtype=float)
    brought = np.array([sum(one.margins[:months]) for one in old], dtype=float) / (MICROS * sizes)
    return float((_scatter(sizes, brought[:, None])[0] / sizes.sum()) ** 0.5)


def _mean(sizes: Floats, values: Floats) -> Floats:
    return np.asarray((sizes[:, None] * values).sum(axis=0) / sizes.sum())


def _scatter(sizes: Floats, values: Floats) -> Floats:
    """Variance of the value of a single customer, by how means of cohorts scatter; of each column."""
    squares = sizes[:, None] * (values - _mean(sizes, values)) ** 2
    return np.asarray(squares.sum(axis=0) / (len(sizes) - 1))

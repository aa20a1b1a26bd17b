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
from typing import NamedTuple

import msgspec

from metrics.customers.calendar import CohortPeriod
from metrics.values.money import MICROS

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
    from scipy.special import stdtrit  # noqa: PLC0415 - a board whose page of customers nobody opens needs no SciPy

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
    half = float(stdtrit(len(old) - 1, (1 + coverage) / 2)) * variance**0.5
    value, low, high = ((known + expected + by) / customers for by in (0.0, -half, half))
    cac = spend / MICROS / customers if spend else None
    ratios = [None if cac is None else each / cac for each in (value, low, high)]
    return ExpectedValue(months, value, low, high, len(old), *ratios)


def _to_come(old: Sequence[CohortRun], young: Sequence[CohortRun], months: int) -> tuple[float, float]:
    """Sum of what young cohorts will bring up to that age, and the variance of its error, in currency units."""
    exposure = sum(each.customers for each in old)
    #: By old cohort: what all young cohorts together would bring, if each customer brought what one of the old cohort did.
    as_old = [0.0] * len(old)
    process = 0.0
    for each in young:
        tails = [sum(one.margins[len(each.margins) : months]) / MICROS / one.customers for one in old]
        process += each.customers * _scatter(old, tails, exposure)
        as_old = [so_far + each.customers * tail for so_far, tail in zip(as_old, tails, strict=True)]
    expected = _mean(old, as_old, exposure)
    return expected, process + _scatter(old, as_old, exposure) / exposure


def _mean(old: Sequence[CohortRun], values: Sequence[float], exposure: int) -> float:
    return sum(one.customers * value for one, value in zip(old, values, strict=True)) / exposure


def _scatter(old: Sequence[CohortRun], values: Sequence[float], exposure: int) -> float:
    """Variance of the value of a single customer, by how means of cohorts scatter."""
    mean = _mean(old, values, exposure)
    squares = (one.customers * (value - mean) ** 2 for one, value in zip(old, values, strict=True))
    return sum(squares) / (len(old) - 1)

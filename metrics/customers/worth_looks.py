"""Whether customers bring in a year what they were to bring for what they cost: a verdict that may be looked at month after month.

The interval of ``metrics.customers.run_off`` is right for one look. Here there is a look for each month that is over since three cohorts
have lived for twelve, and the n-th has the level α / (n (n + 1)), which add up to α over all looks there will ever be. By Boole's
inequality the chance that a verdict in one direction is ever wrong is at most α, however looks depend on each other. Who looks more
often than once a month sees the same look: it is made of months that are over, and changes only where these are corrected.

Source: alpha spending, Lan and DeMets, Discrete sequential boundaries for clinical trials, *Biometrika* 70 (3), 1983; levels that add up
to α by Boole's inequality need no law of how looks depend.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from metrics.customers.calendar import CohortPeriod
from metrics.customers.run_off import A_YEAR, FEWEST_COHORTS, CohortRun, RunOff, run_off
from metrics.values.money import MICROS
from metrics.values.target_verdicts import compared

#: CLV : CAC that a verdict compares with where nothing else is asked: customers bring in twelve months what they cost.
BREAK_EVEN = 1.0


class WorthVerdict(msgspec.Struct, frozen=True):
    """What a look says of CLV : CAC of the first twelve months.

    Attributes:
        verdict: ``good``: at least the target; ``bad``: below it; ``inconclusive``.
        target: what it is compared with.
        look: its number, from 1; one a month.
        level: chance that this look is wrong in one direction.
        low: lower end of CLV : CAC at that level.
        high: upper end.
        mean_low: lower end for the mean that customers of the campaign come from, at that level.
        mean_high: upper end of it.
    """

    verdict: Literal["good", "bad", "inconclusive"]
    target: float
    look: int
    level: float
    low: float
    high: float
    mean_low: float | None = None
    mean_high: float | None = None


def level_of(look: int, alpha: float = 0.05) -> float:
    """The level of a look, numbered from 1.

    >>> level_of(1), level_of(2), round(sum(level_of(n) for n in range(1, 1_000)), 4)
    (0.025, 0.008333333333333333, 0.05)
    """
    return alpha / (look * (look + 1))


def look_of(cohorts: Sequence[CohortRun], period: CohortPeriod) -> int:
    """The number of the latest look, from 1; 0 or less before three cohorts have lived for twelve months: so many are missing."""
    ages = sorted((len(each.margins) for each in cohorts if each.customers > 0), reverse=True)
    lived = ages[FEWEST_COHORTS - 1] if len(ages) >= FEWEST_COHORTS else 0
    return lived - A_YEAR[period] + 1


def worth_verdict(
    cohorts: Sequence[CohortRun],
    spend: int | None,
    target: float = BREAK_EVEN,
    alpha: float = 0.05,
    period: CohortPeriod = "month",
    acquired: int = 0,
) -> WorthVerdict | None:
    """The verdict of the latest look.

    Args:
        cohorts: of one campaign, all of them.
        spend: micros that they cost; None where unknown.
        target: of CLV : CAC; at 1 customers bring in twelve months what they cost.
        alpha: chance that a verdict in one direction is ever wrong, over all looks.
        period: what cohorts go by; of weeks there is a look a week, and twelve months are 52 of them.
        acquired: customers whom the spend has won, where cohorts hold fewer of them: the others may bring as much.

    Returns:
        None before three cohorts have lived for twelve months, and where the spend is unknown or 0.
    """
    look = look_of(cohorts, period)
    found = run_off(cohorts, A_YEAR[period]) if look > 0 else None
    return None if found is None else verdict_of(found, look, spend, target, alpha, acquired)


def verdict_of(
    found: RunOff,
    look: int,
    spend: int | None,
    target: float = BREAK_EVEN,
    alpha: float = 0.05,
    acquired: int = 0,
) -> WorthVerdict | None:
    """The verdict of a look on what customers bring in twelve months; None where the spend is unknown or 0."""
    if not spend:
        return None
    level = level_of(look, alpha)
    lows, highs = zip(found.ends(level), found.mean_ends(level), strict=True)
    low, mean_low = (each * found.customers * MICROS / spend for each in lows)
    high, mean_high = (each * max(found.customers, acquired) * MICROS / spend for each in highs)
    return WorthVerdict(compared(low, high, target), target, look, level, low, high, mean_low, mean_high)

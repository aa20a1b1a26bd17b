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
from metrics.customers.run_off import A_YEAR, FEWEST_COHORTS, CohortRun, expected_value


class WorthVerdict(msgspec.Struct, frozen=True):
    """What a look says of CLV : CAC of the first twelve months.

    Attributes:
        verdict: ``good``: at least the target; ``bad``: below it; ``inconclusive``.
        target: what it is compared with.
        look: its number, from 1; one a month.
        level: chance that this look is wrong in one direction.
        low: lower end of CLV : CAC at that level.
        high: upper end.
    """

    verdict: Literal["good", "bad", "inconclusive"]
    target: float
    look: int
    level: float
    low: float
    high: float


def level_of(look: int, alpha: float = 0.05) -> float:
    """The level of a look, numbered from 1.

    >>> level_of(1), level_of(2), round(sum(level_of(n) for n in range(1, 1_000)), 4)
    (0.025, 0.008333333333333333, 0.05)
    """
    return alpha / (look * (look + 1))


def worth_verdict(
    cohorts: Sequence[CohortRun],
    spend: int | None,
    target: float = 1.0,
    alpha: float = 0.05,
    period: CohortPeriod = "month",
) -> WorthVerdict | None:
    """The verdict of the latest look.

    Args:
        cohorts: of one campaign, all of them.
        spend: micros that they cost; None where unknown.
        target: of CLV : CAC; at 1 customers bring in twelve months what they cost.
        alpha: chance that a verdict in one direction is ever wrong, over all looks.
        period: what cohorts go by; of weeks there is a look a week, and twelve months are 52 of them.

    Returns:
        None before three cohorts have lived for twelve months, and where the spend is unknown or 0.
    """
    ages = sorted((len(each.margins) for each in cohorts if each.customers > 0), reverse=True)
    year = A_YEAR[period]
    if len(ages) < FEWEST_COHORTS or ages[FEWEST_COHORTS - 1] < year:
        return None
    look = ages[FEWEST_COHORTS - 1] - year + 1
    level = level_of(look, alpha)
    found = expected_value(cohorts, spend, 1 - 2 * level, year)
    if found is None or found.to_cac_low is None or found.to_cac_high is None:
        return None
    verdict: Literal["good", "bad", "inconclusive"] = "inconclusive"
    if found.to_cac_low >= target:
        verdict = "good"
    elif found.to_cac_high < target:
        verdict = "bad"
    return WorthVerdict(verdict, target, look, level, found.to_cac_low, found.to_cac_high)

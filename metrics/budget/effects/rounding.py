"""Money in the steps that a platform takes, rounded down. Pure."""

from typing import NamedTuple

from metrics.values.currency import PARTS
from metrics.values.money import MICROS


class Rounded(NamedTuple):
    """An amount in micros of the account's currency, and what rounding took off."""

    micros: int
    rounded_off: int


def smallest_unit(decimals: int) -> int:
    """Micros of the smallest unit of a currency with so many decimals (ISO 4217): cents have two, yen none.

    >>> smallest_unit(2), smallest_unit(0)
    (10000, 1000000)
    """
    return int(MICROS // 10**decimals)


def rounded_down(micros: int, step: int, rate_parts: int = PARTS) -> Rounded:
    """The largest multiple of ``step`` that is worth no more than an amount.

    Args:
        micros: of the reporting currency.
        step: micros of the account's currency that the platform counts in.
        rate_parts: worth of the account's currency in the reporting one, in units of 1 / ``PARTS``.

    >>> rounded_down(12_345_678, 10_000)
    Rounded(micros=12340000, rounded_off=5678)
    >>> rounded_down(90_000_000, 10_000, PARTS * 9 // 10).micros
    100000000
    """
    there = micros * PARTS // rate_parts
    taken = there - there % step
    return Rounded(taken, there - taken)

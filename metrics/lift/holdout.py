"""A holdout test as people see it: who converted in which arm, what came because of the campaign, and whether it can be believed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import NamedTuple

import numpy as np

from metrics.lift.arms import TREATMENT, Arm
from metrics.lift.sequences import Floats, interval_of_share, log_e_of_share, radius_of_sum, weights

#: As many people of each arm must have converted before a sum has an interval; with fewer its level does not hold (tests/bench/bench_lift.py).
LEAST_OF_AN_ARM = 100
#: The sum of squares at which the interval of a sum is narrowest, as a multiple of that of the first people.
_AHEAD = 10.0


class Converter(NamedTuple):
    """A person who ordered within the test.

    Attributes:
        at: of the first order in the test, epoch milliseconds.
        arm: where the person was assigned to.
        orders: in the window that begins with the first order; cancelled ones do not count.
        revenue: of the window, net of refunds, in micros.
        margin: of the window, in micros.
        is_over: whether the window is over, so that the sums stay.
        attributed: those of ``orders`` that name the campaign.
    """

    at: int
    arm: Arm
    orders: int
    revenue: int
    margin: int
    is_over: bool
    attributed: int = 0


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends that hold at all times at once; an end is None where nothing bounds it yet."""

    estimate: float | None
    low: float | None
    high: float | None

    def divided(self, divisor: float) -> "Interval":
        """All three by a number above 0.

        >>> Interval(6.0, None, 8.0).divided(2)
        Interval(estimate=3.0, low=None, high=4.0)
        """
        parts = [None if value is None else value / divisor for value in (self.estimate, self.low, self.high)]
        return Interval(*parts)

    def dividing(self, dividend: float) -> "Interval":
        """A number of 0 or more divided by this, such as spend by orders: where this may be 0 or less there is no upper end.

        >>> Interval(4.0, -1.0, 8.0).dividing(80)
        Interval(estimate=20.0, low=10.0, high=None)
        """

        def of(value: float | None) -> float | None:
            return None if value is None or value <= 0 else dividend / value

        return Interval(of(self.estimate), of(self.high), of(self.low))


@dataclass(frozen=True)
class ArmConversions:
    """People who converted, by arm.

    Attributes:
        treatment: how many in the treatment arm.
        control: how many in the control arm.
        lift: conversions of the treatment arm / those that the control arm says would have come anyway − 1.
        incremental: conversions of the treatment arm that would not have come without the campaign.
        log_e: the largest logarithm so far of the evidence that the campaign changes something.
        found_at: when the evidence reached the level, epoch milliseconds; None where it has not.
    """

    treatment: int
    control: int
    lift: Interval
    incremental: Interval
    log_e: float
    found_at: int | None


@dataclass(frozen=True)
class IncrementalSums:
    """What people brought because of the campaign, of those whose window is over.

    Attributes:
        people: whose window is over, by arm: treatment, control.
        orders: incremental orders of the treatment arm.
        revenue: incremental revenue net of refunds, in micros.
        margin: incremental margin, in micros.
        attributed: orders of the treatment arm that name the campaign.
    """

    people: tuple[int, int]
    orders: Interval
    revenue: Interval
    margin: Interval
    attributed: int


@dataclass(frozen=True)
class ArmAssignment:
    """Whether people were assigned as they should have been.

    Attributes:
        treatment: people of the treatment arm.
        control: people of the control arm.
        in_both: people with records of both arms; they are in no figure.
        log_e: the largest logarithm so far of the evidence that the arms are not drawn with the stated share.
    """

    treatment: int
    control: int
    in_both: int
    log_e: float

    def is_mismatched(self, alpha: float) -> bool:
        """Whether the arms are not drawn as stated; says so of a right assignment with a chance of at most ``alpha``."""
        return self.log_e >= -log(alpha)


def assignment(arms: Iterable[bool], in_both: int, holdout: float) -> ArmAssignment:
    """The guard for sample-ratio mismatch.

    Args:
        arms: of each person in the order of the assignment, whether it is the treatment arm.
        in_both: people with records of both arms, who are not among them.
        holdout: the share of the control arm, in (0, 1).
    """
    ones, zeros = _running(arms)
    if not len(ones):
        return ArmAssignment(0, 0, in_both, 0.0)
    evidence = log_e_of_share(ones, zeros, 1 - holdout, 1 - holdout)
    return ArmAssignment(int(ones[-1]), int(zeros[-1]), in_both, float(evidence.max()))


def conversions(converters: Sequence[Converter], holdout: float, alpha: float) -> ArmConversions:
    """People who converted.

    The interval takes the ratio of the arms to be one number over the test. Where the effect changes, it is about the mean of what was.

    Args:
        converters: by ``at``.
        holdout: the share of the control arm, in (0, 1).
        alpha: the chance that the interval is ever wrong.
    """
    assigned = 1 - holdout
    ones, zeros = _running(converter.arm == TREATMENT for converter in converters)
    if not len(ones):
        nothing = Interval(None, None, None)
        return ArmConversions(0, 0, nothing, nothing, 0.0, None)
    evidence = np.maximum.accumulate(log_e_of_share(ones, zeros, assigned, assigned))
    is_found = evidence >= -log(alpha)
    treated, held = int(ones[-1]), int(zeros[-1])
    low, high = interval_of_share(treated, held, assigned, alpha)
    odds = assigned / holdout
    ratio_low, ratio_high = _odds(low, odds), _odds(high, odds)
    estimate = None if held == 0 else treated / held / odds
    return ArmConversions(
        treated,
        held,
        Interval(_less_one(estimate), _less_one(ratio_low), _less_one(ratio_high)),
        Interval(
            treated - held * odds,
            None if not ratio_low else treated * (1 - 1 / ratio_low),
            float(treated) if ratio_high is None else treated * (1 - 1 / ratio_high),
        ),
        float(evidence[-1]),
        converters[int(is_found.argmax())].at if is_found.any() else None,
    )


def sums(converters: Sequence[Converter], holdout: float, alpha: float) -> IncrementalSums:
    """What people brought because of the campaign, of those whose window is over.

    Args:
        converters: by ``at``.
        holdout: the share of the control arm, in (0, 1).
        alpha: the chance that each interval is ever wrong.
    """
    over = [converter for converter in converters if converter.is_over]
    is_treated = np.array([converter.arm == TREATMENT for converter in over], bool)
    treated = [converter for converter in over if converter.arm == TREATMENT]

    def of(values: Iterable[int]) -> Interval:
        return _incremental(np.fromiter(values, float, len(over)), is_treated, holdout, alpha)

    return IncrementalSums(
        (len(treated), len(over) - len(treated)),
        of(converter.orders for converter in over),
        of(converter.revenue for converter in over),
        of(converter.margin for converter in over),
        sum(converter.attributed for converter in treated),
    )


def _incremental(values: Floats, is_treated: np.ndarray, holdout: float, alpha: float) -> Interval:
    """Of the treatment arm: what came there less what the control arm says would have come anyway."""
    assigned = 1 - holdout
    of_treatment, of_control = weights(assigned)
    weighted = np.where(is_treated, of_treatment, of_control) * values
    estimate = float(weighted.sum()) * assigned if len(values) else None
    ready = _first_with(is_treated, LEAST_OF_AN_ARM)
    if ready is None:
        return Interval(estimate, None, None)
    drawn_anew = np.cumsum(values**2) / (assigned * holdout)
    if not drawn_anew[ready]:
        return Interval(estimate, None, None)
    squares = max(float((weighted**2).sum()), float(drawn_anew[-1]))
    radius = float(radius_of_sum(squares, drawn_anew[ready] * _AHEAD, alpha)) * assigned
    assert estimate is not None
    return Interval(estimate, estimate - radius, estimate + radius)


def _first_with(is_treated: np.ndarray, least: int) -> int | None:
    """The first index up to which both arms have ``least`` people."""
    treated, held = _running(is_treated)
    enough = np.minimum(treated, held) >= least
    return int(enough.argmax()) if enough.any() else None


def _running(arms: Iterable[bool]) -> tuple[Floats, Floats]:
    """People of the treatment and of the control arm up to each person."""
    ones = np.cumsum(np.fromiter(arms, float))
    return ones, np.arange(1, len(ones) + 1) - ones


def _odds(chance: float, odds: float) -> float | None:
    """How many times the odds of the assignment a chance is; None for a certain one."""
    return None if chance >= 1 else chance / (1 - chance) / odds


def _less_one(ratio: float | None) -> float | None:
    return None if ratio is None else ratio - 1


def certainty(log_e: float) -> float:
    """The smallest α at which evidence of this size speaks, at most 1; in (0, 1].

    >>> round(certainty(3.0), 4)
    0.0498
    """
    return min(1.0, exp(-log_e))

"""What ``roistream lift`` says: one structure, for people as sentences and for programs as JSON."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import msgspec

from metrics.customers.cohorts import Spend
from metrics.customers.histories import CustomerBase, CustomerHistory
from metrics.lift.arms import Arm, arm_by_hash
from metrics.lift.holdout import LEAST_OF_AN_ARM, Converter, Interval, assignment, conversions, sums
from metrics.values.apportion import share
from metrics.values.money import MICROS
from metrics.values.time import format_instant
from streams.lift.assignments import People

_DECIMALS = 6
#: A mismatch is said of a right assignment once in a thousand tests.
MISMATCH_ALPHA = 0.001


class IntervalRow(msgspec.Struct, frozen=True):
    """An estimate and its interval; an end is null where nothing bounds it yet."""

    estimate: float | None
    low: float | None
    high: float | None


class PeopleOfArms(msgspec.Struct, frozen=True):
    """People by arm, and whether the arms were drawn as stated."""

    treatment: int
    control: int
    in_both: int
    is_mismatched: bool


class LiftReport(msgspec.Struct, frozen=True):
    """Everything that is said; docs/lift.md has every figure. Figures are null where the assignment is not as stated.

    Attributes:
        start: of the test.
        until: up to when the orders are complete, exclusive.
        assignment: null where no list of people was given.
        outside: people who ordered and are not in the list.
        converters: people who ordered, by arm: treatment, control.
        over: those of them whose window is over, by arm.
        is_found: whether the campaign changes how many order, at the level.
        refused: why there are no figures; null where there are.
    """

    campaign: str
    currency: str
    start: str
    until: str
    holdout: float
    window_days: int
    alpha: float
    assignment: PeopleOfArms | None
    outside: int
    converters: list[int]
    over: list[int]
    is_found: bool
    found_at: str | None
    lift: IntervalRow | None
    incremental_customers: IntervalRow | None
    incremental_orders: IntervalRow | None
    incremental_revenue: IntervalRow | None
    incremental_margin: IntervalRow | None
    attributed_orders: int
    spend_micros: int | None
    iroas: IntervalRow | None
    cost_per_incremental_order: IntervalRow | None
    refused: str | None


@dataclass(frozen=True)
class HoldoutTest:
    """A holdout test as it was set up.

    Attributes:
        campaign: whose effect is asked for.
        start: epoch milliseconds.
        until: exclusive.
        holdout: the share of the control arm.
        salt: of the rule by hash; None: the list of people has the arms.
        window_ms: how long a person's orders count from the first one on.
        alpha: the chance that an interval is ever wrong.
    """

    campaign: str
    start: int
    until: int
    holdout: Fraction
    salt: str | None
    window_ms: int
    alpha: float


def report(
    test: HoldoutTest, base: CustomerBase, people: People | None, spend: Iterable[Spend] | None, currency: str
) -> LiftReport:
    """The figures of a test.

    Args:
        test: how it was set up.
        base: the customers of all orders.
        people: who is in the test; None: everybody, by the rule.
        spend: of the campaign and others; None where none is known.
        currency: of all money.
    """
    assigned = (
        None if people is None else assignment(people.in_order(), len(people.in_both), float(test.holdout))
    )
    found, outside = _converters(test, base, people)
    refused = None
    if assigned is not None and assigned.is_mismatched(MISMATCH_ALPHA):
        refused = (
            f"The arms are not drawn with a holdout of {float(test.holdout):.1%}: {assigned.treatment:,} people in the treatment arm, "
            f"{assigned.control:,} in the control arm. Find out who is missing before any figure is believed."
        )
    conversion = conversions(found, float(test.holdout), test.alpha)
    brought = sums(found, float(test.holdout), test.alpha)
    cost = None if spend is None else _cost(test, spend)

    def shown(interval: Interval, unit: float = 1.0) -> IntervalRow | None:
        if refused is not None:
            return None
        return IntervalRow(
            *(
                _rounded(value)
                for value in (
                    interval.divided(unit).estimate,
                    interval.divided(unit).low,
                    interval.divided(unit).high,
                )
            )
        )

    return LiftReport(
        campaign=test.campaign,
        currency=currency,
        start=format_instant(test.start),
        until=format_instant(test.until),
        holdout=float(test.holdout),
        window_days=round(test.window_ms / 86_400_000),
        alpha=test.alpha,
        assignment=None
        if assigned is None
        else PeopleOfArms(assigned.treatment, assigned.control, assigned.in_both, refused is not None),
        outside=outside,
        converters=[conversion.treatment, conversion.control],
        over=list(brought.people),
        is_found=refused is None and conversion.found_at is not None,
        found_at=None if refused or conversion.found_at is None else format_instant(conversion.found_at),
        lift=shown(conversion.lift),
        incremental_customers=shown(conversion.incremental),
        incremental_orders=shown(brought.orders),
        incremental_revenue=shown(brought.revenue, MICROS),
        incremental_margin=shown(brought.margin, MICROS),
        attributed_orders=brought.attributed,
        spend_micros=cost,
        iroas=shown(brought.revenue, cost) if cost else None,
        cost_per_incremental_order=None if cost is None else shown(brought.orders.dividing(cost / MICROS)),
        refused=refused,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)


def _converters(test: HoldoutTest, base: CustomerBase, people: People | None) -> tuple[list[Converter], int]:
    """People who ordered in the test, by the first order, and how many ordered who are not in it."""
    arm_of: Callable[[str], tuple[Arm, int] | None]
    if people is None:
        assert test.salt is not None
        salt = test.salt

        def arm_of(person: str) -> tuple[Arm, int] | None:
            return arm_by_hash(salt, person, test.holdout), 0
    else:
        arm_of = people.arms.get
    found, outside = [], 0
    for history in (*base.customers, *base.known_before):
        person = history.customer[1]
        if people is not None and person in people.in_both:
            continue
        known = arm_of(person)
        converter = _converter(test, history, *(known or ("control", 0)))
        if converter is None:
            continue
        if known is None:
            outside += 1
        else:
            found.append(converter)
    found.sort()
    return found, outside


def _converter(test: HoldoutTest, history: CustomerHistory, arm: Arm, assigned_at: int) -> Converter | None:
    """What a person ordered from the assignment on; None where nothing."""
    begins = max(test.start, assigned_at)
    first = next((order.at for order in history.orders if begins <= order.at < test.until), None)
    if first is None:
        return None
    ends = first + test.window_ms
    orders = [order for order in history.purchases if first <= order.at < min(ends, test.until)]
    money = [change for change in history.money if first <= change.at < min(ends, test.until)]
    return Converter(
        first,
        arm,
        len(orders),
        sum(change.revenue - change.refunds for change in money),
        sum(change.margin for change in money),
        ends <= test.until,
        sum(order.campaign == test.campaign for order in orders),
    )


def _cost(test: HoldoutTest, spend: Iterable[Spend]) -> int:
    """Micros of the campaign's spend within the test."""
    return sum(
        share(
            report.micros,
            (report.start, report.end),
            (max(report.start, test.start), min(report.end, test.until)),
        )
        for report in spend
        if report.campaign == test.campaign and report.start < test.until and report.end > test.start
    )


def doubts(found: LiftReport) -> list[str]:
    """What keeps a figure from being what it seems, in sentences."""
    said = []
    if found.assignment is not None and found.assignment.in_both:
        people = found.assignment.treatment + found.assignment.control + found.assignment.in_both
        said.append(
            f"{found.assignment.in_both:,} of {people:,} people have rows of both arms, and are in no figure; where that is more than a few, people of the control arm saw the campaign."
        )
    if found.assignment is None:
        said.append("Without a list of people (--people) nobody checks that the arms were drawn as stated.")
    if found.outside:
        said.append(
            f"{found.outside:,} people ordered in the test and are not in the list; they are in no figure."
        )
    if min(found.over) < LEAST_OF_AN_ARM:
        said.append(
            f"Orders and money have no interval yet: it takes {LEAST_OF_AN_ARM} people of each arm whose {found.window_days} days are over; there are {found.over[0]:,} and {found.over[1]:,}."
        )
    if found.spend_micros == 0:
        said.append(f"The files have no spend of {found.campaign} in the time of the test.")
    return said

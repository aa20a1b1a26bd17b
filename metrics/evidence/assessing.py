"""From the sums of a campaign and its targets to evidence, one verdict per target (docs/budget.md).

The verdict ``bad`` is the anytime-valid test at level ``alpha``; ``good`` is the same the other way round; anything
between is ``inconclusive``, and so is a target on which nothing can be said: no spend, no target, no scale.
"""

from collections.abc import Mapping
from math import exp, inf, log
from typing import NamedTuple

import msgspec
import numpy as np

from metrics.evidence.ledger import WHOLE, Floats, Ledger, Seen, advanced, begin, caught_up, drifted, kept_of
from metrics.evidence.martingale import (
    MODERATE_PRIOR,
    PRIOR,
    VALUE_PRIOR,
    log_e_above,
    log_e_below,
    log_e_either,
)
from metrics.evidence.posterior import probability_below, rate_interval
from metrics.evidence.shape import Shape, own_scatter
from metrics.evidence.verdicts import log_e_above_due, log_e_exceeded, log_e_missed
from metrics.records.kpi_reading import Evidence, Sums, TargetName, Verdict
from metrics.values.money import MICROS

#: Below so many orders their mean value says too little to stand in for a known one.
_MIN_ORDERS = 5
#: How much wider than it seems the scatter of so few orders is taken to be, as (1 + this · (dispersion - 1) / orders):
#: measured, so that at most 6 % of campaigns on target are ever called bad for log-normal values up to σ 1 (docs/budget.md).
_UNSURE = 3.0
#: Sums do not show how wide values scatter, so for good news they are taken to be twice as wide as is said. Orders that are said to be of
#: dispersion 1.5 and are of 4 (log-normal, σ 1.2) then let 1 % of campaigns on target ever pass for better, instead of 8 %; of 400.
_WIDE = 2.0
#: Where a smaller share of the results is due by now, no interval is told while nothing is decided.
_TOO_YOUNG = 0.1
#: JSON and people need no more.
_MAX_E_VALUE = 1e12


class EvidenceOptions(msgspec.Struct, frozen=True):
    """What the tests assume.

    Attributes:
        alpha: chance that a campaign which meets a target is ever called bad for it.
        order_value_dispersion: bound on E[X²]/E[X]² of the value of an order: 1 + (standard deviation / mean)²; for a
            log-normal law exp(σ²).
        order_value_micros: mean value of an order where it is known; None: the campaign's own mean, once it has
            five orders. Where it is known, missing orders are seen however widely values scatter, at an exact level for
            campaigns whose orders are worth that much at most on average; money is judged by the own mean where that
            is smaller, at a measured level.
    """

    alpha: float = 0.05
    order_value_dispersion: float = 1.5
    order_value_micros: int | None = None
    longest_lag_days: float = inf


class Arrived(NamedTuple):
    """Share of the results of a spend that have usually come by now, 0..1: of leads, and of orders."""

    leads: float = 1.0
    orders: float = 1.0

    def of(self, target: str) -> float:
        """The share that counts for a target."""
        return self.leads if target == "cpl" else self.orders


class _Case(NamedTuple):
    """One test: results and expectation in the martingale's units, and how to read a rate as the figure."""

    target: TargetName
    results: float
    expected: float
    exposure: float
    is_value: bool
    offset: float = 0.0
    #: Orders that came and that were due, where the mean value of one is known.
    orders: tuple[float, float] | None = None


def assess(
    sums: Sums,
    targets_micros: Mapping[str, int],
    options: EvidenceOptions | None = None,
    completeness: float | Arrived = 1.0,
    settled: Sums | None = None,
) -> dict[str, Evidence]:
    """Evidence on each target of a campaign.

    Args:
        sums: everything since the evidence began (``total``, or ``total`` less what came before).
        targets_micros: by name (``cpl``, ``cpa``, ``cac``, ``roas``, ``roi``), in millionths of the currency unit or of 1.
        options: level and assumptions.
        completeness: share of the results of this spend that have usually arrived by now, 0..1. The spend counts only
            by that share, so conversions that are still to come do not speak against a campaign. For a campaign
            all of the spend must speak: the verdict ``good`` leaves the share aside.
        settled: sums of an earlier moment, whose results surely belong to the spend in ``sums``; only they speak for
            the campaign. None: those in ``sums``.

    Returns:
        By target; without the targets on which nothing can be said yet.

    Raises:
        ValueError: when completeness is not in 0..1.
    """
    arrived = completeness if isinstance(completeness, Arrived) else Arrived(completeness, completeness)
    if not all(0 <= share <= 1 for share in arrived):
        raise ValueError(f"completeness {completeness} is not between 0 and 1")
    chosen = options or EvidenceOptions()
    found = {}
    for name, micros in targets_micros.items():
        share = arrived.of(name)
        case = _case(name, micros, sums, chosen, share)
        if case is not None:
            whole = _case(name, micros, _with_results(sums, settled), chosen, 1.0)
            found[name] = _evidence(case, whole, chosen.alpha, share)
    return found


def _with_results(sums: Sums, settled: Sums | None) -> Sums:
    """The spend of ``sums`` with the results of ``settled``; what was taken back since is taken back."""
    if settled is None:
        return sums
    return msgspec.structs.replace(
        settled,
        spend_micros=sums.spend_micros,
        other_cost_micros=sums.other_cost_micros,
        refunds_micros=sums.refunds_micros,
    )


def _case(name: str, target: int, sums: Sums, options: EvidenceOptions, completeness: float) -> _Case | None:
    if sums.spend_micros is None:
        return None
    spend = sums.spend_micros * completeness
    counts: dict[str, tuple[TargetName, float]] = {
        "cpl": ("cpl", sums.leads),
        "cpa": ("cpa", sums.orders),
        "cac": ("cac", sums.new_customers),
    }
    if name in counts:
        return _count(*counts[name], target, spend)
    kept = sums.revenue_micros - sums.refunds_micros
    if name == "roas":
        worth = _worth(sums.revenue_micros, sums, options)
        return _value("roas", kept, target / MICROS, spend, worth)
    if name == "roi":
        # ROI ≥ t says that margin / cost ≥ 1 + t. Margins of single orders are taken to be 0 or more.
        cost = spend + sums.other_cost_micros * completeness
        worth = _worth(sums.revenue_micros - sums.cost_of_goods_micros, sums, options)
        return _value("roi", kept - sums.cost_of_goods_micros, 1 + target / MICROS, cost, worth, -1.0)
    return None


def _count(name: TargetName, results: float, target: int, exposure: float) -> _Case | None:
    if exposure < 1 or target <= 0:
        return None
    return _Case(name, float(results), exposure / target, exposure / MICROS, is_value=False)


class _Worth(NamedTuple):
    """What an order brings, in micros: bound on E[X²]/E[X], and where the mean is known, orders and that mean."""

    scale: float
    orders: tuple[float, float] | None = None


def _value(
    name: TargetName, brought: int, target: float, exposure: float, worth: _Worth | None, offset: float = 0.0
) -> _Case | None:
    if exposure < 1 or target <= 0 or worth is None:
        return None
    scale, due = worth.scale, target * exposure
    orders = None if worth.orders is None else (worth.orders[0], due / worth.orders[1])
    return _Case(
        name,
        max(0.0, brought / scale),
        due / scale,
        exposure / scale,
        is_value=True,
        offset=offset,
        orders=orders,
    )


def _worth(gross: int, sums: Sums, options: EvidenceOptions) -> _Worth | None:
    """Scale is dispersion times mean; None while the mean is unknown.

    Before refunds: orders that come to nothing lower E[X²] and E[X] alike.
    """
    dispersion, own = options.order_value_dispersion, None
    if sums.orders >= _MIN_ORDERS and gross > 0:
        own = max(1.0, gross / sums.orders * own_dispersion(dispersion, sums.orders))
    if options.order_value_micros is None:
        return None if own is None else _Worth(own)
    share = gross / sums.revenue_micros if 0 < gross <= sums.revenue_micros else 1.0
    mean = max(1.0, options.order_value_micros * share)
    # Orders smaller than they should be have a smaller scale, with which they are seen twice as soon.
    return _Worth(min(mean * dispersion, own or inf), (float(sums.orders), mean))


def own_dispersion(dispersion: float, orders: float) -> float:
    """The dispersion to reckon with where the mean is that of ``orders`` orders (1 or more) of the campaign's own.

    >>> round(own_dispersion(1.5, 5), 3), round(own_dispersion(1.5, 500), 3)
    (1.95, 1.504)
    """
    return dispersion * (1 + _UNSURE * (dispersion - 1) / orders)


def _evidence(case: _Case, whole: _Case | None, alpha: float, completeness: float) -> Evidence:
    log_e = _log_e(case)
    low, high = rate_interval(case.results, case.exposure)
    verdict = _verdict(log_e, whole, alpha)
    return Evidence(
        target=case.target,
        verdict=verdict,
        e_value=round(min(_MAX_E_VALUE, exp(min(log_e, 50.0))), 6),
        probability_bad=round(probability_below(case.results, case.expected), 6),
        interval=_decided_interval(_figure(case, low, high), verdict, completeness),
        completeness=round(completeness, 6),
    )


def _log_e(case: _Case) -> float:
    if case.orders is not None:
        return float(log_e_either(*case.orders, case.results, case.expected))
    return float(log_e_below(case.results, case.expected, VALUE_PRIOR if case.is_value else PRIOR))


def _verdict(log_e: float, whole: _Case | None, alpha: float) -> Verdict:
    if log_e >= -log(alpha):
        return "bad"
    if whole is None:
        return "inconclusive"
    if whole.is_value:
        praise = log_e_above_due(whole.results, whole.expected, _WIDE)
        return "good" if praise >= -log(alpha) else "inconclusive"
    return "good" if float(log_e_above(whole.results, whole.expected)) >= -log(alpha) else "inconclusive"


def _figure(case: _Case, low: float, high: float) -> tuple[float | None, float | None]:
    """The interval of the rate as one of the figure: ROAS and ROI as they are, costs per result turned round."""
    if case.is_value:
        return round(low + case.offset, 6), round(high + case.offset, 6)
    return _inverse(high), _inverse(low)


def _decided_interval(
    interval: tuple[float | None, float | None], verdict: Verdict, share: float
) -> tuple[float | None, float | None]:
    """An interval, without ends where it would tell of the law of lag and not of the campaign."""
    return (None, None) if verdict == "inconclusive" and share < _TOO_YOUNG else interval


def _inverse(rate: float) -> float | None:
    return round(1 / rate, 6) if rate > 0 else None


class Course(NamedTuple):
    """Where a campaign stands on one target, since the evidence began, besides its ledger.

    Attributes:
        total: everything since the campaign began.
        sums: everything since the evidence began.
        settled: sums whose results surely belong to the spend of ``sums``.
        most: share of the results of the spend that have come by now at most.
        bar: the e-value from which on a target counts as surely missed.
        praise_bar: the same for surely exceeded.
        young: share of the cost in the ledger that does not speak yet, and the days over which it lies.
    """

    total: Sums
    sums: Sums
    settled: Sums
    most: float
    bar: float
    praise_bar: float
    young: tuple[float, float] = (0.0, 0.0)


def course_of(
    name: str,
    target: int,
    total: Sums,
    ripe: tuple[float, int],
    before: Ledger | None,
    shape: Shape,
    born: int | None = None,
    options: EvidenceOptions | None = None,
    own: Sums | None = None,
) -> Ledger | None:
    """The ledger of a target after one more reading; None for a target that says nothing.

    Args:
        name: of the target.
        target: in millionths.
        total: everything since the campaign began.
        ripe: share of the spend in ``total`` that may count by now, and the epoch ms up to which that reaches.
        before: the ledger so far.
        shape: what the board has learned.
        born: epoch ms at which the campaign began; None: long ago.
        options: what the operator says of orders.
        own: everything since the evidence began, where an earlier build led the results of ``before`` ahead of their spend.
    """
    per_cost = _due_per_micro(name, target)
    if per_cost is None or total.spend_micros is None:
        return None
    share, at = ripe
    cost = _cost(name, total) * share
    if before is None and cost <= 0:
        return None
    paid = 0.0 if before is None else before.cost
    refunded = None if name in _COUNTED else total.refunds_micros / MICROS
    seen = Seen(at, cost, (cost - paid) * per_cost, _brought(name, total), float(total.orders), refunded)
    if before is not None and own is not None:
        return caught_up(before, seen, shape, _brought(name, own))
    unit = 1.0 if name in _COUNTED else _unit_of(name, total, options or EvidenceOptions(), shape) or 0.0
    return begin(seen, born, shape, unit) if before is None else advanced(before, seen, shape, unit)


def _due_per_micro(name: str, target: int) -> float | None:
    """Results (or currency units) that a micro of cost is to bring."""
    if name in _COUNTED:
        return None if target <= 0 else 1 / target
    ratio = target / MICROS + (name == "roi")
    return None if ratio <= 0 or name not in ("roas", "roi") else ratio / MICROS


def _cost(name: str, sums: Sums) -> int:
    """Cost that a target looks at, in micros; 0 where the spend is unknown."""
    return (sums.spend_micros or 0) + (sums.other_cost_micros if name == "roi" else 0)


_COUNTED = {"cpl": "leads", "cpa": "orders", "cac": "new_customers"}


def _brought(name: str, sums: Sums) -> float:
    """Results, or currency units kept."""
    if name in _COUNTED:
        return float(getattr(sums, _COUNTED[name]))
    goods = sums.cost_of_goods_micros if name == "roi" else 0
    return (sums.revenue_micros - sums.refunds_micros - goods) / MICROS


def assess_course(
    name: TargetName, target: int, ledger: Ledger, course: Course, shape: Shape, options: EvidenceOptions
) -> tuple[Evidence, float] | None:
    """Evidence on one target from its ledger, and the scatter it was found with; None while nothing can be said.

    Args:
        name: of the target.
        target: in millionths.
        ledger: what was due and what came, up to this reading.
        course: where the campaign stands.
        shape: what the board has learned of such targets.
        options: what the operator says of orders.
    """
    sums, is_money = course.sums, name not in _COUNTED
    unit = _unit_of(name, sums, options, shape) if is_money else 1.0
    per_cost = _due_per_micro(name, target)
    if unit is None or per_cost is None or sums.spend_micros is None or sums.spend_micros < 1:
        return None
    numbers = ledger.sums
    least = options.order_value_dispersion if is_money else 1.0
    shape = shape.within(options.longest_lag_days)
    scatter = own_scatter(max(shape.scatter, least), numbers, unit)
    scale = unit * scatter + drifted(ledger, shape)
    came = max(0.0, _brought(name, sums))
    # Spend that may not count yet is judged by the target of now, all other by that of its time.
    whole = max(0.0, float(numbers[WHOLE]) + max(0.0, _cost(name, course.total) - ledger.cost) * per_cost)
    prior = VALUE_PRIOR if is_money else MODERATE_PRIOR
    young = min(whole, course.young[0] * ledger.cost * per_cost), course.young[1]
    log_e, due, expected = log_e_missed(ledger, came, scale, shape, prior, course.most * whole, young)
    if is_money and options.order_value_micros is not None:
        mean = options.order_value_micros / MICROS
        log_e = _with_orders(log_e, numbers, float(sums.orders), expected / mean, shape)
    stays, cautious = max(0.0, _brought(name, course.settled)), None
    if is_money:
        refunded = course.settled.refunds_micros / MICROS
        stays, cautious = kept_of(ledger.refund_sums, ledger.at, stays, refunded, shape, unit)
    praise = log_e_exceeded(ledger, stays, whole, scale, cautious if shape.unseen_refunds else None)
    share = min(1.0, due / whole) if whole > 0 else 1.0
    spoken = max(1e-9, share * _cost(name, sums) / MICROS)  # cost whose results have come, in currency units
    low, high = rate_interval(came / scale, spoken / scale)
    offset = 1.0 if name == "roi" else 0.0
    verdict: Verdict = "inconclusive"
    if log_e >= log(course.bar):
        verdict = "bad"
    elif praise >= log(course.praise_bar):
        verdict = "good"
    interval: tuple[float | None, float | None] = (_inverse(high), _inverse(low))
    if is_money:
        interval = round(low - offset, 6), round(high - offset, 6)
    evidence = Evidence(
        target=name,
        verdict=verdict,
        e_value=round(min(_MAX_E_VALUE, exp(min(log_e, 50.0))), 6),
        probability_bad=round(probability_below(came / scale, due / scale), 6),
        interval=_decided_interval(interval, verdict, share),
        completeness=round(share, 6),
    )
    return evidence, scatter


def _unit_of(name: str, sums: Sums, options: EvidenceOptions, shape: Shape) -> float | None:
    """Mean value of an order, in currency units, as it is to be reckoned with; None while it is not known."""
    gross = sums.revenue_micros - (sums.cost_of_goods_micros if name == "roi" else 0)
    own = None
    if sums.orders >= _MIN_ORDERS and gross > 0:
        own = gross / sums.orders / MICROS * (1 + _UNSURE * (shape.scatter - 1) / sums.orders)
    if options.order_value_micros is None:
        return own
    share = gross / sums.revenue_micros if 0 < gross <= sums.revenue_micros else 1.0
    given = options.order_value_micros * share / MICROS
    return given if own is None else min(given, own)


def _with_orders(log_e: float, numbers: Floats, orders: float, expected: float, shape: Shape) -> float:
    """The mean of the e-value and of that of the orders, where the mean value of one is known."""
    scale = own_scatter(shape.order_scatter, numbers, 1.0, of_orders=True)
    counted = float(log_e_below(orders / scale, expected / scale))
    return float(np.logaddexp(log_e, counted)) - log(2)

"""What customers of a campaign are expected to bring, and whether that is what they cost: KPIs of ``customer-kpis``, of ``total`` alone.

Both are made of the sums of cohorts, by one run-off: ``metrics.customers.run_off`` and ``metrics.customers.worth_looks``.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from metrics.customers.calendar import CohortPeriod
from metrics.customers.cohort_sums import CohortSums
from metrics.customers.customer_figure import CustomerFigure
from metrics.customers.funnel import Acquisition
from metrics.customers.run_off import A_YEAR, CohortRun, ExpectedValue, expected_of, run_off
from metrics.customers.worth_looks import WorthVerdict, look_of, verdict_of

_PLACES = 6


class WorthReading(NamedTuple):
    """Of all cohorts of a campaign.

    Attributes:
        expected: value of the first months; None where cohorts are too young to tell.
        expected_waits_for: ``cohorts``: three of them that are two months old; ``spend``: CLV : CAC alone is unknown.
        judged: whether twelve months bring what customers cost; None where that can't be said yet.
        waits_for: ``year``: until three cohorts have lived for twelve months; ``spend``: until it is known; ``rates``: amounts count
            whose worth is not known for sure; ``customers``: those whom accounts hold bring too little, and of too many others
            whom the campaign won nothing is known; ``looks``: later months may say it. None where it is said.
    """

    expected: ExpectedValue | None = None
    expected_waits_for: Literal["cohorts", "spend"] | None = None
    judged: WorthVerdict | None = None
    waits_for: Literal["year", "spend", "rates", "customers", "looks"] | None = None


NOTHING_EXPECTED = WorthReading()


def worth_reading(
    cohorts: Mapping[int, CohortSums], over: int, acquisition: Acquisition, period: CohortPeriod
) -> WorthReading:
    """What is expected of the customers of a campaign, and the verdict.

    Args:
        cohorts: by month of the acquisition.
        over: the first calendar month that is not over.
        acquisition: what the campaign did to acquire them.
        period: what cohorts go by; where it is the week, all months here are weeks.
    """
    # In order of the months, so that sums of fractions are the same whatever came first.
    runs = [_run(acquired, cohorts[acquired], over) for acquired in sorted(cohorts)]
    spend = acquisition.spend
    found = run_off(runs, A_YEAR[period])
    if found is None:
        return WorthReading(expected_waits_for="cohorts", waits_for="year")
    expected = expected_of(found, spend)
    of_expected: Literal["spend"] | None = None if spend else "spend"
    look = look_of(runs, period)
    if look < 1:
        return WorthReading(expected, of_expected, None, "year")
    judged = verdict_of(found, look, spend, acquired=acquisition.customers or 0)
    if judged is None:
        return WorthReading(expected, of_expected, None, "spend")
    if acquisition.is_uncertain or _are_uncertain(cohorts, over):
        return WorthReading(expected, of_expected, None, "rates")
    if judged.verdict != "inconclusive":
        return WorthReading(expected, of_expected, judged)
    alone = verdict_of(found, look, spend)
    is_of_others = alone is not None and alone.verdict == "bad"
    return WorthReading(expected, of_expected, judged, "customers" if is_of_others else "looks")


def _run(acquired: int, sums: CohortSums, over: int) -> CohortRun:
    """Refunds may lie before the month of the first order: they count in it."""
    margins = [0] * (over - acquired)
    for month, each in sums.months.items():
        if month < over and margins:
            margins[max(0, month - acquired)] += each.revenue - each.refunds - each.cost_of_goods
    return CohortRun(sums.customers, margins)


def _are_uncertain(cohorts: Mapping[int, CohortSums], over: int) -> bool:
    return any(
        each.uncertain and month < over for sums in cohorts.values() for month, each in sums.months.items()
    )


def _expected(name: str) -> CustomerFigure:
    title, formula, unit, undefined = _EXPECTED[name]

    def read(worth: WorthReading) -> float | None:
        value = None if worth.expected is None else getattr(worth.expected, name)
        return None if value is None else round(value, _PLACES)

    return CustomerFigure(title, formula, unit, undefined, read)


_TOO_YOUNG = "fewer than three cohorts are two months old, and of the cohort of a month"
_NO_SPEND = f"{_TOO_YOUNG}, or the spend is 0 or unknown"
_EXPECTED = {
    "value": (
        "Expected customer lifetime value",
        "margin that customers bring in their first months, known and expected by what older cohorts brought / customers",
        "currency",
        _TOO_YOUNG,
    ),
    "low": (
        "Expected customer lifetime value, low end",
        "low end of the interval of prediction of 80 % of clv_expected",
        "currency",
        _TOO_YOUNG,
    ),
    "high": (
        "Expected customer lifetime value, high end",
        "high end of the interval of prediction of 80 % of clv_expected",
        "currency",
        _TOO_YOUNG,
    ),
    "to_cac": ("Expected CLV : CAC", "clv_expected / cac", "ratio", _NO_SPEND),
    "to_cac_low": ("Expected CLV : CAC, low end", "clv_expected_low / cac", "ratio", _NO_SPEND),
    "to_cac_high": ("Expected CLV : CAC, high end", "clv_expected_high / cac", "ratio", _NO_SPEND),
}
#: KPIs of all customers of a campaign, by id.
WORTH_FIGURES: dict[str, CustomerFigure] = {
    "clv_expected": _expected("value"),
    "clv_expected_low": _expected("low"),
    "clv_expected_high": _expected("high"),
    "clv_expected_to_cac": _expected("to_cac"),
    "clv_expected_to_cac_low": _expected("to_cac_low"),
    "clv_expected_to_cac_high": _expected("to_cac_high"),
}

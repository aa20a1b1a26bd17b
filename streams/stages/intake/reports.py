"""From an ad report as it came to the report as kept: times, counts, money. Pure."""

from collections.abc import Callable
from decimal import Decimal

from metrics.entities.reports import Report
from metrics.records.events import AdReport
from metrics.records.validation import instant
from metrics.values.errors import Reason, Rejection
from metrics.values.money import to_micros
from metrics.values.time import DAY

#: A report that does not say when it was made is older than any that does.
_UNDATED = -(1 << 62)
#: Every day of a period is published anew; a mistyped year must not make a million records.
_LONGEST_PERIOD = 3_660 * DAY

Micros = Callable[[Decimal, str | None, str | None, int], int]


def judge_report(event: AdReport, offset: int, partition: int, micros: Micros) -> Report:
    """The report to keep; money is converted at the rate valid when the period starts.

    Raises:
        Rejection: when the period is empty, or a time, count or amount is wrong.
    """
    start = instant(event.period_start, "period_start")
    end = instant(event.period_end, "period_end")
    if end <= start:
        raise Rejection(Reason.INVALID_FIELD, "period_end is not after period_start")
    if end - start > _LONGEST_PERIOD:
        raise Rejection(Reason.INVALID_FIELD, "the period is longer than 10 years; report it in parts")
    reported_at = event.reported_at
    return Report(
        source=event.source,
        ad_id=event.ad_id,
        period_start=start,
        period_end=end,
        version=(
            _UNDATED if reported_at is None else instant(reported_at, "reported_at"),
            offset,
            partition,
        ),
        impressions=event.impressions or 0,
        clicks=event.clicks or 0,
        spend_micros=0
        if event.spend is None
        else micros(event.spend, event.currency, event.campaign_id, start),
        conversions_micros=0 if event.conversions is None else _millionths(event.conversions),
    )


def _millionths(amount: Decimal) -> int:
    try:
        return to_micros(amount)
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"conversions: {error}") from error

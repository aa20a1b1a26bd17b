"""Ad reports: from a record to the report as kept (times, counts, money), which merge partitions then hold."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.report_figures import left_out
from metrics.entities.report_spend import spend_worth
from metrics.entities.reports import UNDATED, Report, covered_end
from metrics.records.events import AdReport
from metrics.records.namespaces import PARTED
from metrics.records.validation import instant, not_too_early, says_a_figure
from metrics.values.currency import amount_in_micros
from metrics.values.errors import Reason, Rejection
from metrics.values.money import to_micros
from metrics.values.time import DAY, MIN_INSTANT
from metrics.windows.panes import Horizon
from streams.messages.partials import OmittedPartial, ReportPartial, SpendPartial
from streams.messages.source_records import SourceRecord
from streams.stages.intake.record_by_record import REPEATED, Applied, Judged

#: Every day of a period is published anew; a mistyped year must not make a million records.
_LONGEST_PERIOD = 3_660 * DAY


class ReportSource:
    """The handler of ad reports.

    Args:
        partition: of the source.
        campaign_registry: currencies of campaigns, and rates.
        delays: by source of reports, how long its figures take to be complete, in milliseconds.
        earliest: periods may not begin before this, in epoch milliseconds.
    """

    def __init__(
        self,
        partition: int,
        campaign_registry: CampaignRegistry,
        delays: Mapping[str, int],
        earliest: int = MIN_INSTANT,
    ) -> None:
        self._partition = partition
        self._delays = delays
        self._earliest = earliest
        self._campaign_registry = campaign_registry
        #: Since the last call of ``take``: reports, the spend of some of them as it came, and figures that some of them leave out.
        self.gathered: list[ReportPartial] = []
        self.spent: list[SpendPartial] = []
        self.omitted: list[OmittedPartial] = []

    def homes(self, records: Sequence[SourceRecord], events: Sequence[Any]) -> list[int | None]:
        """A report is nobody's."""
        del events
        return [None] * len(records)

    def judge(self, record: SourceRecord, event: AdReport, home: int | None) -> Judged:
        """How a report is gathered; reports do not obey the watermark.

        A report of an id whose content is new restates the one before. Where it is of another campaign, ad or period, the id
        is not the report's own: both count, and the source is told. A report that does not say when it was made and that was
        restated may say once more what it had said before (10, then by mistake 0, then 10): of such the last one read counts.
        """
        del home
        delay = self._delays.get(event.source, 0)
        report = judge_report(event, record, self._partition, delay)
        not_too_early(report.period_start, record.timestamp, self._earliest, "period_start")

        def apply(limits: Horizon, known: Sequence[bool]) -> Applied:
            del limits
            is_same, is_named, is_restated, *of_undated = known
            is_known, has_changed = of_undated or (False, False)
            if is_same and not has_changed:
                return REPEATED
            self._gather(event, report)
            if is_restated or not is_named:
                return Applied(verdict="changed" if is_restated or is_known else "applied")
            return Applied(
                verdict="conflict",
                detail=f"report_id {event.report_id!r} of source {event.source!r} was of another campaign, ad or period before; "
                "both reports count. Give each report an id of its own.",
            )

        named = PARTED.join((event.source, event.report_id))
        about = event.campaign_id, event.ad_id or "", str(report.grain), str(report.period_start)
        meant = PARTED.join((named, *about))
        said = report.version[0], report.period_end, event.impressions, event.clicks, event.conversions
        content = PARTED.join((meant, *map(str, said), str(event.spend), event.currency or ""))
        if event.reported_at is not None:
            return Judged(content, apply, (named, meant))
        key = PARTED.join(("undated", event.source, *about))
        return Judged(content, apply, (named, meant, key, PARTED.join(("restated", key))), notes_change=True)

    def finish(self, limits: Horizon) -> None:
        """Nothing is left to do."""

    def take(self) -> tuple[list[ReportPartial], list[SpendPartial], list[OmittedPartial]]:
        """The reports since the last call by campaign, the spend of some of them as it came, and figures that some leave out."""
        gathered, self.gathered = self.gathered, []
        spent, self.spent = self.spent, []
        omitted, self.omitted = self.omitted, []
        return gathered, spent, omitted

    def _gather(self, event: AdReport, report: Report) -> None:
        worth = spend_worth(
            *(report.spend_micros, event.currency, event.campaign_id, report.period_start),
            self._campaign_registry,
        )
        self.gathered.append((event.campaign_id, report._replace(spend_micros=worth.micros)))
        if worth.spend is not None:
            self.spent.append((report.version, worth.spend))
        if omitted := left_out((event.impressions, event.clicks, event.spend)):
            self.omitted.append((report.version, omitted))


def judge_report(event: AdReport, record: SourceRecord, partition: int, delay: int = 0) -> Report:
    """The report to keep, with its spend in micros of the currency in which it came.

    A report covers its period up to when the report was made, less the delay of its platform. A report that does not say when
    it was made, was made before Kafka appended it. It is older than any report that says so. Of two such of one key the one that
    covers more time is the later: a file of the first days of a month that is read after one of all of it must not take the rest
    of the month away.

    Args:
        event: the report as it came.
        record: the record that it came in.
        partition: of the record.
        delay: how long the platform's figures take to be complete, in milliseconds.

    Raises:
        Rejection: when the period is empty, a time, count or amount is wrong, or there is no figure.
    """
    says_a_figure(event)
    start = instant(event.period_start, "period_start")
    end = instant(event.period_end, "period_end")
    if end <= start:
        raise Rejection(Reason.INVALID_FIELD, "period_end is not after period_start")
    if end - start > _LONGEST_PERIOD:
        raise Rejection(Reason.INVALID_FIELD, "the period is longer than 10 years; report it in parts")
    reported_at = None if event.reported_at is None else instant(event.reported_at, "reported_at")
    made_at = record.timestamp if reported_at is None else reported_at
    seen_until = made_at - delay if made_at - delay > start else made_at
    covered = covered_end(start, end, seen_until)
    undated = UNDATED if seen_until <= start else UNDATED + (end if covered is None else covered) - start
    return Report(
        source=event.source,
        ad_id=event.ad_id,
        period_start=start,
        period_end=end,
        version=(undated if reported_at is None else reported_at, record.offset, partition),
        impressions=event.impressions or 0,
        clicks=event.clicks or 0,
        spend_micros=0 if event.spend is None else amount_in_micros(event.spend, event.currency),
        conversions_micros=0 if event.conversions is None else _millionths(event.conversions),
        covered_end=covered,
    )


def _millionths(amount: Decimal) -> int:
    try:
        return to_micros(amount)
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"conversions: {error}") from error

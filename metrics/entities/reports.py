"""Ad platforms' reports of one campaign, kept whole; windows take their share (docs/contract.md, Reports)."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import NamedTuple

from metrics.values.apportion import share
from metrics.values.time import HOUR

ReportKey = tuple[str, str | None, int]


class Report(NamedTuple):
    """One report as kept; ``version`` is (reported_at, offset, partition), the highest replaces."""

    source: str
    ad_id: str | None
    period_start: int
    period_end: int
    version: tuple[int, int, int]
    impressions: int
    clicks: int
    spend_micros: int
    conversions_micros: int

    @property
    def key(self) -> ReportKey:
        """What the report is about; a later one about the same replaces it."""
        return self.source, self.ad_id, self.period_start

    @property
    def is_short(self) -> bool:
        """Whether its period is up to an hour, so that it counts in ``1h`` windows too."""
        return self.period_end - self.period_start <= HOUR


class ReportShare(NamedTuple):
    """The cost figures of a window that come from reports."""

    impressions: int = 0
    clicks: int = 0
    spend_micros: int = 0


class ReportHistory:
    """All reports of a campaign."""

    def __init__(self) -> None:
        self.reports: dict[ReportKey, Report] = {}
        #: Ends of the periods of replaced versions, where they differ: windows up to there have changed.
        self.former_ends: dict[ReportKey, set[int]] = {}
        self._starts: list[tuple[int, str, str]] = []
        self._longest = 0
        self._short = 0
        self._total = ReportShare()

    def __len__(self) -> int:
        return len(self.reports)

    @property
    def has_short(self) -> bool:
        """Whether any report's period is up to an hour."""
        return self._short > 0

    @property
    def total(self) -> ReportShare:
        """The sums of all reports."""
        return self._total

    def put(self, report: Report) -> Report | None:
        """Take in a report; return it when it replaces what was known, None when it is outdated."""
        known = self.reports.get(report.key)
        if known is not None and known.version >= report.version:
            return None
        if known is not None:
            self._count(known, -1)
            if known.period_end != report.period_end:
                self.former_ends.setdefault(report.key, set()).add(known.period_end)
        else:
            insort(self._starts, (report.period_start, report.source, report.ad_id or ""))
        self.reports[report.key] = report
        self._count(report, 1)
        self._longest = max(self._longest, report.period_end - report.period_start)
        return report

    def restore(self, report: Report, former_ends: set[int]) -> None:
        """Put back a report, and where the periods of replaced versions ended."""
        self.put(report)
        if former_ends:
            self.former_ends[report.key] = former_ends
            self._longest = max(self._longest, max(former_ends) - report.period_start)

    def versions(self, report: Report) -> Iterator[Report]:
        """A report, and once more with each end that the period of a replaced version had."""
        yield report
        for end in self.former_ends.get(report.key, ()):
            yield report._replace(period_end=end)

    def share(self, start: int, end: int, *, short_only: bool) -> ReportShare:
        """What of the reports counts in the window [start, end)."""
        impressions = clicks = spend = 0
        for report in self._near(start, end):
            if short_only and not report.is_short:
                continue
            period, window = (report.period_start, report.period_end), (start, end)
            impressions += share(report.impressions, period, window)
            clicks += share(report.clicks, period, window)
            spend += share(report.spend_micros, period, window)
        return ReportShare(impressions, clicks, spend)

    def overlaps(self, start: int, end: int, *, short_only: bool) -> bool:
        """Whether the period of any report reaches into the window [start, end), or did before it was replaced."""
        return any(
            version.period_end > start and (version.is_short or not short_only)
            for report in self._near(start, end)
            for version in self.versions(report)
        )

    def _near(self, start: int, end: int) -> Iterator[Report]:
        """Reports whose period may reach into a window."""
        low = bisect_left(self._starts, (start - self._longest, "", ""))
        high = bisect_left(self._starts, (end, "", ""))
        for period_start, source, ad_id in self._starts[low:high]:
            yield self._find(source, ad_id, period_start)

    def _find(self, source: str, ad_id: str, period_start: int) -> Report:
        found = self.reports.get((source, ad_id or None, period_start))
        return found if found is not None else self.reports[source, ad_id, period_start]

    def _count(self, report: Report, sign: int) -> None:
        self._short += sign * report.is_short
        old = self._total
        self._total = ReportShare(
            old.impressions + sign * report.impressions,
            old.clicks + sign * report.clicks,
            old.spend_micros + sign * report.spend_micros,
        )

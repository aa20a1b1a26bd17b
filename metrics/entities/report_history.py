"""All reports of one campaign: which counts where, and what windows take of them."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from metrics.entities.report_overlaps import Comparison, ReportRules, choose
from metrics.entities.reports import (
    Report,
    ReportKey,
    ReportShare,
    Snapshot,
    add_up,
    part_of_period,
    share_of,
    snapshot_of,
)
from metrics.values.intervals import Interval, IntervalSet

_DEFAULT_RULES = ReportRules()
_Place = tuple[int, str, bool, str, int]


class Overlap(NamedTuple):
    """How reports about the same instants agree; amounts in micros.

    Attributes:
        covered: reports that count nowhere or in a part of their time only, since other reports count there.
        compared_micros: spend of the reports whose whole time finer reports cover as well.
        difference_micros: how far the finer reports differ from them, added up without sign.
    """

    covered: int = 0
    compared_micros: int = 0
    difference_micros: int = 0


class ReportHistory:
    """All reports of a campaign.

    Args:
        rules: which of several reports about one instant counts.
    """

    def __init__(self, rules: ReportRules = _DEFAULT_RULES) -> None:
        self.rules = rules
        self.reports: dict[ReportKey, Report] = {}
        #: Earlier versions in order of time, the highest of each part of the period.
        self._snapshots: dict[ReportKey, tuple[Snapshot, ...]] = {}
        self._places: list[_Place] = []
        self._series: dict[str, dict[str | None, list[tuple[int, int]]]] = {}
        self._longest = 0
        self._short = 0
        #: Where reports count that do not count in all of their time: among all, and among the short ones only.
        self._clips: tuple[dict[ReportKey, Sequence[Interval]], dict[ReportKey, Sequence[Interval]]] = (
            {},
            {},
        )
        self._compared: dict[ReportKey, Comparison] = {}
        #: What reports with clips count in the total.
        self._counted: dict[ReportKey, ReportShare] = {}
        self._total = ReportShare()
        self._unresolved = IntervalSet()

    def __len__(self) -> int:
        return len(self.reports)

    @property
    def has_short(self) -> bool:
        """Whether any report's period is up to an hour."""
        return self._short > 0

    @property
    def total(self) -> ReportShare:
        """The sums of all reports, each counted once."""
        self._resolve()
        return self._total

    @property
    def overlap(self) -> Overlap:
        """How reports about the same instants agree."""
        self._resolve()
        pairs = self._compared.values()
        return Overlap(
            len(self._clips[0]),
            sum(each.coarse_micros for each in pairs),
            sum(abs(each.fine_micros - each.coarse_micros) for each in pairs),
        )

    def snapshots(self, key: ReportKey) -> tuple[Snapshot, ...]:
        """What earlier versions of a report said, in order of time."""
        return self._snapshots.get(key, ())

    def put(self, report: Report) -> bool:
        """Take in a version of a report; whether any figure may have changed.

        What is kept does not depend on the order in which versions come.
        """
        key = report.key
        known = self.reports.get(key)
        if known is not None and known.version >= report.version:
            has_changed = known.version > report.version and self._keep(known, report)
            if has_changed and key in self._clips[0]:
                self._unresolved.add(known.period_start, known.end)
            return has_changed
        if known is None:
            insort(self._places, _place(report))
            series = self._series.setdefault(report.source, {}).setdefault(report.ad_id, [])
            insort(series, (report.period_start, report.grain))
            self._short += report.is_short
        else:
            self._keep(report, known)
        self._count(report, known)
        self.reports[key] = report
        self._longest = max(self._longest, report.period_end - report.period_start)
        if key in self._clips[0] or key in self._clips[1] or self._meets_another(report):
            self._unresolved.add(report.period_start, max(report.end, known.end if known else 0))
        return True

    def restore(self, report: Report, snapshots: Iterable[Snapshot]) -> None:
        """Put back a report and what its earlier versions said."""
        self.put(report)
        found = sorted(snapshots, key=lambda each: each.at)
        if found:
            self._snapshots[report.key] = tuple(found)
            self._longest = max(self._longest, found[-1].at - report.period_start)

    def versions(self, report: Report) -> Iterator[Report]:
        """A report, and once more with each later end that an earlier version had."""
        yield report
        for snapshot in self.snapshots(report.key):
            if snapshot.at > report.end:
                yield report._replace(period_end=snapshot.at, covered_end=None)

    def touched_by(self, report: Report) -> Interval:
        """Where figures may have changed when a report came.

        In its own time, and in that of the coarser reports over it, which count or do not count by what lies below them.
        """
        start, end = self.span_of(report)
        for other in self._near(report.period_start, end):
            if (
                other.end > report.period_start
                and other.grain >= report.grain
                and self._may_be_one(report, other)
            ):
                start, end = min(start, other.period_start), max(end, other.end)
        return start, end

    def span_of(self, report: Report) -> Interval:
        """The time that a report covers, or covered in an earlier version."""
        return report.period_start, max(each.end for each in self.versions(report))

    def share(self, start: int, end: int, *, short_only: bool) -> ReportShare:
        """What of the reports counts in the window [start, end)."""
        self._resolve()
        clips = self._clips[short_only]
        found = []
        for report in self._near(start, end):
            if short_only and not report.is_short:
                continue
            whole = ((report.period_start, report.end),)
            for clip in clips.get(report.key, whole):
                if clip[0] < end and clip[1] > start:
                    found.append(self._share(report, clip, (start, end)))  # noqa: PERF401 - two conditions read better so
        return add_up(found)

    def overlaps(self, start: int, end: int, *, short_only: bool) -> bool:
        """Whether any report covers a part of the window [start, end), or did before it was replaced."""
        return any(
            version.end > start and (version.is_short or not short_only)
            for report in self._near(start, end)
            for version in self.versions(report)
        )

    # --- keeping -------------------------------------------------------------------------------------

    def _keep(self, newest: Report, report: Report) -> bool:
        """Remember an earlier version, unless a higher one ends in the same part of the period."""
        part, last = part_of_period(newest, report.end), part_of_period(newest, newest.end)
        kept = {part_of_period(newest, each.at): each for each in self.snapshots(newest.key)}
        kept.pop(last, None)
        if part != last and (part not in kept or kept[part].version < report.version):
            kept[part] = snapshot_of(report)
        found = tuple(kept[each] for each in sorted(kept))
        if found == self.snapshots(newest.key):
            return False
        self._snapshots[newest.key] = found
        return True

    # --- counting each instant once ------------------------------------------------------------------

    def _count(self, report: Report, known: Report | None) -> None:
        """Count a report as a whole in the total, instead of what its earlier version counted."""
        before = self._counted.pop(report.key, None) or (_whole(known) if known else ReportShare())
        self._total = add_up((self._total, _whole(report), _negative(before)))

    def _meets_another(self, report: Report) -> bool:
        """Whether another report may mean money of this one."""
        own = self._series[report.source][report.ad_id]
        low = bisect_left(own, (report.period_start - self._longest, 0))
        high = bisect_left(own, (report.end, 0))
        for start, grain in own[low:high]:
            other = self.reports[report.source, report.ad_id, start, grain]
            if other.key != report.key and other.end > report.period_start:
                return True
        levels = self._series[report.source]
        has_levels = len(levels) > 1 and None in levels
        has_twins = any(
            source != report.source and self.rules.are_of_one_account(source, report.source)
            for source in self._series
        )
        return (has_levels or has_twins) and any(
            other.key != report.key and other.end > report.period_start and self._may_be_one(report, other)
            for other in self._near(report.period_start, report.end)
        )

    def _may_be_one(self, one: Report, other: Report) -> bool:
        if one.source != other.source:
            return self.rules.are_of_one_account(one.source, other.source)
        return one.ad_id is None or other.ad_id is None or one.ad_id == other.ad_id

    def _resolve(self) -> None:
        """Choose anew among the reports that overlap what has changed, directly or through others."""
        changed, self._unresolved = self._unresolved, IntervalSet()
        done = IntervalSet()
        for start, end in changed:
            if done.covers(start, end):
                continue
            reports, span = self._component(start, end)
            done.add(*span)
            for place, some in enumerate((reports, [each for each in reports if each.is_short])):
                for report in some:
                    self._clips[place].pop(report.key, None)
                chosen = choose(some, self.rules, self._spend)
                self._clips[place].update(chosen.clips)
                if place == 0:
                    for report in reports:
                        self._compared.pop(report.key, None)
                    self._compared.update(chosen.compared)
            for report in reports:
                self._count(report, report)
                clips = self._clips[0].get(report.key)
                if clips is not None:
                    counted = add_up(self._share(report, clip, clip) for clip in clips)._replace(
                        spread_micros=0
                    )
                    self._counted[report.key] = counted
                    self._total = add_up((self._total, counted, _negative(_whole(report))))

    def _component(self, start: int, end: int) -> tuple[list[Report], Interval]:
        while True:
            reports = [each for each in self._near(start, end) if each.end > start]
            span = (
                min((each.period_start for each in reports), default=start),
                max((each.end for each in reports), default=end),
            )
            if span[0] >= start and span[1] <= end:
                return reports, (start, end)
            start, end = min(start, span[0]), max(end, span[1])

    def _spend(self, report: Report, part: Interval) -> int:
        return self._share(report, part, part).spend_micros

    def _share(self, report: Report, clip: Interval, window: Interval) -> ReportShare:
        return share_of(report, self.snapshots(report.key), clip, window)

    def _near(self, start: int, end: int) -> Iterator[Report]:
        """Reports whose period may reach into a window."""
        low = bisect_left(self._places, (start - self._longest,))
        high = bisect_left(self._places, (end,))
        for period_start, source, has_ad, ad_id, grain in self._places[low:high]:
            yield self.reports[source, ad_id if has_ad else None, period_start, grain]


def _place(report: Report) -> _Place:
    return report.period_start, report.source, report.ad_id is not None, report.ad_id or "", report.grain


def _whole(report: Report) -> ReportShare:
    return ReportShare(report.impressions, report.clicks, report.spend_micros)


def _negative(share: ReportShare) -> ReportShare:
    return ReportShare(*(-value for value in share))

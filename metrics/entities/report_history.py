"""All reports of one campaign: which counts where, and what windows take of them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from metrics.entities.report_index import ReportIndex
from metrics.entities.report_overlaps import Comparison, ReportRules, choose
from metrics.entities.reports import (
    Report,
    ReportKey,
    ReportShare,
    Snapshot,
    add_up,
    end_of_part,
    part_of,
    share_of,
    snapshot_of,
)
from metrics.values.intervals import Interval, IntervalSet

_DEFAULT_RULES = ReportRules()


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
        self._by_time = ReportIndex[ReportKey]()
        #: The same by source and ad.
        self._series: dict[str, dict[str | None, ReportIndex[ReportKey]]] = {}
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
            if has_changed:
                self._choose_later(known, known.end)
            return has_changed
        if known is None:
            self._short += report.is_short
            for index in self._indexes(report):
                index.add(key, report.grain, (report.period_start, report.period_end))
        else:
            self._keep(report, known)
            self._stretch(report, report.period_end)
        self._count(report, known)
        self.reports[key] = report
        self._choose_later(report, max(report.end, known.end if known else 0))
        return True

    def restore(self, report: Report, snapshots: Iterable[Snapshot]) -> None:
        """Put back a report and what its earlier versions said."""
        self.put(report)
        found = sorted(snapshots, key=lambda each: each.at)
        if found:
            self._snapshots[report.key] = tuple(found)
            self._stretch(report, found[-1].at)

    def versions(self, report: Report) -> Iterator[Report]:
        """A report, and once more with each later end that an earlier version had."""
        yield report
        for snapshot in self.snapshots(report.key):
            if snapshot.at > report.end:
                yield report._replace(period_end=snapshot.at, covered_end=None)

    def touched_by(self, report: Report, *, short_only: bool = False) -> Interval:
        """Where figures may have changed when a report came, in all windows or in those of short reports only.

        In its own time; in that of the reports over it, which count or do not count by what lies below them; and in that of
        the campaign's reports over all of this, which count or do not count by what their ads hold.
        """
        levels = self._series[report.source]
        touched = self._widened(levels[report.ad_id], self._span_of(report), short_only=short_only)
        if None in levels and len(levels) > 1:
            touched = self._widened(levels[None], touched, short_only=short_only)
        return touched

    def _widened(self, index: ReportIndex[ReportKey], span: Interval, *, short_only: bool) -> Interval:
        """An interval and the time of all reports that reach into it."""
        start, end = span
        for other in self._near(*span, index):
            if other.end > span[0] and (other.is_short or not short_only):
                start, end = min(start, other.period_start), max(end, other.end)
        return start, end

    def _span_of(self, report: Report) -> Interval:
        """The time that a report covers, or covered in any earlier version; up to a part of a period longer."""
        return report.period_start, max(end_of_part(report, each.end) for each in self.versions(report))

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
            version.end > start
            for report in self._near(start, end)
            if report.is_short or not short_only
            for version in self.versions(report)
        )

    # --- keeping -------------------------------------------------------------------------------------

    def _keep(self, newest: Report, report: Report) -> bool:
        """Remember an earlier version, unless a higher one ends in the same part of the period."""
        part, last = part_of(newest, report.end), part_of(newest, newest.end)
        kept = {part_of(newest, each.at): each for each in self.snapshots(newest.key)}
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

    def _choose_later(self, report: Report, end: int) -> None:
        """Have it chosen anew where a report counts, and what overlaps it up to ``end``, if there is anything to choose."""
        if (
            report.key in self._clips[0]
            or report.key in self._clips[1]
            or any(
                other.key != report.key and other.end > report.period_start
                for other in self._about_the_same(report, end)
            )
        ):
            self._unresolved.add(report.period_start, end)

    def _about_the_same(self, report: Report, end: int) -> Iterator[Report]:
        """Reports near the time of a report, up to ``end``, that may mean money of it."""
        levels, start = self._series[report.source], report.period_start
        has_ads = report.ad_id is None and len(levels) > 1
        if has_ads or any(
            source != report.source and self.rules.are_of_one_account(source, report.source)
            for source in self._series
        ):
            for other in self._near(start, end):
                if self._may_be_one(report, other):
                    yield other
            return
        yield from self._near(start, end, levels[report.ad_id])
        if report.ad_id is not None and None in levels:
            yield from self._near(start, end, levels[None])

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
        """All reports that overlap an interval, directly or through others, and the time of all of them."""
        while (first := min((each.period_start for each in self._across(start)), default=start)) < start:
            start = first
        while (last := max((each.end for each in self._across(end)), default=end)) > end:
            end = last
        return [each for each in self._near(start, end) if each.end > start], (start, end)

    def _across(self, at: int) -> Iterator[Report]:
        """Reports of the time before an instant and behind it."""
        return (each for each in self._near(at, at) if each.end > at)

    def _spend(self, report: Report, part: Interval) -> int:
        return self._share(report, part, part).spend_micros

    def _share(self, report: Report, clip: Interval, window: Interval) -> ReportShare:
        return share_of(report, self.snapshots(report.key), clip, window)

    def _near(self, start: int, end: int, index: ReportIndex[ReportKey] | None = None) -> Iterator[Report]:
        """Reports whose period may reach into a window, of all or of those in an index."""
        return (self.reports[key] for key in (index or self._by_time).near(start, end))

    def _indexes(self, report: Report) -> tuple[ReportIndex[ReportKey], ReportIndex[ReportKey]]:
        ads = self._series.setdefault(report.source, {})
        return self._by_time, ads.setdefault(report.ad_id, ReportIndex())

    def _stretch(self, report: Report, end: int) -> None:
        """A report may reach to an instant that its first version did not reach."""
        for index in self._indexes(report):
            index.stretch(report.grain, end - report.period_start)


def _whole(report: Report) -> ReportShare:
    return ReportShare(report.impressions, report.clicks, report.spend_micros)


def _negative(share: ReportShare) -> ReportShare:
    return ReportShare(*(-value for value in share))

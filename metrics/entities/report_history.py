"""All reports of one campaign: which counts where, and what windows take of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from metrics.entities.report_figures import (
    ALL_STATED,
    FIGURES,
    SPEND,
    StatedFigures,
    left_out_by_any,
    share_of_stated,
    versions_of,
    with_figures,
    with_version,
    worth_something_else,
)
from metrics.entities.report_grains import GrainsByFigure, choose_by_figure, share_by_figure
from metrics.entities.report_index import ReportIndex
from metrics.entities.report_overlaps import Comparison, ReportRules, choose
from metrics.entities.report_spend import ReportedSpend
from metrics.entities.reports import (
    Report,
    ReportKey,
    ReportShare,
    Snapshot,
    Version,
    add_up,
    counts,
    end_of_part,
    last_end,
    part_of,
    snapshot_of,
)
from metrics.values.intervals import Interval, IntervalSet
from metrics.values.time import DAY

_DEFAULT_RULES = ReportRules()
#: What spend is worth now: given what it was worth before, and the instant whose rate counts; with the spend.
Value = Callable[[ReportedSpend, int, int], tuple[int, ReportedSpend]]


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
        #: Which versions told what others left out; empty where none does any more.
        self._stated: dict[ReportKey, StatedFigures] = {}
        #: By version of a report, its spend as it came, of what the worth may change of.
        self._spent: dict[ReportKey, dict[Version, ReportedSpend]] = {}
        #: Reports with spend without a rate.
        self.uncertain: set[ReportKey] = set()
        #: Codes of currencies in which spend has come.
        self.currencies: set[str] = set()
        self._by_time = ReportIndex[ReportKey]()
        #: The same by source and ad.
        self._series: dict[str, dict[str | None, ReportIndex[ReportKey]]] = {}
        #: Of each figure, how many reports of up to an hour tell it.
        self._short = [0] * len(FIGURES)
        #: The latest instant that any report covers.
        self._last: int | None = None
        #: By source, the latest instant that any of its reports covers which tells spend; and when the first such period begins.
        self._ends: dict[str, int] = {}
        self._begin: int | None = None
        #: Whether these two are to be found anew, since reports were put back that do not tell it.
        self._are_ends_stale = False
        #: Where reports count that do not count in all of their time: among all, and among the short ones only.
        self._clips: tuple[dict[ReportKey, Sequence[Interval]], dict[ReportKey, Sequence[Interval]]] = (
            {},
            {},
        )
        #: Until when earlier versions of a report tell, where that is behind its end; and where they count there, like the clips.
        self._last_ends: dict[ReportKey, int] = {}
        self._behind: tuple[dict[ReportKey, Sequence[Interval]], dict[ReportKey, Sequence[Interval]]] = (
            {},
            {},
        )
        #: The same of reports that count elsewhere in one figure than in another, or that leave a figure out.
        self._apart: tuple[dict[ReportKey, GrainsByFigure], dict[ReportKey, GrainsByFigure]] = ({}, {})
        self._compared: dict[ReportKey, Comparison] = {}
        #: What reports with clips count in the total.
        self._counted: dict[ReportKey, ReportShare] = {}
        self._total = ReportShare()
        self._unresolved = IntervalSet()

    def __len__(self) -> int:
        return len(self.reports)

    @property
    def short_figures(self) -> tuple[bool, ...]:
        """Of impressions, clicks and spend, whether any report tells it whose period is up to an hour."""
        return tuple(count > 0 for count in self._short)

    @property
    def seen_until(self) -> int | None:
        """The instant up to which reports say what was spent; None without reports that tell it.

        That of the source that is furthest behind; a source that has been silent for a day longer than another one is left out.
        """
        self._find_ends()
        newest = max(self._ends.values(), default=0)
        return min((end for end in self._ends.values() if end > newest - DAY), default=None)

    @property
    def begin(self) -> int | None:
        """When the first period begins of which a report tells the spend; None without such reports."""
        self._find_ends()
        return self._begin

    @property
    def last_day(self) -> Interval | None:
        """The day before ``seen_until``, or what reports cover of that day; None without reports that tell spend."""
        begin, end = self.begin, self.seen_until
        return None if end is None or begin is None else (max(begin, end - DAY), end)

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
            len(self._clips[0]) + sum(each.is_covered for each in self._apart[0].values()),
            sum(each.coarse_micros for each in pairs),
            sum(abs(each.fine_micros - each.coarse_micros) for each in pairs),
        )

    def snapshots(self, key: ReportKey) -> tuple[Snapshot, ...]:
        """What earlier versions of a report said, in order of time."""
        return self._snapshots.get(key, ())

    def stated(self, key: ReportKey) -> StatedFigures | None:
        """Which versions of a report told the figures that others left out; None where none ever did."""
        return self._stated.get(key)

    def spent(self, key: ReportKey) -> Mapping[Version, ReportedSpend] | None:
        """By version of a report, its spend as it came; None where the worth of none could ever change."""
        return self._spent.get(key)

    def spent_since(self, at: int) -> list[ReportKey]:
        """Reports whose worth may change and whose period begins at an instant or later."""
        return [key for key, spent in self._spent.items() if spent and key[2] >= at]

    def put(self, report: Report, spend: ReportedSpend | None = None, omitted: int = 0) -> bool:
        """Take in a version of a report; whether any figure may have changed.

        What is kept does not depend on the order in which versions come.

        Args:
            report: with what its spend is worth.
            spend: as it came; None where its worth cannot change.
            omitted: the figures that it leaves out (``report_figures.left_out``); those are as the versions say that tell them.
        """
        key = report.key
        self._note_time(report, report.end, tells_spend=not omitted >> SPEND & 1)
        known = self.reports.get(key)
        if known is None:
            for index in self._indexes(report):
                index.add(key, report.grain, (report.period_start, report.period_end))
            self._count_short(report, 1)
            self._keep_stated(report, self._with_version(None, report, omitted))
            self._replace(report, report.version, spend, ReportShare(), 0)
            return True
        if known.version == report.version:
            return False
        before, end = self._counts(known), self._end(known)
        stated = self._with_version(known, report, omitted)
        newest, earlier = (known, report) if known.version > report.version else (report, known)
        is_kept = self._keep(newest, earlier)
        is_stated = self._keep_stated(newest, stated)
        if newest is known and not (is_kept or is_stated):
            return False
        self._stretch(newest, report.period_end)
        self._replace(newest, report.version, spend, before, end)
        return True

    def _replace(
        self, newest: Report, version: Version, spend: ReportedSpend | None, before: ReportShare, end: int
    ) -> None:
        """Let a report count with its newest version, after a version has been taken in.

        Args:
            newest: version of the report.
            version: that has been taken in.
            spend: of that as it came.
            before: what the report counted before.
            end: until when the report told before.
        """
        key = newest.key
        newest = self.reports[key] = with_figures(
            self._stated.get(key, ALL_STATED), newest, self.snapshots(key)
        )
        self._note_end(newest)
        self._note_spend(newest, version, spend)
        self._count(newest, before)
        self._choose_later(newest, end)

    def restore(self, report: Report, snapshots: Iterable[Snapshot]) -> None:
        """Put back a report and what its earlier versions said."""
        self.put(report)
        found = sorted(snapshots, key=lambda each: each.at)
        if found:
            self._snapshots[report.key] = tuple(found)
            self._stretch(report, found[-1].at)
            self._note_time(report, found[-1].at, tells_spend=True)
            self._note_end(report)
            self._choose_later(report, report.end)

    def restore_stated(self, key: ReportKey, newest: Version, stated: StatedFigures) -> bool:
        """Put back which versions told figures that others left out, after the report and before its spend.

        Whether that is of the report as it is: a build that did not know of it may have taken in a newer version.
        """
        report = self.reports.get(key)
        if report is None or report.version != newest:
            return False
        before = self._counts(report)
        self._count_short(report, -1)
        self._stated[key] = stated
        self._count_short(report, 1)
        self._are_ends_stale |= SPEND in stated
        self._note_end(report)
        self._count(report, before)
        self._choose_later(report, report.end)
        return True

    def restore_spent(self, key: ReportKey, spent: Mapping[Version, ReportedSpend]) -> None:
        """Put back the spend of a report's versions as it came, after the report."""
        report = self.reports.get(key)
        if report is None:
            return
        before = self._counts(report)
        for version, spend in spent.items():
            self._note_spend(report, version, spend)
        self._count(report, before)
        self._choose_later(report, report.end)

    def revalue(self, key: ReportKey, value: Value) -> bool:
        """Let the spend of a report be worth what ``value`` says, in every version that is kept; whether anything has changed."""
        spent = self._spent.get(key)
        if not spent:
            return False
        report, snapshots, stated = self.reports[key], self.snapshots(key), self._stated.get(key)
        last, earlier = versions_of(stated or ALL_STATED, report, snapshots, SPEND)
        kept: list[Report | Snapshot] = [last, *earlier]
        versions = [each for each in kept if each.version in spent]
        worth = {
            each.version: value(spent[each.version], each.spend_micros, report.period_start)
            for each in versions
        }
        if all(worth[each.version] == (each.spend_micros, spent[each.version]) for each in versions):
            return False
        before = self._counts(report)
        if snapshots:
            self._snapshots[key] = tuple(_worth(each, worth) for each in snapshots)
        if stated:
            self._stated[key] = worth_something_else(stated, {each: worth[each][0] for each in worth})
        now = with_figures(self._stated.get(key, ALL_STATED), _worth(report, worth), self.snapshots(key))
        self.reports[key] = now
        for version, (_, spend) in worth.items():
            self._note_spend(now, version, spend)
        self._count(now, before)
        self._choose_later(now, now.end)
        return True

    def versions(self, report: Report) -> Iterator[Report]:
        """A report, and once more with each later end that an earlier version had."""
        yield report
        for snapshot in self.snapshots(report.key):
            if snapshot.at > report.end:
                yield report._replace(period_end=snapshot.at, covered_end=None)

    def touched_by(self, report: Report, *, short_only: bool = False) -> Interval:
        """Where figures may have changed when a report came, in all windows or in those of short reports only.

        In the time of all its versions; in that of the reports over it, which count or do not count by what lies below them; and
        in that of the campaign's reports over all of this, which count or do not count by what their ads hold.
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
            if self._end(other) > span[0] and (other.is_short or not short_only):
                start, end = min(start, other.period_start), max(end, self._end(other))
        return start, end

    def _span_of(self, report: Report) -> Interval:
        """The time that a report covers, or covered in any earlier version; up to a part of a period longer."""
        return report.period_start, max(end_of_part(report, each.end) for each in self.versions(report))

    def share(self, start: int, end: int, *, short_only: bool) -> ReportShare:
        """What of the reports counts in the window [start, end)."""
        self._resolve()
        clips, behind, apart = self._clips[short_only], self._behind[short_only], self._apart[short_only]
        found = []
        for report in self._near(start, end):
            if short_only and not report.is_short:
                continue
            if apart and report.key in apart:
                found.append(self._share_apart(report, apart[report.key], (start, end)))
                continue
            whole = ((report.period_start, report.end),)
            for clip in (*clips.get(report.key, whole), *behind.get(report.key, ())):
                if clip[0] < end and clip[1] > start:
                    found.append(self._share(report, clip, (start, end)))  # noqa: PERF401 - two conditions read better so
        return add_up(found)

    def before(self, at: int) -> ReportShare:
        """What of all reports counts before an instant, each counted once."""
        if self._last is None or at >= self._last:
            return self.total
        return add_up((self.total, _negative(self.share(at, self._last, short_only=False))))

    def overlaps(self, start: int, end: int, *, short_only: bool) -> bool:
        """Whether any report covers a part of the window [start, end), or did before it was replaced."""
        return any(
            version.end > start
            for report in self._near(start, end)
            if report.is_short or not short_only
            for version in self.versions(report)
        )

    # --- keeping -------------------------------------------------------------------------------------

    def _note_time(self, report: Report, end: int, *, tells_spend: bool) -> None:
        """A version of a report covers its period up to an instant."""
        self._last = end if self._last is None else max(self._last, end)
        if tells_spend:
            start = report.period_start
            self._ends[report.source] = max(self._ends.get(report.source, 0), end)
            self._begin = start if self._begin is None else min(self._begin, start)

    def _find_ends(self) -> None:
        """Find anew how far spend is told, if need be."""
        if not self._are_ends_stale:
            return
        self._are_ends_stale, self._begin = False, None
        self._ends.clear()
        for key, report in self.reports.items():
            stated = self._stated.get(key, ALL_STATED)
            if stated.get(SPEND, True):
                last, earlier = versions_of(stated, report, self.snapshots(key), SPEND)
                end = max([last.end, *(each.at for each in earlier)])
                self._note_time(report, end, tells_spend=True)

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

    def _with_version(self, known: Report | None, report: Report, omitted: int) -> StatedFigures:
        """Which versions told what others left out, one more taken in that is not kept yet."""
        stated = self._stated.get(report.key, ALL_STATED)
        if not stated and not omitted:
            return stated
        kept: list[Report | Snapshot] = [] if known is None else [*self.snapshots(report.key), known]
        return with_version(stated, kept, report, omitted)

    def _keep_stated(self, newest: Report, stated: StatedFigures) -> bool:
        """Keep which versions told what others left out, after the version is kept; whether that has changed."""
        key = newest.key
        if stated:
            stated = left_out_by_any(stated, newest, self.snapshots(key))
        if stated == self._stated.get(key, ALL_STATED):
            return False
        self._count_short(newest, -1)
        self._stated[key] = stated
        self._count_short(newest, 1)
        return True

    def _note_spend(self, newest: Report, version: Version, spend: ReportedSpend | None) -> None:
        """Keep the spend of a version as it came, of the versions that are kept."""
        key = newest.key
        spent = self._spent.get(key)
        if spend is not None:
            self.currencies.add(spend.currency)
            spent = {**(spent or {}), version: spend}
        if spent is None:
            return
        last, earlier = versions_of(self._stated.get(key, ALL_STATED), newest, self.snapshots(key), SPEND)
        kept = {each.version for each in earlier} | {last.version}
        spent = self._spent[key] = {each: spent[each] for each in spent if each in kept}
        counting = {each.version for each in earlier if counts(last, each)} | {last.version}
        is_certain = all(each.is_certain for version, each in spent.items() if version in counting)
        (self.uncertain.discard if is_certain else self.uncertain.add)(key)

    def _count_short(self, report: Report, number: int) -> None:
        """Count a report, or take it back (−1), among those of up to an hour that tell a figure."""
        if report.is_short:
            stated = self._stated.get(report.key) or ALL_STATED
            for figure in FIGURES:
                self._short[figure] += number if stated.get(figure, True) else 0

    def _note_end(self, newest: Report) -> None:
        """Keep until when the versions of a report tell any figure."""
        snapshots = self.snapshots(newest.key)
        end = last_end(newest, snapshots)
        if stated := self._stated.get(newest.key):
            end = max(end, *(last_end(*versions_of(stated, newest, snapshots, each)) for each in stated))
        if end > newest.end:
            self._last_ends[newest.key] = end
        else:
            self._last_ends.pop(newest.key, None)

    def _end(self, report: Report) -> int:
        """Until when a report that is kept tells, in its newest version or an earlier one."""
        return self._last_ends.get(report.key, report.end)

    # --- counting each instant once ------------------------------------------------------------------

    def _counts(self, report: Report) -> ReportShare:
        """What a report counts in the total."""
        return self._counted.get(report.key) or self._whole(report)

    def _count(self, report: Report, before: ReportShare) -> None:
        """Count a report as a whole in the total, instead of what it counted before."""
        self._counted.pop(report.key, None)
        self._total = add_up((self._total, self._whole(report), _negative(before)))

    def _whole(self, report: Report) -> ReportShare:
        uncertain = int(report.key in self.uncertain)
        return ReportShare(report.impressions, report.clicks, report.spend_micros, 0, uncertain)

    def _choose_later(self, report: Report, end: int) -> None:
        """Have it chosen anew where a report counts, and what overlaps it up to the end of its versions or ``end``, if need be."""
        end = max(end, self._end(report))
        if (
            report.key in self._last_ends
            or any(report.key in found for found in (*self._clips, *self._behind, *self._apart))
            or any(
                other.key != report.key and self._end(other) > report.period_start
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
                if self.rules.may_be_one(report, other):
                    yield other
            return
        yield from self._near(start, end, levels[report.ad_id])
        if report.ad_id is not None and None in levels:
            yield from self._near(start, end, levels[None])

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
                self._choose(some, place)
            for report in reports:
                self._count_resolved(report)

    def _choose(self, reports: list[Report], place: int) -> None:
        """Say where some reports count: among all (place 0), or among the short ones only."""
        for report in reports:
            for found in (self._clips[place], self._behind[place], self._apart[place]):
                found.pop(report.key, None)
            if place == 0:
                self._compared.pop(report.key, None)
        if any(self._stated.get(report.key) for report in reports):
            chosen, apart = choose_by_figure(reports, self.rules, self._spend, self._stated, self._snapshots)
            self._apart[place].update(apart)
        else:
            chosen = choose(reports, self.rules, self._spend, self._last_ends)
        self._clips[place].update(chosen.clips)
        self._behind[place].update(chosen.behind)
        if place == 0:
            self._compared.update(chosen.compared)

    def _count_resolved(self, report: Report) -> None:
        """Count a report in the total at the instants at which it counts."""
        self._count(report, self._counts(report))
        key, whole = report.key, ((report.period_start, report.end),)
        apart = self._apart[0].get(key)
        clips, behind = self._clips[0].get(key), self._behind[0].get(key, ())
        if apart is not None:
            counted = self._share_apart(report, apart, (report.period_start, self._end(report)))
        elif clips is not None or behind:
            clips = (*(whole if clips is None else clips), *behind)
            counted = add_up(self._share(report, clip, clip) for clip in clips)
        else:
            return
        self._counted[key] = counted = counted._replace(spread_micros=0)
        self._total = add_up((self._total, counted, _negative(self._whole(report))))

    def _component(self, start: int, end: int) -> tuple[list[Report], Interval]:
        """All reports that overlap an interval, directly or through others, and the time of all of them."""
        while (first := min((each.period_start for each in self._across(start)), default=start)) < start:
            start = first
        while (last := max(map(self._end, self._across(end)), default=end)) > end:
            end = last
        return [each for each in self._near(start, end) if self._end(each) > start], (start, end)

    def _across(self, at: int) -> Iterator[Report]:
        """Reports of the time before an instant and behind it."""
        return (each for each in self._near(at, at) if self._end(each) > at)

    def _spend(self, report: Report, part: Interval) -> int:
        return self._share(report, part, part).spend_micros

    def _share(self, report: Report, clip: Interval, window: Interval) -> ReportShare:
        uncertain = int(report.key in self.uncertain)
        stated, snapshots = self._stated.get(report.key, ALL_STATED), self.snapshots(report.key)
        return share_of_stated(stated, report, snapshots, clip, window, uncertain)

    def _share_apart(self, report: Report, grains: GrainsByFigure, window: Interval) -> ReportShare:
        uncertain = int(report.key in self.uncertain)
        stated, snapshots = self._stated.get(report.key, ALL_STATED), self.snapshots(report.key)
        return share_by_figure(grains, stated, report, snapshots, window, uncertain)

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


V = TypeVar("V", Report, Snapshot)


def _worth(version: V, worth: Mapping[Version, tuple[int, ReportedSpend]]) -> V:
    """A version with its spend worth something else, where that is said."""
    found = worth.get(version.version)
    return version if found is None else version._replace(spend_micros=found[0])


def _negative(share: ReportShare) -> ReportShare:
    return ReportShare(*(-value for value in share))

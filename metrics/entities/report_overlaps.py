"""Which of several reports about one instant counts, so that the same money counts once.

Reports overlap where hours are reported and then the day over them, ads and then their campaign, days and then the week,
or where two connectors read one account. Of each source one grain counts at each instant. The others are kept, so that
their figures can be compared, and count nowhere.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

from metrics.entities.report_index import ReportIndex
from metrics.entities.reports import Report, ReportKey
from metrics.values.intervals import Interval, IntervalSet

#: The finest grain that leaves no gap in the coarser report, or the coarsest grain there is.
GrainRule = Literal["finest", "coarsest"]
#: What a report tells of an interval.
Amount = Callable[[Report, Interval], int]
#: The figure by which some reports are compared that may mean the same money.
Measure = Callable[[Iterable[Report]], Amount]
_NO_ENDS: Mapping[ReportKey, int] = MappingProxyType({})


class ReportRules(NamedTuple):
    """Which of several reports about one instant counts.

    Attributes:
        grain: the grain that counts, of several grains of one source.
        same_account: groups of sources that read one account, the preferred source first. Sources that share no group
            add up: they are different platforms.
    """

    grain: GrainRule = "finest"
    same_account: tuple[tuple[str, ...], ...] = ()

    def are_of_one_account(self, one: str, other: str) -> bool:
        """Whether two sources read the same account."""
        return one == other or any(one in group and other in group for group in self.same_account)

    def may_be_one(self, one: Report, other: Report) -> bool:
        """Whether two reports may tell of the same money, as far as their source and their ad say."""
        if one.source != other.source:
            return self.are_of_one_account(one.source, other.source)
        return one.ad_id is None or other.ad_id is None or one.ad_id == other.ad_id

    def preference(self, source: str) -> int:
        """The place of a source among those that read its account; the preferred one has the lowest."""
        return next((group.index(source) for group in self.same_account if source in group), 0)


class Comparison(NamedTuple):
    """The spend of a report, and of the finer reports that cover all of its time; in micros."""

    coarse_micros: int
    fine_micros: int


class Chosen(NamedTuple):
    """Where reports count.

    Attributes:
        clips: by key, the instants at which a report counts; a report that is not named counts in all of its time.
        compared: by key, the comparison of a report with the finer ones that cover all of its time.
        behind: by key, the instants behind its end at which earlier versions of a report count.
    """

    clips: dict[ReportKey, Sequence[Interval]]
    compared: dict[ReportKey, Comparison]
    behind: dict[ReportKey, Sequence[Interval]]


def choose(
    reports: Collection[Report],
    rules: ReportRules,
    amount: Amount,
    last_ends: Mapping[ReportKey, int] = _NO_ENDS,
    measure: Measure | None = None,
) -> Chosen:
    """Say where each of some reports counts. The answer does not depend on their order.

    Args:
        reports: of one campaign; every report that overlaps one of them is among them.
        rules: which grain and which source is preferred.
        amount: of a report in an interval, of the figure that is chosen for; spend, in micros, where all count alike.
        last_ends: by key, the instant up to which earlier versions of a report tell, where that is behind its end.
        measure: by which figure a campaign and its ads are compared; None: by ``amount``.
    """
    chosen = Chosen({}, {}, {})
    series: dict[str, dict[str | None, list[Report]]] = {}
    for report in reports:
        series.setdefault(report.source, {}).setdefault(report.ad_id, []).append(report)
    for source in series.values():
        for each in source.values():
            _choose_grain(each, rules, amount, chosen)
        _choose_level(source, rules, measure or (lambda _: amount), chosen)
    _choose_source(series, rules, chosen)
    _choose_behind(reports, rules, last_ends, chosen)
    return chosen


def _choose_grain(reports: list[Report], rules: ReportRules, amount: Amount, chosen: Chosen) -> None:
    """Hours and the day over them, days and the week over them: reports of one ad, or of the campaign as a whole."""
    if len(reports) == 1:
        return
    reports.sort(key=lambda each: (each.period_end - each.period_start, each.version))
    counting: list[tuple[Report, int]] = []
    below, finer, waiting = ReportIndex[Report](), IntervalSet(), list[Report]()
    for report in reports:
        length = report.period_end - report.period_start
        if waiting and waiting[0].period_end - waiting[0].period_start != length:
            for each in waiting:
                finer.add(each.period_start, each.end)
            waiting.clear()
        waiting.append(report)
        reached = finer.reaches(report.period_start)
        is_tiled = reached >= report.end
        if is_tiled:
            fine = _finest_amount(below, report, amount)
            chosen.compared[report.key] = Comparison(report.spend_micros, fine)
        if rules.grain == "coarsest":
            counting.append((report, report.period_start))
        elif is_tiled:
            chosen.clips[report.key] = ()
        elif report.covered_end is not None and _goes_on_below(below, report, reached):
            # Both go on. The finer ones have no gap; the coarser one counts behind their end.
            counting.append((report, reached))
        else:
            counting.append((report, report.period_start))
        _add(below, report)
    taken = IntervalSet()
    for report, since in reversed(counting):
        _clip(report, taken.outside(since, report.end), chosen)
        taken.add(since, report.end)


def _goes_on_below(finer: ReportIndex[Report], report: Report, reached: int) -> bool:
    """Whether finer reports without a gap end less than one of their periods before an unfinished report does."""
    return any(
        report.end - reached <= each.period_end - each.period_start < report.period_end - report.period_start
        for each in finer.near(report.period_start, report.end)
        if each.end > report.period_start
    )


def _finest_amount(finer: ReportIndex[Report], report: Report, amount: Amount) -> int:
    """What the finest of other reports, which were added first, tell of the time of a report."""
    seen, found = IntervalSet(), 0
    for each in finer.near_in_order(report.period_start, report.end):
        start, end = max(each.period_start, report.period_start), min(each.end, report.end)
        found += sum(amount(each, part) for part in seen.outside(start, end))
        seen.add(start, end)
    return found


def _choose_level(
    series: dict[str | None, list[Report]], rules: ReportRules, measure: Measure, chosen: Chosen
) -> None:
    """Ads, and the campaign over them: the ads count where they cover the time and the money of the campaign's report.

    Whether every ad has a report cannot be seen otherwise: platforms leave out ads that were deleted.
    """
    ads = [report for ad_id, each in series.items() if ad_id is not None for report in each]
    whole = series.get(None, [])
    if not ads or not whole:
        return
    time, by_time = IntervalSet(), ReportIndex[Report]()
    for each in ads:
        time.add(each.period_start, each.end)
        _add(by_time, each)
    taken = IntervalSet()
    for report in whole:
        clips = chosen.clips.get(report.key, ((report.period_start, report.end),))
        if clips and all(time.covers(*clip) for clip in clips):
            amount = measure((report, *by_time.near(report.period_start, report.end)))
            fine = sum(
                amount(each, (max(start, low), min(end, high)))
                for low, high in clips
                for each in by_time.near(low, high)
                for start, end in chosen.clips.get(each.key, ((each.period_start, each.end),))
                if start < high and end > low
            )
            coarse = sum(amount(report, clip) for clip in clips)
            chosen.compared[report.key] = Comparison(coarse, fine)
            if rules.grain == "finest" and fine >= coarse:
                chosen.clips[report.key] = ()
                continue
        for clip in clips:
            taken.add(*clip)
    _leave(ads, taken, chosen)


def _choose_source(
    series: dict[str, dict[str | None, list[Report]]], rules: ReportRules, chosen: Chosen
) -> None:
    """Two connectors of one account: the preferred one counts wherever it has a report."""
    for group in rules.same_account:
        taken = IntervalSet()
        for source in group:
            reports = [report for each in series.get(source, {}).values() for report in each]
            _leave(reports, taken, chosen)
            for report in reports:
                taken.add(report.period_start, report.end)


def _choose_behind(
    reports: Collection[Report], rules: ReportRules, last_ends: Mapping[ReportKey, int], chosen: Chosen
) -> None:
    """What earlier versions say of a time that the newest leaves out counts where no report tells of that time."""
    shortened = [each for each in reports if each.key in last_ends]
    if not shortened:
        return
    by_time = ReportIndex[Report]()
    for each in reports:
        _add(by_time, each)
    shortened.sort(key=lambda each: each.version, reverse=True)
    shortened.sort(key=lambda each: (rules.preference(each.source), each.ad_id is not None))
    for place, report in enumerate(shortened):
        taken = IntervalSet()
        for other in by_time.near(report.end, last_ends[report.key]):
            if other.key != report.key and rules.may_be_one(report, other):
                taken.add(other.period_start, other.end)
        for other in shortened[:place]:
            if rules.may_be_one(report, other):
                taken.add(other.end, last_ends[other.key])
        chosen.behind[report.key] = tuple(taken.outside(report.end, last_ends[report.key]))


def _add(index: ReportIndex[Report], report: Report) -> None:
    index.add(report, report.grain, (report.period_start, report.period_end))


def _leave(reports: Iterable[Report], taken: IntervalSet, chosen: Chosen) -> None:
    """Reports count only at instants that are not taken."""
    if not taken:
        return
    for report in reports:
        clips = chosen.clips.get(report.key, ((report.period_start, report.end),))
        _clip(report, [part for clip in clips for part in taken.outside(*clip)], chosen)


def _clip(report: Report, clips: Sequence[Interval], chosen: Chosen) -> None:
    if list(clips) != [(report.period_start, report.end)]:
        chosen.clips[report.key] = tuple(clips)

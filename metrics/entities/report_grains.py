"""Where reports count of each figure, where some of them leave figures out.

Of each figure, only the reports and versions that tell the figure are chosen among: hours that tell spend alone count for spend,
and the day over them for impressions.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from metrics.entities.report_figures import ALL_STATED, FIGURES, SPEND, StatedFigures, versions_of
from metrics.entities.report_overlaps import Amount, Chosen, ReportRules, choose
from metrics.entities.reports import Report, ReportKey, ReportShare, Snapshot, add_up, last_end, share_of
from metrics.values.intervals import Interval

#: The newest version of a report that tells a figure, and the earlier ones that do.
Tellers = tuple[Report, Sequence[Snapshot]]


class GrainsByFigure(NamedTuple):
    """Where a report counts, by figure.

    Attributes:
        places: of each figure the instants; none where the report does not tell the figure.
        is_covered: whether other reports count at an instant of which the report tells a figure.
    """

    places: tuple[Sequence[Interval], ...]
    is_covered: bool


class ChosenByFigure(NamedTuple):
    """Where reports count.

    Attributes:
        chosen: of the reports that count alike in all figures.
        apart: by key, of the others.
    """

    chosen: Chosen
    apart: dict[ReportKey, GrainsByFigure]


def choose_by_figure(
    reports: Collection[Report],
    rules: ReportRules,
    spend: Amount,
    stated: Mapping[ReportKey, StatedFigures],
    snapshots: Mapping[ReportKey, Sequence[Snapshot]],
) -> ChosenByFigure:
    """Say of each figure where each of some reports counts: as if only the reports and versions that tell the figure had come.

    Ads and their campaign are compared by spend where all of them tell all figures, else by the figure.

    Args:
        reports: of one campaign; every report that overlaps one of them is among them.
        rules: which grain and which source is preferred.
        spend: the spend of a report in an interval, in micros.
        stated: by key, which versions told what others left out; empty or absent where none left anything out.
        snapshots: by key, earlier versions.
    """
    tellers = [_tellers(reports, figure, stated, snapshots) for figure in FIGURES]
    choices = [_choose(tellers[figure], figure, rules, spend, stated) for figure in FIGURES]
    of_spend = choices[SPEND]
    found = ChosenByFigure(Chosen({}, of_spend.compared, {}), {})
    for report in reports:
        key = report.key
        if stated.get(key) or any(_of(each, key) != _of(of_spend, key) for each in choices):
            found.apart[key] = GrainsByFigure(
                tuple(_places(*each, key) for each in zip(choices, tellers, strict=True)),
                any(key in each.clips for each in choices),
            )
            continue
        if key in of_spend.clips:
            found.chosen.clips[key] = of_spend.clips[key]
        if key in of_spend.behind:
            found.chosen.behind[key] = of_spend.behind[key]
    return found


def share_by_figure(
    grains: GrainsByFigure,
    stated: StatedFigures,
    report: Report,
    snapshots: Sequence[Snapshot],
    window: Interval,
    uncertain: int,
) -> ReportShare:
    """What of a report counts in a window, each figure where it counts (``share_of``)."""
    impressions, clicks, spend = [
        add_up(
            share_of(*versions_of(stated, report, snapshots, figure), place, window, uncertain)
            for place in places
        )
        for figure, places in enumerate(grains.places)
    ]
    return spend._replace(impressions=impressions.impressions, clicks=clicks.clicks)


def _tellers(
    reports: Collection[Report],
    figure: int,
    stated: Mapping[ReportKey, StatedFigures],
    snapshots: Mapping[ReportKey, Sequence[Snapshot]],
) -> dict[ReportKey, Tellers]:
    """By key, the versions of some reports that tell a figure; without those that do not tell it."""
    return {
        report.key: versions_of(mine, report, snapshots.get(report.key, ()), figure)
        for report in reports
        if (mine := stated.get(report.key, ALL_STATED)).get(figure, True)
    }


def _choose(
    tellers: Mapping[ReportKey, Tellers],
    figure: int,
    rules: ReportRules,
    spend: Amount,
    stated: Mapping[ReportKey, StatedFigures],
) -> Chosen:
    """Where reports count of a figure."""

    def amount(report: Report, part: Interval) -> int:
        return share_of(*tellers[report.key], part, part)[figure]

    def measure(reports: Iterable[Report]) -> Amount:
        return amount if any(stated.get(each.key) for each in reports) else spend

    ends = {
        key: end
        for key, (report, earlier) in tellers.items()
        if (end := last_end(report, earlier)) > report.end
    }
    # The reports here are as one figure has them, and may have another end than those that ``spend`` knows.
    return choose([report for report, _ in tellers.values()], rules, amount, ends, measure)


def _of(chosen: Chosen, key: ReportKey) -> tuple[Sequence[Interval] | None, Sequence[Interval] | None]:
    return chosen.clips.get(key), chosen.behind.get(key)


def _places(chosen: Chosen, tellers: Mapping[ReportKey, Tellers], key: ReportKey) -> Sequence[Interval]:
    """The instants at which a report counts of a figure."""
    if key not in tellers:
        return ()
    report, _ = tellers[key]
    return (*chosen.clips.get(key, ((report.period_start, report.end),)), *chosen.behind.get(key, ()))

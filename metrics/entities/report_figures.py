"""Figures that some versions of a report leave out: of each such figure the versions that tell it count, and no other.

A connector may restate the spend of an hour alone, and a platform may tell impressions a day before it tells spend. So each figure
is what it would be if only the versions that tell it had come.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from metrics.entities.reports import Report, ReportShare, Snapshot, Version, part_of, share_of
from metrics.values.intervals import Interval

IMPRESSIONS, CLICKS, SPEND = range(3)
FIGURES = (IMPRESSIONS, CLICKS, SPEND)
#: Every set of figures that may be left out, as a number: bit n is set where figure n is left out.
LEFT_OUT = range(1 << len(FIGURES))


class StatedFigure(NamedTuple):
    """A figure as a version of a report told it."""

    version: Version
    value: int


#: By figure that any version left out: by part of the period, the highest version that told the figure. A part that nobody told it
#: for is not there; a figure that is not there was told by every version.
StatedFigures = Mapping[int, Mapping[int, StatedFigure]]
ALL_STATED: StatedFigures = MappingProxyType({})


def left_out(values: Sequence[object]) -> int:
    """The figures that a report leaves out, as a number; of impressions, clicks and spend as they came.

    >>> left_out((None, 0, 12)), left_out((7, 7, 7))
    (1, 0)
    """
    return sum(1 << figure for figure, value in enumerate(values) if value is None)


def with_version(
    stated: StatedFigures, kept: Sequence[Report | Snapshot], report: Report, omitted: int
) -> StatedFigures:
    """What the versions of a report have told, one more taken in; in any order of the versions the same.

    Args:
        stated: by the versions so far.
        kept: the versions so far that are remembered.
        report: the version.
        omitted: the figures that it leaves out.
    """
    if not stated and not omitted:
        return stated
    part, found = part_of(report, report.end), dict(stated)
    for figure in FIGURES:
        is_stated = not omitted >> figure & 1
        if is_stated and figure not in stated:
            continue
        parts = dict(stated[figure] if figure in stated else _all_of(kept, report, figure))
        if is_stated and (part not in parts or parts[part].version < report.version):
            parts[part] = StatedFigure(report.version, _values(report)[figure])
        found[figure] = parts
    return found


def left_out_by_any(stated: StatedFigures, newest: Report, snapshots: Sequence[Snapshot]) -> StatedFigures:
    """The same without figures that every version tells which is remembered."""
    versions = {part: version for part, (version, _) in _by_part(newest, snapshots).items()}
    return {
        figure: parts
        for figure, parts in stated.items()
        if versions != {part: each.version for part, each in parts.items()}
    }


def versions_of(
    stated: StatedFigures, newest: Report, snapshots: Sequence[Snapshot], figure: int
) -> tuple[Report, Sequence[Snapshot]]:
    """The versions of a report that tell a figure, as if no other had come; where none does, one that says 0.

    Their other figures mean nothing. Each ends where the version ends that is remembered of its part of the period.
    """
    if figure not in stated:
        return newest, snapshots
    kept = _by_part(newest, snapshots)
    tellers = [
        Snapshot(each.version, kept[part][1], each.value, each.value, each.value)
        for part, each in sorted(stated[figure].items())
    ]
    if not tellers:
        return newest._replace(impressions=0, clicks=0, spend_micros=0), ()
    last = max(tellers, key=lambda each: each.version)
    period_end = max(newest.period_end, last.at)
    report = newest._replace(
        version=last.version,
        period_end=period_end,
        covered_end=None if last.at == period_end else last.at,
        impressions=last.impressions,
        clicks=last.clicks,
        spend_micros=last.spend_micros,
    )
    return report, [each for each in tellers if each is not last]


def share_of_stated(
    stated: StatedFigures,
    report: Report,
    snapshots: Sequence[Snapshot],
    clip: Interval,
    window: Interval,
    uncertain: int = 0,
) -> ReportShare:
    """What of a report counts in a window, each figure by the versions that tell it (``share_of``)."""
    share = share_of(report, snapshots, clip, window, uncertain)
    for figure in stated:
        mine = share_of(*versions_of(stated, report, snapshots, figure), clip, window)
        if figure == IMPRESSIONS:
            share = share._replace(impressions=mine.impressions)
        elif figure == CLICKS:
            share = share._replace(clicks=mine.clicks)
        else:
            share = share._replace(spend_micros=mine.spend_micros, spread_micros=mine.spread_micros)
    return share


def with_figures(stated: StatedFigures, newest: Report, snapshots: Sequence[Snapshot]) -> Report:
    """The newest version with each figure that it leaves out as earlier versions tell it up to its end."""
    if not stated:
        return newest
    whole = newest.period_start, newest.end
    share = share_of_stated(stated, newest, snapshots, whole, whole)
    return newest._replace(
        impressions=share.impressions if IMPRESSIONS in stated else newest.impressions,
        clicks=share.clicks if CLICKS in stated else newest.clicks,
        spend_micros=share.spend_micros if SPEND in stated else newest.spend_micros,
    )


def worth_something_else(stated: StatedFigures, worth: Mapping[Version, int]) -> StatedFigures:
    """The same with the spend of versions worth something else, where that is said."""
    if SPEND not in stated:
        return stated
    spend = {
        part: each._replace(value=worth.get(each.version, each.value)) for part, each in stated[SPEND].items()
    }
    return {**stated, SPEND: spend}


def _by_part(newest: Report, snapshots: Sequence[Snapshot]) -> dict[int, tuple[Version, int]]:
    """Of each part of the period the version that is remembered, and its end."""
    found = {part_of(newest, each.at): (each.version, each.at) for each in snapshots}
    found[part_of(newest, newest.end)] = newest.version, newest.end
    return found


def _all_of(kept: Sequence[Report | Snapshot], report: Report, figure: int) -> Mapping[int, StatedFigure]:
    """A figure that all versions so far have told."""
    return {part_of(report, _end(each)): StatedFigure(each.version, _values(each)[figure]) for each in kept}


def _end(version: Report | Snapshot) -> int:
    return version.end if isinstance(version, Report) else version.at


def _values(version: Report | Snapshot) -> tuple[int, int, int]:
    return version.impressions, version.clicks, version.spend_micros

"""Ad platforms' reports, and the share of a report that counts in a window.

A report of a period that goes on is no rate over the whole period: the report covers what its platform has seen, up to
``covered_end``. The earlier versions of such a report say when the money was spent, so what they have seen stays where it
was seen.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from metrics.values.apportion import accrued
from metrics.values.intervals import Interval
from metrics.values.time import DAY, HOUR, MIN_INSTANT, MINUTE

_SPEND = 2
#: The version of a report that does not say when it was made begins with this and how much time it covers: none where it is a plan.
UNDATED = -(1 << 62)
#: Source, ad, start of the period, grain.
ReportKey = tuple[str, str | None, int, int]
Version = tuple[int, int, int]
#: Impressions, clicks and spend.
_Sums = tuple[int, int, int]
#: The longest periods that are taken for hours, for days and for weeks; what is longer is taken for months.
_GRAINS = (HOUR, 3 * DAY, 10 * DAY)
#: Of versions that end within the same part of a period only the highest is remembered; by grain, in UTC.
_PARTS = (5 * MINUTE, 30 * MINUTE, 4 * HOUR, DAY)


class Report(NamedTuple):
    """One report as kept; ``version`` is (reported_at, offset, partition), the highest replaces.

    ``covered_end`` is the instant up to which the platform had seen the period; None: all of the period.
    """

    source: str
    ad_id: str | None
    period_start: int
    period_end: int
    version: Version
    impressions: int
    clicks: int
    spend_micros: int
    conversions_micros: int
    covered_end: int | None = None

    @property
    def key(self) -> ReportKey:
        """What the report is about; a later one about the same replaces the report."""
        return self.source, self.ad_id, self.period_start, self.grain

    @property
    def grain(self) -> int:
        """0 for hours, then days, weeks and months. A later report of one start and grain replaces the report, whatever its end."""
        return bisect_left(_GRAINS, self.period_end - self.period_start)

    @property
    def end(self) -> int:
        """The end of what the report covers."""
        return self.period_end if self.covered_end is None else self.covered_end

    @property
    def is_short(self) -> bool:
        """Whether the period is up to an hour, so that the report counts in ``1h`` windows too."""
        return self.grain == 0


def covered_end(start: int, end: int, seen_until: int | None) -> int | None:
    """The instant up to which a report of [start, end) covers its period; None: all of the period.

    Args:
        start: of the period.
        end: of the period.
        seen_until: what the platform can have seen when it made the report; None where that is not known.

    >>> covered_end(0, 24, 8), covered_end(0, 24, 30), covered_end(0, 24, None)
    (8, None, None)
    >>> covered_end(0, 24, 0)  # a figure before its period has begun: a plan, spread over all of it
    """
    return seen_until if seen_until is not None and start < seen_until < end else None


class ReportShare(NamedTuple):
    """The cost figures of a window that come from reports.

    ``spread_micros`` is the part of the spend that is an estimate: money of a longer time than the window shows, taken to lie
    evenly in that time. ``uncertain`` counts the parts of reports whose spend has no rate.
    """

    impressions: int = 0
    clicks: int = 0
    spend_micros: int = 0
    spread_micros: int = 0
    uncertain: int = 0


class Snapshot(NamedTuple):
    """What an earlier version of a report said of [period_start, at)."""

    version: Version
    at: int
    impressions: int
    clicks: int
    spend_micros: int


def part_of(report: Report, at: int) -> int:
    """The part of a report's period that ends with an instant, or holds the instant's last millisecond.

    Parts divide the windows that a report of the grain counts in: what ends in one part has ended in one window.
    """
    return (at - 1) // _PARTS[report.grain]


def end_of_part(report: Report, at: int) -> int:
    """The end of that part."""
    return (part_of(report, at) + 1) * _PARTS[report.grain]


def last_end(report: Report, snapshots: Iterable[Snapshot]) -> int:
    """The instant up to which the report or an earlier version of it tells what was spent."""
    return max((each.at for each in _behind(report, snapshots)), default=report.end)


def counts(report: Report, snapshot: Snapshot) -> bool:
    """Whether what an earlier version said counts beside the newest one.

    A version that was made before its period began is a plan, and counts until the first report of the period.
    """
    at, made_at = snapshot.at, snapshot.version[0]
    return at < report.end or made_at >= at or UNDATED < made_at < MIN_INSTANT


def snapshot_of(report: Report) -> Snapshot:
    """What is remembered of a report when a later version replaces the report."""
    return Snapshot(report.version, report.end, report.impressions, report.clicks, report.spend_micros)


def share_of(
    report: Report, snapshots: Sequence[Snapshot], clip: Interval, window: Interval, uncertain: int = 0
) -> ReportShare:
    """What of a report counts in a window.

    Between two instants of which a version of the report is known, money is taken to lie evenly:
    F(t) = ⌊v · (t − start) / (end − start)⌋ for each of these pieces, so the shares of adjoining windows add up exactly.
    Behind the end of the newest version counts what earlier ones that reach further say beyond it, as an estimate.

    Args:
        report: the newest version.
        snapshots: earlier versions, in order of time.
        clip: the instants at which the report counts, up to ``last_end``.
        window: the window, [start, end).
        uncertain: 1 where the spend has no rate.
    """
    low, high = max(clip[0], window[0], report.period_start), min(clip[1], window[1])
    if low >= high:
        return ReportShare()
    if (low, high) == (report.period_start, report.end):
        return ReportShare(report.impressions, report.clicks, report.spend_micros, 0, uncertain)
    found = [0, 0, 0]
    spread = 0
    for (since, before), (until, after) in pairwise(_curve(report, snapshots)):
        if until <= low or since >= high:
            continue
        start, end = max(since, low), min(until, high)
        for place in range(3):
            added = after[place] - before[place]
            part = accrued(added, since, until, end) - accrued(added, since, until, start)
            found[place] += part
            if place == _SPEND and ((start, end) != (since, until) or since >= report.end):
                spread += part
    impressions, clicks, spend = found
    return ReportShare(impressions, clicks, spend, spread, uncertain)


def add_up(shares: Iterable[ReportShare]) -> ReportShare:
    """The sum of shares."""
    impressions = clicks = spend = spread = uncertain = 0
    for each in shares:
        impressions += each.impressions
        clicks += each.clicks
        spend += each.spend_micros
        spread += each.spread_micros
        uncertain += each.uncertain
    return ReportShare(impressions, clicks, spend, spread, uncertain)


def _curve(report: Report, snapshots: Sequence[Snapshot]) -> list[tuple[int, _Sums]]:
    """Instants in order, and the impressions, clicks and spend that had come by each of them.

    What a later version has taken back is taken from the latest money first, so that a curve never falls. An earlier version
    that reaches further than the newest says how much had come by its end; what that is more is the money of the time between.
    """
    points = [(report.end, _sums(report))]
    for each in reversed(snapshots):
        at, least = points[-1]
        if report.period_start < each.at < at:
            points.append((each.at, _lesser(_sums(each), least)))
    points.append((report.period_start, (0, 0, 0)))
    points.reverse()
    for each in sorted(_behind(report, snapshots), reverse=True):  # the newest first
        place = bisect_left(points, (each.at,))
        values = _greater(_sums(each), points[place - 1][1])
        points.insert(place, (each.at, values if place == len(points) else _lesser(values, points[place][1])))
    return points


def _behind(report: Report, snapshots: Iterable[Snapshot]) -> list[Snapshot]:
    """What counts of earlier versions that reach further than the newest."""
    return [each for each in snapshots if each.at > report.end and counts(report, each)]


def _sums(version: Report | Snapshot) -> _Sums:
    return version.impressions, version.clicks, version.spend_micros


def _lesser(one: _Sums, other: _Sums) -> _Sums:
    return min(one[0], other[0]), min(one[1], other[1]), min(one[2], other[2])


def _greater(one: _Sums, other: _Sums) -> _Sums:
    return max(one[0], other[0]), max(one[1], other[1]), max(one[2], other[2])

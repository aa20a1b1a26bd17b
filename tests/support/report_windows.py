"""What windows take of the reports of a campaign, and where a version of a report may change it."""

from collections.abc import Iterable
from typing import Any

from metrics.entities.report_history import ReportHistory
from metrics.entities.report_overlaps import ReportRules
from metrics.entities.reports import Report
from metrics.values.time import DAY, HOUR


def taken(kept: ReportHistory) -> tuple[Any, ...]:
    """All that windows take: days, hours as short reports have them, the total, and what overlaps."""
    days = [kept.share(day * DAY, (day + 1) * DAY, short_only=False) for day in range(10)]
    hours = [kept.share(hour * HOUR, (hour + 1) * HOUR, short_only=True) for hour in range(54)]
    return days, hours, kept.total, kept.overlap


def put_back(kept: ReportHistory) -> ReportHistory:
    """What is read back of what is stored."""
    restored = ReportHistory(kept.rules)
    for key, report in kept.reports.items():
        restored.restore(report, kept.snapshots(key))
    for key, report in kept.reports.items():
        if stated := kept.stated(key):
            assert restored.restore_stated(key, report.version, stated)
    return restored


def assert_changes_are_touched(rules: ReportRules, versions: Iterable[tuple[Report, int]]) -> None:
    """Each version changes windows only where it is said to touch them.

    Args:
        rules: of the reports.
        versions: with the figures that each leaves out.
    """
    kept = ReportHistory(rules)
    before = taken(kept)
    for report, omitted in versions:
        has_changed, after = kept.put(report, None, omitted), taken(kept)
        for short_only, width in ((False, DAY), (True, HOUR)):
            start, end = kept.touched_by(report, short_only=short_only)
            for place, (old, new) in enumerate(zip(before[short_only], after[short_only], strict=True)):
                touched = start < (place + 1) * width and end > place * width
                assert old == new or (has_changed and touched)
        before = after

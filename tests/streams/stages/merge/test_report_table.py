"""The table of reports: what a changelog holds of them, also from before keys told the grain."""

from zoneinfo import ZoneInfo

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.reports import Report
from metrics.values.time import DAY, HOUR
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.stages.merge.tables import ReportTable
from streams.state.codec import encode, state_key

OPTIONS = MergeOptions(1, 60_000, 1_000, ZoneInfo("UTC"), "EUR")


def table():
    stage = MergeStage(0, OPTIONS, CampaignRegistry("EUR"), Pace.of(5_000))
    return stage, next(each for each in stage.tables if isinstance(each, ReportTable))


def test_a_record_from_before_keys_told_the_grain_is_read_and_written_anew():
    stage, reports = table()
    report = Report("ads", None, 0, DAY, (5, 7, 0), 1, 2, 3, 0)
    key = state_key("r", "c", "ads", None, 0)
    value = encode((4, tuple(report)[:9], {2 * DAY}))
    assert reports.restore([(key, value)], 4) == [key]
    assert stage.merged_windows["c"].report_history.total.spend_micros == 3
    ((written, _),) = reports.take_changes(5)
    assert written == state_key("r", "c", *report.key)


def test_what_is_written_is_read_back_with_what_earlier_versions_had_seen():
    stage, reports = table()
    early = Report("ads", None, 0, DAY, (8 * HOUR, 1, 0), 0, 0, 100, 0, 8 * HOUR)
    late = Report("ads", None, 0, DAY, (2 * DAY, 2, 0), 0, 0, 220, 0)
    history = stage.merged_windows.reports_of(stage.campaign_codes.campaign("c"))
    for each in (early, late):
        history.put(each)
    reports.changed.add(("c", late.key))
    entries = reports.take_changes(1)
    other, restored = table()
    assert restored.restore(entries, 1) == []
    found = other.merged_windows["c"].report_history
    assert found.share(0, 8 * HOUR, short_only=False).spend_micros == 100
    assert found.total == history.total


def test_what_an_unpublished_report_decides_of_is_published_after_a_restart_whatever_is_read_back_first():
    days = [Report("ads", None, day * DAY, (day + 1) * DAY, (9, day, 0), 0, 0, 10, 0) for day in range(7)]
    week = Report("ads", None, 0, 7 * DAY, (9, 9, 0), 0, 0, 140, 0)
    entries = [
        (state_key("r", "c", *each.key), encode((sequence, each, ())))
        for sequence, each in ((5, days[6]), *((1, day) for day in days[:6]), (1, week))
    ]
    stage, reports = table()
    reports.restore(entries, 4)
    waiting = {(window, start) for window, start, _ in stage.schedule.take(1 << 60)}
    assert waiting >= {("1d", day * DAY) for day in range(7)}

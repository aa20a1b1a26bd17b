"""Reports travel in bundles that merge takes in without holding the event loop for long."""

from hypothesis import given
from hypothesis import strategies as st

from metrics.entities.reports import Report
from metrics.values.time import DAY, HOUR
from streams.messages.partials import bundles

_DAYS = st.sampled_from([0.04, 1, 7, 31, 365, 3_653])


def _report(number: int, days: float) -> tuple[str, Report]:
    return "c", Report("s", None, 0, max(HOUR, int(days * DAY)), (number, 0, 0), 1, 1, 1, 0)


@given(st.lists(_DAYS, max_size=60))
def test_every_report_travels_once_and_no_bundle_covers_too_many_days(days: list[float]) -> None:
    reports = [_report(number, each) for number, each in enumerate(days)]
    made = list(bundles(0, 1, 1, [], reports, {report.version: None for _, report in reports}))  # type: ignore[misc]
    assert [each for bundle in made for each in bundle.reports] == reports
    for bundle in made:
        assert list(bundle.spent) == list(range(len(bundle.reports)))
        covered = sum(report.end // (HOUR if report.is_short else DAY) + 1 for _, report in bundle.reports)
        assert covered <= 5_000


def test_many_short_reports_share_bundles() -> None:
    made = list(bundles(0, 1, 1, [], [_report(number, 0.04) for number in range(9_000)]))
    assert [len(bundle.reports) for bundle in made] == [2_500, 2_500, 2_500, 1_500]

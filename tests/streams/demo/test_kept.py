"""A world that is kept goes on: the same campaigns, other people, nothing twice."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from metrics.values.errors import RoistreamError
from metrics.values.time import HOUR, MINUTE
from streams import topics
from streams.demo.kept import Beginning, begin_or_resume
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld

NOW = 1_795_000_000_000
ID_FIELDS = ("event_id", "lead_id", "order_id", "report_id")


def wanted(now_ms: int = NOW, rate: float = 20.0, **clock: float) -> Beginning:
    return Beginning(7, 8, rate, SimulatedClock.starting(now_ms, **clock))


def test_the_first_run_begins_and_the_next_goes_on_where_time_has_got_to(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    first = wanted()
    assert begin_or_resume(folder, first, NOW) == (first.clock, None)
    later = NOW + 3 * HOUR
    assert begin_or_resume(folder, wanted(later), later) == (first.clock, later)


def test_a_time_lapse_goes_on_behind_real_time(tmp_path: Path) -> None:
    first = wanted(lapse_seconds=100, factor=60)
    begin_or_resume(tmp_path, first, NOW)
    _, resumes_ms = begin_or_resume(tmp_path, wanted(), NOW + 50_000)
    assert resumes_ms == first.clock.simulated(NOW + 50_000) < NOW


def test_without_a_folder_every_world_begins() -> None:
    assert begin_or_resume(None, wanted(), NOW) == (wanted().clock, None)


def test_another_world_in_the_folder_is_refused_with_the_options_of_its_own(tmp_path: Path) -> None:
    begin_or_resume(tmp_path, wanted(), NOW)
    with pytest.raises(RoistreamError, match="--seed 7 --campaigns 8 --rate 20; ask for the same"):
        begin_or_resume(tmp_path, wanted(rate=5), NOW)


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text("{")
    with pytest.raises(RoistreamError, match=r"world\.json cannot be read"):
        begin_or_resume(tmp_path, wanted(), NOW)


@pytest.mark.slow
def test_a_resumed_world_has_the_same_campaigns_and_no_id_of_before() -> None:
    clock = SimulatedClock.starting(NOW)
    before, after = DemoWorld(7, 8, 20.0, clock), DemoWorld(7, 8, 20.0, clock, resumes_ms=NOW + HOUR)
    assert before.registrations() == after.registrations()
    first, second = list(before.advance(NOW + HOUR // 2)), list(after.advance(NOW + HOUR + HOUR // 2))
    assert len(second) > 1_000
    clicks = [arrival.occurred_at_ms for arrival in second if arrival.topic == topics.CLICKS]
    assert min(clicks) >= NOW + HOUR
    for name in ID_FIELDS:
        assert not _values(first, name) & _values(second, name), name


@pytest.mark.slow
def test_reports_of_a_resumed_world_cover_nothing_of_before() -> None:
    clock = SimulatedClock.starting(NOW)
    resumes = NOW + HOUR + HOUR // 3
    world = DemoWorld(7, 8, 20.0, clock, resumes_ms=resumes)
    reports = [each.record for each in world.advance(resumes + 2 * HOUR) if each.topic == topics.REPORTS]
    periods = {(report["period_start"], report["period_end"]) for report in reports if not report.get("_cut")}
    starts = {datetime.fromisoformat(start) for start, _ in periods}
    assert min(starts) == datetime.fromtimestamp(resumes / 1_000, UTC)
    assert len(starts) == 3
    assert all(datetime.fromisoformat(start) < datetime.fromisoformat(end) for start, end in periods)


def _values(arrivals: list, name: str) -> set:
    return {arrival.record[name] for arrival in arrivals if arrival.record.get(name)}


def test_a_resumed_world_counts_earlier_budgets_as_spent_and_gives_each_campaign_one_more() -> None:
    world = DemoWorld(7, 8, 20.0, SimulatedClock.starting(NOW), resumes_ms=NOW + HOUR)
    campaign = world.profiles[0].campaign_id
    one = world.platform.accounts[campaign].opening
    world.take_up({campaign: 3 * one, "of another world": one})
    account = world.platform.accounts[campaign]
    assert account.opening == account.budget == 4 * one
    assert world.platform.level(campaign) == 1.0
    (registered,) = [a.record for a in world.registrations() if a.key == campaign]
    assert registered["budget"] == str(4 * one)
    assert not [a for a in world.advance(NOW + HOUR + MINUTE) if a.topic == topics.CAMPAIGNS]

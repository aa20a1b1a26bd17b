"""Crashes at chosen moments: what they once lost, drawn as timelines. All times are milliseconds of event time.

A checkpoint is: append ── outputs ── confirmation. The mark ✗ says where its owner dies.
"""

from collections import Counter

import pytest

from metrics.entities.reports import Report
from metrics.records.events import Campaign
from metrics.values.time import DAY, HOUR, MINUTE
from metrics.windows import open_windows
from streams import topics
from streams.state.codec import kind_of
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine

T0 = 1_794_960_000_000  # midnight UTC


def click(machine, event_id, at, campaign="c", **fields):
    machine.produce(
        topics.CLICKS, "v", {"event_id": event_id, "occurred_at": at, "campaign_id": campaign, **fields}
    )


def hear_clicks_only(machine):
    machine.be_idle(lambda topic, _p: topic != topics.CLICKS)


def clicks_of(machine, window, start, campaign="c"):
    text = None if start is None else f"2026-11-18T{start}:00Z"
    return machine.last()[campaign, window, text]["sums"]["clicks"]


def test_a_value_unsent_at_a_crash_is_sent_though_no_fact_can_reach_its_pane_any_more():
    # clicks  a@00:00 ─── b@09:00 in one slice: the minute of a is expired before it was ever sent
    # append ✗ outputs
    machine = Machine(1)
    click(machine, "a", T0)
    click(machine, "b", T0 + 9 * HOUR)
    hear_clicks_only(machine)
    machine.read(topics.CLICKS, 0, 10)
    machine.checkpoint(INTAKE, 0, crash=0)
    machine.settle()
    assert clicks_of(machine, "1m", "00:00") == 1


@pytest.mark.parametrize("crash", [0, 1, BEFORE_CONFIRM])
def test_a_final_lost_at_a_crash_is_published_though_its_pane_had_expired(crash):
    # bundle  a@00:00 ... watermark 09:00: the window closes and its pane expires in one checkpoint
    machine = Machine(1)
    click(machine, "a", T0)
    click(machine, "b", T0 + 9 * HOUR)
    hear_clicks_only(machine)
    machine.run()
    machine = _with_fresh_merge(machine)
    machine.follow(0, 100)
    machine.checkpoint(MERGE, 0, crash=crash)
    machine.settle()
    reading = machine.last()["c", "1m", "2026-11-18T00:00:00Z"]
    assert (reading["stage"] in ("final", "correction"), reading["sums"]["clicks"]) == (True, 1)


@pytest.mark.parametrize("crash", [None, 0, 2, BEFORE_CONFIRM])
def test_a_leap_of_the_watermark_closes_its_windows_over_several_checkpoints(monkeypatch, crash):
    # clicks  2 campaigns in each of 10 minutes, read while the other topics hold the watermark; then they fall idle
    monkeypatch.setattr(open_windows, "MAX_CLOSED_AT_ONCE", 6)
    machine = Machine(1)
    for minute in range(10):
        for campaign in ("c", "d"):
            click(machine, f"{minute}{campaign}", T0 + minute * MINUTE, campaign)
    click(machine, "last", T0 + HOUR, "e")
    machine.read(topics.CLICKS, 0, 100)
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 100)
    machine.checkpoint(MERGE, 0)
    hear_clicks_only(machine)
    machine.now += 5_000
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 100)
    checkpoints = 0
    while machine.stages[MERGE, 0].is_dirty and checkpoints < 20:
        machine.checkpoint(MERGE, 0, crash=crash if checkpoints == 1 else None)
        machine.now += 20_000
        checkpoints += 1
    finals = Counter(record["revision"] for record in machine.kpis if record["stage"] == "final")
    assert max(finals.values()) <= 6
    assert {r["stage"] for key, r in machine.last().items() if key[1] == "1m" and key[0] != "e"} == {"final"}


def _with_fresh_merge(machine):
    """The same logs before merge ever read them."""
    machine.changelogs.pop((MERGE, 0))
    machine.kpis.clear()
    machine.open(MERGE, 0)
    return machine


def test_a_crash_during_the_claiming_checkpoint_keeps_what_was_unpublished():
    machine = Machine(1)
    click(machine, "a", T0)
    machine.read(topics.CLICKS, 0, 10)
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 10)
    machine.checkpoint(MERGE, 0, crash=0)  # its successor claims and publishes
    kept = list(machine.kpis)
    assert kept
    machine.kpis.clear()
    # The same, but the successor dies between its append and its outputs as well.
    again = Machine(1)
    click(again, "a", T0)
    again.read(topics.CLICKS, 0, 10)
    again.checkpoint(INTAKE, 0)
    again.follow(0, 10)
    made = again.stages[MERGE, 0].checkpoint(again.now)
    again.changelogs[MERGE, 0].update(made.entries)
    again.open(MERGE, 0, crash=0)
    assert [reading["sums"] for reading in again.kpis] == [reading["sums"] for reading in kept]


def test_a_restored_merge_refuses_what_it_refused_before_the_crash():
    # a@00:00 and b@09:00 merged, the minute of a dropped; restart; then a late bundle for 00:00
    machine = Machine(1)
    click(machine, "a", T0)
    click(machine, "b", T0 + 9 * HOUR)
    hear_clicks_only(machine)
    machine.run()
    machine.settle()
    machine.open(MERGE, 0)
    merge = machine.merge(0)
    assert merge.limits.minutes_from == T0 + 7 * HOUR
    assert ("c", 0, T0) not in {("c", r, s) for r in (0,) for s in merge.merged_windows["c"].starts(r)}


def report(machine, report_id, start, end, **fields):
    value = {"report_id": report_id, "source": "s", "campaign_id": "c", "period_start": start}
    machine.produce(topics.REPORTS, "c", {**value, "period_end": end, **fields})


def test_a_window_that_only_a_report_opened_becomes_final_after_a_restart():
    # report [00:00, 00:30) ─── restart ─── watermark passes 01:00 by an event of another campaign
    machine = Machine(1)
    report(machine, "r", T0, T0 + HOUR // 2, clicks=10)
    machine.settle()
    click(machine, "w", T0, campaign="other")  # one more checkpoint: the report's is confirmed
    machine.settle()
    machine.open(MERGE, 0)
    click(machine, "x", T0 + 5 * HOUR, campaign="other")
    machine.settle()
    assert machine.last()["c", "1h", "2026-11-18T00:00:00Z"]["stage"] == "final"


def test_a_shorter_replacement_lowers_the_days_it_left_though_its_owner_dies():
    # r1 covers two days; r2 replaces it with the first day only: append ✗ outputs
    machine = Machine(1)
    machine.campaign_registry.register("c", _reported())
    report(machine, "r1", T0, T0 + 2 * DAY, clicks=10, reported_at=1)
    machine.settle()
    assert machine.last()["c", "1d", "2026-11-19T00:00:00Z"]["sums"]["clicks"] == 5
    report(machine, "r2", T0, T0 + DAY, clicks=10, reported_at=2)
    machine.read(topics.REPORTS, 0, 10)
    machine.checkpoint(INTAKE, 0)
    machine.follow(0, 10)
    machine.checkpoint(MERGE, 0, crash=0)
    machine.settle()
    assert machine.last()["c", "1d", "2026-11-18T00:00:00Z"]["sums"]["clicks"] == 10
    assert machine.last()["c", "1d", "2026-11-19T00:00:00Z"]["sums"]["clicks"] == 0


def _figures(machine):
    sums = machine.last()["c", "total", None]["sums"]
    return sums["impressions"], sums["clicks"], sums["spend_micros"]


def _assert_known(machine, stage, crash, known):
    """Read what has come while the owner of a stage dies; the figures are as they should be, also of who opens merge anew."""
    machine.read(topics.REPORTS, 0, 10)
    if stage == INTAKE:
        machine.checkpoint(INTAKE, 0, crash=crash)
    else:
        machine.checkpoint(INTAKE, 0)
        machine.follow(0, 10)
        machine.checkpoint(MERGE, 0, crash=crash)
    machine.settle()
    assert _figures(machine) == known
    machine.open(MERGE, 0)
    machine.settle()
    assert _figures(machine) == known


@pytest.mark.parametrize("crash", [BEFORE_APPEND, 0, 1, BEFORE_CONFIRM])
@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_figures_that_a_restatement_leaves_out_are_kept_whenever_an_owner_dies(stage, crash):
    # r2 tells spend alone; then r1, which is older and tells all, and r3, which tells clicks alone
    machine = Machine(1)
    machine.campaign_registry.register("c", _reported())
    told = {
        "r2": {"spend": 12, "reported_at": T0 + 2 * DAY},
        "r1": {"spend": 10, "clicks": 3, "impressions": 1_000, "reported_at": T0 + DAY},
        "r3": {"clicks": 4, "reported_at": T0 + 3 * DAY},
    }
    expected = [(0, 0, 12_000_000), (1_000, 3, 12_000_000), (1_000, 4, 12_000_000)]
    for (name, figures), known in zip(told.items(), expected, strict=True):
        report(machine, name, T0, T0 + DAY, **figures)
        _assert_known(machine, stage, crash, known)
    assert kinds(machine, "rf") == 1


@pytest.mark.parametrize("crash", [BEFORE_APPEND, 0, 1, BEFORE_CONFIRM])
@pytest.mark.parametrize("stage", [INTAKE, MERGE])
def test_what_hours_leave_out_is_taken_from_the_report_over_them_whenever_an_owner_dies(stage, crash):
    machine = Machine(1)
    machine.campaign_registry.register("c", _reported())
    whole = {"spend": 12, "clicks": 4, "impressions": 1_000}
    told = [
        (T0, T0 + HOUR, {"spend": 5}),
        (T0 + HOUR, T0 + 2 * HOUR, {"spend": 6}),
        (T0, T0 + 2 * HOUR, whole),
    ]
    expected = [(0, 0, 5_000_000), (0, 0, 11_000_000), (1_000, 4, 11_000_000)]
    for number, ((start, end, figures), known) in enumerate(zip(told, expected, strict=True)):
        report(machine, f"r{number}", start, end, reported_at=T0 + DAY, **figures)
        _assert_known(machine, stage, crash, known)


def test_when_a_report_tells_all_again_nothing_more_is_kept_of_what_was_left_out():
    machine = Machine(1)
    report(machine, "r1", T0, T0 + DAY, spend=10, reported_at=T0 + DAY)
    machine.settle()
    assert kinds(machine, "rf") == 1
    report(machine, "r2", T0, T0 + DAY, spend=10, clicks=1, impressions=1, reported_at=T0 + 2 * DAY)
    machine.settle()
    assert kinds(machine, "rf") == 0
    report(machine, "r3", T0 + DAY, T0 + 2 * DAY, spend=10, clicks=1, impressions=1, reported_at=T0 + 2 * DAY)
    machine.settle()
    assert kinds(machine, "rf") == 0


def kinds(machine, kind):
    """How many records of a kind the changelog of merge has."""
    return sum(
        kind_of(key) == kind for key, value in machine.changelogs[MERGE, 0].items() if value is not None
    )


def _reported():
    return Campaign("c", cost_basis="reports")


def test_sums_beyond_64_bits_are_kept_sent_and_published_exactly():
    # 20 clicks of just under 10^12 EUR: 2 * 10^19 micros
    machine = Machine(1)
    for n in range(20):
        click(machine, f"e{n}", T0, cost="999999999999.999999")
        machine.produce(
            topics.ORDERS,
            "v",
            {"event_id": f"o{n}", "order_id": "o", "kind": "refunded", "occurred_at": T0, "campaign_id": "c"}
            | {"revenue": "999999999999.999999"},
        )
    machine.run()
    machine.checkpoint(INTAKE, 0, crash=0)
    machine.checkpoint(MERGE, 0, crash=0)
    machine.settle()
    sums = machine.last()["c", "total", None]["sums"]
    assert sums["spend_micros"] == sums["refunds_micros"] == 20 * (10**18 - 1)


def test_a_campaign_first_heard_of_between_two_slides_has_its_rolling_windows_at_once():
    # a@00:00:10 slides the windows; then another campaign's b@00:00:20 in the same minute
    machine = Machine(1)
    click(machine, "a", T0 + 10_000)
    hear_clicks_only(machine)
    machine.run()
    machine.tick(10_000)
    click(machine, "b", T0 + 20_000, campaign="new")
    machine.run()
    machine.tick(10_000)
    views = machine.views.declared["new"]
    assert {name: view.sums.clicks for name, view in views.items()} == dict.fromkeys(
        ("5m", "1h", "24h", "7d", "today", "total"), 1
    )


def test_outdated_reports_change_nothing():
    machine = Machine(1)
    machine.campaign_registry.register("c", _reported())
    report(machine, "r2", T0, T0 + DAY, clicks=7, reported_at=T0 + MINUTE)
    report(machine, "r1", T0, T0 + DAY, clicks=9, reported_at=T0)
    machine.settle()
    assert clicks_of(machine, "total", None) == 7
    assert isinstance(
        next(iter(machine.merge(0).merged_windows["c"].report_history.reports.values())), Report
    )


def test_what_a_dead_owner_had_in_flight_is_ignored_when_it_arrives_late():
    # owner 1: a=1 ✗ outputs in flight ─── owner 2: a+b=2 sent ─── the 1 of owner 1 arrives
    machine = Machine(1)
    click(machine, "a", T0)
    machine.read(topics.CLICKS, 0, 10)
    machine.checkpoint(INTAKE, 0, crash=0)
    click(machine, "b", T0)
    machine.settle()
    assert clicks_of(machine, "total", None) == 2
    machine.deliver_late()
    machine.settle()
    assert clicks_of(machine, "total", None) == 2

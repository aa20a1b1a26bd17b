"""Laws of roll-ups: whatever happens on the way, a roll-up's window is the sum of its campaigns' readings of it."""

from contextlib import contextmanager
from unittest.mock import patch

import msgspec
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from metrics.records.events import Campaign
from metrics.values.time import DAY, HOUR, MINUTE
from streams import topics
from streams.stages.merge import rollup_parts, rollups
from tests.laws.facts import T0, Fact, campaign_registry, streams_of_facts
from tests.laws.machine import BEFORE_CONFIRM, MERGE, Machine
from tests.laws.test_pipeline_laws import APPENDED, drive, machine_with, wild_steps
from tests.support.examples import examples

bounded = examples(0.5, HealthCheck.too_slow, HealthCheck.data_too_large)
MODELS = ("linear", "last_touch")
channels = st.sampled_from([None, "search", "social"])
registrations = st.tuples(
    st.sampled_from(["c0", "c2"]), channels, st.sampled_from([None, "spring"]), st.booleans()
)


def register(machine: Machine, campaign: str, channel=None, offer=None, is_archived=False) -> None:
    record = Campaign(campaign, channel=channel, offer=offer)
    machine.campaign_registry.register(campaign, None if is_archived else record)
    for p in range(machine.partitions):
        machine.merge(p).refresh(campaign)


def groups_of(machine: Machine) -> dict[str, dict[str, str]]:
    """The value of each dimension by campaign, as the stages know it."""
    found: dict[str, dict[str, str]] = {}
    for p in range(machine.partitions):
        for campaign, groups in machine.merge(p).parts.groups.items():
            found[campaign] = {group.dimension: group.value for group in groups}
    return found


def expected(machine: Machine) -> dict:
    """Sums of the last readings of the campaigns of each roll-up; counts in millionths."""
    groups, sums = groups_of(machine), {}
    last: dict = {}
    for reading in (*machine.kpis, *machine.credited):
        key = reading["campaign_id"], reading["model"], reading["window"], reading["window_start"]
        if key not in last or reading["revision"] > last[key]["revision"]:
            last[key] = reading
    for (campaign, model, window, start), reading in last.items():
        for dimension, value in groups[campaign].items():
            add(sums.setdefault((dimension, value, model, window, start), {"campaigns": 0}), reading, 1)
    return sums


def add(into: dict, reading: dict, campaigns: int) -> None:
    """Add sums; what any of them has of uncertain amounts, their sum has."""
    sums = reading["sums"]
    into["campaigns"] += campaigns
    into["is_uncertain"] = into.get("is_uncertain", False) or reading["has_uncertain_amounts"]
    for name, value in sums.items():
        known, new = into.get(name, 0), None if value is None else round(value * 1_000_000)
        into[name] = None if known is None or new is None else known + new


def said(sums: dict) -> dict:
    """Without the windows in which nothing is counted, and how many campaigns say so."""
    found = {}
    for key, each in sums.items():
        counted = {name: value for name, value in each.items() if name != "campaigns"}
        if any(counted.values()):
            found[key] = counted
    return found


def rolled_up(machine: Machine) -> dict:
    last: dict = {}
    for reading in machine.rolled_up:
        key = tuple(reading[name] for name in ("dimension", "value", "model", "window", "window_start"))
        if key not in last or reading["revision"] > last[key]["revision"]:
            last[key] = reading
    found: dict = {}
    for key, reading in last.items():
        if reading["campaigns"]:
            found[key] = {"campaigns": 0}
            add(found[key], reading, reading["campaigns"])
    return found


T1 = T0 + MINUTE
#: A campaign that counts by its reports, and of which a minute holds zeros only: a refund of an order that is not known.
ZEROS = [
    Fact("ad-clicks", "v0", {"event_id": "e0", "occurred_at": T1, "campaign_id": "c2"}, is_valid=True),
    Fact(
        "orders",
        "v0",
        {
            "event_id": "e1",
            "occurred_at": T1,
            "order_id": "o",
            "kind": "refunded",
            "campaign_id": "c1",
            "visitor_id": "v0",
            "revenue": "0",
            "currency": None,
        },
        is_valid=True,
    ),
]
#: A report of some minutes is replaced by one of more than an hour: the hour has been told, and knows no spend any more.
LONGER = [
    Fact(
        "leads", "v0", {"event_id": "e0", "occurred_at": T0, "lead_id": "l0", "stage": "lead"}, is_valid=True
    ),
    *(
        Fact(
            "ad-reports",
            "c1",
            {
                "report_id": f"r{length}",
                "source": "b",
                "campaign_id": "c1",
                "period_start": T0,
                "period_end": T0 + length,
                "clicks": 0,
                "spend": "0",
            },
            is_valid=True,
        )
        for length in (7 * MINUTE, HOUR + 1)
    ),
]


@contextmanager
def at_once(most):
    """One checkpoint marks, tells and reads so much of roll-ups."""
    with (
        patch.object(rollup_parts, "_MOST_MARKED", most),
        patch.object(rollup_parts, "_MOST_SUMMED", most),
        patch.object(rollups, "_MOST_READ", most),
    ):
        yield


@bounded
@given(
    streams_of_facts(),
    st.lists(st.tuples(st.lists(wild_steps, max_size=12), registrations), max_size=4),
    st.sampled_from([1, 5, 5_000]),
)
@example(ZEROS, [], 5_000)
@example(LONGER, [], 5_000)
def test_after_any_crashes_and_registrations_a_roll_up_is_the_sum_of_its_campaigns(facts, phases, most):
    """Also where one checkpoint tells little of what has changed."""
    machine = machine_with(facts, models=MODELS)
    register(machine, "c0", "search", "spring")
    with at_once(most):
        for steps, registration in phases:
            drive(machine, steps)
            register(machine, *registration)
        machine.settle()
    assert said(rolled_up(machine)) == said(expected(machine))
    finals = {
        tuple(reading[name] for name in ("dimension", "value", "model", "window", "window_start"))
        for reading in machine.rolled_up
        if reading["stage"] == "final"
    }
    assert all(key[3] != "total" for key in finals)


def click(machine, n, at, campaign, appended=APPENDED):
    record = {"event_id": f"e{n}", "occurred_at": at, "campaign_id": campaign, "cost": "1"}
    machine.produce(topics.CLICKS, f"v{n}", record, appended)


def values(machine, dimension="channel", window="total"):
    return {
        key[1]: sums["clicks"] // 1_000_000
        for key, sums in rolled_up(machine).items()
        if key[0] == dimension and key[3] == window
    }


def test_a_campaign_that_moves_to_another_channel_takes_all_that_is_kept_of_it_along_though_workers_die():
    machine = Machine(2, campaign_registry(), models=())
    for name, channel in (("a", "search"), ("b", "search"), ("d", "social")):
        register(machine, name, channel)
    for n, campaign in enumerate(("a", "b", "b", "d")):
        click(machine, n, T0 + n * MINUTE, campaign)
    click(machine, 9, T0 + 100 * MINUTE, "d")  # the first hour is final
    machine.settle()
    assert values(machine) == {"search": 3, "social": 2}
    register(machine, "b", "social")
    for p in range(2):
        machine.checkpoint(MERGE, p, crash=0)
    machine.settle()
    assert values(machine) == {"search": 1, "social": 4}
    assert rolled_up(machine) == expected(machine)
    hour = next(
        each
        for each in reversed(machine.rolled_up)
        if (each["value"], each["window"], each["window_start"]) == ("social", "1h", "2026-11-18T00:00:00Z")
    )
    assert (hour["stage"], hour["sums"]["clicks"], hour["campaigns"]) == ("correction", 3, 2)


def many_in(machine, channels, campaigns=40):
    """Campaigns with a click in a minute that is not final yet, by turns in some channels."""
    for n in range(campaigns):
        register(machine, f"x{n}", channels[n % len(channels)])
        click(machine, n, T0, f"x{n}")
    machine.settle()


def test_campaigns_that_all_move_are_told_in_bounded_parts_though_workers_die_and_they_move_on():
    machine = Machine(2, campaign_registry(), models=())
    many_in(machine, ["search", "social"])
    with at_once(10):
        for channel in ("tv", "radio"):
            for n in range(40):
                register(machine, f"x{n}", channel)
            told = len(machine.rolled_up)
            for p in range(2):
                machine.checkpoint(MERGE, p)
                assert machine.merge(p).parts.has_pending
                machine.open(MERGE, p)
            assert len(machine.rolled_up) - told < 40
        machine.settle()
    assert values(machine) == {"radio": 40}
    assert said(rolled_up(machine)) == said(expected(machine))


def days_at_once(machine, most):
    """Clicks of 20 campaigns over three days come at once; one checkpoint tells little of them. Readings of minutes of one roll-up."""
    with at_once(most):
        for n in range(20):
            register(machine, f"x{n}", "search")
        for n in range(240):
            click(machine, n, T0 + n % 72 * HOUR, f"x{n % 20}", T0 + 80 * HOUR)
        for n in range(240, 250):  # on every partition, so that all before is past
            click(machine, n, T0 + 80 * HOUR, "x0", T0 + 80 * HOUR)
        machine.be_idle(lambda topic, _p: topic != topics.CLICKS)
        machine.settle()
    return [each for each in machine.rolled_up if each["value"] == "search" and each["window"] == "1m"]


def test_a_roll_up_is_final_once_all_is_told_and_nothing_is_forgotten_before_it_is_told():
    """Windows become final far faster than they are told, and event time passes what is kept of them meanwhile."""
    slow = days_at_once(Machine(2, campaign_registry(), models=()), 3)
    fast = days_at_once(Machine(2, campaign_registry(), models=()), 5_000)
    assert {each["stage"] for each in slow} == {"update", "final"}
    told = [
        {
            each["window_start"]: (each["sums"]["clicks"], each["campaigns"])
            for each in some
            if each["stage"] == "final"
        }
        for some in (slow, fast)
    ]
    assert told[0] == told[1]
    assert len(told[0]) == 72
    assert sum(clicks for clicks, _ in told[0].values()) == 240


def told(records, window="1m"):
    """By the start of a window, stage and clicks of each reading of it."""
    found = {}
    for each in records:
        if each["window"] == window and each.get("dimension", "channel") == "channel":
            found.setdefault(each["window_start"][11:16], []).append((each["stage"], each["sums"]["clicks"]))
    return found


def with_grace(first, then):
    """Two windows of a minute and one later, a restart with another grace, late clicks in the two, and an hour that passes."""
    machine = Machine(1, campaign_registry(), models=(), grace=first)
    register(machine, "a", "search")

    def read():
        machine.run()
        machine.be_idle(lambda topic, _p: topic != topics.CLICKS)
        for _ in range(3):
            machine.tick()

    for n, minute in enumerate((0, 5, 20)):
        click(machine, n, T0 + minute * MINUTE, "a")
    read()
    machine.merge_options = msgspec.structs.replace(machine.merge_options, grace=then)
    machine.open(MERGE, 0)
    for n, minute in enumerate((0, 5)):
        click(machine, 3 + n, T0 + minute * MINUTE + 1, "a")
    read()
    click(machine, 5, T0 + 90 * MINUTE, "a")
    read()
    machine.settle()
    return told(machine.kpis), told(machine.rolled_up)


def test_what_is_final_stays_final_when_the_grace_becomes_longer():
    late = [("update", 1), ("final", 1), ("correction", 2)]
    for found in with_grace(MINUTE, 30 * MINUTE):
        assert found == {
            "00:00": late,
            "00:05": late,
            "00:20": [("update", 1), ("final", 1)],
            "01:30": [("update", 1)],
        }


def test_every_window_becomes_final_when_the_grace_becomes_shorter():
    for found in with_grace(30 * MINUTE, MINUTE):
        for start, clicks in (("00:00", 2), ("00:05", 2), ("00:20", 1)):
            finals = [each for each in found[start] if each[0] == "final"]
            assert len(finals) == 1
            assert found[start][-1] in (("final", clicks), ("correction", clicks))


def test_an_archived_campaign_stays_where_it_was_also_after_a_restart():
    machine = Machine(1, campaign_registry(), models=())
    register(machine, "a", "search")
    register(machine, "b", "social")
    click(machine, 1, T0, "a")
    machine.settle()
    register(machine, "a", is_archived=True)
    machine.campaign_registry.archived.clear()  # the tombstone is compacted away
    machine.open(MERGE, 0)
    click(machine, 2, T0, "a")
    machine.settle()
    assert values(machine) == {"search": 2}


def test_values_beyond_the_limit_count_together():
    machine = Machine(2, campaign_registry(), models=(), max_rollup_values=1)
    for n, channel in enumerate(("search", "search", "social", "tv", None)):
        register(machine, f"x{n}", channel)
        click(machine, n, T0, f"x{n}")
    machine.settle()
    assert values(machine) == {"search": 2, "(other)": 2, "(none)": 1}
    for n in (2, 3, 4):
        register(machine, f"x{n}", "tv")
    machine.settle()
    assert values(machine) == {"(other)": 2, "tv": 3}


def test_a_roll_up_has_the_ratios_of_its_sums_and_becomes_final_after_its_campaigns():
    machine = Machine(2, campaign_registry(), models=())
    register(machine, "a", "search")
    register(machine, "b", "search")
    for n in range(3):
        click(machine, n, T0, "a" if n else "b")
    machine.produce(
        topics.LEADS, "v1", {"event_id": "l", "occurred_at": T0, "lead_id": "l", "campaign_id": "a"}, APPENDED
    )
    click(machine, 9, T0 + 100 * MINUTE, "other")
    machine.be_idle(lambda topic, _p: topic != topics.CLICKS)
    machine.settle()
    minute = [each for each in machine.rolled_up if each["value"] == "search" and each["window"] == "1m"]
    assert minute[-1]["stage"] == "final"
    assert minute[-1]["kpis"]["cpl"] == 3.0
    assert minute[-1]["watermark"] == "2026-11-18T01:40:00Z"


def test_views_of_a_roll_up_slide_with_its_campaigns_and_are_offered_again_after_a_restart():
    machine = Machine(2, campaign_registry(), models=())
    register(machine, "a", "search")
    register(machine, "b", "search")
    click(machine, 1, T0, "a")
    click(machine, 2, T0 + 30 * MINUTE, "b")
    machine.settle()

    def views():
        return {
            window: reading.sums.clicks
            for p in range(2)
            for (group, _), each in machine.merge(p).rollups.latest.items()
            if group.value == "search"
            for window, reading in each.items()
        }

    shown = {"5m": 1, "1h": 2, "24h": 2, "7d": 2, "today": 2, "total": 2}
    assert views() == shown
    for p in range(2):
        machine.open(MERGE, p, crash=BEFORE_CONFIRM)
    machine.settle()
    assert views() == shown


def test_windows_of_roll_ups_are_forgotten_with_those_of_their_campaigns():
    machine = Machine(1, campaign_registry(), models=())
    register(machine, "a", "search")
    for day in range(40):
        click(machine, day, T0 + day * DAY, "a")
        machine.sources[topics.CLICKS, 0][-1] = machine.sources[topics.CLICKS, 0][-1]._replace(
            timestamp=T0 + day * DAY
        )
        machine.run()
        machine.be_idle(lambda topic, _p: topic != topics.CLICKS)
        machine.tick()
    machine.settle()
    kept = machine.merge(0).rollups.windows
    assert sum(key.window == "1d" for key in kept) <= 37
    assert sum(key.window == "1m" for key in kept) <= 2
    stored = [key for key, value in machine.changelogs[MERGE, 0].items() if value and key[1:3] == b"\xa1u"]
    assert len(stored) == len(kept)


def test_a_dimension_that_is_switched_off_leaves_the_changelog_and_one_that_is_switched_on_is_whole():
    machine = Machine(1, campaign_registry(), models=(), rollups=("channel",))
    register(machine, "a", "search", "spring")
    click(machine, 1, T0, "a")
    machine.settle()
    machine.merge_options = msgspec.structs.replace(machine.merge_options, rollups=("offer",))
    machine.open(MERGE, 0)
    machine.settle()
    assert values(machine, "offer") == {"spring": 1}
    stored = b"".join(key for key, value in machine.changelogs[MERGE, 0].items() if value)
    assert b"channel" not in stored

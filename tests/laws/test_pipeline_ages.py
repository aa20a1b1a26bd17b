"""Weeks of event time in seconds: windows close, panes expire, owners die, and nothing is lost or counted twice."""

from hypothesis import given
from hypothesis import strategies as st

from metrics.values.time import DAY, HOUR, MINUTE
from streams import topics
from tests.laws.facts import T0
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine
from tests.laws.test_pipeline_laws import check_finals, given_out
from tests.support.examples import examples
from tests.support.oracles import stream

bounded = examples(0.6)
PARTITIONS = 2
#: Two people whose records meet on different partitions.
PEOPLE = ("v0", "v1")

#: How far event time jumps between two records: from within a window to beyond every retention.
jumps = st.sampled_from([0, 1, 20_000, MINUTE, 20 * MINUTE, HOUR, 3 * HOUR, DAY, 8 * DAY, 40 * DAY])
#: How far a record lags behind: never so far that a window of a minute refuses it.
lags = st.sampled_from([0, 0, 0, 1, MINUTE, 30 * MINUTE])
crashes = st.sampled_from([None, None, BEFORE_APPEND, 0, 1, 2, BEFORE_CONFIRM])
beats = st.tuples(jumps, lags, st.sampled_from(PEOPLE), st.sampled_from(["c0", "c1", "c2"]), crashes, crashes)


def every_topic(n, at, campaign):
    """A record of each event topic at one time, so that no topic holds the watermark back."""
    common = {"event_id": f"e{n}", "occurred_at": at, "campaign_id": campaign}
    yield topics.IMPRESSIONS, common
    yield topics.CLICKS, {**common, "cost": "0.10"}
    yield topics.LEADS, {**common, "lead_id": f"l{n}"}
    yield topics.ORDERS, {**common, "order_id": f"o{n}", "revenue": "9.99", "customer_id": "someone"}


@bounded
@given(st.lists(beats, min_size=1, max_size=25))
def test_however_fast_time_passes_and_whoever_dies_the_last_values_are_the_oracles(drawn):
    machine, written, at = Machine(PARTITIONS), [], T0
    for n, (jump, lag, _person, campaign, intake_crash, merge_crash) in enumerate(drawn):
        at += jump
        for topic, record in every_topic(n, at - lag, campaign):
            for person in PEOPLE:
                value = {**record, "event_id": f"{person}-{n}"}
                if topic in (topics.LEADS, topics.ORDERS):
                    identity = "lead_id" if topic == topics.LEADS else "order_id"
                    value |= {identity: f"{person}-{n}"}
                    value |= {"customer_id": person} if topic == topics.ORDERS else {}
                written.append((topic, value))
                machine.produce(topic, person, value, at)
        step(machine, intake_crash, merge_crash)
    machine.settle()
    machine.check_books()
    check_finals(machine)
    wanted = stream.expected(written)
    assert given_out(machine) == {key: each for key, each in wanted.items() if any(each.values())}


def step(machine, intake_crash, merge_crash):
    """Both stages of both partitions read what there is and write it, perhaps dying at it."""
    machine.now += 700
    for p in range(PARTITIONS):
        for topic in topics.EVENT_SOURCES:
            machine.read(topic, p, 100)
    for stage, crash in ((INTAKE, intake_crash), (MERGE, merge_crash)):
        for p in range(PARTITIONS):
            if stage == MERGE:
                machine.follow(p, 100)
            machine.checkpoint(stage, p, crash)


@bounded
@given(st.lists(st.tuples(jumps, crashes), min_size=3, max_size=25))
def test_what_is_kept_does_not_grow_with_the_time_that_passed(drawn):
    machine, at = Machine(1, models=(), order_retention=DAY), T0
    for n, (jump, crash) in enumerate(drawn):
        at += max(jump, 3 * HOUR)
        for topic, record in every_topic(n, at, "c0"):
            machine.produce(topic, "v0", record, at)
        machine.run()
        machine.checkpoint(MERGE, 0, crash)
        machine.tick()
        machine.tick()
    kept = machine.merge(0).merged_windows["c0"].starts(0)
    assert len(kept) <= 2
    assert len(machine.intake(0).panes.tallies) <= 2 + 8 * 8 * 4 + 36 + 1
    stored = [key for key, value in machine.changelogs[MERGE, 0].items() if value is not None]
    assert len(stored) <= len(kept) + len(drawn) * 2 + 3

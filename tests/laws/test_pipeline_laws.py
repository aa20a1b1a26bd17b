"""Laws of the whole pipeline: whatever the order, slicing, repetition and crashes, the last values are the oracle's."""

import itertools
from collections import defaultdict
from datetime import datetime

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.values.time import parse_duration
from streams import topics
from streams.state.codec import partition_of
from tests.laws.facts import Fact, campaign_registry, oracle_input, streams_of_facts
from tests.laws.machine import BEFORE_APPEND, BEFORE_CONFIRM, INTAKE, MERGE, Machine, key_of
from tests.support.examples import examples
from tests.support.oracles import stream
from tests.support.oracles.cells import FIELDS

bounded = examples(0.6, HealthCheck.too_slow, HealthCheck.data_too_large)
#: Every record is appended after all event times, and no event time is too far ahead.
APPENDED = 1_794_960_000_000 + 101 * 60_000

NEVER_FALLING = ("impressions", "clicks", "orders", "spend_micros", "revenue_micros")
crashes = st.sampled_from([BEFORE_APPEND, 0, 1, 2, 3, BEFORE_CONFIRM])
partitions = st.integers(0, 1)
calm_steps = st.one_of(
    st.tuples(st.just("read"), st.sampled_from(topics.SOURCES), partitions, st.integers(1, 9)),
    st.tuples(st.just("follow"), partitions, st.integers(1, 5)),
    st.tuples(st.just("checkpoint"), st.sampled_from([INTAKE, MERGE]), partitions, st.none()),
    st.tuples(st.just("pass"), st.sampled_from([0, 1, 250, 999, 5_000])),
    st.tuples(st.just("silence")),
)
wild_steps = st.one_of(
    calm_steps,
    st.tuples(st.just("checkpoint"), st.sampled_from([INTAKE, MERGE]), partitions, crashes),
    st.tuples(st.just("open"), st.sampled_from([INTAKE, MERGE]), partitions, crashes),
    st.tuples(st.just("late")),
)


def machine_with(facts: list[Fact], count: int = 2, **options: int) -> Machine:
    machine = Machine(count, campaign_registry(), **options)
    for fact in facts:
        machine.produce(fact.topic, fact.key, fact.value, APPENDED)
    return machine


def drive(machine: Machine, steps: list[tuple]) -> None:
    for name, *arguments in steps:
        if name == "pass":
            machine.now += arguments[0]
        elif name == "silence":
            machine.be_idle(lambda topic, p: not machine.sources[topic, p])
        elif name == "late":
            machine.deliver_late()
        else:
            getattr(machine, name)(*arguments)


def wanted(facts: list[Fact]) -> dict:
    """The oracle's cells by the key of a reading, those of zeros left out; unknown cost figures are zeros."""
    cells = stream.expected(oracle_input(facts))
    found = {}
    for (campaign, window, start), sums in cells.items():
        each = {name: value or 0 for name, value in sums.items()}
        if any(each.values()):
            found[campaign, window, start] = each
    return found


def given_out(machine: Machine) -> dict:
    found = {}
    for (campaign, window, start), sums in machine.last_sums().items():
        at = None if start is None else int(datetime.fromisoformat(start).timestamp() * 1000)
        found[campaign, window, at] = {name: sums[name] for name in FIELDS}
    return found


@examples(2, HealthCheck.too_slow, HealthCheck.data_too_large)
@given(streams_of_facts(), st.lists(wild_steps, max_size=40))
def test_the_last_revisions_are_the_oracles_whatever_crashes(facts, steps):
    machine = machine_with(facts)
    drive(machine, steps)
    machine.settle()
    machine.deliver_late()
    machine.settle()
    assert given_out(machine) == wanted(facts)
    machine.check_books()
    check_finals(machine)


@bounded
@given(streams_of_facts(), st.lists(calm_steps, max_size=30))
def test_revisions_only_grow_and_updates_keep_their_intervals(facts, steps):
    machine = machine_with(facts)
    drive(machine, steps)
    machine.settle()
    readings = defaultdict(list)
    for reading in machine.kpis:
        readings[key_of(reading)].append(reading)
    for (_, window, _), each in readings.items():
        revisions = [reading["revision"] for reading in each]
        assert revisions == sorted(set(revisions))
        updates = [_millis(reading["published_at"]) for reading in each if reading["stage"] == "update"]
        least = {"1m": 1, "1h": 5, "1d": 10, "total": 10}[window] * parse_duration("1s")
        assert all(after - before >= least for before, after in itertools.pairwise(updates))


def check_finals(machine: Machine, model: str = "declared") -> None:
    """Each window that the watermark has passed by the grace ends with a final or a correction."""
    for reading in machine.last(model).values():
        reached = machine.merge(partition_of(reading["campaign_id"], machine.partitions)).clock.watermark
        if reading["window_end"] is None or reached is None:
            continue
        if _millis(reading["window_end"]) + machine.merge_options.grace <= reached:
            assert reading["stage"] in ("final", "correction")


def _millis(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@bounded
@given(streams_of_facts(max_size=25), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_of_the_same_facts_end_with_the_same_sums(facts, random):
    # Of conflicting ids, of placements of one order and of equal reports the first one counts: their order is a fact.
    unique = {}
    for fact in facts:
        if fact.is_valid and fact.topic != topics.REPORTS and fact.value.get("currency") != "XXX":
            is_placed = fact.value.get("kind") == "placed"
            identity = fact.value["order_id"] if is_placed else fact.value["event_id"]
            unique.setdefault((fact.topic, is_placed, identity), fact)
    unique = {(fact.topic, fact.value["event_id"]): fact for fact in unique.values()}
    one = list(unique.values())
    other = one + random.choices(one, k=len(one)) if one else []
    random.shuffle(other)
    results = []
    for order in (one, other):
        machine = machine_with(order)
        machine.settle()
        results.append(given_out(machine))
    assert results[0] == results[1]


@bounded
@given(streams_of_facts(max_size=25))
def test_replaying_everything_again_changes_no_sum(facts):
    machine = machine_with(facts)
    machine.settle()
    before = given_out(machine)
    for fact in facts:
        machine.produce(fact.topic, fact.key, fact.value, APPENDED + 1)
    machine.settle()
    assert given_out(machine) == before
    machine.check_books()


@bounded
@given(streams_of_facts(max_size=25), st.integers(1, 7), st.lists(calm_steps, max_size=20))
def test_slices_and_the_times_of_checkpoints_change_no_last_value(facts, slice_size, steps):
    whole, cut = machine_with(facts), machine_with(facts)
    whole.settle()
    drive(cut, steps)
    cut.run(slice_size=slice_size)
    cut.settle()
    assert given_out(cut) == given_out(whole)


@bounded
@given(streams_of_facts(max_size=25), st.integers(1, 3))
def test_a_low_publish_rate_delays_and_loses_nothing(facts, rate):
    machine = machine_with(facts, max_publish_rate=rate)
    machine.settle()
    assert given_out(machine) == wanted(facts)
    for second in {reading["published_at"] for reading in machine.kpis}:
        updates = [r for r in machine.kpis if r["published_at"] == second and r["stage"] == "update"]
        assert len([r for r in updates if r["campaign_id"] in _campaigns_of(machine, 0)]) <= rate


def _campaigns_of(machine: Machine, p: int) -> set[str]:
    return set(machine.merge(p).merged_windows)


@bounded
@given(streams_of_facts(max_size=25))
def test_counts_and_money_of_total_never_fall_without_reports(facts):
    machine = machine_with([fact for fact in facts if fact.topic != topics.REPORTS])
    machine.run(slice_size=1)
    machine.settle()
    highest: dict[tuple[str, str], int] = {}
    for reading in machine.kpis:
        if reading["window"] == "total":
            for name in NEVER_FALLING:
                value = reading["sums"][name] or 0
                assert value >= highest.get((reading["campaign_id"], name), 0)
                highest[reading["campaign_id"], name] = value

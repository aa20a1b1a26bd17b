"""Laws of the demo's world."""

from hypothesis import given
from hypothesis import strategies as st

from metrics.values.time import MINUTE, SECOND
from streams.demo.delivery import Arrival
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.world import DemoWorld
from tests.support.examples import examples

NOW = 1_795_294_803_333
seeds = st.integers(0, 2**32)
campaigns = st.integers(1, 20)
rates = st.sampled_from([0.5, 3.0, 20.0])
factors = st.sampled_from([1.0, 7.5, 60.0])


def world(seed: int, count: int, rate: float, factor: float = 1.0, *, obeys: bool = True) -> DemoWorld:
    clock = SimulatedClock.starting(NOW, lapse_seconds=20, factor=factor, history_ms=20 * MINUTE)
    return DemoWorld(seed, count, rate, clock, obeys=obeys)


@examples(0.25)
@given(seeds, campaigns, rates, factors)
def test_the_same_seed_gives_the_same_stream(seed, count, rate, factor) -> None:
    until = NOW + 20 * SECOND
    first, second = world(seed, count, rate, factor), world(seed, count, rate, factor)
    assert first.registrations() == second.registrations()
    assert list(first.advance(until)) == list(second.advance(until))
    assert first.counts == second.counts


@examples(0.25)
@given(seeds, campaigns, rates, st.lists(st.integers(-20 * MINUTE, 20 * SECOND), max_size=8))
def test_the_stream_is_the_same_however_it_is_cut_into_steps(seed, count, rate, cuts) -> None:
    until = NOW + 20 * SECOND
    whole, stepped = world(seed, count, rate), world(seed, count, rate)
    pieces: list[Arrival] = []
    for cut in sorted(cuts):
        pieces += stepped.advance(NOW + cut)
    pieces += stepped.advance(until)
    assert pieces == list(whole.advance(until))


@examples(0.25)
@given(seeds, campaigns, rates, factors)
def test_records_come_in_order_of_arrival_and_never_before_they_happened(seed, count, rate, factor) -> None:
    stream = list(world(seed, count, rate, factor).advance(NOW + 20 * SECOND))
    arrivals = [a.arrives_at_ms for a in stream]
    assert arrivals == sorted(arrivals)
    assert all(a.occurred_at_ms <= a.arrives_at_ms for a in stream)


@examples(0.15)
@given(seeds, st.integers(2, 16), rates)
def test_different_seeds_differ(seed, count, rate) -> None:
    until = NOW + 20 * SECOND
    assert list(world(seed, count, rate).advance(until)) != list(world(seed + 1, count, rate).advance(until))


@examples(0.15)
@given(seeds, st.integers(2, 16), rates, st.data())
def test_pausing_a_campaign_leaves_the_streams_of_the_others_as_they_are(seed, count, rate, data) -> None:
    acting, control = world(seed, count, rate), world(seed, count, rate, obeys=False)
    index = data.draw(st.integers(0, count - 1))
    paused = acting.profiles[index].campaign_id
    order = {"action_id": "a", "campaign_id": paused, "verb": "pause", "mode": "enforce"}
    streams = []
    for each in (acting, control):
        list(each.advance(NOW - MINUTE))
        each.platform.apply(order)
        tag = f"{index:02d}-"
        streams.append([a for a in each.advance(NOW + 20 * SECOND) if tag not in identity(a, paused, tag)])
    assert streams[0] == streams[1]


def identity(arrival: Arrival, paused: str, tag: str) -> str:
    """The event id, whose second part is the campaign's number; reports name the campaign instead."""
    if arrival.record.get("campaign_id") == paused:
        return tag
    return arrival.record.get("event_id", "")[1:4]


@given(st.floats(1, 1_000), st.floats(0, 600), st.lists(st.integers(0, 10**7), min_size=2, max_size=20))
def test_simulated_time_goes_forward_and_is_never_ahead_of_real_time(factor, lapse, ages) -> None:
    clock = SimulatedClock.starting(NOW, lapse_seconds=lapse, factor=factor)
    reals = [NOW + age for age in sorted(ages)]
    simulated = [clock.simulated(real) for real in reals]
    assert simulated == sorted(simulated)
    assert all(sim <= real for sim, real in zip(simulated, reals, strict=True))
    assert clock.simulated(NOW + round(lapse * 1_000) + 1) >= NOW + round(lapse * 1_000) - factor

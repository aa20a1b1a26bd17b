"""What a record is worth follows from its event time: any interleaving of registries and sources ends with the same figures.

registry   USD 0.9 ─────────────── c is paid in USD ──────── USD 0.8 from minute 40 ── USD 0.9 was 0.95
sources    ──── clicks ── crash ──────────── clicks ─────────────────── late clicks ─────────────────
"""

from decimal import Decimal
from unittest.mock import patch

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign
from metrics.values.time import DAY, HOUR, MINUTE, QUARTER
from streams import topics
from streams.stages.merge import stage as merge_stage
from streams.stages.merge.stage import Pace
from tests.laws.facts import T0, Fact, amounts, leads, orders, reports
from tests.laws.machine import INTAKE, MERGE, Machine
from tests.laws.test_pipeline_laws import crashes, given_out
from tests.support.examples import examples
from tests.support.oracles import stream

#: Every record is appended after all event times.
APPENDED = T0 + 101 * MINUTE
CAMPAIGNS = ("c0", "c1", "c2")
#: The campaign whose cost basis is reports.
REPORTED = "c2"
rates = st.tuples(
    st.just("rate"),
    st.sampled_from(["USD", "GBP"]),
    st.sampled_from([T0 - HOUR, T0 + 7 * MINUTE, T0 + 7 * MINUTE + 31_000, T0 + 40 * MINUTE]),
    st.sampled_from([None, "0.9", "0.95", "0.8765432109876", "1.25"]),
)
registrations = st.tuples(
    st.just("campaign"),
    st.sampled_from(CAMPAIGNS),
    st.sampled_from([None, T0 + 20 * MINUTE, T0 + 30 * MINUTE]),
    st.sampled_from([None, "EUR", "USD", "GBP"]),
)
moments = st.integers(0, 100 * MINUTE).map(lambda at: T0 + at)


@st.composite
def clicks(draw, times=moments):
    person = draw(st.integers(0, 3))
    value = {
        "occurred_at": draw(times),
        "campaign_id": draw(st.sampled_from(CAMPAIGNS)),
        "cost": draw(amounts),
    }
    value |= {"currency": draw(st.sampled_from([None, None, "EUR", "USD", "GBP"]))}
    # One id always has one key and one content.
    value |= {"event_id": "-".join(map(str, (person, *value.values())))}
    return Fact(draw(st.sampled_from([topics.CLICKS, topics.IMPRESSIONS])), f"v{person}", value)


class Registries:
    """Registry topics as tables: the newest record of each key."""

    def __init__(self, registry):
        self.registry = registry
        self.rates = {}
        self.campaigns = {}
        self.take("campaign", REPORTED, None, None)

    def take(self, kind, name, valid_from, value):
        if kind == "rate":
            self.rates[name, valid_from] = value
            self.registry.set_rate(name, valid_from, None if value is None else Decimal(value))
            return
        basis = "reports" if name == REPORTED else "events"
        self.campaigns.setdefault(name, {})[valid_from] = Campaign(
            name, currency=value, valid_from=valid_from, cost_basis=basis
        )
        self.registry.set_records(name, list(self.campaigns[name].values()))

    def records(self):
        """What the oracle is told; of a rate 12 decimals count."""
        found = [
            ("fx-rates", {"currency": name, "valid_from": at, "rate": f"{Decimal(rate):.12f}"})
            for (name, at), rate in self.rates.items()
            if rate is not None
        ]
        for name, versions in self.campaigns.items():
            for at, each in versions.items():
                record = {"campaign_id": name, "currency": each.currency, "cost_basis": each.cost_basis}
                found.append(("campaigns", record if at is None else {**record, "valid_from": at}))
        return found


partitions = st.integers(0, 1)
steps = st.one_of(
    st.tuples(st.just("read"), st.sampled_from(topics.SOURCES), partitions, st.integers(1, 9)),
    st.tuples(st.just("follow"), partitions, st.integers(1, 5)),
    st.tuples(
        st.just("checkpoint"), st.sampled_from([INTAKE, MERGE]), partitions, st.one_of(st.none(), crashes)
    ),
    st.tuples(st.just("open"), st.sampled_from([INTAKE, MERGE]), partitions, st.one_of(st.none(), crashes)),
    rates,
    registrations,
)


def drive(machine, registries, some):
    for name, *arguments in some:
        if name in ("rate", "campaign"):
            registries.take(name, *arguments)
        else:
            getattr(machine, name)(*arguments)


def wanted(registries, facts):
    cells = stream.expected(registries.records() + [(fact.topic, fact.value) for fact in facts])
    found = {key: {name: value or 0 for name, value in sums.items()} for key, sums in cells.items()}
    return {key: sums for key, sums in found.items() if any(sums.values())}


def uncertain(machine):
    """Campaigns whose newest total says that it is not sure."""
    return {
        key[0] for key, each in machine.last().items() if key[1] == "total" and each["has_uncertain_amounts"]
    }


@examples(2, HealthCheck.too_slow, HealthCheck.data_too_large)
@given(
    st.lists(st.one_of(clicks(), orders(), orders(), leads(), reports(), reports()), max_size=25),
    st.lists(steps, max_size=40),
)
def test_any_interleaving_of_registries_and_sources_ends_with_the_same_figures_whatever_crashes(facts, some):
    machine = Machine(2, CampaignRegistry("EUR"))
    registries = Registries(machine.campaign_registry)
    for fact in facts:
        machine.produce(fact.topic, fact.key, fact.value, APPENDED)
    drive(machine, registries, some)
    machine.settle()
    assert given_out(machine) == wanted(registries, facts)
    machine.check_books()
    records = registries.records() + [(fact.topic, fact.value) for fact in facts]
    known = stream.Stream(registries.records(), "EUR")
    of_no_rate = {
        fact.value["campaign_id"]
        for fact in facts
        if fact.topic in stream.ADS and known.rate_of(fact.value) is None
    }
    assert uncertain(machine) == (
        of_no_rate | stream.uncertain_orders(records) | stream.uncertain_reports(records)
    )


days = st.integers(0, 60 * DAY).map(lambda at: T0 + at)
#: An instant of the first 60 days, by the quarter of an hour.
quarters = st.integers(0, 60 * DAY // QUARTER).map(lambda each: T0 + each * QUARTER)


@examples(0.6, HealthCheck.too_slow, HealthCheck.data_too_large)
@given(
    st.lists(st.one_of(clicks(days), orders(days)), max_size=25),
    st.lists(
        st.tuples(quarters, st.integers(0, 28 * QUARTER), st.sampled_from(["0.9", "1.1", "0.333333"])),
        max_size=6,
    ),
    st.lists(st.tuples(st.sampled_from(CAMPAIGNS), st.sampled_from([None, "USD"])), max_size=3),
)
def test_rates_and_registrations_that_come_days_late_give_the_same_totals(
    facts, late_rates, late_registrations
):
    """A rate that begins with a quarter of an hour may come hours late; a campaign that is paid in one rate's time, at any time."""
    machine = Machine(2, CampaignRegistry("EUR"))
    registries = Registries(machine.campaign_registry)
    registries.take("rate", "USD", 0, "0.5")
    registries.take("rate", "GBP", 0, "1.5")
    coming = sorted((at + delay, at, value) for at, delay, value in late_rates)
    facts = sorted(facts, key=lambda each: each.value["occurred_at"])
    for fact in facts:
        now = fact.value["occurred_at"]
        while coming and coming[0][0] <= now:
            _, at, value = coming.pop(0)
            registries.take("rate", "GBP", at, value)
            machine.tick()
        machine.produce(fact.topic, fact.key, fact.value, now)
        machine.run()
        machine.open(INTAKE, 0)
    for _, at, value in coming:
        registries.take("rate", "GBP", at, value)
    for name, currency in late_registrations:
        registries.take("campaign", name, None, currency)
    machine.settle()
    totals = {key: sums for key, sums in given_out(machine).items() if key[1] == "total"}
    assert totals == {key: sums for key, sums in wanted(registries, facts).items() if key[1] == "total"}


#: What is spread over time goes by the watermark of a reading, and makes none by itself; so there is none of it here.
whole_registrations = st.tuples(
    st.sampled_from(CAMPAIGNS),
    st.sampled_from([None, T0 + HOUR, T0 + DAY]),
    st.sampled_from(["events", "reports"]),
    st.sampled_from([None, "10", "0.5"]),
)


def register(versions, machine, registration):
    name, since, basis, cost = registration
    other_cost = None if cost is None else Decimal(cost)
    record = Campaign(name, valid_from=since, cost_basis=basis, other_cost=other_cost)
    versions.setdefault(name, {})[since] = record
    machine.campaign_registry.set_records(name, list(versions[name].values()))


def readings(machine):
    """What the newest readings of all windows say.

    A window without any fact that counts may have a reading or none: a correction gives one to a campaign of which only a refund of
    nothing was seen, with what its registration says of other costs.
    """
    return {
        key: (each["sums"], each["other_basis"], each["kpis"], each["spread_ratio"], each["channel"])
        for key, each in machine.last().items()
        if any(value for name, value in each["sums"].items() if name != "other_cost_micros")
        or any(each["other_basis"].values())
    }


def _in_euros(fact):
    return fact._replace(value={**fact.value, "currency": "EUR"})


#: Records of sources, then registrations; a checkpoint of merge may crash between both.
rounds = st.tuples(
    st.lists(st.one_of(clicks(), reports().map(_in_euros), orders().map(_in_euros)), max_size=5),
    st.lists(whole_registrations, max_size=2),
    st.one_of(st.none(), crashes),
)


@examples(1, HealthCheck.too_slow, HealthCheck.data_too_large)
@given(st.lists(rounds, max_size=4), st.sampled_from([1, 5, 5_000]))
def test_a_campaign_that_is_registered_late_has_the_figures_of_one_that_was_registered_first(some, at_once):
    """Also in windows that were final before: these are corrected, in as many checkpoints as that takes."""
    with patch.object(merge_stage, "_MOST_MARKED", at_once):
        late, first = registered_late_and_first(some)
    assert readings(late) == readings(first)


def registered_late_and_first(some):
    late, first = (Machine(2, CampaignRegistry("EUR"), rollups=()) for _ in range(2))
    versions, same = {}, {}
    for _, registrations, _ in some:
        for registration in registrations:
            register(same, first, registration)
    for facts, registrations, crash in some:
        for machine in (late, first):
            for fact in facts:
                machine.produce(fact.topic, fact.key, fact.value, APPENDED)
            machine.settle()
        for registration in registrations:
            register(versions, late, registration)
        late.checkpoint(MERGE, 0, crash)
    for machine in (late, first):
        machine.settle()
    return late, first


def test_a_registration_of_many_campaigns_is_followed_in_bounded_parts_also_after_a_crash():
    machine = Machine(1, CampaignRegistry("EUR"), rollups=())
    names = [f"c{number}" for number in range(40)]
    for name in names:
        value = {"event_id": name, "occurred_at": T0, "campaign_id": name, "cost": "1"}
        machine.produce(topics.CLICKS, name, value, APPENDED)
    machine.settle()
    with patch.object(merge_stage, "_MOST_MARKED", 10):
        for name in names:
            machine.campaign_registry.set_records(name, [Campaign(name, other_cost=Decimal(7))])
        machine.checkpoint(MERGE, 0)
        assert 0 < len(costs_told(machine)) < len(names)
        machine.open(MERGE, 0)
        machine.settle()
    assert costs_told(machine) == set(names)


def test_a_registration_that_waits_for_the_rate_is_told_though_workers_die_twice_and_read_back_in_bounded_parts():
    """Totals wait for the rate of updates; each start puts back what has not gone out, and marks a bounded part of it at once."""
    machine = Machine(1, CampaignRegistry("EUR"), rollups=(), models=())
    names = [f"c{number}" for number in range(40)]
    for name in names:
        value = {"event_id": name, "occurred_at": T0, "campaign_id": name, "cost": "1"}
        machine.produce(topics.CLICKS, name, value, APPENDED)
    machine.settle()
    machine.pace = Pace.of(1)
    machine.open(MERGE, 0)
    for name in names:
        machine.campaign_registry.set_records(name, [Campaign(name, other_cost=Decimal(7))])
    machine.checkpoint(MERGE, 0)
    with patch.object(merge_stage, "_MOST_MARKED", 10):
        machine.open(MERGE, 0)
        assert len(machine.merge(0).schedule) < len(names)
        machine.open(MERGE, 0)
        machine.pace = Pace.of(5_000)
        machine.open(MERGE, 0)
        machine.settle()
    assert costs_told(machine) == set(names)


def costs_told(machine):
    """Campaigns whose newest total has the cost that they were registered with."""
    return {
        key[0]
        for key, each in machine.last().items()
        if key[1] == "total" and each["sums"]["other_cost_micros"]
    }

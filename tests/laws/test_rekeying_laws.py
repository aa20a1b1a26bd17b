"""Laws of re-keying: on whichever partitions records come, the same credits; and nothing of it twice, or too late."""

from collections import Counter

from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.values.time import MINUTE
from streams import topics
from streams.state.codec import partition_of
from tests.laws.facts import NO_RATE, T0, Fact, campaign_registry, streams_of_facts
from tests.laws.machine import Machine, key_of
from tests.laws.test_pipeline_journeys import MODELS, by_window
from tests.laws.test_pipeline_laws import APPENDED, check_finals, drive, machine_with, wild_steps
from tests.support.examples import examples

bounded = examples(0.5, HealthCheck.too_slow, HealthCheck.data_too_large)
PARTITIONS = 2
steps = st.lists(
    st.one_of(
        wild_steps,
        st.tuples(st.just("read"), st.just(topics.REKEYED), st.integers(0, 1), st.integers(1, 5)),
    ),
    max_size=40,
)
#: Keys by which records come: none, or one that says nothing of the visitor; or an id of their own.
OWN = "own"
wrong_keys = st.sampled_from([None, OWN, "k1", "k2", "k3"])


def chain_of(fact: Fact) -> tuple[str, str]:
    """Records that follow one another have one key: all leads of a person, all orders; clicks have their own."""
    person = fact.key if fact.topic in (topics.LEADS, topics.ORDERS) else fact.value["event_id"]
    return fact.topic, person


def is_followed(fact: Fact) -> bool:
    """Whether a fact is one that journeys know; the others keep their keys."""
    return fact.is_valid and fact.topic in topics.EVENT_SOURCES


def wrongly_placed(facts, draw, *, trusts_keys):
    """Each with a partition and a key, which those of its chain have, too; no strange one where keys are trusted."""
    chains = {}
    found = []
    for fact in facts:
        chain = chain_of(fact)
        if chain not in chains:
            chains[chain] = draw(st.integers(0, PARTITIONS - 1)), draw(wrong_keys)
        p, key = chains[chain]
        if key == OWN or (trusts_keys and key is not None):
            key = fact.value.get("campaign_id") or fact.value["event_id"]
        found.append((fact, p, key))
    return found


def wrongly_keyed(facts, draw, *, trusts_keys, **options):
    """A pipeline with the same facts, each chain on any partition, with any key."""
    machine = Machine(PARTITIONS, campaign_registry(), trusts_keys=trusts_keys, **options)
    placed = iter(wrongly_placed(filter(is_followed, facts), draw, trusts_keys=trusts_keys))
    for fact in facts:
        if is_followed(fact):
            _, p, key = next(placed)
            machine.produce_to(p, fact.topic, key, fact.value, APPENDED)
        else:
            machine.produce(fact.topic, fact.key, fact.value, APPENDED)
    return machine


@bounded
@given(streams_of_facts(), steps, st.booleans(), st.data())
def test_any_keys_and_any_crashes_end_with_the_credits_of_the_right_keys(facts, steps, trusts_keys, data):
    right = machine_with(facts, models=MODELS)
    wrong = wrongly_keyed(facts, data.draw, trusts_keys=trusts_keys, models=MODELS, credit_interval=5_000)
    right.settle()
    drive(wrong, steps)
    wrong.settle()
    wrong.deliver_late()
    wrong.settle()
    wrong.check_books()
    assert wrong.last_sums() == right.last_sums()
    for model in MODELS:
        assert wrong.last_credits(model) == right.last_credits(model)
        assert by_window(wrong.last_credits(model)) == by_window(wrong.last_sums())
        check_finals(wrong, model)


def heartbeats(minutes):
    """Records on every topic and partition, so that the watermark moves; they are nobody's."""
    for minute in range(0, 110, minutes):
        for topic in topics.EVENT_SOURCES:
            for p in range(PARTITIONS):
                name = f"{topic}-{p}-{minute}"
                value = {"event_id": name, "occurred_at": T0 + minute * MINUTE, "campaign_id": "beat"}
                value |= {"lead_id": name, "order_id": name, "revenue": "1"}
                yield Fact(topic, f"{p}", value), p


def naming_their_visitor(facts):
    """Leads that name nobody yet would move, and correct what was final, when they do."""
    return [
        fact._replace(value=fact.value | {"visitor_id": fact.key}) if fact.topic == topics.LEADS else fact
        for fact in facts
        if is_followed(fact)
    ]


def changed_after_they_were_placed(facts):
    """Without what corrects what was final wherever it is read: refunds and cancellations before their order, and versions
    of an order that has a rate in one and none in another, since the mark of either is of the minute of the first.
    """
    placed, versions = {}, {}
    for fact in facts:
        if fact.topic == topics.ORDERS and fact.value["kind"] == "placed":
            earlier = placed.get(fact.value["order_id"], fact.value["occurred_at"])
            placed[fact.value["order_id"]] = min(earlier, fact.value["occurred_at"])
            versions.setdefault(fact.value["order_id"], set()).add(fact.value["currency"] == NO_RATE)

    def is_in_time(order):
        is_first_or_later = order["occurred_at"] >= placed.get(order["order_id"], float("inf"))
        return is_first_or_later and len(versions[order["order_id"]]) == 1

    return [fact for fact in facts if fact.topic != topics.ORDERS or is_in_time(fact.value)]


def read_in_order(placed, slice_size, interval):
    """A pipeline that has read facts in order of their times, each partition at its own pace."""
    machine = Machine(
        PARTITIONS, campaign_registry(), models=MODELS, grace=0, max_watermark_interval=interval
    )
    for fact, p, key in sorted(placed, key=lambda each: each[0].value["occurred_at"]):
        machine.produce_to(p, fact.topic, key, fact.value, APPENDED)
    machine.run(slice_size=slice_size)
    stages = Counter(each["stage"] for each in machine.credited if each["window"] == "1m")
    assert stages["final"] > 0
    return machine


def corrected(readings):
    return {(each["model"], key_of(each)) for each in readings if each["stage"] == "correction"}


@examples(0.2, HealthCheck.too_slow, HealthCheck.data_too_large)
@given(streams_of_facts(), st.integers(1, 3), st.sampled_from([0, 1, 1_500]), st.data())
def test_no_window_is_final_before_what_counts_in_it_has_come_from_the_other_partitions(
    facts, slice_size, interval, data
):
    named = changed_after_they_were_placed(naming_their_visitor(facts))
    beats = [(fact, p, None) for fact, p in heartbeats(20)]
    rightly = [(fact, partition_of(fact.key, PARTITIONS), fact.key) for fact in named]
    wrongly = wrongly_placed(named, data.draw, trusts_keys=True)
    right, wrong = (read_in_order(each + beats, slice_size, interval) for each in (rightly, wrongly))
    assert corrected(wrong.credited) <= corrected(right.credited)

"""Laws of the whole pipeline in the attribution models: whatever happens on the way, the same credits, and all of them."""

from collections import Counter
from itertools import product

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.attribution.identity_graph import visitor_hash
from metrics.attribution.models import AttributionRules
from metrics.records.reserved_names import ReservedNames
from metrics.values.time import HOUR, MINUTE, format_instant
from streams import topics
from tests.faults.checks import wrong_credits
from tests.laws.facts import T0, campaign_registry, oracle_input, streams_of_facts
from tests.laws.machine import INTAKE, MERGE, Machine
from tests.laws.test_pipeline_laws import APPENDED, check_finals, drive, machine_with, wild_steps
from tests.support.examples import examples
from tests.support.oracles import journeys
from tests.support.oracles.journeys import Reach

bounded = examples(0.6, HealthCheck.too_slow, HealthCheck.data_too_large)
MODELS = ("linear", "last_touch", "time_decay")
COUNTED = ("leads", "mqls", "sqls", "orders", "new_customers", "cancelled_orders")
MONEY = ("revenue_micros", "refunds_micros", "cost_of_goods_micros")


def by_window(sums):
    """Conversions of each window over all campaigns; counts in millionths."""
    found = {}
    for (_, window, start), each in sums.items():
        whole = found.setdefault((window, start), Counter())
        whole.update({name: round(each[name] * 1_000_000) for name in COUNTED})
        whole.update({name: each[name] for name in MONEY})
    return {key: dict(whole) for key, whole in found.items() if any(whole.values())}


@bounded
@given(streams_of_facts(), st.lists(wild_steps, max_size=40))
def test_after_any_crashes_every_model_has_the_credits_of_a_calm_run_and_counts_every_conversion_once(
    facts, steps
):
    calm = machine_with(facts, models=MODELS)
    wild = machine_with(facts, models=MODELS, credit_interval=5_000)
    calm.settle()
    drive(wild, steps)
    wild.settle()
    wild.check_books()
    for model in MODELS:
        assert wild.last_credits(model) == calm.last_credits(model)
        assert by_window(wild.last_credits(model)) == by_window(wild.last_sums())
        check_finals(wild, model)


REACH = Reach(click=30 * MINUTE, impression=10 * MINUTE, half_life=7 * MINUTE)
PLAIN = (*journeys.MODELS, "linear_cohort", "last_non_direct_cohort")


@examples(0.3, HealthCheck.too_slow, HealthCheck.data_too_large)
@given(streams_of_facts())
def test_the_credits_are_those_of_a_plain_recomputation(facts):
    machine = machine_with(facts, models=PLAIN)
    rules = AttributionRules(
        PLAIN, lookback=REACH.click, view_lookback=REACH.impression, half_life=REACH.half_life
    )
    machine.intake_options = msgspec.structs.replace(machine.intake_options, rules=rules)
    for p in range(machine.partitions):
        machine.open(INTAKE, p)
    machine.settle()
    for model, wanted in journeys.credited(oracle_input(facts), PLAIN, REACH).items():
        assert wrong_credits(list(machine.last(model).values()), wanted) == []


several_models = st.sampled_from(
    [(), ("linear",), ("linear", "last_touch"), ("first_touch", "last_touch"), MODELS]
)


@bounded
@given(
    streams_of_facts(),
    st.lists(st.tuples(st.lists(wild_steps, max_size=8), several_models), min_size=1, max_size=4),
)
def test_models_that_are_switched_on_and_off_are_whole_or_gone(facts, phases):
    machine = machine_with(facts, models=MODELS, credit_interval=5_000)
    for steps, models in phases:
        drive(machine, steps)
        change_models(machine, models)
    machine.settle()
    for (stage, p), log in machine.changelogs.items():
        text = b"".join(key for key, value in log.items() if value is not None)
        for model in {"first_touch", *MODELS} - set(models):
            assert model.encode() not in text, (stage, p)
    if all(models for _, models in phases):  # else the journeys were forgotten on the way
        for model in models:
            assert by_window(machine.last_credits(model)) == by_window(machine.last_sums())


def change_models(machine, models):
    """Every stage is opened again by a worker of other settings."""
    machine.intake_options = msgspec.structs.replace(machine.intake_options, rules=machine.rules_of(models))
    machine.merge_options = msgspec.structs.replace(machine.merge_options, models=models)
    for stage, p in product((INTAKE, MERGE), range(machine.partitions)):
        machine.open(stage, p)


def click(n, at, campaign, visitor):
    return {
        "event_id": f"c{n}",
        "occurred_at": at,
        "campaign_id": campaign,
        "visitor_id": visitor,
        "cost": "1",
    }


def order(n, at, visitor, **more):
    return {
        "event_id": f"o{n}",
        "occurred_at": at,
        "order_id": f"o{n}",
        "visitor_id": visitor,
        "revenue": "9",
    } | more


def test_a_late_click_after_the_window_is_final_makes_a_correction_in_the_models_alone():
    machine = Machine(1, campaign_registry(), models=("last_touch",))
    at = T0 + 10 * MINUTE
    machine.produce(topics.CLICKS, "v", click(1, at, "a", "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, at + MINUTE, "v"), APPENDED)
    for n, topic in enumerate((topics.CLICKS, topics.ORDERS, topics.LEADS, topics.IMPRESSIONS)):
        record = {
            "event_id": f"x{n}",
            "occurred_at": at + HOUR,
            "campaign_id": "z",
            "lead_id": "l",
            "order_id": "x",
        }
        machine.produce(topic, "v", record | {"revenue": "0"}, APPENDED)
    machine.run()
    machine.tick(20_000)
    window = ("1m", "2026-11-18T00:11:00Z")
    first = {
        key[0]: each["orders"]
        for key, each in machine.last_credits("last_touch").items()
        if key[1:] == window
    }
    assert first == {"a": 1.0}
    machine.produce(topics.CLICKS, "v", click(2, at + 30_000, "b", "v"), APPENDED)
    machine.run()
    machine.tick(20_000)
    last = {
        key[0]: each["orders"]
        for key, each in machine.last_credits("last_touch").items()
        if key[1:] == window
    }
    assert last == {"b": 1.0}
    made = [
        each
        for each in machine.credited
        if (each["campaign_id"], each["window"], each["window_start"]) == ("b", *window)
    ]
    assert [(each["stage"], each["sums"]["spend_micros"]) for each in made] == [("correction", 0)]


def test_a_window_of_a_model_without_a_conversion_becomes_final_after_a_restart():
    machine = Machine(1, campaign_registry(), models=("last_touch",))
    machine.produce(topics.CLICKS, "v", click(1, T0, "a", "v"), APPENDED)
    report = {"report_id": "r", "source": "s", "campaign_id": "c1", "clicks": 3}
    machine.produce(
        topics.REPORTS, "c1", report | {"period_start": T0, "period_end": T0 + 30 * MINUTE}, APPENDED
    )
    machine.run()
    machine.tick(20_000)
    open_ = {("a", "1m"), ("a", "1h"), ("a", "1d"), ("c1", "1h"), ("c1", "1d")}
    stages = {key[:2]: each["stage"] for key, each in machine.last("last_touch").items()}
    assert stages == dict.fromkeys((*open_, ("a", "total"), ("c1", "total")), "update")
    machine.checkpoint(MERGE, 0)  # says that these have gone out
    machine.open(MERGE, 0)
    machine.produce(topics.CLICKS, "v", click(2, T0 + 25 * HOUR, "b", "v"), T0 + 26 * HOUR)
    machine.settle()
    closed = {key[:2] for key, each in machine.last("last_touch").items() if each["stage"] == "final"}
    assert closed == open_


def test_what_waits_to_be_credited_when_a_worker_dies_is_credited_by_the_next():
    machine = Machine(1, campaign_registry(), models=("last_touch",), credit_interval=HOUR)
    machine.produce(topics.CLICKS, "v", click(1, T0, "a", "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, T0 + 20_000, "v"), APPENDED)
    machine.produce(topics.CLICKS, "w", click(2, T0 + 22_000, "a", "w"), APPENDED)
    machine.run()
    machine.checkpoint(INTAKE, 0)
    machine.now += HOUR
    machine.run()
    machine.tick()  # the order is credited
    machine.produce(topics.CLICKS, "v", click(3, T0 + 10_000, "b", "v"), APPENDED)
    back = order(2, T0 + 25_000, "v", order_id="o1", kind="refunded", revenue="4")
    machine.produce(topics.ORDERS, "v", back, APPENDED)
    machine.produce(topics.ORDERS, "w", order(3, T0 + 26_000, "w"), APPENDED)
    machine.run()
    assert machine.intake(0).attribution.journeys.unsettled == 2
    machine.open(INTAKE, 0)
    machine.settle()
    total = {key[0]: each for key, each in machine.last_credits("last_touch").items() if key[1] == "total"}
    assert {
        name: (each["orders"], each["refunds_micros"]) for name, each in total.items() if each["orders"]
    } == {
        "a": (1.0, 0),
        "b": (1.0, 4_000_000),
    }


def test_a_changed_half_life_takes_back_what_the_old_one_has_credited():
    machine = Machine(1, campaign_registry(), models=("time_decay",))
    for n, campaign in enumerate("ab"):
        machine.produce(topics.CLICKS, "v", click(n, T0 + n * 10 * MINUTE, campaign, "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, T0 + 20 * MINUTE, "v"), APPENDED)
    machine.settle()
    assert money_of(machine, "revenue_micros") == {"a": 4_498_452, "b": 4_501_548}  # half-life 7 d
    rules = msgspec.structs.replace(machine.intake_options.rules, half_life=10 * MINUTE)
    machine.intake_options = msgspec.structs.replace(machine.intake_options, rules=rules)
    machine.open(INTAKE, 0)
    back = order(2, T0 + 30 * MINUTE, "v", order_id="o1", kind="refunded")
    machine.produce(topics.ORDERS, "v", back, APPENDED)
    machine.settle()
    assert money_of(machine, "revenue_micros") == {"a": 2_999_997, "b": 6_000_003}
    assert money_of(machine, "refunds_micros") == {"a": 2_999_997, "b": 6_000_003}


def money_of(machine, name):
    """A sum of each campaign's total by time decay."""
    totals = {key[0]: each for key, each in machine.last_credits("time_decay").items() if key[1] == "total"}
    return {campaign: each[name] for campaign, each in totals.items() if each[name]}


def traces(machine, visitor):
    """Keys of the state that still know a visitor."""
    hashed = visitor_hash(visitor)
    known = hashed.to_bytes(8, "little"), hashed.to_bytes(8, "big"), f"v|{visitor}".encode()
    return [
        key
        for key, value in machine.changelogs[INTAKE, 0].items()
        if value is not None and any(each in key + value for each in known)
    ]


def test_an_erasure_forgets_the_person_wherever_it_is_read_and_leaves_the_figures():
    machine = Machine(1, campaign_registry(), models=("last_touch", "markov"), credit_interval=HOUR)
    machine.produce(topics.CLICKS, "v", click(1, T0, "a", "v"), APPENDED)
    machine.produce(topics.CLICKS, "v", click(2, T0 + 1_000, "b", "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, T0 + 2_000, "v"), APPENDED)
    machine.settle()
    assert traces(machine, "v")
    before = machine.last_credits("last_touch"), machine.last_credits("markov")
    machine.produce(topics.ERASURES, "v", {"visitor_id": "v", "requested_at": T0}, APPENDED)
    machine.run()
    assert traces(machine, "v") == []
    machine.settle()
    assert (machine.last_credits("last_touch"), machine.last_credits("markov")) == before
    back = order(2, T0 + 3_000, None, order_id="o1", kind="refunded", revenue="4")
    machine.produce(topics.ORDERS, "v", back, APPENDED)
    machine.open(INTAKE, 0)
    machine.settle()
    assert machine.last_credits("last_touch")["b", "total", None]["refunds_micros"] == 4_000_000
    machine.check_books()


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize(
    "first", [[topics.ERASURES], [topics.CLICKS, topics.ERASURES], [topics.ORDERS, topics.ERASURES]]
)
def test_what_was_written_before_an_erasure_is_forgotten_also_where_it_is_read_after(first, restarts):
    """Backlogs, and workers that begin anew, read the topics in any order."""
    machine = Machine(1, campaign_registry(), models=("last_touch",))
    machine.produce(topics.CLICKS, "v", click(1, T0, "a", "v"), APPENDED)
    machine.produce(topics.IMPRESSIONS, "v", click(2, T0, "a", "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, T0 + 1_000, "v", customer_id="k"), APPENDED)
    asked = {"visitor_id": "v", "customer_id": "k", "requested_at": T0 + 30_000}
    machine.produce(topics.ERASURES, "v", asked, APPENDED)
    for topic in first:
        machine.read(topic, 0, 9)
    if restarts:
        machine.checkpoint(INTAKE, 0)
        machine.open(INTAKE, 0)
    machine.settle()
    assert traces(machine, "v") == []
    later = T0 + HOUR
    machine.produce(topics.CLICKS, "v", click(3, later, "b", "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(2, later + 1, "v"), APPENDED)
    machine.settle()
    assert traces(machine, "v")  # who comes back is somebody new
    assert machine.last_credits("last_touch")["b", "total", None]["orders"] == 1
    machine.check_books()


def test_an_erasure_forgets_nobody_whose_id_reads_like_nothing():
    names = ReservedNames(absent=("!none",))  # a customer may be called so here
    machine = Machine(1, campaign_registry(), models=(), names=names)
    placed = [order(n, T0 + n, None, customer_id="None") for n in range(2)]
    machine.produce(topics.ORDERS, "v", placed[0], APPENDED)
    machine.produce(topics.ERASURES, "v", {"lead_id": "l", "requested_at": T0}, APPENDED)
    machine.settle()
    machine.produce(topics.ORDERS, "v", placed[1], APPENDED)
    machine.settle()
    assert machine.last_sums()["(none)", "total", None]["new_customers"] == 1


def test_an_erasure_that_names_nobody_is_a_dead_letter():
    machine = Machine(1, campaign_registry(), models=())
    machine.produce(topics.ERASURES, "v", {"requested_at": T0}, APPENDED)
    machine.produce(topics.ERASURES, "v", {"visitor_id": "v"}, APPENDED)
    machine.produce(topics.ERASURES, "v", {"customer_id": "c", "requested_at": T0}, APPENDED)
    machine.settle()
    assert [letter["reason"] for letter in machine.letters] == ["missing_field", "missing_field"]
    assert machine.intake(0).ledger[topics.ERASURES].applied == 1
    machine.check_books()


def test_a_reading_of_a_model_has_the_spend_of_the_campaign_and_its_share_of_the_conversions():
    machine = Machine(1, campaign_registry(), models=("linear",))
    for n, campaign in enumerate("aab"):
        machine.produce(topics.CLICKS, "v", click(n, T0 + n * MINUTE, campaign, "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, T0 + 5 * MINUTE, "v"), APPENDED)
    machine.settle()
    total = {key[0]: each for key, each in machine.last_credits("linear").items() if key[1] == "total"}
    assert (total["a"]["spend_micros"], total["a"]["orders"], total["a"]["revenue_micros"]) == (
        2_000_000,
        0.666667,
        6_000_003,
    )
    assert (total["b"]["clicks"], total["b"]["orders"]) == (1, 0.333333)
    latest = {each["campaign_id"]: each for each in machine.credited if each["window"] == "total"}
    assert latest["a"]["kpis"]["roas"] == 3.000002  # 6.000003 / 2, half to even
    assert latest["a"]["kpis"]["cpa"] == 2.999999  # 2 / 0.666667


def test_a_reading_of_the_data_driven_model_says_when_it_was_fitted():
    machine = Machine(1, campaign_registry(), models=("linear", "markov"))
    machine.produce(topics.CLICKS, "v", click(1, T0, "a", "v"), APPENDED)
    machine.produce(topics.ORDERS, "v", order(1, T0 + MINUTE, "v"), APPENDED)
    machine.settle()
    machine.now += MINUTE  # until there is a fit, one is tried each minute
    machine.produce(topics.CLICKS, "v", click(2, T0 + 2 * MINUTE, "a", "v"), APPENDED)
    machine.settle()
    fitted = machine.intake(0).attribution.journeys.data_driven.fit
    assert fitted.effects == {"a": 1.0}
    said = {each["model"]: each["fitted_at"] for each in machine.credited if each["campaign_id"] == "a"}
    assert said == {"linear": None, "markov": format_instant(fitted.fitted_at)}


def test_completeness_says_how_much_of_the_conversions_of_that_age_has_usually_come():
    machine = Machine(1, campaign_registry(), models=("linear",))
    for n in range(4):  # three people order a minute after their click, one after an hour
        at, wait = T0 + n * MINUTE, HOUR if n == 3 else MINUTE
        machine.produce(topics.CLICKS, f"v{n}", click(n, at, "a", f"v{n}"), APPENDED)
        machine.produce(topics.ORDERS, f"v{n}", order(n, at + wait, f"v{n}"), APPENDED)
    machine.settle()
    machine.produce(topics.CLICKS, "v", click(9, T0 + 50 * MINUTE, "a", "v"), APPENDED)
    machine.settle()
    said = {key: each["completeness"] for key, each in machine.last().items()}
    assert round(said["a", "total", None]["orders"], 3) == 0.75
    recent = said["a", "1m", "2026-11-18T00:50:00Z"]
    assert recent["leads"] is None
    assert recent["orders"] == 0.75

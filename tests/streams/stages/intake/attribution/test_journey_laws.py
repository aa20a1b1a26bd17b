"""Journeys of one partition: any interleaving of clicks, leads and orders ends with the credits of a brute-force oracle."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from metrics.attribution.conversion_credit import (
    COHORT,
    shares,
)
from metrics.attribution.identity_graph import visitor_hash
from metrics.attribution.models import MODELS, AttributionRules, Touch, credit, credited_from, path_of
from metrics.customers.calendar import CustomerCalendar
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.leads import LeadEntry
from metrics.entities.orders import FirstOrder, OrderEntry
from metrics.records.campaign_model import campaign_model, split_campaign_model
from metrics.records.events import Lead, Order
from metrics.records.partition_keys import KeyRule
from metrics.sums.tally import Tally
from metrics.values.time import DAY, HOUR, floor_to
from metrics.windows.panes import DAYS, TOTAL, Panes, horizon
from streams.stages.intake.attribution.attribution import Attribution
from streams.stages.intake.attribution.facts import TouchBatch
from streams.stages.intake.conversions import Conversions
from streams.stages.intake.customer_accounts import CustomerAccounts
from streams.state.keyed_table import KeyedTable
from tests.support.examples import examples

VIEWS = (*(model for model in MODELS if model != "markov"), "linear" + COHORT)
RULES = AttributionRules(models=VIEWS, lookback=40 * HOUR, view_lookback=10 * HOUR, half_life=8 * HOUR)
OPEN = horizon(None)
NEVER, ALWAYS = -(1 << 60), 1 << 60
bounded = examples(1.2, HealthCheck.too_slow, HealthCheck.data_too_large)

hours = st.integers(0, 100).map(lambda hour: hour * HOUR)
visitors = st.sampled_from(["v0", "v1", "v2", "v3"])
maybe_visitors = st.one_of(st.none(), visitors)
campaigns = st.sampled_from(["a", "b", "c"])
touches = st.tuples(
    st.just("touch"),
    st.tuples(visitors, hours, st.booleans(), campaigns, st.sampled_from(["", "direct", "search"])),
)
leads = st.builds(
    lambda who, at, visitor, stage: ("lead", (f"l{who}", at, visitor, stage)),
    st.integers(0, 2),
    hours,
    maybe_visitors,
    st.sampled_from(["lead", "mql", "sql"]),
)
orders = st.builds(
    lambda at, visitor, customer, lead, cost: ("order", (at, visitor, customer, lead, cost)),
    hours,
    maybe_visitors,
    st.sampled_from([None, "c0", "c1"]),
    st.sampled_from([None, None, "l0", "l1"]),
    st.integers(0, 50),
)
taken_back = st.builds(
    lambda order, at, amount: ("refund", (order, at, amount)), st.integers(0, 12), hours, st.integers(0, 30)
)
called_off = st.builds(lambda order, at: ("cancel", (order, at)), st.integers(0, 12), hours)
sets_of_facts = st.lists(
    st.one_of(touches, touches, leads, orders, orders, taken_back, called_off), max_size=30
)


class Partition:
    """Conversions and journeys as intake holds them."""

    def __init__(self, rules=RULES):
        attribution = Attribution(0, 1, rules, KeyRule(), HOUR, 1_000)
        self.journeys = attribution.journeys
        self.panes = Panes()
        tables = KeyedTable("l", LeadEntry), KeyedTable("o", OrderEntry), KeyedTable("c", FirstOrder)
        homes = attribution.customer_homes
        accounts = CustomerAccounts(
            0, tables[1], homes, 0, retention=0, calendar=CustomerCalendar(ZoneInfo("UTC"))
        )
        self.conversions = Conversions(*tables, CampaignRegistry("EUR"), attribution, accounts)

    def take(self, number, kind, value):
        if kind == "touch":
            self.touch([value])
            return
        event = event_of(number, kind, value)
        judge = self.conversions.lead if kind == "lead" else self.conversions.order
        judge(event, event.occurred_at)(OPEN)

    def touch(self, values):
        for is_click in (False, True):
            some = [value for value in values if value[2] == is_click]
            count = len(some)
            self.journeys.touch(
                TouchBatch(
                    np.array([visitor_hash(value[0]) for value in some], np.uint64),
                    np.array([value[1] for value in some], np.int64),
                    np.arange(count, dtype=np.int32),
                    [value[3] for value in some],
                    np.array([index if value[4] else -1 for index, value in enumerate(some)], np.int32),
                    [value[4] for value in some],
                ),
                is_click=is_click,
            )

    def settle(self, progress=ALWAYS):
        self.journeys.settle(progress).fold_into(self.panes, OPEN)

    def sums(self):
        return {
            (*reversed(split_campaign_model(name)), resolution, start): msgspec.structs.astuple(tally)
            for (name, resolution, start), tally in self.panes.tallies.items()
            if tally != Tally()
        }


def event_of(number, kind, value):
    if kind == "lead":
        lead_id, at, visitor, stage = value
        return Lead(f"e{number}", at, lead_id, visitor_id=visitor, stage=stage)
    if kind == "order":
        at, visitor, customer, lead, cost = value
        return Order(
            f"e{number}", at, f"o{number}", revenue=Decimal("10.000001"), customer_id=customer,
            visitor_id=visitor, lead_id=lead, cost_of_goods=Decimal(cost),
        )  # fmt: skip
    order, at = value[:2]
    if kind == "refund":
        return Order(f"e{number}", at, f"o{order}", kind="refunded", revenue=Decimal(value[2]))
    return Order(f"e{number}", at, f"o{order}", kind="cancelled")


def oracle(facts):
    """The sums of every view, from the set of facts: sorted, grouped, divided."""
    persons = persons_of(facts)
    sums = {}
    for at, ids, parts in leads_of(facts) + orders_of(facts):
        whole = set().union(*(person for person in persons if person & ids))
        journey = [
            Touch(value[1], value[2], value[3], value[4])
            for kind, value in facts
            if kind == "touch" and ("v", value[0]) in whole
        ]
        path = path_of(journey, at, RULES)
        for view in VIEWS:
            model = view.removesuffix(COHORT)
            cohort = credited_from(model, path, RULES, {}) if view != model else None
            for when, tally in parts:
                counted_at = when if cohort is None else cohort
                for campaign, share in shares(tally, credit(model, path, RULES, {})):
                    for resolution, start in ((TOTAL, 0), (DAYS, floor_to(counted_at, DAY))):
                        sums.setdefault((view, campaign, resolution, start), Tally()).add(share)
    return {key: msgspec.structs.astuple(tally) for key, tally in sums.items() if tally != Tally()}


def leads_of(facts):
    marks = {}
    for kind, value in facts:
        if kind == "lead":
            marks.setdefault(value[0], []).append((value[1], ("lead", "mql", "sql").index(value[3])))
    found = []
    for lead_id, records in marks.items():
        parts = []
        for index, name in enumerate(("leads", "mqls", "sqls")):
            progress = [at for at, stage in records if stage >= index]
            parts += [(min(progress), Tally(**{name: 1}))] if progress else []
        if len(parts) == 3:
            parts.append((parts[1][0], Tally(mqls_now_sql=1)))
        found.append((min(at for at, _ in records), {("l", lead_id)}, parts))
    return found


def orders_of(facts):
    """Event time, ids and parts of every order."""
    first = {}
    placed = {number: value for number, (kind, value) in enumerate(facts) if kind == "order"}
    for number, (at, visitor, customer, _, _) in placed.items():
        who = ("c", customer) if customer else ("v", visitor)
        if who[1] is not None:
            first[who] = min(first.get(who, (ALWAYS, "")), (at, f"o{number}"))
    names = {name for _, name in first.values()}
    found = []
    for number, (at, visitor, customer, lead, cost) in placed.items():
        name = f"o{number}"
        parts = [(at, Tally(orders=1, revenue_micros=10_000_001, cost_of_goods_micros=cost * 10**6))]
        if name in names:
            parts.append((at, Tally(new_customers=1)))
        given_back = [(v[1], v[2] * 10**6) for kind, v in facts if kind == "refund" and name == f"o{v[0]}"]
        off = [v[1] for kind, v in facts if kind == "cancel" and name == f"o{v[0]}"]
        parts += [(when, Tally(refunds_micros=amount)) for when, amount in given_back]
        if off:
            left = max(0, 10_000_001 - sum(amount for _, amount in given_back))
            back = Tally(cancelled_orders=1, refunds_micros=left, cost_of_goods_micros=-cost * 10**6)
            parts.append((min(off), back))
        ids = {("v", visitor), ("c", customer), ("l", lead)}
        found.append((at, {each for each in ids if each[1] is not None}, parts))
    orphans = [v for kind, v in facts if kind == "refund" and v[0] not in placed]
    return found + [(v[1], set(), [(v[1], Tally(refunds_micros=v[2] * 10**6))]) for v in orphans]


def persons_of(facts):
    persons = []
    for kind, value in facts:
        if kind == "lead":
            ids = {("l", value[0]), ("v", value[2])}
        elif kind == "order":
            ids = {("v", value[1]), ("c", value[2]), ("l", value[3])}
        elif kind == "touch":
            ids = {("v", value[0])}
        else:
            continue
        ids = {each for each in ids if each[1] is not None}
        apart = [person for person in persons if not person & ids]
        persons = [*apart, ids.union(*(person for person in persons if person & ids))]
    return persons


def coarse(sums):
    return {key: value for key, value in sums.items() if key[2] in (TOTAL, DAYS)}


@bounded
@given(sets_of_facts, st.randoms(use_true_random=False))
def test_any_interleaving_ends_with_the_credits_of_the_oracle(facts, rng):
    numbered = list(enumerate(facts))
    rng.shuffle(numbered)
    partition = Partition()
    for number, (kind, value) in numbered:
        partition.take(number, kind, value)
        if rng.random() < 0.4:
            partition.settle(rng.choice([None, 20 * HOUR, 60 * HOUR, ALWAYS]))
    partition.settle()
    assert coarse(partition.sums()) == oracle(facts)
    other = Partition()
    for number, (kind, value) in enumerate(facts):
        other.take(number, kind, value)
    other.settle()
    assert partition.sums() == other.sums()
    assert partition.journeys.lags == other.journeys.lags


@bounded
@given(sets_of_facts)
def test_a_conversion_counts_nowhere_until_the_clicks_have_reached_its_time(facts):
    partition = Partition()
    for number, (kind, value) in enumerate(facts):
        partition.take(number, kind, value)
    partition.settle(NEVER)
    named = [key for key, rule_history in partition.journeys.conversions.items() if rule_history.ids]
    assert all(partition.journeys.conversions.get(key).generation is None for key in named)
    for at in range(-1, 101):
        partition.settle(at * HOUR)
        for key in named:
            rule_history = partition.journeys.conversions.get(key)
            assert (rule_history.generation is not None) == (rule_history.at <= at * HOUR)
    partition.settle()
    assert coarse(partition.sums()) == oracle(facts)


def test_a_late_click_moves_the_credit_and_a_refund_is_taken_from_whoever_has_it():
    partition = Partition()
    partition.take(0, "touch", ("v0", 1 * HOUR, True, "a", ""))
    partition.take(1, "order", (5 * HOUR, "v0", None, None, 0))
    partition.settle()
    assert partition.sums()["last_touch", "a", TOTAL, 0][5] == 1_000_000
    partition.take(2, "touch", ("v0", 3 * HOUR, True, "b", ""))
    partition.settle()
    assert ("last_touch", "a", TOTAL, 0) not in partition.sums()
    order = event_of(3, "refund", (1, 9 * HOUR, 4))
    partition.conversions.order(order, 9 * HOUR)(OPEN)
    partition.settle()
    assert refunds_of(partition, "a", "linear") == refunds_of(partition, "b", "linear") == 2_000_000
    assert refunds_of(partition, "b", "last_touch") == 4_000_000


def refunds_of(partition, campaign, view):
    return partition.panes.tallies[campaign_model(campaign, view), TOTAL, 0].refunds_micros


def test_only_an_id_that_may_have_touches_settles_anew_what_its_person_converted():
    partition = Partition()
    partition.take(0, "lead", ("l0", 5 * HOUR, "v0", "lead"))
    partition.take(1, "lead", ("l1", 6 * HOUR, "v0", "lead"))
    partition.settle()
    partition.take(2, "lead", ("l2", 7 * HOUR, "v0", "lead"))
    assert partition.journeys.unsettled == 1
    partition.take(3, "touch", ("v1", 1 * HOUR, True, "a", ""))
    partition.settle()
    partition.take(4, "order", (8 * HOUR, "v1", None, "l2", 0))
    assert partition.journeys.unsettled == 4
    partition.settle()
    assert partition.sums()["first_touch", "a", TOTAL, 0][2] == 3_000_000


def test_an_erased_person_leaves_the_figures_and_nothing_else():
    partition = Partition()
    partition.take(0, "touch", ("v0", 1 * HOUR, True, "a", ""))
    partition.take(1, "lead", ("l0", 5 * HOUR, "v0", "lead"))
    partition.settle()
    before = partition.sums()
    assert partition.journeys.forget(visitor_hash("v0")) == 1
    partition.take(2, "touch", ("v0", 2 * HOUR, True, "b", ""))
    partition.settle()
    assert partition.sums() == before
    kept = partition.journeys.conversions.get("l|l0")
    assert (kept.ids, kept.path, kept.shares) == ((), b"", b"")


def test_the_data_driven_model_follows_what_converts():
    partition = Partition(msgspec.structs.replace(RULES, models=("markov", "linear")))
    for n in range(20):
        partition.touch([(f"w{n}", HOUR, True, "good", ""), (f"u{n}", HOUR, True, "bad", "")])
        partition.take(n, "order", (2 * HOUR, f"w{n}", None, None, 0))
    partition.settle()
    partition.journeys.begin_fit(now=7)
    partition.journeys.go_on_fitting()
    assert (partition.journeys.data_driven.fit.fitted_at, partition.journeys.data_driven.fit.conversions) == (
        7,
        20,
    )
    assert partition.journeys.data_driven.fit.effects == {"bad": 0.0, "good": 1.0}
    partition.touch([("x", HOUR, True, "good", ""), ("x", 2 * HOUR, True, "bad", "")])
    partition.take(99, "order", (3 * HOUR, "x", None, None, 0))
    partition.settle()
    assert partition.panes.tallies[campaign_model("good", "markov"), TOTAL, 0].orders == 21_000_000
    assert (campaign_model("bad", "markov"), TOTAL, 0) not in partition.panes.tallies

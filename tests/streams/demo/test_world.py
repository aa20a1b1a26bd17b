"""The demo's world: its records are those of the contract, and what it says it did is what intake finds."""

from collections import Counter
from datetime import datetime
from decimal import Decimal
from itertools import groupby, pairwise
from typing import NamedTuple

import msgspec
import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.events import Campaign, FxRate
from metrics.values.time import HOUR, MINUTE, SECOND, parse_duration, to_millis
from streams import topics
from streams.demo.campaign_profiles import PROFILES
from streams.demo.delivery import MAX_DISORDER_MS, MAX_LATE_MS, Arrival
from streams.demo.simulated_clock import HISTORY_MS, SimulatedClock
from streams.demo.world import MAX_HISTORY_CLICKS, DemoWorld
from streams.messages.decoding import DECODERS
from streams.stages.intake.stage import IntakeOptions, IntakeStage

NOW = 1_795_294_803_333
KEEPS = IntakeOptions(1, 300_000, parse_duration("24h"), 1_000_000, parse_duration("400d"))


class Appended(NamedTuple):
    """A record as it stands in the log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


@pytest.fixture(scope="module")
def world() -> DemoWorld:
    return DemoWorld(7, len(PROFILES), 200, SimulatedClock.starting(NOW))


@pytest.fixture(scope="module")
def stream(world) -> list[Arrival]:
    """The history and 20 live seconds."""
    return list(world.advance(NOW + 20 * SECOND))


def instant(value: str | int) -> int:
    return value if isinstance(value, int) else to_millis(msgspec.convert(value, type=datetime))


# --- records ----------------------------------------------------------------------------------------


def test_every_record_that_is_not_broken_on_purpose_decodes(stream) -> None:
    for arrival in stream:
        if arrival.kind != "broken":
            DECODERS[arrival.topic].decode(arrival.payload())


def test_registrations_decode_and_are_keyed_as_the_contract_says(world) -> None:
    decoders = {topics.CAMPAIGNS: Campaign, topics.FX_RATES: FxRate}
    for arrival in world.registrations():
        record = msgspec.json.decode(arrival.payload(), type=decoders[arrival.topic])
        if isinstance(record, Campaign):
            assert arrival.key == record.campaign_id
            assert record.name
            assert to_millis(record.starts_at) <= world.clock.begins_ms < to_millis(record.ends_at)
        else:
            assert arrival.key == f"{record.currency}|{arrival.record['valid_from']}"


def test_every_currency_has_a_rate_before_the_first_record(world) -> None:
    rates = [a.record for a in world.registrations() if a.topic == topics.FX_RATES]
    valid = {r["currency"] for r in rates if instant(r["valid_from"]) < world.clock.begins_ms - MINUTE}
    assert {p.currency for p in world.profiles} - valid == {"EUR"}


def test_a_record_is_keyed_by_its_visitor_or_customer_and_a_report_by_its_campaign(stream) -> None:
    by = dict.fromkeys(topics.CUSTOMER_SOURCES, "customer_id") | {topics.REFERRALS: "visitor_id"}
    for arrival in stream:
        field = by.get(arrival.topic, "campaign_id" if arrival.topic == topics.REPORTS else "visitor_id")
        assert arrival.record[field] == arrival.key


def test_what_customers_do_follows_their_orders(stream) -> None:
    first: dict[str, int] = {}
    for arrival in stream:
        if arrival.topic == topics.ORDERS and "customer_id" in arrival.record:
            customer = arrival.record["customer_id"]
            first[customer] = min(first.get(customer, arrival.occurred_at_ms), arrival.occurred_at_ms)
    did = [each for each in stream if each.topic in topics.CUSTOMER_SOURCES]
    for arrival in did:
        customer = arrival.record.get("referrer_id") or arrival.record["customer_id"]
        assert first[customer] <= arrival.occurred_at_ms
    assert {each.record["stage"] for each in did if each.topic == topics.TICKETS} == {
        "opened", "responded", "resolved"
    }  # fmt: skip
    assert {each.record["kind"] for each in did if each.topic == topics.SURVEYS} == {"nps", "csat"}


def test_event_times_in_the_records_are_those_the_world_says(stream) -> None:
    for arrival in stream:
        if "occurred_at" in arrival.record and arrival.kind != "broken":
            assert instant(arrival.record["occurred_at"]) == arrival.occurred_at_ms


def test_all_topics_and_all_kinds_occur(stream) -> None:
    assert {a.topic for a in stream} == set(topics.SOURCES) - {topics.ERASURES}
    assert {a.kind for a in stream} == {"plain", "duplicate", "late", "broken"}
    assert {a.record.get("kind") for a in stream if a.topic not in topics.CUSTOMER_SOURCES} == {
        None,
        "refunded",
        "cancelled",
    }
    assert {a.record["stage"] for a in stream if a.topic == topics.LEADS} == {"lead", "mql", "sql"}


# --- the way to the log -----------------------------------------------------------------------------


def test_records_are_out_of_order_by_five_seconds_at_most_unless_late(stream) -> None:
    # Reports are told when the platform gets round to it; they do not move the watermark.
    events = [a for a in stream if a.kind in {"plain", "duplicate"} and a.topic != topics.REPORTS]
    delays = [a.arrives_at_ms - a.occurred_at_ms for a in events]
    assert min(delays) >= 0
    assert MAX_DISORDER_MS * 0.9 < max(delays) <= MAX_DISORDER_MS
    seen = [a.occurred_at_ms for a in stream]
    assert any(later < earlier for earlier, later in pairwise(seen))


def test_late_records_are_minutes_late(stream) -> None:
    delays = [a.arrives_at_ms - a.occurred_at_ms for a in stream if a.kind == "late"]
    assert all(MINUTE <= delay <= MAX_DISORDER_MS + MAX_LATE_MS for delay in delays)


def test_a_duplicate_repeats_a_whole_record_under_the_same_key(stream) -> None:
    first = {a.payload(): a for a in stream if a.kind == "plain"}
    for arrival in stream:
        if arrival.kind == "duplicate":
            assert first[arrival.payload()].key == arrival.key


def test_about_one_record_in_a_hundred_is_sent_twice(world, stream) -> None:
    assert 0.007 < world.counts["duplicate"] / len(stream) < 0.013


def test_a_refund_follows_its_order_and_is_not_larger(stream) -> None:
    orders = {a.record["order_id"]: a for a in stream if a.topic == topics.ORDERS and "kind" not in a.record}
    refunds = [a for a in stream if a.record.get("kind") == "refunded" and a.record["order_id"] in orders]
    assert refunds
    for refund in refunds:
        order = orders[refund.record["order_id"]]
        assert refund.occurred_at_ms > order.occurred_at_ms
        assert Decimal(refund.record["revenue"]) <= Decimal(order.record["revenue"])
        assert refund.key == order.key


@pytest.mark.slow
def test_intake_finds_exactly_what_the_world_says_it_sent(world, stream) -> None:
    campaign_registry = CampaignRegistry("EUR")
    for arrival in world.registrations():
        if arrival.topic == topics.CAMPAIGNS:
            campaign_registry.register(arrival.key, msgspec.convert(arrival.record, Campaign))
        else:
            rate = msgspec.convert(arrival.record, FxRate)
            campaign_registry.set_rate(rate.currency, to_millis(rate.valid_from), rate.rate)
    intake = IntakeStage(0, KEEPS, campaign_registry)
    offsets: Counter[str] = Counter()
    for topic, run in groupby(stream, key=lambda a: a.topic):
        records = []
        for arrival in run:
            records.append(
                Appended(offsets[topic], arrival.arrives_at_ms, arrival.key.encode(), arrival.payload())
            )
            offsets[topic] += 1
        intake.process(topic, records, NOW)
    found = intake.ledger.values()
    assert sum(ledger.rejected for ledger in found) == world.counts["broken"] > 0
    assert sum(ledger.duplicate for ledger in found) == world.counts["duplicate"]
    assert sum(ledger.too_late for ledger in found) == 0
    assert (
        sum(ledger.applied for ledger in found)
        == len(stream) - world.counts["broken"] - world.counts["duplicate"]
    )


# --- campaigns --------------------------------------------------------------------------------------


def test_names_ids_and_qualities_are_told_apart() -> None:
    assert len({p.campaign_id for p in PROFILES}) == len({p.name for p in PROFILES}) == len(PROFILES) >= 12
    verdicts = Counter(
        "good"
        if p.expected_cpl < p.target_cpl * 0.95
        else "bad"
        if p.expected_cpl > p.target_cpl * 1.2
        else "on target"
        for p in PROFILES
        if p.charge != "free"
    )
    assert min(verdicts["good"], verdicts["bad"], verdicts["on target"]) >= 2


@pytest.mark.slow
def test_lead_rates_come_near_to_the_profiles() -> None:
    world = DemoWorld(3, 4, 400, SimulatedClock.starting(NOW))
    clicks, leads = Counter(), Counter()
    for arrival in world.advance(NOW + 60 * SECOND):
        if arrival.kind in {"broken", "duplicate"}:
            continue
        # Clicks of the last half minute have not had time to convert.
        campaign = arrival.record.get("campaign_id")
        if arrival.topic == topics.CLICKS and arrival.occurred_at_ms < NOW + 30 * SECOND:
            clicks[campaign] += 1
        if arrival.topic == topics.LEADS and arrival.record["stage"] == "lead":
            leads[campaign] += arrival.occurred_at_ms < NOW + 36 * SECOND
    for profile in world.profiles:
        rate = profile.lead_rate * (1 - profile.lost_tracking)
        expected = clicks[profile.campaign_id] * rate
        assert abs(leads[profile.campaign_id] - expected) < 5 * expected**0.5


def test_organic_visits_cost_nothing_and_reported_campaigns_carry_no_cost_on_events(stream) -> None:
    silent = {p.campaign_id for p in PROFILES if p.charge in {"free", "report"}}
    for arrival in stream:
        if arrival.kind != "broken" and arrival.record.get("campaign_id") in silent:
            assert "cost" not in arrival.record


def test_the_statements_of_an_hour_only_grow_and_end_with_the_hour(stream) -> None:
    reports = [a.record for a in stream if a.topic == topics.REPORTS]
    by_hour: dict = {}
    for record in sorted(reports, key=lambda r: r["reported_at"]):
        before = by_hour.get((record["campaign_id"], record["period_start"]))
        assert before is None or Decimal(record["spend"]) >= Decimal(before["spend"])
        by_hour[record["campaign_id"], record["period_start"]] = record
    closed = [r for r in by_hour.values() if r["period_end"].endswith(":00:00Z")]
    assert len(closed) == 2 * 2, "two campaigns, two full hours since the first"


def test_while_live_the_platform_speaks_every_few_seconds(stream) -> None:
    told = sorted(
        a.occurred_at_ms
        for a in stream
        if a.key == "crm-trial-search" and a.topic == topics.REPORTS and a.occurred_at_ms >= NOW
    )
    assert len(told) >= 3
    # A statement is due every 5 s and is made at the first look after that.
    assert all(later - earlier <= 15 * SECOND for earlier, later in pairwise([NOW, *told]))


def test_a_campaign_per_number_asked_for_each_with_its_own_id() -> None:
    world = DemoWorld(1, 40, 10, SimulatedClock.starting(NOW))
    assert len({p.campaign_id for p in world.profiles}) == 40
    with pytest.raises(ValueError, match="--campaigns"):
        DemoWorld(1, 0, 10, SimulatedClock.starting(NOW))


# --- pace -------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_live_clicks_come_at_the_rate_asked_for() -> None:
    world = DemoWorld(5, 12, 100, SimulatedClock.starting(NOW))
    clicks = lambda: world.counts[topics.CLICKS]  # noqa: E731
    list(world.advance(NOW + 10 * SECOND))
    before = clicks()
    list(world.advance(NOW + 40 * SECOND))
    assert abs(clicks() - before - 3_000) < 5 * 3_000**0.5


@pytest.mark.slow
def test_in_a_time_lapse_too_clicks_come_at_the_rate_asked_for_per_real_second() -> None:
    clock = SimulatedClock.starting(NOW, lapse_seconds=40, factor=60)
    world = DemoWorld(5, 12, 100, clock)
    list(world.advance(clock.simulated(NOW)))
    before = world.counts[topics.CLICKS]
    list(world.advance(clock.simulated(NOW + 30 * SECOND)))
    assert abs(world.counts[topics.CLICKS] - before - 3_000) < 6 * 3_000**0.5


@pytest.mark.slow
def test_the_history_is_two_hours_long_and_bounded_at_any_rate() -> None:
    world = DemoWorld(5, 12, 5_000, SimulatedClock.starting(NOW))
    history = list(world.advance(NOW))
    assert NOW - HISTORY_MS - MINUTE < min(a.occurred_at_ms for a in history) < NOW - HISTORY_MS + 2 * MINUTE
    assert world.counts[topics.CLICKS] < MAX_HISTORY_CLICKS * 1.1
    assert HISTORY_MS == 2 * HOUR


# --- money ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_budgets_are_of_the_size_of_what_is_spent_and_a_campaign_is_topped_up_before_it_has_none() -> None:
    world = DemoWorld(7, 12, 20, SimulatedClock.starting(NOW))
    rates = {"USD": 0.92, "GBP": 1.16}
    planned = sum(
        float(world.platform.accounts[p.campaign_id].opening) * rates.get(p.currency, 1)
        for p in world.profiles
    )
    list(world.advance(NOW + 5 * MINUTE))
    assert 0.3 < world.ground_truth.spend / 1e6 / planned < 0.8
    topped_up = [a for a in world.advance(NOW + 20 * MINUTE) if a.topic == topics.CAMPAIGNS]
    assert topped_up
    for arrival in topped_up:
        msgspec.json.decode(arrival.payload(), type=Campaign)
    for profile in world.profiles:
        spent = world.ground_truth.spend_of[profile.campaign_id] / 1e6 / rates.get(profile.currency, 1)
        assert spent < float(world.platform.accounts[profile.campaign_id].budget)
        assert world.platform.level(profile.campaign_id) == 1.0

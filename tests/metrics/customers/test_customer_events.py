"""Records of what customers do beside ordering: in any order and however often, the counts are those of a plain pass over them."""

from collections import Counter
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.customers.accounts import customer_hash
from metrics.customers.calendar import CustomerCalendar
from metrics.customers.customer_events import CustomerEventCounts, judged
from metrics.customers.engagement import FIRST_RESPONSE, Kind, totals
from metrics.records.events import Activation, Referral, Subscription, Survey, Ticket
from metrics.records.validation import decode
from metrics.values.errors import Rejection
from metrics.values.time import DAY, HOUR
from tests.support.examples import examples

T0 = 1_767_225_600_000
MONTHS = CustomerCalendar(ZoneInfo("Europe/Paris"))
bounded = examples(1)
persons = st.sampled_from(["ann", "bob", "cyd"])
hours = st.integers(0, 24 * 100).map(lambda hour: T0 + hour * HOUR)
events = st.one_of(
    st.builds(
        lambda at, who, score: Survey("", at, score, customer_id=who), hours, persons, st.integers(0, 10)
    ),
    st.builds(lambda at, score: Survey("", at, score, campaign_id="a"), hours, st.integers(0, 10)),
    st.builds(
        lambda at, who, score: Survey("", at, score, "csat", customer_id=who),
        hours,
        persons,
        st.integers(1, 5),
    ),
    st.builds(
        lambda at, who, stage: Ticket("", at, f"t-{who}", stage, who),
        hours,
        persons,
        st.sampled_from(["opened", "responded", "resolved"]),
    ),
    st.builds(
        lambda at, who, kind: Subscription("", at, f"s-{who}", kind, "P1M", customer_id=who),
        hours,
        persons,
        st.sampled_from(["started", "renewed", "cancelled"]),
    ),
    st.builds(
        lambda at, who, brought: Referral("", at, who, brought), hours, persons, st.sampled_from("xyz")
    ),
    st.builds(lambda at, who: Activation("", at, who), hours, persons),
)
written = st.lists(events, max_size=20).map(
    lambda some: [msgspec.structs.replace(event, event_id=f"e{n}") for n, event in enumerate(some)]
)


def counted(some) -> CustomerEventCounts:
    found = CustomerEventCounts(MONTHS, "EUR")
    for event in some:
        found.take(event)
    return found


@bounded
@given(written, st.randoms())
def test_neither_order_nor_repetition_changes_a_count(some, random):
    again = [*some, *some]
    random.shuffle(again)
    once, twice = counted(some), counted(again)
    assert twice.of_customers() == once.of_customers()
    assert twice.of_campaigns() == once.of_campaigns()
    assert twice.duplicates == len(some)


def answers_and_activations(some) -> Counter:
    found: Counter[tuple[str, int]] = Counter()
    for event in some:
        who = event.customer_id
        if isinstance(event, Activation):
            found[who, Kind.ACTIVATIONS] += 1
        elif isinstance(event, Survey) and event.kind == "csat":
            found[who, Kind.RATINGS] += 1
            found[who, Kind.SATISFIED] += event.score >= 4
        elif isinstance(event, Survey) and who is not None:
            groups = Kind.PROMOTERS, Kind.PASSIVES, Kind.DETRACTORS
            found[who, groups[0 if event.score > 8 else 1 if event.score > 6 else 2]] += 1
    return found


def referrals_and_tickets(some) -> Counter:
    brought: dict[str, tuple[int, int, str]] = {}
    stages: dict[str, set[str]] = {}
    for event in some:
        if isinstance(event, Referral):
            said = event.occurred_at, customer_hash(event.referrer_id, None), event.referrer_id
            brought[event.customer_id] = min(said, brought.get(event.customer_id, said))
        elif isinstance(event, Ticket):
            stages.setdefault(event.customer_id, set()).add(event.stage)
    found = Counter((who, Kind.REFERRALS) for *_, who in brought.values())
    for who, known in stages.items():
        if "opened" in known:
            found[who, Kind.TICKETS] = 1
            found[who, Kind.ANSWERED] = int("responded" in known)
            found[who, Kind.RESOLVED] = int("resolved" in known)
    return found


@bounded
@given(written)
def test_counts_are_those_of_a_plain_pass_over_all_records(some):
    of_customers = counted(some).of_customers()
    of_terms = (Kind.CONTRACTS, Kind.ENDED, Kind.ENDED_AT_ONCE, Kind.TERMS, Kind.RENEWALS)
    found: Counter[tuple[str, int]] = Counter()
    for who in ("ann", "bob", "cyd"):
        for kind, number in totals(of_customers.get(customer_hash(who, None), ())).items():
            if kind < FIRST_RESPONSE and kind not in of_terms:  # test_engagement.py holds times and contracts
                found[who, kind] = number
    assert found == +(answers_and_activations(some) + referrals_and_tickets(some))
    assert all(of_customers.values())


COMMON = {"event_id": "e", "occurred_at": T0, "customer_id": "ann"}
NOBODY = {"event_id": "e", "occurred_at": T0}


@pytest.mark.parametrize(
    ("shape", "value", "detail"),
    [
        (Survey, COMMON | {"score": 11}, "a score of nps is from 0 to 10, not 11"),
        (Survey, COMMON | {"score": 0, "kind": "csat"}, "a score of csat is from 1 to 5, not 0"),
        (Survey, NOBODY | {"score": 1}, "a survey needs a customer_id, a visitor_id or a campaign_id"),
        (Ticket, NOBODY | {"ticket_id": "t"}, "a ticket that is opened needs a customer_id or a visitor_id"),
        (Subscription, COMMON | {"subscription_id": "s"}, "Object missing required field `term`"),
        (
            Subscription,
            NOBODY | {"subscription_id": "s", "term": "P1M"},
            "a subscription that is started needs a customer_id or a visitor_id",
        ),
        (
            Subscription,
            COMMON | {"subscription_id": "s", "term": "P1M", "currency": "euro", "amount": 1},
            "'euro' is no code of a currency such as EUR (three capital letters)",
        ),
        (Referral, NOBODY | {"referrer_id": "ann"}, "a referral needs a customer_id or a visitor_id"),
        (
            Referral,
            COMMON | {"referrer_id": "ann"},
            "referrer_id is the customer_id: nobody brings themselves",
        ),
        (Activation, NOBODY, "an activation needs a customer_id or a visitor_id"),
    ],
)
def test_a_record_that_cannot_be_is_refused_with_what_it_needs(shape, value, detail):
    with pytest.raises(Rejection) as refused:
        judged(decode(msgspec.json.Decoder(shape), msgspec.json.encode(value)))
    assert refused.value.detail == detail


def test_a_term_is_a_duration_of_one_unit():
    decoder = msgspec.json.Decoder(Subscription)
    for term, is_one in (("P1M", True), ("P4W", True), ("P0M", False), ("1 month", False), ("P1Y6M", False)):
        value = msgspec.json.encode(COMMON | {"subscription_id": "s", "term": term})
        if is_one:
            assert decode(decoder, value).term == term
        else:
            with pytest.raises(Rejection, match="invalid_field"):
                decode(decoder, value)


def test_a_subscription_takes_two_hundred_renewals_and_no_more():
    found = counted([Subscription("start", T0, "s", term="P1D", customer_id="ann")])
    for n in range(200):
        found.take(Subscription(f"e{n}", T0 + (n + 1) * DAY, "s", "renewed"))
    with pytest.raises(Rejection, match="too_many"):
        found.take(Subscription("one more", T0 + 300 * DAY, "s", "renewed"))

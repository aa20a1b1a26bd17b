"""Events of a site become the records that a worker takes, exactly, and no record holds an id of who did not agree."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.values.errors import Rejection
from streams import topics
from streams.collect.campaign_rules import DEFAULT_RULES
from streams.collect.site_events import MOST_EVENTS, SiteEvent, Visit, read_events, record_of
from streams.mapping.contract import judge

NOW = 1_800_000_000_000
URL = "https://shop.example/?gclid=G&utm_id=17"


def visit(visitor="v" * 22):
    ids = iter(f"new-{n}" for n in range(1_000))
    return Visit(visitor, NOW, DEFAULT_RULES, lambda: next(ids), 631_152_000_000, NOW + 300_000)


def record(event, *, may_identify=True, visitor="v" * 22):
    batch = read_events(json.dumps(event).encode() if isinstance(event, dict) else event)
    return record_of(batch.events[0], visit(visitor), may_identify=may_identify)


def value(made):
    return json.loads(made.value)


def test_a_click_by_its_address():
    made = record({"type": "click", "event_id": "e-1", "url": URL, "ad_id": "a-1", "cost": 5, "anything": []})
    assert (made.topic, made.key, made.at_ms) == (topics.CLICKS, "v" * 22, NOW)
    assert value(made) == {
        "event_id": value(made)["event_id"],
        "occurred_at": "2027-01-15T08:00:00Z",
        "campaign_id": "google-17",
        "channel": "search",
        "visitor_id": "v" * 22,
        "ad_id": "a-1",
    }


def test_an_order_keeps_its_amount_to_the_last_digit():
    body = b'{"type":"order","order_id":"o-1","revenue":1234567890.123456,"currency":"EUR","customer_id":"c-1","campaign_id":"c"}'
    made = record(body)
    assert (made.topic, made.key) == (topics.ORDERS, "o-1")
    assert Decimal(value(made)["revenue"]) == Decimal("1234567890.123456")
    assert value(made)["customer_id"] == "c-1"


def test_without_consent_no_id_of_a_person_is_in_any_record():
    for event in (
        {"type": "click", "url": URL, "visitor_id": "mine-123"},
        {"type": "impression", "url": URL, "visitor_id": "mine-123"},
        {"type": "lead", "lead_id": "l-1", "visitor_id": "mine-123"},
        {
            "type": "order",
            "order_id": "o-1",
            "revenue": 1,
            "customer_id": "c-9",
            "lead_id": "l-9",
            "visitor_id": "mine-123",
        },
    ):
        made = record(event, may_identify=False)
        text = made.value.decode() + str(made.key)
        assert "v" * 22 not in text
        assert not {"mine-123", "c-9", "l-9"} & set(value(made).values())
        assert made.key


def test_a_click_of_no_campaign_counts_nowhere_and_a_lead_of_none_does():
    assert record({"type": "click", "url": "https://shop.example/?gclid=G"}) is None
    assert record({"type": "impression"}) is None
    assert "campaign_id" not in value(record({"type": "lead", "lead_id": "l-1"}))


def test_ids_are_the_same_each_time_and_of_a_room_of_their_own():
    lead = {"type": "lead", "lead_id": "l-1"}
    first, again = value(record(lead)), value(record({**lead, "url": URL}))
    assert first["event_id"] == again["event_id"]
    mql = value(record({**lead, "stage": "mql"}))
    given_id = value(record({**lead, "event_id": "l-1"}))
    assert len({first["event_id"], mql["event_id"], given_id["event_id"], "l-1"}) == 4
    clicks = [{"type": "click", "url": URL}] * 2
    batch, now = read_events(json.dumps(clicks).encode()), visit()
    assert len({record_of(event, now, may_identify=True).value for event in batch.events}) == 2


@pytest.mark.parametrize(
    ("event", "text"),
    [
        ({"type": "lead"}, "lead_id is missing"),
        ({"type": "order", "revenue": 1}, "order_id is missing"),
        ({"type": "order", "order_id": "o"}, "revenue is missing"),
        ({"type": "order", "order_id": "o", "kind": "refunded", "revenue": 1}, "event_id is missing"),
        ({"type": "order", "order_id": "o", "revenue": -1}, "revenue"),
        ({"type": "order", "order_id": "o", "revenue": "1e400"}, "revenue"),
        ({"type": "order", "order_id": "o", "revenue": 1, "currency": "euro"}, "currency"),
        ({"type": "click", "campaign_id": "c", "occurred_at": "2027-01-15T09:00:00Z"}, "ahead of the clock"),
        ({"type": "click", "campaign_id": "c", "occurred_at": "1980-01-01T00:00:00Z"}, "before 1990"),
        ({"type": "click", "campaign_id": "c", "occurred_at": "2027-01-15T08:00:00"}, "offset"),
        ({"type": "purchase"}, "Invalid enum value"),
        ({"type": "click", "campaign_id": ""}, "length >= 1"),
        ({"type": "click", "campaign_id": "c" * 129}, "length <= 128"),
        (b"", "Input data was truncated"),
        (b"{", "truncated"),
        (b"null", "got `null`"),
        (b"{}", "holds no event"),
        (b"7", "Expected"),
        (b"\xff", "invalid"),
        (b'{"type":"order","order_id":"o","revenue":1e999999999999999999999}', r".+"),
    ],
)
def test_what_is_refused_says_why(event, text):
    with pytest.raises(Rejection, match=text):
        record(event)


def test_too_many_events_at_once_are_refused():
    with pytest.raises(Rejection, match="at most"):
        read_events(b"[" + b",".join([b'{"type":"click"}'] * (MOST_EVENTS + 1)) + b"]")


@pytest.mark.parametrize(
    ("body", "count", "consent"),
    [
        (b'{"type":"click"}', 1, None),
        (b'[{"type":"click"},{"type":"lead"}]', 2, None),
        (b'{"events":[{"type":"click"}],"consent":true}', 1, True),
        (b' {"consent":false,"events":[]}', 0, False),
        (b"[]", 0, None),
    ],
)
def test_one_many_or_a_batch(body, count, consent):
    batch = read_events(body)
    assert (len(batch.events), batch.consent) == (count, consent)


@given(
    st.sampled_from(["click", "impression", "lead", "order"]),
    st.booleans(),
    st.decimals(0, 10**9, places=6),
    st.text(min_size=1, max_size=20),
    st.text(min_size=1, max_size=20),
)
def test_whatever_is_accepted_a_worker_takes(kind, agreed, amount, own, campaign):
    event = SiteEvent(
        type=kind, campaign_id=campaign, lead_id=own, order_id=own, revenue=amount, visitor_id="a b"
    )
    try:
        made = record_of(event, visit(), may_identify=agreed)
    except Rejection:
        return
    assert judge(made.topic, made.value) is None
    assert ("visitor_id" in value(made)) == agreed

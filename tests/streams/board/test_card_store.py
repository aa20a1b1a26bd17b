"""Cards, trail and feed: whatever comes twice or late, what is shown is the newest, once."""

import random
from datetime import datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from metrics.budget.records import BudgetDecision
from metrics.values.time import format_instant
from streams.board.audit_trail import AuditTrail
from streams.board.broadcast import Broadcast, Subscriber
from streams.board.card_store import CardStore
from tests.support.board_seeding import NOW_MS, card, proposal


def encoded(*args, **fields) -> bytes:
    return msgspec.json.encode(card(*args, **fields))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=30))
def test_of_each_campaign_the_highest_revision_is_kept_whatever_the_order(said: list[tuple[str, int]]):
    cards = CardStore()
    for campaign_id, revision in said:
        cards.offer(encoded(campaign_id, revision))
    newest = {name: max(revision for each, revision in said if each == name) for name, _ in said}
    assert {name: each.revision for name, each in cards.cards.items()} == newest


def test_the_whole_hash_holds_even_where_its_revisions_are_lower():
    cards = CardStore()
    cards.replace({"a": encoded("a", 9), "b": encoded("b", 9)})
    changes = cards.replace({"a": encoded("a", 1, column="hold"), "c": encoded("c", 1)})
    assert (changes.changed, changes.removed) == ({"a", "c"}, {"b"})
    assert cards.cards["a"].column == "hold"
    assert cards.encoded.keys() == {"a", "c"}


def test_a_hash_that_says_the_same_is_no_news_and_rubbish_in_it_is_left_out():
    cards = CardStore()
    cards.replace({"a": encoded("a")})
    changes = cards.replace({"a": encoded("a"), "b": b"rubbish", "c": b"\xff", "d": b"{}"})
    assert (changes.changed, changes.removed) == (set(), set())


def test_what_names_no_campaign_has_no_card():
    cards = CardStore()
    assert cards.offer(encoded("(none)")) is None
    assert cards.replace({"(none)": encoded("(none)")}).changed == set()


def decision(number: int, at: int = NOW_MS, campaign_id: str = "c-1") -> bytes:
    return msgspec.json.encode(
        BudgetDecision(
            decision_id=f"d-{number}",
            campaign_id=campaign_id,
            verb="pause",
            by="Ana",
            reason="r",
            occurred_at=at,
        )
    )


def test_the_trail_is_by_time_once_each_whatever_the_order():
    records = [("decision", decision(number, NOW_MS + number)) for number in range(50)]
    records += [("action", msgspec.json.encode(proposal("c-1", f"a-{number}"))) for number in range(5)]
    shuffled = records * 2
    random.Random(1).shuffle(shuffled)
    audit_trail = AuditTrail()
    told = [audit_trail.offer(kind, value) for kind, value in shuffled]
    assert sum(each is not None for each in told) == len(records)
    times = [datetime.fromisoformat(each.at) for each in audit_trail.newest(limit=100)]
    assert len(times) == len(records)
    assert times == sorted(times, reverse=True)
    assert times[0] == datetime.fromisoformat(format_instant(NOW_MS + 49))


def test_the_trail_forgets_the_oldest_and_tells_of_one_campaign():
    audit_trail = AuditTrail(limit=3)
    for number in range(5):
        audit_trail.offer("decision", decision(number, NOW_MS + number, f"c-{number % 2}"))
    assert [each.id for each in audit_trail.newest()] == ["d-4", "d-3", "d-2"]
    assert [each.id for each in audit_trail.newest("c-0")] == ["d-4", "d-2"]
    assert [each.id for each in audit_trail.newest(limit=1)] == ["d-4"]


@given(st.binary(max_size=100))
def test_what_is_no_record_is_passed_over(value: bytes):
    audit_trail = AuditTrail()
    assert audit_trail.offer("action", value) is None
    assert audit_trail.newest() == []


def told(subscriber: Subscriber, cards: CardStore) -> dict:
    return {name: msgspec.json.decode(data) for name, data in subscriber.take(cards)}


def test_a_page_hears_the_whole_board_first_and_then_the_newest_of_what_changed():
    cards, broadcast = CardStore(), Broadcast()
    cards.replace({"a": encoded("a"), "b": encoded("b")})
    with broadcast.subscription() as subscriber:
        first = told(subscriber, cards)["board"]
        assert first["full"]
        assert {each["campaign_id"] for each in first["cards"]} == {"a", "b"}
        assert told(subscriber, cards) == {}
        for revision in (2, 3):
            cards.offer(encoded("a", revision))
            broadcast.publish(changed={"a"})
        second = told(subscriber, cards)["board"]
        assert [(each["campaign_id"], each["revision"]) for each in second["cards"]] == [("a", 3)]
        cards.replace({"a": encoded("a", 3)})
        broadcast.publish(removed={"b"})
        assert told(subscriber, cards)["board"]["removed"] == ["b"]
    assert len(broadcast) == 0


def test_a_page_that_does_not_read_holds_no_more_than_names_and_a_bounded_trail():
    cards, broadcast, audit_trail = CardStore(), Broadcast(), AuditTrail()
    with broadcast.subscription() as subscriber:
        for number in range(1_000):
            cards.offer(encoded("a", number + 1))
            entry = audit_trail.offer("decision", decision(number))
            broadcast.publish(changed={"a"}, entries=[entry])
        events = told(subscriber, cards)
    assert len(events["board"]["cards"]) == 1
    assert len(events["trail"]) == 200


def test_what_is_told_without_a_token_is_the_newest_card_without_words():
    store = CardStore()
    for revision, budget in ((1, 5), (2, 7)):
        newest = card("c-1", revision=revision, reason=f"paused by Ana {revision}", budget_micros=budget)
        store.offer(msgspec.json.encode(newest))
        told = msgspec.json.decode(bytes(store.public("c-1")))
        assert (told["reason"], told["budget_micros"]) == ("", budget)
    store.replace({})
    assert store.public("c-1") is None

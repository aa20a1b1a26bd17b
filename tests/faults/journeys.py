"""People whose conversions name no campaign: two devices, a lead, orders, touches that come late, and keys that are wrong."""

import random
from typing import Any, NamedTuple

from streams import topics
from streams.state.codec import partition_of
from tests.support.load import Load

MINUTE_MS = 60_000
#: From the first touch to the last word, at most; and how far back touches earn credit in the settings of a sequence.
LONGEST_MS = 40 * MINUTE_MS
CLICK_LOOKBACK_MS, VIEW_LOOKBACK_MS, HALF_LIFE_MS = 15 * MINUTE_MS, 5 * MINUTE_MS, 7 * MINUTE_MS

_CAMPAIGNS = [f"c-{number}" for number in range(12)]
_CHANNELS = ["search", "social", "Direct", "direct", None]
#: How often a record arrives at any later time of its journey, so that it comes after what it explains.
_LATE = 0.35
#: Each so many-eth person's clicks and leads come with another key than theirs; orders have it, which tells who is new.
_STRAY = 3


class Arrival(NamedTuple):
    """A record, and the event time of those among which it arrives."""

    at: int
    outgoing: tuple[str, bytes | None, Any]


def journeys(
    dice: random.Random, start: int, span_ms: int, people: list[str], partitions: int
) -> list[Arrival]:
    """One journey of each person within the span, in order of arrival."""
    length = min(span_ms, LONGEST_MS)
    found: list[Arrival] = []
    homes = {partition_of(person, partitions) for person in people}
    for index, person in enumerate(people):
        begun = start + dice.randrange(span_ms - length + 1)
        is_stray = index % _STRAY == 0
        devices = [person] if is_stray else [person, f"{person}~2"]
        for number, (topic, record) in enumerate(_story(dice, person, devices)):
            at = begun + dice.randrange(length)
            arrival = dice.randrange(at, begun + length) if dice.random() < _LATE else at
            whole = {"event_id": f"j-{person}-{number}", "occurred_at": at, **record}
            key = _stray_key(topic, whole, homes, partitions) if is_stray else None
            found.append(Arrival(arrival, (topic, (key or person).encode(), whole)))
    return sorted(found, key=lambda each: each.at)


def _stray_key(topic: str, record: dict[str, Any], homes: set[int], partitions: int) -> str | None:
    """An id of the record that is not its visitor's, on a partition that anybody is on; a repeat has it, too."""
    names = {topics.ORDERS: (), topics.LEADS: ("lead_id",)}.get(topic, ("event_id", "campaign_id"))
    return next((record[name] for name in names if partition_of(record[name], partitions) in homes), None)


def last_clicks(at: int, people: list[str], partitions: int) -> Load:
    """A click on each partition that anybody is on, later than all else: conversions wait for clicks to reach their time."""
    one_of = {partition_of(person, partitions): person for person in people}
    return [
        (
            topics.CLICKS,
            person.encode(),
            {"event_id": f"last-{partition}", "occurred_at": at, "campaign_id": "c-0"},
        )
        for partition, person in sorted(one_of.items())
    ]


def _story(dice: random.Random, person: str, devices: list[str]) -> list[tuple[str, dict[str, Any]]]:
    """What a person does, at any times: two devices are one person's only by the lead that both name."""
    lead, customer = f"l-{person}-story", f"k-{person}"
    orders = [f"o-{person}-story-{number}" for number in range(3)]
    story: list[tuple[str, dict[str, Any]]] = [
        (dice.choice([topics.CLICKS, topics.CLICKS, topics.IMPRESSIONS]), _touch(dice, devices))
        for _ in range(8)
    ]
    story += [
        (topics.LEADS, {"lead_id": lead, "visitor_id": devices[-1]}),
        (topics.LEADS, {"lead_id": lead, "stage": "mql"}),
        (topics.LEADS, {"lead_id": lead, "stage": "sql", "visitor_id": dice.choice(devices)}),
        (topics.LEADS, {"lead_id": f"l-{person}-unknown"}),
        (topics.ORDERS, _order(dice, orders[0]) | {"lead_id": lead, "customer_id": customer}),
        (topics.ORDERS, _order(dice, orders[1]) | {"customer_id": customer}),
        (topics.ORDERS, _order(dice, orders[2])),
    ]
    given_back = dice.choice(orders)
    story.append((topics.ORDERS, {"order_id": given_back, "kind": "refunded", "revenue": "3.333333"}))
    if dice.random() < 0.5:
        story.append((topics.ORDERS, {"order_id": dice.choice(orders), "kind": "cancelled"}))
    return story


def _touch(dice: random.Random, devices: list[str]) -> dict[str, Any]:
    channel = dice.choice(_CHANNELS)
    named = {"campaign_id": dice.choice(_CAMPAIGNS), "visitor_id": dice.choice(devices)}
    return named | ({} if channel is None else {"channel": channel})


def _order(dice: random.Random, order_id: str) -> dict[str, Any]:
    return {"order_id": order_id, "revenue": f"{dice.randrange(1, 200)}.{dice.randrange(1_000_000):06d}"}

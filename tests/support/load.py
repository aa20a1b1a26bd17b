"""Seeded load with the faults of real traffic: disorder, duplicates, invalid records, an idle partition."""

import random
from typing import Any

from streams.state.codec import partition_of

Load = list[tuple[str, bytes | None, Any]]

DISORDER_MS = 5_000
_CAMPAIGNS = [f"c-{number}" for number in range(12)]
_BROKEN: list[Any] = [b"{", b'{"event_id": "x"}', b"\xff\xfe", b"", {"event_id": 1, "occurred_at": 2}]


def visitors(partitions: int, idle_partition: int, count: int) -> list[str]:
    """Ids of visitors whose keys leave one partition without a record."""
    found: list[str] = []
    number = 0
    while len(found) < count:
        number += 1
        if partition_of(f"v-{number}", partitions) != idle_partition:
            found.append(f"v-{number}")
    return found


def generated(seed: int, count: int, start_ms: int, span_ms: int, people: list[str]) -> Load:
    """About ``count`` records of four topics over ``span_ms`` of event time, in order of arrival.

    Arrival is up to 5 s after the event; 1 % come again later, 0.1 % are broken.
    """
    dice = random.Random(seed)
    arrivals: list[tuple[float, tuple[str, bytes | None, Any]]] = []
    for number in range(count):
        at = start_ms + dice.randrange(span_ms)
        person = dice.choice(people)
        topic, record = _record(dice, number, at, person)
        arrival = at + dice.random() * DISORDER_MS
        key = person.encode()
        if dice.random() < 0.001:
            arrivals.append((arrival, (topic, key, dice.choice(_BROKEN))))
            continue
        arrivals.append((arrival, (topic, key, record)))
        if dice.random() < 0.01:
            arrivals.append((arrival + dice.random() * DISORDER_MS, (topic, key, record)))
    arrivals.sort(key=lambda arrival: arrival[0])
    return [outgoing for _, outgoing in arrivals]


def _record(dice: random.Random, number: int, at: int, person: str) -> tuple[str, dict[str, Any]]:
    record: dict[str, Any] = {"event_id": f"e-{number}", "occurred_at": at, "visitor_id": person}
    campaign = dice.choice(_CAMPAIGNS)
    kind = dice.random()
    if kind < 0.55:
        return "ad-clicks", record | {"campaign_id": campaign, "cost": f"0.{dice.randrange(1, 999_999):06d}"}
    if kind < 0.80:
        return "ad-impressions", record | {"campaign_id": campaign, "cost": dice.randrange(3)}
    named = {"campaign_id": campaign} if dice.random() < 0.8 else {}
    if kind < 0.90:
        stage = dice.choice(["lead", "mql", "sql"])
        return "leads", record | named | {"lead_id": f"l-{person}-{dice.randrange(4)}", "stage": stage}
    return "orders", record | named | _order(dice, person)


def _order(dice: random.Random, person: str) -> dict[str, Any]:
    order: dict[str, Any] = {"order_id": f"o-{person}-{dice.randrange(6)}"}
    kind = dice.choices(["placed", "refunded", "cancelled"], [8, 2, 1])[0]
    if kind == "placed":
        flag = dice.choice([None, None, None, True, False])
        extra = {} if flag is None else {"is_new_customer": flag}
        return (
            order
            | {"revenue": round(dice.random() * 200, 2), "cost_of_goods": "10.5", "customer_id": person}
            | extra
        )
    return order | {"kind": kind} | ({"revenue": 5} if kind == "refunded" else {})


def as_oracle_input(load: Load) -> list[tuple[str, dict[str, Any]]]:
    """The records that are not broken, as the oracle takes them."""
    return [
        (topic, value)
        for topic, _, value in load
        if isinstance(value, dict) and value.get("event_id", 1) != 1
    ]

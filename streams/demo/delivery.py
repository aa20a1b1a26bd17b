"""How records reach the log: out of order, some twice, a few late, a tiny share broken. Pure and seeded."""

import random
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from metrics.values.time import DAY, MINUTE, SECOND
from streams import topics

#: What the world did to a record; only ``broken`` ones are wrong.
Kind = Literal["plain", "duplicate", "late", "broken"]
Record = dict[str, Any]

MAX_DISORDER_MS = 5 * SECOND
DUPLICATE_SHARE = 0.01
LATE_SHARE = 0.002
BROKEN_SHARE = 0.001
MAX_LATE_MS = 8 * MINUTE
_FAR_FUTURE_MS = 30 * DAY


class Fact(NamedTuple):
    """One thing that happened: where it is told, by which key, when (simulated)."""

    topic: str
    key: str
    record: Record
    occurred_at_ms: int


class Arrival(NamedTuple):
    """One record on its way to a topic: a fact's fields, when it arrives (simulated), what befell it."""

    topic: str
    key: str
    record: Record
    occurred_at_ms: int
    arrives_at_ms: int
    kind: Kind = "plain"

    def payload(self) -> bytes:
        """The record's bytes; one way of being broken is to end in the middle."""
        text = msgspec.json.encode(self.record)
        return text[: len(text) // 2] if self.record.get("_cut") else text


def deliver(rng: random.Random, fact: Fact, earliest_ms: int) -> Iterator[Arrival]:
    """The arrivals of one fact: usually one, sometimes two, now and then minutes late.

    Args:
        rng: the luck.
        fact: what happened.
        earliest_ms: simulated time of sending; nothing arrives before it.
    """
    last = max(fact.occurred_at_ms + MAX_DISORDER_MS, earliest_ms)
    arrives = max(fact.occurred_at_ms + round(rng.random() ** 2 * MAX_DISORDER_MS), earliest_ms)
    fate = rng.random()
    if fate < LATE_SHARE:
        yield Arrival(*fact, last + round(rng.uniform(MINUTE, MAX_LATE_MS)), "late")
        return
    yield Arrival(*fact, arrives)
    if fate < LATE_SHARE + DUPLICATE_SHARE:
        yield Arrival(*fact, arrives + round(rng.random() * (last - arrives)), "duplicate")


def spoil(rng: random.Random, key: str, click: Record, occurred_at_ms: int, event_id: str) -> Arrival:
    """A record like ``click`` that must be refused, for one of five reasons."""
    record = {**click, "event_id": event_id}
    flaw = rng.randrange(5)
    if flaw == 0:
        del record["campaign_id"]
    elif flaw == 1:
        record["cost"] = -1
    elif flaw == 2:
        record.update(cost=0.5, currency="EURO")
    elif flaw == 3:
        record["occurred_at"] = occurred_at_ms + _FAR_FUTURE_MS
    else:
        record["_cut"] = True
    return Arrival(topics.CLICKS, key, record, occurred_at_ms, occurred_at_ms, "broken")

"""What customers of the demo do after an order beside ordering again: answers, tickets, contracts, whom they bring, activation. Pure."""

import random
from collections.abc import Iterator
from typing import Any

from metrics.values.time import SECOND, format_instant
from streams import topics
from streams.demo.campaign_profiles import CampaignProfile
from streams.demo.delivery import Fact

#: Shares of orders after which something follows.
_ACTIVATED, _ANSWER, _RATING, _TICKET, _CONTRACT, _REFERRAL = 0.6, 0.35, 0.25, 0.15, 0.1, 0.08
_RESPONDED, _RESOLVED = 0.9, 0.85
#: Median delays; a demo cannot wait for days.
_SOON_S, _RESPONSE_S, _RESOLUTION_S = 10.0, 12.0, 30.0
#: Answers from 0 to 10 of who is content, and of who sends things back.
_CONTENT, _ANNOYED = (6, 7, 7, 8, 8, 9, 9, 9, 10, 10, 10), (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
#: How much more often than refunds somebody is annoyed.
_ANNOYANCE = 4.0


class CustomerLife:
    """The customers of one campaign.

    Args:
        rng: luck of its own, so that orders are the same whatever follows from them.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def after(self, profile: CampaignProfile, order_id: str, customer: str, at_ms: int) -> Iterator[Fact]:
        """What follows from an order placed at ``at_ms``.

        Args:
            profile: the campaign's nature at the time of the click.
            order_id: of the order; a letter and what tells it from all others.
            customer: who ordered.
            at_ms: when, epoch ms.
        """
        rng, tail, who = self._rng, order_id[1:], {"customer_id": customer}
        is_annoyed = rng.random() < _ANNOYANCE * profile.refund_rate
        if rng.random() < _ACTIVATED:
            yield self._fact(topics.ACTIVATIONS, customer, f"a{tail}", self._later(at_ms, _SOON_S), **who)
        if rng.random() < _ANSWER:
            score = rng.choice(_ANNOYED if is_annoyed else _CONTENT)
            at = self._later(at_ms, _SOON_S)
            yield self._fact(topics.SURVEYS, customer, f"s{tail}", at, **who, kind="nps", score=score)
        if rng.random() < _RATING:
            score = rng.randint(1, 3) if is_annoyed else rng.randint(3, 5)
            at = self._later(at_ms, _SOON_S)
            yield self._fact(
                topics.SURVEYS, customer, f"r{tail}", at, **who, kind="csat", score=score, scale=5
            )
        if is_annoyed or rng.random() < _TICKET:
            yield from self._ticket(customer, tail, self._later(at_ms, _SOON_S))
        if rng.random() < _CONTRACT:
            contract = {"subscription_id": f"k{tail}", "kind": "started", "term": "P1M", "amount": "9.90", "currency": profile.currency}  # fmt: skip
            yield self._fact(topics.SUBSCRIPTIONS, customer, f"k{tail}", at_ms, **who, **contract)
        if rng.random() < _REFERRAL:
            brought = f"n{tail}"
            at = self._later(at_ms, _SOON_S)
            yield self._fact(topics.REFERRALS, brought, f"g{tail}", at, visitor_id=brought, referrer_id=customer)  # fmt: skip

    def _ticket(self, customer: str, tail: str, at_ms: int) -> Iterator[Fact]:
        rng, ticket = self._rng, {"customer_id": customer, "ticket_id": f"t{tail}"}
        yield self._fact(topics.TICKETS, customer, f"t{tail}", at_ms, **ticket, stage="opened")
        if rng.random() < _RESPONDED:
            at_ms = self._later(at_ms, _RESPONSE_S)
            yield self._fact(topics.TICKETS, customer, f"u{tail}", at_ms, **ticket, stage="responded")
            if rng.random() < _RESOLVED:
                at_ms = self._later(at_ms, _RESOLUTION_S)
                yield self._fact(topics.TICKETS, customer, f"w{tail}", at_ms, **ticket, stage="resolved")

    def _later(self, at_ms: int, median_seconds: float) -> int:
        return at_ms + round(median_seconds * self._rng.lognormvariate(0, 0.7) * SECOND)

    @staticmethod
    def _fact(topic: str, key: str, event_id: str, at_ms: int, **fields: Any) -> Fact:
        record = {"event_id": event_id, "occurred_at": format_instant(at_ms), **fields}
        return Fact(topic, key, record, at_ms)

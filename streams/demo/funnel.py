"""What follows a click: impressions before it, then lead, MQL, SQL, order, refund or cancellation, and what customers do then. Pure."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from metrics.values.time import SECOND, format_instant
from streams import topics
from streams.demo.campaign_profiles import CampaignProfile
from streams.demo.customer_life import CustomerLife
from streams.demo.delivery import Fact, Record

#: Share of clicks by people whom other campaigns reach as well, so that journeys cross.
REGULARS_SHARE = 0.25
_REGULARS = 4_000
#: Median delays of the steps; a demo cannot wait for days.
_LEAD_DELAY_S, _STAGE_DELAY_S, _ORDER_DELAY_S, _RETURN_DELAY_S = 6.0, 5.0, 8.0, 45.0
_REPEAT_SHARE = 0.10


class Funnel:
    """One campaign's visitors.

    Args:
        profile: the campaign's nature.
        rng: its luck; no other campaign shares it, so that pausing one leaves the others as they are.
        next_id: gives ids that never repeat.
        customers: what follows from orders.
    """

    def __init__(
        self,
        profile: CampaignProfile,
        rng: random.Random,
        next_id: Callable[[str], str],
        customers: CustomerLife,
    ) -> None:
        self.profile = profile
        self._rng = rng
        self._id = next_id
        self._customers = customers

    def click(self, at_ms: int) -> tuple[Fact, list[Fact]]:
        """A click at ``at_ms`` and everything that will follow from it."""
        visitor = self._visitor()
        profile = self.profile
        record: Record = {
            "event_id": self._id("c"),
            "occurred_at": at_ms,
            "campaign_id": profile.campaign_id,
            "visitor_id": visitor,
            "channel": profile.channel,
            "offer": profile.offer,
        }
        if profile.charge == "click":
            record.update(cost=self._price(), currency=profile.currency)
        facts = list(self._impressions(at_ms, visitor))
        if self._rng.random() < profile.lead_rate:
            facts.extend(self._lead(at_ms, visitor))
        return Fact(topics.CLICKS, visitor, record, at_ms), facts

    def _visitor(self) -> str:
        if self._rng.random() < REGULARS_SHARE:
            return f"v-regular-{self._rng.randrange(_REGULARS)}"
        return self._id("v")

    def _price(self) -> float:
        return round(self.profile.click_price * self._rng.uniform(0.7, 1.3), 4)

    def _impressions(self, at_ms: int, visitor: str) -> Iterator[Fact]:
        mean = self.profile.impressions_per_click
        for number in range(int(mean + self._rng.random())):
            seen = visitor if number == 0 else self._id("v")
            at = at_ms - round(self._rng.uniform(0, 4) * SECOND)
            yield Fact(topics.IMPRESSIONS, seen, self._impression(at, seen), at)

    def _impression(self, at_ms: int, visitor: str) -> Record:
        profile = self.profile
        record: Record = {
            "event_id": self._id("i"),
            "occurred_at": at_ms,
            "campaign_id": profile.campaign_id,
            "visitor_id": visitor,
        }
        if profile.charge == "impression":
            record.update(
                cost=round(self._price() / profile.impressions_per_click, 6), currency=profile.currency
            )
        return record

    def _lead(self, at_ms: int, visitor: str) -> Iterator[Fact]:
        profile, lead_id = self.profile, self._id("l")
        known = {} if self._rng.random() < profile.lost_tracking else {"campaign_id": profile.campaign_id}
        at = self._after(at_ms, _LEAD_DELAY_S)
        yield self._stage(at, visitor, lead_id, known, "lead")
        for stage, rate in (("mql", profile.mql_rate), ("sql", profile.sql_rate)):
            if self._rng.random() >= rate:
                return
            at = self._after(at, _STAGE_DELAY_S)
            yield self._stage(at, visitor, lead_id, known, stage)
        if self._rng.random() < profile.order_rate:
            yield from self._orders(self._after(at, _ORDER_DELAY_S), visitor, lead_id, known)

    def _stage(self, at_ms: int, visitor: str, lead_id: str, known: dict[str, str], stage: str) -> Fact:
        record = {
            "event_id": self._id("e"),
            "occurred_at": format_instant(at_ms),
            "lead_id": lead_id,
            "visitor_id": visitor,
            "stage": stage,
            **known,
        }
        return Fact(topics.LEADS, visitor, record, at_ms)

    def _orders(self, at_ms: int, visitor: str, lead_id: str, known: dict[str, str]) -> Iterator[Fact]:
        yield from self._order(at_ms, visitor, {"lead_id": lead_id, **known})
        if self._rng.random() < _REPEAT_SHARE:
            yield from self._order(self._after(at_ms, _RETURN_DELAY_S), visitor, known)

    def _order(self, at_ms: int, visitor: str, known: dict[str, str]) -> Iterator[Fact]:
        profile, rng = self.profile, self._rng
        order = {"order_id": self._id("o"), "visitor_id": visitor, "currency": profile.currency, **known}
        value = round(profile.order_value * rng.lognormvariate(-0.08, 0.4), 2)
        goods = f"{value * (1 - profile.margin):.2f}"
        customer = f"k-{visitor}"
        yield self._order_fact(
            at_ms, order, revenue=f"{value:.2f}", cost_of_goods=goods, customer_id=customer
        )
        yield from self._customers.after(profile, order["order_id"], customer, at_ms)
        fate, later = rng.random(), self._after(at_ms, _RETURN_DELAY_S)
        if fate < profile.refund_rate:
            part = value if rng.random() < 0.5 else value / 2
            yield self._order_fact(later, order, kind="refunded", revenue=f"{part:.2f}")
        elif fate < profile.refund_rate + profile.cancellation_rate:
            yield self._order_fact(later, order, kind="cancelled")

    def _order_fact(self, at_ms: int, order: dict[str, str], **more: Any) -> Fact:
        record = {"event_id": self._id("e"), "occurred_at": format_instant(at_ms), **order, **more}
        return Fact(topics.ORDERS, order["visitor_id"], record, at_ms)

    def _after(self, at_ms: int, median_seconds: float) -> int:
        """A later instant; delays are log-normal, most short and some long."""
        return at_ms + round(median_seconds * self._rng.lognormvariate(0, 0.7) * SECOND)

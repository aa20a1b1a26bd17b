"""Leads and orders against what is remembered of them: from a record to contributions."""

from collections.abc import Callable

from metrics.campaigns import Book
from metrics.contribution import Contribution
from metrics.events import NO_CAMPAIGN, Lead, Order
from metrics.judging import required
from metrics.leads import LeadEntry, Mark, observe
from metrics.orders import (
    Cancellation,
    FirstOrder,
    OrderEntry,
    Placement,
    Refund,
    cancel,
    changes,
    meet,
    place,
    refund,
)
from metrics.panes import Horizon
from streams.tables import EntryTable

#: Applies a judged record; None when it is older than every window that could hold it.
Apply = Callable[[Horizon], list[Contribution] | None]


class Conversions:
    """The leads, orders and customers of one partition."""

    def __init__(
        self,
        leads: EntryTable[LeadEntry],
        orders: EntryTable[OrderEntry],
        customers: EntryTable[FirstOrder],
        book: Book,
    ) -> None:
        self._leads = leads
        self._orders = orders
        self._customers = customers
        self._book = book
        self.waiting_cancellations = 0

    def count_waiting(self, entry: OrderEntry) -> None:
        """Count an entry read from the changelog."""
        self.waiting_cancellations += entry.is_waiting

    def lead(self, event: Lead, at: int) -> Apply:
        """How a lead's record applies."""
        mark = Mark(at, event.event_id, event.campaign_id)

        def apply(limits: Horizon) -> list[Contribution] | None:
            if _is_too_late(at, limits):
                return None
            entry, contributions = observe(self._leads.get(event.lead_id), event.stage, mark)
            self._leads.put(event.lead_id, entry)
            return contributions

        return apply

    def order(self, event: Order, at: int) -> Apply:
        """How an order's record applies.

        Raises:
            Rejection: when the amounts are missing or wrong.
        """
        if event.kind == "placed":
            return self._placing(event, at)
        if event.kind == "refunded":
            given = Refund(at, event.campaign_id, self._micros(event, "revenue", at))
            return lambda _limits: self._change(event.order_id, lambda entry: refund(entry, given))
        word = Cancellation(at, event.event_id)
        return lambda _limits: self._change(event.order_id, lambda entry: cancel(entry, word))

    def expire(self, before: int) -> None:
        """Forget leads, orders and customers whose latest event time is before an instant."""
        for entry in self._orders.expire(before):
            self.waiting_cancellations -= entry.is_waiting
        for _ in self._leads.expire(before):
            pass
        for _ in self._customers.expire(before):
            pass

    def _placing(self, event: Order, at: int) -> Apply:
        placed = Placement(
            at,
            event.event_id,
            event.campaign_id or NO_CAMPAIGN,
            self._micros(event, "revenue", at),
            0 if event.cost_of_goods is None else self._micros(event, "cost_of_goods", at),
            event.is_new_customer,
        )
        customer = _customer(event)

        def apply(limits: Horizon) -> list[Contribution] | None:
            if _is_too_late(at, limits):
                return None
            known = self._orders.get(event.order_id)
            if known is not None and known.placed is not None:
                return []
            contributions = self._change(event.order_id, lambda entry: place(entry, placed))
            if customer is not None:
                contributions += self._meet(customer, event.order_id, placed)
            return contributions

        return apply

    def _meet(self, customer: str, order_id: str, placed: Placement) -> list[Contribution]:
        first, contributions = meet(self._customers.get(customer), order_id, placed)
        self._customers.put(customer, first)
        return contributions

    def _change(self, order_id: str, change: Callable[[OrderEntry | None], OrderEntry]) -> list[Contribution]:
        before = self._orders.get(order_id)
        after = change(before)
        self._orders.put(order_id, after)
        self.waiting_cancellations += after.is_waiting - bool(before and before.is_waiting)
        return changes(before, after)

    def _micros(self, event: Order, name: str, at: int) -> int:
        amount = required(getattr(event, name), name)
        currency = event.currency or self._book.currency_of(event.campaign_id)
        return self._book.rates.micros(amount, currency, at)


def _is_too_late(at: int, limits: Horizon) -> bool:
    return limits.days_from is not None and at < limits.days_from


def _customer(event: Order) -> str | None:
    """Who ordered; an id of a customer and one of a visitor may be spelt alike."""
    if event.customer_id is not None:
        return f"c|{event.customer_id}"
    return None if event.visitor_id is None else f"v|{event.visitor_id}"

"""Orders become histories of customers: when each was acquired and by which campaign, what each bought and gave back.

What an order counts is what it counts everywhere else: ``metrics.entities.orders``. A customer is a ``customer_id``, else
a ``visitor_id``. Money stays in integer micros.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import msgspec

from metrics.entities.orders import (
    Cancellation,
    Edit,
    OrderEntry,
    Placement,
    Refund,
    Repetition,
    are_others,
    buyer_mark,
    cancel,
    confirm,
    contributions,
    edit,
    place,
    refund,
    repetition,
)
from metrics.records.events import NO_CAMPAIGN, Order
from metrics.records.validation import instant
from metrics.values.errors import Reason, Rejection
from metrics.values.money import to_micros

#: A customer's id with where it comes from: ids of customers and of visitors may be the same text.
Customer = tuple[Literal["customer", "visitor"], str]


class PlacedOrder(NamedTuple):
    """An order of a customer as it stands in the end."""

    at: int
    order_id: str
    campaign: str
    is_cancelled: bool


class MoneyChange(NamedTuple):
    """What a customer's sums change by at an instant, in micros."""

    at: int
    revenue: int
    refunds: int
    cost_of_goods: int

    @property
    def margin(self) -> int:
        """Revenue − refunds − cost of goods."""
        return self.revenue - self.refunds - self.cost_of_goods


@dataclass
class CustomerHistory:
    """One customer.

    Attributes:
        orders: by time, then by id.
        money: revenue, refunds and cost of goods of those orders, and refunds that name the customer and no known order.
        is_known_before: the first order says that the customer is not a new one.
    """

    customer: Customer
    orders: list[PlacedOrder] = field(default_factory=list)
    money: list[MoneyChange] = field(default_factory=list)
    is_known_before: bool = False

    @property
    def first(self) -> PlacedOrder:
        """The order that acquired the customer: the first one, also where it was cancelled later."""
        return self.orders[0]

    @property
    def purchases(self) -> list[PlacedOrder]:
        """Orders that were not cancelled."""
        return [order for order in self.orders if not order.is_cancelled]


@dataclass(frozen=True)
class CustomerBase:
    """All customers of some orders, and what belongs to none.

    Attributes:
        customers: who has an order, and was not known before the first of them.
        known_before: customers whose first order says that they are no new ones; in no cohort.
        of_nobody: money of orders and refunds that name nobody.
        without_order: money of customers who have refunds and no order here.
        duplicates: records that were there before: of an ``event_id``, or of an order with nothing new.
        edits: later placements of an order by the same buyer: what the order is worth from then on.
        conflicts: placements of an ``order_id`` that is another buyer's, and those that say again what another one of the same instant
            has changed.
        waiting: cancellations of orders that are not here.
    """

    customers: list[CustomerHistory]
    known_before: list[CustomerHistory]
    of_nobody: list[MoneyChange]
    without_order: list[MoneyChange]
    duplicates: int
    edits: int
    conflicts: int
    waiting: int


class _OrderFacts(msgspec.Struct):
    """What is remembered of one order while records are read."""

    entry: OrderEntry
    customer: Customer | None = None
    #: Refunds that came before the order may name the customer.
    refunded_by: Customer | None = None


class OrderHistories:
    """Takes in records of orders, one by one, in the order of their log.

    A record that is refused raises and changes nothing.
    """

    def __init__(self) -> None:
        self._orders: dict[tuple[str | None, str], _OrderFacts] = {}
        self._seen: set[str] = set()
        self._duplicates = self._edits = self._conflicts = 0

    def take(self, order: Order) -> None:
        """Take in one record.

        Raises:
            Rejection: ``missing_field``, ``invalid_field`` or ``too_many``, as a worker would.
        """
        if order.kind != "placed" and order.event_id in self._seen:
            self._duplicates += 1
            return
        at = instant(order.occurred_at, "occurred_at")
        key = order.source, order.order_id
        known = self._orders.get(key)
        before = known.entry if known is not None else None
        who = _customer(order)
        if order.kind == "placed":
            facts = self._placed(order, at, before)
            if facts is None:
                self._conflicts += 1
                return
            is_first = before is None or before.placed is None
            customer = who if is_first or known is None else known.customer
            refunded_by = known.refunded_by if known is not None else None
            self._orders[key] = _OrderFacts(facts, customer, refunded_by)
        else:
            if order.kind == "refunded":
                entry = refund(before, Refund(at, order.campaign_id, _micros(order)))
            else:
                entry = cancel(before, Cancellation(at, order.event_id))
            customer = known.customer if known is not None else None
            refunded_by = (known.refunded_by if known is not None else None) or who
            self._orders[key] = _OrderFacts(entry, customer, refunded_by)
        self._seen.add(order.event_id)

    def _placed(self, order: Order, at: int, before: OrderEntry | None) -> OrderEntry | None:
        """The entry with the placement or edit; None where the id is another buyer's order, and where nothing tells which version counts."""
        revenue, goods = _micros(order), to_micros(order.cost_of_goods) if order.cost_of_goods else 0
        mark = buyer_mark(order)
        said_at = None if order.reported_at is None else instant(order.reported_at, "reported_at")
        if before is None or before.placed is None:
            campaign = order.campaign_id or NO_CAMPAIGN
            placed = Placement(at, order.event_id, campaign, revenue, goods, order.is_new_customer)
            return place(before, placed, mark, said_at=said_at)
        if mark and before.buyer and are_others(mark, before.buyer):
            return None
        version = Edit(at, order.event_id, revenue, goods)
        known_as = repetition(before, version, said_at=said_at)
        if known_as is Repetition.AMBIGUOUS:
            return None
        if known_as is Repetition.KNOWN:
            self._duplicates += 1
            return confirm(before, version, None, said_at)
        self._edits += 1
        return edit(before, version, said_at=said_at)

    def base(self) -> CustomerBase:
        """The customers of all records taken in so far."""
        found: dict[Customer, CustomerHistory] = {}
        of_nobody: list[MoneyChange] = []
        flags: dict[tuple[Customer, str, int], bool | None] = {}
        for (_, order_id), facts in self._orders.items():
            placed = facts.entry.placed
            customer = facts.customer if placed is not None else facts.refunded_by
            money = list(_money(facts.entry))
            if customer is None:
                of_nobody += money
                continue
            history = found.setdefault(customer, CustomerHistory(customer))
            history.money += money
            if placed is not None:
                is_cancelled = facts.entry.cancelled is not None
                history.orders.append(PlacedOrder(placed.at, order_id, placed.campaign, is_cancelled))
                flags[customer, order_id, placed.at] = placed.is_new_customer
        without_order = [each for history in found.values() if not history.orders for each in history.money]
        with_orders = [history for history in found.values() if history.orders]
        for history in with_orders:
            history.orders.sort()
            history.money.sort()
            first = history.first
            history.is_known_before = flags[history.customer, first.order_id, first.at] is False
        with_orders.sort(key=lambda history: history.customer)
        return CustomerBase(
            [history for history in with_orders if not history.is_known_before],
            [history for history in with_orders if history.is_known_before],
            of_nobody,
            without_order,
            self._duplicates,
            self._edits,
            self._conflicts,
            sum(facts.entry.is_waiting for facts in self._orders.values()),
        )


def histories(orders: Iterable[Order]) -> CustomerBase:
    """The customers of records in the order of their log.

    >>> from decimal import Decimal
    >>> day = 86_400_000
    >>> def order(number, at, kind="placed", revenue=10):
    ...     return Order(f"{kind}-{number}", at, f"o-{number}", kind, Decimal(revenue), customer_id="ada")
    >>> (ada,) = histories([order(1, day), order(2, 9 * day), order(2, 12 * day, "refunded", 4)]).customers
    >>> len(ada.purchases), sum(change.margin for change in ada.money)
    (2, 16000000)

    Raises:
        Rejection: for a record that a worker would refuse.
    """
    taken = OrderHistories()
    for order in orders:
        taken.take(order)
    return taken.base()


def _customer(order: Order) -> Customer | None:
    if order.customer_id is not None:
        return "customer", order.customer_id
    return None if order.visitor_id is None else ("visitor", order.visitor_id)


def _micros(order: Order) -> int:
    if order.revenue is None:
        raise Rejection(Reason.MISSING_FIELD, "revenue is missing")
    try:
        return to_micros(order.revenue)
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"revenue: {error}") from error


def _money(entry: OrderEntry) -> Iterator[MoneyChange]:
    for _, at, tally in contributions(entry):
        change = MoneyChange(at, tally.revenue_micros, tally.refunds_micros, tally.cost_of_goods_micros)
        if change.revenue or change.refunds or change.cost_of_goods:
            yield change

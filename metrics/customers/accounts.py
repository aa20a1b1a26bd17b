"""The account of a customer, kept up to date order by order: what each month brought, and which order came first.

An account is enough to say what its customer counts in the sums of cohorts (``metrics.customers.cohort_sums``), so a customer
whose first order turns out to be an earlier one, of another month or campaign, moves there with all they ever bought.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

import msgspec

from metrics.customers.calendar import CustomerCalendar
from metrics.customers.engagement import Count, joined, totals
from metrics.entities.orders import OrderEntry, contributions
from metrics.records.events import NO_CAMPAIGN, Order
from metrics.sums.contribution import Contribution
from metrics.values.hashing import hash_id, seed_of

_CUSTOMER_SEED, _VISITOR_SEED = seed_of("account of a customer"), seed_of("account of a visitor")
#: Highest bit of every hash of a customer, so that all take the same number of bytes where they are kept.
_ALWAYS_SET = 1 << 63


def customer_hash(customer_id: str | None, visitor_id: str | None) -> int:
    """The hash of who ordered: of the customer's id, else of the visitor's; 0 for nobody. Two meet with probability 2^-62."""
    if customer_id is not None:
        return hash_id(customer_id, _CUSTOMER_SEED) | _ALWAYS_SET
    return 0 if visitor_id is None else hash_id(visitor_id, _VISITOR_SEED) | _ALWAYS_SET


def customer_of(order: Order) -> int:
    """``customer_hash`` of an order's record."""
    return customer_hash(order.customer_id, order.visitor_id)


def whose(before: OrderEntry | None, after: OrderEntry, named: int) -> int:
    """Whose account an order counts in: who placed it; before it is placed, who its refunds name first.

    Args:
        before: the entry before a record was taken in.
        after: the entry since.
        named: ``customer_hash`` of the record.
    """
    known = 0 if before is None else before.customer
    is_placing = after.placed is not None and (before is None or before.placed is None)
    if is_placing or (after.placed is None and not known):
        return named
    return known


class AccountMonth(NamedTuple):
    """What a month brought of a customer, or what it changes by; money in micros.

    Attributes:
        month: as of ``month_of``.
        orders: placed in it and not cancelled since.
        revenue: as of ``Tally``, and so the next two, each at its own time.
        refunds: what was given back.
        cost_of_goods: less what was taken back.
        uncertain: amounts whose worth is not known for sure.
    """

    month: int
    orders: int = 0
    revenue: int = 0
    refunds: int = 0
    cost_of_goods: int = 0
    uncertain: int = 0


class PlacedFirst(NamedTuple):
    """A placed order as far as it tells who is new."""

    at: int
    order_id: str
    campaign: str
    is_new_customer: bool | None


class OrderCredit(NamedTuple):
    """The campaign that each model gives the greatest part of an order to, by model."""

    at: int
    order_id: str
    campaigns: dict[str, str]


class AccountChange(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a record changes of a customer's account.

    Attributes:
        customer: ``customer_hash``.
        latest: the latest event time of what changes, in epoch ms.
        months: what is added to each, in no order; each once.
        placed: the order, where the record placed it.
        is_erased: the customer is to be forgotten, and nothing else.
        counts: what is added to what the customer does beside ordering, in no order; each place once.
        greatest: of an order that was told before; it counts where the order is the first, and then nothing else changes.
    """

    customer: Annotated[int, msgspec.Meta(ge=0)]
    latest: int
    months: tuple[AccountMonth, ...]
    placed: PlacedFirst | None = None
    is_erased: bool = False
    counts: tuple[Count, ...] = ()
    greatest: OrderCredit | None = None


class CustomerAccount(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A customer.

    Attributes:
        first: of all placed orders, cancelled ones too, the first by (``at``, ``order_id``); None of who has only given back so far.
        latest: the latest event time of all that the customer did, by which the account expires.
        months: of orders, in order of time.
        counts: of what else the customer did, by month and kind, in order.
        campaigns: that models give the greatest part of the first order to, by number of the model; no ``(none)``.
    """

    first: PlacedFirst | None
    latest: int
    months: tuple[AccountMonth, ...]
    counts: tuple[Count, ...] = ()
    campaigns: dict[int, str] = {}

    @property
    def acquired(self) -> PlacedFirst | None:
        """The order that acquired the customer; None of who is in no cohort: without an order, or known before the first of them."""
        return None if self.first is None or self.first.is_new_customer is False else self.first

    @property
    def orders(self) -> int:
        """Those that were not cancelled."""
        return sum(month.orders for month in self.months)

    def has(self, kind: int) -> bool:
        """Whether the customer has any of a kind."""
        return totals(self.counts).get(kind, 0) > 0


def changes_of(
    before: OrderEntry | None,
    after: OrderEntry,
    order_id: str,
    changed: Iterable[Contribution],
    calendar: CustomerCalendar,
) -> list[AccountChange]:
    """What a change of an order's entry changes of accounts: of one, or of two where an order is another's than its refunds said.

    Args:
        before: the entry as it was; None before the order's first record.
        after: as it is.
        order_id: tells apart first orders of one instant.
        changed: what the sums change by, ``metrics.entities.orders.changes``.
        calendar: whose months.
    """
    known = 0 if before is None else before.customer
    is_same = known == after.customer
    found = []
    if known and not is_same:
        found.append(_change(known, after.latest, contributions(before), calendar, sign=-1))
    if after.customer:
        counted = changed if is_same else contributions(after)
        was_bought = is_same and before is not None and _is_bought(before)
        placed, first = after.placed, None
        orders = int(_is_bought(after)) - was_bought
        if placed is not None and (before is None or before.placed is None):
            first = PlacedFirst(placed.at, order_id, placed.campaign, placed.is_new_customer)
        bought = (placed.at, orders) if placed is not None and orders else None
        found.append(_change(after.customer, after.latest, counted, calendar, bought, first))
    return [each for each in found if each.months or each.placed is not None]


def _is_bought(entry: OrderEntry) -> bool:
    return entry.placed is not None and entry.cancelled is None


def _change(
    customer: int,
    latest: int,
    counted: Iterable[Contribution],
    calendar: CustomerCalendar,
    bought: tuple[int, int] | None = None,
    first: PlacedFirst | None = None,
    sign: int = 1,
) -> AccountChange:
    cells: dict[int, list[int]] = {}
    if bought is not None:
        cells[calendar.of(bought[0])] = [bought[1], 0, 0, 0, 0]
    for _, at, tally in counted:
        money = tally.revenue_micros, tally.refunds_micros, tally.cost_of_goods_micros
        _add(cells, calendar.of(at), [0, *[sign * each for each in (*money, tally.uncertain_amounts)]])
    months = [AccountMonth(month, *cell) for month, cell in cells.items() if any(cell)]
    return AccountChange(customer, latest, tuple(months), first)


def changed_account(account: CustomerAccount | None, change: AccountChange) -> CustomerAccount:
    """The account with a change taken in; None before the first.

    >>> first = PlacedFirst(0, "o", "c", None)
    >>> changed_account(None, AccountChange(1, 0, (AccountMonth(5, 1, 10),), first)).orders
    1
    """
    placed = change.placed
    if account is None:
        counts = joined((), change.counts) if change.counts else ()
        return CustomerAccount(placed, change.latest, _joined((), change.months), counts)
    first = account.first
    if placed is not None and (first is None or (placed.at, placed.order_id) < (first.at, first.order_id)):
        first = placed
    latest = max(account.latest, change.latest)
    counts = joined(account.counts, change.counts) if change.counts else account.counts
    # What models say of an order that was taken for the first says nothing of another.
    campaigns = account.campaigns if first is account.first else {}
    return CustomerAccount(first, latest, _joined(account.months, change.months), counts, campaigns)


def credited_account(
    account: CustomerAccount | None, credit: OrderCredit, numbers: Mapping[str, int]
) -> CustomerAccount | None:
    """The account with what models say of its first order; None where that is no order of it, or not the first.

    Args:
        account: as it is.
        credit: what they say.
        numbers: of the models that are kept.

    >>> account = CustomerAccount(PlacedFirst(5, "o", "c", None), 5, ())
    >>> credited_account(account, OrderCredit(5, "o", {"linear": "a", "markov": "(none)"}), {"linear": 8, "markov": 9}).campaigns
    {8: 'a'}
    >>> credited_account(account, OrderCredit(6, "p", {"linear": "b"}), {"linear": 8})
    """
    first = None if account is None else account.first
    if account is None or first is None or (first.at, first.order_id) != (credit.at, credit.order_id):
        return None
    campaigns = {
        numbers[model]: campaign
        for model, campaign in credit.campaigns.items()
        if model in numbers and campaign != NO_CAMPAIGN
    }
    return msgspec.structs.replace(account, campaigns=campaigns)


def _joined(months: tuple[AccountMonth, ...], changes: tuple[AccountMonth, ...]) -> tuple[AccountMonth, ...]:
    if len(changes) == 1 and months and months[-1].month < changes[0].month:  # as most orders come
        return (*months, *changes)
    cells = {month: list(cell) for month, *cell in months}
    for month, *cell in changes:
        _add(cells, month, cell)
    return tuple([AccountMonth(month, *cells[month]) for month in sorted(cells) if any(cells[month])])


def _add(cells: dict[int, list[int]], month: int, more: Iterable[int]) -> None:
    cell = cells.get(month)
    if cell is None:
        cells[month] = list(more)
    else:
        cells[month] = [one + other for one, other in zip(cell, more, strict=True)]

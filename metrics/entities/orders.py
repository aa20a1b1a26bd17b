"""Orders with refunds and cancellations, and who is a new customer (docs/contract.md, Orders).

The first placement of an ``order_id`` in the log counts, so that ``orders`` and ``revenue`` never fall; given
that, all rules are functions of the set of records, and any order of arrival ends with the same sums:

- a refund counts at its own time on the order's campaign; while the order is unknown on the campaign
  it names, else ``(none)``;
- the earliest cancellation counts once the order is known, at its own time: what is not refunded goes
  to ``refunds``, ``cost_of_goods`` is taken back, ``cancelled_orders`` rises by 1;
- without ``is_new_customer`` an order is a new customer's when it is the customer's first by
  (``occurred_at``, ``order_id``); an order that names nobody is no new customer's.
"""

from typing import NamedTuple

import msgspec

from metrics.records.events import NO_CAMPAIGN
from metrics.sums.contribution import Contribution, difference
from metrics.sums.tally import Tally


class Placement(NamedTuple):
    """An order as placed; money in micros of the reporting currency."""

    at: int
    event_id: str
    campaign: str
    revenue_micros: int
    cost_of_goods_micros: int
    is_new_customer: bool | None


class Refund(NamedTuple):
    """Money given back, at its own time."""

    at: int
    campaign: str | None
    amount_micros: int


class Cancellation(NamedTuple):
    """The word that an order is off."""

    at: int
    event_id: str


class OrderEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of an order."""

    placed: Placement | None = None
    refunds: tuple[Refund, ...] = ()
    cancelled: Cancellation | None = None

    @property
    def latest(self) -> int:
        """The latest event time kept, by which the entry expires."""
        times = [refund.at for refund in self.refunds]
        times += [word.at for word in (self.placed, self.cancelled) if word is not None]
        return max(times)

    @property
    def is_waiting(self) -> bool:
        """Whether a cancellation waits for its order."""
        return self.cancelled is not None and self.placed is None


class Purchase(NamedTuple):
    """A customer ordered of a campaign in a minute, given by its start in epoch ms."""

    campaign: str
    minute: int


class FirstOrder(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A customer's first order so far; flagged when the record itself says who is new."""

    at: int
    order_id: str
    campaign: str
    is_flagged: bool
    latest: int
    #: When the customer has ordered of which campaign.
    bought: tuple[Purchase, ...] = ()


def place(entry: OrderEntry | None, placed: Placement) -> OrderEntry:
    """The entry with a placement taken in; the first one taken counts."""
    entry = entry or OrderEntry()
    if entry.placed is not None:
        return entry
    return msgspec.structs.replace(entry, placed=placed)


def refund(entry: OrderEntry | None, given: Refund) -> OrderEntry:
    """The entry with a refund taken in."""
    entry = entry or OrderEntry()
    return msgspec.structs.replace(entry, refunds=(*entry.refunds, given))


def cancel(entry: OrderEntry | None, word: Cancellation) -> OrderEntry:
    """The entry with a cancellation taken in; the earliest one counts."""
    entry = entry or OrderEntry()
    if entry.cancelled is not None and entry.cancelled <= word:
        return entry
    return msgspec.structs.replace(entry, cancelled=word)


def changes(before: OrderEntry | None, after: OrderEntry) -> list[Contribution]:
    """What the sums change by when an order's entry changes."""
    return difference(contributions(before), contributions(after))


def contributions(entry: OrderEntry | None) -> list[Contribution]:
    """Where and when an order, its refunds and its cancellation count."""
    if entry is None:
        return []
    placed = entry.placed
    found = [
        Contribution(
            placed.campaign if placed else given.campaign or NO_CAMPAIGN,
            given.at,
            Tally(refunds_micros=given.amount_micros),
        )
        for given in entry.refunds
    ]
    if placed is None:
        return found
    found.append(Contribution(placed.campaign, placed.at, _as_placed(placed)))
    if entry.cancelled is not None:
        refunded = sum(given.amount_micros for given in entry.refunds)
        taken_back = Tally(
            cancelled_orders=1,
            refunds_micros=max(0, placed.revenue_micros - refunded),
            cost_of_goods_micros=-placed.cost_of_goods_micros,
        )
        found.append(Contribution(placed.campaign, entry.cancelled.at, taken_back))
    return found


def meet(known: FirstOrder | None, order_id: str, placed: Placement) -> tuple[FirstOrder, list[Contribution]]:
    """Take in an order of a customer; return the first order now and what ``new_customers`` changes by."""
    latest = max(placed.at, known.latest) if known else placed.at
    is_flagged = placed.is_new_customer is not None
    bought = known.bought if known else ()
    new = FirstOrder(placed.at, order_id, placed.campaign, is_flagged, latest, bought)
    if known is not None and (known.at, known.order_id) <= (new.at, new.order_id):
        return msgspec.structs.replace(known, latest=latest), []
    return new, difference(_as_first(known), _as_first(new))


def _as_placed(placed: Placement) -> Tally:
    return Tally(
        orders=1,
        new_customers=1 if placed.is_new_customer else 0,
        revenue_micros=placed.revenue_micros,
        cost_of_goods_micros=placed.cost_of_goods_micros,
    )


def _as_first(first: FirstOrder | None) -> list[Contribution]:
    if first is None or first.is_flagged:
        return []
    return [Contribution(first.campaign, first.at, Tally(new_customers=1))]

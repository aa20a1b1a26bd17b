"""Orders with refunds and cancellations, and who is a new customer (docs/contract.md, Orders).

The first placement of an ``order_id`` in the log counts, so that ``orders`` and ``revenue`` never fall; given
that, all rules are functions of the set of records, and any order of arrival ends with the same sums:

- a refund counts at its own time on the order's campaign; while the order is unknown on the campaign
  it names, else ``(none)``;
- the earliest cancellation counts once the order is known, at its own time: what is not refunded goes
  to ``refunds``, ``cost_of_goods`` is taken back, ``cancelled_orders`` rises by 1;
- a later placement of the same order is an edit: what the order is worth from then on. A difference upwards is revenue, one
  downwards a refund, at the edit's time. A refund that is given for an edit is the same money: of what the edits and the
  refunds have given back by an instant, the larger counts;
- without ``is_new_customer`` an order is a new customer's when it is the customer's first by
  (``occurred_at``, ``order_id``); an order that names nobody is no new customer's.
"""

from bisect import bisect_right
from typing import NamedTuple

import msgspec

from metrics.records.events import NO_CAMPAIGN, Order
from metrics.sums.contribution import Contribution, difference
from metrics.sums.tally import Tally
from metrics.values.errors import Reason, Rejection
from metrics.values.hashing import hash_id, seed_of
from metrics.values.time import MINUTE

#: Refunds that are kept apart of one order: each further one costs as much as all of them together weigh.
MOST_REFUNDS = 200
#: Edits that are kept of one order, for the same reason.
MOST_EDITS = 200
_BUYER_SEED = seed_of("buyer")


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


class Edit(NamedTuple):
    """What an order is worth from an instant on, all of it."""

    at: int
    event_id: str
    revenue_micros: int
    cost_of_goods_micros: int


class OrderEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of an order.

    Attributes:
        placed: as first read.
        refunds: in the order in which they were read.
        cancelled: the earliest cancellation.
        edits: by time, and by arrival where the times are the same.
        buyer: a mark of who ordered; 0 where nothing says.
    """

    placed: Placement | None = None
    refunds: tuple[Refund, ...] = ()
    cancelled: Cancellation | None = None
    edits: tuple[Edit, ...] = ()
    buyer: int = 0

    @property
    def latest(self) -> int:
        """The latest event time kept, by which the entry expires."""
        times = [refund.at for refund in self.refunds]
        times += [edit.at for edit in self.edits]
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
    #: The partition that counts the order; -1 is that of the entry.
    partition: int = -1


def buyer_mark(order: Order) -> int:
    """A mark of who ordered: 15 bits of a hash, with whether it is of the customer or of the visitor; 0 for nobody.

    So few bits tell two buyers of one order id apart in all but one of 32 768 cases, and no buyer from all others.
    """
    if order.customer_id is not None:
        return hash_id(order.customer_id, _BUYER_SEED) >> 49 << 2 | 3
    if order.visitor_id is not None:
        return hash_id(order.visitor_id, _BUYER_SEED) >> 49 << 2 | 2
    return 0


def are_others(one: int, other: int) -> bool:
    """Whether two marks are of two buyers: of the same kind, and not the same."""
    return one != other and one & 3 == other & 3


def place(entry: OrderEntry | None, placed: Placement, buyer: int = 0) -> OrderEntry:
    """The entry with a placement taken in; the first one taken counts."""
    entry = entry or OrderEntry()
    if entry.placed is not None:
        return entry
    return msgspec.structs.replace(entry, placed=placed, buyer=buyer)


def is_known(entry: OrderEntry, version: Edit) -> bool:
    """Whether an order's placement or one of its edits says the same, as the same event; or the last of them says the same."""
    placed = entry.placed
    assert placed is not None, "asked of placed orders"
    known = (
        Edit(placed.at, placed.event_id, placed.revenue_micros, placed.cost_of_goods_micros),
        *entry.edits,
    )
    return version in known or version == known[-1]._replace(event_id=version.event_id)


def edit(entry: OrderEntry, version: Edit) -> OrderEntry:
    """The entry with another version of its placement taken in; one that is older than the placement changes nothing.

    Raises:
        Rejection: ``too_many`` when the order has been edited as often as is kept.

    >>> entry = OrderEntry(Placement(5, "e", "c", 100, 0, None))
    >>> [each.revenue_micros for each in edit(edit(entry, Edit(9, "g", 80, 0)), Edit(7, "f", 120, 0)).edits]
    [120, 80]
    """
    assert entry.placed is not None, "asked of placed orders"
    if version.at < entry.placed.at:
        return entry
    if len(entry.edits) >= MOST_EDITS:
        raise Rejection(
            Reason.TOO_MANY,
            f"the order was edited {MOST_EDITS} times already; does its order_id stand for one order?",
        )
    place_of_it = bisect_right(entry.edits, version.at, key=lambda each: each.at)
    edits = (*entry.edits[:place_of_it], version, *entry.edits[place_of_it:])
    return msgspec.structs.replace(entry, edits=edits)


def refund(entry: OrderEntry | None, given: Refund) -> OrderEntry:
    """The entry with a refund taken in; refunds of one minute count in the same windows, so they are one.

    Raises:
        Rejection: ``too_many`` when the order has been refunded in as many minutes as are kept apart.
    """
    entry = entry or OrderEntry()
    minute = given.at // MINUTE
    for place, known in enumerate(entry.refunds):
        if known.at // MINUTE == minute and known.campaign == given.campaign:
            one = known._replace(amount_micros=known.amount_micros + given.amount_micros)
            refunds = (*entry.refunds[:place], one, *entry.refunds[place + 1 :])
            return msgspec.structs.replace(entry, refunds=refunds)
    if len(entry.refunds) >= MOST_REFUNDS:
        raise Rejection(
            Reason.TOO_MANY,
            f"the order has refunds of {MOST_REFUNDS} different minutes already; does its order_id stand for one order?",
        )
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
    if entry.edits and placed is not None:
        return _edited(entry, placed)
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


def _edited(entry: OrderEntry, placed: Placement) -> list[Contribution]:
    """As ``contributions``, of an order that was edited: in order of time, edits before refunds of one instant."""
    found = [Contribution(placed.campaign, placed.at, _as_placed(placed))]
    ever = worth = placed.revenue_micros
    goods, refunded, given_back = placed.cost_of_goods_micros, 0, 0
    steps: list[Edit | Refund] = [*entry.edits, *entry.refunds]
    steps.sort(key=lambda step: step.at)
    for step in steps:
        counted = Tally()
        if isinstance(step, Edit):
            counted.revenue_micros = max(0, step.revenue_micros - worth)
            counted.cost_of_goods_micros = step.cost_of_goods_micros - goods
            ever += counted.revenue_micros
            worth, goods = step.revenue_micros, step.cost_of_goods_micros
        else:
            refunded += step.amount_micros
        counted.refunds_micros = max(0, max(refunded, ever - worth) - given_back)
        given_back += counted.refunds_micros
        found.append(Contribution(placed.campaign, step.at, counted))
    if entry.cancelled is not None:
        taken_back = Tally(
            cancelled_orders=1, refunds_micros=max(0, ever - given_back), cost_of_goods_micros=-goods
        )
        found.append(Contribution(placed.campaign, entry.cancelled.at, taken_back))
    return found


def meet(
    known: FirstOrder | None, order_id: str, placed: Placement, partition: int = -1
) -> tuple[FirstOrder, list[Contribution]]:
    """Take in an order of a customer; return the first order now and what ``new_customers`` changes by."""
    latest = max(placed.at, known.latest) if known else placed.at
    is_flagged = placed.is_new_customer is not None
    bought = known.bought if known else ()
    new = FirstOrder(placed.at, order_id, placed.campaign, is_flagged, latest, bought, partition)
    if known is not None and (known.at, known.order_id) <= (new.at, new.order_id):
        return msgspec.structs.replace(known, latest=latest), []
    return new, difference(_as_first(known), _as_first(new))


def joined(
    known: FirstOrder | None, other: FirstOrder
) -> tuple[FirstOrder, FirstOrder | None, list[Contribution]]:
    """Two memories of one customer, of two partitions that each counted the customer as new.

    Returns:
        The first order of both; the one that is no first order any more; and what ``new_customers`` changes by.
    """
    if known is None:
        return other, None, []
    first, later = sorted((known, other), key=lambda each: (each.at, each.order_id))
    bought = tuple(sorted({*known.bought, *other.bought}, key=lambda each: (each.minute, each.campaign)))
    both = msgspec.structs.replace(first, latest=max(known.latest, other.latest), bought=bought)
    return both, later, difference(_as_first(later), [])


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

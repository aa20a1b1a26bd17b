"""Orders with refunds and cancellations, and who is a new customer (docs/contract.md, Orders).

The first placement of an ``order_id`` in the log counts, so that ``orders`` and ``revenue`` never fall; given
that, all rules are functions of the set of records, and any order of arrival ends with the same sums:

- a refund counts at its own time on the order's campaign; while the order is unknown on the campaign
  it names, else ``(none)``;
- the earliest cancellation counts once the order is known, at its own time: what is not refunded goes
  to ``refunds``, ``cost_of_goods`` is taken back, ``cancelled_orders`` rises by 1;
- a later placement of the same order is an edit: what the order is worth from then on. Later is what was said later: at its
  ``reported_at``, else at its own time. A difference upwards is revenue, one downwards a refund, at the edit's time, and not before
  the version that it replaces. A refund that is given for an edit is the same money: of what the edits and the
  refunds have given back by an instant, the larger counts;
- an amount is worth what the rate of its minute says, whenever that rate comes: a refund at its own time, a placement and its
  edits at the time of the placement. Without a rate an amount counts as 0, and what its order counts is marked as uncertain;
- without ``is_new_customer`` an order is a new customer's when it is the customer's first by
  (``occurred_at``, ``order_id``); an order that names nobody is no new customer's.
"""

from bisect import bisect_right
from collections.abc import Callable
from enum import Enum
from itertools import pairwise
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
#: Of an amount that names no currency: it is in that of its campaign.
CAMPAIGNS_OWN = ""


class ForeignAmounts(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Amounts as they came, whose worth follows rates and registrations.

    Attributes:
        currency: its code, or ``CAMPAIGNS_OWN``.
        micros: revenue, or what is given back, in that currency.
        cost_micros: the cost of goods in that currency.
        is_certain: whether there is a rate.
    """

    currency: str
    micros: int
    cost_micros: int = 0
    is_certain: bool = True


#: In what an amount came: None in the reporting currency, whatever is registered; ``CAMPAIGNS_OWN`` where that of the campaign is
#: the reporting currency; amounts where it is another one.
CameIn = ForeignAmounts | str | None


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


class Repetition(Enum):
    """What a placement is to the versions of its order that are known."""

    NEW = "new"
    #: It says what was said before it, or by then.
    KNOWN = "known"
    #: The same record was read before, and then another of the same instant: it may come again, or take that one back.
    AMBIGUOUS = "ambiguous"


class OrderEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of an order.

    Attributes:
        placed: as first read.
        refunds: in the order in which they were read.
        cancelled: the earliest cancellation.
        edits: by when they were said, and by arrival where that is the same.
        buyer: a mark of who ordered; 0 where nothing says.
        placed_in: in what the amounts of ``placed`` came.
        refunds_in: the same of each of ``refunds``; empty where all are None.
        edits_in: the same of each of ``edits``.
        customer: whose account it counts in, ``metrics.customers.accounts.customer_hash``; 0 where no account is kept.
        said: when ``placed`` and each of ``edits`` were said, epoch ms; empty where each was said at its own time.
    """

    placed: Placement | None = None
    refunds: tuple[Refund, ...] = ()
    cancelled: Cancellation | None = None
    edits: tuple[Edit, ...] = ()
    buyer: int = 0
    placed_in: CameIn = None
    refunds_in: tuple[CameIn, ...] = ()
    edits_in: tuple[CameIn, ...] = ()
    customer: int = 0
    said: tuple[int, ...] = ()

    @property
    def latest(self) -> int:
        """The latest event time kept, by which the entry expires."""
        times = [refund.at for refund in self.refunds]
        times += [edit.at for edit in self.edits]
        times += [word.at for word in (self.placed, self.cancelled) if word is not None]
        return max(times)

    @property
    def is_foreign(self) -> bool:
        """Whether an amount is in another currency."""
        return bool(self.placed_in or any(self.refunds_in) or any(self.edits_in))

    def of(self, customer: int) -> "OrderEntry":
        """The same order in another account; 0: in none."""
        return msgspec.structs.replace(self, customer=customer)

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


def place(
    entry: OrderEntry | None,
    placed: Placement,
    buyer: int = 0,
    came_in: CameIn = None,
    customer: int = 0,
    said_at: int | None = None,
) -> OrderEntry:
    """The entry with a placement taken in; the first one taken counts. ``said_at`` None: it was said at its own time."""
    entry = entry or OrderEntry()
    if entry.placed is not None:
        return entry
    said = () if said_at is None or said_at == placed.at else (said_at,)
    changed = {"placed": placed, "buyer": buyer, "placed_in": came_in, "customer": customer, "said": said}
    return msgspec.structs.replace(entry, **changed)


def repetition(
    entry: OrderEntry, version: Edit, came_in: CameIn = None, said_at: int | None = None
) -> Repetition:
    """What a placement is to its order's versions. What records say is compared, not what it is worth now.

    >>> order = edit(OrderEntry(Placement(5, "e", "c", 100, 0, None)), Edit(5, "e", 900, 0))
    >>> repetition(order, Edit(5, "e", 100, 0)).value, repetition(order, Edit(5, "e", 100, 0), said_at=9).value
    ('ambiguous', 'new')
    """
    known, times = _versions(entry), _said_times(entry)
    new, at = _said(version, came_in), version.at if said_at is None else said_at
    same = [
        place
        for place, (each, time) in enumerate(zip(known, times, strict=True))
        if (each, time) == (new, at)
    ]
    if same:
        later = known[same[-1] + 1 :]
        is_ambiguous = any(
            time == at and each.amounts != new.amounts
            for each, time in zip(later, times[same[-1] + 1 :], strict=True)
        )
        return Repetition.AMBIGUOUS if is_ambiguous else Repetition.KNOWN
    place = bisect_right(times, at)
    beside = known[max(0, place - 1) : place + 1]
    is_said = any((each.at, each.amounts) == (new.at, new.amounts) for each in beside)
    return Repetition.KNOWN if is_said else Repetition.NEW


def confirm(entry: OrderEntry, version: Edit, came_in: CameIn, said_at: int | None) -> OrderEntry:
    """The entry in which what was said once more is as young as it was said last; what is older than that changes nothing.

    >>> order = confirm(OrderEntry(Placement(5, "e", "c", 100, 0, None)), Edit(5, "e", 100, 0), None, 9)
    >>> edit(order, Edit(5, "f", 900, 0), None, 8) == order
    True
    """
    if said_at is None:
        return entry
    known, times = _versions(entry), _said_times(entry)
    place, new = bisect_right(times, said_at) - 1, _said(version, came_in)
    if (
        place < 0
        or times[place] == said_at
        or (known[place].at, known[place].amounts) != (new.at, new.amounts)
    ):
        return entry
    times[place] = said_at
    return msgspec.structs.replace(entry, said=tuple(times))


def _versions(entry: OrderEntry) -> "list[_Said]":
    """What a placement and its edits say."""
    placed = entry.placed
    assert placed is not None, "asked of placed orders"
    first = Edit(placed.at, placed.event_id, placed.revenue_micros, placed.cost_of_goods_micros)
    versions = zip((first, *entry.edits), (entry.placed_in, *_each(entry.edits_in, entry.edits)), strict=True)
    return [_said(each, its_own) for each, its_own in versions]


def _said_times(entry: OrderEntry) -> list[int]:
    """When a placement and its edits were said."""
    assert entry.placed is not None, "asked of placed orders"
    return list(entry.said) or [entry.placed.at, *(each.at for each in entry.edits)]


class _Said(NamedTuple):
    """What a version says of an order."""

    at: int
    event_id: str
    amounts: tuple[str | None, int, int]


def _said(version: Edit, came_in: CameIn) -> _Said:
    at, event_id, micros, cost_micros = version
    if isinstance(came_in, ForeignAmounts):
        return _Said(at, event_id, (came_in.currency, came_in.micros, came_in.cost_micros))
    return _Said(at, event_id, (came_in, micros, cost_micros))


def is_given(entry: OrderEntry, given: Refund, came_in: CameIn = None) -> bool:
    """Whether a refund is known that says the same."""
    said = given.at, given.campaign, _came(given, came_in)
    known = zip(entry.refunds, _each(entry.refunds_in, entry.refunds), strict=True)
    return any((each.at, each.campaign, _came(each, its_own)) == said for each, its_own in known)


def given_beyond(entry: OrderEntry) -> tuple[int, int] | None:
    """What the refunds of an order give back and what the order was ever worth, in micros of the currency they came in.

    None where the refunds give back no more than that, and where that cannot be said: the order is not known, or amounts came in
    several currencies.

    >>> order = OrderEntry(Placement(5, "e", "c", 100, 0, None), (Refund(7, None, 80), Refund(8, None, 30)))
    >>> given_beyond(order), given_beyond(edit(order, Edit(9, "f", 120, 0)))
    ((110, 100), None)
    """
    placed = entry.placed
    if placed is None or not entry.refunds:
        return None
    worth = [each.amounts[:2] for each in _versions(entry)]
    refunds = zip(entry.refunds, _each(entry.refunds_in, entry.refunds), strict=True)
    given = [_came(each, its_own) for each, its_own in refunds]
    if len({currency for currency, _ in (*worth, *given)}) > 1:
        return None
    rises = sum(max(0, later - earlier) for (_, earlier), (_, later) in pairwise(worth))
    ever, back = worth[0][1] + rises, sum(micros for _, micros in given)
    return (back, ever) if back > ever else None


def _came(given: Refund, came_in: CameIn) -> tuple[str | None, int]:
    """Currency and micros of a refund as it came."""
    if isinstance(came_in, ForeignAmounts):
        return came_in.currency, came_in.micros
    return came_in, given.amount_micros


def _each(came_in: tuple[CameIn, ...], of: tuple[Edit, ...] | tuple[Refund, ...]) -> tuple[CameIn, ...]:
    """In what each of several amounts came."""
    return came_in or (None,) * len(of)


def edit(entry: OrderEntry, version: Edit, came_in: CameIn = None, said_at: int | None = None) -> OrderEntry:
    """The entry with another version of its placement taken in; one that was said before the placement changes nothing.

    ``said_at`` None: the version was said at its own time.

    Raises:
        Rejection: ``too_many`` when the order has been edited as often as is kept.

    >>> entry = OrderEntry(Placement(5, "e", "c", 100, 0, None))
    >>> [each.revenue_micros for each in edit(edit(entry, Edit(9, "g", 80, 0)), Edit(7, "f", 120, 0)).edits]
    [120, 80]
    """
    times = _said_times(entry)
    said = version.at if said_at is None else said_at
    if said < times[0]:
        return entry
    if len(entry.edits) >= MOST_EDITS:
        raise Rejection(
            Reason.TOO_MANY,
            f"the order was edited {MOST_EDITS} times already; does its order_id stand for one order?",
        )
    place = bisect_right(times, said)
    edits = (*entry.edits[: place - 1], version, *entry.edits[place - 1 :])
    edits_in = entry.edits_in
    if edits_in or came_in is not None:
        edits_in = _each(edits_in, entry.edits)
        edits_in = (*edits_in[: place - 1], came_in, *edits_in[place - 1 :])
    all_said: tuple[int, ...] = ()
    if entry.said or said != version.at:
        all_said = (*times[:place], said, *times[place:])
    return msgspec.structs.replace(entry, edits=edits, edits_in=edits_in, said=all_said)


def refund(entry: OrderEntry | None, given: Refund, came_in: CameIn = None) -> OrderEntry:
    """The entry with a refund taken in; refunds of one minute and currency count in the same windows at one rate, so they are one.

    What such a refund in another currency is worth, ``revalued`` says.

    Raises:
        Rejection: ``too_many`` when the order has been refunded in as many minutes as are kept apart.
    """
    entry = entry or OrderEntry()
    minute = given.at // MINUTE
    is_plain = came_in is None and not entry.refunds_in
    refunds_in = () if is_plain else _each(entry.refunds_in, entry.refunds)
    for place, known in enumerate(entry.refunds):
        if known.at // MINUTE != minute or known.campaign != given.campaign:
            continue
        if not is_plain:
            (currency, micros), (other, more) = _came(known, refunds_in[place]), _came(given, came_in)
            if currency != other:
                continue
            if isinstance(came_in, ForeignAmounts) or isinstance(refunds_in[place], ForeignAmounts):
                both = ForeignAmounts(currency or CAMPAIGNS_OWN, micros + more)
                refunds_in = (*refunds_in[:place], both, *refunds_in[place + 1 :])
        one = known._replace(amount_micros=known.amount_micros + given.amount_micros)
        refunds = (*entry.refunds[:place], one, *entry.refunds[place + 1 :])
        return msgspec.structs.replace(entry, refunds=refunds, refunds_in=refunds_in)
    if len(entry.refunds) >= MOST_REFUNDS:
        raise Rejection(
            Reason.TOO_MANY,
            f"the order has refunds of {MOST_REFUNDS} different minutes already; does its order_id stand for one order?",
        )
    if not is_plain:
        refunds_in = (*refunds_in, came_in)
    return msgspec.structs.replace(entry, refunds=(*entry.refunds, given), refunds_in=refunds_in)


#: What amounts are worth that came in something: given the campaign that they name, revenue and cost of goods in micros of the
#: reporting currency as known so far, and the instant whose rate counts; in what they came, and both anew.
Value = Callable[[CameIn, str, tuple[int, int], int], tuple[CameIn, int, int]]


def revalued(entry: OrderEntry, value: Value) -> OrderEntry:
    """The entry with every amount worth what ``value`` says."""
    placed, placed_in = entry.placed, entry.placed_in
    edits, edits_in = entry.edits, entry.edits_in
    if placed is not None:
        if placed_in is not None:
            worth = placed.revenue_micros, placed.cost_of_goods_micros
            placed_in, revenue, goods = value(placed_in, placed.campaign, worth, placed.at)
            placed = placed._replace(revenue_micros=revenue, cost_of_goods_micros=goods)
        if edits_in:
            edits, edits_in = _edits_anew(entry, placed, value)
    refunds, refunds_in = entry.refunds, entry.refunds_in
    if refunds_in:
        refunds, refunds_in = _refunds_anew(entry, value)
    anew = {"placed": placed, "placed_in": placed_in, "edits": edits, "edits_in": edits_in}
    return msgspec.structs.replace(entry, refunds=refunds, refunds_in=refunds_in, **anew)


def _edits_anew(
    entry: OrderEntry, placed: Placement, value: Value
) -> tuple[tuple[Edit, ...], tuple[CameIn, ...]]:
    edits, edits_in = [], []
    for edit_, came_in in zip(entry.edits, entry.edits_in, strict=True):
        known = edit_.revenue_micros, edit_.cost_of_goods_micros
        its_own, revenue, goods = value(came_in, placed.campaign, known, placed.at)
        edits.append(edit_._replace(revenue_micros=revenue, cost_of_goods_micros=goods))
        edits_in.append(its_own)
    return tuple(edits), tuple(edits_in)


def _refunds_anew(entry: OrderEntry, value: Value) -> tuple[tuple[Refund, ...], tuple[CameIn, ...]]:
    refunds, refunds_in = [], []
    for given, came_in in zip(entry.refunds, entry.refunds_in, strict=True):
        its_own, amount, _ = value(came_in, given.campaign or NO_CAMPAIGN, (given.amount_micros, 0), given.at)
        refunds.append(given._replace(amount_micros=amount))
        refunds_in.append(its_own)
    return tuple(refunds), tuple(refunds_in)


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
    if placed is None:
        found = [
            Contribution(given.campaign or NO_CAMPAIGN, given.at, Tally(refunds_micros=given.amount_micros))
            for given in entry.refunds
        ]
    elif entry.edits:
        found = _edited(entry, placed)
    else:
        found = _unedited(entry, placed)
    if entry.placed_in or entry.refunds_in or entry.edits_in:
        _mark(entry, found)
    return found


def is_uncertain(entry: OrderEntry) -> bool:
    """Whether an amount has no rate."""
    return any(map(_has_no_rate, (entry.placed_in, *entry.refunds_in, *entry.edits_in)))


def _has_no_rate(came_in: CameIn) -> bool:
    return isinstance(came_in, ForeignAmounts) and not came_in.is_certain


def _mark(entry: OrderEntry, found: list[Contribution]) -> None:
    """Mark what is not known for sure: all that an order counts; of an order that is not known, each refund by itself."""
    if entry.placed is not None:
        marks = [is_uncertain(entry)] * len(found)
    else:
        marks = list(map(_has_no_rate, _each(entry.refunds_in, entry.refunds)))
    for (_, _, tally), mark in zip(found, marks, strict=True):
        tally.uncertain_amounts = int(mark)


def _unedited(entry: OrderEntry, placed: Placement) -> list[Contribution]:
    found = [
        Contribution(placed.campaign, given.at, Tally(refunds_micros=given.amount_micros))
        for given in entry.refunds
    ]
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
    """As ``contributions``, of an order that was edited: in order of time, edits before refunds of one instant.

    An edit that is dated before the version that it replaces counts at that version's time.
    """
    found = [Contribution(placed.campaign, placed.at, _as_placed(placed))]
    ever = worth = placed.revenue_micros
    goods, refunded, given_back = placed.cost_of_goods_micros, 0, 0
    counts_at, edits = placed.at, []
    for each in entry.edits:
        counts_at = max(counts_at, each.at)
        edits.append(each._replace(at=counts_at))
    steps: list[Edit | Refund] = [*edits, *entry.refunds]
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

"""Leads and orders against what is remembered of them: from a record to contributions."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from metrics.attribution.conversion_lag import ORDER
from metrics.customers.accounts import customer_of, whose
from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.leads import LeadEntry, StageMark, is_read, is_said, observe
from metrics.entities.orders import (
    Cancellation,
    Edit,
    FirstOrder,
    OrderEntry,
    Placement,
    Refund,
    Repetition,
    are_others,
    buyer_mark,
    cancel,
    changes,
    confirm,
    edit,
    given_beyond,
    is_given,
    joined,
    meet,
    place,
    refund,
    repetition,
)
from metrics.records.events import NO_CAMPAIGN, Erasure, Lead, Order
from metrics.records.namespaces import PARTED, namespaced
from metrics.records.partition_keys import KeyRule
from metrics.records.validation import instant, not_in_future, not_too_early
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.values.errors import Reason, Rejection
from metrics.values.hashing import partitions_of
from metrics.values.money import units
from metrics.values.time import MIN_INSTANT
from metrics.windows.distinct_customers import remember
from metrics.windows.panes import RESOLUTIONS, Horizon, Panes
from metrics.windows.watermark import PartitionClock
from streams import topics
from streams.messages.source_records import SourceRecord
from streams.stages.intake.attribution.attribution import NoAttribution
from streams.stages.intake.customer_accounts import CustomerAccounts
from streams.stages.intake.customer_homes import RekeyedPurchase
from streams.stages.intake.key_counts import KeyCounts
from streams.stages.intake.order_worth import Amounts, OrderWorth, amounts_of
from streams.stages.intake.record_by_record import REPEATED, Applied, Judged
from streams.state.keyed_table import KeyedTable

#: Applies a record; see ``Judged.apply``.
Apply = Callable[..., Applied | None]
#: How long the kind of a conversion is, before its key.
_KIND = len(f"{ORDER}|")
#: Of an event id that was not read before.
_NEW = (False,)

_A_CUSTOMER = Tally(customers=1)
_AMBIGUOUS = (
    "order_id {!r} was worth this before, and something else at the same instant since, which counts: this record may be read again, or "
    "take that back. Say when each version was made (reported_at), or give an edit a time of its own (occurred_at)."
)
#: What attribution is told of an order that is worth something else: a record that names nobody.
_VALUED_ANEW = Order(event_id="valued anew", occurred_at=0, order_id="valued anew", kind="refunded")


class Conversions:
    """The leads, orders and customers of one partition."""

    def __init__(
        self,
        leads: KeyedTable[LeadEntry],
        orders: KeyedTable[OrderEntry],
        customers: KeyedTable[FirstOrder],
        campaign_registry: CampaignRegistry,
        attribution: NoAttribution,
        accounts: CustomerAccounts,
    ) -> None:
        self._attribution = attribution
        self.accounts = accounts
        self._leads = leads
        self._orders = orders
        self._customers = customers
        self.worth = OrderWorth(orders, campaign_registry)
        self.waiting_cancellations = 0
        #: Orders that were placed here since the process began.
        self.placed = 0
        #: Customers met in panes where they are new, by resolution, since this was last taken.
        self._met: list[list[Contribution]] = [[] for _ in RESOLUTIONS]

    def restored(self, key: str, entry: OrderEntry) -> None:
        """An order was read from the changelog."""
        self.waiting_cancellations += entry.is_waiting
        self.worth.restored(key, entry)

    def follow_registry(self) -> list[Contribution]:
        """Value orders anew that changed rates and registrations are about; what the sums change by."""
        found: list[Contribution] = []
        for key, before, after in self.worth.follow():
            self._attribution.order(key, _VALUED_ANEW, after, after.latest, None)
            changed = changes(before, after)
            self.accounts.note(key, before, after, changed)
            found += changed
        return found

    def lead(self, event: Lead, at: int, home: int | None = None) -> Apply:
        """How a lead's record applies; ``home`` is the partition of its visitor, else of its key."""
        mark = StageMark(at, event.event_id, event.campaign_id)
        key = event.lead_id if event.source is None else namespaced(event.source, event.lead_id)

        def apply(limits: Horizon, known: Sequence[bool] = _NEW) -> Applied | None:
            entry = self._leads.get(key)
            if known[0]:
                return _repeated_lead(event, mark, entry)
            verdict: Literal["applied", "changed"] = "applied"
            if entry is not None:
                if is_read(entry, event.stage, mark):
                    return REPEATED
                if is_said(entry, event.stage):
                    verdict = "changed"
            if limits.days_from is not None and at < limits.days_from:
                return None
            entry, contributions = observe(entry, event.stage, mark)
            self._leads.put(key, entry)
            self._attribution.lead(key, event, entry, at, home)
            return Applied(contributions, verdict)

        return apply

    def order(self, event: Order, at: int, home: int | None = None) -> Apply:
        """How an order's record applies; ``home`` as for a lead.

        Raises:
            Rejection: when the amounts are missing or wrong.
        """
        if event.kind == "placed":
            return self._placing(event, at, home)
        if event.kind == "refunded":
            return self._refunding(event, at, home)
        word = Cancellation(at, event.event_id)
        return self._following(event, at, home, lambda entry: cancel(entry, word), lambda _entry: True)

    def erase(self, event: Erasure) -> None:
        """Forget a person: their touches, whom their ids belong to, and that they have ordered before.

        What their conversions count stays, with the credits it has. Of a person who is not known here nothing happens.

        Raises:
            Rejection: when it names nobody.
        """
        instant(event.requested_at, "requested_at")
        if event.visitor_id is None and event.customer_id is None and event.lead_id is None:
            raise Rejection(Reason.MISSING_FIELD, "an erasure needs a visitor_id, a customer_id or a lead_id")
        for kind, named in (("c", event.customer_id), ("v", event.visitor_id)):
            if named is not None:
                self._customers.drop(f"{kind}|{named}")
        self.accounts.erase(event)
        self._attribution.erase(event)

    def take_customers(self) -> list[list[Contribution]]:
        """Customers met since the last call, by the resolution of the panes in which they are new."""
        met, self._met = self._met, [[] for _ in RESOLUTIONS]
        return met

    def _count_customer(self, placed: Placement, new: Iterable[int]) -> None:
        for resolution in new:
            self._met[resolution].append(Contribution(placed.campaign, placed.at, _A_CUSTOMER))

    def expire(self, before: int) -> None:
        """Forget leads, orders and customers whose latest event time is before an instant."""
        has_expired = False
        for entry in self._orders.expire(before):
            self.waiting_cancellations -= entry.is_waiting
            has_expired = True
        if has_expired:
            self.worth.forget_expired()
        for _ in self._leads.expire(before):
            pass
        for _ in self._customers.expire(before):
            pass

    def _placing(self, event: Order, at: int, home: int | None) -> Apply:
        campaign, amounts = event.campaign_id or NO_CAMPAIGN, amounts_of(event)
        came_in, revenue, goods = self.worth.worth(amounts, campaign, at)
        placed = Placement(at, event.event_id, campaign, revenue, goods, event.is_new_customer)
        customer = _customer(event)
        said_at = None if event.reported_at is None else instant(event.reported_at, "reported_at")

        def apply(limits: Horizon, known: Sequence[bool] = _NEW) -> Applied | None:
            buyer = buyer_mark(event)
            key, conflict = self._order_key(event, buyer)
            entry = self._orders.get(key)
            if entry is not None and entry.placed is not None:
                return self._replacing(
                    event, amounts, key, entry, entry.placed, at, said_at, home, is_known_event=known[0]
                )
            if limits.days_from is not None and at < limits.days_from:
                return None
            contributions = self._change(
                event, key, at, home, lambda entry: place(entry, placed, buyer, came_in, said_at=said_at)
            )
            if entry is not None and not conflict:
                conflict = _over_refunded(event, self._orders.get(key))
            self.placed += 1
            if customer is not None:
                contributions += self._meet(customer, key, placed)
            else:  # whoever it was, somebody else than all others
                self._count_customer(placed, RESOLUTIONS)
            if known[0] and not conflict:
                conflict = (
                    f"event_id {event.event_id!r} was that of another record before; order {event.order_id!r} is new and "
                    "counts. Give each event an id of its own, or each source its name (source)."
                )
            return Applied(contributions, "conflict", conflict) if conflict else Applied(contributions)

        return apply

    def _replacing(
        self,
        event: Order,
        amounts: Amounts,
        key: str,
        entry: OrderEntry,
        placed: Placement,
        at: int,
        said_at: int | None,
        home: int | None,
        *,
        is_known_event: bool,
    ) -> Applied:
        """A placed order is placed again: repeated, edited, or contradicted.

        Amounts of an edit that name no currency are in that of the order's campaign; the rate is that of the placement.
        """
        came_in, revenue, goods = self.worth.worth(amounts, placed.campaign, placed.at)
        version = Edit(at, event.event_id, revenue, goods)
        detail = _not_followed(event, placed)
        known_as = repetition(entry, version, came_in, said_at)
        if known_as is Repetition.AMBIGUOUS:
            return Applied(verdict="conflict", detail=_AMBIGUOUS.format(event.order_id))
        if known_as is Repetition.KNOWN:
            confirmed = confirm(entry, version, came_in, said_at)
            if confirmed is not entry:
                self._orders.put(key, confirmed)
            is_read_again = is_known_event and event.event_id != placed.event_id
            return Applied(verdict="conflict", detail=detail) if detail and not is_read_again else REPEATED
        contributions = self._change(
            event, key, at, home, lambda _entry: edit(entry, version, came_in, said_at)
        )
        return Applied(contributions, "conflict" if detail else "changed", detail)

    def _refunding(self, event: Order, at: int, home: int | None) -> Apply:
        amounts = amounts_of(event)
        came_in, micros, _ = self.worth.worth(amounts, event.campaign_id or NO_CAMPAIGN, at)
        given = Refund(at, event.campaign_id, micros)

        def refunded(entry: OrderEntry | None) -> OrderEntry:
            after = refund(entry, given, came_in)
            return self.worth.revalued(after) if any(after.refunds_in) else after

        return self._following(event, at, home, refunded, lambda entry: is_given(entry, given, came_in))

    def _following(
        self,
        event: Order,
        at: int,
        home: int | None,
        change: Callable[[OrderEntry | None], OrderEntry],
        is_repeated: Callable[[OrderEntry], bool],
    ) -> Apply:
        """A refund or a cancellation; of an event id that was read before it counts no more."""

        def apply(limits: Horizon, known: Sequence[bool] = _NEW) -> Applied:
            del limits
            key, _ = self._order_key(event, buyer_mark(event))
            if not known[0]:
                contributions = self._change(event, key, at, home, change)
                detail = _over_refunded(event, self._orders.get(key)) if event.kind == "refunded" else ""
                return Applied(contributions, "conflict", detail) if detail else Applied(contributions)
            entry = self._orders.get(key)
            if entry is not None and is_repeated(entry):
                return REPEATED
            return Applied(
                verdict="conflict",
                detail=f"event_id {event.event_id!r} was that of another record before; this one is not counted. Give each "
                "event an id of its own.",
            )

        return apply

    def _order_key(self, event: Order, buyer: int) -> tuple[str, str]:
        """Under which key an order of a buyer is kept, and why that is not the plain one: somebody else has ordered under its id."""
        key = namespaced(event.source, event.order_id)
        entry = self._orders.get(key)
        if entry is None or entry.placed is None or not are_others(entry.buyer, buyer):
            return key, ""
        return (
            f"{key}{PARTED}{buyer:x}",
            f"order_id {event.order_id!r} is also that of another buyer's order; both count. Name the shop of each order (source).",
        )

    def _meet(self, customer: str, order_id: str, placed: Placement) -> list[Contribution]:
        """An order of a customer, who is decided at home."""
        home = self._attribution.customer_homes.elsewhere(customer)
        if home is None:
            return self._meet_at_home(customer, order_id, placed, -1)
        is_flagged = placed.is_new_customer is not None
        purchase = RekeyedPurchase(customer, order_id, placed.at, placed.campaign, is_flagged)
        self._attribution.customer_homes.send_purchase(home, purchase)
        return []

    def _meet_at_home(
        self, customer: str, order_id: str, placed: Placement, partition: int
    ) -> list[Contribution]:
        known = self._customers.get(customer)
        first, contributions = meet(known, order_id, placed, partition)
        bought, new = remember(first.bought, placed.campaign, placed.at)
        self._count_customer(placed, new)
        self._customers.put(customer, msgspec.structs.replace(first, bought=bought))
        self._attribution.first_order(known, first)
        return contributions

    def receive_customers(self) -> list[Contribution]:
        """Take in what other partitions said of customers whose home is here; what the sums change by."""
        found: list[Contribution] = []
        for source, mail in self._attribution.customer_homes.take_received():
            for each in mail.purchases:
                placed = Placement(each.at, "", each.campaign, 0, 0, each.is_flagged or None)
                found += self._meet_at_home(each.customer, each.order, placed, source)
            for customer, first in mail.moved:
                known = self._customers.get(customer)
                other = first if first.partition >= 0 else msgspec.structs.replace(first, partition=source)
                both, later, contributions = joined(known, other)
                self._customers.put(customer, both)
                found += contributions
                if later is not None:
                    self._attribution.first_order(later, both)
            self.accounts.receive(mail.accounts)
            self.tell_greatest(source, mail.greatest)
        return found

    def tell_greatest(self, partition: int, orders: Iterable[tuple[str, dict[str, str]]]) -> None:
        """Let accounts hear which campaign each model gives the greatest part of an order to.

        Args:
            partition: that says so; one that credits an order no more is not listened to.
            orders: keys of conversions, and campaigns by model.
        """
        for key, campaigns in orders:
            entry = self._orders.get(key[_KIND:])
            if (
                entry is not None
                and entry.placed is not None
                and self._attribution.is_credited_on(partition, key)
            ):
                self.accounts.tell_greatest(entry.customer, entry.placed.at, key[_KIND:], campaigns)

    def look_for_misplaced(self) -> None:
        """All tables are put back: find customers that live elsewhere."""
        self._attribution.customer_homes.look_for_misplaced(self._customers.ids())

    def move_misplaced(self) -> None:
        """Send some of those home."""
        homes = self._attribution.customer_homes
        for customer in homes.next_misplaced():
            first = self._customers.get(customer)
            if first is not None:
                homes.send_customer(customer, first)
                self._customers.drop(customer)

    def _change(
        self,
        event: Order,
        key: str,
        at: int,
        home: int | None,
        change: Callable[[OrderEntry | None], OrderEntry],
    ) -> list[Contribution]:
        before = self._orders.get(key)
        if before is None:
            self._attribution.customer_homes.claim_order(key)
        after = change(before)
        if self.accounts.is_kept:
            customer = whose(before, after, customer_of(event))
            if customer != after.customer:
                after = after.of(customer)
        self._orders.put(key, after)
        if after.placed_in or after.refunds_in or after.edits_in:
            self.worth.note(key, after)
        self.waiting_cancellations += after.is_waiting - bool(before and before.is_waiting)
        self._attribution.order(key, event, after, at, home)
        changed = changes(before, after)
        self.accounts.note(key, before, after, changed)
        return changed


def _not_followed(event: Order, placed: Placement) -> str:
    """What of a repeated placement is not followed; empty where it is followed."""
    unfollowed = []
    if event.campaign_id is not None and event.campaign_id != placed.campaign:
        unfollowed.append(f"campaign_id {event.campaign_id!r} (the order counts on {placed.campaign!r})")
    if event.is_new_customer is not None and event.is_new_customer != placed.is_new_customer:
        unfollowed.append("is_new_customer")
    if not unfollowed:
        return ""
    return f"order_id {event.order_id!r} was placed before; its amounts are taken as an edit, but not its {' and '.join(unfollowed)}."


def _over_refunded(event: Order, entry: OrderEntry | None) -> str:
    """That an order was given back more often than it was paid; empty where it was not, or nothing says so."""
    beyond = None if entry is None else given_beyond(entry)
    if beyond is None:
        return ""
    back, ever = map(units, beyond)
    return (
        f"refunds of order_id {event.order_id!r} add up to {back}, and it was worth {ever} at most; all of them count. Are refunds "
        "told twice, under ids of two systems?"
    )


def _repeated_lead(event: Lead, mark: StageMark, entry: LeadEntry | None) -> Applied:
    """A lead's record whose event id was read before; it counts no more."""
    marks = [] if entry is None else [each for each in entry.marks if each is not None]
    mine = [each for each in marks if each.event_id == event.event_id]
    if entry is not None and (not mine or mark in mine):
        return REPEATED
    return Applied(
        verdict="conflict",
        detail=f"event_id {event.event_id!r} was that of another record before; this one is not counted. Give each event "
        "an id of its own, or each source its name (source).",
    )


def other_ids(event: Lead | Order) -> tuple[str | None, ...]:
    """The ids of a record that are not its visitor's."""
    if isinstance(event, Lead):
        return event.event_id, event.lead_id, event.campaign_id
    return event.event_id, event.order_id, event.campaign_id, event.lead_id, event.customer_id


def _customer(event: Order) -> str | None:
    """Who ordered; an id of a customer and one of a visitor may be spelt alike."""
    if event.customer_id is not None:
        return f"c|{event.customer_id}"
    return None if event.visitor_id is None else f"v|{event.visitor_id}"


class ConversionSource:
    """The handler of leads and orders.

    Args:
        conversions: where they apply.
        clock: of the partition.
        panes: where customers are counted.
        max_future: milliseconds that an event time may lie ahead of the record's Kafka timestamp.
        earliest: the earliest event time, in epoch milliseconds.
        rule: what journeys make of keys.
        keys: counts what keys are to their records.
    """

    def __init__(
        self,
        conversions: Conversions,
        clock: PartitionClock,
        panes: Panes,
        max_future: int,
        rule: KeyRule,
        keys: KeyCounts,
        earliest: int = MIN_INSTANT,
    ) -> None:
        self._conversions = conversions
        self._clock = clock
        self._panes = panes
        self._max_future = max_future
        self._earliest = earliest
        self._rule = rule
        self._keys = keys

    def homes(self, records: Sequence[SourceRecord], events: Sequence[Any]) -> list[int | None]:
        """The partition of each conversion's person, by what its visitor and its key say; None where nothing says."""
        if not self._rule.partitions:
            return [None] * len(events)
        persons: list[bytes | None] = []
        for record, event in zip(records, events, strict=True):
            if isinstance(event, Rejection):
                persons.append(None)
                continue
            others = other_ids(event)
            persons.append(self._rule.person(record.key, event.visitor_id, others))
            if event.visitor_id is not None:
                topic = topics.LEADS if isinstance(event, Lead) else topics.ORDERS
                self._keys.add(topic, self._rule.kind(record.key, event.visitor_id, others))
        found = partitions_of(persons, self._rule.partitions).tolist()
        return [None if home < 0 else home for home in found]

    def judge(self, record: SourceRecord, event: Lead | Order, home: int | None) -> Judged:
        """How the record applies."""
        at = instant(event.occurred_at, "occurred_at")
        if at < self._earliest:  # a call for each would be felt by every lead
            not_too_early(at, record.timestamp, self._earliest)
        not_in_future(at, record.timestamp, self._max_future)
        if isinstance(event, Lead):
            topic, apply = topics.LEADS, self._conversions.lead(event, at, home)
        else:
            if event.reported_at is not None:  # such a version would hide all later ones
                said_at = instant(event.reported_at, "reported_at")
                not_too_early(said_at, record.timestamp, self._earliest, "reported_at")
                not_in_future(said_at, record.timestamp, self._max_future, "reported_at")
            topic, apply = topics.ORDERS, self._conversions.order(event, at, home)
        self._clock.advance(topic, min(at, record.timestamp))
        identity = event.event_id if event.source is None else namespaced(event.source, event.event_id)
        return Judged(identity, apply)

    def finish(self, limits: Horizon) -> None:
        """Count the customers of a slice."""
        for resolution, met in enumerate(self._conversions.take_customers()):
            if met:
                self._panes.add_to(resolution, met, limits)

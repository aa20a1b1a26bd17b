"""Records of what customers do beside ordering: what each must satisfy, and all of them together as counts of customers."""

from collections import defaultdict

from metrics.customers.accounts import customer_hash
from metrics.customers.calendar import CustomerCalendar
from metrics.customers.engagement import (
    ERASED,
    Count,
    Counts,
    difference,
    joined,
    of_activation,
    of_csat,
    of_nps,
)
from metrics.customers.referrals import ReferralEntry, earlier
from metrics.customers.subscriptions import Begun, SubscriptionEntry
from metrics.customers.tickets import TicketEntry
from metrics.records.events import Activation, Referral, Subscription, Survey, Ticket
from metrics.records.namespaces import namespaced
from metrics.records.validation import instant, required
from metrics.values.currency import amount_in_micros
from metrics.values.errors import Reason, Rejection

CustomerEvent = Survey | Ticket | Subscription | Referral | Activation
_BEST_NPS = 10


def judged(event: CustomerEvent) -> int:
    """Whose record it is: ``customer_hash`` of the customer, 0 where it names none and need not.

    Raises:
        Rejection: ``missing_field`` or ``invalid_field`` where the record is wrong; ``unknown_currency``.
    """
    customer = customer_hash(event.customer_id, event.visitor_id)
    if isinstance(event, Survey):
        _judge_survey(event, customer)
    elif isinstance(event, Ticket):
        if event.stage == "opened":
            _named(customer, "a ticket that is opened")
    elif isinstance(event, Subscription):
        if event.amount is not None:
            amount_in_micros(event.amount, event.currency)
        if event.kind == "started":
            _named(customer, "a subscription that is started")
            required(event.term, "term")
    elif isinstance(event, Referral):
        _named(customer, "a referral")
        if customer_hash(event.referrer_id, None) == customer:
            raise Rejection(Reason.INVALID_FIELD, "referrer_id is the customer_id: nobody brings themselves")
    else:
        _named(customer, "an activation")
    return customer


def _judge_survey(event: Survey, customer: int) -> None:
    if not customer and event.campaign_id is None:
        raise Rejection(Reason.MISSING_FIELD, "a survey needs a customer_id, a visitor_id or a campaign_id")
    lowest, highest = (0, _BEST_NPS) if event.kind == "nps" else (1, event.scale)
    if not lowest <= event.score <= highest:
        raise Rejection(
            Reason.INVALID_FIELD, f"a score of {event.kind} is from {lowest} to {highest}, not {event.score}"
        )


def _named(customer: int, what: str) -> None:
    if not customer:
        raise Rejection(Reason.MISSING_FIELD, f"{what} needs a customer_id or a visitor_id")


def answer(event: Survey, at: int, months: CustomerCalendar) -> Counts:
    """What an answer counts."""
    if event.kind == "nps":
        return of_nps(event.score, at, months)
    return of_csat(event.score, event.scale, at, months)


def ticket(before: TicketEntry | None, event: Ticket, at: int, customer: int) -> TicketEntry:
    """The ticket of a record, with the record taken in."""
    return (before or TicketEntry()).with_step(event.stage, at, customer)


def subscription(
    before: SubscriptionEntry | None, event: Subscription, at: int, customer: int, reporting: str
) -> SubscriptionEntry:
    """The contract of a record, with the record taken in.

    Args:
        before: as it was; None before its first record.
        event: the record.
        at: its event time, epoch ms.
        customer: ``customer_hash`` of whose it is, 0 where nobody is named.
        reporting: the reporting currency, also that of an amount that names none.

    Raises:
        Rejection: ``too_many``.
    """
    entry = before or SubscriptionEntry()
    if event.kind == "cancelled":
        return entry.with_cancellation(at, customer)
    micros = None if event.amount is None else amount_in_micros(event.amount, event.currency)
    is_foreign = micros is not None and (event.currency or reporting) != reporting
    begun = Begun(at, event.term, micros, event.currency if is_foreign else None)
    return (
        entry.with_start(begun, customer) if event.kind == "started" else entry.with_renewal(begun, customer)
    )


def referral(before: ReferralEntry | None, event: Referral, at: int) -> ReferralEntry:
    """Who brought the person of a record, with the record taken in."""
    return earlier(before, ReferralEntry(at, customer_hash(event.referrer_id, None)))


class CustomerEventCounts:
    """All records of some files, as counts of customers.

    Args:
        months: whose calendar.
        reporting: the currency of amounts that name none; what others are worth is not known.
    """

    def __init__(self, months: CustomerCalendar, reporting: str) -> None:
        #: Records that were there before.
        self.duplicates = 0
        self._months = months
        self._reporting = reporting
        self._seen: set[tuple[type[CustomerEvent], str]] = set()
        self._answers: dict[int, list[Count]] = defaultdict(list)
        self._of_campaigns: dict[str, list[Count]] = defaultdict(list)
        self._tickets: dict[str, TicketEntry] = {}
        self._subscriptions: dict[str, SubscriptionEntry] = {}
        self._referrals: dict[int, ReferralEntry] = {}

    def take(self, event: CustomerEvent) -> None:
        """Take in a record; in any order, and one that was there before changes nothing.

        Raises:
            Rejection: where the record is wrong.
        """
        customer, at = judged(event), instant(event.occurred_at, "occurred_at")
        name = type(event), namespaced(event.source, event.event_id)
        if name in self._seen:
            self.duplicates += 1
            return
        if isinstance(event, Survey):
            counts = difference({}, answer(event, at, self._months))
            (self._answers[customer] if customer else self._of_campaigns[event.campaign_id or ""]).extend(
                counts
            )
        elif isinstance(event, Ticket):
            key = namespaced(event.source, event.ticket_id)
            self._tickets[key] = ticket(self._tickets.get(key), event, at, customer)
        elif isinstance(event, Subscription):
            key = namespaced(event.source, event.subscription_id)
            self._subscriptions[key] = subscription(
                self._subscriptions.get(key), event, at, customer, self._reporting
            )
        elif isinstance(event, Referral):
            self._referrals[customer] = referral(self._referrals.get(customer), event, at)
        else:
            self._answers[customer] += difference({}, of_activation(at, self._months))
        self._seen.add(name)

    def of_customers(self) -> dict[int, tuple[Count, ...]]:
        """What each customer does beside ordering, by ``customer_hash``; nobody of whom nothing counts."""
        found = {customer: list(counts) for customer, counts in self._answers.items()}
        for held in (self._tickets, self._subscriptions, self._referrals):
            for entry in held.values():
                if entry.customer > ERASED:
                    found.setdefault(entry.customer, []).extend(difference({}, entry.counts(self._months)))
        return {customer: joined((), counts) for customer, counts in found.items() if counts}

    def contracts(self) -> list[SubscriptionEntry]:
        """Every contract whose customer is known."""
        return [entry for entry in self._subscriptions.values() if entry.customer > ERASED]

    def of_campaigns(self) -> dict[str, tuple[Count, ...]]:
        """Answers that name a campaign and no customer, by campaign."""
        return {campaign: joined((), counts) for campaign, counts in self._of_campaigns.items()}

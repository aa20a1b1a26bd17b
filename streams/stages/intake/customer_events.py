"""Surveys, tickets, subscriptions, referrals and activations: each record is judged here, and counts in its customer's account.

They come hours and days after what they are about, so they neither move the watermark nor obey it. Without accounts of customers
they are judged and nothing is kept.
"""

from collections.abc import Sequence
from typing import TypeVar

from metrics.customers import customer_events
from metrics.customers.customer_events import CustomerEvent, judged
from metrics.customers.engagement import of_activation
from metrics.customers.referrals import ReferralEntry
from metrics.customers.subscriptions import SubscriptionEntry
from metrics.customers.tickets import TicketEntry
from metrics.records.events import Activation, Referral, Subscription, Survey, Ticket
from metrics.records.namespaces import namespaced
from metrics.records.validation import instant, not_in_future, not_too_early
from metrics.windows.panes import Horizon
from streams import topics
from streams.messages.source_records import SourceRecord
from streams.stages.intake.customer_accounts import CustomerAccounts, name_of
from streams.stages.intake.record_by_record import REPEATED, Applied, Judged
from streams.state.keyed_table import KeyedTable

H = TypeVar("H", TicketEntry, SubscriptionEntry, ReferralEntry)
_TOPICS: dict[type[CustomerEvent], str] = {
    Survey: topics.SURVEYS,
    Ticket: topics.TICKETS,
    Subscription: topics.SUBSCRIPTIONS,
    Referral: topics.REFERRALS,
    Activation: topics.ACTIVATIONS,
}


class CustomerEvents:
    """The handler of all topics of customers of one partition.

    Args:
        accounts: where they count.
        max_future: milliseconds that an event time may lie ahead of the record's Kafka timestamp.
        earliest: the earliest event time, in epoch milliseconds.
        reporting: the reporting currency.
    """

    def __init__(self, accounts: CustomerAccounts, max_future: int, earliest: int, reporting: str) -> None:
        #: The latest event time of each topic, epoch ms.
        self.stream_times: dict[str, int | None] = dict.fromkeys(topics.CUSTOMER_SOURCES)
        self._accounts = accounts
        self._max_future = max_future
        self._earliest = earliest
        self._reporting = reporting

    def homes(self, records: Sequence[SourceRecord], events: Sequence[object]) -> list[int | None]:
        """Journeys know nothing of these records."""
        del events
        return [None] * len(records)

    def judge(self, record: SourceRecord, event: CustomerEvent, home: int | None) -> Judged:
        """How the record applies."""
        del home
        at = instant(event.occurred_at, "occurred_at")
        not_too_early(at, record.timestamp, self._earliest)
        not_in_future(at, record.timestamp, self._max_future)
        customer = judged(event)
        self._advance(_TOPICS[type(event)], min(at, record.timestamp))

        def apply(limits: Horizon, known: Sequence[bool]) -> Applied:
            del limits
            if known[0]:
                return REPEATED
            return self._apply(event, at, customer) if self._accounts.is_kept else Applied()

        return Judged(namespaced(event.source, event.event_id), apply)

    def finish(self, limits: Horizon) -> None:
        """Nothing waits for the end of a slice."""

    def _advance(self, topic: str, at: int) -> None:
        known = self.stream_times[topic]
        self.stream_times[topic] = at if known is None else max(known, at)

    def _apply(self, event: CustomerEvent, at: int, customer: int) -> Applied:
        accounts = self._accounts
        if isinstance(event, Ticket):
            name = namespaced(event.source, event.ticket_id)
            entry = accounts.tickets.get(name)
            return self._keep(
                accounts.tickets, name, entry, customer_events.ticket(entry, event, at, customer)
            )
        if isinstance(event, Subscription):
            name = namespaced(event.source, event.subscription_id)
            contract = accounts.subscriptions.get(name)
            after = customer_events.subscription(contract, event, at, customer, self._reporting)
            return self._keep(accounts.subscriptions, name, contract, after)
        if isinstance(event, Referral):
            name = name_of(customer)
            known = accounts.referrals.get(name)
            return self._keep(accounts.referrals, name, known, customer_events.referral(known, event, at))
        if isinstance(event, Activation):
            accounts.count(customer, at, of_activation(at, accounts.calendar))
        elif customer:
            accounts.count(customer, at, customer_events.answer(event, at, accounts.calendar))
        else:
            counts = customer_events.answer(event, at, accounts.calendar)
            accounts.count_of_campaign(event.campaign_id or "", counts)
        return Applied()

    def _keep(self, table: KeyedTable[H], name: str, before: H | None, after: H) -> Applied:
        if before == after:
            return REPEATED
        self._accounts.keep(table, name, before, after)
        return Applied()

"""Accounts of customers, where customers live, and the sums of their cohorts, which merge adds up over all partitions.

The partition that reads an order says what its record changes; the home of the customer, told by a hash of their id, keeps the
account. Sums of cohorts are kept beside the accounts, not made of them: an account that expires leaves what it counted.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from metrics.customers.accounts import (
    AccountChange,
    CustomerAccount,
    OrderCredit,
    changed_account,
    changes_of,
    credited_account,
    customer_hash,
)
from metrics.customers.calendar import CustomerCalendar
from metrics.customers.cohort_sums import NO_CUSTOMER, CohortKey, CohortSums, cohort_keys
from metrics.customers.engagement import ERASED, Counts, difference
from metrics.customers.referrals import ReferralEntry
from metrics.customers.subscriptions import SubscriptionEntry
from metrics.customers.tickets import TicketEntry
from metrics.entities.orders import OrderEntry
from metrics.records.campaign_model import campaign_model, split_campaign_model
from metrics.records.events import Erasure
from metrics.sums.contribution import Contribution
from metrics.values.time import DAY
from streams.messages.partials import CohortPartial
from streams.stages.intake.cohort_table import CohortTable
from streams.stages.intake.customer_homes import CustomerHomes
from streams.stages.intake.model_cohorts import ModelCohortTable
from streams.state.keyed_table import KeyedTable
from streams.state.table import Table

H = TypeVar("H", TicketEntry, SubscriptionEntry, ReferralEntry)
#: Bits of a hash above those that are the same in all.
_HOME_BITS = 16


class CustomerAccounts:
    """The accounts of the customers whose home one partition is.

    Args:
        partition: its number.
        orders: as they are kept here, with whose account each counts in.
        homes: carry what is for other homes.
        home_count: how many partitions are homes; 0 or 1 where customers stay.
        retention: how long after its latest event an account is kept, in ms; 0: none is.
        calendar: whose months, or weeks, cohorts go by.
        models: in which customers have cohorts beside those that orders declare.
    """

    def __init__(
        self,
        partition: int,
        orders: KeyedTable[OrderEntry],
        homes: CustomerHomes,
        home_count: int,
        retention: int,
        calendar: CustomerCalendar,
        models: Sequence[str] = (),
    ) -> None:
        self.is_kept = retention > 0
        # Tables of weeks are others than those of months, so that what one of them keeps is never read as the other.
        letter = "k" if calendar.period == "month" else "w"
        self.accounts: KeyedTable[CustomerAccount] = KeyedTable(f"{letter}a", CustomerAccount)
        self.cohorts = CohortTable(f"{letter}c")
        self.model_cohorts = ModelCohortTable(f"{letter}m", models)
        #: By ``ticket_id`` and ``subscription_id``, each with its source; by ``customer_hash`` of who was brought.
        self.tickets: KeyedTable[TicketEntry] = KeyedTable(f"{letter}t", TicketEntry)
        self.subscriptions: KeyedTable[SubscriptionEntry] = KeyedTable(f"{letter}s", SubscriptionEntry)
        self.referrals: KeyedTable[ReferralEntry] = KeyedTable(f"{letter}r", ReferralEntry)
        self._held: tuple[KeyedTable[Any], ...] = (self.tickets, self.subscriptions, self.referrals)
        self.tables: Sequence[Table] = (
            (self.accounts, self.cohorts, self.model_cohorts, *self._held) if self.is_kept else ()
        )
        self._partition = partition
        self._orders = orders
        self._homes = homes
        self._home_count = home_count
        self._retention = retention
        self.calendar = calendar
        #: Customers whose orders are to name nobody any more.
        self._erased: set[int] = set()
        #: The day up to which cohorts were forgotten.
        self._expired_day: int | None = None

    def note(
        self, key: str, before: OrderEntry | None, after: OrderEntry, changed: Iterable[Contribution]
    ) -> None:
        """An order's entry has changed, and with it what the sums are by ``changed``."""
        if not self.is_kept:
            return
        for change in changes_of(before, after, key, changed, self.calendar):
            self._tell(change)

    def count(self, customer: int, at: int, counts: Counts) -> None:
        """A customer has done something beside ordering."""
        self._send(customer, at, {}, counts)

    def count_of_campaign(self, campaign: str, counts: Counts) -> None:
        """Somebody whom nothing names has done something of a campaign, which is the same in every model."""
        for each in (campaign, *(campaign_model(campaign, model) for model in self.model_cohorts.numbers)):
            self._change(CohortKey(each, NO_CUSTOMER)).add_counts(difference({}, counts))

    def tell_greatest(self, customer: int, at: int, order_id: str, campaigns: dict[str, str]) -> None:
        """Models give the greatest part of an order, of a customer's account, to campaigns.

        Args:
            customer: in whose account the order counts.
            at: when it was placed, epoch ms.
            order_id: under which ``note`` was told of it.
            campaigns: by model.
        """
        if self.is_kept and customer > ERASED:
            self._tell(AccountChange(customer, at, (), greatest=OrderCredit(at, order_id, campaigns)))

    def changed_cohorts(self) -> list[CohortPartial]:
        """What the next checkpoint sends of cohorts."""
        return self.cohorts.changed() + self.model_cohorts.changed()

    def restored(self) -> None:
        """All tables are put back: in a model that is new every customer so far is one of no campaign."""
        if self.is_kept:
            self.model_cohorts.fill(self.cohorts.items())

    def keep(self, table: KeyedTable[H], name: str, before: H | None, after: H) -> None:
        """Keep a ticket, a subscription or a referral as it is now, and let the homes of its customers hear what changes.

        Args:
            table: ``tickets``, ``subscriptions`` or ``referrals``.
            name: its id there.
            before: as it was; None before its first record.
            after: as it is.
        """
        table.put(name, after)
        counts = after.counts(self.calendar)
        if before is None or before.customer == after.customer:
            self._send(
                after.customer, after.latest, {} if before is None else before.counts(self.calendar), counts
            )
        else:
            self._send(before.customer, before.latest, before.counts(self.calendar), {})
            self._send(after.customer, after.latest, {}, counts)

    def _send(self, customer: int, latest: int, before: Counts, after: Counts) -> None:
        counts = tuple(difference(before, after))
        if customer > ERASED and counts:
            self._tell(AccountChange(customer, latest, (), counts=counts))

    def _tell(self, change: AccountChange) -> None:
        home = self._home_of(change.customer)
        if home == self._partition:
            self._apply(change)
        else:
            self._homes.send_account(home, change)

    def receive(self, changes: Iterable[AccountChange]) -> None:
        """Take in what other partitions say of customers whose home is here."""
        if self.is_kept:
            for change in changes:
                if self._is_of_calendar(change):  # else it was sent before cohorts went by another period
                    self._apply(change)

    def _is_of_calendar(self, change: AccountChange) -> bool:
        periods = [*(each.month for each in change.months), *(each.month for each in change.counts)]
        return all(map(self.calendar.counts, periods))

    def erase(self, event: Erasure) -> None:
        """Forget a person here, and let the home hear it after all that was said of the person before."""
        if not self.is_kept:
            return
        named = customer_hash(event.customer_id, None), customer_hash(None, event.visitor_id)
        for customer in filter(None, named):
            self._erased.add(customer)
            self.referrals.drop(name_of(customer))
            self._tell(AccountChange(customer, 0, (), is_erased=True))

    def forget_names(self) -> None:
        """Let what everybody has who was erased since the last call name nobody: one pass over orders, tickets and the like."""
        erased, self._erased = self._erased, set()
        if not erased:
            return
        for key in self._orders.ids_holding(erased):
            entry = self._orders.get(key)
            if entry is not None and entry.customer in erased:
                self._orders.put(key, entry.of(0))
        for table in self._held:
            for key in table.ids_holding(erased):
                held = table.get(key)
                if held is not None and held.customer in erased:
                    table.put(key, replace(held, customer=ERASED))

    def expire(self, watermark: int) -> None:
        """Forget accounts, and cohorts of which nothing has been heard for as long."""
        if not self.is_kept:
            return
        before = watermark - self._retention
        for table in (self.accounts, *self._held):
            for _ in table.expire(before):
                pass
        if before // DAY != self._expired_day:  # looking through all cohorts is not for every checkpoint
            self._expired_day = before // DAY
            for cohorts in (self.cohorts, self.model_cohorts):
                cohorts.expire(self.calendar.first, lambda month: self.calendar.start(month + 1) <= before)

    def _home_of(self, customer: int) -> int:
        return (customer >> _HOME_BITS) % self._home_count if self._home_count > 1 else self._partition

    def _apply(self, change: AccountChange) -> None:
        if change.is_erased:
            self._drop(change.customer)
            return
        name = name_of(change.customer)
        before = self.accounts.get(name)
        if change.greatest is not None:
            credited = credited_account(before, change.greatest, self.model_cohorts.numbers)
            if credited is not None and before is not None:
                self._move(before, credited)
                self.accounts.put(name, credited)
            return
        after = changed_account(before, change)
        if before is not None and before.first is after.first:
            for key in self._keys(after):
                self._change(key).change_account(before, after)
        else:
            if before is not None:
                self._count(before, -1)
            self._count(after, 1)
        self.accounts.put(name, after)

    def _move(self, before: CustomerAccount, after: CustomerAccount) -> None:
        """A customer is of other campaigns in some models."""
        for old, new in zip(self._keys(before), self._keys(after), strict=True):
            if old != new:
                self._change(old).add_account(before, -1)
                self._change(new).add_account(after, 1)

    def _drop(self, customer: int) -> None:
        name = name_of(customer)
        account = self.accounts.get(name)
        if account is not None:
            self._count(account, -1)
            self.accounts.drop(name)

    def _count(self, account: CustomerAccount, sign: int) -> None:
        for key in self._keys(account):
            self._change(key).add_account(account, sign)

    def _keys(self, account: CustomerAccount) -> list[CohortKey]:
        return cohort_keys(account, self.calendar, self.model_cohorts.numbers)

    def _change(self, key: CohortKey) -> CohortSums:
        is_declared = split_campaign_model(key.campaign)[1] is None
        return (self.cohorts if is_declared else self.model_cohorts).change(key)


def name_of(customer: int) -> str:
    """A hash as a short text, which the table of accounts takes."""
    return f"{customer:x}"

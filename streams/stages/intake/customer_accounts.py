"""Accounts of customers, where customers live, and the sums of their cohorts, which merge adds up over all partitions.

The partition that reads an order says what its record changes; the home of the customer, told by a hash of their id, keeps the
account. Sums of cohorts are kept beside the accounts, not made of them: an account that expires leaves what it counted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from msgspec.structs import replace

from metrics.customers.accounts import (
    AccountChange,
    CustomerAccount,
    changed_account,
    changes_of,
    customer_hash,
)
from metrics.customers.calendar import CustomerCalendar
from metrics.customers.cohort_sums import NO_CUSTOMER, CohortKey, CohortSums, cohort_key
from metrics.customers.engagement import ERASED, Counts, difference
from metrics.customers.referrals import ReferralEntry
from metrics.customers.subscriptions import SubscriptionEntry
from metrics.customers.tickets import TicketEntry
from metrics.entities.orders import OrderEntry
from metrics.records.events import Erasure
from metrics.sums.contribution import Contribution
from metrics.values.time import DAY
from streams.messages.partials import CohortPartial
from streams.stages.intake.customer_homes import CustomerHomes
from streams.state.codec import Entry, decoder, encode, read_key, state_key
from streams.state.keyed_table import KeyedTable
from streams.state.table import Restored, Table

_decode_sums = decoder(tuple[int, CohortSums])
H = TypeVar("H", TicketEntry, SubscriptionEntry, ReferralEntry)
#: About how many bytes the sums of a cohort take in a checkpoint, kept and sent: besides the numbers there were, and each of those.
_COHORT_BYTES, _NUMBER_BYTES = 1_000, 6
#: Bits of a hash above those that are the same in all.
_HOME_BITS = 16


class CohortTable:
    """Sums of the cohorts of one home, packed where they have not changed since the last checkpoint."""

    def __init__(self, kind: str = "kc") -> None:
        self.kind = kind
        self._packed: dict[CohortKey, bytes] = {}
        #: Those that have changed, or may not have been sent.
        self._open: dict[CohortKey, CohortSums] = {}
        self._expired: list[CohortKey] = []
        self._weight = 0

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return self._weight

    def items(self) -> Iterator[tuple[CohortKey, CohortSums]]:
        """Every cohort."""
        for key, packed in self._packed.items():
            if key not in self._open:
                yield key, _decode_sums(packed)[1]
        yield from self._open.items()

    def change(self, key: CohortKey) -> CohortSums:
        """The sums of a cohort, which are about to change."""
        found = self._open.get(key)
        if found is None:
            packed = self._packed.get(key)
            found = self._open[key] = CohortSums() if packed is None else _decode_sums(packed)[1]
            self._weight += _COHORT_BYTES + _NUMBER_BYTES * found.size
        return found

    def expire(self, first: int, is_over: Callable[[int], bool]) -> None:
        """Forget the cohorts of whose months, none of which lies before the first, the last is long over."""
        for key, packed in list(self._packed.items()):
            if key not in self._open and is_over(max(key.month, first, _decode_sums(packed)[1].latest)):
                del self._packed[key]
                self._expired.append(key)

    def changed(self) -> list[CohortPartial]:
        """What the next checkpoint sends: whole sums, also those of nobody, so that merge hears that a cohort has gone."""
        return [(*key, sums) for key, sums in self._open.items()]

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the sums; what may not have been sent counts as changed."""
        for key, value in entries:
            _, campaign, month = read_key(key)
            cohort = CohortKey(campaign, month)
            self._packed[cohort] = value
            sequence, sums = _decode_sums(value)
            if sequence > confirmed:
                self._open[cohort] = sums
                self._weight += _COHORT_BYTES + _NUMBER_BYTES * sums.size
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """Sums that have changed, and tombstones of those that are forgotten."""
        found: list[Entry] = [(state_key(self.kind, *key), None) for key in self._expired]
        for key, sums in self._open.items():
            packed = self._packed[key] = encode((sequence, sums))
            found.append((state_key(self.kind, *key), packed))
        self._open, self._expired, self._weight = {}, [], 0
        return found


class CustomerAccounts:
    """The accounts of the customers whose home one partition is.

    Args:
        partition: its number.
        orders: as they are kept here, with whose account each counts in.
        homes: carry what is for other homes.
        home_count: how many partitions are homes; 0 or 1 where customers stay.
        retention: how long after its latest event an account is kept, in ms; 0: none is.
        calendar: whose months, or weeks, cohorts go by.
    """

    def __init__(
        self,
        partition: int,
        orders: KeyedTable[OrderEntry],
        homes: CustomerHomes,
        home_count: int,
        retention: int,
        calendar: CustomerCalendar,
    ) -> None:
        self.is_kept = retention > 0
        # Tables of weeks are others than those of months, so that what one of them keeps is never read as the other.
        letter = "k" if calendar.period == "month" else "w"
        self.accounts: KeyedTable[CustomerAccount] = KeyedTable(f"{letter}a", CustomerAccount)
        self.cohorts = CohortTable(f"{letter}c")
        #: By ``ticket_id`` and ``subscription_id``, each with its source; by ``customer_hash`` of who was brought.
        self.tickets: KeyedTable[TicketEntry] = KeyedTable(f"{letter}t", TicketEntry)
        self.subscriptions: KeyedTable[SubscriptionEntry] = KeyedTable(f"{letter}s", SubscriptionEntry)
        self.referrals: KeyedTable[ReferralEntry] = KeyedTable(f"{letter}r", ReferralEntry)
        self._held: tuple[KeyedTable[Any], ...] = (self.tickets, self.subscriptions, self.referrals)
        self.tables: Sequence[Table] = (self.accounts, self.cohorts, *self._held) if self.is_kept else ()
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
        """Somebody whom nothing names has done something of a campaign."""
        self.cohorts.change(CohortKey(campaign, NO_CUSTOMER)).add_counts(difference({}, counts))

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
        endings = {encode(customer) for customer in erased}
        for key in self._orders.ids_ending(endings):
            entry = self._orders.get(key)
            if entry is not None and entry.customer in erased:
                self._orders.put(key, entry.of(0))
        for table in self._held:
            for key in table.ids_ending(endings):
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
            self.cohorts.expire(self.calendar.first, lambda month: self.calendar.start(month + 1) <= before)

    def _home_of(self, customer: int) -> int:
        return (customer >> _HOME_BITS) % self._home_count if self._home_count > 1 else self._partition

    def _apply(self, change: AccountChange) -> None:
        if change.is_erased:
            self._drop(change.customer)
            return
        name = name_of(change.customer)
        before = self.accounts.get(name)
        after = changed_account(before, change)
        if before is not None and before.first is after.first:
            key = cohort_key(after, self.calendar)
            if key is not None:
                self.cohorts.change(key).change_account(before, after)
        else:
            if before is not None:
                self._count(before, -1)
            self._count(after, 1)
        self.accounts.put(name, after)

    def _drop(self, customer: int) -> None:
        name = name_of(customer)
        account = self.accounts.get(name)
        if account is not None:
            self._count(account, -1)
            self.accounts.drop(name)

    def _count(self, account: CustomerAccount, sign: int) -> None:
        key = cohort_key(account, self.calendar)
        if key is not None:
            self.cohorts.change(key).add_account(account, sign)


def name_of(customer: int) -> str:
    """A hash as a short text, which the table of accounts takes."""
    return f"{customer:x}"

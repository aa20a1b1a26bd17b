"""Accounts of customers, where customers live, and the sums of their cohorts, which merge adds up over all partitions.

The partition that reads an order says what its record changes; the home of the customer, told by a hash of their id, keeps the
account. Sums of cohorts are kept beside the accounts, not made of them: an account that expires leaves what it counted.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from zoneinfo import ZoneInfo

from metrics.customers.accounts import (
    AccountChange,
    CalendarMonths,
    CustomerAccount,
    changed_account,
    changes_of,
    customer_hash,
)
from metrics.customers.calendar import month_start
from metrics.customers.cohort_sums import CohortKey, CohortSums, cohort_key
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
#: About how many bytes the sums of a cohort take in a checkpoint, kept and sent.
_COHORT_BYTES = 1_000
#: Bits of a hash above those that are the same in all.
_HOME_BITS = 16


class CohortTable:
    """Sums of the cohorts of one home, packed where they have not changed since the last checkpoint."""

    kind = "kc"

    def __init__(self) -> None:
        self._packed: dict[CohortKey, bytes] = {}
        #: Those that have changed, or may not have been sent.
        self._open: dict[CohortKey, CohortSums] = {}
        self._expired: list[CohortKey] = []

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return _COHORT_BYTES * len(self._open)

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
        return found

    def expire(self, is_over: Callable[[int], bool]) -> None:
        """Forget the cohorts of whose months the last is long over."""
        for key, packed in list(self._packed.items()):
            if key not in self._open and is_over(max(key.month, _decode_sums(packed)[1].latest)):
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
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """Sums that have changed, and tombstones of those that are forgotten."""
        found: list[Entry] = [(state_key(self.kind, *key), None) for key in self._expired]
        for key, sums in self._open.items():
            packed = self._packed[key] = encode((sequence, sums))
            found.append((state_key(self.kind, *key), packed))
        self._open, self._expired = {}, []
        return found


class CustomerAccounts:
    """The accounts of the customers whose home one partition is.

    Args:
        partition: its number.
        orders: as they are kept here, with whose account each counts in.
        homes: carry what is for other homes.
        home_count: how many partitions are homes; 0 or 1 where customers stay.
        retention: how long after its latest event an account is kept, in ms; 0: none is.
        zone: whose calendar months.
    """

    def __init__(
        self,
        partition: int,
        orders: KeyedTable[OrderEntry],
        homes: CustomerHomes,
        home_count: int,
        retention: int,
        zone: ZoneInfo,
    ) -> None:
        self.is_kept = retention > 0
        self.accounts: KeyedTable[CustomerAccount] = KeyedTable("ka", CustomerAccount)
        self.cohorts = CohortTable()
        self.tables: Sequence[Table] = (self.accounts, self.cohorts) if self.is_kept else ()
        self._partition = partition
        self._orders = orders
        self._homes = homes
        self._home_count = home_count
        self._retention = retention
        self._calendar = CalendarMonths(zone)
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
        for change in changes_of(before, after, key, changed, self._calendar):
            home = self._home_of(change.customer)
            if home == self._partition:
                self._apply(change)
            else:
                self._homes.send_account(home, change)

    def receive(self, changes: Iterable[AccountChange]) -> None:
        """Take in what other partitions say of customers whose home is here."""
        if self.is_kept:
            for change in changes:
                self._apply(change)

    def erase(self, event: Erasure) -> None:
        """Forget a person here, and let the home hear it after all that was said of the person before."""
        if not self.is_kept:
            return
        named = customer_hash(event.customer_id, None), customer_hash(None, event.visitor_id)
        for customer in filter(None, named):
            self._erased.add(customer)
            home = self._home_of(customer)
            if home == self._partition:
                self._drop(customer)
            else:
                self._homes.send_account(home, AccountChange(customer, 0, (), is_erased=True))

    def forget_orders(self) -> None:
        """Let the orders of everybody who was erased since the last call name nobody: one pass over all orders."""
        erased, self._erased = self._erased, set()
        if erased:
            for key in self._orders.ids_ending({encode(customer) for customer in erased}):
                entry = self._orders.get(key)
                if entry is not None and entry.customer in erased:
                    self._orders.put(key, entry.of(0))

    def expire(self, watermark: int) -> None:
        """Forget accounts, and cohorts of which nothing has been heard for as long."""
        if not self.is_kept:
            return
        before = watermark - self._retention
        for _ in self.accounts.expire(before):
            pass
        if before // DAY != self._expired_day:  # looking through all cohorts is not for every checkpoint
            self._expired_day = before // DAY
            self.cohorts.expire(lambda month: month_start(month + 1, self._calendar.zone) <= before)

    def _home_of(self, customer: int) -> int:
        return (customer >> _HOME_BITS) % self._home_count if self._home_count > 1 else self._partition

    def _apply(self, change: AccountChange) -> None:
        if change.is_erased:
            self._drop(change.customer)
            return
        name = _name_of(change.customer)
        before = self.accounts.get(name)
        after = changed_account(before, change)
        if before is not None and before.first is after.first:
            key = cohort_key(after, self._calendar)
            if key is not None:
                self.cohorts.change(key).change_account(before, after)
        else:
            if before is not None:
                self._count(before, -1)
            self._count(after, 1)
        self.accounts.put(name, after)

    def _drop(self, customer: int) -> None:
        name = _name_of(customer)
        account = self.accounts.get(name)
        if account is not None:
            self._count(account, -1)
            self.accounts.drop(name)

    def _count(self, account: CustomerAccount, sign: int) -> None:
        key = cohort_key(account, self._calendar)
        if key is not None:
            self.cohorts.change(key).add_account(account, sign)


def _name_of(customer: int) -> str:
    """A hash as a short text, which the table of accounts takes."""
    return f"{customer:x}"

"""Customers, decided where they live: whatever partition an order came on, its customer is looked up on one.

The partition that reads an order counts it. Who is new is told by all orders of a customer; so the home of the customer, the
partition of their id, hears of each order, and counts new and distinct customers. Where a model credits first orders apart, the
home says back which order that is. Orders stay where they are read; their ids meet too, so that an order whose records come on
several partitions is found. Free of I/O.
"""

from collections import Counter, deque
from collections.abc import Iterable, Sequence, Sized
from typing import NamedTuple

import msgspec

from metrics.customers.accounts import AccountChange
from metrics.entities.orders import FirstOrder
from metrics.values.hashing import hash_id, partition_of, seed_of

#: Customers that are moved to their homes with one checkpoint, when homes change.
_MOVED_AT_ONCE = 2_000
#: Ids of orders whose partitions are compared.
_ORDERS_REMEMBERED = 500_000
_ORDER_SEED = seed_of("order")
#: Items of one message, some 100 bytes each.
_ITEMS_AT_ONCE = 4_000


class RekeyedPurchase(msgspec.Struct, array_like=True, frozen=True):
    """An order of a customer whose home is elsewhere: what new and distinct customers need of it."""

    customer: str
    order: str
    at: int
    campaign: str
    is_flagged: bool


class CustomerMail(msgspec.Struct, array_like=True):
    """What one partition says to another of customers.

    Attributes:
        purchases: orders of customers whose home is there.
        firsts: orders that are, or are no longer, the first of their customer, as (key, whether).
        moved: customers with their first orders, who were remembered here before homes were asked for.
        orders: hashes of ids of orders that were read first by the sender.
        accounts: what changes of the accounts of customers whose home is there, in the order in which it came.
        greatest: orders that are counted there, with the campaign that each model gives the greatest part to.
    """

    purchases: list[RekeyedPurchase] = []
    firsts: list[tuple[str, bool]] = []
    moved: list[tuple[str, FirstOrder]] = []
    orders: list[int] = []
    accounts: list[AccountChange] = []
    greatest: list[tuple[str, dict[str, str]]] = []

    def __len__(self) -> int:
        known = len(self.purchases) + len(self.firsts) + len(self.moved) + len(self.orders)
        return known + len(self.accounts) + len(self.greatest)


class ReceivedMail(NamedTuple):
    """What another partition said of customers."""

    source: int
    mail: CustomerMail


def home_of(customer: str, partitions: int) -> int:
    """The partition of a customer's id, which stands behind its kind: that on which a record keyed by it lies.

    >>> home_of("c|cust-1", 4) == home_of("v|cust-1", 4) in range(4)
    True
    """
    return partition_of(customer[2:].encode(), partitions)


class CustomerHomes:
    """What leaves one partition for the homes of customers, and what has come here.

    Args:
        partition: its number.
        partitions: of the deployment; with one, or 0, every customer is at home here.
    """

    def __init__(self, partition: int, partitions: int) -> None:
        self._partition = partition
        self._partitions = partitions
        #: What has left, by kind, for whoever shows it.
        self.sent: Counter[str] = Counter()
        self._gathered: dict[int, CustomerMail] = {}
        self._received: list[ReceivedMail] = []
        self._misplaced: deque[str] = deque()
        #: By hash of an order's id, the partition that has read it; several, where it is -1.
        self._orders: dict[int, int] = {}
        #: Orders whose records came on several partitions, as far as their ids meet here; since the partition was taken over.
        self.split_orders = 0

    @property
    def is_due(self) -> bool:
        """Whether something waits for the next checkpoint."""
        return bool(self._misplaced or self._gathered)

    @property
    def weight(self) -> int:
        """About how many bytes messages add to the next checkpoint: once to be kept, once to be sent."""
        return 250 * sum(map(len, self._gathered.values()))

    def elsewhere(self, customer: str) -> int | None:
        """The home of a customer; None where it is here."""
        if self._partitions <= 1:
            return None
        home = home_of(customer, self._partitions)
        return None if home == self._partition else home

    def send_purchase(self, home: int, purchase: RekeyedPurchase) -> None:
        """Let the home of a customer hear of an order."""
        self.sent["purchase"] += 1
        self._for(home).purchases.append(purchase)

    def send_first(self, partition: int, key: str, *, is_first: bool) -> None:
        """Let the partition that counts an order hear whether it is the first of its customer."""
        self._for(partition).firsts.append((key, is_first))

    def send_account(self, home: int, change: AccountChange) -> None:
        """Let the home of a customer hear what changes of their account."""
        self.sent["account"] += 1
        self._for(home).accounts.append(change)

    def send_greatest(self, partition: int, key: str, campaigns: dict[str, str]) -> None:
        """Let the partition that counts an order hear which campaign each model gives the greatest part of it to."""
        self.sent["greatest"] += 1
        self._for(partition).greatest.append((key, campaigns))

    def claim_order(self, key: str) -> None:
        """An order was read here that was not known here."""
        if self._partitions <= 1:
            return
        hashed = hash_id(key, _ORDER_SEED)
        home = (hashed >> 16) % self._partitions
        if home == self._partition:
            self._note_order(hashed, self._partition)
        else:
            self._for(home).orders.append(hashed)

    # --- customers of earlier homes ------------------------------------------------------------------

    def look_for_misplaced(self, customers: Iterable[str]) -> None:
        """Find customers that are remembered here and live elsewhere."""
        if self._partitions > 1:
            self._misplaced.extend(each for each in customers if self.elsewhere(each) is not None)

    def next_misplaced(self) -> list[str]:
        """Some of those, who are to be moved now."""
        return [self._misplaced.popleft() for _ in range(min(len(self._misplaced), _MOVED_AT_ONCE))]

    def send_customer(self, customer: str, first: FirstOrder) -> None:
        """Move a customer to their home."""
        home = self.elsewhere(customer)
        assert home is not None, "misplaced"
        self._for(home).moved.append((customer, first))

    # --- giving and taking ---------------------------------------------------------------------------

    def take(self) -> list[tuple[int, CustomerMail]]:
        """What has gathered since the last call, with the partition that it is for."""
        gathered, self._gathered = self._gathered, {}
        return [(target, part) for target, mail in gathered.items() for part in _parts(mail)]

    def receive(self, source: int, mail: CustomerMail) -> None:
        """Take in what another partition says; ``take_received`` hands it on."""
        self._received.append(ReceivedMail(source, mail))
        for hashed in mail.orders:
            self._note_order(hashed, source)

    def take_received(self) -> list[ReceivedMail]:
        """What has come since the last call."""
        received, self._received = self._received, []
        return received

    def _note_order(self, hashed: int, source: int) -> None:
        known = self._orders.get(hashed)
        if known is None:
            if len(self._orders) >= _ORDERS_REMEMBERED:
                del self._orders[next(iter(self._orders))]
            self._orders[hashed] = source
        elif known not in (source, -1):
            self._orders[hashed] = -1
            self.split_orders += 1

    def _for(self, partition: int) -> CustomerMail:
        mail = self._gathered.get(partition)
        if mail is None:
            mail = self._gathered[partition] = CustomerMail([], [], [], [], [], [])
        return mail


def _parts(mail: CustomerMail) -> list[CustomerMail]:
    """The same in messages that a broker takes."""
    kinds: tuple[Sized, ...] = (
        *(mail.purchases, mail.firsts, mail.moved, mail.orders),
        *(mail.accounts, mail.greatest),
    )
    longest = max(map(len, kinds))
    cuts = [slice(first, first + _ITEMS_AT_ONCE) for first in range(0, longest, _ITEMS_AT_ONCE)]
    parts: Sequence[CustomerMail] = [
        CustomerMail(
            *(mail.purchases[cut], mail.firsts[cut], mail.moved[cut], mail.orders[cut]),
            *(mail.accounts[cut], mail.greatest[cut]),
        )
        for cut in cuts
    ]
    return list(parts)

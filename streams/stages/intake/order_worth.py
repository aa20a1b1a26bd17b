"""What amounts of orders are worth: by the rates and registrations of their event time, whenever those come.

rates    ───────────────── USD 0.9 from day 3 ──────────────────────
orders   USD 10 of day 4 (0, uncertain) ── (9.00) ── the same to whoever reads the rate first

When a rate or a campaign's currency changes, the orders kept that reach the time of the change are valued anew: some with each
checkpoint, so that no checkpoint grows with what is kept.
"""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.orders import CAMPAIGNS_OWN, CameIn, ForeignAmounts, OrderEntry, is_uncertain, revalued
from metrics.records.events import NO_CAMPAIGN, Order
from metrics.records.validation import required
from metrics.values.currency import amount_in_micros
from metrics.values.time import DAY
from streams.stages.registry_changes import RegistryChanges
from streams.state.keyed_table import KeyedTable

#: Orders that are looked at with one checkpoint, and bytes of those that change with it.
_MOST_LOOKED_AT, _MOST_BYTES = 10_000, 1_000_000
_EVER = -(1 << 62)


class Amounts(NamedTuple):
    """Amounts of a record as they came.

    Attributes:
        currency: that the record names, if any.
        micros: revenue, or what is given back, in that currency.
        cost_micros: the cost of goods in that currency.
    """

    currency: str | None
    micros: int
    cost_micros: int


class Worth(NamedTuple):
    """In what amounts came, and what they are worth, in micros of the reporting currency."""

    came_in: CameIn
    micros: int
    cost_micros: int


class Revaluation(NamedTuple):
    """An order that is worth something else."""

    key: str
    before: OrderEntry
    after: OrderEntry


def amounts_of(event: Order) -> Amounts:
    """The amounts of a record.

    Raises:
        Rejection: when an amount is missing or wrong, or the currency is no code.
    """
    currency, goods = event.currency, event.cost_of_goods
    micros = amount_in_micros(required(event.revenue, "revenue"), currency)
    if goods is None or event.kind != "placed":
        return Amounts(currency, micros, 0)
    return Amounts(currency, micros, amount_in_micros(goods, currency))


class OrderWorth:
    """The worth of the orders of one partition.

    Args:
        orders: that are kept.
        registry: currencies of campaigns, and rates.
    """

    def __init__(self, orders: KeyedTable[OrderEntry], registry: CampaignRegistry) -> None:
        self._orders = orders
        self._registry = registry
        #: Orders with an amount without a rate.
        self.uncertain: set[str] = set()
        #: Codes of currencies that amounts name.
        self._named: set[str] = set()
        self._changes = RegistryChanges(registry)
        self._is_restored = False
        #: Days whose orders are to be looked at, and what is left of the day that is looked at now.
        self._days: set[int] = set()
        self._ids: list[str] = []

    # --- valuing -----------------------------------------------------------------------------------

    def worth(self, amounts: Amounts, campaign: str, at: int) -> Worth:
        """What amounts of a campaign are worth at the rate of an instant; 0 without a rate."""
        currency, micros, cost_micros = amounts
        if currency == self._registry.rates.reporting or (not currency and campaign == NO_CAMPAIGN):
            return Worth(None, micros, cost_micros)
        if not currency and campaign not in self._registry.foreign:
            return Worth(CAMPAIGNS_OWN, micros, cost_micros)
        came_in = ForeignAmounts(currency or CAMPAIGNS_OWN, micros, cost_micros)
        return self._anew(came_in, campaign, (micros, cost_micros), at)

    def note(self, key: str, entry: OrderEntry) -> None:
        """An order was put that has amounts in other currencies, or had."""
        for came_in in (entry.placed_in, *entry.refunds_in, *entry.edits_in):
            if isinstance(came_in, ForeignAmounts) and came_in.currency:
                self._named.add(came_in.currency)
        (self.uncertain.add if is_uncertain(entry) else self.uncertain.discard)(key)

    def restored(self, key: str, entry: OrderEntry) -> None:
        """An order was put back."""
        if entry.is_foreign:
            self.note(key, entry)
            self._is_restored = True

    def forget_expired(self) -> None:
        """Orders are kept no more."""
        self.uncertain = {key for key in self.uncertain if key in self._orders}

    def revalued(self, entry: OrderEntry) -> OrderEntry:
        """An order with all its amounts worth what registry and rates say now."""
        return revalued(entry, self._anew)

    def _anew(self, came_in: CameIn, campaign: str, known: tuple[int, int], at: int) -> Worth:
        if came_in is None:
            return Worth(None, *known)
        amounts = came_in if isinstance(came_in, ForeignAmounts) else ForeignAmounts(CAMPAIGNS_OWN, *known)
        rates, currency = self._registry.rates, amounts.currency
        if currency == CAMPAIGNS_OWN:
            registered = self._registry.registered_currency(campaign, at)
            if registered is None:
                return Worth(came_in, *known)  # archived, and its record is gone: the worth stays
            currency = registered
            if currency == rates.reporting:
                return Worth(CAMPAIGNS_OWN, amounts.micros, amounts.cost_micros)
        micros, cost_micros = (
            rates.worth(each, currency, at) for each in (amounts.micros, amounts.cost_micros)
        )
        is_certain = micros is not None and cost_micros is not None
        amounts = msgspec.structs.replace(amounts, is_certain=is_certain)
        return Worth(amounts, micros or 0, cost_micros or 0)

    # --- following the registry --------------------------------------------------------------------

    @property
    def is_behind(self) -> bool:
        """Whether orders are to be looked at, or the registry has changed since it was followed."""
        return bool(self._changes.is_behind or self._is_restored or self._days or self._ids)

    def follow(self) -> Iterator[Revaluation]:
        """Value orders anew that changes of the registry may be about: as many as one checkpoint takes."""
        self._find_days()
        most = self._orders.weight + _MOST_BYTES
        for _ in range(_MOST_LOOKED_AT):
            while not self._ids and self._days:
                self._ids = sorted(self._orders.ids_of_day(self._days.pop()))
            if not self._ids or self._orders.weight >= most:
                return
            key = self._ids.pop()
            before = self._orders.get(key)
            if before is None:
                continue
            after = self.revalued(before)
            if after != before:
                self._orders.put(key, after)
                self.note(key, after)
                yield Revaluation(key, before, after)

    def _find_days(self) -> None:
        """Find the days that changes since the last call reach; each order is kept under the day of its latest event."""
        since = self._changed_since()
        self._days |= {day for day in self._orders.days() if (day + 1) * DAY > since}

    def _changed_since(self) -> int:
        """The earliest instant at which an amount may be worth something else."""
        is_restored, self._is_restored = self._is_restored, False
        changes = self._changes.take()
        since = min([changes.since(self._named), *changes.campaigns.values()])
        return _EVER if is_restored else since

"""What clicks and impressions cost in other currencies, by when, so that what it is worth can follow rates and registrations.

A cost is worth what the rate of its minute says, whenever that rate comes. So costs are kept in their own currency, in slots as
fine as the panes that still accept facts: minutes, quarters of an hour, days, and behind them the time of one rate. The worth
of a slot counts in panes; when a rate or a campaign's currency changes, the difference is added, as a correction.

Worth is kept without rounding, in parts of a micro (``metrics.values.currency.PARTS``), so that sums do not depend on slots,
partitions or the order of records. Where a rate is missing, or came when a slot could not be divided any more, the slot
counts as uncertain, and so does every window that holds the slot.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from metrics.entities.campaigns import CampaignRegistry
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.values.currency import PARTS
from metrics.values.time import DAY, MINUTE, floor_to
from metrics.windows.panes import RESOLUTIONS, TOTAL, WIDTHS, Horizon, Panes

#: Costs that name no currency are in that of their campaign at the time.
CAMPAIGNS_OWN = ""


class CampaignCurrency(NamedTuple):
    """A campaign's costs in one currency; ``CAMPAIGNS_OWN`` where they name none."""

    campaign: str
    currency: str


class SpendSlot(NamedTuple):
    """The finest panes that a slot counts in, and where the slot begins."""

    resolution: int
    start: int


class SlotSums(msgspec.Struct, array_like=True, gc=False):
    """Costs of one slot.

    Attributes:
        micros: in their own currency.
        first: the first minute that holds a cost.
        end: the end of the last one.
        worth: in ``PARTS`` of a micro of the reporting currency, as counted in panes.
        uncertain: how many amounts count as uncertain in panes.
    """

    micros: int
    first: int
    end: int
    worth: int = 0
    uncertain: int = 0


class ForeignSpend:
    """The costs of one source partition that are not in the reporting currency, or were not.

    Args:
        panes: where they count.
        registry: currencies of campaigns, and rates.
    """

    def __init__(self, panes: Panes, registry: CampaignRegistry) -> None:
        self.slots: dict[CampaignCurrency, dict[SpendSlot, SlotSums]] = {}
        #: Slots that have changed since they were last written.
        self.changed: set[tuple[CampaignCurrency, SpendSlot]] = set()
        #: Slots whose worth is not known for sure.
        self.uncertain: set[tuple[CampaignCurrency, SpendSlot]] = set()
        self._panes = panes
        self._registry = registry
        #: The slots of each pane, so that those are found that accept no more facts.
        self._by_pane: dict[tuple[int, int], set[tuple[CampaignCurrency, SpendSlot]]] = {}
        self._due: list[list[Contribution]] = [[] for _ in RESOLUTIONS]
        self._followed = 0
        self._is_restored = False

    # --- taking in ---------------------------------------------------------------------------------

    def add(self, key: CampaignCurrency, at: int, micros: int, limits: Horizon) -> None:
        """Take in costs of one minute; ``flush`` lets them count."""
        minute = floor_to(at, MINUTE)
        slot = self._slot(key, minute, limits)
        self._merge(key, slot, SlotSums(micros, minute, minute + MINUTE))
        self._revalue(key, slot)

    def flush(self, limits: Horizon) -> None:
        """Let count what has changed, in every pane that accepts facts."""
        due, self._due = self._due, [[] for _ in RESOLUTIONS]
        for resolution, contributions in enumerate(due):
            if contributions:
                self._panes.fold(contributions, limits, resolution)

    def restore(self, key: CampaignCurrency, slot: SpendSlot, sums: SlotSums) -> None:
        """Put back a slot; it counts in panes already."""
        self._put(key, slot, sums)
        self._is_restored = True

    def coarsen(self, limits: Horizon) -> None:
        """Merge slots whose finest panes accept no more facts into those of coarser panes; no sum changes."""
        bounds = (*limits, None)
        closed = [
            pane for pane in self._by_pane if (earliest := bounds[pane[0]]) is not None and pane[1] < earliest
        ]
        for pane in closed:
            for key, slot in sorted(self._by_pane.pop(pane)):
                sums = self.slots[key].pop(slot)
                self.uncertain.discard((key, slot))
                self.changed.add((key, slot))
                self._merge(key, self._slot(key, sums.first, limits), sums)

    # --- following the registry --------------------------------------------------------------------

    @property
    def is_behind(self) -> bool:
        """Whether the registry has changed since it was followed, or may have while nobody followed it."""
        return self._is_restored or self._followed != self._registry.revision

    def follow(self, limits: Horizon) -> None:
        """Value anew what changes of the registry since the last call are about."""
        campaigns, currencies = self._registry.changed_since(self._followed)
        self._followed = self._registry.revision
        for campaign in sorted(campaigns & self._registry.foreign):
            self._take_out_of_panes(campaign, limits)
        is_restored, self._is_restored = self._is_restored, False
        for key in list(self.slots):
            is_own = key.currency == CAMPAIGNS_OWN
            # What was withdrawn and is gone from the log too is no change that a new registry knows of.
            if is_restored or (key.campaign in campaigns if is_own else key.currency in currencies):
                self._revalue_all(key)
        self.flush(limits)

    def _revalue_all(self, key: CampaignCurrency) -> None:
        for slot in list(self.slots[key]):
            self._revalue(key, slot)

    def _take_out_of_panes(self, campaign: str, limits: Horizon) -> None:
        """Costs that named no currency, and were taken to be in the reporting currency, when the campaign had another."""
        key = CampaignCurrency(campaign, CAMPAIGNS_OWN)
        reporting = self._registry.rates.reporting
        for slot, sums in self._left_over(campaign, limits):
            if self._registry.currency_of(campaign, self._valued_at(slot, sums)) == reporting:
                continue
            taken = Tally(default_spend_micros=-sums.micros, spend_micros=sums.micros)
            self._due[slot.resolution].append(Contribution(campaign, slot.start, taken))
            sums.worth = sums.micros * PARTS
            self._merge(key, slot, sums)

    def _left_over(self, campaign: str, limits: Horizon) -> Iterator[tuple[SpendSlot, SlotSums]]:
        """Costs without a currency as panes hold them: by the minute, and what is known by the quarter, day and as a whole only."""
        finer: dict[int, int] = {}
        oldest_day: int | None = limits.days_from
        for resolution in RESOLUTIONS:
            earliest = (*limits, None)[resolution]
            found = {
                start: micros
                for start, micros in self._panes.of_campaign(
                    campaign, resolution, "default_spend_micros"
                ).items()
                if earliest is None or start >= earliest
            }
            width = WIDTHS[resolution] if resolution != TOTAL else None
            below: dict[int, int] = {}
            for start, micros in finer.items():
                holder = 0 if width is None else floor_to(start, width)
                below[holder] = below.get(holder, 0) + micros
            for start, micros in sorted(found.items()):
                left = micros - below.get(start, 0)
                if not left:
                    continue
                if width is None:
                    end = min(finer, default=0) if oldest_day is None else oldest_day
                    yield SpendSlot(TOTAL, end - DAY), SlotSums(left, _EVER, end)
                else:
                    yield SpendSlot(resolution, start), SlotSums(left, start, start + width)
            finer = found

    # --- slots -------------------------------------------------------------------------------------

    def _slot(self, key: CampaignCurrency, at: int, limits: Horizon) -> SpendSlot:
        """The slot of costs of a minute: no coarser than the panes that accept facts, and of one rate as far as that is known."""
        open_panes = (
            (resolution, floor_to(at, width))
            for resolution, (width, earliest) in enumerate(zip(WIDTHS, limits, strict=True))
            if earliest is None or floor_to(at, width) >= earliest
        )
        resolution, start = next(open_panes, (TOTAL, floor_to(at, DAY)))
        changes = self._changes(key)
        index = bisect_right(changes, at)
        since = changes[index - 1] if index else None
        if resolution == TOTAL:
            return SpendSlot(TOTAL, start if since is None else since)
        return SpendSlot(resolution, start if since is None else max(start, since))

    def _merge(self, key: CampaignCurrency, slot: SpendSlot, added: SlotSums) -> None:
        known = self.slots.get(key, {}).get(slot)
        if known is None:
            self._put(key, slot, added)
        else:
            known.micros += added.micros
            known.first, known.end = min(known.first, added.first), max(known.end, added.end)
            known.worth += added.worth
            known.uncertain += added.uncertain
            self._note(key, slot, known)
        self.changed.add((key, slot))

    def _put(self, key: CampaignCurrency, slot: SpendSlot, sums: SlotSums) -> None:
        self.slots.setdefault(key, {})[slot] = sums
        self._note(key, slot, sums)
        if slot.resolution != TOTAL:
            pane = slot.resolution, floor_to(slot.start, WIDTHS[slot.resolution])
            self._by_pane.setdefault(pane, set()).add((key, slot))

    def _revalue(self, key: CampaignCurrency, slot: SpendSlot) -> None:
        """Let the worth of a slot be what registry and rates say now."""
        sums = self.slots[key][slot]
        at, currency = self._valued_at(slot, sums), key.currency
        if currency == CAMPAIGNS_OWN:
            known = self._registry.registered_currency(key.campaign, at)
            if known is None:
                return  # archived, and its record is gone: the worth stays
            currency = known
        parts = self._registry.rates.parts(currency, at)
        worth = 0 if parts is None else sums.micros * parts
        is_certain = parts is not None and not self._is_divided(key, sums)
        uncertain = 0 if is_certain else max(1, sums.uncertain)
        if (worth, uncertain) == (sums.worth, sums.uncertain):
            return
        micros, fraction = divmod(worth - sums.worth, PARTS)
        tally = Tally(
            spend_micros=micros, spend_fraction=fraction, uncertain_amounts=uncertain - sums.uncertain
        )
        self._due[slot.resolution].append(Contribution(key.campaign, slot.start, tally))
        sums.worth, sums.uncertain = worth, uncertain
        self._note(key, slot, sums)
        self.changed.add((key, slot))

    def _note(self, key: CampaignCurrency, slot: SpendSlot, sums: SlotSums) -> None:
        (self.uncertain.add if sums.uncertain else self.uncertain.discard)((key, slot))

    def _valued_at(self, slot: SpendSlot, sums: SlotSums) -> int:
        return slot.start if sums.first == _EVER else sums.first

    def _is_divided(self, key: CampaignCurrency, sums: SlotSums) -> bool:
        """Whether a rate or another currency began within the time of a slot, which cannot be divided."""
        changes = self._changes(key)
        if sums.first == _EVER:
            return True
        return bisect_right(changes, sums.first) < bisect_left(changes, sums.end)

    def _changes(self, key: CampaignCurrency) -> Sequence[int]:
        if key.currency == CAMPAIGNS_OWN:
            return self._registry.currency_changes(key.campaign)
        return self._registry.rates.changes_of(key.currency)


#: The first minute of costs of which it is not known.
_EVER = -(1 << 62)

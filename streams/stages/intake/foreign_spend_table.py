"""The table of costs in other currencies: a record for each slot of a campaign and currency."""

from collections.abc import Iterable, Sequence

from metrics.windows.foreign_spend import CampaignCurrency, ForeignSpend, SlotSums, SpendSlot
from streams.state.codec import Entry, decoder, encode, read_key, state_key
from streams.state.table import Restored

_decode = decoder(SlotSums)
#: About how many bytes a slot takes in a checkpoint.
_SLOT_BYTES = 70


class ForeignSpendTable:
    """What is kept of costs in other currencies, so that their worth can follow rates and registrations.

    Args:
        spend: the costs.
    """

    kind = "v"

    def __init__(self, spend: ForeignSpend) -> None:
        self._spend = spend

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return _SLOT_BYTES * len(self._spend.changed)

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back all slots; they count in panes already."""
        del confirmed
        for key, value in entries:
            _, campaign, currency, resolution, start = read_key(key)
            self._spend.restore(
                CampaignCurrency(campaign, currency), SpendSlot(resolution, start), _decode(value)
            )
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """Slots that have changed, and tombstones of those that were merged into coarser ones."""
        del sequence
        changed, self._spend.changed = self._spend.changed, set()
        return [
            (
                state_key(self.kind, *key, *slot),
                None if (sums := self._spend.slots[key].get(slot)) is None else encode(sums),
            )
            for key, slot in changed
        ]

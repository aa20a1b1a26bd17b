"""The board's tables: campaigns, and apart from them their hours, which are long and change seldom."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from metrics.budget.state import CampaignState, Hour
from streams.state.codec import Entry, decode_as, encode, read_key, state_key
from streams.state.table import Restored


class CampaignTable:
    """States of campaigns without their hours; a state is encoded when it is put."""

    kind = "c"
    weight = 0

    def __init__(self) -> None:
        #: What was read back, by campaign.
        self.found: dict[str, CampaignState] = {}
        self._changes: list[Entry] = []

    def put(self, state: CampaignState) -> None:
        """A campaign has changed."""
        self._changes.append((state_key(self.kind, state.campaign_id), encode(replace(state, hours=()))))

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Read the campaigns back."""
        del confirmed
        for key, value in entries:
            state = decode_as(CampaignState, value)
            for ledger in state.ledgers.values():
                ledger.check()
            self.found[read_key(key)[1]] = state
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """The campaigns that were put since the last call."""
        del sequence
        changes, self._changes = self._changes, []
        return changes


class HourTable:
    """The hours of campaigns, written where they differ from what is stored."""

    kind = "h"
    weight = 0

    def __init__(self) -> None:
        self.stored: dict[str, tuple[Hour, ...]] = {}
        self._changes: list[Entry] = []

    def put(self, state: CampaignState) -> None:
        """A campaign has changed."""
        name = state.campaign_id
        if self.stored.get(name, ()) != state.hours:
            self.stored[name] = state.hours
            self._changes.append((state_key(self.kind, name), encode(state.hours)))

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Read the hours back."""
        del confirmed
        for key, value in entries:
            self.stored[read_key(key)[1]] = decode_as(tuple[Hour, ...], value)
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """The hours that were put since the last call."""
        del sequence
        changes, self._changes = self._changes, []
        return changes

"""The tables of roll-ups of one merge partition: windows of the roll-ups it owns, and where its campaigns count."""

from collections.abc import Callable, Iterable, Sequence

from metrics.kpis.rollups import RollupGroup
from metrics.records.campaign_model import split_campaign_model
from streams.stages.merge.rollup_parts import RollupParts
from streams.stages.merge.rollups import RollupKey, Rollups
from streams.state.codec import Entry, decoder, encode, read_key, state_key
from streams.state.table import Restored

_decode_window = decoder(tuple[int, dict[int, bytes]])
_decode_groups = decoder(tuple[int, tuple[RollupGroup, ...], tuple[RollupGroup, ...]])


class RollupWindowTable:
    """Parts of each window of a roll-up, by merge partition.

    Args:
        rollups: the windows.
        closed: how far windows are final for sure; what no fact can reach any more is dropped.
    """

    kind = "u"

    def __init__(self, rollups: Rollups, closed: Callable[[], int | None]) -> None:
        self._rollups = rollups
        self._closed = closed

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return 200 * len(self._rollups.changed)

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back the windows of roll-ups that there are; what may not have gone out is marked."""
        obsolete = []
        for key, value in entries:
            window = RollupKey(*read_key(key)[1:])
            if not self._rollups.is_kept(window):
                obsolete.append(key)
                continue
            sequence, parts = _decode_window(value)
            self._rollups.restore(window, parts)
            if sequence > confirmed:
                self._rollups.remark(window, sequence)
        return obsolete

    def take_changes(self, sequence: int) -> list[Entry]:
        """Windows that have changed, and tombstones of those that are dropped."""
        rollups = self._rollups
        changed, rollups.changed = rollups.changed, set()
        gone = list(rollups.expire(self._closed()))
        entries: list[Entry] = [
            (state_key(self.kind, *key), encode((sequence, rollups.windows[key])))
            for key in changed
            if key in rollups.windows
        ]
        return entries + [(state_key(self.kind, *key), None) for key in gone]


class RollupGroupTable:
    """Where each campaign counts, and where it counted before it moved."""

    kind = "g"
    weight = 0

    def __init__(self, parts: RollupParts) -> None:
        self._parts = parts
        self._moves: list[tuple[str, tuple[RollupGroup, ...], int]] = []

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back where campaigns count."""
        if not self._parts.options.dimensions:
            return [key for key, _ in entries]
        for key, value in entries:
            campaign_id = read_key(key)[1]
            sequence, now, former = _decode_groups(value)
            self._parts.restore(campaign_id, now)
            if sequence > confirmed:
                self._moves.append((campaign_id, former, sequence))
        return ()

    def catch_up(self, names: Iterable[str], sequence: int) -> None:
        """All is put back: campaigns that have moved, or were in no roll-up, are announced anew."""
        for campaign_id, former, moved_at in self._moves:
            self._parts.tell_again(campaign_id, former, moved_at)
        self._moves.clear()
        self._parts.adopt(dict.fromkeys(split_campaign_model(name)[0] for name in names), sequence)

    def take_changes(self, sequence: int) -> list[Entry]:
        """Campaigns that have moved."""
        moved, self._parts.moved = self._parts.moved, {}
        return [
            (state_key(self.kind, campaign_id), encode((sequence, self._parts.groups[campaign_id], former)))
            for campaign_id, former in moved.items()
        ]

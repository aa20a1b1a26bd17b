"""Tables of one source partition: the sums of its panes, and the event ids that were seen."""

from collections.abc import Callable, Collection, Iterable, Sequence

import numpy as np

from metrics.entities.dedupe import IdBlock, SeenIds
from metrics.sums.tally import Tally
from metrics.windows.panes import DroppedPane, PaneChanges, Panes
from streams.state.codec import Entry, decode_as, decoder, encode, read_key, state_key
from streams.state.pane_table import PackedNames, entries, is_kept, tombstones
from streams.state.table import Restored

_decode_pane = decoder(tuple[int, Tally])


class PaneTable:
    """Sums of campaigns in panes.

    Args:
        panes: the sums.
        models: those whose sums in the changelog are whole; sums of others are obsolete.
    """

    kind = "p"

    def __init__(self, panes: Panes, models: Callable[[], Collection[str]]) -> None:
        self._panes = panes
        self._models = models
        self._names = PackedNames(panes.names)
        self._dropped: list[DroppedPane] = []
        self._changes: list[PaneChanges] = []

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return 80 * self._panes.changes

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back whole panes. What may not have been sent counts as changed: the first checkpoint sends it."""
        obsolete = []
        models = self._models()
        panes: dict[tuple[int, int], list[tuple[int, str, Tally]]] = {}
        for key, value in entries:
            _, name, resolution, start = read_key(key)
            if is_kept(name, models):
                sequence, tally = _decode_pane(value)
                panes.setdefault((resolution, start), []).append((sequence, name, tally))
            else:
                obsolete.append(key)
        for pane, found in panes.items():
            rows = self._panes.restore(*pane, [(name, tally) for _, name, tally in found])
            is_unconfirmed = np.array([sequence > confirmed for sequence, _, _ in found])
            if is_unconfirmed.any():
                self._panes.mark(*pane, rows[is_unconfirmed])
        return obsolete

    def collect(self, dropped: list[DroppedPane]) -> list[PaneChanges]:
        """What the next checkpoint holds: sums that have changed, which are sent too, and panes that were dropped."""
        self._dropped, self._changes = dropped, self._panes.take_changes()
        return self._changes

    def take_changes(self, sequence: int) -> list[Entry]:
        """What was collected."""
        found: list[Entry] = [entry for pane in self._dropped for entry in tombstones(self._names, pane)]
        for change in self._changes:
            found += entries(self._names, change, sequence)
        self._dropped, self._changes = [], []
        return found


class SeenIdTable:
    """Event ids that were seen, as blocks of hashes: one for each checkpoint, merged now and then.

    Args:
        seen: the ids.
        watermark: of the partition; a block whose newest id is older than the window of the dedupe is forgotten.
    """

    kind = "e"

    def __init__(self, seen: SeenIds, watermark: Callable[[], int | None]) -> None:
        self._seen = seen
        self._watermark = watermark

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return 8 * self._seen.fresh

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back blocks in the order of their checkpoints."""
        del confirmed
        blocks = []
        for key, value in entries:
            level, latest, packed = decode_as(tuple[int, int, bytes], value)
            hashes = np.frombuffer(packed, dtype=np.uint64).copy()
            blocks.append(IdBlock(read_key(key)[1], level, latest, hashes))
        for block in sorted(blocks, key=lambda block: block.sequence):
            self._seen.restore(block)
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """The block of the checkpoint, and tombstones of those that it holds or that are forgotten."""
        change = self._seen.checkpoint(sequence, self._watermark())
        found: list[Entry] = [(state_key(self.kind, gone), None) for gone in change.forgotten]
        if change.stored is not None:
            block = change.stored
            value = encode((block.level, block.latest, block.hashes.tobytes()))
            found.append((state_key(self.kind, block.sequence), value))
        return found

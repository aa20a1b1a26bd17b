"""Many sums of one pane at once, as a block of a bundle."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from metrics.sums.tally import Tally
from metrics.sums.tally_columns import FIELDS, Codes, Tallies, as_tallies
from metrics.windows.panes import PaneChanges
from streams.messages.partials import PaneBlock, PanePartial

#: A block stays below the default limit of a broker's record (1 MiB), names and all.
MAX_BLOCK_ROWS = 1_000


def blocks(
    names: Sequence[str], routes: Codes, changes: Iterable[PaneChanges], target: int
) -> Iterator[PaneBlock]:
    """What has changed, as blocks for one merge partition.

    Args:
        names: campaigns by code.
        routes: the merge partition of each.
        changes: of all panes.
        target: the merge partition.
    """
    for resolution, start, rows in changes:
        mine = np.flatnonzero(routes[rows.codes] == target)
        for first in range(0, len(mine), MAX_BLOCK_ROWS):
            some = mine[first : first + MAX_BLOCK_ROWS]
            campaigns = [names[code] for code in rows.codes[some].tolist()]
            yield _block(resolution, start, campaigns, rows.sums.part(some))


def pack(partials: Iterable[PanePartial]) -> list[PaneBlock]:
    """Blocks of single sums."""
    panes: dict[tuple[int, int], list[tuple[str, Tally]]] = {}
    for campaign, resolution, start, tally in partials:
        panes.setdefault((resolution, start), []).append((campaign, tally))
    found = []
    for (resolution, start), rows in panes.items():
        sums = as_tallies([tally for _, tally in rows])
        found.append(_block(resolution, start, [name for name, _ in rows], sums))
    return found


def unpack(block: PaneBlock) -> Tallies:
    """The sums of a block, in the order of its campaigns."""
    values = np.zeros((len(FIELDS), len(block.campaigns)), np.int64)
    values[block.fields] = np.frombuffer(block.sums, np.int64).reshape(
        len(block.fields), len(block.campaigns)
    )
    return Tallies(values, block.beyond)


def _block(resolution: int, start: int, campaigns: list[str], sums: Tallies) -> PaneBlock:
    fields = np.flatnonzero(sums.values.any(axis=1))
    return PaneBlock(
        resolution, start, campaigns, fields.tolist(), sums.values[fields].tobytes(), sums.beyond
    )

"""What campaigns have spent since their last lead."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.sums.tally_columns import FIELDS, Codes, Tallies
from metrics.values.currency import PARTS
from metrics.values.money import divide_half_even
from metrics.windows.campaign_windows import MergedWindows
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, WIDTHS

_LEADS, _SPEND = FIELDS.index("leads"), FIELDS.index("spend_micros")
_FRACTION = FIELDS.index("spend_fraction")


class SinceLead(NamedTuple):
    """What events of a campaign have cost since its last lead.

    Attributes:
        spend_micros: of panes behind that of the last lead.
        since: where these panes begin, in epoch milliseconds; None: no lead is kept.
    """

    spend_micros: int
    since: int | None


def spend_since_last_lead(merged_windows: MergedWindows, codes: Codes) -> list[SinceLead]:
    """What was spent in kept panes that begin after the pane of the last lead, at the finest kept.

    Days are scanned from the newest to the one with the last lead, then its quarters, then the minutes of that
    quarter, where they are still kept.

    Args:
        merged_windows: of one merge partition.
        codes: campaigns of it.
    """
    spent = np.zeros(len(codes), dtype=object)
    #: Where the pane of the last lead lies, as far as is known.
    begins = np.full(len(codes), np.iinfo(np.int64).min)
    ends = np.full(len(codes), np.iinfo(np.int64).max)
    positions = np.arange(len(codes))
    for resolution in (DAYS, QUARTERS, MINUTES):
        found = []
        for start in reversed(merged_windows.starts(resolution)):
            are_inside = (begins[positions] <= start) & (start < ends[positions])
            pane, inside = merged_windows.pane(resolution, start), positions[are_inside]
            if pane is None or not len(inside):
                continue
            sums = pane.sums(codes[inside])
            have_leads = _whole(sums, _LEADS) > 0
            spend = _whole(sums, _SPEND) * PARTS + _whole(sums, _FRACTION)
            spent[inside[~have_leads]] += spend[~have_leads]
            here = inside[have_leads]
            begins[here], ends[here] = start, start + WIDTHS[resolution]
            found.append(here)
            positions = np.setdiff1d(positions, here, assume_unique=True)
        positions = np.concatenate(found) if found else positions[:0]
    return [
        SinceLead(divide_half_even(int(each), PARTS), None if end == np.iinfo(np.int64).max else end)
        for each, end in zip(spent, ends.tolist(), strict=True)
    ]


def _whole(sums: Tallies, field: int) -> npt.NDArray[np.object_]:
    values: npt.NDArray[np.object_] = sums.values[field].astype(object)
    for position, tally in sums.beyond.items():
        values[position] = getattr(tally, FIELDS[field])
    return values

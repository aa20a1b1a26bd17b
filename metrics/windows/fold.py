"""Clicks and impressions into panes, at the cost of their campaigns and panes and not of their number."""

import numpy as np

from metrics.entities.ad_columns import CAMPAIGN, AdColumns, Integers
from metrics.sums.tally_columns import FIELDS
from metrics.windows.panes import Horizon, Panes

_CLICK_FIELDS = FIELDS.index("clicks"), FIELDS.index("spend_micros")
_IMPRESSION_FIELDS = FIELDS.index("impressions"), FIELDS.index("spend_micros")


def fold_ads(panes: Panes, ads: AdColumns, rows: Integers, limits: Horizon, *, is_click: bool) -> None:
    """Add some rows to every pane that still accepts them, and to the totals.

    Args:
        panes: what they are added to.
        ads: the columns.
        rows: at most 2^15; their costs are within ± ``LARGEST_PART``.
        limits: which panes accept facts.
        is_click: or impressions.
    """
    codes = panes.codes_of(ads.texts[CAMPAIGN])[ads.codes[CAMPAIGN][rows]]
    sums = np.stack((np.ones(len(rows), dtype=np.int64), ads.micros[rows]))
    panes.add(codes, ads.at[rows], _CLICK_FIELDS if is_click else _IMPRESSION_FIELDS, sums, limits)

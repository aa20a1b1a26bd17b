"""Clicks and impressions into panes, at the cost of their campaigns and panes and not of their number."""

import numpy as np

from metrics.ads import CAMPAIGN, AdColumns, Integers
from metrics.kernels.sums import group
from metrics.money import MICROS
from metrics.panes import TOTAL, WIDTHS, Horizon, Panes


def fold_ads(panes: Panes, ads: AdColumns, rows: Integers, limits: Horizon, *, is_click: bool) -> None:
    """Add some rows to every pane that still accepts them, and to the totals.

    The finest panes are summed first and the coarser ones from those. Costs are summed as whole units and the micros
    beyond, so that no sum runs over.
    """
    codes, starts = ads.codes[CAMPAIGN][rows], ads.at[rows]
    units, micros = np.divmod(ads.micros[rows], MICROS)
    sums = np.stack((np.ones(len(rows), dtype=np.int64), units, micros))
    campaigns = ads.texts[CAMPAIGN]
    for resolution, (width, earliest) in enumerate(zip((*WIDTHS, 0), (*limits, None), strict=True)):
        starts = starts // width * width if resolution != TOTAL else np.zeros_like(starts)
        codes, starts, sums = group(codes, starts, sums)
        for code, start, count, whole, rest in zip(
            codes.tolist(), starts.tolist(), *sums.tolist(), strict=True
        ):
            if earliest is not None and start < earliest:
                continue
            tally = panes.open((campaigns[code], resolution, start))
            tally.spend_micros += whole * MICROS + rest
            if is_click:
                tally.clicks += count
            else:
                tally.impressions += count

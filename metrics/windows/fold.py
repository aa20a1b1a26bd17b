"""Clicks and impressions into panes, at the cost of their campaigns and panes and not of their number."""

import numpy as np

from metrics.entities.ad_columns import CAMPAIGN, CURRENCY, AdColumns, Integers
from metrics.sums.tally_columns import FIELDS
from metrics.windows.panes import Horizon, Panes

_CLICKS, _IMPRESSIONS = FIELDS.index("clicks"), FIELDS.index("impressions")
_SPEND, _DEFAULT_SPEND = FIELDS.index("spend_micros"), FIELDS.index("default_spend_micros")


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
    count = _CLICKS if is_click else _IMPRESSIONS
    ones, micros, names_currency = (
        np.ones(len(rows), dtype=np.int64),
        ads.micros[rows],
        ads.codes[CURRENCY][rows] >= 0,
    )
    fields, sums = [count, _DEFAULT_SPEND], [ones, micros]
    if names_currency.any():
        named = np.where(names_currency, micros, 0)
        fields, sums = [count, _SPEND, _DEFAULT_SPEND], [ones, named, micros - named]
    panes.add(codes, ads.at[rows], fields, np.stack(sums), limits)

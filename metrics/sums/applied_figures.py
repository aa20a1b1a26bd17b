"""What applied events must have added to the whole histories of campaigns: the figures by which sums are counted back to the ledger.

The ledger says how many records were applied; these figures say what they counted. They are taken where a record gets its verdict, and compared with
the sums that are made from the same records on the way to what is published: the difference is 0, or money is lost or doubled.
"""

from typing import NamedTuple

from metrics.sums.tally_columns import FIELDS


class AppliedFigures(NamedTuple):
    """Counts of declared events, and their costs in micros.

    >>> AppliedFigures(clicks=2).plus(AppliedFigures(clicks=1, spend_micros=5))
    AppliedFigures(impressions=0, clicks=3, orders=0, spend_micros=5)
    """

    impressions: int = 0
    clicks: int = 0
    orders: int = 0
    spend_micros: int = 0

    def plus(self, other: "AppliedFigures", sign: int = 1) -> "AppliedFigures":
        """These and ``sign`` times others."""
        return AppliedFigures(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))


#: Where they are in a tally.
APPLIED_FIELDS = tuple(FIELDS.index(name) for name in AppliedFigures._fields)

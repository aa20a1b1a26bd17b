"""Contributions: what one fact adds to which campaign at which event time."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from metrics.sums.tally import Tally


class Contribution(NamedTuple):
    """Sums that count on ``campaign`` at ``at``."""

    campaign: str
    at: int
    tally: Tally


class ContributionColumns(NamedTuple):
    """Many contributions.

    Attributes:
        campaigns: the different ones.
        codes: of each contribution, the index of its campaign.
        at: event times.
        fields: indexes of fields of ``Tally``.
        sums: a row per field, a column per contribution.
    """

    campaigns: Sequence[str]
    codes: npt.NDArray[np.int64]
    at: npt.NDArray[np.int64]
    fields: Sequence[int]
    sums: npt.NDArray[np.int64]


def difference(before: list[Contribution], after: list[Contribution]) -> list[Contribution]:
    """What must be added to sums that hold ``before`` so that they hold ``after``.

    What both begin and end with is passed over first: a long list that grew by one entry takes a glance at each, and not a
    search for each.

    >>> a = Contribution("c", 0, Tally(leads=1)); b = Contribution("d", 0, Tally(leads=1))
    >>> [(c.campaign, c.tally.leads) for c in difference([a], [a, b])]
    [('d', 1)]
    """
    start, most = 0, min(len(before), len(after))
    while start < most and before[start] == after[start]:
        start += 1
    end = 0
    while end < most - start and before[-1 - end] == after[-1 - end]:
        end += 1
    remaining = before[start : len(before) - end]
    added = []
    for contribution in after[start : len(after) - end]:
        if contribution in remaining:
            remaining.remove(contribution)
        else:
            added.append(contribution)
    return [_negated(old) for old in remaining] + added


def _negated(contribution: Contribution) -> Contribution:
    negative = Tally(*(-value for value in msgspec.structs.astuple(contribution.tally)))
    return contribution._replace(tally=negative)

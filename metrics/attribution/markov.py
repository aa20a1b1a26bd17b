"""The data-driven model: removal effects in a first-order Markov chain over observed paths.

Anderl, E., Becker, I., von Wangenheim, F., Schumann, J. H. (2016), "Mapping the customer journey", International
Journal of Research in Marketing 33(3). Each path is a walk start → campaign → … → conversion or null. The removal effect
of a campaign is the share of conversions that would be lost if every walk that reaches it ended in null. It is
computed exactly, from the fundamental matrix of the absorbing chain, not by simulation: without campaign i the probability
of a conversion falls by P(i is ever reached) · P(conversion | at i).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


class Walk(NamedTuple):
    """Paths that look alike: their campaigns in order, how many converted, how many did not (yet)."""

    campaigns: Sequence[str]
    conversions: int
    nulls: int


class Fit(msgspec.Struct, array_like=True, frozen=True):
    """Removal effects as of an instant.

    Attributes:
        fitted_at: when it was made, epoch milliseconds of the processing clock; None before the first fit.
        conversions: how many converted paths it was made from.
        effects: the removal effect of each campaign, 0 to 1.
    """

    fitted_at: int | None = None
    conversions: int = 0
    effects: dict[str, float] = {}


def fit(walks: Iterable[Walk], fitted_at: int) -> Fit:
    """Removal effects of the campaigns in observed paths.

    Args:
        walks: observed paths; empty ones say nothing and are passed over.
        fitted_at: the processing time that names the fit, epoch milliseconds.

    >>> found = fit([Walk(["a", "b"], 1, 0), Walk(["a"], 0, 1), Walk(["b"], 1, 1)], 0)
    >>> {name: round(effect, 4) for name, effect in found.effects.items()}
    {'a': 0.3333, 'b': 1.0}
    """
    counts: dict[tuple[int, int], int] = {}
    codes: dict[str, int] = {}
    conversions = 0
    for walk in walks:
        states = [codes.setdefault(campaign, len(codes)) for campaign in walk.campaigns]
        total = walk.conversions + walk.nulls
        if not states or total <= 0:
            continue
        conversions += walk.conversions
        for step in zip([_START, *states], states, strict=False):
            counts[step] = counts.get(step, 0) + total
        for end, count in ((_CONVERTED, walk.conversions), (_NULL, walk.nulls)):
            counts[states[-1], end] = counts.get((states[-1], end), 0) + count
    return fit_counts(counts, list(codes), conversions, fitted_at)


_START, _CONVERTED, _NULL = -1, -2, -3


def fit_counts(
    counts: dict[tuple[int, int], int], campaigns: Sequence[str], conversions: int, fitted_at: int
) -> Fit:
    """Removal effects from counted steps between campaign codes (−1 start, −2 conversion, −3 null)."""
    if not conversions:
        return Fit(fitted_at, 0, {})
    size = len(campaigns)
    moves, starts, converted, leaving = _arrays(counts, size)
    steps = moves / leaving[:, None]
    expected = np.linalg.inv(np.eye(size) - steps)  # expected visits: N = (I − Q)⁻¹
    reaching = (starts / starts.sum()) @ expected / np.diagonal(expected)
    ending = expected @ (converted / leaving)
    overall = float((starts / starts.sum()) @ ending)
    effects = reaching * ending / overall
    return Fit(
        fitted_at,
        conversions,
        {name: float(min(1.0, max(0.0, effect))) for name, effect in zip(campaigns, effects, strict=True)},
    )


def _arrays(counts: dict[tuple[int, int], int], size: int) -> tuple[Matrix, Matrix, Matrix, Matrix]:
    """Steps between campaigns, from the start, to conversion, and all that leave a campaign."""
    moves, starts, converted = np.zeros((size, size)), np.zeros(size), np.zeros(size)
    leaving = np.zeros(size)
    for (before, after), count in counts.items():
        if before == _START:
            starts[after] += count
            continue
        if before == after:
            continue  # staying where one is changes no probability of where one goes
        leaving[before] += count
        if after == _CONVERTED:
            converted[before] += count
        elif after >= 0:
            moves[before, after] += count
    return moves, starts, converted, leaving

"""The data-driven model: removal effects in a first-order Markov chain over observed paths.

Anderl, E., Becker, I., von Wangenheim, F., Schumann, J. H. (2016), "Mapping the customer journey", International
Journal of Research in Marketing 33(3). Each path is a walk start → campaign → … → conversion or null. The removal effect
of a campaign is the share of conversions that would be lost if every walk that reaches it ended in null. It is
computed exactly, from the fundamental matrix of the absorbing chain, not by simulation: without campaign i the probability
of a conversion falls by P(i is ever reached) · P(conversion | at i).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


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
    converted, others = Steps(), Steps()
    for walk in walks:
        converted.count(walk.campaigns, walk.conversions)
        others.count(walk.campaigns, walk.nulls)
    names = sorted(converted.campaigns | others.campaigns)
    return fit_steps(names, converted, others.square(names), fitted_at)


class Steps:
    """Counted steps of paths, from campaign to campaign; None before a path is its start, after it its end.

    >>> steps = Steps(); steps.count(["a", "b"], 2); steps.square(["a", "b"]).tolist()
    [[0, 2, 0], [0, 0, 2], [2, 0, 0]]
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[str | None, str | None]] = Counter()

    @property
    def campaigns(self) -> set[str]:
        """Every campaign in the paths."""
        return {before for before, _ in self._counts if before is not None}

    def count(self, campaigns: Sequence[str], times: int) -> None:
        """Count a path so many times; a negative number takes it back. An empty one says nothing."""
        if campaigns and times:
            for before, after in pairwise((None, *campaigns, None)):
                self.add(before, after, times)

    def add(self, before: str | None, after: str | None, times: int) -> None:
        """Count one step so many times."""
        self._counts[before, after] += times

    def square(self, names: Sequence[str]) -> Counts:
        """Rows are where a step begins (the last: the start), columns where it ends (the last: the end)."""
        codes: dict[str | None, int] = {name: code for code, name in enumerate(names)}
        codes[None] = len(names)
        made = np.zeros((len(codes), len(codes)), np.int64)
        for (before, after), count in self._counts.items():
            made[codes[before], codes[after]] = count
        return made


def fit_steps(names: Sequence[str], converted: Steps, others: Counts, fitted_at: int) -> Fit:
    """Removal effects from counted steps.

    Args:
        names: the campaigns, in the order of the rows of ``others``.
        converted: steps of the paths that converted.
        others: steps of those that did not (yet), as ``Steps.square`` gives them.
        fitted_at: the processing time that names the fit, epoch milliseconds.
    """
    successes = converted.square(names)
    counts = (successes + others).astype(np.float64)
    np.fill_diagonal(counts, 0)  # staying where one is changes no probability of where one goes
    touched = np.flatnonzero(counts[:-1].sum(axis=1))
    conversions = int(successes[-1].sum())
    if not conversions:
        return Fit(fitted_at, 0, {})
    leaving = counts[touched].sum(axis=1)
    steps = counts[np.ix_(touched, touched)] / leaving[:, None]
    starts = counts[-1, touched] / counts[-1, touched].sum()
    expected = np.linalg.inv(np.eye(len(touched)) - steps)  # expected visits: N = (I − Q)⁻¹
    reaching = starts @ expected / np.diagonal(expected)
    ending = expected @ (successes[touched, -1] / leaving)
    effects = np.clip(reaching * ending / (starts @ ending), 0.0, 1.0)
    return Fit(
        fitted_at,
        conversions,
        {names[code]: effect for code, effect in zip(touched.tolist(), effects.tolist(), strict=True)},
    )

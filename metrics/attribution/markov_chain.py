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

from metrics.values.text_codes import TextCodes

Counts = npt.NDArray[np.int64]

#: Stands for the start and the end of a path among the names of campaigns, none of which is empty.
_OUTSIDE = ""
#: A step is one number: the code of where it begins above that of where it ends.
_SHIFT, _LOWER = 32, (1 << 32) - 1
_MOST_FRESH = 1 << 16


class PathCount(NamedTuple):
    """Paths that look alike: their campaigns in order, how many converted, how many did not (yet)."""

    campaigns: Sequence[str]
    conversions: int
    nulls: int


class MarkovFit(msgspec.Struct, array_like=True, frozen=True):
    """Removal effects as of an instant.

    Attributes:
        fitted_at: when it was made, epoch milliseconds of the processing clock; None before the first fit.
        conversions: how many converted paths it was made from.
        effects: the removal effect of each campaign, 0 to 1.
    """

    fitted_at: int | None = None
    conversions: int = 0
    effects: dict[str, float] = {}


def fit(walks: Iterable[PathCount], fitted_at: int) -> MarkovFit:
    """Removal effects of the campaigns in observed paths.

    Args:
        walks: observed paths; empty ones say nothing and are passed over.
        fitted_at: the processing time that names the fit, epoch milliseconds.

    >>> found = fit([PathCount(["a", "b"], 1, 0), PathCount(["a"], 0, 1), PathCount(["b"], 1, 1)], 0)
    >>> {name: round(effect, 4) for name, effect in found.effects.items()}
    {'a': 0.3333, 'b': 1.0}
    """
    converted, others = TransitionCounts(), TransitionCounts()
    for walk in walks:
        converted.count(walk.campaigns, walk.conversions)
        others.count(walk.campaigns, walk.nulls)
    names = sorted(converted.campaigns | others.campaigns)
    return fit_steps(names, converted, others.square(names), fitted_at)


class TransitionCounts:
    """Counted steps of paths, from campaign to campaign, from the start of a path and to its end.

    Kept in columns, as many as there are different steps: counting comes with every conversion, a fit once an hour.

    >>> steps = TransitionCounts(); steps.count(["a", "b"], 2); steps.square(["a", "b"]).tolist()
    [[0, 2, 0], [0, 0, 2], [2, 0, 0]]
    """

    def __init__(self) -> None:
        self._names = TextCodes()
        self._names.code(_OUTSIDE)
        #: The names that were last counted by, and their codes.
        self._coded: tuple[Sequence[str], Counts] = (), np.zeros(1, np.int64)
        #: Different steps, each with both of its ends, sorted, and how often each is taken.
        self._steps: Counts = np.empty(0, np.int64)
        self._counts: Counts = np.empty(0, np.int64)
        #: What has been counted since; a step may be in it more than once.
        self._fresh: list[tuple[Counts, Counts]] = []
        self._fresh_size = 0

    @property
    def campaigns(self) -> set[str]:
        """Every campaign in the paths."""
        self._merge_fresh()
        return {self._names[code] for code in np.unique(self._steps >> _SHIFT).tolist() if code}

    def count(self, campaigns: Sequence[str], times: int) -> None:
        """Count a path so many times; a negative number takes it back. An empty one says nothing."""
        if campaigns and times:
            walk = np.arange(-1, len(campaigns) + 1)
            walk[-1] = -1
            self.add(tuple(campaigns), walk[:-1], walk[1:], np.full(len(walk) - 1, times))

    def add(self, names: Sequence[str], before: Counts, after: Counts, times: Counts) -> None:
        """Count steps, each so many times.

        Args:
            names: of campaigns; the same list as last time is the quickest.
            before: where each step begins, an index into the names; -1 is the start.
            after: where it ends; -1 is the end.
            times: negative ones take steps back.
        """
        if self._coded[0] is not names:
            self._coded = names, np.array([*map(self._names.code, names), 0], np.int64)
        codes = self._coded[1]
        self._fresh.append((codes[before] << _SHIFT | codes[after], times))
        self._fresh_size += len(times)
        if self._fresh_size > max(_MOST_FRESH, len(self._steps)):
            self._merge_fresh()

    def square(self, names: Sequence[str]) -> Counts:
        """Rows are where a step begins (the last: the start), columns where it ends (the last: the end)."""
        self._merge_fresh()
        rows = np.full(len(self._names), -1)
        for row, name in enumerate((*names, _OUTSIDE)):
            code = self._names.code(name)
            if code < len(rows):
                rows[code] = row
        counts = np.zeros((len(names) + 1, len(names) + 1), np.int64)
        counts[rows[self._steps >> _SHIFT], rows[self._steps & _LOWER]] = self._counts
        return counts

    def _merge_fresh(self) -> None:
        """Add the transitions that were counted since to the sorted ones."""
        if not self._fresh:
            return
        fresh = [(self._steps, self._counts), *self._fresh]
        steps, times = (np.concatenate(columns) for columns in zip(*fresh, strict=True))
        self._fresh, self._fresh_size = [], 0
        self._steps, index = np.unique(steps, return_inverse=True)
        self._counts = np.zeros(len(self._steps), np.int64)
        np.add.at(self._counts, index, times)
        is_taken = self._counts != 0
        self._steps, self._counts = self._steps[is_taken], self._counts[is_taken]


def fit_steps(names: Sequence[str], converted: TransitionCounts, others: Counts, fitted_at: int) -> MarkovFit:
    """Removal effects from counted steps.

    Args:
        names: the campaigns, in the order of the rows of ``others``.
        converted: steps of the paths that converted.
        others: steps of those that did not (yet), as ``TransitionCounts.square`` gives them.
        fitted_at: the processing time that names the fit, epoch milliseconds.
    """
    return fit_counts(names, converted.square(names), others, fitted_at)


def fit_counts(names: Sequence[str], successes: Counts, others: Counts, fitted_at: int) -> MarkovFit:
    """The same, with the steps of both as ``TransitionCounts.square`` gives them."""
    counts = (successes + others).astype(np.float64)
    np.fill_diagonal(counts, 0)  # staying where one is changes no probability of where one goes
    touched = np.flatnonzero(counts[:-1].sum(axis=1))
    conversions = int(successes[-1].sum())
    if not conversions:
        return MarkovFit(fitted_at, 0, {})
    leaving = counts[touched].sum(axis=1)
    steps = counts[np.ix_(touched, touched)] / leaving[:, None]
    starts = counts[-1, touched] / counts[-1, touched].sum()
    expected = np.linalg.inv(np.eye(len(touched)) - steps)  # expected visits: N = (I − Q)⁻¹
    reaching = starts @ expected / np.diagonal(expected)
    ending = expected @ (successes[touched, -1] / leaving)
    effects = np.clip(reaching * ending / (starts @ ending), 0.0, 1.0)
    return MarkovFit(
        fitted_at,
        conversions,
        {names[code]: effect for code, effect in zip(touched.tolist(), effects.tolist(), strict=True)},
    )

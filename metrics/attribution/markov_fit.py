"""A fit of the data-driven model in the making: a part at a time, so that nothing else has to wait for it.

The steps of a million visitors take a second to count, and the matrix of a thousand campaigns a fifth of one to solve.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from metrics.attribution.markov_chain import Counts, MarkovFit, fit_counts
from metrics.attribution.touch_store import ConvertedVisitors, TouchStore
from metrics.attribution.touchpoints import Codes

#: Touches whose paths are counted in one part, some 10 ms if each ends one; finding those that do is lighter.
PART = 1 << 14
_LIGHTER = 8
#: So many campaigns are solved within some milliseconds.
_FEW = 150


class PathTransitions:
    """Steps of the paths of visitors who have not converted, of the touches that a store has when this begins.

    Args:
        store: where the touches are; what comes later is no part of it.
        campaigns: the campaign code of each touchpoint, below ``size``.
        size: how many campaigns there are.
    """

    def __init__(self, store: TouchStore, campaigns: Codes, size: int) -> None:
        self._store = store
        self._campaigns = campaigns
        self._first, self._end = store.span
        #: Whether each touch is followed by another of its visitor.
        self._followed: npt.NDArray[np.bool_] = np.zeros(self._end - self._first, np.bool_)
        self._at = 0
        #: Rows are where a step begins (the last: the start), columns where it ends (the last: the end of the path).
        self.counts: Counts = np.zeros((size + 1, size + 1), np.int64)

    def go_on(self, watched: ConvertedVisitors, most: int) -> bool:
        """Look at so many touches more, for their followers first, then for their paths; whether all is counted.

        Whoever is ``watched`` is left out: they convert, and their paths are counted elsewhere.
        """
        length = len(self._followed)
        if self._at < length:
            some = self._some(0, most * _LIGHTER)
            self._store.find_followed(some, self._first, self._followed)
            most -= len(some) // _LIGHTER
        if self._at >= length:
            some = self._some(length, most)
            self._store.count_steps(some, self._first, self._followed, self._campaigns, self.counts, watched)
        return self._at >= 2 * length

    def _some(self, begun: int, most: int) -> range:
        """The numbers of so many touches more, of a pass that began at a place."""
        start = self._at - begun
        some = range(start, min(start + most, len(self._followed)))
        self._at += len(some)
        return range(self._first + some.start, self._first + some.stop)


class MarkovFitter:
    """Removal effects of the campaigns in the paths of a store.

    Args:
        names: the campaigns, in the order of their codes.
        converted: steps of the paths that converted, as ``Steps.square`` gives them.
        others: of those that did not (yet).
        fitted_at: the processing time that names the fit, epoch milliseconds.
    """

    def __init__(self, names: list[str], converted: Counts, others: PathTransitions, fitted_at: int) -> None:
        self._names = names
        self._converted = converted
        self._others = others
        self._fitted_at = fitted_at
        self._is_counted = False
        self._fit: MarkovFit | None = None

    @property
    def work(self) -> Callable[[], None] | None:
        """What is better done elsewhere, on another thread; it shares nothing with whatever goes on meanwhile."""
        return self._solve if self._is_counted and self._fit is None else None

    def go_on(self, watched: ConvertedVisitors) -> MarkovFit | None:
        """Do a part; the fit, when it is ready. What nobody did elsewhere is done here, a part later."""
        if self._fit is None and self._is_counted:
            self._solve()
        elif not self._is_counted:
            self._is_counted = self._others.go_on(watched, PART)
            if self._is_counted and len(self._names) <= _FEW:
                self._solve()
        return self._fit

    def _solve(self) -> None:
        self._fit = fit_counts(self._names, self._converted, self._others.counts, self._fitted_at)

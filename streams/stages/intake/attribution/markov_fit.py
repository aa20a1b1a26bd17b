"""The data-driven model of one partition: the paths it counts, and the fit that decisions follow."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metrics.attribution.batch_credit import steps_of
from metrics.attribution.conversion_credit import COHORT
from metrics.attribution.markov_chain import MarkovFit, TransitionCounts
from metrics.attribution.markov_fit import MarkovFitter, PathTransitions
from metrics.attribution.models import MARKOV, AttributionRules
from metrics.attribution.touch_store import ConvertedVisitors, TouchStore
from metrics.attribution.touchpoints import TouchpointRanks, Touchpoints


class DataDriven:
    """Counts the paths of conversions as they are credited, and fits the model to them now and then.

    Args:
        rules: which models are computed; without this one nothing is counted.
        touchpoints: of the touches.
    """

    def __init__(self, rules: AttributionRules, touchpoints: Touchpoints) -> None:
        self.fit = MarkovFit()
        self.has_changed = False
        #: A fit that is being made; it is lost in a crash, and begun anew.
        self.fitting: MarkovFitter | None = None
        self._is_wanted = any(model.removesuffix(COHORT) == MARKOV for model in rules.models)
        self._touchpoints = touchpoints
        self._steps = TransitionCounts()
        self._fitted: tuple[MarkovFit, TouchpointRanks, npt.NDArray[np.float64]] | None = None

    def count(self, paths: Sequence[bytes], signs: Sequence[int]) -> None:
        """Count paths, each as often as its sign says."""
        if self._is_wanted and any(paths):
            ranks = self._touchpoints.ranks()
            self._steps.add(ranks.names, *steps_of(paths, signs, ranks))

    def begin(self, clicks: TouchStore, now: int) -> None:
        """Begin to compute the effects anew; decisions follow them when that is done."""
        if self._is_wanted:
            names, codes = self._touchpoints.campaigns()
            others = PathTransitions(clicks, codes, len(names))
            self.fitting = MarkovFitter(names, self._steps.square(names), others, now)

    def go_on(self, watched: ConvertedVisitors) -> None:
        """Do a part of that."""
        fit = None if self.fitting is None else self.fitting.go_on(watched)
        if fit is not None:
            self.fit, self.has_changed, self.fitting = fit, True, None

    def effects(self, ranks: TouchpointRanks) -> npt.NDArray[np.float64]:
        """The removal effect of each campaign, by rank."""
        known = self._fitted
        if known is None or known[0] is not self.fit or known[1] is not ranks:
            effects = np.array([self.fit.effects.get(name, 0.0) for name in ranks.names])
            known = self._fitted = (self.fit, ranks, effects)
        return known[2]

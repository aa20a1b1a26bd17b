"""What customers spend on a purchase: the gamma-gamma model.

Fader and Hardie, The Gamma-Gamma Model of Monetary Value, 2013 (brucehardie.com/notes/025). Purchases of a customer
are gamma (p, ν), and over customers ν is gamma (q, v); how much a customer spends does not depend on how often the
customer buys. Money is in currency units here: these are models, not sums.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metrics.customers.fitting import Estimate, FitError, Floats, maximum
from metrics.customers.purchasing import FEWEST_REPEATERS, Counts


@dataclass(frozen=True)
class SpendingModel:
    """Parameters of the gamma-gamma model, as in the note."""

    p: float
    q: float
    v: float

    @property
    def mean(self) -> float:
        """Of a purchase over all customers; infinite for q ≤ 1."""
        return self.p * self.v / (self.q - 1) if self.q > 1 else float("inf")

    def log_likelihood(self, purchases: Counts, mean: Floats) -> Floats:
        """Of each customer's mean of so many purchases, natural logarithm; equation 1a of the note."""
        from scipy.special import betaln  # noqa: PLC0415

        shape = self.p * purchases
        found: Floats = (
            -betaln(shape, self.q)
            + self.q * np.log(self.v)
            + (shape - 1) * np.log(mean)
            + shape * np.log(purchases)
            - (shape + self.q) * np.log(self.v + purchases * mean)
        )
        return found

    def expected_spend(self, purchases: Counts, mean: Floats) -> Floats:
        """What a customer's next purchase brings; equation 5 of the note. Of customers without purchases: ``mean`` of all."""
        found: Floats = self.p * (self.v + purchases * mean) / (self.p * purchases + self.q - 1)
        return found

    def simulated_spend(
        self, purchases: Counts, mean: Floats, wanted: Counts, rng: np.random.Generator
    ) -> Floats:
        """What each customer spends on ``wanted`` purchases together, once, as the model says."""
        rate = rng.gamma(self.p * purchases + self.q) / (self.v + purchases * mean)
        found: Floats = rng.gamma(self.p * wanted) / np.maximum(rate, np.finfo(float).tiny)
        return found


@dataclass(frozen=True)
class SpendingFit:
    """A fitted model, and how sure its parameters are."""

    estimate: Estimate

    @cached_property
    def model(self) -> SpendingModel:
        """The model of greatest likelihood."""
        return model_of(self.estimate.values)


def model_of(values: Floats) -> SpendingModel:
    """The model with the parameters p, q, v."""
    p, q, v = (float(value) for value in values)
    return SpendingModel(p, q, v)


def fit(purchases: Counts, mean: Floats) -> SpendingFit:
    """The gamma-gamma model of greatest likelihood.

    Args:
        purchases: of each customer; customers without one, or who spent nothing, are left out.
        mean: what a purchase of theirs brought on average, in currency units.

    Raises:
        FitError: with fewer than 10 such customers, where the data do not determine the model, or where its mean is infinite.
    """
    counts = (purchases > 0) & (mean > 0)
    known, spent = purchases[counts], mean[counts]
    if len(known) < FEWEST_REPEATERS:
        raise FitError(
            f"The model of spending needs {FEWEST_REPEATERS} customers who came back and paid; there are {len(known)}."
        )
    unit = float(spent.mean())

    def log_likelihood(values: Floats) -> float:
        return float(model_of(values).log_likelihood(known, spent / unit).sum())

    found = maximum(log_likelihood, np.array([2.0, 3.0, 1.0]), "The model of spending")
    values = found.values * np.array([1.0, 1.0, unit])
    if values[1] <= 1:
        raise FitError(
            f"The model of spending has no mean (q = {values[1]:.3g}): some customers spend out of all proportion. "
            "Leave wholesale customers out, or look at them apart."
        )
    shift = len(known) * np.log(unit)
    return SpendingFit(Estimate(values, found.log_covariance, found.log_likelihood - shift))

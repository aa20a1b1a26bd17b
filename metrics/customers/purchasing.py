"""How often customers without a contract buy, and whether they still do: the BG/NBD model.

Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, *Marketing Science* 24 (2), 2005. While active, a
customer buys by a Poisson process of rate λ, and after each purchase leaves for good with probability p; over
customers λ is gamma (r, α) and p is beta (a, b). Times have one unit, that of the summary; nothing here knows which.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from metrics.customers.fitting import Estimate, FitError, Floats, maximum

Counts = npt.NDArray[np.int64]
#: Below this many customers who came back no fit is tried.
FEWEST_REPEATERS = 10
#: Of a series whose c is beyond 100: the last is below 10^−16 of the sum.
_TERMS = 200


@dataclass(frozen=True)
class Buying:
    """What the model needs of each customer.

    Attributes:
        frequency: repeat purchases, x; the first purchase does not count.
        recency: time from the first purchase to the last, t_x; 0 without a repeat purchase.
        age: time from the first purchase to the end of the observation, T.
    """

    frequency: Counts
    recency: Floats
    age: Floats

    def __post_init__(self) -> None:
        if np.any(self.recency > self.age) or np.any(self.frequency < 0) or np.any(self.recency < 0):
            raise ValueError("recency lies between 0 and age, frequency is 0 or more")

    def __len__(self) -> int:
        return len(self.frequency)


@dataclass(frozen=True)
class PurchasingModel:
    """Parameters of the BG/NBD model, as in the paper."""

    r: float
    alpha: float
    a: float
    b: float

    def log_likelihood(self, buying: Buying) -> Floats:
        """Of each customer, natural logarithm; equation 6 of the paper."""
        from scipy.special import betaln, gammaln  # noqa: PLC0415

        x = buying.frequency
        shape = self.r + x
        common = gammaln(shape) - gammaln(self.r) + self.r * np.log(self.alpha)
        common += betaln(self.a, self.b + x) - betaln(self.a, self.b)
        found: Floats = common + np.logaddexp(
            -shape * np.log(self.alpha + buying.age),
            np.where(x > 0, self._log_left(x) - shape * np.log(self.alpha + buying.recency), -np.inf),
        )
        return found

    def _log_left(self, x: Counts) -> Floats:
        """ln(a / (b + x − 1)): odds to have left with the last purchase; of x ≥ 1."""
        odds: Floats = np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        return odds

    def probability_alive(self, buying: Buying) -> Floats:
        """P(active at the end of the observation); 1 without a repeat purchase, because only purchases end a customer."""
        from scipy.special import expit  # noqa: PLC0415

        ratio = np.log(self.alpha + buying.age) - np.log(self.alpha + buying.recency)
        log_odds = self._log_left(buying.frequency) + (self.r + buying.frequency) * ratio
        alive: Floats = np.where(buying.frequency > 0, expit(-log_odds), 1.0)
        return alive

    def expected_purchases(self, buying: Buying, duration: float) -> Floats:
        """E(purchases in the next ``duration``) of each customer; equation 10 of the paper.

        Euler's transformation of the hypergeometric function keeps its parameters small, so that frequent customers
        overflow nothing.
        """
        x, after = buying.frequency, self.alpha + buying.age
        rest = after / (after + duration)
        all_three: Floats = (self.a + self.b - 1 + x).astype(np.float64)
        series = _hypergeometric(self.a + self.b - 1 - self.r, self.a - 1, all_three, 1 - rest)
        while_alive = all_three / (self.a - 1) * (1 - rest ** (self.a - 1) * series)
        found: Floats = while_alive * self.probability_alive(buying)
        return found

    def simulated_purchases(self, buying: Buying, duration: float, rng: np.random.Generator) -> Counts:
        """Purchases in the next ``duration`` of each customer, once, as the model says.

        An active customer's rate is gamma (r + x, α + T) and the probability to leave beta (a, b + x); the customer buys
        as often as the process says, or leaves before.
        """
        x = buying.frequency
        is_alive = rng.random(len(buying)) < self.probability_alive(buying)
        rate = rng.gamma(self.r + x, 1 / (self.alpha + buying.age))
        leaving = np.maximum(rng.beta(self.a, self.b + x), np.finfo(float).tiny)
        wanted = rng.poisson(rate * duration)
        found: Counts = np.where(is_alive, np.minimum(wanted, rng.geometric(leaving)), 0)
        return found


def _hypergeometric(a: float, b: float, c: Floats, z: Floats) -> Floats:
    """2F1(a, b; c; z) for 0 ≤ z < 1, by SciPy; by its series where SciPy overflows: c − a − b whole, c beyond 100, z over 0.9."""
    from scipy.special import hyp2f1  # noqa: PLC0415

    found: Floats = hyp2f1(a, b, c, z)
    is_lost = ~np.isfinite(found)
    if is_lost.any():
        c, z = np.broadcast_to(c, found.shape)[is_lost], np.broadcast_to(z, found.shape)[is_lost]
        term = total = np.ones(len(c))
        for n in range(_TERMS):
            term = term * (a + n) * (b + n) / ((c + n) * (1 + n)) * z
            total = total + term
        found[is_lost] = total
    return found


@dataclass(frozen=True)
class PurchasingFit:
    """A fitted model, and how sure its parameters are."""

    estimate: Estimate

    @cached_property
    def model(self) -> PurchasingModel:
        """The model of greatest likelihood."""
        return model_of(self.estimate.values)


def model_of(values: Floats) -> PurchasingModel:
    """The model with the parameters r, α, a, b."""
    r, alpha, a, b = (float(value) for value in values)
    return PurchasingModel(r, alpha, a, b)


def fit(buying: Buying) -> PurchasingFit:
    """The BG/NBD model of greatest likelihood.

    Raises:
        FitError: with fewer than 10 customers who came back, or where the data do not determine the model.
    """
    repeaters = int(np.count_nonzero(buying.frequency))
    if repeaters < FEWEST_REPEATERS:
        raise FitError(
            f"The model of purchases needs {FEWEST_REPEATERS} customers who came back; there are {repeaters}."
        )
    # Customers alike are counted once with their number; times are in units of the longest.
    rows, counts = np.unique(
        np.column_stack((buying.frequency, buying.recency, buying.age)), axis=0, return_counts=True
    )
    unit = float(buying.age.max())
    recency: Floats = rows[:, 1].astype(np.float64) / unit
    age: Floats = rows[:, 2].astype(np.float64) / unit
    alike = Buying(rows[:, 0].astype(np.int64), recency, age)

    def log_likelihood(values: Floats) -> float:
        return float(counts @ model_of(values).log_likelihood(alike))

    found = maximum(log_likelihood, np.array([0.5, 0.2, 0.5, 2.0]), "The model of purchases")
    values = found.values * np.array([1.0, unit, 1.0, 1.0])
    # In the unit of the summary: each of the n purchases had a density per time.
    shift = float(buying.frequency.sum()) * np.log(unit)
    return PurchasingFit(Estimate(values, found.log_covariance, found.log_likelihood - shift))

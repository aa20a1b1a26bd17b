"""How long customers with a contract stay: the shifted beta-geometric model.

Fader and Hardie, How to Project Customer Retention, *Journal of Interactive Marketing* 21 (1), 2007. At the end of each
term a customer leaves with probability θ, which over customers is beta (α, β). Times are whole terms of the contract.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metrics.customers.fitting import Estimate, FitError, Floats, maximum


@dataclass(frozen=True)
class ContractModel:
    """Parameters of the shifted beta-geometric model, as in the paper."""

    alpha: float
    beta: float

    def retention_rate(self, term: int) -> float:
        """Of those who held the contract in the term before ``term`` (1 or more), the share that renewed; equation 8.

        >>> round(ContractModel(1.0, 1.0).retention_rate(1), 3), round(ContractModel(1.0, 1.0).retention_rate(9), 3)
        (0.5, 0.9)
        """
        return (self.beta + term - 1) / (self.alpha + self.beta + term - 1)

    def survival(self, terms: int) -> float:
        """The share of a cohort that has renewed ``terms`` times; 1 at 0.

        >>> ContractModel(1.0, 1.0).survival(0), round(ContractModel(1.0, 1.0).survival(3), 3)
        (1.0, 0.25)
        """
        from scipy.special import betaln  # noqa: PLC0415

        return float(np.exp(betaln(self.alpha, self.beta + terms) - betaln(self.alpha, self.beta)))

    def expected_terms(self, renewed: int, discount: float) -> float:
        """Discounted terms that a customer who renewed ``renewed`` times is still to pay for, the next first.

        Fader and Hardie, Customer-Base Valuation in a Contractual Setting, *Marketing Science* 29 (1), 2010: Σ S(t)/S(n) ·
        (1 + d)^−(t − n) over t > n.

        Args:
            renewed: 0 for a customer in the first term.
            discount: rate for one term, above 0: without one the sum may have no end.

        Raises:
            ValueError: for a discount of 0 or less.
        """
        from scipy.special import hyp2f1  # noqa: PLC0415

        if discount <= 0:
            raise ValueError("a discount rate above 0 is needed; without one expected terms may be endless")
        first = self.beta + renewed
        later = hyp2f1(1.0, first + 1, self.alpha + first + 1, 1 / (1 + discount))
        return float(first / (self.alpha + first) * later / (1 + discount))


@dataclass(frozen=True)
class ContractFit:
    """A fitted model, and how sure its parameters are."""

    estimate: Estimate

    @cached_property
    def model(self) -> ContractModel:
        """The model of greatest likelihood."""
        alpha, beta = (float(value) for value in self.estimate.values)
        return ContractModel(alpha, beta)


def fit(active: Sequence[int]) -> ContractFit:
    """The shifted beta-geometric model of greatest likelihood of one cohort.

    Args:
        active: customers at the start, after the first renewal, after the second, and so on; never rising.

    Raises:
        ValueError: where the counts rise or are negative.
        FitError: with fewer than two renewals, or where the data do not determine the model.
    """
    kept = np.asarray(active, np.int64)
    lost = kept[:-1] - kept[1:]
    if np.any(kept < 0) or np.any(lost < 0):
        raise ValueError("active customers of a cohort are 0 or more and never rise")
    if len(lost) < 2 or not lost.any():
        raise FitError(
            "The model of contracts needs a cohort with two renewals in which some customers left."
        )
    terms = np.arange(1, len(kept))

    def log_likelihood(values: Floats) -> float:
        from scipy.special import betaln  # noqa: PLC0415

        alpha, beta = values
        left = lost @ betaln(alpha + 1, beta + terms - 1) + kept[-1] * betaln(alpha, beta + terms[-1])
        return float(left - kept[0] * betaln(alpha, beta))

    return ContractFit(maximum(log_likelihood, np.array([1.0, 1.0]), "The model of contracts"))

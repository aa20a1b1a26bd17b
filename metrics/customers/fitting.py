"""Maximum likelihood of models with positive parameters, with the covariance of their logarithms."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metrics.values.errors import RoistreamError

Floats = npt.NDArray[np.float64]
LogLikelihood = Callable[[Floats], float]
#: Logarithms of parameters beyond which the data tell nothing of a parameter: e^±9.
_EDGE = 9.0
#: Step of second differences, in logarithms: rounding errors stay below a millionth of the curvature.
_STEP = 1e-3


class FitError(RoistreamError):
    """The data do not determine the model; the text says what is missing."""


@dataclass(frozen=True)
class Estimate:
    """The parameters of greatest likelihood.

    Attributes:
        values: the parameters, each above 0.
        log_covariance: covariance of their logarithms, the inverse of the observed information.
        log_likelihood: at the maximum, natural logarithm.
    """

    values: Floats
    log_covariance: Floats
    log_likelihood: float

    def draws(self, rng: np.random.Generator, count: int) -> Floats:
        """Parameters as sure as the data make them: ``count`` rows of the asymptotic normal of their logarithms."""
        return np.exp(rng.multivariate_normal(np.log(self.values), self.log_covariance, count))


def maximum(log_likelihood: LogLikelihood, start: Floats, model: str) -> Estimate:
    """The parameters of greatest likelihood, found over their logarithms.

    Args:
        log_likelihood: of the parameters.
        start: parameters to begin at, each above 0.
        model: its name, for errors.

    Raises:
        FitError: where the likelihood has no maximum inside: the data say nothing about a parameter.
    """
    from scipy import optimize  # noqa: PLC0415 - only who fits a model needs SciPy's half second

    def cost(logs: Floats) -> float:
        return -log_likelihood(np.exp(logs))

    bounds = [(-_EDGE, _EDGE)] * len(start)
    rough = optimize.minimize(cost, np.log(start), method="L-BFGS-B", bounds=bounds)
    # Gradients by differences end early in flat valleys; the simplex needs none.
    fine = optimize.minimize(
        cost,
        rough.x,
        method="Nelder-Mead",
        bounds=bounds,
        options={"xatol": 1e-8, "fatol": 1e-9, "maxfev": 20_000},
    )
    logs: Floats = fine.x
    if not np.isfinite(fine.fun) or np.any(np.abs(logs) > _EDGE - 0.01):
        raise FitError(
            f"{model} cannot be fitted: the data do not tell its parameters apart. It needs more customers, "
            "or a longer time in which some of them come back and some do not."
        )
    information = _curvature(cost, logs)
    if np.any(np.linalg.eigvalsh(information) <= 0):
        raise FitError(
            f"{model} cannot be fitted: its likelihood is flat, so no interval can be given; it needs more customers."
        )
    covariance: Floats = np.linalg.inv(information).astype(np.float64)
    return Estimate(np.exp(logs), covariance, -float(fine.fun))


def _curvature(cost: LogLikelihood, at: Floats) -> Floats:
    """Second derivatives of ``cost`` by central differences."""
    size = len(at)
    steps = np.eye(size) * _STEP
    found = np.empty((size, size))
    for i in range(size):
        for j in range(i, size):
            corners = (
                cost(at + steps[i] + steps[j])
                - cost(at + steps[i] - steps[j])
                - cost(at - steps[i] + steps[j])
                + cost(at - steps[i] - steps[j])
            )
            found[i, j] = found[j, i] = corners / (4 * _STEP**2)
    return found

"""How long customers with a contract stay, and what they are expected to pay: the shifted beta-geometric model.

Fader and Hardie, How to Project Customer Retention, *Journal of Interactive Marketing* 21 (1), 2007. At the end of each
term a customer leaves with probability θ, which over customers is beta (α, β). Times are whole terms of the contract.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from metrics.customers.fitting import Estimate, FitError, Floats, maximum
from metrics.customers.purchasing import Counts
from metrics.customers.subscriptions import SubscriptionEntry, end_of_term
from metrics.values.money import MICROS

#: A fit needs so many contracts that have ended.
FEWEST_ENDED = 10
#: The least probability to leave that is drawn: below it nobody leaves in any horizon.
_NEVER = 1e-12


@dataclass(frozen=True)
class ContractModel:
    """Parameters of the shifted beta-geometric model, as in the paper."""

    alpha: float
    beta: float

    def survival(self, terms: int) -> float:
        """The share of a cohort that has renewed ``terms`` times; 1 at 0.

        >>> ContractModel(1.0, 1.0).survival(0), round(ContractModel(1.0, 1.0).survival(3), 3)
        (1.0, 0.25)
        """
        from scipy.special import betaln  # noqa: PLC0415

        return float(np.exp(betaln(self.alpha, self.beta + terms) - betaln(self.alpha, self.beta)))


@dataclass(frozen=True)
class ContractFit:
    """A fitted model, and how sure its parameters are."""

    estimate: Estimate

    @cached_property
    def model(self) -> ContractModel:
        """The model of greatest likelihood."""
        alpha, beta = (float(value) for value in self.estimate.values)
        return ContractModel(alpha, beta)


class TermRun(NamedTuple):
    """Terms of one length that follow each other in one contract.

    Attributes:
        term: the length, ISO 8601.
        renewed: how often the contract was renewed in them, at least.
        has_left: whether it ended with the last of them.
    """

    term: str
    renewed: int
    has_left: bool


class ContractHistory(NamedTuple):
    """A contract up to an instant.

    Attributes:
        group: what it is added up with, from 0; -1: with nothing but all contracts of its term, for the fit.
        runs: its terms by length, in order. A change of the length is a renewal, and the count begins anew.
        end: of the newest term, epoch ms.
        micros: amount of the newest term; None where it is not known.
    """

    group: int
    runs: tuple[TermRun, ...]
    end: int
    micros: int | None

    @property
    def is_running(self) -> bool:
        """Whether the contract has not ended."""
        return not self.runs[-1].has_left


def history(entry: SubscriptionEntry, group: int, zone: ZoneInfo, until: int) -> ContractHistory | None:
    """A contract whose records are all before ``until``, epoch ms; None before its start is known."""
    terms, end = entry.lived(zone)
    if not terms:
        return None
    lengths = [(term, sum(1 for _ in each)) for term, each in groupby(terms, key=lambda each: each.term)]
    *earlier, (last, count) = lengths
    runs = [TermRun(term, number, has_left=False) for term, number in earlier]
    runs.append(TermRun(last, count - 1, has_left=end <= until))
    return ContractHistory(group, tuple(runs), terms[-1].end, terms[-1].micros)


def fit(ended: Sequence[int], running: Sequence[int]) -> ContractFit:
    """The shifted beta-geometric model of greatest likelihood.

    Args:
        ended: contracts that were renewed 0 times, 1 time, 2 times and so on, and then ended.
        running: the same of those that have not ended yet.

    Raises:
        ValueError: for a count below 0.
        FitError: with few contracts that have ended, none that could have been renewed twice, or where the data do not determine
            the model.
    """
    size = max(len(ended), len(running))
    left, stayed = np.zeros(size, np.int64), np.zeros(size, np.int64)
    left[: len(ended)], stayed[: len(running)] = ended, running
    if np.any(left < 0) or np.any(stayed < 0):
        raise ValueError("counts of contracts are 0 or more")
    gone = int(left.sum())
    if gone < FEWEST_ENDED or not left[1:].sum() + stayed[2:].sum():
        raise FitError(
            f"The model of contracts needs {FEWEST_ENDED} contracts that have ended (there are {gone}), and some that could be "
            "renewed twice."
        )
    renewed = np.arange(size)

    def log_likelihood(values: Floats) -> float:
        from scipy.special import betaln  # noqa: PLC0415

        alpha, beta = values
        found = left @ betaln(alpha + 1, beta + renewed) + stayed @ betaln(alpha, beta + renewed)
        return float(found - (gone + stayed.sum()) * betaln(alpha, beta))

    return ContractFit(maximum(log_likelihood, np.array([1.0, 1.0]), "The model of contracts"))


def fits(histories: Iterable[ContractHistory]) -> dict[str, ContractFit | str]:
    """The model of each length of terms, or why there is none."""
    ended: dict[str, Counter[int]] = {}
    running: dict[str, Counter[int]] = {}
    for each in histories:
        for term, renewed, has_left in each.runs:
            for counts, counted in ((ended, has_left), (running, not has_left)):
                counts.setdefault(term, Counter())[renewed] += counted
    found: dict[str, ContractFit | str] = {}
    for term in sorted(ended):
        try:
            found[term] = fit(_listed(ended[term]), _listed(running[term]))
        except FitError as error:
            found[term] = str(error)
    return found


def _listed(counts: Counter[int]) -> list[int]:
    return [counts[renewed] for renewed in range(max(counts, default=0) + 1)]


class ContractForecast(NamedTuple):
    """What contracts are expected to bring until an instant; by group, the last is all groups together.

    Attributes:
        running: contracts that have not ended.
        valued: those of them whose amount is known and whose length of terms has a model; the others bring nothing here.
        expected: amounts of renewals, in currency units.
        low: lower end of the interval of prediction.
        high: upper end.
    """

    running: list[int]
    valued: list[int]
    expected: list[float]
    low: list[float]
    high: list[float]


def forecast(
    histories: Sequence[ContractHistory],
    models: dict[str, ContractFit | str],
    size: int,
    horizon_end: int,
    zone: ZoneInfo,
    rng: np.random.Generator,
    *,
    coverage: float = 0.8,
    draws: int = 1_000,
    progress: Callable[[int], None] = lambda _: None,
) -> ContractForecast:
    """The amounts of the renewals that come.

    The interval is one of prediction: each draw takes parameters from the normal distribution of their logarithms, and lets each
    contract be renewed by them once.

    Args:
        histories: of contracts, up to one instant.
        models: of ``fits``.
        size: how many groups there are; one may be empty.
        horizon_end: up to when renewals count, exclusive, epoch ms.
        zone: whose days terms end in.
        rng: where randomness comes from; the same gives the same interval.
        coverage: how often the interval is to hold what comes.
        draws: of parameters and contracts.
        progress: hears the number of draws that are done, for each length of terms anew.
    """
    running = [each for each in histories if each.group >= 0 and each.is_running]
    counts = np.bincount([each.group for each in running], minlength=size)
    by_term: dict[str, list[ContractHistory]] = {}
    for each in running:
        if each.micros is not None and isinstance(models.get(each.runs[-1].term), ContractFit):
            by_term.setdefault(each.runs[-1].term, []).append(each)
    valued = np.bincount([each.group for part in by_term.values() for each in part], minlength=size)
    expected, drawn = np.zeros(size), np.zeros((draws, size))
    for term, part in sorted(by_term.items()):
        fitted = models[term]
        assert isinstance(fitted, ContractFit)
        groups = np.array([each.group for each in part])
        renewed = np.array([each.runs[-1].renewed for each in part])
        amounts = np.array([(each.micros or 0) / MICROS for each in part])
        most = np.array([_ends_before(each.end, term, zone, horizon_end) for each in part])
        expected += np.bincount(groups, amounts * _expected_renewals(fitted.model, renewed, most), size)
        for number, (alpha, beta) in enumerate(fitted.estimate.draws(rng, draws)):
            leaving = np.clip(rng.beta(alpha, beta + renewed), _NEVER, 1.0)
            renewals = np.minimum(rng.geometric(leaving) - 1, most)
            drawn[number] += np.bincount(groups, amounts * renewals, size)
            progress(number + 1)
    tail = (1 - coverage) / 2
    low, high = np.quantile(np.column_stack((drawn, drawn.sum(axis=1))), [tail, 1 - tail], axis=0)
    return ContractForecast(
        [*counts.tolist(), len(running)],
        [*valued.tolist(), int(valued.sum())],
        [*expected.tolist(), float(expected.sum())],
        low.tolist(),
        high.tolist(),
    )


def _ends_before(end: int, term: str, zone: ZoneInfo, horizon_end: int) -> int:
    """How many terms end before an instant, and may be renewed then: the newest and those that would follow."""
    found = 0
    while end < horizon_end:
        found += 1
        end = end_of_term(end, term, zone)
    return found


def _expected_renewals(model: ContractModel, renewed: Counts, most: Counts) -> Floats:
    """Of contracts that were renewed so often, how often they will be, ``most`` times at most."""
    survival = np.array([model.survival(terms) for terms in range(int((renewed + most).max(initial=0)) + 1)])
    reached = np.concatenate(([0.0], np.cumsum(survival)))
    found: Floats = (reached[renewed + most + 1] - reached[renewed + 1]) / survival[renewed]
    return found

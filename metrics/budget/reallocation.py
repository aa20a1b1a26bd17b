"""Moving budgets from campaigns that pay less to those that pay more, all at once, by the returns seen. Pure.

**Plan.** The returns of all campaigns are drawn from their posterior (Thompson, *Biometrika* 25, 1933; see Russo et al.,
*A Tutorial on Thompson Sampling*, 2018), so that campaigns whose return is uncertain get a chance now and then. Budgets of the
same sum are then found by water-filling (Boyd and Vandenberghe, *Convex Optimization*, 2004, example 5.2): one price of
money for the board, at which each campaign takes what its diminishing return bears, within its bounds. The plan is the mean of
those of a few draws.

**Gain.** What the plan brings is judged by other draws, which did not choose it.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metrics.budget.guards import MIN_CHANGE
from metrics.budget.returns import CampaignDays, Drawn, days_of, draw, learn
from metrics.budget.state import Hour
from metrics.values.money import MICROS

Floats = NDArray[np.float64]

_DRAWS = 400
#: Campaigns looked at between two pauses.
_SLICE = 25
#: A campaign's budget changes by at least this share of it, or not at all: each change asks a person.
_LEAST_CHANGE = 0.05
_BISECTIONS = 60
#: Beyond these a multiple of the usual spend is 0 or without a bound.
_LOGARITHMS = (-50.0, 50.0)
#: Draws whose plans are averaged: one explores most, many not at all.
_EXPLORING = 4


class ReallocationCandidate(NamedTuple):
    """A campaign as money can be moved to and from it; micros, ``least`` ≤ ``budget`` ≤ ``most``, ``budget`` above 0."""

    budget: int
    least: int
    most: int
    hours: Sequence[Hour]


class Move(NamedTuple):
    """One campaign's budget before and after, in micros."""

    campaign_id: str
    before: int
    after: int


class Reallocation(NamedTuple):
    """Moves that leave the sum as it is, those that give first, with the profit an hour they are expected to bring, in micros."""

    moves: tuple[Move, ...]
    gain: int
    gain_sd: int
    probability_of_gain: float


def reallocate(
    candidates: Mapping[str, ReallocationCandidate], rng: np.random.Generator, most_moves: int = 60
) -> Reallocation | None:
    """Budgets of the same sum that pay best by drawn returns; None where there is nothing to gain.

    Args:
        candidates: campaigns that may be touched, with what is known of them.
        most_moves: campaigns that are touched at most; the largest moves are kept.
        rng: decides what is explored; the same generator gives the same moves.

    Returns:
        Moves within all bounds; the sum of the budgets stays.
    """
    work = reallocating(candidates, rng, most_moves)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: Reallocation | None = end.value
            return found


def reallocating(
    candidates: Mapping[str, ReallocationCandidate], rng: np.random.Generator, most_moves: int
) -> Generator[None, None, Reallocation | None]:
    """The same with a pause after each few campaigns."""
    known: dict[str, CampaignDays] = {}
    for count, name in enumerate(sorted(candidates), 1):
        days = days_of(candidates[name].hours)
        if days is not None:
            known[name] = days
        if count % _SLICE == 0:
            yield
    if len(known) < 2:
        return None
    returns = yield from learn(list(known.values()))
    every = np.arange(len(known))
    bounds = np.array([candidates[name][:3] for name in known], dtype=np.float64).T
    plans = []
    for _ in range(_EXPLORING):
        drawn = draw(returns, every, returns.draw_laws(1, rng), rng)
        plans.append(fill(bounds, Drawn(*(each[0] for each in drawn))))
        yield
    moves = _moves(list(known), bounds, np.mean(plans, axis=0), most_moves)
    if not moves:
        return None
    laws, gains = returns.draw_laws(_DRAWS, rng), np.zeros(_DRAWS)
    for first in range(0, len(moves), _SLICE):
        some = moves[first : first + _SLICE]
        which = np.array([place for place, _ in some])
        level = np.array([move.after / move.before for _, move in some])
        gains += _gain(level, draw(returns, which, laws, rng)).sum(axis=1)
        yield
    gains *= MICROS
    return Reallocation(
        tuple(move for _, move in moves),
        round(float(gains.mean())),
        round(float(gains.std(ddof=1))),
        float((gains > 0).mean()),
    )


def _gain(level: Floats, drawn: Drawn) -> Floats:
    """Profit an hour at multiples of the usual spend less that at the usual spend, in currency units."""
    found: Floats = drawn.usual * (drawn.theta * (level**drawn.elasticity - 1) - (level - 1))
    return found


def fill(bounds: Floats, drawn: Drawn) -> Floats:
    """Budgets of the same sum at which profit is largest; spend follows budgets in proportion.

    The last unit of budget brings the same everywhere, except where a bound is nearer.

    Args:
        bounds: (3, campaigns): budget, least and most, in one unit of money.
        drawn: returns, (campaigns,).

    Returns:
        Budgets, (campaigns,).
    """
    budget, least, most = bounds
    usual, theta, elasticity = drawn
    low, high = least / budget, most / budget
    brought, spent = np.maximum(theta, 1e-12) * elasticity * usual / budget, usual / budget

    def at(price: float) -> Floats:
        """Budgets where each takes all money that brings more than the price."""
        logarithm = np.log(brought / np.maximum(price + spent, 1e-12 * spent)) / (1 - elasticity)
        found: Floats = budget * np.clip(np.exp(np.clip(logarithm, *_LOGARITHMS)), low, high)
        return found

    cheap = float((brought * high ** (elasticity - 1) - spent).min())
    dear = float((brought * np.maximum(low, 1e-9) ** (elasticity - 1) - spent).max())
    total = budget.sum()
    for _ in range(_BISECTIONS):
        price = (cheap + dear) / 2
        cheap, dear = (price, dear) if at(price).sum() > total else (cheap, price)
    # Where a price decides on a whole campaign at once, a mixture of both sides meets the sum.
    more, less = at(cheap), at(dear)
    gap = more.sum() - less.sum()
    share = float(np.clip((total - less.sum()) / gap, 0, 1)) if gap > 0 else 0.0
    mixed: Floats = share * more + (1 - share) * less
    return mixed


def _moves(names: Sequence[str], bounds: Floats, wanted: Floats, most_moves: int) -> list[tuple[int, Move]]:
    """Moves that sum to nothing, those that give first, each with its campaign's place; small changes are left out."""
    before = np.rint(bounds[0]).astype(np.int64)
    change = (wanted - before).astype(np.int64)  # towards nothing, and so within the bounds
    change[np.abs(change) < _LEAST_CHANGE * before] = 0
    change = _largest(change, most_moves)
    while True:
        given, taken = -int(change[change < 0].sum()), int(change[change > 0].sum())
        if not given or not taken:
            return []
        larger = change > 0 if taken > given else change < 0
        change[larger] = (change[larger] * (min(given, taken) / max(given, taken))).astype(np.int64)
        is_small = (change != 0) & (np.abs(change) < MIN_CHANGE * before)
        if not is_small.any():
            break
        change[is_small] = 0
    rest = int(change.sum())
    # Some micros of rounding: the largest change on the other side gives them up.
    change[int(np.argmax(change)) if rest > 0 else int(np.argmin(change))] -= rest
    order = sorted(np.flatnonzero(change).tolist(), key=lambda place: (change[place] > 0, names[place]))
    return [
        (place, Move(names[place], int(before[place]), int(before[place] + change[place]))) for place in order
    ]


def _largest(change: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The largest changes, about as many that give as that take."""
    givers, takers = np.flatnonzero(change < 0), np.flatnonzero(change > 0)
    giving = max(count // 2, count - len(takers))
    kept = np.zeros_like(change)
    for places, room in ((givers, giving), (takers, count - min(giving, len(givers)))):
        largest = places[np.argsort(-np.abs(change[places]), kind="stable")[: max(0, room)]]
        kept[largest] = change[largest]
    return kept

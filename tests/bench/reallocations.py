"""Boards whose campaigns answer to spend by a known law, and what moving money between them brings, through the controller.

A campaign at spend s an hour brings quality · usual · (s / usual) ** elasticity of margin on average; how that comes is the
*margin*: a little with each hour, or in orders of one value. Each day the controller proposes, a person approves all of it, and
spend follows the budgets. An oracle that knows every law moves the same money within the same steps.
"""

from typing import Literal, NamedTuple

import numpy as np
from msgspec.structs import replace

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import parse
from metrics.budget.records import BudgetDecision
from metrics.budget.state import HOURS_KEPT, Board, CampaignState, Hour, Latest
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import Sums
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, MINUTE

Margin = Literal["smooth", "orders of 20", "orders of 100", "orders of 20 to 1 000"]
MARGINS: tuple[Margin, ...] = ("smooth", "orders of 20", "orders of 100", "orders of 20 to 1 000")
#: Largest change of a budget in a step, of ``standard``.
STEP = 0.3
_NOTHING = Sums(**dict.fromkeys(Sums.__struct_fields__, 0))
#: Budgets last so long at the usual spend, so that no card binds.
_FLIGHT = 365 * 24


class Course(NamedTuple):
    """What became of one board.

    Attributes:
        gain, oracle: profit above that of unmoved budgets, in currency units, expected by the laws.
        plans: of each proposal of the board, the stated probability of a gain and the true gain an hour.
    """

    gain: float
    oracle: float
    plans: list[tuple[float, float]]

    @property
    def share(self):
        return self.gain / self.oracle


class Laws:
    """What each campaign of a board brings at a level of spend, and how it comes."""

    def __init__(self, margin, seed, size):
        self.rng = np.random.default_rng([seed, MARGINS.index(margin)])
        self.usual = 20 * self.rng.lognormal(0, 0.3, size)
        self.quality = self.rng.lognormal(0.2, 0.5, size)
        self.elasticity = np.clip(self.rng.normal(0.7, 0.15, size), 0.3, 0.98)
        values = {"smooth": 0.0, "orders of 20": 20.0, "orders of 100": 100.0}
        self.value = np.full(size, values.get(margin, 0.0))
        if margin not in values:
            self.value = np.exp(self.rng.uniform(np.log(20), np.log(1_000), size))

    def margin(self, spend):
        """Expected margin an hour at a spend an hour."""
        return self.quality * self.usual * (spend / self.usual) ** self.elasticity

    def slope(self, spend):
        return self.elasticity * self.margin(spend) / spend

    def hours(self, spend, first, count):
        """Closed hours at a usual spend, which scatters by a fifth."""
        spent = spend[:, None] * self.rng.lognormal(-0.02, 0.2, (len(spend), count))
        due = self.margin(spent.T).T
        if self.value.any():
            brought = self.rng.poisson(due / self.value[:, None]) * self.value[:, None]
        else:
            brought = due * self.rng.lognormal(-0.02, 0.2, due.shape)
        return [
            tuple(
                Hour((first + at) * HOUR, round(s * MICROS), 0, round(m * MICROS), 0)
                for at, (s, m) in enumerate(zip(spends, margins, strict=True))
            )
            for spends, margins in zip(spent, brought, strict=True)
        ]


def run(margin, seed, *, size=20, days=14):
    """One board over ``days`` after a week of history."""
    laws = Laws(margin, seed, size)
    spend, plans, gain = _Controlled(laws, size), [], 0.0
    best, oracle, still = laws.usual.copy(), 0.0, laws.margin(laws.usual).sum()
    for day in range(days):
        before = spend.level.copy()
        stated = spend.day(day)
        if stated is not None:
            # Money that is moved is spent elsewhere: the sum of spends stays.
            plans.append((stated, _profit(laws, spend.level) - _profit(laws, before)))
        best = _filled(laws, best)
        gain += 24 * (_profit(laws, spend.level) - still + laws.usual.sum())
        oracle += 24 * (_profit(laws, best) - still + laws.usual.sum())
    return Course(gain, oracle, plans)


def _profit(laws, spend):
    return float(laws.margin(spend).sum() - spend.sum())


def _filled(laws, spend):
    """Spends of the same sum, within a step, at which profit is largest: one price of a further unit for all."""
    low, high = spend * (1 - STEP), spend * (1 + STEP)
    least, most = 1e-9, 1e9
    for _ in range(100):
        price = np.sqrt(least * most)
        wanted = laws.usual * (laws.elasticity * laws.quality / price) ** (1 / (1 - laws.elasticity))
        found = np.clip(wanted, low, high)
        least, most = (price, most) if found.sum() > spend.sum() else (least, price)
    return found


class _Controlled:
    """A board whose spends follow the budgets that the controller proposes and a person approves."""

    def __init__(self, laws, size):
        self._laws, self.level = laws, laws.usual.copy()
        self._names = [f"c{number:02}" for number in range(size)]
        budgets = [round(usual * _FLIGHT * MICROS) for usual in laws.usual]
        self._budgets = np.array(budgets)
        self._facts = {
            name: CampaignFacts(name, budget_micros=budget)
            for name, budget in zip(self._names, budgets, strict=True)
        }
        policies = parse({"reallocate_every": "1d"})
        self._context = Context(policies, "enforce", True, "EUR", self._facts)
        self._first = int(laws.rng.integers(10_000, 20_000)) * 24
        self._hours = laws.hours(self.level, self._first, HOURS_KEPT)
        self._board = Board(
            campaigns={
                name: CampaignState(
                    campaign_id=name, column="test", registered=budget, budget=budget, card=MICROS
                )
                for name, budget in zip(self._names, budgets, strict=True)
            },
            reallocated_at=(self._first + HOURS_KEPT) * HOUR - DAY,
        )

    def day(self, day):
        """One proposal, its approval, and a day at the new spends; the stated probability of a gain, None without moves."""
        now = (self._first + HOURS_KEPT + 24 * day) * HOUR
        seen = {
            name: replace(self._board.campaigns[name], hours=hours, latest=Latest(now, now, _NOTHING))
            for name, hours in zip(self._names, self._hours, strict=True)
        }
        context = self._context._replace(reached=lambda _: now + HOUR)
        board, proposed = step(replace(self._board, campaigns=seen), Inputs(), context, now)
        assert {action.rule for action in proposed} <= {"reallocation"}
        words = [
            BudgetDecision(
                decision_id=a.action_id, campaign_id=a.campaign_id, verb="approve", occurred_at=now + MINUTE
            )
            for a in proposed
        ]
        self._board, _ = step(board, Inputs(decisions=words), context, now + MINUTE)
        budgets = np.array([self._board.campaigns[name].budget for name in self._names])
        self.level = self._laws.usual * budgets / self._budgets
        more = self._laws.hours(self.level, self._first + HOURS_KEPT + 24 * day, 24)
        self._hours = [(*held[24:], *new) for held, new in zip(self._hours, more, strict=True)]
        return _stated(proposed)


def _stated(proposed):
    """The probability of a gain as the reason says it."""
    if not proposed:
        return None
    return float(proposed[0].reason.split("; ")[-1].split("%")[0]) / 100

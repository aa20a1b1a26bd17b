"""What a policy would have done over a history, and what that would have brought. Pure.

The history is replayed hour by hour through the same state machine, under ``enforce``. A campaign that is stopped
spends and brings nothing more; one whose budget changes spends in proportion, and brings results by a response with
diminishing returns: results ∝ spend ** elasticity. Results that came after a stop from money spent before it are not
counted, which speaks against the policy rather than for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import Policies, Policy
from metrics.budget.records import BudgetAction, Column
from metrics.budget.state import Board, CampaignState
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import CampaignKpi, Sums
from metrics.records.validation import instant
from metrics.values.money import ratio
from metrics.values.time import HOUR, format_instant

#: Published estimates of advertising response lie below 1; a little under it favours neither growing nor stopping.
ELASTICITY = 0.7


class History(NamedTuple):
    """What is known of the past: campaigns as registered, and ``1h`` readings in any order, repeated or not.

    Readings of what is not registered are left out: nobody decides on them.
    """

    facts: Mapping[str, CampaignFacts]
    readings: Sequence[CampaignKpi]
    currency: str = "EUR"

    @property
    def start(self) -> str | None:
        """When the first hour began; None without hours."""
        return min((each.window_start for each in self.readings if each.window_start), default=None)

    @property
    def end(self) -> str | None:
        """When the last hour ends."""
        return max((each.window_end for each in self.readings if each.window_end), default=None)


class Arm(msgspec.Struct, kw_only=True):
    """Sums of one course of events, in micros; ``roi`` by net profit."""

    spend_micros: int = 0
    other_cost_micros: int = 0
    kept_revenue_micros: int = 0
    cost_of_goods_micros: int = 0
    profit_micros: int = 0
    roi: float | None = None

    def add(self, sums: Sums) -> None:
        """Add the sums of an hour."""
        self.spend_micros += sums.spend_micros or 0
        self.other_cost_micros += sums.other_cost_micros
        self.kept_revenue_micros += sums.revenue_micros - sums.refunds_micros
        self.cost_of_goods_micros += sums.cost_of_goods_micros
        cost = self.spend_micros + self.other_cost_micros
        self.profit_micros = self.kept_revenue_micros - self.cost_of_goods_micros - cost
        self.roi = ratio(self.profit_micros, cost)


class CampaignOutcome(msgspec.Struct, kw_only=True):
    """One campaign under the policy and without it."""

    campaign_id: str
    column: Column
    actions: int
    without: Arm
    with_policy: Arm


class Simulation(msgspec.Struct, kw_only=True):
    """What a policy would have done; ``profit_gained_micros`` is against doing nothing and may be negative.

    ``left_out`` names campaigns of which no hour says what it cost, since their reports are of longer times.
    """

    currency: str
    hours: int
    actions: list[BudgetAction]
    without: Arm
    with_policy: Arm
    spend_avoided_micros: int
    profit_gained_micros: int
    campaigns: list[CampaignOutcome]
    elasticity: float
    left_out: list[str] = []


def simulate(policy: Policies | Policy, history: History, elasticity: float = ELASTICITY) -> Simulation:
    """Replay a history under a policy.

    Args:
        policy: what may be done; a single policy holds for all campaigns.
        history: of any length; readings of other windows and models are left out.
        elasticity: of results in spend, above 0 and at most 1.

    Raises:
        ValueError: for an elasticity outside its range.

    >>> simulate(Policy(), History({}, [])).profit_gained_micros
    0
    """
    if not 0 < elasticity <= 1:
        raise ValueError(f"elasticity {elasticity} is not above 0 and at most 1")
    policies = policy if isinstance(policy, Policies) else Policies(policy)
    replay = _Replay(policies, history, elasticity)
    by_hour, left_out = _by_hour(each for each in history.readings if each.campaign_id in history.facts)
    for start in sorted(by_hour):
        replay.hour(start, by_hour[start])
    return replay.outcome(len(by_hour), left_out)


def _by_hour(readings: Iterable[CampaignKpi]) -> tuple[dict[int, list[CampaignKpi]], list[str]]:
    """The highest revision of each campaign's hours whose spend is known, by start; campaigns that have none."""
    newest: dict[tuple[int, str], CampaignKpi] = {}
    for reading in readings:
        if reading.window != "1h" or reading.model != "declared" or reading.window_start is None:
            continue
        key = (instant(datetime.fromisoformat(reading.window_start), "window_start"), reading.campaign_id)
        held = newest.get(key)
        if held is None or held.revision < reading.revision:
            newest[key] = reading
    found: dict[int, list[CampaignKpi]] = {}
    known = set()
    for start, campaign_id in sorted(newest):
        if newest[start, campaign_id].sums.spend_micros is not None:
            found.setdefault(start, []).append(newest[start, campaign_id])
            known.add(campaign_id)
    return found, sorted({campaign_id for _, campaign_id in newest} - known)


class _Replay:
    """The board and both courses of events while a history is replayed."""

    def __init__(self, policies: Policies, history: History, elasticity: float) -> None:
        # What an hour of the past had cost is known when it is over.
        facts = {name: each._replace(is_reported=False) for name, each in history.facts.items()}
        self._context = Context(policies, "enforce", is_live=True, currency=history.currency, facts=facts)
        self._elasticity = elasticity
        self._board = Board()
        self._actions: list[BudgetAction] = []
        self._totals: dict[str, Sums] = {}
        self._without: dict[str, Arm] = {}
        self._with: dict[str, Arm] = {}
        self._revision = 0

    def hour(self, start: int, readings: Sequence[CampaignKpi]) -> None:
        """One hour as it would have been, and the step at its end."""
        shown = []
        for reading in readings:
            name, end = reading.campaign_id, start + HOUR
            happened = scaled(reading.sums, self._level(name), self._elasticity)
            self._without.setdefault(name, Arm()).add(reading.sums)
            self._with.setdefault(name, Arm()).add(happened)
            self._totals[name] = _added(self._totals.get(name), happened)
            self._revision += 1
            hourly = replace(
                reading,
                sums=happened,
                revision=self._revision,
                watermark=format_instant(end),
                published_at=format_instant(end),
            )
            total = replace(
                hourly, sums=self._totals[name], window="total", window_start=None, window_end=None
            )
            shown += [hourly, total]
        context = self._context._replace(reached=lambda _: start + HOUR)
        self._board, actions = step(self._board, Inputs(shown), context, start + HOUR)
        self._actions += actions

    def _level(self, campaign_id: str) -> float:
        state = self._board.campaigns.get(campaign_id)
        if state is None:
            return 1.0
        return level_of(state)

    def outcome(self, hours: int, left_out: list[str]) -> Simulation:
        """Both courses, summed up."""
        without, with_policy = _summed(self._without.values()), _summed(self._with.values())
        counts: dict[str, int] = {}
        for action in self._actions:
            counts[action.campaign_id] = counts.get(action.campaign_id, 0) + 1
        return Simulation(
            currency=self._context.currency,
            hours=hours,
            actions=self._actions,
            without=without,
            with_policy=with_policy,
            spend_avoided_micros=without.spend_micros - with_policy.spend_micros,
            profit_gained_micros=with_policy.profit_micros - without.profit_micros,
            campaigns=[
                CampaignOutcome(
                    campaign_id=name,
                    column=self._board.campaigns[name].column,
                    actions=counts.get(name, 0),
                    without=self._without[name],
                    with_policy=self._with[name],
                )
                for name in sorted(self._without)
            ],
            elasticity=self._elasticity,
            left_out=left_out,
        )


def level_of(state: CampaignState) -> float:
    """How much a campaign spends, as a multiple of what it would by its registered budget; 0 when it is stopped."""
    if not state.may_spend:
        return 0.0
    return state.budget / state.registered if state.registered > 0 else 1.0


def scaled(sums: Sums, level: float, elasticity: float) -> Sums:
    """An hour at another level of spend: cost in proportion, results with diminishing returns, fixed cost as it is."""
    if level == 1.0:
        return sums
    response = level**elasticity if level > 0 else 0.0
    values: dict[str, float | int | None] = {}
    for name in Sums.__struct_fields__:
        value = getattr(sums, name)
        share = level if name in ("spend_micros", "clicks", "impressions") else response
        keeps = value is None or name == "other_cost_micros"
        values[name] = value if keeps else round(value * share)
    return replace(sums, **values)


def _added(total: Sums | None, more: Sums) -> Sums:
    if total is None:
        return more
    names = Sums.__struct_fields__
    return replace(
        total, **{name: (getattr(total, name) or 0) + (getattr(more, name) or 0) for name in names}
    )


def _summed(arms: Iterable[Arm]) -> Arm:
    found = Arm()
    for arm in arms:
        found.spend_micros += arm.spend_micros
        found.other_cost_micros += arm.other_cost_micros
        found.kept_revenue_micros += arm.kept_revenue_micros
        found.cost_of_goods_micros += arm.cost_of_goods_micros
    cost = found.spend_micros + found.other_cost_micros
    found.profit_micros = found.kept_revenue_micros - found.cost_of_goods_micros - cost
    found.roi = ratio(found.profit_micros, cost)
    return found

"""A policy tried in a world: boards of campaigns, some of them bad, through the controller itself under ``enforce``. Pure.

A campaign is watched until it is paused by evidence or its horizon is spent. Boards are alike and independent; on each,
every other campaign of ``bad_share`` costs ``bad_ratio`` × the target, and all others meet it exactly.
"""

from collections.abc import Callable, Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from metrics.budget.machine import Context, Inputs, step
from metrics.budget.policy import Policies
from metrics.budget.records import BudgetAction, BudgetDecision
from metrics.budget.state import Board
from metrics.budget.worlds.paths import Floats, Paths, make_paths
from metrics.budget.worlds.world import World
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import CampaignKpi, KnownSpend, MatchedSums, OtherBasis, Sums
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, format_instant

#: Monday, 4 January 2027, 00:00 UTC.
MONDAY = 1_799_020_800_000
#: Money in units of the currency: what a result may cost, and what an order is worth on average.
_COST, _VALUE = 20, 60
#: Campaigns of a board that is not young begin over so many days.
_STAGGER = 28
_NOTHING = dict.fromkeys(Sums.__struct_fields__, 0)


class Trial(NamedTuple):
    """How a world is run.

    Attributes:
        boards: independent boards.
        size: campaigns of each.
        bad_share: of them, so many miss the target.
        bad_ratio: true cost over target of these; below 1 they are better than their target.
        looks: a day; None: about as many as make a look of each result that is due, 24 at most.
        seed: of all chance.
    """

    boards: int = 10
    size: int = 50
    bad_share: float = 0.2
    bad_ratio: float = 2.0
    looks: int | None = None
    seed: int = 20_261_129


class Outcome(msgspec.Struct, kw_only=True):
    """What became of the campaigns of one world; spends in targets.

    Attributes:
        world: its name.
        healthy, bad, better: campaigns of each kind.
        paused: share of the healthy that evidence ever paused.
        praised: share of the healthy that were ever called surely better than their target.
        boards_hit: share of the boards with any healthy campaign paused.
        false_share: of the campaigns paused, the share that were healthy: mean over boards, 0 where none is paused.
        caught: share of the bad that were paused.
        median, p95: spend of the bad until their pause, from when they were bad; None where fewer were caught.
        recognised: share of the better that were called so.
        praise_median: spend of the better until then; None where fewer were.
    """

    world: str
    healthy: int
    bad: int
    paused: float
    praised: float
    boards_hit: float
    false_share: float
    caught: float
    median: float | None
    p95: float | None
    better: int = 0
    recognised: float = 0.0
    praise_median: float | None = None


class _Fate(NamedTuple):
    """Of one campaign: its ratio, and its spend in targets at its pause and when it was first praised; None: never."""

    ratio: float
    spent: float | None
    praised: float | None


def run_trial(world: World, policies: Policies, trial: Trial | None = None) -> Outcome:
    """Run a world under a policy.

    Args:
        world: what happens.
        policies: what the controller may do; acts under ``enforce``.
        trial: how many campaigns, and the seed.
    """
    chosen = trial or Trial()
    return _outcome(world, [_board(world, policies, chosen, number) for number in range(chosen.boards)])


def _board(world: World, policies: Policies, trial: Trial, number: int) -> list[_Fate]:
    rng = np.random.default_rng([trial.seed, number])
    drawn = [_generation(world, trial, rng) for _ in range(1 + world.has_history)]
    ratios = np.concatenate([ratios for ratios, _ in drawn])
    # Those before have ended when the first of these begins; weekdays stay.
    later = -(-(_STAGGER + world.days) // 7) * 7
    starts = np.concatenate([starts + later * number for number, (_, starts) in enumerate(drawn)])
    paths = make_paths(world, ratios, starts % 7, rng)
    return list(_Run(world, policies, trial, ratios, starts, paths).fates())[-trial.size :]


def _generation(world: World, trial: Trial, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """Campaigns that begin within four weeks: the true cost of each over the target, and its first day."""
    ratios = np.ones(trial.size)
    ratios[: round(trial.size * trial.bad_share)] = trial.bad_ratio
    ratios = rng.permutation(ratios)
    starts = rng.integers(0, 1 if world.is_young_board else _STAGGER, trial.size)
    return ratios, starts if world.starts_weekday is None else starts // 7 * 7 + world.starts_weekday


class _Run:
    """One board while it runs."""

    def __init__(
        self,
        world: World,
        policies: Policies,
        trial: Trial,
        ratios: np.ndarray,
        starts: np.ndarray,
        paths: Paths,
    ) -> None:
        self._world, self._trial, self._ratios, self._paths = world, trial, ratios, paths
        self._starts = starts * 24
        self._every = 24 // (trial.looks or _looks_of(world))
        self._names = [f"c{index:03}" for index in range(len(ratios))]
        target = _COST if world.target == "cpl" else _VALUE / _COST
        facts = {
            name: CampaignFacts(
                name,
                starts_at=MONDAY + int(start) * DAY,
                targets_micros=MappingProxyType({world.target: round(target * MICROS)}),
                is_reported=world.reports != "live",
            )
            for name, start in zip(self._names, starts, strict=True)
        }
        self._context = Context(policies, "enforce", is_live=True, currency="EUR", facts=facts)
        self._paused: dict[str, float] = {}
        self._praised: dict[str, float] = {}

    def fates(self) -> Iterator[_Fate]:
        """Run to the end."""
        board, every = Board(), self._every
        hours = self._paths.spend.shape[1]
        for hour in range(every, int(self._starts.max()) + hours + 1, every):
            now = MONDAY + hour * HOUR
            readings = [self._reading(index, hour, now) for index in self._running(hour)]
            context = self._context._replace(reached=_at(now), archived=self._ended(hour))
            board, actions = step(board, Inputs(readings, (), self._decisions(hour, now)), context, now)
            self._note(actions, hour)
        for name, ratio in zip(self._names, self._ratios, strict=True):
            yield _Fate(float(ratio), self._paused.get(name), self._praised.get(name))

    def _ended(self, hour: int) -> frozenset[str]:
        """Campaigns of before, once the first of these begins."""
        before = len(self._names) - self._trial.size
        return frozenset(self._names[:before] if hour > self._starts[before:].min() else ())

    def _running(self, hour: int) -> Iterator[int]:
        hours = self._paths.spend.shape[1]
        for index, name in enumerate(self._names):
            if 0 < hour - self._starts[index] <= hours and name not in self._paused:
                yield index

    def _decisions(self, hour: int, now: int) -> Sequence[BudgetDecision]:
        """An operator who pauses and resumes."""
        every = self._world.renewed_days * 24
        found = []
        for index in self._running(hour) if every else ():
            age = hour - int(self._starts[index])
            verb = {0: "pause", self._every: "resume"}.get(age % every) if age >= every else None
            if verb is not None:
                name = self._names[index]
                found.append(
                    BudgetDecision(
                        decision_id=f"{verb}-{hour}-{name}",
                        campaign_id=name,
                        verb="pause" if verb == "pause" else "resume",
                        occurred_at=now,
                    )
                )
        return found

    def _reading(self, index: int, hour: int, now: int) -> CampaignKpi:
        hours, when = hour - int(self._starts[index]), format_instant(now)
        known, matched = self._known(index, hours, now)
        return CampaignKpi(
            campaign_id=self._names[index],
            channel=None,
            model="declared",
            window="total",
            window_start=None,
            window_end=None,
            stage="update",
            revision=hour,
            currency="EUR",
            sums=self._sums(index, hours, hours),
            known_spend=known,
            matched_sums=matched,
            other_basis=OtherBasis(impressions=0, clicks=0, spend_micros=0),
            kpis={},
            watermark=when,
            published_at=when,
        )

    def _known(self, index: int, hours: int, now: int) -> tuple[KnownSpend | None, MatchedSums | None]:
        """What reports say at the end of a campaign's first ``hours``."""
        known = self._world.known_hours(hours)
        if self._world.reports == "live" or not known:
            return None, None
        first = max(0, known - 24)
        sums, until = self._sums(index, hours, known), now - (hours - known) * HOUR
        total = sums.spend_micros or 0
        before = self._sums(index, first + self._world.report_delay, first).spend_micros or 0 if first else 0
        spend = KnownSpend(
            until=format_instant(until),
            since=format_instant(until - (known - first) * HOUR),
            spend_micros=total - before,
            total_micros=total,
            is_by_hour=self._world.reports == "hourly",
        )
        return spend, MatchedSums(until=spend.until, sums=sums)

    def _sums(self, index: int, reported: int, hours: int) -> Sums:
        """What reports of the first ``reported`` hours say, beside what the first ``hours`` have brought."""
        paths, at = self._paths, hours - 1
        given = _NOTHING | {"spend_micros": round(paths.spend[index, reported - 1] * _COST * MICROS)}
        results = int(paths.results[index, at])
        if self._world.target == "cpl":
            return Sums(**given | {"leads": results})
        money = (
            round(float(amounts[index, at]) * _VALUE * MICROS) for amounts in (paths.value, paths.refunds)
        )
        revenue, refunds = money
        return Sums(**given | {"orders": results, "revenue_micros": revenue, "refunds_micros": refunds})

    def _note(self, actions: Sequence[BudgetAction], hour: int) -> None:
        for action in actions:
            days = (hour - int(self._starts[int(action.campaign_id[1:])])) / 24
            spent = days * self._world.results_per_day
            if action.rule == "graduate":
                self._praised.setdefault(action.campaign_id, spent)
            if action.rule.startswith("evidence:"):
                self._paused.setdefault(action.campaign_id, spent)


def _looks_of(world: World) -> int:
    return next(looks for looks in (1, 2, 4, 8, 24) if looks >= min(24, world.results_per_day))


def _at(now: int) -> Callable[[str], int | None]:
    return lambda _: now


def _outcome(world: World, boards: Sequence[Sequence[_Fate]]) -> Outcome:
    every = [fate for board in boards for fate in board]
    healthy = [fate for fate in every if fate.ratio == 1]
    better = [fate for fate in every if fate.ratio < 1]
    bad = [fate for fate in every if fate.ratio > 1]
    spent = np.array([np.inf if fate.spent is None else fate.spent - world.turns_after for fate in bad])
    praised = np.array([np.inf if fate.praised is None else fate.praised for fate in better])
    false_shares = []
    for board in boards:
        paused = [fate.ratio <= 1 for fate in board if fate.spent is not None]
        false_shares.append(sum(paused) / max(1, len(paused)))
    return Outcome(
        world=world.name,
        healthy=len(healthy),
        bad=len(bad),
        paused=_share(fate.spent is not None for fate in healthy),
        praised=_share(fate.praised is not None for fate in healthy),
        boards_hit=_share(any(f.spent is not None and f.ratio <= 1 for f in board) for board in boards),
        false_share=float(np.mean(false_shares)) if false_shares else 0.0,
        caught=_share(fate.spent is not None for fate in bad),
        median=_quantile(spent, 0.5),
        p95=_quantile(spent, 0.95),
        better=len(better),
        recognised=_share(fate.praised is not None for fate in better),
        praise_median=_quantile(praised, 0.5),
    )


def _share(claims: Iterator[bool]) -> float:
    found = list(claims)
    return sum(found) / len(found) if found else 0.0


def _quantile(spent: np.ndarray, share: float) -> float | None:
    if not len(spent):
        return None
    found = float(np.quantile(spent, share, method="higher"))
    return found if np.isfinite(found) else None

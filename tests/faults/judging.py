"""The verdict on a sequence: waits for exact figures, then looks at every record ever published."""

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from metrics.kpis.compose import DECLARED
from streams import topics
from streams.settings import Settings
from tests.faults import checks
from tests.faults.faults import Scene
from tests.faults.fleet import Fleet
from tests.faults.words import wrong_actions
from tests.faults.workload import HOUR_MS, MINUTE_MS, gaps, latest_event, read_back, registered
from tests.support.oracles.cells import Expected
from tests.support.oracles.journeys import Reach
from tests.support.outside import ledgers, published

_SETTLES_WITHIN_S = 120


@dataclass
class Verdict:
    """What came of a sequence."""

    seed: int
    brokers: int
    faults: list[str]
    models: int = 0
    workers: int = 0
    shape: str = ""
    passed: bool = False
    seconds: float = 0.0
    settled_s: float = 0.0
    problems: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def judge(scene: Scene, settings: Settings, verdict: Verdict, load: Any) -> None:
    """Wait until the figures are exact, and note whatever is wrong."""
    mended = time.monotonic()
    log = read_back(settings)
    wanted = _wanted(settings, log)
    # A worker whose clock is an hour ahead takes what is said now for old.
    has_true_clocks = "clock_jumped" not in verdict.faults
    last: list[str] = []

    def is_settled() -> bool:
        last[:] = _unsettled(scene.fleet, settings, log, wanted)
        last[:] = last or _wrong_actions(settings, load, is_complete=has_true_clocks)
        return not last

    def settles_slowly() -> bool:
        time.sleep(0.4)  # each look reads whole topics
        return is_settled()

    is_exact = scene.fleet.wait("exact figures", settles_slowly, _SETTLES_WITHIN_S)
    verdict.settled_s = round(time.monotonic() - mended, 1)
    records = _by_model(settings)
    problems = [] if is_exact else list(last)
    for model, mine in records.items():
        fields = checks.GROWING if model == DECLARED else checks.HAPPENED
        found = checks.falling_revisions(mine) + checks.falling_totals(mine, fields) + checks.reopened(mine)
        problems += [f"{model}: {each}" for each in found]
    problems += gaps(log, load) + _wrong_views(scene, settings, wanted.declared)
    verdict.problems = problems[:30]
    verdict.counts = _counts(log, [record for mine in records.values() for record in mine])
    scene.say(
        f"exact after {verdict.settled_s} s; {verdict.counts}" if not problems else f"WRONG: {problems[:5]}"
    )


def _wrong_actions(settings: Settings, load: Any, *, is_complete: bool) -> list[str]:
    return wrong_actions(published(settings, topics.BUDGET_ACTIONS), load, is_complete=is_complete)


class _Wanted(NamedTuple):
    """The oracle's sums, and its credits in each view that it computes."""

    declared: Expected
    credits: dict[str, Expected]


def _wanted(settings: Settings, log: Any) -> _Wanted:
    reach = Reach(settings.lookback, settings.view_through_lookback, settings.half_life)
    views = settings.attribution_models
    return _Wanted(
        checks.expected(log, registered()), checks.expected_credits(log, registered(), views, reach)
    )


def _by_model(settings: Settings) -> dict[str, checks.Published]:
    """Every reading ever published, by its model."""
    found: dict[str, checks.Published] = {model: [] for model in (DECLARED, *settings.attribution_models)}
    for record in published(settings, model=None):
        found[record["model"]].append(record)
    return found


def _unsettled(fleet: Fleet, settings: Settings, log: Any, wanted: _Wanted) -> list[str]:
    """What is not yet as it must end."""
    if not fleet.all_ready():
        return ["not every worker is ready"]
    prefix = settings.topic_prefix
    ledger = {
        (topic.removeprefix(prefix), partition): outcomes
        for (topic, partition), outcomes in ledgers(fleet.living).items()
    }
    found = checks.wrong_ledger(ledger, log)
    if not found:
        letters = [
            letter | {"topic": letter["topic"].removeprefix(prefix)}
            for letter in published(settings, topics.DEAD_LETTERS)
        ]
        found = checks.wrong_dead_letters(letters, log)
    if found:
        return found
    # In a replay nobody falls idle, so the last windows stay open.
    still_open = settings.grace + (HOUR_MS if settings.idle_after > MINUTE_MS else 0)
    reached = latest_event(log)
    for model, records in _by_model(settings).items():
        found = _wrong(model, records, wanted) or checks.unclosed(records, still_open, reached)
        if found:
            return [f"{model}: {each}" for each in found]
    return []


def _wrong(model: str, records: checks.Published, wanted: _Wanted) -> list[str]:
    if model == DECLARED:
        return checks.wrong_figures(records, wanted.declared)
    if model in wanted.credits:
        return checks.wrong_credits(records, wanted.credits[model])
    return checks.uncounted(records, wanted.declared)


def _wrong_views(scene: Scene, settings: Settings, wanted: Any) -> list[str]:
    """Redis came back empty and must hold every total again."""
    if settings.redis_url is None:
        return []
    campaigns = {campaign for campaign, window, _ in wanted if window == "total"}

    def has_all() -> bool:
        return campaigns <= set(scene.cache.totals(settings))

    if not scene.fleet.wait("Redis is full again", has_all, 30):
        return [f"Redis lacks the totals of {sorted(campaigns - set(scene.cache.totals(settings)))}"]
    return []


def _counts(log: Any, records: list[dict[str, Any]]) -> dict[str, int]:
    stages = [record["stage"] for record in records]
    return {
        "read": sum(len(values) for values in log.values()),
        "published": len(records),
        **{stage: stages.count(stage) for stage in ("final", "correction")},
    }

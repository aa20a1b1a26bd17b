"""What a worker shows of itself: the snapshot behind ``/metrics`` and the answer of ``/readyz``."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from metrics.budget.records import ActionVerb, Mode
from metrics.budget.state import Board, CampaignState
from metrics.budget.views import columns_of
from metrics.exposition import (
    BoardSnapshot,
    CardSnapshot,
    DifferenceRow,
    LedgerRow,
    RollupSnapshot,
    WorkerSnapshot,
)
from metrics.kpis.rollups import RollupGroup
from metrics.records.kpi_reading import RollupKpi
from metrics.sums.applied_figures import AppliedFigures
from streams import topics
from streams.runtime.task_manager import TaskManager
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.sinks.campaign_series import CampaignSeries
from streams.stages.budget.stage import BOARD_PARTITION, BudgetViews
from streams.stages.intake.ledger import LedgerCounts
from streams.stages.intake.stage import IntakeViews
from streams.stages.merge.stage import MergeViews
from streams.state.checkpoint import Checkpoint

if TYPE_CHECKING:
    from streams.sinks.redis_readings import RedisViews


class MetricsSnapshots:
    """Freezes the worker's state for other threads; runs on the event loop."""

    def __init__(
        self,
        settings: Settings,
        processor: TaskManager,
        telemetry: Telemetry,
        views: "RedisViews | None",
        now: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._processor = processor
        self._telemetry = telemetry
        self._views = views
        self._now = now
        self._series = CampaignSeries(settings, processor.campaign_registry)
        #: By partition, as last confirmed: a crash takes back what was merely taken in.
        self._ledgers: dict[int, Mapping[str, LedgerCounts]] = {}
        #: By stage and partition, what should be counted less what is.
        self._differences: dict[tuple[str, int], AppliedFigures] = {}
        self._stored_board = Board()
        #: Actions that were confirmed since this worker holds the board, by verb and mode.
        self._taken: Counter[tuple[str, str]] = Counter()
        #: Set from outside, now and then.
        self.is_broker_reachable = True

    def confirmed(self, checkpoint: Checkpoint) -> None:
        """Keep what pages show of a checkpoint."""
        views = checkpoint.views
        if isinstance(views, IntakeViews):
            self._ledgers[checkpoint.partition] = views.ledger
            self._differences["intake", checkpoint.partition] = views.difference
        elif isinstance(views, MergeViews):
            self._series.confirmed(checkpoint.partition, views)
            columns = zip(*views.differences.values(), strict=True)
            if views.differences:
                added = AppliedFigures(*(sum(map(abs, column)) for column in columns))
                self._differences["merge", checkpoint.partition] = added
        elif isinstance(views, BudgetViews):
            self._stored_board = views.board
            self._taken.update((action.verb, action.mode) for action in views.actions)

    def released(self, partitions: Iterable[int]) -> None:
        """Forget what was kept of partitions."""
        gone = set(partitions)
        self._series.released(gone)
        for partition in gone:
            self._ledgers.pop(partition, None)
            for stage in ("intake", "merge"):
                self._differences.pop((stage, partition), None)
        if BOARD_PARTITION in gone:
            self._stored_board, self._taken = Board(), Counter()

    def choose_series(self) -> None:
        """Choose which campaigns have series; pages show the choice."""
        stages = [held.merge.stage for held in self._processor.held.values()]
        self._series.choose(stages, self._now())

    def snapshot(self) -> WorkerSnapshot:
        """The worker at this moment; archived campaigns are left out."""
        campaign_registry = self._processor.campaign_registry
        self._telemetry.registry_sizes = {
            topics.CAMPAIGNS: len(campaign_registry.campaigns),
            topics.FX_RATES: len(campaign_registry.rates),
        }
        now = self._now()
        campaigns, folded = self._series.snapshots(
            [held.merge.stage for held in self._processor.held.values()]
        )
        redis = None if self._views is None else self._views.health
        return WorkerSnapshot(
            now_ms=now,
            currency=self._settings.reporting_currency,
            campaigns=campaigns,
            folded=folded,
            board=self._board(now),
            rollups=list(self._rollups()),
            cohorts=self._series.cohorts(),
            pipeline=self._telemetry.snapshot(
                *(now, list(self._ledger()), redis),
                is_ready=self.readiness()[0],
                differences=list(self._difference_rows()),
            ),
        )

    def readiness(self) -> tuple[bool, dict[str, Any]]:
        """Whether the worker is ready, and what a person must know of it."""
        processor = self._processor
        reasons = []
        if processor.recovering:
            read, end = map(sum, zip(*(task.recovery for task in processor.recovering), strict=True))
            share = f"{100 * read // end} %" if end else "starting"
            reasons.append(f"the state is being read back: {share}")
        elif not processor.is_ready:
            reasons.append("no partitions are assigned and recovered yet")
        reasons += [each.sentence for each in processor.progress.standstills()]
        if not self.is_broker_reachable:
            reasons.append(f"the broker at {', '.join(self._settings.bootstrap)} does not answer")
        if self._views is not None and self._views.refusal is not None:
            reasons.append(self._views.refusal.removesuffix("."))
        is_redis_up = self._views is None or self._views.health.is_up
        facts: dict[str, Any] = {
            "ready": not reasons,
            "reasons": reasons,
            "partitions": sorted(processor.held),
            "redis": "off" if self._views is None else "up" if is_redis_up else "down",
        }
        if self._views is not None and not is_redis_up:
            facts["redis_error"] = self._views.last_error
        return not reasons, facts

    def _rollups(self) -> Iterator[RollupSnapshot]:
        """The latest readings of each roll-up in the models and windows that gauges show."""
        models, windows = self._settings.gauge_models, list[str](self._settings.gauge_windows)
        found: dict[RollupGroup, dict[tuple[str, str], RollupKpi]] = {}
        for held in self._processor.held.values():
            for (group, model), latest in held.merge.stage.rollups.latest.items():
                if model in models:
                    shown = {(model, window): latest[window] for window in windows if window in latest}
                    found.setdefault(group, {}).update(shown)
        for group, readings in found.items():
            yield RollupSnapshot(dimension=group.dimension, value=group.value, readings=readings)

    def _board(self, now: int) -> BoardSnapshot | None:
        held = self._processor.board
        if held is None:
            return None
        controller, board = held.stage, self._stored_board
        columns = columns_of(board, controller.policies)
        return BoardSnapshot(
            columns={str(name): (view.count, view.sum_micros) for name, view in columns.items()},
            committed_micros=board.committed,
            actions=dict(self._taken),
            is_live=controller.is_live,
            is_breaker_open=now < board.open_until,
            cards=[
                _card(state, controller.campaign_registry.facts(state.campaign_id).channel, controller.mode)
                for state in self._largest(list(board.campaigns.values()))
            ],
        )

    def _largest(self, states: list[CampaignState]) -> list[CampaignState]:
        """Campaigns of the board that have series: the largest by spend, no more than elsewhere."""
        shown = [state for state in states if state.column != "archived"]
        if len(shown) > self._settings.max_campaign_series:
            shown.sort(key=lambda state: (-state.spent, state.campaign_id))
        return shown[: self._settings.max_campaign_series]

    def _difference_rows(self) -> Iterator[DifferenceRow]:
        for (stage, partition), difference in self._differences.items():
            for figure, value in difference._asdict().items():
                yield DifferenceRow(stage, partition, figure, value)

    def _ledger(self) -> Iterator[LedgerRow]:
        for partition, held in self._processor.held.items():
            for topic, counts in self._ledgers.get(partition, {}).items():
                yield LedgerRow(
                    self._settings.topic(topic),
                    partition,
                    counts.applied,
                    counts.duplicate,
                    counts.rejected,
                    counts.too_late,
                    held.intake.stage.unaccounted(topic),
                    counts.conflict,
                )


def _card(state: CampaignState, channel: str | None, mode: Mode) -> CardSnapshot:
    """A campaign on the board; counts begin at 0, so that the first action is an increase."""
    actions = {(str(verb), str(mode)): 0 for verb in get_args(ActionVerb)}
    for key, count in state.taken.items():
        verb, _, how = key.partition("|")
        actions[verb, how] = count
    hold = state.hold
    return CardSnapshot(
        campaign_id=state.campaign_id,
        channel=channel,
        column=state.column,
        actions=actions,
        hold_owner=None if hold is None else hold.owner,
        hold_expires_ms=None if hold is None else hold.expires_at,
        evidence=state.evidence,
        e_value_needed=0.0 if state.latest is None else state.latest.needed,
    )

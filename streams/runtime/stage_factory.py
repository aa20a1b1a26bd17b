"""Stages as the settings want them, each in an empty store."""

from collections.abc import Callable

from metrics.entities.campaigns import CampaignRegistry
from metrics.records.refusal_limit import Acceptance, RefusalLimit
from streams.runtime.telemetry import Telemetry
from streams.settings import Settings
from streams.stages.budget.stage import BudgetStage
from streams.stages.intake.stage import IntakeOptions, IntakeStage
from streams.stages.merge.stage import MergeOptions, MergeStage, Pace
from streams.state.settings_table import SettingsTable
from streams.state.store import StateStore

#: Conversions are credited together, so many publish intervals apart; readings of models go out every tenth.
_CREDITED_EVERY = 2


class StageFactory:
    """Builds the stages of partitions; those of one worker share registry, rates of publication, and counters.

    Args:
        settings: of the worker.
        campaign_registry: campaigns and rates.
        telemetry: counts what stages refuse and send.
        now: the wall clock, in epoch ms.
        accept_dead_letters: so many records may be refused past the limit of dead letters.
    """

    def __init__(
        self,
        settings: Settings,
        campaign_registry: CampaignRegistry,
        telemetry: Telemetry,
        now: Callable[[], int],
        accept_dead_letters: int,
    ) -> None:
        self._settings = settings
        self._campaign_registry = campaign_registry
        self._telemetry = telemetry
        self._now = now
        self._acceptance = Acceptance(accept_dead_letters)
        self._pace = Pace.of(settings.max_publish_rate)
        self._intake_options = IntakeOptions(
            settings.partitions,
            settings.max_future,
            settings.dedupe_window,
            settings.dedupe_max_events,
            settings.order_retention,
            rules=settings.rules,
            refit_interval=settings.refit_interval,
            credit_interval=_CREDITED_EVERY * settings.publish_interval,
            topic_prefix=settings.topic_prefix,
            key_rule=settings.key_rule,
            refusal_limit=RefusalLimit(settings.dead_letters_in_a_row, settings.dead_letter_share),
            report_delays=settings.delays_by_source,
            names=settings.reserved_names,
            are_customers_sent_home=settings.rekey != "off",
            earliest=settings.earliest_event_time,
            customer_retention=settings.customer_retention or 0,
            zone=settings.zone,
            customer_cohorts=settings.customer_cohorts,
        )
        self._merge_options = MergeOptions(
            settings.partitions,
            settings.grace,
            settings.publish_interval,
            settings.zone,
            settings.reporting_currency,
            settings.rules.models,
            tuple(settings.rollups),
            settings.max_rollup_values,
            settings.report_rules,
            settings.topic_prefix,
            settings.customer_retention or 0,
            settings.customer_cohorts,
            settings.rules.customer_models,
        )

    def intake(self, partition: int) -> StateStore[IntakeStage]:
        """Intake of a partition."""
        stage = IntakeStage(partition, self._intake_options, self._campaign_registry, self._acceptance)
        stage.dead_letters.reasons = stage.refusals.reasons = self._telemetry.dead_letters
        stage.attribution.count_into(self._telemetry.rekeyed)
        stage.dead_letters.changed = self._telemetry.changed
        stage.keys.found = self._telemetry.keys
        return StateStore(stage, self._now(), self._settings_table())

    def merge(self, partition: int) -> StateStore[MergeStage]:
        """Merge of a partition."""
        stage = MergeStage(partition, self._merge_options, self._campaign_registry, self._pace)
        return StateStore(stage, self._now(), self._settings_table())

    def board(self, local: Callable[[int], int | None]) -> StateStore[BudgetStage]:
        """The budget stage; ``local`` is the watermark of a partition that is merged in this process."""
        settings = self._settings
        stage = BudgetStage(
            settings.policies,
            settings.budget_mode,
            settings.reporting_currency,
            self._campaign_registry,
            settings.partitions,
            self._now,
            local,
            settings.topic_prefix,
            self._telemetry.dead_letters,
        )
        return StateStore(stage, self._now(), self._settings_table())

    def _settings_table(self) -> SettingsTable:
        return SettingsTable(self._settings.kept_values, self._now())

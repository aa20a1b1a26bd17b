"""The campaigns of a worker for ``/metrics``: the largest as they are, the others as sums.

Nothing is made for each campaign that has no series of its own, so a page costs what it shows. Who has series is chosen
now and then, not by a page: a page changes nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.report_history import ReportHistory
from metrics.exposition import (
    CampaignSnapshot,
    CohortSnapshot,
    CustomerTotals,
    FoldedSnapshot,
    SeriesLimit,
)
from metrics.kpis.compose import CREDITS, DECLARED, credited
from metrics.kpis.since_lead import SinceLead, spend_since_last_lead
from metrics.records.kpi_reading import CampaignKpi, Sums
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import FIELDS, Codes, Integers
from metrics.values.money import MICROS
from metrics.windows.campaign_windows import CampaignWindows
from metrics.windows.window_kinds import ROLLING, TOTAL_WINDOW
from streams.settings import Settings
from streams.sinks.customer_series import CustomerSeries
from streams.stages.merge.stage import MergeStage, MergeViews

_POSITIONS = {kind.name: position for position, kind in enumerate(ROLLING)}
_SPEND = FIELDS.index("spend_micros")
#: Fields of ``Sums`` that are fields of ``Tally``, too.
_SUMMED = tuple(name for name in Sums.__struct_fields__ if name in FIELDS)

#: Sums of ``FoldedSnapshot``.
_Sums = dict[tuple[str, str, str], dict[str, int | float]]


class LatestReadings(dict[tuple[str, str], dict[str, CampaignKpi]]):
    """By campaign and model, and window: of campaigns that were asked for, or else of the first ones.

    A reading takes kilobytes, and there may be many campaigns.

    Args:
        limit: how many the first ones are.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self._kept: Collection[str] | None = None

    def put(self, reading: CampaignKpi) -> None:
        """The newest reading of one window."""
        key = (reading.campaign_id, reading.model)
        known = self.get(key)
        if known is not None:
            known[reading.window] = reading
        elif len(self) < self.limit if self._kept is None else reading.campaign_id in self._kept:
            self[key] = {reading.window: reading}

    def keep(self, campaigns: Collection[str] | None) -> list[str]:
        """From now on readings of these campaigns are kept, in every model; None: of the first ones.

        Returns:
            Campaigns of which there are no readings yet.
        """
        self._kept = campaigns
        if campaigns is None:
            return []
        for key in [key for key in self if key[0] not in campaigns]:
            del self[key]
        return [campaign for campaign in campaigns if (campaign, DECLARED) not in self]


class _Held(NamedTuple):
    """The campaigns of one merge partition that are not archived.

    Attributes:
        codes: all of them.
        own: those whose readings are not simply the sums of their events: they count by reports, or have other cost.
        spent: micros that each of ``codes`` has spent in 24 h.
    """

    stage: MergeStage
    codes: Codes
    own: Codes
    spent: Integers


class CampaignSeries:
    """Chooses who has series, and sums up the others."""

    def __init__(self, settings: Settings, campaign_registry: CampaignRegistry) -> None:
        self._settings = settings
        self._campaign_registry = campaign_registry
        self._folding = SeriesLimit(settings.max_campaign_series)
        self._latest: dict[int, LatestReadings] = {}
        self._customers = CustomerSeries(campaign_registry, settings.max_rollup_values)

    def confirmed(self, partition: int, views: MergeViews) -> None:
        """Readings were given out."""
        latest = self.latest_of(partition)
        for reading in views.readings:
            latest.put(reading)
        self._customers.confirmed(partition, views)

    def released(self, partitions: Iterable[int]) -> None:
        """Partitions were given up."""
        partitions = set(partitions)
        self._customers.released(partitions)
        for partition in partitions:
            self._latest.pop(partition, None)

    def latest_of(self, partition: int) -> LatestReadings:
        """The latest readings of a merge partition."""
        latest = self._latest.get(partition)
        if latest is None:
            limit = self._folding.limit * (1 + len(self._settings.rules.models))
            latest = self._latest[partition] = LatestReadings(limit)
        return latest

    def choose(self, stages: Sequence[MergeStage], now: int) -> None:
        """Choose who has series; of who is new to them the next checkpoints give readings."""
        held = [self._hold(stage) for stage in stages]
        chosen = self._folding.choose(self._candidates(held), now)
        for each in held:
            kept = self._kept(each, self._shown(each, chosen))
            missing = self.latest_of(each.stage.partition).keep(kept)
            if missing:
                each.stage.show(missing)

    def cohorts(self) -> list[CohortSnapshot]:
        """The customers of the newest months by channel, also of campaigns that are archived."""
        return self._customers.cohorts()

    def snapshots(self, stages: Sequence[MergeStage]) -> tuple[list[CampaignSnapshot], FoldedSnapshot]:
        """The campaigns with series of their own, and all others together."""
        held = [self._hold(stage) for stage in stages]
        do_all_fit = sum(len(each.codes) for each in held) <= self._folding.limit
        kept: list[CampaignSnapshot] = []
        sums: _Sums = {}
        customers: list[CustomerTotals] = []
        uncertain: set[tuple[str, str]] = set()
        for each in held:
            shown = each.codes if do_all_fit else self._shown(each, self._folding.kept)
            kept += self._snapshots(each.stage, shown)
            others = np.setdiff1d(each.codes, shown)
            self._fold(sums, uncertain, each, others)
            customers += self._folded_customers(each.stage, others)
        count = sum(len(each.codes) for each in held) - len(kept)
        return kept, FoldedSnapshot(
            count=count, sums=sums, customers=customers, uncertain=frozenset(uncertain)
        )

    # --- who has series ------------------------------------------------------------------------------

    def _hold(self, merge: MergeStage) -> _Held:
        campaign_codes, everyone = merge.campaign_codes, merge.campaign_codes.everyone
        codes = everyone[~campaign_codes.are_models(everyone) & merge.merged_windows.are_known(everyone)]
        codes = np.setdiff1d(codes, _codes(merge, self._campaign_registry.archived))
        own = np.intersect1d(
            codes,
            _codes(
                merge,
                (
                    name
                    for name, facts in self._campaign_registry.campaigns.items()
                    if facts.is_reported or facts.other_cost_micros
                ),
            ),
        )
        latest = self.latest_of(merge.partition)
        spent = merge.merged_windows.rolling(_POSITIONS["24h"], codes).values[_SPEND]
        for position in np.flatnonzero(np.isin(codes, own)).tolist():
            spent[position] = _spent(latest.get((campaign_codes.names[codes[position]], DECLARED), {}))
        return _Held(merge, codes, own, spent)

    def _candidates(self, held: Sequence[_Held]) -> dict[str, int]:
        """Those of each partition that have spent most, and those who have series now; what each has spent."""
        found: dict[str, int] = {}
        most = self._folding.limit
        for stage, codes, _, spent in held:
            names = stage.campaign_codes.names
            positions = np.arange(len(codes))
            if len(codes) > most:
                first = np.lexsort((codes, -spent))[:most]
                staying = np.flatnonzero(np.isin(codes, _codes(stage, self._folding.kept)))
                positions = np.union1d(first, staying)
            found.update((names[codes[position]], int(spent[position])) for position in positions.tolist())
        return found

    def _kept(self, held: _Held, shown: Codes) -> frozenset[str] | None:
        """Whose readings a page needs; None where there is room for all."""
        merge = held.stage
        if len(merge.campaign_codes) <= self.latest_of(merge.partition).limit:
            return None
        names = merge.campaign_codes.names
        return frozenset(names[code] for code in np.union1d(shown, held.own).tolist())

    def _shown(self, held: _Held, chosen: frozenset[str]) -> Codes:
        return np.intersect1d(held.codes, _codes(held.stage, chosen))

    # --- as they are ---------------------------------------------------------------------------------

    def _snapshots(self, merge: MergeStage, codes: Codes) -> Iterator[CampaignSnapshot]:
        readings_of = self.latest_of(merge.partition)
        since_lead = spend_since_last_lead(merge.merged_windows, codes)
        for code, counters, since in zip(codes.tolist(), merge.totals(codes), since_lead, strict=True):
            campaign_id = merge.campaign_codes.names[code]
            facts = self._campaign_registry.facts(campaign_id)
            record = facts.registered
            reports = CampaignWindows(merge.merged_windows, code).report_history
            latest = readings_of.get((campaign_id, DECLARED), {})
            watermark = merge.clock.watermark
            seen = reports.seen_until if facts.is_reported else watermark
            complete = None if seen is None or watermark is None else min(seen, watermark)
            yield CampaignSnapshot(
                campaign_id=campaign_id,
                channel=facts.channel,
                name=record.name if record else None,
                target=record.target if record else None,
                offer=record.offer if record else None,
                objective=record.objective if record else None,
                status=record.status if record else None,
                budget_micros=facts.budget_micros,
                counters=counters,
                readings=dict(self._readings(merge, campaign_id)),
                spend_since_last_lead_micros=_reported_since(reports, since)
                if facts.is_reported
                else since.spend_micros,
                watermark_ms=watermark,
                spend_24h_micros=_spent(latest),
                targets_micros=facts.all_targets_micros,
                starts_at_ms=facts.starts_at,
                ends_at_ms=facts.ends_at,
                overlap=reports.overlap if len(reports) else None,
                spend_complete_ms=complete,
                complete_spend_micros=_complete_spend(
                    reports, counters, complete, is_reported=facts.is_reported
                ),
                customers=self._customers.of(merge.partition, campaign_id),
            )

    def _readings(self, merge: MergeStage, campaign_id: str) -> Iterator[tuple[tuple[str, str], CampaignKpi]]:
        """The latest reading of a campaign in each model and window that gauges show."""
        for model in self._settings.gauge_models:
            latest = self.latest_of(merge.partition).get((campaign_id, model), {})
            for window in self._settings.gauge_windows:
                if window in latest:
                    yield (model, window), latest[window]

    def _folded_customers(self, merge: MergeStage, codes: Codes) -> Iterator[CustomerTotals]:
        for code in codes.tolist():
            found = self._customers.of(merge.partition, merge.campaign_codes.names[code])
            if found is not None:
                yield found

    # --- as sums -------------------------------------------------------------------------------------

    def _fold(self, into: _Sums, uncertain: set[tuple[str, str]], held: _Held, codes: Codes) -> None:
        merge, currency = held.stage, self._settings.reporting_currency
        for code in np.intersect1d(codes, held.own).tolist():
            for (model, window), reading in self._readings(merge, merge.campaign_codes.names[code]):
                _add(into.setdefault((model, window, currency), {}), _fields(reading.sums))
                if reading.has_uncertain_amounts:
                    uncertain.add((model, window))
        codes = np.setdiff1d(codes, held.own)
        if not len(codes):
            return
        for model in self._settings.gauge_models:
            mine = codes if model == DECLARED else merge.campaign_codes.in_model(codes, model)
            for window in self._settings.gauge_windows:
                sums_of = merge.merged_windows.total
                if window != TOTAL_WINDOW:
                    sums_of = partial(merge.merged_windows.rolling, _POSITIONS[window])
                total = credited(sums_of(codes), sums_of(mine)).total()
                scale = 1 if model == DECLARED else MICROS
                sums = {name: getattr(total, name) for name in _SUMMED}
                sums |= {name: sums[name] / scale for name in CREDITS if scale > 1}
                _add(into.setdefault((model, window, currency), {}), sums)
                if total.uncertain_amounts > 0:
                    uncertain.add((model, window))


def _codes(merge: MergeStage, names: Iterable[str]) -> Codes:
    """The codes of campaigns that the partition knows."""
    found = (merge.campaign_codes.find(name) for name in names)
    return np.array([code for code in found if code is not None], dtype=np.int32)


def _reported_since(reports: ReportHistory, lead: SinceLead) -> int:
    """Micros that reports give for the time since the last lead; of all of their time where no lead is kept."""
    if lead.since is None or reports.seen_until is None:
        return reports.total.spend_micros
    return reports.share(lead.since, max(lead.since, reports.seen_until), short_only=False).spend_micros


def _complete_spend(
    reports: ReportHistory, events: Tally, until: int | None, *, is_reported: bool
) -> int | None:
    """Micros spent by the instant up to which spend is known."""
    if until is None:
        return None
    return reports.before(until).spend_micros if is_reported else events.spend_micros


def _spent(latest: Mapping[str, CampaignKpi]) -> int:
    day = latest.get("24h") or latest.get(TOTAL_WINDOW)
    return (day.sums.spend_micros if day else None) or 0


def _fields(sums: Sums) -> dict[str, int | float]:
    fields = msgspec.structs.asdict(sums)
    return {name: value for name, value in fields.items() if value is not None}


def _add(into: dict[str, int | float], sums: Mapping[str, int | float]) -> None:
    for name, value in sums.items():
        into[name] = into.get(name, 0) + value

"""The campaigns of a worker for ``/metrics``: the largest as they are, the others as sums.

Nothing is made for each campaign that has no series of its own, so a page costs what it shows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np

from metrics.attribution.conversion_credit import subject
from metrics.entities.campaigns import CampaignRegistry
from metrics.exposition import CampaignSnapshot, FoldedSnapshot, SeriesLimit
from metrics.kpis.compose import CREDITS, DECLARED, credited
from metrics.kpis.since_lead import spend_since_last_lead
from metrics.records.kpi_reading import CampaignKpi, Sums
from metrics.sums.tally_columns import FIELDS, Codes, Integers
from metrics.values.money import MICROS
from metrics.windows.window_kinds import ROLLING, TOTAL_WINDOW
from streams.settings import Settings
from streams.stages.merge.merge_log import MergeLog
from streams.stages.merge.stage import MergeStage

_PLACES = {kind.name: place for place, kind in enumerate(ROLLING)}
_SPEND = FIELDS.index("spend_micros")
#: Fields of ``Sums`` that are fields of ``Tally``, too.
_SUMMED = tuple(name for name in Sums.__struct_fields__ if name in FIELDS)

#: Sums of ``FoldedSnapshot``.
_Sums = dict[tuple[str, str, str], dict[str, int | float]]


class _Held(NamedTuple):
    """The campaigns of one merge partition that are not archived.

    Attributes:
        codes: all of them.
        own: those whose readings are not simply the sums of their events: they count by reports, or have other cost.
        spent: micros that each of ``codes`` has spent in 24 h.
    """

    stage: MergeLog
    codes: Codes
    own: Codes
    spent: Integers


class CampaignSeries:
    """Chooses who has series, and sums up the others."""

    def __init__(self, settings: Settings, campaign_registry: CampaignRegistry) -> None:
        self._settings = settings
        self._campaign_registry = campaign_registry
        self._folding = SeriesLimit(settings.max_campaign_series)

    def snapshots(
        self, stages: Sequence[MergeLog], now: int
    ) -> tuple[list[CampaignSnapshot], FoldedSnapshot]:
        """The campaigns with series of their own, and all others together."""
        held = [self._hold(stage) for stage in stages]
        chosen = self._folding.choose(self._candidates(held), now)
        kept: list[CampaignSnapshot] = []
        sums: _Sums = {}
        for each in held:
            shown = self._shown(each, chosen)
            each.stage.merge.keep_latest(self._kept(each, shown))
            kept += self._snapshots(each.stage, shown)
            self._fold(sums, each, np.setdiff1d(each.codes, shown))
        return kept, FoldedSnapshot(count=sum(len(each.codes) for each in held) - len(kept), sums=sums)

    # --- who has series ------------------------------------------------------------------------------

    def _hold(self, stage: MergeLog) -> _Held:
        merge = stage.merge
        subjects, everyone = merge.subjects, merge.subjects.everyone
        codes = everyone[~subjects.are_models(everyone) & merge.accounts.are_known(everyone)]
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
        spent = merge.accounts.rolling(_PLACES["24h"], codes).values[_SPEND]
        for place in np.flatnonzero(np.isin(codes, own)).tolist():
            spent[place] = _spent(merge.latest.get(subjects.names[codes[place]], {}))
        return _Held(stage, codes, own, spent)

    def _candidates(self, held: Sequence[_Held]) -> dict[str, int]:
        """Those of each partition that have spent most, and those who have series now; what each has spent."""
        found: dict[str, int] = {}
        most = self._folding.limit
        for stage, codes, _, spent in held:
            names = stage.merge.subjects.names
            places = np.arange(len(codes))
            if len(codes) > most:
                first = np.lexsort((codes, -spent))[:most]
                staying = np.flatnonzero(np.isin(codes, _codes(stage.merge, self._folding.kept)))
                places = np.union1d(first, staying)
            found.update((names[codes[place]], int(spent[place])) for place in places.tolist())
        return found

    def _kept(self, held: _Held, shown: Codes) -> frozenset[str] | None:
        """Whose readings a page needs; None where there is room for all."""
        merge = held.stage.merge
        if len(merge.subjects) <= merge.latest.limit:
            return None
        names = merge.subjects.names
        return frozenset(names[code] for code in np.union1d(shown, held.own).tolist())

    def _shown(self, held: _Held, chosen: frozenset[str]) -> Codes:
        return np.intersect1d(held.codes, _codes(held.stage.merge, chosen))

    # --- as they are ---------------------------------------------------------------------------------

    def _snapshots(self, stage: MergeLog, codes: Codes) -> Iterator[CampaignSnapshot]:
        merge = stage.merge
        since_lead = spend_since_last_lead(merge.accounts, codes)
        for code, counters, spent in zip(codes.tolist(), stage.totals(codes), since_lead, strict=True):
            campaign_id = merge.subjects.names[code]
            facts = self._campaign_registry.facts(campaign_id)
            record = facts.registered
            latest = merge.latest.get(campaign_id, {})
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
                spend_since_last_lead_micros=spent,
                watermark_ms=merge.clock.watermark,
                spend_24h_micros=_spent(latest),
                targets_micros=facts.targets_micros,
                starts_at_ms=facts.starts_at,
                ends_at_ms=facts.ends_at,
                evidence=latest[TOTAL_WINDOW].evidence if TOTAL_WINDOW in latest else {},
            )

    def _readings(self, merge: MergeStage, campaign_id: str) -> Iterator[tuple[tuple[str, str], CampaignKpi]]:
        """The latest reading of a campaign in each model and window that gauges show."""
        for model in self._settings.gauge_models:
            name = campaign_id if model == DECLARED else subject(campaign_id, model)
            latest = merge.latest.get(name, {})
            for window in self._settings.gauge_windows:
                if window in latest:
                    yield (model, window), latest[window]

    # --- as sums -------------------------------------------------------------------------------------

    def _fold(self, into: _Sums, held: _Held, codes: Codes) -> None:
        merge, currency = held.stage.merge, self._settings.reporting_currency
        for code in np.intersect1d(codes, held.own).tolist():
            for (model, window), reading in self._readings(merge, merge.subjects.names[code]):
                _add(into.setdefault((model, window, currency), {}), _fields(reading.sums))
        codes = np.setdiff1d(codes, held.own)
        if not len(codes):
            return
        for model in self._settings.gauge_models:
            mine = codes if model == DECLARED else merge.subjects.in_model(codes, model)
            for window in self._settings.gauge_windows:
                sums_of = merge.accounts.total
                if window != TOTAL_WINDOW:
                    sums_of = partial(merge.accounts.rolling, _PLACES[window])
                total = credited(sums_of(codes), sums_of(mine)).total()
                scale = 1 if model == DECLARED else MICROS
                sums = {name: getattr(total, name) for name in _SUMMED}
                sums |= {name: sums[name] / scale for name in CREDITS if scale > 1}
                _add(into.setdefault((model, window, currency), {}), sums)


def _codes(merge: MergeStage, names: Iterable[str]) -> Codes:
    """The codes of campaigns that the partition knows."""
    found = (merge.subjects.find(name) for name in names)
    return np.array([code for code in found if code is not None], dtype=np.int32)


def _spent(latest: Mapping[str, CampaignKpi]) -> int:
    day = latest.get("24h") or latest.get(TOTAL_WINDOW)
    return (day.sums.spend_micros if day else None) or 0


def _fields(sums: Sums) -> dict[str, int | float]:
    fields = msgspec.structs.asdict(sums)
    return {name: value for name, value in fields.items() if value is not None}


def _add(into: dict[str, int | float], sums: Mapping[str, int | float]) -> None:
    for name, value in sums.items():
        into[name] = into.get(name, 0) + value

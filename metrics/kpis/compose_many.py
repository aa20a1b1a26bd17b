"""Composing the readings of many campaigns at once, each also in the attribution models."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from metrics.entities.campaigns import CampaignRegistry
from metrics.kpis.compose import DECLARED, Matched, ReadingVersion, compose, credit, matched_until
from metrics.records.kpi_reading import CampaignKpi, Stage
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes
from metrics.windows.campaign_windows import CampaignWindows, MergedWindows
from metrics.windows.publish_schedule import WindowCampaigns
from metrics.windows.window_kinds import BY_NAME, ROLLING, TOTAL_WINDOW, Span


class ReadingComposer:
    """Makes readings of what is kept of the campaigns of one merge partition.

    Args:
        merged_windows: what is kept of them.
        campaign_registry: what is registered of them.
    """

    def __init__(self, merged_windows: MergedWindows, campaign_registry: CampaignRegistry) -> None:
        self._windows = merged_windows
        self._campaign_registry = campaign_registry

    def of_windows(
        self, windows: Sequence[WindowCampaigns], stage: Stage, version: ReadingVersion
    ) -> Iterator[CampaignKpi]:
        """The readings of tumbling windows and totals."""
        if not windows:
            return
        totals = self._totals(np.unique(np.concatenate([each.codes for each in windows])))
        for window, start, codes in windows:
            if window == TOTAL_WINDOW:
                span, tallies = None, [totals[code] for code in codes.tolist()]
            else:
                kind = BY_NAME[window]
                span = Span(start, start + kind.length)
                tallies = self._seen(codes, partial(self._windows.tumbling_tallies, kind, start))
            yield from self._compose(window, span, codes, tallies, totals, stage, version)

    def of_rolling_windows(
        self, codes: Codes, spans: Sequence[Span], version: ReadingVersion
    ) -> Iterator[tuple[CampaignKpi, ...]]:
        """Of each campaign the reading of ``total``, and those of the rolling windows once there is a watermark."""
        totals = self._totals(codes)
        whole = [totals[code] for code in codes.tolist()]
        windows = [self._compose(TOTAL_WINDOW, None, codes, whole, totals, "update", version)]
        for index, (kind, span) in enumerate(zip(ROLLING, spans, strict=False)):
            tallies = self._seen(codes, partial(self._rolling, index))
            windows.append(
                self._compose(kind.name, span, codes, tallies, totals, "update", version, is_rolling=True)
            )
        return zip(*windows, strict=True)

    def _rolling(self, index: int, codes: Codes) -> list[Tally]:
        return self._windows.rolling(index, codes).as_list()

    def _total(self, codes: Codes) -> list[Tally]:
        return self._windows.total(codes).as_list()

    def _totals(self, codes: Codes) -> dict[int, Tally]:
        """Sums of the whole history by code."""
        return dict(zip(codes.tolist(), self._seen(codes, self._total), strict=True))

    def _seen(self, codes: Codes, tallies_of: Callable[[Codes], list[Tally]]) -> list[Tally]:
        """Sums of campaigns; those in models with impressions, clicks and spend of their campaign."""
        found, campaign_codes = tallies_of(codes), self._windows.campaign_codes
        positions = np.flatnonzero(campaign_codes.are_models(codes))
        if len(positions):
            events = tallies_of(campaign_codes.campaigns(codes[positions]))
            for position, tally in zip(positions.tolist(), events, strict=True):
                credit(tally, found[position])
        for tally in found:
            tally.round_spend()
        return found

    def _compose(
        self,
        window: str,
        span: Span | None,
        codes: Codes,
        tallies: Sequence[Tally],
        totals: Mapping[int, Tally],
        stage: Stage,
        version: ReadingVersion,
        *,
        is_rolling: bool = False,
    ) -> Iterator[CampaignKpi]:
        campaign_codes = self._windows.campaign_codes
        campaigns = campaign_codes.campaigns(codes)
        matched = self._matched(codes, version.watermark) if window == TOTAL_WINDOW else {}
        for code, campaign, tally in zip(codes.tolist(), campaigns.tolist(), tallies, strict=True):
            campaign_windows = CampaignWindows(self._windows, campaign)
            facts = self._campaign_registry.facts_of_window(campaign_codes.names[campaign], span)
            model = campaign_codes.model(code) or DECLARED
            yield compose(
                campaign_windows,
                facts,
                window,
                span,
                tally,
                totals[code],
                stage,
                version,
                model,
                is_rolling=is_rolling,
                matched=matched.get(code),
            )

    def _matched(self, codes: Codes, watermark: int | None) -> dict[int, Matched]:
        """Of campaigns whose spend comes by reports, the sums of events as far as reports and events both reach."""
        having, found = self._windows.report_histories, dict[int, int]()
        for code in codes.tolist():
            if (
                code in having
                and self._campaign_registry.facts(self._windows.campaign_codes.names[code]).is_reported
            ):
                until = matched_until(CampaignWindows(self._windows, code), watermark)
                if until is not None:
                    found[code] = until
        those, instants = np.array(list(found), np.int32), np.array(list(found.values()), np.int64)
        are_whole = self._windows.are_whole_from(instants, those)
        those, instants = those[are_whole], instants[are_whole]
        tallies = self._windows.totals_before(instants, those)
        rows = zip(those.tolist(), instants.tolist(), tallies, strict=True)
        return {code: Matched(until, tally) for code, until, tally in rows}

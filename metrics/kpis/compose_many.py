"""Composing the readings of many campaigns at once, and of campaigns in views."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from metrics.entities.campaigns import CampaignRegistry
from metrics.kpis.compose import DECLARED, ReadingVersion, compose, credit
from metrics.records.kpi_reading import CampaignKpi, Stage
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes
from metrics.windows.accounts import CampaignWindows, MergedWindows
from metrics.windows.publish_schedule import WindowCampaigns
from metrics.windows.window_kinds import BY_NAME, ROLLING, TOTAL_WINDOW, Span


class ReadingComposer:
    """Composes what is kept of the campaigns of one merge partition.

    Args:
        accounts: what is kept of them.
        book: what is registered of them.
    """

    def __init__(self, accounts: MergedWindows, book: CampaignRegistry) -> None:
        self._accounts = accounts
        self._book = book

    def of_windows(
        self, windows: Sequence[WindowCampaigns], stage: Stage, stamp: ReadingVersion
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
                tallies = self._seen(codes, partial(self._accounts.tumbling_tallies, kind, start))
            yield from self._compose(window, span, codes, tallies, totals, stage, stamp)

    def of_views(
        self, codes: Codes, spans: Sequence[Span], stamp: ReadingVersion
    ) -> Iterator[tuple[CampaignKpi, ...]]:
        """Of each campaign the total, and the rolling windows where those have a place."""
        totals = self._totals(codes)
        whole = [totals[code] for code in codes.tolist()]
        windows = [self._compose(TOTAL_WINDOW, None, codes, whole, totals, "update", stamp)]
        for index, (kind, span) in enumerate(zip(ROLLING, spans, strict=False)):
            tallies = self._seen(codes, partial(self._rolling, index))
            windows.append(
                self._compose(kind.name, span, codes, tallies, totals, "update", stamp, is_rolling=True)
            )
        return zip(*windows, strict=True)

    def _rolling(self, index: int, codes: Codes) -> list[Tally]:
        return self._accounts.rolling(index, codes).as_list()

    def _total(self, codes: Codes) -> list[Tally]:
        return self._accounts.total(codes).as_list()

    def _totals(self, codes: Codes) -> dict[int, Tally]:
        """Sums of the whole history by code."""
        return dict(zip(codes.tolist(), self._seen(codes, self._total), strict=True))

    def _seen(self, codes: Codes, tallies_of: Callable[[Codes], list[Tally]]) -> list[Tally]:
        """Sums of campaigns, and of campaigns in views with what they cost."""
        found, subjects = tallies_of(codes), self._accounts.subjects
        places = np.flatnonzero(subjects.are_views(codes))
        if len(places):
            events = tallies_of(subjects.campaigns(codes[places]))
            for place, tally in zip(places.tolist(), events, strict=True):
                credit(tally, found[place])
        return found

    def _compose(
        self,
        window: str,
        span: Span | None,
        codes: Codes,
        tallies: Sequence[Tally],
        totals: Mapping[int, Tally],
        stage: Stage,
        stamp: ReadingVersion,
        *,
        is_rolling: bool = False,
    ) -> Iterator[CampaignKpi]:
        subjects = self._accounts.subjects
        campaigns = subjects.campaigns(codes)
        for code, campaign, tally in zip(codes.tolist(), campaigns.tolist(), tallies, strict=True):
            account, facts = (
                CampaignWindows(self._accounts, campaign),
                self._book.facts(subjects.names[campaign]),
            )
            model = subjects.view(code) or DECLARED
            yield compose(
                account, facts, window, span, tally, totals[code], stage, stamp, model, is_rolling=is_rolling
            )

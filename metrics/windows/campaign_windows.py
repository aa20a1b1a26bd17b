"""What is kept of the campaigns of one merge partition: panes as columns, windows over panes, reports.

A pane of a campaign is the sum of what each source partition last said of it; windows are sums of panes. Rolling
windows end at the end of the pane that holds the watermark and are kept as window += new − old, never summed anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.entities.report_history import ReportHistory
from metrics.entities.report_overlaps import ReportRules
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes, Tallies, TallyColumns, nothing
from metrics.values.time import MINUTE, QUARTER
from metrics.windows.campaign_codes import CampaignCodes, CodeColumn
from metrics.windows.merged_panes import MergedPane
from metrics.windows.panes import DAYS, MINUTES, QUARTERS, TOTAL, WIDTHS, DroppedPane, Horizon
from metrics.windows.window_kinds import ROLLING, Span, WindowKind

#: Before and after every instant.
_EARLIEST, _LATEST = int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max)
_REPORT_RULES = ReportRules()
_NO_REPORTS = ReportHistory()


class ChangedPane(NamedTuple):
    """Campaigns that have changed in a pane."""

    resolution: int
    start: int
    codes: Codes


class _RollingSums:
    """The sums of one rolling window; the row of a campaign is its code."""

    __slots__ = ("columns", "span")

    def __init__(self) -> None:
        self.span = Span(0, 0)
        self.columns = TallyColumns()


class MergedWindows(Mapping[str, "CampaignWindows"]):
    """The panes and windows of all campaigns of a merge partition, each also in every attribution model.

    Args:
        campaign_codes: codes of the campaigns.
        report_rules: which of several reports about one instant counts.
    """

    def __init__(self, campaign_codes: CampaignCodes, report_rules: ReportRules = _REPORT_RULES) -> None:
        self.campaign_codes = campaign_codes
        #: Reports by the code of their campaign.
        self.report_histories: dict[int, ReportHistory] = {}
        self._report_rules = report_rules
        self._totals = MergedPane()
        self._panes: tuple[dict[int, MergedPane], ...] = ({}, {}, {})
        #: How many campaigns have changed in panes.
        self.changes = 0
        self._changed: set[tuple[int, int]] = set()
        self._rolling = tuple(_RollingSums() for _ in ROLLING)
        #: By resolution and code, the end of the latest pane that was dropped: windows before it are not whole.
        self.dropped = tuple(CodeColumn(_EARLIEST) for _ in WIDTHS)
        #: By code, the earliest quarter of an hour that is kept.
        self.first = CodeColumn(_LATEST)

    def __len__(self) -> int:
        return len(self.campaign_codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.campaign_codes.names)

    def __getitem__(self, name: str) -> "CampaignWindows":
        code = self.campaign_codes.find(name)
        if code is None:
            raise KeyError(name)
        return CampaignWindows(self, code)

    def pane(self, resolution: int, start: int) -> MergedPane | None:
        """All campaigns in one pane."""
        return self._totals if resolution == TOTAL else self._panes[resolution].get(start)

    def starts(self, resolution: int) -> list[int]:
        """The panes that are kept, in order of time."""
        return sorted(self._panes[resolution])

    def reports_of(self, code: int) -> ReportHistory:
        """The reports of a campaign, to which more can be put."""
        found = self.report_histories.get(code)
        if found is None:
            found = self.report_histories[code] = ReportHistory(self._report_rules)
        return found

    # --- taking in ---------------------------------------------------------------------------------

    def put(
        self, source: int, resolution: int, start: int, codes: Codes, sums: Tallies, limits: Horizon
    ) -> Codes:
        """Take in a source's whole values of a pane, unless it is too late for them.

        Args:
            source: the partition that says so.
            resolution: of the pane.
            start: of the pane.
            codes: campaigns that differ from each other.
            sums: their values.
            limits: which panes accept values.

        Returns:
            The campaigns that have changed in the pane for the first time since the last checkpoint.
        """
        earliest = (*limits, None)[resolution]
        if earliest is not None and start < earliest:
            return codes[:0]
        pane = self.pane(resolution, start)
        # A campaign of which a pane has only ever held zeros is not in it: it has no reading, in roll-ups neither.
        positions = np.flatnonzero(sums.are_any() | (False if pane is None else pane.has(codes)))
        if not len(positions):
            return codes[:0]
        if len(positions) < len(codes):
            codes, sums = codes[positions], sums.part(positions)
        rolling = [
            each
            for kind, each in zip(ROLLING, self._rolling, strict=True)
            if kind.resolution == resolution and each.span.start <= start < each.span.end
        ]
        pane = self._open(resolution, start, codes)
        added, fresh = pane.put(source, codes, sums, with_added=bool(rolling))
        for each in rolling:
            each.columns.add_sums(codes, self.campaign_codes.room, added)
        if len(fresh):
            self._changed.add((resolution, start))
            self.changes += len(fresh)
        return fresh

    def restore(self, resolution: int, start: int, codes: Codes, parts: Mapping[int, Tallies]) -> None:
        """Put back a pane, before the rolling windows have a place."""
        self._open(resolution, start, codes).restore(codes, parts)

    def take_changes(self) -> Iterator[ChangedPane]:
        """What has changed since the last call."""
        changed, self._changed, self.changes = self._changed, set(), 0
        for resolution, start in sorted(changed):
            pane = self.pane(resolution, start)
            if pane is not None:
                yield ChangedPane(resolution, start, pane.take_changes())

    # --- windows -----------------------------------------------------------------------------------

    def total_of_source(self, source: int, codes: Codes) -> Tallies:
        """What one source partition says of the whole history."""
        return self._totals.parts(codes).get(source, nothing(len(codes)))

    def total(self, codes: Codes) -> Tallies:
        """Sums of the whole history."""
        return self._totals.sums(codes)

    def totals_before(self, instants: npt.NDArray[np.int64], codes: Codes) -> list[Tally]:
        """Of each campaign the sums of its history before an instant; see ``are_whole_from``.

        Args:
            instants: epoch ms, as many as codes: starts of quarters of an hour, or of minutes since which minutes are kept. What
                came too late for its minute counts as if it had happened before.
            codes: of the campaigns.
        """
        found = [Tally()] * len(codes)
        quarters, minutes = -(-instants // QUARTER) * QUARTER, self._panes[MINUTES]
        for quarter in np.unique(quarters).tolist():
            places = np.flatnonzero(quarters == quarter)
            sums, mine = self.total(codes[places]), instants[places]
            for start, pane in self._panes[QUARTERS].items():
                if start >= quarter:
                    sums = sums.plus(pane.sums(codes[places]), -1)
            for at in range(quarter, int(mine.min()) - 1, -MINUTE):
                if at < quarter and at in minutes:
                    sums = sums.plus(minutes[at].sums(codes[places]), -1)
                those = np.flatnonzero(mine == at)
                for place, tally in zip(places[those].tolist(), sums.part(those).as_list(), strict=True):
                    found[place] = tally
        return found

    def are_whole_from(self, instants: npt.NDArray[np.int64], codes: Codes) -> npt.NDArray[np.bool_]:
        """For each campaign whether every quarter of an hour from its instant on is still kept."""
        dropped = self.dropped[QUARTERS].of(self.campaign_codes.room)[codes]
        are_whole: npt.NDArray[np.bool_] = dropped <= instants
        return are_whole

    def tumbling(self, kind: WindowKind, start: int, codes: Codes) -> Tallies:
        """Sums of the tumbling window that begins at ``start``."""
        found = nothing(len(codes))
        for pane in self.panes_of(kind, start):
            found = found.plus(pane.sums(codes))
        return found

    def tumbling_tallies(self, kind: WindowKind, start: int, codes: Codes) -> list[Tally]:
        """The same as objects: cheaper where a window holds few campaigns."""
        panes = self.panes_of(kind, start)
        if not panes:
            return [Tally() for _ in codes]
        found = panes[0].tallies(codes)
        for pane in panes[1:]:
            for tally, more in zip(found, pane.tallies(codes), strict=True):
                tally.add(more)
        return found

    def rolling(self, index: int, codes: Codes) -> Tallies:
        """Sums of the rolling window ``ROLLING[index]``."""
        return self._rolling[index].columns.sums(codes)

    def span(self, index: int) -> Span:
        """Where the rolling window ``ROLLING[index]`` lies."""
        return self._rolling[index].span

    def panes_of(self, kind: WindowKind, start: int) -> list[MergedPane]:
        """The panes that are kept of the tumbling window that begins at ``start``."""
        panes, width = self._panes[kind.resolution], WIDTHS[kind.resolution]
        return [panes[at] for at in range(start, start + kind.length, width) if at in panes]

    def are_known(self, codes: Codes) -> npt.NDArray[np.bool_]:
        """For each campaign whether anything was ever said of it."""
        return self._totals.has(codes) | np.isin(codes, np.array(list(self.report_histories), dtype=np.int32))

    def have_panes(self, kind: WindowKind, start: int, codes: Codes) -> npt.NDArray[np.bool_]:
        """For each campaign whether any pane of the tumbling window that begins at ``start`` is kept."""
        found = np.zeros(len(codes), dtype=np.bool_)
        for pane in self.panes_of(kind, start):
            found |= pane.has(codes)
        return found

    def slide(self, spans: tuple[Span, ...]) -> Codes:
        """Move the rolling windows; the campaigns whose sums in any of them have changed."""
        everyone = self.campaign_codes.everyone
        have_changed = np.zeros(len(everyone), dtype=np.bool_)
        for kind, rolling, span in zip(ROLLING, self._rolling, spans, strict=True):
            if rolling.span != span:
                before = rolling.columns.sums(everyone)
                self._move(kind.resolution, rolling, span)
                have_changed |= rolling.columns.sums(everyone).plus(before, -1).are_any()
        return everyone[have_changed]

    # --- dropping ----------------------------------------------------------------------------------

    def drop_before(self, resolution: int, earliest: int) -> Iterator[DroppedPane]:
        """Drop the panes that accept no more facts. Slide the rolling windows first.

        Days of a campaign that has reports stay, in every model: reports do not obey the watermark, so a late one must
        still find the day whole.
        """
        panes, ends = self._panes[resolution], self.dropped[resolution].of(self.campaign_codes.room)
        for start in [start for start in self.starts(resolution) if start < earliest]:
            pane = panes.pop(start)
            stay = self._staying(pane.codes) if resolution == DAYS else np.zeros(len(pane.codes), np.bool_)
            gone, kept = pane.codes[~stay], pane.codes[stay]
            if len(kept):
                panes[start] = pane.only(kept)
            if len(gone):
                ends[gone] = np.maximum(ends[gone], start + WIDTHS[resolution])
                yield DroppedPane(resolution, start, gone)
        if resolution == QUARTERS:
            self._find_first(earliest)

    def _staying(self, codes: Codes) -> np.ndarray:
        having = [code for code, history in self.report_histories.items() if len(history)]
        return np.isin(self.campaign_codes.campaigns(codes), np.array(having, dtype=np.int32))

    def _find_first(self, earliest: int) -> None:
        """Where the first quarter of a campaign was dropped, the next one is its first."""
        first = self.first.of(self.campaign_codes.room)
        left = np.flatnonzero(first < earliest).astype(np.int32)
        first[left] = _LATEST
        for start in self.starts(QUARTERS):
            are_in = self._panes[QUARTERS][start].has(left)
            first[left[are_in]] = start
            left = left[~are_in]
            if not len(left):
                return

    # --- parts -------------------------------------------------------------------------------------

    def _open(self, resolution: int, start: int, codes: Codes) -> MergedPane:
        if resolution == TOTAL:
            return self._totals
        if resolution == QUARTERS:
            first = self.first.of(self.campaign_codes.room)
            first[codes] = np.minimum(first[codes], start)
        return self._panes[resolution].setdefault(start, MergedPane())

    def _move(self, resolution: int, rolling: _RollingSums, span: Span) -> None:
        old, rolling.span = rolling.span, span
        if span.start >= old.end or span.start < old.start or span.end < old.end:
            rolling.columns = TallyColumns()
            self._add(resolution, rolling, span, 1)
        else:
            self._add(resolution, rolling, Span(old.start, span.start), -1)
            self._add(resolution, rolling, Span(old.end, span.end), 1)

    def _add(self, resolution: int, rolling: _RollingSums, span: Span, sign: int) -> None:
        for start, pane in self._panes[resolution].items():
            if span.start <= start < span.end:
                rolling.columns.add_sums(pane.codes, self.campaign_codes.room, pane.sums(pane.codes), sign)


class CampaignWindows:
    """What is kept of one campaign, or of a campaign in a model.

    Args:
        merged_windows: those of all campaigns of the partition.
        code: that of the campaign.
    """

    __slots__ = ("_codes", "_windows", "code")

    def __init__(self, merged_windows: MergedWindows, code: int) -> None:
        self.code = code
        self._windows = merged_windows
        self._codes = np.array([code], dtype=np.int32)

    @property
    def report_history(self) -> ReportHistory:
        """The reports of the campaign."""
        return self._windows.report_histories.get(self.code, _NO_REPORTS)

    @property
    def total(self) -> Tally:
        """Sums of the whole history."""
        return self._windows.total(self._codes).as_list()[0]

    def rolling(self, index: int) -> tuple[Span, Tally]:
        """Span and sums of the rolling window ``ROLLING[index]``."""
        return self._windows.span(index), self._windows.rolling(index, self._codes).as_list()[0]

    def starts(self, resolution: int) -> list[int]:
        """The panes that are kept, in order of time."""
        merged_windows = self._windows
        return [
            start
            for start in merged_windows.starts(resolution)
            if (pane := merged_windows.pane(resolution, start)) is not None and self._is_in(pane)
        ]

    @property
    def first_quarter(self) -> int | None:
        """The earliest quarter of an hour that is kept."""
        first = int(self._windows.first.of(self.code + 1)[self.code])
        return None if first == _LATEST else first

    def is_whole(self, kind: WindowKind, start: int) -> bool:
        """Whether every pane of the window is still kept, so that its sums may be published."""
        return start >= int(self._windows.dropped[kind.resolution].of(self.code + 1)[self.code])

    @property
    def dropped_before(self) -> list[int | None]:
        """By resolution, the end of the latest pane that was dropped."""
        ends = [int(column.of(self.code + 1)[self.code]) for column in self._windows.dropped]
        return [None if end == _EARLIEST else end for end in ends]

    @dropped_before.setter
    def dropped_before(self, ends: Sequence[int | None]) -> None:
        for column, end in zip(self._windows.dropped, ends, strict=True):
            column.of(self.code + 1)[self.code] = _EARLIEST if end is None else end

    def _is_in(self, pane: MergedPane) -> bool:
        return bool(pane.has(self._codes)[0])

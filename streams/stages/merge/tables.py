"""The tables of one merge partition: sums of panes by source partition, what was dropped of a campaign, reports."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from metrics.entities.report_figures import StatedFigure
from metrics.entities.report_history import ReportHistory
from metrics.entities.report_spend import ReportedSpend
from metrics.entities.reports import Report, ReportKey, Snapshot, Version
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes, Tallies, as_tallies, nothing
from metrics.windows.campaign_codes import CampaignCodes
from metrics.windows.campaign_windows import CampaignWindows, MergedWindows
from metrics.windows.panes import MINUTES, TOTAL, DroppedPane
from streams.state.codec import Entry, decode_as, decoder, encode, read_key, state_key
from streams.state.pane_table import PackedNames, few_entries, is_kept, parts_entries, tombstones
from streams.state.table import Restored

#: Campaigns whose records are made at once; sums of all sources of all of them are copied for it.
_PACKED_AT_ONCE = 1_000
_NOTHING: tuple[Codes, Tallies] = (np.empty(0, np.int32), nothing(0))
_decode_pane = decoder(tuple[int, dict[int, Tally]])


class Windows(Protocol):
    """What the tables ask of the stage."""

    campaign_codes: CampaignCodes
    merged_windows: MergedWindows

    def put_back(self, resolution: int, start: int, codes: Codes, parts: dict[int, Tallies]) -> None:
        """Put back a pane, and its window among those that still become final."""
        ...

    def remark(self, resolution: int, start: int, codes: Codes, sequence: int) -> None:
        """A pane may have changed since its windows were last published, at ``sequence``."""
        ...

    def reopen_report(self, code: int, report: Report) -> None:
        """Put the windows of a restored report among those that still become final."""
        ...

    def remark_report(self, code: int, report: Report, sequence: int) -> int:
        """A report may have changed since the windows it counts in were last published; how many these are."""
        ...


class _RestoredSums(NamedTuple):
    """A campaign in a pane as a changelog holds it: sums by source partition."""

    name: str
    sequence: int
    parts: dict[int, Tally]


class MergedPaneTable:
    """Sums of campaigns in panes, by source partition.

    Args:
        windows: where the sums are put back.
        models: those that are computed; sums of others are obsolete.
        sources: how many source partitions there are.
        expire: drops what is to be dropped, after the changes were taken.
    """

    kind = "p"

    def __init__(
        self,
        windows: Windows,
        models: Sequence[str],
        sources: int,
        expire: Callable[[], Iterable[DroppedPane]],
    ) -> None:
        #: Codes whose whole history the last checkpoint holds anew, and the history.
        self.totals = _NOTHING
        #: Codes of campaigns that lost panes which reports count in.
        self.dropped: set[int] = set()
        self._windows = windows
        self._merged_windows, self._campaign_codes = windows.merged_windows, windows.campaign_codes
        self._models = models
        self._expire = expire
        self._names = PackedNames(windows.campaign_codes.names)
        self._bytes_per_sum = 40 + 20 * sources

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return self._bytes_per_sum * self._merged_windows.changes

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back whole panes, one after the other."""
        obsolete = []
        panes: dict[tuple[int, int], list[_RestoredSums]] = {}
        for key, value in entries:
            _, name, resolution, start = read_key(key)
            if is_kept(name, self._models):
                panes.setdefault((resolution, start), []).append(_RestoredSums(name, *_decode_pane(value)))
            else:
                obsolete.append(key)
        for (resolution, start), sums in panes.items():
            self._restore_pane(resolution, start, sums, confirmed)
        return obsolete

    def take_changes(self, sequence: int) -> list[Entry]:
        """Sums that have changed, then tombstones of panes that are dropped."""
        entries: list[Entry] = []
        self.totals = _NOTHING
        for resolution, start, codes in self._merged_windows.take_changes():
            pane = self._merged_windows.pane(resolution, start)
            assert pane is not None, "a pane that has changed is kept"
            if resolution == TOTAL:
                self.totals = codes, pane.sums(codes)
            few = pane.few(codes)
            if few is not None:
                names = [self._campaign_codes.names[code] for code in codes.tolist()]
                entries += few_entries(names, resolution, start, few, sequence)
                continue
            for first in range(0, len(codes), _PACKED_AT_ONCE):
                some = codes[first : first + _PACKED_AT_ONCE]
                entries += parts_entries(self._names, resolution, start, some, pane.parts(some), sequence)
        for dropped in self._expire():
            entries += tombstones(self._names, dropped)
            if dropped.resolution != MINUTES:  # which no report counts in
                self.dropped.update(dropped.codes.tolist())
        return entries

    def _restore_pane(
        self, resolution: int, start: int, kept: Sequence[_RestoredSums], confirmed: int
    ) -> None:
        codes = self._campaign_codes.codes(each.name for each in kept)
        sources = sorted({source for each in kept for source in each.parts})
        parts = {
            source: as_tallies([each.parts.get(source) or Tally() for each in kept]) for source in sources
        }
        self._windows.put_back(resolution, start, codes, parts)
        sequences = np.array([each.sequence for each in kept])
        for sequence in np.unique(sequences[sequences > confirmed]).tolist():
            self._windows.remark(resolution, start, codes[sequences == sequence], sequence)


class DroppedBeforeTable:
    """Until when panes of a campaign were dropped: which windows of a report are still whole."""

    kind = "a"
    weight = 0

    def __init__(self, windows: Windows, panes: MergedPaneTable) -> None:
        self._merged_windows, self._campaign_codes = windows.merged_windows, windows.campaign_codes
        self._panes = panes

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back when panes were dropped."""
        del confirmed
        for key, value in entries:
            campaign = CampaignWindows(
                self._merged_windows, self._campaign_codes.codes([read_key(key)[1]])[0]
            )
            campaign.dropped_before = decode_as(list[int | None], value)
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """Campaigns that have lost panes."""
        del sequence
        codes, self._panes.dropped = self._panes.dropped, set()
        return [
            (
                state_key(self.kind, self._campaign_codes.names[code]),
                encode(CampaignWindows(self._merged_windows, code).dropped_before),
            )
            for code in codes
        ]


class ReportTable:
    """The report that holds, by campaign, source, period and grain, with what its earlier versions had seen."""

    kind = "r"

    def __init__(self, windows: Windows) -> None:
        #: By campaign: reports that have changed.
        self.changed: set[tuple[str, ReportKey]] = set()
        #: The same of the last checkpoint.
        self.written: set[tuple[str, ReportKey]] = set()
        self._windows = windows
        self._merged_windows, self._campaign_codes = windows.merged_windows, windows.campaign_codes

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return 200 * len(self.changed)

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back reports, and the windows that they count in.

        Records from before keys told the grain come under another key, with a list of ends; they are written anew.
        """
        obsolete = []
        restored: list[tuple[int, int, Report]] = []
        for key, value in entries:
            sequence, report, earlier = decode_as(tuple[int, Report, list[int | Snapshot]], value)
            campaign_id = read_key(key)[1]
            code = self._campaign_codes.campaign(campaign_id)
            snapshots = [each for each in earlier if isinstance(each, Snapshot)]
            self._merged_windows.reports_of(code).restore(report, snapshots)
            if key != state_key(self.kind, campaign_id, *report.key):
                obsolete.append(key)
                self.changed.add((campaign_id, report.key))
            restored.append((sequence, code, report))
        for sequence, code, report in restored:  # when all reports are there that one of them may decide of
            self._windows.reopen_report(code, report)
            if sequence > confirmed:
                self._windows.remark_report(code, report, sequence)
        return obsolete

    def take_changes(self, sequence: int) -> list[Entry]:
        """Reports that have changed."""
        self.written, self.changed = self.changed, set()
        return [self._entry(campaign_id, key, sequence) for campaign_id, key in self.written]

    def _entry(self, campaign_id: str, key: ReportKey, sequence: int) -> Entry:
        report_history = self._merged_windows[campaign_id].report_history
        value = encode((sequence, report_history.reports[key], report_history.snapshots(key)))
        return state_key(self.kind, campaign_id, *key), value


class _BesideReportTable(ABC):
    """What there is to say of some reports, in a record beside that of each: the records of reports keep a shape that earlier builds know.

    Args:
        windows: of the reports.
        reports: their table, which is read and written before this one.
    """

    kind: str
    #: About how many bytes one record takes.
    _bytes: int

    def __init__(self, windows: Windows, reports: ReportTable) -> None:
        self._merged_windows, self._campaign_codes = windows.merged_windows, windows.campaign_codes
        self._reports = reports

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return self._bytes * len(self._reports.changed)

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back what was said; the keys of records that are of no use, since an earlier build has replaced the report."""
        del confirmed
        obsolete = []
        for entry, value in entries:
            _, campaign_id, *key = read_key(entry)
            source, ad_id, period_start, grain = key
            history = self._merged_windows.reports_of(self._campaign_codes.campaign(campaign_id))
            if not self._put_back(history, (source, ad_id, period_start, grain), value):
                obsolete.append(entry)
        return obsolete

    def take_changes(self, sequence: int) -> list[Entry]:
        """Records of the reports that have changed; a tombstone where there is nothing to say any more."""
        del sequence
        found: list[Entry] = []
        for campaign_id, key in self._reports.written:
            value = self._value(self._merged_windows[campaign_id].report_history, key)
            if value is not None:
                found.append((state_key(self.kind, campaign_id, *key), value or None))
        return found

    @abstractmethod
    def _put_back(self, history: ReportHistory, key: ReportKey, value: bytes) -> bool:
        """Put a record back; whether it is of any use."""

    @abstractmethod
    def _value(self, history: ReportHistory, key: ReportKey) -> bytes | None:
        """The record of a report; empty where there is nothing to say any more, None where there never was."""


class ReportFiguresTable(_BesideReportTable):
    """Which versions of a report told the figures that others left out.

    The record of the report has such figures as the versions say that told them.
    """

    kind = "rf"
    _bytes = 50

    def _put_back(self, history: ReportHistory, key: ReportKey, value: bytes) -> bool:
        newest, stated = decode_as(tuple[Version, dict[int, dict[int, StatedFigure]]], value)
        return history.restore_stated(key, newest, stated)

    def _value(self, history: ReportHistory, key: ReportKey) -> bytes | None:
        stated = history.stated(key)
        if stated is None:
            return None
        return encode((history.reports[key].version, stated)) if stated else b""


class ReportSpendTable(_BesideReportTable):
    """The spend of reports as it came, where its worth may change, by version; read after the figures that are left out.

    Builds that do not know these records keep the worth as it was last.
    """

    kind = "rs"
    _bytes = 100

    def _put_back(self, history: ReportHistory, key: ReportKey, value: bytes) -> bool:
        history.restore_spent(key, dict(decode_as(list[tuple[Version, ReportedSpend]], value)))
        return True

    def _value(self, history: ReportHistory, key: ReportKey) -> bytes | None:
        spent = history.spent(key)
        if spent is None:
            return None
        return encode(list(spent.items())) if spent else b""

"""Stage two's state as a changelog: what a checkpoint writes, and how the state is read back."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
import numpy as np

from metrics.attribution.conversion_lag import LagCounts
from metrics.entities.reports import Report, ReportHistory, ReportKey
from metrics.kpis.compose import ReadingVersion
from metrics.records.kpi_reading import CampaignKpi, RollupKpi
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes, Tallies, TallyColumns, as_tallies, nothing
from metrics.values.errors import StateError
from metrics.windows.campaign_windows import CampaignWindows
from metrics.windows.panes import MINUTES, TOTAL
from metrics.windows.watermark import PartitionStatus
from streams import topics
from streams.stages.merge.rollup_tables import KINDS as ROLLUP_KINDS
from streams.stages.merge.rollup_tables import RollupLog, RollupMeta
from streams.stages.merge.stage import MergeStage
from streams.state.checkpoint import Checkpoint, Output
from streams.state.codec import META_KEY, Entry, decode_as, decoder, encode, read_key, state_key
from streams.state.obsolete_keys import Leftovers, is_kept
from streams.state.pane_table import PackedNames, few_entries, parts_entries, tombstones

_EPOCH_SHIFT = 32
_readings = msgspec.json.Encoder()
#: Campaigns whose records are made at once; sums of all sources of all of them are copied for it.
_PACKED_AT_ONCE = 1_000
_NOTHING: tuple[Codes, Tallies] = (np.empty(0, np.int32), nothing(0))
_decode_pane = decoder(tuple[int, dict[int, Tally]])


class _KeptPane(NamedTuple):
    """A campaign in a pane as a changelog holds it."""

    name: str
    sequence: int
    parts: dict[int, Tally]


class MergeMeta(msgspec.Struct, array_like=True):
    """What a checkpoint says of itself; ``published`` and ``closed`` are what has gone out for sure."""

    epoch: int
    sequence: int
    published: int
    closed: int | None
    partitions: int
    birth: int
    offset: int
    heard: dict[int, tuple[int, int]]
    statuses: list[PartitionStatus | None]
    reached: int | None
    lags: dict[int, dict[str, LagCounts]] = {}
    fits: dict[int, int] = {}
    rollups: RollupMeta | None = None


class MergeLog:
    """One merge partition with its place in its changelog."""

    def __init__(self, merge: MergeStage, now: int) -> None:
        self.merge = merge
        self.epoch = 0
        self.birth = now
        self.views: list[CampaignKpi] = []
        #: Totals by code as last confirmed. What is shown as a counter comes from here: a crash takes back what was
        #: merely taken in.
        self._totals = TallyColumns()
        self._storing: tuple[Codes, Tallies] = _NOTHING
        self._names = PackedNames(merge.subjects.names)
        self._confirmed = 0
        self._closed: int | None = None
        self._rollups = RollupLog(merge.parts, merge.rollups, merge.partition, merge.options.partitions)
        self._is_due = True
        self._leftovers = Leftovers()

    @property
    def rollup_views(self) -> list[RollupKpi]:
        """Readings of roll-ups that the last checkpoint gave to views."""
        return self._rollups.views

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to write or publish."""
        return self._is_due or self.merge.has_pending or len(self._leftovers) > 0

    @property
    def due_at(self) -> int | None:
        """When something may be published next."""
        return self.merge.due_at

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        return self.merge.weight

    # --- reading back -----------------------------------------------------------------------------

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Fill the state from changelog records in order of offset.

        Raises:
            StateError: when the state belongs to another number of partitions.
        """
        latest = dict(entries)
        meta_value = latest.pop(META_KEY, None)
        if meta_value is None:
            return
        meta = decode_as(MergeMeta, meta_value)
        self._restore_meta(meta)
        kept: list[tuple[list[Any], bytes]] = []
        panes: dict[tuple[int, int], list[_KeptPane]] = {}
        for raw, value in latest.items():
            key = read_key(raw)
            if value is not None and self._is_kept(key):
                if key[0] == "p":
                    panes.setdefault((key[2], key[3]), []).append(_KeptPane(key[1], *_decode_pane(value)))
                else:
                    kept.append((key, value))
            elif value is not None:
                self._leftovers.add(raw)
        for (resolution, start), campaigns in panes.items():
            self._restore_pane(resolution, start, campaigns, meta.published)
        # What was dropped first: it tells which windows of a report are still whole.
        for key, value in sorted(kept, key=lambda entry: entry[0][0] != "a"):
            self._restore_entry(key, value, meta)
        everyone = self.merge.subjects.everyone
        self._confirm_totals(everyone, self.merge.accounts.total(everyone))
        self._rollups.catch_up(self.merge.accounts, meta.sequence, self.merge.moment.kept)

    def _is_kept(self, key: list[Any]) -> bool:
        if key[0] in ROLLUP_KINDS:
            return self._rollups.is_kept(key)
        return is_kept(key[1], self.merge.options.views)

    def take_over(self) -> None:
        """Begin a new epoch; all views are offered again, since they may have been lost."""
        self.epoch += 1
        self._is_due = True
        self.merge.offer_views()
        self.merge.rollups.offer_all(self.merge.sequence)

    def _restore_meta(self, meta: MergeMeta) -> None:
        merge = self.merge
        if meta.partitions != merge.options.partitions:
            raise StateError(
                f"The state was made with {meta.partitions} partitions, ROISTREAM_PARTITIONS says "
                f"{merge.options.partitions}; a change needs a new ROISTREAM_TOPIC_PREFIX and a replay."
            )
        self.epoch, self.birth = meta.epoch, meta.birth
        self._confirmed, self._closed = meta.published, meta.closed
        merge.sequence, merge.offset, merge.heard = meta.sequence, meta.offset, meta.heard
        merge.windows.through = meta.closed
        merge.clock.statuses = meta.statuses
        merge.clock.watermark = meta.reached
        merge.lags, merge.fits = meta.lags, meta.fits
        self._rollups.restore_meta(meta.rollups)
        merge.catch_up()

    def _restore_entry(self, key: list[Any], value: bytes, meta: MergeMeta) -> None:
        merge, kind, campaign_id = self.merge, key[0], key[1]
        if kind in ROLLUP_KINDS:
            self._rollups.restore(key, value, meta.published)
        elif kind == "a":
            account = CampaignWindows(merge.accounts, merge.subjects.codes([campaign_id])[0])
            account.dropped_before = decode_as(list[int | None], value)
        elif kind == "r":
            sequence, report, former_ends = decode_as(tuple[int, Report, set[int]], value)
            code = merge.subjects.campaign(campaign_id)
            report_history = merge.accounts.report_histories.setdefault(code, ReportHistory())
            report_history.restore(report, former_ends)
            for version in report_history.versions(report):
                merge.reopen_report(code, version)
                if sequence > meta.published:
                    merge.remark_report(code, version, sequence)

    def _restore_pane(self, resolution: int, start: int, kept: list[_KeptPane], published: int) -> None:
        merge = self.merge
        codes = merge.subjects.codes(pane.name for pane in kept)
        sources = sorted({source for pane in kept for source in pane.parts})
        parts = {
            source: as_tallies([pane.parts.get(source) or Tally() for pane in kept]) for source in sources
        }
        merge.restore(resolution, start, codes, parts)
        sequences = np.array([pane.sequence for pane in kept])
        for sequence in np.unique(sequences[sequences > published]).tolist():
            merge.remark(resolution, start, codes[sequences == sequence], sequence)

    # --- writing ----------------------------------------------------------------------------------

    def slices(self, now: int) -> Iterable[None]:
        """None: a checkpoint of this stage is encoded without a pause (DESIGN 2.1)."""
        del now
        return ()

    def checkpoint(self, now: int) -> Checkpoint:
        """What has changed, as one append, and the readings that go out after it."""
        merge = self.merge
        pending = merge.oldest()
        merge.sequence += 1
        merge.is_touched = False
        self._is_due = False
        meta = self._meta(merge.sequence if pending is None else pending - 1)
        stamp = self._stamp(now)
        readings = merge.readings(stamp, now)
        self.views = merge.view_readings(stamp, now)
        rolled_up = self._rollups.outputs(
            self.epoch, stamp, merge.sequence, merge.moment, merge.windows.through
        )
        self._is_due = self._rollups.has_unsent_status
        entries = self._changed_entries() + self._rollups.entries(merge.sequence) + self._dropped_entries()
        entries += self._leftovers.take(entries)
        entries.append((META_KEY, encode(meta)))
        outputs = [
            Output(
                topics.CAMPAIGN_KPIS,
                merge.partition,
                reading.campaign_id.encode(),
                _readings.encode(reading),
            )
            for reading in readings
        ]
        self._closing = merge.windows.through
        return Checkpoint(merge.sequence, entries, outputs + rolled_up)

    def confirm(self, sequence: int) -> None:
        """The append and the readings of a checkpoint are confirmed by the broker."""
        self._confirmed = sequence
        self._closed = self._closing
        self._rollups.confirm()
        self._confirm_totals(*self._storing)

    def totals(self, codes: Codes) -> list[Tally]:
        """The whole history of campaigns as last confirmed."""
        return self._totals.sums(codes).as_list()

    def _confirm_totals(self, codes: Codes, totals: Tallies) -> None:
        self._totals.put(codes, self.merge.subjects.room, totals)

    def _stamp(self, now: int) -> ReadingVersion:
        revision = (self.epoch << _EPOCH_SHIFT) + self.merge.sequence
        merge = self.merge
        fitted_at = min(merge.fits.values(), default=None)
        return ReadingVersion(
            revision, merge.clock.watermark, now, merge.options.currency, merge.lags_now(), fitted_at
        )

    def _changed_entries(self) -> list[Entry]:
        merge, sequence = self.merge, self.merge.sequence
        reports, merge.changed_reports = merge.changed_reports, set()
        entries: list[Entry] = []
        self._storing = _NOTHING
        for resolution, start, codes in merge.accounts.take_changes():
            pane = merge.accounts.pane(resolution, start)
            assert pane is not None, "a pane that has changed is kept"
            if resolution == TOTAL:
                self._storing = codes, pane.sums(codes)
            few = pane.few(codes)
            if few is not None:
                names = [merge.subjects.names[code] for code in codes.tolist()]
                entries += few_entries(names, resolution, start, few, sequence)
                continue
            for first in range(0, len(codes), _PACKED_AT_ONCE):
                some = codes[first : first + _PACKED_AT_ONCE]
                entries += parts_entries(self._names, resolution, start, some, pane.parts(some), sequence)
        entries += [self._report_entry(campaign_id, key, sequence) for campaign_id, key in reports]
        return entries

    def _report_entry(self, campaign_id: str, key: ReportKey, sequence: int) -> Entry:
        report_history = self.merge.accounts[campaign_id].report_history
        value = encode((sequence, report_history.reports[key], report_history.former_ends.get(key, set())))
        return state_key("r", campaign_id, *key), value

    def _dropped_entries(self) -> list[Entry]:
        entries: list[Entry] = []
        campaigns: set[int] = set()
        for dropped in self.merge.expire(self._closed):
            entries += tombstones(self._names, dropped)
            if dropped.resolution != MINUTES:  # which no report counts in
                campaigns.update(dropped.codes.tolist())
        for code in campaigns:
            value = encode(CampaignWindows(self.merge.accounts, code).dropped_before)
            entries.append((state_key("a", self.merge.subjects.names[code]), value))
        return entries

    def _meta(self, published: int) -> MergeMeta:
        merge = self.merge
        return MergeMeta(
            self.epoch,
            merge.sequence,
            min(published, merge.sequence - 1),
            self._closed,
            merge.options.partitions,
            self.birth,
            merge.offset,
            merge.heard,
            merge.clock.statuses,
            merge.clock.watermark,
            merge.lags,
            merge.fits,
            self._rollups.meta(),
        )

"""Stage two's state as a changelog: what a checkpoint writes, and how the state is read back."""

from collections.abc import Iterable
from typing import Any

import msgspec

from metrics.attribution.crediting import split_subject
from metrics.attribution.lag import LagCounts
from metrics.composing import Stamp
from metrics.errors import StateError
from metrics.panes import TOTAL
from metrics.reading import CampaignKpi, RollupKpi
from metrics.reports import Report, ReportKey
from metrics.tally import Tally
from metrics.watermark import PartitionStatus
from streams import topics
from streams.leftovers import Leftovers, is_kept
from streams.merge import Merge
from streams.rollup_log import KINDS as ROLLUP_KINDS
from streams.rollup_log import RollupLog, RollupMeta
from streams.wire import (
    META_KEY,
    Checkpoint,
    Entry,
    Output,
    decode_as,
    decoder,
    encode,
    read_key,
    state_key,
)

_EPOCH_SHIFT = 32
_readings = msgspec.json.Encoder()
_decode_pane = decoder(tuple[int, dict[int, Tally]])


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

    def __init__(self, merge: Merge, now: int) -> None:
        self.merge = merge
        self.epoch = 0
        self.birth = now
        self.views: list[CampaignKpi] = []
        #: Declared totals by campaign as last confirmed. What is shown as a counter comes from here: a crash takes
        #: back what was merely taken in.
        self.totals: dict[str, Tally] = {}
        self._storing: dict[str, Tally] = {}
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
        kept = []
        for raw, value in latest.items():
            key = read_key(raw)
            if value is not None and self._is_kept(key):
                kept.append((key, value))
            elif value is not None:
                self._leftovers.add(raw)
        # What was dropped first: it tells which windows of a report are still whole.
        for key, value in sorted(kept, key=lambda entry: entry[0][0] != "a"):
            self._restore_entry(key, value, meta)
        self.totals = self._totals_of(self.merge.accounts)
        self._rollups.catch_up(self.merge.accounts, meta.sequence, self.merge.moment.kept)

    def _is_kept(self, key: list[Any]) -> bool:
        if key[0] in ROLLUP_KINDS:
            return self._rollups.is_kept(key)
        return is_kept(key[1], self.merge.options.views)

    def take_over(self) -> None:
        """Begin a new epoch; all views are offered again, since they may have been lost."""
        self.epoch += 1
        self._is_due = True
        for campaign_id in self.merge.accounts:
            self.merge.views.mark((campaign_id, "rolling", 0), self.merge.sequence)
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
        merge.clock.reached = meta.reached
        merge.lags, merge.fits = meta.lags, meta.fits
        self._rollups.restore_meta(meta.rollups)
        merge.catch_up()

    def _restore_entry(self, key: list[Any], value: bytes, meta: MergeMeta) -> None:
        merge, kind, campaign_id = self.merge, key[0], key[1]
        if kind == "p":
            resolution, start = key[2], key[3]
            sequence, parts = _decode_pane(value)
            merge.restore(campaign_id, resolution, start, parts)
            if sequence > meta.published:
                merge.remark(campaign_id, resolution, start, sequence)
        elif kind in ROLLUP_KINDS:
            self._rollups.restore(key, value, meta.published)
        elif kind == "a":
            merge.account(campaign_id).dropped_before = decode_as(list[int | None], value)
        elif kind == "r":
            sequence, report, former_ends = decode_as(tuple[int, Report, set[int]], value)
            shelf = merge.account(campaign_id).shelf
            shelf.put(report)
            shelf.former_ends[report.key] = former_ends
            for end in (report.period_end, *former_ends):
                version = report._replace(period_end=end)
                merge.reopen_report(campaign_id, version)
                if sequence > meta.published:
                    merge.remark_report(campaign_id, version, sequence)

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
        self._storing = self._totals_of(name for name, kind, _ in merge.changed_panes if kind == TOTAL)
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
        self.totals.update(self._storing)

    def _totals_of(self, names: Iterable[str]) -> dict[str, Tally]:
        accounts = self.merge.accounts
        return {name: accounts[name].total.sum.copy() for name in names if split_subject(name)[1] is None}

    def _stamp(self, now: int) -> Stamp:
        revision = (self.epoch << _EPOCH_SHIFT) + self.merge.sequence
        merge = self.merge
        fitted_at = min(merge.fits.values(), default=None)
        return Stamp(revision, merge.clock.reached, now, merge.options.currency, merge.lags_now(), fitted_at)

    def _changed_entries(self) -> list[Entry]:
        merge, sequence = self.merge, self.merge.sequence
        panes, merge.changed_panes = merge.changed_panes, set()
        reports, merge.changed_reports = merge.changed_reports, set()
        entries: list[Entry] = []
        for campaign_id, resolution, start in panes:
            account = merge.accounts[campaign_id]
            pane = account.total if resolution == TOTAL else account.panes[resolution].get(start)
            if pane is not None:
                key = state_key("p", campaign_id, resolution, start)
                entries.append((key, encode((sequence, pane.parts))))
        entries += [self._report_entry(campaign_id, key, sequence) for campaign_id, key in reports]
        return entries

    def _report_entry(self, campaign_id: str, key: ReportKey, sequence: int) -> Entry:
        shelf = self.merge.accounts[campaign_id].shelf
        value = encode((sequence, shelf.reports[key], shelf.former_ends.get(key, set())))
        return state_key("r", campaign_id, *key), value

    def _dropped_entries(self) -> list[Entry]:
        entries: list[Entry] = []
        campaigns: set[str] = set()
        for campaign_id, resolution, start in self.merge.expire(self._closed):
            entries.append((state_key("p", campaign_id, resolution, start), None))
            campaigns.add(campaign_id)
        for campaign_id in campaigns:
            value = encode(self.merge.accounts[campaign_id].dropped_before)
            entries.append((state_key("a", campaign_id), value))
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
            merge.clock.reached,
            merge.lags,
            merge.fits,
            self._rollups.meta(),
        )

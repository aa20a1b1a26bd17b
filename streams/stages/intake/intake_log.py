"""Stage one's state as a changelog: what a checkpoint writes, and how the state is read back."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace

from metrics.attribution.conversion_credit import split_subject
from metrics.attribution.rule_versions import RuleHistory
from metrics.entities.dedupe import IdBlock
from metrics.entities.reports import Report
from metrics.records.dead_letters import DeadLetter
from metrics.records.events import Erasure
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes
from metrics.values.errors import StateError
from metrics.windows.panes import PaneChanges
from metrics.windows.watermark import PartitionStatus
from streams import topics
from streams.messages.pane_blocks import blocks
from streams.messages.partials import Bundle, ReportPartial, bundles
from streams.stages.intake.attribution.tables import MADE_KEY, JourneyLog
from streams.stages.intake.joint_watermark import SenderProgress
from streams.stages.intake.ledger import LedgerCounts
from streams.stages.intake.rekey_log import Addressed, RekeyLog
from streams.stages.intake.repartition import Rekeyed
from streams.stages.intake.stage import IntakeStage
from streams.state.checkpoint import Checkpoint, Output
from streams.state.codec import META_KEY, Entry, decode_as, decoder, encode, partition_of, read_key, state_key
from streams.state.obsolete_keys import Leftovers, is_kept
from streams.state.pane_table import PackedNames, tombstones
from streams.state.pane_table import entries as pane_entries

_letters = msgspec.json.Encoder()
_decode_pane = decoder(tuple[int, Tally])


#: No watermark, where a state does not say.
_UNTOLD = -1


class IntakeMeta(msgspec.Struct, array_like=True):
    """What a checkpoint says of itself and of the sources; ``confirmed`` is the sequence sent for sure."""

    epoch: int
    sequence: int
    confirmed: int
    partitions: int
    birth: int
    offsets: dict[str, int]
    stream_times: dict[str, int | None]
    reached: int | None
    ledger: dict[str, LedgerCounts]
    forgetting: list[tuple[int, Erasure]] = []
    #: Of the partitions that send here, and the watermark of all of them; that of an older state is its own.
    heard: dict[int, SenderProgress] = {}
    joint: int | None = _UNTOLD


class Kept:
    """What of a changelog is put back many at once."""

    def __init__(self) -> None:
        self.blocks: list[IdBlock] = []
        #: Sequence, campaign and sums by pane.
        self.panes: dict[tuple[int, int], list[tuple[int, str, Tally]]] = {}


class IntakeLog:
    """One intake partition with its place in its changelog."""

    def __init__(self, intake: IntakeStage, now: int) -> None:
        self.intake = intake
        self.epoch = 0
        self.sequence = 0
        self.confirmed = 0
        self.birth = now
        #: The ledger as last confirmed, which is what is shown of it: a crash takes back what was merely read.
        self.ledger: dict[str, LedgerCounts] = {}
        self._storing: dict[str, LedgerCounts] = {}
        self._names = PackedNames(intake.panes.names)
        #: The merge partition of each campaign, by code.
        self._routes = np.empty(0, dtype=np.int32)
        self._unsent_reports: list[ReportPartial] = []
        self._unsent_letters: list[DeadLetter] = []
        self._outboxes: list[bytes] = []
        self._status: PartitionStatus | None = None
        self._status_at = 0
        self._is_due = True
        self._journeys = None if intake.journeys is None else JourneyLog(intake.journeys)
        self._rekeying = _rekey_log(intake)
        self._leftovers = Leftovers()

    @property
    def is_dirty(self) -> bool:
        """Whether there is anything to write."""
        is_due = self._is_due or (self._journeys is not None and self._journeys.is_due)
        is_due = is_due or (self._rekeying is not None and self._rekeying.is_due)
        return is_due or self.intake.is_touched or len(self._leftovers) > 0

    @property
    def due_at(self) -> int | None:
        """Always: what waits here has not reached the second stage."""
        return 0

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        return self.intake.weight

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
        self._restore_meta(decode_as(IntakeMeta, meta_value))
        made_value = latest.get(MADE_KEY)
        made = None if made_value is None else decode_as(RuleHistory, made_value)
        views = () if made is None else set(self.intake.options.rules.models) & set(made.since)
        kept = Kept()
        journeys: list[tuple[bytes, bytes]] = []
        for key, value in latest.items():
            if value is None:
                continue
            parts = read_key(key)
            if parts[0].startswith("j"):
                journeys.append((key, value))
            elif parts[0] == "p" and not is_kept(parts[1], views):
                self._leftovers.add(key)
            else:
                self._restore_entry(parts, value, key, kept)
        for block in sorted(kept.blocks, key=lambda block: block.sequence):
            self.intake.seen.restore(block)
        self._restore_panes(kept.panes)
        self._restore_journeys(journeys, made)

    def _restore_panes(self, kept: Mapping[tuple[int, int], list[tuple[int, str, Tally]]]) -> None:
        """What may not have been sent counts as changed: the first checkpoint sends it."""
        panes = self.intake.panes
        for pane, found in kept.items():
            rows = panes.restore(*pane, [(name, tally) for _, name, tally in found])
            is_unsent = np.array([sequence > self.confirmed for sequence, _, _ in found])
            panes.mark(*pane, rows[is_unsent])

    def _restore_journeys(self, kept: list[tuple[bytes, bytes]], made: RuleHistory | None) -> None:
        """What was remembered while no model was computed is not whole; it is left with the rest."""
        if self._journeys is None or made is None:
            for key, _ in sorted(
                kept, key=lambda entry: entry[0] != MADE_KEY
            ):  # the rest means nothing without
                self._leftovers.add(key)
            return
        self._journeys.restore(kept, made)

    def take_over(self) -> None:
        """Begin a new epoch: the next checkpoint claims the partition and sends again what may be unsent."""
        self.epoch += 1
        self._is_due = True

    def _restore_meta(self, meta: IntakeMeta) -> None:
        intake = self.intake
        if meta.partitions != intake.options.partitions:
            raise StateError(
                f"The state was made with {meta.partitions} partitions, ROISTREAM_PARTITIONS says "
                f"{intake.options.partitions}; a change needs a new ROISTREAM_TOPIC_PREFIX and a replay."
            )
        self.epoch, self.sequence, self.confirmed = meta.epoch, meta.sequence, meta.confirmed
        self.birth = meta.birth
        intake.offsets = meta.offsets
        intake.clock.stream_times.update(meta.stream_times)
        intake.clock.watermark = meta.reached
        intake.ledger.update(meta.ledger)
        intake.forgetting.waiting = meta.forgetting
        if intake.neighbours is not None:
            joint = meta.reached if meta.joint == _UNTOLD else meta.joint
            intake.neighbours.restore(meta.heard, joint)
        intake.received.update({topic: counts.read for topic, counts in meta.ledger.items()})

    def _restore_entry(self, key: list[Any], value: bytes, raw_key: bytes, kept: Kept) -> None:
        kind, intake = key[0], self.intake
        if kind == "p":
            sequence, tally = _decode_pane(value)
            kept.panes.setdefault((key[2], key[3]), []).append((sequence, key[1], tally))
        elif kind == "o":
            intake.conversions.count_waiting(intake.orders.restore(key[1], value))
        elif kind == "l":
            intake.leads.restore(key[1], value)
        elif kind == "c":
            intake.customers.restore(key[1], value)
        elif kind == "h":
            self._restore_home(key[1], value, raw_key)
        elif kind == "e":
            level, latest, packed = decode_as(tuple[int, int, bytes], value)
            kept.blocks.append(IdBlock(key[1], level, latest, np.frombuffer(packed, dtype=np.uint64).copy()))
        else:
            self._restore_outbox(kind, key[1], value, raw_key)

    def _restore_home(self, conversion: str, value: bytes, raw_key: bytes) -> None:
        """Where a conversion is credited means nothing without journeys."""
        if self.intake.rekeying is None:
            self._leftovers.add(raw_key)
        else:
            self.intake.rekeying.homes.restore(conversion, value)

    def _restore_outbox(self, kind: str, sequence: int, value: bytes, raw_key: bytes) -> None:
        self._outboxes.append(raw_key)
        if sequence <= self.confirmed:
            return
        if kind == "d":
            self._unsent_letters += decode_as(list[DeadLetter], value)
        elif kind == "x":
            if self._rekeying is not None:
                self._rekeying.restore(decode_as(list[tuple[int, Rekeyed]], value))
        else:
            self._unsent_reports += decode_as(list[tuple[str, Report]], value)

    # --- writing ----------------------------------------------------------------------------------

    def slices(self, now: int) -> Iterable[Callable[[], object]]:
        """What a fit leaves to another thread; the checkpoint itself is encoded without a pause (DESIGN 2.1)."""
        del now
        fitting = None if self.intake.journeys is None else self.intake.journeys.data_driven.fitting
        work = None if fitting is None else fitting.work
        return () if work is None else (work,)

    def checkpoint(self, now: int) -> Checkpoint:
        """What has changed since the last checkpoint, as one append and the outputs after it.

        Encodes everything in one go, so that nothing can change half-way.
        """
        intake = self.intake
        self.sequence += 1
        self._is_due = False
        intake.is_touched = False
        intake.settle_due(now)
        dropped = intake.expire()
        intake.renew(now)
        reports, letters = self._take_unsent()
        changes = intake.panes.take_changes()
        entries: list[Entry] = [entry for pane in dropped for entry in tombstones(self._names, pane)]
        for change in changes:
            entries += pane_entries(self._names, change, self.sequence)
        for table in (intake.leads, intake.orders, intake.customers):
            entries += table.take_changes()
        entries += self._block_entries()
        if self._journeys is not None:
            entries += self._journeys.take_entries(self.sequence, intake.reached)
        rekeyed: Addressed = []
        if self._rekeying is not None and intake.rekeying is not None:
            entries += intake.rekeying.homes.take_changes()
            rekeyed = self._rekeying.take(self.sequence)
        entries += self._outbox_entries(reports, letters, rekeyed)
        entries += self._leftovers.take(entries)
        entries.append((META_KEY, encode(self._meta())))
        self._storing = {topic: replace(counts) for topic, counts in intake.ledger.items()}
        outputs = self._outputs(changes, reports, now)
        outputs += self._letters(letters)
        if self._rekeying is not None:
            outputs += self._rekeying.outputs(rekeyed, self.sequence, intake.own_reached(), now)
        return Checkpoint(self.sequence, entries, outputs)

    def confirm(self, sequence: int) -> None:
        """The append and the outputs of a checkpoint are confirmed by the broker."""
        self.confirmed = sequence
        self.ledger = self._storing

    def _take_unsent(self) -> tuple[list[ReportPartial], list[DeadLetter]]:
        intake = self.intake
        reports = self._unsent_reports + intake.reports
        letters = self._unsent_letters + intake.refusing.take()
        self._unsent_reports, self._unsent_letters = [], []
        intake.reports = []
        return reports, letters

    def _block_entries(self) -> list[Entry]:
        change = self.intake.seen.checkpoint(self.sequence, self.intake.clock.watermark)
        entries: list[Entry] = [(state_key("e", sequence), None) for sequence in change.forgotten]
        if change.stored is not None:
            block = change.stored
            value = encode((block.level, block.latest, block.hashes.tobytes()))
            entries.append((state_key("e", block.sequence), value))
        return entries

    def _outbox_entries(
        self, reports: list[ReportPartial], letters: list[DeadLetter], rekeyed: Addressed
    ) -> list[Entry]:
        """What went out before is confirmed and forgotten; what goes out now waits under this sequence."""
        entries: list[Entry] = [(key, None) for key in self._outboxes]
        self._outboxes = []
        waiting: Mapping[str, list[Any]] = {"r": reports, "d": letters, "x": rekeyed}
        for kind, items in waiting.items():
            if items:
                key = state_key(kind, self.sequence)
                entries.append((key, encode(items)))
                self._outboxes.append(key)
        return entries

    def _meta(self) -> IntakeMeta:
        intake = self.intake
        return IntakeMeta(
            self.epoch,
            self.sequence,
            self.confirmed,
            intake.options.partitions,
            self.birth,
            intake.offsets,
            intake.clock.stream_times,
            intake.clock.watermark,
            intake.ledger,
            intake.forgetting.waiting,
            {} if intake.neighbours is None else intake.neighbours.heard,
            intake.reached,
        )

    def _outputs(
        self, changes: Sequence[PaneChanges], reports: list[ReportPartial], now: int
    ) -> list[Output]:
        count = self.intake.options.partitions
        intake, status = self.intake, self._due_status(now)
        lags = None if self._journeys is None or status is None else self._journeys.take_unsent_lags()
        names, routes = intake.panes.names, self._route()
        reports_by: list[list[ReportPartial]] = [[] for _ in range(count)]
        for campaign, report in reports:
            reports_by[partition_of(campaign, count)].append((campaign, report))
        outputs = []
        for target in range(count):
            mine = blocks(names, routes, changes, target)
            made = list(bundles(self._source, self.epoch, self.sequence, mine, reports_by[target]))
            if status is not None:
                if not made:
                    made.append(Bundle(self._source, self.epoch, self.sequence, [], []))
                made[-1].status, made[-1].lags = status, lags
                made[-1].fitted_at = (
                    intake.journeys.data_driven.fit.fitted_at if lags and intake.journeys else None
                )
            source = encode(self._source)
            outputs += [Output(topics.PARTIALS, target, source, encode(bundle)) for bundle in made]
        return outputs

    def _due_status(self, now: int) -> PartitionStatus | None:
        """The watermark and idleness, when changed and not within a second of the last (DESIGN 3)."""
        intake = self.intake
        status = PartitionStatus(intake.reached, intake.is_idle)
        if status == self._status:
            return None
        if 0 <= now - self._status_at < intake.options.max_watermark_interval:
            self._is_due = True
            return None
        self._status, self._status_at = status, now
        return status

    def _letters(self, letters: list[DeadLetter]) -> list[Output]:
        return [
            Output(topics.DEAD_LETTERS, self._source, letter.topic.encode(), _letters.encode(letter))
            for letter in letters
        ]

    @property
    def _source(self) -> int:
        return self.intake.partition

    def _route(self) -> Codes:
        """The merge partition of every campaign met so far."""
        names, count = self.intake.panes.names, self.intake.options.partitions
        fresh = [partition_of(split_subject(name)[0], count) for name in names[len(self._routes) :]]
        self._routes = np.append(self._routes, np.array(fresh, dtype=np.int32))
        return self._routes


def _rekey_log(intake: IntakeStage) -> RekeyLog | None:
    if intake.rekeying is None:
        return None
    options = intake.options
    return RekeyLog(
        intake.rekeying, intake.partition, range(options.key_rule.partitions), options.max_watermark_interval
    )

"""What the campaigns of one merge partition add to roll-ups: which windows have changed, and their sums.

A roll-up's campaigns lie on many merge partitions. Each sends what its own add, as whole values, to the partition that the
roll-up's name hashes to (``streams.stages.merge.rollups``). Sums are taken anew from the accounts when a window is due, so nothing is
kept here but who counts where.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.entities.campaigns import CampaignFacts, CampaignRegistry
from metrics.kpis.compose import DECLARED, baseline_length, credited, window_sums
from metrics.kpis.rollups import RollupGroup, RollupNaming, RollupPart, part_of
from metrics.records.campaign_model import campaign_model
from metrics.records.kpi_reading import Dimension
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import Codes, Tallies
from metrics.windows.campaign_windows import CampaignWindows, MergedWindows
from metrics.windows.open_windows import final_at, is_past
from metrics.windows.panes import DAYS, MINUTES, WIDTHS, Horizon
from metrics.windows.publish_schedule import KeyedSchedule
from metrics.windows.window_kinds import (
    BY_NAME,
    ROLLING,
    TOTAL_WINDOW,
    Span,
    WindowKind,
    window_of,
    windows_of_report,
)
from streams.messages.partials import RollupPartial

#: All rolling windows of a roll-up, and what the name of one begins with: ``1h`` is a tumbling window's name, too.
ROLLING_KEY, ROLLING_MARK = "rolling", "~"
#: Windows of campaigns that one checkpoint marks since campaigns count elsewhere, and readings of campaigns that the parts of one
#: checkpoint are made of: about 0.15 s.
_MOST_MARKED, _MOST_SUMMED = 5_000, 5_000
Flags = npt.NDArray[np.bool_]
#: By window: sequences and the codes of the campaigns that changed.
_Touched = dict[tuple[str, int], list[tuple[int, Codes]]]


class RollupOptions(NamedTuple):
    """Which roll-ups there are, and how often each window is told, in milliseconds."""

    dimensions: tuple[Dimension, ...]
    limit: int
    models: tuple[str, ...]
    intervals: Mapping[str, int]
    slow_interval: int


class Moment(NamedTuple):
    """The state of a merge partition at a checkpoint."""

    watermark: int | None
    spans: Sequence[Span]
    #: The panes that are still kept of every campaign.
    kept: Horizon
    #: How far windows are final.
    closed: int | None
    grace: int

    def is_closed(self, window: str, start: int) -> bool:
        """Whether a tumbling window is final."""
        return is_past(window, start, self.grace, self.closed)


class _PartKey(NamedTuple):
    """A window of a roll-up: as declared, or in all models."""

    group: RollupGroup
    window: str
    start: int
    is_credited: bool


class _Rolling(NamedTuple):
    """A rolling window; every campaign has readings of it."""

    place: int
    name: str
    span: Span

    def sums(self, merged_windows: MergedWindows, codes: Codes) -> Tallies:
        return merged_windows.rolling(self.place, codes)

    def are_in(self, merged_windows: MergedWindows, codes: Codes) -> Flags:
        return merged_windows.are_known(codes)


class _Total(NamedTuple):
    """The whole history."""

    name: str = TOTAL_WINDOW
    span: None = None

    def sums(self, merged_windows: MergedWindows, codes: Codes) -> Tallies:
        return merged_windows.total(codes)

    def are_in(self, merged_windows: MergedWindows, codes: Codes) -> Flags:
        return merged_windows.are_known(codes)


class _Tumbling(NamedTuple):
    """A tumbling window; campaigns have readings of it where they have panes or reports in it."""

    kind: WindowKind
    start: int

    @property
    def name(self) -> str:
        return self.kind.name

    @property
    def span(self) -> Span:
        return Span(self.start, self.start + self.kind.length)

    def sums(self, merged_windows: MergedWindows, codes: Codes) -> Tallies:
        return merged_windows.tumbling(self.kind, self.start, codes)

    def are_in(self, merged_windows: MergedWindows, codes: Codes) -> Flags:
        are_in = merged_windows.have_panes(self.kind, self.start, codes)
        if self.kind.resolution == MINUTES:
            return are_in
        is_short = self.kind.resolution != DAYS
        for place in np.flatnonzero(~are_in).tolist():
            history = merged_windows.report_histories.get(int(codes[place]))
            are_in[place] = history is not None and history.overlaps(*self.span, short_only=is_short)
        return are_in


_Window = _Rolling | _Total | _Tumbling


class RollupParts:
    """The roll-ups of the campaigns of one merge partition."""

    def __init__(
        self, options: RollupOptions, campaign_registry: CampaignRegistry, merged_windows: MergedWindows
    ) -> None:
        self.options = options
        #: Where each campaign counts, as was told.
        self.groups: dict[str, tuple[RollupGroup, ...]] = {}
        #: Campaigns that have moved, with where they counted before.
        self.moved: dict[str, tuple[RollupGroup, ...]] = {}
        self._campaign_registry = campaign_registry
        self._merged_windows = merged_windows
        #: The codes of a group's campaigns.
        self._members: dict[RollupGroup, dict[int, None]] = {}
        self._naming = RollupNaming(options.dimensions, options.limit)
        self._is_stale = bool(options.dimensions)
        #: Campaigns whose windows changed, with the sequence that holds the change; by whether only in models.
        self._touched: tuple[_Touched, _Touched] = ({}, {})
        self._pacing = KeyedSchedule(self._interval_of)
        #: Campaigns that have moved and whose windows are not marked yet: in which roll-ups, and the sequence that holds the move.
        self._untold: dict[str, tuple[frozenset[RollupGroup], int]] = {}
        #: Where campaigns counted before moves that may not have gone out, with the sequence of the newest of these.
        self._left: dict[str, tuple[frozenset[RollupGroup], int]] = {}
        #: Whether the last checkpoint left something that may go out at once.
        self.has_more = False
        #: Whether it left final windows.
        self.has_final = False

    def touch(self, window: str, start: int, codes: Codes, sequence: int) -> None:
        """A window of campaigns, or of campaigns in models, changed; what is declared of one changes the models, too."""
        if not self.options.dimensions:
            return
        if not self.options.models:
            self._touched[False].setdefault((window, start), []).append((sequence, codes))
            return
        are_models = self._merged_windows.campaign_codes.are_models(codes)
        for touched, mine in zip(self._touched, (codes[~are_models], codes[are_models]), strict=True):
            if len(mine):
                touched.setdefault((window, start), []).append((sequence, mine))

    def regroup(self) -> None:
        """Registrations changed: campaigns may count elsewhere."""
        self._is_stale = bool(self.options.dimensions)

    @property
    def has_pending(self) -> bool:
        """Whether anything waits to be told."""
        return self._is_stale or any(self._touched) or len(self._untold) > 0 or len(self._pacing) > 0

    def oldest(self) -> int | None:
        """The sequence of the oldest change that waits."""
        touched = (sequence for some in self._touched for changes in some.values() for sequence, _ in changes)
        untold = (sequence for _, sequence in self._untold.values())
        waiting = self._pacing.oldest()
        return min((*touched, *untold, *(() if waiting is None else (waiting,))), default=None)

    def restore(self, campaign_id: str, groups: tuple[RollupGroup, ...]) -> None:
        """Put back where a campaign counts."""
        self.groups[campaign_id] = groups
        for group in groups:
            self._members.setdefault(group, {})[self._merged_windows.campaign_codes.campaign(campaign_id)] = (
                None
            )

    def adopt(self, campaign_ids: Iterable[str], sequence: int) -> None:
        """All is put back: what no roll-up counts yet is counted as if it had just come."""
        if not self.options.dimensions:
            return
        self._naming.learn(self._campaign_registry.campaigns.values())
        for campaign_id in campaign_ids:
            if campaign_id not in self.groups:
                groups = self._groups_of(campaign_id)
                self._move(campaign_id, (), groups)
                self._tell(campaign_id, frozenset(groups), sequence)

    def tell_again(self, campaign_id: str, former: Iterable[RollupGroup], sequence: int) -> None:
        """All is put back: a campaign has moved, and that may not have gone out."""
        left = frozenset(former)
        self._left[campaign_id] = left, sequence
        self._tell(campaign_id, left.union(self.groups[campaign_id]), sequence)

    def take(self, sequence: int, now: int, at: Moment) -> list[RollupPartial]:
        """What is due, as whole values: about as much as one checkpoint may take, the longest waiting first."""
        if not self.options.dimensions:
            return []
        self._settle_groups(sequence)
        self._expand()
        self._mark_untold(at.kept)

        def is_urgent(key: _PartKey) -> bool:
            return key.window in BY_NAME and at.is_closed(key.window, key.start)

        due = self._pacing.take(now, is_urgent, _MOST_SUMMED, self._weight_of)
        is_cut = len(self._pacing) > 0 and sum(map(self._weight_of, due)) >= _MOST_SUMMED
        self.has_more = len(self._untold) > 0 or is_cut
        self.has_final = any(map(is_urgent, self._pacing))
        return [partial for key in due for partial in self._due_partials(key, at)]

    def sent_through(self, at: Moment, said: int | None) -> int | None:
        """How far windows are final, and have gone out as they are.

        Args:
            at: the state of the partition, whose parts are taken.
            said: what this said last; what changes up to there is a correction.
        """
        if self._untold or at.closed is None:
            return said
        waiting = (
            final_at(key.window, key.start, at.grace)
            for key in self._pacing
            if key.window in BY_NAME and at.is_closed(key.window, key.start)
        )
        return min((each - 1 for each in waiting if said is None or each > said), default=at.closed)

    def _mark_untold(self, kept: Horizon) -> None:
        """Every window that is still kept of campaigns that have moved is told anew in the roll-ups that this concerns."""
        marked = 0
        while self._untold and marked < _MOST_MARKED:
            campaign_id = next(iter(self._untold))
            groups, sequence = self._untold.pop(campaign_id)
            for window, start in self._windows_of(campaign_id, kept):
                marked += 1
                for group in groups:
                    self._mark(group, window, start, sequence)

    def _weight_of(self, key: _PartKey) -> int:
        """How many readings of campaigns its parts are made of."""
        readings = len(self._members.get(key.group, ())) + 1
        models = len(self.options.models) if key.is_credited else 1
        return readings * models * (len(ROLLING) if key.window == ROLLING_KEY else 1)

    # --- who counts where ----------------------------------------------------------------------------

    def _settle_groups(self, sequence: int) -> None:
        if not self._is_stale:
            return
        self._is_stale = False
        self._naming.learn(self._campaign_registry.campaigns.values())
        oldest = self.oldest()
        for campaign_id, former in list(self.groups.items()):
            now = self._groups_of(campaign_id)
            if now == former:
                continue
            left, moved_at = self._left.get(campaign_id, (frozenset(), 0))
            if oldest is None or moved_at < oldest:
                left = frozenset()  # that has gone out
            self._left[campaign_id] = left.union(former), sequence
            self._move(campaign_id, former, now)
            self.moved[campaign_id] = tuple(sorted(left.union(former)))
            self._tell(campaign_id, frozenset(former).symmetric_difference(now), sequence)

    def _groups_of(self, campaign_id: str) -> tuple[RollupGroup, ...]:
        """By what is registered; what is registered no more stays where it was."""
        known = self._campaign_registry.campaigns.get(campaign_id)
        if known is None and self.groups.get(campaign_id):
            return self.groups[campaign_id]
        return self._naming.groups(known or CampaignFacts(campaign_id))

    def _move(self, campaign_id: str, former: tuple[RollupGroup, ...], now: tuple[RollupGroup, ...]) -> None:
        for group in former:
            self._members[group].pop(self._merged_windows.campaign_codes.campaign(campaign_id), None)
        self.restore(campaign_id, now)
        if now or former:
            self.moved[campaign_id] = former

    def _tell(self, campaign_id: str, groups: frozenset[RollupGroup], sequence: int) -> None:
        """Every window of a campaign is to be told anew in some roll-ups."""
        known, since = self._untold.get(campaign_id, (frozenset(), sequence))
        self._untold[campaign_id] = known | groups, min(since, sequence)

    # --- what has changed ----------------------------------------------------------------------------

    def _interval_of(self, key: _PartKey) -> int:
        return self.options.slow_interval if key.is_credited else self.options.intervals[key.window]

    def _expand(self) -> None:
        """From windows of campaigns to those of roll-ups."""
        campaign_codes = self._merged_windows.campaign_codes
        for is_credited, touched in enumerate(self._touched):
            for (window, start), changes in touched.items():
                for sequence, codes in changes:
                    for group in self._groups_of_all(np.unique(campaign_codes.campaigns(codes))):
                        self._mark(group, window, start, sequence, is_declared=not is_credited)
            touched.clear()

    def _groups_of_all(self, codes: Codes) -> set[RollupGroup]:
        """The groups that campaigns count in; one that is new is told where it counts."""
        found: set[tuple[RollupGroup, ...]] = set()
        for campaign_id in map(self._merged_windows.campaign_codes.names.__getitem__, codes.tolist()):
            groups = self.groups.get(campaign_id)
            if groups is None:
                groups = self._groups_of(campaign_id)
                self._move(campaign_id, (), groups)
            found.add(groups)
        return {group for groups in found for group in groups}

    def _mark(
        self, group: RollupGroup, window: str, start: int, sequence: int, *, is_declared: bool = True
    ) -> None:
        if is_declared:
            self._pacing.mark(_PartKey(group, window, start, is_credited=False), sequence)
        if self.options.models:
            self._pacing.mark(_PartKey(group, window, start, is_credited=True), sequence)

    def _windows_of(self, campaign_id: str, kept: Horizon) -> Iterator[tuple[str, int]]:
        yield TOTAL_WINDOW, 0
        yield ROLLING_KEY, 0
        found: set[tuple[str, int]] = set()
        for name in (campaign_id, *(campaign_model(campaign_id, model) for model in self.options.models)):
            campaign_windows = self._merged_windows.get(name)
            if campaign_windows is None:
                continue
            for resolution, _ in enumerate(WIDTHS):
                found.update(window_of(resolution, start) for start in campaign_windows.starts(resolution))
            history = campaign_windows.report_history
            for report in history.reports.values():
                found.update((kind.name, start) for kind, start in windows_of_report(history, report))
        yield from (key for key in found if _is_kept(BY_NAME[key[0]], key[1], kept))

    # --- the sums ------------------------------------------------------------------------------------

    def _due_partials(self, key: _PartKey, at: Moment) -> Iterator[RollupPartial]:
        """One window in one or all models; the rolling ones all at once."""
        models = self.options.models if key.is_credited else (DECLARED,)
        if key.window == ROLLING_KEY:
            for place, (rolling, span) in enumerate(zip(ROLLING, at.spans, strict=False)):
                yield from self._partials(
                    key, models, ROLLING_MARK + rolling.name, _Rolling(place, rolling.name, span), at
                )
        elif key.window == TOTAL_WINDOW:
            yield from self._partials(key, models, TOTAL_WINDOW, _Total(), at)
        else:
            kind = BY_NAME[key.window]
            if _is_kept(kind, key.start, at.kept):
                yield from self._partials(key, models, kind.name, _Tumbling(kind, key.start), at)

    def _partials(
        self, key: _PartKey, models: Sequence[str], name: str, window: _Window, at: Moment
    ) -> Iterator[RollupPartial]:
        codes = np.array(list(self._members.get(key.group, ())), dtype=np.int32)
        events, are_in = window.sums(self._merged_windows, codes), window.are_in(self._merged_windows, codes)
        for model in models:
            sums, are_there = events, are_in
            if model != DECLARED:
                mine = self._merged_windows.campaign_codes.in_model(codes, model)
                sums = credited(events, window.sums(self._merged_windows, mine))
                are_there = are_in | window.are_in(self._merged_windows, mine)
            part = RollupPart(span=window.span if isinstance(window, _Rolling) else None)
            for place, tally in enumerate(sums.as_list()):
                if are_there[place]:
                    tally.round_spend()
                    part.add(self._own(int(codes[place]), tally, window, at.watermark))
            yield key.group.dimension, key.group.value, model, name, key.start, part

    def _own(self, code: int, tally: Tally, window: _Window, watermark: int | None) -> RollupPart:
        """What one campaign adds."""
        campaign_windows = CampaignWindows(self._merged_windows, code)
        campaign_id = self._merged_windows.campaign_codes.names[code]
        facts = self._campaign_registry.facts_of_window(campaign_id, window.span)
        found = window_sums(campaign_windows, facts, window.name, window.span, tally, watermark)
        length = baseline_length(facts, window.span, watermark)
        rate = facts.baseline_micros_per_day
        baseline = None if rate is None or length is None else rate * length
        return part_of(found.sums, tally.mqls_now_sql, baseline, is_uncertain=found.has_uncertain_amounts)


def _is_kept(kind: WindowKind, start: int, kept: Horizon) -> bool:
    """Whether every campaign still has the panes of a window."""
    earliest = kept[kind.resolution]
    return earliest is None or start >= earliest

"""The tables of journeys. The kinds of their keys begin with ``j``; touches are packed in blocks, one per checkpoint."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from metrics.attribution.conversion_lag import LagCounts
from metrics.attribution.identity_graph import Person
from metrics.attribution.markov_chain import MarkovFit
from metrics.attribution.rule_versions import RuleHistory
from metrics.attribution.touch_store import TouchBlock, TouchColumns
from streams.stages.intake.attribution.journeys import Journeys
from streams.state.codec import Entry, decode_as, encode, read_key, state_key
from streams.state.table import Restored


class RuleHistoryTable:
    """With which rules conversions were credited.

    The table is the first one of its stage, so that it is read before, and removed before, what means nothing without it:
    journeys, and sums of models.

    Args:
        current: the history as of now; None where no model is computed, and the record obsolete.
    """

    kind = "jm"
    weight = 0

    def __init__(self, current: Callable[[], RuleHistory | None]) -> None:
        #: As it was read back; None: journeys were not remembered.
        self.found: RuleHistory | None = None
        self._current = current
        self._stored: RuleHistory | None = None

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Read the history back."""
        del confirmed
        if self._current() is None:
            return [key for key, _ in entries]
        for _, value in entries:
            self.found = self._stored = decode_as(RuleHistory, value)
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """The history, where it has changed."""
        del sequence
        current = self._current()
        if current is None or current == self._stored:
            return []
        self._stored = current
        return [(state_key(self.kind), encode(current))]


class _JourneyTable:
    """A table that means nothing without the history of rules: what is not whole is obsolete."""

    kind: str
    weight = 0

    def __init__(self, journeys: Journeys, rules: RuleHistoryTable) -> None:
        self._journeys = journeys
        self._rules = rules

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back what belongs to a whole history."""
        del confirmed
        if self._rules.found is None:
            return [key for key, _ in entries]
        self._put_back(entries)
        return ()

    def _put_back(self, entries: Sequence[Restored]) -> None:
        raise NotImplementedError


class ConversionTable(_JourneyTable):
    """Conversions with their paths, and what waits to be credited."""

    kind = "jc"

    @property
    def weight(self) -> int:  # type: ignore[override]
        """About how many bytes the table adds to the next checkpoint."""
        return self._journeys.conversions.weight + 200 * self._journeys.unstored

    def _put_back(self, entries: Sequence[Restored]) -> None:
        self._journeys.conversions.restore(entries, 0)

    def take_changes(self, sequence: int) -> list[Entry]:
        """Conversions that have changed."""
        self._journeys.store()
        return self._journeys.conversions.take_changes(sequence)


class PersonTable(_JourneyTable):
    """Which ids are one person's."""

    kind = "jp"

    @property
    def weight(self) -> int:  # type: ignore[override]
        """About how many bytes the table adds to the next checkpoint."""
        return 100 * self._journeys.people.changes

    def _put_back(self, entries: Sequence[Restored]) -> None:
        for key, value in entries:
            self._journeys.people.restore(read_key(key)[1], decode_as(Person, value))

    def take_changes(self, sequence: int) -> list[Entry]:
        """Persons that have changed."""
        del sequence
        return [
            (state_key(self.kind, root), None if person is None else encode(person))
            for root, person in self._journeys.people.take_changes()
        ]


class TouchpointTable(_JourneyTable):
    """Campaigns with channels, by the code that touches have."""

    kind = "jn"

    def _put_back(self, entries: Sequence[Restored]) -> None:
        for code, value in sorted((read_key(key)[1], value) for key, value in entries):
            self._journeys.touchpoints.restore(code, *decode_as(tuple[str, str], value))

    def take_changes(self, sequence: int) -> list[Entry]:
        """Touchpoints that are new."""
        del sequence
        changes = self._journeys.touchpoints.take_changes()
        return [(state_key(self.kind, code), encode(names)) for code, names in changes]


class TouchTable(_JourneyTable):
    """Touches, in blocks.

    Args:
        journeys: that remember them.
        rules: their history.
        watermark: of the partition; a block whose newest touch is out of reach is forgotten.
    """

    kind = "jt"

    def __init__(
        self, journeys: Journeys, rules: RuleHistoryTable, watermark: Callable[[], int | None]
    ) -> None:
        super().__init__(journeys, rules)
        self._watermark = watermark

    @property
    def weight(self) -> int:  # type: ignore[override]
        """About how many bytes the table adds to the next checkpoint."""
        return 20 * sum(store.fresh for store in self._journeys.touches.values())

    def _put_back(self, entries: Sequence[Restored]) -> None:
        for (is_click, sequence), value in sorted((read_key(key)[1:], value) for key, value in entries):
            self._journeys.touches[bool(is_click)].restore(_unpacked(sequence, value))

    def take_changes(self, sequence: int) -> list[Entry]:
        """The block of the checkpoint, and tombstones of those that it holds or that are forgotten."""
        entries: list[Entry] = []
        for is_click, store in self._journeys.touches.items():
            change = store.checkpoint(sequence, self._watermark())
            entries += [(state_key(self.kind, int(is_click), gone), None) for gone in change.forgotten]
            entries += [
                (state_key(self.kind, int(is_click), block.sequence), _packed(block))
                for block in change.stored
            ]
        return entries


class LagTable(_JourneyTable):
    """How long after the first touch conversions came."""

    kind = "jl"

    def _put_back(self, entries: Sequence[Restored]) -> None:
        for _, value in entries:
            self._journeys.lags.update(decode_as(dict[str, LagCounts], value))

    def take_changes(self, sequence: int) -> list[Entry]:
        """All lags, where one has changed."""
        del sequence
        if not self._journeys.lags_changed:
            return []
        self._journeys.lags_changed = False
        return [(state_key(self.kind), encode(self._journeys.lags))]


class FitTable(_JourneyTable):
    """The fit of the data-driven model that credits follow."""

    kind = "jf"

    def _put_back(self, entries: Sequence[Restored]) -> None:
        for _, value in entries:
            self._journeys.data_driven.fit = decode_as(MarkovFit, value)

    def take_changes(self, sequence: int) -> list[Entry]:
        """The fit, where it is new."""
        del sequence
        if not self._journeys.data_driven.has_changed:
            return []
        self._journeys.data_driven.has_changed = False
        return [(state_key(self.kind), encode(self._journeys.data_driven.fit))]


def _packed(block: TouchBlock) -> bytes:
    return encode((block.level, block.latest, *(column.tobytes() for column in block.columns)))


def _unpacked(sequence: int, value: bytes) -> TouchBlock:
    level, latest, visitors, at, touchpoints = decode_as(tuple[int, int, bytes, bytes, bytes], value)
    columns = TouchColumns(
        np.frombuffer(visitors, np.uint64), np.frombuffer(at, np.int64), np.frombuffer(touchpoints, np.int32)
    )
    return TouchBlock(sequence, level, latest, columns)

"""The budget stage: the budget controller's board, its inputs, and where they are read to. Synchronous, free of I/O.

There is one board, since limits of columns and totals hold over all campaigns: whoever has partition 0 has it. The stage
reads every partition of its topics by itself; its place in them is stored with the board.

A step is the stage's work before a checkpoint. Board, offsets and actions of the step are then one append. With transactions
the actions are a part of that append: they are sent once. Without, they stay in the header until the next checkpoint: after a
crash between the append and the outputs they are sent again, with the same ``action_id``.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from metrics.budget.machine import Context, Inputs, slices
from metrics.budget.policy import Policies
from metrics.budget.records import AlertSignal, BoardCard, BudgetAction, BudgetDecision, ColumnView, Mode
from metrics.budget.state import Board, CampaignState
from metrics.budget.views import card_of, cards_of, columns_of
from metrics.entities.campaigns import CampaignRegistry
from metrics.evidence import Shape
from metrics.records.kpi_reading import CampaignKpi
from metrics.records.validation import instant
from metrics.values.errors import UNREADABLE, Rejection
from metrics.values.time import to_millis
from streams import topics
from streams.stages.budget.tables import CampaignTable, HourTable
from streams.stages.stage import Work
from streams.state.checkpoint import Emitted, Output, Version
from streams.state.codec import partition_of
from streams.state.store import Header

log = logging.getLogger(__name__)

#: Whoever holds this partition holds the board.
BOARD_PARTITION = 0
#: What the board reads.
INPUTS = (topics.CAMPAIGN_KPIS, topics.BUDGET_DECISIONS, topics.BUDGET_ALERTS)
#: Readings are looked at only where they hold these; most are of minutes, and decoding costs ten times a search.
_IS_DECLARED = b'"model":"declared"'
_IS_WANTED = (b'"window":"total"', b'"window":"1h"')

R = TypeVar("R", bound=msgspec.Struct)
_reading = msgspec.json.Decoder(CampaignKpi)
_decision = msgspec.json.Decoder(BudgetDecision)
_signal = msgspec.json.Decoder(AlertSignal)
_actions = msgspec.json.Encoder()
#: Campaigns encoded between two pauses; cards take longer, for the points of their sparklines.
_STATES_AT_ONCE, _CARDS_AT_ONCE = 200, 25


class BudgetHeader(msgspec.Struct, array_like=True):
    """The board's part of a checkpoint's header.

    Attributes:
        offsets: topic, partition, and the next offset to read.
        acted: instants of the latest actions.
        open_until: until when the breaker is open.
        reallocated_at: when budgets were last moved between campaigns.
        waiting: decisions that wait.
        unsent: actions that a build without transactions wrote down, and may not have sent; none since then.
        early: alerts of campaigns that were not known yet.
        learned: by target, what the campaigns show together.
        learned_at: when that was taken.
    """

    offsets: list[tuple[str, int, int]]
    acted: tuple[int, ...]
    open_until: int
    reallocated_at: int | None
    waiting: tuple[BudgetDecision, ...]
    unsent: list[BudgetAction]
    early: tuple[AlertSignal, ...] = ()
    learned: dict[str, Shape] = {}
    learned_at: int = 0


class BudgetViews(NamedTuple):
    """What is shown of a step: the board, what it did, cards of the campaigns that changed, and then all columns."""

    board: Board
    actions: Sequence[BudgetAction]
    cards: Sequence[BoardCard]
    columns: Mapping[str, ColumnView]


class _Step(NamedTuple):
    """A step that was made and waits for its checkpoint."""

    actions: list[BudgetAction]
    cards: list[BoardCard]
    offsets: dict[tuple[str, int], int]


class BudgetStage:
    """The board with what waits for its next step.

    Args:
        policies: what may be done.
        mode: observe, propose or enforce.
        currency: the reporting currency.
        campaign_registry: campaigns as registered.
        partitions: of the topics.
        now: the wall clock, in epoch ms.
        local: the watermark of a partition that is merged in this process, None elsewhere. A campaign that rests has
            no new readings, and without it would look stale where it is alone on its partition.
    """

    partition = BOARD_PARTITION
    header_type = BudgetHeader
    #: All that grows is in the tables.
    weight = 0
    format_1 = (0, 1, None, 2, 3)
    #: A step is taken at its pace, whatever waits.
    due_at = None

    def __init__(
        self,
        policies: Policies,
        mode: Mode,
        currency: str,
        campaign_registry: CampaignRegistry,
        partitions: int,
        now: Callable[[], int],
        local: Callable[[int], int | None] = lambda _: None,
    ) -> None:
        self.partitions = partitions
        self.policies, self.mode, self.currency, self.campaign_registry = (
            policies,
            mode,
            currency,
            campaign_registry,
        )
        self._now, self._local = now, local
        self._campaigns, self._hours = CampaignTable(), HourTable()
        self.tables = (self._campaigns, self._hours)
        self.board = Board()
        #: The next offset to read, by short topic name and partition.
        self.offsets: dict[tuple[str, int], int] = {}
        #: Whether everything that was there at the start has been read.
        self.is_live = False
        self._readings: dict[tuple[str, str, str | None], CampaignKpi] = {}
        self._signals: list[AlertSignal] = []
        self._decisions: list[BudgetDecision] = []
        self._looked_at = 0
        #: The newest watermark heard of each partition of the readings.
        self._watermarks: dict[int, int] = {}
        self._step: _Step | None = None
        self._unsent: list[BudgetAction] = []
        self._stored_offsets: dict[tuple[str, int], int] = {}
        self._shows_all = True

    # --- taking in ---------------------------------------------------------------------------------

    def take(self, topic: str, partition: int, records: Sequence[Any]) -> None:
        """Take in records of one partition in order of offset; those already read are dropped."""
        for record in records:
            if record.offset < self.offsets.get((topic, partition), 0):
                continue
            self._take(topic, partition, record.value)
            self.offsets[topic, partition] = record.offset + 1

    def _take(self, topic: str, partition: int, value: bytes | None) -> None:
        if value is None:
            return
        if topic == topics.CAMPAIGN_KPIS:
            self._take_reading(partition, value)
        elif topic == topics.BUDGET_DECISIONS:
            decision = _decoded(_decision, value, "occurred_at", "until")
            self._decisions += [] if decision is None else [decision]
        else:
            signal = _decoded(_signal, value, "starts_at", "received_at")
            self._signals += [] if signal is None else [signal]

    def _take_reading(self, partition: int, value: bytes) -> None:
        if _IS_DECLARED not in value or not any(part in value for part in _IS_WANTED):
            return
        reading = _decoded(_reading, value)
        if reading is None:
            return
        if reading.watermark is not None:
            watermark = to_millis(datetime.fromisoformat(reading.watermark))
            self._watermarks[partition] = max(watermark, self._watermarks.get(partition, 0))
        key = (reading.campaign_id, reading.window, reading.window_start)
        held = self._readings.get(key)
        if held is None or held.revision < reading.revision:
            self._readings[key] = reading

    def has_work(self, now: int) -> bool:
        """Whether a step would find anything: input, or a hold or a proposal that ends."""
        if self._readings or self._signals or self._decisions or (self.is_live and self.board.waiting):
            return True
        ends = (end for state in self.board.campaigns.values() for end in _ends_of(state))
        return any(self._looked_at < end <= now for end in ends)

    # --- stepping ----------------------------------------------------------------------------------

    @property
    def is_dirty(self) -> bool:
        """Whether a step would find anything, or the topics were read on."""
        return self._shows_all or self._stored_offsets != self.offsets or self.has_work(self._now())

    def work(self, now: int) -> Iterator[Work]:
        """One step, and what it changed encoded, with pauses; records taken in meanwhile wait for the next step."""
        offsets = dict(self.offsets)
        changed, actions = yield from self._run(now)
        for first in range(0, len(changed), _STATES_AT_ONCE):
            for state in changed[first : first + _STATES_AT_ONCE]:
                self._campaigns.put(state)
                self._hours.put(state)
            yield None
        shown = list(self.board.campaigns.values()) if self._shows_all else changed
        self._shows_all = False
        cards: list[BoardCard] = []
        for first in range(0, len(shown), _CARDS_AT_ONCE):
            cards += self.cards(shown[first : first + _CARDS_AT_ONCE])
            yield None
        self._step = _Step(actions, cards, offsets)

    def emit(self, version: Version, now: int) -> Emitted:
        """The actions of the step."""
        del version
        if self._step is None:
            deque(self.work(now), maxlen=0)
        assert self._step is not None, "the work is done"
        (actions, cards, self._stored_offsets), self._step = self._step, None
        unsent, self._unsent = self._unsent, []
        columns = self.columns() if cards else {}
        outputs = [self._output(action) for action in (*unsent, *actions)]
        return Emitted(outputs, BudgetViews(self.board, actions, cards, columns))

    def confirm(self) -> None:
        """Nothing waited for it."""

    def show_all(self) -> None:
        """Let the next checkpoint have the cards of all campaigns."""
        self._shows_all = True

    def _run(self, now: int) -> Generator[None, None, tuple[list[CampaignState], list[BudgetAction]]]:
        """Run the controller over what waits; the campaigns that changed, and the actions taken.

        The board changes at the end.
        """
        inputs = Inputs(list(self._readings.values()), self._signals, self._decisions)
        self._readings, self._signals, self._decisions = {}, [], []
        before, self._looked_at = self.board.campaigns, now
        self.board, actions = yield from slices(self.board, inputs, self._context(), now)
        changed = [state for name, state in self.board.campaigns.items() if before.get(name) is not state]
        return changed, actions

    def _output(self, action: BudgetAction) -> Output:
        partition = partition_of(action.campaign_id, self.partitions)
        return Output(topics.BUDGET_ACTIONS, partition, action.campaign_id.encode(), _actions.encode(action))

    # --- keeping -----------------------------------------------------------------------------------

    def header(self) -> BudgetHeader:
        """Offsets as of the step, and what the board remembers besides its campaigns."""
        board = self.board
        return BudgetHeader(
            [(topic, partition, at) for (topic, partition), at in sorted(self._stored_offsets.items())],
            board.acted,
            board.open_until,
            board.reallocated_at,
            board.waiting,
            [],
            board.early,
            dict(board.learned),
            board.learned_at,
        )

    def restore(self, header: Header[BudgetHeader]) -> None:
        """Put back the board without its campaigns."""
        kept = header.stage
        self._unsent = kept.unsent
        self.offsets = {(topic, partition): at for topic, partition, at in kept.offsets}
        self.board = Board(
            acted=kept.acted,
            open_until=kept.open_until,
            reallocated_at=kept.reallocated_at,
            waiting=kept.waiting,
            early=kept.early,
            learned=kept.learned,
            learned_at=kept.learned_at,
        )

    def restored(self) -> None:
        """Put the campaigns on the board, with their hours."""
        found, self._campaigns.found = self._campaigns.found, {}
        campaigns = {
            name: replace(state, hours=self._hours.stored.get(name, ())) for name, state in found.items()
        }
        self.board = replace(self.board, campaigns=campaigns)

    def take_over(self) -> None:
        """Nothing is done before the topics are read to their end again."""
        self._shows_all = True
        self.is_live = False

    # --- showing -----------------------------------------------------------------------------------

    def cards(self, states: Sequence[CampaignState] | None = None) -> list[BoardCard]:
        """Cards of some campaigns, or of all."""
        if states is None:
            return cards_of(self.board, self.campaign_registry.campaigns, self.mode, self.currency)
        return [
            card_of(each, self.campaign_registry.facts(each.campaign_id), self.mode, self.currency)
            for each in states
        ]

    def columns(self) -> dict[str, ColumnView]:
        """The columns with their limits."""
        return {str(name): view for name, view in columns_of(self.board, self.policies).items()}

    def _context(self) -> Context:
        return Context(
            self.policies,
            self.mode,
            self.is_live,
            self.currency,
            self.campaign_registry.campaigns,
            self.campaign_registry.archived,
            reached=self._watermark_of,
        )

    def _watermark_of(self, campaign_id: str) -> int | None:
        """The watermark of the campaign's partition: a reading that has not been renewed holds up to it."""
        partition = partition_of(campaign_id, self.partitions)
        return max(self._watermarks.get(partition, 0), self._local(partition) or 0) or None


def _ends_of(state: CampaignState) -> Iterator[int]:
    if state.hold is not None and state.hold.expires_at is not None:
        yield state.hold.expires_at
    if state.proposal is not None:
        yield state.proposed_until


def _decoded(decoder: "msgspec.json.Decoder[R]", value: bytes, *times: str) -> R | None:
    """A record, or None where it is none: nobody's budget may hang on a record that cannot be read."""
    try:
        record = decoder.decode(value)
        for name in times:
            if (at := getattr(record, name)) is not None:
                instant(at, name)
    except (*UNREADABLE, Rejection) as error:
        log.warning("A record for the budget controller was left out: %s", error)
        return None
    return record

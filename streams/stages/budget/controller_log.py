"""Stage three's state as a changelog: the board, its place in its topics, and the actions of the last step.

A step runs while its checkpoint is made, so that the board, the offsets and the actions are one append; it is cut into
slices, between which the event loop breathes. With transactions the actions are a part of that append: they are sent once.
Without, they wait in it until the next one: after a crash between the append and the outputs they are sent again, with the
same ``action_id``.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from metrics.budget.records import AlertSignal, BoardCard, BudgetAction, BudgetDecision
from metrics.budget.state import Board, CampaignState, Hour
from metrics.values.errors import StateError
from streams import topics
from streams.stages.budget.stage import BudgetStage
from streams.state.checkpoint import Checkpoint, Output
from streams.state.codec import META_KEY, Entry, decode_as, encode, partition_of, read_key, state_key

_actions = msgspec.json.Encoder()
#: Campaigns encoded between two pauses; cards take longer, for the points of their sparklines.
_SLICE = 200
_CARDS = 25


class ControllerMeta(msgspec.Struct, array_like=True):
    """What a checkpoint says of itself; ``outbox`` are the actions whose sending it began, where that may be cut off."""

    epoch: int
    sequence: int
    partitions: int
    birth: int
    offsets: list[tuple[str, int, int]]
    acted: tuple[int, ...]
    open_until: int
    reallocated_at: int | None
    waiting: tuple[BudgetDecision, ...]
    outbox: list[BudgetAction]
    early: tuple[AlertSignal, ...] = ()


class _Prepared(NamedTuple):
    """A step that has been made and waits to be written."""

    actions: list[BudgetAction]
    entries: list[Entry]
    offsets: dict[tuple[str, int], int]


class ControllerLog:
    """The controller with its place in its changelog.

    Args:
        controller: the board and its inputs.
        partitions: of the topics.
        now: the wall clock, in epoch ms.
        is_atomic: whether a checkpoint is one transaction with its outputs: who reads it back knows that they are there.
    """

    def __init__(
        self, controller: BudgetStage, partitions: int, now: Callable[[], int], *, is_atomic: bool = False
    ) -> None:
        self.controller = controller
        self.epoch = 0
        self.birth = now()
        self.sequence = 0
        #: Cards of the campaigns that the last checkpoint changed; all of them after a takeover or ``show_all``.
        self.cards: list[BoardCard] = []
        #: The board as last confirmed, and the actions confirmed since the start by verb and mode: what is shown
        #: elsewhere, since a crash takes back a step that was merely made.
        self.stored = Board()
        self.taken: Counter[tuple[str, str]] = Counter()
        self._storing: tuple[Board, list[BudgetAction]] = (self.stored, [])
        self._prepared: _Prepared | None = None
        self._shows_all = True
        self._partitions = partitions
        self._now = now
        self._is_atomic = is_atomic
        self._outbox: list[BudgetAction] = []
        self._is_due = True
        self._stored: dict[str, tuple[Hour, ...]] = {}
        self._offsets: dict[tuple[str, int], int] = {}

    @property
    def is_dirty(self) -> bool:
        """Whether a step would find anything, or the topics were read on."""
        moved = self._offsets != self.controller.offsets
        return self._is_due or self._shows_all or moved or self.controller.has_work(self._now())

    @property
    def due_at(self) -> int | None:
        """Never: a step is taken at its pace."""
        return None

    @property
    def weight(self) -> int:
        """Never heavy: a step writes each campaign once."""
        return 0

    # --- reading back -----------------------------------------------------------------------------

    def restore(self, entries: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Fill the board from changelog records in order of offset.

        Raises:
            StateError: when the state belongs to another number of partitions.
        """
        latest = dict(entries)
        meta_value = latest.pop(META_KEY, None)
        if meta_value is None:
            return
        meta = decode_as(ControllerMeta, meta_value)
        if meta.partitions != self._partitions:
            raise StateError(
                f"The board was made with {meta.partitions} partitions, ROISTREAM_PARTITIONS says "
                f"{self._partitions}; a change needs a new ROISTREAM_TOPIC_PREFIX and a replay."
            )
        kept = {tuple(read_key(key)): value for key, value in latest.items() if value is not None}
        campaigns = {}
        for (kind, name), value in kept.items():
            if kind == "c":
                hours = kept.get(("h", name))
                self._stored[name] = () if hours is None else decode_as(tuple[Hour, ...], hours)
                campaigns[name] = replace(decode_as(CampaignState, value), hours=self._stored[name])
        self.epoch, self.sequence, self.birth = meta.epoch, meta.sequence, meta.birth
        self._outbox = meta.outbox
        self.controller.offsets = {(topic, partition): at for topic, partition, at in meta.offsets}
        self.controller.board = Board(
            campaigns=campaigns,
            acted=meta.acted,
            open_until=meta.open_until,
            reallocated_at=meta.reallocated_at,
            waiting=meta.waiting,
            early=meta.early,
        )

    def take_over(self) -> None:
        """Begin a new epoch; nothing is done before the topics are read to their end again."""
        self.epoch += 1
        self._is_due = self._shows_all = True
        self.controller.is_live = False

    def show_all(self) -> None:
        """Let the next checkpoint have the cards of all campaigns."""
        self._shows_all = True

    # --- writing ----------------------------------------------------------------------------------

    def slices(self, now: int) -> Iterator[None]:
        """One step and what it changed, encoded; records taken in between the pauses wait for the next one."""
        offsets = dict(self.controller.offsets)
        changed, actions = yield from self.controller.step(now)
        entries: list[Entry] = []
        for at in range(0, len(changed), _SLICE):
            for state in changed[at : at + _SLICE]:
                entries += self._entries(state)
            yield
        shown = list(self.controller.board.campaigns.values()) if self._shows_all else changed
        self.cards, self._shows_all = [], False
        for at in range(0, len(shown), _CARDS):
            self.cards += self.controller.cards(shown[at : at + _CARDS])
            yield
        self._prepared = _Prepared(actions, entries, offsets)

    def checkpoint(self, now: int) -> Checkpoint:
        """One step, what it changed, and the actions that go out after it."""
        if self._prepared is None:
            deque(self.slices(now), maxlen=0)
        assert self._prepared is not None, "the slices are done"
        prepared, self._prepared = self._prepared, None
        self.sequence += 1
        is_first, self._is_due = self._is_due, False
        self._outbox = [*(self._outbox if is_first else []), *prepared.actions]
        self._offsets = prepared.offsets
        self._storing = self.controller.board, prepared.actions
        entries = [*prepared.entries, (META_KEY, encode(self._meta()))]
        return Checkpoint(self.sequence, entries, [self._output(action) for action in self._outbox])

    def confirm(self, sequence: int) -> None:
        """The append and the actions of a checkpoint are confirmed by the broker."""
        del sequence
        self._outbox = []
        self.stored, actions = self._storing
        self.taken.update((action.verb, action.mode) for action in actions)

    def _entries(self, state: CampaignState) -> list[Entry]:
        name = state.campaign_id
        found: list[Entry] = [(state_key("c", name), encode(replace(state, hours=())))]
        if self._stored.get(name, ()) != state.hours:
            self._stored[name] = state.hours
            found.append((state_key("h", name), encode(state.hours)))
        return found

    def _output(self, action: BudgetAction) -> Output:
        partition = partition_of(action.campaign_id, self._partitions)
        return Output(topics.BUDGET_ACTIONS, partition, action.campaign_id.encode(), _actions.encode(action))

    def _meta(self) -> ControllerMeta:
        board = self.controller.board
        offsets: Any = [(topic, partition, at) for (topic, partition), at in sorted(self._offsets.items())]
        return ControllerMeta(
            self.epoch,
            self.sequence,
            self._partitions,
            self.birth,
            offsets,
            board.acted,
            board.open_until,
            board.reallocated_at,
            board.waiting,
            [] if self._is_atomic else self._outbox,
            board.early,
        )

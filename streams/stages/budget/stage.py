"""The budget stage: the budget controller's board, its inputs, and where they are read to. Synchronous, free of I/O.

There is one board, since limits of columns and totals hold over all campaigns: whoever has partition 0 has it. The stage
reads every partition of its topics by itself; its place in them is stored with the board.

A record that cannot be read, or that a step cannot take in, is a dead letter: nobody's budget may hang on it, and no worker
either. So are the records of the registries that were refused: every worker reads those, and the one with the board says so.

A step is the stage's work before a checkpoint. Board, offsets and actions of the step are then one append. With transactions
the actions are a part of that append: they are sent once. Without, they stay in the header until the next checkpoint: after a
crash between the append and the outputs they are sent again, with the same ``action_id``.
"""

import logging
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from metrics.budget.board_step import MAX_DECISION_AGE
from metrics.budget.guards import GuardContext, room_in_total
from metrics.budget.machine import Context, Inputs, slices, step
from metrics.budget.policy import Policies
from metrics.budget.records import AlertSignal, BoardCard, BudgetAction, BudgetDecision, ColumnView, Mode
from metrics.budget.state import Board, CampaignState
from metrics.budget.views import card_of, columns_of
from metrics.entities.campaigns import CampaignRegistry
from metrics.evidence import Shape
from metrics.records.customer_kpi import CustomerKpi
from metrics.records.dead_letters import DeadLetter, dead_letter
from metrics.records.kpi_reading import CampaignKpi
from metrics.records.validation import decode, instant
from metrics.values.errors import Reason, Rejection
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
INPUTS = (topics.CAMPAIGN_KPIS, topics.CUSTOMER_KPIS, topics.BUDGET_DECISIONS, topics.BUDGET_ALERTS)
#: Readings are looked at only where they hold these; most are of minutes, and decoding costs ten times a search.
_IS_DECLARED = b'"model":"declared"'
_IS_WANTED = (b'"window":"total"', b'"window":"1h"')
#: The same of records of customers: most are of the cohort of a month.
_IS_OF_ALL = b'"cohort":"total"'

#: Decisions and alerts may wait in the header of a checkpoint, which has to stay one record.
_LARGEST_WORD = 16 * 1024
#: Decisions that may wait; fewer that are too old to be done, and are only said to be.
_WAITING, _OLD_WAITING = 800, 500

R = TypeVar("R", bound=msgspec.Struct)
_reading = msgspec.json.Decoder(CampaignKpi)
_customers = msgspec.json.Decoder(CustomerKpi)
_decision = msgspec.json.Decoder(BudgetDecision)
_signal = msgspec.json.Decoder(AlertSignal)
_json = msgspec.json.Encoder()
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


class RefusedRecord(NamedTuple):
    """A record that counts nowhere.

    Attributes:
        topic: short name.
        partition: of the topic.
        offset: of the record.
        letter: its dead letter.
    """

    topic: str
    partition: int
    offset: int
    letter: DeadLetter


class _InputRecord(NamedTuple):
    """A record as it was read, to say which one a step could not take in. The topic by its short name."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes


class _InputRecords(NamedTuple):
    """What has come since the last step, each with the record that it was read from."""

    readings: list[tuple[CampaignKpi, _InputRecord]]
    signals: list[tuple[AlertSignal, _InputRecord]]
    decisions: list[tuple[BudgetDecision, _InputRecord]]
    worths: list[tuple[CustomerKpi, _InputRecord]]

    @property
    def inputs(self) -> Inputs:
        """The same for the controller."""
        readings, signals, decisions, worths = self
        return Inputs(
            [each for each, _ in readings],
            [each for each, _ in signals],
            [each for each, _ in decisions],
            [each for each, _ in worths],
        )


class _Step(NamedTuple):
    """A step that was made and waits for its checkpoint."""

    actions: list[BudgetAction]
    cards: list[BoardCard]
    offsets: dict[tuple[str, int], int]
    refused: list[RefusedRecord]


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
        topic_prefix: of topic names, in dead letters.
        reasons: counts dead letters by reason.
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
        topic_prefix: str = "",
        reasons: Counter[str] | None = None,
    ) -> None:
        self.partitions = partitions
        self._prefix = topic_prefix
        self._reasons = Counter[str]() if reasons is None else reasons
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
        self._readings: dict[tuple[str, str, str | None], tuple[CampaignKpi, _InputRecord]] = {}
        self._worths: dict[str, tuple[CustomerKpi, _InputRecord]] = {}
        self._signals: list[tuple[AlertSignal, _InputRecord]] = []
        self._decisions: list[tuple[BudgetDecision, _InputRecord]] = []
        self._refused: list[RefusedRecord] = []
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
            if record.value is not None:
                found = _InputRecord(topic, partition, record.offset, record.key, record.value)
                try:
                    self._take(found)
                except Rejection as rejection:
                    self._refuse(found, rejection)
            self.offsets[topic, partition] = record.offset + 1

    def refuse(self, refused: RefusedRecord) -> None:
        """A record that every worker reads was refused; it is said once, also when it is read again after a restart."""
        key = refused.topic, refused.partition
        if refused.offset >= self.offsets.get(key, 0):
            self._refused.append(refused)
            self._reasons[refused.letter.reason.value] += 1
            self.offsets[key] = refused.offset + 1

    def _refuse(self, record: _InputRecord, rejection: Rejection) -> None:
        where = f"{self._prefix}{record.topic}-{record.partition} @{record.offset}"
        log.warning("%s: a record for the budget controller was refused: %s", where, rejection)
        topic, partition, offset, key, value = record
        letter = dead_letter(
            *(self._prefix + topic, partition, offset, key, value),
            *(rejection.reason, rejection.detail, self._now()),
        )
        self._refused.append(RefusedRecord(topic, partition, offset, letter))
        self._reasons[rejection.reason.value] += 1

    def _take(self, record: _InputRecord) -> None:
        if record.topic == topics.CAMPAIGN_KPIS:
            self._take_reading(record)
        elif record.topic == topics.CUSTOMER_KPIS:
            self._take_worth(record)
        elif len(record.value) > _LARGEST_WORD:
            raise Rejection(Reason.OVERSIZED, f"{len(record.value)} bytes; at most {_LARGEST_WORD} are read")
        elif record.topic == topics.BUDGET_DECISIONS:
            self._take_decision(record)
        else:
            self._signals.append((_decoded(_signal, record.value, "starts_at", "received_at"), record))

    def _take_decision(self, record: _InputRecord) -> None:
        decision = _decoded(_decision, record.value, "occurred_at", "until")
        is_old = instant(decision.occurred_at, "occurred_at") + MAX_DECISION_AGE < self._now()
        waiting = len(self._decisions) + len(self.board.waiting)
        if waiting >= (_OLD_WAITING if is_old else _WAITING):
            raise Rejection(
                Reason.INVALID_FIELD,
                f"{waiting} decisions wait to be done already; say it again when they are",
            )
        self._decisions.append((decision, record))

    def _take_reading(self, record: _InputRecord) -> None:
        value = record.value
        if _IS_DECLARED not in value or not any(part in value for part in _IS_WANTED):
            return
        reading = _decoded(_reading, value)
        moments = {name: _moment(reading, name) for name in ("watermark", "window_start", "published_at")}
        if moments["watermark"] is not None:
            partition = record.partition
            self._watermarks[partition] = max(moments["watermark"], self._watermarks.get(partition, 0))
        key = (reading.campaign_id, reading.window, reading.window_start)
        held = self._readings.get(key)
        if held is None or held[0].revision < reading.revision:
            self._readings[key] = (reading, record)

    def _take_worth(self, record: _InputRecord) -> None:
        if _IS_DECLARED not in record.value or _IS_OF_ALL not in record.value:
            return
        worth = _decoded(_customers, record.value)
        _moment(worth, "watermark")  # a record that says no time is refused here
        held = self._worths.get(worth.campaign_id)
        if held is None or held[0].revision < worth.revision:
            self._worths[worth.campaign_id] = (worth, record)

    def has_work(self, now: int) -> bool:
        """Whether a step would find anything: input, or a hold or a proposal that ends."""
        if (
            self._readings
            or self._worths
            or self._signals
            or self._decisions
            or (self.is_live and self.board.waiting)
        ):
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
        refused, self._refused = self._refused, []
        changed, actions = yield from self._run(now)
        refused += self._refused  # by the step itself
        self._refused = []
        for first in range(0, len(changed), _STATES_AT_ONCE):
            for state in changed[first : first + _STATES_AT_ONCE]:
                self._campaigns.put(state)
                self._hours.put(state)
            yield None
        shown = list(self.board.campaigns.values()) if self._shows_all else changed
        self._shows_all = False
        cards: list[BoardCard] = []
        guard_context = self._guard_context(now)
        for first in range(0, len(shown), _CARDS_AT_ONCE):
            cards += self._cards(shown[first : first + _CARDS_AT_ONCE], guard_context)
            yield None
        self._step = _Step(actions, cards, offsets, refused)

    def emit(self, version: Version, now: int) -> Emitted:
        """The actions of the step."""
        del version
        if self._step is None:
            deque(self.work(now), maxlen=0)
        assert self._step is not None, "the work is done"
        (actions, cards, self._stored_offsets, refused), self._step = self._step, None
        unsent, self._unsent = self._unsent, []
        columns = self.columns() if cards else {}
        outputs = [self._output(action) for action in (*unsent, *actions)]
        outputs += [self._letter(each) for each in refused]
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
        waiting = _InputRecords(
            list(self._readings.values()), self._signals, self._decisions, list(self._worths.values())
        )
        self._readings, self._signals, self._decisions, self._worths = {}, [], [], {}
        before, self._looked_at = self.board.campaigns, now
        try:
            self.board, actions = yield from slices(self.board, waiting.inputs, self._context(), now)
        except Exception:
            if not any(waiting):
                raise
            log.exception("A step of the budget controller failed; the records it cannot take in are sought.")
            waiting = _InputRecords(
                self._able("readings", waiting.readings, now),
                self._able("signals", waiting.signals, now),
                self._able("decisions", waiting.decisions, now),
                self._able("worths", waiting.worths, now),
            )
            self.board, actions = yield from slices(self.board, waiting.inputs, self._context(), now)
        changed = [state for name, state in self.board.campaigns.items() if before.get(name) is not state]
        return changed, actions

    def _able(self, kind: str, records: list[Any], now: int) -> list[Any]:
        """Those of the records of one kind that a step can take in; the others are refused, found by halving."""
        waiting = _InputRecords([], [], [], [])._replace(**{kind: records})
        try:
            step(self.board, waiting.inputs, self._context(), now)
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not end every worker at every start
            if len(records) > 1:
                half = len(records) // 2
                return [*self._able(kind, records[:half], now), *self._able(kind, records[half:], now)]
            if not records:
                return []
            detail = f"the budget controller cannot take it in ({type(error).__name__}: {error})"
            self._refuse(records[0][1], Rejection(Reason.INVALID_FIELD, detail))
            return []
        return records

    def _letter(self, refused: RefusedRecord) -> Output:
        letter, partition = refused.letter, refused.partition % self.partitions
        return Output(topics.DEAD_LETTERS, partition, letter.topic.encode(), _json.encode(letter))

    def _output(self, action: BudgetAction) -> Output:
        partition = partition_of(action.campaign_id, self.partitions)
        return Output(topics.BUDGET_ACTIONS, partition, action.campaign_id.encode(), _json.encode(action))

    # --- keeping -----------------------------------------------------------------------------------

    @property
    def positions(self) -> Mapping[str, int]:
        """None: what the board reads are whole values, which it may read again."""
        return {}

    def forget(self, topic: str) -> None:
        """A topic was made anew: it is read from its start."""
        self.offsets = {place: at for place, at in self.offsets.items() if place[0] != topic}

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

    def _cards(self, states: Sequence[CampaignState], guard_context: GuardContext) -> list[BoardCard]:
        facts, currency = self.campaign_registry.facts, self.currency
        return [card_of(each, facts(each.campaign_id), self.mode, currency, guard_context) for each in states]

    def _guard_context(self, now: int) -> GuardContext:
        """What the guards would look at now; the room under the total is looked up once for all cards."""
        room = room_in_total(self.board, self.policies)
        return GuardContext(self.board, self.policies, self.mode, self.is_live, now, room=room)

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


def _decoded(decoder: "msgspec.json.Decoder[R]", value: bytes, *times: str) -> R:
    """A record of the controller's topics.

    Raises:
        Rejection: when it is none, or one of its times is no instant.
    """
    record = decode(decoder, value)
    for name in times:
        if (at := getattr(record, name)) is not None:
            instant(at, name)
    return record


def _moment(reading: CampaignKpi | CustomerKpi, name: str) -> int | None:
    """Epoch milliseconds of a time of a reading.

    Raises:
        Rejection: when it is no instant.
    """
    text = getattr(reading, name)
    if text is None:
        return None
    try:
        return instant(datetime.fromisoformat(text), name)
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"{name}: {error}") from error

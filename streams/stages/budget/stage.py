"""Stage three: the budget controller's board, its inputs, and where they are read to. Synchronous, free of I/O.

There is one board, since limits of columns and totals hold over all campaigns: whoever has partition 0 has it. It
reads every partition of its topics by itself; its place in them is stored with the board.
"""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from metrics.budget.machine import Context, Inputs, slices
from metrics.budget.policy import Policies
from metrics.budget.records import AlertSignal, BoardCard, BudgetAction, BudgetDecision, ColumnView, Mode
from metrics.budget.state import Board, CampaignState
from metrics.budget.views import card_of, cards_of, columns_of
from metrics.entities.campaigns import CampaignRegistry
from metrics.records.kpi_reading import CampaignKpi
from metrics.records.validation import instant
from metrics.values.errors import UNREADABLE, Rejection
from metrics.values.time import to_millis
from streams import topics
from streams.state.codec import partition_of

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


class BudgetStage:
    """The board with what waits for its next step.

    Args:
        policies: what may be done.
        mode: observe, propose or enforce.
        currency: the reporting currency.
        campaign_registry: campaigns as registered.
        partitions: of the topics.
        local: the watermark of a partition that is merged in this process, None elsewhere. A campaign that rests has
            no new readings, and without it would look stale where it is alone on its partition.
    """

    def __init__(
        self,
        policies: Policies,
        mode: Mode,
        currency: str,
        campaign_registry: CampaignRegistry,
        partitions: int,
        local: Callable[[int], int | None] = lambda _: None,
    ) -> None:
        self.policies, self.mode, self.currency, self.campaign_registry = (
            policies,
            mode,
            currency,
            campaign_registry,
        )
        self._partitions, self._local = partitions, local
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
        self._reached: dict[int, int] = {}

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
            decision = _decoded(_decision, value, "occurred_at")
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
            heard = to_millis(datetime.fromisoformat(reading.watermark))
            self._reached[partition] = max(heard, self._reached.get(partition, 0))
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

    def step(self, now: int) -> Generator[None, None, tuple[list[CampaignState], list[BudgetAction]]]:
        """Run the machine over what waits, with pauses; the campaigns that changed, and the actions taken.

        What is taken in meanwhile waits for the next step; the board changes at the end.
        """
        inputs = Inputs(list(self._readings.values()), self._signals, self._decisions)
        self._readings, self._signals, self._decisions = {}, [], []
        before, self._looked_at = self.board.campaigns, now
        self.board, actions = yield from slices(self.board, inputs, self._context(), now)
        changed = [state for name, state in self.board.campaigns.items() if before.get(name) is not state]
        return changed, actions

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
            reached=self._reached_of,
        )

    def _reached_of(self, campaign_id: str) -> int | None:
        """The watermark of the campaign's partition: a reading that has not been renewed holds up to it."""
        partition = partition_of(campaign_id, self._partitions)
        return max(self._reached.get(partition, 0), self._local(partition) or 0) or None


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
            instant(getattr(record, name), name)
    except (*UNREADABLE, Rejection) as error:
        log.warning("A record for the budget controller was left out: %s", error)
        return None
    return record

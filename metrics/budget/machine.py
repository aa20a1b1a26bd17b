"""The controller as a pure state machine: (board, inputs, context, now) → (board, actions).

Everything that comes is absorbed first: readings, alerts, decisions. Then, at the live edge only, operators' words are
done, and the rules look at every campaign. Each wish passes the gate. Under ``observe`` rules
change nothing and say once what they would do; under ``propose`` they put a proposal on the card; under ``enforce``
they act, except for large changes, which are proposed. An operator's word is an order except under ``observe``.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec.structs import replace

from metrics.budget.absorbing import absorb_reading, absorb_signal, register, remember
from metrics.budget.acting import action_of, counted, done
from metrics.budget.guards import (
    REALLOCATION,
    Admitted,
    Refused,
    Scene,
    Wish,
    admit,
    breaker,
    room_in_total,
    room_reason,
)
from metrics.budget.moving import moves, weigh
from metrics.budget.policy import Policies
from metrics.budget.records import AlertSignal, BudgetAction, BudgetDecision, Column, Mode
from metrics.budget.rules import Case, wish_for
from metrics.budget.state import Board, CampaignState
from metrics.budget.words import who, wish_again, wish_of
from metrics.campaigns import CampaignFacts
from metrics.judging import instant
from metrics.reading import CampaignKpi
from metrics.timeline import MINUTE

#: Words older than this are no longer acted on, so that reading a log anew repeats nothing.
MAX_WORD_AGE = 15 * MINUTE
#: Words that may wait for the registration of their campaigns.
_EARLY = 100
#: Campaigns looked at between two pauses of ``slices``: some milliseconds of work.
_SLICE = 100


class Inputs(NamedTuple):
    """What has come since the last step, each in the order of its log."""

    readings: Sequence[CampaignKpi] = ()
    signals: Sequence[AlertSignal] = ()
    decisions: Sequence[BudgetDecision] = ()


class Context(NamedTuple):
    """What the machine is told besides its inputs.

    Attributes:
        policies: what may be done.
        mode: observe, propose or enforce.
        is_live: whether every input is read to its end.
        currency: the reporting currency.
        facts: campaigns as registered.
        archived: campaigns that were withdrawn.
        completeness: by campaign, share of the results of its spend that have usually come by now; absent: 1.
        reached: the watermark up to which the newest reading of a campaign holds, where that is later than its own.
    """

    policies: Policies
    mode: Mode
    is_live: bool
    currency: str
    facts: Mapping[str, CampaignFacts]
    archived: AbstractSet[str] = frozenset()
    completeness: Mapping[str, float] = {}
    reached: Callable[[str], int | None] = lambda _: None


def step(board: Board, inputs: Inputs, context: Context, now: int) -> tuple[Board, list[BudgetAction]]:
    """One step: everything that came, and the passing of time.

    Args:
        board: as the last step left it.
        inputs: what has come since.
        context: policies, mode, registry.
        now: processing time in epoch ms.

    Returns:
        The new board, and the actions in the order they were taken.
    """
    work = slices(board, inputs, context, now)
    while True:
        try:
            next(work)
        except StopIteration as end:
            found: tuple[Board, list[BudgetAction]] = end.value
            return found


def slices(
    board: Board, inputs: Inputs, context: Context, now: int
) -> Generator[None, None, tuple[Board, list[BudgetAction]]]:
    """The same step with pauses in it, so that a caller with thousands of campaigns can do other work meanwhile.

    ``board`` stays as it is until the end.
    """
    desk = _Desk(board, context, now)
    yield from desk.absorb(inputs)
    if context.is_live:
        desk.hear_waiting()
        for count, campaign_id in enumerate(sorted(desk.board.campaigns), 1):
            desk.judge(campaign_id)
            if count % _SLICE == 0:
                yield
        yield from desk.reallocate()
    return desk.board, desk.actions


class _Desk:
    """The board while one step works on it."""

    def __init__(self, board: Board, context: Context, now: int) -> None:
        self.board = replace(board, campaigns=dict(board.campaigns))
        self._before = board.campaigns
        #: Alerts that fired and resolved within this step, by campaign.
        self._brief: dict[str, set[str]] = {}
        self.context = context
        self.now = now
        self.actions: list[BudgetAction] = []
        #: Money the total still allows; None: some campaign's has changed since it was computed.
        self._room: int | None = None

    # --- absorbing ---------------------------------------------------------------------------------

    def absorb(self, inputs: Inputs) -> Generator[None]:
        """Take in what has come of registered campaigns; do nothing yet."""
        for count, campaign_id in enumerate(self.context.facts.keys() - self.board.campaigns.keys(), 1):
            self._registered(campaign_id)
            if count % _SLICE == 0:
                yield
        for count, reading in enumerate(inputs.readings, 1):
            if reading.campaign_id in self.context.facts:
                self._absorb_reading(reading)
            if count % _SLICE == 0:
                yield
        for signal in inputs.signals:
            if signal.campaign_id in self.context.facts:
                self._absorb_signal(signal)
        waiting = (*self.board.waiting, *inputs.decisions)
        self.board = replace(self.board, waiting=waiting)
        for campaign_id in self.context.archived & set(self.board.campaigns):
            state = self.board.campaigns[campaign_id]
            if state.column != "archived":
                self._put(
                    state, replace(state, column="archived", hold=None, proposal=None, reason="withdrawn")
                )

    def _absorb_reading(self, reading: CampaignKpi) -> None:
        campaign_id = reading.campaign_id
        state, policy = self._registered(campaign_id), self.context.policies.of(campaign_id)
        share = self.context.completeness.get(campaign_id, 1.0)
        after = absorb_reading(state, reading, self._facts(campaign_id), policy, share)
        has_begun = state.spent == 0 and after.spent > 0
        if has_begun and state.column == "backlog" and state.serial == 0:
            after = self._placed(after, "test")
        self._put(state, after)

    def _absorb_signal(self, signal: AlertSignal) -> None:
        """An alert that fires and resolves within one step is judged as if a step lay between."""
        state = self._registered(signal.campaign_id)
        is_recent = self._is_recent(instant(signal.received_at, "received_at"))
        policy = self.context.policies.of(signal.campaign_id)
        after = absorb_signal(state, signal, policy, is_recent=is_recent)
        began = state.firing.get(signal.rule)
        is_gone = began is not None and signal.rule not in after.firing
        if is_gone and self.context.is_live and signal.rule not in self._firing_before(signal.campaign_id):
            after = replace(after, firing={**after.firing, signal.rule: began}, reason=state.reason)
            self._brief.setdefault(signal.campaign_id, set()).add(signal.rule)
        elif signal.campaign_id in self._brief and signal.rule in after.firing:
            self._brief[signal.campaign_id].discard(signal.rule)  # it fires again
        self._put(state, after)

    def _firing_before(self, campaign_id: str) -> Mapping[str, int]:
        state = self._before.get(campaign_id)
        return {} if state is None else state.firing

    def _registered(self, campaign_id: str) -> CampaignState:
        """The campaign as registered now; one that is new stands in the backlog."""
        policy, known = self.context.policies.of(campaign_id), self.board.campaigns.get(campaign_id)
        found = register(known or CampaignState(campaign_id=campaign_id), self._facts(campaign_id), policy)
        if known is not None and found.card > known.card and known.is_spending:
            found = self._placed(found, known.column)
        if found is not known:
            self._put(known, found)
        return self.board.campaigns[campaign_id]

    def _placed(self, state: CampaignState, column: Column) -> CampaignState:
        """The campaign in a column if that has room, else in the backlog, where it spends as it did."""
        full = room_reason(column, state.card, self.board, self.context.policies, besides=state.campaign_id)
        if full is None:
            return replace(state, column=column)
        return replace(state, column="backlog", reason=f"{full}; it spends as it did")

    def _facts(self, campaign_id: str) -> CampaignFacts:
        return self.context.facts.get(campaign_id) or CampaignFacts(campaign_id)

    def _is_recent(self, at: int) -> bool:
        return self.now - at <= MAX_WORD_AGE

    def _put(self, before: CampaignState | None, after: CampaignState) -> None:
        if after == before:
            return
        assert isinstance(self.board.campaigns, dict), "a copy of this step"
        if before is None or _counts(before) != _counts(after):
            self._room = None
        marked = replace(after, revision=after.revision + 1, updated_at=self.now)
        self.board.campaigns[after.campaign_id] = marked

    # --- operators ---------------------------------------------------------------------------------

    def hear_waiting(self) -> None:
        """Do the words that have come, in their order; those on campaigns not registered yet wait for that."""
        known: list[BudgetDecision] = []
        early: list[BudgetDecision] = []
        for decision in self.board.waiting:
            (known if decision.campaign_id in self.board.campaigns else early).append(decision)
        early = [each for each in early if self._is_recent(instant(each.occurred_at, "occurred_at"))]
        self.board = replace(self.board, waiting=tuple(early[-_EARLY:]))
        for decision in known:
            state = self._registered(decision.campaign_id)
            if decision.decision_id in state.seen:
                continue
            heard = remember(state, decision.decision_id)
            self._put(state, heard)
            if self._is_recent(instant(decision.occurred_at, "occurred_at")):
                self._hear(decision)
            else:
                self._explain(decision.campaign_id, f"too old to be done: {decision.verb} by {who(decision)}")

    def _hear(self, decision: BudgetDecision) -> None:
        state = self.board.campaigns[decision.campaign_id]
        if decision.verb in ("approve", "reject"):
            self._settle(state, decision)
            return
        wish = wish_of(decision, state)
        if isinstance(wish, str):
            self._explain(decision.campaign_id, wish)
        else:
            self._try(wish)

    def _settle(self, state: CampaignState, decision: BudgetDecision) -> None:
        proposal = state.proposal
        if proposal is None:
            self._explain(state.campaign_id, "there is no proposal to approve or to reject")
        elif decision.verb == "reject":
            reason = f"{proposal.rule} was rejected by {who(decision)}"
            # It counts as the last action, so that the same proposal does not come back at once.
            self._put(state, replace(state, proposal=None, said="", reason=reason, changed_at=self.now))
        else:
            self._try(wish_again(proposal, state, decision, self.now))

    # --- rules -------------------------------------------------------------------------------------

    def judge(self, campaign_id: str) -> None:
        """Let the rules look at a registered campaign, after it has pulled what it may pull."""
        if campaign_id not in self.context.facts:
            return
        self._judge(campaign_id)
        if campaign_id in self._brief:
            state = self.board.campaigns[campaign_id]
            brief = self._brief[campaign_id]
            left = {rule: at for rule, at in state.firing.items() if rule not in brief}
            more = f"; {', '.join(sorted(brief))} has resolved since" if brief and state.may_spend else ""
            self._put(state, replace(state, firing=left, reason=state.reason + more))

    def _judge(self, campaign_id: str) -> None:
        state = self.board.campaigns[campaign_id]
        wish = wish_for(
            Case(state, self.context.policies.of(campaign_id), self._facts(campaign_id), self.now)
        )
        if wish is not None:
            self._try(wish)
        elif state.said and (state.proposal is None or state.proposal.rule != REALLOCATION):
            self._put(state, replace(state, said="", proposal=None))  # what was proposed has passed

    def reallocate(self) -> Generator[None]:
        """Now and then propose to move money between campaigns; the first interval begins with the board."""
        policies = self.context.policies
        every, last = policies.common.reallocate_every, self.board.reallocated_at
        if not every or (last is not None and self.now - last < every):
            return
        self.board = replace(self.board, reallocated_at=self.now)
        if last is not None:
            found = yield from weigh(self.board, policies, self.now, every)
            for wish, board in moves(self.board, found):
                self._try(wish, board)

    def _room_in_total(self) -> int:
        if self._room is None:
            self._room = room_in_total(self.board, self.context.policies)
        return self._room

    def _try(self, wish: Wish, judged_on: Board | None = None) -> None:
        state = self.board.campaigns[wish.campaign_id]
        context = self.context
        reached = context.reached(wish.campaign_id)
        scene = Scene(
            judged_on or self.board,
            context.policies,
            context.mode,
            context.is_live,
            self.now,
            reached,
            None if judged_on is not None else self._room_in_total(),
        )
        found = admit(wish, state, scene)
        if isinstance(found, Refused):
            self._explain(wish.campaign_id, f"{wish.rule}: {found.reason}")
            return
        mode = _mode_of(found, context.mode)
        if mode == "enforce" or wish.by == "operator":
            self._do(found.wish, state, mode)
        else:
            self._say(found.wish, state, mode)

    def _do(self, wish: Wish, state: CampaignState, mode: Mode) -> None:
        action = action_of(wish, state, mode, self.context.currency, self.now)
        self._put(state, replace(done(wish, state, self.now), taken=counted(state, action)))
        self._emit(action, wish)

    def _say(self, wish: Wish, state: CampaignState, mode: Mode) -> None:
        """Say what would be done, once; again only when something else would be."""
        said = f"{mode}|{wish.verb}|{wish.rule}|{wish.column}"
        said += f"|{wish.budget}" if wish.rule == REALLOCATION else ""  # each one is weighed anew
        if state.said == said:
            return
        action = action_of(wish, state, mode, self.context.currency, self.now)
        said_of = replace(state, said=said, proposal=action, serial=state.serial + 1, reason=wish.reason)
        self._put(state, replace(said_of, taken=counted(state, action)))
        self._emit(action, wish)

    def _emit(self, action: BudgetAction, wish: Wish) -> None:
        self.actions.append(action)
        if wish.by != "operator" and action.mode == "enforce":
            self.board = breaker(self.board, self.context.policies.common, self.now)

    def _explain(self, campaign_id: str, reason: str) -> None:
        state = self.board.campaigns[campaign_id]
        self._put(state, replace(state, reason=reason))


def _mode_of(found: Admitted, mode: Mode) -> Mode:
    if mode == "observe":
        return "observe"
    if found.wish.by == "operator":
        return "enforce"
    return "propose" if found.needs_approval else mode


def _counts(state: CampaignState) -> tuple[int, int, bool]:
    """What of a campaign counts in the total of the board."""
    return state.committed, state.registered, state.column == "archived"

"""The board while one step works on it: what it looks like now, and how a request becomes an action. Pure.

Each request passes the gate. Under ``observe`` rules change nothing and say once what they would do; under ``propose`` they
put a proposal on the card; under ``enforce`` they act, except for what a person must approve first, which is proposed. An
operator's decision is an order except under ``observe``.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec.structs import replace

from metrics.budget.action_records import action_of, counted, done
from metrics.budget.campaign_updates import register
from metrics.budget.error_budget import JointEvidence
from metrics.budget.guards import (
    REALLOCATION,
    ActionRequest,
    Admitted,
    GuardContext,
    Refused,
    admit,
    below_total,
    breaker,
    room_reason,
)
from metrics.budget.policy import Policies
from metrics.budget.records import BudgetAction, Column, Mode
from metrics.budget.state import NEVER, Board, CampaignState, Hold, proposal_key
from metrics.entities.campaigns import CampaignFacts
from metrics.values.time import MINUTE

#: Decisions and alerts older than this are no longer acted on, so that reading a log anew repeats nothing; nor those so far ahead.
MAX_DECISION_AGE = 15 * MINUTE
#: Campaigns looked at between two pauses of a step: some milliseconds of work.
SLICE = 100


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


class BoardStep:
    """The board while one step works on it.

    Attributes:
        board: as it is now; its campaigns are a copy of this step's own.
        before: the campaigns as the step found them.
        context, now: of the step.
        actions: taken so far, in their order.
        resolved: alerts that fired and resolved within this step, by campaign.
        joint_evidence: e-values that are judged together.
    """

    def __init__(self, board: Board, context: Context, now: int) -> None:
        self.board = replace(board, campaigns=dict(board.campaigns))
        self.before = board.campaigns
        self.context = context
        self.now = now
        self.actions: list[BudgetAction] = []
        self.resolved: dict[str, set[str]] = {}
        self.joint_evidence = JointEvidence()
        #: By ``alpha``: each takes a look at all of ``joint_evidence``.
        self._thresholds: dict[float, float] = {}
        #: Money the total still allows; None: some campaign's has changed since it was computed.
        self._below_total: int | None = None

    def threshold(self, alpha: float) -> float:
        """The e-value from which on a campaign of this step is paused."""
        if alpha not in self._thresholds:
            self._thresholds[alpha] = self.joint_evidence.threshold(alpha)
        return self._thresholds[alpha]

    def facts(self, campaign_id: str) -> CampaignFacts:
        """The campaign as registered."""
        return self.context.facts.get(campaign_id) or CampaignFacts(campaign_id)

    def registered(self, campaign_id: str) -> CampaignState:
        """The campaign as registered now; one that is new stands in the backlog."""
        policy, known = self.context.policies.of(campaign_id), self.board.campaigns.get(campaign_id)
        start = known or CampaignState(campaign_id=campaign_id)
        if start.is_withdrawn:
            start = self._back(start)
        found = register(start, self.facts(campaign_id), policy)
        if known is not None and found.card > known.card and known.is_spending:
            found = self.placed(found, known.column)
        if found is not known:
            self.put(known, found)
        return self.board.campaigns[campaign_id]

    def _back(self, state: CampaignState) -> CampaignState:
        """A campaign that is registered again stands where it stood; one that was held stays so until it is resumed."""
        column = state.came_from
        hold = Hold("registration", "it was held when it was withdrawn", None) if column == "hold" else None
        back = replace(state, is_withdrawn=False, column=column, hold=hold, reason="registered again")
        return self.placed(back, column) if back.is_spending else back

    def placed(self, state: CampaignState, column: Column) -> CampaignState:
        """The campaign in a column if that has room, else in the backlog, where it spends as it did."""
        full = room_reason(column, state.card, self.board, self.context.policies, besides=state.campaign_id)
        if full is None:
            return replace(state, column=column, waits=False)
        return replace(state, column="backlog", waits=True, reason=f"{full}; it spends as it did")

    def is_recent(self, at: int) -> bool:
        """Whether a decision or an alert of that instant may still be acted on."""
        return abs(self.now - at) <= MAX_DECISION_AGE

    def put(self, before: CampaignState | None, after: CampaignState) -> None:
        """Replace a campaign, with its next revision; one that is as it was stays."""
        if after == before:
            return
        assert isinstance(self.board.campaigns, dict), "a copy of this step"
        if before is None or _counts(before) != _counts(after):
            self._below_total = None
        marked = replace(after, revision=after.revision + 1, updated_at=self.now)
        self.board.campaigns[after.campaign_id] = marked

    def gate(self, campaign_id: str, freed: int = 0) -> GuardContext:
        """What the gate looks at for a campaign; ``freed`` micros count as room besides what the total leaves."""
        if self._below_total is None:
            self._below_total = below_total(self.board, self.context.policies)
        context = self.context
        return GuardContext(
            self.board,
            context.policies,
            context.mode,
            context.is_live,
            self.now,
            context.reached(campaign_id),
            max(0, self._below_total + freed),
        )

    def attempt(self, request: ActionRequest, freed: int = 0) -> None:
        """Do a request, propose it, or say on the card why not; ``freed`` is money that requests before it would free."""
        state, mode = self.board.campaigns[request.campaign_id], self.context.mode
        found = admit(request, state, self.gate(request.campaign_id, freed))
        if isinstance(found, Refused):
            self.explain(request.campaign_id, f"{request.rule}: {found.reason}")
            return
        mode = _mode_of(found, mode)
        if mode == "enforce" or request.by == "operator":
            self._execute(found.request, state, mode)
        else:
            self._propose(found.request, state, mode)

    def _execute(self, request: ActionRequest, state: CampaignState, mode: Mode) -> None:
        action = self._action(request, state, mode)
        self.put(state, replace(done(request, state, self.now), taken=counted(state, action)))
        self._emit(action, request)

    def _propose(self, request: ActionRequest, state: CampaignState, mode: Mode) -> None:
        """Say what would be done, once; again only when something else would be."""
        said = f"{mode}|{request.verb}|{request.rule}|{request.column}"
        said += f"|{request.budget}" if request.rule == REALLOCATION else ""  # each one is weighed anew
        if state.said == said:
            return
        action = self._action(request, state, mode)
        if state.rejected.get(proposal_key(action), 0) > self.now:
            return
        said_of = replace(
            state,
            said=said,
            proposal=action,
            proposed_until=self._until(request, mode),
            serial=state.serial + 1,
            reason=request.reason,
        )
        self.put(state, replace(said_of, taken=counted(state, action)))
        self._emit(action, request)

    def _until(self, request: ActionRequest, mode: Mode) -> int:
        """When a proposal lapses; what is only observed stands as long as it is true."""
        if mode == "observe" and request.rule != REALLOCATION:
            return NEVER
        return self.now + self.context.policies.of(request.campaign_id).propose_for

    def _action(self, request: ActionRequest, state: CampaignState, mode: Mode) -> BudgetAction:
        policy = self.context.policies.of(request.campaign_id)
        targets = self.facts(request.campaign_id).targets_micros
        return action_of(request, state, mode, self.context.currency, policy, targets, self.now)

    def _emit(self, action: BudgetAction, request: ActionRequest) -> None:
        self.actions.append(action)
        if request.by != "operator" and action.mode == "enforce":
            self.board = breaker(self.board, self.context.policies.common, self.now)

    def explain(self, campaign_id: str, reason: str) -> None:
        """Let the card of a campaign say something."""
        state = self.board.campaigns[campaign_id]
        self.put(state, replace(state, reason=reason))


def _mode_of(found: Admitted, mode: Mode) -> Mode:
    if mode == "observe":
        return "observe"
    if found.request.by == "operator":
        return "enforce"
    return "propose" if found.needs_approval else mode


def _counts(state: CampaignState) -> tuple[int, int, bool]:
    """What of a campaign counts in the total of the board."""
    return state.committed, state.registered, state.column == "archived"

"""The budget controller's records: decisions and alerts in, actions and cards of the board out. Shapes only.

Money that crosses the outside in a field without ``_micros`` is in currency units; the board's own fields are
integer micros and say so (docs/contract.md, Values).
"""

from typing import Annotated, Literal

import msgspec

from metrics.records.events import Identifier, Instant, Money
from metrics.records.kpi_reading import Evidence, KnownSpend

ACTION_SCHEMA = "budget-action/2"
CARD_SCHEMA = "board-card/1"

Column = Literal["backlog", "test", "scale", "hold", "stopped", "archived"]
Mode = Literal["observe", "propose", "enforce"]
DecisionVerb = Literal["approve", "reject", "pause", "resume", "move", "set_budget", "comment"]
ActionVerb = Literal["pause", "resume", "set_budget", "move"]
Text = Annotated[str, msgspec.Meta(max_length=2_000)]


class BudgetDecision(msgspec.Struct, kw_only=True, frozen=True):
    """An operator's decision or comment on a campaign; topic ``budget-decisions``, keyed by ``campaign_id``.

    ``column`` goes with ``move``, ``budget`` (currency units) with ``set_budget``. ``approve`` and ``reject``
    speak of the proposal on the campaign's card. ``until`` ends the hold of a ``pause``, or of a ``move`` to
    ``hold``; without it the hold lasts until someone resumes the campaign. ``expected_action_id`` names the action that
    the decision was made on: where another one was done on the campaign since, the decision is refused. A ``comment`` is
    its ``reason`` and changes nothing.
    """

    decision_id: Identifier
    campaign_id: Identifier
    verb: DecisionVerb
    column: Column | None = None
    budget: Money | None = None
    by: Text | None = None
    reason: Text | None = None
    until: Instant | None = None
    expected_action_id: Identifier | None = None
    occurred_at: Instant


class AlertSignal(msgspec.Struct, kw_only=True, frozen=True):
    """One alert as the board took it in from Alertmanager; internal topic ``budget-alerts``, by campaign.

    ``alert_id`` is ``fingerprint|starts_at|status``, so that a webhook that is repeated says nothing new.
    """

    alert_id: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    campaign_id: Identifier
    rule: str
    status: Literal["firing", "resolved"]
    starts_at: Instant
    received_at: Instant
    labels: dict[str, str] = {}


class ActionHold(msgspec.Struct, kw_only=True, frozen=True):
    """Who holds a campaign, and until when; None: until someone resumes it."""

    owner: str
    expires_at: str | None


class BudgetAction(msgspec.Struct, kw_only=True, frozen=True):
    """What an ad platform is told, or would be told; topic ``budget-actions``, keyed by ``campaign_id``.

    Only actions of mode ``enforce`` are to be obeyed. ``action_id`` is the same when the same decision is
    taken again after a restart. Money is in currency units, as exact decimal texts: the budgets, and ``spent`` and ``revenue`` of
    the evidence.
    """

    schema: str = ACTION_SCHEMA
    action_id: str
    campaign_id: str
    verb: ActionVerb
    column: Column | None
    budget_from: Money | None
    budget_to: Money | None
    currency: str
    mode: Mode
    rule: str
    reason: str
    evidence: dict[str, float | str | bool | None]
    hold: ActionHold | None
    decided_at: str


class CardHold(msgspec.Struct, kw_only=True, frozen=True):
    """A hold as the board shows it."""

    owner: str
    reason: str
    expires_at: str | None


class SparkPoint(msgspec.Struct, kw_only=True, frozen=True):
    """One hour on a card: when it began, what was spent, and the ROI by net profit."""

    t: str
    spend_micros: int | None
    roi: float | None


class CardPace(msgspec.Struct, kw_only=True, frozen=True):
    """Where the spend of a campaign goes by the end of its flight as of ``known_until``, and the band it should end in."""

    projected_micros: int
    low_micros: int
    high_micros: int
    pace: Literal["behind", "on", "ahead"]
    ends_at: str
    known_until: str | None = None


class BudgetRange(msgspec.Struct, kw_only=True, frozen=True):
    """What a person may set a budget to, as of an instant: another day, and budgets of other campaigns, move it."""

    low_micros: int
    high_micros: int
    as_of: str


class BoardCard(msgspec.Struct, kw_only=True):
    """A campaign as the board shows it; one field of the Redis hash ``roistream:board``."""

    schema: str = CARD_SCHEMA
    campaign_id: str
    name: str | None
    channel: str | None
    status: str | None
    column: Column
    revision: int
    currency: str
    budget_micros: int
    spent_micros: int
    budget_range: BudgetRange | None = None
    card_micros: int
    cards_done: int
    cards_total: int
    hold: CardHold | None
    targets_micros: dict[str, int] = {}
    evidence: dict[str, Evidence]
    pace: CardPace | None = None
    known_spend: KnownSpend | None = None
    proposal: BudgetAction | None
    proposed_until: str | None = None
    has_uncertain_amounts: bool = False
    kpis: dict[str, dict[str, float | None]]
    sparkline: list[SparkPoint]
    mode: Mode
    reason: str
    updated_at: str


class ColumnView(msgspec.Struct, kw_only=True, frozen=True):
    """A column's limits and what stands in it; one field of ``roistream:board:columns``. None: no limit."""

    limit_campaigns: int | None
    limit_micros: int | None
    count: int
    sum_micros: int

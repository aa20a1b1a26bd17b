"""What the controller knows of the board: frozen values that a step replaces. Stored as they are in the changelog."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from metrics.budget.records import AlertSignal, BudgetAction, BudgetDecision, Column
from metrics.evidence import Ledger, Shape
from metrics.records.kpi_reading import Evidence, Sums

#: Columns in which a campaign is meant to spend.
SPENDING: frozenset[Column] = frozenset({"test", "scale"})
#: An instant that does not come.
NEVER = 1 << 62
#: Owners of holds that say nothing against a campaign: no room in its column; more spent than its plan has reached.
WIP, PACE = "wip", "pace"
NO_FAULT = frozenset({WIP, PACE})
#: How owners of holds begin that were put for what figures say of a campaign.
BY_FIGURES = ("evidence", "alert:")
#: Hours of figures that are kept for pace, response and the sparkline.
HOURS_KEPT = 7 * 24


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who keeps a campaign from spending, why, and until when (epoch ms; None: until someone resumes it)."""

    owner: str
    reason: str
    expires_at: int | None


class KnownDay(NamedTuple):
    """What was spent in the last day of which the spend is known: [since, until) in epoch ms, micros.

    ``total`` is all that was spent before ``until``. ``is_by_hour``: windows of an hour hold spend, too.
    """

    since: int
    until: int
    spend: int
    total: int
    is_by_hour: bool = True

    @property
    def length(self) -> int:
        """In milliseconds."""
        return self.until - self.since


class Latest(msgspec.Struct, frozen=True, gc=False):
    """The newest reading of a campaign's ``total``; the watermark in epoch ms, 0 where it had none."""

    revision: int
    watermark: int
    sums: Sums
    completeness: float = 1.0
    #: By target: variance over mean of a day's results, as the evidence was found with.
    scatter: dict[str, float] = {}
    #: E-value from which on a target counted as surely missed.
    needed: float = 0.0
    has_uncertain_amounts: bool = False
    #: Of the reports that its spend comes by; None where it comes by events.
    known_day: KnownDay | None = None
    #: The sums that evidence compares where spend comes by reports: up to the instant that these have reached.
    matched: Sums | None = None

    @property
    def judged(self) -> Sums:
        """The sums that evidence compares."""
        return self.sums if self.matched is None else self.matched

    @property
    def spent_micros(self) -> int:
        """Media spend so far; 0 where it is unknown."""
        return self.sums.spend_micros or 0


class KnownWorth(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the newest record of all customers of a campaign says of CLV : CAC in their first twelve months.

    ``watermark`` in epoch ms, 0 where it had none; ``spent`` micros that it was made with. ``look`` is 0 where there is no verdict.
    """

    revision: int
    watermark: int
    spent: int
    look: int
    level: float
    low: float
    high: float


class Hour(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One closed hour: start in epoch ms, then micros.

    A board of thousands holds a week of them each; walked by the garbage collector they stop the process for 80 ms.
    """

    start: int
    spend: int
    other_cost: int
    kept_revenue: int
    cost_of_goods: int

    @property
    def profit(self) -> int:
        """Revenue kept, less goods, media and other cost, in micros."""
        return self.kept_revenue - self.cost_of_goods - self.spend - self.other_cost


class CampaignState(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign on the board; money in micros of the reporting currency, times in epoch ms.

    ``registered`` is the budget as the registry has it, ``budget`` as the controller has set it. ``pulled`` counts
    the cards in or past work. ``last_action`` is the id of the last action that was done. ``baseline`` is what came before the evidence began anew,
    ``trail`` the spend as earlier readings had it, by the instant they were published, oldest first; ``awaiting`` one
    of them that the watermark has not reached yet, ``settled`` the last that it has. ``serial`` counts actions, ``taken``
    does by ``verb|mode``. ``ledgers`` say by target
    what its spend was to bring and what came. ``waits`` says that it stands in the backlog for lack of room. ``rejected`` holds what was
    proposed and rejected, as ``proposal_key``, with the instant until which it is not proposed again. ``is_withdrawn``: its
    registration is gone, and ``came_from`` is where it stood. ``worth`` is what its customers are worth, and ``worth_after`` the look at
    that which stopped it: only a later one judges it again.
    """

    campaign_id: str
    column: Column = "backlog"
    came_from: Column = "backlog"
    registered: int = 0
    budget: int = 0
    card: int = 0
    waits: bool = False
    is_withdrawn: bool = False
    pulled: int = 1
    entered_with: int = 1
    grown_with: int = 0
    hold: Hold | None = None
    bad_times: int = 0
    proposal: BudgetAction | None = None
    proposed_until: int = 0
    rejected: dict[str, int] = {}
    said: str = ""
    serial: int = 0
    last_action: str = ""
    taken: dict[str, int] = {}
    changed_at: int | None = None
    day: tuple[int, int] = (0, 0)
    baseline: Sums | None = None
    trail: tuple[tuple[int, int], ...] = ()
    awaiting: tuple[int, Sums] | None = None
    settled: Sums | None = None
    latest: Latest | None = None
    ledgers: dict[str, Ledger] = {}
    evidence: dict[str, Evidence] = {}
    hours: tuple[Hour, ...] = ()
    kpis: dict[str, dict[str, float | None]] = {}
    worth: KnownWorth | None = None
    worth_after: int = 0
    firing: dict[str, int] = {}
    seen: tuple[str, ...] = ()
    reason: str = ""
    revision: int = 0
    updated_at: int = 0

    @property
    def spent(self) -> int:
        """Media spend so far, in micros."""
        return 0 if self.latest is None else self.latest.spent_micros

    @property
    def is_spending(self) -> bool:
        """Whether its column is one to spend in."""
        return self.column in SPENDING

    @property
    def may_spend(self) -> bool:
        """Whether nothing has stopped it; what was moved back into the backlog has been."""
        is_new = self.column == "backlog" and (self.waits or self.came_from == "backlog")
        return is_new or self.is_spending

    @property
    def is_blamed(self) -> bool:
        """Whether figures stopped the campaign, or speak against it now. A person's pause takes nothing back of what is known."""
        owner = "" if self.hold is None else self.hold.owner
        is_bad = any(each.verdict == "bad" for each in self.evidence.values())
        return owner not in NO_FAULT and (is_bad or self.column == "stopped" or owner.startswith(BY_FIGURES))

    @property
    def committed(self) -> int:
        """Money the board has promised: the budget of a campaign that may spend, else what is gone; 0 once archived."""
        if self.column == "archived":
            return 0
        return self.budget if self.may_spend else min(self.budget, self.spent)


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """All campaigns, and what concerns them together.

    ``acted`` are the instants of automatic actions of the last hour, ``open_until`` the end of a tripped circuit
    breaker, ``waiting`` decisions that came while nothing may be done, ``early`` alerts whose campaigns are not registered yet.
    ``learned`` is what its campaigns show together of results under each target, as of ``learned_at``.
    """

    campaigns: Mapping[str, CampaignState] = {}
    acted: tuple[int, ...] = ()
    open_until: int = 0
    reallocated_at: int | None = None
    waiting: tuple[BudgetDecision, ...] = ()
    early: tuple[AlertSignal, ...] = ()
    learned: dict[str, Shape] = {}
    learned_at: int = 0

    def within(self, column: Column) -> Iterator[CampaignState]:
        """The campaigns of a column."""
        return (state for state in self.campaigns.values() if state.column == column)

    @property
    def committed(self) -> int:
        """Money promised over all campaigns, in micros."""
        return sum(state.committed for state in self.campaigns.values())

    @property
    def registered(self) -> int:
        """Budgets as registered over all campaigns that are not archived, in micros."""
        return sum(state.registered for state in self.campaigns.values() if state.column != "archived")


def proposal_key(action: BudgetAction) -> str:
    """What a proposal is about: a rejected one is known again by it, whatever its figures."""
    return f"{action.verb}|{action.rule}"


def since(sums: Sums, baseline: Sums | None) -> Sums:
    """What came after the baseline; never below 0, since a correction may take back what the baseline held.

    >>> nothing = dict.fromkeys(Sums.__struct_fields__, 0)
    >>> since(Sums(**nothing | {"leads": 5}), Sums(**nothing | {"leads": 3})).leads
    2
    """
    if baseline is None:
        return sums
    values: dict[str, int | float | None] = {}
    for name in Sums.__struct_fields__:
        now, before = getattr(sums, name), getattr(baseline, name)
        values[name] = None if now is None else max(0, now - (before or 0))
    return msgspec.structs.replace(sums, **values)

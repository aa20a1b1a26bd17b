"""What the policy requests for one campaign, the most urgent first. Requests only: the gate decides. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from metrics.budget.guards import ActionRequest
from metrics.budget.pacing import Projection, catches_up, known_day, project
from metrics.budget.policy import Policy
from metrics.budget.state import PACE, WIP, CampaignState, Hold
from metrics.budget.worth import shown_target, worth_reason
from metrics.entities.campaigns import CLV_TO_CAC, CampaignFacts
from metrics.records.kpi_reading import Evidence
from metrics.values.money import MICROS
from metrics.values.time import DAY, HOUR, format_instant


class RuleContext(NamedTuple):
    """One campaign before its policy.

    ``full`` says why ``test`` has no room, where it waits for some; ``reached`` is the watermark up to which its newest
    reading holds, where that is later than its own.
    """

    state: CampaignState
    policy: Policy
    facts: CampaignFacts
    now: int
    full: str | None = None
    reached: int | None = None

    @property
    def watermark(self) -> int:
        """Up to which its events are complete, in epoch ms; 0: not known."""
        own = 0 if self.state.latest is None else self.state.latest.watermark
        return max(own, self.reached or 0) if own > 0 else 0


def requested_action(context: RuleContext) -> ActionRequest | None:
    """The most urgent request; None when all is well."""
    return next((request for rule in _RULES if (request := rule(context)) is not None), None)


def worst(evidence: dict[str, Evidence]) -> Evidence | None:
    """The target with the strongest evidence against it among those that are bad."""
    bad = [each for each in evidence.values() if each.verdict == "bad"]
    return max(bad, key=lambda each: each.e_value, default=None)


def is_good(evidence: dict[str, Evidence]) -> bool:
    """At least one target is surely met and none is surely missed."""
    verdicts = {each.verdict for each in evidence.values()}
    return "good" in verdicts and "bad" not in verdicts


def _alarmed(context: RuleContext) -> ActionRequest | None:
    state = context.state
    if not state.firing or not state.may_spend:
        return None
    rule = min(state.firing)
    reason = f"the alert {rule} fires"
    hold = Hold(f"alert:{rule}", reason, _expiry(context))
    return ActionRequest(state.campaign_id, "pause", "alert", f"alert:{rule}", reason, hold=hold)


def missed_reason(target: str, e_value: float, needed: float) -> str:
    """Why a campaign is paused that surely misses a target (``cpl``); e-values without a unit."""
    return f"{target.upper()} misses its target: e-value {e_value:,.0f}, {needed:,.0f} needed"


def _missed(context: RuleContext) -> ActionRequest | None:
    state, policy = context.state, context.policy
    found = worst(state.evidence)
    if found is None or not state.may_spend:
        return None
    needed = 1 / policy.alpha if state.latest is None else state.latest.needed
    chance = (
        worth_reason(state, context.facts)
        if found.target == CLV_TO_CAC
        else missed_reason(found.target, found.e_value, needed)
    )
    rule = f"evidence:{found.target}"
    if state.bad_times >= policy.max_holds:
        reason = f"{chance}, after {state.bad_times} earlier hold(s)"
        return ActionRequest(state.campaign_id, "move", "rule", rule, reason, column="stopped")
    hold = Hold("evidence", chance, _expiry(context))
    return ActionRequest(state.campaign_id, "pause", "rule", rule, chance, hold=hold)


def _used_up(context: RuleContext) -> ActionRequest | None:
    state = context.state
    if not state.may_spend or state.budget <= 0 or state.spent < state.budget:
        return None
    reason = f"the budget of {state.budget / MICROS:,.2f} is spent"
    return ActionRequest(
        state.campaign_id, "pause", "rule", "budget", reason, hold=Hold("budget", reason, expires_at=None)
    )


def _returning(context: RuleContext) -> ActionRequest | None:
    hold, name = context.state.hold, context.state.campaign_id
    if context.state.column != "hold" or hold is None:
        return None
    if hold.owner == WIP and context.full is None:
        return ActionRequest(name, "resume", "rule", "pull", "there is room in test again", column="test")
    if hold.expires_at is None or context.now < hold.expires_at:
        return None
    reason = f"the hold by {hold.owner} has expired; the evidence "
    reason += "begins anew" if context.state.is_blamed else "goes on"
    if hold.owner == PACE:
        reason = "the plan has caught up with what was spent"
    return ActionRequest(name, "resume", "rule", "hold expired", reason, column="test")


def _waiting(context: RuleContext) -> ActionRequest | None:
    """One that began while its column was full comes in when there is room, and spends no more than its card till then."""
    state = context.state
    if not state.waits:
        return None
    if context.full is None:
        return ActionRequest(
            state.campaign_id, "move", "rule", "pull", "there is room in test", column="test"
        )
    if state.card <= 0 or state.spent < state.pulled * state.card:
        return None
    reason = (
        f"its card of {state.card / MICROS:,.2f} is spent and {context.full}; it returns when there is room"
    )
    return ActionRequest(
        state.campaign_id, "pause", "rule", "wip", reason, hold=Hold(WIP, reason, expires_at=None)
    )


def _graduating(context: RuleContext) -> ActionRequest | None:
    state = context.state
    if state.column != "test" or not is_good(state.evidence):
        return None
    return ActionRequest(
        state.campaign_id, "move", "rule", "graduate", _praise(state), column="scale", budget=_grown(context)
    )


def _growing(context: RuleContext) -> ActionRequest | None:
    state = context.state
    has_new_card = state.pulled > state.grown_with
    if state.column != "scale" or not is_good(state.evidence) or not has_new_card or not state.budget:
        return None
    if _is_behind(context):
        return None  # a campaign that does not use its budget needs no more of it
    return ActionRequest(
        state.campaign_id, "set_budget", "rule", "grow", _praise(state), budget=_grown(context)
    )


def _is_behind(context: RuleContext) -> bool:
    flight, state = _flight(context.facts), context.state
    day = known_day(state, is_reported=context.facts.is_reported, watermark=context.watermark)
    found = None if flight is None or day is None else project(state.budget, day, flight)
    return found is not None and found.pace == "behind"


def _ahead(context: RuleContext) -> ActionRequest | None:
    """A campaign whose budget would be gone well before its flight ends rests until the plan has caught up (D57).

    One that surely pays does not: what it lacks is budget, not patience. Spend of before its last action says nothing of
    what that has brought about. What it was ahead when its spend was last known it still is.
    """
    state, facts, now = context.state, context.facts, context.now
    if not context.policy.even_pace or not state.is_spending or is_good(state.evidence):
        return None
    flight, day = _flight(facts), known_day(state, is_reported=facts.is_reported, watermark=context.watermark)
    if flight is None or day is None or (facts.is_reported and day.until < (state.changed_at or 0)):
        return None
    found = projected(state, facts, context.watermark)
    if found is None or found.pace != "ahead":
        return None
    rest = min(catches_up(state.budget, day.total, flight) - day.until, DAY)
    if rest < HOUR:
        return None
    until = now + rest
    reason = (
        f"ahead of its pace: {found.total / MICROS:,.2f} of {state.budget / MICROS:,.2f} by the end of its flight as "
        f"projected (band to {found.high / MICROS:,.2f}); it rests until {format_instant(until)}"
    )
    return ActionRequest(state.campaign_id, "pause", "rule", "pace", reason, hold=Hold(PACE, reason, until))


def projected(state: CampaignState, facts: CampaignFacts, watermark: int) -> Projection | None:
    """Where the spend of a campaign goes by the end of its flight; None for one without dates, budget or enough hours.

    Spend has a rhythm of days: before a whole one was seen (a quarter of a short flight), a busy morning looks like a runaway.
    """
    flight, day = _flight(facts), known_day(state, is_reported=facts.is_reported, watermark=watermark)
    if flight is None or day is None or day.length < min(DAY, (flight[1] - flight[0]) // 4):
        return None
    return project(state.budget, day, flight)


def _flight(facts: CampaignFacts) -> tuple[int, int] | None:
    return None if facts.starts_at is None or facts.ends_at is None else (facts.starts_at, facts.ends_at)


def _grown(context: RuleContext) -> int | None:
    budget = context.state.budget
    return None if budget <= 0 else budget + int(budget * context.policy.grow_by)


def _praise(state: CampaignState) -> str:
    good = sorted(shown_target(name) for name, each in state.evidence.items() if each.verdict == "good")
    return f"{' and '.join(good)} surely better than target"


def _expiry(context: RuleContext) -> int | None:
    return None if context.policy.hold_for is None else context.now + context.policy.hold_for


_RULES: tuple[Callable[[RuleContext], ActionRequest | None], ...] = (
    _alarmed,
    _missed,
    _used_up,
    _returning,
    _waiting,
    _graduating,
    _growing,
    _ahead,
)

"""What the policy wishes for one campaign, the most urgent first. Wishes only: the gate decides. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from metrics.budget.guards import Wish
from metrics.budget.pacing import project
from metrics.budget.policy import Policy
from metrics.budget.state import CampaignState, Hold
from metrics.campaigns import CampaignFacts
from metrics.money import MICROS
from metrics.reading import Evidence


class Case(NamedTuple):
    """One campaign before its policy."""

    state: CampaignState
    policy: Policy
    facts: CampaignFacts
    now: int


def wish_for(case: Case) -> Wish | None:
    """The most urgent wish; None when all is well."""
    return next((wish for rule in _RULES if (wish := rule(case)) is not None), None)


def worst(evidence: dict[str, Evidence]) -> Evidence | None:
    """The target with the strongest evidence against it among those that are bad."""
    bad = [each for each in evidence.values() if each.verdict == "bad"]
    return max(bad, key=lambda each: each.e_value, default=None)


def is_good(evidence: dict[str, Evidence]) -> bool:
    """At least one target is surely met and none is surely missed."""
    verdicts = {each.verdict for each in evidence.values()}
    return "good" in verdicts and "bad" not in verdicts


def _alarmed(case: Case) -> Wish | None:
    state = case.state
    if not state.firing or not state.may_spend:
        return None
    rule = min(state.firing)
    reason = f"the alert {rule} fires"
    hold = Hold(f"alert:{rule}", reason, _expiry(case))
    return Wish(state.campaign_id, "pause", "alert", f"alert:{rule}", reason, hold=hold)


def _missed(case: Case) -> Wish | None:
    state, policy = case.state, case.policy
    found = worst(state.evidence)
    if found is None or not state.may_spend:
        return None
    chance = (
        f"{found.target} misses its target: e-value {found.e_value:,.0f} of {1 / policy.alpha:,.0f} needed"
    )
    rule = f"evidence:{found.target}"
    if state.bad_times >= policy.max_holds:
        reason = f"{chance}, after {state.bad_times} earlier hold(s)"
        return Wish(state.campaign_id, "move", "rule", rule, reason, column="stopped")
    hold = Hold("evidence", chance, _expiry(case))
    return Wish(state.campaign_id, "pause", "rule", rule, chance, hold=hold)


def _used_up(case: Case) -> Wish | None:
    state = case.state
    if not state.may_spend or state.budget <= 0 or state.spent < state.budget:
        return None
    reason = f"the budget of {state.budget / MICROS:,.2f} is spent"
    return Wish(
        state.campaign_id, "pause", "rule", "budget", reason, hold=Hold("budget", reason, expires_at=None)
    )


def _returning(case: Case) -> Wish | None:
    hold = case.state.hold
    if case.state.column != "hold" or hold is None or hold.expires_at is None or case.now < hold.expires_at:
        return None
    reason = f"the hold of {hold.owner} has expired; the evidence begins anew"
    return Wish(case.state.campaign_id, "resume", "rule", "hold expired", reason, column="test")


def _graduating(case: Case) -> Wish | None:
    state = case.state
    if state.column != "test" or not is_good(state.evidence):
        return None
    return Wish(
        state.campaign_id, "move", "rule", "graduate", _praise(state), column="scale", budget=_grown(case)
    )


def _growing(case: Case) -> Wish | None:
    state = case.state
    has_new_card = state.pulled > state.grown_with
    if state.column != "scale" or not is_good(state.evidence) or not has_new_card or not state.budget:
        return None
    if _is_behind(case):
        return None  # a campaign that does not use its budget needs no more of it
    return Wish(state.campaign_id, "set_budget", "rule", "grow", _praise(state), budget=_grown(case))


def _is_behind(case: Case) -> bool:
    facts, state = case.facts, case.state
    if facts.starts_at is None or facts.ends_at is None:
        return False
    flight = (facts.starts_at, facts.ends_at)
    found = project(state.budget, state.spent, state.hours, flight, case.now)
    return found is not None and found.pace == "behind"


def _grown(case: Case) -> int | None:
    budget = case.state.budget
    return None if budget <= 0 else budget + int(budget * case.policy.grow_by)


def _praise(state: CampaignState) -> str:
    good = sorted(name for name, each in state.evidence.items() if each.verdict == "good")
    return f"{', '.join(good)} surely better than target"


def _expiry(case: Case) -> int | None:
    return None if case.policy.hold_for is None else case.now + case.policy.hold_for


_RULES: tuple[Callable[[Case], Wish | None], ...] = (
    _alarmed,
    _missed,
    _used_up,
    _returning,
    _graduating,
    _growing,
)

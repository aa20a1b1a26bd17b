"""Doing an action: the record that goes out, and the campaign after it. Pure."""

import hashlib
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from metrics.budget.guards import ActionRequest
from metrics.budget.policy import Policy
from metrics.budget.records import ActionHold, BudgetAction, Column, Mode
from metrics.budget.state import SPENDING, CampaignState
from metrics.entities.campaigns import CLV_TO_CAC
from metrics.evidence import Ledger, renewed
from metrics.values.money import MICROS, units
from metrics.values.time import DAY, format_instant


def action_of(
    request: ActionRequest,
    state: CampaignState,
    mode: Mode,
    currency: str,
    policy: Policy,
    targets: Mapping[str, int],
    now: int,
) -> BudgetAction:
    """The record of an action, with the figures it is taken on; ``targets`` in millionths."""
    budget = state.budget if request.budget is None else request.budget
    hold = request.hold
    return BudgetAction(
        action_id=action_id(request, state),
        campaign_id=request.campaign_id,
        verb=request.verb,
        column="hold" if request.verb == "pause" else request.column,
        budget_from=units(state.budget) if state.budget else None,
        budget_to=units(budget) if budget else None,
        currency=currency,
        mode=mode,
        rule=request.rule,
        reason=request.reason,
        evidence=_figures(state, targets)
        | {"alpha": policy.alpha, "alpha_of": policy.alpha_of, "policy": digest_of(policy)},
        hold=None if hold is None else ActionHold(owner=hold.owner, expires_at=_text(hold.expires_at)),
        decided_at=format_instant(now),
    )


def digest_of(policy: Policy) -> str:
    """Names the rules that were in force: the same for the same policy, another after any change of it."""
    return hashlib.sha256(msgspec.json.encode(policy, order="deterministic")).hexdigest()[:12]


def action_id(request: ActionRequest, state: CampaignState) -> str:
    """The same for the same decision on the same state, however often a restart takes it again.

    The time is left out on purpose: after a restart it is another.
    """
    parts = (request.campaign_id, state.serial, request.verb, request.rule, request.column, request.budget)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def counted(state: CampaignState, action: BudgetAction) -> dict[str, int]:
    """How many actions were taken on a campaign, by ``verb|mode``, with this one."""
    key = f"{action.verb}|{action.mode}"
    return {**state.taken, key: state.taken.get(key, 0) + 1}


def done(request: ActionRequest, state: CampaignState, now: int) -> CampaignState:
    """The campaign after an action on it."""
    column: Column = "hold" if request.verb == "pause" else request.column or state.column
    is_new_day = state.day[0] != now // DAY
    changed = replace(
        state,
        column=column,
        came_from=state.came_from if column == state.column else state.column,
        budget=state.budget if request.budget is None else request.budget,
        hold=request.hold if column == "hold" else None,
        bad_times=state.bad_times + request.rule.startswith("evidence:"),
        proposal=None,
        said="",
        serial=state.serial + 1,
        last_action=action_id(request, state),
        changed_at=now,
        day=(now // DAY, state.budget) if is_new_day else state.day,
        grown_with=state.pulled,
        waits=state.waits and column == state.column,
        reason=request.reason,
    )
    if not changed.may_spend:
        changed = replace(changed, firing={})
    if not state.may_spend and column in SPENDING and state.is_blamed:
        # What was known of the campaign led to the hold; judged by it again, it would be held at once.
        sums = None if state.latest is None else state.latest.judged
        return replace(
            changed,
            baseline=sums,
            evidence={},
            ledgers=begun_anew(state),
            entered_with=state.pulled,
            worth_after=0 if state.worth is None else state.worth.look,
        )
    return changed


def begun_anew(state: CampaignState) -> dict[str, Ledger]:
    """The ledgers of a campaign whose evidence begins anew."""
    return {name: renewed(ledger) for name, ledger in state.ledgers.items()}


def _figures(state: CampaignState, targets: Mapping[str, int]) -> dict[str, float | str | bool | None]:
    """What the decision was taken on."""
    found: dict[str, float | str | bool | None] = {"column": state.column, "spent": str(units(state.spent))}
    if state.latest is not None:
        sums = state.latest.sums
        found |= {
            "watermark": format_instant(state.latest.watermark),
            "revision": state.latest.revision,
            "completeness": state.latest.completeness,
            "leads": sums.leads,
            "orders": sums.orders,
            "revenue": str(units(sums.revenue_micros - sums.refunds_micros)),
        }
        found["e_value_needed"] = round(state.latest.needed, 3)
        found |= {f"{name}_scatter": round(each, 3) for name, each in sorted(state.latest.scatter.items())}
    for name, each in sorted(state.evidence.items()):
        found[f"{name}_verdict"] = each.verdict
        found[f"{name}_e_value"] = each.e_value
        found[f"{name}_probability_bad"] = each.probability_bad
        found[f"{name}_low"], found[f"{name}_high"] = each.interval
        if name in targets:
            found[f"{name}_target"] = targets[name] / MICROS
    if CLV_TO_CAC in state.evidence and state.worth is not None:
        worth = state.worth
        found |= {f"{CLV_TO_CAC}_look": worth.look, f"{CLV_TO_CAC}_level": worth.level}
        found |= {f"{CLV_TO_CAC}_low": worth.low, f"{CLV_TO_CAC}_high": worth.high}
    return found


def _text(at: int | None) -> str | None:
    return None if at is None else format_instant(at)

"""Taking in what comes, without doing anything about it: registrations, readings, alerts, seen ids. Pure."""

from datetime import datetime

from msgspec.structs import replace

from metrics.budget.policy import Policy
from metrics.budget.records import AlertSignal
from metrics.budget.state import HOURS_KEPT, CampaignState, Hour, Latest, since
from metrics.campaigns import CampaignFacts
from metrics.evidence import assess
from metrics.judging import instant
from metrics.reading import CampaignKpi, Sums
from metrics.timeline import HOUR

#: Ids of decisions and alerts a campaign remembers, so that one that comes twice is heard once.
_SEEN = 64


def register(state: CampaignState, facts: CampaignFacts, policy: Policy) -> CampaignState:
    """The campaign with its registered budget; a change there moves the budget by as much."""
    registered = facts.budget_micros or 0
    if registered == state.registered:
        return state
    budget = max(0, state.budget + registered - state.registered)
    card = state.card or policy.card_micros(budget)
    return replace(state, registered=registered, budget=budget, card=card)


def absorb_reading(
    state: CampaignState, reading: CampaignKpi, facts: CampaignFacts, policy: Policy, completeness: float
) -> CampaignState:
    """A reading of ``total`` renews figures, evidence and cards; one of ``1h`` the hours. Others change nothing."""
    if reading.model != "declared":
        return state
    if reading.window == "1h" and reading.window_start is not None:
        return _with_hour(state, reading)
    if reading.window != "total":
        return state
    if state.latest is not None and reading.revision <= state.latest.revision:
        return state
    watermark = 0 if reading.watermark is None else _millis(reading.watermark)
    own = since(reading.sums, state.baseline)
    trail = _trailed(state.trail, watermark, reading.sums.spend_micros or 0, policy.mature_after)
    share = min(completeness, _matured(trail, watermark, own, state.baseline, policy.mature_after))
    latest = Latest(reading.revision, watermark, reading.sums, share)
    renewed = replace(
        state,
        latest=latest,
        trail=trail,
        evidence=assess(own, facts.targets_micros, policy.evidence, share),
        kpis={**state.kpis, "total": reading.kpis},
    )
    return _with_cards(renewed, policy)


def _trailed(
    trail: tuple[tuple[int, int], ...], watermark: int, spent: int, mature_after: int
) -> tuple[tuple[int, int], ...]:
    """The trail with this point, about eight to a maturity, and one that is older than that."""
    if mature_after == 0 or (trail and watermark < trail[-1][0] + mature_after // 8):
        return trail
    longer = (*trail, (watermark, spent))
    old = [at for at, (when, _) in enumerate(longer) if when <= watermark - mature_after]
    return longer[max(old, default=0) :]


def _matured(
    trail: tuple[tuple[int, int], ...], watermark: int, own: Sums, baseline: Sums | None, mature_after: int
) -> float:
    """Share of the spend since the baseline that is older than ``mature_after``."""
    if mature_after == 0:
        return 1.0
    old = [spent for when, spent in trail if when <= watermark - mature_after]
    before = 0 if baseline is None else baseline.spend_micros or 0
    ripe = max(0, max(old, default=0) - before)
    return min(1.0, ripe / own.spend_micros) if own.spend_micros else 1.0


def _with_cards(state: CampaignState, policy: Policy) -> CampaignState:
    """Pull the next card when the present one is nearly spent and the evidence is not bad."""
    is_bad = any(each.verdict == "bad" for each in state.evidence.values())
    if not state.may_spend or state.card <= 0 or is_bad:
        return state
    due = int(state.spent / state.card + (1 - policy.pull_at)) + 1
    most = -(-state.budget // state.card)
    return replace(state, pulled=max(state.pulled, min(due, most)))


def _with_hour(state: CampaignState, reading: CampaignKpi) -> CampaignState:
    """Whole values by hour, the newest kept; a later revision replaces."""
    assert reading.window_start is not None, "a tumbling window"
    sums, start = reading.sums, _millis(reading.window_start)
    hour = Hour(
        start,
        sums.spend_micros or 0,
        sums.other_cost_micros,
        sums.revenue_micros - sums.refunds_micros,
        sums.cost_of_goods_micros,
    )
    hours = {each.start: each for each in state.hours} | {start: hour}
    newest = max(hours)
    kept = tuple(hours[at] for at in sorted(hours) if at > newest - HOURS_KEPT * HOUR)
    kpis = {**state.kpis, "1h": reading.kpis} if start == newest else state.kpis
    return replace(state, hours=kept, kpis=kpis)


def absorb_signal(
    state: CampaignState, signal: AlertSignal, policy: Policy, *, is_recent: bool
) -> CampaignState:
    """An alert that fires is remembered until it resolves; resolving resumes nothing."""
    if signal.alert_id in state.seen:
        return state
    heard = remember(state, signal.alert_id)
    if policy.alert_rules is not None and signal.rule not in policy.alert_rules:
        return heard
    firing = dict(heard.firing)
    if signal.status == "resolved":
        firing.pop(signal.rule, None)
    elif is_recent:
        firing[signal.rule] = instant(signal.starts_at, "starts_at")
    return replace(heard, firing=firing)


def remember(state: CampaignState, word: str) -> CampaignState:
    """The campaign with one more id among those it has heard."""
    return replace(state, seen=(*state.seen, word)[-_SEEN:])


def _millis(text: str) -> int:
    return instant(datetime.fromisoformat(text), "time of a reading")

"""Taking in what comes, without doing anything about it: registrations, readings, alerts, seen ids. Pure."""

from datetime import datetime

from msgspec.structs import replace

from metrics.budget.policy import Policy
from metrics.budget.records import AlertSignal
from metrics.budget.state import HOURS_KEPT, CampaignState, Hour, Latest, since
from metrics.entities.campaigns import CampaignFacts
from metrics.evidence import Arrived, OrderValues, assess
from metrics.records.kpi_reading import CampaignKpi, Sums
from metrics.records.validation import instant
from metrics.values.time import HOUR

#: Ids of decisions and alerts a campaign remembers, so that one that comes twice is heard once.
_SEEN = 64
#: Points of the trail; while the watermark stands, every other one is given up when it grows longer.
_TRAIL = 32


def register(state: CampaignState, facts: CampaignFacts, policy: Policy) -> CampaignState:
    """The campaign with its registered budget; a change there moves the budget by as much.

    A budget in a currency whose rate is not known yet changes nothing until it is.
    """
    registered = facts.budget_micros or 0
    record = facts.registered
    is_unknown = facts.budget_micros is None and record is not None and record.budget is not None
    if registered == state.registered or is_unknown:
        return state
    budget = max(0, state.budget + registered - state.registered)
    card = state.card or policy.card_micros(budget)
    return replace(state, registered=registered, budget=budget, card=card)


def absorb_reading(
    state: CampaignState,
    reading: CampaignKpi,
    facts: CampaignFacts,
    policy: Policy,
    completeness: float,
    dispersion: float = 0.0,
) -> CampaignState:
    """A reading of ``total`` renews figures, evidence and cards; one of ``1h`` the hours. Others change nothing.

    ``dispersion`` is that of the order values seen on the whole board; the wider of it and the policy's counts.
    """
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
    published, ripe_at = _millis(reading.published_at), watermark - policy.mature_after
    trail = _trailed(state.trail, (published, reading.sums.spend_micros or 0), ripe_at, policy.mature_after)
    share = min(completeness, _matured(trail, ripe_at, own, state.baseline))
    awaiting, settled = _settling(state, (published, reading.sums), watermark)
    given = policy.evidence
    wider = max(given.order_value_dispersion, dispersion)
    options = replace(given, order_value_dispersion=wider)
    evidence = {}
    if settled is not None:
        before = since(settled, state.baseline)
        arrived = _arrived(reading, share)
        evidence = assess(own, facts.targets_micros, options, arrived, settled=before)
    known = min((each.completeness for each in evidence.values()), default=share)
    renewed = replace(
        state,
        latest=Latest(reading.revision, watermark, reading.sums, known, wider),
        order_values=_with_orders(state, reading.sums),
        trail=trail,
        awaiting=awaiting,
        settled=settled,
        evidence=evidence,
        kpis={**state.kpis, "total": reading.kpis},
    )
    return _with_cards(renewed, policy)


def _with_orders(state: CampaignState, sums: Sums) -> OrderValues:
    """What has come since the last reading tells of the values of orders."""
    before = None if state.latest is None else state.latest.sums
    orders, revenue = (0, 0) if before is None else (before.orders, before.revenue_micros)
    return state.order_values.then(sums.orders - orders, sums.revenue_micros - revenue)


# ``total`` holds clicks before their leads when topics are read at different pace. What a reading had spent when it was
# published is judged once the watermark of a later one, the least over all topics, has come to that instant: by then
# all topics have been read to it. While a backlog is read the watermark lies behind, and nothing is judged (D46).


def _trailed(
    trail: tuple[tuple[int, int], ...], point: tuple[int, int], ripe_at: int, mature_after: int
) -> tuple[tuple[int, int], ...]:
    """The trail with this point, about eight to a maturity, and one that is ripe."""
    if trail and point[0] < trail[-1][0] + mature_after // 8:
        return trail
    longer = (*trail, point)
    old = [at for at, (when, _) in enumerate(longer) if when <= ripe_at]
    kept = longer[max(old, default=0) :]
    return kept if len(kept) <= _TRAIL else kept[::2]


def _matured(trail: tuple[tuple[int, int], ...], ripe_at: int, own: Sums, baseline: Sums | None) -> float:
    """Share of the spend since the baseline that is ripe: older than ``mature_after`` at the watermark."""
    old = [spent for when, spent in trail if when <= ripe_at]
    before = 0 if baseline is None else baseline.spend_micros or 0
    ripe = max(0, max(old, default=0) - before)
    return min(1.0, ripe / own.spend_micros) if own.spend_micros else 1.0


def _settling(
    state: CampaignState, now: tuple[int, Sums], watermark: int
) -> tuple[tuple[int, Sums] | None, Sums | None]:
    """The sums that wait for the watermark, and the last ones that it has reached."""
    awaiting = state.awaiting
    if awaiting is None:
        return (None, now[1]) if now[0] <= watermark else (now, state.settled)
    return (now, awaiting[1]) if awaiting[0] <= watermark else (awaiting, state.settled)


def _arrived(reading: CampaignKpi, share: float) -> Arrived:
    """What has come of leads and of orders, by the age of the spend and by the lags of conversions seen so far."""
    known = reading.completeness
    if known is None:
        return Arrived(share, share)
    leads = share if known.leads is None else min(share, known.leads)
    return Arrived(leads, share if known.orders is None else min(share, known.orders))


def _with_cards(state: CampaignState, policy: Policy) -> CampaignState:
    """Pull the next card when the present one is nearly spent, the evidence is not bad and the column has room."""
    is_bad = any(each.verdict == "bad" for each in state.evidence.values())
    if not state.may_spend or state.card <= 0 or is_bad or state.waits:
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
    after = remember(state, signal.alert_id)
    if signal.rule not in policy.alert_rules:
        return after
    firing = dict(after.firing)
    reason = after.reason
    if signal.status == "resolved":
        if firing.pop(signal.rule, None) is not None and after.may_spend:
            reason = f"the alert {signal.rule} has resolved; nothing was paused for it"
    elif is_recent:
        firing[signal.rule] = instant(signal.starts_at, "starts_at")
    return replace(after, firing=firing, reason=reason)


def remember(state: CampaignState, word: str) -> CampaignState:
    """The campaign with one more id among those it has heard."""
    return replace(state, seen=(*state.seen, word)[-_SEEN:])


def _millis(text: str) -> int:
    return instant(datetime.fromisoformat(text), "time of a reading")

"""Taking in what comes, without doing anything about it: registrations, readings, alerts, seen ids. Pure."""

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, cast

from msgspec.structs import replace

from metrics.budget.policy import Policy
from metrics.budget.records import AlertSignal
from metrics.budget.state import HOURS_KEPT, CampaignState, Hour, KnownDay, Latest, since
from metrics.budget.worth import judged_by_worth
from metrics.entities.campaigns import CampaignFacts
from metrics.evidence import UNLEARNED, Arrived, Course, Shape, assess_course, course_of
from metrics.records.kpi_reading import CampaignKpi, KnownSpend, Sums, TargetName
from metrics.records.validation import instant
from metrics.values.time import DAY, HOUR, MINUTE

#: Ledgers of earlier builds in which results are so little ahead of their spend, in ms, go on as they are: their lag is hardly misjudged.
_SLIGHT = HOUR
#: Ids of decisions and alerts a campaign remembers, so that one that comes twice is applied once.
_SEEN = 64
#: Points of the trail; while the watermark stands, every other one is given up when it grows longer.
_TRAIL = 32
#: Points of the trail to a maturity.
_POINTS = 8
#: Readings further apart than this are rare.
_RARE = 10 * MINUTE


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


class EvidenceContext(NamedTuple):
    """What is known besides a reading: of results that have come, of the board, of the error that may be made.

    Attributes:
        completeness: share of the results of the campaign's spend that have come by now at most.
        learned: by target, what the campaigns of the board show together.
        unlearned: what is assumed of a target of which they show nothing yet.
        thresholds: e-values from which on a target counts as surely missed, and as surely exceeded.
    """

    completeness: float = 1.0
    learned: Mapping[str, Shape] = {}
    unlearned: Shape = UNLEARNED
    thresholds: tuple[float, float] = (20.0, 20.0)


def apply_reading(
    state: CampaignState, reading: CampaignKpi, facts: CampaignFacts, policy: Policy, context: EvidenceContext
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
    renewed = replace(
        state,
        latest=Latest(
            *(reading.revision, watermark, reading.sums, context.completeness),
            has_uncertain_amounts=reading.has_uncertain_amounts,
            known_day=None if reading.known_spend is None else _known_day(reading.known_spend),
            matched=None if reading.matched_sums is None else reading.matched_sums.sums,
        ),
        evidence={},
        kpis={**state.kpis, "total": reading.kpis},
    )
    if reading.known_spend is None or reading.matched_sums is not None:
        renewed = _with_evidence(renewed, reading, facts, policy, context, state.latest)
    return _with_cards(renewed, policy)


def _with_evidence(
    state: CampaignState,
    reading: CampaignKpi,
    facts: CampaignFacts,
    policy: Policy,
    context: EvidenceContext,
    before: Latest | None,
) -> CampaignState:
    """The campaign with what a reading says of its targets; reports that lie too far back for matched sums say nothing."""
    assert state.latest is not None, "of this reading"
    moment = _moment(reading, state.latest.watermark)
    ripe_at, spent = moment.watermark - policy.mature_after, moment.sums.spend_micros or 0
    trail = state.trail
    if before is not None and (before.matched is None) != (reading.matched_sums is None):
        # What reports have told of lies behind now: later points of readings before the first report would hold it off.
        trail = tuple(point for point in trail if point[0] <= moment.published)
    trail = _trailed(trail, (moment.published, spent), ripe_at, policy.mature_after)
    share = _share_by(trail, ripe_at, max(policy.mature_after, _RARE), moment.sums)
    awaiting, settled = _settling(state, moment)
    latest = replace(state.latest, completeness=min(share, context.completeness))
    renewed = replace(state, latest=latest, trail=trail, awaiting=awaiting, settled=settled)
    if settled is None or moment.watermark <= 0:
        return renewed
    read = _share_by(trail, moment.watermark, policy.mature_after // _POINTS + _RARE, moment.sums)
    read = max(share, read, _part_of(settled.spend_micros or 0, moment.sums))
    ripeness = _Ripeness(read, moment.watermark, share, policy.mature_after, _led_to(before))
    return _judged(renewed, reading, facts, policy, context, ripeness)


class _Moment(NamedTuple):
    """Sums that evidence compares, when they were published, and the watermark then; epoch ms."""

    sums: Sums
    published: int
    watermark: int


def _moment(reading: CampaignKpi, watermark: int) -> _Moment:
    """What evidence compares: where spend comes by reports, all up to the instant that these have reached.

    Results of later have no spend beside them yet, and would hide what is missing.
    """
    matched = reading.matched_sums
    if matched is None:
        return _Moment(reading.sums, _millis(reading.published_at), watermark)
    until = _millis(matched.until)
    return _Moment(matched.sums, until, until)


class _Ripeness(NamedTuple):
    """How much of the spend may count.

    Attributes:
        read: share of the spend up to which all topics have been read; ledgers take that in.
        at: the epoch ms up to which that reaches.
        ripe: share of the spend that may speak: older than ``mature_after``.
        mature_after: ms.
        led_to: the epoch ms up to which the last reading led ledgers; those of earlier builds lie ``mature_after`` behind it.
    """

    read: float
    at: int
    ripe: float
    mature_after: int
    led_to: int

    @property
    def young(self) -> tuple[float, float]:
        """Share of the spend in ledgers that does not speak yet, and the days over which it lies."""
        return (1 - self.ripe / self.read if self.read else 0.0), self.mature_after / DAY


def _led_to(before: Latest | None) -> int:
    """The watermark of the reading before, where spend comes by events; earlier builds led results ahead of it there."""
    return 0 if before is None or before.known_day is not None else before.watermark


def _known_day(known: KnownSpend) -> KnownDay:
    since, until = _millis(known.since), _millis(known.until)
    return KnownDay(since, until, known.spend_micros, known.total_micros, known.is_by_hour)


def _judged(
    state: CampaignState,
    reading: CampaignKpi,
    facts: CampaignFacts,
    policy: Policy,
    context: EvidenceContext,
    ripeness: _Ripeness,
) -> CampaignState:
    """The campaign with its ledgers led on and its evidence renewed."""
    assert state.latest is not None, "of this reading"
    ledgers, evidence, scatter, total = {}, {}, {}, state.latest.judged
    own, settled = since(total, state.baseline), since(state.settled or total, state.baseline)
    arrived = _arrived(reading, min(ripeness.ripe, context.completeness))
    read = ripeness.read, ripeness.at
    for name, target in facts.targets_micros.items():
        shape = context.learned.get(name) or context.unlearned
        before = state.ledgers.get(name)
        ahead = own if before is not None and before.at + _SLIGHT < ripeness.led_to else None
        ledger = course_of(name, target, total, read, before, shape, facts.starts_at, policy.evidence, ahead)
        if ledger is None:
            continue
        ledgers[name] = ledger
        course = Course(total, own, settled, arrived.of(name), *context.thresholds, ripeness.young)
        found = assess_course(cast("TargetName", name), target, ledger, course, shape, policy.evidence)
        if found is not None:
            evidence[name], scatter[name] = found
    evidence = judged_by_worth(state, facts, evidence)
    share = min((each.completeness for each in evidence.values()), default=state.latest.completeness)
    latest = replace(state.latest, completeness=share, scatter=scatter, needed=context.thresholds[0])
    return replace(state, ledgers=ledgers, evidence=evidence, latest=latest)


# ``total`` holds clicks before their leads when topics are read at different pace. What a reading had spent when it was
# published is judged once the watermark of a later one, the least over all topics, has come to that instant: by then
# all topics have been read to it. While a backlog is read the watermark lies behind, and nothing is judged (D46).


def _trailed(
    trail: tuple[tuple[int, int], ...], point: tuple[int, int], ripe_at: int, mature_after: int
) -> tuple[tuple[int, int], ...]:
    """The trail with this point, about ``_POINTS`` to a maturity, and one that is ripe."""
    if trail and point[0] < trail[-1][0] + mature_after // _POINTS:
        return trail
    longer = (*trail, point)
    old = [at for at, (when, _) in enumerate(longer) if when <= ripe_at]
    kept = longer[max(old, default=0) :]
    return kept if len(kept) <= _TRAIL else kept[::2]


def _share_by(trail: tuple[tuple[int, int], ...], at: int, rare: int, sums: Sums) -> float:
    """Share of all the spend that was published by an instant, epoch ms.

    Where readings are further apart than ``rare``, spend between two of them accrues evenly.
    """
    found = max((spent for when, spent in trail if when <= at), default=0)
    for (began, before), (ended, after) in pairwise(trail):
        if began <= at < ended and ended - began > rare:
            found = before + round((after - before) * (at - began) / (ended - began))
    return _part_of(found, sums)


def _part_of(spent: int, sums: Sums) -> float:
    return min(1.0, max(0, spent) / sums.spend_micros) if sums.spend_micros else 1.0


def _settling(state: CampaignState, now: _Moment) -> tuple[tuple[int, Sums] | None, Sums | None]:
    """The sums that wait for the watermark, and the last ones that it has reached."""
    if now.published <= now.watermark:
        return None, now.sums
    awaiting = state.awaiting
    if awaiting is None:
        return (now.published, now.sums), state.settled
    if awaiting[0] <= now.watermark:
        return (now.published, now.sums), awaiting[1]
    return awaiting, state.settled


def _arrived(reading: CampaignKpi, share: float) -> Arrived:
    """What has come of leads and of orders, by the age of the spend and by the lags of conversions seen so far."""
    seen = reading.completeness
    if seen is None:
        return Arrived(share, share)
    leads = share if seen.leads is None else min(share, seen.leads)
    return Arrived(leads, share if seen.orders is None else min(share, seen.orders))


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


def apply_alert(
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


def remember(state: CampaignState, seen_id: str) -> CampaignState:
    """The campaign with one more id among those it has seen."""
    return replace(state, seen=(*state.seen, seen_id)[-_SEEN:])


def _millis(text: str) -> int:
    return instant(datetime.fromisoformat(text), "time of a reading")

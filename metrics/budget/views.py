"""What the board shows: cards and columns of a state. Pure; knows no Redis and no page."""

from typing import get_args

from metrics.budget.guards import GuardContext, budget_bounds
from metrics.budget.pacing import known_day, known_hours
from metrics.budget.policy import Policies
from metrics.budget.records import (
    BoardCard,
    BudgetRange,
    CardHold,
    CardPace,
    Column,
    ColumnView,
    Mode,
    SparkPoint,
)
from metrics.budget.rules import projected
from metrics.budget.state import NEVER, Board, CampaignState, Hour
from metrics.entities.campaigns import CampaignFacts
from metrics.records.kpi_reading import KnownSpend
from metrics.values.money import ratio
from metrics.values.time import format_instant

#: Hours on a card's sparkline.
_SPARK_HOURS = 48


def card_of(
    state: CampaignState,
    facts: CampaignFacts,
    mode: Mode,
    currency: str,
    guard_context: GuardContext | None = None,
) -> BoardCard:
    """A campaign as one card of the board; money in micros of ``currency``. Without ``guard_context`` it says no range."""
    record, hold = facts.registered, state.hold
    known = {hour.start for hour in known_hours(state, is_reported=facts.is_reported)}
    total = 0 if state.card <= 0 else -(-state.budget // state.card)
    return BoardCard(
        campaign_id=state.campaign_id,
        name=None if record is None else record.name,
        channel=facts.channel,
        status=None if record is None else record.status,
        column=state.column,
        revision=state.revision,
        currency=currency,
        budget_micros=state.budget,
        budget_range=None if guard_context is None else _budget_range(state, guard_context),
        spent_micros=state.spent,
        card_micros=state.card,
        cards_done=0 if state.card <= 0 else min(total, state.spent // state.card),
        cards_total=total,
        hold=None if hold is None else _hold(hold.owner, hold.reason, hold.expires_at),
        targets_micros=facts.all_targets_micros,
        evidence=state.evidence,
        pace=_pace(state, facts),
        known_spend=_known_spend(state, facts),
        proposal=state.proposal,
        proposed_until=_end_of_proposal(state),
        has_uncertain_amounts=state.latest is not None and state.latest.has_uncertain_amounts,
        kpis=state.kpis,
        sparkline=[_point(hour, is_known=hour.start in known) for hour in state.hours[-_SPARK_HOURS:]],
        mode=mode,
        reason=state.reason,
        updated_at=format_instant(state.updated_at),
    )


def _budget_range(state: CampaignState, guard_context: GuardContext) -> BudgetRange:
    low, high = budget_bounds(state, guard_context.policies.of(state.campaign_id), guard_context)
    return BudgetRange(low_micros=low, high_micros=high, as_of=format_instant(guard_context.now))


def _point(hour: Hour, *, is_known: bool) -> SparkPoint:
    return SparkPoint(
        t=format_instant(hour.start),
        spend_micros=hour.spend if is_known else None,
        roi=ratio(hour.profit, hour.spend + hour.other_cost) if is_known else None,
    )


def _known_spend(state: CampaignState, facts: CampaignFacts) -> KnownSpend | None:
    """How far its reports reach; None for one whose spend comes by events."""
    day = state.latest.known_day if state.latest is not None and facts.is_reported else None
    if day is None:
        return None
    since, until = format_instant(day.since), format_instant(day.until)
    return KnownSpend(
        since=since, until=until, spend_micros=day.spend, total_micros=day.total, is_by_hour=day.is_by_hour
    )


def _pace(state: CampaignState, facts: CampaignFacts) -> CardPace | None:
    """As far as its spend is known; None for one without dates, budget or hours, or whose flight is over."""
    if state.latest is None or facts.ends_at is None or state.latest.watermark >= facts.ends_at:
        return None
    watermark = state.latest.watermark
    day = known_day(state, is_reported=facts.is_reported, watermark=watermark)
    found = projected(state, facts, watermark)
    if found is None or day is None:
        return None
    return CardPace(
        projected_micros=found.total,
        low_micros=found.low,
        high_micros=found.high,
        pace=found.pace,
        ends_at=format_instant(facts.ends_at),
        known_until=format_instant(day.until),
    )


def _end_of_proposal(state: CampaignState) -> str | None:
    """When the proposal lapses; None for one that does not."""
    has_end = state.proposal is not None and state.proposed_until < NEVER
    return format_instant(state.proposed_until) if has_end else None


def columns_of(board: Board, policies: Policies) -> dict[Column, ColumnView]:
    """Every column with its limits and what stands in it."""
    views: dict[Column, ColumnView] = {}
    for column in get_args(Column):
        within = list(board.within(column))
        limit = policies.common.limit_of(column)
        views[column] = ColumnView(
            limit_campaigns=limit.limit_campaigns,
            limit_micros=limit.limit_micros,
            count=len(within),
            sum_micros=sum(state.card for state in within),
        )
    return views


def _hold(owner: str, reason: str, expires_at: int | None) -> CardHold:
    return CardHold(
        owner=owner, reason=reason, expires_at=None if expires_at is None else format_instant(expires_at)
    )

"""Roll-ups: the campaigns of one channel, target, offer or objective as one, by sums of their sums.

A roll-up's window is the sum of the readings that its campaigns have of that window, cost basis applied; its KPIs are ratios of
those sums. What a sum of campaigns cannot say is null: a part that is unknown makes the whole unknown, and distinct
customers do not add up.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from metrics.entities.campaigns import CampaignFacts
from metrics.kpis.compose import DECLARED, ReadingVersion, in_units
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.kpi_reading import Dimension, RollupKpi, Stage, Sums
from metrics.values.time import format_instant
from metrics.windows.window_kinds import Span

DIMENSIONS: tuple[Dimension, ...] = ("channel", "target", "offer", "objective")
#: The value of campaigns that name none, and that of those beyond the limit.
UNNAMED, OTHER = "(none)", "(other)"


class RollupGroup(NamedTuple):
    """Which campaigns count together."""

    dimension: Dimension
    value: str


class RollupNaming:
    """Which values of the dimensions have roll-ups of their own.

    A dimension that no registered campaign names has no roll-ups; of one with more values than the limit, those of the most
    campaigns have (of equally many, the first by name), and all others count as ``(other)``.

    >>> naming = RollupNaming(["channel"], limit=2)
    >>> naming.learn([CampaignFacts("a", channel="tv"), CampaignFacts("b", channel="web"), CampaignFacts("c")])
    >>> [naming.groups(CampaignFacts("x", channel=name))[0].value for name in ("tv", "radio", None)]
    ['tv', '(other)', '(none)']
    """

    def __init__(self, dimensions: Sequence[Dimension], limit: int) -> None:
        self._dimensions = dimensions
        self._limit = limit
        self._named: dict[Dimension, frozenset[str]] = {}

    def learn(self, registered: Iterable[CampaignFacts]) -> None:
        """Take in all campaigns that are registered now."""
        counts: dict[Dimension, Counter[str]] = {dimension: Counter() for dimension in self._dimensions}
        for facts in registered:
            for dimension, counted in counts.items():
                value = _value(facts, dimension)
                if value:
                    counted[value] += 1
        self._named = {}
        for dimension, counted in counts.items():
            if counted:
                ordered = sorted(counted, key=lambda value: (-counted[value], value))
                self._named[dimension] = frozenset(ordered[: self._limit])

    def groups(self, facts: CampaignFacts) -> tuple[RollupGroup, ...]:
        """The roll-ups that a campaign counts in, by what is registered of it."""
        found = []
        for dimension, named in self._named.items():
            value = _value(facts, dimension)
            found.append(RollupGroup(dimension, (value if value in named else OTHER) if value else UNNAMED))
        return tuple(found)


def _value(facts: CampaignFacts, dimension: Dimension) -> str | None:
    if dimension == "channel":
        return facts.channel
    return None if facts.registered is None else getattr(facts.registered, dimension)


class RollupPart(msgspec.Struct, array_like=True, gc=False):
    """What some campaigns add to one window of a roll-up; every field adds up, and None is contagious.

    Counts of conversions are in millionths in every model but ``declared``. ``baseline`` is micros a day times
    milliseconds, None where a campaign has no baseline.

    >>> part = RollupPart(clicks=None); part.add(RollupPart(clicks=2, leads=1)); part.clicks, part.leads
    (None, 1)
    """

    campaigns: int = 0
    impressions: int | None = 0
    clicks: int | None = 0
    spend_micros: int | None = 0
    leads: int = 0
    mqls: int = 0
    sqls: int = 0
    orders: int = 0
    new_customers: int = 0
    cancelled_orders: int = 0
    other_cost_micros: int = 0
    revenue_micros: int = 0
    refunds_micros: int = 0
    cost_of_goods_micros: int = 0
    mqls_now_sql: int = 0
    baseline: int | None = 0
    #: Where a rolling window lies.
    span: tuple[int, int] | None = None
    #: How many campaigns have amounts in it whose worth is not known for sure.
    uncertain: int = 0

    def add(self, other: "RollupPart") -> None:
        """Add another part in place; of two places of a rolling window the later one stands."""
        for name in _ADDED:
            setattr(self, name, _sum(getattr(self, name), getattr(other, name)))
        self.span = max(filter(None, (self.span, other.span)), default=None)


_ADDED = tuple(name for name in RollupPart.__struct_fields__ if name != "span")
_SUMS = Sums.__struct_fields__


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def part_of(sums: Sums, mqls_now_sql: int, baseline: int | None, *, is_uncertain: bool = False) -> RollupPart:
    """What one campaign's window adds."""
    counted = {name: getattr(sums, name) for name in _SUMS}
    uncertain = int(is_uncertain)
    return RollupPart(
        campaigns=1, mqls_now_sql=mqls_now_sql, baseline=baseline, uncertain=uncertain, **counted
    )


def compose_rollup(
    group: RollupGroup,
    model: str,
    window: str,
    span: Span | None,
    part: RollupPart,
    total: RollupPart,
    stage: Stage,
    version: ReadingVersion,
) -> RollupKpi:
    """The reading of one window of a roll-up.

    Args:
        group: the roll-up.
        model: ``declared`` or a model.
        window: its name; ``total`` has no span.
        span: where it lies.
        part: what all campaigns add to it.
        total: what they add to ``total``.
        stage: update, final or correction.
        version: version and times.
    """
    is_declared = model == DECLARED
    sums, history = _sums(part, is_declared), _sums(total, is_declared)
    inputs = KpiInputs(
        sums=sums,
        total=history,
        baseline_micros_per_day=part.baseline if part.campaigns else None,
        baseline_length_ms=1,  # the lengths are in the baseline already
        cohort_mqls=part.mqls,
        cohort_sqls=part.mqls_now_sql,
    )
    return RollupKpi(
        dimension=group.dimension,
        value=group.value,
        campaigns=part.campaigns,
        model=model,
        window=window,
        window_start=None if span is None else format_instant(span.start),
        window_end=None if span is None else format_instant(span.end),
        stage=stage,
        revision=version.revision,
        currency=version.currency,
        sums=sums,
        has_uncertain_amounts=part.uncertain > 0,
        kpis=compute(inputs),
        watermark=None if version.watermark is None else format_instant(version.watermark),
        published_at=format_instant(version.published_at),
    )


def _sums(part: RollupPart, is_declared: bool) -> Sums:
    sums = Sums(**{name: getattr(part, name) for name in _SUMS})
    return sums if is_declared else in_units(sums)

"""Composing a reading: the sums of a window under the campaign's cost basis, its KPIs, its version."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np

from metrics.attribution.conversion_lag import ConversionLags
from metrics.attribution.models import MARKOV
from metrics.entities.campaigns import CampaignFacts
from metrics.entities.report_figures import SPEND
from metrics.entities.report_history import ReportHistory
from metrics.entities.reports import ReportShare
from metrics.evidence import Arrived, assess
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.kpi_reading import (
    CampaignKpi,
    Completeness,
    Evidence,
    KnownSpend,
    MatchedSums,
    OtherBasis,
    Stage,
    Sums,
)
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import FIELDS, Tallies
from metrics.values.apportion import share
from metrics.values.money import MICROS, ratio
from metrics.values.time import MINUTE, QUARTER, floor_to, format_instant
from metrics.windows.campaign_windows import CampaignWindows
from metrics.windows.panes import horizon
from metrics.windows.window_kinds import ROLLING, TOTAL_WINDOW, Span

DECLARED = "declared"
#: Counts of conversions, of which models give credit in parts.
CREDITS = ("leads", "mqls", "sqls", "orders", "new_customers", "cancelled_orders")
_EVENTS = [FIELDS.index(name) for name in ("impressions", "clicks", "spend_micros", "spend_fraction")]
_UNCERTAIN = FIELDS.index("uncertain_amounts")
_EVERY_FIGURE = (True, True, True)
_NOTHING_KNOWN = OtherBasis(impressions=None, clicks=None, spend_micros=None)


def credited(events: Tallies, conversions: Tallies) -> Tallies:
    """Impressions, clicks and spend as they are, conversions as a model credits them.

    Uncertain is what either of both is. What a state of before credited is not known to be uncertain, and may fall below 0.

    >>> from metrics.sums.tally_columns import as_tallies
    >>> declared, linear = as_tallies([Tally(clicks=3, leads=1)]), as_tallies([Tally(leads=500_000)])
    >>> credited(declared, linear).as_list()  # doctest: +ELLIPSIS
    [Tally(impressions=0, clicks=3, leads=500000, ...)]
    """
    values = conversions.values.copy()
    values[_EVENTS] = events.values[_EVENTS]
    values[_UNCERTAIN] = np.maximum(values[_UNCERTAIN], 0) + events.values[_UNCERTAIN]
    beyond = {}
    for position in {*events.beyond, *conversions.beyond}:
        mine = events.tally(position)
        theirs = conversions.tally(position)
        beyond[position] = msgspec.structs.replace(
            theirs,
            uncertain_amounts=max(theirs.uncertain_amounts, 0) + mine.uncertain_amounts,
            **{FIELDS[field]: getattr(mine, FIELDS[field]) for field in _EVENTS},
        )
    return Tallies(values, beyond)


def credit(events: Tally, conversions: Tally) -> None:
    """The same of one campaign, in place."""
    conversions.impressions, conversions.clicks = events.impressions, events.clicks
    conversions.spend_micros, conversions.spend_fraction = events.spend_micros, events.spend_fraction
    conversions.uncertain_amounts = max(conversions.uncertain_amounts, 0) + events.uncertain_amounts


class ReadingVersion(NamedTuple):
    """What a checkpoint stamps on its readings; times in epoch milliseconds.

    Where journeys are kept, also the lags of conversions and the oldest fit in use of the data-driven model.
    """

    revision: int
    watermark: int | None
    published_at: int
    currency: str
    lags: ConversionLags | None = None
    fitted_at: int | None = None


class Matched(NamedTuple):
    """Sums of a campaign's events before an instant that its reports and the watermark have reached, in epoch ms."""

    until: int
    tally: Tally


def compose(
    campaign_windows: CampaignWindows,
    facts: CampaignFacts,
    window: str,
    span: Span | None,
    tally: Tally,
    total: Tally,
    stage: Stage,
    version: ReadingVersion,
    model: str = DECLARED,
    *,
    is_rolling: bool = False,
    matched: Matched | None = None,
) -> CampaignKpi:
    """The reading of one window.

    Args:
        campaign_windows: everything kept of the campaign.
        facts: what is registered of it.
        window: its name; ``total`` has no span.
        span: where it lies.
        tally: sums of its events; in every model but ``declared`` as ``credited`` gives them, with counts of
            conversions in millionths.
        total: the same of the whole history.
        stage: update, final or correction.
        version: version and times.
        model: who earned the conversions.
        is_rolling: of a rolling window, whose customers are not counted.
        matched: of ``total`` where spend comes by reports, as ``matched_until`` says; None: they do not reach each other.
    """
    found = window_sums(campaign_windows, facts, window, span, tally, version.watermark)
    sums = found.sums
    is_declared = model == DECLARED
    # What the history cost plays no part in a window's KPIs.
    whole = sums if window == TOTAL_WINDOW else _sums(total, _NOTHING_KNOWN, 0)
    if not is_declared:
        sums = in_units(sums)
        whole = sums if window == TOTAL_WINDOW else in_units(whole)
    inputs = KpiInputs(
        sums=sums,
        total=whole,
        baseline_micros_per_day=facts.baseline_micros_per_day,
        baseline_length_ms=baseline_length(facts, span, version.watermark),
        cohort_mqls=tally.mqls,
        cohort_sqls=tally.mqls_now_sql,
        distinct_customers=tally.customers if is_declared and not is_rolling else None,
    )
    of_total = window == TOTAL_WINDOW and is_declared
    matched_sums = _matched_sums(campaign_windows, facts, matched) if of_total else None
    judged = sums if matched_sums is None else matched_sums.sums
    arrived = (
        _completeness(span, version) if span else _total_completeness(campaign_windows, facts, sums, version)
    )
    return CampaignKpi(
        campaign_id=facts.campaign_id,
        channel=facts.channel,
        model=model,
        window=window,
        window_start=None if span is None else format_instant(span.start),
        window_end=None if span is None else format_instant(span.end),
        stage=stage,
        revision=version.revision,
        currency=version.currency,
        sums=sums,
        other_basis=found.other_basis,
        spread_ratio=found.spread_ratio,
        unreported_ratio=unreported_ratio(campaign_windows.report_history, span, version.watermark)
        if facts.is_reported and sums.spend_micros is not None
        else None,
        has_uncertain_amounts=found.has_uncertain_amounts,
        known_spend=known_spend(campaign_windows, facts) if of_total else None,
        matched_sums=matched_sums,
        kpis=compute(inputs),
        evidence=_evidence(judged, facts, arrived)
        if of_total and (matched_sums or not facts.is_reported)
        else {},
        completeness=arrived,
        fitted_at=_fitted_at(model, version),
        watermark=None if version.watermark is None else format_instant(version.watermark),
        published_at=format_instant(version.published_at),
    )


def baseline_length(facts: CampaignFacts, span: Span | None, watermark: int | None) -> int | None:
    """min(end, watermark) − max(start, starts_at) in ms, 0 or more; None for ``total`` without a start.

    >>> baseline_length(CampaignFacts("c", starts_at=50), Span(0, 100), watermark=80)
    30
    """
    if watermark is None or (span is None and facts.starts_at is None):
        return None
    end = watermark if span is None else min(span.end, watermark)
    starts = [at for at in (facts.starts_at, span.start if span else None) if at is not None]
    return max(0, end - max(starts))


def other_cost(facts: CampaignFacts, span: Span | None, watermark: int | None) -> int:
    """Micros of ``other_cost`` in a window, spread by F over the campaign's dates up to the watermark.

    Without both dates it cannot be spread: all of it counts in ``total`` and nothing elsewhere.
    """
    cost = facts.other_cost_micros
    if not cost:
        return 0
    if facts.starts_at is None or facts.ends_at is None or facts.ends_at <= facts.starts_at:
        return cost if span is None else 0
    if watermark is None:
        return 0
    start, end = (facts.starts_at, watermark) if span is None else (span.start, min(span.end, watermark))
    return share(cost, (facts.starts_at, facts.ends_at), (start, max(start, end)))


def known_spend(campaign_windows: CampaignWindows, facts: CampaignFacts) -> KnownSpend | None:
    """How far reports reach; None of a campaign whose spend comes by events, and before its first report."""
    reports = campaign_windows.report_history
    day = reports.last_day if facts.is_reported else None
    if day is None:
        return None
    return KnownSpend(
        until=format_instant(day[1]),
        since=format_instant(day[0]),
        spend_micros=reports.share(*day, short_only=False).spend_micros,
        total_micros=reports.before(day[1]).spend_micros,
        is_by_hour=reports.short_figures[SPEND],
    )


def matched_until(campaign_windows: CampaignWindows, watermark: int | None) -> int | None:
    """The last minute, or quarter of an hour, that a campaign's reports and its events have both reached; epoch ms of its start.

    A quarter where minutes are kept no more. What begins shortly before the end of the reports, as a campaign in the middle of
    a day, is spread over the time before too: the nearer the instant is to that end, the less spend lies where no result can be.
    """
    seen, minutes_from = campaign_windows.report_history.seen_until, horizon(watermark).minutes_from
    if seen is None or watermark is None or minutes_from is None:
        return None
    reached = min(seen, watermark)
    return floor_to(reached, MINUTE if floor_to(reached, MINUTE) >= minutes_from else QUARTER)


def _matched_sums(
    campaign_windows: CampaignWindows, facts: CampaignFacts, matched: Matched | None
) -> MatchedSums | None:
    if matched is None:
        return None
    cost = campaign_windows.report_history.before(matched.until)
    return MatchedSums(
        until=format_instant(matched.until),
        sums=_sums(matched.tally, _basis(cost), other_cost(facts, None, matched.until)),
    )


def unreported_ratio(reports: ReportHistory, span: Span | None, watermark: int | None) -> float | None:
    """Share of the time of a window, up to the watermark, of which no report says yet what was spent.

    A window begins no earlier than the first report. None: there is no watermark, or it has not reached the window.

    >>> from metrics.entities.reports import Report
    >>> history = ReportHistory()
    >>> unreported_ratio(history, Span(0, 60), 45), history.put(Report("s", None, 0, 30, (0, 0, 0), 0, 0, 0, 0))
    (1.0, True)
    >>> unreported_ratio(history, Span(0, 60), 40), unreported_ratio(history, None, 60)
    (0.25, 0.5)
    """
    if watermark is None:
        return None
    end, seen = watermark if span is None else min(span.end, watermark), reports.seen_until
    if seen is None or reports.begin is None:
        return 1.0 if span is None or end > span.start else None
    start = reports.begin if span is None else max(span.start, reports.begin)
    return ratio(max(0, end - max(start, seen)), end - start) if end > start else None


class WindowSums(NamedTuple):
    """The sums of a window.

    ``spread_ratio`` is the share of the spend that is spread evenly over a longer time than the window; None where the spend
    is no report's, or 0. ``has_uncertain_amounts`` holds of events and reports, whichever count.
    """

    sums: Sums
    other_basis: OtherBasis
    spread_ratio: float | None
    has_uncertain_amounts: bool


def reported_share(campaign_windows: CampaignWindows, window: str, span: Span | None) -> ReportShare | None:
    """What reports say of a window; None where no report of the campaign can count in it."""
    reports = campaign_windows.report_history
    if span is None:
        return reports.total
    if window in ("1m", "5m"):
        return None
    if window == "1h":  # by name: in its first hour, ``today`` is as short
        return reports.share(*span, short_only=True) if any(reports.short_figures) else None
    return reports.share(*span, short_only=False)


def window_sums(
    campaign_windows: CampaignWindows,
    facts: CampaignFacts,
    window: str,
    span: Span | None,
    tally: Tally,
    watermark: int | None,
) -> WindowSums:
    """The sums of a window under the campaign's cost basis, and the figures of the other basis."""
    events = OtherBasis(impressions=tally.impressions, clicks=tally.clicks, spend_micros=tally.spend_micros)
    share = reported_share(campaign_windows, window, span)
    stated = campaign_windows.report_history.short_figures if window == "1h" else _EVERY_FIGURE
    reported = _NOTHING_KNOWN if share is None else _basis(share, stated)
    used, unused = (reported, events) if facts.is_reported else (events, reported)
    sums = _sums(tally, used, other_cost(facts, span, watermark))
    spread = ratio(share.spread_micros, share.spend_micros) if facts.is_reported and share else None
    are_uncertain = tally.uncertain_amounts > 0 or (share is not None and share.uncertain > 0)
    return WindowSums(sums, unused, spread, are_uncertain)


def _basis(share: ReportShare, stated: tuple[bool, ...] = _EVERY_FIGURE) -> OtherBasis:
    """Delivery and spend as reports say, None for figures that none of them tells."""
    impressions, clicks, spend = stated
    return OtherBasis(
        impressions=share.impressions if impressions else None,
        clicks=share.clicks if clicks else None,
        spend_micros=share.spend_micros if spend else None,
    )


def _sums(tally: Tally, cost: OtherBasis, other_cost_micros: int) -> Sums:
    """Conversions of a tally beside delivery and spend of a cost basis."""
    return Sums(
        impressions=cost.impressions,
        clicks=cost.clicks,
        leads=tally.leads,
        mqls=tally.mqls,
        sqls=tally.sqls,
        orders=tally.orders,
        new_customers=tally.new_customers,
        cancelled_orders=tally.cancelled_orders,
        spend_micros=cost.spend_micros,
        other_cost_micros=other_cost_micros,
        revenue_micros=tally.revenue_micros,
        refunds_micros=tally.refunds_micros,
        cost_of_goods_micros=tally.cost_of_goods_micros,
    )


def _fitted_at(model: str, version: ReadingVersion) -> str | None:
    if not model.startswith(MARKOV) or version.fitted_at is None:
        return None
    return format_instant(version.fitted_at)


def _evidence(sums: Sums, facts: CampaignFacts, known: Completeness | None) -> dict[str, Evidence]:
    if known is None:
        return assess(sums, facts.targets_micros)
    shares = (1.0 if share is None else share for share in (known.leads, known.orders))
    return assess(sums, facts.targets_micros, completeness=Arrived(*shares))


def _completeness(span: Span, version: ReadingVersion) -> Completeness | None:
    if version.lags is None or version.watermark is None:
        return None
    leads, orders = version.lags.of(span.start, span.end, version.watermark)
    return Completeness(leads=leads, orders=orders)


def _total_completeness(
    campaign_windows: CampaignWindows, facts: CampaignFacts, sums: Sums, version: ReadingVersion
) -> Completeness | None:
    """Of the whole history: the mean over its spend, which is taken to lie evenly within each band of age."""
    if version.lags is None or version.watermark is None:
        return None
    parts = [
        (spent, version.lags.of(span.start, span.end, version.watermark))
        for span, spent in _bands(campaign_windows, facts, sums.spend_micros or 0)
    ]
    leads = [(spent, found[0]) for spent, found in parts]
    orders = [(spent, found[1]) for spent, found in parts]
    return Completeness(leads=_weighted(leads), orders=_weighted(orders))


def _bands(campaign_windows: CampaignWindows, facts: CampaignFacts, spent: int) -> Iterator[tuple[Span, int]]:
    """Spend by its age: within the last hour, day and week, and before, the youngest first.

    Bands begin no earlier than the first spend of the week where that is known; what is older counts as a week old.
    """
    first = campaign_windows.first_quarter or 0
    end = oldest = counted = 0
    for index, kind in enumerate(ROLLING):
        if kind.name not in ("1h", "24h", "7d"):
            continue
        span, tally = campaign_windows.rolling(index)
        if span.end == 0:
            return  # restored, and not slid yet
        reported = reported_share(campaign_windows, kind.name, span) if facts.is_reported else None
        within = (reported.spend_micros if reported else 0) if facts.is_reported else tally.spend_micros
        end = end or span.end
        start, oldest = min(max(span.start, first), end - 1), span.start
        yield Span(start, end), max(0, within - counted)
        end, counted = start, max(counted, within)
    yield Span(oldest - 1, oldest), max(0, spent - counted)


def _weighted(parts: list[tuple[int, float | None]]) -> float | None:
    """The mean of what is known, by spend; what the watermark has not reached has brought nothing."""
    total = sum(spent for spent, _ in parts)
    if total <= 0 or all(share is None for _, share in parts):
        return None
    return round(sum(spent * (share or 0.0) for spent, share in parts) / total, 6)


def in_units(sums: Sums) -> Sums:
    """Counts of conversions from millionths to numbers with up to 6 decimals."""
    return msgspec.structs.replace(sums, **{name: getattr(sums, name) / MICROS for name in CREDITS})

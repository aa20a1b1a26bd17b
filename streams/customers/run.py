"""``roistream customers``: files in, tables or JSON out. The only place of this room that prints."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from types import MappingProxyType

import msgspec
from rich.console import Console
from rich.table import Table

from metrics.customers.calendar import CohortPeriod, CustomerCalendar, day_start, local_time
from metrics.customers.cohorts import Naming, by_campaign, by_month, by_month_and_campaign
from metrics.values.errors import RoistreamError
from metrics.values.money import MICROS
from streams import catalogues
from streams.customers.plain_columns import plain_orders, plain_spend
from streams.customers.reading import (
    Files,
    ReadEngagement,
    ReadOrders,
    read_engagement,
    read_orders,
    read_spend,
)
from streams.customers.report import Asked, CohortRow, CustomerReport, report
from streams.replay.run import EXIT_DONE, EXIT_UNMAPPED, reading_progress
from streams.settings import Settings

NAMINGS: dict[str, Naming] = {
    "month": by_month,
    "week": by_month,
    "campaign": by_campaign,
    "month,campaign": by_month_and_campaign,
    "week,campaign": by_month_and_campaign,
}
#: What they are called in a title.
_BY = {
    "month": "month",
    "week": "week",
    "campaign": "campaign",
    "month,campaign": "month and campaign",
    "week,campaign": "week and campaign",
}
PERIODS: tuple[CohortPeriod, ...] = ("month", "week")
#: Durations from twice the unit on, the longest unit first.
_UNITS = (("{number} d", 86_400), ("{number} h", 3_600), ("{number} min", 60))
_COHORT = ("cohort", "customers", "repeat", "orders", "basket", "CLV so far")
_EXPECTED = ("expected", "low", "high")
_COST = ("cohort", "spend", "CAC", "paid back", "CLV : CAC")
_ANSWERS = ("cohort", "NPS", "95 %", "satisfied", "95 %", "first response", "resolution", "resolved")
_FUNNEL = ("cohort", "acquired", "activated", "bought again", "brought somebody", "K", "renewed")
_CONTRACTS = ("cohort", "contracts that run", "paid so far", "expected", "low", "high")
_MONTHS = ("customers", "new", "orders", "ARPU", "basket", "retention", "of all seen", "churn")
#: Every text that is no literal where it is said.
TEXTS = frozenset(
    (
        *_BY.values(),
        *(text for text, _ in _UNITS),
        *_COHORT,
        *_EXPECTED,
        *_COST,
        *_ANSWERS,
        *_FUNNEL,
        *_CONTRACTS,
        *_MONTHS,
    )
)
_SHOWN_MONTHS = 13
#: Names of cohorts up to this length are not broken.
_SHORT_NAME = 20
#: Amounts from here on are shown in whole units; --json has all digits.
_WHOLE_FROM = 1_000


def run(
    settings: Settings,
    paths: Sequence[Path],
    mapping: str | None = None,
    *,
    columns: Sequence[str] = (),
    frame: Sequence[str] = (),
    spend: Sequence[Path] = (),
    spend_mapping: str | None = None,
    spend_columns: Sequence[str] = (),
    by: str | None = None,
    cohorts: str | None = None,
    until: str | None = None,
    horizon: float = 12.0,
    seed: int = 1,
    draws: int = 1_000,
    as_json: bool = False,
    events: Mapping[str, Sequence[Path]] = MappingProxyType({}),
) -> int:
    """Read orders, and say what their customers are worth.

    Args:
        settings: time zone, reporting currency and period of cohorts; no broker is asked.
        paths: files or folders of orders.
        mapping: a TOML file or the name of a built-in mapping; None: what fits the header, or the fields' own names.
        columns: ``field=column``, for files of plain columns.
        frame: ``key=value`` of how the files of orders are written.
        spend: files or folders of spend.
        spend_mapping: as ``mapping``.
        spend_columns: as ``columns``.
        by: ``month`` or ``week``, ``campaign``, or both with a comma between them; None: by time alone.
        cohorts: ``month`` or ``week``, which cohorts, retention and months go by; None: what ``by`` names, else the settings.
        until: the first day of which orders are not complete; None: the day after the last record.
        horizon: months that expectations reach ahead.
        seed: of the simulation of intervals; the same gives the same.
        draws: of that simulation.
        as_json: print one JSON object.
        events: files or folders of what customers do beside ordering, by topic.

    Returns:
        0, or 1 where rows or records could not be taken in.

    Raises:
        RoistreamError: where no figure can be given; the text says what to do.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    zone = settings.zone
    ends = _checked(until, horizon)
    by, calendar = _split(settings, by, cohorts)
    orders = Files(
        paths, mapping, plain_orders(columns, zone.key, settings.reporting_currency), bool(columns), frame
    )
    with reading_progress(console) as say:
        read = read_orders(settings, orders, console, say)
        money = None
        if spend:
            plain = plain_spend(spend_columns, zone.key, read.currency)
            files = Files(spend, spend_mapping, plain, bool(spend_columns))
            money = read_spend(settings, files, read.currency, console, say)
        after = ends or local_time(read.latest, zone).date() + timedelta(days=1)
        asked = Asked(by, NAMINGS[by], calendar, day_start(after, zone), horizon, seed, draws)
        given = {topic: files for topic, files in events.items() if files}
        engagement = (
            read_engagement(settings, given, read.currency, calendar, asked.until, console, say)
            if given
            else None
        )
        counted = None if engagement is None else engagement.counted
        found = report(read.base, read.currency, read.refused, money, asked, say, counted)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        show(found, Console(highlight=False))
    for line in (*doubts(found, read), *_doubts_of_events(found, engagement)):
        console.print(line, markup=False)
    has_failures = read.has_failures or read.refused > 0
    if engagement is not None:
        has_failures |= engagement.has_failures or engagement.refused > 0
    return EXIT_UNMAPPED if has_failures else EXIT_DONE


def _checked(until: str | None, horizon: float) -> date | None:
    if not 0 < horizon <= 120:
        raise RoistreamError("--horizon is a number of months above 0, at most 120.")
    try:
        return None if until is None else date.fromisoformat(until)
    except ValueError as error:
        raise RoistreamError(f"--until {until} is no day; write it like 2026-07-01.") from error


def _split(settings: Settings, by: str | None, cohorts: str | None) -> tuple[str, CustomerCalendar]:
    """What cohorts are by, and the months or weeks that they and their figures go by."""
    if by is not None and by not in NAMINGS:
        raise RoistreamError(f"--by {by} is not known; write one of {', '.join(NAMINGS)}.")
    chosen = None if cohorts is None else next((each for each in PERIODS if each == cohorts), None)
    if cohorts is not None and chosen is None:
        raise RoistreamError(f"--cohorts {cohorts} is not known; write one of {', '.join(PERIODS)}.")
    named = next((each for each in PERIODS if by is not None and each in by.split(",")), None)
    if named and chosen and named != chosen:
        raise RoistreamError(
            f"--by {by} and --cohorts {cohorts} name two periods; leave one of them out, or name one alone."
        )
    period = named or chosen or settings.customer_cohorts
    return by or period, CustomerCalendar(settings.zone, period)


def show(found: CustomerReport, console: Console) -> None:
    """Cohorts, costs, retention and months as tables, and what the models say."""
    by = catalogues.t(_BY[found.by])
    title = catalogues.t("Customers by {by} of acquisition, in {currency}", by=by, currency=found.currency)
    tables = {title: _cohort_table(found)}
    if found.whole.spend_micros is not None:
        title = catalogues.t("What they cost, in {currency}", currency=found.currency)
        tables[title] = _cost_table(found)
    if found.months:
        is_week = found.period == "week"
        title = (
            catalogues.t("Retention: percent of a cohort who ordered so many weeks after the acquisition")
            if is_week
            else catalogues.t(
                "Retention: percent of a cohort who ordered so many months after the acquisition"
            )
        )
        tables[title] = _retention_table(found)
        title = catalogues.t("Calendar weeks") if is_week else catalogues.t("Calendar months")
        tables[title] = _month_table(found)
    if found.whole.engagement is not None:
        title = catalogues.t(
            "Answers and tickets: score and share with intervals of 95 %, times as median and 90th percentile"
        )
        tables[title] = _answer_table(found)
        title = catalogues.t("From the first order on: customers of each cohort who got so far")
        tables[title] = _funnel_table(found)
        if found.whole.engagement.contracts is not None:
            title = catalogues.t(
                "What contracts pay, for each customer of the cohort, in {currency}", currency=found.currency
            )
            tables[title] = _contract_table(found)
    for title, table in tables.items():
        console.print(title, style="bold", markup=False)
        console.print(table)
        console.print()
    for line in _sentences(found):
        console.print(line, markup=False)


def _cohort_table(found: CustomerReport) -> Table:
    table = _table((*_COHORT, *(_EXPECTED if found.model is not None else ())), found)
    for row in _rows(found):
        each = row.expected
        cells = [
            catalogues.number(row.customers),
            _percent(row.repeat_rate),
            catalogues.number(row.orders),
            _amount(row.average_basket),
            _amount(row.clv_historic),
        ]
        if each is not None:
            cells += [_amount(value) for value in (each.clv, each.clv_low, each.clv_high)]
        table.add_row(_escaped(row.cohort), *cells)
    return table


def _cost_table(found: CustomerReport) -> Table:
    table = _table((*_COST, *(_EXPECTED if found.model is not None else ())), found)
    for row in _rows(found):
        each = row.expected
        spend = None if row.spend_micros is None else row.spend_micros / MICROS
        cells = [_amount(spend), _amount(row.cac), _paid_back(row), _amount(row.clv_to_cac)]
        if each is not None:
            cells += [
                _amount(value) for value in (each.clv_to_cac, each.clv_to_cac_low, each.clv_to_cac_high)
            ]
        table.add_row(_escaped(row.cohort), *cells)
    return table


def _answer_table(found: CustomerReport) -> Table:
    table = _table(_ANSWERS, found)
    for row in _rows(found):
        if row.engagement is None:
            continue
        kpis = row.engagement.kpis
        table.add_row(
            _escaped(row.cohort),
            _points(kpis["nps"]),
            _interval(_points(kpis["nps_low"]), _points(kpis["nps_high"]))
            if kpis["nps"] is not None
            else "–",
            _percent(kpis["csat"]),
            _interval(_percent(kpis["csat_low"]), _percent(kpis["csat_high"]))
            if kpis["csat"] is not None
            else "–",
            f"{_duration(kpis['first_response_p50'])}, {_duration(kpis['first_response_p90'])}",
            f"{_duration(kpis['resolution_p50'])}, {_duration(kpis['resolution_p90'])}",
            _percent(kpis["resolution_rate"]),
        )
    return table


def _funnel_table(found: CustomerReport) -> Table:
    table = _table(_FUNNEL, found)
    for row in _rows(found):
        if row.engagement is None:
            continue
        kpis = row.engagement.kpis
        table.add_row(
            _escaped(row.cohort),
            catalogues.number(row.engagement.customers),
            f"{catalogues.number(row.engagement.activated)} ({_percent(kpis['activation_rate'])})",
            f"{catalogues.number(row.engagement.repeaters)} ({_percent(row.repeat_rate)})",
            f"{catalogues.number(row.engagement.referrers)} ({_percent(kpis['referral_rate'])})",
            _amount(kpis["k_factor"]),
            _percent(kpis["renewal_rate"]),
        )
    return table


def _contract_table(found: CustomerReport) -> Table:
    table = _table(_CONTRACTS, found)
    for row in _rows(found):
        if row.engagement is None or row.engagement.contracts is None:
            continue
        each = row.engagement.contracts
        running = catalogues.number(each.running)
        if each.valued < each.running:
            running = catalogues.t(
                "{running}, {valued} valued", running=running, valued=catalogues.number(each.valued)
            )
        amounts = (each.clv - each.to_come, each.clv, each.clv_low, each.clv_high)
        table.add_row(_escaped(row.cohort), running, *(_amount(value) for value in amounts))
    return table


def _rows(found: CustomerReport) -> list[CohortRow]:
    return [*found.cohorts, msgspec.structs.replace(found.whole, cohort=catalogues.t("all"))]


def _retention_table(found: CustomerReport) -> Table:
    longest = min(max(len(row.retention) for row in found.cohorts), _SHOWN_MONTHS)
    table = _table((_COHORT[0], *(str(month) for month in range(longest))), found)
    for row in _rows(found):
        shown = row.retention[:_SHOWN_MONTHS]
        table.add_row(
            _escaped(row.cohort), *("–" if value is None else f"{100 * value:.0f}" for value in shown)
        )
    return table


def _month_table(found: CustomerReport) -> Table:
    table = _table((_BY[found.period], *_MONTHS), found)
    for row in found.months:
        table.add_row(
            row.month,
            catalogues.number(row.customers),
            catalogues.number(row.new_customers),
            catalogues.number(row.orders),
            _amount(row.arpu),
            _amount(row.average_basket),
            _percent(row.retention_rate),
            _percent(row.retention_rate_period),
            _percent(row.churn_rate),
        )
    return table


def _table(names: Sequence[str], found: CustomerReport) -> Table:
    """A table without lines, so that a year of months has room on a narrow terminal."""
    table = Table(box=None, pad_edge=False)
    is_short = max(len(row.cohort) for row in found.cohorts) <= _SHORT_NAME
    table.add_column(catalogues.t(names[0]), overflow="fold", no_wrap=is_short)
    for name in names[1:]:
        table.add_column(catalogues.t(name), justify="right", overflow="fold")
    return table


def _contract_sentences(found: CustomerReport) -> Iterator[str]:
    for each in found.contract_models:
        if each.alpha is None or each.beta is None:
            reason = catalogues.said(each.missing or "")
            yield catalogues.t(
                "No expected value of contracts of {term}: {reason}", term=each.term, reason=reason
            )
        else:
            yield catalogues.t(
                "Contracts of {term}: shifted beta-geometric, α {alpha}, β {beta}; expected are the renewals of the next {months} "
                "months at the amount of the newest term, without discount.",
                term=each.term,
                months=catalogues.figure(each.horizon_months, 6),
                alpha=catalogues.number(each.alpha, 3),
                beta=catalogues.number(each.beta, 3),
            )


def _sentences(found: CustomerReport) -> Iterator[str]:
    is_week, until = found.period == "week", catalogues.moment(found.until)
    yield (
        catalogues.t("Orders before {time}; weeks are shown when they are over.", time=until)
        if is_week
        else catalogues.t("Orders before {time}; months are shown when they are over.", time=until)
    )
    if max((len(row.retention) for row in found.cohorts), default=0) > _SHOWN_MONTHS:
        last = _SHOWN_MONTHS - 1
        yield (
            catalogues.t("Weeks after the {number}th are in --json.", number=last)
            if is_week
            else catalogues.t("Months after the {number}th are in --json.", number=last)
        )
    yield from _contract_sentences(found)
    if found.model is None:
        reason = catalogues.said(found.model_missing or "")
        yield catalogues.t("No expected lifetime value: {reason}", reason=reason)
        return
    model = found.model
    three = {name: catalogues.number(getattr(model, name), 3) for name in ("r", "alpha", "a", "b")}
    two = {name: catalogues.number(getattr(model, name), 2) for name in ("p", "q", "v")}
    yield catalogues.t(
        "Expected: what came so far and the next {months} months, with {share} intervals of {draws} simulated futures; BG/NBD r {r}, "
        "α {alpha}, a {a}, b {b} (weeks), gamma-gamma p {p}, q {q}, v {v}; {kept} of revenue kept. docs/customers.md says what these "
        "take for granted.",
        months=catalogues.figure(model.horizon_months, 6),
        share=catalogues.percent(model.coverage),
        draws=catalogues.number(model.draws),
        kept=catalogues.percent(model.margin_ratio, 1),
        **three,
        **two,
    )


def doubts(found: CustomerReport, read: ReadOrders) -> Iterator[str]:
    """What is in no cohort, and what may not be what it seems."""
    left = found.left_out
    if left.known_before:
        yield catalogues.t(
            "{count} customers were known before their first order here, and are in no cohort: margin {amount}.",
            count=catalogues.number(left.known_before),
            amount=_amount(left.known_before_margin_micros / MICROS),
        )
    for micros, what in (
        (left.of_nobody_margin_micros, catalogues.t("Orders and refunds that name nobody")),
        (left.without_order_margin_micros, catalogues.t("Refunds of customers without an order here")),
        (left.spend_without_customers_micros, catalogues.t("Spend of cohorts without a customer")),
    ):
        if micros:
            yield catalogues.t(
                "{what}: {amount} {currency}, in no cohort.",
                what=what,
                amount=_amount(micros / MICROS),
                currency=found.currency,
            )
    if left.edits:
        yield catalogues.t(
            "{count} orders were given again with another amount, which counts from then on. If rows are lines of orders, add them "
            "up with a mapping (docs/replay.md).",
            count=catalogues.number(left.edits),
        )
    yield from _counted(
        (left.duplicates, catalogues.t("records were there before and count once")),
        (
            left.conflicts,
            catalogues.t(
                "records of orders are left out: the id is that of another customer's order, or another record of the same time has changed what they say"
            ),
        ),
        (left.waiting, catalogues.t("cancellations are of orders that are not here")),
        (
            left.refused,
            catalogues.t("records are refused; the first: {reason}", reason=catalogues.said(read.refusal)),
        ),
    )


def _counted(*counts: tuple[int, str]) -> Iterator[str]:
    """A sentence for each count above 0."""
    for count, what in counts:
        if count:
            yield f"{catalogues.number(count)} {what}."


def _doubts_of_events(found: CustomerReport, engagement: ReadEngagement | None) -> Iterator[str]:
    if engagement is None:
        return
    left = found.left_out
    reason = catalogues.said(engagement.refusal)
    yield from _counted(
        (
            left.without_customer,
            catalogues.t(
                "persons answered, asked for or held something and have no order here; they are in no cohort"
            ),
        ),
        (
            left.of_campaigns,
            catalogues.t(
                "counts of answers name a campaign and no customer; they are in all together, and in the cohort of a campaign"
            ),
        ),
        (
            engagement.counted.duplicates,
            catalogues.t("records of surveys, tickets and the like were there before and count once"),
        ),
        (
            engagement.refused,
            catalogues.t("of those records are refused; the first: {reason}", reason=reason),
        ),
    )


def _points(score: float | None) -> str:
    return "–" if score is None else f"{100 * score:+.0f}"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for text, size in _UNITS:
        if seconds >= 2 * size:
            return catalogues.t(text, number=catalogues.number(seconds / size))
    return catalogues.t("{number} s", number=catalogues.number(seconds))


def _interval(low: str, high: str) -> str:
    return catalogues.t("{low} to {high}", low=low, high=high)


def _amount(value: float | None) -> str:
    if value is None:
        return "–"
    return catalogues.number(value, 2 if abs(value) < _WHOLE_FROM else 0)


def _escaped(name: str) -> str:
    return name.replace("[", r"\[")


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else catalogues.percent(ratio, 1)


def _paid_back(row: CohortRow) -> str:
    if row.spend_micros is None:
        return "–"
    if row.payback_months is None:
        return catalogues.t("not yet")
    return catalogues.t("month {number}", number=ceil(row.payback_months))

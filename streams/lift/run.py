"""``roistream lift``: files in, sentences or JSON out. The only place of this room that prints."""

import sys
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.table import Table

from metrics.customers.calendar import day_start, local_time
from metrics.values.errors import RoistreamError
from metrics.values.money import MICROS
from streams import catalogues
from streams.customers.plain_columns import plain_orders, plain_spend
from streams.customers.reading import Files, read_orders, read_spend
from streams.lift.assignments import read_people
from streams.lift.report import HoldoutTest, IntervalRow, LiftReport, doubts, report
from streams.replay.run import EXIT_DONE, EXIT_UNMAPPED, reading_progress
from streams.settings import Settings

_DAY_MS = 86_400_000
#: The chance that an interval is ever wrong.
ALPHA = 0.05


def run(
    settings: Settings,
    paths: Sequence[Path],
    campaign: str,
    holdout: str,
    start: str,
    *,
    until: str | None = None,
    people: Sequence[Path] = (),
    people_columns: Sequence[str] = (),
    salt: str | None = None,
    window: int = 14,
    mapping: str | None = None,
    columns: Sequence[str] = (),
    spend: Sequence[Path] = (),
    spend_mapping: str | None = None,
    spend_columns: Sequence[str] = (),
    as_json: bool = False,
) -> int:
    """Read orders and who was held out, and say what came because of the campaign.

    Args:
        settings: time zone and reporting currency; no broker is asked.
        paths: files or folders of orders, of both arms.
        campaign: whose effect is asked for.
        holdout: the share of the control arm, such as ``0.1`` or ``10%``.
        start: the first day of the test.
        until: the first day of which orders are not complete; None: the day after the last record.
        people: files of who was assigned to which arm.
        people_columns: ``field=column``, for ``person``, ``arm`` and ``assigned_at``.
        salt: of the rule by hash, for tests without a list of people.
        window: days that a person's orders count from the first one on.
        mapping: of the orders: a TOML file or the name of a built-in mapping; None: what fits the header.
        columns: ``field=column``, for orders of plain columns.
        spend: files or folders of spend.
        spend_mapping: as ``mapping``.
        spend_columns: as ``columns``.
        as_json: print one JSON object.

    Returns:
        0; 1 where rows could not be taken in, or the arms were not drawn as stated.

    Raises:
        RoistreamError: where no figure can be given; the text says what to do.
    """
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    zone, share = settings.zone, _share(holdout)
    if (salt is None) == (not people):
        raise RoistreamError(
            "Say who was held out: by --people FILE, or by --salt TEXT where the arms follow the rule by hash (docs/lift.md)."
        )
    if not 1 <= window <= 366:
        raise RoistreamError("--window is a number of days from 1 to 366.")
    begins = _day("--start", start, zone)
    orders = Files(
        paths, mapping, plain_orders(columns, zone.key, settings.reporting_currency), bool(columns)
    )
    with reading_progress(console) as say:
        read = read_orders(settings, orders, console, say)
        assigned = read_people(people, people_columns, zone, say) if people else None
        money = None
        if spend:
            plain = plain_spend(spend_columns, zone.key, read.currency)
            money = read_spend(
                settings, Files(spend, spend_mapping, plain, bool(spend_columns)), read.currency, console, say
            )
    last = local_time(read.latest, zone).date() + timedelta(days=1)
    ends = day_start(last, zone) if until is None else _day("--until", until, zone)
    if ends <= begins:
        raise RoistreamError(
            f"The test begins on {start}, when the orders are over; correct --start or --until."
        )
    test = HoldoutTest(campaign, begins, ends, share, salt, window * _DAY_MS, ALPHA)
    found = report(test, read.base, assigned, money, read.currency)
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        show(found, Console(highlight=False, soft_wrap=True))
    for line in doubts(found):
        console.print(line, markup=False)
    return EXIT_UNMAPPED if read.has_failures or read.refused or found.refused else EXIT_DONE


def _share(text: str) -> Fraction:
    try:
        share = Fraction(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as error:
        raise RoistreamError(f"--holdout {text} is no share; write it like 0.1 or 10%.") from error
    if not 0 < share < 1:
        raise RoistreamError(
            f"--holdout {text} leaves an arm without people; write a share between 0 and 1, like 0.1 or 10%."
        )
    return share


def _day(option: str, text: str, zone: ZoneInfo) -> int:
    try:
        return day_start(date.fromisoformat(text), zone)
    except ValueError as error:
        raise RoistreamError(f"{option} {text} is no day; write it like 2026-07-01.") from error


def show(found: LiftReport, console: Console) -> None:
    """The figures as a table, and what they mean in a sentence."""
    title = catalogues.t(
        "Campaign {campaign}, from {start} to {until}, {share} held out",
        campaign=found.campaign,
        start=found.start,
        until=found.until,
        share=catalogues.percent(found.holdout, 1),
    )
    console.print(title, style="bold", markup=False)
    if found.refused is not None:
        console.print(catalogues.said(found.refused), style="red", markup=False)
        return
    table = Table(box=None, pad_edge=False)
    table.add_column(catalogues.t("because of the campaign"), overflow="fold")
    for name in (catalogues.t("estimate"), catalogues.t("low"), catalogues.t("high")):
        table.add_column(name, justify="right")
    rows: list[tuple[str, IntervalRow | None, Callable[[float], str]]] = [
        (catalogues.t("customers who ordered"), found.incremental_customers, _count),
        (catalogues.t("their lift"), found.lift, lambda value: catalogues.percent(value, 1, is_signed=True)),
        (catalogues.t("orders within {days} days", days=found.window_days), found.incremental_orders, _count),
        (catalogues.t("revenue, {currency}", currency=found.currency), found.incremental_revenue, _amount),
        (catalogues.t("margin, {currency}", currency=found.currency), found.incremental_margin, _amount),
        ("iROAS", found.iroas, _amount),
        (
            catalogues.t("cost per incremental order, {currency}", currency=found.currency),
            found.cost_per_incremental_order,
            _amount,
        ),
    ]
    for name, row, written in rows:
        if row is not None:
            table.add_row(
                name,
                *("–" if value is None else written(value) for value in (row.estimate, row.low, row.high)),
            )
    console.print(table)
    console.print()
    for line in _sentences(found):
        console.print(line, markup=False)


def _sentences(found: LiftReport) -> list[str]:
    said = [
        catalogues.t(
            "Ordered: {treated} people of the treatment arm, {control} of the control arm.",
            treated=_count(found.converters[0]),
            control=_count(found.converters[1]),
        )
    ]
    if found.is_found:
        said.append(
            catalogues.t(
                "The campaign changes how many people order; that was clear on {day}.", day=found.found_at
            )
        )
    else:
        said.append(
            catalogues.t(
                "That the campaign changes anything is not shown yet; one may look again at any time."
            )
        )
    if (
        found.incremental_orders is not None
        and found.incremental_orders.estimate is not None
        and found.attributed_orders
    ):
        said.append(
            catalogues.t(
                "{named} orders name the campaign; of the orders of those people about {caused} came because of it.",
                named=_count(found.attributed_orders),
                caused=_count(found.incremental_orders.estimate),
            )
        )
    if found.spend_micros:
        amount = f"{_amount(found.spend_micros / MICROS)} {found.currency}"
        said.append(catalogues.t("Spend in that time: {amount}.", amount=amount))
    said.append(
        catalogues.t(
            "Intervals hold {share} of the time, however often one looks. docs/lift.md says what they take for granted.",
            share=catalogues.percent(1 - found.alpha),
        )
    )
    return said


def _count(value: float) -> str:
    return catalogues.number(value)


def _amount(value: float) -> str:
    return catalogues.number(value, 2)

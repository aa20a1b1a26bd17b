"""Files of orders and of spend, through the mappings of ``roistream replay``, as records."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as ByTopic
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import msgspec
from rich.console import Console

from metrics.customers.calendar import CustomerCalendar
from metrics.customers.cohorts import Spend
from metrics.customers.customer_events import CustomerEventCounts
from metrics.customers.histories import CustomerBase, OrderHistories
from metrics.records.events import AdReport, Order
from metrics.records.validation import instant
from metrics.values.errors import Rejection, RoistreamError
from metrics.values.money import to_micros
from metrics.values.time import format_instant
from streams import catalogues, topics
from streams.customers.plain_columns import plain_events
from streams.mapping.database import opened
from streams.mapping.engine import Engine
from streams.mapping.lint import findings
from streams.mapping.loader import load
from streams.mapping.model import Mapping
from streams.mapping.recognition import absent, candidates, recognised, wanted_names
from streams.messages.decoding import DECODERS
from streams.replay.file_readers import expand, sources
from streams.replay.pipeline import convert
from streams.replay.run import frame_of, has_failures, summary
from streams.settings import Settings

_SAID_EVERY = 50_000
_order = msgspec.json.Decoder(Order)
_report = msgspec.json.Decoder(AdReport)


@dataclass(frozen=True)
class Files:
    """Which files are read, and how.

    Attributes:
        paths: files or folders.
        mapping: a TOML file or the name of a built-in mapping; None: what fits the header.
        plain: the mapping for files whose columns have the names of the fields.
        is_plain: take ``plain`` without looking.
        frame: ``key=value`` of how the files are written.
    """

    paths: Sequence[Path]
    mapping: str | None
    plain: Mapping
    is_plain: bool
    frame: Sequence[str] = ()

    def mappings(self) -> list[Mapping] | None:
        """What reads the files; None: the built-in mapping that fits each.

        Raises:
            RoistreamError: where both a mapping and columns are given, or a file is not there.
        """
        if self.mapping is not None and self.is_plain:
            raise RoistreamError("Give a mapping or the names of columns, not both.")
        if self.mapping is not None:
            return load(self.mapping)
        return [self.plain] if self.is_plain or self._has_plain_header() else None

    def _has_plain_header(self) -> bool:
        """Whether the first file has the fields' own names, and no built-in mapping knows it."""
        known = candidates()
        wanted = [wanted_names(mapping) for mapping in (*known, self.plain)]
        for path, _ in expand(self.paths)[:1]:
            for source in sources(path, frame_of(self.frame), wanted):
                return recognised(source.name, source.header, known) is None and not absent(
                    self.plain, source.header
                )
        return False


@dataclass(frozen=True)
class ReadOrders:
    """Orders of files as customers.

    Attributes:
        base: the customers.
        currency: of all money.
        records: how many were taken in.
        latest: event time of the last record.
        refused: records that could not be taken in, with the first reason.
        has_failures: whether rows of the files could not be read.
    """

    base: CustomerBase
    currency: str
    records: int
    latest: int
    refused: int
    refusal: str
    has_failures: bool


def read_orders(settings: Settings, files: Files, console: Console, say: Callable[[str], None]) -> ReadOrders:
    """The orders of files.

    Raises:
        RoistreamError: where a file cannot be read, has no orders, or orders of several currencies.
    """
    taken = OrderHistories()
    currencies: set[str] = set()
    count = latest = refused = 0
    refusal = ""
    with opened() as database:
        engine = Engine(database)
        records = _records(settings, files, engine, console, say, topics.ORDERS, are_warnings_said=True)
        for number, order in enumerate(map(_order.decode, records), 1):
            if order.kind != "cancelled":
                currencies.add(order.currency or settings.reporting_currency)
            latest = max(latest, instant(order.occurred_at, "occurred_at"))
            try:
                taken.take(order)
                count += 1
            except Rejection as verdict:
                refused, refusal = refused + 1, refusal or f"{order.order_id}: {verdict.detail}"
            if number % _SAID_EVERY == 0:
                say(catalogues.t("{count} orders read", count=catalogues.number(number)))
        failed = has_failures(engine)
    if not currencies:  # no order, or nothing but cancellations
        raise RoistreamError("There are no orders in these files; what was read is said above.")
    if len(currencies) != 1:
        raise RoistreamError(
            f"The orders are in {', '.join(sorted(currencies))}; values of customers need one currency. Give the files of each alone."
        )
    return ReadOrders(taken.base(), currencies.pop(), count, latest, refused, refusal, failed)


def read_spend(
    settings: Settings, files: Files, currency: str, console: Console, say: Callable[[str], None]
) -> list[Spend]:
    """The spend of files, by campaign and period.

    Raises:
        RoistreamError: where a file or one of its rows cannot be read, where there is no spend, where the currency is not that of the orders, or where
            periods of a campaign overlap, so that money would count twice.
    """
    found = []
    with opened() as database:
        engine = Engine(database)
        records = _records(settings, files, engine, console, say, topics.REPORTS, are_warnings_said=False)
        for report in map(_report.decode, records):
            if report.spend is None:
                continue
            its_currency = report.currency or settings.reporting_currency
            if its_currency != currency:
                raise RoistreamError(
                    f"The spend of {report.campaign_id} is in {its_currency}, the orders are in {currency}; both must be in one currency."
                )
            start, end = (
                instant(report.period_start, "period_start"),
                instant(report.period_end, "period_end"),
            )
            found.append(Spend(report.campaign_id, start, end, to_micros(report.spend)))
        failed = has_failures(engine)
    if not found:
        raise RoistreamError("There is no spend in these files; what was read is said above.")
    if failed:
        raise RoistreamError(
            "Rows of the spend could not be read (see above); without them customers would seem cheaper than they were. Correct "
            "them, or leave them out with a mapping."
        )
    found.sort()
    for one, other in pairwise(found):
        if one.campaign == other.campaign and other.start < one.end:
            raise RoistreamError(
                f"Spend of {one.campaign} is given twice for {format_instant(other.start)}: from {format_instant(one.start)} to "
                f"{format_instant(one.end)}, and again. Give one report of each time."
            )
    return found


@dataclass(frozen=True)
class ReadEngagement:
    """What customers of files do beside ordering.

    Attributes:
        counted: all of it.
        refused: records that could not be taken in, with the first reason.
        has_failures: whether rows of the files could not be read.
    """

    counted: CustomerEventCounts
    refused: int
    refusal: str
    has_failures: bool


def read_engagement(
    settings: Settings,
    files: ByTopic[str, Sequence[Path]],
    currency: str,
    calendar: CustomerCalendar,
    until: int,
    console: Console,
    say: Callable[[str], None],
) -> ReadEngagement:
    """The records of topics of customers.

    Args:
        settings: time zone and reporting currency.
        files: files or folders, by topic.
        currency: of the orders; what amounts in others are worth is not known.
        calendar: whose months or weeks are counted.
        until: from when on records do not count, epoch ms.
        console: where is said what was read.
        say: hears a sentence now and then.

    Raises:
        RoistreamError: where a file cannot be read.
    """
    counted = CustomerEventCounts(calendar, currency)
    refused, refusal, failed = 0, "", False
    for topic, paths in files.items():
        plain = Files(paths, None, plain_events(topic, settings.zone.key), is_plain=True)
        with opened() as database:
            engine = Engine(database)
            records = _records(settings, plain, engine, console, say, topic, are_warnings_said=True)
            for event in map(DECODERS[topic].decode, records):
                if instant(event.occurred_at, "occurred_at") >= until:
                    continue
                try:
                    counted.take(event)
                except Rejection as verdict:
                    refused, refusal = refused + 1, refusal or f"{topic}: {verdict.detail}"
            failed |= has_failures(engine)
    return ReadEngagement(counted, refused, refusal, failed)


def _records(
    settings: Settings,
    files: Files,
    engine: Engine,
    console: Console,
    say: Callable[[str], None],
    topic: str,
    *,
    are_warnings_said: bool,
) -> Iterator[bytes]:
    """The records of a topic by event time; what was read and what is wrong is on the console."""
    conversion = convert(engine, files.mappings(), files.paths, frame_of(files.frame), say)
    for line in summary(conversion, None):
        console.print(line, markup=False)
    found = list(findings(engine, _one_currency(engine, topic) or settings.reporting_currency))
    errors = [finding for finding in found if finding.level == "error"]
    for finding in found if are_warnings_said else errors:
        style = "red" if finding.level == "error" else "yellow"
        line = f"{catalogues.t(finding.level)}: {catalogues.said(finding.text)}"
        console.print(line, style=style, markup=False)
    if errors:
        raise RoistreamError(f"{len(errors)} errors in the files; no figure was computed.")
    for record in engine.records():
        if record.topic == topic:
            yield record.value


def _one_currency(engine: Engine, topic: str) -> str | None:
    """The currency of all records, which then needs no rate; None where there are several."""
    rows = engine.database.execute(
        "SELECT DISTINCT json_extract_string(value, '$.currency') FROM records WHERE topic = ?", [topic]
    ).fetchall()
    return rows[0][0] if len(rows) == 1 else None

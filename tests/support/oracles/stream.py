"""What the view ``declared`` must show after a stream of source records, by sorting and grouping all of it.

Holds for records that are valid and not too late. An amount in a currency without a rate is worth nothing.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from tests.support.oracles.cells import (
    ALL_WINDOWS,
    COST_FIELDS,
    LENGTHS,
    Expected,
    cell,
    count,
    spread,
    start_of,
)
from tests.support.oracles.reports import Version, pieces

Record = dict[str, Any]
NO_CAMPAIGN = "(none)"
ADS = {"ad-impressions": "impressions", "ad-clicks": "clicks"}
MINUTE = 60_000
STAGES = ("lead", "mql", "sql")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Part(NamedTuple):
    """Something that a conversion counts at its own event time, and where it is declared."""

    campaign: str
    at: int
    sums: dict[str, int]


class Conversion(NamedTuple):
    """A lead with its stages, or an order with its refunds and cancellation.

    Attributes:
        at: when it came about; None of an order of which only refunds are known.
        ids: (name of the id, id) of the person.
        parts: what it counts.
    """

    at: int | None
    ids: set[tuple[str, str]]
    parts: list[Part]


class Stream:
    """All source records of a run, deduplicated, with the rates and campaigns that go with them."""

    def __init__(self, records: list[tuple[str, Record]], reporting_currency: str) -> None:
        self.reporting = reporting_currency
        self.campaigns = {r["campaign_id"]: r for topic, r in records if topic == "campaigns"}
        self.rates = [r for topic, r in records if topic == "fx-rates"]
        self._versions: dict[str | None, list[Record]] = defaultdict(list)
        for each in (r for topic, r in records if topic == "campaigns"):
            self._versions[each["campaign_id"]].append({"valid_from": -(10**18)} | each)
        self._records = records

    def of(self, topic: str) -> list[Record]:
        """Records of a topic in their order, the first of each event_id.

        A report is told from its repetitions by all it says.
        """
        first: dict[str, Record] = {}
        for record in self.log(topic):
            identity = repr(sorted(record.items())) if topic == "ad-reports" else record["event_id"]
            first.setdefault(identity, record)
        return list(first.values())

    def log(self, topic: str) -> list[Record]:
        """Records of a topic in their order."""
        return [record for name, record in self._records if name == topic]

    def rate_of(self, record: Record, at: int | None = None) -> Fraction | None:
        """Rate of a record's currency in the minute of its time, or of another; 1 for the reporting currency."""
        at = instant(record.get("occurred_at", record.get("period_start"))) if at is None else at
        end = at // MINUTE * MINUTE + MINUTE
        currency = record.get("currency") or self.currency_of(record.get("campaign_id"), end)
        if currency == self.reporting:
            return Fraction(1)
        valid = [r for r in self.rates if r["currency"] == currency and instant(r["valid_from"]) < end]
        return Fraction(str(max(valid, key=lambda r: instant(r["valid_from"]))["rate"])) if valid else None

    def currency_of(self, campaign: str | None, end: int) -> str:
        """The currency of a campaign in the minute that ends at an instant."""
        began = [
            (instant(each["valid_from"]), place, each)
            for place, each in enumerate(self._versions.get(campaign, ()))
            if instant(each["valid_from"]) < end
        ]
        return (max(began)[2].get("currency") if began else None) or self.reporting

    def worth(self, record: Record, field: str) -> Fraction:
        """An amount in micros of the reporting currency at the rate of its time, not rounded."""
        return micros_of(record, field) * (self.rate_of(record) or 0)

    def uses_reports(self, campaign: str) -> bool:
        return self.campaigns.get(campaign, {}).get("cost_basis") == "reports"


def expected(records: list[tuple[str, Record]], reporting_currency: str = "EUR") -> Expected:
    """Sums of ``declared`` per campaign and window ``1m``, ``1h``, ``1d``, ``total``.

    Args:
        records: (topic, record) in the order in which they were written; ``campaigns`` and ``fx-rates`` among them.
        reporting_currency: what amounts are in when they name none.
    """
    stream = Stream(records, reporting_currency)
    cells: Expected = {}
    _ads(cells, stream)
    _reports(cells, stream)
    for conversion in conversions(stream):
        for part in conversion.parts:
            count(cells, part.campaign, part.at, **part.sums)
    for held in cells.values():
        held["spend_micros"] = round(held["spend_micros"] or 0)
    _unknowable(cells, stream)
    return cells


def instant(value: Any) -> int:
    if isinstance(value, int):
        return value
    return (datetime.fromisoformat(value) - EPOCH) // timedelta(milliseconds=1)


def micros_of(record: Record, field: str) -> Fraction:
    """An amount as it came."""
    return Fraction(Decimal(str(record.get(field) or 0))) * 1_000_000


def _moment(record: Record) -> tuple[int, str]:
    return instant(record["occurred_at"]), record["event_id"]


def _ads(cells: Expected, stream: Stream) -> None:
    for topic, field in ADS.items():
        for record in stream.of(topic):
            if not stream.uses_reports(record["campaign_id"]):
                # Costs add up exactly, and each sum is rounded once.
                sums: Any = {field: 1, "spend_micros": stream.worth(record, "cost")}
                count(cells, record["campaign_id"], instant(record["occurred_at"]), **sums)


def _reports(cells: Expected, stream: Stream) -> None:
    for campaign, versions in _report_versions(stream).items():
        if not stream.uses_reports(campaign):
            continue
        short = [each for each in versions if each.length <= LENGTHS["1h"]]
        for field in COST_FIELDS:
            for piece in pieces(versions, field):
                spread(cells, campaign, piece, ("1d", "total"), (field,))
            for piece in pieces(short, field):
                spread(cells, campaign, piece, ("1h",), (field,))


def _report_versions(stream: Stream) -> dict[str, list[Version]]:
    """All reports by campaign; spend without a rate is worth nothing, and marked."""
    by_campaign: dict[str, list[Version]] = defaultdict(list)
    for offset, record in enumerate(stream.of("ad-reports")):
        reported = instant(record["reported_at"]) if record.get("reported_at") is not None else None
        worth = _reported(stream, record)
        start, end = instant(record["period_start"]), instant(record["period_end"])
        version = Version(
            record["source"],
            start,
            end,
            (-(10**18) + end - start if reported is None else reported, offset),
            10**18 if reported is None else reported,
            {field: record[field] for field in ("impressions", "clicks") if record.get(field) is not None}
            | (
                {}
                if record.get("spend") is None
                else {"spend_micros": worth or 0, "uncertain": worth is None}
            ),
        )
        by_campaign[record["campaign_id"]].append(version)
    return by_campaign


def _reported(stream: Stream, record: Record) -> int | None:
    """What a report's spend is worth, rounded; None without a rate, or where that is no amount any more."""
    spend, rate = micros_of(record, "spend"), stream.rate_of(record)
    worth = round(spend * (rate or 0))
    return None if spend and (rate is None or (worth >= 10**18 and rate != 1)) else worth


def uncertain_reports(records: list[tuple[str, Record]], reporting_currency: str = "EUR") -> set[str]:
    """Campaigns with a report that counts somewhere and has spend without a rate, in a version that decides of what counts."""
    return {
        campaign
        for campaign, versions in _report_versions(Stream(records, reporting_currency)).items()
        for standing, start, end in pieces(versions, "spend_micros")
        if start < end and any(each.values["uncertain"] for each in standing.counting)
    }


def _unknowable(cells: Expected, stream: Stream) -> None:
    """Where no report can count, cost figures are null: in minutes, and in hours where no report of up to an hour tells them."""
    versions = _report_versions(stream)
    for (campaign, window, _), sums in cells.items():
        if not stream.uses_reports(campaign) or window not in ("1m", "1h"):
            continue
        short = [each for each in versions.get(campaign, ()) if each.length <= LENGTHS["1h"]]
        told = set().union(*(each.values for each in short)) if window == "1h" else set()
        sums.update(dict.fromkeys(set(COST_FIELDS) - told))


def conversions(stream: Stream) -> list[Conversion]:
    """Every lead and every order, with all they count."""
    return [*_leads(stream), *_orders(stream)]


def _leads(stream: Stream) -> Iterator[Conversion]:
    of_lead: dict[str, list[Record]] = defaultdict(list)
    for record in stream.of("leads"):
        of_lead[record["lead_id"]].append(record)
    for history in of_lead.values():
        history.sort(key=_moment)
        home = next((r["campaign_id"] for r in history if r.get("campaign_id")), NO_CAMPAIGN)
        parts = []
        for rank, stage in enumerate(STAGES):
            reached = [r for r in history if STAGES.index(r.get("stage", "lead")) >= rank]
            if reached:
                first = reached[0]
                at = instant(first["occurred_at"])
                parts.append(Part(first.get("campaign_id") or home, at, {f"{stage}s": 1}))
        yield Conversion(parts[0].at, set().union(*map(_named, history)), parts)


class Worth(NamedTuple):
    """What is known of amounts: revenue, or what is given back, and cost of goods, in micros of the reporting currency."""

    micros: int
    goods: int
    is_certain: bool


class OrderVersion(NamedTuple):
    """A placement or an edit.

    Attributes:
        n: its number in the log.
        said: currency and amounts as they came.
    """

    at: int
    n: int
    event: str
    said: tuple[str, Fraction, Fraction]
    worth: Worth


class OrderHistory:
    """Everything that is read of one order.

    Attributes:
        order: its first placement in the log, or None.
        versions: the placement and its edits, in the order of the log; edits that are older than the placement are none.
        refunds: in the order of the log.
        cancellations: likewise.
    """

    def __init__(self) -> None:
        self.order: Record | None = None
        self.versions: list[OrderVersion] = []
        self.refunds: list[Record] = []
        self.cancellations: list[Record] = []


def _priced(stream: Stream, records: list[Record], at: int, campaign: str | None) -> Worth:
    """What amounts of one currency add up to at the rate of an instant, each rounded once; nothing where that is no amount."""
    currency = records[0].get("currency") or stream.currency_of(campaign, at // MINUTE * MINUTE + MINUTE)
    rate, is_foreign = stream.rate_of({"currency": currency}, at), currency != stream.reporting
    sums = [sum(micros_of(each, name) for each in records) for name in ("revenue", "cost_of_goods")]
    found = [None if rate is None else round(each * rate) for each in sums]
    micros, goods = (None if each is None or (is_foreign and each >= 10**18) else each for each in found)
    return Worth(micros or 0, goods or 0, micros is not None and goods is not None)


def _histories(stream: Stream) -> dict[str, OrderHistory]:
    """Each order, by the rules of the contract: an event counts once, and a repeated placement is an edit."""
    found: dict[str, OrderHistory] = defaultdict(OrderHistory)
    read: set[str] = set()
    for record in stream.log("orders"):
        history, event, kind = found[record["order_id"]], record["event_id"], record.get("kind", "placed")
        if kind != "placed":
            if event not in read:
                (history.refunds if kind == "refunded" else history.cancellations).append(record)
                read.add(event)
            continue
        order = history.order or record
        history.order = order
        at, placed_at, campaign = (
            instant(record["occurred_at"]),
            instant(order["occurred_at"]),
            order.get("campaign_id"),
        )
        currency = record.get("currency") or ("" if campaign else stream.reporting)
        version = OrderVersion(
            *(at, len(history.versions), event),
            (currency, micros_of(record, "revenue"), micros_of(record, "cost_of_goods")),
            _priced(stream, [record], placed_at, campaign),
        )
        told = (
            (record.get("campaign_id"), _campaign(order)),
            (record.get("is_new_customer"), order.get("is_new_customer")),
        )
        contradicts = any(new is not None and new != old for new, old in told)
        known = sorted(history.versions)
        says_the_same = any(
            (each.at, each.event, each.said) == (at, event, version.said) for each in known
        ) or (known and (known[-1].at, known[-1].said) == (at, version.said))
        if says_the_same:
            if contradicts and not (event in read and event != order["event_id"]):
                read.add(event)
            continue
        if at >= placed_at:
            history.versions.append(version)
        read.add(event)
    return found


def uncertain_orders(records: list[tuple[str, Record]], reporting_currency: str = "EUR") -> set[str]:
    """Campaigns of orders of which an amount has no rate, and of such refunds of orders that are not known."""
    stream, found = Stream(records, reporting_currency), set()
    for history in _histories(stream).values():
        refunds = _refunds(stream, history)
        if history.order is None:
            found |= {_campaign(each) for each, worth in refunds if not worth.is_certain}
        elif not all(
            each.is_certain for each in [*(v.worth for v in history.versions), *(w for _, w in refunds)]
        ):
            found.add(_campaign(history.order))
    return found


def _refunds(stream: Stream, history: OrderHistory) -> list[tuple[Record, Worth]]:
    """Refunds with their worth; those of one minute, campaign and currency are one."""
    together: dict[Any, list[Record]] = defaultdict(list)
    for record in history.refunds:
        campaign = record.get("campaign_id")
        currency = record.get("currency") or ("" if campaign else stream.reporting)
        together[instant(record["occurred_at"]) // MINUTE, campaign, currency].append(record)
    return [
        (some[0], _priced(stream, some, instant(some[0]["occurred_at"]), campaign))
        for (_, campaign, _), some in together.items()
    ]


def _orders(stream: Stream) -> Iterator[Conversion]:
    histories = _histories(stream)
    firsts = _first_orders({key: each.order for key, each in histories.items() if each.order is not None})
    for order_id, history in histories.items():
        order = history.order
        if order is None:
            refunds = [_refunded(each, worth) for each, worth in _refunds(stream, history)]
            yield Conversion(None, set(), refunds)
            continue
        worth = history.versions[0].worth
        parts = [_placed(order, worth, is_first=order_id in firsts), *_followed(stream, order, history)]
        yield Conversion(parts[0].at, _named(order), parts)


def _followed(stream: Stream, order: Record, history: OrderHistory) -> Iterator[Part]:
    """What edits and refunds add, each at its time; then the cancellation.

    By an instant so much was given back: what the refunds say, or what the edits took away, whichever is more.
    """
    campaign = _campaign(order)
    edits = [(each.at, 0, each.n, each.worth) for each in sorted(history.versions) if each.n]
    refunds = [
        (instant(r["occurred_at"]), 1, n, worth) for n, (r, worth) in enumerate(_refunds(stream, history))
    ]
    worth, goods, _ = history.versions[0].worth
    ever, refunded, given_back = worth, 0, 0
    for at, is_refund, _, step in sorted([*edits, *refunds], key=lambda each: each[:3]):
        sums = {"revenue_micros": 0, "cost_of_goods_micros": 0}
        if is_refund:
            refunded += step.micros
        else:
            sums = {
                "revenue_micros": max(0, step.micros - worth),
                "cost_of_goods_micros": step.goods - goods,
            }
            worth, goods = step.micros, step.goods
        ever += sums["revenue_micros"]
        now_given_back = max(given_back, refunded, ever - worth)
        yield Part(campaign, at, {**sums, "refunds_micros": now_given_back - given_back})
        given_back = now_given_back
    if history.cancellations:
        first = min(history.cancellations, key=_moment)
        taken_back = {"refunds_micros": max(0, ever - given_back), "cost_of_goods_micros": -goods}
        yield Part(campaign, instant(first["occurred_at"]), {"cancelled_orders": 1, **taken_back})


def _named(record: Record) -> set[tuple[str, str]]:
    """The ids of the person that a record names."""
    return {(name, record[name]) for name in ("visitor_id", "lead_id", "customer_id") if record.get(name)}


def _campaign(record: Record) -> str:
    return record.get("campaign_id") or NO_CAMPAIGN


def _placed(order: Record, worth: Worth, *, is_first: bool) -> Part:
    declared = order.get("is_new_customer")
    sums = {
        "orders": 1,
        "new_customers": int(is_first if declared is None else declared),
        "revenue_micros": worth.micros,
        "cost_of_goods_micros": worth.goods,
    }
    return Part(_campaign(order), instant(order["occurred_at"]), sums)


def _refunded(refund: Record, worth: Worth) -> Part:
    return Part(_campaign(refund), instant(refund["occurred_at"]), {"refunds_micros": worth.micros})


def _first_orders(placed: dict[str, Record]) -> set[str]:
    """Order ids that are the first of their customer, among all of that customer's orders."""
    of_customer: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for order_id, order in placed.items():
        for name in ("customer_id", "visitor_id"):
            if order.get(name):
                of_customer[name, order[name]].append((instant(order["occurred_at"]), order_id))
                break
    return {min(orders)[1] for orders in of_customer.values()}


__all__ = [
    "ALL_WINDOWS",
    "Stream",
    "cell",
    "conversions",
    "expected",
    "instant",
    "start_of",
    "uncertain_orders",
]

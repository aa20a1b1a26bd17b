"""What the view ``declared`` must show after a stream of source records, by sorting and grouping all of it.

Holds for records that are valid and not too late; a record in a currency without a rate does not count.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from tests.contracts.oracles.cells import ALL_WINDOWS, COST_FIELDS, Expected, cell, count, spread, start_of

Record = dict[str, Any]
NO_CAMPAIGN = "(none)"
STAGES = ("lead", "mql", "sql")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Stream:
    """All source records of a run, deduplicated, with the rates and campaigns that go with them."""

    def __init__(self, records: list[tuple[str, Record]], reporting_currency: str) -> None:
        self.reporting = reporting_currency
        self.campaigns = {r["campaign_id"]: r for topic, r in records if topic == "campaigns"}
        self.rates = [r for topic, r in records if topic == "fx-rates"]
        self._records = records

    def of(self, topic: str) -> list[Record]:
        """Records of a topic in their order, the first of each event_id, those with an unknown currency left out."""
        identity = "report_id" if topic == "ad-reports" else "event_id"
        first: dict[str, Record] = {}
        for name, record in self._records:
            if name == topic and self.rate_of(record) is not None:
                first.setdefault(record[identity], record)
        return list(first.values())

    def rate_of(self, record: Record) -> Fraction | None:
        """Rate of a record's currency at its time; 1 for the reporting currency."""
        known = self.campaigns.get(record.get("campaign_id"), {})
        currency = record.get("currency") or known.get("currency") or self.reporting
        if currency == self.reporting:
            return Fraction(1)
        at = instant(record.get("occurred_at", record.get("period_start")))
        valid = [r for r in self.rates if r["currency"] == currency and instant(r["valid_from"]) <= at]
        return Fraction(str(max(valid, key=lambda r: instant(r["valid_from"]))["rate"])) if valid else None

    def micros(self, record: Record, field: str) -> int:
        """An amount in micros of the reporting currency, rounded half-even once (Python's round)."""
        amount = record.get(field)
        rate = self.rate_of(record)
        return (
            0 if amount is None or rate is None else round(Fraction(Decimal(str(amount))) * 1_000_000 * rate)
        )

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
    _leads(cells, stream)
    _orders(cells, stream)
    _unknowable(cells, stream)
    return cells


def instant(value: Any) -> int:
    if isinstance(value, int):
        return value
    return (datetime.fromisoformat(value) - EPOCH) // timedelta(milliseconds=1)


def _moment(record: Record) -> tuple[int, str]:
    return instant(record["occurred_at"]), record["event_id"]


def _ads(cells: Expected, stream: Stream) -> None:
    for topic, field in (("ad-impressions", "impressions"), ("ad-clicks", "clicks")):
        for record in stream.of(topic):
            if not stream.uses_reports(record["campaign_id"]):
                sums = {field: 1, "spend_micros": stream.micros(record, "cost")}
                count(cells, record["campaign_id"], instant(record["occurred_at"]), **sums)


def _reports(cells: Expected, stream: Stream) -> None:
    standing: dict[tuple[Any, ...], tuple[tuple[int, int], Record]] = {}
    for offset, record in enumerate(stream.of("ad-reports")):
        about = (
            record["source"],
            record["campaign_id"],
            record.get("ad_id"),
            instant(record["period_start"]),
        )
        reported = instant(record["reported_at"]) if record.get("reported_at") is not None else -(10**18)
        version = (reported, offset)
        if about not in standing or version > standing[about][0]:
            standing[about] = (version, record)
    for _, record in standing.values():
        if stream.uses_reports(record["campaign_id"]):
            period = (instant(record["period_start"]), instant(record["period_end"]))
            sums = {field: record.get(field) or 0 for field in ("impressions", "clicks")}
            spread(cells, record["campaign_id"], period, **sums, spend_micros=stream.micros(record, "spend"))


def _unknowable(cells: Expected, stream: Stream) -> None:
    """No report can count in a window of a minute: its cost figures are null there."""
    for (campaign, window, _), sums in cells.items():
        if window == "1m" and stream.uses_reports(campaign):
            sums.update(dict.fromkeys(COST_FIELDS))


def _leads(cells: Expected, stream: Stream) -> None:
    of_lead: dict[str, list[Record]] = defaultdict(list)
    for record in stream.of("leads"):
        of_lead[record["lead_id"]].append(record)
    for history in of_lead.values():
        history.sort(key=_moment)
        home = next((r["campaign_id"] for r in history if r.get("campaign_id")), NO_CAMPAIGN)
        for rank, stage in enumerate(STAGES):
            reached = [r for r in history if STAGES.index(r.get("stage", "lead")) >= rank]
            if reached:
                first = reached[0]
                count(
                    cells, first.get("campaign_id") or home, instant(first["occurred_at"]), **{f"{stage}s": 1}
                )


def _orders(cells: Expected, stream: Stream) -> None:
    by_kind: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in sorted(stream.of("orders"), key=_moment):
        by_kind[record.get("kind", "placed")][record["order_id"]].append(record)
    placed: dict[str, Record] = {}
    for record in stream.of("orders"):  # the first placement in the log counts
        if record.get("kind", "placed") == "placed":
            placed.setdefault(record["order_id"], record)
    _placed(cells, stream, placed)
    for order_id, refunds in by_kind["refunded"].items():
        for refund in refunds:
            campaign = _campaign(placed.get(order_id, refund))
            at = instant(refund["occurred_at"])
            count(cells, campaign, at, refunds_micros=stream.micros(refund, "revenue"))
    for order_id, cancellations in by_kind["cancelled"].items():
        if order_id in placed:
            _cancelled(cells, stream, placed[order_id], cancellations[0], by_kind["refunded"][order_id])


def _campaign(record: Record) -> str:
    return record.get("campaign_id") or NO_CAMPAIGN


def _placed(cells: Expected, stream: Stream, placed: dict[str, Record]) -> None:
    firsts = _first_orders(placed)
    for order_id, order in placed.items():
        declared = order.get("is_new_customer")
        is_new = order_id in firsts if declared is None else declared
        count(
            cells,
            _campaign(order),
            instant(order["occurred_at"]),
            orders=1,
            new_customers=int(is_new),
            revenue_micros=stream.micros(order, "revenue"),
            cost_of_goods_micros=stream.micros(order, "cost_of_goods"),
        )


def _first_orders(placed: dict[str, Record]) -> set[str]:
    """Order ids that are the first of their customer, among all of that customer's orders."""
    of_customer: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
    for order_id, order in placed.items():
        for name in ("customer_id", "visitor_id"):
            if order.get(name):
                of_customer[name, order[name]].append((instant(order["occurred_at"]), order_id))
                break
    return {min(orders)[1] for orders in of_customer.values()}


def _cancelled(
    cells: Expected, stream: Stream, order: Record, cancellation: Record, refunds: list[Record]
) -> None:
    refunded = sum(stream.micros(refund, "revenue") for refund in refunds)
    count(
        cells,
        _campaign(order),
        instant(cancellation["occurred_at"]),
        cancelled_orders=1,
        refunds_micros=max(0, stream.micros(order, "revenue") - refunded),
        cost_of_goods_micros=-stream.micros(order, "cost_of_goods"),
    )


__all__ = ["ALL_WINDOWS", "Stream", "cell", "expected", "instant", "start_of"]

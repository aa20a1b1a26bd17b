"""What a world has spent and earned, from its records alone: the truth behind the demo's two arms. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from metrics.values.money import MICROS
from streams import catalogues, topics
from streams.demo.delivery import Arrival


class GroundTruth:
    """Money of one arm in micros of the reporting currency.

    Args:
        rates: into the reporting currency, by currency; absent: 1.
    """

    def __init__(self, rates: Mapping[str, float]) -> None:
        self._rates = rates
        #: Spend by campaign.
        self.spend_of: Counter[str] = Counter()
        self._reported: dict[tuple[str, str], int] = {}
        self._orders: dict[str, tuple[int, int]] = {}
        self._events = 0
        self._kept = 0
        self._goods = 0

    @property
    def spend(self) -> int:
        """Spend by events and by reports."""
        return self._events + sum(self._reported.values())

    @property
    def profit(self) -> int:
        """Revenue less refunds, goods and spend."""
        return self._kept - self._goods - self.spend

    @property
    def roi(self) -> float | None:
        """Profit / spend; None before anything is spent."""
        return self.profit / self.spend if self.spend else None

    def count(self, arrival: Arrival) -> None:
        """Count a record once; duplicates and broken ones are none."""
        if arrival.kind in ("duplicate", "broken"):
            return
        record = arrival.record
        if arrival.topic in (topics.CLICKS, topics.IMPRESSIONS):
            cost = self._micros(record, "cost")
            self._events += cost
            self.spend_of[str(record.get("campaign_id"))] += cost
        elif arrival.topic == topics.REPORTS:
            key = (record["campaign_id"], str(record["period_start"]))
            before = self._reported.get(key, 0)
            self._reported[key] = max(before, self._micros(record, "spend"))
            self.spend_of[record["campaign_id"]] += self._reported[key] - before
        elif arrival.topic == topics.ORDERS:
            self._order(record)

    def _order(self, record: Mapping[str, Any]) -> None:
        kind, order_id = record.get("kind", "placed"), record["order_id"]
        revenue = self._micros(record, "revenue")
        if kind == "placed":
            goods = self._micros(record, "cost_of_goods")
            self._orders[order_id] = (revenue, goods)
            self._kept += revenue
            self._goods += goods
        elif kind == "refunded":
            self._kept -= revenue
        else:
            revenue, goods = self._orders.get(order_id, (0, 0))
            self._kept -= revenue
            self._goods -= goods

    def _micros(self, record: Mapping[str, Any], name: str) -> int:
        rate = self._rates.get(str(record.get("currency")), 1.0)
        return round(float(record.get(name) or 0) * rate * MICROS)


def verdict(control: GroundTruth, acted: GroundTruth, actions: int) -> str:
    """One line: what control has brought against the arm in which nobody acts."""
    if control.roi is None or acted.roi is None:
        return catalogues.t("Nothing was spent yet.")
    if not actions:
        return catalogues.t(
            "Budget control: no action was obeyed; total ROI {roi}. Under BUDGET_MODE=propose actions wait for a person on the board, "
            "under observe they are only told.",
            roi=catalogues.percent(acted.roi, 1, is_signed=True),
        )
    difference = (acted.profit - control.profit) / MICROS
    return catalogues.t(
        "Budget control: {actions} action(s) obeyed; total ROI {roi} with them, {without} without (same people, nobody acts); "
        "profit {profit}.",
        actions=catalogues.number(actions),
        roi=catalogues.percent(acted.roi, 1, is_signed=True),
        without=catalogues.percent(control.roi, 1, is_signed=True),
        profit=("+" if difference >= 0 else "") + catalogues.number(difference, 2),
    )

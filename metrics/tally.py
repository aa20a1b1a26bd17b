"""Additive sums of one pane. Merge is associative and commutative, with ``Tally()`` as identity."""

import msgspec


class Tally(msgspec.Struct, array_like=True, gc=False):
    """Counts and money (integer micros) of a campaign in a pane; every field adds up.

    ``mqls_now_sql`` counts the MQLs of the pane that are SQL by now, whenever they became so.

    >>> a = Tally(clicks=2); a.add(Tally(clicks=3, spend_micros=7)); a.clicks, a.spend_micros
    (5, 7)
    """

    impressions: int = 0
    clicks: int = 0
    leads: int = 0
    mqls: int = 0
    sqls: int = 0
    orders: int = 0
    new_customers: int = 0
    cancelled_orders: int = 0
    spend_micros: int = 0
    revenue_micros: int = 0
    refunds_micros: int = 0
    cost_of_goods_micros: int = 0
    mqls_now_sql: int = 0

    def add(self, other: "Tally", sign: int = 1) -> None:
        """Add ``sign`` times ``other`` in place."""
        self.impressions += sign * other.impressions
        self.clicks += sign * other.clicks
        self.leads += sign * other.leads
        self.mqls += sign * other.mqls
        self.sqls += sign * other.sqls
        self.orders += sign * other.orders
        self.new_customers += sign * other.new_customers
        self.cancelled_orders += sign * other.cancelled_orders
        self.spend_micros += sign * other.spend_micros
        self.revenue_micros += sign * other.revenue_micros
        self.refunds_micros += sign * other.refunds_micros
        self.cost_of_goods_micros += sign * other.cost_of_goods_micros
        self.mqls_now_sql += sign * other.mqls_now_sql

    def copy(self) -> "Tally":
        """An independent tally of the same sums."""
        return msgspec.structs.replace(self)

"""Additive sums of one pane. Merge is associative and commutative, with ``Tally()`` as identity."""

import msgspec

from metrics.values.currency import PARTS
from metrics.values.money import divide_half_even


class Tally(msgspec.Struct, array_like=True, gc=False):
    """Counts and money (integer micros) of a campaign in a pane; every field adds up.

    ``mqls_now_sql`` counts the MQLs of the pane that are SQL by now, whenever they became so. ``customers`` adds up over the
    panes of a tumbling window only (``metrics.windows.distinct_customers``). ``spend_fraction`` is spend in ``PARTS`` of a micro, which
    readings round (``round_spend``). ``default_spend_micros`` is spend that names no currency, on source partitions only.
    ``uncertain_amounts`` counts amounts whose worth is not known for sure.

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
    customers: int = 0
    spend_fraction: int = 0
    uncertain_amounts: int = 0
    default_spend_micros: int = 0

    def add(self, other: "Tally", sign: int = 1) -> None:  # noqa: C901, PLR0912 - a question for each field
        """Add ``sign`` times ``other`` in place."""
        # Most sums of a fact are 0; asking costs a third of adding.
        if other.impressions:
            self.impressions += sign * other.impressions
        if other.clicks:
            self.clicks += sign * other.clicks
        if other.leads:
            self.leads += sign * other.leads
        if other.mqls:
            self.mqls += sign * other.mqls
        if other.sqls:
            self.sqls += sign * other.sqls
        if other.orders:
            self.orders += sign * other.orders
        if other.new_customers:
            self.new_customers += sign * other.new_customers
        if other.cancelled_orders:
            self.cancelled_orders += sign * other.cancelled_orders
        if other.spend_micros:
            self.spend_micros += sign * other.spend_micros
        if other.revenue_micros:
            self.revenue_micros += sign * other.revenue_micros
        if other.refunds_micros:
            self.refunds_micros += sign * other.refunds_micros
        if other.cost_of_goods_micros:
            self.cost_of_goods_micros += sign * other.cost_of_goods_micros
        if other.mqls_now_sql:
            self.mqls_now_sql += sign * other.mqls_now_sql
        if other.customers:
            self.customers += sign * other.customers
        if other.spend_fraction:
            self.spend_fraction += sign * other.spend_fraction
        if other.uncertain_amounts:
            self.uncertain_amounts += sign * other.uncertain_amounts
        if other.default_spend_micros:
            self.default_spend_micros += sign * other.default_spend_micros

    def round_spend(self) -> None:
        """Round the spend half-even to whole micros, in place.

        >>> tally = Tally(spend_micros=2, spend_fraction=2_500_000_000_000); tally.round_spend(); tally.spend_micros
        4
        """
        if self.spend_fraction:
            self.spend_micros = divide_half_even(self.spend_micros * PARTS + self.spend_fraction, PARTS)
            self.spend_fraction = 0

    def copy(self) -> "Tally":
        """An independent tally of the same sums."""
        return msgspec.structs.replace(self)

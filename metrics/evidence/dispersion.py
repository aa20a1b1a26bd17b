"""How widely the values of orders scatter, from sums alone: what a test of ROAS must know and no target tells. Pure.

Sums of a campaign grow by increments of k orders worth R together. With values of mean μ and variance s², R has the
mean kμ and the variance ks², so Σ(R - kμ)²/k over m increments, μ being their own mean ΣR/Σk, has the expectation
(m - 1)·s²: weighted least squares, however many orders an increment holds. Scatter within campaigns is pooled over them
by their degrees of freedom; campaigns may sell at different prices.
"""

from collections.abc import Iterable

import msgspec

#: Few orders rarely show the tail they come from: the scatter seen is taken to be (1 + this / degrees of freedom) times as
#: wide. Measured, so that a few hundred log-normal orders up to σ 1.2 hold the level (docs/budget.md).
_UNSEEN_TAIL = 75.0


class OrderValues(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Increments of a campaign's sums: how many, and Σk, ΣR and ΣR²/k over them; amounts in micros."""

    increments: int = 0
    orders: float = 0.0
    revenue: float = 0.0
    squares: float = 0.0

    def then(self, orders: float, revenue: float) -> "OrderValues":
        """With one more increment; one without orders says nothing, one whose orders are worth nothing says a lot.

        >>> OrderValues().then(1, 10.0).then(2, 30.0)
        OrderValues(increments=2, orders=3.0, revenue=40.0, squares=550.0)
        """
        if orders <= 0 or revenue < 0:
            return self
        return OrderValues(
            self.increments + 1,
            self.orders + orders,
            self.revenue + revenue,
            self.squares + revenue * revenue / orders,
        )


def pooled(values: Iterable[OrderValues]) -> float | None:
    """E[X²]/E[X]² of the value of an order as campaigns have shown it together; None before two increments of any.

    >>> alike = OrderValues()
    >>> for _ in range(50): alike = alike.then(1, 10.0)
    >>> pooled([alike]), pooled([OrderValues()])
    (1.0, None)
    """
    freedom, scatter = 0, 0.0
    for each in values:
        if each.increments >= 2 and each.revenue > 0:
            mean = each.revenue / each.orders
            freedom += each.increments - 1
            scatter += max(0.0, each.squares / mean - each.revenue) / mean
    return None if freedom == 0 else 1 + scatter / freedom * (1 + _UNSEEN_TAIL / freedom)

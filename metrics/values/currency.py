"""Exchange rates into the reporting currency, valid from an instant on (docs/contract.md, Currency)."""

from bisect import bisect_right
from decimal import Decimal

from metrics.values.errors import Reason, Rejection
from metrics.values.money import MAX_UNITS, MICROS, convert, to_micros

#: As of amounts that need no conversion: larger ones would not fit columns of 64 bits.
_LARGEST_MICROS = MAX_UNITS * MICROS


class ExchangeRates:
    """Rates by currency; the reporting currency has rate 1 at all times.

    >>> rates = ExchangeRates("EUR"); rates.set("USD", 1000, Decimal("0.9"))
    >>> rates.micros(Decimal(10), "USD", at=1500)
    9000000
    """

    def __init__(self, reporting: str) -> None:
        self.reporting = reporting
        self._by_currency: dict[str, dict[int, Decimal]] = {}
        self._order: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_currency.values()))

    def set(self, currency: str, valid_from: int, rate: Decimal | None) -> None:
        """Take in a rate; None withdraws it. Amounts already converted stay as they are."""
        known = self._by_currency.setdefault(currency, {})
        if rate is None:
            known.pop(valid_from, None)
        else:
            known[valid_from] = rate
        self._order[currency] = sorted(known)

    def micros(self, amount: Decimal, currency: str, at: int) -> int:
        """Micros in the reporting currency of an amount at the latest rate with valid_from ≤ ``at``.

        Raises:
            Rejection: ``unknown_currency`` without such a rate, ``invalid_field`` for a wrong amount.
        """
        try:
            micros = to_micros(amount)
        except ValueError as error:
            raise Rejection(Reason.INVALID_FIELD, str(error)) from error
        return self.converted(micros, currency, at)

    def converted(self, micros: int, currency: str, at: int) -> int:
        """Micros in the reporting currency of micros in another one.

        Raises:
            Rejection: ``unknown_currency`` without a rate that is valid at ``at``, ``invalid_field`` where the result
                is no amount any more.
        """
        if currency == self.reporting:
            return micros
        order = self._order.get(currency, ())
        index = bisect_right(order, at)
        if not index:
            raise Rejection(
                Reason.UNKNOWN_CURRENCY,
                f"no rate from {currency!r} into {self.reporting} is valid then; add one to fx-rates",
            )
        found = convert(micros, self._by_currency[currency][order[index - 1]])
        if found >= _LARGEST_MICROS:
            raise Rejection(
                Reason.INVALID_FIELD,
                f"the amount is not below 10^12 {self.reporting} at the rate from {currency!r} that is valid then",
            )
        return found

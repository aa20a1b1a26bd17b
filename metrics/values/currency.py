"""Exchange rates into the reporting currency, valid from an instant on (docs/contract.md, Currency)."""

import re
from bisect import bisect_left
from decimal import Decimal

from metrics.values.errors import Reason, Rejection
from metrics.values.money import MAX_UNITS, MICROS, divide_half_even, to_micros
from metrics.values.time import MINUTE, floor_to

#: Rates are integers of so many parts of 1, so that sums of converted money are exact: 12 decimals.
PARTS = 10**12
_CODE = re.compile("[A-Z]{3}")
_LARGEST_MICROS = MAX_UNITS * MICROS


def effective_from(valid_from: int) -> int:
    """The start of the minute from which a rate holds; a minute has one rate.

    >>> effective_from(60_000), effective_from(119_999)
    (60000, 60000)
    """
    return floor_to(valid_from, MINUTE)


def is_currency(text: str) -> bool:
    """Whether a text has the form of a currency's code in ISO 4217: three capital letters.

    >>> is_currency("EUR"), is_currency("eur"), is_currency("$")
    (True, False, False)
    """
    return _CODE.fullmatch(text) is not None


def amount_in_micros(amount: Decimal, currency: str | None) -> int:
    """Micros of an amount in its own currency; None: that of its campaign.

    Raises:
        Rejection: ``unknown_currency`` where the text cannot be a currency, ``invalid_field`` for a wrong amount.
    """
    if currency and not is_currency(currency):
        raise Rejection(
            Reason.UNKNOWN_CURRENCY,
            f"{currency!r} is no code of a currency such as EUR (three capital letters)",
        )
    try:
        return to_micros(amount)
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, str(error)) from error


class ExchangeRates:
    """Rates by currency; the reporting currency has rate 1 at all times.

    A rate holds from the start of the minute of ``valid_from`` on; of several in one minute the last.

    >>> rates = ExchangeRates("EUR"); rates.set("USD", 60_000, Decimal("0.9"))
    >>> rates.micros(Decimal(10), "USD", at=60_500)
    9000000
    """

    def __init__(self, reporting: str) -> None:
        self.reporting = reporting
        self._by_currency: dict[str, dict[int, int]] = {}
        self._order: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_currency.values()))

    def set(self, currency: str, valid_from: int, rate: Decimal | None) -> None:
        """Take in a rate, of which 12 decimals count; None withdraws it."""
        known = self._by_currency.setdefault(currency, {})
        if rate is None:
            known.pop(valid_from, None)
        else:
            numerator, denominator = rate.as_integer_ratio()
            known[valid_from] = divide_half_even(numerator * PARTS, denominator)
        self._order[currency] = sorted(known)

    def changes_of(self, currency: str) -> list[int]:
        """The instants from which rates of a currency hold, in order."""
        return [effective_from(valid_from) for valid_from in self._order.get(currency, ())]

    def history(self, currency: str) -> list[tuple[int, int]]:
        """The instants from which rates of a currency hold, in order, each with the rate in units of 1 / ``PARTS``."""
        known = self._by_currency.get(currency, {})
        return [
            (effective_from(valid_from), known[valid_from]) for valid_from in self._order.get(currency, ())
        ]

    def parts(self, currency: str, at: int) -> int | None:
        """The rate at an instant in units of 1 / ``PARTS``; None where none is known.

        Micros times this is the exact worth in millionths of a millionth of a micro, and needs no rounding.
        """
        if currency == self.reporting:
            return PARTS
        order = self._order.get(currency, ())
        index = bisect_left(order, floor_to(at, MINUTE) + MINUTE)
        return self._by_currency[currency][order[index - 1]] if index else None

    def worth(self, micros: int, currency: str, at: int) -> int | None:
        """Micros in the reporting currency of an amount in another one, rounded half-even.

        None without a rate, or where the result is no amount any more.
        """
        parts = self.parts(currency, at)
        found = None if parts is None else divide_half_even(micros * parts, PARTS)
        return None if found is None or found >= _LARGEST_MICROS else found

    def micros(self, amount: Decimal, currency: str, at: int) -> int:
        """Micros in the reporting currency of an amount at the rate that holds at ``at``.

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
        worth = self.worth(micros, currency, at)
        if worth is None and self.parts(currency, at) is not None:
            raise Rejection(
                Reason.INVALID_FIELD,
                f"the amount is not below 10^12 {self.reporting} at the rate from {currency!r} that is valid then",
            )
        if worth is None:
            raise Rejection(
                Reason.UNKNOWN_CURRENCY,
                f"no rate from {currency!r} into {self.reporting} is valid then; add one to fx-rates",
            )
        return worth

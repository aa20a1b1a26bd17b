"""Money as integer micros, and exact division. Knows no currency's name and no clock.

One unit of a currency is 1 000 000 micros, so sums are exact integers. Everything that divides
rounds half to even, once.
"""

from decimal import Context, Decimal, Inexact, InvalidOperation

MICROS = 1_000_000
MAX_UNITS = 10**12
_ZERO, _LIMIT, _FACTOR = Decimal(0), Decimal(MAX_UNITS), Decimal(MICROS)
#: A product that had to be rounded would have more than 6 decimals; trailing zeros do not count.
_times = Context(prec=40, traps=[Inexact]).multiply


def to_micros(amount: Decimal) -> int:
    """Micros of an amount in currency units.

    Args:
        amount: 0 or more, below 10^12, at most 6 decimals (trailing zeros do not count).

    Raises:
        ValueError: when it is none of that; the text says which rule it breaks.

    >>> to_micros(Decimal("0.37"))
    370000
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount of money")
    if amount < _ZERO:  # comparing with a Decimal costs half of comparing with an int
        raise ValueError(f"{amount} is negative; money is 0 or more")
    if amount >= _LIMIT:
        raise ValueError(f"{amount} is not below 10^12")
    try:
        micros = _times(amount, _FACTOR)
    except Inexact:
        micros = None
    if micros is None or (whole := int(micros)) != micros:
        raise ValueError(f"{amount} has more than 6 decimals")
    return whole


def plain_decimal(text: str) -> Decimal:
    """The number in a text; Python would also take underscores between its digits.

    Raises:
        ValueError: when it is none.

    >>> plain_decimal(" 12.50 ")
    Decimal('12.50')
    """
    try:
        return Decimal("none" if "_" in text else text)
    except InvalidOperation as error:
        raise ValueError(f"{text!r} is no number") from error


def units(micros: int) -> Decimal:
    """Micros as an exact amount in currency units, without needless zeros and never with an exponent.

    >>> str(units(1_000_000_000)), str(units(1_250_500_000)), str(units(-1))
    ('1000', '1250.5', '-0.000001')
    """
    whole, rest = divmod(abs(micros), MICROS)
    text = f"{whole}.{rest:06d}".rstrip("0").rstrip(".")
    return Decimal(f"-{text}" if micros < 0 else text)


def divide_half_even(numerator: int, denominator: int) -> int:
    """Nearest integer to ``numerator / denominator``, ties to even; exact for any size.

    >>> divide_half_even(5, 2), divide_half_even(7, 2), divide_half_even(-5, 2)
    (2, 4, -2)
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, remainder = divmod(numerator, denominator)
    doubled = 2 * remainder
    if doubled > denominator or (doubled == denominator and quotient & 1):
        quotient += 1
    return quotient


def ratio(numerator: int, denominator: int) -> float | None:
    """``numerator / denominator`` rounded half-even to 6 decimals; None when the denominator is 0.

    >>> ratio(1, 3), ratio(1, 0)
    (0.333333, None)
    """
    if denominator == 0:
        return None
    if numerator == 0:  # most sums of a young window are
        return 0.0
    return divide_half_even(numerator * MICROS, denominator) / MICROS

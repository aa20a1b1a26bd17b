"""Spreading a whole value over its period so that the parts of adjoining windows add up exactly."""

from collections.abc import Sequence


def accrued(value: int, start: int, end: int, at: int) -> int:
    """F(t) of docs/contract.md, Reports: what of ``value`` has come by ``at``, for a period [start, end).

    ⌊value · (t − start) / (end − start)⌋, with t clamped into the period; ``value`` is 0 or more.

    >>> [accrued(10, 0, 3, t) for t in (-1, 0, 1, 2, 3, 9)]
    [0, 0, 3, 6, 10, 10]
    """
    if at <= start:
        return 0
    if at >= end:
        return value
    return value * (at - start) // (end - start)


def share(value: int, period: tuple[int, int], window: tuple[int, int]) -> int:
    """The part of ``value`` that counts in a window: F at its end less F at its start."""
    start, end = period
    return accrued(value, start, end, window[1]) - accrued(value, start, end, window[0])


def split(whole: int, weights: Sequence[int]) -> list[int]:
    """``whole`` divided in proportion to the weights; the parts add up to it exactly.

    Largest remainder (Hamilton's method): each part is its quota rounded down, and what is left goes by one to the
    largest remainders, of equal ones to the earlier part. A negative whole is split as its amount, negated.

    Args:
        whole: what is divided.
        weights: 0 or more each, not all 0.

    Raises:
        ValueError: when no weight is above 0.

    >>> split(1_000_000, [1, 1, 1]), split(-1, [1, 3])
    ([333334, 333333, 333333], [0, -1])
    """
    if len(weights) == 1 and weights[0] > 0:
        return [whole]
    total = sum(weights)
    if total <= 0:
        raise ValueError("nothing can be divided by weights that are all 0")
    sign, amount = (-1, -whole) if whole < 0 else (1, whole)
    parts, rests = [], []
    for weight in weights:
        quota, rest = divmod(amount * weight, total)
        parts.append(quota)
        rests.append(rest)
    order = sorted(range(len(parts)), key=lambda index: -rests[index])  # stable: of equal ones the earlier
    for index in order[: amount - sum(parts)]:
        parts[index] += 1
    return [sign * part for part in parts]

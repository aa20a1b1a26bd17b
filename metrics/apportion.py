"""Spreading a whole value over its period so that the parts of adjoining windows add up exactly."""


def accrued(value: int, start: int, end: int, at: int) -> int:
    """F(t) of CONTRACT 2: what of ``value`` has come by ``at``, for a period [start, end).

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

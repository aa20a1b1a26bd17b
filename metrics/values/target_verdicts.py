"""What an interval says of a target that a figure is to reach."""

from typing import Literal


def compared(low: float, high: float, target: float) -> Literal["good", "bad", "inconclusive"]:
    """``good``: at least the target, ``bad``: below it, ``inconclusive``: the interval holds both.

    >>> compared(1.1, 1.9, 1), compared(1.1, 1.9, 2), compared(1.1, 1.9, 1.5)
    ('good', 'bad', 'inconclusive')
    """
    if low >= target:
        return "good"
    return "bad" if high < target else "inconclusive"

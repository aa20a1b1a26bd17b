"""Distinct customers of a campaign in a window, as sums that add up over partitions and panes.

A customer counts in a window once: with the first of their orders there that is read. So a tally holds, per resolution, how many
customers were met in its pane for the first time within the window that the pane serves, and the sum over a window's panes
is the number of its customers, whatever the order of arrival. Rolling windows are made of the same panes and cannot
be counted so. A customer's orders meet on the partition of the customer's id, which is what makes partitions add up.
"""

from metrics.entities.orders import Purchase
from metrics.values.time import MINUTE
from metrics.windows.panes import RETENTIONS, TOTAL, WINDOW_LENGTHS

#: Minutes remembered of one customer: a shared till orders more often, and may count again in a window.
MOST = 500


def remember(
    known: tuple[Purchase, ...], campaign: str, at: int
) -> tuple[tuple[Purchase, ...], tuple[int, ...]]:
    """Take in an order of a customer.

    Args:
        known: when they have ordered before, as far as windows still ask for it.
        campaign: whose order it is.
        at: event time.

    Returns:
        What is to be remembered now, and the resolutions of the panes in which the customer is new.

    >>> known, new = remember((), "c", at=0)
    >>> new, remember(known, "c", at=MINUTE)[1], remember(known, "d", at=0)[1]
    ((0, 1, 2, 3), (0,), (0, 1, 2, 3))
    """
    minute = at // MINUTE * MINUTE
    mine = [each.minute for each in known if each.campaign == campaign]
    new = [
        resolution
        for resolution, length in enumerate(WINDOW_LENGTHS)
        if all(each // length != at // length for each in mine)
    ]
    if not mine:
        new.append(TOTAL)
    if minute in mine:
        return known, tuple(new)
    return _tidied((*known, Purchase(campaign, minute))), tuple(new)


def _tidied(known: tuple[Purchase, ...]) -> tuple[Purchase, ...]:
    """Without what no window asks for any more: older than all windows, and not the newest of its campaign."""
    newest: dict[str, int] = {}
    for each in known:
        newest[each.campaign] = max(each.minute, newest.get(each.campaign, each.minute))
    before = max(newest.values()) - RETENTIONS[-1] - 2 * WINDOW_LENGTHS[-1]
    kept = [each for each in known if each.minute >= before or each.minute == newest[each.campaign]]
    return tuple(sorted(kept, key=lambda each: each.minute)[-MOST:])

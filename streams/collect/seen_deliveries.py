"""Deliveries that were written, so that one that is sent again is answered at once. Pure.

Only a help: what a restart forgets, or another collector took, is written again with the same ids, and workers count it once.
"""

from collections import OrderedDict

_MOST = 100_000


class SeenDeliveries:
    """Names of deliveries, of each webhook; the oldest are forgotten.

    >>> seen = SeenDeliveries(2)
    >>> for name in ("a", "b", "c"): seen.note("shop", name)
    >>> [seen.holds("shop", name) for name in ("a", "b", "c")], seen.holds("crm", "c")
    ([False, True, True], False)
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._names: OrderedDict[tuple[str, str], None] = OrderedDict()

    def holds(self, webhook: str, name: str) -> bool:
        """Whether the delivery was written."""
        return (webhook, name) in self._names

    def note(self, webhook: str, name: str) -> None:
        """Remember that it was written."""
        self._names[webhook, name] = None
        if len(self._names) > self._most:
            self._names.popitem(last=False)

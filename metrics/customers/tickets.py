"""A ticket of the service desk: opened, first answered, resolved; its records may come in any order, and again."""

from typing import Literal

import msgspec

from metrics.customers.engagement import FIRST_RESPONSE, RESOLUTION, Counts, Kind, Months, of_time, whose

Step = Literal["opened", "responded", "resolved"]


class TicketEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A ticket; times in epoch ms.

    Attributes:
        opened: the earliest opening; None before one is known, and so the next two.
        responded: the earliest response.
        resolved: the latest resolution: a ticket that was opened again counts up to the last one.
        customer: ``customer_hash`` of who opened it, 0 where nobody is named.
    """

    opened: int | None = None
    responded: int | None = None
    resolved: int | None = None
    customer: int = 0

    @property
    def latest(self) -> int:
        """The latest time, by which the entry expires."""
        return max(each for each in (self.opened, self.responded, self.resolved) if each is not None)

    def with_step(self, step: Step, at: int, customer: int) -> "TicketEntry":
        """The ticket with a record taken in.

        >>> TicketEntry().with_step("opened", 5, 7).with_step("opened", 3, 0)
        TicketEntry(opened=3, responded=None, resolved=None, customer=7)
        """
        opened, responded, resolved = self.opened, self.responded, self.resolved
        if step == "opened":
            opened = at if opened is None else min(opened, at)
        elif step == "responded":
            responded = at if responded is None else min(responded, at)
        else:
            resolved = at if resolved is None else max(resolved, at)
        return TicketEntry(opened, responded, resolved, whose(self.customer, customer))

    def counts(self, months: Months) -> Counts:
        """What the ticket counts, in the month in which it was opened; nothing before that is known.

        A time before the opening, as of clocks that differ, counts as none.
        """
        if self.opened is None:
            return {}
        month = months.of(self.opened)
        found = {(month, int(Kind.TICKETS)): 1}
        for at, kind, base in (
            (self.responded, Kind.ANSWERED, FIRST_RESPONSE),
            (self.resolved, Kind.RESOLVED, RESOLUTION),
        ):
            if at is not None:
                found[month, kind] = 1
                found[month, of_time(base, at - self.opened)] = 1
        return found

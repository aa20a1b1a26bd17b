"""Who brought whom: of several who say so of one person, the first."""

import msgspec

from metrics.customers.engagement import Counts, Kind, Months


class ReferralEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A person who was brought.

    Attributes:
        at: when, epoch ms.
        customer: ``customer_hash`` of who brought the person; 0 of somebody who was erased.
    """

    at: int
    customer: int

    @property
    def latest(self) -> int:
        """The time by which the entry expires."""
        return self.at

    def counts(self, months: Months) -> Counts:
        """What it counts for who brought the person."""
        return {(months.of(self.at), Kind.REFERRALS): 1}


def earlier(known: ReferralEntry | None, said: ReferralEntry) -> ReferralEntry:
    """Who brought a person, of what was known and what is said.

    >>> earlier(ReferralEntry(5, 1), ReferralEntry(3, 2)).customer
    2
    """
    return said if known is None else min(known, said, key=lambda each: (each.at, each.customer))

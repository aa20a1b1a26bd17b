"""What customers do beside ordering, as counts by calendar month: answers, tickets, contracts, referrals, activations.

Every count is a whole number that adds up over customers, partitions and months, and that can be taken back: so a cohort's counts
are exact after corrections and erasures. Times are counted by bucket (``metrics.customers.quantile_sketch``).
"""

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from metrics.customers.calendar import month_name
from metrics.customers.quantile_sketch import bucket_of
from metrics.customers.satisfaction import is_satisfied, nps_group


class Kind(IntEnum):
    """What is counted. Numbers are in the state: a kind keeps its number for good."""

    PROMOTERS = 1
    PASSIVES = 2
    DETRACTORS = 3
    #: Answers of how satisfied somebody is, and those of the satisfied.
    RATINGS = 4
    SATISFIED = 5
    #: Tickets by the month in which they were opened: all, those with a response, those resolved.
    TICKETS = 6
    ANSWERED = 7
    RESOLVED = 8
    #: Contracts that begin in a month, that end in it and ran when it began, and that begin and end in it.
    CONTRACTS = 9
    ENDED = 10
    ENDED_AT_ONCE = 11
    #: Terms of contracts that end in a month, and those of them that were renewed.
    TERMS = 12
    RENEWALS = 13
    #: Persons whom a customer has brought.
    REFERRALS = 14
    ACTIVATIONS = 15
    #: By how many the contracts that run with a known amount change in a month, and by how many micros a month all of them bring.
    VALUED = 16
    MONTHLY = 17
    #: Micros of the terms that are started or renewed in a month.
    BILLED = 18


#: Kinds of which the customers who have any are counted too.
OF_PERSONS = (Kind.REFERRALS, Kind.ACTIVATIONS)
#: Kinds from here on are times from the opening of a ticket to the first response, and to its resolution: this and the bucket.
FIRST_RESPONSE, RESOLUTION = 10_000, 20_000
#: How far their numbers are apart, which is more than there are buckets.
TIMES_APART = 10_000
_GROUPS = {"promoter": Kind.PROMOTERS, "passive": Kind.PASSIVES, "detractor": Kind.DETRACTORS}


class Count(NamedTuple):
    """So many of a kind in a calendar month, as of ``month_of``."""

    month: int
    kind: int
    number: int


#: In place of a customer's hash, which is larger: of somebody who was erased.
ERASED = 1
#: By month and kind.
Counts = Mapping[tuple[int, int], int]


class Months(Protocol):
    """Tells the calendar month, or week, of an instant."""

    zone: ZoneInfo

    def of(self, at: int) -> int:
        """The month of epoch milliseconds."""
        ...


def of_nps(score: int, at: int, months: Months) -> Counts:
    """What an answer from 0 to 10 counts, to whether one would recommend."""
    return {(months.of(at), _GROUPS[nps_group(score)]): 1}


def of_csat(score: int, scale: int, at: int, months: Months) -> Counts:
    """What an answer from 1 to ``scale`` counts, to how satisfied one is."""
    month = months.of(at)
    return {(month, Kind.RATINGS): 1, **({(month, Kind.SATISFIED): 1} if is_satisfied(score, scale) else {})}


def of_activation(at: int, months: Months) -> Counts:
    """What reaching the step that a site calls activated counts."""
    return {(months.of(at), Kind.ACTIVATIONS): 1}


def of_time(base: int, duration: int) -> int:
    """The kind of a time in ms, ``FIRST_RESPONSE`` or ``RESOLUTION`` and its bucket."""
    return base + bucket_of(duration)


def difference(before: Counts, after: Counts) -> list[Count]:
    """What is added to counts, in no order.

    >>> difference({(1, 4): 1}, {(2, 4): 1})
    [Count(month=1, kind=4, number=-1), Count(month=2, kind=4, number=1)]
    """
    places = {**before, **after}
    found = [Count(*place, after.get(place, 0) - before.get(place, 0)) for place in places]
    return [each for each in found if each.number]


def joined(known: tuple[Count, ...], more: Iterable[Count]) -> tuple[Count, ...]:
    """Both together, in order; nothing that adds up to 0.

    >>> joined((Count(1, 4, 1),), [Count(1, 4, -1), Count(1, 5, 2)])
    (Count(month=1, kind=5, number=2),)
    """
    sums = {(month, kind): number for month, kind, number in known}
    for month, kind, number in more:
        sums[month, kind] = sums.get((month, kind), 0) + number
    return tuple([Count(*place, sums[place]) for place in sorted(sums) if sums[place]])


def totals(counts: Iterable[Count]) -> dict[int, int]:
    """All months together, by kind."""
    found: dict[int, int] = {}
    for _, kind, number in counts:
        found[kind] = found.get(kind, 0) + number
    return found


def whose(known: int, named: int) -> int:
    """The customer of a ticket or a contract, whatever order its records come in; who was erased stays so.

    >>> whose(0, 1 << 63) == 1 << 63, whose(ERASED, 1 << 63)
    (True, 1)
    """
    return known if known == ERASED else max(known, named)


class RunningContracts(NamedTuple):
    """Contracts at the end of a calendar month.

    Attributes:
        number: how many run.
        valued: those of them whose amount is known.
        monthly: micros that these bring in a month.
        billed: micros of all terms that were started or renewed until then.
        ended: how many have ended until then, of those that ran when a month began.
        months: contracts that ran when a month began, added up over all months until then.
    """

    number: int = 0
    valued: int = 0
    monthly: int = 0
    billed: int = 0
    ended: int = 0
    months: int = 0


class ContractMonth(NamedTuple):
    """Contracts in a calendar month.

    Attributes:
        name: as ``YYYY-MM``.
        at_start: how many ran when it began.
        begun: how many began in it.
        ended: how many of those at its start ended in it.
        at_end: of it.
    """

    name: str
    at_start: int
    begun: int
    ended: int
    at_end: RunningContracts


def contract_months(
    counts: Mapping[int, Mapping[int, int]], over: int, name: Callable[[int], str] = month_name
) -> list[ContractMonth]:
    """The months that are over since the first contract began, in order.

    Args:
        counts: by month and kind.
        over: the first calendar month that is not over.
        name: of a month; of weeks they are made alike.
    """
    known = sorted(
        month for month, each in counts.items() if each.get(Kind.CONTRACTS) or each.get(Kind.ENDED)
    )
    found, last = [], RunningContracts()
    for month in range(known[0], over) if known else ():
        each = counts.get(month, {})
        begun, ended, running = each.get(Kind.CONTRACTS, 0), each.get(Kind.ENDED, 0), last.number
        last = RunningContracts(
            running + begun - ended - each.get(Kind.ENDED_AT_ONCE, 0),
            last.valued + each.get(Kind.VALUED, 0),
            last.monthly + each.get(Kind.MONTHLY, 0),
            last.billed + each.get(Kind.BILLED, 0),
            last.ended + ended,
            last.months + running,
        )
        found.append(ContractMonth(name(month), running, begun, ended, last))
    return found

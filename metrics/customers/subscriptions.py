"""A contract of a customer: started, renewed for further terms, cancelled; its records may come in any order, and again."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from metrics.customers.calendar import local_time
from metrics.customers.engagement import Counts, Kind, Months, whose
from metrics.values.errors import Reason, Rejection
from metrics.values.money import divide_half_even
from metrics.values.time import MAX_INSTANT, to_millis

_TERM = re.compile(r"P([0-9]+)([DWMY])")
_DAYS = {"D": 1, "W": 7}
_MONTHS = {"M": 1, "Y": 12}
#: A month of the Gregorian calendar in the mean: so many ten-thousandths of a day, divided by twelve.
_YEAR, _DAY = 3_652_425, 10_000


@lru_cache(maxsize=4_096)
def end_of_term(begin: int, term: str, zone: ZoneInfo) -> int:
    """When a term ends that begins at an instant, epoch ms: at the same time of day, on the last day of a shorter month.

    A term that outlasts the calendar ends with it.

    Raises:
        ValueError: for what is no term.

    >>> from metrics.values.time import format_instant
    >>> format_instant(end_of_term(to_millis(datetime(2026, 1, 31, 9, tzinfo=UTC)), "P1M", ZoneInfo("UTC")))
    '2026-02-28T09:00:00Z'
    """
    match = _TERM.fullmatch(term)
    if match is None:
        raise ValueError(f"{term} is no term; write it like P1M, P1Y, P14D or P4W")
    number, unit = int(match[1]), match[2]
    local = local_time(begin, zone)
    try:
        if unit in _DAYS:
            return to_millis((local + timedelta(days=number * _DAYS[unit])).astimezone(UTC))
        month = local.year * 12 + local.month - 1 + number * _MONTHS[unit]
        day = min(local.day, _days_in(month))
        return to_millis(local.replace(year=month // 12, month=month % 12 + 1, day=day).astimezone(UTC))
    except (OverflowError, ValueError):
        return MAX_INSTANT


def monthly_amount(micros: int, term: str) -> int:
    """What an amount for a term is in a month of the mean, in micros; half to even.

    >>> monthly_amount(120_000_000, "P1Y"), monthly_amount(9_900_000, "P1M"), monthly_amount(7_000_000, "P1W")
    (10000000, 9900000, 30436875)
    """
    match = _TERM.fullmatch(term)
    assert match is not None, "a term that has an end"
    number, unit = int(match[1]), match[2]
    if unit in _MONTHS:
        return divide_half_even(micros, number * _MONTHS[unit])
    return divide_half_even(micros * _YEAR, 12 * _DAY * number * _DAYS[unit])


def _days_in(month: int) -> int:
    first = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
    following = datetime((month + 1) // 12, (month + 1) % 12 + 1, 1, tzinfo=UTC)
    return (following - first).days


class Begun(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A start or a renewal: when, and for how long; without a term as long as the one before.

    Attributes:
        micros: amount of the term; without one that of the term before.
        currency: of the amount, where it is another than the reporting currency: what it is worth is not known.
    """

    at: int
    term: str | None = None
    micros: int | None = None
    currency: str | None = None


class Term(NamedTuple):
    """A term of a contract; times in epoch ms.

    Attributes:
        said: when it was started or renewed.
        begin: when it begins.
        end: when it ends.
        term: how long it is.
        micros: its amount in the reporting currency; None where that is not known.
    """

    said: int
    begin: int
    end: int
    term: str
    micros: int | None


def _order(begun: Begun) -> tuple[int, str, bool, int, str]:
    """Of renewals at one instant the last counts: one that says more."""
    return begun.at, begun.term or "", begun.micros is not None, begun.micros or 0, begun.currency or ""


def _start_order(begun: Begun) -> tuple[int, str, bool, int, str]:
    """Of starts the first counts, of those at one instant one with an amount."""
    return begun.at, begun.term or "", begun.micros is None, begun.micros or 0, begun.currency or ""


#: Renewals that one contract may have: seventeen years of months.
MOST_RENEWALS = 200


class SubscriptionEntry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A contract; times in epoch ms.

    Attributes:
        started: the earliest start; None before one is known.
        renewals: in order, each once.
        cancelled: the latest cancellation.
        customer: ``customer_hash`` of whose it is, 0 where nobody is named.
    """

    started: Begun | None = None
    renewals: tuple[Begun, ...] = ()
    cancelled: int | None = None
    customer: int = 0

    @property
    def latest(self) -> int:
        """The latest time, by which the entry expires."""
        known = [each.at for each in self.renewals]
        known += [self.started.at] if self.started is not None else []
        known += [self.cancelled] if self.cancelled is not None else []
        return max(known)

    def with_start(self, begun: Begun, customer: int) -> "SubscriptionEntry":
        """The contract with a start taken in."""
        started = begun if self.started is None else min(self.started, begun, key=_start_order)
        return msgspec.structs.replace(self, started=started, customer=whose(self.customer, customer))

    def with_renewal(self, begun: Begun, customer: int) -> "SubscriptionEntry":
        """The contract with a renewal taken in; two of one instant are one.

        Raises:
            Rejection: ``too_many``.
        """
        known = {each.at: each for each in sorted((*self.renewals, begun), key=_order)}
        if len(known) > MOST_RENEWALS:
            raise Rejection(
                Reason.TOO_MANY,
                f"the subscription was renewed {MOST_RENEWALS} times already; does its subscription_id stand for one contract?",
            )
        renewals = tuple(known[at] for at in sorted(known))
        return msgspec.structs.replace(self, renewals=renewals, customer=whose(self.customer, customer))

    def with_cancellation(self, at: int, customer: int) -> "SubscriptionEntry":
        """The contract with a cancellation taken in."""
        cancelled = at if self.cancelled is None else max(self.cancelled, at)
        return msgspec.structs.replace(self, cancelled=cancelled, customer=whose(self.customer, customer))

    def ends_of_terms(self, zone: ZoneInfo) -> list[int]:
        """When each term ends, epoch ms."""
        return [each.end for each in self.terms(zone)]

    def terms(self, zone: ZoneInfo) -> list[Term]:
        """Every term; all but the last were renewed. None is known before a start.

        A term begins when the one before it ends, or with its renewal where that is later.
        """
        if self.started is None or self.started.term is None:
            return []
        found: list[Term] = []
        begin, term, micros = self.started.at, self.started.term, None
        for each in (self.started, *self.renewals):
            begin, term = max(begin, each.at), each.term or term
            if each.micros is not None:
                micros = None if each.currency is not None else each.micros
            found.append(Term(each.at, begin, end_of_term(begin, term, zone), term, micros))
            begin = found[-1].end
        return found

    def lived(self, zone: ZoneInfo) -> tuple[list[Term], int]:
        """The terms that begin before the contract ends, the first in any case, and when it ends, epoch ms; no term before a start.

        A contract ends when it is cancelled, else with a term that nobody renews; a renewal later than a cancellation takes it
        back.
        """
        return self._lived(self.terms(zone))

    def _lived(self, terms: Sequence[Term]) -> tuple[list[Term], int]:
        if not terms:
            return [], 0
        end = terms[-1].end
        if self.cancelled is not None and all(each.at <= self.cancelled for each in self.renewals):
            end = min(end, self.cancelled)
        return [terms[0], *(each for each in terms[1:] if each.begin < end)], end

    def counts(self, months: Months) -> Counts:
        """What the contract counts: its beginning, the ends of its terms, what they bring, and its end.

        Ends that are still to come lie in months that are not over.
        """
        terms = self.terms(months.zone)
        lived, end = self._lived(terms)
        if self.started is None or not lived:
            return {}
        begun = months.of(self.started.at)
        ended = max(begun, months.of(end))
        found: Counter[tuple[int, int]] = Counter()
        found[begun, Kind.CONTRACTS] = 1
        found[ended, Kind.ENDED if ended > begun else Kind.ENDED_AT_ONCE] = 1
        for number, each in enumerate(terms):
            month = months.of(each.end)
            found[month, Kind.TERMS] += 1
            found[month, Kind.RENEWALS] += number < len(self.renewals)
        _count_amounts(found, lived, ended, months)
        return found


def _count_amounts(found: Counter[tuple[int, int]], terms: list[Term], ended: int, months: Months) -> None:
    """Add what the terms of a contract bring.

    Args:
        found: takes it.
        terms: those that begin before the contract ends, the first in any case.
        ended: the month in which it ends.
        months: whose calendar.
    """
    valued, monthly, begun = 0, 0, months.of(terms[0].begin)
    for each in terms:
        brings = 0 if each.micros is None else monthly_amount(each.micros, each.term)
        month = months.of(each.begin)
        found[month, Kind.VALUED] += (each.micros is not None) - valued
        found[month, Kind.MONTHLY] += brings - monthly
        valued, monthly = int(each.micros is not None), brings
        found[max(begun, months.of(each.said)), Kind.BILLED] += each.micros or 0
    found[ended, Kind.VALUED] -= valued
    found[ended, Kind.MONTHLY] -= monthly

"""A conversion remembered with its credits, and what a new decision changes in the sums of each view.

A conversion is a lead with its stages, or an order with its refunds and its cancellation. What it counts is told as
parts, each with its own event time; every part follows the credits of the conversion, so that refunds are taken back from
whoever was credited. It remembers its path: a late touch joins it even when the other touches have been forgotten.
Counts become millionths; money is split by the credits so that it adds up exactly.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from metrics.apportion import split
from metrics.attribution.models import Credits, Path, Rules, Touch, credit, credited_from, path_of
from metrics.contribution import Contribution, difference
from metrics.tally import Tally

#: Views named so count each part at the time of the first credited touch, not at its own.
COHORT = "_cohort"


_SUMS = Tally.__struct_fields__
_SEPARATOR = "\uffff"
_NEW_CUSTOMER = Tally(new_customers=1)


class Part(NamedTuple):
    """Something that a conversion counts, at its own event time."""

    at: int
    tally: Tally


class Decision(NamedTuple):
    """Who is credited in one view, and since when: the event time of its first credited touch, if any."""

    credits: Credits
    cohort_at: int | None


class Conversion(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of a conversion.

    Attributes:
        at: its event time; only touches strictly before it earn credit.
        ids: hashes of the ids that its records named.
        parts: what it counts.
        is_first: whether it is the first order of a customer, who counts as new.
        path: the touches it was last decided on.
        decisions: by view; None while it waits for the clicks to reach its time.
        generation: of the set of views when it was decided; a view that was switched on later is not decided.
    """

    at: int
    ids: tuple[int, ...]
    parts: tuple[Part, ...]
    is_first: bool = False
    path: Path = ()
    decisions: dict[str, Decision] | None = None
    generation: int = 0

    @property
    def latest(self) -> int:
        """The latest event time kept, by which the entry expires."""
        return max((part.at for part in self.parts), default=self.at)

    @property
    def lag(self) -> int | None:
        """Milliseconds from the first touch of its path to it; None where it has none or waits."""
        return self.at - self.path[0].at if self.path and self.decisions is not None else None


def decide(
    conversion: Conversion, touches: Iterable[Touch], rules: Rules, effects: Mapping[str, float]
) -> Conversion:
    """The conversion credited by its remembered touches and those found now.

    A touch that is both remembered and found is one touch.
    """
    found = Counter(touches)
    if conversion.path:
        found |= Counter(conversion.path)
    path = path_of(found.elements(), conversion.at, rules)
    decisions = {}
    for view in rules.models:
        model = view.removesuffix(COHORT)
        since = credited_from(model, path, rules, effects) if view.endswith(COHORT) else None
        decisions[view] = Decision(credit(model, path, rules, effects), since)
    return msgspec.structs.replace(conversion, path=path, decisions=decisions)


def contributions(conversion: Conversion | None, view: str) -> list[Contribution]:
    """Where and when a conversion counts in a view; nowhere while it waits."""
    if conversion is None or conversion.decisions is None or view not in conversion.decisions:
        return []
    credits_, cohort_at = conversion.decisions[view]
    parts = conversion.parts
    if conversion.is_first:
        parts = (*parts, Part(conversion.at, _NEW_CUSTOMER))
    return [
        Contribution(campaign, part.at if cohort_at is None else cohort_at, share)
        for part in parts
        for campaign, share in shares(part.tally, credits_)
    ]


def subject(campaign: str, view: str) -> str:
    """The name under which the sums of a campaign in a view are kept beside the declared ones, of the same campaign.

    The separator is a noncharacter, which Unicode keeps out of interchange.

    >>> split_subject(subject("c", "linear")), split_subject("c")
    (('c', 'linear'), ('c', None))
    """
    return f"{campaign}{_SEPARATOR}{view}"


def split_subject(name: str) -> tuple[str, str | None]:
    """Campaign and view of a subject; no view where it is the name of a campaign."""
    campaign, separator, view = name.partition(_SEPARATOR)
    return campaign, view if separator else None


def changes(before: Conversion | None, after: Conversion | None, view: str) -> list[Contribution]:
    """What the sums of a view change by when a conversion changes."""
    if before == after:
        return []
    return difference(contributions(before, view), contributions(after, view))


def shares(tally: Tally, credits_: Credits) -> list[tuple[str, Tally]]:
    """A tally divided by credits: counts in millionths, money in micros that add up to the whole.

    >>> [(name, part.orders, part.revenue_micros) for name, part in
    ...     shares(Tally(orders=1, revenue_micros=10), (("a", 750_000), ("b", 250_000)))]
    [('a', 750000, 8), ('b', 250000, 2)]
    """
    weights = [weight for _, weight in credits_]
    values = {name: value for name in _SUMS if (value := getattr(tally, name))}
    columns = {
        name: split(value, weights) if name.endswith("_micros") else [value * weight for weight in weights]
        for name, value in values.items()
    }
    return [
        (campaign, Tally(**{name: column[index] for name, column in columns.items()}))
        for index, (campaign, _) in enumerate(credits_)
    ]

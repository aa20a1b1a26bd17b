"""A conversion remembered with its path, and what it counts in the sums of each model.

A conversion is a lead with its stages, or an order with its refunds and its cancellation. What it counts are
parts, each with its own event time; every part follows the credits of the conversion, so that refunds are taken back from
whoever was credited. It remembers its path: a late touch joins it even when the other touches have been forgotten.
Counts become millionths; money is split by the credits so that it adds up exactly. ``metrics.attribution.batch_credit`` does
the same for many conversions at once.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from metrics.attribution.models import (
    MARKOV,
    WHOLE,
    AttributionRules,
    Credits,
    Path,
    by_campaign,
    parts_of,
    since,
)
from metrics.sums.contribution import Contribution
from metrics.sums.tally import Tally
from metrics.values.apportion import split

#: Models named so count each part at the time of the first credited touch, not at its own.
COHORT = "_cohort"


_NEW_CUSTOMER = Tally(new_customers=1)


class ConversionPart(NamedTuple):
    """Something that a conversion counts, at its own event time."""

    at: int
    tally: Tally


class CreditDecision(NamedTuple):
    """Who is credited in one model, and since when: the event time of its first credited touch, if any."""

    credits: Credits
    cohort_at: int | None


class Conversion(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is remembered of a conversion.

    Credits are not: they follow from the path, and for the data-driven model from the shares it gave.

    Attributes:
        at: its event time; only touches strictly before it earn credit.
        ids: hashes of the ids that its records named.
        parts: what it counts.
        is_first: whether it is the first order of a customer, who counts as new.
        path: the touches it was last decided on, packed as ``touchpoints.PATH``.
        generation: number of the rules with which it was credited; None while it waits for the clicks to reach its time. In a
            model that was switched on later it is not credited.
        shares: millionths that the data-driven model gave each touch, as packed int32; empty where the path has no two.
        kept: an erased person's decisions by model, since their path is gone.
        settled: as it was last counted, where it has changed since and waits to be settled.
    """

    at: int
    ids: tuple[int, ...]
    parts: tuple[ConversionPart, ...]
    is_first: bool = False
    path: bytes = b""
    generation: int | None = None
    shares: bytes = b""
    kept: dict[str, CreditDecision] | None = None
    settled: "Conversion | None" = None

    @property
    def latest(self) -> int:
        """The latest event time kept, by which the entry expires."""
        return max([part.at for part in self.parts], default=self.at)

    @property
    def counted(self) -> tuple[ConversionPart, ...]:
        """What it counts, a new customer included."""
        return (*self.parts, ConversionPart(self.at, _NEW_CUSTOMER)) if self.is_first else self.parts


def decisions(
    path: Path,
    models: Iterable[str],
    rules: AttributionRules,
    effects: Mapping[str, float],
    shares_: Iterable[int] | None = None,
) -> dict[str, CreditDecision]:
    """Who is credited for a path in some models.

    Args:
        path: the touches that may earn credit.
        models: their names, each also with ``COHORT`` behind it.
        rules: what the models depend on.
        effects: those of the data-driven model's fit.
        shares_: what the data-driven model gives each touch, where that is decided already.
    """
    found = {}
    for model in models:
        base = model.removesuffix(COHORT)
        is_given = base == MARKOV and shares_ is not None
        parts = list(shares_ or ()) if is_given else parts_of(base, path, rules, effects)
        if is_given and len(path) == 1:
            parts = [WHOLE]
        found[model] = CreditDecision(by_campaign(path, parts), since(path, parts) if model != base else None)
    return found


def contributions(parts: Iterable[ConversionPart], decision: CreditDecision) -> list[Contribution]:
    """Where and when parts of a conversion count by a decision."""
    return [
        Contribution(campaign, part.at if decision.cohort_at is None else decision.cohort_at, share)
        for part in parts
        for campaign, share in shares(part.tally, decision.credits)
    ]


def shares(tally: Tally, credits_: Credits) -> list[tuple[str, Tally]]:
    """A tally divided by credits: counts in millionths, money in micros that add up to the whole.

    >>> [(name, part.orders, part.revenue_micros) for name, part in
    ...     shares(Tally(orders=1, revenue_micros=10), (("a", 750_000), ("b", 250_000)))]
    [('a', 750000, 8), ('b', 250000, 2)]
    """
    weights = [weight for _, weight in credits_]
    values = {name: value for name in Tally.__struct_fields__ if (value := getattr(tally, name))}
    columns = {
        name: split(value, weights) if name.endswith("_micros") else [value * weight for weight in weights]
        for name, value in values.items()
    }
    return [
        (campaign, Tally(**{name: column[index] for name, column in columns.items()}))
        for index, (campaign, _) in enumerate(credits_)
    ]

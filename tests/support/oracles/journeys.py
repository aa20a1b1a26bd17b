"""What the attribution models must show after a stream of source records, one conversion after the other.

It shares no code with the product: persons are what is left when sets with a common id are united, a path is a sorted list, credits
are fractions. Holds for records that are valid and not too late, and for persons that nobody asked to forget. The
data-driven model is not computed: it divides a conversion by what was known when it was decided.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from tests.support.oracles.cells import COST_FIELDS, FIELDS, Expected, count
from tests.support.oracles.stream import NO_CAMPAIGN, Conversion, Part, Stream, conversions, instant

WHOLE = 1_000_000
COHORT = "_cohort"
#: A path keeps its first touch and its last ones.
LONGEST = 100
#: What the models divide.
CREDITED = tuple(name for name in FIELDS if name not in COST_FIELDS)
Id = tuple[str, str]


class Touch(NamedTuple):
    """A click or an impression, in the order of a path."""

    at: int
    is_click: bool
    campaign: str
    channel: str


class Reach(NamedTuple):
    """How far back a click and an impression may lie, and the half-life of ``time_decay``; in milliseconds."""

    click: int
    impression: int
    half_life: int


Weigh = Callable[[Sequence[Touch], Reach], list[int]]


def credited(
    records: list[tuple[str, dict[str, Any]]], views: Iterable[str], reach: Reach
) -> dict[str, Expected]:
    """Sums of each view per campaign and window; counts in millionths, money in micros.

    Args:
        records: as ``stream.expected`` takes them.
        views: models of ``MODELS``, each also with ``_cohort`` behind its name.
        reach: lookbacks and half-life.
    """
    stream = Stream(records, "EUR")
    everything = conversions(stream)
    paths = list(zip(everything, _paths(stream, everything, reach), strict=True))
    return {view: _counted(paths, view, reach) for view in views}


def _counted(paths: list[tuple[Conversion, list[Touch]]], view: str, reach: Reach) -> Expected:
    cells: Expected = {}
    weigh = MODELS[view.removesuffix(COHORT)]
    for conversion, path in paths:
        shares = divided(WHOLE, weigh(path, reach)) if path else []
        begun = next((touch.at for touch, share in zip(path, shares, strict=True) if share), None)
        for part in conversion.parts:
            at = begun if begun is not None and view.endswith(COHORT) else part.at
            _count(cells, part, at, _by_campaign(path, shares))
    return cells


def _count(cells: Expected, part: Part, at: int, credits_: dict[str, int]) -> None:
    for name, value in part.sums.items():
        weights = list(credits_.values())
        is_money = name.endswith("_micros")
        values = divided(value, weights) if is_money else [value * weight for weight in weights]
        for campaign, share in zip(credits_, values, strict=True):
            count(cells, campaign, at, **{name: share})


def _by_campaign(path: list[Touch], shares: list[int]) -> dict[str, int]:
    """Millionths of each campaign, in order of name."""
    sums: dict[str, int] = defaultdict(int)
    for touch, share in zip(path, shares, strict=True):
        sums[touch.campaign] += share
    return {name: sums[name] for name in sorted(sums) if sums[name]} or {NO_CAMPAIGN: WHOLE}


def divided(whole: int, weights: Sequence[int]) -> list[int]:
    """Largest remainder: what is left over goes to the largest fractions, of equal ones to the first."""
    quotas = [Fraction(abs(whole) * weight, sum(weights)) for weight in weights]
    parts = [int(quota) for quota in quotas]
    by_rest = sorted(range(len(parts)), key=lambda index: (parts[index] - quotas[index], index))
    for index in by_rest[: abs(whole) - sum(parts)]:
        parts[index] += 1
    return parts if whole >= 0 else [-part for part in parts]


def _paths(stream: Stream, everything: list[Conversion], reach: Reach) -> Iterator[list[Touch]]:
    of_visitor: dict[str, list[Touch]] = defaultdict(list)
    for topic in ("ad-clicks", "ad-impressions"):
        for record in stream.of(topic):
            at, is_click = instant(record["occurred_at"]), topic == "ad-clicks"
            touch = Touch(at, is_click, record["campaign_id"], record.get("channel") or "")
            of_visitor[record.get("visitor_id") or ""].append(touch)
    people = _people(conversion.ids for conversion in everything)
    for at, ids, _ in everything:
        whole = next((person for person in people if ids & person), set())
        touches = [touch for name, text in whole if name == "visitor_id" for touch in of_visitor[text]]
        path = sorted(touch for touch in touches if at is not None and _is_reached(touch, at, reach))
        yield path if len(path) <= LONGEST else [path[0], *path[1 - LONGEST :]]


def _is_reached(touch: Touch, at: int, reach: Reach) -> bool:
    return at - (reach.click if touch.is_click else reach.impression) <= touch.at < at


def _people(named: Iterable[set[Id]]) -> list[set[Id]]:
    """Sets with an id in common, united until none are left."""
    people: list[set[Id]] = []
    for ids in named:
        mine = [person for person in people if person & ids]
        people = [person for person in people if not person & ids]
        people.append(ids.union(*mine))
    return people


def _time_decay(path: Sequence[Touch], reach: Reach) -> list[int]:
    """2^(-age / half-life) in units of 2^-40, the exponent to 24 binary digits."""
    halvings = [(path[-1].at - touch.at) * 2**24 // reach.half_life for touch in path]
    return [round(2.0 ** (40 - halving / 2**24)) for halving in halvings]


def _position_based(path: Sequence[Touch], _: Reach) -> list[int]:
    inner = len(path) - 2
    return [1] * len(path) if inner < 1 else [2 * inner, *[1] * inner, 2 * inner]


def _only(path: Sequence[Touch], index: int) -> list[int]:
    return [int(at == index) for at in range(len(path))]


def _last_non_direct(path: Sequence[Touch], _: Reach) -> list[int]:
    others = [index for index, touch in enumerate(path) if touch.channel.lower() != "direct"]
    return _only(path, max(others, default=len(path) - 1))


MODELS: dict[str, Weigh] = {
    "last_touch": lambda path, _: _only(path, len(path) - 1),
    "first_touch": lambda path, _: _only(path, 0),
    "linear": lambda path, _: [1] * len(path),
    "position_based": _position_based,
    "time_decay": _time_decay,
    "last_non_direct": _last_non_direct,
}

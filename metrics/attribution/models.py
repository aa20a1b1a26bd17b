"""Attribution models: how the credit of one conversion is divided among the touches of its path.

Every model gives integer millionths that add up to exactly 1 000 000, rounded by largest remainder. A model
sees one conversion and its path, never a customer's lifetime, and no touch that is not strictly before the conversion.
Definitions follow common usage: position-based as 40/20/40, time decay by a half-life.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from math import sqrt
from typing import NamedTuple

import msgspec

from metrics.records.events import DIRECT, NO_CAMPAIGN
from metrics.values.apportion import split
from metrics.values.time import DAY

WHOLE = 1_000_000
MARKOV = "markov"
#: A path remembers its first touch and its last ones; only machines make longer ones.
MAX_PATH = 100

_FINE = 1 << 40
#: 2^(−1/2), 2^(−1/4), … of as many binary digits as an exponent is taken to.
ROOTS = tuple(accumulate(range(23), lambda root, _: sqrt(root), initial=sqrt(0.5)))


class Touch(NamedTuple):
    """A click, or an impression that was seen; the order of the fields is the order in a path.

    At one instant an impression comes before a click. Touches that are equal in all fields earn the same, so that
    their order cannot matter.
    """

    at: int
    is_click: bool
    campaign: str
    channel: str = ""


Path = tuple[Touch, ...]
#: Campaigns with their millionths, by name; together 1 000 000.
Credits = tuple[tuple[str, int], ...]

#: What cannot be credited.
UNCREDITED: Credits = ((NO_CAMPAIGN, WHOLE),)


class AttributionRules(msgspec.Struct, frozen=True):
    """What credits depend on besides the facts; durations in milliseconds.

    Attributes:
        models: names of the models that are computed.
        lookback: how long before a conversion a click may earn credit.
        view_lookback: the same of an impression.
        half_life: of ``time_decay``: a touch that much earlier weighs half.
        customer_models: models, of those that are computed, whose greatest parts say which campaign acquired a customer.
    """

    models: tuple[str, ...] = ()
    lookback: int = 30 * DAY
    view_lookback: int = DAY
    half_life: int = 7 * DAY
    customer_models: tuple[str, ...] = ()

    def reach(self, *, is_click: bool) -> int:
        """The lookback of a kind of touch."""
        return self.lookback if is_click else self.view_lookback


def path_of(touches: Iterable[Touch], converted_at: int, rules: AttributionRules) -> Path:
    """The touches that may earn credit of a conversion, in order: strictly before it, within the lookback.

    A path of more than ``MAX_PATH`` keeps its first touch and its last ones.

    >>> path_of([Touch(5, True, "b"), Touch(9, True, "c"), Touch(2, True, "a")], 9, AttributionRules(lookback=4))
    (Touch(at=5, is_click=True, campaign='b', channel=''),)
    """
    path = sorted(
        touch
        for touch in touches
        if converted_at - rules.reach(is_click=touch.is_click) <= touch.at < converted_at
    )
    return tuple(path) if len(path) <= MAX_PATH else (path[0], *path[1 - MAX_PATH :])


def last_touch(path: Path) -> list[int]:
    """All to the last touch."""
    return [0] * (len(path) - 1) + [1]


def first_touch(path: Path) -> list[int]:
    """All to the first touch."""
    return [1] + [0] * (len(path) - 1)


def linear(path: Path) -> list[int]:
    """The same to each."""
    return [1] * len(path)


def position_based(path: Path) -> list[int]:
    """40 % to the first, 40 % to the last, 20 % divided among those between; of two touches half to each.

    >>> position_based((Touch(0, True, "a"), Touch(1, True, "b"), Touch(2, True, "c"), Touch(3, True, "d")))
    [4, 1, 1, 4]
    """
    between = len(path) - 2
    if between <= 0:
        return [1] * len(path)
    return [2 * between, *([1] * between), 2 * between]


def time_decay(path: Path, half_life: int) -> list[int]:
    """2^(−age / half-life), age counted back from the last touch: only the ratios of weights matter.

    >>> [weight >> 38 for weight in time_decay((Touch(0, True, "a"), Touch(7, True, "b")), half_life=7)]
    [2, 4]
    """
    newest = path[-1].at
    return [decayed(newest - touch.at, half_life) for touch in path]


def decayed(age: int, half_life: int) -> int:
    """2^(−age / half-life) in units of 2^−40, the exponent to 24 binary digits.

    It is made of single multiplications, which every machine rounds alike; libraries differ in the last digit of a power.

    >>> [decayed(age, 2) / 2**40 for age in (0, 2, 4)], round(decayed(1, 2) / 2**40, 9)
    ([1.0, 0.5, 0.25], 0.707106781)
    """
    halvings = (age << len(ROOTS)) // half_life
    weight = float(_FINE)
    for bit, root in enumerate(ROOTS, 1):
        if halvings >> (len(ROOTS) - bit) & 1:
            weight *= root
    return round(weight * 0.5 ** min(halvings >> len(ROOTS), 64))


def last_non_direct(path: Path) -> list[int]:
    """All to the last touch whose channel is not ``direct``; to the last touch where all are."""
    for index in range(len(path) - 1, -1, -1):
        if path[index].channel.lower() != DIRECT:
            return [int(at == index) for at in range(len(path))]
    return last_touch(path)


def by_effect(path: Path, effects: Mapping[str, float]) -> list[int]:
    """In proportion to the effect of each touch's campaign, counted once per campaign; alike where none is known.

    >>> by_effect((Touch(0, True, "a"), Touch(1, True, "b"), Touch(2, True, "b")), {"a": 0.5})
    [1, 0, 0]
    """
    visits: dict[str, int] = {}
    for touch in path:
        visits[touch.campaign] = visits.get(touch.campaign, 0) + 1
    known = {campaign: effects[campaign] for campaign in visits if effects.get(campaign, 0.0) > 0}
    if not known:
        return linear(path)
    if len(known) == 1:
        return [int(touch.campaign in known) for touch in path]
    found = [round(known.get(touch.campaign, 0.0) / visits[touch.campaign] * _FINE) for touch in path]
    return found if any(found) else linear(path)


_PLAIN: Mapping[str, Callable[[Path], list[int]]] = {
    "last_touch": last_touch,
    "first_touch": first_touch,
    "linear": linear,
    "position_based": position_based,
    "last_non_direct": last_non_direct,
}
#: Every model, in the order they are shown.
MODELS = ("last_touch", "first_touch", "linear", "position_based", "time_decay", "last_non_direct", MARKOV)


def weights(model: str, path: Path, rules: AttributionRules, effects: Mapping[str, float]) -> list[int]:
    """What each touch of a path weighs in a model; ``effects`` are those of the data-driven model's fit.

    Raises:
        KeyError: when there is no such model.
    """
    if model == "time_decay":
        return time_decay(path, rules.half_life)
    return by_effect(path, effects) if model == MARKOV else _PLAIN[model](path)


def parts_of(model: str, path: Path, rules: AttributionRules, effects: Mapping[str, float]) -> list[int]:
    """The millionths that each touch of a path earns."""
    return split(WHOLE, weights(model, path, rules, effects)) if path else []


def credit(model: str, path: Path, rules: AttributionRules, effects: Mapping[str, float]) -> Credits:
    """The credits of one conversion by campaign; all to ``(none)`` where the path is empty.

    >>> credit("linear", (Touch(0, True, "a"), Touch(1, True, "b"), Touch(2, True, "a")), AttributionRules(), {})
    (('a', 666667), ('b', 333333))
    """
    return by_campaign(path, parts_of(model, path, rules, effects))


def credited_from(
    model: str, path: Path, rules: AttributionRules, effects: Mapping[str, float]
) -> int | None:
    """Event time of the first touch that earns credit: the cohort of the conversion; None where none does."""
    return since(path, parts_of(model, path, rules, effects))


def since(path: Path, parts: Sequence[int]) -> int | None:
    """Event time of the first touch with a part."""
    return next((touch.at for touch, part in zip(path, parts, strict=True) if part > 0), None)


def by_campaign(path: Path, parts: Sequence[int]) -> Credits:
    """The parts of the touches added up, by name of campaign."""
    if not path:
        return UNCREDITED
    sums: dict[str, int] = {}
    for touch, part in zip(path, parts, strict=True):
        if part:
            sums[touch.campaign] = sums.get(touch.campaign, 0) + part
    return tuple(sorted(sums.items()))

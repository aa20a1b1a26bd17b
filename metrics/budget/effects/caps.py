"""How many writes an hour and a day may go to the platforms, beside the guards of the board. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from metrics.values.time import DAY, HOUR


class Caps(NamedTuple):
    """Most writes within any hour, and within any day; over all platforms together."""

    per_hour: int = 30
    per_day: int = 200


def free_at(caps: Caps, sent: Iterable[int], now: int) -> int:
    """The instant from which one more write keeps the caps; ``now`` where it does already.

    >>> free_at(Caps(1, 2), [0], 1_000), free_at(Caps(1, 2), [0, HOUR], 2 * HOUR)
    (3600000, 86400000)
    """
    times = sorted(sent)
    found = now
    for most, width in ((caps.per_hour, HOUR), (caps.per_day, DAY)):
        within = [at for at in times if at > now - width]
        if len(within) >= most:
            found = max(found, within[-most] + width)
    return found

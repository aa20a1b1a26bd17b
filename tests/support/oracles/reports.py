"""What reports of one campaign count, by cutting time at every start and end and asking of each piece who counts there.

For reports of campaigns as a whole, of sources that read different accounts.
"""

from itertools import pairwise
from typing import NamedTuple

HOUR, DAY = 3_600_000, 86_400_000
GRAINS = (HOUR, 3 * DAY, 10 * DAY)
PARTS = (300_000, 1_800_000, 4 * HOUR, DAY)


class Version(NamedTuple):
    """A report as it came; ``values`` by name of the sum, without those that it leaves out."""

    source: str
    start: int
    end: int
    version: tuple[int, ...]
    seen_until: int
    values: dict[str, int]

    @property
    def grain(self):
        return sum(self.end - self.start > longest for longest in GRAINS)

    @property
    def covered(self):
        return self.seen_until if self.start < self.seen_until < self.end else self.end

    @property
    def length(self):
        return self.end - self.start


class Standing:
    """The versions of one report: what had come by an instant, by name."""

    def __init__(self, versions):
        ordered = sorted(versions, key=lambda each: each.version)
        self.newest = ordered[-1]
        self.width = PARTS[self.newest.grain]
        self.ordered = ordered

    def _part(self, version):
        return (version.covered - 1) // self.width

    def points(self, name):
        """The versions that decide of a sum, in order of time, and until when each tells."""
        ends = {self._part(each): each.covered for each in self.ordered}  # the highest stays
        tellers = {self._part(each): each for each in self.ordered if name in each.values}
        last = max(tellers.values(), key=lambda each: each.version, default=None)
        return [
            (tellers[part], ends[part])
            for part in sorted(tellers)
            if tellers[part] is last or ends[part] < ends[self._part(last)]
        ]

    def by(self, name, at):
        start = self.newest.start
        if at <= start:
            return 0
        points = self.points(name)
        before, value = start, 0
        for place, (_, covered) in enumerate(points):
            until = min(later.values[name] for later, _ in points[place:])
            if at < covered:
                return value + (until - value) * (at - before) // (covered - before)
            before, value = covered, until
        return value


def pieces(versions):
    """Where each report counts: (standing, start, end), apart for each source."""
    groups = {}
    for each in versions:
        groups.setdefault((each.source, each.start, each.grain), []).append(each)
    standing = [Standing(group) for group in groups.values()]
    found = []
    for source in {each.source for each in versions}:
        found += _pieces([each for each in standing if each.newest.source == source])
    return found


def _pieces(standing):
    edges = sorted({edge for each in standing for edge in (each.newest.start, each.newest.covered)})
    cuts = list(pairwise(edges))
    since = {}
    for each in standing:
        mine, finer = each.newest, [o.newest for o in standing if o.newest.length < each.newest.length]
        below = [o for o in finer if o.start < mine.covered and o.covered > mine.start]
        gaps = [
            low
            for low, high in cuts
            if mine.start <= low
            and high <= mine.covered
            and not any(o.start <= low and high <= o.covered for o in below)
        ]
        if not gaps:
            continue
        rest = mine.covered - gaps[0]
        goes_on = mine.covered < mine.end and any(rest <= o.length for o in below)
        since[id(each)] = gaps[0] if goes_on else mine.start
    for low, high in cuts:
        there = [
            each
            for each in standing
            if id(each) in since and since[id(each)] <= low and high <= each.newest.covered
        ]
        if there:
            yield max(there, key=lambda each: (each.newest.length, each.newest.version)), low, high

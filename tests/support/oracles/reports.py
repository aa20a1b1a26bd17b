"""What reports of one campaign count, by cutting time at every start and end and asking of each piece who counts there.

For reports of campaigns as a whole, of sources that read different accounts.
"""

from itertools import pairwise
from typing import NamedTuple

HOUR, DAY = 3_600_000, 86_400_000
GRAINS = (HOUR, 3 * DAY, 10 * DAY)
PARTS = (300_000, 1_800_000, 4 * HOUR, DAY)


class Version(NamedTuple):
    """A report as it came; ``values`` by name of the sum, without those that it leaves out.

    ``version`` begins with when the report was made; of reports that do not say so, with how much time they cover below all dates.
    """

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
    """The versions of one report that tell some figures: what had come by an instant, by name."""

    def __init__(self, versions):
        self.newest = max(versions, key=lambda each: each.version)
        remembered = remembered_of(versions)
        remembered.pop(part_of(self.newest))
        self.earlier = sorted(
            (each for each in remembered.values() if each.covered < self.newest.covered),
            key=lambda each: each.covered,
        )
        #: Versions that tell of a time behind the newest, the newest of them first; plans have given way.
        self.behind = sorted(
            (
                each
                for each in remembered.values()
                if each.covered > self.newest.covered and each.seen_until >= each.covered
            ),
            key=lambda each: each.version,
            reverse=True,
        )
        self.last_end = max(each.covered for each in (self.newest, *self.behind))

    @property
    def counting(self):
        """The versions that decide of what counts."""
        return [*self.earlier, self.newest, *self.behind]

    def curve(self, name):
        """Instants in order, and what had come by each of them."""
        known = [*self.earlier, self.newest]
        points = [(self.newest.start, 0)] + [
            (each.covered, min(later.values[name] for later in known[place:]))
            for place, each in enumerate(known)
        ]
        for each in self.behind:
            before = max(point for point in points if point[0] < each.covered)
            after = min((point for point in points if point[0] > each.covered), default=None)
            value = max(each.values[name], before[1])
            points.append((each.covered, value if after is None else min(value, after[1])))
        return sorted(points)

    def by(self, name, at):
        curve = self.curve(name)
        for (before, old), (until, new) in pairwise(curve):
            if at < until:
                return old + (new - old) * max(0, at - before) // (until - before)
        return curve[-1][1]


def part_of(version):
    return (version.covered - 1) // PARTS[version.grain]


def remembered_of(versions):
    """Of the versions of a report, by part of its period, the highest that ends there."""
    return {part_of(each): each for each in sorted(versions, key=lambda each: each.version)}


def telling(versions, name):
    """The versions of one report that tell a figure; each ends where the version ends that is remembered of its part."""
    ends = {part: each.covered for part, each in remembered_of(versions).items()}
    last = max(versions, key=lambda each: each.version).end
    if all(name in each.values for each in versions):
        return versions
    return [
        each._replace(end=max(last, ends[part_of(each)]), seen_until=ends[part_of(each)])
        for each in remembered_of([each for each in versions if name in each.values]).values()
    ]


def pieces(versions, name):
    """Where each report counts of a figure: (standing, start, end), apart for each source, as if no other report had come."""
    groups = {}
    for each in versions:
        groups.setdefault((each.source, each.start, each.grain), []).append(each)
    standing = [Standing(told) for group in groups.values() if (told := telling(group, name))]
    found = []
    for source in {each.source for each in versions}:
        mine = [each for each in standing if each.newest.source == source]
        found += [*_pieces(mine), *_behind(mine)]
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


def _behind(standing):
    """Pieces behind the end of a report, which earlier versions tell of and no other report does."""
    edges = {each.newest.start for each in standing} | {each.newest.covered for each in standing}
    cuts = list(pairwise(sorted(edges | {each.last_end for each in standing})))
    for each in standing:
        others = [(o.newest.start, o.newest.covered) for o in standing if o is not each] + [
            (o.newest.covered, o.last_end) for o in standing if o.newest.version > each.newest.version
        ]
        for low, high in cuts:
            is_mine = each.newest.covered <= low and high <= each.last_end
            if is_mine and not any(start <= low and high <= end for start, end in others):
                yield each, low, high

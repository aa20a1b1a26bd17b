"""Who is the same person: ids that records name together belong together, whatever the order they came in.

A lead that carries a ``visitor_id`` joins its ``lead_id`` to the visitor; an order joins its customer, its lead and its
visitor. Ids are 64-bit hashes in domains of their own; persons are the connected components. Links are never taken
back, except by erasing a person.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from metrics.values.hashing import VISITOR_SEED, hash_id, seed_of
from metrics.values.time import DAY

#: More ids are no person but a shared till or a test account; a link past it is not made.
MAX_IDS = 256


_LEAD_SEED, _CUSTOMER_SEED = seed_of("lead"), seed_of("customer")


def visitor_hash(visitor_id: str) -> int:
    """64-bit hash of a ``visitor_id``, as touches carry it; never 0, which is nobody."""
    return hash_id(visitor_id, VISITOR_SEED)


def lead_hash(lead_id: str) -> int:
    """64-bit hash of a ``lead_id``."""
    return hash_id(lead_id, _LEAD_SEED)


def customer_hash(customer_id: str) -> int:
    """64-bit hash of a ``customer_id``."""
    return hash_id(customer_id, _CUSTOMER_SEED)


class Person(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Ids that belong to one person; ``latest`` is the event time of the latest record that named one."""

    latest: int
    ids: tuple[int, ...]


class JoinedPerson(NamedTuple):
    """A person that was joined: its root, and the persons it was made of by their roots, each with its ids."""

    root: int
    parts: Mapping[int, tuple[int, ...]]


class IdentityGraph:
    """The persons of one partition that have more than one id, each under one of them, its root.

    >>> people = IdentityGraph()
    >>> people.link([1, 2], at=5), people.link([2, 1], at=6), people.link([3, 2], at=6)
    (JoinedPerson(root=1, parts={1: (1,), 2: (2,)}), None, JoinedPerson(root=1, parts={3: (3,), 1: (1, 2)}))
    >>> sorted(people.ids(3))
    [1, 2, 3]
    >>> people.root(2) == people.root(3), people.root(9)
    (True, 9)
    """

    def __init__(self) -> None:
        self.persons: dict[int, Person] = {}
        self._roots: dict[int, int] = {}
        self._by_day: dict[int, set[int]] = {}
        self._changed: set[int] = set()

    def root(self, hashed: int) -> int:
        """The root of an id's person; an id that was never linked is its own."""
        return self._roots.get(hashed, hashed)

    def ids(self, hashed: int) -> tuple[int, ...]:
        """All ids of an id's person."""
        person = self.persons.get(self.root(hashed))
        return (hashed,) if person is None else person.ids

    def link(self, ids: Iterable[int], at: int) -> JoinedPerson | None:
        """Join ids that one record names at event time ``at``.

        Returns:
            The person they are now, or None where nothing was joined that was apart.
        """
        roots, persons = self._roots, self.persons
        parts: dict[int, tuple[int, ...]] = {}
        for hashed in ids:
            known = roots.get(hashed, hashed)
            if known not in parts:
                person = persons.get(known)
                parts[known] = (hashed,) if person is None else person.ids
        if not parts:
            return None
        if len(parts) == 1:
            self._refresh(next(iter(parts)), at)
            return None
        root = -max([(len(part), -each) for each, part in parts.items()])[1]
        if sum(map(len, parts.values())) > MAX_IDS:
            self._refresh(root, at)
            return None
        self._join(root, parts, at)
        return JoinedPerson(root, parts)

    def _join(self, root: int, parts: Mapping[int, tuple[int, ...]], at: int) -> None:
        joined, latest = parts[root], at
        for each, part in parts.items():
            known = self.persons.get(each)
            if known is not None:
                latest = max(latest, known.latest)
            if each == root:
                if known is None:
                    self._roots[root] = root
                continue
            joined += part
            for hashed in part:
                self._roots[hashed] = root
            if known is not None:
                del self.persons[each]
                self._changed.add(each)
        self._keep(root, Person(latest, joined))

    def restore(self, root: int, person: Person) -> None:
        """Put back a person read from the changelog."""
        self._put(root, person)
        self._changed.discard(root)

    def forget(self, hashed: int) -> tuple[int, ...]:
        """Forget an id's person; return the ids it had."""
        ids, root = self.ids(hashed), self.root(hashed)
        if self.persons.pop(root, None) is not None:
            self._changed.add(root)
        for each in ids:
            self._roots.pop(each, None)
        return ids

    def expire(self, before: int) -> Iterator[tuple[int, ...]]:
        """Forget persons whose latest record is of a day that ended by ``before``; yield the ids they had."""
        for day in [day for day in self._by_day if (day + 1) * DAY <= before]:
            for root in self._by_day.pop(day):
                person = self.persons.get(root)
                if person is not None and person.latest // DAY <= day:
                    yield self.forget(root)

    @property
    def changes(self) -> int:
        """Persons changed since the last call of ``take_changes``."""
        return len(self._changed)

    def take_changes(self) -> list[tuple[int, Person | None]]:
        """Persons changed since the last call, by root; None for those that are no more."""
        changed, self._changed = self._changed, set()
        return [(root, self.persons.get(root)) for root in sorted(changed)]

    def _refresh(self, root: int, at: int) -> None:
        """A person that was seen again on a later day is kept longer."""
        person = self.persons.get(root)
        if person is not None and at // DAY > person.latest // DAY:
            self._keep(root, Person(at, person.ids))

    def _put(self, root: int, person: Person) -> None:
        self._roots.update(dict.fromkeys(person.ids, root))
        self._keep(root, person)

    def _keep(self, root: int, person: Person) -> None:
        self.persons[root] = person
        day = person.latest // DAY
        roots = self._by_day.get(day)
        if roots is None:
            roots = self._by_day[day] = set()
        roots.add(root)
        self._changed.add(root)

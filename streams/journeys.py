"""Journeys of one partition: touches come in by the batch, conversions one by one, credits come out.

Everything is settled once per slice: what changed (a conversion's own records, a late touch before it, an id that joined
its person) is decided anew, and the differences are told. Touches and conversions are both remembered, so that the
credits after any order of the same facts are the same. Free of I/O, like intake.
"""

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import msgspec

from metrics.attribution.crediting import Conversion, Decision, Part, changes, decide, subject
from metrics.attribution.identity import Identities
from metrics.attribution.journeys import Codes, Columns, Hashes, Instants, Places, TouchStore, Watchlist
from metrics.attribution.lag import LagCounts
from metrics.attribution.markov import Fit, Steps, fit_steps
from metrics.attribution.models import MARKOV, UNCREDITED, Rules, Touch
from metrics.contribution import Contribution
from metrics.panes import RETENTIONS
from metrics.timeline import DAY
from streams.tables import EntryTable

#: Kinds of conversions, the first letter of their keys.
LEAD, ORDER = "l", "o"
#: How long touches are kept beyond their lookback, so that a conversion that comes late still finds them.
LATE_CONVERSIONS = DAY
_RENEWED_AT_ONCE = 5_000


class Made(msgspec.Struct, array_like=True, frozen=True):
    """With which views the state was made.

    Attributes:
        generation: grows with every change of the set of views.
        since: each view, with the generation in which it was switched on: older decisions of that name mean nothing.
    """

    generation: int
    since: dict[str, int]

    def changed_to(self, views: Sequence[str]) -> "Made":
        """The same for a worker that computes these views.

        >>> Made(3, {"linear": 1, "markov": 2}).changed_to(["linear", "last_touch"])
        Made(generation=4, since={'linear': 1, 'last_touch': 4})
        """
        if set(views) == set(self.since):
            return self
        generation = self.generation + 1
        return Made(generation, {view: self.since.get(view, generation) for view in views})


class Batch(NamedTuple):
    """Clicks or impressions of one slice that were applied; codes are indexes into the texts, -1 is none."""

    visitors: Hashes
    at: Instants
    campaign_codes: Codes
    campaigns: Sequence[str]
    channel_codes: Codes
    channels: Sequence[str]


class Journeys:
    """What is remembered of people on one partition, and what each view counts."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.touches = {
            is_click: TouchStore(rules.reach(is_click=is_click) + LATE_CONVERSIONS)
            for is_click in (True, False)
        }
        self.places = Places()
        self.people = Identities()
        self.conversions: EntryTable[Conversion] = EntryTable("jc", Conversion)
        self.lags = {LEAD: LagCounts(), ORDER: LagCounts()}
        self.lags_changed = False
        self.fit = Fit()
        self.fit_changed = False
        self._steps = Steps()
        self._watched = Watchlist()
        self._of_person: dict[int, set[str]] = {}
        self._waiting: list[tuple[int, str]] = []
        #: Conversions to settle, as they were last settled.
        self._before: dict[str, Conversion | None] = {}
        self._tidied_on: int | None = None
        self.made = Made(0, dict.fromkeys(rules.models, 0))
        #: Conversions whose views are not all decided, since the set of views has changed.
        self._stale: list[str] = []
        self._undecided = {view: Decision(UNCREDITED, None) for view in rules.models}

    # --- taking in ---------------------------------------------------------------------------------

    def touch(self, batch: Batch, *, is_click: bool) -> None:
        """Remember the touches of a slice; conversions that they come before are settled anew."""
        if not batch.visitors.any():
            return
        places = self.places.encode(*batch[2:])
        columns = Columns(batch.visitors, batch.at, places)
        self.touches[is_click].insert(columns)
        for index in self._watched.earlier(batch.visitors, batch.at).tolist():
            self._reconsider(int(batch.visitors[index]), int(batch.at[index]), is_click=is_click)

    def convert(
        self, key: str, at: int, ids: Iterable[int], counted: Iterable[Contribution], seen_at: int
    ) -> None:
        """A record of a conversion was applied.

        Args:
            key: the conversion, by kind and id.
            at: its event time by all its records.
            ids: hashes of the ids that this record names.
            counted: what the conversion counts by all its records, wherever it was declared.
            seen_at: event time of this record.
        """
        named = tuple(ids)
        known = self._open(key)
        whose = tuple(sorted({*named, *(known.ids if known else ())}))
        parts = tuple(Part(each.at, each.tally) for each in counted)
        if known is None:
            after = Conversion(at, whose, parts)
        else:
            after = msgspec.structs.replace(known, at=at, ids=whose, parts=parts)
        self._join(whose, seen_at)
        if whose:
            self._of_person.setdefault(self.people.root(whose[0]), set()).add(key)
        self.conversions.put(key, after)

    def mark_first(self, key: str, *, is_first: bool) -> None:
        """An order became, or is no longer, the first of its customer."""
        known = self._open(key)
        if known is not None:
            self.conversions.put(key, msgspec.structs.replace(known, is_first=is_first))

    def settle(self, clicks_reached: int | None) -> list[Contribution]:
        """Decide what changed; what the sums of each subject change by.

        Args:
            clicks_reached: how far the clicks of the partition have come; None holds every new conversion back.
        """
        found: list[Contribution] = []
        while self._waiting and clicks_reached is not None and self._waiting[0][0] <= clicks_reached:
            self._open(heappop(self._waiting)[1])
        dirty, self._before = self._before, {}
        for key, before in dirty.items():
            known = self._get(key)
            if known is None:
                continue
            is_new = known.decisions is None
            if is_new and known.ids and (clicks_reached is None or clicks_reached < known.at):
                heappush(self._waiting, (known.at, key))
                continue
            found += self._decide(key, before, known)
        return found

    def refit(self, now: int) -> None:
        """Compute the effects of the data-driven model anew; decisions from now on follow them."""
        if not any(view.startswith(MARKOV) for view in self.rules.models):
            return
        names, codes = self.places.campaigns()
        others = self.touches[True].count_steps(codes, len(names), self._watched.visitors)
        self.fit = fit_steps(names, self._steps, others, now)
        self.fit_changed = True

    def forget(self, hashed: int) -> int:
        """Erase a person: touches, links, and what their conversions remember; what was counted stays.

        Args:
            hashed: the hash of any id of the person.

        Returns:
            How many touches were erased.
        """
        keys = self._of_person.pop(self.people.root(hashed), set())
        ids = self.people.forget(hashed)
        for key in keys:
            known = self._get(key)
            if known is not None:
                self._count_path(known, -1)
                self.conversions.put(key, msgspec.structs.replace(known, ids=(), path=()))
        return sum(store.erase(each) for store in self.touches.values() for each in ids)

    # --- keeping -----------------------------------------------------------------------------------

    @property
    def weight(self) -> int:
        """About how many bytes the next checkpoint takes."""
        touches = sum(store.fresh for store in self.touches.values())
        return 20 * touches + 400 * self.conversions.changes + 100 * self.people.changes

    def expire(self, reached: int, retention: int) -> None:
        """Forget the conversions and persons of the days that ended ``retention`` before the watermark."""
        before = reached - retention
        if self._tidied_on != before // DAY:
            self._tidied_on = before // DAY
            self._tidy(before, reached)

    def catch_up(self, made: Made) -> None:
        """Everything is restored: index it; what other views were made with waits to be credited anew."""
        self.made = made.changed_to(self.rules.models)
        for key, conversion in self.conversions.items():
            if conversion.ids:
                self._of_person.setdefault(self.people.root(conversion.ids[0]), set()).add(key)
            for each in self._ids_of(conversion):
                self._watched.note(each, conversion.at)
            if conversion.decisions is None:
                heappush(self._waiting, (conversion.at, key))
                continue
            self._count_path(conversion, 1)
            if set(self._of_views(conversion).decisions or ()) != set(self.rules.models):
                self._stale.append(key)

    @property
    def has_stale(self) -> bool:
        """Whether conversions wait to be credited in views that were switched on."""
        return bool(self._stale)

    def renew(self) -> None:
        """Let some of those be settled next, not more than a checkpoint holds."""
        for key in self._stale[:_RENEWED_AT_ONCE]:
            self._open(key)
        del self._stale[:_RENEWED_AT_ONCE]

    # --- inside ------------------------------------------------------------------------------------

    def _open(self, key: str) -> Conversion | None:
        """A conversion that will be settled, as it is now."""
        known = self._get(key)
        self._before.setdefault(key, known)
        return known

    def _join(self, ids: tuple[int, ...], at: int) -> None:
        apart = {self.people.root(each) for each in ids}
        joined = self.people.link(ids, at)
        if joined is None:
            return
        keys: set[str] = set()
        for root in apart:
            keys |= self._of_person.pop(root, set())
        self._of_person[joined] = keys
        for key in keys:
            if key in self.conversions:
                self._open(key)

    def _reconsider(self, visitor: int, at: int, *, is_click: bool) -> None:
        reach = self.rules.reach(is_click=is_click)
        for key in self._of_person.get(self.people.root(visitor), ()):
            known = self._get(key)
            if known is None or known.decisions is None:
                continue  # what waits will find it
            if known.at - reach <= at < known.at:
                self._before.setdefault(key, known)

    def _decide(self, key: str, before: Conversion | None, known: Conversion) -> list[Contribution]:
        ids = self._ids_of(known)
        for each in ids:
            self._watched.note(each, known.at)
        if known.ids or known.decisions is None:
            after = decide(known, self._found(ids, known.at), self.rules, self.fit.effects)
        else:  # an erased person's: what was decided stays
            after = msgspec.structs.replace(known, decisions={**self._undecided, **known.decisions})
        after = msgspec.structs.replace(after, generation=self.made.generation)
        self.conversions.put(key, after)
        for one, sign in ((before, -1), (after, 1)):
            self._count_lag(key, one, sign)
            self._count_path(one, sign)
        return [
            change._replace(campaign=subject(change.campaign, view))
            for view in self.rules.models
            for change in changes(before, after, view)
        ]

    def _ids_of(self, conversion: Conversion) -> tuple[int, ...]:
        return self.people.ids(conversion.ids[0]) if conversion.ids else ()

    def _found(self, ids: tuple[int, ...], at: int) -> Iterator[Touch]:
        for is_click, store in self.touches.items():
            since = at - self.rules.reach(is_click=is_click)
            for each in ids:
                for when, place in store.of(each, since, at):
                    yield self.places.touch(when, place, is_click=is_click)

    def _count_lag(self, key: str, conversion: Conversion | None, sign: int) -> None:
        if conversion is not None and conversion.lag is not None:
            self.lags[key[0]].count(conversion.lag, sign)
            self.lags_changed = True

    def _count_path(self, conversion: Conversion | None, sign: int) -> None:
        if conversion is not None and conversion.path:
            self._steps.count([touch.campaign for touch in conversion.path], sign)

    def _get(self, key: str) -> Conversion | None:
        known = self.conversions.get(key)
        return None if known is None else self._of_views(known)

    def _of_views(self, conversion: Conversion) -> Conversion:
        """A conversion without the decisions of views that are no more, or were switched off since."""
        if conversion.decisions is None or conversion.generation == self.made.generation:
            return conversion
        since, own = self.made.since, conversion.generation
        decisions = {
            view: decision
            for view, decision in conversion.decisions.items()
            if view in since and since[view] <= own
        }
        return msgspec.structs.replace(conversion, decisions=decisions)

    def _tidy(self, before: int, reached: int) -> None:
        for gone in self.conversions.expire(before):
            self._count_path(gone, -1)
        for _ in self.people.expire(before):
            pass
        self._watched.forget_before(reached - RETENTIONS[-1] - DAY)
        for root, keys in list(self._of_person.items()):
            keys.intersection_update([key for key in keys if key in self.conversions])
            if not keys:
                del self._of_person[root]

"""Journeys of one partition: touches come in by the batch, conversions one by one, credits come out.

What changed (a conversion's own records, a late touch before it, an id that joined its person) is gathered and settled
many at once: decided anew, and the differences are told. Touches and conversions are both remembered, so that the
credits after any order of the same facts are the same. Free of I/O, like intake.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice

import msgspec
import numpy as np

from metrics.attribution.batch_credit import MOST, CreditBatch, CreditedBatch, is_large, paths_of
from metrics.attribution.conversion_credit import Conversion, ConversionPart, CreditDecision
from metrics.attribution.conversion_lag import LEAD, ORDER, LagCounts
from metrics.attribution.identity_graph import IdentityGraph
from metrics.attribution.models import UNCREDITED, AttributionRules
from metrics.attribution.rule_versions import RuleHistory, RuleVersions, is_apart
from metrics.attribution.touch_store import ConvertedVisitors, Hashes, TouchStore
from metrics.attribution.touch_store import TouchColumns as Touches
from metrics.attribution.touchpoints import Instants, Touchpoints
from metrics.sums.contribution import Contribution, difference
from metrics.values.time import DAY
from metrics.windows.panes import RETENTIONS
from streams.stages.intake.attribution.facts import CreditChanges, GreatestParts, PersonIds, TouchBatch
from streams.stages.intake.attribution.markov_fit import DataDriven
from streams.state.keyed_table import KeyedTable

#: How long touches are kept beyond their lookback, so that a conversion that comes late still finds them.
LATE_CONVERSIONS = DAY
_RENEWED_AT_ONCE = 5_000


class _Change:
    """A conversion that waits to be settled: as it was last settled, and as it is now."""

    __slots__ = ("before", "now")

    def __init__(self, known: Conversion | None) -> None:
        self.before = known
        self.now = known


Settling = tuple[str, Conversion | None, Conversion]


class Journeys:
    """What is remembered of people on one partition, and what each model counts."""

    def __init__(self, rules: AttributionRules) -> None:
        self.rules = rules
        self.touches = {
            is_click: TouchStore(rules.reach(is_click=is_click) + LATE_CONVERSIONS)
            for is_click in (True, False)
        }
        self.touchpoints = Touchpoints()
        self.people = IdentityGraph()
        self.conversions: KeyedTable[Conversion] = KeyedTable("jc", Conversion)
        self.lags = {LEAD: LagCounts(), ORDER: LagCounts()}
        self.lags_changed = False
        self.data_driven = DataDriven(rules, self.touchpoints)
        self._watched = ConvertedVisitors()
        self._of_person: dict[int, set[str]] = {}
        self._waiting: list[tuple[int, str]] = []
        self._dirty: dict[str, _Change] = {}
        #: Those of them that the table does not have as they are now.
        self._unstored: set[str] = set()
        self._tidied_on: int | None = None
        self._rule_versions = RuleVersions(RuleHistory.by(rules), rules, self.touchpoints)
        #: Conversions that are not credited in all models, since the set of models has changed.
        self._stale: list[str] = []
        self._undecided = {model: CreditDecision(UNCREDITED, None) for model in rules.models}

    @property
    def rule_history(self) -> RuleHistory:
        """The rules with which conversions are credited now."""
        return self._rule_versions.rule_history

    # --- taking in ---------------------------------------------------------------------------------

    def touch(self, batch: TouchBatch, *, is_click: bool) -> None:
        """Remember the touches of a slice; conversions that they come before are settled anew."""
        if not batch.visitors.any():
            return
        touchpoints = self.touchpoints.encode(*batch[2:])
        self.insert(Touches(batch.visitors, batch.at, touchpoints), is_click=is_click)

    def insert(self, touches: Touches, *, is_click: bool) -> None:
        """Remember touches whose places are codes of ``touchpoints``; conversions that they come before are settled anew."""
        self.touches[is_click].insert(touches)
        for index in self._watched.earlier(touches.visitors, touches.at).tolist():
            self._reconsider(int(touches.visitors[index]), int(touches.at[index]), is_click=is_click)

    def convert(
        self, key: str, at: int, named: PersonIds, counted: Iterable[Contribution], seen_at: int
    ) -> None:
        """A record of a conversion was applied.

        Args:
            key: the conversion, by kind and id.
            at: its event time by all its records.
            named: the ids that this record names.
            counted: what the conversion counts by all its records, wherever it was declared.
            seen_at: event time of this record.
        """
        change = self._open(key)
        known = change.now
        ids = named.others if named.visitor is None else (named.visitor, *named.others)
        parts = tuple([ConversionPart(when, tally) for _, when, tally in counted])
        if known is None:
            change.now = Conversion(at, tuple(sorted(ids)), parts)
        else:
            whose = tuple(sorted({*ids, *known.ids}))
            change.now = msgspec.structs.replace(known, at=at, ids=whose, parts=parts)
        whose = change.now.ids
        if whose:
            root = self._join(whose, seen_at, named.others)
            keys = self._of_person.get(root)
            if keys is None:
                keys = self._of_person[root] = set()
            keys.add(key)

    def mark_first(self, key: str, *, is_first: bool) -> None:
        """An order became, or is no longer, the first of its customer."""
        change = self._open(key)
        if change.now is not None:
            change.now = msgspec.structs.replace(change.now, is_first=is_first)

    def known(self, key: str) -> Conversion | None:
        """A conversion as it is now, settled or not."""
        return self._dirty[key].now if key in self._dirty else self.conversions.get(key)

    def withdraw(self, key: str) -> None:
        """A conversion is credited elsewhere from now on: it counts nothing here, and is nobody's."""
        change = self._open(key)
        if change.now is not None:
            change.now = Conversion(change.now.at, (), (), generation=change.now.generation)

    @property
    def unsettled(self) -> int:
        """How many conversions wait to be settled."""
        return len(self._dirty)

    def settle(self, clicks_through: int | None) -> CreditChanges:
        """Decide what changed; what the sums of each subject change by.

        Args:
            clicks_through: how far the clicks of the partition have come; None holds every new conversion back.
        """
        while self._waiting and clicks_through is not None and self._waiting[0][0] <= clicks_through:
            self._open(heappop(self._waiting)[1])
        dirty, self._dirty = self._dirty, {}
        self._unstored.clear()
        decided: list[Settling] = []
        changes = CreditChanges()
        for key, change in dirty.items():
            before, now = change.before, change.now
            if now is None:
                continue
            is_new = now.generation is None
            if is_new and now.ids and (clicks_through is None or clicks_through < now.at):
                heappush(self._waiting, (now.at, key))
                if now is not before:
                    self.conversions.put(key, now)
            elif now.kept is not None and not now.ids:
                changes.apart += self._keep(key, before, now)
            else:
                decided.append((key, before, now))
        for start in range(0, len(decided), MOST):
            self._decide(decided[start : start + MOST], changes)
        return changes

    def begin_fit(self, now: int) -> None:
        """Begin to compute the effects of the data-driven model anew; decisions follow them when it is done."""
        self.data_driven.begin(self.touches[True], now)

    def go_on_fitting(self) -> None:
        """Do a part of that."""
        self.data_driven.go_on(self._watched)

    def forget(self, hashed: int) -> int:
        """Erase a person: touches, links, and what their conversions remember, as of the next settling.

        What was counted stays.

        Args:
            hashed: the hash of any id of the person.

        Returns:
            How many touches were erased.
        """
        keys = self._of_person.pop(self.people.root(hashed), set())
        ids = self.people.forget(hashed)
        for key in keys:
            change = self._open(key)
            if change.now is not None:
                kept = None if change.now.generation is None else self._rule_versions.decisions(change.now)
                change.now = msgspec.structs.replace(change.now, ids=(), path=b"", shares=b"", kept=kept)
        return sum(store.erase(each) for store in self.touches.values() for each in ids)

    # --- keeping -----------------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """Whether something waits for the next checkpoint."""
        rewritten = any(store.has_rewritten for store in self.touches.values())
        is_fitting = self.data_driven.fitting is not None
        return rewritten or self.has_stale or self.unsettled > 0 or is_fitting

    @property
    def unstored(self) -> int:
        """How many conversions the table does not have as they are now."""
        return len(self._unstored)

    def store(self) -> None:
        """Put what waits to be settled into the table, with what was counted of it, so that it waits after a restart too."""
        for key in self._unstored:
            before, now = self._dirty[key].before, self._dirty[key].now
            if before is not None and before.generation is not None and now is not None:
                now = msgspec.structs.replace(now, settled=before)
            if now is not None and now is not before:
                self.conversions.put(key, now)
        self._unstored.clear()

    def is_expiring(self, watermark: int, retention: int) -> bool:
        """Whether a day has ended that is to be forgotten; all is settled first."""
        return self._tidied_on != (watermark - retention) // DAY

    def expire(self, watermark: int, retention: int) -> None:
        """Forget the conversions and persons of the days that ended ``retention`` before the watermark."""
        if self.is_expiring(watermark, retention):
            self._tidied_on = (watermark - retention) // DAY
            self._tidy(watermark - retention, watermark)

    def catch_up(self, rule_history: RuleHistory) -> None:
        """Everything is restored: index it; what was credited with other models waits to be credited anew."""
        self._rule_versions = RuleVersions(rule_history.changed_to(self.rules), self.rules, self.touchpoints)
        newest = {kind: self.rule_history.oldest(is_order=kind == ORDER) for kind in (LEAD, ORDER)}
        items = iter(self.conversions.items())
        while some := list(islice(items, MOST)):
            self._watch([conversion for _, conversion in some])
            counted = [(conversion.settled or conversion).path for _, conversion in some]
            self.data_driven.count(counted, [1] * len(counted))
            for key, conversion in some:
                self._catch_up(key, conversion, newest[key[0]])

    @property
    def has_stale(self) -> bool:
        """Whether conversions wait to be credited in models that were switched on."""
        return bool(self._stale)

    def renew(self) -> None:
        """Let some of those be settled next, not more than a checkpoint holds."""
        for key in self._stale[:_RENEWED_AT_ONCE]:
            self._open(key)
        del self._stale[:_RENEWED_AT_ONCE]

    # --- inside ------------------------------------------------------------------------------------

    def _open(self, key: str) -> _Change:
        """A conversion that will be settled."""
        change = self._dirty.get(key)
        if change is None:
            change = self._dirty[key] = _Change(self.conversions.get(key))
        self._unstored.add(key)
        return change

    def _catch_up(self, key: str, conversion: Conversion, newest: int) -> None:
        if conversion.ids:
            self._of_person.setdefault(self.people.root(conversion.ids[0]), set()).add(key)
        if conversion.settled is not None:
            change = self._dirty[key] = _Change(conversion.settled)
            change.now = msgspec.structs.replace(conversion, settled=None)
        elif conversion.generation is None and conversion.ids:
            heappush(self._waiting, (conversion.at, key))
        elif conversion.generation is None:
            self._dirty[key] = _Change(conversion)
        elif conversion.generation < newest:
            self._stale.append(key)

    def _join(self, ids: tuple[int, ...], at: int, untouched: Collection[int]) -> int:
        """Join ids; conversions that may have touches now which they had not are settled anew. Returns the root.

        An id without touches, which is new, brings none to anybody: most leads are of a visitor and a new ``lead_id``.
        """
        joined = self.people.link(ids, at)
        if joined is None:
            return self.people.root(ids[0])
        touched = [root for root, part in joined.parts.items() if len(part) > 1 or root not in untouched]
        keys: set[str] = set()
        for root in joined.parts:
            mine = self._of_person.pop(root, None)
            if mine is None:
                continue
            keys = keys | mine if keys else mine
            if touched and touched != [root]:
                for key in mine:
                    self._open(key)
        if keys:
            self._of_person[joined.root] = keys
        return joined.root

    def _reconsider(self, visitor: int, at: int, *, is_click: bool) -> None:
        reach = self.rules.reach(is_click=is_click)
        for key in self._of_person.get(self.people.root(visitor), ()):
            known = self.known(key)
            if known is None or known.generation is None:
                continue  # what waits will find it
            if known.at - reach <= at < known.at:
                self._open(key)

    def _decide(self, batch: Sequence[Settling], changes: CreditChanges) -> None:
        """Credit some conversions by what they remember and what is found now."""
        ranks = self.touchpoints.ranks()
        remembered = [now.path for _, _, now in batch]
        found = self._find([now for _, _, now in batch])
        paths = paths_of(
            found, remembered, np.array([now.at for _, _, now in batch], np.int64), self.rules, ranks
        ).packed()
        credit_batch, generation = CreditBatch(), self.rule_history.generation
        for (_, _, now), path in zip(batch, paths, strict=True):
            parts = now.counted
            credit_batch.put(
                () if is_large(parts) else parts, path, self._rule_versions.version_of(generation), b"", 1
            )
        for _, before, _ in batch:
            if before is not None and before.generation is not None and not is_apart(before):
                decided = self._rule_versions.version_of(before.generation)
                credit_batch.put(before.counted, before.path, decided, before.shares, -1)
        credited = credit_batch.credit(self._rule_versions.models, ranks, self.data_driven.effects(ranks))
        changes.sums.append(credited.sums())
        if self.rules.customer_models:
            changes.greatest += self._greatest(batch, credited, ranks.names)
        for (key, before, now), path, shares in zip(batch, paths, credited.data_driven(), strict=False):
            after = Conversion(now.at, now.ids, now.parts, now.is_first, path, generation, shares)
            changes.apart += self._put(key, before, after)
        self.data_driven.count(
            [*paths, *(before.path for _, before, _ in batch if before is not None)],
            [1] * len(paths) + [-1] * sum(before is not None for _, before, _ in batch),
        )

    def _greatest(
        self, batch: Sequence[Settling], credited: CreditedBatch, names: Sequence[str]
    ) -> Iterator[GreatestParts]:
        """Of the orders of a batch, the greatest parts that are others than before."""
        models = self.rules.customer_models
        greatest: list[list[int]] = credited.greatest(models).tolist()
        customers_since = max(self.rule_history.customers_since.values())
        at = len(batch)  # what is taken back stands behind what counts
        for (key, before, _), now in zip(batch, greatest, strict=False):
            known = None
            if before is not None and before.generation is not None and not is_apart(before):
                if before.generation >= customers_since:
                    known = greatest[at]
                at += 1
            if key[0] == ORDER and now != known:
                yield GreatestParts(key, dict(zip(models, [names[rank] for rank in now], strict=True)))

    def _put(self, key: str, before: Conversion | None, after: Conversion) -> list[Contribution]:
        """Remember a decided conversion; what has to be told of it apart from the credit batch."""
        self.conversions.put(key, after)
        if before is not None:
            self._count_lag(key, before, -1)
        self._count_lag(key, after, 1)
        changes = self._rule_versions.counted(before) if before is not None and is_apart(before) else []
        added = self._rule_versions.counted(after) if is_apart(after) else []
        return difference(changes, added) if changes or added else []

    def _keep(self, key: str, before: Conversion | None, now: Conversion) -> list[Contribution]:
        """What was decided of an erased person stays, and holds for what the conversion counts now."""
        undecided = {model: CreditDecision(UNCREDITED, None) for model in self.rules.models}
        kept = {**undecided, **self._rule_versions.decisions(now)}
        after = msgspec.structs.replace(now, kept=kept, generation=self.rule_history.generation)
        self.conversions.put(key, after)
        if before is None:
            return self._rule_versions.counted(after)
        self._count_lag(key, before, -1)
        self.data_driven.count([before.path], [-1])
        return difference(self._rule_versions.counted(before), self._rule_versions.counted(after))

    def _count_lag(self, key: str, conversion: Conversion, sign: int) -> None:
        """Count how long after the first touch of its path it came."""
        if conversion.path:
            first = int.from_bytes(conversion.path[:8], "little", signed=True)
            self.lags[key[0]].count(conversion.at - first, sign)
            self.lags_changed = True

    def _watch(self, conversions: Sequence[Conversion]) -> tuple[Instants, Hashes, Instants]:
        """Note whose conversions these are; for each id the conversion's index, the id, the conversion's time."""
        owners, ids, at = array("q"), array("Q"), array("q")
        for index, conversion in enumerate(conversions):
            for each in self.people.ids(conversion.ids[0]) if conversion.ids else ():
                owners.append(index)
                ids.append(each)
                at.append(conversion.at)
        visitors, times = np.array(ids, np.uint64), np.array(at, np.int64)
        self._watched.note(visitors, times)
        return np.array(owners, np.int64), visitors, times

    def _find(self, conversions: Sequence[Conversion]) -> tuple[Instants, Instants, Instants]:
        """The touches within reach: the index of their conversion, event time, code."""
        owners, visitors, at = self._watch(conversions)
        columns = []
        for is_click, store in self.touches.items():
            rows, when, touchpoints = store.of_all(visitors, at - self.rules.reach(is_click=is_click), at)
            columns.append((owners[rows], when, 2 * touchpoints.astype(np.int64) + is_click))
        whose, when, codes = (np.concatenate(column) for column in zip(*columns, strict=True))
        return whose, when, codes

    def _tidy(self, before: int, watermark: int) -> None:
        gone = [conversion.path for conversion in self.conversions.expire(before)]
        self.data_driven.count(gone, [-1] * len(gone))
        for _ in self.people.expire(before):
            pass
        self._watched.forget_before(watermark - RETENTIONS[-1] - DAY)
        for root, keys in list(self._of_person.items()):
            keys.intersection_update([key for key in keys if key in self.conversions])
            if not keys:
                del self._of_person[root]

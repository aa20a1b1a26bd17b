"""Many conversions credited at once, over columns: their sums, one for each model, campaign and minute.

A credit batch collects conversions with their paths, to be counted or to be taken back; ``credit`` turns the batch into
sums by compiled kernels. ``metrics.attribution.conversion_credit`` does the same for one conversion, and is the specification.
"""

from array import array
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metrics.attribution.conversion_credit import (
    COHORT,
    Conversion,
    ConversionPart,
)
from metrics.attribution.models import MARKOV, MAX_PATH, MODELS, ROOTS, WHOLE, AttributionRules
from metrics.attribution.touchpoints import PATH, Instants, TouchpointRanks
from metrics.kernels import credits as kernels
from metrics.kernels.sums import group
from metrics.records.campaign_model import campaign_model
from metrics.sums.contribution import ContributionColumns
from metrics.sums.tally import Tally
from metrics.values.time import MINUTE

#: Money above this is not put into a column; sums of so many conversions with their parts do not run over.
LARGEST, MOST = 2 * 10**13, 4_000
_ROOTS = np.array(ROOTS)
_MOST_PARTS = 20
#: The counts and the money of a part, as it stands in the columns of a batch: fields of ``Tally``.
_COUNTS = (
    *("leads", "mqls", "sqls", "orders", "new_customers", "cancelled_orders", "mqls_now_sql"),
    "uncertain_amounts",
)
_MONEY = ("revenue_micros", "refunds_micros", "cost_of_goods_micros")
_FIELDS = [Tally.__struct_fields__.index(name) for name in (*_COUNTS, *_MONEY)]
_COLUMNS = 1 + len(_FIELDS)


class ComputedModels:
    """The models that are computed, as the kernels know them; a cohort model shares the row of its base model.

    Args:
        since: each model with the rule version with which it was switched on.

    >>> ComputedModels({"linear": 0, "linear_cohort": 2}).bases
    ['linear']
    """

    def __init__(self, since: Mapping[str, int]) -> None:
        bases = [model.removesuffix(COHORT) for model in since]
        self.names = list(since)
        self.bases = sorted(set(bases), key=MODELS.index)
        self.codes = np.array([MODELS.index(model) for model in self.bases], np.int64)
        self.rows = np.array([self.bases.index(base) for base in bases], np.int64)
        self.is_cohort = np.array([model.endswith(COHORT) for model in since], np.bool_)
        self.since = np.array(list(since.values()), np.int64)

    @property
    def data_driven(self) -> int | None:
        """The row of the data-driven model."""
        return self.bases.index(MARKOV) if MARKOV in self.bases else None


class PathColumns(NamedTuple):
    """Paths one after the other: rows [starts[n], starts[n + 1]) of the touches are path n."""

    starts: Instants
    touches: npt.NDArray[np.void]

    def packed(self) -> list[bytes]:
        """Each path as bytes, as a conversion remembers it."""
        whole, ends = self.touches.tobytes(), (self.starts * PATH.itemsize).tolist()
        return [whole[start:end] for start, end in pairwise(ends)]


def paths_of(
    found: tuple[Instants, Instants, Instants],
    remembered: Sequence[bytes],
    converted_at: Instants,
    rules: AttributionRules,
    ranks: TouchpointRanks,
) -> PathColumns:
    """The path of each conversion, of the touches found now and those it remembers.

    Args:
        found: touches in any order: the index of their conversion, event time, code.
        remembered: of each conversion, a packed path.
        converted_at: of each conversion.
        rules: lookbacks.
        ranks: of the touchpoints.
    """
    known = np.frombuffer(b"".join(remembered), PATH)
    sizes = [len(packed) // PATH.itemsize for packed in remembered]
    owners = np.concatenate((found[0], np.repeat(np.arange(len(remembered)), sizes)))
    at = np.concatenate((found[1], known["at"]))
    codes = np.concatenate((found[2], known["code"].astype(np.int64)))
    is_kept = np.zeros(len(at), np.int64)
    is_kept[len(found[0]) :] = 1
    order = np.lexsort((ranks.orders[codes >> 1], codes & 1, at, owners))
    reaches = np.array([rules.reach(is_click=False), rules.reach(is_click=True)], np.int64)
    starts, picked = kernels.join(
        owners[order], at[order], codes[order], is_kept[order], converted_at, reaches, MAX_PATH
    )
    rows = order[picked]
    touches = np.empty(len(rows), PATH)
    touches["at"], touches["code"] = at[rows], codes[rows]
    return PathColumns(starts, touches)


class RuleVersion(NamedTuple):
    """The rules with which a conversion was credited: their number, and their half-life."""

    generation: int
    half_life: int


class CreditBatch:
    """Conversions to be counted or taken back, with their paths."""

    def __init__(self) -> None:
        self._paths: list[bytes] = []
        self._shares: list[bytes] = []
        self._half_lives, self._generations, self._signs = array("q"), array("q"), array("q")
        self._part_counts, self._parts = array("q"), array("q")

    def __len__(self) -> int:
        return len(self._paths)

    def put(
        self, parts: Sequence[ConversionPart], path: bytes, rules: RuleVersion, shares: bytes, sign: int
    ) -> None:
        """Add a conversion with its path.

        Args:
            parts: not large.
            path: packed.
            rules: those that it was credited with, or is credited with now.
            shares: packed, where the data-driven model has decided; else empty.
            sign: 1 to count, -1 to take back.
        """
        self._paths.append(path)
        self._shares.append(shares)
        self._half_lives.append(rules.half_life)
        self._generations.append(rules.generation)
        self._signs.append(sign)
        self._part_counts.append(len(parts))
        for at, tally in parts:
            self._parts.extend(_columns(at, tally))

    def credit(
        self, models: ComputedModels, ranks: TouchpointRanks, effects: npt.NDArray[np.float64]
    ) -> "CreditedBatch":
        """Divide the conversions among the touches of their paths.

        Args:
            models: those that are computed.
            ranks: of the touchpoints.
            effects: of each campaign of ``ranks``, 0 where unknown.
        """
        touches = np.frombuffer(b"".join(self._paths), PATH)
        sizes = np.array([len(path) // PATH.itemsize for path in self._paths], np.int64)
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))
        # Copies: a column of one row would else stay a view, of another type, and be compiled while records wait.
        at, codes = touches["at"].astype(np.int64), touches["code"].astype(np.int64)
        shares = np.zeros((len(models.bases), len(at)), np.int64)
        row = models.data_driven
        is_given = np.array([len(share) > 0 for share in self._shares], np.bool_)
        if row is not None and is_given.any():
            given = np.frombuffer(b"".join(self._shares), np.int32)
            shares[row, np.repeat(is_given, sizes)] = given
        kernels.credit(
            models.codes, at, codes, starts, _integers(self._half_lives), is_given,
            ranks.campaigns, ranks.directs, effects, _ROOTS, shares,
        )  # fmt: skip
        return CreditedBatch(self, models, ranks, (at, codes, starts), shares)

    def columns(self) -> tuple[Instants, Instants, Instants, Instants]:
        """Generations, signs, starts of the parts, parts."""
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(_integers(self._part_counts))))
        parts = _integers(self._parts).reshape(-1, _COLUMNS)
        return _integers(self._generations), _integers(self._signs), starts, parts


class CreditedBatch:
    """A credit batch with the share of each touch in each model."""

    def __init__(
        self,
        batch: CreditBatch,
        models: ComputedModels,
        ranks: TouchpointRanks,
        touches: tuple[Instants, Instants, Instants],
        shares: Instants,
    ) -> None:
        self._batch = batch
        self._models = models
        self._ranks = ranks
        self._touches = touches
        self._shares = shares

    def data_driven(self) -> list[bytes]:
        """What a conversion remembers of the data-driven model; empty for paths that do not have two touches."""
        starts, row = self._touches[2].tolist(), self._models.data_driven
        if row is None:
            return [b""] * len(self._batch)
        packed = self._shares[row].astype(np.int32).tobytes()
        return [packed[4 * start : 4 * end] if end - start > 1 else b"" for start, end in pairwise(starts)]

    def greatest(self, models: Sequence[str]) -> Instants:
        """The campaign that a model gives the greatest part of a conversion to: a row for each conversion, a column for each model.

        Of equal parts it is that of the campaign which was touched first. Campaigns are ranks of the touchpoints.
        """
        _, codes, starts = self._touches
        sizes = np.diff(starts)
        found = np.full((len(sizes), len(models)), self._ranks.none, np.int64)
        if not len(codes):
            return found
        owners = np.repeat(np.arange(len(sizes)), sizes)
        campaigns = self._ranks.campaigns[codes >> 1].astype(np.int64)
        order = np.lexsort((campaigns, owners))  # stable: the touches of a campaign stay in their order
        begins = np.flatnonzero(_differs(owners[order]) | _differs(campaigns[order]))
        shares = self._shares[[self._models.bases.index(model) for model in models]]
        parts = np.add.reduceat(shares[:, order], begins, axis=1)
        by_touch = np.argsort(order[begins])  # by the first touch of each campaign in each path
        parts, first = parts[:, by_touch], order[begins][by_touch]
        heads = np.flatnonzero(_differs(owners[first]))
        most = np.repeat(np.maximum.reduceat(parts, heads, axis=1), np.diff([*heads, len(first)]), axis=1)
        places = np.where(parts == most, np.arange(len(first)), len(first))
        found[owners[first][heads]] = campaigns[first][np.minimum.reduceat(places, heads, axis=1)].T
        return found

    def sums(self) -> ContributionColumns:
        """What the sums of each campaign in each model change by, by minute; changes that cancel out are left out."""
        models, ranks = self._models, self._ranks
        width = len(ranks.names)
        generations, signs, starts, parts = self._batch.columns()
        used = np.flatnonzero(parts[:, 1:].any(axis=0))  # few of them in most batches
        columns = np.ascontiguousarray(parts[:, np.insert(used + 1, 0, 0)])
        in_models, minutes, sums = kernels.spread(
            models.rows, models.is_cohort, models.since, *self._touches, self._shares, ranks.campaigns,
            ranks.none, width, generations, signs, starts, columns, used >= len(_COUNTS), MINUTE,
        )  # fmt: skip
        in_models, minutes, sums = group(in_models, minutes, sums)
        rows = np.flatnonzero(sums.any(axis=0))
        distinct, codes = np.unique(in_models[rows], return_inverse=True)
        names = [
            campaign_model(ranks.names[code % width], models.names[code // width])
            for code in distinct.tolist()
        ]
        fields = [_FIELDS[row] for row in used.tolist()]
        return ContributionColumns(names, codes, minutes[rows] * MINUTE, fields, sums[:, rows])


def steps_of(
    paths: Sequence[bytes], signs: Sequence[int], ranks: TouchpointRanks
) -> tuple[Instants, Instants, Instants]:
    """Steps of paths for a Markov chain, as ``Steps.add`` takes them: campaigns by rank, and how often.

    Args:
        paths: packed.
        signs: 1 to count a path, -1 to take it back.
        ranks: of the touchpoints.
    """
    touches = np.frombuffer(b"".join(paths), PATH)
    sizes = np.fromiter(map(len, paths), np.int64, len(paths)) // PATH.itemsize
    signs_, sizes = np.array(signs, np.int64)[sizes > 0], sizes[sizes > 0]
    campaigns, ends = ranks.campaigns[touches["code"] >> 1].astype(np.int64), np.cumsum(sizes)
    return (
        np.insert(campaigns, ends - sizes, -1),
        np.insert(campaigns, ends, -1),
        np.repeat(signs_, sizes + 1),
    )


def is_large(parts: Sequence[ConversionPart]) -> bool:
    """Whether the money of a conversion, or the number of its parts, is too large for columns."""
    for _, tally in parts:
        if tally.revenue_micros > LARGEST or tally.refunds_micros > LARGEST:
            return True
        if not -LARGEST <= tally.cost_of_goods_micros <= LARGEST:
            return True
    return len(parts) > _MOST_PARTS


def shares_of(conversion: Conversion) -> list[int] | None:
    """What the data-driven model gave each touch of a remembered path."""
    size = len(conversion.path) // PATH.itemsize
    if size == 1:
        return [WHOLE]
    return np.frombuffer(conversion.shares, np.int32).tolist() if conversion.shares else None


def _differs(values: Instants) -> npt.NDArray[np.bool_]:
    """Of each value, whether it is another than the one before; the first one is."""
    return np.concatenate((np.ones(1, np.bool_), values[1:] != values[:-1]))


def _columns(at: int, tally: Tally) -> tuple[int, ...]:
    return (
        at,
        tally.leads,
        tally.mqls,
        tally.sqls,
        tally.orders,
        tally.new_customers,
        tally.cancelled_orders,
        tally.mqls_now_sql,
        tally.uncertain_amounts,
        tally.revenue_micros,
        tally.refunds_micros,
        tally.cost_of_goods_micros,
    )


def _integers(values: array) -> Instants:  # type: ignore[type-arg]
    return np.frombuffer(values, np.int64) if len(values) else np.empty(0, np.int64)

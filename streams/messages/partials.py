"""Bundles of partials: what a source partition sends to a merge partition, and merge partitions to each other.

A bundle carries whole values with the epoch and the sequence of the checkpoint that vouches for them. The status closes the
last bundle of a checkpoint, so that a watermark never comes before what it vouches for.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from metrics.attribution.conversion_lag import LagCounts
from metrics.customers.cohort_sums import CohortSums
from metrics.entities.report_spend import ReportedSpend
from metrics.entities.reports import Report, Version
from metrics.kpis.rollups import RollupPart
from metrics.sums.applied_figures import AppliedFigures
from metrics.sums.tally import Tally
from metrics.values.time import DAY, HOUR
from metrics.windows.watermark import PartitionStatus
from streams.state.codec import decoder

MAX_BUNDLE_BYTES = 400_000
_ITEMS_PER_BUNDLE = 4_000
#: Days and hours that the reports of one bundle cover, which merge takes without a pause at 14 µs each: one of ten years covers 3 653.
_WINDOWS_PER_BUNDLE = 5_000
#: Of sums of cohorts, some three bytes each.
_NUMBERS_PER_BUNDLE = 100_000

PanePartial = tuple[str, int, int, Tally]
ReportPartial = tuple[str, Report]
#: The version of a report, and its spend as it came: a report is sent with what its spend is worth, as builds of before expect.
SpendPartial = tuple[Version, ReportedSpend]
#: The version of a report, and the figures that it leaves out; those are sent as 0, as builds of before expect.
OmittedPartial = tuple[Version, int]
#: What a merge partition adds to a roll-up's window: dimension, value, model, window, start, part.
RollupPartial = tuple[str, str, str, str, int, RollupPart]


#: Whole sums of a cohort of one source partition: the campaign, or the campaign in a model; the month of the first orders; the sums.
CohortPartial = tuple[str, int, CohortSums]


class PaneBlock(msgspec.Struct, array_like=True):
    """Whole values of campaigns in one pane.

    Attributes:
        resolution: of the pane.
        start: of the pane.
        campaigns: whose values they are.
        fields: fields of ``Tally`` that are not 0 everywhere.
        sums: int64, little-endian, for each field a row of values by campaign.
        beyond: values that do not fit, by the index of their campaign.
    """

    resolution: int
    start: int
    campaigns: list[str]
    fields: list[int]
    sums: bytes
    beyond: dict[int, Tally] = {}


class RollupStatus(NamedTuple):
    """What one merge partition last said of its roll-ups: its watermark, and how far its windows are final."""

    watermark: int | None
    closed: int | None


class Bundle(msgspec.Struct, array_like=True):
    """Whole values of one source partition for one merge partition.

    ``rollups`` are from a merge partition, which ``source`` is then; epoch and sequence are its own. ``figures`` are what the
    source has counted of the campaigns of the merge partition up to this bundle, the last one of its checkpoint. ``spent`` has
    the spend of reports as it came, by their place, where their worth may change; ``omitted`` has the figures that reports leave
    out, likewise (``report_figures.left_out``).
    """

    source: int
    epoch: int
    sequence: int
    blocks: list[PaneBlock]
    reports: list[ReportPartial]
    status: PartitionStatus | None = None
    lags: dict[str, LagCounts] | None = None
    fitted_at: int | None = None
    rollups: list[RollupPartial] | None = None
    rollup_status: RollupStatus | None = None
    figures: AppliedFigures | None = None
    spent: dict[int, ReportedSpend] = {}
    cohorts: list[CohortPartial] | None = None
    omitted: dict[int, int] = {}


decode_bundle = decoder(Bundle)


def bundles(
    source: int,
    epoch: int,
    sequence: int,
    blocks: Iterable[PaneBlock],
    reports: list[ReportPartial],
    spent: Mapping[Version, ReportedSpend] = MappingProxyType({}),
    cohorts: Sequence[CohortPartial] = (),
    omitted: Mapping[Version, int] = MappingProxyType({}),
) -> Iterator[Bundle]:
    """Bundles small enough for a broker's default limits; none when there is nothing to say."""
    some: list[PaneBlock] = []
    size = 0
    for block in blocks:
        if some and size + _weight(block) > MAX_BUNDLE_BYTES:
            yield Bundle(source, epoch, sequence, some, [])
            some, size = [], 0
        some.append(block)
        size += _weight(block)
    if some:
        yield Bundle(source, epoch, sequence, some, [])
    for mine in _reports_by_bundle(reports):
        abroad = {
            place: spent[report.version] for place, (_, report) in enumerate(mine) if report.version in spent
        }
        without = {
            place: omitted[report.version]
            for place, (_, report) in enumerate(mine)
            if report.version in omitted
        }
        yield Bundle(source, epoch, sequence, [], mine, spent=abroad, omitted=without)
    gathered: list[CohortPartial] = []
    numbers = 0
    for each in cohorts:
        if gathered and numbers + each[2].size > _NUMBERS_PER_BUNDLE:
            yield Bundle(source, epoch, sequence, [], [], cohorts=gathered)
            gathered, numbers = [], 0
        gathered.append(each)
        numbers += each[2].size
    if gathered:
        yield Bundle(source, epoch, sequence, [], [], cohorts=gathered)


def _reports_by_bundle(reports: list[ReportPartial]) -> Iterator[list[ReportPartial]]:
    """Reports in their order, few enough at a time by number and by the windows in which they count; at least one."""
    first = windows = 0
    for place, (_, report) in enumerate(reports):
        mine = (report.end - report.period_start) // (HOUR if report.is_short else DAY) + 1
        is_full = place - first == _ITEMS_PER_BUNDLE or windows + mine > _WINDOWS_PER_BUNDLE
        if is_full and place > first:
            yield reports[first:place]
            first, windows = place, 0
        windows += mine
    if first < len(reports):
        yield reports[first:]


def rollup_bundles(
    source: int, epoch: int, sequence: int, parts: list[RollupPartial], status: RollupStatus | None
) -> list[Bundle]:
    """The same of a merge partition's roll-ups; the status closes the last, after all that it vouches for."""
    chunks = (parts[at : at + _ITEMS_PER_BUNDLE] for at in range(0, len(parts), _ITEMS_PER_BUNDLE))
    made = [Bundle(source, epoch, sequence, [], [], rollups=some) for some in chunks]
    if status is not None:
        made = made or [Bundle(source, epoch, sequence, [], [], rollups=[])]
        made[-1].rollup_status = status
    return made


def _weight(block: PaneBlock) -> int:
    """About how many bytes a block takes."""
    names = sum(len(name) if name.isascii() else 4 * len(name) for name in block.campaigns)
    return names + 5 * len(block.campaigns) + len(block.sums) + 300 * len(block.beyond) + 40

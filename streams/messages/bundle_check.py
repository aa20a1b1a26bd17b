"""Whether a record of the partials is a bundle that merge can take in whole; a worker's own always is.

The topic is internal, but whoever may write to the broker may write to it, and one record that merge cannot take in would end every
worker at every start.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import get_args

import msgspec

from metrics.attribution.conversion_lag import EDGES, LEAD, ORDER, LagCounts
from metrics.customers.calendar import is_period
from metrics.customers.cohort_sums import NO_CUSTOMER
from metrics.entities.orders import CAMPAIGNS_OWN
from metrics.entities.report_figures import LEFT_OUT
from metrics.entities.reports import Report
from metrics.kpis.rollups import RollupPart
from metrics.records.campaign_model import is_campaign_model, split_campaign_model
from metrics.records.kpi_reading import Dimension
from metrics.sums.tally import Tally
from metrics.sums.tally_columns import FIELDS, LARGEST_SUM
from metrics.values.currency import is_currency
from metrics.values.errors import UNREADABLE, Reason, Rejection
from metrics.values.time import MAX_INSTANT, MIN_INSTANT
from metrics.windows.panes import RESOLUTIONS, WIDTHS
from metrics.windows.window_kinds import BY_NAME, ROLLING_NAMES, TOTAL_WINDOW
from streams.messages.partials import Bundle, CohortPartial, PaneBlock, RollupPartial, decode_bundle

#: Epochs and sequences are one number of 64 bits in a revision.
_MOST_CHECKPOINTS = 1 << 31
#: Sums of sums stay exact at any size; this keeps a single value from filling a checkpoint.
_MOST_MICROS = 1 << 100
#: A whole history has no width: it begins at 0.
_WIDTHS = (*WIDTHS, 1 << 62)
_FIELDS = frozenset(range(len(FIELDS)))
#: By the highest byte of a sum in two's complement: of its magnitude.
_MAGNITUDES = bytes(min(byte, 255 - byte) for byte in range(256))
_TOO_LARGE = (LARGEST_SUM >> 56) + 1
_KINDS = frozenset({LEAD, ORDER})
_DIMENSIONS = frozenset(get_args(Dimension))
#: Names of rolling windows have a mark, since ``1h`` is a tumbling window's name too.
_WINDOWS = frozenset({*BY_NAME, TOTAL_WINDOW, *(f"~{name}" for name in ROLLING_NAMES)})


def read_bundle(value: bytes | None, partitions: int, known: AbstractSet[str]) -> Bundle:
    """The bundle in a record.

    Args:
        value: of the record.
        partitions: of the deployment.
        known: names of campaigns that need no look any more.

    Raises:
        Rejection: ``invalid_field`` when the record is none, or not one that can be taken in.
    """
    try:
        bundle = decode_bundle(value or b"")
    except (*UNREADABLE, ValueError, TypeError) as error:
        raise _refusal(f"it cannot be read ({error})") from error
    _require(0 <= bundle.source < partitions, f"there is no partition {bundle.source}")
    _require(
        0 <= bundle.epoch < _MOST_CHECKPOINTS and 0 <= bundle.sequence < 1 << 32,
        f"no checkpoint is epoch {bundle.epoch}, sequence {bundle.sequence}",
    )
    named: set[str] = set()
    for block in bundle.blocks:
        _check_block(block, known, named)
    for campaign_id, report in bundle.reports:
        is_one = is_campaign_model(campaign_id) and split_campaign_model(campaign_id)[1] is None
        _require(is_one, f"{campaign_id[:200]!r} is no campaign")
        _check_report(report)
    for place, spend in bundle.spent.items():
        is_spend = 0 <= place < len(bundle.reports) and spend.micros >= 0
        is_named = spend.currency == CAMPAIGNS_OWN or is_currency(spend.currency)
        _require(is_spend and is_named, "spend is of no report, or in no currency")
        _check_sizes((spend.micros,))
    for place, figures in bundle.omitted.items():
        is_one = 0 <= place < len(bundle.reports) and figures in LEFT_OUT
        _require(is_one, "figures are left out by no report, or there are no such figures")
    if bundle.status is not None:
        _check_instants((bundle.status.watermark,))
    _check_instants((bundle.fitted_at,))
    if bundle.lags is not None:
        _check_lags(bundle.lags)
    for partial in bundle.rollups or ():
        _check_rollup(partial)
    for cohort in bundle.cohorts or ():
        _check_cohort(cohort)
    _check_instants(bundle.rollup_status or ())
    _check_sizes(bundle.figures or ())
    return bundle


def _check_block(block: PaneBlock, known: AbstractSet[str], named: set[str]) -> None:
    """Refuse what is no block. Most blocks are small: each call here is one for every pane that changes.

    Args:
        block: of a bundle.
        known: names of campaigns that need no look.
        named: those of earlier blocks of the bundle, which need none either; the block's own are added.
    """
    resolution, start, campaigns, fields = block.resolution, block.start, block.campaigns, block.fields
    if (
        resolution not in RESOLUTIONS
        or not MIN_INSTANT <= start <= MAX_INSTANT
        or start % _WIDTHS[resolution]
    ):
        raise _refusal(f"no pane of resolution {resolution} begins at {start}")
    names, count = set(campaigns), len(campaigns)
    if not names <= known:
        for name in (names - known) - named:
            if is_campaign_model(name) is None:
                raise _refusal(f"{name[:200]!r} is no campaign")
            named.add(name)
    if len(names) != count or not _FIELDS.issuperset(fields) or len(block.sums) != 8 * count * len(fields):
        raise _refusal("sums do not fit campaigns and fields")
    # The highest byte of each sum tells its size; a longer array is worth NumPy's overhead.
    if max(block.sums[7::8].translate(_MAGNITUDES), default=0) >= _TOO_LARGE:
        raise _refusal("a sum is too large")
    for place in block.beyond:
        _require(0 <= place < count, f"no campaign has place {place}")
        _check_sizes(tuple(getattr(block.beyond[place], name) for name in Tally.__struct_fields__))


def _check_report(report: Report) -> None:
    is_placed = (
        report.period_start < report.period_end
        and report.period_start <= report.end <= report.period_end
        and len(report.version) == 3
    )
    _require(is_placed, "a report has no period")
    _check_instants((report.period_start, report.period_end))
    amounts = report.impressions, report.clicks, report.spend_micros, report.conversions_micros
    _require(min(amounts) >= 0, "a report has a negative figure")
    _check_sizes((*amounts, *report.version))


def _check_lags(lags: dict[str, LagCounts]) -> None:
    _require(_KINDS.issuperset(lags), "there are no such lags")
    for each in lags.values():
        _require(len(each.counts) == len(EDGES) + 1, "lags have other buckets")
        _check_sizes(each.counts)


def _check_rollup(partial: RollupPartial) -> None:
    dimension, value, model, window, start, part = partial
    _require(
        dimension in _DIMENSIONS and window in _WINDOWS, f"there is no roll-up {dimension}, {window}"[:200]
    )
    _require(len(value) <= 256 * 1024 and len(model) <= 128, "a roll-up has too long a name")
    _check_instants((start, *(part.span or ())))
    _check_sizes([getattr(part, name) or 0 for name in RollupPart.__struct_fields__ if name != "span"])


def _check_cohort(partial: CohortPartial) -> None:
    campaign, month, sums = partial
    _require(is_campaign_model(campaign), f"{campaign[:200]!r} is no campaign")
    known = () if month == NO_CUSTOMER else (month,)
    _check_months((*known, *sums.months, *sums.counts))
    _check_sizes((sums.customers, sums.repeaters, *sums.persons.values()))
    for counts in sums.counts.values():
        _check_sizes((*counts, *counts.values()))
    for each in sums.months.values():
        _check_sizes(msgspec.structs.astuple(each))


def _check_months(months: Sequence[int]) -> None:
    _require(all(map(is_period, months)), "there is no such month")


def _check_instants(instants: Sequence[int | None]) -> None:
    for at in instants:
        _require(at is None or MIN_INSTANT <= at <= MAX_INSTANT, f"{at} is no instant")


def _check_sizes(values: Sequence[int]) -> None:
    _require(
        not values or (min(values) >= -_MOST_MICROS and max(values) <= _MOST_MICROS), "a figure is too large"
    )


def _require(condition: object, why: str) -> None:
    if not condition:
        raise _refusal(why)


def _refusal(why: str) -> Rejection:
    return Rejection(
        Reason.INVALID_FIELD,
        f"no bundle of partials: {why}. Only workers may write to this topic; look who else does",
    )

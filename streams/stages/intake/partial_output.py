"""What a source partition sends to the merge partitions: changed sums, reports, and how far it has come."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from msgspec.structs import replace

from metrics.attribution.conversion_lag import LagCounts
from metrics.entities.report_spend import ReportedSpend
from metrics.entities.reports import Version as ReportVersion
from metrics.records.campaign_model import split_campaign_model
from metrics.sums.applied_figures import APPLIED_FIELDS, AppliedFigures
from metrics.sums.tally_columns import FIELDS, Codes, Tallies
from metrics.values.hashing import partitions_of
from metrics.values.text_codes import TextCodes
from metrics.windows.pane_columns import ChangedSums
from metrics.windows.panes import PaneChanges, Panes
from metrics.windows.watermark import PartitionStatus
from streams import topics
from streams.messages.pane_blocks import blocks
from streams.messages.partials import Bundle, CohortPartial, ReportPartial, bundles
from streams.state.announcement import Announcement
from streams.state.checkpoint import Output, Version
from streams.state.codec import encode, partition_of

_SPEND, _DEFAULT_SPEND = FIELDS.index("spend_micros"), FIELDS.index("default_spend_micros")


class PartialOutput:
    """Bundles for every merge partition.

    Args:
        partition: that sends.
        partitions: of the deployment.
        names: campaigns by code.
        interval: milliseconds between two announcements of the watermark.
    """

    def __init__(self, partition: int, partitions: int, names: TextCodes, interval: int) -> None:
        self._partition = partition
        self._partitions = partitions
        self._names = names
        #: The merge partition of each campaign, by code.
        self._routes: Codes = np.empty(0, dtype=np.int32)
        #: Whether each code is that of a campaign in a model.
        self._are_models = np.empty(0, dtype=np.bool_)
        self._status = Announcement[PartitionStatus](interval)

    @property
    def is_waiting(self) -> bool:
        """Whether a status waits to be announced."""
        return self._status.is_waiting

    def due_status(self, status: PartitionStatus, now: int) -> PartitionStatus | None:
        """The status, where it is to be announced now."""
        return self._status.take(status, now)

    def outputs(
        self,
        version: Version,
        changes: Sequence[PaneChanges],
        reports: Sequence[ReportPartial],
        spent: Mapping[ReportVersion, ReportedSpend],
        status: PartitionStatus | None,
        lags: tuple[dict[str, LagCounts], int | None] | None,
        figures: Sequence[AppliedFigures] | None = None,
        cohorts: Sequence[CohortPartial] = (),
        omitted: Mapping[ReportVersion, int] = MappingProxyType({}),
    ) -> list[Output]:
        """Bundles of one checkpoint; the status closes the last one for each merge partition.

        Args:
            version: of the checkpoint.
            changes: sums that have changed.
            reports: by campaign.
            spent: the spend of reports as it came, by their version, where the worth may change.
            status: the watermark; None where it is not announced.
            lags: of conversions, and when the data-driven model was fitted; they go with a status.
            figures: by merge partition what its campaigns have counted here; they go with a status.
            cohorts: sums of cohorts that have changed.
            omitted: the figures that reports leave out, by the version of the report.
        """
        changes = [_as_sent(change) for change in changes]
        count = self._partitions
        routes = self._route()
        reports_by: list[list[ReportPartial]] = [[] for _ in range(count)]
        for campaign, report in reports:
            reports_by[partition_of(campaign, count)].append((campaign, report))
        cohorts_by: list[list[CohortPartial]] = [[] for _ in range(count)]
        for cohort in cohorts:
            campaign, _ = split_campaign_model(cohort[0])
            cohorts_by[partition_of(campaign, count)].append(cohort)
        source, outputs = encode(self._partition), []
        for target in range(count):
            mine = blocks(self._names, routes, changes, target)
            made = list(
                bundles(
                    self._partition, *version, mine, reports_by[target], spent, cohorts_by[target], omitted
                )
            )
            if status is not None:
                if not made:
                    made.append(Bundle(self._partition, *version, [], []))
                made[-1].status = status
                if lags is not None:
                    made[-1].lags, made[-1].fitted_at = lags
                made[-1].figures = None if figures is None else figures[target]
            outputs += [Output(topics.PARTIALS, target, source, encode(bundle)) for bundle in made]
        return outputs

    def figures(self, panes: Panes) -> list[AppliedFigures]:
        """What the campaigns of each merge partition have counted in their whole histories."""
        codes, sums = panes.histories()
        self._route()
        targets = np.where(self._are_models[codes], -1, self._routes[codes])
        found = []
        for target in range(self._partitions):
            part = sums.part(np.flatnonzero(targets == target))
            spend = AppliedFigures(spend_micros=part.added_up((_DEFAULT_SPEND,))[0])
            found.append(AppliedFigures(*part.added_up(APPLIED_FIELDS)).plus(spend))
        return found

    def _route(self) -> Codes:
        """The merge partition of every campaign met so far."""
        fresh = [split_campaign_model(name) for name in self._names[len(self._routes) :]]
        if fresh:
            campaigns = [campaign.encode() for campaign, _ in fresh]
            routes = partitions_of(campaigns, self._partitions).astype(np.int32)
            self._routes = np.append(self._routes, routes)
            self._are_models = np.append(self._are_models, [model is not None for _, model in fresh])
        return self._routes


def _as_sent(change: PaneChanges) -> PaneChanges:
    """A change with one sum of spend: what names no currency is in the reporting currency where it is not in other slots."""
    codes, (values, beyond) = change.rows
    if not values[_DEFAULT_SPEND].any() and not beyond:
        return change
    values = values.copy()
    values[_SPEND] += values[_DEFAULT_SPEND]
    values[_DEFAULT_SPEND] = 0
    sent = {
        place: replace(
            tally, spend_micros=tally.spend_micros + tally.default_spend_micros, default_spend_micros=0
        )
        for place, tally in beyond.items()
    }
    return change._replace(rows=ChangedSums(codes, Tallies(values, sent)))

"""What the spend of reports is worth: by the rates and registrations of the start of their period, whenever those come.

When a rate or a campaign's currency changes, the reports kept that begin at the time of the change or later are valued anew: some with
each checkpoint, so that no checkpoint grows with what is kept.
"""

from collections import deque
from collections.abc import Iterator

from metrics.entities.campaigns import CampaignRegistry
from metrics.entities.report_history import Value
from metrics.entities.report_spend import ReportedSpend, valued_anew
from metrics.entities.reports import Report, ReportKey
from metrics.windows.campaign_windows import MergedWindows
from streams.stages.registry_changes import RegistryChanges

#: Reports that are looked at with one checkpoint.
_MOST_LOOKED_AT = 10_000
_EVER = -(1 << 62)


class ReportWorth:
    """The worth of the reports of one merge partition.

    Args:
        windows: the reports that are kept.
        registry: currencies of campaigns, and rates.
    """

    def __init__(self, windows: MergedWindows, registry: CampaignRegistry) -> None:
        self._windows = windows
        self._registry = registry
        self._changes = RegistryChanges(registry)
        self._waiting: deque[tuple[int, ReportKey]] = deque()

    @property
    def uncertain(self) -> int:
        """How many reports have spend without a rate."""
        return sum(len(history.uncertain) for history in self._windows.report_histories.values())

    @property
    def is_behind(self) -> bool:
        """Whether reports are to be looked at, or the registry has changed since it was followed."""
        return bool(self._waiting) or self._changes.is_behind

    def valued(
        self, code: int, report: Report, spend: ReportedSpend | None
    ) -> tuple[Report, ReportedSpend | None]:
        """A report with what its spend is worth by what is registered now."""
        if spend is None:
            return report, None
        micros, spend = self._value_of(code)(spend, report.spend_micros, report.period_start)
        return report._replace(spend_micros=micros), spend

    def restored(self) -> None:
        """All reports are put back: by which rates they were valued is not known, so all are looked at."""
        self._changes.take()
        self._waiting.clear()
        for code in self._windows.report_histories:
            self._wait(code, _EVER)

    def follow(self) -> Iterator[tuple[int, Report]]:
        """Value reports anew that changes of the registry may be about: as many as one checkpoint takes; by code of the campaign.

        Whoever leaves off earlier, since enough has changed, finds the rest in the next call.
        """
        if self._changes.is_behind:
            self._find()
        for _ in range(min(_MOST_LOOKED_AT, len(self._waiting))):
            code, key = self._waiting.popleft()
            history = self._windows.report_histories[code]
            if history.revalue(key, self._value_of(code)):
                yield code, history.reports[key]

    def _find(self) -> None:
        changes = self._changes.take()
        names = self._windows.campaign_codes.names
        for code, history in self._windows.report_histories.items():
            if history.currencies:
                of_campaign = changes.campaigns.get(names[code])
                since = changes.since(history.currencies)
                self._wait(code, since if of_campaign is None else min(since, of_campaign))

    def _wait(self, code: int, since: int) -> None:
        self._waiting.extend((code, key) for key in self._windows.report_histories[code].spent_since(since))

    def _value_of(self, code: int) -> Value:
        campaign = self._windows.campaign_codes.names[code]

        def value(spend: ReportedSpend, known: int, at: int) -> tuple[int, ReportedSpend]:
            return valued_anew(spend, known, campaign, at, self._registry)

        return value

"""The latest readings of the campaigns that are looked at: a reading takes kilobytes, and there may be many campaigns."""

from collections.abc import Collection, Sequence

from metrics.attribution.conversion_credit import split_subject
from metrics.records.kpi_reading import CampaignKpi


class Latest(dict[str, dict[str, CampaignKpi]]):
    """By subject and window: of the campaigns that were asked for, or else of the first ones.

    Args:
        limit: how many those are.

    >>> latest = Latest(1); latest.put("a", []); latest.put("b", []); list(latest)
    ['a']
    >>> latest.keep({"b"}); latest.put("a", []); latest.put("b", []); list(latest)
    ['b']
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        #: Of so many subjects readings are kept as long as nobody has said of which.
        self.limit = limit
        self._kept: Collection[str] | None = None

    def put(self, name: str, readings: Sequence[CampaignKpi]) -> None:
        """Readings of all windows of a subject."""
        if name in self or self._is_kept(name):
            self[name] = {reading.window: reading for reading in readings}

    def keep(self, campaigns: Collection[str] | None) -> None:
        """From now on readings of these campaigns are kept, in every view; None: of the first ones."""
        self._kept = campaigns
        if campaigns is not None:
            for name in [name for name in self if split_subject(name)[0] not in campaigns]:
                del self[name]

    def _is_kept(self, name: str) -> bool:
        return len(self) < self.limit if self._kept is None else split_subject(name)[0] in self._kept

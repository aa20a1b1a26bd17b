"""Which campaigns keep series of their own, and the sums of the others (CONTRACT 4).

Grouping is pure: the state that keeps it and ``now_ms`` are the caller's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from metrics.exposition.snapshot import CampaignSnapshot
from metrics.timeline import HOUR

#: Stands for the folded campaigns. A campaign that bears this name is folded always, since two
#: series of the same labels would make Prometheus refuse the whole page.
OTHER = "(other)"


@dataclass(frozen=True)
class Grouping:
    """The campaigns with series of their own, and the hour in which they were chosen."""

    hour: int
    kept: frozenset[str]


def regroup(
    previous: Grouping | None, campaigns: Sequence[CampaignSnapshot], limit: int, now_ms: int
) -> Grouping:
    """Choose who keeps series: the largest by spend of 24 h, anew each hour.

    Within the hour nobody changes place, so that series do not come and go; a place that an
    archived campaign leaves is filled at once.
    """
    hour = now_ms // HOUR
    present = [campaign for campaign in campaigns if campaign.campaign_id != OTHER]
    stays = previous.kept if previous is not None and previous.hour == hour else frozenset()
    if len(present) > limit:
        present = sorted(present, key=lambda one: _rank(one, stays))[:limit]
    return Grouping(hour, frozenset(campaign.campaign_id for campaign in present))


def _rank(campaign: CampaignSnapshot, stays: frozenset[str]) -> tuple[bool, int, str]:
    """Those who stay first, then by spend; equal spend by id, so that the choice repeats itself."""
    return campaign.campaign_id not in stays, -campaign.spend_24h_micros, campaign.campaign_id


class Folding:
    """Keeps the grouping from one scrape to the next."""

    def __init__(self, limit: int) -> None:
        """Give at most ``limit`` campaigns series of their own."""
        self._limit = limit
        self._grouping: Grouping | None = None

    def split(
        self, campaigns: Sequence[CampaignSnapshot], now_ms: int
    ) -> tuple[list[CampaignSnapshot], list[CampaignSnapshot]]:
        """Campaigns that are kept, and those that are folded."""
        grouping = self._grouping = regroup(self._grouping, campaigns, self._limit, now_ms)
        kept: list[CampaignSnapshot] = []
        folded: list[CampaignSnapshot] = []
        for campaign in campaigns:
            (kept if campaign.campaign_id in grouping.kept else folded).append(campaign)
        return kept, folded


def folded_sums(folded: Iterable[CampaignSnapshot], field: str) -> dict[tuple[str, str, str], int | float]:
    """Sum of one field of ``Sums`` over the folded campaigns, by (model, window, currency).

    Values that are None, because no report can count in the window, add nothing; where all are
    None the key is absent.
    """
    sums: dict[tuple[str, str, str], int | float] = {}
    for campaign in folded:
        for (model, window), reading in campaign.readings.items():
            value = getattr(reading.sums, field)
            if value is not None:
                key = (model, window, reading.currency)
                sums[key] = sums.get(key, 0) + value
    return sums

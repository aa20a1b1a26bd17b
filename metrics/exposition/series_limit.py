"""Which campaigns keep series of their own, and the sums of the others (docs/contract.md, Prometheus).

Grouping is pure: the state that keeps it and ``now_ms`` are the caller's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from metrics.exposition.snapshot import CampaignSnapshot, FoldedSnapshot
from metrics.values.time import HOUR

#: Stands for the folded campaigns. A campaign that bears this name is folded always, since two
#: series of the same labels would make Prometheus refuse the whole page.
OTHER = "(other)"


@dataclass(frozen=True)
class SeriesGrouping:
    """The campaigns with series of their own, and the hour in which they were chosen."""

    hour: int
    kept: frozenset[str]


def regroup(
    previous: SeriesGrouping | None, spends: Mapping[str, int], limit: int, now_ms: int
) -> SeriesGrouping:
    """Choose who keeps series: the largest by spend of 24 h, which is given by campaign, anew each hour.

    Within the hour nobody changes place, so that series do not come and go; a place that an
    archived campaign leaves is filled at once.
    """
    hour = now_ms // HOUR
    present = [campaign_id for campaign_id in spends if campaign_id != OTHER]
    stays = previous.kept if previous is not None and previous.hour == hour else frozenset()
    if len(present) > limit:
        # Those who stay first, then by spend; equal spend by id, so that the choice repeats itself.
        present = sorted(present, key=lambda one: (one not in stays, -spends[one], one))[:limit]
    return SeriesGrouping(hour, frozenset(present))


class SeriesLimit:
    """Keeps the grouping from one scrape to the next."""

    def __init__(self, limit: int) -> None:
        """Give at most ``limit`` campaigns series of their own."""
        self.limit = limit
        self._grouping: SeriesGrouping | None = None

    @property
    def kept(self) -> frozenset[str]:
        """Who kept series when that was last asked."""
        return frozenset() if self._grouping is None else self._grouping.kept

    def choose(self, spends: Mapping[str, int], now_ms: int) -> frozenset[str]:
        """Who keeps series, of campaigns with what each has spent in 24 h."""
        self._grouping = regroup(self._grouping, spends, self.limit, now_ms)
        return self._grouping.kept

    def split(
        self, campaigns: Sequence[CampaignSnapshot], now_ms: int
    ) -> tuple[list[CampaignSnapshot], list[CampaignSnapshot]]:
        """Campaigns that are kept, and those that are folded."""
        chosen = self.choose({each.campaign_id: each.spend_24h_micros for each in campaigns}, now_ms)
        kept: list[CampaignSnapshot] = []
        folded: list[CampaignSnapshot] = []
        for campaign in campaigns:
            (kept if campaign.campaign_id in chosen else folded).append(campaign)
        return kept, folded


def folded_sums(
    folded: Iterable[CampaignSnapshot], others: FoldedSnapshot, field: str
) -> dict[tuple[str, str, str], int | float]:
    """Sum of one field of ``Sums`` over the folded campaigns, by (model, window, currency).

    Values that are None, because no report can count in the window, add nothing; where all are
    None the key is absent.
    """
    sums = {key: fields[field] for key, fields in others.sums.items() if field in fields}
    for campaign in folded:
        for (model, window), reading in campaign.readings.items():
            value = getattr(reading.sums, field)
            if value is not None:
                key = (model, window, reading.currency)
                sums[key] = sums.get(key, 0) + value
    return sums

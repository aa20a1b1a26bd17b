"""What the figures of campaigns were composed with, so that a record of a campaign that comes later corrects what is final."""

from collections.abc import Iterable, Sequence

import msgspec

from metrics.entities.campaigns import CampaignRegistry
from streams.state.codec import Entry, decode_as, encode, read_key, state_key
from streams.state.table import Restored

#: Of the record that says that the table is kept; a state without it was composed with what is registered now.
_KEPT = ""


class FigureFacts(msgspec.Struct, array_like=True, frozen=True):
    """What of a campaign's records the figures of its windows depend on; money in micros of the reporting currency.

    ``bases`` has each instant from which the cost basis holds, and whether that is reports.
    """

    bases: tuple[tuple[int, bool], ...] = ()
    other_cost_micros: int = 0
    starts_at: int | None = None
    ends_at: int | None = None
    baseline_micros_per_day: int | None = None


_UNREGISTERED = FigureFacts()


def figure_facts(registry: CampaignRegistry, campaign_id: str) -> FigureFacts:
    """What is registered now."""
    facts = registry.facts(campaign_id)
    return FigureFacts(
        registry.bases(campaign_id),
        facts.other_cost_micros,
        facts.starts_at,
        facts.ends_at,
        facts.baseline_micros_per_day,
    )


class FigureFactsTable:
    """By campaign, what the newest readings of its windows were composed with.

    Args:
        registry: what is registered.
    """

    kind = "f"

    def __init__(self, registry: CampaignRegistry) -> None:
        self._registry = registry
        self._known: dict[str, FigureFacts] = {}
        #: Campaigns whose readings may not have gone out since the facts changed, with the sequence that holds the change.
        self._unsent: dict[str, int] = {}
        self._changed = {_KEPT}
        self._is_kept = False
        self._is_restored = False

    @property
    def weight(self) -> int:
        """About how many bytes the table adds to the next checkpoint."""
        return 60 * len(self._changed)

    def compare(self, campaign_id: str) -> tuple[bool, int | None]:
        """Remember what is registered of a campaign.

        Returns:
            Whether its windows are to be told anew, and since which sequence they are not told; None: as of now. Of an archived
            campaign nothing changes.
        """
        is_changed, unsent = self._learn(campaign_id), self._unsent.pop(campaign_id, None)
        return is_changed or unsent is not None, unsent

    def restored(self, campaigns: Sequence[str]) -> list[str]:
        """All is put back: the campaigns whose readings may not have gone out since the facts changed.

        Args:
            campaigns: all; state of a build that kept no facts is taken as composed with what is registered of them now.
        """
        if self._is_restored and not self._is_kept:
            for campaign_id in campaigns:
                self._learn(campaign_id)
        self._unsent = {each: self._unsent[each] for each in campaigns if each in self._unsent}
        return list(self._unsent)

    def oldest(self) -> int | None:
        """The sequence of the oldest change that was put back, and that ``compare`` has not come to."""
        return min(self._unsent.values(), default=None)

    def _learn(self, campaign_id: str) -> bool:
        """Remember what is registered; whether it has changed."""
        before, now = self._known.get(campaign_id, _UNREGISTERED), figure_facts(self._registry, campaign_id)
        if before == now or campaign_id in self._registry.archived:
            return False
        self._known[campaign_id] = now
        self._changed.add(campaign_id)
        return True

    def restore(self, entries: Sequence[Restored], confirmed: int) -> Iterable[bytes]:
        """Put back what readings were composed with."""
        self._is_restored = True
        for key, value in entries:
            campaign_id = read_key(key)[1]
            sequence, facts = decode_as(tuple[int, FigureFacts], value)
            self._is_kept = True
            if campaign_id != _KEPT:
                self._known[campaign_id] = facts
                if sequence > confirmed:
                    self._unsent[campaign_id] = sequence
        if self._is_kept:
            self._changed.discard(_KEPT)
        return ()

    def take_changes(self, sequence: int) -> list[Entry]:
        """Campaigns whose facts have changed."""
        changed, self._changed = self._changed, set()
        return [
            (state_key(self.kind, each), encode((sequence, self._known.get(each, _UNREGISTERED))))
            for each in sorted(changed)
        ]

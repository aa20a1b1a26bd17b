"""What attribution takes in, and the changes of credit that come out."""

from collections.abc import Sequence
from typing import NamedTuple

from metrics.attribution.touch_store import Hashes
from metrics.attribution.touchpoints import Codes, Instants
from metrics.sums.contribution import Contribution, ContributionColumns
from metrics.windows.panes import Horizon, Panes


class TouchBatch(NamedTuple):
    """Clicks or impressions of one slice that were applied; codes are indexes into the texts, -1 is none."""

    visitors: Hashes
    at: Instants
    campaign_codes: Codes
    campaigns: Sequence[str]
    channel_codes: Codes
    channels: Sequence[str]


class PersonIds(NamedTuple):
    """Hashes of the ids that a record of a conversion names: of the visitor, who may have touches, and of others."""

    visitor: int | None
    others: tuple[int, ...]


class ConversionUpdate(NamedTuple):
    """What a record says of a conversion; see ``Journeys.convert``."""

    key: str
    at: int
    named: PersonIds
    counted: Sequence[Contribution]
    seen_at: int


class GreatestParts(NamedTuple):
    """The campaign that each model gives the greatest part of an order to.

    Attributes:
        key: of the conversion.
        campaigns: by model; ``(none)`` where nothing is credited.
    """

    key: str
    campaigns: dict[str, str]


class CreditChanges:
    """What has been credited, and taken back.

    Attributes:
        sums: of each campaign in each model.
        apart: contributions of conversions that are counted apart.
        greatest: orders whose greatest parts are others than were told, in models that customers hear of.
    """

    def __init__(self) -> None:
        self.sums: list[ContributionColumns] = []
        self.apart: list[Contribution] = []
        self.greatest: list[GreatestParts] = []

    def fold_into(self, panes: Panes, limits: Horizon) -> None:
        """Add it all to the panes that still accept facts."""
        for sums in self.sums:
            panes.fold_columns(sums, limits)
        panes.fold(self.apart, limits)

"""Campaigns that are over, as their archive says. Pure; knows no topic's reader."""

import msgspec

from metrics.archive.editions import CampaignArchive
from metrics.values.errors import UNREADABLE

_decode = msgspec.json.Decoder(CampaignArchive).decode


class ArchiveStore:
    """The last edition of each archived campaign.

    Attributes:
        editions: by campaign.
    """

    def __init__(self) -> None:
        self.editions: dict[str, CampaignArchive] = {}

    def offer(self, value: bytes) -> None:
        """Take in a record of ``campaign-archive``; what cannot be read is passed over, and so is an edition that was read before."""
        try:
            edition = _decode(value)
        except UNREADABLE:
            return
        known = self.editions.get(edition.campaign_id)
        if known is None or known.edition < edition.edition:
            self.editions[edition.campaign_id] = edition

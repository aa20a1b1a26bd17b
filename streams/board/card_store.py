"""The cards as the controller last said them: of each campaign the highest revision. Pure; knows no Redis.

What names no campaign is none, so it has no card.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from metrics.budget.records import BoardCard, ColumnView
from metrics.budget.state import PACE, WIP
from metrics.records.events import NO_CAMPAIGN
from metrics.values.errors import UNREADABLE

_decode = msgspec.json.Decoder(BoardCard).decode
_decode_column = msgspec.json.Decoder(ColumnView).decode


#: Owners of holds that are no persons; those of alerts begin with ``alert:``.
_RULES = frozenset({"registration", "evidence", "budget", WIP, PACE})


def _without_words(card: BoardCard) -> BoardCard:
    hold = card.hold
    if hold is not None:
        is_rule = hold.owner in _RULES or hold.owner.startswith("alert:")
        hold = msgspec.structs.replace(hold, owner=hold.owner if is_rule else "operator", reason="")
    proposal = card.proposal
    if proposal is not None:
        proposal = msgspec.structs.replace(proposal, reason="")
    return msgspec.structs.replace(card, hold=hold, proposal=proposal, reason="")


class CardChanges(NamedTuple):
    """Campaigns whose card is news, and campaigns whose card has gone."""

    changed: set[str]
    removed: set[str]


class CardStore:
    """All cards, and the columns they stand in.

    Attributes:
        cards: by campaign.
        encoded: the same as JSON, without fields that are not of ``board-card/1``.
        columns: limits and sums by column.
    """

    def __init__(self) -> None:
        self.cards: dict[str, BoardCard] = {}
        self.encoded: dict[str, msgspec.Raw] = {}
        self.columns: dict[str, ColumnView] = {}
        #: Cards without words, made when somebody without a token first asks.
        self._public: dict[str, msgspec.Raw] = {}

    def public(self, campaign_id: str) -> msgspec.Raw | None:
        """A card without what operators said and who they are; None where there is no card."""
        card = self.cards.get(campaign_id)
        if card is None:
            return None
        if campaign_id not in self._public:
            self._public[campaign_id] = msgspec.Raw(msgspec.json.encode(_without_words(card)))
        return self._public[campaign_id]

    def offer(self, value: bytes) -> str | None:
        """Take in one card; its campaign when it is news.

        Raises:
            msgspec.DecodeError: when it is no card.
        """
        card = _decode(value)
        if card.campaign_id == NO_CAMPAIGN:
            return None
        known = self.cards.get(card.campaign_id)
        if known is not None and card.revision <= known.revision:
            return None
        self._keep(card)
        return card.campaign_id

    def replace(self, values: Mapping[str, bytes]) -> CardChanges:
        """Take in the whole hash: what it says holds, whatever revisions were known before.

        Redis may have been emptied and filled anew by a controller that counts from the start again. Values
        that are no cards are left out, as if they were not there.
        """
        changed, present = set(), set()
        for value in values.values():
            try:
                card = _decode(value)
            except UNREADABLE:
                continue
            if card.campaign_id == NO_CAMPAIGN:
                continue
            present.add(card.campaign_id)
            if card != self.cards.get(card.campaign_id):
                self._keep(card)
                changed.add(card.campaign_id)
        removed = self.cards.keys() - present
        for campaign_id in removed:
            del self.cards[campaign_id], self.encoded[campaign_id]
            self._public.pop(campaign_id, None)
        return CardChanges(changed, set(removed))

    def replace_columns(self, values: Mapping[str, bytes]) -> bool:
        """Take in limits and sums; whether anything changed."""
        columns = {}
        for name, value in values.items():
            try:
                columns[name] = _decode_column(value)
            except UNREADABLE:
                continue
        is_news = columns != self.columns
        self.columns = columns
        return is_news

    def _keep(self, card: BoardCard) -> None:
        self.cards[card.campaign_id] = card
        self._public.pop(card.campaign_id, None)
        self.encoded[card.campaign_id] = msgspec.Raw(msgspec.json.encode(card))

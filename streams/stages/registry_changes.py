"""Since when amounts may be worth something else, by how rates and registrations have changed since they were followed last."""

from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from metrics.entities.campaigns import CampaignRegistry

#: After every instant.
NEVER = 1 << 62


class Changes(NamedTuple):
    """The earliest instants at which amounts may be worth something else.

    Attributes:
        currencies: of amounts that name a currency, by its code.
        campaigns: of amounts that name none, by campaign.
    """

    currencies: Mapping[str, int]
    campaigns: Mapping[str, int]

    def since(self, currencies: Collection[str]) -> int:
        """That of amounts which name one of some currencies."""
        return min((at for code, at in self.currencies.items() if code in currencies), default=NEVER)


class RegistryChanges:
    """How far rates and registrations are followed.

    What is compared is the history of each rate as followed, so a rate that says nothing new changes nothing.

    Args:
        registry: currencies of campaigns, and rates.
    """

    def __init__(self, registry: CampaignRegistry) -> None:
        self._registry = registry
        self._followed = 0
        #: As followed: by currency its rates, and by campaign that is paid in another currency, or was, since when in which.
        self._rates: dict[str, Sequence[tuple[int, int]]] = {}
        self._paid: dict[str, Sequence[tuple[int, str]]] = {}

    @property
    def is_behind(self) -> bool:
        """Whether the registry has changed since the last call of ``take``."""
        return self._followed != self._registry.revision

    def take(self) -> Changes:
        """What has changed since the last call."""
        registry = self._registry
        campaigns, currencies = registry.changed_since(self._followed)
        self._followed = registry.revision
        rates: dict[str, int] = {}
        for currency in currencies:
            history = registry.rates.history(currency)
            rates[currency] = _first_difference(self._rates.get(currency, ()), history)
            self._rates[currency] = history
        found: dict[str, int] = {}
        for campaign in campaigns & (registry.foreign | self._paid.keys()):
            paid = registry.currencies_of(campaign)
            since = _first_difference(self._paid.get(campaign, ()), paid)
            found[campaign] = min([since, *(rates[currency] for _, currency in paid if currency in rates)])
            self._paid[campaign] = paid
        return Changes(rates, found)


def _first_difference(before: Sequence[tuple[int, int | str]], after: Sequence[tuple[int, int | str]]) -> int:
    """From when on two histories differ.

    >>> _first_difference([(1, 5), (7, 6)], [(1, 5), (3, 6)])
    3
    """
    for pair in zip_longest(before, after):
        if pair[0] != pair[1]:
            return min(each[0] for each in pair if each is not None)
    return NEVER

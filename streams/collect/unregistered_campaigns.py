"""Campaigns that collected records name and nobody has registered: counted in passing, compared with the registry as it is followed."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Container, Iterable, Sequence

from aiokafka.errors import KafkaError

from metrics.entities.campaigns import CampaignRegistry
from streams import topics
from streams.mapping.engine import MappedRecord
from streams.replay.registrations import campaign_named
from streams.runtime.registry import Registry
from streams.settings import Settings

_EVERY_S = 15.0
#: Campaigns that are remembered; where there are more, those with most records stay.
_MOST = 10_000
_SHOWN = 5

_logger = logging.getLogger(__name__)


class UnregisteredCampaigns:
    """Knows which campaigns are registered, and says in the log which of those that records name are not.

    Attributes:
        count: how many there are by the last look; not a number while registrations cannot be read.
    """

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected before ``run``."""
        self._settings = settings
        self._names = settings.reserved_names
        self._registered: Container[str] = ()
        self._records: Counter[str] = Counter()
        #: What was open at the last look, and what the log has named.
        self._open: frozenset[str] = frozenset()
        self._said: frozenset[str] = frozenset()
        #: Whether the log has said that registrations cannot be read, since they last could.
        self._is_failure_said = False
        self.count = math.nan

    def note(self, records: Iterable[MappedRecord]) -> None:
        """Take in records that were written."""
        for record in records:
            if record.topic not in topics.SOURCES or (named := campaign_named(record)) is None:
                continue
            campaign_id = self._names.campaign(named)
            if campaign_id in self._registered or self._names.is_no_campaign(campaign_id):
                continue
            if campaign_id in self._records or len(self._records) < _MOST:
                self._records[campaign_id] += 1

    async def run(self) -> None:
        """Follow the registry and look from time to time, until cancelled."""
        while True:
            registry = Registry(
                self._settings, CampaignRegistry(self._settings.reporting_currency), lambda _: None
            )
            try:
                await registry.start()
                self._registered = registry.campaign_registry.campaigns
                following = registry.follow()
                while not following.done():
                    self._look()
                    await asyncio.wait([following], timeout=_EVERY_S)
                    self._is_failure_said &= following.done()
                following.result()
            except (KafkaError, OSError, TimeoutError) as error:
                self.count = math.nan
                if not self._is_failure_said:
                    _logger.warning(
                        "Registrations cannot be read (%s); campaigns that nobody registered are not named until they can.",
                        type(error).__name__,
                    )
                self._is_failure_said = True
            finally:
                await registry.stop()
            await asyncio.sleep(_EVERY_S)

    def _look(self) -> None:
        """Forget what is registered by now, and name what is open since the look before: a registration may follow its first click."""
        for campaign_id in [each for each in self._records if each in self._registered]:
            del self._records[campaign_id]
        if len(self._records) == _MOST:
            self._records = Counter(dict(self._records.most_common(_MOST // 2)))
        found = frozenset(self._records)
        self.count = len(found)
        if found & self._open - self._said:
            _logger.warning("%s", _sentence([(self._records[each], each) for each in found & self._open]))
        self._said = (self._said | self._open) & found
        self._open = found


def _sentence(records: Sequence[tuple[int, str]]) -> str:
    most = sorted(records, key=lambda each: (-each[0], each[1]))[:_SHOWN]
    named = ", ".join(f"{campaign_id!r} ({count})" for count, campaign_id in most)
    more = f" and {len(records) - _SHOWN} more" if len(records) > _SHOWN else ""
    return (
        f"Campaigns that are not registered, with their records: {named}{more}. They have no budget, no target and no card, and spend "
        "that is reported for them counts as 0: register them, or correct their ids in rules, links and mappings."
    )

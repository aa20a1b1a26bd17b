"""What the topics say of campaigns: as registered, their readings, what was obeyed, and their last editions."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from metrics.archive.editions import CampaignArchive
from metrics.budget.records import BudgetAction
from metrics.entities.campaigns import CampaignFacts, CampaignRegistry
from metrics.records.kpi_reading import CampaignKpi
from metrics.values.errors import UNREADABLE, RoistreamError
from streams import topics
from streams.runtime.registry import Registry
from streams.settings import Settings
from streams.transport.log_reader import read_whole
from streams.transport.topic_admin import ensure_topics

_TOTAL = b'"total"'
_reading = msgspec.json.Decoder(CampaignKpi)
_action = msgspec.json.Decoder(BudgetAction)
_edition = msgspec.json.Decoder(CampaignArchive)


@dataclass
class CampaignLogs:
    """What is known of campaigns.

    Attributes:
        campaigns: as registered now.
        readings: of each campaign by model, the newest reading of its whole time.
        actions: of each campaign, obeyed budget actions by verb.
    """

    campaigns: dict[str, CampaignFacts] = field(default_factory=dict)
    readings: dict[str, dict[str, CampaignKpi]] = field(default_factory=lambda: defaultdict(dict))
    actions: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def take_reading(self, value: bytes | None) -> None:
        """Take in a record of ``campaign-kpis``, or of its view; what is none is passed over."""
        if value is None or _TOTAL not in value:
            return
        found = _read(_reading, value)
        if found is None or found.window != "total":
            return
        known = self.readings[found.campaign_id].get(found.model)
        if known is None or found.revision > known.revision:
            self.readings[found.campaign_id][found.model] = found


def _read(decoder: "msgspec.json.Decoder[Any]", value: bytes) -> Any:
    try:
        return decoder.decode(value)
    except UNREADABLE:
        return None


def check_topics(settings: Settings, *names: str) -> None:
    """Topics that are read or written must be there, with as many partitions as the settings say.

    Raises:
        RoistreamError: names the first that is not.
    """
    wanted = {settings.topic(name) for name in names}
    for difference in ensure_topics(settings, create=False):
        if difference.topic in wanted and difference.kind in ("missing", "partitions"):
            raise RoistreamError(difference.sentence)


async def read_editions(settings: Settings) -> dict[str, CampaignArchive]:
    """The last edition of each campaign."""
    found: dict[str, CampaignArchive] = {}
    async for entries in read_whole(settings, topics.CAMPAIGN_ARCHIVE, 0):
        for _, value in entries:
            edition = None if value is None else _read(_edition, value)
            if edition is not None:
                found[edition.campaign_id] = edition
    return found


async def read_logs(settings: Settings) -> CampaignLogs:
    """Campaigns, readings and actions, as their topics end now."""
    registered = CampaignRegistry(settings.reporting_currency)
    registry = Registry(settings, registered, lambda _: None)
    await registry.start()
    await registry.stop()
    found = CampaignLogs(dict(registered.campaigns))
    seen: set[str] = set()
    for partition in range(settings.partitions):
        async for entries in read_whole(settings, topics.CAMPAIGN_KPIS, partition):
            for _, value in entries:
                found.take_reading(value)
        async for entries in read_whole(settings, topics.BUDGET_ACTIONS, partition):
            for _, value in entries:
                action = None if value is None else _read(_action, value)
                if action is not None and action.mode == "enforce" and action.action_id not in seen:
                    seen.add(action.action_id)
                    found.actions[action.campaign_id][action.verb] += 1
    return found

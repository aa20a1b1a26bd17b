"""Simulate: the hours of the last days, the registered campaigns and a policy, put together when asked."""

import asyncio
from typing import Any

import msgspec

from metrics import budget
from metrics.budget.policy import PRESETS, Policies, Preset
from metrics.entities.campaigns import CampaignRegistry
from streams.board.hour_history import HourHistory
from streams.runtime.registry import Registry
from streams.settings import Settings


class Simulator:
    """Runs one simulation at a time; what it has read is kept for the next."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hours = HourHistory(settings)
        self._one_at_a_time = asyncio.Lock()

    async def run(self, preset: Preset | None, now_ms: int) -> dict[str, Any]:
        """What a preset, or the policies as they are configured, would have done over the last 7 days.

        Takes about 0.4 ms of a core per campaign and hour, in a thread.

        Returns:
            A ``metrics.budget.Simulation`` by its fields, with ``start`` and ``end`` of the hours there were, or None.

        Raises:
            RoistreamError: when the broker does not hand over the history.
        """
        async with self._one_at_a_time:
            readings = await self._hours.read(now_ms)
            campaign_registry = await self._registered()
            history = budget.History(campaign_registry.campaigns, readings, self._settings.reporting_currency)
            policies = self._settings.policies if preset is None else Policies(PRESETS[preset])
            simulation = await asyncio.to_thread(budget.simulate, policies, history)
        return {"start": history.start, "end": history.end, **msgspec.structs.asdict(simulation)}

    async def _registered(self) -> CampaignRegistry:
        campaign_registry = CampaignRegistry(self._settings.reporting_currency)
        registry = Registry(self._settings, campaign_registry, lambda _: None)
        try:
            await registry.start()
        finally:
            await registry.stop()
        return campaign_registry

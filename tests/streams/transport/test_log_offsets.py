"""Asking where many logs begin and end takes a few requests and not one for each topic, with a rest after each."""

import asyncio
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from streams import topics
from streams.transport.log_facts import log_facts
from streams.transport.log_offsets import bounds
from streams.transport.topic_admin import ensure_topics
from tests.support.pinning import append

_FEW = 3


async def _facts(settings: Any, partitions: list[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
    found = await log_facts(settings, dict.fromkeys(partitions))
    return {each: (facts.start, facts.end) for each, facts in found.items()}


@pytest.mark.parametrize("ask", [bounds, _facts])
def test_all_topics_are_made_known_at_once(broker, settings_for, monkeypatch, ask):
    settings = settings_for(broker, partitions=2)
    ensure_topics(settings, create=True)
    asyncio.run(append(settings, topics.CLICKS, [3]))
    asked = []
    update = AIOKafkaClient._metadata_update

    async def counted(self: AIOKafkaClient, *arguments: Any) -> bool:
        asked.append(arguments)
        return await update(self, *arguments)

    monkeypatch.setattr(AIOKafkaClient, "_metadata_update", counted)
    partitions = [(settings.topic(name), partition) for name in topics.INTAKE_INPUTS for partition in (0, 1)]
    asyncio.run(ask(settings, partitions))  # topics that were made just now may have no leader yet
    asked.clear()
    found = asyncio.run(ask(settings, partitions))
    clicks = settings.topic(topics.CLICKS)
    assert found == {each: (0, 3 if each == (clicks, 0) else 0) for each in partitions}
    assert len(asked) <= _FEW

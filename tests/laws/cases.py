"""Small inputs whose right figures are known, played through the whole pipeline in memory."""

import json
from pathlib import Path
from typing import Any

from metrics.entities.campaigns import CampaignRegistry
from metrics.values.time import DAY, SECOND
from streams import topics
from tests.laws.machine import Machine

#: When the records of a case are written: in the middle of a day, in UTC.
NOW = 20_775 * DAY + DAY // 2


def at(seconds: float) -> int:
    """An instant so many seconds from now."""
    return NOW + int(seconds * SECOND)


def play(lines: list[dict[str, Any]], registry: CampaignRegistry | None = None, **options: Any) -> Machine:
    """Write each line ``{topic, key, value, partition?}`` in order, on four partitions, and let all of it settle."""
    machine = Machine(4, registry or CampaignRegistry("EUR"), now=NOW, **options)
    for line in lines:
        key, value = line["key"], line["value"]
        if "partition" in line:
            machine.produce_to(line["partition"], line["topic"], key, value)
        else:
            machine.produce(line["topic"], key, value)
    machine.settle()
    machine.check_books()
    return machine


def read_case(path: Path) -> list[dict[str, Any]]:
    """The lines of a case, whose instants are relative to now."""
    return [_dated(json.loads(line)) for line in path.read_text().splitlines()]


def totals(machine: Machine, name: str, model: str = "declared") -> dict[str, Any]:
    """A sum of each campaign's total, where it is not 0."""
    found = {key[0]: sums[name] for key, sums in machine.last_credits(model).items() if key[1] == "total"}
    return {campaign: value for campaign, value in found.items() if value}


def line(topic: str, key: str, partition: int | None = None, **value: Any) -> dict[str, Any]:
    """A line of a case."""
    made: dict[str, Any] = {"topic": topic, "key": key, "value": value}
    return made if partition is None else {**made, "partition": partition}


def click(
    n: str, seconds: float, campaign: str, visitor: str, key: str | None = None, **more: Any
) -> dict[str, Any]:
    """A click."""
    value = {"event_id": f"c{n}", "occurred_at": at(seconds), "campaign_id": campaign, "visitor_id": visitor}
    return line(topics.CLICKS, visitor if key is None else key, **value | more)


def order(
    n: str, seconds: float, visitor: str, key: str | None = None, partition: int | None = None, **more: Any
) -> dict[str, Any]:
    """An order of 10."""
    value = {"event_id": f"o{n}", "occurred_at": at(seconds), "order_id": f"o{n}", "visitor_id": visitor}
    return line(topics.ORDERS, visitor if key is None else key, partition, **value | {"revenue": "10"} | more)


def _dated(made: dict[str, Any]) -> dict[str, Any]:
    value = {name: _instant(text) for name, text in made["value"].items()}
    return {**made, "value": value}


def _instant(text: Any) -> Any:
    if not isinstance(text, str) or not text.startswith("@"):
        return text
    days = {"@day0": 0, "@day1": 1}
    if text in days:
        return (NOW // DAY + days[text]) * DAY
    return at(float(text[1:].removesuffix("s")))

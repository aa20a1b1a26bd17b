"""Editions of an archived campaign: the first is what it came to, a later one says what was corrected since."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from metrics.entities.campaigns import CampaignFacts
from metrics.records.events import Campaign, Targets
from metrics.records.kpi_reading import DEFINITIONS, CampaignKpi, Evidence, Sums
from metrics.values.time import format_instant, to_millis

SCHEMA = "campaign-archive/1"
DECLARED = "declared"
#: Fields that are of an edition, not of the campaign.
_OF_THE_EDITION = ("schema", "edition", "archived_at", "watermark", "changes")
#: So many changes are listed; the rest are counted.
_LISTED = 100


class ArchivedFigures(msgspec.Struct, kw_only=True, frozen=True):
    """Sums and KPIs of a whole campaign under one model."""

    sums: Sums
    kpis: dict[str, float | None]


class CampaignArchive(msgspec.Struct, kw_only=True, frozen=True):
    """A campaign that is over, with its final figures; topic ``campaign-archive``, compacted by ``campaign_id``.

    An edition is never changed: what was corrected after it makes a new one, which says what is other than before.
    """

    schema: str = SCHEMA
    campaign_id: str
    edition: int
    archived_at: str
    name: str | None
    channel: str | None
    target: str | None
    offer: str | None
    objective: str | None
    starts_at: str | None
    ends_at: str | None
    budget_micros: int | None
    targets: Targets | None
    currency: str
    models: dict[str, ArchivedFigures]
    evidence: dict[str, Evidence]
    actions: dict[str, int]
    definitions: int = DEFINITIONS
    watermark: str | None
    changes: list[str]


def archived(
    facts: CampaignFacts, readings: Mapping[str, CampaignKpi], actions: Mapping[str, int], now: int
) -> CampaignArchive:
    """The first edition of a campaign.

    Args:
        facts: as registered.
        readings: of the window ``total``, by model; ``declared`` is among them.
        actions: obeyed budget actions by verb.
        now: epoch milliseconds.
    """
    registered = facts.registered or Campaign(facts.campaign_id)
    declared = readings[DECLARED]
    return CampaignArchive(
        campaign_id=facts.campaign_id,
        edition=1,
        archived_at=format_instant(now),
        name=registered.name,
        channel=facts.channel or declared.channel,
        target=registered.target,
        offer=registered.offer,
        objective=registered.objective,
        starts_at=None if facts.starts_at is None else format_instant(facts.starts_at),
        ends_at=None if facts.ends_at is None else format_instant(facts.ends_at),
        budget_micros=facts.budget_micros,
        targets=registered.targets,
        currency=declared.currency,
        models={
            model: ArchivedFigures(sums=reading.sums, kpis=reading.kpis)
            for model, reading in sorted(readings.items())
        },
        evidence=dict(sorted(declared.evidence.items())),
        actions=dict(sorted(actions.items())),
        definitions=declared.definitions,
        watermark=declared.watermark,
        changes=[],
    )


def next_edition(previous: CampaignArchive | None, found: CampaignArchive) -> CampaignArchive | None:
    """What goes onto the topic; None where the last edition says it already.

    Args:
        previous: the last edition; None: there is none.
        found: the campaign as it stands, as a first edition.
    """
    if previous is None:
        return found
    before, now = (msgspec.to_builtins(edition) for edition in (previous, found))
    for name in _OF_THE_EDITION:
        del before[name], now[name]
    changes = list(_changes(before, now))
    if not changes:
        return None
    if len(changes) > _LISTED:
        changes = [*changes[:_LISTED], f"and {len(changes) - _LISTED} more"]
    return msgspec.structs.replace(found, edition=previous.edition + 1, changes=changes)


def _changes(before: Any, now: Any, path: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in sorted(before.keys() | now.keys()):
            yield from _changes(before.get(name), now.get(name), f"{path}.{name}" if path else name)
    elif before != now:
        yield f"{path}: {_said(before)} → {_said(now)}"


def _said(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def why_not_yet(
    facts: CampaignFacts, readings: Mapping[str, CampaignKpi], after_ms: int, *, is_asked: bool = False
) -> str | None:
    """Why a campaign is not archived now, as the end of a sentence; None: it is to be.

    Args:
        facts: as registered.
        readings: of the window ``total``, by model.
        after_ms: how long after its end a campaign has what is to come; events tell the time.
        is_asked: somebody wants this one archived, whether it is over or not.
    """
    declared = readings.get(DECLARED)
    if declared is None:
        return "has no reading of its whole time"
    if declared.has_uncertain_amounts:
        return "has amounts without a rate"
    if is_asked:
        return None
    if facts.ends_at is None:
        return "has no end"
    if (
        declared.watermark is None
        or to_millis(datetime.fromisoformat(declared.watermark)) < facts.ends_at + after_ms
    ):
        return "is not over for long enough"
    return None

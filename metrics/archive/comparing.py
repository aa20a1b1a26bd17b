"""Past campaigns beside each other, like with like: those that share what is asked for, in one currency, with figures of one age."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from metrics.archive.editions import CampaignArchive
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.kpi_reading import DEFINITIONS, Credit, Sums
from metrics.values.time import DAY, to_millis

#: By what campaigns are put together; the support is the channel.
ATTRIBUTES = ("target", "offer", "channel", "objective")
#: KPIs that say something of campaigns of any size.
COMPARED = ("cpl", "cac", "roas", "roi_net_profit", "aov", "lead_rate", "customer_rate")
#: Figures are alike in age from so many days after the end on; as old they are when a campaign is archived by itself.
USUAL_AGE_DAYS = 30


class PastCampaignLine(msgspec.Struct, frozen=True, kw_only=True):
    """An archived campaign under one model; ratios in units of 1, costs in currency units.

    Attributes:
        days: how long it ran; None where its start or end is not known.
        age_days: whole days from its end to the event time up to which its figures reach; None where either is not known.
        revenue_micros: net of refunds.
        paused: how often it was paused by an order.
        changes: what its last edition corrected.
    """

    campaign_id: str
    name: str | None
    target: str | None
    offer: str | None
    channel: str | None
    objective: str | None
    starts_at: str | None
    ends_at: str | None
    days: float | None
    age_days: int | None
    currency: str
    spend_micros: int
    leads: Credit
    orders: Credit
    new_customers: Credit
    revenue_micros: int
    kpis: dict[str, float | None]
    paused: int
    edition: int
    archived_at: str
    changes: list[str]


class PastGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Campaigns with one value of an attribute, as sums that are divided last.

    Attributes:
        value: of the attribute; None: campaigns that name none.
        campaigns: how many.
        lowest: of each KPI the least of a single campaign; None where no campaign has it.
        highest: the greatest.
    """

    value: str | None
    campaigns: int
    days: float | None
    spend_micros: int
    leads: Credit
    orders: Credit
    new_customers: Credit
    revenue_micros: int
    kpis: dict[str, float | None]
    lowest: dict[str, float | None]
    highest: dict[str, float | None]


class NotCompared(msgspec.Struct, frozen=True):
    """A campaign that shares what is asked for and is not compared, with the reason as the end of a sentence."""

    campaign_id: str
    reason: str


class PastCampaigns(msgspec.Struct, frozen=True, kw_only=True):
    """What a page of past campaigns shows.

    Attributes:
        by: the attribute of the groups.
        currency: of all money; None where nothing is archived.
        archived: how many campaigns the archive has.
        groups: those that spent most first.
        campaigns: those that spent most first.
        left_out: by id.
        choices: of each attribute its values with how many campaigns have each, and so ``currency``; what is asked for of other attributes plays no part.
    """

    model: str
    by: str
    currency: str | None
    age_days: int
    archived: int
    groups: list[PastGroup]
    campaigns: list[PastCampaignLine]
    left_out: list[NotCompared]
    choices: dict[str, dict[str, int]]


def compare(
    editions: Iterable[CampaignArchive],
    by: str,
    alike: Mapping[str, str],
    model: str,
    currency: str | None = None,
    age_days: int = USUAL_AGE_DAYS,
) -> PastCampaigns:
    """Put campaigns beside each other that are alike in all but one attribute.

    Args:
        editions: the last of each campaign.
        by: one of ``ATTRIBUTES``; its values are the groups.
        alike: of other attributes the value that all campaigns must have; an empty text: none named.
        model: who earned the conversions.
        currency: of the money; None: the one that most campaigns are in.
        age_days: figures reach at least so many days beyond the end of their campaign.
    """
    every = sorted(editions, key=lambda each: each.campaign_id)
    choices = {name: dict(Counter(getattr(each, name) or "" for each in every)) for name in ATTRIBUTES}
    currencies = Counter(each.currency for each in every)
    if currency is None and currencies:
        currency = min(currencies, key=lambda name: (-currencies[name], name))
    left_out, found = [], list[tuple[CampaignArchive, Sums]]()
    for edition in every:
        if any((getattr(edition, name) or "") != value for name, value in alike.items()):
            continue
        reason = next(_reasons(edition, model, currency, age_days), None)
        if reason is None:
            found.append((edition, edition.models[model].sums))
        else:
            left_out.append(NotCompared(edition.campaign_id, reason))
    lines = [_line(edition, sums) for edition, sums in found]
    values = Counter(getattr(line, by) for line in lines)
    groups = [
        _group(
            value,
            [line for line in lines if getattr(line, by) == value],
            [sums for edition, sums in found if getattr(edition, by) == value],
        )
        for value in values
    ]
    return PastCampaigns(
        model=model,
        by=by,
        currency=currency,
        age_days=age_days,
        archived=len(every),
        groups=sorted(groups, key=lambda each: (-each.spend_micros, each.value or "")),
        campaigns=sorted(lines, key=lambda each: (-each.spend_micros, each.campaign_id)),
        left_out=left_out,
        choices={**choices, "currency": dict(currencies)},
    )


def length_days(edition: CampaignArchive) -> float | None:
    """How long the campaign ran; None where it has no start or end."""
    if edition.starts_at is None or edition.ends_at is None:
        return None
    return round((_millis(edition.ends_at) - _millis(edition.starts_at)) / DAY, 6)


def _reasons(edition: CampaignArchive, model: str, currency: str | None, age_days: int) -> Iterator[str]:
    """Why a campaign is not compared."""
    figures, age = edition.models.get(model), _age_days(edition)
    if figures is None:
        yield f"has no figures under {model}"
    elif figures.sums.spend_micros is None:
        yield "has no known spend"
    if edition.currency != currency:
        yield f"has its money in {edition.currency}"
    if edition.definitions != DEFINITIONS:
        yield "was archived under other definitions of the KPIs"
    if age is None and age_days > 0:
        yield "has no known end"
    if age is not None and age < age_days:
        yield f"has figures of only {age} days after its end"


def _age_days(edition: CampaignArchive) -> int | None:
    if edition.ends_at is None or edition.watermark is None:
        return None
    return (_millis(edition.watermark) - _millis(edition.ends_at)) // DAY


def _line(edition: CampaignArchive, sums: Sums) -> PastCampaignLine:
    assert sums.spend_micros is not None, "left out else"
    return PastCampaignLine(
        **{name: getattr(edition, name) for name in ("campaign_id", "name", *ATTRIBUTES)},
        starts_at=edition.starts_at,
        ends_at=edition.ends_at,
        days=length_days(edition),
        age_days=_age_days(edition),
        currency=edition.currency,
        spend_micros=sums.spend_micros,
        leads=sums.leads,
        orders=sums.orders,
        new_customers=sums.new_customers,
        revenue_micros=sums.revenue_micros - sums.refunds_micros,
        kpis=_kpis(sums),
        paused=edition.actions.get("pause", 0),
        edition=edition.edition,
        archived_at=edition.archived_at,
        changes=edition.changes,
    )


def _group(value: str | None, lines: Sequence[PastCampaignLine], of_each: Sequence[Sums]) -> PastGroup:
    sums, lengths = _added(of_each), [line.days for line in lines if line.days is not None]
    assert sums.spend_micros is not None, "left out else"
    ends = {name: [kpi for line in lines if (kpi := line.kpis[name]) is not None] for name in COMPARED}
    return PastGroup(
        value=value,
        campaigns=len(lines),
        days=round(sum(lengths), 6) if len(lengths) == len(lines) else None,
        spend_micros=sums.spend_micros,
        leads=sums.leads,
        orders=sums.orders,
        new_customers=sums.new_customers,
        revenue_micros=sums.revenue_micros - sums.refunds_micros,
        kpis=_kpis(sums),
        lowest={name: min(found, default=None) for name, found in ends.items()},
        highest={name: max(found, default=None) for name, found in ends.items()},
    )


def _added(of_each: Sequence[Sums]) -> Sums:
    """Sums of several campaigns; None where one of them is not known. Credits are in parts of a millionth, so their sum is rounded to it."""
    found = dict[str, Any]()
    for name in Sums.__struct_fields__:
        parts = [getattr(sums, name) for sums in of_each]
        added = None if None in parts else sum(parts)
        found[name] = round(added, 6) if isinstance(added, float) else added
    return Sums(**found)


def _kpis(sums: Sums) -> dict[str, float | None]:
    found = compute(KpiInputs(sums=sums, total=sums))
    return {name: found[name] for name in COMPARED}


def _millis(text: str) -> int:
    return to_millis(datetime.fromisoformat(text))

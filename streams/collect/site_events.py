"""What a site says of clicks, impressions, leads and orders becomes source records. Pure; time and chance are arguments.

A site's own page is read by everybody, so whoever likes may say the same: nothing here states a cost, and the ids of events have a
room of their own, where they replace no record of another source.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Annotated, Literal, NamedTuple

import msgspec

from metrics.records.events import Identifier, Instant, Label, Money
from metrics.records.validation import instant
from metrics.values.errors import Reason, Rejection
from metrics.values.time import format_instant
from streams import topics
from streams.collect.campaign_rules import CampaignPlace, CampaignRule, parameters, place_of
from streams.mapping.contract import judge
from streams.mapping.engine import MappedRecord

EventType = Literal["click", "impression", "lead", "order"]
TOPICS: dict[str, str] = {
    "click": topics.CLICKS,
    "impression": topics.IMPRESSIONS,
    "lead": topics.LEADS,
    "order": topics.ORDERS,
}
Address = Annotated[str, msgspec.Meta(max_length=8_000)]


class SiteEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as a site sends it; fields beyond these are ignored.

    Attributes:
        type: what happened.
        event_id: the same each time that the event is sent; without it a lead goes by ``lead_id`` and ``stage``, an order by ``order_id``
            and ``kind``, and every click and impression is one of its own.
        occurred_at: when; without it now.
        url: the page's address with its parameters.
        consent: whether the visitor agreed to be recognised.
        visitor_id: the site's own id of the visitor, in place of the cookie's; left out without consent.
    """

    type: EventType
    event_id: Identifier | None = None
    occurred_at: Instant | None = None
    url: Address | None = None
    consent: bool | None = None
    visitor_id: Identifier | None = None
    campaign_id: Identifier | None = None
    channel: Label | None = None
    ad_id: Identifier | None = None
    offer: Label | None = None
    segment: Label | None = None
    lead_id: Identifier | None = None
    stage: Literal["lead", "mql", "sql"] = "lead"
    order_id: Identifier | None = None
    kind: Literal["placed", "refunded", "cancelled"] = "placed"
    revenue: Money | None = None
    currency: Label | None = None
    customer_id: Identifier | None = None
    is_new_customer: bool | None = None


class SiteBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Several events that were sent together; ``consent`` holds for all of them."""

    events: list[SiteEvent]
    consent: bool | None = None


_FIELDS: dict[str, tuple[str, ...]] = {
    topics.LEADS: ("lead_id", "stage"),
    topics.ORDERS: ("order_id", "kind", "revenue", "currency", "is_new_customer"),
}


class _Body(SiteEvent, frozen=True, kw_only=True):
    """An object at the top of a body: one event, or a batch."""

    type: EventType | None = None  # type: ignore[assignment]  # a batch has none
    events: list[SiteEvent] | None = None


class _AdRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The record of a click or an impression, which are most of what comes; impressions have no offer and no segment."""

    event_id: str
    occurred_at: str
    campaign_id: str
    channel: str | None = None
    visitor_id: str | None = None
    ad_id: str | None = None
    offer: str | None = None
    segment: str | None = None


_BODY = msgspec.json.Decoder(_Body | list[SiteEvent])
_encode = msgspec.json.Encoder().encode
MOST_EVENTS = 500


def read_events(body: bytes) -> SiteBatch:
    """The events of a request's body: one object, a list of them, or ``{"events": [...]}``.

    Raises:
        Rejection: where the body is none of these.

    >>> read_events(b'[{"type": "click", "url": "https://shop.example/?utm_campaign=spring"}]').events[0].type
    'click'
    """
    try:
        found = _BODY.decode(body)
    except msgspec.ValidationError as error:
        raise Rejection(Reason.INVALID_FIELD, str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejection(Reason.INVALID_JSON, str(error)) from error
    except (ArithmeticError, ValueError) as error:  # numbers that no decimal can hold
        raise Rejection(Reason.INVALID_FIELD, str(error)) from error
    if isinstance(found, list):
        batch = SiteBatch(events=found)
    elif found.events is not None:
        batch = SiteBatch(events=found.events, consent=found.consent)
    elif found.type is None:
        raise Rejection(Reason.MISSING_FIELD, "the body holds no event: type is missing")
    else:
        batch = SiteBatch(events=[found])
    if len(batch.events) > MOST_EVENTS:
        raise Rejection(Reason.OVERSIZED, f"{len(batch.events)} events; send at most {MOST_EVENTS} together")
    return batch


class Visit(NamedTuple):
    """Who sends an event, and what is done with it.

    Attributes:
        visitor_id: the visitor's id; None where there must be none.
        now_ms: wall clock, epoch milliseconds.
        rules: from parameters to campaigns.
        new_id: makes the id of an event that has none.
        earliest_ms: events before it are refused.
        latest_ms: events after it are refused.
    """

    visitor_id: str | None
    now_ms: int
    rules: Sequence[CampaignRule]
    new_id: Callable[[], str]
    earliest_ms: int
    latest_ms: int


def record_of(event: SiteEvent, visit: Visit, *, may_identify: bool) -> MappedRecord | None:
    """The source record of an event; None for a click or an impression of no campaign, which counts nowhere.

    Args:
        event: as the site sent it.
        visit: who sends it.
        may_identify: whether ids of the person may be written.

    Raises:
        Rejection: where a worker would refuse the record; the text says what to send.
    """
    topic = TOPICS[event.type]
    place = _place(event, visit.rules)
    is_click = event.type == "click"
    is_ad = is_click or event.type == "impression"
    if is_ad and place.campaign_id is None:
        return None
    at_ms = visit.now_ms if event.occurred_at is None else instant(event.occurred_at, "occurred_at")
    visitor = (event.visitor_id or visit.visitor_id) if may_identify else None
    _check_time(at_ms, visit)
    if is_ad:
        own, event_id = None, _event_id(event, visit, topic, None)
        value = _encode(
            _AdRecord(
                event_id=event_id,
                occurred_at=format_instant(at_ms),
                campaign_id=str(place.campaign_id),
                channel=place.channel,
                visitor_id=visitor,
                ad_id=event.ad_id,
                offer=event.offer if is_click else None,
                segment=event.segment if is_click else None,
            )
        )
        is_certain = _is_certain(place)
    else:
        own = event.lead_id if event.type == "lead" else event.order_id
        if own is None:
            raise Rejection(Reason.MISSING_FIELD, f"{event.type}_id is missing")
        event_id, is_certain = _event_id(event, visit, topic, own), False
        fields: dict[str, object] = {
            "event_id": event_id,
            "occurred_at": format_instant(at_ms),
            "campaign_id": place.campaign_id,
            "channel": place.channel if topic != topics.ORDERS else None,
            "visitor_id": visitor,
            **{name: getattr(event, name) for name in _FIELDS[topic]},
        }
        if topic == topics.ORDERS and may_identify:
            fields |= {"customer_id": event.customer_id, "lead_id": event.lead_id}
        value = _encode({name: given for name, given in fields.items() if given is not None})
    refused = None if is_certain else judge(topic, value)
    if refused is not None:
        raise Rejection(Reason.INVALID_FIELD, refused)
    # Orders and leads under their own ids, so that the same one from another source meets it on one partition.
    return MappedRecord(topic, own or visitor or event_id, value, at_ms)


def _is_certain(place: CampaignPlace) -> bool:
    """Whether a worker takes a click or an impression for sure: its fields were read by the types of the record, and the time is judged."""
    campaign, channel = place.campaign_id or "", place.channel or ""
    return 0 < len(campaign) <= 128 and "\uffff" not in campaign and len(channel) <= 500


def _place(event: SiteEvent, rules: Sequence[CampaignRule]) -> CampaignPlace:
    if event.campaign_id is not None:
        return CampaignPlace(event.campaign_id, event.channel)
    found = place_of(rules, parameters(event.url))
    return CampaignPlace(found.campaign_id, event.channel or found.channel)


def _check_time(at_ms: int, visit: Visit) -> None:
    if at_ms > visit.latest_ms:
        raise Rejection(
            Reason.FUTURE_TIMESTAMP,
            f"occurred_at is ahead of the clock here ({format_instant(visit.now_ms)})",
        )
    if at_ms < visit.earliest_ms:
        raise Rejection(Reason.INVALID_FIELD, f"occurred_at is before {format_instant(visit.earliest_ms)}")


def _event_id(event: SiteEvent, visit: Visit, topic: str, own: str | None) -> str:
    if event.event_id is not None:
        parts = ["event", event.event_id]
    elif event.type == "order" and event.kind == "refunded":
        raise Rejection(
            Reason.MISSING_FIELD,
            "event_id is missing; an order may be refunded in parts, and each needs an id",
        )
    elif own is not None:
        parts = ["own", own, event.kind if event.type == "order" else event.stage]
    else:
        parts = ["new", visit.new_id()]
    text = "\x1f".join(["site", topic, *parts])
    return blake2b(text.encode(errors="replace"), digest_size=16).hexdigest()

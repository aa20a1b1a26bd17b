"""What a record of each topic is: its shape, its fields, its id, and whether a worker would take it."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, Literal, get_args

import msgspec

from metrics.records import events
from metrics.records.validation import decode, instant, says_a_figure
from metrics.values import money
from metrics.values.errors import Reason, Rejection
from metrics.values.time import DAY
from streams import topics

RECORDS: dict[str, type[msgspec.Struct]] = {
    topics.IMPRESSIONS: events.AdImpression,
    topics.CLICKS: events.AdClick,
    topics.REPORTS: events.AdReport,
    topics.LEADS: events.Lead,
    topics.ORDERS: events.Order,
    topics.SURVEYS: events.Survey,
    topics.TICKETS: events.Ticket,
    topics.SUBSCRIPTIONS: events.Subscription,
    topics.REFERRALS: events.Referral,
    topics.ACTIVATIONS: events.Activation,
    topics.CAMPAIGNS: events.Campaign,
    topics.FX_RATES: events.FxRate,
}
#: Field that identifies a record of a topic; derived when a mapping does not give it.
IDENTITY = dict.fromkeys(topics.DATED_SOURCES, "event_id") | {topics.REPORTS: "report_id"}
#: Field whose time orders a replay; a report is known when its period has ended.
ORDERED_BY = dict.fromkeys(topics.DATED_SOURCES, "occurred_at") | {topics.REPORTS: "period_end"}
#: Ties in event time: what must be known first goes first.
RANK = {name: place for place, name in enumerate((topics.FX_RATES, topics.CAMPAIGNS, *topics.SOURCES))}
#: Fields of the Kafka key where a mapping names none, the first that is not empty.
KEYS = {
    topics.CAMPAIGNS: ["campaign_id"],
    topics.REPORTS: ["campaign_id"],
    topics.FX_RATES: ["currency", "valid_from"],
}
#: Of a report; one without any of these says nothing.
FIGURES = ("impressions", "clicks", "spend", "conversions")
_LONGEST_PERIOD = 3_660 * DAY

Kind = Literal["text", "money", "count", "time", "flag"]


@cache
def kinds(topic: str) -> dict[str, Kind]:
    """What each field of a topic's record is, read from its struct; nested structs are left out."""
    return {
        field.name: _kind(field.type)
        for field in msgspec.structs.fields(RECORDS[topic])
        if field.name != "targets"
    }


def _kind(declared: Any) -> Kind:
    members = set(get_args(declared)) | {declared}
    members |= {inner for member in members for inner in get_args(member)}
    for kind, marker in (("time", datetime), ("money", Decimal), ("flag", bool), ("count", int)):
        if marker in members:
            return kind  # type: ignore[return-value]  # the literal table above
    return "text"


@cache
def required(topic: str) -> frozenset[str]:
    """Fields without which there is no record."""
    return frozenset(
        field.name
        for field in msgspec.structs.fields(RECORDS[topic])
        if field.default is msgspec.NODEFAULT and field.name not in IDENTITY.values()
    )


@cache
def choices(topic: str) -> dict[str, tuple[str, ...]]:
    """Fields whose text is one of a few."""
    found = {}
    for field in msgspec.structs.fields(RECORDS[topic]):
        options = get_args(field.type)
        if options and all(isinstance(option, str) for option in options):
            found[field.name] = options
    return found


@cache
def _decoder(topic: str) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(RECORDS[topic])


def judge(topic: str, value: bytes) -> str | None:
    """Why a worker would refuse a record, or None; rates are not asked for.

    Args:
        topic: without prefix.
        value: the record's JSON.
    """
    try:
        event = decode(_decoder(topic), value)
        for name, kind in kinds(topic).items():
            _judge_field(topic, name, kind, getattr(event, name))
        _JUDGES.get(topic, lambda _: None)(event)
    except Rejection as verdict:
        return verdict.detail
    return None


def _judge_field(topic: str, name: str, kind: Kind, value: Any) -> None:
    if value is None:
        return
    if kind == "time":
        instant(value, name)
    elif kind == "money" and topic != topics.FX_RATES:  # rates may have more decimals than money
        try:
            money.to_micros(value)
        except ValueError as error:
            raise Rejection(Reason.INVALID_FIELD, f"{name}: {error}") from error
    elif name == "currency" and (value != value.upper() or not value.isalpha()):
        raise Rejection(
            Reason.UNKNOWN_CURRENCY, f"currency {value!r} is no code like EUR; write upper(…) in the mapping"
        )


def _judge_report(event: events.AdReport) -> None:
    says_a_figure(event)
    start, end = instant(event.period_start, "period_start"), instant(event.period_end, "period_end")
    if end <= start:
        raise Rejection(Reason.INVALID_FIELD, "period_end is not after period_start")
    if end - start > _LONGEST_PERIOD:
        raise Rejection(Reason.INVALID_FIELD, "the period is longer than 10 years; report it in parts")


def _judge_order(event: events.Order) -> None:
    if event.kind != "cancelled" and event.revenue is None:
        raise Rejection(Reason.MISSING_FIELD, "revenue is missing")


_JUDGES: dict[str, Callable[[Any], None]] = {topics.REPORTS: _judge_report, topics.ORDERS: _judge_order}

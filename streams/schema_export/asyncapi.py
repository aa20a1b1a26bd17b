"""The topics as an AsyncAPI 3 document. Talks to no broker."""

from dataclasses import dataclass
from typing import Any

from metrics.archive.editions import SCHEMA as ARCHIVE_SCHEMA
from metrics.budget.effects.records import EFFECT_SCHEMA
from metrics.budget.records import ACTION_SCHEMA
from metrics.customers.engagement import FIRST_RESPONSE, Kind, of_time
from metrics.customers.engagement_figures import COHORT_ENGAGEMENT, MONTH_ENGAGEMENT, EngagementReading
from metrics.customers.funnel import FUNNEL_FIGURES, Acquisition, FunnelReading
from metrics.customers.worth import NOTHING_EXPECTED, WORTH_FIGURES
from metrics.kpis.formulas import KpiInputs, compute
from metrics.records.customer_kpi import CUSTOMER_SCHEMA
from metrics.records.kpi_reading import DEFINITIONS, ROLLUP_SCHEMA, SCHEMA, Sums
from metrics.values.time import HOUR
from streams import topics

Document = dict[str, Any]

#: Number of the outside as documented; it changes with the contract, not with the code.
VERSION = "1.0.0"
_DEFAULT_PARTITIONS = 4
_KAFKA_BINDING = "0.5.0"
_DESCRIPTION = (
    "roistream turns ad impressions, clicks, platform reports, leads and orders into live KPIs per campaign. "
    "Records are JSON objects in UTF-8; unknown fields are ignored. Every topic name takes the prefix "
    "ROISTREAM_TOPIC_PREFIX (default empty). All source topics have the same number of partitions "
    "(ROISTREAM_PARTITIONS). Read with isolation.level=read_committed."
)


@dataclass(frozen=True)
class Channel:
    """One topic as outsiders see it.

    Attributes:
        topic: its name without prefix.
        record: name of the schema file of its records.
        summary: what it carries.
        key: what its Kafka key is.
        example: a record that is valid.
        is_output: roistream writes it.
    """

    topic: str
    record: str
    summary: str
    key: str
    example: Document
    is_output: bool = False


_BY_PERSON = (
    "The visitor_id of the person, so that one person's clicks, leads and orders meet on one partition. "
    "Records with another key or none are still counted."
)
_BY_CUSTOMER = "The customer_id, else the visitor_id."
_SUMS: dict[str, int] = {
    "impressions": 0, "clicks": 10, "leads": 2, "mqls": 0, "sqls": 0, "orders": 1, "new_customers": 1,
    "cancelled_orders": 0, "spend_micros": 3_700_000, "other_cost_micros": 0, "revenue_micros": 50_000_000,
    "refunds_micros": 0, "cost_of_goods_micros": 20_000_000,
}  # fmt: skip
_WHOLE = Sums(**_SUMS)
#: As of a window that holds the whole history of its campaign.
_SEEN = {
    "status": "running",
    "budget_micros": 1_000_000_000,
    "currency": "EUR",
    "version": "7",
    "is_daily": False,
    "seen_at": "2026-11-21T10:00:01Z",
}
_KPIS = compute(KpiInputs(sums=_WHOLE, total=_WHOLE))

_FUNNEL = FunnelReading(Acquisition(40_000_000, 400, 40), 2, 80_000_000)
#: Three answers, a ticket with a response after an hour, and somebody who is activated.
_ENGAGED = EngagementReading(
    2,
    {
        Kind.PROMOTERS: 2,
        Kind.PASSIVES: 1,
        Kind.TICKETS: 1,
        Kind.ANSWERED: 1,
        of_time(FIRST_RESPONSE, HOUR): 1,
    },
    {Kind.ACTIVATIONS: 1},
    {},
)

CHANNELS: tuple[Channel, ...] = (
    Channel(
        topics.IMPRESSIONS,
        "ad-impression",
        "Ads shown, one record each.",
        _BY_PERSON,
        {"event_id": "i-1", "occurred_at": "2026-11-21T10:00:00Z", "campaign_id": "c-1", "cost": "0.002"},
    ),
    Channel(
        topics.CLICKS,
        "ad-click",
        "Clicks on ads, one record each.",
        _BY_PERSON,
        {
            "event_id": "k-1",
            "occurred_at": "2026-11-21T10:00:00.250Z",
            "campaign_id": "c-1",
            "visitor_id": "v-1",
            "channel": "search",
            "cost": 0.37,
        },
    ),
    Channel(
        topics.REPORTS,
        "ad-report",
        "What ad platforms say about periods: impressions, clicks, spend.",
        "The campaign_id.",
        {
            "report_id": "r-1",
            "source": "search-ads",
            "campaign_id": "c-2",
            "period_start": "2026-11-21T10:00:00Z",
            "period_end": "2026-11-21T11:00:00Z",
            "reported_at": "2026-11-21T11:10:00Z",
            "impressions": 4000,
            "clicks": 90,
            "spend": "31.50",
        },
    ),
    Channel(
        topics.LEADS,
        "lead",
        "Leads, and the later stages of a lead.",
        f"{_BY_PERSON} A later stage has the key of the lead it follows.",
        {
            "event_id": "l-1",
            "occurred_at": 1_795_255_201_000,
            "lead_id": "lead-1",
            "visitor_id": "v-1",
            "campaign_id": "c-1",
        },
    ),
    Channel(
        topics.ORDERS,
        "order",
        "Orders placed, refunded or cancelled.",
        f"{_BY_PERSON} A refund or cancellation has the key of the order it follows.",
        {
            "event_id": "o-1",
            "occurred_at": "2026-11-21T10:00:42Z",
            "order_id": "order-1",
            "revenue": "50.00",
            "currency": "EUR",
            "visitor_id": "v-1",
            "campaign_id": "c-1",
            "cost_of_goods": 20,
        },
    ),
    Channel(
        topics.SURVEYS,
        "survey",
        "Answers: whether one would recommend (`nps`, 0 to 10), and how satisfied one is (`csat`, 1 to `scale`).",
        _BY_CUSTOMER,
        {
            "event_id": "a-1",
            "occurred_at": "2026-11-21T10:00:00Z",
            "kind": "nps",
            "score": 9,
            "customer_id": "cust-1",
        },
    ),
    Channel(
        topics.TICKETS,
        "ticket",
        "Tickets of the service desk: opened, first responded to, resolved.",
        f"{_BY_CUSTOMER} All records of a ticket have one key.",
        {
            "event_id": "t-1",
            "occurred_at": "2026-11-21T10:00:00Z",
            "ticket_id": "ticket-1",
            "stage": "opened",
            "customer_id": "cust-1",
        },
    ),
    Channel(
        topics.SUBSCRIPTIONS,
        "subscription",
        "Contracts: started, renewed for a further term, cancelled.",
        f"{_BY_CUSTOMER} All records of a subscription have one key.",
        {
            "event_id": "s-1",
            "occurred_at": "2026-11-21T10:00:00Z",
            "subscription_id": "sub-1",
            "kind": "started",
            "term": "P1M",
            "amount": "9.90",
            "currency": "EUR",
            "customer_id": "cust-1",
        },
    ),
    Channel(
        topics.REFERRALS,
        "referral",
        "Customers who have brought somebody.",
        "The customer_id, else the visitor_id, of who was brought.",
        {
            "event_id": "f-1",
            "occurred_at": "2026-11-21T10:00:00Z",
            "referrer_id": "cust-1",
            "customer_id": "cust-2",
        },
    ),
    Channel(
        topics.ACTIVATIONS,
        "activation",
        "Who has reached the step that a site calls activated.",
        _BY_CUSTOMER,
        {"event_id": "v-1", "occurred_at": "2026-11-21T10:00:00Z", "customer_id": "cust-1"},
    ),
    Channel(
        topics.ERASURES,
        "erasure",
        "Requests to forget a person by any of their ids. `roistream erase` writes one to every partition.",
        f"{_BY_PERSON} A record whose person's partition is not known goes to every partition.",
        {"visitor_id": "v-1", "requested_at": "2026-11-21T10:00:00Z"},
    ),
    Channel(
        topics.CAMPAIGNS,
        "campaign",
        "Campaigns as registered; compacted. A null value archives the campaign.",
        "The campaign_id; of several records that hold one after the other campaign_id|valid_from.",
        {
            "campaign_id": "c-1",
            "name": "Autumn search",
            "channel": "search",
            "starts_at": "2026-11-01T00:00:00Z",
            "budget": "5000",
            "currency": "EUR",
            "targets": {"cpl": 2.5, "roas": 4},
        },
    ),
    Channel(
        topics.FX_RATES,
        "fx-rate",
        "Exchange rates into the reporting currency; compacted. A null value withdraws the rate.",
        "currency|valid_from, such as USD|2026-11-21T00:00:00Z.",
        {"currency": "USD", "rate": "0.8765432", "valid_from": "2026-11-21T00:00:00Z"},
    ),
    Channel(
        topics.CAMPAIGN_KPIS,
        "campaign-kpi",
        "KPIs per campaign and window. Each record holds the whole value of its window, never a difference: "
        "keep the highest revision per (campaign_id, model, window, window_start).",
        "The campaign_id.",
        {
            "schema": SCHEMA,
            "campaign_id": "c-1",
            "channel": "search",
            "model": "declared",
            "window": "1m",
            "window_start": "2026-11-21T10:00:00Z",
            "window_end": "2026-11-21T10:01:00Z",
            "stage": "update",
            "revision": 3,
            "currency": "EUR",
            "sums": _SUMS,
            "other_basis": {"impressions": 0, "clicks": 0, "spend_micros": 0},
            "spread_ratio": None,
            "unreported_ratio": None,
            "has_uncertain_amounts": False,
            "known_spend": None,
            "matched_sums": None,
            "kpis": _KPIS,
            "evidence": {},
            "completeness": {"leads": 0.42, "orders": 0.17},
            "fitted_at": None,
            "definitions": DEFINITIONS,
            "watermark": "2026-11-21T10:00:31Z",
            "published_at": "2026-11-21T10:00:31.402Z",
        },
        is_output=True,
    ),
    Channel(
        topics.ROLLUP_KPIS,
        "rollup-kpi",
        "The same of roll-ups: all campaigns of one channel, target, offer or objective, as sums of their sums. "
        "Keep the highest revision per (dimension, value, model, window, window_start).",
        "dimension|value, such as channel|search.",
        {
            "schema": ROLLUP_SCHEMA,
            "dimension": "channel",
            "value": "search",
            "campaigns": 2,
            "model": "declared",
            "window": "1m",
            "window_start": "2026-11-21T10:00:00Z",
            "window_end": "2026-11-21T10:01:00Z",
            "stage": "final",
            "revision": 3,
            "currency": "EUR",
            "sums": _SUMS,
            "has_uncertain_amounts": False,
            "kpis": _KPIS,
            "definitions": DEFINITIONS,
            "watermark": "2026-11-21T10:02:00Z",
            "published_at": "2026-11-21T10:02:01.402Z",
        },
        is_output=True,
    ),
    Channel(
        topics.CAMPAIGN_ARCHIVE,
        "campaign-archive",
        "Campaigns that are over, with their final figures. A later edition says what was corrected; keep the highest.",
        "The campaign_id; the topic is compacted.",
        {
            "schema": ARCHIVE_SCHEMA,
            "campaign_id": "c-1",
            "edition": 1,
            "archived_at": "2026-11-21T10:00:00Z",
            "name": "Spring",
            "channel": "search",
            "target": "families",
            "offer": "trial",
            "objective": "leads",
            "starts_at": "2026-09-01T00:00:00Z",
            "ends_at": "2026-10-01T00:00:00Z",
            "budget_micros": 5_000_000,
            "targets": {"cpl": "2.5", "cac": None, "roas": None, "roi": None, "clv_to_cac": None},
            "currency": "EUR",
            "models": {"declared": {"sums": _SUMS, "kpis": _KPIS}},
            "evidence": {},
            "actions": {"pause": 1},
            "definitions": DEFINITIONS,
            "watermark": "2026-11-20T00:00:00Z",
            "changes": [],
        },
        is_output=True,
    ),
    Channel(
        topics.CUSTOMER_KPIS,
        "customer-kpi",
        "What the customers of a campaign are worth, by the month in which they were acquired, and `total`: whole values. "
        "Only with ROISTREAM_CUSTOMER_RETENTION. Keep the highest revision per (campaign_id, model, cohort); records of other "
        "models than declared come with ROISTREAM_CUSTOMER_MODELS.",
        "The campaign_id.",
        {
            "schema": CUSTOMER_SCHEMA,
            "campaign_id": "c-1",
            "model": "declared",
            "cohort": "total",
            "revision": 3,
            "currency": "EUR",
            "sums": {
                "customers": 2,
                "repeaters": 1,
                "orders": 3,
                "revenue_micros": 90_000_000,
                "refunds_micros": 10_000_000,
                "cost_of_goods_micros": 20_000_000,
                "spend_micros": 40_000_000,
                "promoters": 2,
                "passives": 1,
                "detractors": 0,
                "ratings": 0,
                "satisfied": 0,
                "tickets": 1,
                "tickets_responded": 1,
                "tickets_resolved": 0,
                "contracts": 0,
                "terms_ended": 0,
                "terms_renewed": 0,
                "contracts_running": 0,
                "contracts_valued": 0,
                "mrr_micros": 0,
                "billed_micros": 0,
                "activated": 1,
                "referrers": 0,
                "referrals": 0,
                "clicks": 400,
                "leads": 40,
            },
            "has_uncertain_amounts": False,
            "kpis": {
                "repeat_rate": 0.5,
                "average_basket": 26.666667,
                "clv_historic": 30.0,
                "cac": 20.0,
                "clv_to_cac": 1.5,
                "payback_months": 1,
                **{name: figure.read(_FUNNEL) for name, figure in FUNNEL_FIGURES.items()},
                **{name: figure.read(NOTHING_EXPECTED) for name, figure in WORTH_FIGURES.items()},
                **{name: figure.read(_ENGAGED) for name, figure in COHORT_ENGAGEMENT.items()},
            },
            "period": "month",
            "ages": [{"age": 0, "eligible": 2, "active": 2, "margin_micros": 60_000_000, "retention": 1.0}],
            "months": [
                {
                    "month": "2026-11",
                    "customers": 2,
                    "new": 2,
                    "before": None,
                    "stayed": 0,
                    "orders": 3,
                    "revenue_micros": 90_000_000,
                    "refunds_micros": 10_000_000,
                    "kpis": {
                        "retention_rate": None,
                        "retention_rate_period": None,
                        "churn_rate": None,
                        "arpu": 40.0,
                        "average_basket": 26.666667,
                        **{name: figure.read(_ENGAGED) for name, figure in MONTH_ENGAGEMENT.items()},
                    },
                }
            ],
            "worth": {
                "months": None,
                "cohorts": None,
                "expected_waits_for": "cohorts",
                "verdict": None,
                "waits_for": "year",
                "look": None,
                "level": None,
                "low": None,
                "high": None,
                "mean_low": None,
                "mean_high": None,
            },
            "definitions": DEFINITIONS,
            "watermark": "2026-12-01T10:00:31Z",
            "published_at": "2026-12-01T10:00:31.402Z",
        },
        is_output=True,
    ),
    Channel(
        topics.DEAD_LETTERS,
        "dead-letter",
        "Records that were refused or came too late, with the reason. One may be delivered again: "
        "dedupe by (topic, partition, offset).",
        "The source topic.",
        {
            "topic": "ad-clicks",
            "partition": 3,
            "offset": 42,
            "key": "v-1",
            "value": '{"event_id": "k-2", "occurred_at": "2026-11-21T10:00:00Z"}',
            "reason": "missing_field",
            "detail": "Object missing required field `campaign_id`",
            "failed_at": "2026-11-21T10:00:01.250Z",
        },
        is_output=True,
    ),
    Channel(
        topics.BUDGET_DECISIONS,
        "budget-decision",
        "Operators' words on campaigns, from the board or anyone else. The controller's guards decide what is done.",
        "The campaign_id.",
        {
            "decision_id": "d-1",
            "campaign_id": "c-1",
            "verb": "set_budget",
            "budget": 1200,
            "by": "ada",
            "reason": "the fair begins",
            "occurred_at": "2026-11-21T10:00:00Z",
        },
    ),
    Channel(
        topics.BUDGET_ACTIONS,
        "budget-action",
        "What ad platforms are told. Obey only those of mode `enforce`, and each action_id once.",
        "The campaign_id.",
        {
            "schema": ACTION_SCHEMA,
            "action_id": "5f0c7b1e9a3d4c2f8b6a1d0e7c9f3b25",
            "campaign_id": "c-1",
            "verb": "pause",
            "column": "hold",
            "budget_from": "1000",
            "budget_to": "1000",
            "currency": "EUR",
            "mode": "enforce",
            "rule": "evidence:cpl",
            "reason": "cpl misses its target: e-value 31 of 20 needed",
            "evidence": {"cpl_verdict": "bad", "cpl_e_value": 31.2, "spent": "412.5", "leads": 61},
            "hold": {"owner": "evidence", "expires_at": "2026-11-22T10:00:00Z"},
            "decided_at": "2026-11-21T10:00:00Z",
        },
        is_output=True,
    ),
    Channel(
        topics.BUDGET_EFFECTS,
        "budget-effect",
        "What became of an action on the ad platform, as roistream apply carries it out; compacted. The newest record of an action holds.",
        "The action_id.",
        {
            "schema": EFFECT_SCHEMA,
            "action_id": "5f0c7b1e9a3d4c2f8b6a1d0e7c9f3b25",
            "campaign_id": "c-1",
            "platform": "meta",
            "platform_account_id": "1234567890",
            "platform_campaign_id": "23840000000000001",
            "verb": "pause",
            "rule": "evidence:cpl",
            "currency": "EUR",
            "decided_at": "2026-11-21T10:00:00Z",
            "position": 17,
            "stage": "confirmed",
            "because": None,
            "detail": "",
            "parts": [
                {
                    "aspect": "status",
                    "status": "paused",
                    "wished_micros": None,
                    "spent_micros": None,
                    "amount_micros": None,
                    "is_daily": False,
                    "rounded_off_micros": 0,
                    "stage": "confirmed",
                    "because": None,
                    "detail": "",
                    "before": _SEEN,
                    "seen": _SEEN | {"status": "paused", "version": "8", "seen_at": "2026-11-21T10:00:09Z"},
                    "sent_at": ["2026-11-21T10:00:02Z"],
                    "is_accepted": True,
                    "is_in_doubt": False,
                    "is_ours": True,
                    "tries": 0,
                    "retry_at": None,
                    "settled_at": "2026-11-21T10:00:09Z",
                }
            ],
            "changed_at": "2026-11-21T10:00:09Z",
        },
        is_output=True,
    ),
)


def document() -> Document:
    """The AsyncAPI document; schemas are referred to beside it, in ``schemas/``."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "roistream", "version": VERSION, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {each.topic: _channel(each) for each in CHANNELS},
        "operations": {_operation_id(each): _operation(each) for each in CHANNELS},
        "components": {"messages": {each.record: _message(each) for each in CHANNELS}},
    }


def _channel(channel: Channel) -> Document:
    spec = next(each for each in topics.specs("", _DEFAULT_PARTITIONS) if each.name == channel.topic)
    kafka: Document = {"topic": channel.topic, "partitions": spec.partitions}
    configuration = _topic_configuration(spec.config)
    if configuration:
        kafka["topicConfiguration"] = configuration
    return {
        "address": channel.topic,
        "description": channel.summary,
        "messages": {channel.record: {"$ref": f"#/components/messages/{channel.record}"}},
        "bindings": {"kafka": kafka | {"bindingVersion": _KAFKA_BINDING}},
    }


def _topic_configuration(config: dict[str, str]) -> Document:
    """Kafka's settings with the types of the binding, which wants lists and numbers."""
    typed: Document = {}
    for name, value in config.items():
        if name == "cleanup.policy":
            typed[name] = value.split(",")
        else:
            typed[name] = int(value) if value.isdecimal() else value
    return typed


def _operation_id(channel: Channel) -> str:
    return f"{'send' if channel.is_output else 'receive'}-{channel.topic}"


def _operation(channel: Channel) -> Document:
    place = f"#/channels/{channel.topic}"
    return {
        "action": "send" if channel.is_output else "receive",
        "channel": {"$ref": place},
        "messages": [{"$ref": f"{place}/messages/{channel.record}"}],
    }


def _message(channel: Channel) -> Document:
    key = {"type": "string", "description": channel.key}
    return {
        "name": channel.record,
        "contentType": "application/json",
        "payload": {"$ref": f"./schemas/{channel.record}.json"},
        "bindings": {"kafka": {"key": key, "bindingVersion": _KAFKA_BINDING}},
        "examples": [{"name": "typical", "payload": channel.example}],
    }

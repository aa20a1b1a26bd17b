"""Mappings for files that are no export of a known system: a column for each field, under its own name or a given one."""

from collections.abc import Iterable

from metrics.values.errors import RoistreamError
from streams import topics
from streams.mapping.cells import LINE_BITS, literal
from streams.mapping.model import Column, ColumnType, Mapping, Select

_ORDER_TYPES: dict[str, ColumnType] = {
    "customer_id": "text",
    "occurred_at": "time",
    "revenue": "number",
    "order_id": "text",
    "kind": "text",
    "campaign_id": "text",
    "cost_of_goods": "number",
    "currency": "text",
}
_SPEND_TYPES: dict[str, ColumnType] = {
    "campaign_id": "text",
    "day": "date",
    "spend": "number",
    "currency": "text",
}
_REQUIRED = {"customer_id", "occurred_at", "revenue", "day", "spend"}


def plain_orders(said: Iterable[str], timezone: str, currency: str) -> Mapping:
    """Orders, one in each row.

    A row without an ``order_id`` is an order of its own. A negative revenue is a refund; its ``order_id``, where there is
    one, is that of the order.

    Args:
        said: ``field=column`` for fields whose column has another name.
        timezone: of times without an offset.
        currency: of rows that name none.

    Raises:
        RoistreamError: for what is not ``field=column``, or no field of an order.
    """
    return Mapping(
        name="plain orders",
        description="Orders, one in each row",
        timezone=timezone,
        columns=_columns(_ORDER_TYPES, said, "--column"),
        select=[
            Select(
                topic=topics.ORDERS,
                key=["customer_id", "order_id"],
                id=["order_id", "occurred_at", "revenue"],
                sql=f"""
SELECT coalesce(order_id, 'row ' || CAST(_row AS VARCHAR)) AS order_id, occurred_at, customer_id, campaign_id,
  coalesce(lower(kind), CASE WHEN revenue < 0 THEN 'refunded' ELSE 'placed' END) AS kind, abs(revenue) AS revenue,
  cost_of_goods, coalesce(upper(currency), {literal(currency)}) AS currency
FROM rows""",
            )
        ],
    )


def plain_spend(said: Iterable[str], timezone: str, currency: str) -> Mapping:
    """Spend by campaign and day; rows of one file add up, the same day in two files is a doubt that is refused.

    Args:
        said: ``field=column`` for fields whose column has another name.
        timezone: of the days.
        currency: of rows that name none.

    Raises:
        RoistreamError: for what is not ``field=column``, or no field of a spend.
    """
    return Mapping(
        name="plain spend",
        description="Spend by campaign and day",
        timezone=timezone,
        columns=_columns(_SPEND_TYPES, said, "--spend-column"),
        select=[
            Select(
                topic=topics.REPORTS,
                sql=f"""
SELECT 'plain' AS source, coalesce(campaign_id, 'all campaigns') AS campaign_id, day AS period_start, day + INTERVAL 1 DAY AS period_end,
  sum(spend) AS spend, coalesce(upper(currency), {literal(currency)}) AS currency, _row >> {LINE_BITS} AS _file
FROM rows GROUP BY ALL""",
            )
        ],
    )


#: What the records of a topic of customers belong to, the first that a row has.
_EVENT_KEYS = {
    topics.SURVEYS: ["customer_id", "visitor_id", "campaign_id"],
    topics.TICKETS: ["ticket_id"],
    topics.SUBSCRIPTIONS: ["subscription_id"],
    topics.REFERRALS: ["customer_id", "visitor_id"],
    topics.ACTIVATIONS: ["customer_id", "visitor_id"],
}
#: Fields of records of customers beside when and whose they are.
_EVENT_TYPES: dict[str, dict[str, ColumnType]] = {
    topics.SURVEYS: {"score": "count", "kind": "text", "scale": "count", "campaign_id": "text"},
    topics.TICKETS: {"ticket_id": "text", "stage": "text"},
    topics.SUBSCRIPTIONS: {
        "subscription_id": "text",
        "kind": "text",
        "term": "text",
        "amount": "number",
        "currency": "text",
    },
    topics.REFERRALS: {"referrer_id": "text"},
    topics.ACTIVATIONS: {},
}
_EVENT_REQUIRED = {"occurred_at", "score", "ticket_id", "subscription_id", "referrer_id"}


def plain_events(topic: str, timezone: str) -> Mapping:
    """Records of one topic of customers, one in each row, under the fields' own names.

    A row without an ``event_id`` is told from others by all that it says.

    Args:
        topic: one of ``topics.CUSTOMER_SOURCES``.
        timezone: of times without an offset.
    """
    types: dict[str, ColumnType] = {
        "event_id": "text",
        "occurred_at": "time",
        "customer_id": "text",
        "visitor_id": "text",
        "source": "text",
        **_EVENT_TYPES[topic],
    }
    said = {
        "kind": "lower(kind)",
        "stage": "lower(stage)",
        "term": "upper(term)",
        "currency": "upper(currency)",
    }
    fields = [f"{said[name]} AS {name}" if name in said else name for name in types if name != "event_id"]
    others = [name for name in types if name != "event_id"]
    text = " || ' ' || ".join(f"coalesce(CAST({name} AS VARCHAR), '')" for name in others)
    return Mapping(
        name=f"plain {topic}",
        description=f"Records of {topic}, one in each row",
        timezone=timezone,
        columns={
            name: Column(name=name, type=kind, optional=name not in _EVENT_REQUIRED)
            for name, kind in types.items()
        },
        select=[
            Select(
                topic=topic,
                key=_EVENT_KEYS[topic],
                sql=f"SELECT coalesce(event_id, md5({text})) AS event_id, {', '.join(fields)} FROM rows",
            )
        ],
    )


def _columns(
    types: dict[str, ColumnType], said: Iterable[str], option: str
) -> dict[str, Column | ColumnType]:
    names = {name: name for name in types}
    for part in said:
        field, is_given, column = part.partition("=")
        if not is_given or not column or field not in types:
            raise RoistreamError(
                f"{option} {part}: write field=column, with one of the fields {', '.join(types)}."
            )
        names[field] = column
    return {
        field: Column(name=names[field], type=kind, optional=field not in _REQUIRED and names[field] == field)
        for field, kind in types.items()
    }

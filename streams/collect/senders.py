"""The senders of webhooks that are known: what proves their deliveries, and the documents that are in them. Pure.

A document is a row of the mapping room: numbers are texts as they are written. Each has a stream, by which a mapping's ``files``
choose; where a sender's webhook has the shape that its connector has, the stream has the connector's name, so one mapping makes the same
records with the same ids of both.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl
from xml.parsers import expat

from metrics.values.time import MAX_INSTANT, MIN_INSTANT, format_instant
from streams.collect.proofs import (
    BodyKeyProof,
    Delivery,
    HmacProof,
    Proof,
    TokenProof,
    equal,
    hex_of,
)

Document = dict[str, Any]
#: A stream, and a document of it.
Split = list[tuple[str, Document]]
MOST_DOCUMENTS = 2_000


class Answer(NamedTuple):
    """What a sender is answered with, where a plain yes is not enough."""

    body: str
    content_type: str


class Sender(NamedTuple):
    """One kind of sender.

    Attributes:
        proof: what it gives; None: whoever writes the file says it.
        split: the documents of a delivery.
        mapping: the built-in mapping that its documents fit; None: the file names one.
        challenge: the answer to a question by GET before deliveries begin; None: it does not fit.
        done: what it wants to hear when all is written.
        delivery_id: the delivery's name where no header has it.
    """

    proof: Proof | None
    split: Callable[[Delivery], Split]
    mapping: str | None = None
    challenge: Callable[[Mapping[str, str], Sequence[str], Sequence[str]], Answer | None] | None = None
    done: Answer | None = None
    delivery_id: Callable[[Delivery], str | None] | None = None


def loaded(body: bytes) -> Any:
    """JSON with its numbers as texts.

    Raises:
        ValueError: where it is none.

    >>> loaded(b'{"amount": 0.10}')
    {'amount': '0.10'}
    """
    try:
        return json.loads(body, parse_float=str, parse_int=str, parse_constant=lambda _: None)
    except RecursionError as error:
        raise ValueError("the body is nested too deeply") from error


def documents(found: Any) -> list[Document]:
    """An object, or the objects of a list.

    Raises:
        ValueError: for anything else, and for too many.
    """
    listed = found if isinstance(found, list) else [found]
    if not all(isinstance(each, dict) for each in listed):
        raise ValueError("the body is neither a JSON object nor a list of objects")
    if len(listed) > MOST_DOCUMENTS:
        raise ValueError(f"the body holds {len(listed)} documents; at most {MOST_DOCUMENTS} are taken")
    return listed


def _generic(delivery: Delivery) -> Split:
    """JSON, a list of JSON, or a form; the stream is the header ``X-Stream``'s or ``documents``."""
    kind = delivery.headers.get("content-type", "").partition(";")[0].strip().lower()
    stream = delivery.headers.get("x-stream", "") or delivery.query.get("stream", "") or "documents"
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(delivery.body.decode(), keep_blank_values=True, max_num_fields=1_000)
        return [(stream, dict(pairs))]
    return [(stream, each) for each in documents(loaded(delivery.body))]


def _hubspot(delivery: Delivery) -> Split:
    return [("events", each) for each in documents(loaded(delivery.body))]


def _meta(delivery: Delivery) -> Split:
    """Each change of each entry; the stream is what changed, such as ``leadgen``."""
    found: Split = []
    for body in documents(loaded(delivery.body)):
        for entry in documents(body.get("entry", [])):
            for change in documents(entry.get("changes", [])):
                value = change.get("value")
                found.append(
                    (str(change.get("field")), value if isinstance(value, dict) else {"value": value})
                )
    return found


def _meta_challenge(
    query: Mapping[str, str], secrets: Sequence[str], verify_tokens: Sequence[str]
) -> Answer | None:
    del secrets
    fits = [equal(query.get("hub.verify_token", ""), token) for token in verify_tokens]
    if query.get("hub.mode") != "subscribe" or not any(fits):
        return None
    return Answer(query.get("hub.challenge", ""), "text/plain")


def _linkedin(delivery: Delivery) -> Split:
    return [(str(each.get("type", "")), each) for each in documents(loaded(delivery.body))]


def _linkedin_challenge(
    query: Mapping[str, str], secrets: Sequence[str], verify_tokens: Sequence[str]
) -> Answer | None:
    del verify_tokens
    code = query.get("challengeCode", "")
    if not code or not secrets:
        return None
    said = {"challengeCode": code, "challengeResponse": hex_of(secrets[0], code)}
    return Answer(json.dumps(said), "application/json")


def _shopify(delivery: Delivery) -> Split:
    """Orders under the name of the connector's stream; of a refund its transactions; anything else under its topic."""
    topic = delivery.headers.get("x-shopify-topic", "")
    found: Split = []
    for each in documents(loaded(delivery.body)):
        if topic == "refunds/create":
            order, at = each.get("order_id"), each.get("created_at")
            parts = documents(each.get("transactions", []))
            found += [("transactions", {"order_id": order, "created_at": at, **part}) for part in parts]
        else:
            found.append(("orders" if topic.startswith("orders/") else topic, each))
    return found


def _woocommerce(delivery: Delivery) -> Split:
    """Orders under the name of the connector's stream, as the interface shows them; of a deleted one only its id comes, under its topic."""
    topic = delivery.headers.get("x-wc-webhook-topic", "")
    stream = "orders" if topic in {"order.created", "order.updated", "order.restored"} else topic
    return [(stream, each) for each in documents(loaded(delivery.body))]


def _stripe(delivery: Delivery) -> Split:
    """The object of an event, under the name of the connector's stream."""
    found: Split = []
    for event in documents(loaded(delivery.body)):
        data = event.get("data")
        each = data.get("object") if isinstance(data, dict) else None
        if not isinstance(each, dict):
            raise ValueError("the event has no data.object")  # noqa: TRY004 - what arrives, not a type of ours
        stream = {"charge": "charges", "refund": "refunds"}.get(
            str(each.get("object")), str(event.get("type"))
        )
        found.append((stream, {"livemode": event.get("livemode"), **each}))
    return found


def _member_of(name: str) -> Callable[[Delivery], str | None]:
    """The delivery's name is a member of its body."""

    def read(delivery: Delivery) -> str | None:
        found = loaded(delivery.body)
        value = found.get(name) if isinstance(found, dict) else None
        return value if isinstance(value, str) and value else None

    return read


def _typeform(delivery: Delivery) -> Split:
    """The response of a form; hidden fields, where forms keep UTM and click ids, stand under their own names."""
    found: Split = []
    for event in documents(loaded(delivery.body)):
        response = event.get("form_response")
        each = response if isinstance(response, dict) else {}
        hidden = each.get("hidden")
        found.append((str(event.get("event_type")), {**(hidden if isinstance(hidden, dict) else {}), **each}))
    return found


GOOGLE_KEY = "google_key"


def _google(delivery: Delivery) -> Split:
    """The lead of a form, without the key, which nobody else needs to read."""
    return [
        ("lead_forms", {name: value for name, value in each.items() if name != GOOGLE_KEY})
        for each in documents(loaded(delivery.body))
    ]


_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")


def _dynamics(delivery: Delivery) -> Split:
    """The row of a Dataverse event under the column names of its Web API; the stream is the table.

    The image after the event, where the step registers one, holds more columns than the event changed.
    """
    found: Split = []
    for context in documents(loaded(delivery.body)):
        table = context.get("PrimaryEntityName")
        if not isinstance(table, str):
            found.append((delivery.query.get("stream", "documents"), context))
            continue
        row: Document = {f"{table}id": context.get("PrimaryEntityId")}
        for part in ("InputParameters", "PostEntityImages"):
            for pair in documents(context.get(part) or []):
                value = pair.get("value")
                row |= _columns(value)
        found.append((table, row | {"_message": context.get("MessageName")}))
    return found


def _columns(entity: Any) -> Document:
    row: Document = {}
    for pair in documents(entity.get("Attributes") or []) if isinstance(entity, dict) else []:
        name, value = str(pair.get("key")), pair.get("value")
        if isinstance(value, dict) and "LogicalName" in value:
            row[f"_{name}_value"] = value.get("Id")
        elif isinstance(value, dict):
            row[name] = value.get("Value")
        elif isinstance(value, str) and (date := _DATE.fullmatch(value)):
            row[name] = _iso(int(date[1]))
        else:
            row[name] = value
    return row


def _iso(millis: int) -> str:
    if not MIN_INSTANT <= millis <= MAX_INSTANT:
        return str(millis)
    return format_instant(millis)


#: What Salesforce wants to hear; without it, it sends again for a day.
_ACK = Answer(
    '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
    '<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body>'
    "</soapenv:Envelope>",
    "text/xml",
)
_DEEPEST = 32


def _salesforce(delivery: Delivery) -> Split:
    """The objects of an outbound message; the stream is their type.

    XML without a document type: nothing can be included or expanded.
    """
    found: Split = []
    path: list[str] = []
    texts: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if len(path) >= _DEEPEST:
            raise ValueError("the message is nested too deeply")
        path.append(name.rpartition(":")[2])
        texts.clear()
        if path[-1] == "sObject" and path[-2:-1] == ["Notification"]:
            kind = next((text for key, text in attributes.items() if key.rpartition(":")[2] == "type"), "")
            found.append((kind.rpartition(":")[2], {}))
            if len(found) > MOST_DOCUMENTS:
                raise ValueError(f"the message holds more than {MOST_DOCUMENTS} objects")

    def end(name: str) -> None:
        del name
        if path[-2:-1] == ["sObject"] and path[-3:-2] == ["Notification"]:
            found[-1][1][path[-1]] = "".join(texts) or None
        path.pop()
        texts.clear()

    def refuse(*given: object) -> None:
        del given
        raise ValueError("the message declares a document type, which no message of Salesforce does")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = texts.append
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(delivery.body, True)  # noqa: FBT003 - the whole of it
    except expat.ExpatError as error:
        raise ValueError(f"the body is no XML ({error})") from error
    if not found:
        raise ValueError("the message holds no notification")
    return found


_TOKEN = TokenProof(query="token")
SENDERS: dict[str, Sender] = {
    "generic": Sender(None, _generic),
    "standard": Sender(
        HmacProof(
            "webhook-signature",
            "{id}.{timestamp}.{body}",
            encoding="base64",
            style="versions",
            timestamp="webhook-timestamp",
            id="webhook-id",
            secret="base64",  # noqa: S106 - how it is written
        ),
        _generic,
    ),
    "hubspot": Sender(
        HmacProof(
            "X-HubSpot-Signature-v3",
            "{method}{url}{body}{timestamp}",
            encoding="base64",
            timestamp="X-HubSpot-Request-Timestamp",
            unit="ms",
        ),
        _hubspot,
        "hubspot_webhook",
    ),
    "meta": Sender(
        HmacProof("X-Hub-Signature-256", prefix="sha256="), _meta, "meta_webhook", _meta_challenge
    ),
    "linkedin": Sender(
        HmacProof("X-LI-Signature", "hmacsha256={body}", prefix="hmacsha256="),
        _linkedin,
        "linkedin_webhook",
        _linkedin_challenge,
    ),
    "shopify": Sender(
        HmacProof("X-Shopify-Hmac-Sha256", encoding="base64", id="X-Shopify-Webhook-Id"),
        _shopify,
        "shopify_connector",
    ),
    "woocommerce": Sender(
        HmacProof("X-WC-Webhook-Signature", encoding="base64", id="X-WC-Webhook-Delivery-ID"),
        _woocommerce,
        "woocommerce_connector",
    ),
    "stripe": Sender(
        HmacProof("Stripe-Signature", "{timestamp}.{body}", style="pairs"),
        _stripe,
        "stripe_connector",
        delivery_id=_member_of("id"),
    ),
    "typeform": Sender(
        HmacProof("Typeform-Signature", encoding="base64", prefix="sha256="),
        _typeform,
        "typeform_webhook",
        delivery_id=_member_of("event_id"),
    ),
    "google": Sender(BodyKeyProof(GOOGLE_KEY), _google, "google_ads_webhook"),
    "salesforce": Sender(_TOKEN, _salesforce, "salesforce_connector", done=_ACK),
    "dynamics": Sender(TokenProof(query="code"), _dynamics, "dynamics_connector"),
    "zoho": Sender(_TOKEN, _generic, "zoho_connector"),
}

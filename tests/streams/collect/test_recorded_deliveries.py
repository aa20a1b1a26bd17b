"""Deliveries in the shapes that senders document, made by hand, and the exact records that they become; docs/collect.md lists the senders by this."""

import json
from pathlib import Path

import pytest

from streams import topics
from streams.collect.campaign_rules import DEFAULT_RULES, CampaignRule
from streams.collect.collect_file import OpenWebhook
from streams.collect.document_mapper import map_split
from streams.collect.proofs import BodyKeyProof, Delivery, HmacProof, TokenProof
from streams.collect.senders import SENDERS
from streams.ingest.ingestion import check
from streams.mapping.database import opened
from streams.mapping.loader import builtin, builtin_names, load
from streams.mapping.model import Frame
from streams.mapping.shortened_ids import SHORTENED
from tests.streams.collect.test_senders import OUTBOUND

PAGE = Path(__file__).parents[3] / "docs" / "collect.md"
BEGIN, END = (
    "<!-- senders: held by tests/streams/collect/test_recorded_deliveries.py -->",
    "<!-- end of senders -->",
)
RULES = (
    CampaignRule({"form_id": "12"}, "meta-form"),
    CampaignRule({"leadGenForm": "*leadGenForm:1,*"}, "linkedin-form"),
    CampaignRule({"fields[utm_campaign]": "*"}, "{fields[utm_campaign]}"),
    *DEFAULT_RULES,
)
NOW = 1_800_000_000_000
SHOP_ORDER = {
    "id": 820982911946154508,
    "test": False,
    "created_at": "2026-06-01T10:00:00-04:00",
    "updated_at": "2026-06-01T10:00:05-04:00",
    "cancelled_at": None,
    "financial_status": "paid",
    "total_price": "409.94",
    "currency": "USD",
    "customer": {"id": 115310627314723954},
    "landing_site": "/?utm_campaign=spring&utm_medium=cpc",
    "note_attributes": [],
}


def lead(lead_id, at, stage="lead", campaign=None, **more):
    made = {"lead_id": lead_id, "occurred_at": at, "stage": stage, **more}
    return (topics.LEADS, lead_id, made | ({"campaign_id": campaign} if campaign else {}))


def order(key, **fields):
    return (topics.ORDERS, key, fields)


#: By case: sender, mapping (None: the sender's own), headers, query, body, frame, records, what is skipped.
CASES = {
    "hubspot": (
        "hubspot",
        None,
        {},
        {},
        [
            {
                "eventId": 1,
                "subscriptionType": "contact.creation",
                "objectId": 123,
                "occurredAt": 1780308000000,
            },
            {
                "eventId": 2,
                "subscriptionType": "contact.propertyChange",
                "objectId": 123,
                "occurredAt": 1780308060000,
                "propertyName": "lifecyclestage",
                "propertyValue": "marketingqualifiedlead",
            },
            {
                "eventId": 3,
                "subscriptionType": "object.propertyChange",
                "objectTypeId": "0-1",
                "objectId": 124,
                "occurredAt": 1780308060000,
                "propertyName": "lifecyclestage",
                "propertyValue": "salesqualifiedlead",
            },
            {
                "eventId": 4,
                "subscriptionType": "contact.propertyChange",
                "objectId": 123,
                "occurredAt": 1780308060000,
                "propertyName": "email",
                "propertyValue": "x",
            },
            {"eventId": 5, "subscriptionType": "deal.creation", "objectId": 9, "occurredAt": 1780308060000},
        ],
        Frame(),
        [
            lead("123", "2026-06-01T10:00:00Z"),
            lead("123", "2026-06-01T10:01:00Z", "mql"),
            lead("124", "2026-06-01T10:01:00Z", "sql"),
        ],
        ["event of no contact", "event that is no stage of a lead"],
    ),
    "meta": (
        "meta",
        None,
        {},
        {},
        {
            "object": "page",
            "entry": [
                {
                    "id": 1,
                    "time": 1780308000,
                    "changes": [
                        {
                            "field": "leadgen",
                            "value": {
                                "leadgen_id": 444444444444,
                                "page_id": 1,
                                "form_id": 12,
                                "ad_id": 7,
                                "created_time": 1780308000,
                            },
                        },
                        {
                            "field": "leadgen",
                            "value": {
                                "leadgen_id": 444444444445,
                                "page_id": 1,
                                "form_id": 13,
                                "created_time": 1780308001,
                            },
                        },
                        {"field": "feed", "value": {"item": "post"}},
                    ],
                }
            ],
        },
        Frame(),
        [
            lead("444444444444", "2026-06-01T10:00:00Z", campaign="meta-form"),
            lead("444444444445", "2026-06-01T10:00:01Z"),
        ],
        ["a stream that is not read"],
    ),
    "linkedin": (
        "linkedin",
        None,
        {},
        {},
        [
            {
                "type": "LEAD_ACTION",
                "leadGenFormResponse": "urn:li:leadGenFormResponse:1a2b3c-4",
                "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:1,1)",
                "owner": {"sponsoredAccount": "urn:li:sponsoredAccount:123"},
                "leadType": "SPONSORED",
                "leadAction": "CREATED",
                "occurredAt": 1780308000881,
            },
            {
                "type": "LEAD_ACTION",
                "leadGenFormResponse": "urn:li:leadGenFormResponse:1a2b3c-5",
                "leadAction": "DELETED",
                "occurredAt": 1780308000881,
            },
        ],
        Frame(),
        [lead("1a2b3c-4", "2026-06-01T10:00:00.881Z", campaign="linkedin-form")],
        ["notification that is no new lead"],
    ),
    "google": (
        "google",
        None,
        {},
        {},
        [
            {
                "lead_id": "TeSter-123",
                "form_id": 40000000000,
                "campaign_id": 12345678901,
                "google_key": "k",
                "is_test": False,
                "gcl_id": "abc",
                "lead_submit_time": "2026-06-01T12:00:00+02:00",
                "user_column_data": [{"column_id": "EMAIL", "string_value": "x"}],
            },
            {"lead_id": "Old-1", "google_key": "k"},
            {"lead_id": "Test-1", "google_key": "k", "is_test": True},
        ],
        Frame(),
        [
            lead("TeSter-123", "2026-06-01T10:00:00Z", campaign="google-12345678901"),
            lead("Old-1", "2027-01-15T08:00:00Z"),
        ],
        ["test"],
    ),
    "shopify orders": (
        "shopify",
        None,
        {"x-shopify-topic": "orders/paid"},
        {},
        SHOP_ORDER,
        Frame(),
        [
            order(
                "820982911946154508",
                order_id="820982911946154508",
                kind="placed",
                occurred_at="2026-06-01T14:00:00Z",
                revenue="409.94",
                currency="USD",
                reported_at="2026-06-01T14:00:05Z",
                customer_id="115310627314723954",
                campaign_id="spring",
            )
        ],
        [],
    ),
    "woocommerce": (
        "woocommerce",
        None,
        {"x-wc-webhook-topic": "order.updated"},
        {},
        {
            "id": 727,
            "status": "completed",
            "currency": "EUR",
            "date_created_gmt": "2026-07-01T10:00:00",
            "date_modified_gmt": "2026-07-03T10:00:00",
            "date_paid_gmt": "2026-07-01T10:00:05",
            "total": "29.35",
            "customer_id": 26,
            "refunds": [{"id": 730, "reason": "", "total": "-10.10"}],
            "meta_data": [
                {"id": 1, "key": "_wc_order_attribution_utm_campaign", "value": "spring"},
                {"id": 2, "key": "_a_list", "value": [{"of": "a plugin"}]},
            ],
        },
        Frame(),
        [
            order(
                "727",
                order_id="727",
                kind="placed",
                occurred_at="2026-07-01T10:00:00Z",
                revenue="29.35",
                currency="EUR",
                customer_id="26",
                campaign_id="spring",
            ),
            order(
                "727",
                order_id="727",
                kind="placed",
                occurred_at="2026-07-03T10:00:00Z",
                revenue="19.25",
                currency="EUR",
                customer_id="26",
            ),
        ],
        [],
    ),
    "woocommerce deleted": (
        "woocommerce",
        None,
        {"x-wc-webhook-topic": "order.deleted"},
        {},
        {"id": 727},
        Frame(),
        [],
        ["a stream that is not read"],
    ),
    "shopify refunds": (
        "shopify",
        None,
        {"x-shopify-topic": "refunds/create"},
        {},
        {
            "id": 890088186047892319,
            "order_id": 820982911946154508,
            "created_at": "2026-06-02T10:00:00Z",
            "transactions": [
                {
                    "id": 245135271310201194,
                    "order_id": 820982911946154508,
                    "kind": "refund",
                    "status": "success",
                    "created_at": "2026-06-02T10:00:00Z",
                    "amount": "9.94",
                    "currency": "USD",
                },
                {
                    "id": 245135271310201195,
                    "order_id": 820982911946154508,
                    "kind": "refund",
                    "status": "failure",
                    "created_at": "2026-06-02T10:00:00Z",
                    "amount": "1.00",
                    "currency": "USD",
                },
            ],
        },
        Frame(),
        [
            order(
                "820982911946154508",
                order_id="820982911946154508",
                kind="refunded",
                occurred_at="2026-06-02T10:00:00Z",
                revenue="9.94",
                currency="USD",
            )
        ],
        ["refund that did not succeed"],
    ),
    "stripe": (
        "stripe",
        None,
        {},
        {},
        [
            {
                "id": "evt_1",
                "type": "charge.succeeded",
                "livemode": True,
                "data": {
                    "object": {
                        "id": "ch_1",
                        "object": "charge",
                        "created": 1780308000,
                        "amount": 1099,
                        "amount_captured": 1099,
                        "currency": "usd",
                        "captured": True,
                        "status": "succeeded",
                        "customer": "cus_1",
                        "livemode": True,
                    }
                },
            },
            {
                "id": "evt_2",
                "type": "refund.created",
                "livemode": True,
                "data": {
                    "object": {
                        "id": "re_1",
                        "object": "refund",
                        "charge": "ch_1",
                        "created": 1780308060,
                        "amount": 99,
                        "currency": "usd",
                        "status": "succeeded",
                    }
                },
            },
            {
                "id": "evt_3",
                "type": "refund.created",
                "livemode": False,
                "data": {
                    "object": {
                        "id": "re_2",
                        "object": "refund",
                        "charge": "ch_2",
                        "created": 1780308060,
                        "amount": 99,
                        "currency": "usd",
                        "status": "succeeded",
                    }
                },
            },
            {
                "id": "evt_4",
                "type": "invoice.paid",
                "livemode": True,
                "data": {"object": {"id": "in_1", "object": "invoice"}},
            },
        ],
        Frame(),
        [
            order(
                "ch_1",
                order_id="ch_1",
                kind="placed",
                occurred_at="2026-06-01T10:00:00Z",
                revenue="10.99",
                currency="USD",
                customer_id="cus_1",
            ),
            order(
                "ch_1",
                order_id="ch_1",
                kind="refunded",
                occurred_at="2026-06-01T10:01:00Z",
                revenue="0.99",
                currency="USD",
            ),
        ],
        ["a stream that is not read", "test"],
    ),
    "typeform": (
        "typeform",
        None,
        {},
        {},
        {
            "event_id": "01G",
            "event_type": "form_response",
            "form_response": {
                "form_id": "lT4Z3j",
                "token": "a3a12ec67a1365927098a606107fac15",
                "submitted_at": "2026-06-01T10:00:00Z",
                "hidden": {"utm_campaign": "spring", "gclid": "G"},
                "answers": [{"type": "text", "text": "x"}],
            },
        },
        Frame(),
        [
            lead(
                "a3a12ec67a1365927098a606107fac15",
                "2026-06-01T10:00:00Z",
                campaign="spring",
                channel="search",
            )
        ],
        [],
    ),
    "salesforce": (
        "salesforce",
        None,
        {},
        {},
        OUTBOUND.replace(
            "<sf:IsWon>true</sf:IsWon>",
            "<sf:IsWon>true</sf:IsWon><sf:CloseDate>2026-06-01</sf:CloseDate>"
            "<sf:SystemModstamp>2026-06-02T09:00:00.000Z</sf:SystemModstamp>",
        )
        .replace(
            "<sf:Id>00Q1</sf:Id>",
            "<sf:Id>00Q1</sf:Id><sf:CreatedDate>2026-06-01T10:00:00.000Z</sf:CreatedDate><sf:IsConverted>false</sf:IsConverted>",
        )
        .encode(),
        Frame(timezone="America/New_York", currency="USD"),
        [
            order(
                "006000000000001AAA",
                order_id="006000000000001AAA",
                kind="placed",
                occurred_at="2026-06-01T04:00:00Z",
                revenue="1500.1",
                currency="USD",
                reported_at="2026-06-02T09:00:00Z",
            ),
            lead("00Q1", "2026-06-01T10:00:00Z"),
        ],
        [],
    ),
    "dynamics": (
        "dynamics",
        None,
        {},
        {},
        [
            {
                "PrimaryEntityName": "lead",
                "PrimaryEntityId": "55555555-5555-5555-5555-555555555555",
                "MessageName": "Create",
                "InputParameters": [
                    {
                        "key": "Target",
                        "value": {"Attributes": [{"key": "createdon", "value": "/Date(1780308000000)/"}]},
                    }
                ],
            },
            {
                "PrimaryEntityName": "opportunity",
                "PrimaryEntityId": "66666666-6666-6666-6666-666666666666",
                "MessageName": "Update",
                "InputParameters": [
                    {"key": "Target", "value": {"Attributes": [{"key": "statecode", "value": {"Value": 1}}]}}
                ],
                "PostEntityImages": [
                    {
                        "key": "image",
                        "value": {
                            "Attributes": [
                                {"key": "actualvalue_base", "value": {"Value": 1500.1}},
                                {"key": "actualclosedate", "value": "/Date(1780272000000)/"},
                                {"key": "modifiedon", "value": "/Date(1780308000000)/"},
                                {"key": "parentaccountid", "value": {"Id": "a-1", "LogicalName": "account"}},
                            ]
                        },
                    }
                ],
            },
        ],
        Frame(currency="EUR"),
        [
            lead("55555555-5555-5555-5555-555555555555", "2026-06-01T10:00:00Z"),
            order(
                "a-1",
                order_id="66666666-6666-6666-6666-666666666666",
                kind="placed",
                occurred_at="2026-06-01T00:00:00Z",
                revenue="1500.1",
                currency="EUR",
                customer_id="a-1",
                reported_at="2026-06-01T10:00:00Z",
            ),
        ],
        [],
    ),
    "zoho": (
        "zoho",
        None,
        {},
        {"stream": "Deals"},
        {
            "id": "3652397000000649013",
            "Created_Time": "2026-05-01T10:00:00+02:00",
            "Modified_Time": "2026-06-02T10:00:00+02:00",
            "Stage": "Closed Won",
            "Closing_Date": "2026-06-01",
            "Amount": "250.50",
            "Currency": "EUR",
        },
        Frame(timezone="Europe/Berlin"),
        [
            order(
                "3652397000000649013",
                order_id="3652397000000649013",
                kind="placed",
                occurred_at="2026-05-31T22:00:00Z",
                revenue="250.5",
                currency="EUR",
                reported_at="2026-06-02T08:00:00Z",
            )
        ],
        [],
    ),
    "sugar": (
        "generic",
        "sugar_webhook",
        {},
        {},
        [
            {
                "isUpdate": True,
                "dataChanges": [],
                "bean": "Lead",
                "data": {
                    "id": "e0623cdb",
                    "date_entered": "2026-06-01T12:00:00+02:00",
                    "date_modified": "2026-06-02T12:00:00+02:00",
                    "converted": True,
                    "deleted": False,
                    "campaign_id": "c-1",
                },
            },
            {
                "isUpdate": False,
                "dataChanges": [],
                "bean": "Account",
                "data": {"id": "a", "date_entered": "2026-06-01T12:00:00+02:00", "deleted": False},
            },
        ],
        Frame(),
        [
            lead("e0623cdb", "2026-06-01T10:00:00Z", campaign="c-1"),
            lead("e0623cdb", "2026-06-02T10:00:00Z", "sql", campaign="c-1"),
        ],
        ["record of another module"],
    ),
    "vtiger": (
        "generic",
        "vtiger_webhook",
        {"content-type": "application/x-www-form-urlencoded"},
        {"stream": "invoices"},
        b"record_id=7x19&createdtime=2026-06-01+10%3A00%3A00&hdnGrandTotal=1500.10&currency_code=EUR&utm_campaign=spring",
        Frame(),
        [
            order(
                "7x19",
                order_id="7x19",
                kind="placed",
                occurred_at="2026-06-01T10:00:00Z",
                revenue="1500.1",
                currency="EUR",
                campaign_id="spring",
            )
        ],
        [],
    ),
    "marketo": (
        "generic",
        "marketo_webhook",
        {},
        {},
        {"id": 318581, "at": "2026-06-01 10:00:00", "stage": "mql"},
        Frame(timezone="UTC"),
        [lead("318581", "2026-06-01T10:00:00Z", "mql")],
        [],
    ),
    "copernica": (
        "generic",
        "copernica_webhook",
        {"content-type": "application/x-www-form-urlencoded"},
        {},
        b"type=create&timestamp=2026-06-01+12%3A00%3A00&time=1780308000&profile=4711&database=1&fields%5Butm_campaign%5D=spring&interests%5B%5D=tea",
        Frame(),
        [lead("4711", "2026-06-01T10:00:00Z", campaign="spring")],
        [],
    ),
}


def webhook_of(sender, mapping, frame):
    known = SENDERS[sender]
    return OpenWebhook(
        name="w",
        sender=known,
        proof=known.proof or TokenProof(),
        secrets=("s",),
        verify_tokens=(),
        mappings=load(mapping or known.mapping),
        frame=frame,
        rate=1,
    )


def mapped(case):
    sender, mapping, headers, query, body, frame, *_ = CASES[case]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    webhook = webhook_of(sender, mapping, frame)
    split = webhook.sender.split(Delivery("POST", "", headers, query, raw))
    with opened() as database:
        check(database, webhook.mappings)
        return [map_split(database, webhook, split, RULES, NOW) for _ in range(2)]


@pytest.mark.parametrize("case", CASES)
def test_a_delivery_becomes_exactly_these_records_again_and_again(case):
    *_, wanted, skipped = CASES[case]
    first, again = mapped(case)
    assert first == again
    assert first.letters == []
    found = [(record.topic, record.key, json.loads(record.value)) for record in first.records]
    ids = [value.pop("event_id") for _, _, value in found]
    assert len(set(ids)) == len(ids)
    assert sorted(found, key=str) == sorted(wanted, key=str)
    assert sorted(first.skipped) == skipped


def test_every_sender_and_every_mapping_of_webhooks_has_a_recorded_delivery():
    assert {case[0] for case in CASES.values()} | {"standard"} == set(SENDERS)
    used = {mapping or SENDERS[sender].mapping for sender, mapping, *_ in CASES.values()}
    assert {name for name in builtin_names() if name.endswith("_webhook")} <= used


def test_webhook_and_connector_of_one_system_give_the_same_ids():
    for sender in ("shopify", "woocommerce", "stripe", "salesforce", "dynamics", "zoho"):
        assert SENDERS[sender].mapping == f"{sender}_connector"


def test_a_document_that_does_not_fit_is_a_letter_with_its_reason_and_without_the_key_of_google():
    webhook = webhook_of("google", None, Frame())
    body = json.dumps({"google_key": "the-key", "campaign_id": 1, "lead_submit_time": "x"}).encode()
    split = webhook.sender.split(Delivery("POST", "", {}, {}, body))
    with opened() as database:
        found = map_split(database, webhook, split, (), NOW)
    (letter,) = found.letters
    assert found.records == []
    assert b"the-key" not in letter.value
    assert "lead_id" in json.loads(letter.value)["detail"]


def test_a_document_whose_id_a_program_has_shortened_is_a_letter_with_its_reason():
    webhook = webhook_of("generic", "copernica_webhook", Frame())
    *_, body, _, _, _ = CASES["copernica"]
    headers = {"content-type": "application/x-www-form-urlencoded"}
    shortened = body.replace(b"profile=4711", b"profile=1.2021000000000013e%2B17")
    split = webhook.sender.split(Delivery("POST", "", headers, {}, shortened))
    with opened() as database:
        found = map_split(database, webhook, split, RULES, NOW)
    (letter,) = found.letters
    assert [record.topic for record in found.records if record.topic == topics.LEADS] == []
    assert json.loads(letter.value)["detail"] == f"leads: {SHORTENED} (1.2021000000000013e+17)"


def proof_text(proof):
    if isinstance(proof, HmacProof):
        times = " and time" if proof.timestamp or proof.style == "pairs" else ""
        return f"signature{times} in `{proof.header}`"
    if isinstance(proof, BodyKeyProof):
        return f"`{proof.field}` in the body"
    return "none: `proof` of the file" if proof is None else f"token in `{proof.header}` or `?{proof.query}=`"


def table():
    lines = ["| `sender` | proof | mapping | what arrives |", "|---|---|---|---|"]
    for name, sender in SENDERS.items():
        about = (
            builtin(sender.mapping).description
            if sender.mapping
            else "what the mapping of the file makes of it"
        )
        lines.append(
            f"| `{name}` | {proof_text(sender.proof)} | {f'`{sender.mapping}`' if sender.mapping else 'of the file'} | {about} |"
        )
    return "\n".join(lines)


def test_the_documentation_lists_every_sender():
    text = PAGE.read_text(encoding="utf-8")
    assert text.partition(BEGIN)[2].partition(END)[0].strip() == table()

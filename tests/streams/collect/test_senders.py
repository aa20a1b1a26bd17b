"""What is in the deliveries of each sender: shapes as their documentation gives them, with numbers as they are written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.collect.proofs import Delivery
from streams.collect.senders import SENDERS, documents, loaded


def delivery(body, headers=None, query=None):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Delivery("POST", "https://collect.example/in/x", headers or {}, query or {}, raw)


def split(sender, body, headers=None, query=None):
    return SENDERS[sender].split(delivery(body, headers, query))


def test_numbers_are_the_texts_that_they_are_written_as():
    assert loaded(b'{"a": 1.10, "b": [12345678901234567890, 1e2], "c": NaN}') == {
        "a": "1.10",
        "b": ["12345678901234567890", "1e2"],
        "c": None,
    }


@pytest.mark.parametrize("body", [b"7", b'"x"', b"[1]", b"null", b"[[]]"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(ValueError, match="neither a JSON object nor a list"):
        documents(loaded(body))


def test_too_many_documents_are_refused():
    with pytest.raises(ValueError, match="at most 2000"):
        documents([{}] * 2_001)


def test_hubspot_sends_a_list_of_events():
    event = {
        "eventId": 100,
        "subscriptionType": "contact.creation",
        "objectId": 123,
        "occurredAt": 1715203101896,
    }
    assert (
        split("hubspot", [event, event])
        == [("events", {**event, "eventId": "100", "objectId": "123", "occurredAt": "1715203101896"})] * 2
    )


def test_meta_sends_changes_of_entries():
    value = {"leadgen_id": 123123123123, "form_id": 12, "created_time": 1440120384}
    body = {
        "object": "page",
        "entry": [
            {"id": 1, "changes": [{"field": "leadgen", "value": value}, {"field": "feed", "value": 7}]}
        ],
    }
    assert split("meta", body) == [
        ("leadgen", {name: str(number) for name, number in value.items()}),
        ("feed", {"value": "7"}),
    ]


def test_metas_handshake_needs_the_token_of_the_file():
    challenge = SENDERS["meta"].challenge
    query = {"hub.mode": "subscribe", "hub.verify_token": "mine", "hub.challenge": "1158201444"}
    assert challenge(query, ["app secret"], ["mine"]) == ("1158201444", "text/plain")
    assert challenge({**query, "hub.verify_token": "app secret"}, ["app secret"], ["mine"]) is None
    assert challenge({**query, "hub.mode": "unsubscribe"}, ["app secret"], ["mine"]) is None
    assert challenge({}, ["app secret"], ["mine"]) is None
    assert challenge(query, ["app secret"], []) is None


def test_linkedins_challenge_is_answered_with_the_first_secret():
    answer = SENDERS["linkedin"].challenge(
        {"challengeCode": "890e4665-4dfe-4ab1-b689-ed553bceeed0"}, ["s", "t"], []
    )
    said = json.loads(answer.body)
    assert said["challengeCode"] == "890e4665-4dfe-4ab1-b689-ed553bceeed0"
    assert len(said["challengeResponse"]) == 64
    assert SENDERS["linkedin"].challenge({}, ["s"], []) is None


def test_shopify_sends_orders_and_refunds_with_their_transactions():
    assert split("shopify", {"id": 1, "total_price": "10.10"}, {"x-shopify-topic": "orders/paid"}) == [
        ("orders", {"id": "1", "total_price": "10.10"})
    ]
    refund = {
        "id": 9,
        "order_id": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "transactions": [{"id": 5, "kind": "refund", "amount": "2.50"}],
    }
    assert split("shopify", refund, {"x-shopify-topic": "refunds/create"}) == [
        (
            "transactions",
            {
                "order_id": "1",
                "created_at": "2026-01-01T00:00:00Z",
                "id": "5",
                "kind": "refund",
                "amount": "2.50",
            },
        )
    ]
    assert split("shopify", {"id": 1}, {"x-shopify-topic": "customers/redact"}) == [
        ("customers/redact", {"id": "1"})
    ]


def test_stripe_sends_objects_in_events():
    event = {
        "id": "evt_1",
        "type": "charge.succeeded",
        "livemode": True,
        "data": {"object": {"object": "charge", "id": "ch_1", "amount": 1099}},
    }
    assert split("stripe", event) == [
        ("charges", {"livemode": True, "object": "charge", "id": "ch_1", "amount": "1099"})
    ]
    assert SENDERS["stripe"].delivery_id(delivery(event)) == "evt_1"
    with pytest.raises(ValueError, match=r"no data\.object"):
        split("stripe", {"id": "evt_1"})


def test_typeforms_hidden_fields_stand_under_their_own_names():
    event = {
        "event_id": "01G",
        "event_type": "form_response",
        "form_response": {
            "token": "t-1",
            "submitted_at": "2026-01-01T00:00:00Z",
            "hidden": {"utm_campaign": "spring"},
        },
    }
    ((stream, found),) = split("typeform", event)
    assert (stream, found["utm_campaign"], found["token"]) == ("form_response", "spring", "t-1")
    assert SENDERS["typeform"].delivery_id(delivery(event)) == "01G"


def test_googles_key_is_in_no_document():
    body = {"lead_id": "L", "campaign_id": 17, "google_key": "secret", "is_test": True}
    assert split("google", body) == [("lead_forms", {"lead_id": "L", "campaign_id": "17", "is_test": True})]


def test_dynamics_sends_attributes_that_become_the_columns_of_its_interface():
    context = {
        "PrimaryEntityName": "opportunity",
        "PrimaryEntityId": "55555555-5555-5555-5555-555555555555",
        "MessageName": "Update",
        "InputParameters": [
            {
                "key": "Target",
                "value": {
                    "LogicalName": "opportunity",
                    "Attributes": [{"key": "statecode", "value": {"Value": 1}}],
                },
            }
        ],
        "PostEntityImages": [
            {
                "key": "image",
                "value": {
                    "Attributes": [
                        {"key": "actualvalue_base", "value": {"Value": 1500.10}},
                        {"key": "actualclosedate", "value": "/Date(1767225600000)/"},
                        {"key": "parentaccountid", "value": {"Id": "a-1", "LogicalName": "account"}},
                        {"key": "name", "value": "A deal"},
                    ]
                },
            }
        ],
    }
    assert split("dynamics", context) == [
        (
            "opportunity",
            {
                "opportunityid": "55555555-5555-5555-5555-555555555555",
                "statecode": "1",
                "actualvalue_base": "1500.1",
                "actualclosedate": "2026-01-01T00:00:00Z",
                "_parentaccountid_value": "a-1",
                "name": "A deal",
                "_message": "Update",
            },
        )
    ]
    assert split("dynamics", {"leadid": "l-1"}, query={"stream": "lead"}) == [("lead", {"leadid": "l-1"})]


OUTBOUND = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
 <soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">
  <OrganizationId>00D000000000001EAA</OrganizationId><ActionId>04k000000000001AAA</ActionId><SessionId>a secret</SessionId>
  <Notification><Id>04l000000000001AAA</Id>
   <sObject xsi:type="sf:Opportunity" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">
    <sf:Id>006000000000001AAA</sf:Id><sf:Amount>1500.10</sf:Amount><sf:IsWon>true</sf:IsWon><sf:Name>Tea &amp; Co</sf:Name><sf:AccountId/>
   </sObject></Notification>
  <Notification><Id>04l000000000002AAA</Id><sObject xsi:type="sf:Lead"><sf:Id>00Q1</sf:Id></sObject></Notification>
 </notifications></soapenv:Body></soapenv:Envelope>"""


def test_salesforce_sends_objects_in_an_outbound_message():
    assert split("salesforce", OUTBOUND.encode()) == [
        (
            "Opportunity",
            {
                "Id": "006000000000001AAA",
                "Amount": "1500.10",
                "IsWon": "true",
                "Name": "Tea & Co",
                "AccountId": None,
            },
        ),
        ("Lead", {"Id": "00Q1"}),
    ]
    assert "<Ack>true</Ack>" in SENDERS["salesforce"].done.body


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"<a>" * 40, "nested too deeply"),
        (b"<a><b></a>", "no XML"),
        (b"<a/>", "no notification"),
        (b"", "no XML"),
        (b"\xff\xfe", "no XML"),
    ],
)
def test_salesforce_takes_no_other_xml(body, text):
    with pytest.raises(ValueError, match=text):
        split("salesforce", body)


def test_a_generic_sender_sends_json_or_a_form_and_names_its_stream():
    assert split("generic", [{"a": 1.50}], {"x-stream": "Leads"}) == [("Leads", {"a": "1.5"})]
    assert split(
        "generic", b"a=1&b=%C3%BC&a=2", {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    ) == [("documents", {"a": "2", "b": "ü"})]
    assert split("zoho", {"id": "1"}, query={"stream": "Deals"}) == [("Deals", {"id": "1"})]


@pytest.mark.parametrize("name", sorted(SENDERS))
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "entry",
                        "changes",
                        "value",
                        "data",
                        "object",
                        "Attributes",
                        "InputParameters",
                        "PrimaryEntityName",
                        "form_response",
                        "transactions",
                        "key",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_is_split_or_refused_with_a_reason(name, found):
    try:
        parts = split(name, found)
    except ValueError:
        return
    assert all(isinstance(stream, str) and isinstance(each, dict) for stream, each in parts)


@pytest.mark.parametrize("name", sorted(SENDERS))
@given(st.binary(max_size=60))
def test_any_bytes_are_split_or_refused_with_a_reason(name, body):
    try:
        split(name, body)
    except ValueError:
        return

"""Proofs of senders: the vectors that vendors publish, and laws: whatever is changed, a delivery is refused."""

import base64
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.collect.proofs import (
    BodyKeyProof,
    Delivery,
    HmacProof,
    TokenProof,
    check_secret,
    delivery_id,
    hex_of,
    prove,
    signature,
)
from streams.collect.senders import SENDERS

HUBSPOT = SENDERS["hubspot"].proof
STANDARD = SENDERS["standard"].proof
STRIPE = SENDERS["stripe"].proof
SIGNED = {name: sender.proof for name, sender in SENDERS.items() if isinstance(sender.proof, HmacProof)}
SECRET = dict.fromkeys(SIGNED, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
NOW = 1_700_000_000_000


def delivery(body=b"", headers=None, url="https://collect.example/in/x", method="POST", query=None):
    return Delivery(
        method, url, {name.lower(): text for name, text in (headers or {}).items()}, query or {}, body
    )


def signed(name, body, secret, now_ms=NOW, url="https://collect.example/in/x"):
    """A delivery as the sender makes it."""
    proof = SIGNED[name]
    time = str(now_ms if proof.unit == "ms" else now_ms // 1_000)
    headers = {proof.id: "msg-1"} if proof.id else {}
    if proof.timestamp:
        headers[proof.timestamp] = time
    mark = signature(proof, secret, delivery(body, headers, url), time)
    shown = {"plain": proof.prefix + mark, "pairs": f"t={time},v1={mark}", "versions": f"v1,{mark}"}[
        proof.style
    ]
    return delivery(body, headers | {proof.header: shown}, url)


# Vectors that vendors publish, with the page.


@pytest.mark.parametrize(
    ("timestamp", "mark"),
    [
        # Tests of the official clients for Python and Ruby.
        ("1693657560000", "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        ("1700000300000", "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ],
)
def test_hubspot_by_the_vectors_of_its_clients(timestamp, mark):
    headers = {"X-HubSpot-Signature-v3": mark, "X-HubSpot-Request-Timestamp": timestamp}
    arrived = delivery(b"{'example_field':'example_value'}", headers, "https://www.example.com/webhook_uri")
    secrets = ["yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"]
    assert prove(HUBSPOT, secrets, arrived, int(timestamp) + 300_000) == "proven"
    assert prove(HUBSPOT, secrets, arrived, int(timestamp) + 300_001) == "stale"


def test_standard_webhooks_by_the_vector_of_its_specification():
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,bm9ldHU= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1a,xyz",
    }
    arrived = delivery(b'{"test": 2432232314}', headers)
    assert prove(STANDARD, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], arrived, 1_614_265_330_000) == "proven"
    assert delivery_id(STANDARD, arrived) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_meta_by_the_vector_that_github_publishes_for_the_same_header():
    # docs.github.com, Validating webhook deliveries; Meta's header is made alike.
    mark = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    arrived = delivery(b"Hello, World!", {"X-Hub-Signature-256": mark})
    assert prove(SENDERS["meta"].proof, ["It's a Secret to Everybody"], arrived, 0) == "proven"


def test_hmac_by_a_vector_of_rfc_4231():
    # Test case 2; LinkedIn's challenge is this in hexadecimal.
    assert hex_of("Jefe", "what do ya want for nothing?") == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@pytest.mark.parametrize("name", sorted(SIGNED))
def test_every_signature_is_the_one_that_openssl_makes(name):
    body = '{"größe": 1.10}'.encode()
    arrived = signed(name, body, SECRET[name])
    time = {"ms": str(NOW), "s": str(NOW // 1_000)}[SIGNED[name].unit]
    messages = {
        "hubspot": b"POST" + arrived.url.encode() + body + time.encode(),
        "linkedin": b"hmacsha256=" + body,
        "stripe": time.encode() + b"." + body,
        "standard": b"msg-1." + time.encode() + b"." + body,
    }
    key = f"key:{SECRET[name]}"
    if name == "standard":
        key = "hexkey:" + base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").hex()
    made = subprocess.run(
        ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", key, "-binary"],
        input=messages.get(name, body),
        capture_output=True,
        check=True,
    ).stdout
    shown = {"hex": made.hex(), "base64": base64.b64encode(made).decode()}[SIGNED[name].encoding]
    assert shown in arrived.headers[SIGNED[name].header.lower()]


# Laws.


@pytest.mark.parametrize("name", sorted(SIGNED))
@given(body=st.binary(max_size=200), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_changed_body_is_forged(name, body, place, bit):
    arrived = signed(name, body, SECRET[name])
    assert prove(SIGNED[name], [SECRET[name]], arrived, NOW) == "proven"
    assert prove(SIGNED[name], ["", SECRET[name]], arrived._replace(body=body + b"\0"), NOW) == "forged"
    if body:
        changed = bytearray(body)
        changed[place % len(body)] ^= 1 << bit
        assert prove(SIGNED[name], [SECRET[name]], arrived._replace(body=bytes(changed)), NOW) == "forged"


@pytest.mark.parametrize("name", sorted(SIGNED))
@given(body=st.binary(max_size=50), place=st.integers(0, 10_000), sign=st.characters(codec="ascii"))
def test_a_changed_signature_is_never_proven(name, body, place, sign):
    proof = SIGNED[name]
    arrived = signed(name, body, SECRET[name])
    mark = signature(proof, SECRET[name], arrived, str(NOW if proof.unit == "ms" else NOW // 1_000))
    shown = arrived.headers[proof.header.lower()]
    start = shown.index(mark)
    at = start + place % len(mark)
    if shown[at] == sign:
        return
    changed = shown[:at] + sign + shown[at + 1 :]
    headers = arrived.headers | {proof.header.lower(): changed}
    assert prove(proof, [SECRET[name]], arrived._replace(headers=headers), NOW) != "proven"


@pytest.mark.parametrize("name", sorted(SIGNED))
def test_another_secret_forges_one_of_several_proves_and_none_proves_nothing(name):
    arrived = signed(name, b"{}", SECRET[name])
    other = "whsec_bm90IHRoZSBzZWNyZXQgYXQgYWxs"
    assert prove(SIGNED[name], [other], arrived, NOW) == "forged"
    assert prove(SIGNED[name], [other, SECRET[name]], arrived, NOW) == "proven"
    assert prove(SIGNED[name], [], arrived, NOW) == "forged"
    assert prove(SIGNED[name], [SECRET[name]], arrived._replace(headers={}), NOW) == "unsigned"


TIMED = sorted(name for name, proof in SIGNED.items() if proof.timestamp or proof.style == "pairs")


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize(
    ("seconds", "verdict"), [(300, "proven"), (-300, "proven"), (301, "stale"), (-301, "stale")]
)
def test_five_minutes_are_the_most(name, seconds, verdict):
    arrived = signed(name, b"{}", SECRET[name])
    assert prove(SIGNED[name], [SECRET[name]], arrived, NOW + 1_000 * seconds) == verdict


@pytest.mark.parametrize("name", TIMED)
@given(timestamp=st.text(max_size=20))
def test_a_time_that_was_not_signed_is_not_believed(name, timestamp):
    proof = SIGNED[name]
    arrived = signed(name, b"{}", SECRET[name])
    time = str(NOW if proof.unit == "ms" else NOW // 1_000)
    if timestamp.strip() == time:
        return
    headers = dict(arrived.headers)
    if proof.timestamp:
        headers[proof.timestamp.lower()] = timestamp
    else:
        headers[proof.header.lower()] = headers[proof.header.lower()].replace(f"t={time}", f"t={timestamp}")
    assert prove(proof, [SECRET[name]], arrived._replace(headers=headers), NOW) in {"forged", "unsigned"}


def test_two_times_in_one_header_are_none():
    arrived = signed("stripe", b"{}", "s")
    header = {"stripe-signature": arrived.headers["stripe-signature"] + ",t=1"}
    assert prove(STRIPE, ["s"], arrived._replace(headers=header), NOW) == "unsigned"


@given(st.text(max_size=60))
def test_a_signature_of_any_text_raises_nothing(text):
    for proof in SIGNED.values():
        headers = {proof.header: text} | ({proof.timestamp: text} if proof.timestamp else {})
        assert prove(proof, ["whsec_AAAA"], delivery(b"{}", headers), NOW) in {"unsigned", "forged"}


def test_hubspot_signs_the_address_with_some_escapes_decoded():
    url = "https://collect.example/in/x?a=%3a%2F%20%26"
    mark = signature(HUBSPOT, "s", delivery(b"", url="https://collect.example/in/x?a=:/%20%26"), "1")
    assert signature(HUBSPOT, "s", delivery(b"", url=url), "1") == mark


@pytest.mark.parametrize(
    ("headers", "query", "verdict"),
    [
        ({"Authorization": "Bearer right"}, {}, "proven"),
        ({"Authorization": "bearer  right "}, {}, "proven"),
        ({"Authorization": "right"}, {}, "proven"),
        ({"Authorization": "Bearer wrong"}, {}, "forged"),
        ({"Authorization": "Bearer"}, {}, "unsigned"),
        ({}, {"token": "right"}, "proven"),
        ({"Authorization": "Bearer right"}, {"token": "wrong"}, "forged"),
        ({}, {}, "unsigned"),
    ],
)
def test_tokens_in_a_header_or_in_the_address(headers, query, verdict):
    proof = TokenProof(query="token")
    assert prove(proof, ["", "right"], delivery(b"", headers, query=query), NOW) == verdict


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b'{"google_key": "right"}', "proven"),
        (b'{"google_key": "wrong"}', "forged"),
        (b'{"google_key": ""}', "unsigned"),
        (b'{"google_key": 7}', "unsigned"),
        (b"{}", "unsigned"),
        (b"[]", "unsigned"),
        (b"{", "unsigned"),
        (b"[" * 5_000, "unsigned"),
        (b'{"google_key": "right", "x": 1e999999999999}', "proven"),
        (b"\xff", "unsigned"),
    ],
)
def test_a_key_in_the_body(body, verdict):
    assert prove(BodyKeyProof("google_key"), ["right"], delivery(body), NOW) == verdict


def test_a_secret_that_can_prove_nothing_is_refused_without_a_word_of_it():
    with pytest.raises(ValueError, match="is empty"):
        check_secret(HUBSPOT, "")
    with pytest.raises(ValueError, match=r"^is not in base64$"):
        check_secret(STANDARD, "not base64!")
    check_secret(STANDARD, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

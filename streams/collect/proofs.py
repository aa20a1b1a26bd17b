"""Whether a delivery comes from who says so: signatures and tokens of the senders of webhooks. Pure; the time is an argument.

Every comparison takes the same time whatever was offered. A secret may be several, so that one can be changed for another
without a gap: a delivery is proven when one of them fits.

Sources: HubSpot, request validation, version 3; Meta, Webhooks, ``X-Hub-Signature-256``; Shopify, HTTPS deliveries; Stripe,
webhook signatures, scheme ``v1``; Typeform, secure webhooks; LinkedIn, webhook validation; Standard Webhooks 1.0.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

#: ``unsigned``: no proof at all; ``forged``: a proof that does not fit; ``stale``: proven, but of another time than now.
Verdict = Literal["proven", "unsigned", "forged", "stale"]
TOLERANCE_S = 300
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PLACE = re.compile(r"\{(body|timestamp|id|method|url)\}")
#: What HubSpot decodes in an address before it signs; every other escape stays.
_DECODED = {f"%{ord(sign):02X}": sign for sign in ":/?@!$'()*,;"}
_ESCAPE = re.compile("|".join(_DECODED), re.IGNORECASE)


class Delivery(NamedTuple):
    """What arrived.

    Attributes:
        method: of the request.
        url: as the sender called it: the public address with path and query.
        headers: by name in lower case.
        query: parameters of the address.
        body: the bytes as they came.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class HmacProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="hmac"):
    """A signature over the body (HMAC, RFC 2104) in a header.

    Attributes:
        header: where the signature is.
        message: what is signed; ``{body}``, ``{timestamp}``, ``{id}``, ``{method}`` and ``{url}`` stand for what arrived.
        digest: the hash.
        encoding: how the signature is written.
        prefix: what stands before it.
        style: ``plain``: the header is one signature; ``pairs``: ``t=…,v1=…,v1=…``; ``versions``: ``v1,… v1,…``.
        timestamp: header of the time of sending; of style ``pairs`` it is ``t``.
        unit: of that time.
        tolerance_s: how far it may be from now, in seconds.
        id: header that names the delivery.
        secret: ``text``: its characters are the key; ``base64``: they are the key in base64, after ``whsec_`` where that stands.
    """

    header: str
    message: str = "{body}"
    digest: Literal["sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    style: Literal["plain", "pairs", "versions"] = "plain"
    timestamp: str | None = None
    unit: Literal["s", "ms"] = "s"
    tolerance_s: int = TOLERANCE_S
    id: str | None = None
    secret: Literal["text", "base64"] = "text"  # noqa: S105 - how it is written


class TokenProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="token"):
    """A secret that comes with the delivery, in a header (after ``Bearer`` where that stands) or in the address."""

    header: str | None = "Authorization"
    query: str | None = None
    id: str | None = None


class BodyKeyProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="body_key"):
    """A secret that is a member of the JSON body."""

    field: str
    id: str | None = None


Proof = HmacProof | TokenProof | BodyKeyProof


def prove(proof: Proof, secrets: Sequence[str], delivery: Delivery, now_ms: int) -> Verdict:
    """What a delivery's proof is worth.

    Args:
        proof: what the sender gives.
        secrets: those that hold, never empty texts.
        delivery: what arrived.
        now_ms: wall clock, epoch milliseconds.

    >>> said = Delivery("POST", "", {"x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}, {}, b"Hello, World!")
    >>> prove(HmacProof("X-Hub-Signature-256", prefix="sha256="), ["It's a Secret to Everybody"], said, 0)
    'proven'
    """
    keys = [secret for secret in secrets if secret]
    if isinstance(proof, TokenProof):
        return known(_token(proof, delivery), keys)
    if isinstance(proof, BodyKeyProof):
        return known(_member(proof.field, delivery.body), keys)
    return _signed(proof, keys, delivery, now_ms)


def delivery_id(proof: Proof, delivery: Delivery) -> str | None:
    """The name of the delivery, the same each time that it is sent; None where the sender gives none."""
    return (delivery.headers.get(proof.id.lower()) or None) if proof.id else None


def signature(proof: HmacProof, secret: str, delivery: Delivery, timestamp: str = "") -> str:
    """The signature that a delivery should have, without what stands before it.

    Raises:
        ValueError: where the secret is not what the proof asks for.
    """
    digest = hmac.digest(_key(proof, secret), _message(proof, delivery, timestamp), proof.digest)
    return digest.hex() if proof.encoding == "hex" else base64.b64encode(digest).decode()


def check_secret(proof: Proof, secret: str) -> None:
    """Refuse a secret that can prove nothing.

    Raises:
        ValueError: without a word of the secret.
    """
    if not secret:
        raise ValueError("is empty")
    if isinstance(proof, HmacProof):
        _key(proof, secret)


def equal(offered: str, expected: str) -> bool:
    """Whether two texts are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(offered.encode(errors="replace"), expected.encode(errors="replace"))


def _signed(proof: HmacProof, secrets: Sequence[str], delivery: Delivery, now_ms: int) -> Verdict:
    shown = delivery.headers.get(proof.header.lower(), "")
    offered, timestamp = _offered(proof, shown, delivery.headers)
    if not offered or (_has_timestamp(proof) and not timestamp):
        return "unsigned"
    expected = [signature(proof, secret, delivery, timestamp) for secret in secrets]
    # Every pair is compared: the time tells nothing of which one fits.
    if not any([equal(one, other) for one in offered for other in expected]):  # noqa: C419
        return "forged"
    return "proven" if not _has_timestamp(proof) or _is_fresh(proof, timestamp, now_ms) else "stale"


def _has_timestamp(proof: HmacProof) -> bool:
    return proof.style == "pairs" or proof.timestamp is not None


def _offered(proof: HmacProof, shown: str, headers: Mapping[str, str]) -> tuple[list[str], str]:
    """The signatures of a header, and the time of sending as it is written."""
    timestamp = headers.get(proof.timestamp.lower(), "") if proof.timestamp else ""
    if proof.style == "plain":
        return [shown.strip().removeprefix(proof.prefix)] if shown.strip() else [], timestamp
    if proof.style == "versions":
        pairs = [part.partition(",") for part in shown.split()]
        return [text for version, _, text in pairs if version == "v1" and text], timestamp
    found = [part.strip().partition("=") for part in shown.split(",")]
    times = [text for name, _, text in found if name == "t"]
    return [text for name, _, text in found if name == "v1" and text], times[0] if len(times) == 1 else ""


def _is_fresh(proof: HmacProof, timestamp: str, now_ms: int) -> bool:
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 15:
        return False
    sent_ms = int(timestamp) * (1_000 if proof.unit == "s" else 1)
    return abs(now_ms - sent_ms) <= proof.tolerance_s * 1_000


def _message(proof: HmacProof, delivery: Delivery, timestamp: str) -> bytes:
    values: dict[str, Callable[[], bytes]] = {
        "body": lambda: delivery.body,
        "timestamp": timestamp.encode,
        "id": lambda: delivery.headers.get((proof.id or "").lower(), "").encode(),
        "method": delivery.method.encode,
        "url": lambda: _ESCAPE.sub(lambda match: _DECODED[match[0].upper()], delivery.url).encode(),
    }
    return b"".join(
        values[part]() if place % 2 else part.encode()
        for place, part in enumerate(_PLACE.split(proof.message))
    )


def _key(proof: HmacProof, secret: str) -> bytes:
    if proof.secret == "text":  # noqa: S105 - how it is written
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise ValueError("is not in base64") from error


def _token(proof: TokenProof, delivery: Delivery) -> str:
    found = delivery.query.get(proof.query, "") if proof.query else ""
    shown = delivery.headers.get(proof.header.lower(), "").strip() if proof.header else ""
    scheme, _, token = shown.partition(" ")
    return found or (token.strip() if scheme.lower() == "bearer" else shown)


def _member(field: str, body: bytes) -> str:
    """The text of a member; nothing where the body has none."""
    try:
        return msgspec.json.decode(_MEMBERS.decode(body)[field], type=str)
    except (KeyError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""


def known(offered: str, secrets: Sequence[str]) -> Verdict:
    """What a token is worth."""
    if not offered:
        return "unsigned"
    return "proven" if any([equal(offered, secret) for secret in secrets]) else "forged"  # noqa: C419


def hex_of(secret: str, message: str) -> str:
    """HMAC-SHA256 in hexadecimal, as LinkedIn asks for its challenge."""
    return hmac.digest(secret.encode(), message.encode(), "sha256").hex()

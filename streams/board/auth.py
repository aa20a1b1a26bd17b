"""Who may in: one token, sessions signed with it, and patience with wrong tokens. Pure; the time is an argument.

The token itself never reaches a browser's storage: after a login the cookie holds a name, an end and a
signature (HMAC-SHA256, RFC 2104), so a board that starts again knows its sessions and keeps no list of them.
"""

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from typing import NamedTuple

SESSION_MS = 12 * 3_600_000
MAX_NAME_LENGTH = 80


class Session(NamedTuple):
    """A login: the name its owner gave, and when it ends (epoch milliseconds)."""

    name: str
    expires_at: int


class TokenAuth:
    """Checks tokens and cookies.

    >>> token_auth = TokenAuth("0123456789abcdef")
    >>> token_auth.opens("0123456789abcdef"), token_auth.opens("0123456789abcdeF")
    (True, False)
    >>> token_auth.session(token_auth.issue("Ana", 0), 1).name
    'Ana'
    """

    def __init__(self, token: str) -> None:
        self._digest = hashlib.sha256(token.encode()).digest()
        self._key = hmac.digest(token.encode(), b"roistream board session", "sha256")

    def opens(self, offered: str) -> bool:
        """Whether this is the token; takes the same time whatever was offered."""
        return hmac.compare_digest(hashlib.sha256(offered.encode(errors="replace")).digest(), self._digest)

    def issue(self, name: str, now_ms: int) -> str:
        """The value of a cookie that lets its owner in for ``SESSION_MS``."""
        claim = f"{_armour(name.encode())}.{now_ms + SESSION_MS}"
        return f"{claim}.{self._signature(claim)}"

    def session(self, cookie: str, now_ms: int) -> Session | None:
        """The session a cookie speaks of; None when it is forged, broken or over."""
        claim, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(errors="replace"), self._signature(claim).encode()):
            return None
        name, _, expires_at = claim.partition(".")  # signed by us, so it is well formed
        session = Session(_unarmour(name), int(expires_at))
        return session if now_ms < session.expires_at else None

    def _signature(self, claim: str) -> str:
        return _armour(hmac.digest(self._key, claim.encode(errors="replace"), "sha256"))


class FailedAttempts:
    """Wrong tokens per address: a bucket of ``burst`` that gets one back every ``refill_ms``.

    Addresses heard from last are remembered, at most ``limit`` of them.

    >>> attempts = FailedAttempts(burst=2, refill_ms=1_000)
    >>> [attempts.wait_ms("a", 0), attempts.failed("a", 0), attempts.failed("a", 0), attempts.wait_ms("a", 0)]
    [0, None, None, 1000]
    >>> attempts.wait_ms("a", 1_000), attempts.wait_ms("b", 0)
    (0, 0)
    """

    def __init__(self, burst: int = 10, refill_ms: int = 6_000, limit: int = 10_000) -> None:
        self._burst, self._refill_ms, self._limit = burst, refill_ms, limit
        #: By address: the instant at which its bucket is full again.
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def wait_ms(self, address: str, now_ms: int) -> int:
        """Milliseconds until this address may try again; 0: now."""
        owed = self._full_at.get(address, now_ms) - now_ms
        return max(0, owed - (self._burst - 1) * self._refill_ms)

    def failed(self, address: str, now_ms: int) -> None:
        """Take in a wrong token."""
        full_at = max(self._full_at.pop(address, now_ms), now_ms) + self._refill_ms
        self._full_at[address] = full_at
        if len(self._full_at) > self._limit:
            self._full_at.popitem(last=False)


def _armour(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unarmour(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""

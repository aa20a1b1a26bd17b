"""Who may in: tokens, sessions signed with the shared one, and limits on what comes too often. Pure; the time is an argument.

A token itself never reaches a browser's storage: after a login the cookie holds a name, an end, an id, a mark of the token and a
signature (HMAC-SHA256, RFC 2104), so a board that starts again knows its sessions. The only list is that of the sessions
that were ended before their time.
"""

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from streams.board.people import BoardUser, BoardUserEntry, Role

SESSION_MS = 12 * 3_600_000
MAX_NAME_LENGTH = 80
#: Parts of a signed claim: name, end, id, mark of the token.
_CLAIMED = 4
_SHARED_MARK = ""
_MARK_LENGTH = 16


class Session(NamedTuple):
    """A login: its owner's name, when the session ends (epoch milliseconds), the session's id, and what its owner may do."""

    name: str
    expires_at: int
    session_id: str = ""
    role: Role = "administer"


class TokenAuth:
    """Checks tokens and cookies.

    >>> token_auth = TokenAuth("0123456789abcdef")
    >>> token_auth.person("0123456789abcdef"), token_auth.person("0123456789abcdeF")
    (BoardUser(name=None, role='administer'), None)
    >>> token_auth.session(token_auth.issue("Ana", 0, "s-1"), 1)
    Session(name='Ana', expires_at=43200000, session_id='s-1', role='administer')

    Args:
        token: the shared one; it signs sessions.
        people: those with a token of their own, by name.
    """

    def __init__(self, token: str, people: Mapping[str, BoardUserEntry] | None = None) -> None:
        self._key = hmac.digest(token.encode(), b"roistream board session", "sha256")
        self._people: dict[bytes, BoardUser] = {}
        #: By mark: whose token it is. A session speaks for its mark, so that a token that is changed or taken away ends its sessions.
        self._marks: dict[str, BoardUser] = {_SHARED_MARK: BoardUser(None, "administer")}
        for name, entry in (people or {}).items():
            if entry.token is not None:
                person = BoardUser(name, entry.role)
                self._people[_digest(entry.token)] = person
                self._marks[self._mark(entry.token)] = person
        self._people[_digest(token)] = BoardUser(None, "administer")

    def person(self, offered: str) -> BoardUser | None:
        """Whose token this is; takes the same time whatever was offered."""
        digest, found = _digest(offered), None
        for known, person in self._people.items():
            if hmac.compare_digest(digest, known):
                found = person
        return found

    def issue(self, name: str, now_ms: int, session_id: str, token: str | None = None) -> str:
        """The value of a cookie that lets its owner in for ``SESSION_MS``; ``token``: one of a person's own."""
        mark = _SHARED_MARK if token is None else self._mark(token)
        claim = f"{_armour(name.encode())}.{now_ms + SESSION_MS}.{session_id}.{mark}"
        return f"{claim}.{self._signature(claim)}"

    def _mark(self, token: str) -> str:
        return _armour(hmac.digest(self._key, token.encode(errors="replace"), "sha256"))[:_MARK_LENGTH]

    def session(self, cookie: str, now_ms: int) -> Session | None:
        """The session a cookie speaks of; None when it is forged, broken or over."""
        claim, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(errors="replace"), self._signature(claim).encode()):
            return None
        parts = claim.split(".")
        if len(parts) != _CLAIMED:  # of a version whose sessions had no id or mark
            return None
        name, expires_at, session_id, mark = parts
        person = self._marks.get(mark)
        if person is None:
            return None
        session = Session(person.name or _unarmour(name), int(expires_at), session_id, person.role)
        return session if now_ms < session.expires_at else None

    def _signature(self, claim: str) -> str:
        return _armour(hmac.digest(self._key, claim.encode(errors="replace"), "sha256"))


class EndedSessions:
    """Sessions that were ended before their time, until that time.

    >>> ended = EndedSessions()
    >>> ended.end(Session("Ana", 10, "s-1"), 0); ended.holds("s-1"), ended.holds("s-2")
    (True, False)
    >>> ended.end(Session("Ben", 99, "s-2"), 10); ended.holds("s-1")
    False
    """

    def __init__(self) -> None:
        self._expires_at: dict[str, int] = {}

    def end(self, session: Session, now_ms: int) -> None:
        """End a session; sessions whose time has come are forgotten."""
        self._expires_at[session.session_id] = session.expires_at
        self._expires_at = {name: at for name, at in self._expires_at.items() if at > now_ms}

    def holds(self, session_id: str) -> bool:
        """Whether the session was ended."""
        return session_id in self._expires_at

    def restore(self, expires_at: Mapping[str, int]) -> None:
        """Take in sessions that were ended at another board, or before this one began: ids and ends."""
        self._expires_at.update(expires_at)


class RateLimit:
    """A bucket of ``burst`` for each key that gets one back every ``refill_ms``.

    Keys that were heard from last are remembered, at most ``limit`` of them.

    >>> wrong_tokens = RateLimit(burst=2, refill_ms=1_000)
    >>> [wrong_tokens.wait_ms("a", 0), wrong_tokens.take("a", 0), wrong_tokens.take("a", 0), wrong_tokens.wait_ms("a", 0)]
    [0, None, None, 1000]
    >>> wrong_tokens.wait_ms("a", 1_000), wrong_tokens.wait_ms("b", 0)
    (0, 0)
    """

    def __init__(self, burst: int = 10, refill_ms: int = 6_000, limit: int = 10_000) -> None:
        self._burst, self._refill_ms, self._limit = burst, refill_ms, limit
        #: By key: the instant at which its bucket is full again.
        self._full_at: OrderedDict[str, int] = OrderedDict()

    def wait_ms(self, key: str, now_ms: int) -> int:
        """Milliseconds until the bucket holds one; 0: now."""
        owed = self._full_at.get(key, now_ms) - now_ms
        return max(0, owed - (self._burst - 1) * self._refill_ms)

    def take(self, key: str, now_ms: int) -> None:
        """Take one out of the bucket."""
        full_at = max(self._full_at.pop(key, now_ms), now_ms) + self._refill_ms
        self._full_at[key] = full_at
        if len(self._full_at) > self._limit:
            self._full_at.popitem(last=False)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _armour(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _unarmour(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode(errors="replace")
    except (binascii.Error, ValueError):
        return ""

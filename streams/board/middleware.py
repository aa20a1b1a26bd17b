"""Middlewares and helpers of the HTTP edge: who may in, what a browser may do with the page, how errors are told."""

import ipaddress
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from metrics.values.errors import Rejection
from streams.board.auth import MAX_NAME_LENGTH, EndedSessions, RateLimit, Session, TokenAuth
from streams.board.kafka_gateway import KafkaGatewayError
from streams.board.people import BoardUser, BoardUserEntry, IdentityHeader, Role
from streams.catalogues import ENGLISH, sources, translated

COOKIE = "roistream_board"
#: Who is asking; set by the gate.
WHO: web.RequestKey[str] = web.RequestKey("who", str)
#: Who is asking, and what they may do.
PERSON: web.RequestKey[BoardUser] = web.RequestKey("person", BoardUser)
#: The session that asks; absent where a token came with the request itself.
SESSION: web.RequestKey[Session] = web.RequestKey("session", Session)
#: When the session ends (epoch milliseconds); 0 where a token came with the request itself.
UNTIL: web.RequestKey[int] = web.RequestKey("until", int)
_API_NAME = "api"
#: The end of what does not end by the board's clock.
_NEVER = 1 << 62
#: Reading these needs no token (D52), like the worker's /metrics, which shows the same figures.
_FIGURES = ("/api/board", "/api/campaigns", "/api/openapi.json")
#: What needs more than looking, by method and path.
_NEEDED: dict[tuple[str, str], Role] = {
    ("POST", "/api/decisions"): "decide",
    ("POST", "/api/decisions/bulk"): "decide",
    ("POST", "/api/undo"): "decide",
    ("POST", "/alerts"): "decide",
}
#: Asked by whoever starts and watches processes, under any name.
_PROBES = ("/healthz", "/readyz", "/metrics")

#: No inline script or style, nothing from elsewhere, no frame around it, and no text that becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

#: The language of the request that is answered.
LANGUAGE: ContextVar[str] = ContextVar("language", default=ENGLISH)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer that no cache keeps."""
    return web.Response(
        body=msgspec.json.encode(value),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
        zlib_executor_size=16_384,
    )


def refusal(
    status: int, sentence: str, headers: dict[str, str] | None = None, **beside: object
) -> web.Response:
    """A refusal: one sentence that says what to do, in the language of the request, and what a machine reads beside it."""
    return answer({"error": translated(sentence, LANGUAGE.get()), **beside}, status, headers)


def language_of(accepted: str) -> str:
    """The first language of a header ``Accept-Language`` that there is a catalogue of (RFC 9110, 12.5.4; weights are taken to fall).

    >>> language_of("de, fr-CH;q=0.9, en;q=0.8"), language_of("*")
    ('fr', 'en')
    """
    for each in accepted.split(","):
        language = each.partition(";")[0].strip().partition("-")[0].lower()
        if language == ENGLISH or language in sources():
            return language
    return ENGLISH


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Headers on every answer; errors become JSON with one sentence.

    An event stream has sent its headers before it comes back here; it sets its own by ``on_prepare``.
    """
    # A browser's stream of events cannot choose its headers.
    wanted = request.query.get("language", "") if request.path == "/api/events" else ""
    LANGUAGE.set(language_of(wanted or request.headers.get("Accept-Language", "")))
    try:
        return await handler(request)
    except Rejection as rejection:
        return refusal(400, f"{rejection.detail}.")
    except KafkaGatewayError as error:
        return refusal(503, str(error))
    except web.HTTPRequestEntityTooLarge as error:
        return refusal(413, error.text or "The body is too large.")
    except web.HTTPException as error:
        if not request.path.startswith("/api/"):
            raise
        return refusal(error.status, f"{error.reason}: {request.method} {request.path} is not of this API.")


def too_often(wait_ms: int, what: str) -> web.Response:
    """A refusal of what comes too often."""
    seconds = math.ceil(wait_ms / 1_000)
    return refusal(429, f"{what}; try again in {seconds} s.", {"Retry-After": str(seconds)})


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Put the headers of a careful page on whatever is sent."""
    del request
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


class AuthMiddleware:
    """Lets in who has a token, in the request or by a session, and whom a believed proxy names; refuses what a role may not do.

    Args:
        token_auth: checks tokens and cookies.
        now_ms: wall clock in epoch milliseconds.
        hosts: names by which the board is reached, besides addresses and localhost.
        new_id: makes the id of a session.
        identity: how a proxy names who asks; None: no proxy is believed.
        people: those who are known by name.
        unknown_role: what somebody may do whom the proxy names and ``people`` do not hold; None: nothing.
    """

    def __init__(
        self,
        token_auth: TokenAuth,
        now_ms: Callable[[], int],
        hosts: Collection[str],
        new_id: Callable[[], str],
        *,
        identity: IdentityHeader | None = None,
        people: Mapping[str, BoardUserEntry] | None = None,
        unknown_role: Role | None = None,
    ) -> None:
        self.token_auth = token_auth
        self.ended = EndedSessions()
        self._wrong_tokens = RateLimit()
        self._now_ms = now_ms
        self._hosts = frozenset(name.lower() for name in hosts)
        self._new_id = new_id
        self._identity, self._roles, self._unknown_role = identity, people or {}, unknown_role

    def try_token(self, request: web.Request, token: str) -> BoardUser | web.Response:
        """Whose token it is; else the refusal. Too many wrong tokens make an address wait.

        The right token always opens: whoever shares an address with somebody who guesses is not locked out.
        """
        person = self.token_auth.person(token)
        if person is not None:
            return person
        now, address = self._now_ms(), request.remote or ""
        wait_ms = self._wrong_tokens.wait_ms(address, now)
        if wait_ms:
            return too_often(wait_ms, "Too many wrong tokens")
        self._wrong_tokens.take(address, now)
        return refusal(
            401,
            "The token is wrong; it is the value of ROISTREAM_BOARD_TOKEN where the board was started.",
            {"WWW-Authenticate": 'Bearer realm="roistream"'},
        )

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Whatever is not open needs a token; what is open tells more to those who have one."""
        refused = self._let_in(request)
        is_known = (
            request.match_info.http_exception is None
        )  # what is not of this API needs no token to be told so
        if refused is not None and is_known and not is_open(request):
            return refused
        if WHO not in request and request.path not in _PROBES and not self._is_own_host(request):
            return refusal(
                421,
                f"This board is not called {request.host!r}; open it by its address, or add the name to ROISTREAM_BOARD_HOSTS.",
            )
        needed = _NEEDED.get((request.method, request.path), "look")
        if PERSON in request and not request[PERSON].may(needed):
            return refusal(
                403,
                f"{request[WHO]} may {request[PERSON].role} here, and this needs the role {needed}; ask who keeps the board.",
            )
        return await handler(request)

    def _is_own_host(self, request: web.Request) -> bool:
        """Whether the name in the Host header is one of the board's.

        A page of a stranger can make its own name lead to the board's address and then read what is open (DNS rebinding).
        """
        try:
            name = (urlsplit(f"//{request.host}").hostname or "").lower()
        except ValueError:  # a bracket without its other half
            return False
        return name == "localhost" or name in self._hosts or _is_address(name)

    def _let_in(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            person = self.try_token(request, token.strip())
            if isinstance(person, web.Response):
                return person
            request[WHO], request[UNTIL], request[PERSON] = person.name or _API_NAME, 0, person
            return None
        if self._identity is not None and self._identity.holds(request.remote):
            return self._by_proxy(request, self._identity.name)
        session = self.token_auth.session(request.cookies.get(COOKIE, ""), self._now_ms())
        if session is None or self.ended.holds(session.session_id):
            return refusal(
                401,
                "This needs the board's token: log in on the page, or send 'Authorization: Bearer <token>'.",
                {"WWW-Authenticate": 'Bearer realm="roistream"'},
            )
        if request.method not in {"GET", "HEAD"} and not is_own_page(request):
            return refusal(
                403, "This came from another page than the board's own; open the board and log in."
            )
        request[WHO], request[UNTIL], request[SESSION] = session.name, session.expires_at, session
        request[PERSON] = BoardUser(session.name, session.role)
        return None

    def _by_proxy(self, request: web.Request, header: str) -> web.Response | None:
        name = " ".join(request.headers.get(header, "").split())[:MAX_NAME_LENGTH]
        role = self._roles[name].role if name in self._roles else self._unknown_role
        if not name or role is None:
            return refusal(
                401 if not name else 403,
                f"The proxy named nobody in {header}."
                if not name
                else f"{name} is not among the people of this board.",
            )
        if request.method not in {"GET", "HEAD"} and not is_own_page(request):
            return refusal(403, "This came from another page than the board's own; open the board itself.")
        # A person whom a proxy names has no session of the board: the proxy ends it.
        request[WHO], request[UNTIL], request[PERSON] = name, _NEVER, BoardUser(name, role)
        return None

    def begin(
        self, response: web.Response, request: web.Request, person: BoardUser, name: str, token: str
    ) -> None:
        """Begin a session of a person; ``name`` is what users of the shared token call themselves."""
        own = person.name is not None
        shown = person.name or " ".join(name.split())[:MAX_NAME_LENGTH] or "operator"
        value = self.token_auth.issue(shown, self._now_ms(), self._new_id(), token if own else None)
        is_https = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(COOKIE, value, httponly=True, samesite="Strict", secure=is_https, path="/")

    def end(self, response: web.Response, request: web.Request) -> Session | None:
        """End the session of the browser that asks, here and there; None where there was none."""
        response.del_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        session = request.get(SESSION)
        if session is not None:
            self.ended.end(session, self._now_ms())
        return session


def is_open(request: web.Request) -> bool:
    """What the contract lets anyone read, the login, and what holds no figure; who said what is not among it."""
    if request.path == "/api/session":
        return request.method in {"POST", "DELETE"}
    if request.method not in {"GET", "HEAD"}:
        return False
    is_figure = request.path in _FIGURES or request.path.startswith("/api/campaigns/")
    return is_figure or not request.path.startswith(("/api/", "/alerts"))


def is_own_page(request: web.Request) -> bool:
    """Whether a browser says that the board's own page asks: another port of this host is another page.

    SameSite=Strict keeps foreign sites out, but all ports of one host are the same site.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host

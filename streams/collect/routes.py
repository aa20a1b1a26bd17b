"""The HTTP edge of the collector: who may send what, and what is answered when the broker has it or has it not."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from ipaddress import ip_address

import msgspec
from aiohttp import web

from metrics.values.errors import Rejection
from streams.board.auth import RateLimit
from streams.collect.campaign_rules import CampaignPlace, parameters, place_of
from streams.collect.collect_file import CollectFile, OpenWebhook
from streams.collect.collect_metrics import CollectMetrics, RefusalReason
from streams.collect.consent import joined, may_identify, said_by_cookie, said_in_words, visitor_of
from streams.collect.document_mapper import DocumentMapper, Mapped
from streams.collect.links import target_of
from streams.collect.proofs import Delivery, delivery_id, prove
from streams.collect.random_ids import RandomIds
from streams.collect.record_gateway import BrokerSlow, RecordGateway
from streams.collect.seen_deliveries import SeenDeliveries
from streams.collect.senders import Split
from streams.collect.site_events import SiteBatch, SiteEvent, Visit, read_events, record_of
from streams.collect.unregistered_campaigns import UnregisteredCampaigns
from streams.mapping.engine import MappedRecord
from streams.settings import Settings

#: A request's body; senders of webhooks send far less.
MAX_BODY_BYTES = 1_048_576
MAX_EVENTS_BYTES = 262_144
#: Requests that wait for the broker, and the bytes of their bodies: whoever comes above is told to come again.
MOST_WAITING, MOST_WAITING_BYTES = 1_000, 64 * 1_048_576
#: From the headers to the end of the body.
_BODY_WITHIN_S = 10.0
#: A visitor who follows a link does not wait longer for the broker.
_LINK_WITHIN_S = 1.0
_RETRY_AFTER_S = 5
SITE = "site"
_GIF = (
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00"
    b"\x02\x02D\x01\x00;"
)
_NO_STORE = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_JSON = {"Content-Type": "application/json", **_NO_STORE}
_NO_COOKIES: Mapping[str, str] = {}
_encode = msgspec.json.Encoder().encode


class RequestRefused(Exception):
    """A request is refused: with which status, why, and what to do."""

    def __init__(
        self, status: int, reason: RefusalReason, sentence: str, retry_after_s: int | None = None
    ) -> None:
        super().__init__(sentence)
        self.status, self.reason, self.sentence, self.retry_after_s = status, reason, sentence, retry_after_s


def _answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=_encode(value),
        status=status,
        headers={**_JSON, **headers} if headers else _JSON,
    )


class _Bucket:
    """A rate, of each key its own; three times as many at once."""

    def __init__(self, rate: int) -> None:
        self._limit = RateLimit(burst=3 * rate, refill_ms=max(1, 1_000 // rate))

    def take(self, key: str, now_ms: int) -> int:
        """Milliseconds to wait; 0: one was taken."""
        wait_ms = self._limit.wait_ms(key, now_ms)
        if not wait_ms:
            self._limit.take(key, now_ms)
        return wait_ms


class CollectRoutes:
    """All pages of the collector."""

    def __init__(
        self,
        settings: Settings,
        file: CollectFile,
        gateway: RecordGateway,
        now_ms: Callable[[], int],
        new_id: Callable[[], str] | None = None,
    ) -> None:
        """Nothing is connected here.

        Args:
            settings: how early and how late events may be.
            file: the site, its links and the webhooks.
            gateway: writes records.
            now_ms: wall clock, epoch milliseconds.
            new_id: makes ids of visitors and of events; None: by the system's own chance.
        """
        self._settings = settings
        self._file = file
        self._gateway = gateway
        self._now_ms = now_ms
        self._new_id = new_id or RandomIds()
        self._origins = frozenset(file.site.origins)
        domain = f"; Domain={file.site.cookie_domain}" if file.site.cookie_domain else ""
        self._cookie = f"; Path=/{domain}; Secure; HttpOnly; SameSite=Lax"
        self._seen = SeenDeliveries()
        self._waiting = self._waiting_bytes = 0
        self._visits = _Bucket(file.site.rate)
        self._deliveries = {name: _Bucket(webhook.rate) for name, webhook in file.webhooks.items()}
        self._forgeries = _Bucket(2)
        self.campaigns = UnregisteredCampaigns(settings)
        self.metrics = CollectMetrics(
            [SITE, *file.webhooks],
            lambda: gateway.is_up,
            lambda: self._waiting,
            lambda: self.campaigns.count,
        )
        self.mapper = DocumentMapper(file.rules, self._write_mapped, now_ms)

    def routes(self) -> list[web.RouteDef]:
        """The pages."""
        return [
            web.get("/t.gif", self._site(self._get_pixel), allow_head=False),
            web.post("/events", self._site(self._post_events)),
            web.options("/events", self._options_events),
            web.get("/go/{link}", self._site(self._get_link), allow_head=False),
            web.post("/in/{webhook}", self._post_delivery),
            web.get("/in/{webhook}", self._get_challenge, allow_head=False),
            web.get("/healthz", self._get_healthz),
            web.get("/readyz", self._get_readyz),
        ]

    # What a site sends.

    def _site(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            origin = request.headers.get("Origin")
            try:
                wait_ms = self._visits.take(self._address(request), self._now_ms())
                if wait_ms:
                    raise _too_often(wait_ms)
                response = await handler(request)
            except RequestRefused as refused:
                response = self._refusal(SITE, refused)
            if origin in self._origins:
                response.headers.update(_cors(str(origin)))
            return response

        return handle

    async def _post_events(self, request: web.Request) -> web.Response:
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            raise RequestRefused(
                403, "foreign_origin", "This page may not send events; add its origin to [site] of the file."
            )
        body = await self._body(request, MAX_EVENTS_BYTES)
        try:
            batch = read_events(body)
        except Rejection as rejection:
            raise RequestRefused(400, "unreadable", f"{rejection.detail}.") from rejection
        return await self._take(request, batch, _consent(batch), len(body))

    async def _get_pixel(self, request: web.Request) -> web.Response:
        said = dict(request.query)
        try:
            event = msgspec.convert({"type": "click", **said, "consent": None}, SiteEvent, strict=False)
        except (msgspec.ValidationError, ValueError, ArithmeticError) as error:
            raise RequestRefused(400, "unreadable", f"{error}.") from error
        if event.url is None:
            event = msgspec.structs.replace(event, url=self._address_of_page(request))
        response = await self._take(request, SiteBatch(events=[event]), said_in_words(said.get("consent")), 0)
        pixel = web.Response(body=_GIF, content_type="image/gif", headers=_NO_STORE)
        pixel.headers.extend(_set_cookies(response))
        return pixel

    @staticmethod
    def _address_of_page(request: web.Request) -> str | None:
        """The pixel's own parameters where it has some that name a campaign; else the page's address."""
        own = str(request.rel_url)
        return own if "utm_" in own else request.headers.get("Referer", "")[:8_000] or None

    async def _take(
        self, request: web.Request, batch: SiteBatch, said: bool | None, size: int
    ) -> web.Response:
        site = self._file.site
        # Most of the first requests bring no cookie, and an empty header costs as much to read.
        cookies = request.cookies if "Cookie" in request.headers else _NO_COOKIES
        if said is None:
            said = said_by_cookie(cookies, site.consent_cookie, site.consent_value)
        signal = request.headers.get("Sec-GPC") == "1"
        agreed = may_identify(site.consent, said, has_privacy_signal=signal)
        visitor = (visitor_of(cookies.get(site.cookie)) or self._new_id()) if agreed else None
        visit = self._visit(visitor)
        records: list[MappedRecord] = []
        for place, event in enumerate(batch.events):
            if event.type not in site.accepts:
                raise RequestRefused(
                    403,
                    "not_accepted",
                    f"Events of type {event.type} are not taken; add it to accepts in [site].",
                )
            try:
                record = record_of(event, visit, may_identify=agreed)
            except Rejection as rejection:
                raise RequestRefused(
                    422, "invalid_event", f"Event {place}: {rejection.detail}."
                ) from rejection
            if record is not None:
                records.append(record)
        self._admit(size)
        try:
            await self._write(SITE, records)
        finally:
            self._release(size)
        left = len(batch.events) - len(records)
        self.metrics.left(SITE, "no_campaign", left)
        response = _answer({"written": len(records), "left_out": left})
        self._set_visitor(cookies, response, visitor, has_refused=said is False or signal)
        return response

    def _visit(self, visitor: str | None) -> Visit:
        now, settings = self._now_ms(), self._settings
        return Visit(
            visitor,
            now,
            self._file.rules,
            self._new_id,
            settings.earliest_event_time,
            now + settings.max_future,
        )

    def _set_visitor(
        self, cookies: Mapping[str, str], response: web.Response, visitor: str | None, *, has_refused: bool
    ) -> None:
        site = self._file.site
        if visitor is not None:
            response.headers.add(
                "Set-Cookie", f"{site.cookie}={visitor}; Max-Age={site.cookie_days * 86_400}{self._cookie}"
            )
        elif has_refused and site.cookie in cookies:
            response.headers.add("Set-Cookie", f"{site.cookie}=; Max-Age=0{self._cookie}")

    async def _get_link(self, request: web.Request) -> web.Response:
        link = self._file.links.get(request.match_info["link"])
        if link is None:
            raise RequestRefused(404, "unknown_link", "There is no such link.")
        said = parameters(str(request.rel_url))
        target = target_of(link, self._file.site.hosts, said)
        if target is None:
            raise RequestRefused(400, "unlisted_host", "The address is on no host that links may lead to.")
        place = place_of(self._file.rules, parameters(target))
        place = CampaignPlace(link.campaign_id or place.campaign_id, link.channel or place.channel)
        event = SiteEvent(type="click", campaign_id=place.campaign_id, channel=place.channel)
        response = web.Response(status=302, headers={"Location": target, **_NO_STORE})
        try:
            async with asyncio.timeout(_LINK_WITHIN_S):
                taken = await self._take(
                    request, SiteBatch(events=[event]), said_in_words(said.get("consent")), 0
                )
            response.headers.extend(_set_cookies(taken))
        except TimeoutError:
            self.metrics.refused(SITE, "broker")
        except RequestRefused as refused:
            # A visitor arrives, whatever becomes of the click.
            self.metrics.refused(SITE, refused.reason)
        return response

    async def _options_events(self, request: web.Request) -> web.Response:
        origin = request.headers.get("Origin", "")
        if origin not in self._origins:
            return self._refusal(
                SITE, RequestRefused(403, "foreign_origin", "This page may not send events.")
            )
        headers = {
            **_cors(origin),
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": "86400",
        }
        return web.Response(status=204, headers=headers)

    # What webhooks send.

    async def _post_delivery(self, request: web.Request) -> web.Response:
        webhook = self._file.webhooks.get(request.match_info["webhook"])
        if webhook is None:
            return _answer({"error": "There is no such webhook."}, 404)
        try:
            return await self._deliver(webhook, request)
        except RequestRefused as refused:
            return self._refusal(webhook.name, refused)

    async def _deliver(self, webhook: OpenWebhook, request: web.Request) -> web.Response:
        now, address = self._now_ms(), self._address(request)
        body = await self._body(request, MAX_BODY_BYTES)
        delivery = self._delivery(request, body)
        verdict = prove(webhook.proof, webhook.secrets, delivery, now)
        if verdict != "proven":
            wait_ms = self._forgeries.take(address, now)
            if wait_ms:
                raise _too_often(wait_ms)
            raise RequestRefused(
                401, verdict, f"The delivery is {verdict}; look at the secret and the clock of both sides."
            )
        wait_ms = self._deliveries[webhook.name].take("", now)
        if wait_ms:
            raise _too_often(wait_ms)
        try:
            split = webhook.sender.split(delivery)
            named = delivery_id(webhook.proof, delivery)
            if named is None and webhook.sender.delivery_id is not None:
                named = webhook.sender.delivery_id(delivery)
        except ValueError as error:
            raise RequestRefused(400, "unreadable", f"The body cannot be read: {error}.") from error
        name = named or sha256(body).hexdigest()
        if self._seen.holds(webhook.name, name):
            self.metrics.left(webhook.name, "repeated")
        else:
            self._admit(len(body))
            try:
                await self._map(webhook, split)
            finally:
                self._release(len(body))
            self._seen.note(webhook.name, name)
        done = webhook.sender.done
        if done is not None:
            return web.Response(text=done.body, content_type=done.content_type, headers=_NO_STORE)
        return _answer({"taken": len(split)})

    async def _map(self, webhook: OpenWebhook, split: Split) -> None:
        began = time.monotonic()
        try:
            await self.mapper.take(webhook, split)
        except BrokerSlow as error:
            raise RequestRefused(503, "broker", str(error), _RETRY_AFTER_S) from error
        self.metrics.took(webhook.name, time.monotonic() - began)

    async def _write_mapped(self, webhook: OpenWebhook, mapped: Mapped) -> None:
        records = [*mapped.records, *mapped.letters]
        await self._gateway.write(records)
        self.metrics.written(webhook.name, records)
        self.campaigns.note(records)
        self.metrics.left(webhook.name, "skipped", len(mapped.skipped))

    def _delivery(self, request: web.Request, body: bytes) -> Delivery:
        headers = {name.lower(): text for name, text in request.headers.items()}
        return Delivery(
            request.method, self._file.public_url + request.raw_path, headers, dict(request.query), body
        )

    async def _get_challenge(self, request: web.Request) -> web.Response:
        webhook = self._file.webhooks.get(request.match_info["webhook"])
        if webhook is None or webhook.sender.challenge is None:
            return _answer(
                {"error": "There is nothing to read here; deliveries come by POST."}, 405, {"Allow": "POST"}
            )
        now = self._now_ms()
        if wait_ms := self._deliveries[webhook.name].take("?", now):
            return self._refusal(webhook.name, _too_often(wait_ms))
        answer = webhook.sender.challenge(dict(request.query), webhook.secrets, webhook.verify_tokens)
        if answer is None:
            return self._refusal(
                webhook.name, RequestRefused(403, "forged", "The handshake does not fit the file.")
            )
        return web.Response(text=answer.body, content_type=answer.content_type, headers=_NO_STORE)

    # What all share.

    async def _body(self, request: web.Request, most: int) -> bytes:
        if (request.content_length or 0) > most:
            raise RequestRefused(413, "too_large", f"The body may have {most} bytes.")
        if request.content.is_eof() and request.content.exception() is None:  # it came with the headers
            body = request.content.read_nowait()
            if len(body) > most:
                raise RequestRefused(413, "too_large", f"The body may have {most} bytes.")
            return body
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                async for part in request.content.iter_any():
                    size += len(part)
                    if size > most:
                        raise RequestRefused(413, "too_large", f"The body may have {most} bytes.")
                    parts.append(part)
        except TimeoutError as error:
            raise RequestRefused(
                408, "too_slow", f"The body did not come within {_BODY_WITHIN_S:.0f} s."
            ) from error
        except (web.RequestPayloadError, ConnectionError) as error:
            raise RequestRefused(400, "unreadable", "The body broke off.") from error
        return b"".join(parts)

    def _admit(self, size: int) -> None:
        """Count a request among those that wait; whoever admits it takes it out again by ``_release``."""
        if self._waiting >= MOST_WAITING or self._waiting_bytes + size > MOST_WAITING_BYTES:
            raise RequestRefused(503, "busy", "Too many requests wait for the broker.", _RETRY_AFTER_S)
        self._waiting += 1
        self._waiting_bytes += size

    def _release(self, size: int) -> None:
        self._waiting -= 1
        self._waiting_bytes -= size

    async def _write(self, source: str, records: list[MappedRecord]) -> None:
        if not records:
            return
        began = time.monotonic()
        try:
            await self._gateway.write(records)
        except BrokerSlow as error:
            raise RequestRefused(503, "broker", str(error), _RETRY_AFTER_S) from error
        self.metrics.took(source, time.monotonic() - began)
        self.metrics.written(source, records)
        self.campaigns.note(records)

    def _address(self, request: web.Request) -> str:
        """Who asks: the last address that no proxy of the file added."""
        address = request.remote or ""
        if not self._file.proxies:
            return address
        forwarded = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
        for candidate in reversed(forwarded):
            if not self._is_proxy(address):
                break
            address = candidate or address
        return address

    def _is_proxy(self, address: str) -> bool:
        try:
            found = ip_address(address)
        except ValueError:
            return False
        return any(found in network for network in self._file.proxies)

    def _refusal(self, source: str, refused: RequestRefused) -> web.Response:
        self.metrics.refused(source, refused.reason)
        headers = {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}
        return _answer({"error": refused.sentence}, refused.status, headers)

    async def _get_healthz(self, request: web.Request) -> web.Response:
        del request
        return web.Response(text="ok\n")

    async def _get_readyz(self, request: web.Request) -> web.Response:
        del request
        is_ready, detail = self.ready()
        return _answer(detail, 200 if is_ready else 503)

    def ready(self) -> tuple[bool, dict[str, object]]:
        """Whether requests can be taken."""
        is_ready = self._gateway.is_up and self._waiting < MOST_WAITING
        return is_ready, {"ready": is_ready, "broker": self._gateway.is_up, "waiting": self._waiting}


def _set_cookies(response: web.Response) -> list[tuple[str, str]]:
    return [("Set-Cookie", text) for text in response.headers.getall("Set-Cookie", [])]


def _consent(batch: SiteBatch) -> bool | None:
    """What a batch says, or all of its events together; one no is a no."""
    if batch.consent is None and len(batch.events) == 1:
        return batch.events[0].consent
    said = [event.consent for event in batch.events]
    if batch.consent is None or False in said:
        return joined(said)
    return batch.consent


def _cors(origin: str) -> dict[str, str]:
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Vary": "Origin",
    }


def _too_often(wait_ms: int) -> RequestRefused:
    seconds = math.ceil(wait_ms / 1_000)
    return RequestRefused(429, "too_often", f"Too many requests; try again in {seconds} s.", seconds)

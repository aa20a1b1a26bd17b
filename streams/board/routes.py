"""The board's HTTP API (docs/board.md): shapes in, shapes out. What is decided is decided by the controller."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

import msgspec
from aiohttp import web
from redis.asyncio import Redis
from redis.exceptions import RedisError

from metrics.attribution.models import MODELS
from metrics.budget.records import AlertSignal, BoardCard, BudgetDecision
from metrics.customers.side_by_side import side_by_side
from metrics.records.campaign_spellings import CampaignSpellings
from metrics.records.kpi_reading import RollingWindow
from metrics.values.errors import Rejection, RoistreamError
from metrics.values.time import format_instant
from streams.board import customer_views, openapi
from streams.board.alert_notes import KEPT_MS, AlertNote, AlertNotes
from streams.board.audit_trail import AuditTrail
from streams.board.auth import RateLimit
from streams.board.broadcast import Broadcast, Subscriber
from streams.board.card_store import CardStore
from streams.board.effect_store import EffectStore
from streams.board.kafka_gateway import KafkaGateway, KafkaGatewayError
from streams.board.middleware import (
    LANGUAGE,
    PERSON,
    SESSION,
    UNTIL,
    WHO,
    AuthMiddleware,
    answer,
    is_own_page,
    refusal,
    too_often,
)
from streams.board.redis_subscriber import RedisSubscriber, tell_ended, tell_notes
from streams.board.request_models import (
    BulkRequest,
    DecisionRequest,
    LoginRequest,
    SimulationRequest,
    UndoRequest,
    Webhook,
    decision_of,
    jobs_of_campaigns,
    notes_of,
    of_other_jobs,
    read,
    signals_of,
)
from streams.board.simulation import Simulator
from streams.board.sse import EventStream
from streams.board.undo import NoUndo, Undo, undo_id, undo_of
from streams.catalogues import translated
from streams.sinks.redis_names import RedisNames
from streams.sinks.worker_watch import FiguresHealth, WorkerWatch

MAX_BODY_BYTES = 1024 * 1024
#: Pages that are open at once; each holds a connection.
MAX_LISTENERS = 200
_WINDOWS: Sequence[str] = get_args(RollingWindow)
_MODELS = ("declared", *MODELS)
_REMEMBERED_ALERTS = 50_000
_REMEMBERED_DECISIONS = 10_000
#: Decisions on one campaign: as many at once, and one more after each such time.
_DECISIONS_AT_ONCE, _DECISION_EVERY_MS = 10, 10_000
_MAX_ENTRIES = 1_000
#: A page hears what has gathered, at most so often; more often than the eye reads costs only power.
_TELL_EVERY_S = 0.25
#: How old figures are is told so often, also where nothing else is new: a page that hears nothing knows that its connection
#: is dead, and no proxy closes a quiet stream.
_BEAT_S = 2.0

_logger = logging.getLogger(__name__)


@dataclass
class BoardRoutes:
    """The handlers, and what they show."""

    cards: CardStore
    audit_trail: AuditTrail
    effects: EffectStore
    broadcast: Broadcast
    redis_subscriber: RedisSubscriber
    kafka_gateway: KafkaGateway
    workers: WorkerWatch
    notes: AlertNotes
    redis: Redis
    auth: AuthMiddleware
    simulator: Simulator
    #: Spellings of campaign ids that a rule joins with another one.
    joined: frozenset[str]
    now_ms: Callable[[], int]
    #: Names that the board's settings hold: people and recipients.
    named: Sequence[str] = ()
    #: Decisions that the broker confirmed, by verb.
    decided: Counter[str] = field(default_factory=Counter)
    #: The Prometheus job of this deployment; None: alerts of any job are taken.
    job: str | None = None
    #: When alerts on campaigns of each job came last.
    _jobs: dict[str, int] = field(default_factory=dict)
    _alert_ids: OrderedDict[str, None] = field(default_factory=OrderedDict)
    #: Decisions that were sent, by id, until the trail holds them.
    _sent: OrderedDict[str, BudgetDecision] = field(default_factory=OrderedDict)
    _deciding: asyncio.Lock = field(default_factory=asyncio.Lock)
    _decisions: RateLimit = field(default_factory=lambda: RateLimit(_DECISIONS_AT_ONCE, _DECISION_EVERY_MS))

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""
        return [
            web.get("/healthz", _get_healthz),
            web.get("/readyz", self._get_readyz),
            web.get(openapi.PATH, _get_openapi),
            web.get("/api/session", self._get_session),
            web.post("/api/session", self._post_session),
            web.delete("/api/session", self._delete_session),
            web.get("/api/board", self._get_board),
            web.get("/api/campaigns", self._get_campaigns),
            web.get("/api/campaigns/{campaign_id}", self._get_campaign),
            web.get("/api/customers", self._get_customers),
            web.get("/api/trail", self._get_trail),
            web.get("/api/events", self._get_events),
            web.post("/api/decisions", self._post_decision),
            web.post("/api/decisions/bulk", self._post_decisions),
            web.post("/api/undo", self._post_undo),
            web.post("/api/simulate", self._post_simulate),
            web.post("/alerts", self._post_alerts),
        ]

    @property
    def people(self) -> list[str]:
        """Whom a comment can mention: who is named in the settings, and who decided something that is still known."""
        return sorted({*self.named, *self.audit_trail.people})

    @property
    def health(self) -> dict[str, Any]:
        """What the board can reach."""
        return {"redis": self.redis_subscriber.is_up, "broker": self.kafka_gateway.is_up}

    @property
    def figures(self) -> FiguresHealth:
        """How old figures are, and what holds them up."""
        found = self.workers.health(time.monotonic(), self.now_ms())
        refused = self.redis_subscriber.refusal
        problems = found.problems if refused is None else [refused]
        return FiguresHealth(
            found.age_ms if refused is None else None,
            [translated(each, LANGUAGE.get()) for each in problems],
        )

    @property
    def alerts(self) -> list[AlertNote]:
        """Alerts on the pipeline that fire, in the language of the request."""
        notes = self.notes.now(self.now_ms())
        return [
            msgspec.structs.replace(each, summary=translated(each.summary, LANGUAGE.get())) for each in notes
        ]

    @property
    def _names(self) -> RedisNames:
        return self.redis_subscriber.names

    async def _get_readyz(self, request: web.Request) -> web.Response:
        del request
        health = self.health
        state = {"ready": all(health.values()), **health, "figures": self.figures}
        return answer(state, 200 if all(health.values()) else 503)

    async def _get_session(self, request: web.Request) -> web.Response:
        role: object = request[PERSON].role
        return answer({"name": request[WHO], "role": role, "people": self.people})

    async def _post_session(self, request: web.Request) -> web.Response:
        if not is_own_page(request):
            return refusal(403, "This came from another page than the board's own; open the board itself.")
        login = read(LoginRequest, await request.read())
        person = self.auth.try_token(request, login.token)
        if isinstance(person, web.Response):
            return person
        name = person.name or login.name
        response = answer({"name": name, "role": person.role, "people": self.people})
        self.auth.begin(response, request, person, login.name, login.token)
        return response

    async def _delete_session(self, request: web.Request) -> web.Response:
        if not is_own_page(request):
            return refusal(403, "This came from another page than the board's own; open the board itself.")
        response = answer({})
        session = self.auth.end(response, request)
        if session is not None:
            # Where Redis does not answer, the session has ended at this board until the board starts again.
            with contextlib.suppress(RedisError, OSError):
                await tell_ended(self.redis, self._names, session)
        return response

    async def _get_board(self, request: web.Request) -> web.Response:
        """Cards and columns; to those without a token without what operators said."""
        cards = self.cards
        shown = list(cards.encoded.values()) if WHO in request else list(map(cards.public, cards.cards))
        response = answer(
            {
                "cards": shown,
                "columns": self.cards.columns,
                "health": self.health,
                "figures": self.figures,
                "alerts": self.alerts,
                # What a platform answered may hold its words.
                "effects": list(self.effects.effects.values()) if WHO in request else [],
            }
        )
        response.enable_compression()
        return response

    async def _get_campaigns(self, request: web.Request) -> web.Response:
        """The readings of every campaign in one window, as the views hold them."""
        model, window = request.query.get("model", "declared"), request.query.get("window", "24h")
        if window not in _WINDOWS:
            return refusal(400, f"window {window} is not known; choose {', '.join(_WINDOWS)}.")
        if self.redis_subscriber.refusal is not None:
            return refusal(503, self.redis_subscriber.refusal)
        try:
            found: dict[Any, Any] = await self.redis.hgetall(self._names.readings(model, window))
        except (RedisError, OSError) as error:
            return _no_redis(error)
        readings = [msgspec.Raw(found[name]) for name in sorted(found)]
        alike = self._alike(name.decode() if isinstance(name, bytes) else name for name in found)
        response = answer(
            {
                "model": model,
                "window": window,
                "campaigns": readings,
                "alike": alike,
                "split": self.workers.split,
            }
        )
        response.enable_compression()
        return response

    async def _get_customers(self, request: web.Request) -> web.Response:
        """Campaigns by the customers they acquired, and the cohorts of one or of all together."""
        model, campaign_id = request.query.get("model", "declared"), request.query.get("campaign_id")
        if self.redis_subscriber.refusal is not None:
            return refusal(503, self.redis_subscriber.refusal)
        try:
            found = await customer_views.read_records(self.redis, self._names, model)
        except (RedisError, OSError) as error:
            return _no_redis(error)
        shown = await asyncio.to_thread(
            lambda: side_by_side(customer_views.decoded(found.records), campaign_id, model, found.models)
        )
        response = answer(shown)
        response.enable_compression()
        return response

    def _alike(self, campaign_ids: Iterable[str]) -> list[tuple[str, ...]]:
        """Campaigns with figures or a card whose ids differ in spelling alone, and that no rule joins."""
        spellings = CampaignSpellings(self.joined)
        spellings.note(campaign_ids)
        spellings.note(name for name, card in self.cards.cards.items() if card.column != "archived")
        return spellings.alike()

    async def _get_campaign(self, request: web.Request) -> web.Response:
        """One campaign: its card, its readings, and, for those with a token, what was said and done about it."""
        campaign_id = request.match_info["campaign_id"]
        model = request.query.get("model", "declared")
        if self.redis_subscriber.refusal is not None:
            return refusal(503, self.redis_subscriber.refusal)
        try:
            by_model = await self._readings(campaign_id)
        except (RedisError, OSError) as error:
            return _no_redis(error)
        is_known = WHO in request
        card = self.cards.encoded.get(campaign_id) if is_known else self.cards.public(campaign_id)
        entries = self.audit_trail.newest(campaign_id) if is_known else None
        readings = by_model.get(model, {})
        if card is None and not by_model and not entries:
            return refusal(404, f"There is no campaign {campaign_id!r} on the board or in the views.")
        return answer(
            {
                "campaign_id": campaign_id,
                "card": card,
                "model": model,
                "readings": readings,
                "by_model": by_model,
                "trail": entries,
                "undo": _undo_in_words(self._undo(campaign_id)) if is_known else None,
            }
        )

    async def _readings(self, campaign_id: str) -> dict[str, dict[str, msgspec.Raw]]:
        """The newest readings of one campaign by model and window."""
        asked = [(model, window) for model in _MODELS for window in _WINDOWS]
        async with self.redis.pipeline(transaction=False) as pipeline:
            for model, window in asked:
                pipeline.hget(self._names.readings(model, window), campaign_id)
            found = await pipeline.execute()
        by_model: dict[str, dict[str, msgspec.Raw]] = {}
        for (model, window), value in zip(asked, found, strict=True):
            if value is not None:
                by_model.setdefault(model, {})[window] = msgspec.Raw(value)
        return by_model

    async def _get_trail(self, request: web.Request) -> web.Response:
        text = request.query.get("limit", "200")
        limit = int(text) if text.isdecimal() else 0
        if not 1 <= limit <= _MAX_ENTRIES:
            return refusal(400, f"limit {text} is not between 1 and {_MAX_ENTRIES}.")
        response = answer({"entries": self.audit_trail.newest(request.query.get("campaign_id"), limit)})
        response.enable_compression()
        return response

    async def _post_decision(self, request: web.Request) -> web.Response:
        """Record an operator's word; the controller judges it, and what comes of it shows on the card."""
        return await self._decide(request, read(DecisionRequest, await request.read()))

    async def _post_decisions(self, request: web.Request) -> web.Response:
        """Record decisions on several campaigns: each stands or falls by itself, and those that are refused are named."""
        asked = read(BulkRequest, await request.read()).decisions
        accepted, refused = [], []
        silence: web.Response | None = None
        for each in asked:
            try:
                # A broker that did not confirm one is not waited for again.
                found = silence or await self._decide(request, each)
            except Rejection as rejection:
                found = refusal(400, f"{rejection.detail}.")
            except KafkaGatewayError as error:
                found = silence = refusal(503, str(error))
            assert isinstance(found.body, bytes), "made by answer"
            content = msgspec.json.decode(found.body)
            if found.status == 202:
                accepted.append(content)
            else:
                refused.append({"campaign_id": each.campaign_id, "status": found.status, **content})
        return answer({"accepted": accepted, "refused": refused})

    async def _decide(self, request: web.Request, asked: DecisionRequest) -> web.Response:
        card = self.cards.cards.get(asked.campaign_id)
        if card is None:
            return refusal(404, f"There is no campaign {asked.campaign_id!r} on the board.")
        stale = _why_stale(asked, card)
        if stale is not None:
            return refusal(409, stale)
        # A session speaks for who opened it; a machine with the right to may say whom it speaks for.
        is_machine = request[UNTIL] == 0
        if is_machine and asked.by not in {None, request[WHO]} and not request[PERSON].may("administer"):
            return refusal(
                403,
                f"{request[WHO]} may decide for nobody else; leave out by, or use a token of the role administer.",
            )
        who = (asked.by or request[WHO]) if is_machine else request[WHO]
        decision = decision_of(asked, who, self.now_ms(), str(uuid.uuid4()))
        # One at a time: of two decisions of one id the second is compared with what became of the first.
        async with self._deciding:
            other = self._overlooked(asked, decision)
            if other is not None:
                return _overtaken(other)
            return await self._record(decision)

    def _overlooked(self, asked: DecisionRequest, decision: BudgetDecision) -> BudgetDecision | None:
        """A decision of somebody else that came between the caller's look and word; None where there is none, or the caller does not say."""
        if asked.last_decision_id is None or self._known(decision.decision_id) is not None:
            return None
        last = self._last_decision(asked.campaign_id)
        return None if last is None or last.decision_id == asked.last_decision_id else last

    def _known(self, decision_id: str) -> BudgetDecision | None:
        return self._sent.get(decision_id) or self.audit_trail.decision(decision_id)

    def _last_decision(self, campaign_id: str) -> BudgetDecision | None:
        """The last decision on a campaign, on its way or in the trail; a comment is none."""
        on_its_way = self._on_its_way(campaign_id)
        return on_its_way or self.audit_trail.last_decision(campaign_id)

    def _on_its_way(self, campaign_id: str) -> BudgetDecision | None:
        """The last decision that was sent and that the trail does not hold yet."""
        sent = (each for each in reversed(self._sent.values()) if each.campaign_id == campaign_id)
        last = next((each for each in sent if each.verb != "comment"), None)
        return None if last is None or self.audit_trail.decision(last.decision_id) is not None else last

    async def _post_undo(self, request: web.Request) -> web.Response:
        """Take back the last decision on a campaign by a decision that restores what was before it."""
        asked = read(UndoRequest, await request.read())
        if asked.campaign_id not in self.cards.cards:
            return refusal(404, f"There is no campaign {asked.campaign_id!r} on the board.")
        new_id = undo_id(asked.decision_id)
        async with self._deciding:
            known = self._known(new_id)
            if known is not None and known.by == request[WHO]:
                return answer({"decision_id": new_id, "campaign_id": asked.campaign_id}, 202)
            found = self._undo(asked.campaign_id)
            if isinstance(found, NoUndo):
                return refusal(409, found.refused)
            if found is None or found.decision_id != asked.decision_id:
                return refusal(
                    409, "Another decision was taken since you looked; nothing was sent. Look again."
                )
            return await self._record(
                decision_of(_taking_back(asked, found, new_id), request[WHO], self.now_ms(), new_id)
            )

    def _undo(self, campaign_id: str) -> Undo | NoUndo | None:
        """What would take back the last decision on a campaign; None where it has no card."""
        card = self.cards.cards.get(campaign_id)
        if card is None:
            return None
        if self._on_its_way(campaign_id) is not None:
            return NoUndo("The last decision is on its way to the controller; look again in a moment.")
        return undo_of(card, self.audit_trail.newest(campaign_id, _MAX_ENTRIES), self.now_ms())

    async def _record(self, decision: BudgetDecision) -> web.Response:
        now = self.now_ms()
        accepted = answer({"decision_id": decision.decision_id, "campaign_id": decision.campaign_id}, 202)
        known = self._known(decision.decision_id)
        if known is not None:
            if _words(known) == _words(decision):
                return accepted
            return refusal(
                409,
                f"The decision {decision.decision_id!r} is on record with other words; a new decision needs a new decision_id.",
            )
        wait_ms = self._decisions.wait_ms(decision.campaign_id, now)
        if wait_ms:
            return too_often(wait_ms, f"Too many decisions on {decision.campaign_id!r}")
        await self.kafka_gateway.decide(decision)
        self._decisions.take(decision.campaign_id, now)
        self.decided[decision.verb] += 1
        self._sent[decision.decision_id] = decision
        if len(self._sent) > _REMEMBERED_DECISIONS:
            self._sent.popitem(last=False)
        return accepted

    async def _post_simulate(self, request: web.Request) -> web.Response:
        """What a policy would have done over the last 7 days."""
        asked = read(SimulationRequest, await request.read())
        try:
            simulation = await self.simulator.run(asked.preset, self.now_ms())
        except RoistreamError as error:
            return refusal(503, str(error))
        response = answer(simulation)
        response.enable_compression()
        return response

    async def _post_alerts(self, request: web.Request) -> web.Response:
        """Take in a webhook. An answer in the 200s ends Alertmanager's attempts, one in the 500s repeats them."""
        now = self.now_ms()
        webhook, foreign, others = of_other_jobs(read(Webhook, await request.read()), self.job)
        signals, ignored = signals_of(webhook, now)
        noted = await self.note(*notes_of(webhook, now))
        await self.note(self._mixed(others, jobs_of_campaigns(webhook), now), ())
        fresh = [each for each in signals if each.alert_id not in self._alert_ids]
        await self.kafka_gateway.alert(fresh)
        self._remember(fresh)
        return answer(
            {
                "accepted": len(fresh),
                "repeated": len(signals) - len(fresh),
                "noted": noted,
                "ignored": [each._asdict() for each in (*foreign, *ignored)],
            }
        )

    def _mixed(self, others: set[str], jobs: set[str], now: int) -> list[AlertNote]:
        """A note where alerts of several deployments come to this board."""
        self._jobs |= dict.fromkeys(jobs, now)
        self._jobs = {job: at for job, at in self._jobs.items() if now - at <= KEPT_MS}
        if others:
            summary = f"Alerts of the job {_listed(others)} come to this board of {self.job!r}, and are refused; route them to their own board"
        elif self.job is None and len(self._jobs) > 1:
            summary = (
                f"Alerts on campaigns come from the jobs {_listed(self._jobs)}, and this board hands on all of them. "
                "Route those of each job to its own board, and set ROISTREAM_BOARD_JOB"
            )
        else:
            return []
        return [
            AlertNote("board:jobs", "RoistreamAlertsMixed", "critical", summary, format_instant(now), now)
        ]

    async def note(self, firing: Sequence[AlertNote], resolved: Sequence[str]) -> int:
        """Show alerts on the pipeline, here and on other boards; how many there were."""
        changes = self.notes.take(firing, resolved)
        for note in changes.begun:
            _logger.warning("Alert %s: %s", note.alert, note.summary)
        for note in changes.ended:
            _logger.info("Alert %s is over: %s", note.alert, note.summary)
        if firing or resolved:
            # Where Redis does not answer, this board alone shows them.
            with contextlib.suppress(RedisError, OSError):
                await tell_notes(self.redis, self._names, firing, resolved)
        return len(firing) + len(resolved)

    def _remember(self, signals: Sequence[AlertSignal]) -> None:
        """Spares the topic what was said; a board that starts again says it again, which changes nothing."""
        for signal in signals:
            self._alert_ids[signal.alert_id] = None
        while len(self._alert_ids) > _REMEMBERED_ALERTS:
            self._alert_ids.popitem(last=False)

    async def _get_events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the whole board first, then what changes (HTML standard, 9.2)."""
        if len(self.broadcast) >= MAX_LISTENERS:
            return refusal(503, f"{MAX_LISTENERS} pages are open already; close one.", {"Retry-After": "30"})
        with self.broadcast.subscription() as subscriber:
            subscriber.notify(notice=self.health, effects=self.effects.effects)
            stream = await EventStream.open(request)
            # Who goes away, or does not read any more, is simply no longer told.
            with contextlib.suppress(ConnectionError, TimeoutError):
                while not subscriber.is_ended and not self._is_over(request):
                    figures = msgspec.json.encode(self.figures)
                    alerts = msgspec.json.encode(self.alerts)
                    await stream.send(
                        [*subscriber.take(self.cards), ("figures", figures), ("alerts", alerts)]
                    )
                    await asyncio.sleep(_TELL_EVERY_S)
                    await _news(subscriber)
                await stream.close()
            return stream.response

    def _is_over(self, request: web.Request) -> bool:
        session = request.get(SESSION)
        has_ended = session is not None and self.auth.ended.holds(session.session_id)
        return has_ended or 0 < request[UNTIL] <= self.now_ms()


def _undo_in_words(undo: Undo | NoUndo | None) -> Undo | NoUndo | None:
    """What can be taken back, or why nothing can in the language of the request."""
    return NoUndo(translated(undo.refused, LANGUAGE.get())) if isinstance(undo, NoUndo) else undo


def _why_stale(asked: DecisionRequest, card: BoardCard) -> str | None:
    """Why an approval or a rejection speaks of nothing that is there; None when it may pass."""
    if asked.column_from not in {None, card.column}:
        return f"The card has moved to {card.column} since you looked; nothing was sent. Look again."
    if asked.verb not in {"approve", "reject"}:
        return None
    if card.proposal is None:
        return "There is no proposal on this card any more; nothing was sent."
    if asked.action_id not in {None, card.proposal.action_id}:
        return "The proposal has changed since you looked; nothing was sent. Look again."
    return None


def _overtaken(other: BudgetDecision) -> web.Response:
    """The refusal of a decision that was taken without a look at another one, with the other one."""
    who, said = other.by or "an operator", f"{other.verb}, {other.reason}" if other.reason else other.verb
    return refusal(
        409,
        f"{who} has decided on this campaign since you looked ({said}); nothing was sent. Look again.",
        decision=other,
    )


def _taking_back(asked: UndoRequest, undo: Undo, new_id: str) -> DecisionRequest:
    return DecisionRequest(
        campaign_id=asked.campaign_id,
        verb="move" if undo.budget is None else "set_budget",
        reason=asked.reason,
        column=undo.column,
        budget=undo.budget,
        decision_id=new_id,
        expected_action_id=undo.expected_action_id,
        until=None if undo.until is None else datetime.fromisoformat(undo.until),
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(names)))


def _words(decision: BudgetDecision) -> BudgetDecision:
    """A decision without the instant at which it was said, which a caller that repeats it need not repeat."""
    return msgspec.structs.replace(decision, occurred_at=0)


async def _news(subscriber: Subscriber) -> None:
    try:
        async with asyncio.timeout(_BEAT_S):
            await subscriber.wake.wait()
    except TimeoutError:
        return


async def _get_openapi(request: web.Request) -> web.Response:
    del request
    response = answer(openapi.document())
    response.enable_compression()
    return response


async def _get_healthz(request: web.Request) -> web.Response:
    del request
    return web.Response(text="ok\n")


def _no_redis(error: Exception) -> web.Response:
    return refusal(503, f"Redis does not answer ({type(error).__name__}); look at it, and try again.")

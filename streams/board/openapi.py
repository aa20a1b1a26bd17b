"""The board's HTTP API as an OpenAPI 3.1 document, made of the shapes that the board itself reads and writes.

https://spec.openapis.org/oas/v3.1.0
"""

from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec

from metrics.archive.comparing import ATTRIBUTES, PastCampaigns
from metrics.budget.effects.records import BudgetEffect
from metrics.budget.records import AlertSignal, BoardCard, BudgetAction, BudgetDecision, Column, ColumnView
from metrics.customers.side_by_side import CustomersShown
from metrics.forecast.report import ForecastReport
from metrics.records.events import Money
from metrics.records.kpi_reading import CampaignKpi
from streams.board.alert_notes import AlertNote
from streams.board.forecasting import ForecastCheck, ForecastScore
from streams.board.people import Role
from streams.board.request_models import (
    BulkRequest,
    DecisionRequest,
    ForecastRequest,
    LoginRequest,
    SimulationRequest,
    UndoRequest,
    Webhook,
)
from streams.sinks.worker_watch import FiguresHealth, SplitIdentities

PATH = "/api/openapi.json"
_REF = "#/components/schemas/{name}"
_JSON = "application/json"


class ErrorAnswer(msgspec.Struct):
    """A refusal: one sentence that says what to do.

    ``decision``: the decision of somebody else that came since the caller looked (``last_decision_id``).
    """

    error: str
    decision: BudgetDecision | None = None


class SessionAnswer(msgspec.Struct):
    """Who is logged in."""

    name: str
    role: Role
    people: list[str]


class AcceptedAnswer(msgspec.Struct):
    """A decision that the broker has confirmed; the controller judges it."""

    decision_id: str
    campaign_id: str


class RefusedDecision(msgspec.Struct):
    """A decision that was not recorded: the status that it would have had alone, and why (``decision`` as in a refusal of one)."""

    campaign_id: str
    status: int
    error: str
    decision: BudgetDecision | None = None


class BulkAnswer(msgspec.Struct):
    """What became of several decisions."""

    accepted: list[AcceptedAnswer]
    refused: list[RefusedDecision]


class HealthAnswer(msgspec.Struct):
    """What the board reaches."""

    redis: bool
    broker: bool


class BoardAnswer(msgspec.Struct):
    """The whole board."""

    cards: list[BoardCard]
    columns: dict[str, ColumnView]
    health: HealthAnswer
    figures: FiguresHealth
    alerts: list[AlertNote]
    effects: list[BudgetEffect]


class ReadingsAnswer(msgspec.Struct):
    """The readings of every campaign in one window.

    ``alike``: ids that differ in spelling alone, in groups; ``split``: orders and events that came on several partitions.
    """

    model: str
    window: str
    campaigns: list[CampaignKpi]
    alike: list[list[str]]
    split: SplitIdentities


class TrailEntry(msgspec.Struct):
    """One line of the audit trail; ``record`` is what stands on the topic."""

    kind: Literal["decision", "alert", "action"]
    id: str
    campaign_id: str
    at: str
    record: Any


class TrailAnswer(msgspec.Struct):
    """The trail, the newest first."""

    entries: list[TrailEntry]


class UndoAnswer(msgspec.Struct):
    """What would take back the last decision, or ``refused``: why nothing can."""

    decision_id: str | None = None
    expected_action_id: str | None = None
    by: str | None = None
    column: Column | None = None
    budget: Money | None = None
    until: str | None = None
    refused: str | None = None


class CampaignAnswer(msgspec.Struct):
    """One campaign; ``trail`` and ``undo`` are null without a token."""

    campaign_id: str
    card: BoardCard | None
    model: str
    readings: dict[str, CampaignKpi]
    by_model: dict[str, dict[str, CampaignKpi]]
    trail: list[TrailEntry] | None
    undo: UndoAnswer | None


class IgnoredAnswer(msgspec.Struct):
    """An alert that says nothing about a campaign, and why."""

    fingerprint: str
    reason: str


class AlertsAnswer(msgspec.Struct):
    """What became of a webhook."""

    accepted: int
    repeated: int
    noted: int
    ignored: list[IgnoredAnswer]


class ApiOperation(NamedTuple):
    """One operation: what comes in, what goes out, which refusals there are; ``query`` by name with values, none: any text."""

    method: str
    path: str
    summary: str
    answer: Any
    status: int = 200
    request: Any = None
    refusals: tuple[int, ...] = ()
    query: tuple[tuple[str, dict[str, Any]], ...] = ()
    is_open: bool = False


_TEXT: dict[str, Any] = {"type": "string"}
_GUARDED = (401, 403, 421)
OPERATIONS = (
    ApiOperation("get", "/api/session", "Who is logged in", SessionAnswer, refusals=_GUARDED),
    ApiOperation("post", "/api/session", "Log in", SessionAnswer, 200, LoginRequest, (400, 401, 403, 413, 421, 429), is_open=True),
    ApiOperation("delete", "/api/session", "Log out", dict[str, str], refusals=_GUARDED, is_open=True),
    ApiOperation("get", "/api/board", "The whole board", BoardAnswer, refusals=_GUARDED, is_open=True),
    ApiOperation(
        "get", "/api/campaigns", "Readings of all campaigns in one window", ReadingsAnswer, refusals=(400, *_GUARDED, 503),
        query=(("window", _TEXT), ("model", _TEXT)), is_open=True,
    ),
    ApiOperation(
        "get", "/api/campaigns/{campaign_id}", "One campaign", CampaignAnswer, refusals=(*_GUARDED, 404, 503),
        query=(("model", _TEXT),), is_open=True,
    ),
    ApiOperation(
        "get", "/api/customers", "Campaigns by the customers they acquired, and their cohorts", CustomersShown, refusals=(*_GUARDED, 503),
        query=(("campaign_id", _TEXT), ("model", _TEXT)),
    ),
    ApiOperation(
        "get", "/api/archive", "Campaigns that are over, in groups of one attribute", PastCampaigns, refusals=(400, *_GUARDED),
        query=(
            ("by", _TEXT), *((name, _TEXT) for name in ATTRIBUTES), ("currency", _TEXT),
            ("age_days", {"type": "integer", "minimum": 0, "maximum": 99_999}), ("model", _TEXT),
        ),
    ),
    ApiOperation("post", "/api/forecast", "What a planned campaign may bring", ForecastReport, 200, ForecastRequest, (400, *_GUARDED, 409, 413)),
    ApiOperation("post", "/api/forecast/score", "A forecast beside what came", ForecastScore, 200, ForecastReport, (400, *_GUARDED, 409, 413)),
    ApiOperation(
        "get", "/api/forecast/check", "How good forecasts of past campaigns would have been", ForecastCheck, refusals=(*_GUARDED, 409),
        query=(("currency", _TEXT),),
    ),
    ApiOperation(
        "get", "/api/trail", "The audit trail", TrailAnswer, refusals=(400, *_GUARDED),
        query=(("campaign_id", _TEXT), ("limit", {"type": "integer", "minimum": 1, "maximum": 1000})),
    ),
    ApiOperation("post", "/api/decisions", "Decide", AcceptedAnswer, 202, DecisionRequest, (400, *_GUARDED, 404, 409, 413, 429, 503)),
    ApiOperation("post", "/api/decisions/bulk", "Decide on several campaigns", BulkAnswer, 200, BulkRequest, (400, *_GUARDED, 413)),
    ApiOperation("post", "/api/undo", "Take back the last decision", AcceptedAnswer, 202, UndoRequest, (400, *_GUARDED, 404, 409, 413, 429, 503)),
    ApiOperation("post", "/api/simulate", "Try a policy on the last 7 days", dict[str, Any], 200, SimulationRequest, (400, *_GUARDED, 413, 503)),
    ApiOperation("post", "/alerts", "Alertmanager's webhook", AlertsAnswer, 200, Webhook, (400, *_GUARDED, 413, 503)),
)  # fmt: skip
#: What no schema says.
_ABOUT = (
    "Errors are one sentence, in the first language of Accept-Language that the board speaks. Records and cards are data, and the "
    "same for every reader: the reasons that rules and guards write (`reason` of cards, holds and actions) are English sentences, "
    "names and reasons that people wrote stay as they were written. The board's page and its notifications say the former in the "
    "reader's language."
)
_RECORDS = (BudgetDecision, AlertSignal, BudgetAction)


@cache
def document() -> dict[str, Any]:
    """The document; the stream of events (``/api/events``) is described in docs/board.md alone, since OpenAPI has no words for it."""
    shapes = [
        each for operation in OPERATIONS for each in (operation.answer, operation.request) if each is not None
    ]
    found, components = msgspec.json.schema_components([*shapes, ErrorAnswer, *_RECORDS], ref_template=_REF)
    named = dict(zip(map(repr, [*shapes, ErrorAnswer, *_RECORDS]), found, strict=True))
    components["TrailEntry"]["properties"]["record"] = {"anyOf": list(found[-len(_RECORDS) :])}
    paths: dict[str, Any] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method] = _operation(each, named)
    return {
        "openapi": "3.1.0",
        "info": {"title": "roistream budget board", "version": "1", "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": _exact(components),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(each: ApiOperation, named: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": each.summary,
        "security": [{}, {"token": []}] if each.is_open else [{"token": []}],
    }
    if each.request is not None:
        described["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": named[repr(each.request)]}},
        }
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": schema} for name, schema in each.query
    ]
    if "{campaign_id}" in each.path:
        parameters.append({"name": "campaign_id", "in": "path", "required": True, "schema": _TEXT})
    if parameters:
        described["parameters"] = parameters
    error = {"content": {_JSON: {"schema": named[repr(ErrorAnswer)]}}}
    described["responses"] = {
        str(each.status): {
            "description": each.summary,
            "content": {_JSON: {"schema": named[repr(each.answer)]}},
        }
    }
    described["responses"] |= {
        str(code): {"description": "Refused, with the reason.", **error} for code in each.refusals
    }
    return described


def _exact(schema: Any) -> Any:
    """What msgspec cannot know: amounts are numbers or decimal texts."""
    if isinstance(schema, list):
        return [_exact(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "decimal":
        return {"type": ["number", "string"]}
    return {name: _exact(each) for name, each in schema.items()}

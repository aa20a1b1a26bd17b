"""What comes in by POST, and the records it becomes. Pure: shapes only, no guard of the budget.

A record that is sent twice is the same record: the caller may name a decision, and an alert is named by its
fingerprint, its start and its status, which Alertmanager repeats word for word with every notification.
"""

import hashlib
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec

from metrics.budget.policy import Preset
from metrics.budget.records import AlertSignal, BudgetDecision, Column, DecisionVerb
from metrics.forecast.outcomes import Plan
from metrics.records.events import NO_CAMPAIGN, Identifier, Instant, Label, Money
from metrics.records.validation import instant, refuse_parted_digits
from metrics.values.errors import Reason, Rejection
from metrics.values.money import to_micros
from metrics.values.time import format_instant
from streams.board.alert_notes import AlertNote

MAX_REASON_LENGTH = 1_000
#: What ``/metrics`` calls the campaigns it has folded: no campaign, so nothing to pause.
_FOLDED = "(other)"
_WEBHOOK_VERSION = "4"

T = TypeVar("T")


class LoginRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /api/session``."""

    token: str
    name: Annotated[str, msgspec.Meta(max_length=80)] = ""


class DecisionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /api/decisions``: a ``budget-decisions`` record, of which the board fills in what it knows.

    ``action_id`` may name the proposal that an ``approve`` or ``reject`` means, ``column_from`` the column that the caller saw the
    card in, ``last_decision_id`` the last decision on the campaign that the caller saw, comments aside (an empty text: none): where
    another one came since, the board refuses. A field that is not known is refused: what the caller meant by it would be lost without a word.
    """

    campaign_id: Identifier
    verb: DecisionVerb
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON_LENGTH)]
    column: Column | None = None
    budget: Money | None = None
    by: Annotated[str, msgspec.Meta(max_length=80)] | None = None
    decision_id: Identifier | None = None
    occurred_at: Instant | None = None
    action_id: str | None = None
    expected_action_id: Identifier | None = None
    column_from: Column | None = None
    last_decision_id: Annotated[str, msgspec.Meta(max_length=512)] | None = None
    until: Instant | None = None


#: Decisions that may come in one request.
MAX_DECISIONS = 500


class BulkRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /api/decisions/bulk``: decisions on several campaigns, each judged by itself."""

    decisions: Annotated[list[DecisionRequest], msgspec.Meta(min_length=1, max_length=MAX_DECISIONS)]


class UndoRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /api/undo``: takes back ``decision_id``, which must be the last decision on the campaign."""

    campaign_id: Identifier
    decision_id: Identifier
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON_LENGTH)]


class SimulationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /api/simulate``: a preset of policies by name; None: the policies as they are configured."""

    preset: Preset | None = None


class ForecastRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``POST /api/forecast``: a plan, as the file that ``roistream forecast`` reads; money in currency units.

    Without ``currency`` it is the board's reporting currency.
    """

    budget: Money
    days: Annotated[float, msgspec.Meta(gt=0, le=3_660)]
    campaign_id: Identifier = "plan"
    target: Label | None = None
    offer: Label | None = None
    channel: Label | None = None
    objective: Label | None = None
    other_cost: Money | None = None
    currency: Label | None = None


class WebhookAlert(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of a webhook."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: str
    fingerprint: str = ""
    annotations: dict[str, str] = {}


class Webhook(msgspec.Struct, frozen=True, rename="camel"):
    """``POST /alerts``: Alertmanager's webhook, version 4.

    https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
    """

    version: str
    alerts: list[WebhookAlert]


class IgnoredAlert(NamedTuple):
    """An alert that says nothing about a campaign, and why."""

    fingerprint: str
    reason: str


def read(shape: type[T], body: bytes) -> T:
    """The body of a request as the shape it must have.

    Raises:
        Rejection: says which field is wrong.
    """
    try:
        found = msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError, ArithmeticError, ValueError, RecursionError) as error:
        raise Rejection(Reason.INVALID_JSON, str(error)) from error
    refuse_parted_digits(found, body)
    return found


def decision_of(request: DecisionRequest, who: str, now_ms: int, new_id: str) -> BudgetDecision:
    """The decision a request asks to record.

    Args:
        request: as it came.
        who: who says it.
        now_ms: when it was said, where the request does not tell.
        new_id: its id, where the request names none.

    Raises:
        Rejection: when the verb misses what it needs, or has what it cannot use.
    """
    reason = request.reason.strip()
    if not reason:
        raise Rejection(Reason.MISSING_FIELD, "reason is empty; say why, it is kept in the audit trail")
    if (request.column is not None) != (request.verb == "move"):
        raise Rejection(Reason.INVALID_FIELD, "column goes with the verb move, and with no other")
    if (request.budget is not None) != (request.verb == "set_budget"):
        raise Rejection(Reason.INVALID_FIELD, "budget goes with the verb set_budget, and with no other")
    is_hold = request.verb == "pause" or request.column == "hold"
    if request.until is not None and not is_hold:
        raise Rejection(
            Reason.INVALID_FIELD, "until goes with the verb pause or a move to hold, and with no other"
        )
    if request.until is not None and instant(request.until, "until") <= now_ms:
        raise Rejection(Reason.INVALID_FIELD, "until has passed already")
    at = now_ms if request.occurred_at is None else instant(request.occurred_at, "occurred_at")
    return BudgetDecision(
        decision_id=request.decision_id or new_id,
        campaign_id=request.campaign_id,
        verb=request.verb,
        column=request.column,
        budget=_amount(request.budget),
        by=who,
        reason=reason,
        until=request.until,
        expected_action_id=request.expected_action_id,
        occurred_at=at,
    )


def plan_of(request: ForecastRequest) -> Plan:
    """The plan of a request.

    Raises:
        Rejection: for what is no amount of money, or a budget of 0.
    """
    try:
        budget, other_cost = to_micros(request.budget), to_micros(request.other_cost or Decimal(0))
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"budget and other_cost: {error}") from error
    if not budget:
        raise Rejection(Reason.INVALID_FIELD, "budget must be above 0")
    attributes = (request.target, request.offer, request.channel, request.objective)
    return Plan(request.campaign_id, attributes, request.days, budget, other_cost)


def _amount(budget: Decimal | None) -> Decimal | None:
    try:
        return budget if budget is None or to_micros(budget) >= 0 else None
    except ValueError as error:
        raise Rejection(Reason.INVALID_FIELD, f"budget: {error}") from error


def signals_of(webhook: Webhook, now_ms: int) -> tuple[list[AlertSignal], list[IgnoredAlert]]:
    """The signals in a webhook, and the alerts that name no campaign; those on the pipeline are notes (``notes_of``).

    Raises:
        Rejection: for another version of the webhook.
    """
    if webhook.version != _WEBHOOK_VERSION:
        raise Rejection(
            Reason.INVALID_FIELD,
            f"version {webhook.version!r} of the webhook is not known; Alertmanager 0.16 and later send '4'",
        )
    signals, ignored = [], []
    for alert in webhook.alerts:
        if _is_of_the_pipeline(alert):
            continue
        reason = _why_ignored(alert)
        if reason is None:
            signals.append(_signal(alert, now_ms))
        else:
            ignored.append(IgnoredAlert(_fingerprint(alert), reason))
    return signals, ignored


def of_other_jobs(webhook: Webhook, job: str | None) -> tuple[Webhook, list[IgnoredAlert], set[str]]:
    """A webhook without the alerts of other deployments, those alerts with the reason, and their Prometheus jobs.

    Args:
        webhook: as it came.
        job: of the board's deployment; None: no job is another one's.
    """
    kept, ignored, jobs = [], [], set()
    for alert in webhook.alerts:
        other = alert.labels.get("job")
        if job is None or not other or other == job:
            kept.append(alert)
            continue
        jobs.add(other)
        reason = f"it is of the job {other!r}, and this board is of {job!r} (ROISTREAM_BOARD_JOB); route it to its own board"
        ignored.append(IgnoredAlert(_fingerprint(alert), reason))
    return msgspec.structs.replace(webhook, alerts=kept), ignored, jobs


def jobs_of_campaigns(webhook: Webhook) -> set[str]:
    """The Prometheus jobs of the alerts on campaigns in a webhook."""
    return {alert.labels.get("job", "") for alert in webhook.alerts if not _is_of_the_pipeline(alert)} - {""}


def notes_of(webhook: Webhook, now_ms: int) -> tuple[list[AlertNote], list[str]]:
    """The alerts on the pipeline in a webhook: those that fire, and the fingerprints of those that no longer do."""
    firing, resolved = [], []
    for alert in filter(_is_of_the_pipeline, webhook.alerts):
        name = alert.labels.get("alertname", "alert")
        note = AlertNote(
            _fingerprint(alert),
            name,
            alert.labels.get("severity", ""),
            alert.annotations.get("summary", name)[:MAX_REASON_LENGTH],
            alert.starts_at,
            now_ms,
        )
        if alert.status == "firing":
            firing.append(note)
        else:
            resolved.append(note.note_id)
    return firing, resolved


def _is_of_the_pipeline(alert: WebhookAlert) -> bool:
    return alert.labels.get("kind") in {"figures", "operations"}


def _why_ignored(alert: WebhookAlert) -> str | None:
    campaign_id = alert.labels.get("campaign_id", "")
    if not 1 <= len(campaign_id) <= 128:
        return "it has no label campaign_id; keep it in the rule's by (…) clause"
    if campaign_id in {NO_CAMPAIGN, _FOLDED}:
        return f"{campaign_id} is no campaign"
    return None


def _signal(alert: WebhookAlert, now_ms: int) -> AlertSignal:
    try:
        starts_at = instant(msgspec.convert(alert.starts_at, type=Instant, strict=False), "startsAt")
    except msgspec.ValidationError as error:
        raise Rejection(Reason.INVALID_FIELD, f"startsAt {alert.starts_at!r} is no RFC 3339 time") from error
    return AlertSignal(
        alert_id=f"{_fingerprint(alert)[:128]}|{format_instant(starts_at)}|{alert.status}",
        campaign_id=alert.labels["campaign_id"],
        rule=alert.labels.get("alertname", "alert"),
        status=alert.status,
        starts_at=starts_at,
        received_at=now_ms,
        labels=alert.labels,
    )


def _fingerprint(alert: WebhookAlert) -> str:
    """Alertmanager's, or one made of the labels where a sender has none."""
    if alert.fingerprint:
        return alert.fingerprint
    pairs: Any = sorted(alert.labels.items())
    return hashlib.sha256(msgspec.json.encode(pairs)).hexdigest()[:16]

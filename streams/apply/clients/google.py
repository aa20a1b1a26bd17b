"""Google Ads by ``google-ads`` (extra ``google``): campaigns and their budgets over gRPC.

The budget of the whole flight is ``total_amount_micros`` of a budget with a custom period, a daily one ``amount_micros``; a shared budget is
none. Google has no version of a campaign, so a request that was not answered is never sent again.
"""

import logging
from typing import Any

import grpc
from babel.numbers import get_currency_precision
from google.ads.googleads.client import GoogleAdsClient
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
from google.api_core import exceptions, protobuf_helpers
from google.auth.exceptions import RefreshError, TransportError

from metrics.budget.effects.machine import Accepted, Answer, NotTaken, RefusedThere, Unknown
from metrics.budget.effects.records import Because, SeenStatus, Status
from metrics.budget.effects.rounding import smallest_unit
from streams.apply.clients.http_failures import TIMEOUT_S
from streams.apply.configuration import PlatformSettings
from streams.apply.platform import CampaignFound, Target

VERSION = "v26"
_QUERY = (
    "SELECT campaign.status, campaign_budget.resource_name, campaign_budget.total_amount_micros, campaign_budget.amount_micros, "
    "campaign_budget.period, campaign_budget.explicitly_shared, "
    "customer.currency_code FROM campaign WHERE campaign.id = {}"
)
_STATUSES: dict[str, SeenStatus] = {"ENABLED": "running", "PAUSED": "paused"}
_TOO_SMALL = frozenset({"BUDGET_BELOW_PER_DAY_MINIMUM", "MONEY_AMOUNT_LESS_THAN_CURRENCY_MINIMUM_CPC"})
_WAITS: dict[str | None, Because] = {"authentication_error": "credentials", "quota_error": "rate_limited"}
#: Under which a failure stands in the trailing metadata.
_FAILURE = f"google.ads.googleads.{VERSION}.errors.googleadsfailure-bin"
_OAUTH = ("client_id", "client_secret", "refresh_token")
#: Calls are made once: what repeats them is the machine of effects.
_ONCE = {"retry": None, "timeout": TIMEOUT_S}


class GoogleClient:
    """As ``PlatformClient`` says; an account is a customer id without dashes."""

    def __init__(self, settings: PlatformSettings) -> None:
        logging.getLogger("google.ads.googleads").setLevel(logging.CRITICAL)
        values: dict[str, object] = {
            "developer_token": settings.secret("developer_token"),
            "use_proto_plus": True,
        }
        if settings.has("json_key_file_path"):
            values["json_key_file_path"] = settings.text("json_key_file_path")
        else:
            values |= {name: settings.secret(name) for name in _OAUTH}
        for name in ("login_customer_id", "endpoint"):
            if settings.has(name):
                values[name] = settings.text(name)
        self._client = GoogleAdsClient.load_from_dict(values, version=VERSION)
        #: By campaign the resource of its budget, and whether that is a daily one.
        self._budgets: dict[str, tuple[str, bool]] = {}

    def step(self, currency: str) -> int:
        """The smallest unit of the currency."""
        return smallest_unit(get_currency_precision(currency))

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """One query: campaign, budget and currency."""
        if not (target.campaign_id.isdecimal() and target.account_id.isdecimal()):
            return RefusedThere("gone", "ids of Google Ads are digits, without dashes")
        try:
            answer = self._client.get_service("GoogleAdsService").search(
                customer_id=target.account_id, query=_QUERY.format(target.campaign_id), **_ONCE
            )
            row = next(iter(answer), None)
        except (
            GoogleAdsException,
            exceptions.GoogleAPICallError,
            RefreshError,
            TransportError,
            grpc.RpcError,
        ) as error:
            failure = _answer(error)
            return NotTaken("unreachable", failure.detail) if isinstance(failure, Unknown) else failure
        if row is None:
            return CampaignFound("gone")
        budget = row.campaign_budget
        is_daily = budget.period.name == "DAILY"
        self._budgets[target.campaign_id] = budget.resource_name, is_daily
        amount = budget.amount_micros if is_daily else budget.total_amount_micros
        return CampaignFound(
            _STATUSES.get(row.campaign.status.name, "gone"),
            None if budget.explicitly_shared else amount or None,
            is_daily,
            row.customer.currency_code or None,
        )

    def set_status(self, target: Target, status: Status) -> Answer:
        """``ENABLED`` or ``PAUSED``."""
        operation = self._client.get_type("CampaignOperation")
        service = self._client.get_service("CampaignService")
        operation.update.resource_name = service.campaign_path(target.account_id, target.campaign_id)
        statuses = self._client.enums.CampaignStatusEnum
        operation.update.status = statuses.ENABLED if status == "running" else statuses.PAUSED
        return self._mutate(service.mutate_campaigns, target, operation)

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """The amount of the budget that the campaign was read with."""
        del currency
        operation = self._client.get_type("CampaignBudgetOperation")
        operation.update.resource_name, is_daily = self._budgets[target.campaign_id]
        setattr(operation.update, "amount_micros" if is_daily else "total_amount_micros", micros)
        service = self._client.get_service("CampaignBudgetService")
        return self._mutate(service.mutate_campaign_budgets, target, operation)

    @staticmethod
    def _mutate(call: Any, target: Target, operation: Any) -> Answer:
        """Send one operation, with a mask of the fields that it sets."""
        mask = protobuf_helpers.field_mask(None, operation.update._pb)  # noqa: SLF001 - as the SDK's own examples do
        operation._pb.update_mask.CopyFrom(mask)  # noqa: SLF001 - same
        try:
            answer = call(customer_id=target.account_id, operations=[operation], **_ONCE)
        except (
            GoogleAdsException,
            exceptions.GoogleAPICallError,
            RefreshError,
            TransportError,
            grpc.RpcError,
        ) as error:
            return _answer(error)
        failure = getattr(answer, "partial_failure_error", None)
        if failure is not None and failure.code:
            return RefusedThere("refused_there", failure.message)
        return Accepted()


def _answer(error: Exception) -> NotTaken | RefusedThere | Unknown:
    """What an error says (https://developers.google.com/google-ads/api/docs/get-started/handle-errors)."""
    if isinstance(error, RefreshError):
        return NotTaken("credentials", "the token could not be renewed")
    if isinstance(error, TransportError):
        return NotTaken("unreachable", "the token could not be asked for")
    if isinstance(error, GoogleAdsException):
        return _failure(error)
    code = error.code() if isinstance(error, grpc.Call) else getattr(error, "grpc_status_code", None)
    said = getattr(code, "name", type(error).__name__)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return NotTaken("rate_limited", said, _delay_of(error))
    return _of_code(code, said)


def _delay_of(error: Any) -> int:
    """Milliseconds to wait, of an error that the SDK leaves as it came; 0 where it says none."""
    call = error if isinstance(error, grpc.Call) else getattr(error, "response", None)
    metadata = call.trailing_metadata() if isinstance(call, grpc.Call) else ()
    for name, value in metadata or ():
        if name == _FAILURE:
            delays = [
                each.details.quota_error_details.retry_delay
                for each in GoogleAdsFailure.deserialize(value).errors
            ]
            return max((round(delay.total_seconds() * 1_000) for delay in delays), default=0)
    return 0


def _of_code(code: Any, said: str) -> NotTaken | RefusedThere | Unknown:
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return NotTaken("credentials", said)
    if code in {
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
    }:
        return RefusedThere("refused_there", said)
    return Unknown(said)


def _failure(error: GoogleAdsException) -> NotTaken | RefusedThere | Unknown:
    """The first error of a failure of Google Ads."""
    first = error.failure.errors[0]
    kind = type(first.error_code).pb(first.error_code).WhichOneof("error_code")
    name = getattr(getattr(first.error_code, kind or "", None), "name", "")
    said = f"{name}: {first.message}" if name else first.message
    if kind in _WAITS:
        return NotTaken(_WAITS[kind], said)
    if kind == "internal_error" or error.error.code() is grpc.StatusCode.UNAVAILABLE:
        return Unknown(said)
    if name in _TOO_SMALL:
        return RefusedThere("too_small", said)
    if kind == "mutate_error" and name == "RESOURCE_NOT_FOUND":
        return RefusedThere("gone", said)
    return RefusedThere("refused_there", said)


connect = GoogleClient

"""Microsoft Advertising by ``bingads`` (extra ``microsoft``): campaigns of the Campaign Management service, version 13, over SOAP.

Campaigns have daily budgets, where they do not share one, and no version; the currency is that of the account, which the Customer
Management service knows. What an error means stands in its name
(https://learn.microsoft.com/en-us/advertising/guides/operation-error-codes).
"""

import logging
import urllib.error
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import requests
from babel.numbers import get_currency_precision
from bingads.authorization import AuthorizationData, OAuthWebAuthCodeGrant
from bingads.exceptions import OAuthTokenRequestException
from bingads.service_client import ServiceClient
from bingads.util import DictCache
from suds import WebFault

from metrics.budget.effects.machine import Accepted, Answer, NotTaken, RefusedThere, Unknown
from metrics.budget.effects.records import Because, SeenStatus, Status
from metrics.budget.effects.rounding import smallest_unit
from metrics.values.money import MICROS
from streams.apply.clients.http_failures import TIMEOUT_S, failed
from streams.apply.configuration import PlatformSettings
from streams.apply.platform import CampaignFound, Target

#: A campaign of a type that was not asked for is not found.
_TYPES = "Search Shopping DynamicSearchAds Audience Hotel PerformanceMax App"
_STATUSES: dict[str, SeenStatus] = {
    "Active": "running",
    "BudgetPaused": "running",
    "Paused": "paused",
    "BudgetAndManualPaused": "paused",
    "Suspended": "paused",
}
#: Of other types the amount is not of a day.
_DAILY = frozenset({"DailyBudgetStandard", "DailyBudgetAccelerated"})
_ABSENT = frozenset({"CampaignServiceInvalidCampaignId", "InvalidCampaignId"})
_WAITS: dict[str, Because] = {
    "AuthenticationTokenExpired": "credentials",
    "InvalidCredentials": "credentials",
    "CallRateExceeded": "rate_limited",
    "ConcurrentRequestOverLimit": "rate_limited",
}
#: A limit is of a minute (https://learn.microsoft.com/en-us/advertising/guides/services-protocol).
_LIMIT_MS = 60_000
_OF_THEIRS = frozenset({"InternalError"})
#: Where errors stand in a fault.
_LISTS = (
    ("AdApiFaultDetail", "Errors", "AdApiError"),
    ("ApiFaultDetail", "OperationErrors", "OperationError"),
    ("ApiFaultDetail", "BatchErrors", "BatchError"),
)
#: The description of the service takes seconds to read, also where the client is made anew for another token.
_DESCRIPTIONS = DictCache()


class MicrosoftClient:
    """As ``PlatformClient`` says; ids are numbers."""

    def __init__(self, settings: PlatformSettings) -> None:
        # It writes whole envelopes, with the token in them.
        logging.getLogger("suds").setLevel(logging.CRITICAL)
        self._refresh_token = settings.secret("refresh_token")
        self._grant = OAuthWebAuthCodeGrant(
            settings.secret("client_id"),
            settings.secret("client_secret") if settings.has("client_secret") else None,
            None,
            tenant=settings.text("tenant", "common"),
        )
        self._data = AuthorizationData(
            customer_id=settings.text("customer_id"),
            developer_token=settings.secret("developer_token"),
            authentication=self._grant,
        )
        self._settings = settings
        self._service = self._service_of("CampaignManagementService", "endpoint")
        #: Made where the currency of an account is asked for.
        self._accounts: ServiceClient | None = None
        self._currencies: dict[str, str | None] = {}

    def _service_of(self, name: str, endpoint: str) -> ServiceClient:
        options: dict[str, object] = {"timeout": TIMEOUT_S, "cache": _DESCRIPTIONS}
        if self._settings.has(endpoint):
            options["location"] = self._settings.text(endpoint)
        return ServiceClient(name, 13, self._data, "production", **options)

    def step(self, currency: str) -> int:
        """The smallest unit of the currency, a hundredth at least."""
        return max(smallest_unit(get_currency_precision(currency)), MICROS // 100)

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """The campaign, and once the currency of its account."""
        if not (target.campaign_id.isdecimal() and target.account_id.isdecimal()):
            return RefusedThere("gone", "ids of Microsoft Advertising are digits")
        answer = self._asked(
            self._service,
            target,
            "GetCampaignsByIds",
            AccountId=int(target.account_id),
            CampaignIds={"long": [int(target.campaign_id)]},
            CampaignType=_TYPES,
        )
        if isinstance(answer, RefusedThere) and answer.because == "gone":
            return CampaignFound("gone")
        if isinstance(answer, Unknown):
            return NotTaken("unreachable", answer.detail)
        if isinstance(answer, NotTaken | RefusedThere):
            return answer
        (campaign,) = answer.Campaigns.Campaign
        return CampaignFound("gone") if campaign is None else self._found(target, campaign)

    def _found(self, target: Target, campaign: Any) -> CampaignFound | NotTaken:
        """A campaign with its daily budget, where it has one of its own."""
        budget = _budget_of(campaign)
        currency = self._currency_of(target) if budget is not None else None
        if isinstance(currency, NotTaken):
            return currency
        return CampaignFound(
            _STATUSES.get(str(campaign.Status), "gone"), budget, budget is not None, currency
        )

    def _currency_of(self, target: Target) -> str | NotTaken | None:
        """Of the account; None where who asks may not see it, which keeps nobody from pausing."""
        if target.account_id not in self._currencies:
            if self._accounts is None:
                self._accounts = self._service_of("CustomerManagementService", "customer_endpoint")
            answer = self._asked(self._accounts, target, "GetAccount", AccountId=int(target.account_id))
            if isinstance(answer, Unknown):
                return NotTaken("unreachable", answer.detail)
            if isinstance(answer, NotTaken):
                return answer
            found = None if isinstance(answer, RefusedThere) else getattr(answer, "CurrencyCode", None)
            self._currencies[target.account_id] = None if found is None else str(found)
        return self._currencies[target.account_id]

    def set_status(self, target: Target, status: Status) -> Answer:
        """``Active`` or ``Paused``."""
        return self._update(target, Status="Active" if status == "running" else "Paused")

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """The daily budget; amounts of up to 15 digits are exact in the numbers of the service."""
        del currency
        return self._update(target, DailyBudget=micros / MICROS)

    def _update(self, target: Target, **values: object) -> Answer:
        campaign = self._service.factory.create("Campaign")
        for name, _ in list(campaign):
            campaign[name] = None  # left out, so that it stays as it is
        campaign.Id = int(target.campaign_id)
        for name, value in values.items():
            campaign[name] = value
        answer = self._asked(
            *(self._service, target, "UpdateCampaigns"),
            AccountId=int(target.account_id),
            Campaigns={"Campaign": [campaign]},
        )
        return answer if isinstance(answer, NotTaken | RefusedThere | Unknown) else Accepted()

    def _asked(self, service: ServiceClient, target: Target, operation: str, **parts: object) -> Any:
        """The answer of the service, or what its errors say."""
        self._data.account_id = int(target.account_id)
        refused = self._unauthorized()
        if refused is not None:
            return refused
        try:
            answer = getattr(service, operation)(**parts)
        except OAuthTokenRequestException:  # the service said that the token has expired
            return NotTaken("credentials", "the token could not be renewed")
        except WebFault as fault:
            return _meaning(list(_errors_of(getattr(fault.fault, "detail", None))))
        except Exception as error:  # noqa: BLE001 - raised again where it is none of those
            return _failure(error)
        partial = getattr(answer, "PartialErrors", answer)  # an answer with one part is that part
        errors = _list_at(partial, ("BatchError",))
        return _meaning(errors) if errors else answer

    def _unauthorized(self) -> NotTaken | None:
        """Ask for the first token; later ones the SDK asks for itself."""
        try:
            if self._grant.oauth_tokens is None:
                self._grant.request_oauth_tokens_by_refresh_token(self._refresh_token)
        except OAuthTokenRequestException:
            return NotTaken("credentials", "the token could not be renewed")
        except requests.RequestException:
            return NotTaken("unreachable", "the token could not be asked for")
        return None


def _budget_of(campaign: Any) -> int | None:
    """Micros a day; None where the campaign has no daily budget of its own."""
    amount, shared = getattr(campaign, "DailyBudget", None), getattr(campaign, "BudgetId", None)
    if amount is None or shared or str(getattr(campaign, "BudgetType", "")) not in _DAILY:
        return None
    return round(Decimal(str(amount)) * MICROS)


def _failure(error: Exception) -> NotTaken | Unknown:
    """What says that there is no answer, or none of SOAP, for which suds raises ``Exception((status, reason))``.

    Raises:
        Exception: the error itself, where it is another one.
    """
    if isinstance(error, OSError):
        return failed(error.reason if isinstance(error, urllib.error.URLError) else error)
    said = error.args[0] if error.args else None
    if not isinstance(said, tuple) or not said or not isinstance(said[0], int):
        raise error
    if said[0] == 429:
        return NotTaken("rate_limited", "HTTP 429", _LIMIT_MS)
    return Unknown(f"HTTP {said[0]}")


def _errors_of(detail: Any) -> Iterator[Any]:
    for path in _LISTS:
        yield from _list_at(detail, path)


def _list_at(found: Any, path: tuple[str, ...]) -> list[Any]:
    """What lies at the end of a path of names that may be absent."""
    for name in path:
        found = getattr(found, name, None)
    return [
        each for each in (found if isinstance(found, list) else [found]) if each is not None and each != ""
    ]


def _meaning(errors: list[Any]) -> NotTaken | RefusedThere | Unknown:
    """What the first error says."""
    if not errors:
        return Unknown("a fault without an error")
    name = str(getattr(errors[0], "ErrorCode", ""))
    said = f"{name}: {getattr(errors[0], 'Message', '')}"
    if name in _WAITS:
        return NotTaken(_WAITS[name], said, _LIMIT_MS if _WAITS[name] == "rate_limited" else 0)
    if name in _OF_THEIRS:
        return Unknown(said)
    return RefusedThere("gone" if name in _ABSENT else "refused_there", said)


connect = MicrosoftClient

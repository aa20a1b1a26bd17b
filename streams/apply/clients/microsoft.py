"""Microsoft Advertising by ``bingads`` (extra ``microsoft``): campaigns of the Campaign Management service, version 13, over SOAP.

Campaigns have daily budgets, which are not set, and no version. What an error means stands in its name
(https://learn.microsoft.com/en-us/advertising/guides/operation-error-codes).
"""

import logging
import urllib.error
from collections.abc import Iterator
from typing import Any

import requests
from bingads.authorization import AuthorizationData, OAuthWebAuthCodeGrant
from bingads.exceptions import OAuthTokenRequestException
from bingads.service_client import ServiceClient
from bingads.util import DictCache
from suds import WebFault

from metrics.budget.effects.machine import Accepted, Answer, NotTaken, RefusedThere, Unknown
from metrics.budget.effects.records import Because, SeenStatus, Status
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
        options: dict[str, object] = {"timeout": TIMEOUT_S, "cache": _DESCRIPTIONS}
        if settings.has("endpoint"):
            options["location"] = settings.text("endpoint")
        self._service = ServiceClient("CampaignManagementService", 13, self._data, "production", **options)

    def step(self, currency: str) -> int:
        """A hundredth; no budget is set."""
        del currency
        return MICROS // 100

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """The campaign, without a budget."""
        if not (target.campaign_id.isdecimal() and target.account_id.isdecimal()):
            return RefusedThere("gone", "ids of Microsoft Advertising are digits")
        answer = self._asked(
            target,
            "GetCampaignsByIds",
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
        return CampaignFound("gone" if campaign is None else _STATUSES.get(str(campaign.Status), "gone"))

    def set_status(self, target: Target, status: Status) -> Answer:
        """``Active`` or ``Paused``."""
        campaign = self._service.factory.create("Campaign")
        for name, _ in list(campaign):
            campaign[name] = None  # left out, so that it stays as it is
        campaign.Id, campaign.Status = int(target.campaign_id), "Active" if status == "running" else "Paused"
        answer = self._asked(target, "UpdateCampaigns", Campaigns={"Campaign": [campaign]})
        return answer if isinstance(answer, NotTaken | RefusedThere | Unknown) else Accepted()

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """Refused: no campaign was read with a budget of its whole flight."""
        del target, micros, currency
        return RefusedThere("no_total_budget", "campaigns of Microsoft Advertising have daily budgets")

    def _asked(self, target: Target, operation: str, **parts: object) -> Any:
        """The answer of the service, or what its errors say."""
        self._data.account_id = int(target.account_id)
        refused = self._unauthorized()
        if refused is not None:
            return refused
        try:
            answer = getattr(self._service, operation)(AccountId=int(target.account_id), **parts)
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

"""LinkedIn by ``linkedin-api-client`` (extra ``linkedin``): campaigns of the Marketing API, in the version that the file names.

The budget of the whole flight is ``totalBudget`` where the campaign has one, else it has a ``dailyBudget``; ``version`` is its version tag.
A version of the interface is served for a year (https://learn.microsoft.com/en-us/linkedin/marketing/versioning), so it is no constant here.
"""

from decimal import Decimal
from typing import Any

import requests
from babel.numbers import get_currency_precision
from linkedin_api.clients.restli.client import RestliClient
from linkedin_api.common.errors import ResponseFormattingError
from requests.adapters import HTTPAdapter

from metrics.budget.effects.machine import Accepted, Answer, NotTaken, RefusedThere, Unknown
from metrics.budget.effects.records import SeenStatus, Status
from metrics.budget.effects.rounding import smallest_unit
from metrics.values.errors import SettingError
from metrics.values.money import MICROS
from streams.apply.clients.http_failures import TIMEOUT_S, failed, retry_after_ms
from streams.apply.configuration import PlatformSettings
from streams.apply.platform import CampaignFound, Target

_HOST = "https://api.linkedin.com"
_CAMPAIGN = "/adAccounts/{account}/adCampaigns/{campaign}"
_STATUSES: dict[str, SeenStatus] = {"ACTIVE": "running", "PAUSED": "paused", "DRAFT": "paused"}
#: The first that a campaign has counts.
_BUDGETS = ("totalBudget", "dailyBudget")
#: The version of the interface is no longer served.
_UPGRADE = 426


class _Wire(HTTPAdapter):  # type: ignore[misc]  # requests is not typed
    """Gives each request of the SDK, which sets none, a time in which it is answered; and another address, where one is set."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def send(self, request: requests.PreparedRequest, *_: Any, **named: Any) -> requests.Response:
        """As the adapter's."""
        request.url = f"{self._address}{request.path_url}"
        return super().send(request, **(named | {"timeout": TIMEOUT_S}))


class LinkedInClient:
    """As ``PlatformClient`` says."""

    def __init__(self, settings: PlatformSettings) -> None:
        self._version = settings.text("version")
        if not (self._version.isdecimal() and len(self._version) == 6):
            raise SettingError(
                '[linkedin] version: write the version of the Marketing API, as version = "YYYYMM".'
            )
        self._token = settings.secret("access_token")
        self._client = RestliClient()
        self._client.session.mount(_HOST, _Wire(settings.text("endpoint", _HOST)))
        #: By campaign the budget that it has there.
        self._budgets: dict[str, str] = {}

    def step(self, currency: str) -> int:
        """The smallest unit of the currency, a hundredth at least."""
        return max(smallest_unit(get_currency_precision(currency)), MICROS // 100)

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """The campaign; its budget names the currency."""
        try:
            answer = self._client.get(**self._of(target))
        except (requests.RequestException, ResponseFormattingError) as error:
            return NotTaken("unreachable", _without_answer(error).detail)
        if answer.status_code == 404:
            return CampaignFound("gone")
        if answer.status_code != 200:
            failure = _answer(answer.response)
            return NotTaken("unreachable", failure.detail) if isinstance(failure, Unknown) else failure
        found = answer.entity
        name = next((each for each in _BUDGETS if found.get(each)), None)
        if name is None:
            return CampaignFound(_STATUSES.get(found["status"], "gone"), version=_version_of(found))
        self._budgets[target.campaign_id] = name
        return CampaignFound(
            _STATUSES.get(found["status"], "gone"),
            int(Decimal(found[name]["amount"]) * MICROS),
            name == "dailyBudget",
            found[name]["currencyCode"],
            _version_of(found),
        )

    def set_status(self, target: Target, status: Status) -> Answer:
        """``ACTIVE`` or ``PAUSED``."""
        return self._update(target, {"status": "ACTIVE" if status == "running" else "PAUSED"})

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """The budget that the campaign was read with, as a decimal text."""
        amount = {"amount": f"{Decimal(micros) / MICROS:f}", "currencyCode": currency}
        return self._update(target, {self._budgets[target.campaign_id]: amount})

    def _update(self, target: Target, values: dict[str, object]) -> Answer:
        try:
            answer = self._client.partial_update(patch_set_object=values, **self._of(target))
        except (requests.RequestException, ResponseFormattingError) as error:
            return _without_answer(error)
        return Accepted() if answer.status_code in {200, 204} else _answer(answer.response)

    def _of(self, target: Target) -> dict[str, Any]:
        return {
            "resource_path": _CAMPAIGN,
            "path_keys": {"account": target.account_id, "campaign": target.campaign_id},
            "access_token": self._token,
            "version_string": self._version,
        }


def _version_of(found: dict[str, Any]) -> str | None:
    tag = found.get("version", {}).get("versionTag")
    return None if tag is None else str(tag)


def _without_answer(error: Exception) -> NotTaken | Unknown:
    """What says that there is no answer, or none that the SDK can read."""
    if isinstance(error, ResponseFormattingError):
        return Unknown("an answer that is no JSON")
    return failed(error)


def _answer(response: requests.Response) -> NotTaken | RefusedThere | Unknown:
    """What a status says (https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/error-handling)."""
    try:
        said = str(response.json().get("message") or f"HTTP {response.status_code}")
    except (ValueError, AttributeError):
        said = f"HTTP {response.status_code}"
    match response.status_code:
        case 401:
            return NotTaken("credentials", said)
        case 429:
            return NotTaken("rate_limited", said, retry_after_ms(response.headers))
        case 404:
            return RefusedThere("gone", said)
        case status if status == _UPGRADE:
            return NotTaken("unreachable", f"the version of the file is no longer served: {said}")
        case status if status >= 500:
            return Unknown(said)
    return RefusedThere("refused_there", said)


connect = LinkedInClient

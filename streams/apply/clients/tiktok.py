"""TikTok by ``tiktok-business-api-sdk-official`` (extra ``tiktok``): campaigns of the Business API, version 1.3.

``budget`` is of the whole flight under ``BUDGET_MODE_TOTAL``, of a day under ``BUDGET_MODE_DAY``; ``version`` is ``modify_time``, of whole seconds. Answers of
TikTok have HTTP 200 and say by ``code`` what became of the request (https://business-api.tiktok.com/portal/docs?id=1737172488964097).
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import urllib3
from babel.numbers import get_currency_precision
from business_api_client import ApiClient, Configuration
from business_api_client.api.account_management_api import AccountManagementApi
from business_api_client.api.campaign_creation_api import CampaignCreationApi
from business_api_client.models.campaign_status_update_body import CampaignStatusUpdateBody
from business_api_client.models.campaign_update_body import CampaignUpdateBody
from business_api_client.models.filtering_campaign_get import FilteringCampaignGet
from business_api_client.rest import ApiException
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from metrics.budget.effects.machine import Accepted, Answer, NotTaken, RefusedThere, Unknown
from metrics.budget.effects.records import SeenStatus, Status
from metrics.budget.effects.rounding import smallest_unit
from metrics.values.money import MICROS
from streams.apply.clients.http_failures import TIMEOUT_S, failed, retry_after_ms
from streams.apply.configuration import PlatformSettings
from streams.apply.platform import CampaignFound, Target

_STATUSES: dict[str, SeenStatus] = {"ENABLE": "running", "DISABLE": "paused"}
_DELETED = "CAMPAIGN_STATUS_DELETE"
#: Whether a budget is of a day; of other modes the campaign has none of its own.
_MODES = {"BUDGET_MODE_TOTAL": False, "BUDGET_MODE_DAY": True, "BUDGET_MODE_DYNAMIC_DAILY_BUDGET": True}
#: Amounts have two decimals at most.
_LEAST_STEP = MICROS // 100
_LIMITED = frozenset({40_100, 40_132, 61_000})
_EXPIRED = frozenset(range(40_102, 40_109))
#: From here on it is TikTok's own systems that failed, so that the request may have been done.
_OF_THEIRS = 50_000
_SAID = re.compile(r"Error Code: (\d+), message: (.*), request_id: ", re.DOTALL)


class TikTokClient:
    """As ``PlatformClient`` says; an account is an advertiser."""

    def __init__(self, settings: PlatformSettings) -> None:
        configuration = Configuration()
        configuration.host = settings.text("endpoint", configuration.host)
        client = ApiClient(configuration)
        self._campaigns = CampaignCreationApi(client)
        self._accounts = AccountManagementApi(client)
        self._token = settings.secret("access_token")
        self._currencies: dict[str, str] = {}

    def step(self, currency: str) -> int:
        """The smallest unit of the currency, a hundredth at least."""
        return max(smallest_unit(get_currency_precision(currency)), _LEAST_STEP)

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """The campaign, and once the currency of its advertiser; deleted campaigns are in no list."""
        try:
            found = self._asked(
                self._campaigns.campaign_get,
                target.account_id,
                filtering=FilteringCampaignGet(campaign_ids=[target.campaign_id]),
            )["list"]
            if target.account_id not in self._currencies:
                (account,) = self._asked(self._accounts.advertiser_info, [target.account_id])["list"]
                self._currencies[target.account_id] = account["currency"]
        except (TiktokSDKError, ApiException) as error:
            answer = _answer(error)
            return NotTaken("unreachable", answer.detail) if isinstance(answer, Unknown) else answer
        except urllib3.exceptions.HTTPError as error:
            return NotTaken("unreachable", failed(error).detail)
        if not found or found[0].get("secondary_status") == _DELETED:
            return CampaignFound("gone")
        (campaign,) = found
        mode = campaign.get("budget_mode")
        budget = campaign.get("budget") if mode in _MODES else None
        return CampaignFound(
            _STATUSES.get(campaign["operation_status"], "gone"),
            None if budget is None else int(Decimal(str(budget)) * MICROS),
            _MODES.get(mode, False),
            self._currencies[target.account_id],
            campaign.get("modify_time"),
        )

    def set_status(self, target: Target, status: Status) -> Answer:
        """``ENABLE`` or ``DISABLE``."""
        body = CampaignStatusUpdateBody(
            advertiser_id=target.account_id,
            campaign_ids=[target.campaign_id],
            operation_status="ENABLE" if status == "running" else "DISABLE",
        )
        return self._update(self._campaigns.campaign_status_update, body)

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """The budget, of whichever mode the campaign has; amounts of up to 15 digits are exact in the SDK's numbers."""
        del currency
        body = CampaignUpdateBody(
            advertiser_id=target.account_id, campaign_id=target.campaign_id, budget=micros / MICROS
        )
        return self._update(self._campaigns.campaign_update, body)

    def _update(self, call: Callable[..., Any], body: object) -> Answer:
        try:
            self._asked(call, body=body)
        except (TiktokSDKError, ApiException) as error:
            return _answer(error)
        except urllib3.exceptions.HTTPError as error:
            return failed(error)
        return Accepted()

    def _asked(self, call: Callable[..., Any], *arguments: object, **named: object) -> Any:
        """The data of an answer. The SDK waits for ever for one whose limit is a single number that is not whole."""
        answer = call(*arguments, access_token=self._token, _request_timeout=(TIMEOUT_S, TIMEOUT_S), **named)
        return answer["data"]


def _answer(error: TiktokSDKError | ApiException) -> NotTaken | RefusedThere | Unknown:
    """What an error says; the SDK keeps TikTok's code in the text of its error alone."""
    if isinstance(error, ApiException):
        said = f"HTTP {error.status}"
        if error.status == 429:
            return NotTaken("rate_limited", said, retry_after_ms(error.headers))
        return Unknown(said)
    match = _SAID.search(str(error))
    if match is None:
        return Unknown("an error without a code")
    code, said = int(match[1]), match[2]
    if code in _EXPIRED:
        return NotTaken("credentials", said)
    if code in _LIMITED:
        return NotTaken("rate_limited", said)
    return Unknown(said) if code >= _OF_THEIRS else RefusedThere("refused_there", said)


connect = TikTokClient

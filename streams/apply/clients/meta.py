"""Meta by ``facebook-business`` (extra ``meta``): campaigns of the Marketing API.

The budget of the whole flight is ``lifetime_budget`` where the campaign has one, else its ``spend_cap``; a campaign with neither may
have a ``daily_budget``. ``version`` is ``updated_time``.
Meta counts in its own smallest unit of a currency, which is the whole unit for those of ``_WHOLE``
(https://developers.facebook.com/docs/marketing-api/currencies).
"""

import json

import requests
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.campaign import Campaign
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from metrics.budget.effects.machine import Accepted, Answer, NotTaken, RefusedThere, Unknown
from metrics.budget.effects.records import SeenStatus, Status
from metrics.values.money import MICROS
from metrics.values.time import MINUTE
from streams.apply.clients.http_failures import TIMEOUT_S, failed, retry_after_ms
from streams.apply.configuration import PlatformSettings
from streams.apply.platform import CampaignFound, Target

#: Currencies whose smallest unit at Meta is the whole unit; of all others it is a hundredth.
_WHOLE = frozenset({"CLP", "COP", "CRC", "HUF", "ISK", "IDR", "JPY", "KRW", "PYG", "TWD", "VND"})
_STATUSES: dict[str, SeenStatus] = {
    "ACTIVE": "running",
    "PAUSED": "paused",
    "DELETED": "gone",
    "ARCHIVED": "gone",
}
_FIELDS = ["account_id", "status", "lifetime_budget", "spend_cap", "daily_budget", "updated_time"]
#: The first that a campaign has counts.
_BUDGETS = ("lifetime_budget", "spend_cap", "daily_budget")
_EXPIRED = frozenset({102, 190})
_LIMITED = frozenset({4, 17, 32, 613, *range(80_000, 80_015)})
_ABSENT = (100, 33)
_TOO_LOW = 1_885_272


class MetaClient:
    """As ``PlatformClient`` says."""

    def __init__(self, settings: PlatformSettings) -> None:
        secret = settings.secret("app_secret") if settings.has("app_secret") else None
        session = FacebookSession(
            app_secret=secret, access_token=settings.secret("access_token"), timeout=TIMEOUT_S
        )
        session.GRAPH = settings.text("endpoint", session.GRAPH)
        self._api = FacebookAdsApi(session)
        self._currencies: dict[str, str] = {}
        #: By campaign the budget that it has there.
        self._budgets: dict[str, str] = {}

    def step(self, currency: str) -> int:
        """A hundredth of most currencies."""
        return MICROS if currency in _WHOLE else MICROS // 100

    def read(self, target: Target) -> CampaignFound | NotTaken | RefusedThere:
        """The campaign, and once the currency of its account."""
        try:
            found = Campaign(target.campaign_id, api=self._api).api_get(fields=_FIELDS)
            if target.account_id not in self._currencies:
                account = AdAccount(f"act_{target.account_id}", api=self._api).api_get(fields=["currency"])
                self._currencies[target.account_id] = account["currency"]
        except FacebookRequestError as error:
            answer = _answer(error)
            if (error.api_error_code(), error.api_error_subcode()) == _ABSENT:
                return CampaignFound("gone")
            return NotTaken("unreachable", answer.detail) if isinstance(answer, Unknown) else answer
        except requests.RequestException as error:
            return NotTaken("unreachable", failed(error).detail)
        if found["account_id"] != target.account_id:
            return RefusedThere("refused_there", "the campaign is of another account")
        currency = self._currencies[target.account_id]
        budget = next((name for name in _BUDGETS if int(found.get(name) or 0)), None)
        if budget is not None:
            self._budgets[target.campaign_id] = budget
        return CampaignFound(
            _STATUSES.get(found["status"], "gone"),
            None if budget is None else int(found[budget]) * self.step(currency),
            budget == "daily_budget",
            currency,
            found.get("updated_time"),
        )

    def set_status(self, target: Target, status: Status) -> Answer:
        """``ACTIVE`` or ``PAUSED``."""
        return self._update(target, {"status": "ACTIVE" if status == "running" else "PAUSED"})

    def set_budget(self, target: Target, micros: int, currency: str) -> Answer:
        """The budget that the campaign was read with."""
        return self._update(target, {self._budgets[target.campaign_id]: micros // self.step(currency)})

    def _update(self, target: Target, params: dict[str, object]) -> Answer:
        try:
            Campaign(target.campaign_id, api=self._api).api_update(params=params)
        except FacebookRequestError as error:
            return _answer(error)
        except requests.RequestException as error:
            return failed(error)
        return Accepted()


def _answer(error: FacebookRequestError) -> NotTaken | RefusedThere | Unknown:
    """What an error of the Graph API says (https://developers.facebook.com/docs/marketing-api/error-reference)."""
    code, subcode, status = error.api_error_code(), error.api_error_subcode(), error.http_status()
    said = str(error.api_error_message() or f"HTTP {status}")
    if code in _EXPIRED or status == 401:
        return NotTaken("credentials", said)
    if code in _LIMITED or status == 429:
        return NotTaken("rate_limited", said, max(retry_after_ms(error.http_headers()), _usage_ms(error)))
    if (code, subcode) == _ABSENT:
        return RefusedThere("gone", said)
    if subcode == _TOO_LOW:
        return RefusedThere("too_small", said)
    if code is None or code in {1, 2} or error.api_transient_error() or status >= 500:
        return Unknown(said)
    return RefusedThere("refused_there", said)


def _usage_ms(error: FacebookRequestError) -> int:
    """How long the account has to wait, as ``X-Business-Use-Case-Usage`` says in minutes."""
    try:
        usage = json.loads(error.http_headers().get("X-Business-Use-Case-Usage") or "{}")
        return max(
            (
                int(each.get("estimated_time_to_regain_access", 0)) * MINUTE
                for part in usage.values()
                for each in part
            ),
            default=0,
        )
    except (ValueError, AttributeError, TypeError):
        return 0


connect = MetaClient

"""The board's HTTP API of campaigns that are over: side by side, and what a planned one may bring by them."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
from aiohttp import web

from metrics.archive.comparing import ATTRIBUTES, USUAL_AGE_DAYS, compare
from metrics.attribution.models import MODELS
from metrics.forecast.report import ForecastReport
from metrics.values.errors import RoistreamError
from streams.board import forecasting
from streams.board.archive_store import ArchiveStore
from streams.board.middleware import LANGUAGE, answer, refusal
from streams.board.request_models import ForecastRequest, plan_of, read
from streams.catalogues import translated

_MODELS = ("declared", *MODELS)
#: Five digits hold every number of days.
_MOST_DAYS = 99_999


@dataclass
class ArchiveRoutes:
    """The handlers, and what they show."""

    archive: ArchiveStore
    #: Of plans that name no currency.
    currency: str
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _checked: dict[Any, forecasting.ForecastCheck] = field(default_factory=dict)

    def routes(self) -> list[web.RouteDef]:
        """Paths and their handlers."""
        return [
            web.get("/api/archive", self._get_archive),
            web.post("/api/forecast", self._post_forecast),
            web.post("/api/forecast/score", self._post_score),
            web.get("/api/forecast/check", self._get_check),
        ]

    async def _get_archive(self, request: web.Request) -> web.Response:
        """Campaigns that are over, in groups of one attribute, alike in others."""
        asked = request.query
        model, by, age = (
            asked.get("model", "declared"),
            asked.get("by", ATTRIBUTES[0]),
            asked.get("age_days", str(USUAL_AGE_DAYS)),
        )
        if model not in _MODELS:
            return refusal(400, f"model {model} is not known; choose {', '.join(_MODELS)}.")
        if by not in ATTRIBUTES:
            return refusal(400, f"by {by} is not known; choose {', '.join(ATTRIBUTES)}.")
        if not (age.isdecimal() and age.isascii() and int(age[:9]) <= _MOST_DAYS):
            return refusal(400, f"age_days {age} is no number of days from 0 to {_MOST_DAYS}.")
        alike = {name: asked[name] for name in ATTRIBUTES if name in asked and name != by}
        found = compare(
            self.archive.editions.values(), by, alike, model, asked.get("currency") or None, int(age)
        )
        left_out = [
            msgspec.structs.replace(each, reason=translated(each.reason, LANGUAGE.get()))
            for each in found.left_out
        ]
        response = answer(msgspec.structs.replace(found, left_out=left_out))
        response.enable_compression()
        return response

    async def _post_forecast(self, request: web.Request) -> web.Response:
        """What a planned campaign may bring."""
        asked = read(ForecastRequest, await request.read())
        currency, plan = asked.currency or self.currency, plan_of(asked)
        found = await self._thought(partial(forecasting.forecast_of, plan, self._editions(), currency))
        return found if isinstance(found, web.Response) else answer(found)

    async def _post_score(self, request: web.Request) -> web.Response:
        """A forecast that was kept beside what came."""
        made = read(ForecastReport, await request.read())
        found = await self._thought(partial(forecasting.score_of, made, self._editions()))
        return found if isinstance(found, web.Response) else answer(found)

    async def _get_check(self, request: web.Request) -> web.Response:
        """How good forecasts of past campaigns would have been, each made from the others."""
        currency, editions = request.query.get("currency") or self.currency, self._editions()
        key = (currency, *((each.campaign_id, each.edition) for each in editions))
        if key not in self._checked:
            found = await self._thought(partial(forecasting.check_of, editions, currency))
            if isinstance(found, web.Response):
                return found
            self._checked = {key: found}
        return answer(self._checked[key])

    def _editions(self) -> list[Any]:
        return list(self.archive.editions.values())

    async def _thought(self, think: Any) -> Any:
        """What takes seconds of a core: one at a time, away from the event loop."""
        async with self._one_at_a_time:
            try:
                return await asyncio.to_thread(think)
            except RoistreamError as error:
                return refusal(409, str(error))

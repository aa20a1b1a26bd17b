"""Campaigns that are over by the API: side by side, and forecasts that are those of the command."""

import json

import msgspec
import numpy as np

from metrics.archive.comparing import length_days
from metrics.forecast.outcomes import forecast
from metrics.forecast.report import report
from streams.archive.files import row_of
from streams.board.archive_store import ArchiveStore
from streams.board.forecasting import past_campaigns
from streams.board.request_models import ForecastRequest, plan_of
from streams.forecast.files import read_archive
from tests.support import archive_seeding
from tests.support.board_serving import BEARER, run, serving, until

PLAN = {"campaign_id": "next", "target": "families", "channel": "search", "budget": "1000.00", "days": 20}


def exported(editions, path):
    """The archive as ``roistream archive export`` writes its rows."""
    rows = [{name: str(value or "") for name, value in row_of(each, "declared").items()} for each in editions]
    path.write_text(json.dumps(rows))
    return path


def test_a_later_edition_takes_the_place_of_an_earlier_one_and_other_records_change_nothing():
    store = ArchiveStore()
    first = archive_seeding.campaigns(1)[0]
    second = msgspec.structs.replace(first, edition=2)
    for value in (second, first):
        store.offer(msgspec.json.encode(value))
    store.offer(b"no record")
    store.offer(b"")
    assert store.editions == {first.campaign_id: second}


def test_the_board_learns_from_what_the_command_learns_from(tmp_path):
    editions = [each for each in archive_seeding.campaigns(12) if each.currency == "EUR"]
    by_command, currency = read_archive([exported(editions, tmp_path / "archive.json")], [], "EUR")
    assert past_campaigns(editions, currency) == by_command
    endless = msgspec.structs.replace(editions[0], ends_at=None)
    assert length_days(endless) is None
    (alone,) = past_campaigns([endless], currency)
    assert [alone] == read_archive([exported([endless], tmp_path / "endless.json")], [], "EUR")[0]


def test_campaigns_that_are_over_are_compared_and_forecasts_learn_from_them(settings, store):
    editions = archive_seeding.campaigns(12)

    async def test() -> None:
        archive_seeding.produce(settings, editions)
        async with serving(settings) as (session, board):
            async with session.get("/api/archive") as answer:
                assert answer.status == 401
            session.headers.update(BEARER)
            await until(lambda: len(board.archive.editions) == 12)
            async with session.get("/api/archive?by=channel&target=families") as answer:
                told = await answer.json()
            assert {each["value"] for each in told["groups"]} == {"search", "social", "email"}
            assert {each["target"] for each in told["campaigns"]} == {"families"}
            async with session.get("/api/archive", headers={"Accept-Language": "fr"}) as answer:
                reasons = {each["campaign_id"]: each["reason"] for each in (await answer.json())["left_out"]}
            assert set(reasons) == {"past-7", "past-9"}
            assert "12 jours" in reasons["past-7"]
            for wrong in ("by=weather", "model=none", "age_days=-1", "age_days=soon"):
                async with session.get(f"/api/archive?{wrong}") as answer:
                    assert answer.status == 400
            async with session.post("/api/forecast", json=PLAN) as answer:
                made = await answer.json()
            others = past_campaigns(editions, "EUR")
            plan = plan_of(msgspec.convert(PLAN, ForecastRequest, strict=False))
            expected = report(forecast(plan, others, np.random.default_rng(1)), "next", "EUR", 1)
            assert made == msgspec.to_builtins(expected)
            async with session.post("/api/forecast/score", json=made) as answer:
                assert answer.status == 409
                assert "roistream archive update" in (await answer.json())["error"]
            over = msgspec.structs.replace(editions[0], campaign_id="next")
            archive_seeding.produce(settings, [over])
            await until(lambda: "next" in board.archive.editions)
            async with session.post("/api/forecast/score", json=made) as answer:
                rows = {each["figure"]: each for each in (await answer.json())["rows"]}
            assert rows["leads"]["came"] == over.models["declared"].sums.leads
            assert rows["leads"]["held"] == (
                made["figures"]["leads"]["low"] <= rows["leads"]["came"] <= made["figures"]["leads"]["high"]
            )
            for wrong in ({"budget": 0}, {"budget": "-1"}, {"days": 0}, {"weather": "fine"}):
                async with session.post("/api/forecast", json=PLAN | wrong) as answer:
                    assert answer.status == 400
            async with session.post("/api/forecast", json=PLAN | {"currency": "CHF"}) as answer:
                assert answer.status == 409

    run(test)

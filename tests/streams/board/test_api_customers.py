"""Customers by the API: who may ask, what is told, and what is not read is left out."""

import msgspec

from tests.support import board_seeding as seeding
from tests.support import customer_seeding
from tests.support.board_serving import BEARER, run, serving


def test_customers_are_those_of_the_views_and_need_a_token(settings, store):
    async def test() -> None:
        seeding.fill(store, [])
        customer_seeding.fill(store, customer_seeding.records({"c-1": 20_000, "c-2": None}))
        store.hset(store.names.name("customers:declared:total"), "c-9", b'{"schema": "of another version"}')
        async with serving(settings) as (session, _):
            async with session.get("/api/customers") as answer:
                assert answer.status == 401
            session.headers.update(BEARER)
            async with session.get("/api/customers") as answer:
                told = await answer.json()
            assert {each["campaign_id"] for each in told["campaigns"]} == {"c-1", "c-2"}
            by = {each["campaign_id"]: each for each in told["campaigns"]}
            expected = by["c-1"]["expected"]
            assert expected["low"] <= expected["value"] <= expected["high"]
            assert expected["to_cac_low"] <= expected["to_cac"] <= expected["to_cac_high"]
            assert by["c-2"]["expected"]["to_cac"] is None
            engagement = by["c-1"]["engagement"]
            assert (engagement["answers"], engagement["tickets"]) == (260, 78)
            assert (
                engagement["kpis"]["nps_low"]
                < engagement["kpis"]["nps"]
                == 0.45
                < engagement["kpis"]["nps_high"]
            )
            assert len(told["cohorts"]) == 13
            async with session.get("/api/customers?campaign_id=c-1") as answer:
                own = await answer.json()
            assert sum(each["customers"] for each in own["cohorts"]) == by["c-1"]["customers"]
            async with session.get("/api/customers?model=linear") as answer:
                assert (await answer.json())["campaigns"] == []

    run(test)


def test_customers_of_a_model_are_told_with_the_models_there_are(settings, store):
    async def test() -> None:
        seeding.fill(store, [])
        found = customer_seeding.records({"c-1": 20_000})
        customer_seeding.fill(store, found)
        in_model = [msgspec.structs.replace(each, model="linear", campaign_id="c-2") for each in found]
        customer_seeding.fill(store, in_model)
        async with serving(settings) as (session, _):
            session.headers.update(BEARER)
            for query, campaign in (("", "c-1"), ("?model=linear", "c-2")):
                async with session.get(f"/api/customers{query}") as answer:
                    told = await answer.json()
                assert [each["campaign_id"] for each in told["campaigns"]] == [campaign]
                assert told["models"] == ["declared", "linear"]

    run(test)

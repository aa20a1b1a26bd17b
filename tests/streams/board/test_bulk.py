"""Decisions on several campaigns in one request: each stands by itself, and those that are refused are named."""

import msgspec

from metrics.budget.records import BudgetDecision
from streams import topics
from streams.board.kafka_gateway import KafkaGatewayError
from tests.support import board_seeding as seeding
from tests.support.board_serving import BEARER, decision, login, recorded, run, serving


def test_each_decision_is_recorded_with_who_said_it_and_the_refused_are_named(settings, store):
    async def test() -> None:
        cards = [seeding.card("c-1"), seeding.card("c-2", column="scale"), seeding.card("c-3")]
        seeding.fill(store, cards)
        asked = [
            decision(campaign_id="c-1", verb="move", column="stopped", column_from="test", decision_id="d-1"),
            decision(campaign_id="c-2", verb="move", column="stopped", column_from="test", decision_id="d-2"),
            decision(campaign_id="gone", decision_id="d-3"),
            decision(campaign_id="c-3", verb="move", decision_id="d-4"),
        ]
        async with serving(settings) as (session, _):
            await login(session, "Ana")
            for _ in range(2):  # sent again after a lost answer, it says nothing twice
                async with session.post("/api/decisions/bulk", json={"decisions": asked}) as answer:
                    assert answer.status == 200
                    found = await answer.json()
                assert found["accepted"] == [{"decision_id": "d-1", "campaign_id": "c-1"}]
                assert [(each["campaign_id"], each["status"]) for each in found["refused"]] == [
                    ("c-2", 409),
                    ("gone", 404),
                    ("c-3", 400),
                ]
                assert found["refused"][0]["error"].startswith("The card has moved to scale since you looked")
        (record,) = await recorded(settings, topics.BUDGET_DECISIONS, 1)
        said = msgspec.json.decode(record.value, type=BudgetDecision)
        assert (said.decision_id, said.by, said.column) == ("d-1", "Ana", "stopped")

    run(test)


def test_a_broker_that_is_silent_is_asked_once_and_every_decision_after_is_named(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1"), seeding.card("c-2")])
        asked = [decision(campaign_id="c-1"), decision(campaign_id="c-2")]
        tries = []

        async def silent(one: BudgetDecision) -> None:
            tries.append(one.campaign_id)
            raise KafkaGatewayError("the broker is silent")

        async with serving(settings) as (session, board):
            board.kafka_gateway.decide = silent
            async with session.post(
                "/api/decisions/bulk", json={"decisions": asked}, headers=BEARER
            ) as answer:
                found = await answer.json()
        assert tries == ["c-1"]
        assert [(each["campaign_id"], each["status"]) for each in found["refused"]] == [
            ("c-1", 503),
            ("c-2", 503),
        ]

    run(test)

"""An operator's words by HTTP: what is recorded, and what is refused in one sentence."""

import msgspec

from metrics.budget.records import BudgetDecision
from streams import topics
from streams.state.codec import partition_of
from tests.support import board_seeding as seeding
from tests.support.board_serving import BEARER, decision, login, recorded, run, serving, until


def test_a_decision_is_recorded_under_the_campaign_with_the_name_of_who_logged_in(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        async with serving(settings) as (session, _):
            await login(session, "Ana")
            asked = decision(verb="move", column="scale", by="somebody else", decision_id="d-1")
            async with session.post("/api/decisions", json=asked) as answer:
                assert (answer.status, await answer.json()) == (
                    202,
                    {"decision_id": "d-1", "campaign_id": "c-1"},
                )
        (record,) = await recorded(settings, topics.BUDGET_DECISIONS, 1)
        said = msgspec.json.decode(record.value, type=BudgetDecision)
        assert (said.by, said.verb, said.column, said.occurred_at) == ("Ana", "move", "scale", seeding.NOW_MS)
        assert record.key == b"c-1"
        assert record.partition == partition_of("c-1", settings.partitions)

    run(test)


def test_a_machine_says_whom_it_speaks_for(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        async with serving(settings) as (session, board):
            for fields in ({}, {"by": "nightly job"}):
                async with session.post("/api/decisions", json=decision(**fields), headers=BEARER) as answer:
                    assert answer.status == 202
            await until(lambda: len(board.audit_trail.newest()) == 2)
            assert {each.record.by for each in board.audit_trail.newest()} == {"api", "nightly job"}

    run(test)


def test_what_cannot_be_meant_is_refused_in_one_sentence_and_not_recorded(settings, store):
    async def test() -> None:
        seeding.fill(
            store, [seeding.card("c-1"), seeding.card("c-2", proposal=seeding.proposal("c-2", "a-2"))]
        )
        refused = [
            (decision(campaign_id="nobody"), 404),
            (decision(verb="approve"), 409),
            (decision(campaign_id="c-2", verb="approve", action_id="a-1"), 409),
            (decision(verb="move"), 400),
            (decision(reason=""), 400),
            ([], 400),
        ]
        async with serving(settings) as (session, board):
            for body, status in refused:
                async with session.post("/api/decisions", json=body, headers=BEARER) as answer:
                    assert answer.status == status, body
                    assert (await answer.json())["error"].endswith((".", ". Look again."))
            asked = decision(campaign_id="c-2", verb="approve", action_id="a-2")
            async with session.post("/api/decisions", json=asked, headers=BEARER) as answer:
                assert answer.status == 202
            await until(board.audit_trail.newest)
            assert [each.campaign_id for each in board.audit_trail.newest()] == ["c-2"]

    run(test)

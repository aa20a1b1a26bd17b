"""An operator's words by HTTP: what is recorded, and what is refused in one sentence."""

import asyncio

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


def test_of_two_who_decide_at_once_the_second_is_told_of_the_first_and_may_say_it_again(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1"), seeding.card("c-2")])
        async with serving(settings) as (session, board):
            await login(session, "Ana")
            first = decision(reason="too dear", decision_id="d-1", last_decision_id="")
            second = decision(verb="move", column="scale", decision_id="d-2", last_decision_id="")

            async def say(body: dict, language: str = "en") -> tuple[int, dict]:
                headers = {"Accept-Language": language}
                async with session.post("/api/decisions", json=body, headers=headers) as answer:
                    return answer.status, await answer.json()

            # Both left at once: whichever the board takes up first is recorded, and its words come with the refusal.
            answers = dict(await asyncio.gather(say(first), say(second)))
            assert sorted(answers) == [202, 409]
            won = answers[202]["decision_id"]
            assert answers[409]["decision"]["decision_id"] == won
            assert answers[409]["error"].startswith("Ana has decided on this campaign since you looked (")
            late = decision(decision_id="d-3", last_decision_id="")
            await until(lambda: board.audit_trail.decision(won))
            assert (await say(late, "fr"))[1]["error"].startswith("Ana a décidé")
            # Sent again it counts once; a comment is no decision; on another campaign nobody was first.
            assert (await say({"d-1": first, "d-2": second}[won]))[0] == 202
            assert (await say(decision(verb="comment", decision_id="d-4")))[0] == 202
            assert (await say(decision(campaign_id="c-2", decision_id="d-5", last_decision_id="")))[0] == 202
            # Who has seen it may decide after it.
            assert (await say({**late, "last_decision_id": won}))[0] == 202
            bulk = {"decisions": [decision(decision_id="d-6", last_decision_id=won)]}
            async with session.post("/api/decisions/bulk", json=bulk) as answer:
                (refused,) = (await answer.json())["refused"]
            assert (refused["status"], refused["decision"]["decision_id"]) == (409, "d-3")
        said = await recorded(settings, topics.BUDGET_DECISIONS, 4)
        assert sorted(msgspec.json.decode(each.value)["decision_id"] for each in said) == sorted(
            [won, "d-3", "d-4", "d-5"]
        )

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

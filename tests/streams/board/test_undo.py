"""The last decision of a person is taken back by a decision that restores what was before, or it is said why nothing can."""

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from metrics.budget.records import ActionHold, AlertSignal, BoardCard, BudgetAction, BudgetDecision
from metrics.values.time import HOUR, MINUTE, format_instant
from streams import topics
from streams.board.audit_trail import AuditTrail
from streams.board.kafka_gateway import KafkaGatewayError
from streams.board.undo import NoUndo, Undo, undo_id, undo_of
from tests.support import board_seeding as seeding
from tests.support.board_serving import BEARER, Clock, decision, run, serving, until

NOW = seeding.NOW_MS
SOON = NOW + HOUR
ACTED = f"a-{NOW + 1_000}"


def said(verb: str, decision_id: str = "d-1", at: int = NOW, **fields: Any) -> BudgetDecision:
    values = {"by": "Ana", "reason": "too dear", "campaign_id": "c-1", "occurred_at": at} | fields
    return BudgetDecision(decision_id=decision_id, verb=verb, **values)


def acted(verb: str, column: str | None, before: str, at: int = NOW + 1_000, **fields: Any) -> BudgetAction:
    """What the controller made of a decision; the column before it is in its evidence."""
    action = seeding.proposal("c-1", f"a-{at}", "enforce")
    values: dict[str, Any] = {
        "verb": verb, "column": column, "rule": f"operator:{verb}", "reason": "too dear", "hold": None,
        "evidence": {"column": before, "spent": 250.0}, "decided_at": format_instant(at),
    }  # fmt: skip
    return msgspec.structs.replace(action, **(values | fields))


def judged(card: BoardCard, *records: Any) -> Undo | NoUndo:
    trail = AuditTrail()
    for record in records:
        kind = {BudgetDecision: "decision", BudgetAction: "action", AlertSignal: "alert"}[type(record)]
        assert trail.offer(kind, msgspec.json.encode(record)) is not None
    return undo_of(card, trail.newest("c-1", 1_000), NOW + MINUTE)


def card(**fields: Any) -> BoardCard:
    return seeding.card("c-1", **fields)


def test_a_pause_a_move_and_a_budget_go_back_to_what_was_before():
    held = card(column="hold")
    assert judged(held, said("pause"), acted("pause", "hold", "scale")) == Undo(
        decision_id="d-1", expected_action_id=ACTED, by="Ana", column="scale"
    )
    scaled = card(column="scale")
    assert judged(scaled, said("move", column="scale"), acted("move", "scale", "test")) == Undo(
        decision_id="d-1", expected_action_id=ACTED, by="Ana", column="test"
    )
    dearer = card(budget_micros=1_200 * seeding.MILLION)
    assert judged(
        dearer, said("set_budget", budget="1200"), acted("set_budget", None, "test", budget_to=Decimal(1200))
    ) == Undo(decision_id="d-1", expected_action_id=ACTED, by="Ana", budget=Decimal(1000))


def test_a_resume_goes_back_to_the_hold_with_the_end_that_it_had():
    hold = ActionHold(owner="Ben", expires_at=format_instant(SOON))
    earlier = acted("pause", "hold", "test", NOW - HOUR, hold=hold, reason="creative is wrong")
    records = (
        said("pause", "d-0", NOW - HOUR, by="Ben"),
        earlier,
        said("resume"),
        acted("resume", "test", "hold"),
    )
    assert judged(card(), *records) == Undo(
        decision_id="d-1", expected_action_id=ACTED, by="Ana", column="hold", until=format_instant(SOON)
    )


def test_an_approval_goes_back_and_a_rejection_does_not():
    approved = acted("pause", "hold", "test", rule="evidence:cpl", reason="CPL is bad; approved by Ana")
    assert judged(card(column="hold"), said("approve"), approved) == Undo(
        decision_id="d-1", expected_action_id=ACTED, by="Ana", column="test"
    )
    found = judged(card(), said("reject"))
    assert isinstance(found, NoUndo)
    assert found.refused.startswith("A rejection cannot be taken back")


@pytest.mark.parametrize(
    ("now", "records", "why"),
    [
        (card(), [], "Nobody has decided anything"),
        (card(), [said("pause")], "The controller has not acted on the last decision"),
        (
            card(column="stopped"),
            [said("pause"), acted("pause", "hold", "test"), acted("move", "stopped", "hold", NOW + 2_000, rule="budget")],
            "Something was done since: move by budget at ",
        ),
        (card(column="test"), [said("pause"), acted("pause", "hold", "test")], "The card is not as the last decision left it"),
        (
            card(column="hold", budget_micros=7),
            [said("pause"), acted("pause", "hold", "test")],
            "The card is not as the last decision left it",
        ),
        (
            card(column="scale", budget_micros=1_200 * seeding.MILLION),
            [said("move", column="scale"), acted("move", "scale", "test", budget_to=Decimal(1200))],
            "The last decision changed column and budget at once",
        ),
        (
            card(),
            [said("set_budget", budget="1000"), acted("set_budget", None, "test", budget_from=None)],
            "There was no budget before",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_back_has_a_reason(now, records, why):
    found = judged(now, *records)
    assert isinstance(found, NoUndo)
    assert found.refused.startswith(why)


def test_a_proposal_that_came_since_changes_nothing_and_keeps_nothing_from_being_taken_back():
    proposed = acted(
        "set_budget", None, "hold", NOW + 9_000, mode="propose", rule="pace", budget_to=Decimal(900)
    )
    found = judged(card(column="hold"), said("pause"), acted("pause", "hold", "test"), proposed)
    assert found == Undo(decision_id="d-1", expected_action_id=ACTED, by="Ana", column="test")


def test_the_api_takes_back_once_and_says_why_it_does_not(settings, store):
    async def test() -> None:
        seeding.fill(store, [card()])
        clock = Clock()
        async with serving(settings, clock) as (session, board):
            session.headers.update(BEARER)

            async def post(path: str, body: dict[str, Any], status: int) -> dict[str, Any]:
                async with asyncio.timeout(90):
                    while True:  # a broker whose topics are new does not confirm at once
                        async with session.post(path, json=body) as answer:
                            if answer.status != 503:
                                assert answer.status == status, await answer.text()
                                return await answer.json()

            async def offered() -> Any:
                async with session.get("/api/campaigns/c-1") as answer:
                    return (await answer.json())["undo"]

            assert (await offered())["refused"].startswith("Nobody has decided")
            sent = await post("/api/decisions", decision(), 202)
            await until(lambda: board.audit_trail.decision(sent["decision_id"]))
            back = {"campaign_id": "c-1", "decision_id": sent["decision_id"], "reason": "was wrong"}
            refused = await post("/api/undo", back, 409)
            assert refused["error"].startswith("The controller has not acted")
            pause = acted("pause", "hold", "scale", clock.ms)
            async with asyncio.timeout(90):
                while True:
                    try:
                        await board.kafka_gateway._send(topics.BUDGET_ACTIONS, [pause])
                        break
                    except KafkaGatewayError:
                        continue
            seeding.say(store, card(revision=2, column="hold"))
            await until(
                lambda: len(board.audit_trail.newest()) == 2 and board.cards.cards["c-1"].column == "hold"
            )
            assert (await offered())["column"] == "scale"
            wrong = await post("/api/undo", back | {"decision_id": "another"}, 409)
            assert wrong["error"].startswith("Another decision was taken")
            told = await post("/api/undo", back, 202)
            assert told["decision_id"] == undo_id(sent["decision_id"])
            assert await post("/api/undo", back, 202) == told
            await until(lambda: board.audit_trail.decision(told["decision_id"]))
            undone = board.audit_trail.decision(told["decision_id"])
            assert (undone.verb, undone.column, undone.by, undone.reason) == (
                "move",
                "scale",
                "api",
                "was wrong",
            )
            assert len(board.audit_trail.newest()) == 3
            async with session.post("/api/undo", json=back, headers={"Authorization": ""}) as answer:
                assert answer.status == 401

    run(test)

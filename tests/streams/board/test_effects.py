"""What became of actions on the ad platforms: of each campaign the latest, told to those with a token, at once."""

import msgspec
from aiokafka import AIOKafkaProducer
from hypothesis import given
from hypothesis import strategies as some

from metrics.budget.effects.records import BudgetEffect, EffectPart
from metrics.values.time import format_instant
from streams import topics
from streams.board.broadcast import Subscriber
from streams.board.card_store import CardStore
from streams.board.effect_store import EffectStore
from streams.transport.client_options import aiokafka_options
from tests.support import board_seeding as seeding
from tests.support.board_serving import BEARER, run, serving, until
from tests.support.examples import examples


def effect_of(action_id, campaign_id="c-001", stage="confirmed", at=seeding.NOW_MS, position=0, detail=""):
    part = EffectPart(aspect="status", status="paused", stage=stage, detail=detail)
    return BudgetEffect(
        action_id=action_id, campaign_id=campaign_id, platform="meta", verb="pause", rule="evidence:cpl", currency="EUR",
        decided_at=format_instant(at), position=position, stage=stage, detail=detail, parts=(part,), changed_at=format_instant(at),
    )  # fmt: skip


@examples(1)
@given(some.permutations(range(5)))
def test_of_each_campaign_the_effect_of_its_latest_action_is_shown_in_whatever_order_they_come(order):
    store = EffectStore()
    for number in order:
        store.offer(
            msgspec.json.encode(effect_of(f"a{number}", at=seeding.NOW_MS + number // 2, position=number))
        )
    assert store.effects["c-001"].action_id == "a4"
    assert store.offer(b"no effect") is None


def test_an_effect_is_told_to_who_has_a_token_and_reaches_open_pages(settings, store):
    async def test() -> None:
        seeding.fill(store, seeding.board(3))
        async with serving(settings) as (session, board):
            with board.broadcast.subscription() as subscriber:
                async with AIOKafkaProducer(**aiokafka_options(settings)) as producer:
                    effect = effect_of("a1", stage="refused", detail="words of the platform")
                    name = settings.topic(topics.BUDGET_EFFECTS)
                    await producer.send_and_wait(name, msgspec.json.encode(effect), key=b"a1")
                await until(lambda: board.effects.effects)
                events = dict(subscriber.take(board.cards))
                assert [each["action_id"] for each in msgspec.json.decode(events["effects"])] == ["a1"]
            async with session.get("/api/board") as answer:
                assert (await answer.json())["effects"] == []
            session.headers.update(BEARER)
            async with session.get("/api/board") as answer:
                (told,) = (await answer.json())["effects"]
            assert (told["stage"], told["detail"]) == ("refused", "words of the platform")
            async with session.get("/metrics") as answer:
                counted = 'roistream_board_effects{because="",platform="meta",stage="refused"} 1.0'
                assert counted in await answer.text()

    run(test)


def test_a_page_that_is_slow_is_told_the_newest_effect_of_a_campaign_once():
    subscriber = Subscriber()
    for stage in ("requested", "sent", "confirmed"):
        subscriber.notify(effects={"c-001": effect_of("a1", stage=stage)})
    (told,) = msgspec.json.decode(dict(subscriber.take(CardStore()))["effects"])
    assert told["stage"] == "confirmed"
    assert "effects" not in dict(subscriber.take(CardStore()))

"""Who may talk to the board: tokens, sessions, guesses, other pages."""

import asyncio

import pytest

from metrics.budget.records import CardHold
from streams import topics
from streams.board.middleware import COOKIE
from tests.support import board_seeding as seeding
from tests.support.board_serving import (
    BEARER,
    TOKEN,
    Clock,
    alert,
    decision,
    login,
    recorded,
    run,
    serving,
    webhook,
)

GUARDED = [
    ("GET", "/api/session"),
    ("GET", "/api/trail"),
    ("GET", "/api/events"),
    ("POST", "/api/decisions"),
    ("POST", "/alerts"),
]


def test_nothing_is_told_or_taken_without_a_token_or_with_a_wrong_one(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            for method, path in GUARDED:
                async with session.request(method, path, json={}) as answer:
                    assert answer.status == 401, path
                    assert "token" in (await answer.json())["error"]
            wrong = {"Authorization": "Bearer wrong"}
            async with session.post("/alerts", json=webhook(alert()), headers=wrong) as answer:
                assert answer.status == 401
                assert "ROISTREAM_BOARD_TOKEN" in (await answer.json())["error"]
            async with session.get("/api/trail", cookies={COOKIE: "QW5h.99999999999999.forged"}) as answer:
                assert answer.status == 401

    run(test)


def test_a_path_or_method_that_is_not_of_the_api_is_said_to_be_none_whoever_asks(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            for method, path, status in (
                ("GET", "/api/no-such-path", 404),
                ("DELETE", "/api/decisions", 405),
            ):
                for headers in ({}, BEARER):
                    async with session.request(method, path, headers=headers) as answer:
                        assert answer.status == status
                        assert f"{method} {path} is not of this API" in (await answer.json())["error"]

    run(test)


def test_figures_are_read_without_a_token(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            for path, status in (
                ("/api/board", 200),
                ("/api/campaigns", 200),
                ("/api/campaigns/nobody", 404),
            ):
                async with session.get(path) as answer:
                    assert answer.status == status, path

    run(test)


def test_a_login_gives_a_cookie_that_no_script_reads_and_no_other_site_sends(settings):
    async def test() -> None:
        clock = Clock()
        async with serving(settings, clock) as (session, _):
            async with session.post("/api/session", json={"token": TOKEN, "name": " Ana  B "}) as answer:
                cookie = answer.headers["Set-Cookie"]
                assert "HttpOnly" in cookie
                assert "SameSite=Strict" in cookie
                assert TOKEN not in cookie
            async with session.get("/api/session") as answer:
                assert answer.status == 200
                assert await answer.json() == {"name": "Ana B", "role": "administer", "people": []}
            clock.ms += 13 * 3_600_000
            async with session.get("/api/session") as answer:
                assert answer.status == 401
            await login(session)
            async with session.delete("/api/session") as answer:
                assert answer.status == 200
            async with session.get("/api/session") as answer:
                assert answer.status == 401

    run(test)


def test_guessing_is_slowed_down_and_locks_nobody_out_who_has_the_token(settings):
    async def test() -> None:
        clock = Clock()
        async with serving(settings, clock) as (session, _):
            await login(session)
            statuses = []
            for _ in range(12):
                async with session.post("/api/session", json={"token": "guess"}) as answer:
                    statuses.append(answer.status)
            assert statuses == [401] * 10 + [429] * 2
            async with session.get("/api/trail", headers={"Authorization": "Bearer guess"}) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "6")
            async with session.get("/api/trail", headers=BEARER) as answer:
                assert answer.status == 200
            async with session.get("/api/trail") as answer:
                assert answer.status == 200
            clock.ms += 6_000
            async with session.get("/api/trail", headers={"Authorization": "Bearer guess"}) as answer:
                assert answer.status == 401


def test_a_cookie_opens_nothing_after_the_logout_also_at_a_board_that_starts_again(settings):
    async def cookie_of(session) -> dict[str, str]:
        async with session.post("/api/session", json={"token": TOKEN, "name": "Ana"}) as answer:
            return {COOKIE: answer.cookies[COOKIE].value}

    async def test() -> None:
        async with serving(settings) as (session, _):
            kept, ended = await cookie_of(session), await cookie_of(session)
            async with session.delete("/api/session") as answer:
                assert answer.status == 200
            session.cookie_jar.clear()
            assert await status_with(session, ended) == 401
            assert await status_with(session, kept) == 200
            async with session.get("/api/events", cookies=kept) as stream:
                session.cookie_jar.clear()
                async with session.delete("/api/session", cookies=kept) as answer:
                    assert answer.status == 200
                await asyncio.wait_for(stream.read(), 30)
            session.cookie_jar.clear()
        async with serving(settings) as (session, _):
            assert await status_with(session, ended) == 401
            assert await status_with(session, kept) == 401

    async def status_with(session, cookie) -> int:
        async with session.get("/api/session", cookies=cookie) as answer:
            session.cookie_jar.clear()
            return answer.status

    run(test)


def test_what_operators_said_is_told_to_who_has_the_token(settings, store):
    async def test() -> None:
        hold = CardHold(owner="Ana", reason="too dear", expires_at=None)
        seeding.fill(store, [seeding.card("c-1", hold=hold, reason="paused by Ana")])
        async with serving(settings) as (session, _):
            for path in ("/api/board", "/api/campaigns/c-1"):
                async with session.get(path) as answer:
                    text = await answer.text()
                    assert "Ana" not in text
                    assert "too dear" not in text
                    assert "c-1" in text
                async with session.get(path, headers=BEARER) as answer:
                    assert "Ana" in await answer.text()

    run(test)


def test_a_page_that_gives_the_boards_address_another_name_reads_nothing(settings):
    async def test() -> None:
        async with serving(settings.model_copy(update={"board_hosts": ["board.example.org"]})) as (
            session,
            _,
        ):
            for host, status in (
                ("evil.example", 421),
                ("[::1", 421),
                ("localhost:6067", 200),
                ("[::1]:6067", 200),
                ("Board.example.org", 200),
            ):
                async with session.get("/api/board", headers={"Host": host}) as answer:
                    assert answer.status == status, host
            async with session.get("/api/board", headers={"Host": "evil.example"}) as answer:
                assert "ROISTREAM_BOARD_HOSTS" in (await answer.json())["error"]
            for path, headers in (("/healthz", {}), ("/api/board", BEARER)):
                async with session.get(path, headers={"Host": "board", **headers}) as answer:
                    assert answer.status == 200

    run(test)


def test_a_decision_id_stands_for_one_decision(settings, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        async with serving(settings) as (session, _):
            statuses = []
            for fields in ({}, {}, {"verb": "resume"}, {"decision_id": "d-2"}):
                asked = decision(**{"decision_id": "d-1", **fields})
                async with session.post("/api/decisions", json=asked, headers=BEARER) as answer:
                    statuses.append(answer.status)
            assert statuses == [202, 202, 409, 202]
            records = await recorded(settings, topics.BUDGET_DECISIONS, 2)
            assert len(records) == 2

    run(test)


def test_decisions_on_one_campaign_are_limited(settings, store):
    async def test() -> None:
        clock = Clock()
        seeding.fill(store, [seeding.card("c-1"), seeding.card("c-2")])
        async with serving(settings, clock) as (session, _):

            async def post(**fields) -> int:
                async with session.post("/api/decisions", json=decision(**fields), headers=BEARER) as answer:
                    return answer.status

            verbs = ["pause", "resume"] * 6
            assert [await post(verb=verb) for verb in verbs] == [202] * 10 + [429] * 2
            assert await post(campaign_id="c-2") == 202
            clock.ms += 10_000
            assert await post() == 202

    run(test)

    run(test)


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"}, {"Sec-Fetch-Site": "same-site"}],
    ids=["another site", "another port of this host", "a page of this site"],
)
def test_another_page_cannot_decide_with_the_operators_session(settings, store, headers):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1")])
        async with serving(settings) as (session, _):
            await login(session)
            async with session.post("/api/decisions", json=decision(), headers=headers) as answer:
                assert answer.status == 403

    run(test)


def test_every_answer_forbids_what_a_careful_page_does_not_need(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            for path in ("/", "/static/js/main.js", "/api/board", "/nowhere"):
                async with session.get(path) as answer:
                    policy = answer.headers["Content-Security-Policy"]
                    assert "default-src 'none'" in policy
                    assert "unsafe" not in policy
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"

    run(test)

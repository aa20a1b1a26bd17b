"""Who may talk to the board: tokens, sessions, guesses, other pages."""

import pytest

from streams.board.middleware import COOKIE
from tests.support import board_seeding as seeding
from tests.support.board_serving import (
    BEARER,
    TOKEN,
    Clock,
    alert,
    decision,
    login,
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
    ("GET", "/api/no-such-path"),
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
                assert (answer.status, await answer.json()) == (200, {"name": "Ana B"})
            clock.ms += 13 * 3_600_000
            async with session.get("/api/session") as answer:
                assert answer.status == 401
            await login(session)
            async with session.delete("/api/session") as answer:
                assert answer.status == 200
            async with session.get("/api/session") as answer:
                assert answer.status == 401

    run(test)


def test_guessing_is_slowed_down_for_the_right_token_too_and_sessions_go_on(settings):
    async def test() -> None:
        clock = Clock()
        async with serving(settings, clock) as (session, _):
            await login(session)
            statuses = []
            for _ in range(12):
                async with session.post("/api/session", json={"token": "guess"}) as answer:
                    statuses.append(answer.status)
            assert statuses == [401] * 10 + [429] * 2
            async with session.get("/api/trail", headers=BEARER) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (429, "6")
            async with session.get("/api/trail") as answer:
                assert answer.status == 200
            clock.ms += 6_000
            async with session.get("/api/trail", headers=BEARER) as answer:
                assert answer.status == 200

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

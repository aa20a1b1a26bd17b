"""People of the board: who they are, what they may do, and whom a proxy may name."""

from pathlib import Path

import msgspec
import pytest

from metrics.values.errors import SettingError
from streams import topics
from streams.board.people import BoardUserEntry, identity_header, read_people
from tests.support import board_seeding as seeding
from tests.support.board_serving import BEARER, TOKEN, alert, decision, login, recorded, run, serving, webhook

ANAS = "a token of Ana's own"
PEOPLE = """
[people."Ana"]
role = "look"
token = "a token of Ana's own"

[people."Ben"]
role = "decide"
token = "a token of Ben's own"

[people."Cleo"]
role = "decide"
"""
PROXY = {"board_identity_header": "X-Forwarded-User", "board_proxies": ["127.0.0.0/8"]}


@pytest.fixture
def people(tmp_path: Path) -> Path:
    file = tmp_path / "people.toml"
    file.write_text(PEOPLE)
    return file


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer a token of {name}'s own"}


def test_a_file_of_people_is_read(people):
    assert read_people(people, TOKEN)["Ana"] == BoardUserEntry(role="look", token=ANAS)
    assert read_people(None, TOKEN) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[people.Ana]\nrole = "rule"', "rule"),
        ('[people.Ana]\nrole = "look"\ntoken = "short"', "16"),
        ('[people.Ana]\nrole = "look"\nteam = "search"', "team"),
        ("[people", "cannot be used"),
        (PEOPLE.replace("Ben's", "Ana's"), "one token"),
        (PEOPLE.replace("a token of Ben's own", TOKEN), "shared token"),
    ],
)
def test_what_is_wrong_in_it_is_said(tmp_path, text, said):
    file = tmp_path / "people.toml"
    file.write_text(text)
    with pytest.raises(SettingError, match=said):
        read_people(file, TOKEN)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SettingError, match="ROISTREAM_BOARD_PEOPLE"):
        read_people(tmp_path / "nobody.toml", TOKEN)


def test_a_header_is_believed_from_listed_addresses_only():
    header = identity_header("X-Forwarded-User", ["10.0.0.7", "192.168.1.0/24"])
    assert header is not None
    assert header.holds("10.0.0.7")
    assert header.holds("192.168.1.9")
    assert not any(header.holds(other) for other in ("10.0.0.8", "", None, "proxy"))
    for proxies in ([], ["10.0.0.300"]):
        with pytest.raises(SettingError, match="BOARD_PROXIES"):
            identity_header("X-Forwarded-User", proxies)


def test_who_looks_decides_nothing_and_who_decides_speaks_for_nobody_else(settings, store, people):
    async def test() -> None:
        seeding.fill(store, [seeding.card("who-1"), seeding.card("who-2")])
        async with serving(settings.model_copy(update={"board_people": people})) as (session, _):
            async with session.get("/api/trail", headers=bearer("Ana")) as answer:
                assert answer.status == 200
            for path, body in (
                ("/api/decisions", decision(campaign_id="who-1")),
                ("/alerts", webhook(alert())),
            ):
                async with session.post(path, json=body, headers=bearer("Ana")) as answer:
                    assert answer.status == 403
                    assert (
                        "Ana may look here, and this needs the role decide" in (await answer.json())["error"]
                    )
            body = decision(campaign_id="who-1")
            async with session.post(
                "/api/decisions", json=body | {"by": "Ana"}, headers=bearer("Ben")
            ) as answer:
                assert answer.status == 403
            async with session.post("/api/decisions", json=body, headers=bearer("Ben")) as answer:
                assert answer.status == 202
            async with session.post(
                "/api/decisions", json=decision(campaign_id="who-2") | {"by": "Zoe"}, headers=BEARER
            ) as answer:
                assert answer.status == 202
            records = [
                msgspec.json.decode(each.value)
                for each in await recorded(settings, topics.BUDGET_DECISIONS, 2)
            ]
            said = {each["campaign_id"]: each["by"] for each in records}
            assert (said["who-1"], said["who-2"]) == ("Ben", "Zoe")

    run(test)


def test_a_login_with_an_own_token_is_under_the_own_name(settings, store, people):
    async def test() -> None:
        async with serving(settings.model_copy(update={"board_people": people})) as (session, _):
            body = {"token": "a token of Ben's own", "name": "Somebody else"}
            async with session.post("/api/session", json=body) as answer:
                assert await answer.json() == {
                    "name": "Ben",
                    "role": "decide",
                    "people": ["Ana", "Ben", "Cleo"],
                }
            async with session.get("/api/session") as answer:
                assert await answer.json() == {
                    "name": "Ben",
                    "role": "decide",
                    "people": ["Ana", "Ben", "Cleo"],
                }
            await login(session)
            async with session.get("/api/session") as answer:
                assert (await answer.json())["role"] == "administer"

    run(test)


@pytest.mark.parametrize(
    ("proxies", "name", "status", "role"),
    [
        (["127.0.0.0/8"], "Cleo", 200, "decide"),
        (["127.0.0.0/8"], "Unknown", 200, "look"),
        (["127.0.0.0/8"], "", 401, None),
        (["10.0.0.7"], "Cleo", 401, None),
    ],
)
def test_a_proxy_names_who_asks_where_it_is_believed(settings, store, people, proxies, name, status, role):
    async def test() -> None:
        changed = settings.model_copy(update={**PROXY, "board_people": people, "board_proxies": proxies})
        async with (
            serving(changed) as (session, _),
            session.get("/api/session", headers={"X-Forwarded-User": name}) as answer,
        ):
            assert answer.status == status
            if role is not None:
                found = await answer.json()
                assert (found["name"], found["role"]) == (name, role)

    run(test)


def test_what_a_proxied_person_sends_comes_from_the_boards_own_page(settings, store, people):
    async def test() -> None:
        seeding.fill(store, [seeding.card("px-1")])
        async with serving(settings.model_copy(update={**PROXY, "board_people": people})) as (session, _):
            named = {"X-Forwarded-User": "Cleo"}
            foreign = {**named, "Origin": "https://elsewhere.example"}
            async with session.post(
                "/api/decisions", json=decision(campaign_id="px-1"), headers=foreign
            ) as answer:
                assert answer.status == 403
            async with session.post(
                "/api/decisions", json=decision(campaign_id="px-1") | {"by": "Zoe"}, headers=named
            ) as answer:
                assert answer.status == 202

    run(test)


def test_somebody_who_is_nobody_here_may_be_kept_out(settings, store, people):
    async def test() -> None:
        changed = settings.model_copy(update={**PROXY, "board_people": people, "board_identity_role": "none"})
        async with (
            serving(changed) as (session, _),
            session.get("/api/session", headers={"X-Forwarded-User": "Unknown"}) as answer,
        ):
            assert answer.status == 403
            assert "Unknown is not among the people" in (await answer.json())["error"]

    run(test)

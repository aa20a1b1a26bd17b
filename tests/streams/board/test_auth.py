"""Who may in: tokens, sessions, patience."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.board.auth import SESSION_MS, RateLimit, TokenAuth
from streams.board.people import BoardUser, BoardUserEntry

TOKEN = "correct horse battery"  # noqa: S105 - a token of these tests
NOW = 1_000_000


def test_only_the_token_opens():
    access = TokenAuth(TOKEN)
    assert access.person(TOKEN) == BoardUser(None, "administer")
    assert not any(access.person(wrong) for wrong in ("", TOKEN[:-1], TOKEN + " ", TOKEN.upper(), "\ud800"))


@given(st.text(max_size=80))
def test_a_session_tells_the_name_it_was_issued_for(name: str):
    name = name.encode(errors="replace").decode()
    access = TokenAuth(TOKEN)
    session = access.session(access.issue(name, NOW, "s-1"), NOW)
    assert session is not None
    assert (session.name, session.expires_at) == (name, NOW + SESSION_MS)


def test_a_session_ends_in_time_and_outlives_a_restart_but_not_another_token():
    cookie = TokenAuth(TOKEN).issue("Ana", NOW, "s-1")
    assert TokenAuth(TOKEN).session(cookie, NOW + SESSION_MS - 1) is not None
    assert TokenAuth(TOKEN).session(cookie, NOW + SESSION_MS) is None
    assert TokenAuth(TOKEN + "!").session(cookie, NOW) is None


def test_a_person_has_a_role_and_a_session_that_ends_with_the_token():
    own = "a token of Ana's own"
    people = {"Ana": BoardUserEntry(role="look", token=own), "Ben": BoardUserEntry(role="decide")}
    access = TokenAuth(TOKEN, people)
    assert access.person(own) == BoardUser("Ana", "look")
    cookie = access.issue("Ana", NOW, "s-1", own)
    assert own not in cookie
    session = access.session(cookie, NOW)
    assert session is not None
    assert (session.name, session.role) == ("Ana", "look")
    promoted = TokenAuth(TOKEN, {"Ana": BoardUserEntry(role="decide", token=own)}).session(cookie, NOW)
    assert promoted is not None
    assert promoted.role == "decide"
    for changed in ({}, {"Ana": BoardUserEntry(role="look", token=own + "!")}):
        assert TokenAuth(TOKEN, changed).session(cookie, NOW) is None


def test_the_cookie_does_not_hold_the_token():
    assert TOKEN not in TokenAuth(TOKEN).issue("Ana", NOW, "s-1")


@given(st.data())
def test_a_cookie_that_was_changed_anywhere_is_none(data: st.DataObject):
    access = TokenAuth(TOKEN)
    cookie = access.issue("Ana", NOW, "s-1")
    at = data.draw(st.integers(0, len(cookie) - 1))
    other = data.draw(st.characters(exclude_characters=cookie[at]))
    assert access.session(cookie[:at] + other + cookie[at + 1 :], NOW) is None


@given(st.text())
def test_no_text_is_a_session_by_chance(text: str):
    assert TokenAuth(TOKEN).session(text, NOW) is None


def test_wrong_tokens_make_an_address_wait_and_no_other():
    attempts = RateLimit(burst=3, refill_ms=1_000)
    for _ in range(3):
        assert attempts.wait_ms("a", NOW) == 0
        attempts.take("a", NOW)
    assert attempts.wait_ms("a", NOW) == 1_000
    assert attempts.wait_ms("a", NOW + 1_000) == 0
    assert attempts.wait_ms("b", NOW) == 0


def test_addresses_are_remembered_up_to_a_bound():
    attempts = RateLimit(burst=1, refill_ms=1_000, limit=2)
    for address in ("a", "b", "c"):
        attempts.take(address, NOW)
    assert [attempts.wait_ms(each, NOW) for each in ("a", "b", "c")] == [0, 1_000, 1_000]


@pytest.mark.parametrize("times", [1, 5, 50])
def test_however_often_it_is_tried_the_rate_is_bounded(times: int):
    attempts, now, tried = RateLimit(burst=5, refill_ms=1_000), NOW, 0
    for _ in range(times):
        now += attempts.wait_ms("a", now)
        attempts.take("a", now)
        tried += 1
    assert tried <= 5 + (now - NOW) / 1_000


def test_a_cookie_of_a_version_whose_sessions_had_no_id_opens_nothing():
    access = TokenAuth(TOKEN)
    claim = f"QW5h.{NOW + SESSION_MS}"
    assert access.session(f"{claim}.{access._signature(claim)}", NOW) is None

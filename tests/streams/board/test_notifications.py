"""Who is notified of what waits and what was done: once, in the recipient's language, also after failures and restarts."""

import asyncio
import contextlib
import json
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from metrics.budget.records import BudgetAction
from metrics.records.kpi_reading import Evidence
from metrics.values.time import HOUR, format_instant
from streams import topics
from streams.board.kafka_gateway import KafkaGatewayError
from streams.board.notifications.delivery_log import LEASE_MS, DeliveryLog
from streams.board.notifications.notifier import Pauses
from streams.board.notifications.wording import Wording
from streams.board.server import BoardServer
from streams.settings import Settings
from tests.support import board_seeding as seeding
from tests.support.board_serving import BEARER, Clock, run, serving, until
from tests.support.servers.certificates import Authority
from tests.support.servers.inboxes import http_inbox, mail_inbox

QUICK = Pauses(look_s=0.02, rest_s=0.02, first_retry_s=0.05, last_retry_s=0.2)


@pytest.fixture
def notified(settings: Settings, tmp_path: Path) -> Callable[..., Settings]:
    """Settings with a file of recipients, each with the fields given; ``smtp`` is the table of the mail server."""

    def make(smtp: dict[str, Any] | None = None, **recipients: dict[str, Any]) -> Settings:
        lines = ['board = "https://board.example"']
        tables = [
            *([("smtp", smtp)] if smtp else []),
            *((f"recipients.{name}", one) for name, one in recipients.items()),
        ]
        for name, fields in tables:
            lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())]
        path = tmp_path / "recipients.toml"
        path.write_text("\n".join(lines))
        return settings.model_copy(update={"board_notifications": path})

    return make


def signed_for_localhost(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Who signed, and a server's context with what was signed."""
    authority = Authority(folder, "mail")
    found = authority.sign("mail", names=("localhost",))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(found.certificate, found.key)
    return authority.cafile, context


def done(campaign_id: str, action_id: str, at_ms: int) -> BudgetAction:
    """A pause that the controller did by itself."""
    action = seeding.proposal(campaign_id, action_id, "enforce")
    return msgspec.structs.replace(action, decided_at=format_instant(at_ms))


async def act(board: BoardServer, *actions: BudgetAction) -> None:
    """Say actions as the controller does; a broker whose topics are new, or that is busy, is asked again."""
    async with asyncio.timeout(90):
        while True:
            with contextlib.suppress(KafkaGatewayError):
                return await board.kafka_gateway._send(topics.BUDGET_ACTIONS, actions)


def test_a_decision_that_waits_reaches_each_recipient_in_their_language(notified, store):
    async def test() -> None:
        waits = seeding.card(
            "c-1", name="Été <!channel>\nBcc: x@example.com", proposal=seeding.proposal("c-1")
        )
        seeding.fill(store, [waits])
        with mail_inbox() as mails, http_inbox() as slack, http_inbox() as machine:
            smtp = {
                "host": "127.0.0.1",
                "port": mails.port,
                "security": "none",
                "from": "roistream@example.com",
            }
            made = notified(
                smtp,
                Ana={"mail": "ana@example.com", "language": "fr", "timezone": "Europe/Paris"},
                team={"slack": slack.url},
                machine={"webhook": machine.url},
            )
            async with serving(made, pauses=QUICK):
                await until(lambda: mails.letters and slack.bodies and machine.bodies)
        (letter,), (body,) = mails.letters, machine.bodies
        assert letter["Subject"] == "1 décision attend : Été <!channel> Bcc: x@example.com"
        assert letter["To"] == "ana@example.com"
        assert letter["Bcc"] is None
        assert (
            "Mettre en pause. CPL manque son objectif : e-valeur 31, il en faut 20." in letter.get_content()
        )
        assert "https://board.example/campaigns/c-1" in letter.get_content()
        said = slack.bodies[0]["text"]
        assert said.startswith(
            "*1 decision waits: Été &lt;!channel&gt; Bcc: x@example.com*\n• <https://board.example/campaigns/c-1|"
        )
        assert "<!channel>" not in said
        assert (body["schema"], body["notices"][0]["kind"]) == ("board-notice/1", "waiting")
        assert body["notices"][0]["action"] == json.loads(msgspec.json.encode(seeding.proposal("c-1")))
        assert machine.headers[0]["Idempotency-Key"] == body["id"]

    run(test)


def test_why_an_action_was_taken_is_told_by_what_it_was_taken_on_and_not_by_a_later_look():
    later = Evidence(
        target="cpl", verdict="inconclusive", e_value=0.8, probability_bad=0.0, interval=(None, None), completeness=0.0
    )  # fmt: skip
    card = seeding.card("c-1", evidence={"cpl": later}, targets_micros={"cpl": 9_000_000})
    action = msgspec.structs.replace(
        seeding.proposal("c-1"),
        rule="evidence:cpl",
        evidence={"cpl_low": 16.4, "cpl_high": 20.25, "cpl_target": 11.0},
    )
    words = Wording("en", ZoneInfo("UTC"), None)
    assert words.why(action, card).startswith(
        "CPL surely misses its target: it is likely between €16.40 and €20.25, and its target is €11.00."
    )
    before = msgspec.structs.replace(action, evidence={})  # kept no interval
    assert words.why(before, card) == "CPL misses its target: e-value 31, 20 needed."
    assert words.plainly(card, later) == "CPL: too early to say. Nothing is done about it for now."


def test_who_is_mentioned_in_a_comment_is_told_once_and_nobody_else(notified, store):
    async def test() -> None:
        clock = Clock()
        seeding.fill(store, [seeding.card("c-1", name="Spring")])
        with http_inbox() as slack, http_inbox() as machine:
            made = notified(Ben={"slack": slack.url, "language": "fr"}, Benedict={"webhook": machine.url})
            async with serving(made, clock, QUICK) as (session, _):
                clock.ms += 5_000
                comments = ["@Ben <!channel> was this you? ask me@ben.example", "@Benedict and @Ben"]
                for number, text in enumerate(comments):
                    asked = {
                        "campaign_id": "c-1",
                        "verb": "comment",
                        "reason": text,
                        "decision_id": f"d-{number}",
                        "by": "Ana",
                    }
                    async with session.post("/api/decisions", json=asked, headers=BEARER) as answer:
                        assert answer.status == 202
                    await until(lambda number=number: len(slack.bodies) == number + 1)
                await until(lambda: machine.bodies)
                async with session.get("/api/session", headers=BEARER) as answer:
                    assert (await answer.json())["people"] == ["Ana", "Ben", "Benedict"]
        (first, second), (told,) = slack.bodies, machine.bodies
        assert first["text"].startswith("*1 commentaire vous mentionne : Spring*")
        assert "@Ben &lt;!channel&gt; was this you?" in first["text"]
        assert "@Benedict and @Ben" in second["text"]
        (notice,) = told["notices"]
        assert (notice["id"], notice["kind"], notice["comment"]["by"]) == (
            "mentioned|d-1",
            "mentioned",
            "Ana",
        )

    run(test)


def test_what_was_done_is_delivered_once_also_over_restarts_and_by_several_boards(notified, store):
    async def test() -> None:
        clock = Clock()
        seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
        with http_inbox() as machine:
            made = notified(machine={"webhook": machine.url})
            async with serving(made, clock, QUICK) as (_, board):
                await act(board, done("c-1", "before", clock.ms - HOUR))
                await until(lambda: machine.bodies)
                clock.ms += 5_000
                await act(board, done("c-1", "a-2", clock.ms - 1_000))
                await until(lambda: len(machine.bodies) == 2)
            async with serving(made, clock, QUICK) as (_, first), serving(made, clock, QUICK):
                clock.ms += 5_000
                await act(first, done("c-1", "a-3", clock.ms - 1_000))
                await until(lambda: len(machine.bodies) == 3)
            # Another start finds nothing that is due: what it delivers next is the next thing that is done.
            async with serving(made, clock, QUICK) as (_, board):
                clock.ms += 5_000
                await act(board, done("c-1", "a-4", clock.ms - 1_000))
                await until(lambda: len(machine.bodies) == 4)
        sent = [[each["id"] for each in body["notices"]] for body in machine.bodies]
        assert sent == [["waiting|a-1"], ["done|a-2"], ["done|a-3"], ["done|a-4"]]

    run(test)


def test_a_board_that_stops_as_it_asks_for_the_lease_leaves_none_behind(notified, store, monkeypatch):
    claimed = DeliveryLog.claim

    async def claim_and_hear_no_answer(self) -> bool:
        await claimed(self)
        await asyncio.sleep(3_600)
        return True

    def leases() -> list[bytes]:
        return [
            key for key in store.keys("*") if store.type(key) == b"string" and store.pttl(key) > LEASE_MS / 2
        ]

    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
        with http_inbox() as machine:
            monkeypatch.setattr(DeliveryLog, "claim", claim_and_hear_no_answer)
            async with serving(notified(machine={"webhook": machine.url}), Clock(), QUICK):
                await until(leases)
        assert leases() == []

    run(test)


def test_a_redis_that_was_emptied_while_the_board_ran_brings_nothing_twice(notified, store):
    async def test() -> None:
        clock = Clock()
        card = seeding.card("c-1", proposal=seeding.proposal("c-1"))
        seeding.fill(store, [card])
        with http_inbox() as machine:
            made = notified(machine={"webhook": machine.url})
            async with serving(made, clock, QUICK) as (_, board):
                await until(lambda: machine.bodies)
                store.flushall()
                seeding.fill(store, [card])
                clock.ms += 5_000
                await act(board, done("c-1", "a-2", clock.ms - 1_000))
                await until(lambda: len(machine.bodies) == 2)
            async with serving(made, clock, QUICK) as (_, board):
                clock.ms += 5_000
                await act(board, done("c-1", "a-3", clock.ms - 1_000))
                await until(lambda: len(machine.bodies) == 3)
        sent = [[each["id"] for each in body["notices"]] for body in machine.bodies]
        assert sent == [["waiting|a-1"], ["done|a-2"], ["done|a-3"]]

    run(test)


def test_failures_are_said_and_tried_again_and_no_secret_is_in_the_log(notified, store, caplog):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
        with http_inbox() as slack:
            slack.codes = [500] * 8
            made = notified(team={"slack": slack.url})
            async with serving(made, pauses=QUICK) as (session, board):
                await until(lambda: len(slack.refused) >= 2)
                async with session.get("/api/board", headers=BEARER) as answer:
                    (note,) = (await answer.json())["alerts"]
                assert note["alert"] == "NotificationsFail"
                assert note["summary"].startswith("team is not notified by slack: it answers 500; ")
                async with session.get("/metrics") as answer:
                    page = await answer.text()
                assert "roistream_board_recipients_failing 1.0\n" in page
                await until(lambda: slack.bodies)
                await until(lambda: not board.notes.now(seeding.NOW_MS))
                async with session.get("/metrics") as answer:
                    page = await answer.text()
                assert 'roistream_board_deliveries_total{channel="slack"} 1.0\n' in page
                assert 'roistream_board_delivery_failures_total{channel="slack"} 8.0\n' in page
                assert "roistream_board_recipients_failing 0.0\n" in page
            assert len(slack.bodies) == 1

    with caplog.at_level(logging.DEBUG):
        run(test)
    assert "team was not notified by slack: it answers 500; trying again" in caplog.text
    assert "very-secret-path" not in caplog.text


def test_a_mail_server_that_does_not_answer_holds_up_neither_the_board_nor_others(notified, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
        with mail_inbox() as mails, http_inbox() as machine:
            mails.is_silent = True
            smtp = {
                "host": "127.0.0.1",
                "port": mails.port,
                "security": "none",
                "from": "roistream@example.com",
            }
            made = notified(smtp, Ana={"mail": "ana@example.com"}, machine={"webhook": machine.url})
            async with serving(made, pauses=QUICK) as (session, board):
                await until(lambda: machine.bodies)
                async with session.get("/readyz") as answer:
                    assert answer.status == 200
                assert board.notifier.counts.delivered == {"webhook": 1}
            assert mails.letters == []

    started = time.monotonic()
    run(test)
    assert time.monotonic() - started < 60


def test_mail_goes_out_encrypted_with_a_password_and_is_tried_again(notified, store, tmp_path, caplog):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
        with mail_inbox(context) as mails:
            mails.codes = [451]
            smtp = {
                "host": "localhost", "port": mails.port, "from": "roistream@example.com", "username": "roistream",
                "password": "a very secret password", "cafile": str(authority),
            }  # fmt: skip
            async with serving(notified(smtp, Ana={"mail": "ana@example.com"}), pauses=QUICK):
                await until(lambda: mails.letters)
            assert mails.logins == [("roistream", "a very secret password", True)] * 2

    authority, context = signed_for_localhost(tmp_path)
    with caplog.at_level(logging.DEBUG):
        run(test)
    assert "Ana was not notified by mail: the mail server answers 451" in caplog.text
    assert "secret password" not in caplog.text


def test_a_certificate_that_nobody_signed_gets_no_password(notified, store, tmp_path):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
        with mail_inbox(context) as mails:
            smtp = {
                "host": "localhost", "port": mails.port, "from": "roistream@example.com", "username": "roistream",
                "password": "a very secret password",
            }  # fmt: skip
            made = notified(smtp, Ana={"mail": "ana@example.com"})
            async with serving(made, pauses=QUICK) as (_, board):
                await until(lambda: board.notifier.counts.failed["mail"] >= 1)
                (note,) = board.notes.now(seeding.NOW_MS)
            assert "SSLCertVerificationError" in note.summary
            assert mails.logins == []

    _, context = signed_for_localhost(tmp_path)
    run(test)


def test_the_digest_comes_once_a_day_at_its_local_time(notified, store):
    async def test() -> None:
        clock = Clock()  # 13:00 in Paris
        waits = seeding.card("c-1", name="Été", proposal=seeding.proposal("c-1"))
        seeding.fill(store, [waits, seeding.card("c-2")])
        with mail_inbox() as mails:
            smtp = {
                "host": "127.0.0.1",
                "port": mails.port,
                "security": "none",
                "from": "roistream@example.com",
            }
            ana = {
                "mail": "ana@example.com",
                "language": "fr",
                "timezone": "Europe/Paris",
                "about": [],
                "digest": "13:30",
            }
            made = notified(smtp, Ana=ana)
            async with serving(made, clock, QUICK) as (_, board):
                await act(board, done("c-2", "a-2", clock.ms - HOUR))
                await until(lambda: len(board.audit_trail.newest()) == 1)
                assert mails.letters == []
                clock.ms += HOUR
                await until(lambda: mails.letters)
            async with serving(made, clock, QUICK):
                clock.ms += 23 * HOUR + HOUR // 2
                await until(lambda: len(mails.letters) == 2)
        first, second = mails.letters
        assert first["Subject"] == "Ce matin, dimanche 22 novembre 2026"
        text = first.get_content()
        assert "1 décision attend\n" in text
        assert "• Été\n  Mettre en pause." in text
        assert "Le contrôleur a fait 1 chose depuis 13:30 CET le 21 nov." in text
        assert second["Subject"] == "Ce matin, lundi 23 novembre 2026"
        assert "depuis" not in second.get_content()

    run(test)


def test_an_error_of_the_wire_quotes_no_address(notified, store):
    async def test() -> None:
        seeding.fill(store, [seeding.card("c-1", proposal=seeding.proposal("c-1"))])
        made = notified(team={"slack": "http://127.0.0.1:1/very-secret-path"})
        async with serving(made, pauses=QUICK) as (_, board):
            await until(lambda: board.notifier.counts.failed["slack"] >= 1)
            (note,) = board.notes.now(seeding.NOW_MS)
        assert "it does not answer (ClientConnectorError)" in note.summary
        assert "secret" not in note.summary

    run(test)

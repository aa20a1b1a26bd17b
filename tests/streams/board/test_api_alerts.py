"""Alertmanager's webhook: recorded once, whatever is repeated."""

import asyncio
import re
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession
from prometheus_client.parser import text_string_to_metric_families

from metrics.budget.records import AlertSignal
from metrics.values.time import HOUR
from streams import topics
from streams.board import routes as board_api
from streams.stack.monitoring import alertmanager
from tests.support.board_serving import (
    BEARER,
    ROOT,
    TOKEN,
    Clock,
    alert,
    recorded,
    run,
    serving,
    until,
    webhook,
)


def test_a_webhook_that_is_repeated_is_recorded_once(settings):
    async def test() -> None:
        async with serving(settings) as (session, _):
            answers = []
            for body in [webhook(alert("c-1"), alert("c-2"))] * 5 + [webhook(alert("c-1", "resolved"))]:
                async with session.post("/alerts", json=body, headers=BEARER) as answer:
                    assert answer.status == 200
                    answers.append(await answer.json())
        assert [each["accepted"] for each in answers] == [2, 0, 0, 0, 0, 1]
        assert [each["repeated"] for each in answers] == [0, 2, 2, 2, 2, 0]
        signals = [
            msgspec.json.decode(each.value, type=AlertSignal)
            for each in await recorded(settings, topics.BUDGET_ALERTS, 3)
        ]
        assert sorted((each.campaign_id, each.status) for each in signals) == [
            ("c-1", "firing"),
            ("c-1", "resolved"),
            ("c-2", "firing"),
        ]

    run(test)


def test_alerts_of_no_campaign_are_taken_so_that_they_do_not_come_again(settings):
    async def test() -> None:
        nameless = {"status": "firing", "labels": {"alertname": "Lag"}, "startsAt": "2026-11-22T10:00:00Z"}
        async with (
            serving(settings) as (session, _),
            session.post("/alerts", json=webhook(nameless), headers=BEARER) as answer,
        ):
            told = await answer.json()
        assert (told["accepted"], told["ignored"][0]["reason"].split(";")[0]) == (
            0,
            "it has no label campaign_id",
        )

    run(test)


def test_alerts_on_the_pipeline_are_notes_that_every_board_shows_until_they_are_over(settings):
    def stands_still(status: str) -> dict[str, Any]:
        labels = {
            "alertname": "RoistreamStageStandsStill",
            "kind": "figures",
            "severity": "critical",
            "stage": "merge",
        }
        text = "Stage merge of partition 0 has stood still for 12s"
        return {
            "status": status,
            "labels": labels,
            "annotations": {"summary": text},
            "startsAt": "2026-11-22T10:00:00Z",
            "fingerprint": "f-1",
        }

    async def shown(session: ClientSession) -> list[str]:
        async with session.get("/api/board") as answer:
            return [each["summary"] for each in (await answer.json())["alerts"]]

    async def test() -> None:
        async with serving(settings) as (first, _), serving(settings) as (second, _):
            async with first.post("/alerts", json=webhook(stands_still("firing")), headers=BEARER) as answer:
                assert (await answer.json()) == {"accepted": 0, "repeated": 0, "noted": 1, "ignored": []}
            for session in (first, second):
                async with asyncio.timeout(30):
                    while await shown(session) != ["Stage merge of partition 0 has stood still for 12s"]:  # noqa: ASYNC110 - another board
                        await asyncio.sleep(0.05)
            async with second.post(
                "/alerts", json=webhook(stands_still("resolved")), headers=BEARER
            ) as answer:
                assert answer.status == 200
            for session in (first, second):
                async with asyncio.timeout(30):
                    while await shown(session):  # noqa: ASYNC110 - another board
                        await asyncio.sleep(0.05)
        assert await recorded(settings, topics.BUDGET_ALERTS, 0) == [], "no budget hangs on them"

    run(test)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *(
            (body, 400)
            for body in (b"", b"{", b"[]", b'{"version":"4"}', b'{"version":"3","alerts":[]}', b"\xff")
        ),
        (b" " * (board_api.MAX_BODY_BYTES + 1), 413),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else str(value),
)
def test_a_body_that_is_no_webhook_or_beyond_the_limit_is_refused(settings, body, status):
    async def test() -> None:
        async with (
            serving(settings) as (session, _),
            session.post("/alerts", data=body, headers=BEARER) as answer,
        ):
            assert answer.status == status

    run(test)


def test_without_a_broker_an_alert_is_a_503_so_that_it_comes_again(settings):
    async def test() -> None:
        async with serving(settings) as (session, board):
            await board.kafka_gateway.stop()
            async with session.post("/alerts", json=webhook(alert()), headers=BEARER) as answer:
                assert answer.status == 503
                assert "send it again" in (await answer.json())["error"]
            async with session.get("/readyz") as answer:
                assert answer.status == 503
            async with session.post("/alerts", json=webhook(alert()), headers=BEARER) as answer:
                assert answer.status == 503, "it was not remembered as told"

    run(test)


def of_job(job: str, campaign_id: str = "c-1", **labels: str) -> dict[str, Any]:
    made = alert(campaign_id)
    return made | {"labels": made["labels"] | {"job": job} | labels, "fingerprint": f"{job}-{campaign_id}"}


async def sent(session, *alerts) -> tuple[dict[str, Any], list[str]]:
    """The board's answer to a webhook, and the summaries of what it then shows."""
    async with session.post("/alerts", json=webhook(*alerts)) as answer:
        assert answer.status == 200
        told = await answer.json()
    async with session.get("/api/board") as answer:
        return told, [each["summary"] for each in (await answer.json())["alerts"]]


def test_alerts_of_another_deployment_are_refused_and_said(settings):
    async def test() -> None:
        async with serving(settings.model_copy(update={"board_job": "roistream"})) as (session, _):
            session.headers.update(BEARER)
            told, shown = await sent(session, of_job("roistream"), alert("c-2"))
            assert (told["accepted"], told["ignored"], shown) == (2, [], [])
            foreign = of_job("roistream-staging"), of_job("roistream-staging", "c-3", kind="figures")
            told, (shown,) = await sent(session, *foreign)
            assert (told["accepted"], told["noted"], len(told["ignored"])) == (0, 0, 2)
            assert "ROISTREAM_BOARD_JOB" in told["ignored"][0]["reason"]
            assert "the job 'roistream-staging' come to this board of 'roistream', and are refused" in shown

    run(test)


def test_a_board_of_no_job_says_when_alerts_on_campaigns_come_from_two(settings):
    async def test() -> None:
        clock = Clock()
        async with serving(settings, clock) as (session, _):
            session.headers.update(BEARER)
            assert (await sent(session, of_job("roistream"), of_job("prometheus", kind="operations")))[1] == [
                "CampaignCplHigh"
            ]
            told, shown = await sent(session, of_job("roistream-staging", "c-2"))
            assert told["accepted"] == 1
            assert [each for each in shown if "from the jobs 'roistream', 'roistream-staging'" in each]
            clock.ms += 4 * HOUR
            assert (await sent(session, of_job("roistream", "c-4")))[1] == []

    run(test)


def often(text: str) -> str:
    """Alertmanager's configuration with intervals of a second, so that a notification repeats at once."""
    return re.sub(r"(group_wait|group_interval|repeat_interval): \S+", r"\1: 1s", text)


def notifications(page: str) -> float:
    """Webhooks that Alertmanager has sent, by its own metrics."""
    families = text_string_to_metric_families(page)
    samples = [each for family in families for each in family.samples]
    names = ("alertmanager_notifications_total", "webhook")
    return sum(each.value for each in samples if (each.name, each.labels.get("integration")) == names)


def test_alertmanager_repeats_an_alert_and_one_is_recorded(settings, monitoring):
    async def test() -> None:
        async with serving(settings) as (_, board), ClientSession() as outside:
            url = f"http://127.0.0.1:{board.port}/alerts"
            with alertmanager(ROOT / "grafana" / "prometheus", url, TOKEN, often) as manager:
                labels = {
                    "alertname": "CampaignCplHigh",
                    "campaign_id": "c-1",
                    "kind": "kpi",
                    "job": "roistream",
                }
                alerts = [{"labels": labels, "generatorURL": "http://prometheus/"}]
                async with outside.post(f"{manager.url}/api/v2/alerts", json=alerts) as answer:
                    assert answer.status == 200
                async with asyncio.timeout(30):
                    sent = 0.0
                    while sent < 3:
                        await asyncio.sleep(0.2)
                        async with outside.get(f"{manager.url}/metrics") as answer:
                            sent = notifications(await answer.text())
            await until(board.audit_trail.newest)
        (record,) = await recorded(settings, topics.BUDGET_ALERTS, 1)
        signal = msgspec.json.decode(record.value, type=AlertSignal)
        assert (signal.campaign_id, signal.rule, signal.status) == ("c-1", "CampaignCplHigh", "firing")

    run(test)

"""The budget controller from outside: records and words in, actions and cards out, once, also over a crash."""

import contextlib
import json
import time
from typing import Any

import redis

from streams import topics
from streams.sinks.redis_names import RedisNames
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import published, write
from tests.support.servers.worker import running_worker, wait_for

TARGETS = {"cpl": 2}
POLICY = {
    "alert_rules": ["LeadsStopped"],
    "cooldown": "1s",
    "stale_after": "5m",
    "hold_for": "never",
    "mature_after": "0s",
    "longest_lag": "0s",
    "learning_phase": "0s",
}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def campaign(name: str) -> tuple[str, bytes, dict[str, Any]]:
    record = {
        "campaign_id": name,
        "name": f"<b>{name}</b>",
        "channel": "search",
        "budget": 1000,
        "targets": TARGETS,
    }
    return topics.CAMPAIGNS, name.encode(), record


def traffic(name: str, clicks: int, leads: int, tag: str) -> list[Any]:
    at = now_ms()
    found: list[Any] = [
        (
            topics.CLICKS,
            f"v{n}".encode(),
            {"event_id": f"{tag}c{n}", "occurred_at": at, "campaign_id": name, "cost": 1},
        )
        for n in range(clicks)
    ]
    # Leads first: a campaign whose clicks are read before them looks bad for a moment.
    return [
        (
            topics.LEADS, f"v{n}".encode(),
            {"event_id": f"{tag}l{n}", "occurred_at": at, "lead_id": f"{tag}{n}", "campaign_id": name},
        )
        for n in range(leads)
    ] + found  # fmt: skip


def word(name: str, verb: str, **more: Any) -> tuple[str, bytes, dict[str, Any]]:
    record = {
        "decision_id": f"{name}-{verb}-{now_ms()}", "campaign_id": name, "verb": verb, "by": "ada", "occurred_at": now_ms(),
    }  # fmt: skip
    return topics.BUDGET_DECISIONS, name.encode(), record | more


STARTED = now_ms()


def alert(name: str, status: str) -> tuple[str, bytes, dict[str, Any]]:
    """As the board takes one in; the webhook repeats it, and the id with it."""
    record = {
        "alert_id": f"fingerprint|{STARTED}|{status}", "campaign_id": name, "rule": "LeadsStopped", "status": status,
        "starts_at": STARTED, "received_at": now_ms(), "labels": {"severity": "page"},
    }  # fmt: skip
    return topics.BUDGET_ALERTS, name.encode(), record


def test_a_bad_campaign_is_paused_once_a_good_one_scaled_and_a_crash_repeats_nothing(
    broker, cache, settings_for, tmp_path
):
    settings = settings_for(broker, budget_mode="enforce", redis_url=cache.url, partitions=2)
    ensure_topics(settings, create=True)
    store = redis.Redis.from_url(cache.url)
    names = RedisNames(settings.topic_prefix)
    policy = json.dumps(POLICY)

    def actions() -> list[tuple[str, str, str]]:
        return [(a["campaign_id"], a["verb"], a["rule"]) for a in published(settings, topics.BUDGET_ACTIONS)]

    def tick() -> None:  # life goes on, so that the watermark does
        tag = str(now_ms())
        write(settings, traffic("life", 8, 4, tag))

    def acted(least: int) -> bool:
        tick()
        return len(actions()) >= least

    told: list[int] = []

    def judged() -> bool:
        """Spend is judged by a later reading, whose watermark has passed it: they go on spending."""
        if not told or now_ms() - told[-1] > 1_000:
            told.append(now_ms())
            write(settings, traffic("bad", 1, 0, f"b{told[-1]}") + traffic("good", 1, 1, f"g{told[-1]}"))
        return acted(2)

    def card(name: str) -> dict[str, Any]:
        value = store.hget(names.board, name)
        return {} if value is None else json.loads(value)

    write(settings, [campaign("bad"), campaign("good"), campaign("calm")])
    with contextlib.closing(store):
        with running_worker(settings, tmp_path, ROISTREAM_BUDGET=policy) as worker:
            write(
                settings,
                traffic("bad", 60, 3, "b") + traffic("good", 60, 80, "g") + traffic("calm", 5, 2, "k"),
            )
            wait_for("two actions", judged)
            wait_for("the card of the good one", lambda: card("good").get("column") == "scale")
            wait_for("the card of the bad one", lambda: card("bad").get("column") == "hold")
            worker.kill()
        first = published(settings, topics.BUDGET_ACTIONS)
        with running_worker(settings, tmp_path, "again", ROISTREAM_BUDGET=policy):
            write(settings, [word("calm", "pause", reason="for now"), *traffic("bad", 5, 0, "b2")])
            wait_for("the pause", lambda: acted(3))
            write(settings, [alert("good", "firing"), alert("good", "firing")])
            wait_for("the pause by alert", lambda: acted(4))
            wait_for(
                "its hold", lambda: (card("good").get("hold") or {}).get("owner") == "alert:LeadsStopped"
            )
            write(settings, [alert("good", "firing"), alert("good", "resolved"), word("calm", "resume")])
            wait_for("what was said after it", lambda: acted(5))
            wait_for("its card", lambda: card("calm").get("column") == "test")
        last = published(settings, topics.BUDGET_ACTIONS)
    bad, good = card("bad"), card("good")
    assert {a["action_id"] for a in last} - {a["action_id"] for a in first} == {
        a["action_id"] for a in last if a["rule"] not in ("evidence:cpl", "graduate")
    }
    assert {(a["campaign_id"], a["verb"], a["mode"]) for a in last} == {
        ("bad", "pause", "enforce"),
        ("good", "move", "enforce"),
        ("calm", "pause", "enforce"),
        ("good", "pause", "enforce"),
        ("calm", "resume", "enforce"),
    }
    assert len({a["action_id"] for a in last}) == 5
    assert bad["hold"]["owner"] == "evidence"
    assert bad["evidence"]["cpl"]["verdict"] == "bad"
    assert bad["name"] == "<b>bad</b>"
    assert good["evidence"]["cpl"]["verdict"] == "good"
    assert good["hold"]["owner"] == "alert:LeadsStopped"

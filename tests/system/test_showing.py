"""What a running worker shows: pages that parse strictly at 1 000 campaigns, Redis views, group offsets."""

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from kafka.admin import KafkaAdminClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from streams.commands.doctor import examine
from streams.embedded.broker import BrokerHandle
from streams.embedded.cache import CacheHandle
from streams.process import now_ms
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.transport.client_options import kafka_python_options
from streams.transport.topic_admin import ensure_topics
from tests.support.outside import last_revisions, published, read_all, write
from tests.support.servers.worker import WorkerProcess, running_worker, wait_for

SettingsFor = Callable[..., Settings]
NOW_MS = int(time.time()) * 1000


def _openmetrics(worker: WorkerProcess) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{worker.port}/metrics", headers={"Accept": "application/openmetrics-text"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def test_a_page_of_1000_campaigns_passes_the_strict_parser_and_promtool(
    broker: BrokerHandle, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    clicks = [
        ("ad-clicks", f"v{n}".encode(), {"event_id": f"e{n}", "occurred_at": NOW_MS, "campaign_id": f"c-{n}", "cost": 1})
        for n in range(1_000)
    ]  # fmt: skip
    leads = [
        ("leads", f"v{n}".encode(), {"event_id": f"l{n}", "occurred_at": NOW_MS, "lead_id": f"l{n}", "campaign_id": f"c-{n}"})
        for n in range(0, 1_000, 2)
    ]  # fmt: skip
    with running_worker(settings, tmp_path) as worker:
        read_all([worker], settings, write(settings, clicks + leads))
        page = wait_for("every campaign has its CPL", lambda: _page_with(worker, 500 * 3))
        families = {family.name: family for family in text_string_to_metric_families(page)}
        windows = {sample.labels["window"] for sample in families["campaign_cost_per_lead"].samples}
        assert windows == {"1h", "24h", "total"}
        assert {sample.value for sample in families["campaign_cost_per_lead"].samples} == {1.0}
        assert len(families["campaign_clicks"].samples) == 1_000
        promtool = shutil.which("promtool")
        if promtool:
            plain = worker.get("/metrics")[1]
            checked = subprocess.run(
                [promtool, "check", "metrics"], input=plain, capture_output=True, text=True, check=False
            )
            assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def _page_with(worker: WorkerProcess, count: int) -> str | None:
    page = _openmetrics(worker)
    return page if page.count("\ncampaign_cost_per_lead{") == count else None


def test_redis_holds_the_latest_of_each_window_and_is_filled_again_after_it_was_emptied(
    broker: BrokerHandle, settings_for: SettingsFor, cache: CacheHandle, tmp_path: Path
) -> None:
    settings = settings_for(broker, redis_url=cache.url)
    ensure_topics(settings, create=True)
    client = redis.Redis.from_url(cache.url, decode_responses=True)
    client.flushall()
    order = {"event_id": "o", "occurred_at": NOW_MS, "order_id": "o", "campaign_id": "c", "revenue": 7}
    with running_worker(settings, tmp_path) as worker:
        counts = write(settings, [("orders", b"v", order)])
        read_all([worker], settings, counts)
        held = wait_for("the view holds the order", lambda: _view(client, settings, "24h", revenue=7_000_000))
        assert held["window"] == "24h"
        assert held["window_end"] > held["window_start"]
        for window in ("5m", "1h", "7d", "today", "total"):
            assert (
                wait_for(window, lambda w=window: _view(client, settings, w, revenue=7_000_000))["revision"]
                > 0
            )
        client.flushall()
        wait_for("the view is filled again", lambda: _view(client, settings, "total", revenue=7_000_000))
        assert (
            0
            < client.pttl(RedisNames(settings.topic_prefix).readings("declared", "total"))
            <= settings.redis_ttl
        )


def test_a_worker_whose_keys_belong_to_another_deployment_says_so_and_writes_none(
    broker: BrokerHandle, settings_for: SettingsFor, cache: CacheHandle, tmp_path: Path
) -> None:
    settings = settings_for(broker, redis_url=cache.url)
    ensure_topics(settings, create=True)
    names = RedisNames(settings.topic_prefix)
    order = {"event_id": "o", "occurred_at": NOW_MS, "order_id": "o", "campaign_id": "c", "revenue": 7}
    with redis.Redis.from_url(cache.url, decode_responses=True) as client:
        client.hset(names.views, "owner", "another-cluster")
        worker = WorkerProcess(settings, tmp_path, "worker")
        try:
            wait_for("it says why it is not ready", lambda: "another-cluster" in worker.get("/readyz")[1])
            counts = write(settings, [("orders", b"v", order)])
            read_all([worker], settings, counts)
            wait_for("it is published", lambda: ("c", "total", None) in last_revisions(published(settings)))
            status, body = worker.get("/readyz")
            assert status == 503
            assert any("ROISTREAM_TOPIC_PREFIX" in each for each in json.loads(body)["reasons"])
            assert "another-cluster" in worker.log.read_text()
            assert client.keys(names.name("*")) == [names.views]
            found = [each for each in examine(settings, now_ms) if each.subject == "redis keys"]
            assert [each.state for each in found] == ["failed"]
            client.hdel(names.views, "owner")
            wait_for("the view holds the order", lambda: _view(client, settings, "total", revenue=7_000_000))
            wait_for("it is ready", worker.is_ready)
            assert not [each for each in examine(settings, now_ms) if each.subject == "redis keys"]
        finally:
            worker.kill()


def _view(client: Any, settings: Settings, window: str, revenue: int) -> dict[str, Any] | None:
    text = client.hget(RedisNames(settings.topic_prefix).readings("declared", window), "c")
    found = json.loads(text) if text else None
    return found if found and found["sums"]["revenue_micros"] == revenue else None


def test_lag_monitors_see_the_offsets_of_the_group(
    broker: Any, settings_for: SettingsFor, tmp_path: Path
) -> None:
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    lead = {"event_id": "l", "occurred_at": NOW_MS, "lead_id": "l"}
    admin = KafkaAdminClient(**kafka_python_options(settings))
    group = f"{settings.topic_prefix}{settings.group_id}"
    with running_worker(settings, tmp_path) as worker:
        read_all([worker], settings, write(settings, [("leads", b"v", lead)] * 3))
        wait_for(
            "the group has read three leads",
            lambda: _committed(admin, group, settings.topic("leads")) == 3,
            30,
        )
    admin.close()


def _committed(admin: KafkaAdminClient, group: str, topic: str) -> int:
    offsets = admin.list_group_offsets(group)
    by_partition = offsets.get(group, offsets)
    return sum(max(0, found.offset) for tp, found in by_partition.items() if tp.topic == topic)

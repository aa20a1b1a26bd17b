"""From a platform's report to its pause and back, as docs/live.md tells it: every process that takes part, and a local platform."""

import contextlib
import hashlib
import hmac
import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from streams.embedded.child_process import Command, Server, free_ports
from streams.transport.topic_admin import ensure_topics
from tests.conftest import REQUIRE_PROGRAMS
from tests.streams.apply.wire.meta_server import MetaServer
from tests.support.outside import published, write
from tests.support.servers.worker import running_worker, variables, wait_for
from tests.system.page.acting import TOKEN, ask, is_ready

#: What a campaign spends between two reports.
STEP = 9
SDKS = Path(sys.prefix) / "platforms"
SECRET = "the-secret-of-the-app-at-meta"  # noqa: S105 - of no real app
POLICY = {
    "cooldown": "1s",
    "stale_after": "5m",
    "hold_for": "never",
    "mature_after": "0s",
    "longest_lag": "0s",
    "learning_phase": "0s",
}
COLLECT = """
[[campaigns]]
when = { form_id = "1" }
campaign_id = "meta-4242"
[[campaigns]]
when = { form_id = "2" }
campaign_id = "meta-4343"
[webhooks.meta]
sender = "meta"
secret_file = "app.secret"
verify_token_file = "app.secret"
"""
#: Speaks Singer, as tap-facebook does of the insights that it asks for.
TAP = """
import json, sys, urllib.request
address = f"{sys.argv[1]}/v26.0/act_77/insights?access_token={open(sys.argv[2]).read()}"
rows = json.load(urllib.request.urlopen(address, timeout=30))["data"]
print(json.dumps({"type": "SCHEMA", "stream": "ads_insights", "schema": {}, "key_properties": ["ad_id", "date_start"]}))
for row in rows:
    print(json.dumps({"type": "RECORD", "stream": "ads_insights", "record": row}))
print(json.dumps({"type": "STATE", "value": {"reports": rows[0]["reports"]}}))
"""


class SpendingPlatform(MetaServer):
    """Meta with a campaign 4242 that can be paused, and another, 4343: each running one has spent more at each report."""

    def __init__(self) -> None:
        self.spent: dict[tuple[str, str], int] = {}
        self.reports = 0
        super().__init__()

    def get(self, path: str) -> tuple[int, Any]:
        return (200, {"data": self.insights()}) if path.endswith("/act_77/insights") else super().get(path)

    def insights(self) -> list[dict[str, Any]]:
        self.reports += 1
        day = datetime.now(UTC).strftime("%Y-%m-%dT00:00:00.000000Z")
        for campaign in ("4242", "4343"):
            is_running = campaign == "4343" or self.status == "ACTIVE"
            self.spent[campaign, day] = self.spent.get((campaign, day), 0) + STEP * is_running
        return [
            {
                "account_id": self.account, "campaign_id": campaign, "campaign_name": f"{campaign} there", "ad_id": f"{campaign}1",
                "date_start": date, "spend": spent, "impressions": 100 * spent, "inline_link_clicks": spent, "reports": self.reports,
            }
            for (campaign, date), spent in self.spent.items()
        ]  # fmt: skip

    def total(self, campaign: str) -> int:
        return sum(spent for (name, _), spent in self.spent.items() if name == campaign)


@pytest.fixture
def there() -> Iterator[SpendingPlatform]:
    if not SDKS.is_dir():
        if REQUIRE_PROGRAMS:
            pytest.fail(f"{SDKS} is absent; make rest fills it")
        pytest.skip(f"{SDKS} is absent; make rest fills it")
    platform = SpendingPlatform()
    yield platform
    platform.stop()


def registration(campaign_id: str, **targets: int) -> tuple[str, bytes, dict[str, Any]]:
    """What a person registers: nothing of where the campaign is."""
    return (
        topics.CAMPAIGNS,
        campaign_id.encode(),
        {"campaign_id": campaign_id, "budget": "5000.00", "targets": targets},
    )


def delivery(leads: dict[str, int]) -> bytes:
    """A delivery of Meta's webhook: so many new leads of each form."""
    now = time.time_ns()
    changes = [
        {"field": "leadgen", "value": {"leadgen_id": f"{now}{form}{number}", "form_id": form, "created_time": now // 10**9}}
        for form, count in leads.items()
        for number in range(count)
    ]  # fmt: skip
    return json.dumps(
        {"object": "page", "entry": [{"id": "1", "time": now // 10**9, "changes": changes}]}
    ).encode()


def deliver(address: str, leads: dict[str, int]) -> None:
    body = delivery(leads)
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    question = urllib.request.Request(
        f"{address}/in/meta", body, {"X-Hub-Signature-256": f"sha256={signature}"}
    )
    with urllib.request.urlopen(question, timeout=30) as answer:
        assert answer.status == 200


def test_a_bad_campaign_is_paused_there_and_its_next_report_and_the_board_show_it(
    broker, cache, settings_for, tmp_path, there
):
    collect_port, collect_metrics, board_port = free_ports(3)
    (tmp_path / "collect.toml").write_text(COLLECT)
    (tmp_path / "app.secret").write_text(SECRET)
    (tmp_path / "tap.py").write_text(TAP)
    (tmp_path / "token").write_text(there.token)
    (tmp_path / "platforms.toml").write_text(
        f'[meta]\naccess_token = {{ file = "{tmp_path}/token" }}\nendpoint = "{there.endpoint}"\n'
    )
    settings = settings_for(
        broker, budget_mode="enforce", redis_url=cache.url, partitions=2, board_port=board_port, board_token=TOKEN,
        collect_port=collect_port, collect_metrics_port=collect_metrics, collect_file=tmp_path / "collect.toml",
    )  # fmt: skip
    ensure_topics(settings, create=True)
    # The second campaign has no target: its reports spread spend over the day so far, while its leads are all of this moment, so
    # without the guards of time it would be judged on spend without leads.
    write(settings, [registration("meta-4242", cpl=2), registration("meta-4343")])
    board, collector = f"http://127.0.0.1:{board_port}", f"http://127.0.0.1:{collect_port}"

    def started(name: str, *arguments: str) -> Server:
        folder = tmp_path / name
        folder.mkdir()
        path = os.pathsep.join((str(Path(__file__).parents[2]), str(SDKS)))
        command = [sys.executable, "-m", "streams", *arguments]
        return Server(name, Command(command, variables(settings, PYTHONPATH=path)), folder)

    def card(campaign_id: str) -> dict[str, Any]:
        cards = ask(f"{board}/api/board")["cards"]
        return next((each for each in cards if each["campaign_id"] == campaign_id), {})

    def effects() -> list[dict[str, Any]]:
        return ask(f"{board}/api/board")["effects"]

    told = [0]

    def life_goes_on() -> None:
        """Each report is followed by the leads of its time: one for 27 that the first campaign spent, and one for 2 of the other."""
        if there.reports > told[0]:
            told[0] = there.reports
            deliver(collector, {"1": there.reports % 3 == 0, "2": 4 + there.reports % 2})

    def is_confirmed() -> bool:
        life_goes_on()
        return [each["stage"] for each in effects()] == ["confirmed"]

    def has_spent(campaign_id: str, least: int) -> bool:
        life_goes_on()
        return card(campaign_id)["spent_micros"] >= least * 10**6

    with contextlib.ExitStack() as stack:
        stack.enter_context(running_worker(settings, tmp_path, ROISTREAM_BUDGET=json.dumps(POLICY)))
        tap = ["--", sys.executable, str(tmp_path / "tap.py"), there.endpoint, str(tmp_path / "token")]
        ingest = [
            "ingest",
            "singer",
            "--mapping",
            "meta_connector",
            "--connection",
            "meta",
            "--frame",
            "currency=EUR",
        ]
        carry_out = ["apply", "--platforms", str(tmp_path / "platforms.toml"), "--carry-out"]
        for name, arguments in {
            "board": ["board"],
            "collect": ["collect"],
            "ingest": [*ingest, "--every", "1s", *tap],
            "apply": carry_out,
        }.items():
            stack.callback(started(name, *arguments).stop)
        wait_for("the board", lambda: is_ready(board))
        wait_for("the collector", lambda: is_ready(collector))
        wait_for("the pause is confirmed on the board", is_confirmed)
        assert there.writes == [{"status": "PAUSED"}]
        spent, others = there.total("4242"), there.total("4343")
        wait_for(
            "the board has the platform's next reports", lambda: has_spent("meta-4343", others + 3 * STEP)
        )
        assert there.total("4242") == spent
        wait_for("the board has all of the first campaign's spend", lambda: has_spent("meta-4242", spent))
        (effect,), paused = effects(), card("meta-4242")
    assert (effect["platform_account_id"], effect["platform_campaign_id"]) == ("77", "4242")
    assert effect["parts"][0]["seen"]["status"] == "paused"
    assert (paused["column"], paused["name"], paused["budget_micros"]) == ("hold", "4242 there", 5000 * 10**6)
    assert paused["spent_micros"] == spent * 10**6
    (action,) = published(settings, topics.BUDGET_ACTIONS)
    assert (action["campaign_id"], action["verb"], action["action_id"]) == (
        "meta-4242",
        "pause",
        effect["action_id"],
    )
    assert published(settings, topics.DEAD_LETTERS) == []

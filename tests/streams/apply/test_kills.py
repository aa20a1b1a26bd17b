"""``roistream apply`` is killed (SIGKILL) in the middle of calls: no effect comes twice, and every unknown outcome is settled."""

import json
import os
import random
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from streams import topics
from streams.transport.topic_admin import ensure_topics
from tests.streams.apply.killed_process import carry_out
from tests.streams.apply.test_run import Log
from tests.support.servers.forked import ForkedProcess

CAMPAIGNS = ("c-0", "c-1", "c-2")
#: How often the process is killed for each seed.
KILLS = 4


class KillingPlatform:
    """Campaigns over HTTP; kills who asks, at the call that is chosen: before the effect, after it, or after the answer."""

    def __init__(self):
        self.campaigns = {name: {"status": "running", "budget_micros": 1_000_000_000} for name in CAMPAIGNS}
        self.changes, self.applied = Counter(), []
        self.process, self.calls_left, self.where, self.kills = None, None, None, 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def kill_if(self, where):
        if self.calls_left == 0 and self.where == where:
            self.calls_left = None
            self.kills += 1
            self.process.kill()

    def _handler(self):
        there = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Tests are quiet."""

            def _answer(self, body):
                name = self.path.strip("/")
                with there._lock:
                    if there.calls_left:
                        there.calls_left -= 1
                    there.kill_if("before")
                    if body and there.process.is_running():
                        there.applied.append((name, body))
                        there.campaigns[name].update(body)
                        there.changes[name] += 1
                    there.kill_if("after")
                    found = there.campaigns[name] | {"currency": "EUR", "version": str(there.changes[name])}
                    payload = json.dumps(found).encode()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(payload)))
                    self.end_headers()
                    self.wfile.write(payload)
                    there.kill_if("answered")

            def do_GET(self):
                self._answer(None)

            def do_POST(self):
                self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        return Handler


@pytest.fixture
def there():
    made = KillingPlatform()
    yield made
    made.stop()


@pytest.fixture
def settings(broker, settings_for):
    settings = settings_for(broker)
    ensure_topics(settings, create=True)
    return settings


def started(settings, there):
    there.process = ForkedProcess(carry_out, settings, there.address)
    return there.process


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(int(os.environ.get("APPLY_SEEDS", "1"))))
def test_no_effect_comes_twice_wherever_the_process_is_killed(settings, there, seed):
    chance, log, number = random.Random(seed), Log(settings), 0
    for name in CAMPAIGNS:
        record = {"campaign_id": name, "currency": "EUR", "platform": "meta"}
        record |= {"platform_account_id": "account", "platform_campaign_id": name}
        log._put(topics.CAMPAIGNS, name, json.dumps(record).encode())
    is_paused = dict.fromkeys(CAMPAIGNS, False)
    for _ in range(KILLS):
        for name in CAMPAIGNS:
            number += 1
            if chance.random() < 0.5:
                log.decide(f"a{number}", "set_budget", name, budget=float(number))
            else:
                log.decide(f"a{number}", "resume" if is_paused[name] else "pause", name)
                is_paused[name] = not is_paused[name]
        there.calls_left, there.where = chance.randrange(1, 9), chance.choice(["before", "after", "answered"])
        started(settings, there).wait(300)
    there.calls_left = None
    assert started(settings, there).wait(300) == 0
    _, last = log.effects()
    assert there.kills > 0
    assert len(last) == number
    assert {effect["stage"] for effect in last.values()} <= {"confirmed", "refused"}
    assert {effect["because"] for effect in last.values() if effect["stage"] == "refused"} <= {"superseded"}
    budgets = Counter(
        (name, body["budget_micros"]) for name, body in there.applied if "budget_micros" in body
    )
    assert set(budgets.values()) <= {1}
    for name in CAMPAIGNS:
        statuses = [body["status"] for each, body in there.applied if each == name and "status" in body]
        assert all(before != after for before, after in pairwise(["running", *statuses]))
        assert there.campaigns[name]["status"] == ("paused" if is_paused[name] else "running")

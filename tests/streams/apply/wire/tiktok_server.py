"""Enough of TikTok's Business API for the SDK: a campaign of one advertiser, and every failure that a test asks for."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.streams.apply.wire.giving_up import leave_unanswered

CODES = {
    "expired": (40_105, "Access token is incorrect or has been revoked."),
    "too_many": (40_100, "Requests made too frequently."),
    "too_low": (40_002, "The budget must be at least 50."),
    "refused": (40_001, "No permission to operate the advertiser."),
    "failed": (20_001, "Partial success: 4242 was not updated."),
}


class TikTokServer:
    """Serves on a free port; ``fates`` say what becomes of the next writes: a key of ``CODES``, ``unanswered``, or an HTTP status."""

    def __init__(self, currency="EUR"):
        self.status, self.budget, self.currency, self.changes = "ENABLE", 1000.0, currency, 0
        self.token, self.least, self.fates, self.writes = "token-of-tiktok", 50, [], []
        self.mode = "BUDGET_MODE_TOTAL"
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        self._server, self.given_up = server, threading.Event()
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def make_daily(self):
        self.mode = "BUDGET_MODE_DAY"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def get(self, path, fields):
        if path == "/open_api/v1.3/advertiser/info/":
            assert json.loads(fields["advertiser_ids"][0]) == ["77"]
            return self.data({"list": [{"advertiser_id": "77", "currency": self.currency}]})
        assert path == "/open_api/v1.3/campaign/get/"
        assert fields["advertiser_id"] == ["77"]
        ids = json.loads(fields["filtering"][0])["campaign_ids"]
        campaign = {
            "campaign_id": "4242", "operation_status": self.status, "secondary_status": "CAMPAIGN_STATUS_ENABLE",
            "budget_mode": self.mode, "budget": self.budget, "modify_time": f"2026-11-21 10:00:{self.changes:02d}",
        }  # fmt: skip
        return self.data({"list": [campaign] if ids == ["4242"] and self.status is not None else []})

    def post(self, path, body):
        assert body["advertiser_id"] == "77"
        if path == "/open_api/v1.3/campaign/status/update/":
            assert body["campaign_ids"] == ["4242"]
            values = {"status": body["operation_status"]}
        else:
            assert path == "/open_api/v1.3/campaign/update/"
            assert set(body) == {"advertiser_id", "campaign_id", "budget"}
            values = {"budget": body["budget"]}
        fate = self.fates.pop(0) if self.fates else "done"
        if fate == "done" and values.get("budget", self.least) < self.least:
            fate = "too_low"
        if fate in CODES:
            return self.refusal(fate)
        if isinstance(fate, int):
            return fate, {}
        self.writes.append(values)
        self.changes += 1
        self.status, self.budget = values.get("status", self.status), values.get("budget", self.budget)
        return (None, None) if fate == "unanswered" else self.data({"campaign_ids": ["4242"]})

    @staticmethod
    def data(found):
        return 200, {"code": 0, "message": "OK", "request_id": "1", "data": found}

    @staticmethod
    def refusal(name):
        code, message = CODES[name]
        return 200, {"code": code, "message": message, "request_id": "1", "data": {}}

    def _handler(self):
        there = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Tests are quiet."""

            def _answer(self, act):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                is_known = self.headers["Access-Token"] == there.token
                status, value = act(parts, body) if is_known else there.refusal("expired")
                if status is None:
                    leave_unanswered(self.connection, there.given_up)
                    return
                payload = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status == 429:
                    self.send_header("Retry-After", "180")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def do_GET(self):
                self._answer(lambda parts, _: there.get(parts.path, parse_qs(parts.query)))

            def do_POST(self):
                self._answer(lambda parts, body: there.post(parts.path, json.loads(body)))

        return Handler

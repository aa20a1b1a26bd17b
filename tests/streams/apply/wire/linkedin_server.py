"""Enough of LinkedIn's Marketing API for the SDK, as Rest.li: one campaign of one account, and every failure that a test asks for."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.streams.apply.wire.giving_up import leave_unanswered

ERRORS = {
    "expired": (401, "The token used in the request has expired"),
    "too_many": (429, "Resource level throttle limit for calls to this resource is reached."),
    "too_low": (400, "The budget must be at least 10.00."),
    "refused": (403, "Not enough permissions to access: PARTIAL_UPDATE /adCampaigns"),
    "absent": (404, "The campaign was not found"),
    "retired": (426, "Requested version 202401 is not active"),
}


class LinkedInServer:
    """Serves on a free port; ``fates`` say what becomes of the next writes: a key of ``ERRORS``, ``failed``, ``unanswered``, or an HTTP status."""

    def __init__(self, currency="EUR"):
        self.status, self.budget, self.currency, self.changes = "ACTIVE", 1000.0, currency, 0
        self.name, self.is_retired = "totalBudget", False
        self.token, self.least, self.fates, self.writes = "token-of-linkedin", 10, [], []
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        self._server, self.given_up = server, threading.Event()
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def make_daily(self):
        self.name = "dailyBudget"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def get(self):
        if self.status is None:
            return self.error("absent")
        amount = {"amount": str(self.budget), "currencyCode": self.currency}
        found = {"id": 4242, "account": "urn:li:sponsoredAccount:77", "status": self.status}
        return 200, found | {self.name: amount, "version": {"versionTag": str(self.changes)}}

    def post(self, body):
        ((kind, patch),) = body.items()
        assert kind == "patch"
        (values,) = patch.values()
        assert list(patch) == ["$set"]
        assert set(values) in ({"status"}, {self.name})
        fate = self.fates.pop(0) if self.fates else "done"
        if self.name in values:
            assert values[self.name]["currencyCode"] == self.currency
            amount = float(values[self.name]["amount"])
            if fate == "done" and amount < self.least:
                fate = "too_low"
        if fate in ERRORS:
            return self.error(fate)
        if isinstance(fate, int):
            return fate, {}
        if fate == "failed":
            return 422, {"message": "a part failed"}
        self.writes.append(values)
        self.changes += 1
        self.status = values.get("status", self.status)
        self.budget = amount if self.name in values else self.budget
        return (None, None) if fate == "unanswered" else (204, None)

    @staticmethod
    def error(name):
        status, message = ERRORS[name]
        return status, {"status": status, "message": message}

    def _handler(self):
        there = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Tests are quiet."""

            def _answer(self, method, act):
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                assert self.path == "/rest/adAccounts/77/adCampaigns/4242"
                assert (self.headers["LinkedIn-Version"], self.headers["X-RestLi-Method"]) == (
                    "202611",
                    method,
                )
                is_known = self.headers["Authorization"] == f"Bearer {there.token}"
                status, value = act(raw) if is_known else there.error("expired")
                if there.is_retired:
                    status, value = there.error("retired")
                if status is None:
                    leave_unanswered(self.connection, there.given_up)
                    return
                payload = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "180")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def do_GET(self):
                self._answer("GET", lambda _: there.get())

            def do_POST(self):
                self._answer("PARTIAL_UPDATE", lambda raw: there.post(json.loads(raw)))

        return Handler

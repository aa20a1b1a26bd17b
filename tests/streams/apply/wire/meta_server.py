"""Enough of Meta's Graph API for the SDK: campaigns of one account, and every failure that a test asks for."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.streams.apply.wire.giving_up import leave_unanswered

ERRORS = {
    "expired": (400, {"message": "Error validating access token", "type": "OAuthException", "code": 190}),
    "too_many": (
        400,
        {"message": "There have been too many calls", "type": "OAuthException", "code": 80_004},
    ),
    "too_low": (
        400,
        {"message": "Invalid parameter", "type": "OAuthException", "code": 100, "error_subcode": 1_885_272},
    ),
    "absent": (
        400,
        {
            "message": "Unsupported get request",
            "type": "GraphMethodException",
            "code": 100,
            "error_subcode": 33,
        },
    ),
    "refused": (403, {"message": "Permissions error", "type": "OAuthException", "code": 200}),
}


class MetaServer:
    """Serves on a free port; ``fates`` say what becomes of the next writes: a key of ``ERRORS``, ``failed`` or ``unanswered``."""

    def __init__(self, currency="EUR"):
        self.status, self.budget, self.currency, self.changes = "ACTIVE", 100_000, currency, 0
        self.budget_name, self.account, self.token, self.least, self.fates, self.writes = (
            "lifetime_budget",
            "77",
            "token-of-meta",
            500,
            [],
            [],
        )
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        self._server, self.given_up = server, threading.Event()
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def make_daily(self):
        self.budget_name = "daily_budget"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def get(self, path):
        path = path.rstrip("/")
        if path.endswith(f"/act_{self.account}"):
            return 200, {"id": f"act_{self.account}", "currency": self.currency}
        if self.status is None or not path.endswith("/4242"):
            return self.error("absent")
        found = {"id": "4242", "account_id": self.account, "status": self.status}
        found |= {
            "updated_time": f"2026-11-21T10:00:{self.changes:02d}+0000",
            self.budget_name: str(self.budget),
        }
        return 200, found

    def post(self, fields):
        fate = self.fates.pop(0) if self.fates else "done"
        budget = fields.get(self.budget_name, ["0"])[0]
        if fate == "done" and self.budget_name in fields and int(budget) < self.least:
            fate = "too_low"
        if fate in ERRORS:
            return self.error(fate)
        if fate == "failed":
            return 200, {"success": False}
        self.writes.append({name: value[0] for name, value in fields.items() if name != "access_token"})
        self.changes += 1
        self.status = fields.get("status", [self.status])[0]
        self.budget = int(budget) if self.budget_name in fields else self.budget
        return (None, None) if fate == "unanswered" else (200, {"success": True})

    @staticmethod
    def error(name):
        status, error = ERRORS[name]
        return status, {"error": error}

    def _handler(self):
        there = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                """Tests are quiet."""

            def _answer(self, act):
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                token = parse_qs(parts.query).get("access_token", [""])[0]
                status, value = (
                    act(parts.path, parse_qs(body)) if token == there.token else there.error("expired")
                )
                if status is None:
                    leave_unanswered(self.connection, there.given_up)
                    return
                payload = json.dumps(value).encode()
                self.send_response(status)
                if value.get("error", {}).get("code") == 80_004:
                    usage = {
                        there.account: [{"type": "ads_management", "estimated_time_to_regain_access": 3}]
                    }
                    self.send_header("X-Business-Use-Case-Usage", json.dumps(usage))
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def do_GET(self):
                self._answer(lambda path, _: there.get(path))

            def do_POST(self):
                self._answer(lambda _, fields: there.post(fields))

        return Handler

"""A receiver of Alertmanager's webhook, and the records of alerts that came in."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Received:
    """Firing alerts by (alertname, job), with the wall clock at which each first came."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.firing: dict[tuple[str, str], float] = {}

    def take(self, body: dict[str, Any]) -> None:
        for alert in body["alerts"]:
            if alert["status"] == "firing":
                key = (alert["labels"]["alertname"], alert["labels"].get("job", ""))
                self.firing.setdefault(key, time.time())


@contextlib.contextmanager
def webhook() -> Iterator[Received]:
    """A server on a free port for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Received(f"http://127.0.0.1:{server.server_port}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        server.server_close()

"""A server that takes JSON, and a receiver of Alertmanager's webhook with the alerts that came in."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
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
def posts(answer: Callable[[Any, dict[str, str]], int]) -> Iterator[str]:
    """A server on a free port for as long as the context lasts; its address.

    Args:
        answer: the status for the JSON and the headers of a POST.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(answer(body, dict(self.headers)))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def webhook() -> Iterator[Received]:
    """What Alertmanager tells a server, for as long as the context lasts."""

    def answer(body: Any, _headers: dict[str, str]) -> int:
        received.take(body)
        return 200

    received = Received("")
    with posts(answer) as received.url:
        yield received

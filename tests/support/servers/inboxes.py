"""Receivers of notifications: an SMTP server and an HTTP server that keep what they took in, and fail as they are told to."""

import asyncio
import base64
import contextlib
import email
import email.policy
import ssl
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

from tests.support.servers.webhook import posts


class MailInbox:
    """Letters that were taken in.

    Attributes:
        codes: what is answered to the next letters, one each; 250 once they are used up.
        is_silent: whether nothing is answered at all.
        logins: user and password of each AUTH PLAIN, with whether the connection was encrypted by then.
    """

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self.port = 0
        self.letters: list[EmailMessage] = []
        self.codes: list[int] = []
        self.is_silent = False
        self.logins: list[tuple[str, str, bool]] = []
        self._context = context

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation (RFC 5321)."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.is_silent:
                await reader.read()
                return
            is_encrypted = False
            writer.write(b"220 inbox\r\n")
            while line := (await reader.readline()).decode().strip():
                verb, _, rest = line.partition(" ")
                match verb.upper():
                    case "EHLO":
                        offer = b"250-STARTTLS\r\n" if self._context and not is_encrypted else b""
                        writer.write(b"250-inbox\r\n" + offer + b"250 AUTH PLAIN\r\n")
                    case "STARTTLS":
                        writer.write(b"220 go on\r\n")
                        await writer.start_tls(self._context)
                        is_encrypted = True
                    case "AUTH":
                        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
                        self.logins.append((user, password, is_encrypted))
                        writer.write(b"235 welcome\r\n")
                    case "DATA":
                        writer.write(b"354 go on\r\n")
                        body = await reader.readuntil(b"\r\n.\r\n")
                        code = self.codes.pop(0) if self.codes else 250
                        if code == 250:
                            self.letters.append(
                                email.message_from_bytes(
                                    body[:-3].replace(b"\r\n", b"\n"), policy=email.policy.default
                                )
                            )
                        writer.write(f"{code} said\r\n".encode())
                    case "QUIT":
                        writer.write(b"221 bye\r\n")
                        break
                    case _:
                        writer.write(b"250 well\r\n")
                await writer.drain()
        writer.close()


@contextlib.contextmanager
def mail_inbox(context: ssl.SSLContext | None = None) -> Iterator[MailInbox]:
    """An SMTP server on a free port for as long as the context lasts; with a context it offers STARTTLS."""
    inbox, loop, is_ready = MailInbox(context), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(inbox.serve, "127.0.0.1", 0)
        inbox.port = server.sockets[0].getsockname()[1]
        is_ready.set()
        await stop.wait()
        server.close()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert is_ready.wait(10)
    try:
        yield inbox
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


class HttpInbox:
    """Bodies that were taken in, with their headers; ``codes`` are answered to the next requests, 200 once they are used up."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.refused: list[dict[str, Any]] = []
        self.codes: list[int] = []


@contextlib.contextmanager
def http_inbox() -> Iterator[HttpInbox]:
    """An HTTP server on a free port for as long as the context lasts."""

    def answer(body: Any, headers: dict[str, str]) -> int:
        code = inbox.codes.pop(0) if inbox.codes else 200
        (inbox.bodies if code == 200 else inbox.refused).append(body)
        inbox.headers.append(headers)
        return code

    inbox = HttpInbox("")
    with posts(answer) as address:
        inbox.url = f"{address}hooks/very-secret-path"
        yield inbox

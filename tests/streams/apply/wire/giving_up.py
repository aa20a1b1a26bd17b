"""A request that a local platform leaves without an answer, until its client has given up."""

import contextlib
import socket
import threading

#: Far longer than a client of the tests waits.
_LIMIT_S = 60.0


def leave_unanswered(connection: socket.socket, given_up: threading.Event) -> None:
    """Wait until a client closes its connection, and tell; it may still wait after a minute, and nothing is told then."""
    connection.settimeout(_LIMIT_S)
    with contextlib.suppress(ConnectionError):
        assert connection.recv(1) == b"", "nothing more is sent"
    given_up.set()

"""Whether a broker lets us in, and if not, which setting to look at. Knows no topic and keeps no connection.

The Kafka clients try again for ever whatever stands in their way; here what cannot heal by waiting (a wrong
password, a certificate that is not trusted) is told from what can (a broker that is still starting).
A guess is never final: TLS or SASL missing on one side is confirmed by a second connection that has it.
"""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from aiokafka import errors
from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.protocol.metadata import MetadataRequest

from metrics.values.errors import RoistreamError
from metrics.values.time import format_duration
from streams.settings import Settings
from streams.transport.client_options import aiokafka_options

#: One attempt at one address; TLS and SCRAM with a far broker take well under a second.
_ATTEMPT_S = 5.0
#: And one that only confirms how a listener speaks.
_CONFIRM_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0
_SILENT = "what listens there does not answer"
_PROTOCOL = "ROISTREAM_BROKER_SECURITY_PROTOCOL"
#: OpenSSL's codes of a certificate that is for another name or address.
_OTHER_NAME = (62, 63, 64)
#: And of one whose dates are not now: not yet valid, expired.
_OTHER_TIME = (9, 10)


class ConnectionProblem(NamedTuple):
    """Why a broker does not let us in; ``is_final`` says that waiting does not help.

    The text of a final one is a whole sentence that says what to do, of another a few words.
    """

    text: str
    is_final: bool


class _LastMessage(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


@contextlib.contextmanager
def quiet_clients() -> Iterator[Callable[[], str]]:
    """The clients log every attempt at ERROR; the error we raise says it once.

    Yields:
        What gives the client's last warning or error; empty as long as there is none.
    """
    last = _LastMessage()
    loggers = [logging.getLogger(name) for name in ("kafka", "aiokafka")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        logger.addHandler(last)
    try:
        yield lambda: last.text
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate = propagate
            logger.removeHandler(last)


async def let_in(settings: Settings, within_ms: int) -> None:
    """Return as soon as one of the addresses lets us in, after retries with growing pauses.

    Raises:
        SettingError: when the security settings are incomplete.
        RoistreamError: at once for a final obstacle, else when the time is over.
    """
    options = aiokafka_options(settings)
    del options["bootstrap_servers"]
    obstacle: ConnectionProblem | None = ConnectionProblem(_SILENT, is_final=False)
    pause, loop = _FIRST_PAUSE_S, asyncio.get_running_loop()
    ends = loop.time() + within_ms / 1000
    try:
        async with asyncio.timeout_at(ends):
            while (obstacle := await _first_obstacle(settings.bootstrap, options)) and not obstacle.is_final:
                # A client may swallow the cancellation while it cleans up; a second one does not come.
                await asyncio.wait_for(asyncio.sleep(pause), ends - loop.time())
                pause = min(2 * pause, _LONGEST_PAUSE_S)
    except TimeoutError as error:
        assert obstacle is not None, "without an obstacle the loop had ended"
        raise RoistreamError(
            f"No broker answers at {', '.join(settings.bootstrap)} within {format_duration(within_ms)} "
            f"({obstacle.text}); start it, or correct ROISTREAM_BROKER."
        ) from error
    if obstacle is not None:
        raise RoistreamError(obstacle.text)


async def _first_obstacle(addresses: list[str], options: Mapping[str, Any]) -> ConnectionProblem | None:
    """None when any address lets us in; else a final obstacle before one that may heal."""
    obstacles = []
    for address in addresses:
        obstacle = await examine(address, options)
        if obstacle is None:
            return None
        obstacles.append(obstacle)
    return max(obstacles, key=lambda each: each.is_final)


async def examine(address: str, options: Mapping[str, Any]) -> ConnectionProblem | None:
    """What stands between us and the broker at one address.

    Args:
        address: ``host:port``.
        options: ``security_protocol`` and what it needs, as aiokafka takes them.
    """
    try:
        await asyncio.wait_for(_ask(address, options), _ATTEMPT_S)
    except (errors.KafkaError, OSError) as error:
        certain = _certain(address, options, error)
        if certain is None and not isinstance(error, socket.gaierror | ConnectionRefusedError):
            certain = await _confirmed(address, options["security_protocol"])
        return certain or ConnectionProblem(_words(address, error), is_final=False)
    return None


async def _ask(address: str, options: Mapping[str, Any]) -> None:
    """Connect and ask for the cluster's brokers: a listener with SASL answers that to nobody unknown."""
    connection = await _connect(address, options)
    try:
        await connection.send(MetadataRequest([]))
    finally:
        connection.close()


async def _connect(address: str, options: Mapping[str, Any]) -> AIOKafkaConnection:
    host, port = address.rsplit(":", 1)
    return await create_conn(host, int(port), request_timeout_ms=int(_ATTEMPT_S * 1000), **options)


def _words(address: str, error: Exception) -> str:
    """A few words for what may heal."""
    if isinstance(error, socket.gaierror):
        return f"the name {address.rsplit(':', 1)[0]} is unknown"
    if isinstance(error, TimeoutError):
        return _SILENT
    if isinstance(error, errors.KafkaConnectionError):
        return "it closes the connection"
    if isinstance(error, OSError):
        # The event loop writes an address into it, and asyncio and uvloop differ in how.
        return os.strerror(error.errno).lower() if error.errno else type(error).__name__
    return type(error).__name__


def _untrusted(address: str, error: ssl.SSLCertVerificationError) -> str:
    what = f"The certificate of the broker at {address}"
    why = error.verify_message.rstrip(".")
    if error.verify_code in _OTHER_NAME:
        return f"{what} is for another name ({why}); name the broker in ROISTREAM_BROKER as its certificate does."
    if error.verify_code in _OTHER_TIME:
        return f"{what} is not valid now ({why}); renew it at the broker, or correct this machine's clock."
    return f"{what} is not trusted ({why}); set ROISTREAM_BROKER_SSL_CAFILE to the PEM file of its authority."


def _wants_certificate(address: str) -> str:
    return (
        f"The broker at {address} wants a certificate of its clients, which roistream does not offer; "
        f"name a listener with a user and password in ROISTREAM_BROKER and set {_PROTOCOL} to SASL_SSL."
    )


def _certain(address: str, options: Mapping[str, Any], error: Exception) -> ConnectionProblem | None:
    """What an error alone proves; None when it may have several causes."""
    text = None
    if isinstance(error, ssl.SSLCertVerificationError):
        text = _untrusted(address, error)
    elif isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in str(error).upper():
        text = _wants_certificate(address)
    elif isinstance(error, errors.UnsupportedSaslMechanismError):
        text = (
            f"The broker at {address} does not offer {options['sasl_mechanism']}; "
            "correct ROISTREAM_BROKER_SASL_MECHANISM."
        )
    elif isinstance(error, errors.IllegalSaslStateError):
        bare = options["security_protocol"].removeprefix("SASL_")
        text = (
            f"The broker at {address} takes no users there; set {_PROTOCOL} to {bare}, "
            "or name its listener with SASL in ROISTREAM_BROKER."
        )
    elif isinstance(error, errors.SaslAuthenticationFailed | errors.AuthenticationFailedError):
        text = (
            f"The broker at {address} refuses user {options['sasl_plain_username']!r}; "
            "correct ROISTREAM_BROKER_SASL_USERNAME, _PASSWORD or _MECHANISM."
        )
    return None if text is None else ConnectionProblem(text, is_final=True)


async def _confirmed(address: str, protocol: str) -> ConnectionProblem | None:
    """The other way to speak that this listener understands, if there is one."""
    has_tls, has_sasl = protocol.endswith("SSL"), protocol.startswith("SASL")
    if await _speaks(address, has_tls=not has_tls):
        # Without a user or with one: whether it wants one is seen when TLS is right.
        wanted = ("SASL_" if has_sasl else "") + ("PLAINTEXT" if has_tls else "SSL")
        does = "does not speak TLS" if has_tls else "speaks TLS"
        text = f"The broker at {address} {does}; set {_PROTOCOL} to {wanted}, or correct ROISTREAM_BROKER."
        return ConnectionProblem(text, is_final=True)
    if not has_sasl and await _takes_users(address, has_tls=has_tls):
        text = (
            f"The broker at {address} wants a user; set {_PROTOCOL} to SASL_{protocol}, "
            "ROISTREAM_BROKER_SASL_USERNAME and ROISTREAM_BROKER_SASL_PASSWORD."
        )
        return ConnectionProblem(text, is_final=True)
    return None


async def _speaks(address: str, *, has_tls: bool) -> bool:
    """Whether Kafka is spoken there with or without TLS; nothing secret is sent."""
    try:
        connection = await asyncio.wait_for(_connect(address, _blind("", has_tls=has_tls)), _CONFIRM_S)
    except (errors.KafkaError, OSError):
        return False
    connection.close()
    return True


async def _takes_users(address: str, *, has_tls: bool) -> bool:
    """Whether the listener discusses mechanisms; it is asked for one that nobody has."""
    try:
        connection = await asyncio.wait_for(_connect(address, _blind("SASL_", has_tls=has_tls)), _CONFIRM_S)
    except errors.UnsupportedSaslMechanismError:
        return True
    except (errors.KafkaError, OSError):
        return False
    connection.close()
    return True


def _blind(prefix: str, *, has_tls: bool) -> dict[str, Any]:
    """Options that trust anybody, to learn how a listener speaks and never to hand it anything."""
    options: dict[str, Any] = {"security_protocol": prefix + ("SSL" if has_tls else "PLAINTEXT")}
    if prefix:
        options["sasl_mechanism"] = "none"
    if has_tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        options["ssl_context"] = context
    return options

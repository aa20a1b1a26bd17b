"""What every process of roistream does alike: its log, its clock, its signals, and what it says of a port it cannot have."""

import asyncio
import contextlib
import errno
import logging
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_AGAIN_S = 0.5
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def now_ms() -> int:
    """Wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def log_to_stderr(level: str, libraries: Sequence[str]) -> None:
    """Log to standard error.

    Args:
        level: the lowest level that is logged.
        libraries: names of loggers of which only warnings and worse are logged.
    """
    logging.basicConfig(level=level, format=_LOG_FORMAT, force=True)
    for name in libraries:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def quiet_clients() -> None:
    """Let the Kafka clients say nothing: a command says what is wrong in a sentence of its own.

    Clients warn of every attempt that they repeat, as in the first seconds of a topic. Processes with a log call
    ``log_to_stderr`` afterwards.
    """
    for name in ("aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextlib.contextmanager
def stop_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call ``stop`` in the running event loop at SIGTERM and SIGINT, as long as the context lasts.

    Afterwards what handled the signals before handles them again; the loop by itself would give SIGINT a handler that a
    shell took away from a command that it runs in the background.
    """
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _STOP_SIGNALS}
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            if handler is not None:  # None: one that was not set from Python
                signal.signal(number, handler)


async def end_tasks(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended, whatever they end with.

    Once is not enough: ``asyncio.wait_for`` of Python 3.11, by which the client of Redis sends, forgets a cancellation that comes in
    the moment in which it is done (https://github.com/python/cpython/issues/86296).
    """
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


def port_refusal(error: OSError, host: str, port: int, setting: str) -> str:
    """Why an address cannot be listened on, and what to do.

    Args:
        error: what the system said.
        host: of the address.
        port: of the address.
        setting: the prefix of the settings of host and port, such as ``ROISTREAM_HTTP``.
    """
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken; stop who holds it, or set {setting}_PORT to another (0 takes a free one)."
    return f"{host}:{port} cannot be listened on ({error.strerror or error}); correct {setting}_HOST or {setting}_PORT."

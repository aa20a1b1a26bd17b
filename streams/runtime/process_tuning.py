"""What a worker sets for its whole process: garbage collection, turns of threads, event loops, memory that is given back."""

import asyncio
import contextlib
import ctypes
import gc
import sys
from typing import Any

#: Records come by thousands and go without cycles; at Python's 700 the collector took a fifth of the time.
_COLLECT_AFTER = (100_000, 20, 20)
#: The consumer thread needs the interpreter often and shortly while a fetch comes in; the default is 5 ms.
_SWITCH_SECONDS = 0.0005
#: The other side's goodbye is courtesy: what matters was confirmed before. Left alone, a loop waits 30 s for it,
#: and with uvloop one of some dozen connections on which an answer was under way never gets it: recovery, which
#: opens and closes a few per partition, then took half a minute with Apache Kafka 3.9.
_GOODBYE_SECONDS = 1.0


class _ShortGoodbye:
    """Mixin for loops: connections over TLS close within a second."""

    async def create_connection(self, *arguments: Any, **options: Any) -> Any:
        if options.get("ssl"):
            options.setdefault("ssl_shutdown_timeout", _GOODBYE_SECONDS)
        return await super().create_connection(*arguments, **options)  # type: ignore[misc]


def new_event_loop() -> asyncio.AbstractEventLoop:
    """A loop for a worker's thread."""
    try:
        import uvloop  # noqa: PLC0415 - not to be had on every platform
    except ImportError:
        return _loop_of(asyncio.SelectorEventLoop)
    return _loop_of(uvloop.Loop)


def _loop_of(kind: type[Any]) -> asyncio.AbstractEventLoop:
    loop: asyncio.AbstractEventLoop = type("Loop", (_ShortGoodbye, kind), {})()
    return loop


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return new_event_loop()


def tune() -> None:
    """Set what holds for the whole process: the garbage collector, how often threads take turns, and event loops.

    Every loop made from now on is one of ``new_event_loop``; Faust makes one in the consumer's thread. What there is by now
    stays for as long as the process, so the collector does not look at it again.
    """
    gc.freeze()
    gc.enable()
    gc.set_threshold(*_COLLECT_AFTER)
    sys.setswitchinterval(_SWITCH_SECONDS)
    asyncio.set_event_loop_policy(_Policy())


def give_back() -> None:
    """Return free pages to the system, also those between blocks that are in use.

    glibc keeps what a backlog has taken: a worker that had read 1.5 million clicks stayed at 530 MB. Other C libraries
    go on as they are. It takes some milliseconds, without the interpreter.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)

"""Event loops of a worker: uvloop where there is one, and a short goodbye on TLS connections."""

import asyncio
from typing import Any

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


def install() -> None:
    """Every loop made from now on is such a one; Faust makes one in the consumer's thread."""
    asyncio.set_event_loop_policy(_Policy())

"""How clients of Kafka are stopped: within a bound, whatever becomes of the broker."""

import asyncio
import logging
from typing import Any, Protocol

_logger = logging.getLogger(__name__)
STOP_WITHIN_S = 5.0


class Client(Protocol):
    """A producer or a consumer of aiokafka."""

    async def stop(self) -> Any:
        """Disconnect."""


async def stop_client(client: Client, within_s: float = STOP_WITHIN_S) -> None:
    """Disconnect a client, and return within a bound. The end of a client hides no error of the work that it did.

    Without a broker a producer tries for ever what is unconfirmed, and a consumer's ``stop`` may raise the cancellation of its own fetch.

    Args:
        client: the producer or consumer; one that was never started, or was stopped before, is left as it is.
        within_s: seconds after which the client is left to itself.
    """
    stopping = asyncio.ensure_future(client.stop())
    await asyncio.wait([stopping], timeout=within_s)
    if not stopping.done():
        stopping.cancel()
        _logger.warning("A client of Kafka did not end within %g s, and is left.", within_s)
    elif not stopping.cancelled() and (error := stopping.exception()) is not None:
        _logger.warning("A client of Kafka did not end in order (%s).", type(error).__name__)

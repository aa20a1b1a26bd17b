"""A broker of our own that speaks as much of Kafka's protocol as a transactional producer needs to be refused."""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Iterator

from aiokafka.protocol.admin import ApiVersionResponse_v1
from aiokafka.protocol.coordination import FindCoordinatorResponse_v1
from aiokafka.protocol.metadata import MetadataResponse_v1
from aiokafka.protocol.transaction import InitProducerIdResponse_v0

from streams.embedded.child_process import LOOPBACK

UNKNOWN, NO_COORDINATOR, INVALID_TIMEOUT, UNAUTHORIZED = -1, 15, 50, 53
_VERSIONS = [(18, 0, 2), (3, 1, 1), (10, 1, 1), (22, 0, 0)]


@contextlib.contextmanager
def refusing_broker(code: int) -> Iterator[str]:
    """A broker that answers every request for a producer id with an error code; its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    broker = _Broker(code)
    try:
        port = asyncio.run_coroutine_threadsafe(broker.start(), loop).result(10)
        yield f"{LOOPBACK}:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(broker.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


class _Broker:
    def __init__(self, code: int) -> None:
        self._code = code
        self._port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self._port

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                api, _, correlation = struct.unpack(">hhi", (await reader.readexactly(size))[:8])
                answer = struct.pack(">i", correlation) + self._answer(api)
                writer.write(struct.pack(">i", len(answer)) + answer)
                await writer.drain()

    def _answer(self, api: int) -> bytes:
        ours = (LOOPBACK, self._port)
        is_lost = self._code == NO_COORDINATOR
        answers = {
            18: ApiVersionResponse_v1(0, _VERSIONS, 0),
            3: MetadataResponse_v1([(1, *ours, None)], 1, []),
            10: FindCoordinatorResponse_v1(0, self._code if is_lost else 0, "", 1, *ours),
            22: InitProducerIdResponse_v0(0, self._code, -1, -1),
        }
        return bytes(answers[api].encode())

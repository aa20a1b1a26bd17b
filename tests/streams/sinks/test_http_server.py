"""The worker's HTTP endpoints over real sockets on loopback."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import ClientSession

from metrics.values.errors import RoistreamError
from streams.settings import Settings
from streams.sinks.http_server import MAX_CONNECTIONS, MAX_HEADER_BYTES, HttpServer

BODY = b"# a page\n" * 10_000


async def echo_accept(accept: str) -> tuple[bytes, str]:
    return BODY, "application/openmetrics-text" if accept == "openmetrics" else "text/plain; version=0.0.4"


def ready() -> tuple[bool, dict[str, Any]]:
    return True, {"ready": True}


@asynccontextmanager
async def serving(
    metrics: Any = echo_accept, is_ready: Any = ready
) -> AsyncIterator[tuple[ClientSession, HttpServer]]:
    server = HttpServer("127.0.0.1", 0, metrics, is_ready)
    await server.start()
    try:
        async with ClientSession(f"http://127.0.0.1:{server.port}") as session:
            yield session, server
    finally:
        await server.stop()


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), 30))


def test_port_0_takes_a_free_port_and_tells_it():
    async def test() -> None:
        async with serving() as (_, one), serving() as (_, two):
            assert 0 < one.port != two.port > 0

    run(test)


def test_metrics_get_the_accept_header_and_give_body_and_content_type():
    async def test() -> None:
        async with serving() as (session, _):
            async with session.get("/metrics", headers={"Accept": "openmetrics"}) as answer:
                assert (answer.status, await answer.read()) == (200, BODY)
                assert answer.headers["Content-Type"] == "application/openmetrics-text"
            async with session.get("/metrics", headers={"Accept": "text/html"}) as answer:
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4"

    run(test)


def test_a_large_page_is_compressed_for_who_accepts_it():
    async def test() -> None:
        async with serving() as (session, _):
            async with session.get("/metrics", headers={"Accept-Encoding": "gzip"}) as answer:
                assert answer.headers["Content-Encoding"] == "gzip"
                assert await answer.read() == BODY
            async with session.get("/metrics", headers={"Accept-Encoding": "identity"}) as answer:
                assert "Content-Encoding" not in answer.headers
                assert await answer.read() == BODY

    run(test)


def test_one_scrape_is_rendered_at_a_time():
    running = 0
    most = 0

    async def slow(accept: str) -> tuple[bytes, str]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(50):
            await asyncio.sleep(0)
        running -= 1
        return BODY, "text/plain"

    async def test() -> None:
        async with serving(slow) as (session, _):
            answers = await asyncio.gather(*(session.get("/metrics") for _ in range(5)))
            assert [answer.status for answer in answers] == [200] * 5

    run(test)
    assert most == 1


def test_a_page_that_fails_is_a_500_and_the_next_one_is_served():
    calls: list[str] = []

    async def fails_once(accept: str) -> tuple[bytes, str]:
        calls.append(accept)
        if len(calls) == 1:
            raise RuntimeError("secret detail")
        return BODY, "text/plain"

    async def test() -> None:
        async with serving(fails_once) as (session, _):
            async with session.get("/metrics") as answer:
                assert answer.status == 500
                assert "secret" not in await answer.text()
            async with session.get("/metrics") as answer:
                assert answer.status == 200

    run(test)


def test_healthz_says_the_process_lives_even_when_it_is_not_ready():
    async def test() -> None:
        async with (
            serving(is_ready=lambda: (False, {"broker": "unreachable"})) as (session, _),
            session.get("/healthz") as answer,
        ):
            assert (answer.status, await answer.text()) == (200, "ok\n")

    run(test)


@pytest.mark.parametrize(("is_ready", "status"), [(True, 200), (False, 503)])
def test_readyz_gives_the_reasons_as_json(is_ready: bool, status: int):
    detail = {"ready": is_ready, "reasons": ["tables of partition 1 are being recovered"]}

    async def test() -> None:
        async with (
            serving(is_ready=lambda: (is_ready, detail)) as (session, _),
            session.get("/readyz") as answer,
        ):
            assert answer.status == status
            assert await answer.json() == detail

    run(test)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/metrics", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/", 404),
        ("GET", "/table", 404),
        ("GET", "/metrics/x", 404),
    ],
)
def test_only_the_three_paths_are_there_and_only_to_be_read(method: str, path: str, status: int):
    async def test() -> None:
        async with serving() as (session, _), session.request(method, path) as answer:
            assert answer.status == status

    run(test)


def test_headers_beyond_the_limit_are_refused():
    async def test() -> None:
        async with (
            serving() as (session, _),
            session.get("/metrics", headers={"Accept": "x" * (MAX_HEADER_BYTES + 1)}) as answer,
        ):
            assert answer.status == 400

    run(test)


def test_a_taken_port_is_one_sentence_that_names_the_setting():
    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            server = HttpServer("127.0.0.1", port, echo_accept, ready)
            with pytest.raises(RoistreamError, match=rf"^Port {port} on 127.0.0.1 is taken; .*HTTP_PORT"):
                await server.start()
            await server.stop()
        await server.start()  # as soon as it is free
        assert server.port == port
        await server.stop()

    run(test)


def test_an_address_of_another_machine_is_one_sentence_that_names_the_setting():
    async def test() -> None:
        server = HttpServer("192.0.2.1", 0, echo_accept, ready)
        with pytest.raises(RoistreamError, match="ROISTREAM_HTTP_HOST"):
            await server.start()

    run(test)


def test_stop_closes_the_port():
    async def test() -> None:
        async with serving() as (session, server):
            port = server.port
            async with session.get("/healthz") as answer:
                assert answer.status == 200
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)

    run(test)


async def until(condition: Callable[[], bool]) -> None:
    ends = asyncio.get_running_loop().time() + 10
    while not condition():
        assert asyncio.get_running_loop().time() < ends
        await asyncio.sleep(0.01)


async def ended_after(reader: asyncio.StreamReader) -> float:
    """Seconds until the server ends the connection."""
    began = asyncio.get_running_loop().time()
    with suppress(ConnectionError):
        while await reader.read(65_536):
            pass
    return asyncio.get_running_loop().time() - began


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    """One byte at a time, steadily, for as long as the server takes them."""
    with suppress(ConnectionError):
        for byte in itertools.cycle(text):
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: ", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["says nothing", "never ends its headers", "asks once and stays"],
)
def test_a_client_that_does_not_end_a_request_is_cut_off(sent: bytes):
    async def test() -> None:
        server = HttpServer("127.0.0.1", 0, echo_accept, ready, request_seconds=0.5)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        dripping = asyncio.create_task(drip(writer, b"x") if sent.endswith(b" ") else asyncio.sleep(0))
        assert 0.4 < await asyncio.wait_for(ended_after(reader), 10) < 5
        dripping.cancel()
        writer.close()
        await server.stop()

    run(test)


def test_a_client_that_drips_a_body_is_answered_and_cut_off():
    async def test() -> None:
        async with serving() as (_, server):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
            dripping = asyncio.create_task(drip(writer, b"x"))
            assert (await reader.readline()).startswith(b"HTTP/1.1 405")
            assert await asyncio.wait_for(ended_after(reader), 10) < 5
            dripping.cancel()
            writer.close()

    run(test)


def test_a_client_that_never_reads_its_answer_is_cut_off():
    async def huge(accept: str) -> tuple[bytes, str]:
        return b"x" * 50_000_000, "text/plain"

    async def test() -> None:
        server = HttpServer("127.0.0.1", 0, huge, ready, answer_seconds=0.5)
        await server.start()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_000)
        writer.transport.pause_reading()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: server.connections == 1)
        await until(lambda: server.connections == 0)
        writer.close()
        await server.stop()

    run(test)


def test_a_client_that_gives_up_before_its_answer_is_not_worth_an_error(caplog: pytest.LogCaptureFixture):
    asked, gone = asyncio.Event(), asyncio.Event()

    async def slow(accept: str) -> tuple[bytes, str]:
        asked.set()
        await gone.wait()
        return BODY, "text/plain"

    async def test() -> None:
        async with serving(slow) as (session, server):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await asked.wait()
            writer.transport.abort()
            await asyncio.sleep(0.1)
            gone.set()
            await until(lambda: server.connections == 0)
            async with session.get("/healthz") as answer:
                assert answer.status == 200

    run(test)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def half_sent(server: HttpServer, request: bytes) -> asyncio.StreamWriter:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(request)
    return writer


def test_connections_are_bounded_and_half_sent_requests_keep_no_probe_out():
    async def test() -> None:
        async with serving() as (session, server):
            held = [
                await half_sent(server, b"GET /metrics HTTP/1.1\r\nHost:") for _ in range(MAX_CONNECTIONS + 6)
            ]
            await until(lambda: server.connections == MAX_CONNECTIONS)
            for _ in range(3):
                async with session.get("/healthz") as answer:
                    assert answer.status == 200
            assert server.connections <= MAX_CONNECTIONS
            for writer in held:
                writer.close()

    run(test)


def test_requests_that_are_being_answered_keep_their_places():
    async def test() -> None:
        may_answer = asyncio.Event()

        async def slow(accept: str) -> tuple[bytes, str]:
            await may_answer.wait()
            return await echo_accept(accept)

        async with serving(slow) as (session, server):
            whole = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            asked = [await half_sent(server, whole) for _ in range(MAX_CONNECTIONS)]
            await until(lambda: server.connections == MAX_CONNECTIONS)
            await asyncio.sleep(0.1)
            async with session.get("/healthz") as answer:
                assert answer.status == 503
            may_answer.set()
            for writer in asked:
                writer.close()
            await until(lambda: server.connections == 0)
            async with session.get("/healthz") as answer:
                assert answer.status == 200

    run(test)


@pytest.mark.parametrize(
    "request_text",
    [
        b"GET /" + b"x" * (MAX_HEADER_BYTES + 1) + b" HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % each for each in range(200)) + b"\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ],
    ids=["long line", "many headers", "TLS"],
)
def test_what_no_scraper_sends_is_refused_and_the_connection_ends(request_text: bytes):
    async def test() -> None:
        async with serving() as (_, server):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(request_text)
            answer = await asyncio.wait_for(reader.read(), 10)
            assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
            writer.close()

    run(test)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz"])
def test_nothing_but_get_and_head_is_allowed(method: str, path: str):
    async def test() -> None:
        async with serving() as (session, _), session.request(method, path) as answer:
            assert answer.status == 405
            assert answer.headers["Allow"] == "GET,HEAD"

    run(test)


def test_it_listens_on_loopback_unless_told_otherwise():
    assert Settings().http_host == "127.0.0.1"

"""The worker's HTTP endpoints over real sockets on loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientSession

from metrics.errors import RoistreamError
from streams.http import MAX_HEADER_BYTES, HttpServer

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

"""A board with its page, and a browser to look at it."""

import shutil
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from metrics.budget.records import BoardCard
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.sinks.redis_names import RedisNames
from streams.transport.topic_admin import ensure_topics
from tests.conftest import REQUIRE_PROGRAMS
from tests.support import board_seeding as seeding
from tests.system.page.acting import DESKTOP, PATIENCE_MS, TOKEN, await_board, start_board

#: Where the programs of distributions are called differently.
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def store(cache, settings) -> Iterator[seeding.Store]:
    with seeding.Store.from_url(cache.url) as client:
        client.flushall()
        client.names = RedisNames(settings.topic_prefix)
        yield client


@pytest.fixture(scope="module")
def settings(broker, cache) -> Settings:
    (port,) = free_ports(1)
    made = Settings(
        broker=broker.url,
        redis_url=cache.url,
        topic_prefix=f"board-page-{port}-",
        board_port=port,
        board_token=TOKEN,
    )
    ensure_topics(made, create=True)
    return made


@pytest.fixture(scope="module")
def address(settings: Settings, tmp_path_factory) -> Iterator[str]:
    server = start_board(settings, settings.board_port, tmp_path_factory.mktemp("board"))
    yield f"http://127.0.0.1:{settings.board_port}"
    server.stop()


@pytest.fixture(scope="module")
def playwright(address: str) -> Iterator[Playwright]:
    """Asked for after the servers: while it runs, this thread has an event loop that runs."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        if REQUIRE_PROGRAMS:
            pytest.fail("no Chromium here: apt-get install chromium")
        pytest.skip("no Chromium here: apt-get install chromium")
    running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    yield running
    running.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors of the page; a test that provokes one takes it out."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def opened(browser: Browser, address: str, store, complaints) -> Iterator[Callable[..., Page]]:
    """Opens the board, or another place of the page, for somebody who is logged in, with the cards given."""
    contexts: list[BrowserContext] = []

    def make(cards: list[BoardCard], **options) -> Page:
        place, is_filtered = options.pop("place", "/board"), options.pop("is_filtered", False)
        seeding.fill(store, cards)
        await_board(options.get("base_url", address), cards)
        usual = {"viewport": DESKTOP, "locale": "en-GB", "base_url": address}
        context = browser.new_context(**(usual | options))
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(f"{place}#token={quote(TOKEN)}&name=Ana")
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        if place.startswith("/board") and not is_filtered:
            expect(page.get_by_role("article")).to_have_count(len(cards))
        return page

    yield make
    for context in contexts:
        context.close()

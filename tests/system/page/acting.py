"""What an operator does with the page, and what the board says to it."""

import re
import sys
import time
import urllib.request
from pathlib import Path

import msgspec
from playwright.sync_api import Locator, Page, Route, expect

from metrics.budget.records import BoardCard, BudgetDecision
from streams.embedded.child_process import Command, Server
from streams.settings import Settings

TOKEN = "a token of these tests"  # noqa: S105
DESKTOP = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 30_000


def start_board(
    settings: Settings, port: int, folder: Path, tree: Path = Path(__file__).parents[3]
) -> Server:
    """The board of a tree, a folder with this repository, as its command starts it, ready."""
    variables = {
        "ROISTREAM_BROKER": settings.broker,
        "ROISTREAM_REDIS_URL": settings.redis_url.get_secret_value(),
        "ROISTREAM_TOPIC_PREFIX": settings.topic_prefix,
        "ROISTREAM_BOARD_PORT": str(port),
        "ROISTREAM_BOARD_TOKEN": TOKEN,
        "PYTHONPATH": str(tree),
    }
    server = Server("board", Command([sys.executable, "-m", "streams", "board"], variables), folder)
    server.wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), 60)
    return server


def is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def column(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article").filter(has=page.get_by_role("heading", name=name, exact=True))


def ask(address: str) -> dict:
    """An answer of the API."""
    question = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(question, timeout=30) as answer:
        return msgspec.json.decode(answer.read())


def await_board(address: str, cards: list[BoardCard]) -> None:
    """Until the board shows these cards: those of the test before would be clicked on else."""
    wanted = {(each.campaign_id, each.name) for each in cards}
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while {(each["campaign_id"], each["name"]) for each in ask(f"{address}/api/board")["cards"]} != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def decided(settings: Settings, campaign_id: str) -> BudgetDecision:
    """The decision about a campaign as the board reads it back from the topic; it comes within a bound."""
    address = f"http://127.0.0.1:{settings.board_port}/api/trail?campaign_id={campaign_id}"
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while not (entries := ask(address)["entries"]):
        assert time.monotonic() < deadline, campaign_id
        time.sleep(0.05)
    return msgspec.convert(entries[0]["record"], type=BudgetDecision)


def until(page: Page, claim: str, patience_s: float = PATIENCE_MS / 1_000) -> None:
    """Wait for a claim about the page; Playwright's own way evaluates text in the page, which the page forbids."""
    deadline = time.monotonic() + patience_s
    while not page.evaluate(claim):
        assert time.monotonic() < deadline, claim
        page.wait_for_timeout(20)


def hold_back(page: Page, address: str, count: int) -> list[Route]:
    """What the page asks from now on under these addresses; the first so many wait to be continued."""
    asked: list[Route] = []

    def take(route: Route) -> None:
        asked.append(route)
        if len(asked) > count:
            route.continue_()

    page.route(re.compile(address), take)
    return asked


def await_asked(page: Page, asked: list[Route], count: int) -> None:
    """Until the page has asked so many times."""
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while len(asked) < count:
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def give_reason(page: Page, reason: str = "target is not met") -> None:
    page.get_by_label("Reason, for the audit trail").fill(reason)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("dialog")).to_have_count(0)

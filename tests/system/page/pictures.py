"""The pictures of the board's page in docs/images: `make pictures`.

Broker, cache and board are real and start on this machine; campaigns, decisions and customers are those of `tests/support`, with the
same seeds each time. A picture is what Chromium shows.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from kafka import KafkaProducer
from playwright.sync_api import Browser, expect, sync_playwright

from metrics.budget.records import ActionHold, BoardCard, BudgetAction, BudgetDecision, SparkPoint
from metrics.budget.rules import missed_reason
from metrics.values.time import HOUR, MINUTE, format_instant
from streams import topics
from streams.embedded.broker import embedded_broker
from streams.embedded.cache import embedded_cache
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.transport.topic_admin import ensure_topics
from tests.streams.commands.test_status import Workers, worker
from tests.support import board_seeding as seeding
from tests.support import customer_seeding
from tests.system.page.acting import PATIENCE_MS, PHONE, TOKEN, await_board, start_board
from tests.system.page.test_today import told

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
LOSS = "c-015"
WIDE = {"width": 1440, "height": 810}
SHEET = {"width": 1280, "height": 720}
#: File, place, what is there when it is drawn, language, and what else the browser is.
PICTURES = (
    ("board", "/board", "article", "en-GB", {"viewport": WIDE}),
    ("board-fr", "/board", "article", "fr-FR", {"viewport": WIDE, "color_scheme": "dark"}),
    ("board-today", "/", "#today-list > li", "fr-FR", {"viewport": SHEET}),
    ("board-details", f"/campaigns/{LOSS}", ".trail li", "en-GB", {"viewport": {"width": 960, "height": 1040}}),
    ("board-details-fr", f"/campaigns/{LOSS}", ".trail li", "fr-FR", {"viewport": {"width": 960, "height": 1040}}),
    ("board-customers", "/customers", "#customers-body table", "en-GB", {"viewport": SHEET}),
    ("board-phone", "/", "#today-list > li", "fr-FR", {"viewport": PHONE, "has_touch": True, "is_mobile": True}),
)  # fmt: skip


def cards(now: int) -> list[BoardCard]:
    """A board of a busy team, whose hours end now."""
    rng = random.Random(11)
    return [_of_now(each, now, rng) for each in seeding.board(24, seed=5)]


def _of_now(card: BoardCard, now: int, rng: random.Random) -> BoardCard:
    spent = 0 if card.column == "backlog" else max(card.spent_micros, card.budget_micros * 3 // 10)
    weights = [0 if spent == 0 else rng.randrange(5, 20) for _ in card.sparkline]
    # Two fifths of all that was spent came in the hours that are shown.
    spends = [2 * spent * weight // (5 * max(sum(weights), 1)) for weight in weights]
    start = now // HOUR * HOUR - (len(spends) - 1) * HOUR
    sparkline = [
        SparkPoint(t=format_instant(start + at * HOUR), spend_micros=each, roi=point.roi if spent else None)
        for at, (point, each) in enumerate(zip(card.sparkline, spends, strict=True))
    ]
    roas = seeding.evidence("inconclusive", "roas", 3.0, rng)
    value = card.kpis["24h"]["roas"] or 0.0
    if 1.3 * value < 3:
        roas = msgspec.structs.replace(roas, verdict="bad", e_value=28.0, interval=(0.8 * value, 1.3 * value))
    proposal = None
    if card.proposal is not None:
        one = card.evidence["cpl"]
        reason = missed_reason("cpl", one.e_value, 20)
        proposal = msgspec.structs.replace(
            card.proposal, rule="evidence:cpl", reason=reason, decided_at=format_instant(now - 20 * MINUTE)
        )
    hold = None
    if card.hold is not None:
        hold = msgspec.structs.replace(card.hold, expires_at=format_instant(now + 6 * HOUR))
    subject = card.name.rpartition(" – ")[0]
    return msgspec.structs.replace(
        card,
        name=f"{subject} – {card.channel}",
        spent_micros=spent,
        cards_done=spent // card.card_micros,
        sparkline=sparkline,
        evidence=card.evidence | {"roas": roas},
        proposal=proposal,
        hold=hold,
        reason="",
        updated_at=format_instant(now),
    )


def history(now: int) -> Iterator[tuple[str, BudgetDecision | BudgetAction]]:
    """What was decided and done on the campaign whose page is drawn; persons are roles."""
    yield topics.BUDGET_DECISIONS, BudgetDecision(
        decision_id="d-1", campaign_id=LOSS, verb="pause", by="campaign manager", reason="landing page is down",
        until=format_instant(now - 26 * HOUR), occurred_at=format_instant(now - 30 * HOUR),
    )  # fmt: skip
    yield topics.BUDGET_ACTIONS, msgspec.structs.replace(
        seeding.proposal(LOSS, "a-d-1", "enforce"), rule="operator:pause", reason="landing page is down", evidence={"column": "test"},
        decided_at=format_instant(now - 30 * HOUR + MINUTE),
    )  # fmt: skip
    yield topics.BUDGET_DECISIONS, BudgetDecision(
        decision_id="d-2", campaign_id=LOSS, verb="comment", by="media buyer", reason="@campaign manager the page is back since noon",
        occurred_at=format_instant(now - 25 * HOUR),
    )  # fmt: skip


def done(held: BoardCard, now: int) -> tuple[str, BudgetAction]:
    """What the controller did this morning with a campaign that it holds."""
    one = held.evidence["cpl"]
    return topics.BUDGET_ACTIONS, msgspec.structs.replace(
        seeding.proposal(held.campaign_id, "a-held", "enforce"), rule="evidence:cpl",
        reason=missed_reason("cpl", one.e_value, 20), evidence={"e_value": one.e_value},
        hold=ActionHold(owner="evidence", expires_at=format_instant(now + 6 * HOUR)), decided_at=format_instant(now - 3 * HOUR),
    )  # fmt: skip


def produce(settings: Settings, records: Iterable[tuple[str, BudgetDecision | BudgetAction]]) -> None:
    with KafkaProducer(bootstrap_servers=settings.bootstrap) as producer:
        for topic, record in records:
            value, key = msgspec.json.encode(record), record.campaign_id.encode()
            producer.send(settings.topic(topic), value=value, key=key, partition=0).get(timeout=10)


@contextmanager
def seeded_board() -> Iterator[tuple[str, str]]:
    """The addresses of a board with campaigns, a history and customers, and of its cache."""
    with embedded_broker() as broker, embedded_cache() as cache, tempfile.TemporaryDirectory() as folder:
        (port,) = free_ports(1)
        settings = Settings(
            broker=broker.url, redis_url=cache.url, board_port=port, board_token=TOKEN, http_port=0
        )
        ensure_topics(settings, create=True)
        now = int(time.time() * 1_000)
        shown = cards(now)
        server = start_board(settings, port, Path(folder))
        try:
            with seeding.Store.from_url(cache.url) as store:
                seeding.fill(store, shown)
                for each in shown:
                    told(store, each.campaign_id)
                spent = {each.campaign_id: 15_000 + 25_000 * (at % 3) for at, each in enumerate(shown[:9])}
                customer_seeding.fill(store, customer_seeding.records(spent, months=16))
                held = next(each for each in shown if each.hold and each.evidence["cpl"].verdict == "bad")
                produce(settings, (*history(now), done(held, now)))
                address = f"http://127.0.0.1:{port}"
                await_board(address, shown)
                yield address, cache.url
        finally:
            server.stop()


def draw(browser: Browser, address: str, cache: str, folder: Path) -> None:
    """Each picture as a file of the folder; while it is drawn a worker says that it is well."""
    for name, place, shown, language, options in PICTURES:
        with Workers(cache, worker("w-1", *range(Settings().partitions))):
            draw_one(browser, address, folder / f"{name}.png", place, shown, {"locale": language} | options)


def draw_one(
    browser: Browser, address: str, path: Path, place: str, shown: str, options: dict[str, Any]
) -> None:
    """One picture, once the place is there."""
    context = browser.new_context(base_url=address, bypass_csp=True, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(f"{place}#token={quote(TOKEN)}&name={quote('campaign manager')}")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    expect(page.locator(shown).first).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()
    page.screenshot(path=path)
    context.close()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    folder = asked.parse_args().folder
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise SystemExit("no Chromium here: apt-get install chromium")
    with seeded_board() as (address, cache), sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        draw(browser, address, cache, folder)
        browser.close()


if __name__ == "__main__":
    main()

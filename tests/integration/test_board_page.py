"""The page in a real browser: what an operator sees and does, by mouse, keyboard and finger."""

import os
import re
import shutil
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
import redis
from kafka import KafkaProducer
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Playwright, expect, sync_playwright
from playwright.sync_api import Error as PlaywrightError

from metrics.budget.records import BoardCard, BudgetDecision, CardPace
from metrics.timeline import HOUR
from streams import topics
from streams.administration import ensure_topics
from streams.embedded.process import Command, Server, free_ports
from streams.settings import Settings
from tests.integration import board_seeding as seeding

TOKEN = "a token of these tests"  # noqa: S105
#: Where the programs of distributions are called differently.
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_REQUIRED = os.environ.get("ROISTREAM_REQUIRE_KAFKA") == "1"
DESKTOP = {"width": 1400, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
def settings(embedded_kafka, cache) -> Settings:
    made = Settings(
        broker=embedded_kafka.url,
        redis_url=cache.url,
        transactions=False,
        topic_prefix="board-page-",
        board_port=free_ports(1)[0],
        board_token=TOKEN,
    )
    ensure_topics(made, create=True)
    return made


def start_board(settings: Settings, port: int, folder: Path) -> Server:
    """The board as its command starts it, ready."""
    variables = {
        "ROISTREAM_BROKER": settings.broker,
        "ROISTREAM_REDIS_URL": settings.redis_url.get_secret_value(),
        "ROISTREAM_TRANSACTIONS": "false",
        "ROISTREAM_TOPIC_PREFIX": settings.topic_prefix,
        "ROISTREAM_BOARD_PORT": str(port),
        "ROISTREAM_BOARD_TOKEN": TOKEN,
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    server = Server("board", Command([sys.executable, "-m", "streams", "board"], variables), folder)
    server.wait_until(lambda: is_ready(f"http://127.0.0.1:{port}"), 30)
    return server


@pytest.fixture(scope="module")
def address(settings: Settings, tmp_path_factory) -> Iterator[str]:
    server = start_board(settings, settings.board_port, tmp_path_factory.mktemp("board"))
    yield f"http://127.0.0.1:{settings.board_port}"
    server.stop()


def is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def playwright(address: str) -> Iterator[Playwright]:
    """Asked for after the servers: while it runs, this thread has an event loop that runs."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        if _REQUIRED:
            pytest.fail("no Chromium here: apt-get install chromium")
        pytest.skip("no Chromium here: apt-get install chromium")
    running = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
    yield running
    running.close()


@pytest.fixture
def store(cache) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(cache.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors of the page; a test that provokes one takes it out."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def opened(browser: Browser, address: str, store, complaints) -> Iterator[Callable[..., Page]]:
    """Opens the board for somebody who is logged in, with the cards given."""
    contexts: list[BrowserContext] = []

    def make(cards: list[BoardCard], **options) -> Page:
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
        page.goto(f"/#token={quote(TOKEN)}&name=Ana")
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        expect(page.get_by_role("article")).to_have_count(len(cards))
        return page

    yield make
    for context in contexts:
        context.close()


def column(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("article").filter(has=page.get_by_role("heading", name=name, exact=True))


def ask(address: str) -> dict:
    """An answer of the API."""
    question = urllib.request.Request(address, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(question, timeout=5) as answer:
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


def until(page: Page, claim: str) -> None:
    """Wait for a claim about the page; Playwright's own way evaluates text in the page, which the page forbids."""
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while not page.evaluate(claim):
        assert time.monotonic() < deadline, claim
        page.wait_for_timeout(20)


def give_reason(page: Page, reason: str = "target is not met") -> None:
    page.get_by_label("Reason, for the audit trail").fill(reason)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


# --- login ------------------------------------------------------------------------------------------


def test_a_wrong_token_is_refused_and_the_right_one_opens_the_board(browser, address, store):
    seeding.fill(store, [seeding.card("c-1")])
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(address)
        page.get_by_label("Your name").fill("Ana")
        page.get_by_label("Token").fill("a token that is wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("The token is wrong")
        expect(page.get_by_role("article")).to_have_count(0)
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog", name="Log in")).to_be_visible()
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_role("article")).to_have_count(1)
        assert page.evaluate("document.cookie") == ""
        assert TOKEN not in page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_role("dialog", name="Log in")).to_be_visible()


def test_a_token_in_the_address_opens_the_board_and_leaves_the_address(opened):
    page = opened([seeding.card("c-1")])
    assert "token" not in page.url
    page.reload()
    expect(page.get_by_role("article")).to_have_count(1)


def test_a_session_that_ends_asks_for_the_token_and_goes_on(opened, settings, store, tmp_path, complaints):
    (port,) = free_ports(1)
    first = start_board(settings, port, tmp_path)
    page = opened([seeding.card("c-1")], base_url=f"http://127.0.0.1:{port}")
    page.context.clear_cookies()
    first.kill()  # the stream breaks; the next one is asked for without a session
    second = start_board(settings, port, tmp_path)
    try:
        expect(page.get_by_role("dialog", name="Log in")).to_be_visible()
        expect(page.get_by_label("Your name")).to_have_value("")
        page.get_by_label("Your name").fill("Ben")
        page.get_by_label("Token").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        expect(page.get_by_role("article")).to_have_count(1)
    finally:
        second.stop()
    assert all("ERR_" in each or "401" in each for each in complaints)
    complaints.clear()


# --- deciding ---------------------------------------------------------------------------------------


def drag(page: Page, what: Locator, to: Locator) -> None:
    start, end = what.bounding_box(), to.bounding_box()
    page.mouse.move(start["x"] + 60, start["y"] + 60)
    page.mouse.down()
    page.mouse.move(start["x"] + 80, start["y"] + 70, steps=3)
    page.mouse.move(end["x"] + end["width"] / 2, end["y"] + 200, steps=8)
    page.mouse.up()


def test_a_card_that_is_dragged_is_a_decision_and_the_controllers_answer_moves_it(opened, settings, store):
    page = opened([seeding.card("drag-1", name="Spring sale"), seeding.card("c-2", column="scale")])
    drag(page, card(page, "Spring sale"), column(page, "scale"))
    dialog = page.get_by_role("dialog", name="Move Spring sale")
    expect(dialog.get_by_label("To column")).to_have_value("scale")
    give_reason(page, "it pays")
    expect(card(page, "Spring sale")).to_contain_text("Waiting for the controller")
    expect(column(page, "test").get_by_role("article")).to_have_count(
        1
    )  # nothing moves before the controller says so
    said = decided(settings, "drag-1")
    assert (said.verb, said.column, said.reason, said.by) == ("move", "scale", "it pays", "Ana")
    seeding.say(store, seeding.card("drag-1", 2, name="Spring sale", column="scale"))
    expect(column(page, "scale").get_by_role("article")).to_have_count(2)
    expect(card(page, "Spring sale")).not_to_contain_text("Waiting for the controller")
    expect(page.get_by_role("status").filter(has_text="Spring sale moved from test to scale")).to_have_count(
        1
    )


def test_what_the_controller_refuses_is_told_on_the_card(opened, settings, store):
    page = opened([seeding.card("no-1", name="Webinar")])
    card(page, "Webinar").get_by_role("button", name="Move").click()
    give_reason(page)
    seeding.say(store, seeding.card("no-1", 2, name="Webinar", spent_micros=251_000_000))
    expect(card(page, "Webinar")).to_contain_text("€251")
    expect(card(page, "Webinar")).to_contain_text("Waiting for the controller")  # figures are no answer
    seeding.say(store, seeding.card("no-1", 3, name="Webinar", reason="refused: cooldown until 10:40"))
    expect(card(page, "Webinar")).to_contain_text("refused: cooldown until 10:40")
    expect(card(page, "Webinar")).not_to_contain_text("Waiting for the controller")
    expect(page.locator("#announcer")).to_have_text("Webinar: refused: cooldown until 10:40")


def test_a_drag_that_ends_nowhere_or_by_escape_is_none(opened):
    page = opened([seeding.card("c-1", name="Spring sale")])
    box = card(page, "Spring sale").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 700, box["y"] + 90, steps=5)
    page.keyboard.press("Escape")
    page.mouse.up()
    drag(page, card(page, "Spring sale"), column(page, "test"))
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize(
    ("verb", "consequence"),
    [
        (
            "Approve",
            "Ad platforms are told to stop it; money spent so far is spent. It returns to test by itself",
        ),
        ("Reject", "Nothing changes, and the same is not proposed again"),
    ],
)
def test_a_proposal_is_approved_or_rejected_with_a_reason(opened, settings, verb, consequence):
    campaign = f"prop-{verb.lower()}"
    page = opened([seeding.card(campaign, name="Webinar", proposal=seeding.proposal(campaign))])
    expect(card(page, "Webinar")).to_contain_text("Proposed: Pause. CPL 9.80 against a target of 4.00")
    card(page, "Webinar").get_by_role("button", name=verb).click()
    expect(page.get_by_role("dialog")).to_contain_text("CPL 9.80 against a target of 4.00")
    expect(page.get_by_role("dialog")).to_contain_text(consequence)
    give_reason(page)
    said = decided(settings, campaign)
    assert (said.verb, said.reason) == (verb.lower(), "target is not met")


def test_what_the_board_refuses_is_said_in_the_dialog(opened, store, complaints):
    page = opened([seeding.card("c-1", name="Webinar", proposal=seeding.proposal("c-1", "a-1"))])
    card(page, "Webinar").get_by_role("button", name="Approve").click()
    other = msgspec.structs.replace(seeding.proposal("c-1", "a-2"), reason="another one")
    seeding.say(store, seeding.card("c-1", 2, name="Webinar", proposal=other))
    expect(page.locator(".card .proposal")).to_contain_text("another one")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("has changed since you looked")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Waiting for the controller")).to_have_count(0)
    assert "409" in complaints.pop()


def test_everything_can_be_done_by_keyboard(opened, settings):
    cards = [
        seeding.card(f"key-{n}", name=f"Key {n}", column=place)
        for n, place in enumerate(("test", "test", "scale"))
    ]
    page = opened(cards)
    page.get_by_role("button", name="Log out").focus()
    page.keyboard.press("Tab")
    while page.evaluate("document.activeElement.closest('.card') === null"):
        page.keyboard.press("Tab")
    expect(card(page, "Key 0")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(card(page, "Key 1")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(card(page, "Key 2")).to_be_focused()
    page.get_by_role("list", name="Cards in test").focus()
    page.keyboard.press("ArrowDown")
    expect(card(page, "Key 0")).to_be_focused()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("m")
    expect(page.get_by_role("dialog", name="Move Key 2")).to_be_visible()
    page.keyboard.type("stopped")
    page.keyboard.press("Tab")
    page.keyboard.type("over")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(card(page, "Key 2")).to_be_focused()
    said = decided(settings, "key-2")
    assert (said.verb, said.column, said.reason) == ("move", "stopped", "over")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Key 2")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card(page, "Key 2")).to_be_focused()


def test_a_budget_is_set_from_the_details(opened, settings):
    page = opened([seeding.card("bud-1", name="Price guide")])
    card(page, "Price guide").click()
    page.get_by_role("button", name="Set budget").click()
    field = page.get_by_label("New budget in EUR")
    expect(field).to_have_value("1000")
    field.fill("1250,50")
    give_reason(page)
    assert str(decided(settings, "bud-1").budget) == "1250.50"


def test_under_observe_the_card_and_the_dialog_say_that_nothing_is_done(opened):
    said = seeding.proposal("obs-1", mode="observe")
    page = opened([seeding.card("obs-1", name="Webinar", mode="observe", proposal=said)])
    expect(card(page, "Webinar")).to_contain_text("Would do (observe): Pause.")
    card(page, "Webinar").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("dialog")).to_contain_text("no ad platform is told to obey it")


# --- seeing -----------------------------------------------------------------------------------------


def test_details_show_evidence_figures_and_history_and_the_trail_goes_on(opened, settings):
    cards = seeding.board(12)
    page = opened(cards)
    shown = next(each for each in cards if each.evidence["cpl"].verdict == "bad")
    card(page, shown.name).click()
    dialog = page.get_by_role("dialog", name=shown.name)
    expect(dialog.get_by_role("row", name="CPL €4.00 misses target")).to_be_visible()
    expect(dialog.get_by_text("CPL surely misses its target: it is likely between")).to_be_visible()
    expect(dialog.get_by_role("columnheader", name="7d")).to_be_visible()
    dialog.get_by_role("button", name="Pause …").or_(dialog.get_by_role("button", name="Resume …")).click()
    give_reason(page, "seen in the details")
    page.get_by_role("button", name="Audit trail").click()
    trail = page.get_by_role("dialog", name="Audit trail")
    expect(trail).to_contain_text("seen in the details")
    action = seeding.proposal(shown.campaign_id, "trail-1", mode="enforce")
    produce(settings, topics.BUDGET_ACTIONS, action, shown.campaign_id)
    expect(trail.get_by_role("listitem").filter(has_text="Pause (rule cpl)")).to_contain_text("e-value 31.2")


def test_a_card_says_when_its_spend_is_ahead_of_its_flight_and_when_a_proposal_lapses(opened):
    pace = CardPace(
        projected_micros=2_400_000_000, low_micros=850_000_000, high_micros=1_150_000_000, pace="ahead",
        ends_at="2026-12-01T00:00:00Z",
    )  # fmt: skip
    untargeted = seeding.card("free", name="Podcast", targets_micros={}, budget_micros=0)
    proposed = seeding.proposal("fast")
    page = opened(
        [
            seeding.card(
                "fast", name="Webinar", pace=pace, proposal=proposed, proposed_until="2026-11-24T00:00:00Z"
            ),
            untargeted,
        ]
    )
    expect(card(page, "Webinar")).to_contain_text("2 of 10 cards · ahead of its pace")
    expect(card(page, "Webinar")).to_contain_text("Lapses ")
    card(page, "Webinar").click()
    dialog = page.get_by_role("dialog", name="Webinar")
    expect(dialog).to_contain_text("€2,400 by")
    expect(dialog).to_contain_text("€850 to €1,150 would be on pace")
    expect(dialog).to_contain_text("Nothing can be said yet about CPL and ROAS")
    page.keyboard.press("Escape")
    card(page, "Podcast").click()
    expect(page.get_by_role("dialog", name="Podcast")).to_contain_text("registered without targets")
    expect(page.get_by_role("dialog", name="Podcast")).to_contain_text("no budget set")


def produce(settings: Settings, topic: str, record: object, campaign_id: str) -> None:
    value, key = msgspec.json.encode(record), campaign_id.encode()
    with KafkaProducer(bootstrap_servers=settings.bootstrap) as producer:
        producer.send(settings.topic(topic), value=value, key=key, partition=0).get(timeout=10)


def test_a_policy_is_simulated_before_it_is_enforced(opened, settings):
    begin = int(time.time() * 1_000) // HOUR * HOUR - 80 * HOUR
    for campaign_id, leads in (("c-001", 0), ("c-002", 8)):
        produce(
            settings,
            topics.CAMPAIGNS,
            {"campaign_id": campaign_id, "budget": 5_000, "targets": {"cpl": 5}},
            campaign_id,
        )
        for number in range(60):
            reading = seeding.hour(campaign_id, number, leads, revenue=leads * 8, begin=begin)
            produce(settings, topics.CAMPAIGN_KPIS, reading, campaign_id)
    cards = seeding.board(3)
    page = opened(cards)
    page.get_by_role("button", name="Simulate").click()
    dialog = page.get_by_role("dialog", name="What would this policy have done?")
    dialog.get_by_role("radio", name="careful").check()
    dialog.get_by_role("button", name="Simulate the last 7 days").click()
    expect(dialog.get_by_text("It would have spent")).to_be_visible()
    expect(dialog.get_by_role("row", name="Spend €2,400")).to_be_visible()
    expect(dialog).to_contain_text("of 2 campaigns)")
    dialog.get_by_text(cards[0].name).click()
    expect(dialog.get_by_role("listitem").filter(has_text="Pause")).to_contain_text("CPL misses its target")


MALICIOUS = [
    "<img src=x onerror=\"window.broken='img'\">",
    "</script><script>window.broken='script'</script>",
    "\"><svg onload=window.broken='svg'>",
    "javascript:window.broken='link'",
    "{{constructor.constructor('window.broken=1')()}}",
    "\u202eegral si LPC\u202c \u0000\u0007 bells",
    "W" * 600,
]


def test_names_that_mean_harm_are_only_text(opened):
    cards = [
        seeding.card(f"<b>{n}</b>", name=name, channel=name, reason=name, status=name)
        for n, name in enumerate(MALICIOUS)
    ]
    cards[0].proposal = seeding.proposal(cards[0].campaign_id)
    page = opened(cards)
    for name in MALICIOUS[:5]:
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    card(page, MALICIOUS[0]).click()
    expect(page.get_by_role("dialog", name=MALICIOUS[0])).to_contain_text("<b>0</b>")
    assert page.evaluate("window.broken") is None
    assert (
        page.evaluate("document.querySelectorAll('.board img, .board script, dialog img, .board b').length")
        == 0
    )
    wide = "[...document.querySelectorAll('.card')].filter(c => c.scrollWidth > c.clientWidth + 1).length"
    assert page.evaluate(wide) == 0


def test_text_cannot_become_markup_or_script(opened, complaints):
    page = opened([seeding.card("c-1")])
    with pytest.raises(PlaywrightError, match="TrustedHTML"):
        page.evaluate("document.body.innerHTML = '<p>markup</p>'")
    script = "const s = document.createElement('script'); s.textContent = 'window.broken = 1'; document.body.append(s)"
    with pytest.raises(PlaywrightError, match="TrustedScript"):
        page.evaluate(script)
    assert page.evaluate("window.broken") is None
    complaints.clear()


def test_the_page_says_when_its_board_is_gone_and_goes_on_when_it_is_back(
    opened, settings, store, tmp_path, complaints
):
    (port,) = free_ports(1)
    first = start_board(settings, port, tmp_path)
    page = opened([seeding.card("c-1")], base_url=f"http://127.0.0.1:{port}")
    first.kill()
    expect(page.get_by_text("reconnecting", exact=True)).to_be_visible()
    seeding.fill(store, [seeding.card("c-2", name="Came meanwhile")])
    second = start_board(settings, port, tmp_path)
    try:
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        expect(card(page, "Came meanwhile")).to_be_visible()
        expect(page.get_by_role("article")).to_have_count(1)
    finally:
        second.stop()
    assert all("ERR_" in each for each in complaints)
    complaints.clear()


# --- phone ------------------------------------------------------------------------------------------


def test_on_a_phone_nothing_is_cut_off_and_a_finger_drags_by_the_grip(opened, settings):
    cards = [seeding.card("ph-1", name="Phone 1"), *seeding.board(20)]
    page = opened(cards, viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    fits = f"innerWidth === {PHONE['width']} && document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.get_by_role("navigation", name="Columns").get_by_role("button", name=re.compile("^test")).click()
    until(page, "Math.abs(document.querySelector('[data-column=test]').getBoundingClientRect().left) < 20")
    page.get_by_role("searchbox").fill("Phone 1")
    small = "[...document.querySelectorAll('.card:not([hidden]) button')].filter(b => b.offsetHeight && b.offsetHeight < 30).length"
    assert page.evaluate(small) == 0
    grip = card(page, "Phone 1").locator(".grip").bounding_box()
    session = page.context.new_cdp_session(page)

    def touch(kind: str, x: float, y: float) -> None:
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", grip["x"] + 5, grip["y"] + 5)
    for step in range(1, 11):
        touch("touchMove", grip["x"] + 5 + 34 * step, grip["y"] + 5 + 10 * step)
    # Held at the edge, the board goes on to its last column.
    until(page, "document.querySelector('.column.over')?.dataset.column === 'archived'")
    touch("touchEnd", 0, 0)
    expect(page.get_by_role("dialog", name="Move Phone 1").get_by_label("To column")).to_have_value(
        "archived"
    )
    assert page.evaluate(fits)
    give_reason(page)
    assert decided(settings, "ph-1").column == "archived"


# --- load -------------------------------------------------------------------------------------------

FRAMES = """(count) => new Promise((resolve) => {
  const gaps = [], board = document.querySelector('[data-column=test] > ul');
  let last = performance.now(), left = count;
  requestAnimationFrame(function frame(now) {
    gaps.push(now - last); last = now; board.scrollTop += 12;
    if (--left) requestAnimationFrame(frame);
    else resolve(gaps.slice(1).sort((a, b) => a - b));
  });
})"""


def is_fluent(page: Page, store: redis.Redis, cards: list[BoardCard], attempt: int) -> bool:
    """Whether frames go on while every card changes twice."""
    quiet = page.evaluate(FRAMES, 40)
    page.evaluate(f"() => {{ window.gaps = ({FRAMES})(80) }}")
    for revision in (2 * attempt + 2, 2 * attempt + 3):
        for each in cards:
            spent = each.spent_micros + revision * seeding.MILLION
            seeding.say(store, msgspec.structs.replace(each, revision=revision, spent_micros=spent))
    gaps = page.evaluate("window.gaps")
    median, usual = gaps[len(gaps) // 2], quiet[len(quiet) // 2]
    print(
        f"ms per frame: quiet {usual:.0f}; under load median {median:.0f}, 95th {gaps[75]:.0f}, worst {gaps[-1]:.0f}"
    )
    # Against the same page at rest, because machines that test differ; a frame of a usual screen has 17 ms.
    return median < max(50, 3 * usual) and gaps[-1] < max(500, 15 * usual)


def test_500_campaigns_stay_fluent_while_all_of_them_change(opened, store):
    cards = seeding.board(500)
    page = opened(cards)
    # Other tests may run beside this one, and only ever add to a gap: a page that is fluent is so in one of three tries.
    assert any(is_fluent(page, store, cards, attempt) for attempt in range(3))
    seeding.say(store, msgspec.structs.replace(cards[0], revision=99, name="The newest of all"))
    page.get_by_role("searchbox").fill("newest of")
    expect(page.get_by_role("heading", name="The newest of all")).to_be_visible()
    expect(page.locator(".card:visible")).to_have_count(1)

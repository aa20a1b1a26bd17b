"""An operator's morning as one walk, in two languages, on two screens, light and dark; screenshots stay in the test's folder."""

import csv
import time
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer
from playwright.sync_api import Locator, Page, expect

from metrics.budget.records import BudgetDecision
from metrics.values.time import HOUR, MINUTE, format_instant
from streams import topics
from streams.catalogues import translated
from tests.support import board_seeding as seeding
from tests.system.page.acting import PHONE, TOKEN, ask, decided
from tests.system.page.test_access import complaints_of
from tests.system.page.test_today import hours, judged, told

pytestmark = pytest.mark.verify

WIDE = {"width": 1440, "height": 900}
LOCALES = {"en": "en-GB", "fr": "fr-FR"}


class Reader:
    """Somebody before the page, who reads one language and keeps a picture of what is seen."""

    def __init__(self, page: Page, language: str, folder: Path, *, is_touching: bool) -> None:
        self.page, self.language, self.folder, self.is_touching = page, language, folder, is_touching
        self._pictures = 0

    def word(self, text: str) -> str:
        return translated(text, self.language)

    def press(self, target: Locator) -> None:
        target.scroll_into_view_if_needed()
        if self.is_touching:
            target.tap()
        else:
            target.click()

    def button(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.page).get_by_role("button", name=self.word(name)).first

    def keep(self, name: str) -> None:
        """A picture, and nothing on the page that axe calls grave or that stands beside the screen."""
        self._pictures += 1
        self.page.screenshot(path=self.folder / f"{self._pictures:02d}-{name}.png")
        assert complaints_of(self.page) == [], name
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{name}: {wide} px beside the screen"

    def say_why(self, reason: str) -> None:
        self.page.locator("#decision [name=reason]").fill(reason)
        self.press(self.page.locator("#decision .primary"))
        expect(self.page.locator("#decision")).to_be_hidden()


def cards_of_a_morning():
    loss = msgspec.structs.replace(seeding.proposal("m-loss", "a-loss"), rule="evidence:cpl")
    small = msgspec.structs.replace(seeding.proposal("m-small", "a-small"), rule="evidence:cpl")
    return [
        seeding.card("m-small", name="Podcast", proposal=small, sparkline=hours(2), evidence=judged("bad", 5, 8)),
        seeding.card("m-loss", name="Webinar", proposal=loss, sparkline=hours(50), evidence=judged("bad", 7, 12)),
        seeding.card("m-fair", name="Spring sale", sparkline=hours(20), evidence=judged("good", 1, 3)),
        seeding.card("m-hold", name="Winter offer", column="scale", sparkline=hours(9)),
    ]  # fmt: skip


def produce_hours(settings, campaign_id: str) -> None:
    """A campaign with two and a half days of hours without a lead, for the simulation."""
    begin = int(time.time() * 1_000) // HOUR * HOUR - 80 * HOUR
    registered = {"campaign_id": campaign_id, "budget": 5_000, "targets": {"cpl": 5}}
    with KafkaProducer(bootstrap_servers=settings.bootstrap) as producer:
        said = [(topics.CAMPAIGNS, registered)]
        said += [
            (topics.CAMPAIGN_KPIS, seeding.hour(campaign_id, n, 0, revenue=0, begin=begin)) for n in range(60)
        ]
        for topic, record in said:
            value = msgspec.json.encode(record)
            producer.send(settings.topic(topic), value=value, key=campaign_id.encode(), partition=0)
        producer.flush(10)


def answer(settings, campaign_id: str, said: BudgetDecision) -> None:
    """What the controller writes when it has paused a campaign for an operator."""
    action = msgspec.structs.replace(
        seeding.proposal(campaign_id, f"a-{said.decision_id}", "enforce"), rule="operator:pause", reason="shop closed",
        evidence={"column": "scale"}, decided_at=format_instant(int(time.time() * 1_000)),
    )  # fmt: skip
    with KafkaProducer(bootstrap_servers=settings.bootstrap) as producer:
        sent = producer.send(
            settings.topic(topics.BUDGET_ACTIONS), value=msgspec.json.encode(action),
            key=campaign_id.encode(), partition=0,
        )  # fmt: skip
        sent.get(timeout=10)


@pytest.fixture
def reader(opened, browser, address, store, tmp_path, complaints):
    """Opens the board for a reader who has not logged in."""
    contexts = []

    def make(language: str, viewport, scheme: str) -> Reader:
        is_phone = viewport == PHONE
        context = browser.new_context(
            viewport=viewport, locale=LOCALES[language], color_scheme=scheme, base_url=address, bypass_csp=True,
            has_touch=is_phone, is_mobile=is_phone, accept_downloads=True,
            permissions=["clipboard-read", "clipboard-write"],
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return Reader(page, language, tmp_path, is_touching=is_phone)

    yield make
    for context in contexts:
        context.close()


def log_in(me: Reader, name: str) -> None:
    me.page.get_by_label(me.word("Your name, for the audit trail")).fill(name)
    me.page.get_by_label(me.word("Token"), exact=True).fill(TOKEN)
    me.press(me.page.get_by_role("button", name=me.word("Log in"), exact=True))
    expect(me.page.locator("#live")).to_have_attribute("data-state", "live")


def approve_the_worst_loss(me: Reader, settings, store) -> None:
    """It comes first, and its line says why."""
    lines = me.page.locator("#today-list > li")
    missed = {"en": "surely misses its target", "fr": "manque sûrement son objectif"}[me.language]
    expect(lines.first).to_contain_text("Webinar")
    expect(lines.first).to_contain_text(missed)
    me.keep("today")
    me.press(lines.first.locator("[data-verb=approve]"))
    expect(me.page.locator("#decision")).to_contain_text(missed)
    me.keep("approve")
    me.say_why("target is not met")
    said = decided(settings, "m-loss")
    assert (said.verb, said.by) == ("approve", "Ana")
    seeding.say(store, seeding.card("m-loss", 2, name="Webinar", column="hold", sparkline=hours(50)))
    expect(lines.first).not_to_contain_text("Webinar")


def pause_until_a_day_and_take_it_back(me: Reader, settings, store) -> None:
    page = me.page
    page.goto("/campaigns/m-hold")
    me.keep("card")
    me.press(me.button("Pause …", page.get_by_role("dialog")))
    page.locator("#decision [name=until]").fill("2099-01-02T08:30")
    me.keep("pause")
    me.say_why("shop closed")
    said = decided(settings, "m-hold")
    assert (said.verb, said.until.year) == ("pause", 2099)
    answer(settings, "m-hold", said)
    seeding.say(store, seeding.card("m-hold", 2, name="Winter offer", column="hold", sparkline=hours(9)))
    known = f"http://127.0.0.1:{settings.board_port}/api/campaigns/m-hold"
    until(lambda: ask(known)["undo"].get("column") == "scale")
    page.goto("/campaigns/m-hold")
    me.press(me.button("Undo …", page.get_by_role("dialog")))
    me.keep("undo")
    me.say_why("opens today after all")
    until(lambda: ask(known)["trail"][0]["record"].get("column") == "scale")


def until(claim) -> None:
    deadline = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def set_a_budget_as_the_page_writes_it(me: Reader, settings) -> None:
    me.page.goto("/campaigns/m-fair")
    me.press(me.button("Set budget …", me.page.get_by_role("dialog")))
    me.page.locator("#decision [name=budget]").fill({"en": "1,250.50", "fr": "1 250,50"}[me.language])
    me.keep("budget")
    me.say_why("earns well")
    assert str(decided(settings, "m-fair").budget) == "1250.50"


def share(me: Reader, other: Reader) -> None:
    """A second session opens the address of a card."""
    me.page.goto("/campaigns/m-fair")
    me.press(me.button("Copy address", me.page.get_by_role("dialog")))
    other.page.goto(me.page.evaluate("navigator.clipboard.readText()"))
    log_in(other, "Ben")
    expect(other.page.get_by_role("dialog", name="Spring sale")).to_be_visible()


def simulate(me: Reader) -> None:
    me.page.goto("/board")
    expect(me.page.get_by_role("article").first).to_be_visible()
    me.press(me.button("Simulate"))
    dialog = me.page.get_by_role("dialog", name=me.word("What would this policy have done?"))
    me.press(dialog.get_by_role("button", name=me.word("Simulate the last 7 days")))
    expect(dialog.get_by_role("table").first).to_be_visible()
    me.keep("simulation")
    me.page.keyboard.press("Escape")


def export(me: Reader) -> list[list[str]]:
    me.keep("board")
    with me.page.expect_download() as waited:
        me.press(me.button("Export"))
    return list(csv.reader(Path(waited.value.path()).read_text("utf-8-sig").splitlines()))


@pytest.mark.parametrize(
    ("language", "viewport", "scheme"),
    [("en", WIDE, "light"), ("fr", PHONE, "dark")],
    ids=["english-wide-light", "french-phone-dark"],
)
def test_a_morning_from_login_to_logout(reader, settings, store, language, viewport, scheme):
    cards = cards_of_a_morning()
    seeding.fill(store, cards)
    produce_hours(settings, "m-fair")
    me, other = (reader(language, viewport, scheme) for _ in range(2))
    me.page.goto("/")
    expect(me.page.locator("#login")).to_be_visible()
    me.keep("login")
    log_in(me, "Ana")
    approve_the_worst_loss(me, settings, store)
    pause_until_a_day_and_take_it_back(me, settings, store)
    set_a_budget_as_the_page_writes_it(me, settings)
    share(me, other)
    simulate(me)
    rows = export(me)
    assert {row[0] for row in rows[1:]} == {each.campaign_id for each in cards}
    me.press(me.button("Log out"))
    expect(me.page.locator("#login")).to_be_visible()
    other.page.reload()
    expect(other.page.get_by_role("dialog", name="Spring sale")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_page_of_the_morning_is_whole_in_each_language_on_each_screen(
    opened, store, tmp_path, language, viewport, scheme
):
    cards = [*cards_of_a_morning(), *seeding.board(8)]
    at = int(time.time() * 1_000) - 10 * MINUTE
    for one in cards:
        told(store, one.campaign_id, watermark=format_instant(at))
    options = {"locale": LOCALES[language], "viewport": viewport, "color_scheme": scheme, "bypass_csp": True}
    page = opened(cards, place="/", **options)
    me = Reader(page, language, tmp_path, is_touching=False)
    expect(page.locator("#today-list > li").first).to_be_visible()
    me.keep("today")
    page.goto("/board")
    expect(page.get_by_role("article").first).to_be_visible()
    expect(page.get_by_role("article").first).to_be_in_viewport()
    me.keep("board")
    page.goto("/campaigns/m-loss")
    expect(page.get_by_role("dialog", name="Webinar").get_by_role("img").first).to_be_visible()
    me.keep("card")

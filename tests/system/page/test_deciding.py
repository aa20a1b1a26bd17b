"""The page in a real browser: logging in and deciding, by mouse and keyboard."""

import re
import time

import msgspec
import pytest
from playwright.sync_api import Locator, Page, expect

from metrics.budget.records import BudgetDecision, BudgetRange
from metrics.values.time import format_instant
from streams import topics
from streams.embedded.child_process import free_ports
from tests.support import board_seeding as seeding
from tests.system.page.acting import PHONE, TOKEN, ask, card, column, decided, give_reason, start_board
from tests.system.page.test_seeing import produce

# --- login ------------------------------------------------------------------------------------------


def test_a_wrong_token_is_refused_and_the_right_one_opens_the_board(browser, address, store):
    seeding.fill(store, [seeding.card("c-1")])
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/board")
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


@pytest.mark.smoke
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
    expect(card(page, "Webinar")).to_contain_text(
        "Proposed: Pause. CPL misses its target: e-value 31, 20 needed"
    )
    card(page, "Webinar").get_by_role("button", name=verb).click()
    expect(page.get_by_role("dialog")).to_contain_text("CPL misses its target: e-value 31, 20 needed")
    expect(page.get_by_role("dialog")).to_contain_text(consequence)
    give_reason(page)
    said = decided(settings, campaign)
    assert (said.verb, said.reason) == (verb.lower(), "target is not met")


def test_what_the_board_refuses_is_said_in_the_dialog(opened, store, complaints):
    page = opened([seeding.card("c-1", name="Webinar", proposal=seeding.proposal("c-1", "a-1"))])
    card(page, "Webinar").get_by_role("button", name="Approve").click()
    other = msgspec.structs.replace(seeding.proposal("c-1", "a-2"), reason="another one")
    seeding.say(store, seeding.card("c-1", 2, name="Webinar", proposal=other))
    expect(page.locator(".card .proposal")).to_contain_text("Another one")
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


RANGE = {
    "en-GB": "From €700 to €1,300.50, as the guards stood at ",
    "fr-FR": "De 700 € à 1 300,50 €, selon l’état des garde-fous à ",
}


@pytest.mark.parametrize(
    ("language", "typed"),
    [("en-GB", "€1,250.50"), ("fr-FR", "1 250,50 €"), ("fr-FR", "1 250,50"), ("en-GB", "1250,50")],
)
def test_a_budget_is_set_from_the_details_within_the_range_that_is_said(opened, settings, language, typed):
    campaign_id = f"bud-{language}-{len(typed)}"
    allowed = BudgetRange(
        low_micros=700 * seeding.MILLION,
        high_micros=1_300_500_000,
        as_of=seeding.format_instant(int(time.time() * 1_000)),
    )
    page = opened([seeding.card(campaign_id, name="Price guide", budget_range=allowed)], locale=language)
    card(page, "Price guide").click()
    french = language.startswith("fr")
    page.get_by_role("button", name="Fixer le budget" if french else "Set budget").click()
    field = page.locator("#decision [name=budget]")
    assert "".join(field.input_value().split()) == ("1000" if french else "1,000")
    expect(page.locator("#budget-range")).to_contain_text(RANGE[language])
    expect(field).to_have_accessible_description(re.compile(r"700.*1.300.50"))
    field.fill(typed)
    page.locator("#decision [name=reason]").fill("more leads than expected")
    page.locator("#decision .primary").click()
    expect(page.locator("#decision")).to_be_hidden()
    assert str(decided(settings, campaign_id).budget) == "1250.50"


def test_an_amount_of_another_currency_is_no_budget_of_this_one(opened):
    page = opened([seeding.card("bud-usd", name="Price guide")])
    card(page, "Price guide").click()
    page.get_by_role("button", name="Set budget").click()
    page.get_by_label("New budget in EUR").fill("$1,250.50")
    page.get_by_label("Reason, for the audit trail").fill("more leads than expected")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("alert").filter(has_text="$1,250.50 is no amount")).to_be_visible()


def test_a_reason_of_the_guards_has_amounts_as_the_reader_writes_them(opened):
    said = "the budget may now be between 700.00 and 1,300.50"
    page = opened([seeding.card("bud-why", name="Price guide", reason=said)], locale="fr-FR")
    expect(card(page, "Price guide")).to_contain_text("entre 700,00 et 1 300,50")


def test_under_observe_the_card_and_the_dialog_say_that_nothing_is_done(opened):
    said = seeding.proposal("obs-1", mode="observe")
    page = opened([seeding.card("obs-1", name="Webinar", mode="observe", proposal=said)])
    expect(card(page, "Webinar")).to_contain_text("Would do (observe): Pause.")
    card(page, "Webinar").get_by_role("button", name="Approve").click()
    expect(page.get_by_role("dialog")).to_contain_text("no ad platform is told to obey it")


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
@pytest.mark.parametrize("viewport", [{"width": 1440, "height": 900}, PHONE], ids=["wide", "narrow"])
def test_the_last_decision_is_taken_back_from_the_details(opened, settings, language, viewport, tmp_path):
    campaign_id = f"undo-{language[:2]}-{viewport['width']}"
    said_at = int(time.time() * 1_000)
    pause = BudgetDecision(
        decision_id=f"d-{campaign_id}", campaign_id=campaign_id, verb="pause", by="Ben", reason="too dear",
        occurred_at=said_at,
    )  # fmt: skip
    action = msgspec.structs.replace(
        seeding.proposal(campaign_id, f"a-{campaign_id}", "enforce"), rule="operator:pause", reason="too dear",
        evidence={"column": "scale"}, decided_at=format_instant(said_at + 1),
    )  # fmt: skip
    produce(settings, topics.BUDGET_DECISIONS, pause, campaign_id)
    produce(settings, topics.BUDGET_ACTIONS, action, campaign_id)
    address = f"http://127.0.0.1:{settings.board_port}/api/campaigns/{campaign_id}"
    cards = [seeding.card(campaign_id, name="Spring", column="hold")]
    page = opened(cards, place="/", locale=language, viewport=viewport)
    deadline = time.monotonic() + 30
    while ask(address)["undo"].get("column") != "scale":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page.goto(f"/campaigns/{campaign_id}")
    words = {
        "en": ("Undo …", "Ben decided: Pause. The campaign moves back to scale."),
        "fr": ("Revenir en arrière …", "Décision de Ben :"),
    }
    button, explained = words[language[:2]]
    page.get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog")).to_contain_text(explained)
    page.screenshot(path=tmp_path / f"{campaign_id}.png")
    page.locator("#decision input[name=reason]").fill("was wrong")
    page.locator("#decision .primary").click()
    expect(page.locator("#decision")).to_be_hidden()
    deadline = time.monotonic() + 30
    while (said := ask(address)["trail"][0]["record"]).get("column") != "scale":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert (said["verb"], said["by"], said["reason"]) == ("move", "Ana", "was wrong")

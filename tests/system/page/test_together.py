"""The page in a real browser: one decision on several cards, comments that mention people, and the board as a picture."""

import json
import struct
import subprocess
import time
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from streams.board.mentions import mentioned
from tests.support import board_seeding as seeding
from tests.system.page.acting import PATIENCE_MS, PHONE, TOKEN, ask, card, column, decided

VIEWS = [
    pytest.param("en-GB", {"width": 1440, "height": 900}, id="wide"),
    pytest.param("fr-FR", PHONE, id="phone-french"),
]


def several(prefix: str) -> list:
    hours = [
        seeding.SparkPoint(
            t=seeding.format_instant(int(time.time() * 1_000) - 3_600_000),
            spend_micros=40 * seeding.MILLION,
            roi=0.1,
        )
    ]
    return [
        seeding.card(f"{prefix}-1", name="Spring sale", sparkline=hours),
        seeding.card(f"{prefix}-2", name="Webinar", sparkline=hours),
        seeding.card(f"{prefix}-3", name="Podcast", column="stopped"),
        seeding.card(f"{prefix}-4", name="Left alone"),
    ]


def select(page: Page, *names: str) -> None:
    page.locator("#select").click()
    for name in names:
        card(page, name).locator(".pick").check()


@pytest.mark.parametrize(("language", "viewport"), VIEWS)
def test_several_cards_move_by_one_confirmation_after_a_preview_with_sums(
    opened, settings, store, language, viewport, tmp_path
):
    prefix = f"bulk-{viewport['width']}"
    page = opened(several(prefix), locale=language, viewport=viewport)
    select(page, "Spring sale", "Webinar", "Podcast")
    bar = page.locator("#selection")
    expect(bar).to_contain_text(
        {"en": "3 campaigns selected · €750 of €3,000", "fr": "3 campagnes sélectionnées"}[language[:2]]
    )
    page.screenshot(path=tmp_path / "selected.png")
    bar.get_by_role("button", name={"en": "Move …", "fr": "Déplacer…"}[language[:2]]).click()
    dialog = page.locator("#bulk")
    dialog.locator("select[name=column]").select_option("stopped")
    expect(dialog.locator("h2")).to_have_text(
        {"en": "Move 2 campaigns", "fr": "Déplacer 2 campagnes"}[language[:2]]
    )
    expect(dialog.locator("tbody tr")).to_have_count(2)
    expect(dialog.locator("tfoot")).to_contain_text(
        {"en": "€2,000", "fr": "2 000 €"}[language[:2]].replace(" ", "\u202f", 1).replace(" ", "\u00a0")
    )
    expect(dialog.locator(".preview")).to_contain_text(
        {"en": "About €80.00 of spend a day ends.", "fr": "80,00"}[language[:2]]
    )
    expect(dialog.locator(".left-out")).to_contain_text("Podcast")
    page.screenshot(path=tmp_path / "preview.png")
    dialog.locator("input[name=reason]").fill("the season is over")
    dialog.locator(".primary").click()
    expect(dialog.locator("[data-is=waits]")).to_have_count(2)
    for number in (1, 2):
        said = decided(settings, f"{prefix}-{number}")
        assert (said.verb, said.column, said.by, said.reason) == (
            "move",
            "stopped",
            "Ana",
            "the season is over",
        )
    # The controller's guards answer for each card, and the dialog names what each said.
    seeding.say(
        store,
        seeding.card(f"{prefix}-1", 2, name="Spring sale", column="stopped", reason="the season is over"),
    )
    seeding.say(store, seeding.card(f"{prefix}-2", 2, name="Webinar", reason="refused: cooldown until 10:40"))
    expect(dialog.locator("[data-is=answered]").filter(has_text="Webinar")).to_contain_text(
        "refused: cooldown until 10:40"
    )
    page.screenshot(path=tmp_path / "outcome.png")
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()
    address = f"http://127.0.0.1:{settings.board_port}/api/trail"
    for untouched in (3, 4):
        assert ask(f"{address}?campaign_id={prefix}-{untouched}")["entries"] == []


def test_cards_that_changed_after_the_preview_are_refused_by_name(opened, settings, store):
    page = opened(several("late"))
    select(page, "Spring sale", "Webinar")
    page.locator("#selection").get_by_role("button", name="Pause …").click()
    dialog = page.get_by_role("dialog", name="Pause 2 campaigns")
    seeding.say(store, seeding.card("late-2", 2, name="Webinar", column="scale"))
    expect(column(page, "scale").locator(".card")).to_have_count(1)
    dialog.get_by_label("Reason for all of them").fill("creative is wrong")
    dialog.get_by_role("button", name="Send").click()
    refused = page.locator("#bulk [data-is=refused]")
    expect(refused).to_have_text(
        "Webinar The card has moved to scale since you looked; nothing was sent. Look again."
    )
    assert decided(settings, "late-1").verb == "pause"


def test_cards_are_selected_by_keyboard_and_by_control_and_shift(opened):
    page = opened([seeding.card(f"k-{n}", name=f"Key {n}") for n in range(4)])
    card(page, "Key 0").focus()
    page.keyboard.press("x")
    expect(card(page, "Key 0").locator(".pick")).to_be_checked()
    card(page, "Key 3").click(modifiers=["Shift"])
    expect(page.locator("#selection")).to_contain_text("4 campaigns selected")
    page.locator("#filter").fill("Key 1")
    expect(page.locator("#selection")).to_contain_text("1 campaign selected")
    page.locator("#filter").fill("")
    card(page, "Key 1").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.locator("#open-help").click()
    for key in ("X", "C", "M", "/"):
        expect(page.locator("#help kbd").get_by_text(key, exact=True)).to_be_visible()


HARM = '<img src=x onerror="window.broken=1"> @Ana & @<b>Ben</b> javascript:alert(1)'


def test_a_comment_is_text_in_the_history_with_those_whom_it_mentions(opened, settings, tmp_path):
    page = opened([seeding.card("said-1", name="Spring sale")])
    card(page, "Spring sale").focus()
    page.keyboard.press("c")
    dialog = page.get_by_role("dialog", name="Spring sale")
    text = dialog.get_by_role("textbox")
    expect(text).to_be_focused()
    text.fill("who looks at this?")
    dialog.get_by_role("button", name="Comment").click()
    expect(dialog.get_by_role("listitem").filter(has_text="who looks at this?")).to_contain_text("Ana")
    expect(text).to_have_value("")
    text.fill(HARM)
    dialog.get_by_role("button", name="Comment").click()
    shown = dialog.locator(".comment").filter(has_text="javascript")
    expect(shown).to_have_text(HARM)
    expect(shown.locator("mark")).to_have_text(["@Ana"])
    assert shown.locator("img, b").count() == 0
    assert page.evaluate("window.broken") is None
    page.screenshot(path=tmp_path / "comments.png")
    said = decided(settings, "said-1")
    assert (said.verb, said.by, said.reason) == ("comment", "Ana", HARM)
    page.keyboard.press("Escape")
    expect(card(page, "Spring sale")).not_to_contain_text("Waiting for the controller")


MENTIONS = [
    ("@Ana and @ana maria, not me@ben.example", ["Ana", "Ana Maria", "Ben"]),
    ("x@Ana (@Ben) @Benedict @BEN.", ["Ana", "Ben"]),
    ("@@Ana @ Ana @Anaïs @Ana’s 😀@Ana ١@Ana", ["Ana", "Anaïs"]),
    ("", ["Ana"]),
    ("@Ana", []),
]


def test_the_page_and_the_notifications_find_the_same_names():
    """Node runs the page's own module; where there is none, browsers have shown the rest."""
    module = Path(str(files("streams.board"))) / "static/js/mentions.js"
    code = f"import {{ piecesOf }} from {json.dumps(module.as_uri())}; console.log(JSON.stringify({json.dumps(MENTIONS)}.map(([text, names]) => [...new Set(piecesOf(text, names).filter((each) => each.name).map((each) => each.name))])));"
    found = subprocess.run(
        ["node", "--input-type=module", "-e", code], capture_output=True, check=True, text=True
    )
    assert json.loads(found.stdout) == [mentioned(text, names) for text, names in MENTIONS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_board_is_saved_as_a_picture(opened, scheme, tmp_path):
    page = opened(seeding.board(30), color_scheme=scheme)
    with page.expect_download() as download:
        page.get_by_role("button", name="Picture").click()
    path = tmp_path / "board.png"
    download.value.save_as(path)
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    assert width > 2_000
    assert height > 1_000


def logged_in(
    browser: Browser, address: str, name: str, place: str, complaints: list[str], **options
) -> Page:
    """Another operator with a browser of their own, on the same board."""
    page = browser.new_context(base_url=address, **({"locale": "en-GB"} | options)).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{place}#token={quote(TOKEN)}&name={name}")
    expect(page.locator("#live")).to_have_attribute("data-state", "live")
    return page


def begin(page: Page, name: str, verb: str) -> None:
    """Opens the dialog of a decision with its reason, not yet sent."""
    card(page, name).click()
    page.locator("#details").get_by_role("button", name=verb).click()
    who = page.locator("#who").text_content()
    page.locator("#decision input[name=reason]").fill(f"because {who} says so")


def decisions(settings, campaign_id: str, count: int) -> list[dict]:
    """Decisions on a campaign, the newest first, once there are as many as expected."""
    address = f"http://127.0.0.1:{settings.board_port}/api/trail?campaign_id={campaign_id}"
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while len(found := ask(address)["entries"]) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return [each["record"] for each in found]


def test_of_two_operators_on_one_card_one_wins_and_the_other_is_told_and_may_go_on(
    opened, browser, address, settings, complaints, tmp_path
):
    shown = [seeding.card("two-1", name="Spring sale"), seeding.card("two-2", name="Webinar")]
    pages = {"Ana": opened(shown)}
    pages["Ben"] = logged_in(browser, address, "Ben", "/board", complaints, viewport=PHONE)
    for page in pages.values():
        begin(page, "Spring sale", "Pause …")
    for page in pages.values():
        page.evaluate("document.querySelector('#decision .primary').click()")
    (first,) = decisions(settings, "two-1", 1)
    won = first["by"]
    other = "Ben" if won == "Ana" else "Ana"
    expect(pages[won].locator("#decision")).to_be_hidden()
    dialog = pages[other].locator("#decision")
    expect(dialog.locator(".error")).to_contain_text(f"{won}, ")
    expect(dialog.locator(".error")).to_contain_text(
        f": Pause (“because {won} says so”). That was decided since you looked, so nothing was sent."
    )
    pages[other].screenshot(path=tmp_path / "second.png")
    assert len(decisions(settings, "two-1", 1)) == 1
    # What was typed is still there, and goes out after the first one where it is still wanted.
    expect(dialog.locator("input[name=reason]")).to_have_value(f"because {other} says so")
    dialog.locator(".primary").click()
    expect(dialog).to_be_hidden()
    assert [each["by"] for each in decisions(settings, "two-1", 2)] == [other, won]
    # Who opens the dialog now sees who decided last, and who has it open is told of the next one.
    begin(pages[won], "Spring sale", "Move …")
    last = pages[won].locator("#decision .last")
    expect(last).to_contain_text(f"Pause (“because {other} says so”)")
    begin(pages[other], "Spring sale", "Set budget …")
    pages[other].locator("#decision .primary").click()
    expect(last).to_contain_text("Just now: ")
    expect(last).to_contain_text(f"{other}, ")
    complaints[:] = [each for each in complaints if "409" not in each]


def test_of_two_operators_on_several_cards_each_card_says_who_was_first(
    opened, browser, address, settings, complaints
):
    ana = opened(several("both"))
    ben = logged_in(browser, address, "Ben", "/board", complaints)
    for page in (ana, ben):
        select(page, "Spring sale", "Webinar")
        page.locator("#selection").get_by_role("button", name="Pause …").click()
        page.get_by_label("Reason for all of them").fill("no stock")
    ana.get_by_role("button", name="Send").click()
    expect(ana.locator("#bulk [data-is=waits]")).to_have_count(2)
    ben.get_by_role("button", name="Send").click()
    refused = ben.locator("#bulk [data-is=refused]")
    expect(refused).to_have_count(2)
    for each in refused.all():
        expect(each).to_contain_text("Pause (“no stock”). That was decided since you looked")
    for number in (1, 2):
        assert [each["by"] for each in decisions(settings, f"both-{number}", 1)] == ["Ana"]

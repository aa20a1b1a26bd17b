"""On phones and tablets every place of the page lies on the screen: links, controls and texts, in each language, light and dark."""

import pytest
from playwright.sync_api import Page, expect

from tests.streams.commands.test_status import Workers, worker
from tests.support import board_seeding as seeding
from tests.support import customer_seeding
from tests.system.page.acting import PHONE
from tests.system.page.test_today import hours, judged, told

#: A small phone, one of today, the narrowest screen that has the wide layout, and a tablet.
WIDTHS = (360, PHONE["width"], 701, 768)
LOSS = "c-loss"
#: What a place shows when it is there.
PLACES = {
    "/": "#today-list > li",
    "/board": "article",
    "/customers": "#customers-body table",
    "/past": "#past-body p",
    "/forecast": "#forecast-plan button",
    f"/campaigns/{LOSS}": "dialog[open] h3",
}
#: What lies beside the screen, is wider than the box that clips it, or lies over a link of another place. A strip that a swipe moves may reach beyond the edge: then
#: one of its parts is cut, so that whoever looks sees that there is more.
BESIDE = """() => {
  const strips = ".board, .scroll, #tabs, .selection", parts = "header *, main *, dialog[open] *";
  const found = [];
  for (const each of document.querySelectorAll(parts)) {
    if (!each.checkVisibility({ visibilityProperty: true }) || each.closest(`.sr, svg, :is(${strips}) *`)) continue;
    const box = each.getBoundingClientRect();
    const isCut = each.matches("nav.places a, .mode, button") && each.scrollWidth > each.clientWidth + 1;
    if (box.width > 1 && box.height > 1 && (box.left < -0.5 || box.right > innerWidth + 0.5 || isCut))
      found.push(`${each.tagName} ${each.id || each.className} ${each.textContent.trim().slice(0, 40)} ${box.left} to ${box.right}`);
  }
  const head = [...document.querySelectorAll(".top > :not(.places), .places a")].map((each) => [each, each.getBoundingClientRect()]);
  for (const [at, [each, box]] of head.entries())
    for (const [other, its] of head.slice(at + 1))
      if (Math.min(box.right, its.right) - Math.max(box.left, its.left) > 1 && Math.min(box.bottom, its.bottom) - Math.max(box.top, its.top) > 1)
        found.push(`${each.textContent.trim()} lies over ${other.textContent.trim()}`);
  for (const strip of document.querySelectorAll(strips)) {
    const ends = [...strip.children].map((each) => each.getBoundingClientRect()).filter((box) => box.width > 1);
    const edge = Math.min(innerWidth, strip.getBoundingClientRect().right);
    if (ends.some((box) => box.left >= edge) && !ends.some((box) => box.left < edge - 8 && box.right > edge))
      found.push(`${strip.id || strip.className} ends where one of its parts does, and there are more`);
  }
  return found;
}"""


def beside(page: Page) -> list[str]:
    return page.evaluate(BESIDE)


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
def test_nothing_lies_beside_a_narrow_screen(opened, store, tmp_path, language):
    loss = seeding.card(LOSS, name="Webinar", proposal=seeding.proposal(LOSS, "a-loss"), sparkline=hours(50), evidence=judged("bad", 7, 12))  # fmt: skip
    cards = [loss, *seeding.board(9)]
    told(store, LOSS)
    customer_seeding.fill(store, customer_seeding.records({LOSS: 20_000, "c-002": None}))
    page = opened(cards, viewport=PHONE, locale=language, has_touch=True, is_mobile=True)
    found = {}
    for place, shown in PLACES.items():
        page.goto(place)
        expect(page.locator("#live")).to_have_attribute("data-state", "live")
        expect(page.locator(shown).first).to_be_visible()
        for width in WIDTHS:
            page.set_viewport_size(PHONE | {"width": width})
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                name = place.strip("/").replace("/", "-") or "today"
                page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png")
                if complaints := beside(page):
                    found[place, width, scheme] = complaints
    assert found == {}


@pytest.mark.parametrize("language", ["en-GB", "fr-FR"])
def test_the_first_line_of_today_begins_in_the_upper_third_of_a_phone(opened, settings, store, language):
    told(store, LOSS)
    loss = seeding.card(LOSS, name="Webinar", proposal=seeding.proposal(LOSS, "a-loss"), sparkline=hours(50), evidence=judged("bad", 7, 12))  # fmt: skip
    with Workers(settings.redis_url.get_secret_value(), worker("w-1", 0, 1, 2, 3), names=store.names):
        page = opened([loss], place="/", viewport=PHONE, locale=language, has_touch=True, is_mobile=True)
        first = page.locator("#today-list > li").first
        expect(first).to_be_visible()
        expect(page.locator("#notice")).to_be_hidden()
        assert first.bounding_box()["y"] < PHONE["height"] / 3
    leave = {"en-GB": "Log out", "fr-FR": "Se déconnecter"}[language]
    expect(page.get_by_role("button", name=leave)).to_be_in_viewport(ratio=1)


def test_what_lies_beside_would_be_found(opened):
    page = opened([seeding.card("c-1")], viewport=PHONE)
    assert beside(page) == []
    page.evaluate("document.querySelector('nav.places').style.marginLeft = '6rem'")
    assert any("Forecast" in each for each in beside(page))

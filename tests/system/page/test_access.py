"""What every reader can use: axe (WCAG rules) finds nothing serious on any place of the page, light or dark, wide or narrow."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support import board_seeding as seeding
from tests.system.page.acting import DESKTOP, PHONE
from tests.system.page.test_today import told

GRAVE = {"serious", "critical"}


def complaints_of(page: Page) -> list[str]:
    """Serious and critical findings, with where they are."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_nothing_serious_stands_between_a_reader_and_the_page(opened, store, scheme, viewport):
    cards = seeding.board(12)
    for one in cards:
        told(store, one.campaign_id)
    options = {"color_scheme": scheme, "viewport": viewport, "bypass_csp": True}
    page = opened(cards, place="/", **options)
    expect(page.locator("#today-list > li").first).to_be_visible()
    assert complaints_of(page) == []
    page.get_by_role("link", name="Board").click()
    expect(page.get_by_role("article").first).to_be_visible()
    assert complaints_of(page) == []
    page.get_by_role("article").first.get_by_role("button", name="Move").click()
    assert complaints_of(page) == []
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Select").click()
    page.get_by_role("button", name="All that are shown").click()
    assert complaints_of(page) == []
    page.locator("#selection").get_by_role("button", name="Pause …").click()
    expect(page.locator("#bulk tbody tr").first).to_be_visible()
    assert complaints_of(page) == []
    page.keyboard.press("Escape")
    page.locator("#selection").get_by_role("button", name="End").click()
    for name in ("Simulate", "Audit trail", "Keys and meaning"):
        page.get_by_role("button", name=name).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert complaints_of(page) == []
        page.keyboard.press("Escape")
    page.goto(f"/campaigns/{cards[0].campaign_id}")
    expect(page.get_by_role("dialog").get_by_role("heading", name="History")).to_be_visible()
    assert complaints_of(page) == []


def test_what_is_serious_would_be_found(opened):
    page = opened([seeding.card("c-1")], bypass_csp=True)
    page.evaluate("document.querySelector('.tools').append(document.createElement('button'))")
    (complaint,) = complaints_of(page)
    assert complaint.startswith("button-name")

"""Past campaigns and forecasts on the page: like with like, a plan with its ranges, and what came of it."""

import json
import time
from collections.abc import Sequence

import msgspec
import pytest
from playwright.sync_api import Page, expect

from metrics.archive.editions import CampaignArchive
from tests.support import archive_seeding
from tests.support import board_seeding as seeding
from tests.system.page.acting import DESKTOP, PATIENCE_MS, PHONE, ask
from tests.system.page.test_access import complaints_of

CARDS = [seeding.card("c-1", name="Spring sale")]
EDITIONS = archive_seeding.campaigns(10)
LOOKS = [
    {"viewport": DESKTOP},
    {"viewport": PHONE, "color_scheme": "dark", "locale": "fr-FR"},
]


def lines(page: Page, heading: str) -> dict[str, list[str]]:
    """The cells of a table by the first of each line."""
    table = page.get_by_role("region", name=heading).get_by_role("table")
    expect(table).to_be_visible()
    rows = table.locator("tbody tr")
    return {
        rows.nth(n).locator("th").inner_text().split("\n")[0]: rows.nth(n).locator("td").all_inner_texts()
        for n in range(rows.count())
    }


@pytest.fixture
def archived(opened, settings, address):
    """Opens a place of the page once the board has read the archive."""

    def make(place: str, editions: Sequence[CampaignArchive] = EDITIONS, **options) -> Page:
        archive_seeding.produce(settings, editions)
        deadline = time.monotonic() + PATIENCE_MS / 1_000
        wanted = {each.campaign_id for each in editions}
        while wanted - set(_known(address)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return opened(CARDS, place=place, bypass_csp=True, **options)

    return make


def _known(address: str) -> list[str]:
    found = ask(f"{address}/api/archive?age_days=0")
    return [each["campaign_id"] for each in (*found["campaigns"], *found["left_out"])]


def test_an_archive_without_campaigns_says_what_fills_it(opened):
    page = opened(CARDS, place="/past")
    expect(page.get_by_text("roistream archive update does it")).to_be_visible()


def test_past_campaigns_are_compared_like_with_like(archived):
    page = archived("/past")
    groups = lines(page, "Target group")
    assert set(groups) == {"families", "students"}
    each = lines(page, "8 campaigns")
    assert len(each) == 8
    assert sum(int(cells[0]) for cells in groups.values()) == 8
    left_out = page.locator("ul.left-out li")
    expect(left_out).to_have_count(2)
    expect(left_out.filter(has_text="past-7")).to_contain_text("has figures of only 12 days after its end")
    page.locator("#past-by").select_option("Channel")
    page.locator("#past-target").select_option("families (5)")
    expect(page.get_by_role("region", name="Channel").locator("tbody tr")).to_have_count(3)
    assert {cells[0] for cells in lines(page, "5 campaigns").values()} == {"families"}
    page.locator("#past-age_days").select_option("at least 90 days")
    expect(page.get_by_text("No archived campaign is like that")).to_be_visible()
    page.locator("#past-age_days").select_option("any time")
    expect(page.get_by_role("region", name="Channel")).to_be_visible()


def test_a_plan_is_forecast_saved_and_scored_when_its_campaign_is_over(archived, complaints, tmp_path):
    page = archived("/forecast")
    page.get_by_label("Campaign id").fill("next")
    page.locator("#forecast-plan [name=target]").fill("pilots")
    page.get_by_label("Budget").fill("5,000.00")
    page.get_by_role("button", name="Forecast it").click()
    figures = lines(page, "What next may bring")
    assert set(figures) == {"Leads", "Orders", "New customers", "Revenue", "CPL", "CAC", "ROI"}
    expect(page.get_by_text("Learned from 9 campaigns; it leans most on Season ")).to_be_visible()
    expect(page.get_by_text("No past campaign has this Target group")).to_be_visible()
    with page.expect_download() as told:
        page.get_by_role("button", name="Save this forecast").click()
    kept = tmp_path / told.value.suggested_filename
    told.value.save_as(kept)
    assert kept.name == "forecast-next.json"
    assert json.loads(kept.read_text())["campaign_id"] == "next"
    page.get_by_label("Saved forecast").set_input_files(kept)
    expect(page.get_by_role("alert").filter(has_text="next is not archived in EUR")).to_be_visible()
    complaints.clear()  # that the board refused it is what the page says
    archived("/forecast", [msgspec.structs.replace(EDITIONS[0], campaign_id="next")]).close()
    page.get_by_label("Saved forecast").set_input_files([])
    page.get_by_label("Saved forecast").set_input_files(kept)
    came = lines(page, "What came of next")
    assert came["Leads"][3] == f"{EDITIONS[0].models['declared'].sums.leads:,}"
    assert came["Leads"][:3] == figures["Leads"][:3]
    expect(page.get_by_text("ranges held what came")).to_be_visible()


def test_who_plans_sees_how_good_forecasts_were(archived):
    page = archived("/forecast", EDITIONS[:6])
    page.get_by_role("button", name="Check it").click()
    table = page.locator("#forecast-checked table")
    expect(table).to_be_visible(timeout=4 * PATIENCE_MS)
    expect(table.locator("tbody tr")).to_have_count(7)


@pytest.mark.parametrize("look", LOOKS, ids=["desktop", "phone"])
def test_nothing_serious_stands_between_a_reader_and_these_pages(archived, complaints, look):
    page = archived("/past", **look)
    expect(page.locator("#past-body table").first).to_be_visible()
    assert complaints_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.goto("/forecast")
    page.locator("#forecast-plan [name=budget]").fill("5000")
    page.locator("#forecast-plan button").click()
    expect(page.locator("#forecast-body table")).to_be_visible()
    assert complaints_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

"""The page of customers: what they are worth, who comes back, in the reader's language, and what it says where nobody is known."""

import msgspec
import pytest
from playwright.sync_api import Page, expect

from tests.support import board_seeding as seeding
from tests.support import customer_seeding
from tests.system.page.acting import PHONE, await_asked, hold_back

CARDS = [seeding.card("c-1", name="Spring sale"), seeding.card("c-2", name="Our brand")]
#: The first pays back, the second does not, of the third nobody knows what it cost.
SPENT = {"c-1": 20_000, "c-2": 400_000, "c-3": None}


def figures(page: Page, heading: str) -> dict[str, list[str]]:
    """The cells of a table by the first of each line."""
    table = page.get_by_role("region", name=heading).get_by_role("table")
    expect(table).to_be_visible()
    lines = table.locator("tbody tr")
    return {
        lines.nth(n).locator("th").inner_text(): lines.nth(n).locator("td").all_inner_texts()
        for n in range(lines.count())
    }


def test_old_cohorts_get_a_verdict(opened, store):
    customer_seeding.fill(store, customer_seeding.records(SPENT, months=16))
    page = opened(CARDS, place="/customers")
    worth = figures(page, "What they are worth")
    assert worth["Spring sale"][8].startswith("pays\nlook 3: ")
    assert worth["Our brand"][8].startswith("does not pay\nlook 3: ")
    assert worth["c-3"][8] == "unknown"


def test_customers_are_shown_with_what_is_expected_and_the_cohorts_of_one_campaign(opened, store):
    customer_seeding.fill(store, customer_seeding.records(SPENT))
    page = opened(CARDS, place="/customers")
    worth = figures(page, "What they are worth")
    assert set(worth) == {"Spring sale", "Our brand", "c-3"}
    assert "in 11 months" in worth["Spring sale"][3]
    assert " to " in worth["Spring sale"][7]
    assert (worth["c-3"][4], worth["c-3"][6], worth["c-3"][9]) == ("unknown", "–", "unknown")
    assert worth["Our brand"][8] == "too young"
    assert worth["Our brand"][9] == "not yet"
    beside = figures(page, "What they answer, ask for and pass on")
    assert set(beside) == set(worth)
    assert beside["c-3"][0].startswith("45")
    assert "of 260" in beside["c-3"][0]
    assert "nine of ten in" in beside["c-3"][2]
    assert beside["c-3"][5] == "90%"
    funnel = figures(page, "From the click to who brings others")
    assert funnel["Spring sale"][:2] == ["40,000", "4,000\n10% of clicks"]
    assert funnel["Spring sale"][2].endswith("% of leads")
    assert funnel["Spring sale"][6].startswith("€")
    contracts = figures(page, "What contracts bring")
    # Of 20 contracts that a month begins 17 have an amount, and 2 end in each month but the first.
    assert contracts["c-3"][:4] == ["260", "236\n15 without a known amount", "€4,199", "€19.00"]
    everyone = figures(page, "Who comes back")
    assert len(everyone) == 13
    assert everyone["2025-11"][3] == "100%"
    page.get_by_label("Cohorts of").select_option("Our brand")
    own = page.get_by_role("region", name="Who comes back").locator("tbody tr").first.locator("td").first
    expect(own).not_to_have_text(everyone["2025-11"][0])
    assert page.get_by_label("Cohorts of").input_value() == "c-2"
    page.get_by_role("link", name="Spring sale").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_customers_of_a_model_are_those_of_other_campaigns(opened, store):
    found = customer_seeding.records({"c-1": 20_000})
    customer_seeding.fill(store, found)
    in_model = [msgspec.structs.replace(each, model="linear", campaign_id="c-2") for each in found]
    customer_seeding.fill(store, in_model)
    page = opened(CARDS, place="/customers")
    assert set(figures(page, "What they are worth")) == {"Spring sale"}
    page.get_by_label("Acquired by, in the model").focus()
    page.get_by_label("Acquired by, in the model").select_option("linear")
    expect(page.get_by_text("the greatest part of the first order")).to_be_visible()
    assert set(figures(page, "What they are worth")) == {"Our brand"}
    expect(page.get_by_label("Acquired by, in the model")).to_be_focused()
    page.get_by_label("Acquired by, in the model").select_option("as first orders declare")
    expect(page.get_by_role("link", name="Spring sale")).to_be_visible()


def test_cohorts_of_weeks_are_told_as_weeks(opened, store):
    customer_seeding.fill(store, customer_seeding.records(SPENT, months=8, period="week"))
    page = opened(CARDS, place="/customers")
    worth = figures(page, "What they are worth")
    assert "in 6 weeks" in worth["Spring sale"][3]
    everyone = figures(page, "Who comes back")
    assert len(everyone) == 8
    assert "2025-W44" in everyone
    expect(page.get_by_text("in the n-th week after it")).to_be_visible()
    expect(page.get_by_text("It has one look a week")).to_be_visible()
    expect(
        page.get_by_text(
            "Churn is that of the newest month that is over; where cohorts go by week, of the newest week."
        )
    ).to_be_visible()


def test_customers_wait_for_the_names_of_their_campaigns(opened, store):
    customer_seeding.fill(store, customer_seeding.records(SPENT))
    page = opened(CARDS, place="/past")
    asked = hold_back(page, "/api/(events|customers)", 1)
    page.goto("/customers")
    await_asked(page, asked, 1)
    # The stream brings the names. Figures that are read before it have ids, and names a moment later.
    assert "/api/events" in asked[0].request.url
    asked[0].continue_()
    assert set(figures(page, "What they are worth")) == {"Spring sale", "Our brand", "c-3"}


def test_a_late_answer_is_not_shown_over_a_newer_one(opened, store):
    customer_seeding.fill(store, customer_seeding.records(SPENT))
    page = opened(CARDS, place="/customers")
    first = figures(page, "Who comes back")["2025-11"]
    cohorts = page.get_by_label("Cohorts of")
    with page.expect_response("**/api/customers**"):
        cohorts.select_option("Spring sale")
    own = page.get_by_role("region", name="Who comes back").locator("tbody tr").first.locator("td")
    expect(own.first).not_to_have_text(first[0])
    wanted = own.all_inner_texts()
    asked = hold_back(page, "/api/customers", 2)
    for campaign in ("Our brand", "Spring sale"):
        cohorts.select_option(campaign)
    await_asked(page, asked, 2)
    for each in reversed(asked):
        with page.expect_response(each.request.url):
            each.continue_()
    expect(own).to_have_text(wanted)
    assert cohorts.input_value() == "c-1"


@pytest.mark.parametrize("look", [{}, {"viewport": PHONE, "color_scheme": "dark", "locale": "fr-FR"}])
def test_nothing_of_the_page_lies_beside_the_screen(opened, store, look):
    customer_seeding.fill(store, customer_seeding.records(SPENT))
    page = opened(CARDS, place="/customers", **look)
    title = "Ce qu’ils valent" if look else "What they are worth"
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_board_without_customers_says_what_to_set(opened):
    page = opened(CARDS, place="/customers")
    expect(page.get_by_text("CUSTOMER_RETENTION")).to_be_visible()

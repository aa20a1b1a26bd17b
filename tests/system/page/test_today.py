"""The morning: what needs a person first, a campaign under its own address, the page in French."""

import csv
import time
from pathlib import Path

import msgspec
from playwright.sync_api import Page, expect

from metrics.budget.records import CardHold, SparkPoint
from metrics.records.kpi_reading import CampaignKpi, Evidence, KnownSpend
from metrics.values.time import HOUR, MINUTE, format_instant
from streams import topics
from streams.settings import Settings
from streams.sinks.redis_status import WorkerStatus
from tests.streams.commands.test_status import Workers
from tests.support import board_seeding as seeding
from tests.system.page.acting import PATIENCE_MS, PHONE, ask, card, decided, give_reason
from tests.system.page.test_seeing import produce

MILLION = 1_000_000


def hours(spend: int, count: int = 24) -> list[SparkPoint]:
    """So much spent in each of the last hours, in currency units, and in the newest what the oldest lacks.

    The oldest drops out of the last 24 hours where an hour ends while a test runs; the sum of the others stays.
    """
    now = int(time.time() * 1_000) // HOUR * HOUR
    spent = [0, *[spend] * (count - 2), 2 * spend]
    return [
        SparkPoint(t=format_instant(now - (count - 1 - at) * HOUR), spend_micros=each * MILLION, roi=None)
        for at, each in enumerate(spent)
    ]


def judged(verdict: str, low: float, high: float) -> dict[str, Evidence]:
    one = Evidence(
        target="cpl", verdict=verdict, e_value=31.0, probability_bad=0.99, interval=(low, high), completeness=1.0
    )  # fmt: skip
    return {"cpl": one}


def told(store, campaign_id: str, model: str = "declared", **fields) -> None:
    """A reading of the last 24 hours in the view of a model."""
    now = int(time.time() * 1_000)
    reading: CampaignKpi = seeding.hour(campaign_id, 0, leads=3, revenue=100, begin=now - HOUR)
    values = {"window": "24h", "model": model, "watermark": format_instant(now - 5_000)} | fields
    value = msgspec.json.encode(msgspec.structs.replace(reading, **values))
    store.hset(store.names.readings(model, "24h"), campaign_id, value)


def lines(page: Page):
    return page.locator("#today-list > li")


def test_what_needs_a_person_comes_first_by_money_and_is_decided_there(opened, settings, store):
    cheap = seeding.proposal("to-1", "a-1")
    dear = msgspec.structs.replace(seeding.proposal("to-2", "a-2"), rule="evidence:cpl")
    page = opened(
        [
            seeding.card("to-1", name="Cheap", sparkline=hours(2), proposal=cheap),
            seeding.card(
                "to-2", name="Dear", sparkline=hours(50), proposal=dear, evidence=judged("bad", 7, 12)
            ),
            seeding.card("to-3", name="Quiet", sparkline=hours(90)),
        ],
        place="/",
    )
    expect(lines(page)).to_have_count(2)
    first = lines(page).first
    expect(first).to_contain_text("Dear")
    expect(first).to_contain_text(
        "Pause. CPL surely misses its target: it is likely between €7.00 and €12.00"
    )
    expect(first).to_contain_text("Waiting costs about €1,200 of spend a day.")
    first.get_by_role("button", name="Approve for Dear").click()
    give_reason(page)
    said = decided(settings, "to-2")
    assert (said.verb, said.reason) == ("approve", "target is not met")
    seeding.say(store, seeding.card("to-2", 2, name="Dear", column="hold", sparkline=hours(50)))
    expect(lines(page)).to_have_count(1)


def test_what_the_controller_did_is_told_with_what_came_of_it(opened, settings):
    hold = CardHold(owner="evidence", reason="CPL misses its target", expires_at=None)
    page = opened(
        [
            seeding.card(
                "did-1",
                name="Paused",
                column="hold",
                hold=hold,
                sparkline=hours(10),
                # After a hold more evidence is asked for, so what it was paused for is open again.
                evidence=judged("inconclusive", 7, 12),
            )
        ],
        place="/",
    )
    at = int(time.time() * 1_000) - 10 * MINUTE
    proposal = seeding.proposal("did-1", "did-a", mode="enforce")
    done = msgspec.structs.replace(
        proposal, rule="evidence:cpl", decided_at=format_instant(at), evidence={"spent": "240.00"}
    )
    produce(settings, topics.BUDGET_ACTIONS, done, "did-1")
    # The hours do not say what was spent within one of them; the action and the card do.
    expect(lines(page).first).to_contain_text("Put on hold, ")
    expect(lines(page).first).to_contain_text("Since then it spent €10.00.")
    expect(lines(page).first).to_contain_text("done by the controller")
    expect(lines(page).first).to_contain_text("CPL surely misses its target")
    expect(lines(page).first).to_contain_text("Held by the evidence until someone resumes it")
    back = msgspec.structs.replace(
        done,
        action_id="did-b",
        rule="hold expired",
        verb="resume",
        column="test",
        reason="the hold by evidence has expired; the evidence begins anew",
        decided_at=format_instant(at + MINUTE),
    )
    produce(settings, topics.BUDGET_ACTIONS, back, "did-1")
    expect(page.get_by_text("Resumed in test, ")).to_contain_text(
        ". The hold by the evidence has expired; the evidence begins anew."
    )


def test_a_past_action_is_told_by_what_it_was_taken_on(opened, settings):
    anew = msgspec.structs.replace(judged("inconclusive", 7, 12)["cpl"], interval=(None, None))
    opened_page = opened(
        [seeding.card("past-1", name="Resumed", sparkline=hours(10), evidence={"cpl": anew})], place="/"
    )
    at = int(time.time() * 1_000) - 10 * MINUTE
    for number, kept in enumerate([{"cpl_low": 16.4, "cpl_high": 20.25, "cpl_target": 11.0}, {}]):
        done = msgspec.structs.replace(
            seeding.proposal("past-1", f"past-{number}", mode="enforce"),
            rule="evidence:cpl",
            decided_at=format_instant(at + number * MINUTE),
            evidence={"spent": "240.00", **kept},
        )
        produce(settings, topics.BUDGET_ACTIONS, done, "past-1")
    expect(lines(opened_page)).to_have_count(2)
    told = lines(opened_page).filter(has_text="CPL surely misses its target")
    expect(told).to_have_count(1)
    expect(told).to_contain_text("it is likely between €16.40 and €20.25, and its target is €11.00.")
    # An action of an earlier build kept no interval: the reason that was written down is told.
    expect(lines(opened_page).filter(has_text="CPL misses its target: e-value 31")).to_have_count(1)


def test_spend_that_comes_by_reports_is_weighed_by_the_last_day_that_they_know(opened, settings):
    now = int(time.time() * 1_000)
    known = KnownSpend(
        since=format_instant(now - 36 * HOUR),
        until=format_instant(now - 12 * HOUR),
        spend_micros=900 * MILLION,
        total_micros=900 * MILLION,
        is_by_hour=False,
    )
    silent = [msgspec.structs.replace(each, spend_micros=None) for each in hours(0)]
    hold = CardHold(owner="evidence", reason="CPL misses its target", expires_at=None)
    waits = seeding.proposal("by-1", "by-a")
    page = opened(
        [
            seeding.card("by-1", name="Reported", sparkline=silent, proposal=waits, known_spend=known),
            seeding.card("by-2", name="Rests", column="hold", hold=hold, sparkline=silent, known_spend=known),
        ],
        place="/",
    )
    expect(lines(page).first).to_contain_text("Waiting costs about €900 of spend a day.")
    expect(lines(page).first).to_contain_text("Its spend is known until ")
    done = seeding.proposal("by-2", "by-b", mode="enforce")
    done = msgspec.structs.replace(done, decided_at=format_instant(now - 10 * MINUTE))
    produce(settings, topics.BUDGET_ACTIONS, done, "by-2")
    told = lines(page).filter(has_text="done by the controller")
    expect(told).to_contain_text("What it spent since then is not known yet: its reports reach to ")
    expect(told).not_to_contain_text("Since then it spent")


def test_figures_that_cannot_be_trusted_are_told_with_what_to_do(opened, settings, store):
    now = int(time.time() * 1_000)
    told(store, "odd-1", spread_ratio=0.9)
    told(store, "odd-2", watermark=format_instant(now - HOUR))
    told(store, "odd-3", watermark=format_instant(now - HOUR))
    told(store, "odd-4", has_uncertain_amounts=True, unreported_ratio=0.75)
    told(store, "who-is-this")
    told(store, "(none)")
    told(store, "Odd%20one")
    split = WorkerStatus("w", [0], {0: now - 1_000}, [], split_orders=1, split_events=2)
    cards = [
        seeding.card("odd one", name="Odd"),
        *[seeding.card(f"odd-{n}", name=f"Odd {n}") for n in (1, 2, 3, 4)],
    ]
    url = settings.redis_url.get_secret_value()
    with Workers(url, split, names=store.names):
        await_split(settings, orders=1, events=2)
        assert_doubts(opened(cards, place="/"))
    # The board remembers a worker for some seconds, so for other tests it takes back what it said.
    with Workers(url, WorkerStatus("w", [0], {0: now - 1_000}, []), names=store.names):
        await_split(settings, orders=0, events=0)


def await_split(settings: Settings, **wanted: int) -> None:
    """Return when the board tells of so much that came on several partitions."""
    deadline = time.monotonic() + PATIENCE_MS / 1_000
    while ask(f"http://127.0.0.1:{settings.board_port}/api/campaigns")["split"] != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_doubts(page: Page) -> None:
    for text in (
        "90% of its spend of the last 24 hours is an estimate",
        "The figures of 2 campaigns are complete up to",
        "in a currency without a rate",
        "No report says yet what 75% of the last 24 hours cost",
        "nobody registered it",
        "3 conversions of the last 24 hours name no campaign",
        "“Odd%20one”, “odd one”",
        "These 2 ids differ only in case, spaces or encoding",
        "The records of 1 order came on several partitions",
        "2 events came on several partitions, and counted on each",
    ):
        expect(page.locator("#today-list")).to_contain_text(text)
    expect(lines(page)).to_have_count(7)


def test_a_campaign_that_turned_since_the_last_visit_is_told_on_the_next(opened, store, browser):
    page = opened(
        [seeding.card("turn-1", name="Turned", evidence=judged("good", 1, 3), sparkline=hours(5))], place="/"
    )
    expect(page.locator("#today-summary")).to_contain_text("Nothing needs you")
    # As if the page had been left an hour ago.
    page.evaluate("""() => {
      const visit = JSON.parse(localStorage.getItem("roistream-board-visit"));
      localStorage.setItem("roistream-board-visit", JSON.stringify({ ...visit, seenMs: visit.seenMs - 3600000 }));
    }""")
    seeding.say(
        store, seeding.card("turn-1", 2, name="Turned", evidence=judged("bad", 7, 12), sparkline=hours(5))
    )
    page.reload()
    expect(lines(page).first).to_contain_text("turned bad")
    lines(page).first.get_by_role("link", name="Turned").click()
    expect(page.get_by_role("dialog", name="Turned")).to_be_visible()


def test_a_campaign_has_an_address_that_another_session_opens(opened, store):
    told(store, "addr/1 ü")
    told(store, "addr/1 ü", model="linear")
    cards = [seeding.card("addr/1 ü", name="Shared", evidence=judged("bad", 7, 12)), seeding.card("c-2")]
    page = opened(cards)
    card(page, "Shared").click()
    page.wait_for_url("**/campaigns/addr%2F1%20%C3%BC")
    other = opened(cards, place="/campaigns/addr%2F1%20%C3%BC", viewport=PHONE)
    dialog = other.get_by_role("dialog", name="Shared")
    expect(dialog.get_by_role("img", name="CPL surely misses its target")).to_be_visible()
    expect(dialog.get_by_role("row", name="linear 3")).to_be_visible()
    other.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    other.wait_for_url("**/")
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(card(page, "Shared")).to_be_visible()


def test_a_pause_may_have_an_end_and_a_budget_is_taken_as_the_page_prints_it(opened, settings):
    page = opened([seeding.card("end-1", name="Winter")], locale="fr-FR")
    card(page, "Winter").click()
    page.get_by_role("button", name="Mettre en pause").click()
    page.get_by_label("Jusqu’à").fill("2099-01-02T08:30")
    page.get_by_label("Raison, pour le journal").fill("boutique fermée")
    page.get_by_role("button", name="Envoyer").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    said = decided(settings, "end-1")
    assert (said.verb, said.reason, said.until.year) == ("pause", "boutique fermée", 2099)
    card(page, "Winter").click()
    page.get_by_role("button", name="Fixer le budget").click()
    field = page.get_by_label("Nouveau budget en EUR")
    field.fill("tout")
    page.get_by_label("Raison, pour le journal").fill("plus")
    page.get_by_role("button", name="Envoyer").click()
    expect(page.get_by_role("alert")).to_have_text("tout n’est pas un montant ; écrivez-le comme 1 000.")
    field.fill("1.250")
    page.get_by_role("button", name="Envoyer").click()
    expect(page.get_by_role("alert")).to_contain_text("1.250 n’est pas un montant")
    field.fill("1 000 000,50")
    page.get_by_role("button", name="Envoyer").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert str(decided(settings, "end-1").budget) == "1000000.50"


def test_the_page_speaks_the_readers_language_and_keeps_a_choice(opened):
    page = opened([seeding.card("fr-1", name="Soldes", evidence=judged("bad", 7, 12))], locale="fr-FR")
    assert page.evaluate("document.documentElement.lang") == "fr"
    expect(card(page, "Soldes")).to_contain_text("CPL manque l’objectif")
    expect(card(page, "Soldes")).to_contain_text("cartes distribuées : 2 sur 10")
    page.get_by_label("Langue").select_option("en")
    expect(page.get_by_role("button", name="Audit trail")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Audit trail")).to_be_visible()


def test_a_french_sentence_takes_the_time_of_another_day_before_its_day(opened):
    hold = CardHold(owner="ana", reason="boutique fermée", expires_at="2099-01-02T08:30:00.000Z")
    page = opened(
        [seeding.card("fr-2", column="hold", name="Soldes", hold=hold)], locale="fr-FR", timezone_id="UTC"
    )
    expect(card(page, "Soldes")).to_contain_text(
        "En pause par ana jusqu’à 08:30 le 2 janv. : boutique fermée"
    )


def test_an_interval_on_one_side_of_its_target_is_no_riddle(opened):
    page = opened([seeding.card("side-1", name="Side", evidence=judged("inconclusive", 5, 9))])
    expect(card(page, "Side")).to_contain_text("CPL very likely misses target, not proved yet")


def test_a_long_name_keeps_its_end(opened):
    name = "Spring campaign of the whole family, Germany and Austria, prospecting – 2026-11 – variant B7"
    page = opened([seeding.card("long-1", name=name)])
    heading = page.get_by_role("heading", level=3)
    expect(heading).to_contain_text("variant B7")
    expect(heading).to_contain_text("Spring campaign")


def test_a_view_of_the_board_is_in_its_address_and_goes_out_as_a_file_for_spreadsheets(opened):
    cards = [
        seeding.card("=1+1", name='=HYPERLINK("x"), "spring"', channel="search", reason="ça va"),
        seeding.card("c-2", name="Spring two", kpis={"7d": {"cpl": 2.5}}),
        seeding.card("c-3", name="Winter"),
    ]
    page = opened(cards)
    page.get_by_label("Find campaigns").fill("spring")
    page.get_by_label("Order").select_option("name")
    page.get_by_label("Figures of").select_option("7d")
    expect(page.get_by_role("article")).to_have_count(2)
    query = page.evaluate("location.search")
    assert query == "?filter=spring&window=7d&order=name"
    other = opened(cards, place=f"/board{query}", is_filtered=True)
    expect(other.get_by_role("article")).to_have_count(2)
    expect(other.get_by_label("Order")).to_have_value("name")
    with other.expect_download() as waited:
        other.get_by_role("button", name="Export").click()
    rows = list(csv.reader(Path(waited.value.path()).read_text("utf-8-sig").splitlines()))
    assert [row[0] for row in rows] == ["Campaign", "'=1+1", "c-2"]
    assert rows[1][1] == '\'=HYPERLINK("x"), "spring"'
    assert (rows[1][-2], rows[0][8], rows[2][8]) == ("ça va", "CPL 7d", "2.5")

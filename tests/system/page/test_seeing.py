"""The page in a real browser: what an operator sees, also on a phone, and with 500 campaigns."""

import os
import re
import signal
import time

import msgspec
import pytest
import redis
from kafka import KafkaProducer
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, expect

from metrics.budget.effects.records import BudgetEffect, EffectPart
from metrics.budget.records import BoardCard, CardPace
from metrics.records.kpi_reading import KnownSpend
from metrics.values.time import HOUR
from streams import topics
from streams.embedded.child_process import free_ports
from streams.settings import Settings
from streams.sinks.redis_status import WorkerStatus
from tests.support import board_seeding as seeding
from tests.system.page.acting import (
    PHONE,
    await_asked,
    card,
    decided,
    give_reason,
    hold_back,
    start_board,
    until,
)

# --- seeing -----------------------------------------------------------------------------------------


def test_details_show_evidence_figures_and_history_and_the_trail_goes_on(opened, settings):
    cards = seeding.board(12)
    page = opened(cards)
    shown = next(each for each in cards if each.evidence["cpl"].verdict == "bad")
    card(page, shown.name).click()
    dialog = page.get_by_role("dialog", name=shown.name)
    dialog.get_by_text("The figures of the test").click()
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
    expect(trail.get_by_role("listitem").filter(has_text="Put on hold (rule cpl)")).to_contain_text(
        "e-value 31.2"
    )


def test_a_late_answer_about_another_campaign_takes_nothing_from_the_one_that_is_open(opened, settings):
    page = opened([seeding.card("late-1", name="Webinar"), seeding.card("late-2", name="Podcast")])
    asked = hold_back(page, "/api/campaigns/", 2)
    for at, name in enumerate(("Webinar", "Podcast"), 1):
        card(page, name).click()
        await_asked(page, asked, at)
        if at == 1:
            page.keyboard.press("Escape")
    for each in reversed(asked):
        with page.expect_response(each.request.url):
            each.continue_()
    produce(settings, topics.BUDGET_ACTIONS, seeding.proposal("late-2", "late-a", "enforce"), "late-2")
    dialog = page.get_by_role("dialog", name="Podcast")
    expect(dialog.get_by_role("listitem").filter(has_text="Put on hold (rule cpl)")).to_be_visible()


def test_a_card_says_when_spend_is_ahead_of_its_flight_when_a_proposal_lapses_and_that_rates_are_missing(
    opened,
):
    pace = CardPace(
        projected_micros=2_400_000_000, low_micros=850_000_000, high_micros=1_150_000_000, pace="ahead",
        ends_at="2026-12-01T00:00:00Z", known_until="2026-11-22T21:00:00Z",
    )  # fmt: skip
    known = KnownSpend(
        since="2026-11-21T21:00:00Z",
        until="2026-11-22T21:00:00Z",
        spend_micros=9_000_000,
        total_micros=9_000_000,
        is_by_hour=False,
    )
    untargeted = seeding.card(
        "free", name="Podcast", targets_micros={}, budget_micros=0, has_uncertain_amounts=True
    )
    proposed = seeding.proposal("fast")
    page = opened(
        [
            seeding.card(
                "fast",
                name="Webinar",
                pace=pace,
                known_spend=known,
                proposal=proposed,
                proposed_until="2026-11-24T00:00:00Z",
            ),
            untargeted,
        ]
    )
    expect(card(page, "Webinar")).to_contain_text(
        "2 of 10 cards given out · ahead of its pace · spend known until "
    )
    expect(card(page, "Podcast")).not_to_contain_text("spend known until")
    expect(card(page, "Webinar")).to_contain_text("Lapses ")
    expect(card(page, "Podcast").get_by_text("amounts without a rate")).to_be_visible()
    expect(card(page, "Webinar").get_by_text("amounts without a rate")).to_be_hidden()
    card(page, "Webinar").click()
    dialog = page.get_by_role("dialog", name="Webinar")
    expect(dialog).to_contain_text("€2,400 by")
    expect(dialog).to_contain_text("spend known until ")
    expect(dialog).to_contain_text("€850 to €1,150 would be on pace")
    expect(dialog).to_contain_text("Nothing can be said yet about CPL and ROAS")
    page.keyboard.press("Escape")
    card(page, "Podcast").click()
    expect(page.get_by_role("dialog", name="Podcast")).to_contain_text("registered without targets")
    expect(page.get_by_role("dialog", name="Podcast")).to_contain_text("no budget set")


def test_a_card_says_what_became_of_its_action_on_the_ad_platform(opened, settings):
    page = opened([seeding.card("there", name="Webinar"), seeding.card("other", name="Podcast")])
    paused = EffectPart(
        aspect="status", status="paused", stage="confirmed", settled_at="2026-11-20T10:00:00Z"
    )
    refused = EffectPart(
        aspect="budget",
        wished_micros=2_000_000,
        amount_micros=1_990_000,
        stage="refused",
        because="too_small",
    )
    for campaign_id, part in (("there", paused), ("other", refused)):
        effect = BudgetEffect(
            action_id=campaign_id, campaign_id=campaign_id, platform="meta", verb="pause", rule="operator:pause", currency="EUR",
            decided_at="2026-11-20T10:00:00Z", position=0, stage=part.stage, because=part.because, parts=(part,),
            changed_at="2026-11-20T10:00:00Z",
        )  # fmt: skip
        produce(settings, topics.BUDGET_EFFECTS, effect, campaign_id)
    expect(card(page, "Webinar")).to_contain_text("Meta: pause confirmed")
    expect(card(page, "Podcast")).to_contain_text(
        "Meta: budget €1.99 refused, because the amount is below the least that the platform takes"
    )
    card(page, "Webinar").click()
    expect(page.get_by_role("dialog", name="Webinar")).to_contain_text("On the ad platform")


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


def test_the_page_says_how_old_figures_are_and_what_holds_them_up(opened, store):
    def says(partitions: list[int], *reasons: str) -> None:
        figures = dict.fromkeys(partitions, int(time.time() * 1_000) - 4_000)
        status = WorkerStatus("w", partitions, figures, list(reasons))
        store.publish(store.names.workers, msgspec.json.encode(status))

    still = "stage merge of partition 1 stands still: 40 records of roistream-partials-1 have waited for 12 s"
    page = opened([seeding.card("c-1", name="One")])
    says([0, 1, 2, 3])
    expect(page.get_by_text(re.compile(r"^· figures \d+ s old$"))).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()
    says([0, 1, 2, 3], still)
    expect(page.locator("#notice")).to_contain_text("Stage merge of partition 1 stands still")
    says([0, 1, 2, 3])
    expect(page.locator("#notice")).to_be_hidden()
    # Nobody speaks any more: workers are missed.
    expect(page.locator("#notice")).to_contain_text("No worker has been heard of for")


def test_a_connection_that_is_dead_without_a_word_is_noticed_within_seconds(
    opened, store, settings: Settings, tmp_path, complaints
):
    (port,) = free_ports(1)
    server = start_board(settings, port, tmp_path)
    try:
        page = opened([seeding.card("c-1", name="One")], base_url=f"http://127.0.0.1:{port}")
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        os.kill(server.pid, signal.SIGSTOP)
        expect(page.locator("#notice")).to_contain_text("Nothing has come from the board for")
        expect(page.get_by_text("reconnecting", exact=True)).to_be_visible()
        os.kill(server.pid, signal.SIGCONT)
        expect(page.get_by_text("live", exact=True)).to_be_visible()
        expect(page.locator("#notice")).not_to_contain_text("Nothing has come from the board")
        complaints.clear()
    finally:
        os.kill(server.pid, signal.SIGCONT)
        server.stop()


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


MOVES = """() => {
  window.moved = [];
  const watch = new MutationObserver((all) => {
    for (const each of all) for (const node of each.addedNodes) window.moved.push(node.firstElementChild.dataset.campaign);
  });
  watch.observe(document.querySelector("[data-column=test] > ul"), { childList: true });
}"""


def test_a_card_that_falls_or_rises_in_its_column_is_the_only_one_that_moves(opened, store):
    cards = [
        seeding.card(f"order-{number}", name=f"Order {number}", spent_micros=(100 - number) * seeding.MILLION)
        for number in range(6)
    ]
    page = opened(cards, place="/board?order=spend")
    names = page.locator("[data-column=test] h3")
    expect(names).to_have_text([f"Order {number}" for number in range(6)])
    page.evaluate(MOVES)
    seeding.say(store, msgspec.structs.replace(cards[0], revision=2, spent_micros=0))
    expect(names).to_have_text([f"Order {number}" for number in (1, 2, 3, 4, 5, 0)])
    seeding.say(store, msgspec.structs.replace(cards[4], revision=2, spent_micros=900 * seeding.MILLION))
    expect(names).to_have_text([f"Order {number}" for number in (4, 1, 2, 3, 5, 0)])
    assert page.evaluate("window.moved") == ["order-0", "order-4"]


def test_many_cards_are_all_there_after_a_filter_and_another_order(opened):
    cards = seeding.board(120)
    page = opened(cards)
    found = [each for each in cards if "webinar" in each.name]
    page.get_by_role("searchbox").fill("WEBINAR")
    expect(page.get_by_role("article")).to_have_count(len(found))
    page.get_by_role("searchbox").fill("")
    expect(page.get_by_role("article")).to_have_count(120)
    page.get_by_label("Order").select_option("name")
    expect(page.get_by_role("article")).to_have_count(120)
    column = [each.name for each in cards if each.column == "test"]
    in_order = page.evaluate("(names) => names.sort(new Intl.Collator().compare)", column)
    expect(page.locator("[data-column=test] h3")).to_have_text(in_order)


CHANGES = """() => {
  window.changes = 0;
  const watch = new MutationObserver((all) => { window.changes += all.length; });
  watch.observe(document.getElementById("board"), { subtree: true, childList: true, characterData: true, attributes: true });
}"""


def test_cards_that_nobody_sees_are_drawn_when_the_board_is_opened(opened, store):
    cards = seeding.board(40)
    page = opened(cards, place="/")
    page.evaluate(CHANGES)
    newer = [
        msgspec.structs.replace(each, revision=2, spent_micros=each.spent_micros + seeding.MILLION)
        for each in cards
    ]
    for each in newer:
        seeding.say(store, each)
    spent = sum(each.spent_micros for each in newer) / seeding.MILLION
    expect(page.locator("#totals")).to_contain_text(f"€{spent:,.0f} of ")
    assert page.evaluate("window.changes") == 0
    page.get_by_role("link", name="Board", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(40)
    page.get_by_label("Order").select_option("spend")
    column = next(each.column for each in newer)
    shown = sorted((each for each in newer if each.column == column), key=lambda each: -each.spent_micros)
    expect(page.locator(f"[data-column={column}] h3").first).to_have_text(shown[0].name)
    page.get_by_role("link", name="Today", exact=True).click()
    page.get_by_role("link", name="Board", exact=True).click()
    expect(page.get_by_role("article")).to_have_count(40)

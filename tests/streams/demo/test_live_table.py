"""The demo's table: the latest readings win, and what is shown is what is true."""

import io
import re
from itertools import permutations

import pytest
from rich.console import Console

from metrics.records.events import NO_CAMPAIGN
from metrics.values.errors import RoistreamError
from streams.demo.display import display, save_picture
from streams.demo.live_table import plain_lines, render
from streams.demo.options import JUDGED_SECONDS, DemoOptions, environment
from streams.demo.simulated_clock import SimulatedClock
from streams.demo.summary import ledger_lines, summary
from streams.demo.table_state import KnownCampaign, TableState, facts
from streams.demo.world import DemoWorld
from streams.stages.intake.ledger import LedgerCounts

NOW = 1_795_294_803_333


def reading(campaign_id="c-1", *, revision=1, window="total", start=None, cpl=4.0, roi=0.5, **sums) -> dict:
    zeros = dict.fromkeys(
        ("spend_micros", "clicks", "leads", "orders", "revenue_micros", "refunds_micros"), 0
    )
    return {
        "campaign_id": campaign_id,
        "model": "declared",
        "window": window,
        "window_start": start,
        "stage": "update",
        "revision": revision,
        "currency": "EUR",
        "sums": {**zeros, "other_cost_micros": 0, "cost_of_goods_micros": 0, **sums},
        "kpis": {"cpl": cpl, "roi_net_profit": roi, "roas": 2.0},
    }


@pytest.fixture
def state() -> TableState:
    good = KnownCampaign("c-1", "Spring sale – search", "search", 5.0, 3.9)
    bad = KnownCampaign("c-2", "Spring sale – display", "display", 5.0, 8.6)
    return TableState([good, bad], {"metrics": "http://127.0.0.1:6066/metrics", "seed": "7"})


def shown(state: TableState, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render(state, width))
    return console.file.getvalue()


# --- what is taken in -------------------------------------------------------------------------------


def test_the_highest_revision_wins_in_any_order_of_arrival() -> None:
    readings = [reading(revision=number, cpl=float(number)) for number in (1, 2, 3)]
    for order in permutations(readings):
        state = TableState([KnownCampaign("c-1", "One", "search")])
        for each in order:
            state.offer(each, NOW)
        assert state.rows["c-1"].kpi("cpl") == 3.0


def test_the_newest_hour_wins_over_a_correction_of_an_older_one(state) -> None:
    state.offer(reading(window="1h", start="2026-11-21T11:00:00Z", revision=4, cpl=2.0), NOW)
    assert not state.offer(reading(window="1h", start="2026-11-21T10:00:00Z", revision=9, cpl=9.0), NOW)
    assert state.rows["c-1"].kpi("cpl", "1h") == 2.0


def test_a_repeated_reading_changes_nothing(state) -> None:
    assert state.offer(reading(), NOW)
    assert not state.offer(reading(), NOW + 5_000)
    assert state.rows["c-1"].changed_ms == NOW
    assert list(state.rows["c-1"].trend) == [4.0]


@pytest.mark.parametrize("other", [{"window": "1m"}, {"model": "linear"}, {"campaign_id": "c-9"}])
def test_other_windows_models_and_campaigns_are_not_shown(state, other) -> None:
    assert not state.offer({**reading(), **other}, NOW)
    assert not any(row.readings for row in state.rows.values())


def test_corrections_are_counted(state) -> None:
    state.offer({**reading(window="1m"), "stage": "correction"}, NOW)
    assert (state.published, state.corrections) == (1, 1)


def test_a_campaign_counts_when_cpl_and_roi_are_both_known(state) -> None:
    state.offer(reading(roi=None), NOW)
    assert state.campaigns_with_figures == 0
    state.offer(reading(revision=2), NOW)
    assert state.campaigns_with_figures == 1


def test_the_rows_of_a_world_hold_targets_in_the_reporting_currency() -> None:
    rows = {row.campaign_id: row for row in facts(DemoWorld(7, 16, 50, SimulatedClock.starting(NOW)))}
    assert rows["uk-launch-search"].target_cpl == pytest.approx(7.0 * 1.16)
    assert rows["organic-search"].target_cpl is None
    assert NO_CAMPAIGN in rows


# --- what is shown ----------------------------------------------------------------------------------


def test_every_figure_of_a_campaign_is_in_its_row(state) -> None:
    state.now_ms = NOW + 3_000
    state.offer(
        reading(spend_micros=120_000_000, clicks=300, leads=30, orders=6, revenue_micros=1_234_560_000), NOW
    )
    state.offer(reading(window="1h", start="2026-11-21T11:00:00Z", cpl=3.25), NOW)
    (row,) = [line for line in shown(state, 180).splitlines() if "search" in line and "sale" in line]
    for figure in ("120.00", "300", "30", "4.00 / 5.00", "3.25", "6", "1,234.56", "2.00", "+50%", "▁", "3 s"):
        assert figure in row


def test_totals_divide_sums_by_sums(state) -> None:
    state.offer(reading("c-1", spend_micros=10_000_000, leads=10, revenue_micros=40_000_000), NOW)
    state.offer(reading("c-2", spend_micros=30_000_000, leads=2, revenue_micros=0), NOW)
    (total,) = [line for line in shown(state, 180).splitlines() if "all together" in line]
    assert "3.33" in total, "40 / 12, not the mean of 1 and 15"
    assert "1.00" in total, "ROAS 40 / 40"
    assert "+0%" in total


def test_before_its_first_reading_a_campaign_shows_no_zeros(state) -> None:
    (row,) = [line for line in shown(state, 180).splitlines() if "Spring sale – search" in line]
    assert "–" in row.removeprefix("Spring sale – search")
    assert not any(digit in row for digit in "0123456789")


@pytest.mark.parametrize("width", [40, 60, 80, 110, 160])
def test_no_figure_is_cut_however_narrow_the_terminal(state, width) -> None:
    sums = {
        "spend_micros": 1_234_560_000,
        "clicks": 30_000,
        "leads": 300,
        "orders": 6,
        "revenue_micros": 4_000_000_000,
    }
    state.offer(reading(**sums), NOW)
    lines = shown(state, width).splitlines()
    table = [line for line in lines if line.startswith(("Spring", "all together"))]
    assert len(table) == 3
    assert not any(re.search(r"[0-9+]…", line) for line in table), table
    assert "4.00 / 5.00" in table[0]
    assert "+50%" in table[0]
    assert table[2].split()[-1].endswith("%") or width >= 60


def test_header_and_footer_say_where_and_how_much(state) -> None:
    state.sent, state.sent_twice, state.sent_broken = 1_000, 10, 1
    state.ledger = LedgerCounts(applied=989, duplicate=10, rejected=1)
    page = shown(state, 240)
    for text in (
        "http://127.0.0.1:6066/metrics",
        "seed 7",
        "sent 1,000",
        "read 1,000",
        "duplicates 10",
        "rejected 1",
    ):
        assert text in page


def test_a_sender_that_cannot_keep_up_says_so(state) -> None:
    assert "lags" not in shown(state, 200)
    state.behind_ms = 2_500
    assert "sending lags 2.5 s: lower --rate" in " ".join(shown(state, 400).split())


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_the_table_fits_the_terminal_and_keeps_cpl_and_roi(state, width) -> None:
    state.offer(reading(), NOW)
    page = shown(state, width)
    assert max(map(len, page.splitlines())) <= width
    assert "4.00 / 5.00" in page
    assert "+50%" in page


@pytest.mark.parametrize(("cpl", "style"), [(4.9, "green"), (5.0, "green"), (6.0, "yellow"), (6.3, "red")])
def test_the_cpl_is_coloured_by_its_target(state, cpl, style) -> None:
    state.offer(reading(cpl=cpl), NOW)
    console = Console(file=io.StringIO(), width=160, force_terminal=True, color_system="standard")
    console.print(render(state, 160))
    code = {"green": 32, "yellow": 33, "red": 31}[style]
    assert f"\x1b[{code}m{cpl:.2f}" in console.file.getvalue()


def test_the_best_roi_comes_first_and_none_comes_last(state) -> None:
    state.offer(reading("c-1", roi=None), NOW)
    state.offer(reading("c-2", roi=-0.5), NOW)
    page = shown(state, 160)
    assert page.index("display") < page.index("search")


def test_lines_for_logs_are_plain_and_name_every_campaign_with_a_reading(state) -> None:
    state.offer(reading("c-1", clicks=300), NOW)
    lines = plain_lines(state)
    assert len(lines) == 2
    assert "Spring sale – search" in lines[1]
    assert "clicks 300" in lines[1]
    assert "\x1b" not in "".join(lines)


def test_in_a_log_the_first_figures_come_at_once_and_then_every_few_seconds(state) -> None:
    console, times = Console(file=io.StringIO(), force_terminal=False), iter([0.0, 1.0, 2.0, 3.0, 7.0])
    state.phase = "running"
    counts = []
    with display(console, state, lambda: next(times)) as show:
        for each in (None, None, reading(), None, None):
            if each is not None:
                state.offer(each, NOW)
            show()
            counts.append(console.file.getvalue().count("[running]"))
    assert counts == [1, 1, 2, 2, 3]


# --- the end ----------------------------------------------------------------------------------------


def test_the_summary_puts_figures_beside_the_truth(state) -> None:
    state.offer(reading("c-1"), NOW)
    text = "\n".join(summary(state, 8.4))
    assert "1 of 2 campaigns show CPL and ROI" in text
    assert "CPL     4.00 EUR" in text
    assert "drawn from a CPL of 3.90" in text
    assert "after 8.4 s" in text
    assert "no reading yet" in text


def test_leads_that_cost_nothing_are_free_in_the_summary_as_in_the_table(state) -> None:
    state.offer(reading("c-1", cpl=0.0), NOW)
    assert "CPL     free" in "\n".join(summary(state, 8.4))


def test_the_books_say_what_agrees_and_what_does_not(state) -> None:
    state.sent, state.sent_twice, state.sent_broken = 100, 2, 1
    state.ledger = LedgerCounts(applied=97, duplicate=2, rejected=0)
    records, duplicates, rejected = ledger_lines(state)
    assert records.endswith("differ by -1")
    assert duplicates.endswith("agree")
    assert rejected.endswith("differ by -1")


def test_on_a_shared_broker_the_books_do_not_claim_to_agree_or_differ(state) -> None:
    state.sent, state.ledger, state.has_own_ledger = 100, LedgerCounts(applied=300), False
    text = "\n".join(ledger_lines(state))
    assert "100 / 300" in text
    assert "differ" not in text
    assert "earlier demos included" in text


# --- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (DemoOptions(seconds=0), "--seconds"),
        (DemoOptions(rate=0), "--rate"),
        (DemoOptions(campaigns=0), "--campaigns"),
        (DemoOptions(timelapse=0.5), "--timelapse"),
    ],
)
def test_an_option_that_cannot_work_is_named(options, name) -> None:
    with pytest.raises(RoistreamError, match=name):
        options.check()


def test_half_a_minute_must_show_ten_campaigns() -> None:
    judged, short, endless = DemoOptions(seconds=JUDGED_SECONDS), DemoOptions(seconds=10), DemoOptions()
    assert judged.is_success(10, interrupted=False)
    assert not judged.is_success(9, interrupted=False)
    assert judged.is_success(0, interrupted=True)
    assert short.is_success(0, interrupted=False)
    assert endless.is_success(0, interrupted=False)
    assert DemoOptions(seconds=30, campaigns=4).is_success(2, interrupted=False)


def test_the_users_variables_win_over_the_demos_usual_ones() -> None:
    inherited = {"ROISTREAM_IDLE_AFTER": "9s", "HOME": "/home/me"}
    variables = environment(inherited, broker="kafka://b:1", redis="redis://r:2/0", port=7, state_dir="s")
    assert variables["ROISTREAM_IDLE_AFTER"] == "9s"
    assert variables["ROISTREAM_SESSION_TIMEOUT"] == "10s"
    assert variables["ROISTREAM_BROKER"] == "kafka://b:1"
    assert variables["ROISTREAM_HTTP_PORT"] == "7"
    assert "HOME" not in variables


def test_a_broker_of_the_users_keeps_its_own_timeouts() -> None:
    variables = environment(
        {"ROISTREAM_BROKER": "kafka://k:9092"}, broker=None, redis=None, port=None, state_dir="s"
    )
    assert variables["ROISTREAM_BROKER"] == "kafka://k:9092"
    assert not {"ROISTREAM_IDLE_AFTER", "ROISTREAM_SESSION_TIMEOUT", "ROISTREAM_HTTP_PORT"} & set(variables)


def test_the_picture_shows_the_table_and_a_wrong_path_is_told(state, tmp_path):
    state.offer(reading(spend_micros=12_340_000), NOW)
    state.links = {"board": "http://127.0.0.1:1/#token=secret"}
    save_picture(state, tmp_path / "demo.svg")
    drawn = (tmp_path / "demo.svg").read_text()
    assert drawn.startswith("<svg")
    assert "12.34" in drawn
    assert "token" not in drawn
    assert "url(http" not in drawn
    assert "src:" not in drawn
    with pytest.raises(RoistreamError, match="--picture"):
        save_picture(state, tmp_path / "absent" / "demo.svg")

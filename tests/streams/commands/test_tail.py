"""``roistream tail`` shows of each window the highest revision, once, and passes over what it cannot read."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live

from metrics.records.kpi_reading import CampaignKpi
from metrics.values.errors import RoistreamError
from streams import catalogues
from streams.commands.tail import JsonLines, LiveTable, Newest, PlainLines, Wanted, follow, run
from streams.commands.tail_table import CurrentReadings, line
from streams.settings import Settings

RECORDED = (Path(__file__).parents[2] / "support" / "recorded_kpis.jsonl").read_bytes().splitlines()
FIRST = ("c-1", "declared", "1m", "2026-11-21T10:00:00Z")


def shown(batches, wanted=Wanted(), screen=JsonLines):  # noqa: B008 - immutable
    out, complaints = io.StringIO(), []
    follow(batches, wanted, screen(out), complaints.append)
    return out.getvalue().splitlines(), complaints


def key(record):
    return record["campaign_id"], record["model"], record["window"], record["window_start"]


def reading(index):
    return msgspec.json.decode(RECORDED[index], type=CampaignKpi)


def on_a_terminal(height=24):
    return Console(file=io.StringIO(), force_terminal=True, width=160, height=height)


def test_repeated_and_overtaken_revisions_are_shown_once():
    lines, complaints = shown([RECORDED])
    of_first = [json.loads(text) for text in lines if key(json.loads(text)) == FIRST]
    epoch = 1 << 32
    assert [record["revision"] - epoch for record in of_first] == [1, 3, 5, epoch + 1]
    assert [record["stage"] for record in of_first] == ["update", "update", "final", "correction"]
    assert complaints == []


def test_json_lines_keep_fields_that_are_not_known_yet():
    record = json.loads(RECORDED[0]) | {"new_field": [1]}
    lines, _ = shown([[json.dumps(record, indent=2).encode()]])
    assert [json.loads(text) for text in lines] == [record]


def test_any_cut_into_batches_shows_the_same():
    assert shown([[raw] for raw in RECORDED]) == shown([RECORDED]) == shown([RECORDED[:4], [], RECORDED[4:]])


def test_one_campaign_or_window_can_be_asked_for():
    lines, _ = shown([RECORDED], Wanted(campaign="c-2"))
    assert [json.loads(text)["campaign_id"] for text in lines] == ["c-2"]
    lines, _ = shown([RECORDED], Wanted(window="1m"))
    assert {json.loads(text)["window"] for text in lines} == {"1m"}
    assert shown([RECORDED], Wanted("c-2", "1m"))[0] == []


def test_a_record_that_is_no_reading_is_named_and_passed_over():
    lines, complaints = shown([[b"{", b"\xff", b'{"schema": "other/1"}', RECORDED[0]]])
    assert len(lines) == 1
    assert len(complaints) == 3


def test_a_line_is_readable():
    assert line(reading(1)) == (
        "c-1 declared 1m 2026-11-21T10:00:00Z update r4294967299 EUR "
        "spend 3.70 clicks 10 leads 2 orders 1 CPL 1.85 CAC 3.70 ROAS 13.51 ROI 7.11"
    )
    lines, _ = shown([RECORDED], screen=PlainLines)
    assert " CPL – " in lines[0]  # no lead yet: undefined, not 0
    assert any("c-1 linear 1m" in text and " leads 0.33 " in text for text in lines)


def test_the_table_holds_the_newest_window_of_each_campaign():
    console = on_a_terminal()
    with Live(console=console, auto_refresh=False) as live:
        follow([RECORDED], Wanted(), LiveTable(live), pytest.fail)
    text = console.file.getvalue()
    assert "2026-11-21T10:01:00Z" in text
    assert "2026-11-21T10:00:00Z" in text  # of the model that has no later window
    assert "waiting" not in text


def test_a_correction_of_an_earlier_window_leaves_the_later_one_in_place():
    current = CurrentReadings()
    for index in (7, 8):
        current.take(reading(index))
    assert [row.window_start for row in current.rows(10)] == ["2026-11-21T10:01:00Z"]


def test_the_table_is_as_high_as_the_terminal_and_says_what_it_hides():
    current = CurrentReadings()
    for number in range(50):
        current.take(msgspec.structs.replace(reading(0), campaign_id=f"c-{number:02}"))
    console = on_a_terminal(height=20)
    console.print(current.table(console.height))
    text = console.file.getvalue()
    assert text.count("\n") <= 20
    assert "50 readings, 36 more rows" in text
    assert "c-49" in text


def test_the_table_speaks_the_readers_language_and_lines_for_pipes_stay_as_they_are(monkeypatch):
    said = line(reading(0))
    monkeypatch.setattr(catalogues._Spoken, "language", "fr")
    current, console = CurrentReadings(), on_a_terminal()
    console.print(current.table(console.height))
    assert "en attente du premier relevé" in console.file.getvalue()
    dear = msgspec.structs.replace(
        reading(0), sums=msgspec.structs.replace(reading(0).sums, spend_micros=1_234_500_000)
    )
    current.take(dear)
    console.print(current.table(console.height))
    text = console.file.getvalue()
    assert "1 relevé" in text
    assert "1 relevés" not in text
    assert "1\u202f234,50" in text
    assert all(word in text for word in ("campagne", "fenêtre", "début", "dépenses"))
    assert line(reading(0)) == said


def test_an_id_is_shown_and_never_obeyed_by_the_terminal():
    strange = msgspec.structs.replace(reading(0), campaign_id="[/red]\x1b[2J")
    current = CurrentReadings()
    current.take(strange)
    console = on_a_terminal()
    console.print(current.table(console.height))
    for text in (console.file.getvalue(), line(strange)):
        assert "[/red]\ufffd[2J" in text
        assert "\x1b[2J" not in text


def test_rows_are_forgotten_past_the_limit_those_heard_from_last_stay():
    current = CurrentReadings(limit=2)
    for name in ("a", "b", "a", "c"):
        current.take(msgspec.structs.replace(reading(0), campaign_id=name))
    assert [row.campaign_id for row in current.rows(10)] == ["a", "c"]


@given(st.permutations(range(6)), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_ends_with_the_highest_revision(order, chance):
    newest, last = Newest(), {}
    deliveries = [*order, *(chance.choice(order) for _ in range(6))]
    for number in deliveries:
        window, revision = ("c", "declared", "1m", str(number % 2)), number // 2
        if newest.offer(window, revision):
            assert last.get(window, -1) < revision
            last[window] = revision
    assert set(last.values()) == {2}


def test_windows_heard_from_last_are_remembered():
    newest = Newest(limit=2)
    assert newest.offer("a", 5)
    assert newest.offer("b", 5)
    assert not newest.offer("a", 4)  # heard from, if only old news
    assert newest.offer("c", 5)
    assert not newest.offer("a", 5)
    assert newest.offer("b", 5)  # forgotten, so it is news again


def test_a_window_that_is_not_on_the_topic_is_refused_with_those_that_are():
    with pytest.raises(RoistreamError, match="1m, 1h, 1d, total"):
        run(Settings(), campaign=None, window="24h", from_beginning=False, json=False)


def test_the_recording_holds_what_these_tests_are_about():
    stages = {json.loads(raw)["stage"] for raw in RECORDED}
    assert stages == {"update", "final", "correction"}
    assert len(RECORDED) > len({(key(json.loads(raw)), json.loads(raw)["revision"]) for raw in RECORDED})

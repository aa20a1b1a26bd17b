"""``roistream backtest`` on files: the figures it prints, and the sentence for a row that is wrong."""

import json

import msgspec
import pytest
from msgspec.structs import replace

from metrics.budget import simulate
from metrics.budget.policy import preset
from metrics.values.errors import RoistreamError
from metrics.values.time import HOUR, format_instant
from streams.commands.backtest import from_file, run
from streams.settings import Settings

START = 1_800_000_000_000 // HOUR * HOUR
HEADER = "campaign_id,hour,spend,leads,orders,revenue,cost_of_goods,budget,target_cpl\n"


def rows(name, leads, hours=120):
    for index in range(hours):
        yield f"{name},{format_instant(START + index * HOUR)},20,{leads},1,50,20,5000,5\n"


def a_csv(tmp_path):
    path = tmp_path / "hours.csv"
    path.write_text(HEADER + "".join((*rows("good", 8), *rows("[bad]", 1))))
    return path


def test_a_policy_stops_what_does_not_pay_and_says_what_that_saves(tmp_path, capsys):
    assert run(Settings(), a_csv(tmp_path), preset("standard")) == 0
    out = capsys.readouterr().out
    assert "would have" in out
    assert "[bad]" in out
    assert "CPL misses its target" in out


def test_names_that_begin_alike_can_be_told_apart_on_a_narrow_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"spring-sale-of-the-north-{number}" for number in (1, 2)]
    path = tmp_path / "hours.csv"
    path.write_text(HEADER + "".join(line for name in names for line in rows(name, 4, hours=2)))
    assert run(Settings(), path, preset("standard")) == 0
    out = capsys.readouterr().out
    assert "…" not in out
    assert "would have done nothing in these hours" in out


def test_campaigns_that_no_hour_says_the_cost_of_are_named(tmp_path, capsys):
    hours = from_file(a_csv(tmp_path), Settings()).readings
    silent = [
        replace(each, campaign_id="daily", sums=replace(each.sums, spend_micros=None))
        for each in hours
        if each.campaign_id == "good"
    ]
    lines = tmp_path / "hours.jsonl"
    lines.write_bytes(b"\n".join(map(msgspec.json.encode, [*hours, *silent])))
    assert run(Settings(), lines, preset("standard")) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Left out, since no hour says what they cost (their reports are of longer times): daily." in out
    assert "2 campaigns" in out


def test_json_holds_both_courses(tmp_path, capsys):
    run(Settings(), a_csv(tmp_path), preset("careful"), as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["without"]["spend_micros"] == 2 * 120 * 20_000_000
    assert found["spend_avoided_micros"] == (
        found["without"]["spend_micros"] - found["with_policy"]["spend_micros"]
    )
    assert {each["campaign_id"]: each["column"] for each in found["campaigns"]}["[bad]"] == "hold"


def test_records_of_the_topic_in_a_file_are_read_as_they_are(tmp_path):
    history = from_file(a_csv(tmp_path), Settings())
    lines = tmp_path / "hours.jsonl"
    lines.write_bytes(b"\n".join(map(msgspec.json.encode, history.readings)))
    assert from_file(lines, Settings()).readings == history.readings


def test_what_names_no_campaign_is_left_out_of_recorded_hours(tmp_path):
    readings = from_file(a_csv(tmp_path), Settings()).readings
    nobody = msgspec.structs.replace(readings[0], campaign_id="(none)")
    lines = tmp_path / "hours.jsonl"
    lines.write_bytes(b"\n".join(map(msgspec.json.encode, [*readings, nobody])))
    found = simulate(preset("standard"), from_file(lines, Settings()))
    assert {each.campaign_id for each in found.campaigns} == {"good", "[bad]"}


@pytest.mark.parametrize(
    "row", ["c,yesterday,1\n", "c,2026-11-21T10:00:00Z,-1\n", "c,2026-11-21T10:00:00,1\n"]
)
def test_a_wrong_row_is_named(tmp_path, row):
    path = tmp_path / "wrong.csv"
    path.write_text("campaign_id,hour,spend\n" + row)
    with pytest.raises(RoistreamError, match="line 2"):
        from_file(path, Settings())


def test_no_hours_are_an_error_that_says_why(tmp_path):
    path = tmp_path / "none.csv"
    path.write_text(HEADER)
    with pytest.raises(RoistreamError, match="no recorded hours"):
        run(Settings(), path, preset("standard"))

"""``roistream backtest`` on the topics of a broker, and the board's simulation of the same hours: one answer."""

import asyncio
import json
from types import SimpleNamespace

import msgspec
import pytest

from metrics.budget import simulate
from metrics.budget.policy import PRESETS, preset
from metrics.values.errors import RoistreamError
from metrics.values.time import HOUR, floor_to
from streams import topics
from streams.board.simulation import Simulator
from streams.commands.backtest import from_topics, run
from streams.transport.topic_admin import ensure_topics
from tests.support import board_seeding as seeding
from tests.support.outside import write

BEGIN = floor_to(seeding.NOW_MS, HOUR)
HOURS = 60


@pytest.fixture
def recorded(broker, settings_for):
    """A broker that holds the hours of a campaign that misses its target, of one that meets it, and of nobody."""
    settings = settings_for(broker, partitions=2)
    ensure_topics(settings, create=True)
    campaigns = [
        {"campaign_id": name, "budget": 10_000, "targets": {"cpl": 5}} for name in ("bad", "good", "idle")
    ]
    write(settings, [(topics.CAMPAIGNS, each["campaign_id"].encode(), each) for each in campaigns])
    hours = [
        seeding.hour(name, number, leads, revenue=30 * leads, begin=BEGIN)
        for number in range(HOURS)
        for name, leads in (("bad", 1), ("good", 9), ("(none)", 2))
    ]
    early = [msgspec.structs.replace(each, revision=0, sums=hours[1].sums) for each in hours[:30]]
    other = [msgspec.structs.replace(each, model="linear") for each in hours[:9]]
    minutes = [msgspec.structs.replace(each, window="1m") for each in hours[:9]]
    readings = [*hours, *early, *other, *minutes]  # revisions out of order, and what is not asked for
    records = [
        (topics.CAMPAIGN_KPIS, each.campaign_id.encode(), msgspec.json.encode(each)) for each in readings
    ]
    foreign = (topics.CAMPAIGN_KPIS, b"bad", b'{"model":"declared","window":"1h"')
    write(settings, [*records, foreign, (topics.CAMPAIGN_KPIS, b"bad", None)])
    return settings


def test_the_hours_of_the_topics_are_replayed_and_the_board_says_the_same_of_them(recorded):
    history = asyncio.run(from_topics(recorded))
    assert set(history.facts) == {"bad", "good", "idle"}
    assert {each.model for each in history.readings} == {"declared"}
    now = BEGIN + HOURS * HOUR
    for name in PRESETS:
        found = simulate(preset(name), history)
        assert found.hours == HOURS
        shown = asyncio.run(Simulator(recorded).run(name, now))
        told = json.loads(msgspec.json.encode(shown))
        period = (told.pop("start"), told.pop("end"))
        assert period == (history.start, history.end)
        assert told == json.loads(msgspec.json.encode(found))
    by_name = {each.campaign_id: each for each in found.campaigns}
    assert by_name["bad"].column in ("hold", "stopped")
    assert by_name["bad"].without.spend_micros == HOURS * 20_000_000
    assert by_name["good"].column == "scale"


def test_the_command_reads_the_broker_when_no_file_is_given(recorded, capsys):
    assert run(recorded, None, preset("standard")) == 0
    out = capsys.readouterr().out
    assert "60 hours" in out
    assert "2 campaigns" in out
    assert "Against doing nothing the policy would have" in out


def test_a_broker_without_hours_is_an_error_that_says_why(broker, settings_for):
    settings = settings_for(broker, partitions=1)
    ensure_topics(settings, create=True)
    with pytest.raises(RoistreamError, match="no recorded hours"):
        run(settings, None, preset("standard"))


def test_a_broker_that_is_not_there_is_one_sentence(settings_for):
    settings = settings_for(SimpleNamespace(url="kafka://127.0.0.1:9"), broker_wait="1s")
    with pytest.raises(RoistreamError, match=r"127\.0\.0\.1:9"):
        run(settings, None, preset("standard"))


def test_topics_that_are_missing_are_named(broker, settings_for):
    with pytest.raises(RoistreamError, match="campaign"):
        run(settings_for(broker), None, preset("standard"))

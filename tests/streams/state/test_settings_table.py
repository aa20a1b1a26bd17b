"""What the state was made with stands in the state: a change of a setting is free, holds from now on, or is refused."""

import msgspec
import pytest

from metrics.entities.campaigns import CampaignRegistry
from metrics.values.errors import StateError
from streams.commands.doctor import judge_kept_settings
from streams.runtime.stage_factory import StageFactory
from streams.runtime.telemetry import Telemetry
from streams.setting_changes import SETTING_CHANGES
from streams.settings import Settings
from streams.state.codec import encode
from streams.state.settings_table import SettingsTable, read_history
from streams.state.store import HEADER_KEY

EARLY, LATE = 1_795_000_000_000, 1_795_000_060_000


def stores(settings, now):
    registry = CampaignRegistry(settings.reporting_currency)
    factory = StageFactory(settings, registry, Telemetry("0"), lambda: now, 0)
    return {
        "intake": factory.intake(0),
        "merge": factory.merge(0),
        "controller": factory.board(lambda _: None),
    }


def started(settings, now, kept):
    """Every stage as a start with these settings finds it, and what the start writes."""
    for name, store in stores(settings, now).items():
        log = kept.setdefault(name, {})
        store.restore(list(log.items()))
        store.take_over()
        log.update(store.checkpoint(now).entries)
    return kept


def test_every_setting_has_a_class_and_every_class_a_setting():
    assert set(SETTING_CHANGES) == set(Settings.model_fields)


@pytest.mark.parametrize("stage", ["intake", "merge", "controller"])
def test_another_reporting_currency_is_refused_by_every_stage_with_what_to_do(stage):
    kept = started(Settings(), EARLY, {})
    store = stores(Settings(reporting_currency="USD"), LATE)[stage]
    with pytest.raises(
        StateError, match=r"REPORTING_CURRENCY=EUR, the settings say USD; set it back, or start anew"
    ):
        store.restore(list(kept[stage].items()))


@pytest.mark.parametrize(
    ("before", "after", "is_refused"),
    [
        ({}, {"rekey": "off"}, True),
        ({"rekey": "visitor"}, {"rekey": "off"}, True),
        ({"rekey": "off"}, {}, False),
        ({"rekey": "off", "customer_retention": "900d"}, {"customer_retention": "900d"}, True),
        ({}, {"rekey": "visitor"}, False),
        ({"partitions": 1}, {"partitions": 1, "rekey": "off"}, False),
        (
            {"rekey": "off", "customer_retention": "900d"},
            {"rekey": "off", "customer_retention": "950d"},
            False,
        ),
    ],
)
def test_customers_whose_home_would_be_another_are_refused(before, after, is_refused):
    kept = started(Settings(**before), EARLY, {})
    if not is_refused:
        started(Settings(**after), LATE, kept)
        return
    with pytest.raises(
        StateError, match=r"ROISTREAM_REKEY=\w+, the settings say \w+; set it back, or start anew"
    ):
        started(Settings(**after), LATE, kept)
    history = read_history(kept["intake"].items())
    assert judge_kept_settings(history, Settings(**after)).state == "failed"


KEEPS = {"customer_retention": "800d"}


@pytest.mark.parametrize("stage", ["intake", "merge", "controller"])
def test_cohorts_of_another_period_are_refused_while_accounts_are_kept_and_free_before_and_after(stage):
    kept = started(Settings(), EARLY, {})  # no accounts yet: the first who wants weeks may have them
    kept = started(Settings(customer_cohorts="week", **KEEPS), EARLY, kept)
    with pytest.raises(
        StateError,
        match="CUSTOMER_COHORTS=week, the settings say month; set it back, or start once without ROISTREAM_CUSTOMER_RETENTION",
    ):
        stores(Settings(**KEEPS), LATE)[stage].restore(list(kept[stage].items()))
    kept = started(Settings(customer_cohorts="week"), LATE, kept)
    started(Settings(**KEEPS), LATE, kept)


def test_a_state_older_than_the_setting_has_cohorts_of_months():
    kept = started(Settings(**KEEPS), EARLY, {})
    history = {
        name: known
        for name, known in read_history(kept["merge"].items()).items()
        if name != "customer_cohorts"
    }
    assert "ROISTREAM_CUSTOMER_COHORTS=month" in (
        judge_kept_settings(history, Settings(customer_cohorts="week", **KEEPS)).text
    )
    assert judge_kept_settings(history, Settings(**KEEPS)).state == "ok"


def test_a_change_that_holds_from_now_on_says_since_when():
    kept = started(Settings(grace="90s"), LATE, started(Settings(), EARLY, {}))
    for log in kept.values():
        assert read_history(log.items())["grace"] == [("60000", EARLY), ("90000", LATE)]
        assert read_history(log.items())["max_future"] == [("300000", EARLY)]


def test_a_free_setting_leaves_no_trace_and_the_same_settings_write_nothing():
    kept = started(Settings(), EARLY, {})
    before = {name: read_history(log.items()) for name, log in kept.items()}
    again = started(Settings(publish_interval="2s", http_port=7000, redis_ttl="3d"), LATE, kept)
    assert {name: read_history(log.items()) for name, log in again.items()} == before
    table = SettingsTable(Settings().kept_values, LATE)
    table.restore([item for item in kept["intake"].items() if item[0][2:3] == b"s"], 0)
    assert table.take_changes(1) == []


def test_a_state_that_kept_no_settings_takes_those_of_the_first_start():
    kept = started(Settings(), EARLY, {})
    for log in kept.values():
        header = msgspec.msgpack.decode(log[HEADER_KEY])
        log[HEADER_KEY] = encode({name: value for name, value in header.items() if name != "records"})
        log.pop(next(key for key, value in log.items() if value is not None and read_history([(key, value)])))
    started(Settings(reporting_currency="USD"), LATE, kept)
    with pytest.raises(StateError):
        started(Settings(), LATE, kept)


def test_the_doctor_says_what_is_refused_and_what_will_hold():
    history = read_history(started(Settings(), EARLY, {})["intake"].items())
    assert judge_kept_settings(history, Settings()).state == "ok"
    assert judge_kept_settings({}, Settings()).text == "there is no state yet"
    changed = judge_kept_settings(history, Settings(grace="90s"))
    assert (changed.state, "GRACE 60000 -> 90000" in changed.text) == ("warning", True)
    refused = judge_kept_settings(history, Settings(reporting_currency="USD"))
    assert (refused.state, "REPORTING_CURRENCY=EUR" in refused.text) == ("failed", True)

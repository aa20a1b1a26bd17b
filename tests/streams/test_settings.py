"""A wrong setting stops the start with one sentence that names it."""

import os

import pytest

from metrics.values.errors import SettingError
from streams.settings import load


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch):
    for name in list(os.environ):
        if name.startswith("ROISTREAM_"):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GRACE", "121m"),
        ("GRACE", "soon"),
        ("GRACE", "0s"),
        ("GRACE", "-1s"),
        ("IDLE_AFTER", "30"),
        ("PARTITIONS", "0"),
        ("PARTITIONS", "four"),
        ("PARTITIONS", "1025"),
        ("HTTP_PORT", "65536"),
        ("BOARD_PORT", "-1"),
        ("BOARD_TOKEN", "short"),
        ("TIMEZONE", "Mars/Olympus"),
        ("TIMEZONE", "../etc/passwd"),
        ("REPORTING_CURRENCY", "eur"),
        ("REPORTING_CURRENCY", ""),
        ("BROKER", "localhost"),
        ("BROKER", "http://localhost:9092"),
        ("TOPIC_PREFIX", "a b"),
        ("GAUGE_WINDOWS", "1h,2h"),
        ("BUDGET_MODE", "yolo"),
        ("DEDUPE_MAX_EVENTS", "0"),
        ("MAX_PUBLISH_RATE", "0"),
        ("CUSTOMER_RETENTION", "30d"),
        ("BROKER_SECURITY_PROTOCOL", "TLS"),
        ("LOG_LEVEL", "LOUD"),
        ("GRAACE", "1s"),
        ("ATTRIBUTION_MODELS", "last_click"),
        ("ATTRIBUTION_MODELS", "declared"),
        ("GAUGE_MODELS", "declared,linear"),
    ],
)
def test_each_wrong_setting_is_named_in_one_sentence(monkeypatch, name, value):
    monkeypatch.setenv(f"ROISTREAM_{name}", value)
    with pytest.raises(SettingError) as error:
        load()
    text = str(error.value)
    assert text.startswith(f"ROISTREAM_{name}")
    assert text.endswith(".")
    assert "\n" not in text


@pytest.mark.parametrize("grace", ["1ms", "60s", "2h"])
def test_a_grace_of_up_to_two_hours_is_taken(monkeypatch, grace):
    monkeypatch.setenv("ROISTREAM_GRACE", grace)
    assert load().grace <= 7_200_000


def test_the_environment_wins_over_the_file_and_overrides_over_both(monkeypatch, tmp_path):
    config = tmp_path / "roistream.toml"
    config.write_text('grace = "5s"\nidle_after = "7s"\npartitions = 2\n')
    monkeypatch.setenv("ROISTREAM_CONFIG", str(config))
    monkeypatch.setenv("ROISTREAM_GRACE", "9s")
    loaded = load({"partitions": 3})
    assert (loaded.grace, loaded.idle_after, loaded.partitions) == (9_000, 7_000, 3)


@pytest.mark.parametrize("content", [None, "grace = ", 'graace = "5s"\n', 'grace = "3h"\n'])
def test_a_wrong_file_is_named_too(monkeypatch, tmp_path, content):
    config = tmp_path / "roistream.toml"
    if content is not None:
        config.write_text(content)
    monkeypatch.setenv("ROISTREAM_CONFIG", str(config))
    with pytest.raises(SettingError, match=r"^ROISTREAM_[A-Z]+: .*\.$"):
        load()


def test_lists_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("ROISTREAM_GAUGE_WINDOWS", "5m, today ,total")
    assert load().gauge_windows == ["5m", "today", "total"]

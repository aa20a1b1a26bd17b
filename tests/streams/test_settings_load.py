"""Where settings come from, and which source wins."""

import pytest

from metrics.values.errors import SettingError
from streams.settings import load


def test_overrides_win_over_everything(monkeypatch, tmp_path) -> None:
    config = tmp_path / "roistream.toml"
    config.write_text("http_port = 1\npartitions = 8\ngrace = '5s'\n")
    monkeypatch.setenv("ROISTREAM_CONFIG", str(config))
    monkeypatch.setenv("ROISTREAM_HTTP_PORT", "2")
    monkeypatch.setenv("ROISTREAM_PARTITIONS", "16")
    settings = load({"http_port": 3})
    assert (settings.http_port, settings.partitions, settings.grace) == (3, 16, 5_000)


def test_a_wrong_override_is_named_as_its_setting() -> None:
    with pytest.raises(SettingError, match="ROISTREAM_HTTP_PORT"):
        load({"http_port": -1})

"""The page as text: formats, names and labels, as strict parsers and prometheus_client have them."""

import json
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest as plain_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from metrics.exposition import (
    Exposition,
    prefers_openmetrics,
)
from metrics.exposition.metric_families import BY_NAME, FAMILIES
from metrics.kpis.catalogue import COUNTERS, KPI_FAMILIES, SUM_GAUGES
from tests.support.collector import RoistreamCollector
from tests.support.exposed import (
    OPENMETRICS,
    PLAIN,
    campaign,
    everything,
    page,
    reading,
    worker,
)


def test_strict_parser_refuses_what_must_not_parse_and_takes_what_must(shared: Path):
    cases = sorted((shared / "data/openmetrics/openmetrics_testdata/parsers").iterdir())
    assert len(cases) > 200
    for case in cases:
        text = (case / "metrics").read_bytes().decode()
        try:
            list(parse_openmetrics(text))
            parsed = True
        except ValueError:
            parsed = False
        assert parsed == json.loads((case / "test.json").read_text())["shouldParse"], case.name


def test_every_family_of_the_table_is_on_the_page_with_the_labels_it_declares():
    found = {family.name: family for family in parse_openmetrics(page(everything(), limit=1))}
    assert list(found) == [family.name for family in FAMILIES]
    for family in FAMILIES:
        seen = found[family.name]
        assert (seen.type, seen.documentation, seen.unit) == (family.kind, family.help, family.unit)
        assert seen.samples, family.name
        for sample in seen.samples:
            assert set(sample.labels) - {"le"} == set(family.labels), sample


def test_names_and_help_are_the_catalogues():
    named = {row.family.removesuffix("_total"): row.help for row in (*SUM_GAUGES, *COUNTERS)}
    named |= {row.name: row.help for row in KPI_FAMILIES}
    assert {name: BY_NAME[name].help for name in named} == named


@pytest.mark.parametrize("limit", [1, 1_000])
def test_writer_gives_the_bytes_of_prometheus_client(limit: int):
    taken = everything()
    registry = CollectorRegistry()
    registry.register(RoistreamCollector(SimpleNamespace(snapshot=lambda: taken), limit))
    assert page(taken, OPENMETRICS, limit).encode() == openmetrics_latest(registry)
    assert page(taken, PLAIN, limit).encode() == plain_latest(registry)


#: A line feed is the control character that the format can write.
writable = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=128)


@given(writable, st.floats(allow_nan=False) | st.integers(-(10**18), 10**18))
def test_writer_and_prometheus_client_agree_on_any_label_and_value(text: str, number: float):
    taken = worker(campaign(text, reading(kpis={"ctr": number}), channel=text, name=text))
    registry = CollectorRegistry()
    registry.register(RoistreamCollector(SimpleNamespace(snapshot=lambda: taken), 1_000))
    assert page(taken).encode() == openmetrics_latest(registry)
    assert page(taken, PLAIN).encode() == plain_latest(registry)


@given(writable)
def test_labels_come_back_as_they_went_in(text: str):
    taken = worker(campaign("c-1", channel=text))
    (info,) = (one for one in parse_openmetrics(page(taken)) if one.name == "campaign_info")
    (sample,) = info.samples
    assert sample.labels["channel"] == text


@given(st.text(st.characters(max_codepoint=0x9F), max_size=20))
def test_no_name_steers_the_terminal_of_who_reads_the_page(text: str):
    shown = page(worker(campaign(f"c-{text}", channel=text, name=text)))
    assert all(character.isprintable() or character == "\n" for character in shown)
    (info,) = (one for one in parse_openmetrics(shown) if one.name == "campaign_info")
    assert len(info.samples[0].labels["channel"]) == len(text)


def test_counters_are_families_without_total_in_openmetrics_and_with_it_in_plain_text():
    assert "# TYPE campaign_clicks counter\n" in page(everything())
    assert "# TYPE campaign_clicks_total counter\n" in page(everything(), PLAIN)
    line = 'campaign_clicks_total{campaign_id="c-1",channel="search"} 12.0\n'
    assert line in page(everything())
    assert line in page(everything(), PLAIN)


def test_plain_text_and_openmetrics_say_the_same():
    def facts(families: Any) -> set[Any]:
        return {
            (one.name, frozenset(one.labels.items()), one.value)
            for family in families
            for one in family.samples
        }

    assert facts(parse_plain(page(everything(), PLAIN))) == facts(parse_openmetrics(page(everything())))


PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_3, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8", True),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.4", False),
        ("application/openmetrics-text;version=0.0.1", False),
        ("text/html,*/*;q=0.8", False),
        ("application/openmetrics-text;q=x", False),
        (";;,=,", False),
        ("", False),
    ],
)
def test_accept_header_decides_the_format(accept: str, expected: bool):
    assert prefers_openmetrics(accept) is expected
    text, kind = Exposition(SimpleNamespace(snapshot=everything), 10).render(accept)
    assert text.endswith(b"# EOF\n") is expected
    assert kind.startswith("application/openmetrics-text; version=1.0.0" if expected else "text/plain")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with Prometheus")
@pytest.mark.parametrize("limit", [1, 1_000])
def test_promtool_has_nothing_to_say(limit: int):
    text = page(everything(), PLAIN, limit)
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")

"""The example for downstream readers is right whatever the order, and needs nothing of roistream."""

import ast
import importlib.util
import json
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "follow_kpis.py"
RECORDED = (Path(__file__).parents[1] / "support" / "recorded_kpis.jsonl").read_bytes().splitlines()


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("follow_kpis", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_finals_and_corrections_are_printed_once_with_what_they_replace(example):
    assert list(example.lines(RECORDED)) == [
        "final     c-1 declared 1m 2026-11-21T10:00:00Z: CPL 1.85, ROI 7.108108",
        "corrected c-1 declared 1m 2026-11-21T10:00:00Z: CPL 0.74, ROI 7.108108 (was CPL 1.85, ROI 7.108108)",
    ]


def test_a_correction_whose_final_was_not_seen_says_so(example):
    assert list(example.lines(RECORDED[8:])) == [
        "corrected c-1 declared 1m 2026-11-21T10:00:00Z: CPL 0.74, ROI 7.108108 (was not seen)"
    ]


def test_an_undefined_kpi_is_not_zero(example):
    record = json.loads(RECORDED[0]) | {"stage": "final"}
    assert list(example.lines([json.dumps(record).encode()])) == [
        "final     c-1 declared 1m 2026-11-21T10:00:00Z: CPL undefined, ROI 7.108108"
    ]


@pytest.mark.parametrize("values", [RECORDED, RECORDED[::-1], RECORDED * 2, RECORDED[5:] + RECORDED[:5]])
def test_any_order_and_repetition_ends_with_the_same_readings(example, values):
    latest = example.LatestReadings()
    for value in values:
        latest.take(json.loads(value))
    highest = {}
    for value in RECORDED:
        record = json.loads(value)
        key = tuple(record[name] for name in ("campaign_id", "model", "window", "window_start"))
        highest[key] = max(highest.get(key, 0), record["revision"])
    assert {key: record["revision"] for key, record in latest.by_window.items()} == highest


def test_a_schema_that_is_not_known_is_passed_over(example):
    record = json.loads(RECORDED[5]) | {"schema": "campaign-kpi/2"}
    assert list(example.lines([json.dumps(record).encode()])) == []


def test_it_needs_the_standard_library_and_kafka_python_only():
    imported = set()
    for node in ast.walk(ast.parse(EXAMPLE.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.partition(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"kafka"}

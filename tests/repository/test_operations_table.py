"""Each row of the table of operations in docs/operations.md names a test that is there, and each operation of the fault suite has its row in docs/faults.md."""

import re
from pathlib import Path

import pytest

from tests.faults.operation_sequence import CRASHES, operation_plan, sequences
from tests.faults.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
TABLE = PAGE.partition("## What is done to a cluster, and what to do")[2].partition("\n### ")[0]
ROWS = [line.split("|")[1:-1] for line in TABLE.splitlines() if line.startswith("| ")][1:]


def test_the_table_has_rows_of_four_cells():
    assert len(ROWS) > 10
    assert {len(row) for row in ROWS} == {4}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip()[:40])
def test_each_row_names_a_test_that_is_there(row):
    name = re.fullmatch(r" `(tests/[\w/]+\.py)::(test_\w+)` ", row[3])
    assert name is not None, row[3]
    assert f"\ndef {name[2]}(" in (ROOT / name[1]).read_text()


def test_each_operation_and_each_crash_of_the_fault_suite_is_described():
    page = (ROOT / "docs" / "faults.md").read_text()
    missing = [each.name for each in OPERATIONS if f"| `{each.name}` |" not in page]
    assert missing == []
    assert [each for each in CRASHES if f"`{each}`" not in page] == []


def test_the_seeds_are_every_pair_of_an_operation_and_a_crash_once():
    pairs = {(plan.operation.name, plan.crash) for plan in sequences()}
    assert len(pairs) == len(OPERATIONS) * len(CRASHES) == len(list(sequences()))
    assert operation_plan(1).crash == "none"
